"""Matchers: whether a request fits, and what its target gets from it."""

import re
from collections.abc import Sequence
from operator import methodcaller
from re import Pattern
from typing import Any

from toolkit.escape import url_escape, url_unescape
from toolkit.httputil import HTTPServerRequest
from toolkit.routing import patterns
from toolkit.routing.converters import Converter
from toolkit.routing.templates import (
    Template,
    TemplateArguments,
    is_template,
    parse_parameters,
)


class Matcher:
    """Says whether a request fits.

    Two are combined by ``&``: ``path("/items/{id}") & HeaderMatches("X-Version", "2")``.

    Attributes:
        names: of the arguments that `reverse` takes by name.
    """

    names: Sequence[str] = ()

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return arguments for the target (`path_args`, `path_kwargs`), None for no match."""
        raise NotImplementedError

    def reverse(self, *args: Any, **kwargs: Any) -> str | None:
        """Return the path that would match with these arguments, None when that is unknown.

        Args:
            kwargs: those of `names`; a matcher without `names` gets none.
        """
        return None

    def under(self, prefix: Template) -> "Matcher":
        """Return the matcher that asks the same of paths below a prefix; see `mount`."""
        return PrefixMatches(prefix) & self

    def __and__(self, other: "Matcher") -> "AllMatch":
        return AllMatch(self, other)


class AnyMatches(Matcher):
    """Matches every request."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {}

    def under(self, prefix: Template) -> Matcher:
        return PrefixMatches(prefix)


class HostMatches(Matcher):
    """Matches requests by host name, without port, in lower case.

    Args:
        host_pattern: a regular expression for the whole name, or a template such as
            ``{tenant}.example.com``, whose values handlers get by name; a parameter takes one
            label of the name, or a part of one.

    Attributes:
        host_pattern: the regular expression, or the one that the template comes to.
    """

    def __init__(self, host_pattern: str | Pattern[str]) -> None:
        self._converters: dict[str, Converter] = {}
        if isinstance(host_pattern, str):
            if is_template(host_pattern):
                host_pattern, self._converters = _host_template(host_pattern)
            else:
                host_pattern = re.compile(patterns.anchored(host_pattern))
        self.host_pattern = host_pattern

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return self.match_name(request.host_name)

    def match_name(self, host_name: str) -> dict[str, Any] | None:
        """Return what `match` does for a request with this host name."""
        found = self.host_pattern.match(host_name)
        if found is None or not self._converters:
            return None if found is None else {}
        try:
            values = {
                name: converter.convert(found[name]) for name, converter in self._converters.items()
            }
        except ValueError:
            return None
        return {"path_kwargs": TemplateArguments(values)}


class DefaultHostMatches(Matcher):
    """Matches all requests, when the application's default host matches the pattern.

    Those that name another host by a proxy, which then says so in X-Real-Ip, are left out.

    Args:
        host_pattern: a regular expression, or the matcher that the default host is to match.
    """

    def __init__(self, application: Any, host_pattern: Pattern[str] | HostMatches) -> None:
        self.application = application
        if isinstance(host_pattern, HostMatches):
            self._matcher = host_pattern
        else:
            self._matcher = HostMatches(host_pattern)
        self.host_pattern = self._matcher.host_pattern

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if "X-Real-Ip" in request.headers:
            return None
        return self._matcher.match_name(self.application.default_host)


