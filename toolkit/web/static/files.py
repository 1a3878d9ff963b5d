"""Files as they are served: opened first, and judged by what was opened."""

import asyncio
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from toolkit.web.static.names import inside_of

#: Bytes read at a time. Where the system has them in memory, that takes 4 µs; to have a thread
#: do it takes over 100. More does not get faster.
PIECE = 128 * 1024
#: Bytes from which on the kernel sends a content: of 256 KiB that takes two thirds of the CPU
#: time, of 1 MiB a third.
DIRECT = 256 * 1024
#: Bytes that it sends before the next ones are looked at; 256 KiB at a time cost a tenth more.
BLOCK = 1024 * 1024
#: Bytes of the largest file whose content is kept.
SMALL = 64 * 1024
#: Seconds after which a change of a file shows in its times on every file system (FAT has 2).
TICK = 2.0

_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    # Without O_NONBLOCK, opening a FIFO waits for somebody who writes to it.
    _FLAGS |= getattr(os, _name, 0)

_T = TypeVar("_T")

#: What tells one state of a file from another one.
Identity = tuple[int, int, int, int, int]


class NotAFile(OSError):
    """It is a directory, a device or the like."""


class OutsideError(OSError):
    """It lies in none of the directories that are allowed."""


def identity(status: os.stat_result) -> Identity:
    """Return what changes whenever the content of a file does."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_settled(status: os.stat_result, now: float) -> bool:
    """Say whether a file that changes from now on will show it by its times."""
    return now - max(status.st_mtime, status.st_ctime) > TICK


class _Descriptor:
    """An open file, closed when nobody holds it any more.

    So a thread that still reads never finds another file under the same number.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.number)


