"""Headers of answers as they go over the wire, remembered: an application repeats itself."""

from typing import Final, NamedTuple

from toolkit._version import __version__
from toolkit.asgi.messages import OF_THE_CONNECTION, text_fields
from toolkit.httputil import date_now
from toolkit.wire.grammar import is_field_value, is_token
from toolkit.wire.http1.memory import Memory

SERVER = ("server", f"toolkit/{__version__}")

#: Headers as an application sends them.
Headers = tuple[tuple[bytes, bytes], ...]

#: Bytes of lines that are remembered at most, so that `Memory` holds less than 1 MB.
LONGEST: Final = 512
#: Digits of a length that are read here.
DIGITS: Final = 18
#: What has the answer go the long way: the server has a say in it.
_DECIDED = OF_THE_CONNECTION | {"date", "server"}
#: What differs from client to client, and is not remembered.
_OWN = frozenset(("etag", "last-modified", "location", "set-cookie", "x-request-id"))


class Lines(NamedTuple):
    """The headers of an answer, checked.

    Attributes:
        raw: field lines, but for Content-Length.
        length: what Content-Length says; -1 without one.
    """

    raw: bytes
    length: int


_known: Memory[Headers, Lines] = Memory()


def lines_of(headers: Headers) -> Lines | None:
    """Return headers as field lines; None when they need a closer look, or are malformed."""
    try:
        known = _known.get(headers)
    except TypeError:
        return None  # lists in the place of pairs
    return _read(headers) if known is None else known


def _read(headers: Headers) -> Lines | None:
    length = -1
    lines = []
    names = set()
    for name, value in text_fields(headers):
        if name == "content-length":
            if length >= 0 or len(value) > DIGITS or not (value.isascii() and value.isdigit()):
                return None
            length = int(value)
        elif name in _DECIDED or not (is_token(name) and is_field_value(value)):
            return None
        else:
            lines.append(f"{name}: {value}\r\n")
            names.add(name)
    found = Lines("".join(lines).encode("latin-1"), length)
    if len(found.raw) <= LONGEST and _OWN.isdisjoint(names):
        _known.keep(headers, found)
    return found


_stamp = ("", b"")


def stamp() -> bytes:
    """Return the lines that the server adds: Date and Server; made once a second."""
    global _stamp
    date = date_now()
    if _stamp[0] is not date:
        _stamp = date, f"date: {date}\r\n{SERVER[0]}: {SERVER[1]}\r\n".encode()
    return _stamp[1]
