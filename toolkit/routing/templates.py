"""Path templates: text with ``{name}`` and ``{name:converter}`` in it."""

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from toolkit.escape import url_unescape
from toolkit.routing.converters import BUILT_IN, PLAIN, Converter, find_converter

#: A pattern that is a template: it has parameters, and nothing else that a regular expression
#: would read as more than a character. As such an expression it would match no path but one with
#: these very braces in it, which no valid URL has (RFC 3986 §3.3).
_IS_TEMPLATE = re.compile(
    r"(?:[^\\^$*+?()\[\]{}|]*\{[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z_][A-Za-z0-9_]*)?\})+"
    r"[^\\^$*+?()\[\]{}|]*"
)
_PARAMETER = re.compile(r"\{([^{}]*)\}")
_PARAMETER_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z_][A-Za-z0-9_]*))?")

#: What looks like a parameter inside of a regular expression.
_PARAMETER_IN_REGEX = re.compile(r"(?<!\\)\{[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_]+)?\}")

#: Segments that a client, or whoever resolves a path, takes for a step and not for a name.
_DOTS = frozenset(
    "".join(dots)
    for count in (1, 2)
    for dots in product((".", "%2e", "%2E"), repeat=count)
)  # fmt: skip

#: Characters of a path that stand for themselves (RFC 3986 §3.3), and escapes.
_SAFE = "/!$&'()*+,;=:@%"


class TemplateArguments(dict[str, Any]):
    """Values of a template's parameters by name, converted; rules inside of it get them too."""


class ConvertedBytes(bytes):
    """Bytes that a converter made, told apart from those of a path, which are decoded."""


def is_template(pattern: str) -> bool:
    """Say whether a pattern is a template rather than a regular expression."""
    return _IS_TEMPLATE.fullmatch(pattern) is not None


def mixes_template(pattern: str) -> str | None:
    """Return what looks like a parameter in a regular expression, where it means its characters."""
    found = _PARAMETER_IN_REGEX.search(re.sub(r"\[[^\]]*\]", "", pattern))
    return found[0] if found else None


def parse_parameters(text: str, template: str) -> tuple[list[str], list[str], list[Converter]]:
    """Split text at its parameters.

    Returns:
        The pieces around the parameters, one more than these; their names; their converters.
    Raises:
        ValueError: not well formed, or an unknown converter.
    """
    pieces, names, converters = [], [], []
    for index, part in enumerate(_PARAMETER.split(text)):
        if index % 2 == 0:
            if "{" in part or "}" in part:
                raise ValueError(f"unmatched brace in template {template!r}")
            pieces.append(part)
            continue
        found = _PARAMETER_INSIDE.fullmatch(part)
        if found is None:
            raise ValueError(
                f"parameter {{{part}}} of template {template!r}; "
                "{name} or {name:converter} is allowed"
            )
        names.append(found[1])
        try:
            converters.append(find_converter(found[2]) if found[2] else PLAIN)
        except ValueError as error:
            raise ValueError(f"template {template!r}: {error}") from None
    return pieces, names, converters


class Shape:
    """A segment with parameters: which texts they have in a segment of a path.

    Two parameters have text between them. The one before takes as much as there is: of
    ``a.tar.gz`` ``{name}.{suffix}`` makes ``a.tar`` and ``gz``.

    Args:
        pieces: text before, between and behind the parameters.
    """

    def __init__(self, pieces: Sequence[str], converters: Sequence[Converter]) -> None:
        self.pieces = tuple(pieces)
        self.converters = tuple(converters)
        #: Equal for segments that take the same.
        self.key = (self.pieces, self.converters)
        self.bare = self.pieces == ("", "")

    def split(self, segment: str) -> tuple[str, ...] | None:
        """Return the texts of the parameters, as they are in the path; None for no match."""
        if not segment or segment in _DOTS:
            return None
        if self.bare:
            return (segment,)
        first, *between, last = self.pieces
        if len(segment) < len(first) + len(last):
            return None
        if not (segment.startswith(first) and segment.endswith(last)):
            return None
        rest = segment[len(first) : len(segment) - len(last)]
        texts = []
        for piece in reversed(between):
            rest, _, text = rest.rpartition(piece)
            texts.append(text)
        texts.append(rest)
        return tuple(reversed(texts)) if all(texts) else None

    def build(self, texts: Sequence[str]) -> str:
        """Return the segment with these texts, which are percent-encoded already.

        Raises:
            ValueError: it would be read as other texts.
        """
        first, *others = self.pieces
        segment = first + "".join(
            f"{text}{piece}" for text, piece in zip(texts, others, strict=True)
        )
        if self.split(segment) != tuple(texts):
            raise ValueError(f"segment {segment[:100]!r} would not be read as {texts!r}")
        return segment


