"""Reading content: of a known length, in chunks, or up to the close of the connection.

Each kind takes from a buffer what belongs to it: ``read(buffer, max_body)`` returns the
bytes that are there, ``b""`` for none, and raises RemoteProtocolError once more than
`max_body` bytes come or are announced. `ended` says whether all of it was read.
"""

import math

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import CHUNKED, Fields
from toolkit.wire.grammar import PLAIN_CHUNK
from toolkit.wire.http1.limits import Limits
from toolkit.wire.http1.parser import keep_trailers, parse_chunk_line
from toolkit.wire.http1.section import Section


class Body:
    """Content of a message being read.

    Attributes:
        ended: whether it was read to its end.
        left: bytes known to be missing; 0 when that is not known.
        trailers: fields that came after it.
    """

    __slots__ = ("ended", "left", "trailers")

    def __init__(self, left: int = 0) -> None:
        self.ended = False
        self.left = left
        self.trailers: Fields = ()

    def read(self, buffer: Buffer, max_body: int | None) -> bytes:
        """Take the bytes that are there."""
        raise NotImplementedError


class FixedBody(Body):
    """Content of a known length (RFC 9112 §6.2)."""

    __slots__ = ("_begun",)

    def __init__(self, length: int) -> None:
        # As the base does it, to which the call takes longer: there is one for each form.
        self.ended = self._begun = False
        self.left = length
        self.trailers = ()

    def read(self, buffer: Buffer, max_body: int | None) -> bytes:
        if not self._begun:
            check_size(self.left, max_body, "Content-Length too long")
        data = buffer.take(self.left)
        if data:
            self._begun = True
            self.left -= len(data)
            self.ended = not self.left
        return data

    def skip(self, size: int) -> bool:
        """Take note that so many bytes were read elsewhere; True when they were the last.

        Raises:
            ValueError: they are more than are left, or nothing was read yet, with which the limit
                is looked at.
        """
        if not self._begun or size > self.left:
            raise ValueError(f"{size} bytes of content read elsewhere; {self.left} are left")
        self.left -= size
        self.ended = not self.left
        return self.ended


class BodyUntilClose(Body):
    """Content that ends where the connection does (RFC 9112 §6.3, item 8)."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        super().__init__()
        self._read = 0

    def read(self, buffer: Buffer, max_body: int | None) -> bytes:
        size = len(buffer)
        if size and max_body is not None:
            check_size(self._read + 1, max_body, "Body too long")
            size = min(size, max_body - self._read)
        self._read += size
        return buffer.take(size)


class ChunkedBody(Body):
    """Content in chunks, with extensions and trailers (RFC 9112 §7.1)."""

    __slots__ = ("_at", "_chunk_left", "_error", "_limits", "_overhead", "_read", "_trailers")

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self._at = _LINE
        self._chunk_left = 0
        self._read = 0
        self._overhead = 0
        self._trailers = Section(limits.trailers, limits)
        self._error: RemoteProtocolError | None = None

    def read(self, buffer: Buffer, max_body: int | None) -> bytes:
        """Take as many chunks as there are, as one piece."""
        if self._error is not None:
            raise RemoteProtocolError(str(self._error), self._error.status)
        pieces: list[bytes] = []
        try:
            while not self.ended and _STEPS[self._at](self, buffer, max_body, pieces):
                pass
        except RemoteProtocolError as error:
            if not pieces:
                raise
            # What came before the error counts; the next call raises it.
            self._error = error.with_traceback(None)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _line(self, buffer: Buffer, max_body: int | None, pieces: list[bytes]) -> bool:
        self._whole_chunks(buffer, max_body, pieces)
        line = buffer.line(self._limits.line, 400)
        if line is None:
            return False
        size, extension = parse_chunk_line(line)
        check_size(self._read + size, max_body, "chunked body too large")
        # Extensions are allowed in proportion to the data, so that signed uploads pass and
        # a stream of one-byte chunks with long extensions does not.
        self._overhead = max(0, self._overhead + extension - 2 * size)
        if self._overhead > self._limits.chunk_overhead:
            raise RemoteProtocolError(
                f"more than {self._limits.chunk_overhead} bytes of chunk extensions"
            )
        self._chunk_left = size
        self._at = _DATA if size else _TRAILERS
        return True

    def _whole_chunks(self, buffer: Buffer, max_body: int | None, pieces: list[bytes]) -> None:
        """Take chunks that are whole and plain; all others take the long way."""
        data, pos, read = buffer.data, buffer.pos, self._read
        limit = math.inf if max_body is None else max_body
        while match := PLAIN_CHUNK.match(data, pos):
            start = match.end()
            end = start + int(match[1], 16)
            if start == end or read + end - start > limit or data[end : end + 2] != b"\r\n":
                break
            pieces.append(bytes(data[start:end]))
            read += end - start
            pos = end + 2
        self._read = read
        if pos != buffer.pos:
            buffer.skip_to(pos)

    def _data(self, buffer: Buffer, _max_body: int | None, pieces: list[bytes]) -> bool:
        data = buffer.take(self._chunk_left)
        if not data:
            return False
        pieces.append(data)
        self._read += len(data)
        self._chunk_left -= len(data)
        if not self._chunk_left:
            self._at = _END
        return True

    def _end(self, buffer: Buffer, _max_body: int | None, _pieces: list[bytes]) -> bool:
        mark = buffer.data[buffer.pos : buffer.pos + 2]
        if mark in (b"", b"\r"):
            return False
        if mark != b"\r\n":
            # Just as much as is known to be wrong once that much has come.
            wrong = bytes(mark if mark[:1] == b"\r" else mark[:1])
            raise RemoteProtocolError(
                f"improperly terminated chunk: {excerpt(wrong)} after its data; not CRLF"
            )
        buffer.take(2)
        self._at = _LINE
        return True

    def _trailer_section(self, buffer: Buffer, _max_body: int | None, _pieces: list[bytes]) -> bool:
        fields = self._trailers.read(buffer)
        if fields is not None:
            self.trailers = keep_trailers(fields)
            self.ended = True
        return False


# Where in a chunk the reader stands.
_LINE, _DATA, _END, _TRAILERS = range(4)
_STEPS = (ChunkedBody._line, ChunkedBody._data, ChunkedBody._end, ChunkedBody._trailer_section)


def make_body(length: int, limits: Limits) -> Body:
    """Return what reads content of no known length: `CHUNKED` or `UNTIL_CLOSE`."""
    return ChunkedBody(limits) if length == CHUNKED else BodyUntilClose()


def check_size(size: int, limit: int | None, what: str) -> None:
    """Return when content of `size` bytes is allowed.

    Args:
        what: the message begins with it.
    Raises:
        RemoteProtocolError: 413.
    """
    if limit is not None and size > limit:
        raise RemoteProtocolError(f"{what}: {size} bytes or more; {limit} are allowed", 413)
