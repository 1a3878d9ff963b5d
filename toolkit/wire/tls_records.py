"""`Records`: what TLS sends, one record after the other (RFC 8446 §5.1, RFC 5246 §6.2.1)."""

import struct
from collections.abc import Callable, Iterator

#: Of the length, behind the kind and the version of a record.
_LENGTH = struct.Struct(">3xH")
HEAD_SIZE = _LENGTH.size
#: The kinds that there are: from change_cipher_spec to heartbeat.
KINDS = range(20, 25)
#: What the version of every record begins with.
MAJOR_VERSION = 3
#: Bytes that a record has at most behind its head: TLS 1.2 lets 2048 be added to the plain ones.
MAX_LENGTH = 16 * 1024 + 2048


class Records:
    """Finds the ends of records, by their heads alone, in bytes that come in any parts.

    Attributes:
        lost: whether something that is no record was not whole either. What that is, and all that
            follows, is handed on as it comes.
    """

    __slots__ = ("_begun", "_left", "lost")

    def __init__(self) -> None:
        self.lost = False
        self._begun = b""  # of a head, as far as it has come
        self._left = 0  # bytes that are still to come of the record under way

    def feed(self, data: memoryview, write: Callable[[memoryview], object]) -> Iterator[bool]:
        """Write what has come, and yield True each time that a record has got whole by it.

        It is to be asked to the end: what follows the last one is written then. Of what is no
        record the end is one of chance; who decrypts it has the error for that.
        """
        if self.lost:
            write(data)
            return
        if self._begun:
            data, self._begun = memoryview(self._begun + data), b""
        size, start, end, unpack = len(data), 0, self._left, _LENGTH.unpack_from
        if 0 < end <= size:
            write(data[:end])
            yield True
            start = end
        while end < size:
            try:
                (length,) = unpack(data, end)
            except struct.error:
                self._begun, self._left = bytes(data[end:]), 0
                return
            end += HEAD_SIZE + length
            if end > size:
                self.lost = not _is_head(data[start:])
                break
            write(data[start:end])
            yield True
            start = end
        self._left = end - size
        if start < size:
            write(data[start:])


def _is_head(data: memoryview) -> bool:
    """Say whether a record may begin so, of which no more is there to be looked at."""
    (length,) = _LENGTH.unpack_from(data)
    return data[0] in KINDS and data[1] == MAJOR_VERSION and length <= MAX_LENGTH
