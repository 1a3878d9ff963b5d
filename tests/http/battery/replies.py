"""A reader of answers that knows nothing of the project's own, and takes nothing amiss lightly."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) ([\t -~\x80-\xff]*)")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})")
_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
)


class BadReply(Exception):
    """What came is no good answer."""


class CutReply(BadReply):
    """The connection ended in the middle of an answer."""


class NoReply(BadReply):
    """The connection ended, and there was nothing."""


@dataclass(slots=True)
class Reply:
    """One answer.

    Attributes:
        framing: "length", "chunked", "close", or "none".
    """

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    framing: str = "none"

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.fields if key == name.lower()]

    def items(self, name: str) -> set[str]:
        """Return the items of a header that is a list, in lower case."""
        found = ",".join(self.all(name)).lower().split(",")
        return {item.strip(" \t") for item in found} - {""}


class Reader:
    """Reads answers from a connection.

    Args:
        read: returns more bytes, none at the end.
    """

    def __init__(self, read: Callable[[], Awaitable[bytes]]) -> None:
        self._read = read
        self._rest = b""
        self.ended = False

    async def reply(self, method: str) -> Reply:
        """Read one answer, interim or final.

        Raises:
            NoReply: the connection ended before it.
            CutReply: it ended within it.
            BadReply: it is malformed.
        """
        line = await self._line(first=True)
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise BadReply(f"status line {line[:100]!r}")
        reply = Reply(int(match[1]), await self._fields())
        _check_head(reply, method)
        await self._content(reply, method)
        return reply

    async def rest(self) -> bytes:
        """Return all that comes until the end."""
        while await self._more():
            pass
        rest, self._rest = self._rest, b""
        return rest

    async def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := await self._line():
            match = _FIELD.fullmatch(line)
            if match is None:
                raise BadReply(f"field line {line[:100]!r}")
            fields.append((match[1].decode().lower(), match[2].decode("latin-1")))
        return fields

    async def _content(self, reply: Reply, method: str) -> None:
        if not _has_content(reply.status, method):
            return
        if reply.all("transfer-encoding"):
            reply.framing = "chunked"
            pieces = []
            while piece := await self._chunk():
                pieces.append(piece)
            reply.body = b"".join(pieces)
            reply.trailers = await self._fields()
        elif lengths := reply.all("content-length"):
            reply.framing = "length"
            reply.body = await self._take(int(lengths[0]))
        else:
            reply.framing = "close"
            reply.body = await self.rest()

    async def _chunk(self) -> bytes:
        line = await self._line()
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise BadReply(f"chunk size {line[:100]!r}")
        size = int(match[1], 16)
        data = await self._take(size)
        if size and await self._take(2) != b"\r\n":
            raise BadReply("no CRLF after a chunk")
        return data

    async def _line(self, first: bool = False) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            if not await self._more():
                raise CutReply("in a head") if self._rest or not first else NoReply
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line

    async def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            if not await self._more():
                raise CutReply("in content")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    async def _more(self) -> bool:
        if not self.ended:
            data = await self._read()
            self.ended = not data
            self._rest += data
        return not self.ended


def _has_content(status: int, method: str) -> bool:
    """RFC 9112 §6.3, items 1 and 2."""
    if method == "HEAD" or status < 200 or status in (204, 304):
        return False
    return not (method == "CONNECT" and status < 300)


def _check_head(reply: Reply, method: str) -> None:
    """Look for what no answer may do, whatever it answers.

    Raises:
        BadReply: it does.
    """
    for name, section in (
        ("date", "RFC 9110 §6.6.1"),
        ("content-length", "RFC 9112 §6.3"),
        ("content-type", "RFC 9110 §8.3"),
        ("transfer-encoding", "RFC 9112 §6.1"),
        ("etag", "RFC 9110 §8.8.3"),
        ("last-modified", "RFC 9110 §8.8.2"),
        ("location", "RFC 9110 §10.2.2"),
        ("content-range", "RFC 9110 §14.4"),
    ):
        if len(reply.all(name)) > 1:
            raise BadReply(f"{name} twice ({section})")
    lengths, codings = reply.all("content-length"), reply.all("transfer-encoding")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise BadReply(f"Content-Length {lengths[0]!r} (RFC 9110 §8.6)")
    if codings and codings[0].lower() != "chunked":
        raise BadReply(f"Transfer-Encoding {codings[0]!r} (RFC 9112 §7)")
    if lengths and codings:
        raise BadReply("both Content-Length and Transfer-Encoding (RFC 9112 §6.2)")
    bare = reply.status < 200 or reply.status == 204 or (method == "CONNECT" and reply.status < 300)
    if bare and (lengths or codings):
        raise BadReply(f"framing of a {reply.status} answer (RFC 9112 §6.1, RFC 9110 §8.6)")
    if reply.status == 205 and lengths != ["0"] and codings:
        raise BadReply("205 with content (RFC 9110 §15.3.6)")


def check_fields(reply: Reply) -> None:
    """Look for the fields that certain statuses have to have.

    Raises:
        BadReply: one is missing or malformed.
    """
    dates = reply.all("date")
    if 200 <= reply.status < 500 and not dates:
        raise BadReply(f"{reply.status} without Date (RFC 9110 §6.6.1)")
    for name in ("date", "last-modified", "expires"):
        for value in reply.all(name):
            if not _DATE.fullmatch(value):
                raise BadReply(f"{name} {value!r} (RFC 9110 §5.6.7)")
    for status, name, section in (
        (401, "www-authenticate", "RFC 9110 §11.6.1"),
        (405, "allow", "RFC 9110 §15.5.6"),
        (407, "proxy-authenticate", "RFC 9110 §11.7.1"),
        (416, "content-range", "RFC 9110 §15.5.17"),
        (426, "upgrade", "RFC 9110 §15.5.22"),
        (101, "upgrade", "RFC 9110 §15.2.2"),
    ):
        if reply.status == status and not reply.all(name):
            raise BadReply(f"{status} without {name} ({section})")
    if reply.all("upgrade") and "upgrade" not in reply.items("connection"):
        raise BadReply("Upgrade without the connection option (RFC 9110 §7.8)")
    if reply.status == 206 and not reply.all("content-range"):
        kinds = reply.all("content-type")
        if not kinds or not kinds[0].startswith("multipart/byteranges"):
            raise BadReply("206 without Content-Range (RFC 9110 §15.3.7)")