class Template:
    """A path with parameters, which are whole segments or parts of one.

    Text between the parameters matches as it is written in URLs; characters that a URL cannot
    have are percent-encoded first.

    Attributes:
        text: as it was given.
        segments: of the path, without the ``{…:path}`` at its end: fixed ones and `Shape`.
        rest: the converter of that one.
        names: of the parameters, in order.
        converters: of the parameters, in order.
    """

    def __init__(self, text: str) -> None:
        if not text.startswith("/") or text.startswith("//"):
            raise ValueError(f"template {text!r}; one that begins with a single '/' is allowed")
        self.text = text
        self.segments: list[str | Shape] = []
        self.rest: Converter | None = None
        self.names: list[str] = []
        self.converters: list[Converter] = []
        for part in text.split("/")[1:]:
            self._add(*parse_parameters(part, text))
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"template {text!r} has two parameters of one name")

    def _add(self, pieces: list[str], names: list[str], converters: list[Converter]) -> None:
        """Append a segment."""
        if self.rest is not None:
            raise ValueError(f"template {self.text!r} goes on behind a parameter for the rest")
        self.names += names
        self.converters += converters
        pieces = [self._fixed(piece) for piece in pieces]
        if not names:
            if pieces[0] in _DOTS:
                raise ValueError(f"template {self.text!r} has a dot segment")
            self.segments.append(pieces[0])
        elif any(converter.spans_segments for converter in converters):
            if pieces != ["", ""]:
                raise ValueError(f"template {self.text!r}: the rest of a path starts at a '/'")
            self.rest = converters[0]
        elif "" in pieces[1:-1]:
            raise ValueError(f"template {self.text!r} has parameters without text between them")
        else:
            self.segments.append(Shape(pieces, converters))

    def _fixed(self, piece: str) -> str:
        """Return fixed text as it is in URLs."""
        if "?" in piece or "#" in piece or re.search("%(?![0-9A-Fa-f]{2})", piece):
            raise ValueError(
                f"template {self.text!r}; a path has no '?' and no '#', and '%' is written '%25'"
            )
        return urllib.parse.quote(piece, safe=_SAFE)

    @property
    def literal(self) -> str | None:
        """The one path that the template matches, None when it has parameters."""
        fixed = [segment for segment in self.segments if isinstance(segment, str)]
        return None if self.names else "/" + "/".join(fixed)

    @property
    def regex_text(self) -> str:
        """A regular expression for what the template matches, to be shown."""
        names = iter(self.names)
        pieces = [
            "".join(
                f"(?P<{next(names)}>[^/]+)" if index % 2 else re.escape(part)
                for index, part in enumerate(_PARAMETER.split(segment))
            )
            for segment in self.text.split("/")
        ]
        return (
            "/".join(pieces if self.rest is None else [*pieces[:-1], f"(?P<{self.names[-1]}>.*)"])
            + "$"
        )

    @property
    def fixed_prefix(self) -> str:
        """What all paths begin with that the template matches."""
        return self.text if not self.names else self._fixed(self.text[: self.text.index("{")])

    @property
    def predictable(self) -> bool:
        """Whether what it matches depends on nothing but the path."""
        return BUILT_IN.issuperset(self.converters)

    def split(self, path: str, prefix: bool = False) -> tuple[str, ...] | None:
        """Return the texts of the parameters in a path, None when the path does not match.

        Args:
            prefix: whether the path may have more segments.
        """
        count = len(self.segments)
        empty, *segments = path.split("/", count + 1)
        if empty or len(segments) < count + (self.rest is not None):
            return None
        if len(segments) > count and not prefix and self.rest is None:
            return None
        texts: tuple[str, ...] = ()
        for wanted, segment in zip(self.segments, segments, strict=False):
            if isinstance(wanted, str):
                if wanted != segment:
                    return None
                continue
            found = wanted.split(segment)
            if found is None:
                return None
            texts += found
        if self.rest is not None:
            texts += ("/".join(segments[count:]),)
        return texts

    def values(self, texts: Sequence[str]) -> TemplateArguments | None:
        """Convert the texts of the parameters, None when one is not what it should be."""
        found = TemplateArguments()
        try:
            for name, converter, text in zip(self.names, self.converters, texts, strict=True):
                if converter.spans_segments and not _DOTS.isdisjoint(text.split("/")):
                    return None
                value = converter.convert(_decoded(text))
                found[name] = ConvertedBytes(value) if type(value) is bytes else value
        except ValueError:
            return None
        return found

    def build(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the path with these values of the parameters.

        Raises:
            ValueError: too many or too few, or a value that the path cannot have.
        """
        given = {**dict(zip(self.names, args, strict=False)), **kwargs}
        if len(args) + len(kwargs) != len(self.names) or given.keys() != set(self.names):
            raise ValueError(
                f"arguments {[*args, *kwargs]!r} for template {self.text!r}; "
                f"one for each of {self.names!r} is allowed"
            )
        texts = [
            urllib.parse.quote(
                converter.to_path(given[name]), safe="/" if converter.spans_segments else ""
            )
            for name, converter in zip(self.names, self.converters, strict=True)
        ]
        segments = []
        for segment in self.segments:
            if isinstance(segment, Shape):
                count = len(segment.converters)
                segments.append(segment.build(texts[:count]))
                del texts[:count]
            else:
                segments.append(segment)
        return "/" + "/".join(segments + texts)


def _decoded(text: str) -> str:
    """Resolve the percent-encoding of text of a path, whose raw bytes are one character each.

    Raises:
        ValueError: it is not UTF-8.
    """
    if "%" not in text and text.isascii():
        return text
    return url_unescape(text.encode("latin-1"), encoding=None, plus=False).decode("utf-8")
