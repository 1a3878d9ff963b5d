"""What compiled templates call: values to text, text to HTML, pieces to bytes."""

from typing import Any

from toolkit.escape import html_escaped, utf8


def escaped(value: Any) -> str:
    """Return a value as text that may stand in HTML, as `escape.xhtml_escape` makes it.

    The hottest function of a page: to look for the five characters costs a third of
    replacing each of them, and most values have none.
    """
    kind = type(value)
    if kind is not str:
        if kind is int:
            return str(value)
        value = _plain(value)
    if "&" in value or "<" in value or ">" in value or '"' in value or "'" in value:
        return html_escaped(value)
    return value  # type: ignore[no-any-return]  # a plain str


def _plain(value: Any) -> str:
    """Return a value as a string of no subclass, whose methods might be something else."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return str.__str__(value if isinstance(value, str) else str(value))


def text(value: Any) -> str | bytes:
    """Return a value as text; bytes that are not UTF-8 as they are."""
    if type(value) is str:
        return value
    try:
        return _plain(value)
    except UnicodeDecodeError:
        if isinstance(value, bytes):
            return value
        raise


def encoded(value: Any) -> bytes:
    """Return a value as UTF-8: what functions named by ``autoescape`` are called with."""
    return utf8(value if isinstance(value, (str, bytes)) else str(value))


def result(value: Any) -> str | bytes:
    """Return as text what a function gave back that has to give text or bytes.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, (str, bytes)):
        return text(value)
    raise TypeError(f"A function of a template returned {type(value)!r}, not str or bytes")


def joined(pieces: list[str | bytes]) -> bytes:
    """Return the pieces of a page as its bytes."""
    try:
        return "".join(pieces).encode()  # type: ignore[arg-type]  # bytes are rare: see below
    except TypeError:
        return b"".join(map(utf8, pieces))
