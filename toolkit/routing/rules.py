"""Rules: a matcher, and what its requests go to."""

import re
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from re import Pattern
from typing import Any

from toolkit.log import app_log
from toolkit.routing.matchers import Matcher, PathMatches, PathTemplate
from toolkit.routing.templates import is_template, mixes_template
from toolkit.util import import_object

#: What a request came to: the target of a rule, the rule's arguments for it, and those of the
#: path, by place and by name. Of a regular expression they are the groups, unescaped, as bytes,
#: None for a group that took no part; of a template the values that its converters made. A target
#: decodes what is of type bytes, and takes the rest as it is; it changes none of them, as the next
#: request of the path may come to the same.
Match = tuple[Any, dict[str, Any], Sequence[Any], Mapping[str, Any]]


class Rule:
    """A matcher and what its requests go to.

    Args:
        matcher: says which requests.
        target: what they go to: a handler class, or a list of rules.
        target_kwargs: for the target, such as arguments of `RequestHandler.initialize`.
        name: for `reverse_url`.

    Attributes:
        place: file and line that made the rule, for messages.
    """

    def __init__(
        self,
        matcher: Matcher,
        target: Any,
        target_kwargs: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.matcher = matcher
        self.target = import_object(target) if isinstance(target, str) else target
        self.target_kwargs = target_kwargs if target_kwargs is not None else {}
        self.name = name
        self.place = _place()

    def reverse(self, *args: Any, **kwargs: Any) -> str | None:
        """Return the path that would match with these arguments.

        Args:
            kwargs: arguments of the path by name; the others become its query, a list as one
                field for each item, None as none.
        """
        in_path = {name: kwargs.pop(name) for name in self.matcher.names if name in kwargs}
        path = self.matcher.reverse(*args, **in_path)
        query = {name: value for name, value in kwargs.items() if value is not None}
        if path is None or not query:
            return path
        return f"{path}?{urllib.parse.urlencode(query, doseq=True)}"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.matcher!r}, {self.target!r}, "
            f"kwargs={self.target_kwargs!r}, name={self.name!r})"
        )


class URLSpec(Rule):
    """A path pattern and the handler class of its requests.

    Args:
        pattern: a regular expression, to which `$` is added at its end when missing, or a
            template such as ``/items/{id:int}``: text with parameters, and without any character
            that has a meaning in regular expressions but the dot (`PathTemplate`, or `path` for
            templates with such characters).
        handler: a `RequestHandler` subclass, or its dotted name.
        kwargs: for its `initialize`.
        name: for `reverse_url`.
    """

    def __init__(
        self,
        pattern: str | Pattern[str],
        handler: Any,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(_path_matcher(pattern), handler, kwargs, name)
        self.handler_class = self.target
        self.kwargs = self.target_kwargs

    @property
    def regex(self) -> Pattern[str]:
        """The pattern; of a template one that is made for this."""
        assert isinstance(self.matcher, (PathMatches, PathTemplate))
        return self.matcher.regex

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.regex.pattern!r}, {self.handler_class!r}, "
            f"kwargs={self.kwargs!r}, name={self.name!r})"
        )


#: A rule, or the arguments of one; its first may be a path pattern.
RuleLike = Rule | Sequence[Any]


def as_rule(rule: RuleLike) -> Rule:
    """Make a rule of a tuple ``(pattern or matcher, target[, kwargs[, name]])``."""
    if isinstance(rule, Rule):
        return rule
    if not 2 <= len(rule) <= 4:
        raise ValueError(f"rule {rule!r}; 2 to 4 items are allowed")
    if not isinstance(rule[0], (str, re.Pattern)):
        return Rule(*rule)
    if isinstance(rule[1], (list, tuple)):
        return Rule(_path_matcher(rule[0]), *rule[1:])
    return URLSpec(*rule)


def _path_matcher(pattern: str | Pattern[str]) -> PathMatches | PathTemplate:
    if isinstance(pattern, str):
        if is_template(pattern):
            return PathTemplate(pattern)
        mixed = mixes_template(pattern)
        if mixed:
            app_log.warning(
                "Pattern %r (%s) is a regular expression, in which %s means just these characters",
                pattern,
                _place(),
                mixed,
            )
    return PathMatches(pattern)


def _place() -> str:
    """Return file and line of the nearest caller outside of the package."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("toolkit."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
