"""`Records`: what TLS sends, one record after the other (RFC 8446 §5.1, RFC 5246 §6.2.1)."""

import struct
from collections.abc import Callable, Iterator

#: Kind and major version, and the length behind the minor one.
_HEAD = struct.Struct(">HxH")
HEAD_SIZE = _HEAD.size
#: From change_cipher_spec to heartbeat, of any version of TLS.
KINDS = frozenset(kind << 8 | 3 for kind in range(20, 25))
#: Bytes that a record has at most behind its head: TLS 1.2 lets 2048 be added to the plain ones.
MAX_LENGTH = 16 * 1024 + 2048


class Records:
    """Finds the ends of records, by their heads alone, in bytes that come in any parts.

    Attributes:
        lost: whether something came that is the head of no record. What that is, and all that
            follows, is handed on as it comes.
    """

    __slots__ = ("_begun", "_left", "lost")

    def __init__(self) -> None:
        self.lost = False
        self._begun = b""  # of a head, as far as it has come
        self._left = 0  # bytes that are still to come of the record under way

    def feed(self, data: memoryview, write: Callable[[memoryview], object]) -> Iterator[bool]:
        """Write what has come, and yield True each time that a record has got whole by it.

        It is to be asked to the end: what follows the last one is written then.
        """
        if self.lost:
            write(data)
            return
        if self._begun:
            data, self._begun = memoryview(self._begun + data), b""
        size, start, end = len(data), 0, self._left
        # As locals: each record lets all else go out of the fastest cache.
        unpack, kinds, most = _HEAD.unpack_from, KINDS, MAX_LENGTH
        if 0 < end <= size:
            write(data[:end])
            yield True
            start = end
        while end < size:
            try:
                kind, length = unpack(data, end)
            except struct.error:
                self._begun, self._left = bytes(data[end:]), 0
                return
            if kind not in kinds or length > most:
                self.lost = True
                break
            end += HEAD_SIZE + length
            if end > size:
                break
            write(data[start:end])
            yield True
            start = end
        self._left = end - size
        if start < size:
            write(data[start:])