class PathMatches(Matcher):
    """Matches requests by path; groups of the pattern become arguments.

    Args:
        path_pattern: a regular expression for the whole path. Its groups are all named or
            all unnamed.
    """

    def __init__(self, path_pattern: str | Pattern[str]) -> None:
        if isinstance(path_pattern, str):
            path_pattern = re.compile(patterns.anchored(path_pattern))
        self.regex = path_pattern
        named = len(self.regex.groupindex)
        if named not in (0, self.regex.groups):
            raise ValueError(
                f"groups in url regexes must either be all named or all positional: "
                f"{self.regex.pattern!r}"
            )
        self.names = list(self.regex.groupindex)
        self._unnamed = self.regex.groups > named
        self._path, self._group_count = patterns.reversible(self.regex)

    @property
    def literal(self) -> str | None:
        """The one path that the pattern matches, None when it may match others."""
        return patterns.literal(self.regex)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        path = request.path
        found = self.regex.match(path)
        if found is None:
            return None
        if self._unnamed:
            groups = found.groups()
            if "%" in path or None in groups:
                return {"path_args": [_unquote(value) for value in groups]}
            return {"path_args": list(map(_raw, groups))}
        if self.names:
            return {"path_kwargs": {k: _unquote(v) for k, v in found.groupdict().items()}}
        return {}

    def reverse(self, *args: Any, **kwargs: Any) -> str | None:
        if self._path is None:
            raise ValueError(f"pattern {self.regex.pattern!r} is too involved to be reversed")
        if len(args) + len(kwargs) != self._group_count:
            raise ValueError(
                f"{len(args) + len(kwargs)} arguments for {self._group_count} groups of "
                f"pattern {self.regex.pattern!r}"
            )
        # Groups are named in the order in which they stand, as none is within another.
        args += tuple(kwargs[name] for name in self.names[len(args) :] if name in kwargs)
        if len(args) < self._group_count:
            raise ValueError(f"arguments {[*kwargs]!r}; those of {self.names!r} are allowed")
        return self._path % tuple(_segment(arg) for arg in args)

    def _find_groups(self) -> tuple[str | None, int | None]:
        """Return the path with ``%s`` for each group, and their number; OpenTelemetry asks."""
        return self._path, None if self._path is None else self._group_count

    def under(self, prefix: Template) -> Matcher:
        if prefix.literal is None:
            if self.literal is None:
                raise ValueError(
                    f"pattern {self.regex.pattern!r} under {prefix.text!r}; under a prefix with "
                    "parameters fixed paths and templates are allowed"
                )
            return PathTemplate(prefix.text + self.literal)
        pattern = self.regex.pattern.removeprefix("^")
        if patterns.has_alternatives(self.regex):
            pattern = f"(?:{pattern})"
        flags = self.regex.flags & ~re.UNICODE
        return PathMatches(re.compile(re.escape(prefix.literal) + pattern, flags))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.regex.pattern!r})"


class PathTemplate(Matcher):
    """Matches requests by path; parameters of the template become arguments by name.

    ``{name}`` takes a segment, or a part of one, as text, ``{name:int}`` where that is an
    integer; `float`, `uuid`, `date` are the other types, `register_converter` adds more.
    ``{name:path}`` at the end takes the rest, slashes too. A percent-encoded slash is part of a
    value. A segment ``.`` or ``..`` is no value.

    Example::

        Application([(path("/items/{id:int}"), ItemHandler)])    # get(self, id: int)

    Args:
        template: of the whole path, which begins with a slash.
    Raises:
        ValueError: not well formed, or an unknown converter.
    """

    def __init__(self, template: str) -> None:
        self.template = Template(template)
        self.names = self.template.names

    @property
    def regex(self) -> Pattern[str]:
        """A regular expression for what the template matches, as lists of routes show it.

        Converters may refuse some of it; nothing here is matched by it.
        """
        return re.compile(self.template.regex_text)

    @property
    def literal(self) -> str | None:
        """The one path that the template matches, None when it has parameters."""
        return self.template.literal

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        texts = self.template.split(request.path)
        return None if texts is None else self.arguments(texts)

    def arguments(self, texts: Sequence[str]) -> dict[str, Any] | None:
        """Return what `match` does, of a path that has these texts in place of the parameters."""
        values = self.template.values(texts)
        if values is None:
            return None
        return {"path_kwargs": values} if values else {}

    def reverse(self, *args: Any, **kwargs: Any) -> str | None:
        return self.template.build(args, kwargs)

    def under(self, prefix: Template) -> Matcher:
        return type(self)(prefix.text + self.template.text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.template.text!r})"