class ServedFile:
    """A regular file as it was when it was opened.

    Attributes:
        path: that it was opened by.
        status: what the system knew of it.
        allowed: directories that it had to lie in; None for any.
        identity: of that state.
        content: all of it, where it is small.
        version: hash of the content, once somebody has asked for it.
        fields: headers that it was sent with, where it is kept.
    """

    __slots__ = (
        "_descriptor",
        "allowed",
        "content",
        "fields",
        "identity",
        "path",
        "status",
        "version",
    )

    def __init__(
        self,
        path: str,
        descriptor: _Descriptor,
        status: os.stat_result,
        allowed: tuple[str, ...] | None,
    ) -> None:
        self.path = path
        self.status = status
        self.allowed = allowed
        self.identity = identity(status)
        self.content: bytes | None = None
        self.version: str | None = None
        self.fields: list[tuple[str, str]] | None = None
        self._descriptor: _Descriptor | None = descriptor

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.status.st_size

    def load(self) -> None:
        """Read a small file, which needs to be open no longer then."""
        if self.size > SMALL or self._descriptor is None:
            return
        content = _pread(self._descriptor.number, self.size + 1, 0)
        if len(content) == self.size:
            self.content, self._descriptor = content, None

    def read(self, start: int, size: int) -> bytes:
        """Return some bytes, fewer where the file has ended."""
        if self.content is not None:
            return self.content[start : start + size]
        assert self._descriptor is not None
        return _pread(self._descriptor.number, size, start)

    async def descriptor(self, start: int, size: int) -> int:
        """Return the open file once the system has some of its bytes in memory."""
        assert self._descriptor is not None
        if not self._is_in_memory(start, size):
            await _in_thread(self.read, start, size)
        return self._descriptor.number

    async def piece(self, start: int, size: int) -> bytes:
        """Return some bytes without blocking the loop; they come from a thread if need be."""
        if self.content is None and not self._is_in_memory(start, size):
            return await _in_thread(self.read, start, size)
        return self.read(start, size)

    def _is_in_memory(self, start: int, size: int) -> bool:
        """Say whether no disk has to be waited for, as far as the system tells."""
        assert self._descriptor is not None
        if _RWF_NOWAIT is None:
            return True
        number, probe = self._descriptor.number, [bytearray(1)]
        try:
            # What comes between the first and the last byte was read ahead with them.
            for place in (start, start + size - 1):
                os.preadv(number, probe, place, _RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # the file system does not know the flag
            pass
        return True

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to before `end`."""
        left = self.size if end is None else end
        while start < left:
            piece = self.read(start, min(PIECE, left - start))
            if not piece:
                return
            start += len(piece)
            yield piece

    def hash(self) -> str:
        """Return the hash of the content, and keep it."""
        if self.version is None:
            self.version = content_hash(self.pieces())
        return self.version


def _seek_and_read(number: int, size: int, start: int) -> bytes:
    os.lseek(number, start, os.SEEK_SET)
    return os.read(number, size)


#: Windows has no `os.pread`. Nobody else reads by the same descriptor.
_pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)
#: Reads what is in memory alone (Linux).
_RWF_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


def content_hash(pieces: Iterable[bytes]) -> str:
    """Return the hash of a content as it stands in URLs and entity tags."""
    digest = hashlib.sha512()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


async def _in_thread(function: Callable[..., _T], *args: int) -> _T:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


def open_file(path: str, allowed: tuple[str, ...] | None) -> ServedFile:
    """Open a regular file.

    Args:
        allowed: directories, links resolved, that it has to lie in; None for any. What counts
            is where the opened file lies, whatever its path leads to by now.
    Raises:
        NotAFile, OutsideError: it is not what it should be.
        OSError, ValueError: it cannot be opened.
    """
    descriptor = _Descriptor(os.open(path, _FLAGS))
    status = os.fstat(descriptor.number)
    if not stat.S_ISREG(status.st_mode):
        raise NotAFile(path)
    if allowed is not None and not inside_of(_real_path(descriptor, path, status), allowed):
        raise OutsideError(path)
    return ServedFile(path, descriptor, status, allowed)


def _real_path(descriptor: _Descriptor, path: str, status: os.stat_result) -> str:
    """Return where an opened file lies, links resolved.

    Raises:
        OutsideError: its path leads to another file by now.
    """
    try:
        return os.readlink(f"/proc/self/fd/{descriptor.number}")
    except OSError:  # not Linux
        real = os.path.realpath(path)
        if not os.path.samestat(os.lstat(real), status):
            raise OutsideError(path) from None
        return real


class FileCache:
    """Small files in memory, each as long as it stays as it was.

    Args:
        max_bytes: of all contents together; the oldest go first.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._files: dict[Hashable, ServedFile] = {}
        self._bytes = 0
        self._lock = threading.Lock()  # servers may run in several threads

    def __len__(self) -> int:
        return len(self._files)

    def find(self, key: Hashable) -> ServedFile | None:
        """Return a file that is still the one that its path leads to."""
        file = self._files.get(key)
        if file is None:
            return None
        try:
            if identity(os.stat(file.path)) == file.identity:
                return file
        except OSError:
            pass
        self._drop(key)
        return None

    def add(self, key: Hashable, file: ServedFile, now: float) -> None:
        """Keep a file whose content is there.

        Args:
            now: seconds since the epoch. A file that has just changed may do so again without
                a trace, and is not kept.
        """
        if file.content is None or not is_settled(file.status, now):
            return
        self._drop(key)
        with self._lock:
            self._files[key] = file
            self._bytes += _cost(file)
            while self._bytes > self._max_bytes:
                oldest = next(iter(self._files))
                self._bytes -= _cost(self._files.pop(oldest))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._files.clear()
            self._bytes = 0

    def _drop(self, key: Hashable) -> None:
        with self._lock:
            file = self._files.pop(key, None)
            if file is not None:
                self._bytes -= _cost(file)


def _cost(file: ServedFile) -> int:
    """Return the bytes that a kept file takes, its entry included."""
    return file.size + 1024
