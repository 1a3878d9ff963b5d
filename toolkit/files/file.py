"""`File`: an open file whose methods are coroutines."""

import asyncio
import io
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, AnyStr, Generic, Protocol, Self, TypeVar

from toolkit.files.threads import WhichExecutor, in_thread

_T = TypeVar("_T")

#: How much ``async for`` takes from a file at once: lines, and bytes or characters. One hop to
#: a thread costs what reading some hundred lines does.
LINES_AHEAD, SIZE_AHEAD = 1000, 64 * 1024
#: Bytes or characters of one of the `chunks`.
CHUNK = 64 * 1024


class _Plain(Protocol[AnyStr]):
    """What is needed of a file of `io`."""

    @property
    def closed(self) -> bool: ...
    def read(self, size: int = ..., /) -> AnyStr: ...
    def readline(self, size: int = ..., /) -> AnyStr: ...
    def readlines(self, hint: int = ..., /) -> list[AnyStr]: ...
    def write(self, data: Any, /) -> int | None: ...
    def seek(self, offset: int, whence: int = ..., /) -> int: ...
    def tell(self) -> int: ...
    def truncate(self, size: int | None = ..., /) -> int: ...
    def flush(self) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...
    def seekable(self) -> bool: ...


class File(Generic[AnyStr]):
    """An open file, made by `files.open`.

    The methods are those of Python's files, as coroutines; errors are the same. Calls on one
    file run one after another, in the order in which they were made, whichever tasks make them.

    A call that is cancelled returns at once. What it has begun in its thread goes on there, and
    the next call waits for the end of that. A read that was cancelled has moved the file no
    further, where it can seek; what a pipe gave to it is lost. What a cancelled write had to
    say may be in the file or not, but nothing that an earlier one wrote is touched.

    ``async for`` takes many lines at once from the file; any other call goes on behind the last
    line that was given out.

    Attributes:
        name: what was opened.
        mode: as given.
    """

    def __init__(
        self, file: _Plain[AnyStr], name: Any, mode: str, executor: WhichExecutor, seekable: bool
    ) -> None:
        self.name = name
        self.mode = mode
        self._file: _Plain[AnyStr] = file
        self._executor = executor
        self._seekable = seekable
        self._turn = asyncio.Lock()
        self._closing: asyncio.Task[None] | None = None
        # Lines taken ahead: those left, the position before them all, those given out since.
        self._lines: deque[AnyStr] = deque()
        self._position: int | None = None
        self._given = 0

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__} {self.name!r} mode={self.mode!r}{state}>"

    @property
    def closed(self) -> bool:
        """Whether the file is closed, or about to be."""
        return self._closing is not None or self._file.closed

    # -- reading -------------------------------------------------------------------------

    async def read(self, size: int = -1) -> AnyStr:
        """Return up to `size` bytes or characters, all of the rest for -1; empty at the end."""
        return await self._reading(lambda: self._file.read(size))

    async def readline(self, limit: int = -1) -> AnyStr:
        """Return the next line with its end, up to `limit` of it; empty at the end."""
        return await self._reading(lambda: self._file.readline(limit))

    async def readlines(self, hint: int = -1) -> list[AnyStr]:
        """Return the lines of the rest, or of it as far as they come to `hint` in sum."""
        return await self._reading(lambda: _lines(self._file, hint if hint > 0 else None, None))

    def chunks(self, size: int = CHUNK) -> "Chunks[AnyStr]":
        """Return what ``async for`` takes the rest of the file from in pieces of `size`.

        Raises:
            ValueError: `size` is not positive.
        """
        return Chunks(self, size)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        if self._closing is not None or not self._lines:
            await self._look_ahead()
        if not self._lines:
            raise StopAsyncIteration
        self._given += 1
        return self._lines.popleft()

    async def _look_ahead(self) -> None:
        """Take the next lines, as many as can be given back to the file."""
        await self._enter()
        if self._lines:  # another task was here
            self._turn.release()
            return

        def take() -> tuple[int | None, list[AnyStr]]:
            position = self._tell()
            return position, _lines(self._file, SIZE_AHEAD, 1 if position is None else LINES_AHEAD)

        position, lines = await self._finish(take, lambda taken: self._restore(taken[0]))
        self._position, self._given = position, 0
        self._lines.extend(lines)

    # -- writing -------------------------------------------------------------------------

    async def write(self, data: AnyStr) -> int:
        """Write all of the data; return its length.

        It may wait in a buffer until `flush` or `close`.
        """
        return await self._doing(lambda: _write(self._file, data))

    async def writelines(self, lines: Iterable[AnyStr]) -> None:
        """Write each of the lines, which bring their own ends."""
        lines = list(lines)  # what makes them belongs to the loop

        def write() -> None:
            for line in lines:
                _write(self._file, line)

        await self._doing(write)

    async def flush(self) -> None:
        """Give what waits in the buffer to the system."""
        await self._doing(self._file.flush)

    async def truncate(self, size: int | None = None) -> int:
        """Make the file that long, as long as the position is for None; return its length."""
        return await self._doing(lambda: self._file.truncate(size))

    # -- position and end ----------------------------------------------------------------

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        return await self._doing(lambda: self._file.seek(offset, whence))

    async def tell(self) -> int:
        """Return the position, which of a text is a number without a meaning but for `seek`."""
        return await self._doing(self._file.tell)

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._file.fileno()

    async def close(self) -> None:
        """Close the file, once what is under way on it has ended; again does nothing.

        The closing goes on when the wait for it is cancelled.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self.end_with(self._file.close))
        await asyncio.wait([self._closing])
        self._closing.result()

    async def end_with(self, action: Callable[[], None]) -> None:
        """Run the last action on the file in a thread, when what is under way has ended."""
        async with self._turn:
            await in_thread(self._executor, action)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- one call after another ----------------------------------------------------------

    async def _reading(self, read: Callable[[], _T]) -> _T:
        """Run what reads; its effect is undone if nobody takes the result."""

        def run() -> tuple[int | None, _T]:
            position = self._tell()
            return position, read()

        await self._enter(settle=True)
        _, result = await self._finish(run, lambda taken: self._restore(taken[0]))
        return result

    async def _doing(self, action: Callable[[], _T]) -> _T:
        """Run what does not read."""
        await self._enter(settle=True)
        return await self._finish(action, None)

    async def _enter(self, settle: bool = False) -> None:
        """Wait for one's turn; `_finish` has to follow.

        Args:
            settle: whether to give lines that were taken ahead back to the file.
        """
        if self._closing is not None:
            raise ValueError("I/O operation on closed file.")
        await self._turn.acquire()
        if settle and self._position is not None:
            position, given = self._position, self._given
            ahead = bool(self._lines)
            self._position = None
            self._lines.clear()
            if ahead:
                await self._run(lambda: self._restore(position, given), None)

    async def _finish(self, action: Callable[[], _T], undo: Callable[[_T], None] | None) -> _T:
        result = await self._run(action, undo)
        self._turn.release()
        return result

    async def _run(self, action: Callable[[], _T], undo: Callable[[_T], None] | None) -> _T:
        """Run an action in a thread, and keep the turn; an error or a cancellation ends it.

        Args:
            undo: called with the result when nobody takes it.
        """
        future = in_thread(self._executor, action)
        try:
            await asyncio.wait([future])
        except BaseException:  # cancelled, or the coroutine was closed
            # The thread cannot be stopped. The turn ends when the thread is done.
            future.add_done_callback(lambda future: self._abandoned(future, undo))
            raise
        if future.exception() is not None:
            self._turn.release()
        return future.result()

    def _abandoned(self, future: "asyncio.Future[_T]", undo: Callable[[_T], None] | None) -> None:
        if undo is None or future.cancelled() or future.exception() is not None:
            self._turn.release()
            return
        undone = in_thread(self._executor, undo, future.result())
        undone.add_done_callback(self._undone)

    def _undone(self, future: "asyncio.Future[None]") -> None:
        if not future.cancelled():
            future.exception()  # such as that of a device that does not seek after all
        self._turn.release()

    # -- in a thread ---------------------------------------------------------------------

    def _tell(self) -> int | None:
        """Return the position, None where there is none to go back to."""
        if self._seekable:
            try:
                return self._file.tell()
            except (OSError, OverflowError):  # of a text, whose coding may not allow it here
                pass
        return None

    def _restore(self, position: int | None, lines: int = 0) -> None:
        """Go back to a position, and from there on over some lines."""
        if position is not None:
            self._file.seek(position)
            for _ in range(lines):
                self._file.readline()


class TextFile(File[str]):
    """A file of text."""


class BinaryFile(File[bytes]):
    """A file of bytes."""

    async def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer as far as the file goes; return the number of bytes.

        The bytes are copied by the loop, so that a call that was cancelled does not write to a
        buffer that is in use for something else again.
        """
        view = memoryview(buffer).cast("B")
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    async def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of the data; return its length in bytes. A buffer may be used again then."""
        return await super().write(plain_bytes(data))


class Chunks(Generic[AnyStr]):
    """The rest of a file in pieces; each is read when it is asked for."""

    def __init__(self, file: File[AnyStr], size: int) -> None:
        if size <= 0:
            raise ValueError(f"size {size}; 1 or more is allowed")
        self._file: File[AnyStr] = file
        self._size = size

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AnyStr:
        piece = await self._file.read(self._size)
        if not piece:
            raise StopAsyncIteration
        return piece


def _lines(file: _Plain[AnyStr], size: int | None, most: int | None) -> list[AnyStr]:
    """Read lines until they come to `size` in sum, or are as many as `most`.

    Not by iteration, after which a text does not tell its position.
    """
    found: list[AnyStr] = []
    left = size
    while most is None or len(found) < most:
        line = file.readline()
        if not line:
            break
        found.append(line)
        if left is not None:
            left -= len(line)
            if left <= 0:
                break
    return found


def plain_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """Return data that nobody changes while a thread has it.

    Raises:
        TypeError: no buffer.
    """
    return data if isinstance(data, bytes) else bytes(memoryview(data))


def _write(file: _Plain[AnyStr], data: AnyStr) -> int:
    """Write all of the data: a file without a buffer may take less at once."""
    written = _taken(file.write(data))
    while isinstance(data, bytes) and written < len(data):
        written += _taken(file.write(memoryview(data)[written:]))
    return written


def _taken(written: int | None) -> int:
    if written is None:
        raise BlockingIOError("the file does not block, and takes nothing now")
    return written
