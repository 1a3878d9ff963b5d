"""What a reader of a stream waits for, each kind as one value."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from toolkit.concurrent import Resumable
from toolkit.iostream.errors import UnsatisfiableReadError

_T = TypeVar("_T")

Buffer = bytes | bytearray


class Reader(Protocol):
    """The stream that a read belongs to."""

    def put_back(self, future: "ReadFuture[Any]") -> None:
        """Have the result of a read be read again."""

    def forget(self, future: "ReadFuture[Any]") -> None:
        """Have what comes be for the next read, as this one was cancelled."""


class ReadFuture(Resumable[_T]):
    """The future of a read; what nobody took of it goes back to the stream.

    Attributes:
        driver: as of the base. Once it is done, how many reads of the stream were satisfied
            with this one: a slot more would take 16 bytes of each connection that waits.
        stream: the stream, which sets all of these.
        target: the buffer of a `read_into`.
    """

    __slots__ = ("stream",)

    driver: Any
    stream: Reader
    target: Any

    def give_back(self) -> None:
        """Give the result back, if there is one."""
        if self.done() and not self.cancelled() and self.exception() is None:
            self.stream.put_back(self)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the read, unless it is over."""
        if not super().cancel(msg):
            return False
        self.stream.forget(self)
        return True


class PendingRead:
    """What a read wants, which may still have to come."""

    __slots__ = ()

    def find(self, data: Buffer, start: int, seen: int) -> int | None:
        """Return how many bytes of ``data[start:]`` satisfy it; None while more are needed.

        Args:
            seen: how many of these bytes did not satisfy it before.
        Raises:
            UnsatisfiableReadError: no amount could.
        """
        raise NotImplementedError

    def find_at_end(self, data: Buffer, start: int) -> int | None:
        """Return how many of too few bytes satisfy it where no more come; None for none."""
        return None


@dataclass(slots=True)
class ReadBytes(PendingRead):
    """Just `size` bytes, or with `partial` any number up to it."""

    size: int
    partial: bool = False

    def find(self, data: Buffer, start: int, seen: int) -> int | None:
        there = len(data) - start
        if there >= self.size:
            return self.size
        return there if self.partial and there else None


@dataclass(slots=True)
class ReadInto(PendingRead):
    """As many bytes as `target` holds, or with `partial` any number up to it, put there."""

    target: memoryview
    buffer: bytearray | memoryview  # what the target is a view of, as the caller gave it
    partial: bool = False
    filled: int = 0

    @property
    def satisfied(self) -> bool:
        """Whether nothing more has to come."""
        return self.filled == len(self.target) or (self.partial and self.filled > 0)

    @property
    def rest(self) -> memoryview:
        """The part of the target that is to be filled."""
        return self.target[self.filled :]

    def take(self, data: Buffer, start: int) -> int:
        """Copy what there is room for and return how much that was."""
        size = min(len(data) - start, len(self.target) - self.filled)
        with memoryview(data) as view:
            self.target[self.filled : self.filled + size] = view[start : start + size]
        self.filled += size
        return size


@dataclass(slots=True, frozen=True)
class ReadUntil(PendingRead):
    """All up to and with a delimiter."""

    delimiter: bytes
    max_bytes: int | None = None

    def find(self, data: Buffer, start: int, seen: int) -> int | None:
        delimiter = self.delimiter
        searched = start
        if seen:
            # It may have begun in what was seen; but for that each byte is searched once.
            searched += max(0, seen - len(delimiter) + 1)
        position = data.find(delimiter, searched)
        if self.max_bytes is not None:
            end = len(data) if position < 0 else position + len(delimiter)
            check_max_bytes(delimiter, end - start, self.max_bytes)
        return None if position < 0 else position + len(delimiter) - start


class ReadLine(ReadUntil):
    """A line with its LF; the last one may lack it."""

    __slots__ = ()

    def find_at_end(self, data: Buffer, start: int) -> int | None:
        return len(data) - start or None


#: The same ones for all who read alike: to make one takes twice as long as to find it, and an
#: idle connection keeps none of its own.
read_until = lru_cache(maxsize=64)(ReadUntil)
read_line = lru_cache(maxsize=64)(ReadLine)


@dataclass(slots=True)
class ReadRegex(PendingRead):
    """All up to and with a match of a pattern.

    A match may start anywhere in what has come, so each chunk has it searched again:
    `max_bytes` bounds the work as well as the memory.
    """

    pattern: re.Pattern[bytes]
    max_bytes: int | None = None

    def find(self, data: Buffer, start: int, seen: int) -> int | None:
        # A view, and not a start for the search: "^" is where the unread bytes begin.
        with memoryview(data) as whole, whole[start:] as view:
            match = self.pattern.search(view)
            size = len(view) if match is None else match.end()
            found = match is not None
            del match  # it holds the view
        if self.max_bytes is not None:
            check_max_bytes(self.pattern.pattern, size, self.max_bytes)
        return size if found else None


@dataclass(slots=True)
class ReadUntilClose(PendingRead):
    """Everything up to the end of the stream."""

    def find(self, data: Buffer, start: int, seen: int) -> int | None:
        return None

    def find_at_end(self, data: Buffer, start: int) -> int | None:
        return len(data) - start


def check_max_bytes(what: bytes, size: int, limit: int) -> None:
    """Return when `size` bytes are allowed.

    Raises:
        UnsatisfiableReadError: naming what was looked for and the limit.
    """
    if size > limit:
        raise UnsatisfiableReadError(f"delimiter {what!r} not found within {limit} bytes")