def path(template: str) -> PathTemplate:
    """Return the matcher of a path template, whatever characters its fixed text has."""
    return PathTemplate(template)


class PrefixMatches(PathTemplate):
    """Matches a path and all paths below it; it may have parameters, but none for the rest.

    ``/api`` matches ``/api`` and ``/api/users``, not ``/apis``.
    """

    def __init__(self, template: str | Template) -> None:
        self.template = template if isinstance(template, Template) else Template(template)
        self.names = self.template.names
        if self.template.rest is not None or self.template.text.endswith("/"):
            raise ValueError(
                f"prefix {self.template.text!r}; one without a '/' at its end is allowed, and "
                "without a parameter for the rest"
            )

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        texts = self.template.split(request.path, prefix=True)
        return None if texts is None else self.arguments(texts)

    def under(self, prefix: Template) -> Matcher:
        return PrefixMatches(prefix.text + self.template.text)


class AllMatch(Matcher):
    """Matches what all of its matchers do; arguments of all of them go to the target.

    Attributes:
        path: the matcher among them that says most of the path, None without one.
    """

    def __init__(self, *matchers: Matcher) -> None:
        self.matchers: list[Matcher] = []
        for matcher in matchers:
            self.matchers += matcher.matchers if isinstance(matcher, AllMatch) else [matcher]
        by_path = [matcher for matcher in self.matchers if isinstance(matcher, _BY_PATH)]
        self.path = by_path[-1] if by_path else None
        self.names = self.path.names if self.path else ()

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        arguments: dict[str, Any] = {}
        for matcher in self.matchers:
            found = matcher.match(request)
            if found is None:
                return None
            arguments = joined(arguments, found)
        return arguments

    def reverse(self, *args: Any, **kwargs: Any) -> str | None:
        return self.path.reverse(*args, **kwargs) if self.path else None

    def under(self, prefix: Template) -> Matcher:
        if self.path is None:
            return PrefixMatches(prefix) & self
        return AllMatch(
            *(
                matcher.under(prefix) if isinstance(matcher, _BY_PATH) else matcher
                for matcher in self.matchers
            )
        )


#: Matchers of the path, which move when they are mounted under a prefix.
_BY_PATH = (PathMatches, PathTemplate)


def joined(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of two matchers; of a name in both the second one's."""
    both = outer | inner
    if "path_kwargs" in outer and "path_kwargs" in inner:
        values = outer["path_kwargs"] | inner["path_kwargs"]
        both["path_kwargs"] = TemplateArguments(values)
    return both


def _segment(value: Any) -> str:
    """Quote a value for a path; a slash in it is no separator."""
    text = value if isinstance(value, (str, bytes)) else str(value)
    return url_escape(text, plus=False).replace("/", "%2F")


#: Returns the bytes of a group; a raw byte of the target is one character.
_raw = methodcaller("encode", "latin-1")


def _unquote(value: str | None) -> bytes | None:
    """Return the bytes of a group with its percent-encoding resolved."""
    if value is None:
        return None
    raw: bytes = _raw(value)
    return url_unescape(raw, encoding=None, plus=False) if b"%" in raw else raw


def _host_template(template: str) -> tuple[Pattern[str], dict[str, Converter]]:
    """Turn a template for hosts into a regular expression and the converters of its groups."""
    labels = []
    found: dict[str, Converter] = {}
    for label in template.lower().split("."):
        pieces, names, converters = parse_parameters(label, template)
        if len(names) > 1 or any(converter.spans_segments for converter in converters):
            raise ValueError(
                f"label {label!r} of template {template!r}; one parameter for text without dots "
                "is allowed"
            )
        if not found.keys().isdisjoint(names):
            raise ValueError(f"template {template!r} has two parameters of one name")
        found |= zip(names, converters, strict=True)
        groups = [f"(?P<{name}>[^.]+)" for name in names]
        labels.append(re.escape(pieces[0]) + "".join(groups) + "".join(map(re.escape, pieces[1:])))
    return re.compile(r"\.".join(labels) + r"\Z"), found
