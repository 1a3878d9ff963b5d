"""What a reader of a stream waits for, each kind as one value."""

import re
from dataclasses import dataclass, field

from toolkit.iostream.errors import UnsatisfiableReadError


class PendingRead:
    """A read that may still have to wait.

    ``find(data, closed)`` returns how many bytes of the buffer satisfy it, None while more
    are needed, and raises UnsatisfiableReadError when no amount could.
    """

    def find(self, data: bytearray, closed: bool) -> int | None:
        raise NotImplementedError


@dataclass(slots=True)
class ReadBytes(PendingRead):
    """Just `size` bytes, or with `partial` any number up to it."""

    size: int
    partial: bool = False

    def find(self, data: bytearray, closed: bool) -> int | None:
        if len(data) >= self.size:
            return self.size
        return len(data) if self.partial and data else None


@dataclass(slots=True)
class ReadInto(PendingRead):
    """As `ReadBytes`, into a buffer of the caller's."""

    target: memoryview
    partial: bool = False

    def find(self, data: bytearray, closed: bool) -> int | None:
        size = len(self.target)
        if len(data) >= size:
            return size
        return len(data) if self.partial and data else None


@dataclass(slots=True)
class ReadUntil(PendingRead):
    """All up to and with a delimiter."""

    delimiter: bytes
    max_bytes: int | None = None
    _searched: int = field(default=0)

    def find(self, data: bytearray, closed: bool) -> int | None:
        # No delimiter starts before `_searched`, so each byte is searched once.
        position = data.find(self.delimiter, self._searched)
        if position >= 0:
            end = position + len(self.delimiter)
            check_max_bytes(self.delimiter, end, self.max_bytes)
            return end
        self._searched = max(0, len(data) - len(self.delimiter) + 1)
        check_max_bytes(self.delimiter, len(data), self.max_bytes)
        return None


@dataclass(slots=True)
class ReadRegex(PendingRead):
    """All up to and with a match of a pattern.

    A match may start anywhere in what has come, so each chunk has it searched again:
    `max_bytes` bounds the work as well as the memory.
    """

    pattern: re.Pattern[bytes]
    max_bytes: int | None = None

    def find(self, data: bytearray, closed: bool) -> int | None:
        match = self.pattern.search(data)
        end = len(data) if match is None else match.end()
        check_max_bytes(self.pattern.pattern, end, self.max_bytes)
        return None if match is None else end


@dataclass(slots=True)
class ReadUntilClose(PendingRead):
    """Everything up to the end of the stream."""

    def find(self, data: bytearray, closed: bool) -> int | None:
        return len(data) if closed else None


def check_max_bytes(what: bytes, size: int, limit: int | None) -> None:
    """Return when `size` bytes are allowed.

    Raises:
        UnsatisfiableReadError: naming what was looked for and the limit.
    """
    if limit is not None and size > limit:
        raise UnsatisfiableReadError(f"delimiter {what!r} not found within {limit} bytes")
