"""Source text of a template: cut into text, expressions and directives, each with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from toolkit.template.errors import ParseError

#: Characters of one template. Compiling takes about a hundred bytes of memory for each.
MAX_SOURCE = 8 * 1024 * 1024

#: Modes of `filter_whitespace`.
WHITESPACE_MODES = ("all", "single", "oneline")


@dataclass(frozen=True, slots=True)
class Source:
    """A template as it was written.

    Attributes:
        name: by which it was loaded.
        text: all of it.
        path: of the file that holds it, if one does.
    """

    name: str
    text: str
    path: str | None = None

    @property
    def filename(self) -> str:
        """What tracebacks call it."""
        # Others use the name of a template without a name, as `dataclasses` does.
        return self.path or ("<template>" if self.name == "<string>" else self.name)

    def line(self, number: int) -> str:
        """Return a line, by its number from 1; "" if there is none."""
        lines = self.text.split("\n", number)
        return lines[number - 1] if number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of a template, and its place.

    Attributes:
        text: without blanks around it.
        line: of its first character, from 1.
        column: bytes of UTF-8 before it in its line, as Python counts columns.
    """

    text: str
    line: int
    column: int
    source: Source

    def after(self, count: int) -> "Code":
        """Return what follows the first `count` characters and the blanks after them."""
        rest = self.text[count:]
        text = rest.lstrip()
        skipped = self.text[: len(self.text) - len(text)]
        return Code(text, *_advance(self.line, self.column, skipped), self.source)

    def error(self, message: str) -> NoReturn:
        """Raise a `ParseError` at this place."""
        raise ParseError(message, self.source.name, self.line)


class Kind(Enum):
    """What a token is; the value of a tag is its end."""

    TEXT = ""
    EXPRESSION = "}}"
    DIRECTIVE = "%}"
    COMMENT = "#}"


@dataclass(frozen=True, slots=True)
class Token:
    """A text or a tag; the code of a text is the text, blanks included."""

    kind: Kind
    code: Code


_OPENINGS = {"{{": Kind.EXPRESSION, "{%": Kind.DIRECTIVE, "{#": Kind.COMMENT}
_NOUNS = {Kind.EXPRESSION: "expression", Kind.DIRECTIVE: "block", Kind.COMMENT: "comment"}

# Of a run of braces the last two open the expression: in LaTeX others stand before it.
_OPENING = re.compile(r"\{{2,}|\{[%#]")


def tokens(source: Source) -> Iterator[Token]:
    """Yield the tokens of a template, without its comments; time is linear.

    Raises:
        ParseError: a tag has no end, or the source is too long.
    """
    text = source.text
    if len(text) > MAX_SOURCE:
        message = f"Template has {len(text)} characters; {MAX_SOURCE} are allowed"
        raise ParseError(message, source.name)
    literal: list[str] = []
    line, column = 1, 0
    at = 0
    while match := _OPENING.search(text, at):
        start, begin = match.end() - 2, match.end()
        if text.startswith("!", begin):
            literal += text[at:begin]
            line, column = _advance(line, column, text[at : begin + 1])
            at = begin + 1
            continue
        literal.append(text[at:start])
        yield from _literal(literal, line, column, source)
        line, column = _advance(line, column, text[at:start])
        kind = _OPENINGS[text[start:begin]]
        tag = Code(text[start:begin], line, column, source)
        end = text.find(kind.value, begin)
        if end == -1:
            tag.error(f"Missing end {_NOUNS[kind]} {kind.value}")
        if kind is not Kind.COMMENT:
            inside = Code(text[begin:end].rstrip(), line, column + 2, source).after(0)
            yield Token(kind, inside if inside.text else tag)
        at = end + 2
        line, column = _advance(line, column, text[start:at])
    literal.append(text[at:])
    yield from _literal(literal, line, column, source)


def _literal(pieces: list[str], line: int, column: int, source: Source) -> Iterator[Token]:
    """Yield the text gathered so far, if there is any."""
    text = "".join(pieces)
    pieces.clear()
    if text:
        yield Token(Kind.TEXT, Code(text, line, column, source))


def _advance(line: int, column: int, text: str) -> tuple[int, int]:
    """Return the place behind a text that begins at a place."""
    newline = text.rfind("\n")
    if newline == -1:
        return line, column + len(text.encode("utf-8", "surrogatepass"))
    last = text[newline + 1 :]
    return line + text.count("\n"), len(last.encode("utf-8", "surrogatepass"))


_WHITESPACE = re.compile(r"\s++")
_BLANKS = re.compile(r"[\t ]++")


def filter_whitespace(mode: str, text: str) -> str:
    """Return a text with its whitespace as a mode has it.

    >>> filter_whitespace("single", "a  b \\n\\n c")
    'a b\\nc'

    Args:
        mode: ``all`` keeps it as it is; ``single`` leaves one character of each run, a newline
            if there was one; ``oneline`` leaves one space of each run.
    Raises:
        ValueError: another mode.
    """
    if mode == "all":
        return text
    if mode == "single":
        return _WHITESPACE.sub(_single, text)
    if mode == "oneline":
        return _WHITESPACE.sub(" ", text)
    raise ValueError(f"invalid whitespace mode {mode!r}; it is one of {WHITESPACE_MODES}")


def _single(match: re.Match[str]) -> str:
    run = match[0]
    return "\n" if "\n" in run else _BLANKS.sub(" ", run)
