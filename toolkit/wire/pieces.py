"""`Pieces`: content that comes in pieces, and is wanted as one."""

from io import BytesIO

from toolkit.wire.allocation import uninitialized

#: Bytes from which on it pays to put content together as it comes.
LARGE = 128 * 1024
#: Of content so large, the share that has to be there before memory is taken for all of it: who
#: promises much and sends little costs no more than that many times what it sends, and that is not
#: touched before it is filled. One record of TLS is enough for 2 MiB.
TRUST = 128


class Pieces:
    """Pieces of content, to be taken as one.

    They are kept until then, or where their size is known put together while they come: that takes
    half the memory, and the memory of each piece is there for the next one.

    Attributes:
        expected: bytes that they are going to have; 0 or less when that is not known.
        size: bytes that they have.
    """

    __slots__ = ("_kept", "_whole", "expected", "size")

    def __init__(self, expected: int = 0) -> None:
        self._kept: list[bytes] = []
        self._whole: BytesIO | None = None
        self.expected = expected
        self.size = 0

    def append(self, piece: bytes) -> bool:
        """Add a piece, and say whether there is room for the rest."""
        self.size += len(piece)
        if self._whole is not None:
            self._whole.write(piece)
        else:
            self._kept.append(piece)
            if self.expected >= LARGE:
                self.expect(self.expected)
        return self._whole is not None and self._has_room

    def expect(self, size: int) -> None:
        """Have so many bytes put together, as soon as enough of them are there."""
        self.expected = size
        if self._whole is None and LARGE <= size <= self.size * TRUST and self.size < size:
            # It gives the very object that it is made of, filled.
            self._whole = BytesIO(uninitialized(size))
            self._whole.writelines(self._kept)
            self._kept = []

    def room(self) -> memoryview | None:
        """Return the memory of what is still to come, to be filled; None where there is little.

        The last byte is to come as a piece, with which shows what comes behind it. Before the room
        is released, and `filled` called, there is nothing else to be done.
        """
        if self._whole is None or not self._has_room:
            return None
        return self._whole.getbuffer()[self.size : self.expected - 1]

    @property
    def _has_room(self) -> bool:
        return self.expected - self.size >= LARGE // 2

    def filled(self, size: int) -> None:
        """Take note that so many bytes were written into the room."""
        assert self._whole is not None
        self.size += size
        self._whole.seek(self.size)

    def take(self) -> bytes:
        """Return all of them as one; of those that are still to come nothing is expected."""
        size, self.size = self.size, 0
        self.expected = 0
        kept, whole = self._kept, self._whole
        if whole is not None:
            self._whole = None
            content = whole.getvalue()
            return content if len(content) == size else content[:size]
        self._kept = []
        return kept[0] if len(kept) == 1 else b"".join(kept)
