"""`SpooledFile`: content that is kept in memory while it is small, and on disk beyond."""

import asyncio
import io
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import IO, Any, TypeVar

from toolkit.files import BinaryFile
from toolkit.files.threads import WhichExecutor, in_thread

_T = TypeVar("_T")

#: A directory for temporary files; None for the system's.
Directory = str | os.PathLike[str] | None


class SpooledFile(BinaryFile):
    """A file of bytes without a name, in memory or on disk; at first it stands at its beginning.

    The methods are those of `files.BinaryFile`: ``await file.read()``, `seek`, ``async for line
    in file`` and others. It is closed by ``async with``, by `close`, or when nobody refers to
    it any more; nothing of it is left then.

    Example::

        async with await part.spool() as file:
            async for chunk in file.chunks():
                ...

    Attributes:
        file: the plain file, for functions that run in a thread and want one.
        size: bytes of the content.
        rolled: whether it lies on disk.
    """

    def __init__(self, file: IO[bytes], size: int, rolled: bool) -> None:
        self.file = file
        super().__init__(file, None, "w+b", None if rolled else _IN_PLACE, True)
        self.size = size
        self.rolled = rolled

    def __del__(self) -> None:
        _close(self.file)


class Spool:
    """Takes content, and makes a `SpooledFile` of it.

    Args:
        max_memory: bytes that are kept in memory.
        directory: where a file goes that is larger.
    """

    def __init__(self, max_memory: int, directory: Directory) -> None:
        self._max_memory = max_memory
        self._directory = directory
        self._memory = io.BytesIO()
        self._disk: IO[bytes] | None = None
        self._size = 0
        # A thread goes on when the wait for it is cancelled, even when the loop is closed then;
        # so that it is threads that see to it that nothing stays open.
        self._lock = threading.Lock()
        self._discarded = False

    async def writelines(self, pieces: list[bytes]) -> None:
        """Add to the content.

        Raises:
            OSError: the disk does not take it.
        """
        self._size += sum(map(len, pieces))
        if self._disk is not None:
            await self._in_thread(self._disk.writelines, pieces)
        elif self._size <= self._max_memory:
            self._memory.writelines(pieces)
        else:
            await self._in_thread(self._roll_over, pieces)

    def _roll_over(self, pieces: list[bytes]) -> None:
        """Go on on disk; runs in a thread."""
        self._disk = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  # it is kept
        self._disk.write(self._memory.getbuffer())
        self._disk.writelines(pieces)
        self._memory = io.BytesIO()

    async def finish(self) -> SpooledFile:
        """Return the content as a file; the spool is of no use then."""
        if self._disk is None:
            self._memory.seek(0)
            return SpooledFile(self._memory, self._size, False)
        await self._in_thread(self._disk.seek, 0)  # which writes what waits in the buffer
        disk, self._disk = self._disk, None
        return SpooledFile(disk, self._size, True)

    def discard(self) -> None:
        """Let go of the content, unless it became a file."""
        self._discarded = True
        if self._disk is not None or self._lock.locked():
            in_thread(None, self._close)

    def _close(self) -> None:
        with self._lock:
            disk, self._disk = self._disk, None
        if disk is not None:
            _close(disk)

    async def _in_thread(self, function: Callable[..., object], *args: Any) -> None:
        future = in_thread(None, self._unless_discarded, function, *args)
        try:
            await asyncio.wait([future])
        except BaseException:
            future.add_done_callback(_seen)
            raise
        future.result()

    def _unless_discarded(self, function: Callable[..., object], *args: Any) -> None:
        with self._lock:
            if not self._discarded:
                function(*args)


def _seen(future: "asyncio.Future[None]") -> None:
    """Look at an error that nobody waits for, as asyncio would have it."""
    if not future.cancelled():
        future.exception()


def _close(file: IO[bytes]) -> None:
    """Close a file whose content nobody wants, on a disk that may be full."""
    try:
        file.close()
    except OSError:
        pass  # of what was still in its buffer; the descriptor is closed all the same


class _InPlace(Executor):
    """Runs what is asked of it at once: a file in memory needs no thread."""

    def submit(self, function: Callable[..., _T], /, *args: Any, **kwargs: Any) -> "Future[_T]":
        future: Future[_T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # it is the caller's
            future.set_exception(error)
        return future


_IN_PLACE: WhichExecutor = _InPlace()
