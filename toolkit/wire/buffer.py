"""Bytes received and not yet read, taken out as lines or by size."""

from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.grammar import FIELD_BYTES


class Buffer:
    """Holds what a peer sent; every byte is looked at and copied a bounded number of times.

    Attributes:
        data: a chunk as it came, or a bytearray once chunks had to be put together; empty
            when all was read.
        pos: index of the first unread byte.
        scanned: index up to which there was no whole line; beyond `pos` when a line has begun.
    """

    __slots__ = ("_room", "data", "pos", "scanned")

    def __init__(self) -> None:
        self.data: bytes | bytearray = b""
        self.pos = 0
        self.scanned = 0
        self._room = 0  # that the line which has begun still has, when all of it was scanned

    def __len__(self) -> int:
        """Count the unread bytes."""
        return len(self.data) - self.pos

    def append(self, chunk: bytes) -> None:
        """Add what came in."""
        data, pos = self.data, self.pos
        if not data:
            self.data = chunk
            return
        if not isinstance(data, bytearray):
            self.data = data = bytearray(memoryview(data)[pos:])
        elif pos:
            del data[:pos]
        data += chunk
        self.scanned = max(0, self.scanned - pos)
        self.pos = 0

    def continue_line(self, chunk: bytes) -> bool:
        """Add what came in if it only continues a line that has begun, and say whether it does.

        `line` would find nothing new then. A line that drips costs little so.
        """
        data, size = self.data, len(chunk)
        if (
            type(data) is not bytearray
            or self.scanned != len(data)
            or size > self._room
            or chunk.translate(None, FIELD_BYTES)
        ):
            return False
        data += chunk
        self.scanned += size
        self._room -= size
        return True

    def take(self, size: int) -> bytes:
        """Take at most `size` bytes, without a copy when that is all there is."""
        data, pos = self.data, self.pos
        end = pos + size
        if end >= len(data):
            self.data, self.pos = b"", 0
            piece = data[pos:] if pos else data
        else:
            self.pos = end
            piece = data[pos:end]
        self.scanned = 0
        return piece if type(piece) is bytes else bytes(piece)

    def skip_to(self, pos: int) -> None:
        """Leave out the bytes before index `pos`."""
        if pos == len(self.data):
            self.data, self.pos = b"", 0
        else:
            self.pos = pos
        self.scanned = 0

    def ends_bare(self) -> bool:
        """Say whether the next line, which is not empty, ends by LF without a CR before it."""
        data = self.data
        end = data.find(b"\n", max(self.pos, self.scanned))
        return end > self.pos and data[end - 1] != 0x0D

    def line(self, limit: int, status: int, bare: bool = False) -> str | None:
        """Take one line without its CRLF, as ISO 8859-1; None while it is not whole.

        Args:
            bare: whether the line ends by LF, and has no CR.
            limit: most bytes allowed.
            status: what a server answers to more.
        Raises:
            RemoteProtocolError: too long, a control character, CR or LF alone. A byte that
                is not allowed is found as soon as it comes.
        """
        data, pos = self.data, self.pos
        limit = max(limit, 0)
        start = max(pos, self.scanned)
        end = data.find(b"\n" if bare else b"\r\n", start)
        whole = end >= 0
        if not whole:
            # A CR at the very end may have its LF still on the way.
            end = len(data) - (data[-1:] == b"\r" and len(data) > pos)
        # Only the part within the limit is looked at, so that an error does not depend on
        # how much came at once.
        last = min(end, pos + limit)
        if start < last and (bad := data[start:last].translate(None, FIELD_BYTES)):
            raise RemoteProtocolError(f"byte {excerpt(bytes(bad[:1]))} in a line of a head")
        if end - pos > limit:
            raise RemoteProtocolError(f"more than {limit} bytes in a line or section", status)
        if not whole:
            self.scanned = end
            self._room = limit - (end - pos)
            return None
        self.skip_to(end + (1 if bare else 2))
        return data[pos:end].decode("latin-1")
