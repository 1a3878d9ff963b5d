"""A message that comes in pieces: inflated, checked and put together as it comes."""

from codecs import utf_8_decode
from io import BytesIO
from typing import Final

from toolkit.wire.errors import excerpt
from toolkit.wire.heap import keep_freed
from toolkit.wire.websocket.codes import INVALID_DATA
from toolkit.wire.websocket.deflate import TAIL, Inflater
from toolkit.wire.websocket.errors import FrameError, too_big
from toolkit.wire.websocket.limits import Limits

#: Pieces below this size are copied together, or a message of one byte each would cost thirty
#: times its size.
_SMALL: Final = 1024
#: Bytes up to which small pieces are copied together.
_TOGETHER: Final = 32 * 1024
#: Bytes of a frame from which on the allocator is told, and the block that it is told of: twice as
#: much is more than a message of 1 MiB takes for a moment that is decoded and sent on.
_LARGE: Final = 64 * 1024
KEPT: Final = 4 * 1024 * 1024


def decode(payload: bytes | bytearray) -> str:
    """Return the text of a whole message.

    Raises:
        FrameError: 1007, it is not UTF-8.
    """
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(error.object[error.start :]) from None


def not_utf8(bad: bytes) -> FrameError:
    """Return what is said of bytes that begin no character of UTF-8.

    Only the first of them is named, since it depends on the cut how many have come.
    """
    return FrameError(f"what begins with {excerpt(bad[:1])} is not UTF-8", INVALID_DATA)


def _decode_whole(piece: bytes) -> tuple[str, int]:
    """Return the text of a piece, and how many bytes of it are whole characters."""
    try:
        return utf_8_decode(piece, "strict", False)
    except UnicodeDecodeError as error:
        raise not_utf8(error.object[error.start :]) from None


class Assembly:
    """The message under way.

    Attributes:
        received: bytes of payload that its frames announced so far.
    """

    __slots__ = (
        "_empty",
        "_inflater",
        "_limits",
        "_parts",
        "_rest",
        "_size",
        "_small",
        "_small_size",
        "_text",
        "_texts",
        "received",
    )

    def __init__(self, text: bool, inflater: Inflater | None, limits: Limits) -> None:
        self._text = text
        self._inflater = inflater
        self._limits = limits
        self.received = 0
        self._empty = 0
        self._size = 0  # after inflation
        self._rest = b""  # the first bytes of a character that is not whole
        self._parts: list[bytes] = []
        self._texts: list[str] = []
        self._small = BytesIO()
        self._small_size = 0

    def announce(self, size: int) -> None:
        """Check that a frame of `size` bytes is allowed.

        Raises:
            FrameError: 1009, the message is too large; 1002, too many empty frames.
        """
        limit = self._limits.message
        self.received += size
        # Deflate with its fixed codes has 9 bits for a byte at worst, and flushes have some.
        most = limit if self._inflater is None else limit + (limit >> 3) + 1024
        if self.received > most:
            raise too_big(limit)
        if size >= _LARGE:
            keep_freed(KEPT)
        elif not size:
            self._empty += 1
            if self._empty > self._limits.empty_fragments:
                raise FrameError(f"more than {self._limits.empty_fragments} empty fragments")

    def add(self, payload: bytes) -> None:
        """Take a piece, unmasked.

        Raises:
            FrameError: 1007, not deflate or not UTF-8; 1009, too large once inflated.
        """
        if self._inflater is None:
            self._keep(payload)
            return
        limit = self._limits.message
        for piece in self._inflater.inflate(payload):
            self._size += len(piece)
            if self._size > limit:
                raise too_big(limit)
            self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        text = ""
        if self._text:
            if self._rest:
                piece = self._rest + piece
            text, used = _decode_whole(piece)
            self._rest = piece[used:]
        large = len(piece) >= _SMALL
        if large and self._small_size:
            self._flush()
        if not large:
            self._small.write(piece[: len(piece) - len(self._rest)])
            self._small_size = self._small.tell()
            if self._small_size >= _TOGETHER:
                self._flush()
        elif self._text:
            self._texts.append(text)
        else:
            self._parts.append(piece)

    def _flush(self) -> None:
        small = self._small.getvalue()
        if self._text:
            self._texts.append(small.decode())
        else:
            self._parts.append(small)
        self._small.seek(0)
        self._small.truncate()
        self._small_size = 0

    def end(self) -> str | bytes:
        """Return the message.

        Raises:
            FrameError: as `add`, or 1007 where the last character is not whole.
        """
        if self._inflater is not None:
            self.add(TAIL)
            self._inflater.end()
        if self._rest:
            raise not_utf8(self._rest)
        if self._small_size:
            self._flush()
        return "".join(self._texts) if self._text else b"".join(self._parts)
