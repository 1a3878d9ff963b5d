"""Headers of answers as they go over the wire, remembered: an application repeats itself."""

from typing import Final

from toolkit._version import __version__
from toolkit.asgi.messages import OF_THE_CONNECTION, text_fields
from toolkit.httputil import date_now
from toolkit.wire.grammar import is_field_value, is_token
from toolkit.wire.http1.memory import Memory
from toolkit.wire.http1.writer import USUAL_LINES

SERVER = ("server", f"toolkit/{__version__}")

#: Headers as an application sends them.
Headers = tuple[tuple[bytes, bytes], ...]

#: Bytes of lines that are remembered at most, so that `Memory` holds less than 2 MB.
LONGEST: Final = 512
#: Digits of a length that are read here.
DIGITS: Final = 18
#: What has the answer go the long way: the server has a say in it.
_DECIDED = OF_THE_CONNECTION | {"date", "server"}
#: What differs from client to client, and is not remembered.
_OWN = frozenset(("etag", "last-modified", "location", "set-cookie", "x-request-id"))


class Lines:
    """The headers of an answer, checked.

    Attributes:
        headers: the same as the application sends them.
        raw: field lines, but for Content-Length.
        length: what Content-Length says; -1 without one.
    """

    __slots__ = ("_last", "headers", "length", "raw")

    def __init__(self, headers: Headers, raw: bytes, length: int) -> None:
        self.headers = headers
        self.raw = raw
        self.length = length
        # The last head, behind what it was made for; one value, as loops of several threads may
        # share it.
        self._last: tuple[str, int, int, bytes | None] = ("", 0, 0, None)

    def head(self, status: int, size: int) -> bytes | None:
        """Return the whole head of an answer with these headers, as it is sent now.

        Args:
            size: bytes of its content.
        Returns:
            None where it is none of the usual kind, or the length of the headers is another.
        """
        date = date_now()  # one object for a second
        last = self._last
        if last[0] is not date or last[1] != size or last[2] != status:
            self._last = last = (date, size, status, self._made(status, size, date))
        return last[3]

    def _made(self, status: int, size: int, date: str) -> bytes | None:
        start_line = USUAL_LINES.get(status)
        if start_line is None or self.length not in (-1, size):
            return None
        return b"%b%b%bContent-Length: %d\r\n\r\n" % (start_line, self.raw, stamp(date), size)


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
    found = Lines(headers, "".join(lines).encode("latin-1"), length)
    if len(found.raw) <= LONGEST and _OWN.isdisjoint(names):
        _known.keep(headers, found)
    return found


def stamp(date: str) -> bytes:
    """Return the lines that the server adds: Date and Server."""
    return f"date: {date}\r\n{SERVER[0]}: {SERVER[1]}\r\n".encode()
