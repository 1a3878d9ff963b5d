"""Versions of files: hashes of their content, as they stand in URLs."""

import asyncio
import os
import stat
import threading
import time
from collections.abc import Callable, Hashable

from toolkit.log import gen_log
from toolkit.web.static.files import (
    Identity,
    NotAFile,
    ServedFile,
    identity,
    is_settled,
    open_file,
)

#: Bytes that are hashed at once without a thread; some 2 ms.
HASHED_IN_PLACE = 1024 * 1024

#: The hashes that threads are making, by loop, path and state of the file.
_hashing: dict[Hashable, "asyncio.Future[str]"] = {}


async def hash_without_blocking(file: ServedFile) -> str:
    """Return the hash of an open file; a thread makes that of a large one, once for all who ask."""
    if file.size <= HASHED_IN_PLACE:
        return file.hash()
    loop = asyncio.get_running_loop()
    key = (loop, file.path, file.identity)
    future = _hashing.get(key)
    if future is None:
        _hashing[key] = future = loop.run_in_executor(None, file.hash)

        def forget(done: "asyncio.Future[str]") -> None:
            del _hashing[key]
            # Somebody may have asked, and be gone.
            if not done.cancelled():
                done.exception()

        future.add_done_callback(forget)
    file.version = await asyncio.shield(future)
    return file.version


class VersionCache:
    """Hashes of files' contents, by the path and the state of the file.

    Holds the `limit` that were asked for last.
    """

    def __init__(self) -> None:
        self._versions: dict[Hashable, tuple[Identity | None, str]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._versions)

    def find(self, key: Hashable, state: Identity | None) -> str | None:
        """Return the hash of a file in a state; None when it is not known."""
        with self._lock:
            known = self._versions.pop(key, None)
            if known is None or known[0] != state:
                return None
            self._versions[key] = known
            return known[1]

    def add(self, key: Hashable, status: os.stat_result | None, version: str, limit: int) -> None:
        """Keep a hash.

        Args:
            status: of the file; None for content that is no file, and so never changes.
            limit: hashes to keep, of all files.
        """
        if status is not None and not is_settled(status, time.time()):
            return
        with self._lock:
            self._versions.pop(key, None)
            self._versions[key] = (None if status is None else identity(status), version)
            while len(self._versions) > limit:
                del self._versions[next(iter(self._versions))]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._versions.clear()


def file_version(
    cache: VersionCache,
    path: str,
    compute: Callable[[str], str],
    *,
    is_file: bool,
    allowed: tuple[str, ...] | None,
    max_size: int,
    limit: int,
) -> str | None:
    """Return the version of a file; None where it cannot be had, and the log says why.

    Args:
        compute: makes the version of a path.
        is_file: whether the path is one of the file system.
        allowed: as `open_file`.
        max_size: bytes of the largest file.
        limit: versions to keep.
    """
    key = (compute, path)
    status = _status(path) if is_file else None
    version = cache.find(key, None if status is None else identity(status))
    if version is None:
        version = ""
        try:
            if is_file:
                _check(path, allowed, max_size)
            version = compute(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            gen_log.error("Could not open static file %r: %s", path, reason or error)
        # What failed is remembered too, so that each page does not write to the log.
        cache.add(key, status, version, limit)
    return version or None


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _check(path: str, allowed: tuple[str, ...] | None, max_size: int) -> None:
    """Check that a file may be read.

    Raises:
        OSError, ValueError: it may not.
    """
    # A device is not even opened.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise NotAFile("is not a file")
    size = open_file(path, allowed).size
    if size > max_size:
        raise OSError(f"{size} bytes, larger than the {max_size} allowed")
