"""Changes of source files: told by the system where watchfiles is installed, else looked for."""

import asyncio
import fnmatch
import importlib
import importlib.util
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

#: Seconds between two looks.
INTERVAL = 0.5
#: Directories that are full of files and bear no sources.
PASSED_OVER = {"__pycache__", "node_modules", "venv"}


async def changes(directories: Sequence[str], patterns: Sequence[str]) -> AsyncIterator[str]:
    """Yield the path of a file that has changed, once for several that change together.

    Args:
        directories: to look in, and in those below them. Names that begin with a dot are passed
            over.
        patterns: that the names of files have to match.
    """
    if importlib.util.find_spec("watchfiles") is not None:
        told = _told(directories, patterns)
    else:
        told = _looked_for(directories, patterns)
    async for path in told:
        yield path


async def _told(directories: Sequence[str], patterns: Sequence[str]) -> AsyncIterator[str]:
    watchfiles = importlib.import_module("watchfiles")

    def wanted(_change: object, path: str) -> bool:
        return _matches(path, patterns) and not any(map(_passed_over, Path(path).parts[1:-1]))

    async for found in watchfiles.awatch(*directories, watch_filter=wanted):
        yield min(path for _, path in found)


async def _looked_for(directories: Sequence[str], patterns: Sequence[str]) -> AsyncIterator[str]:
    before = await asyncio.to_thread(_states, directories, patterns)
    while True:
        await asyncio.sleep(INTERVAL)
        now = await asyncio.to_thread(_states, directories, patterns)
        changed = dict(before.items() ^ now.items())
        before = now
        if changed:
            yield min(changed)


def _states(directories: Sequence[str], patterns: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return what changes with the content of each file: time of modification and size."""
    states = {}
    for path in _files(directories, patterns):
        try:
            status = os.stat(path)
        except OSError:
            continue  # it has just gone
        states[path] = status.st_mtime_ns, status.st_size
    return states


def _files(directories: Sequence[str], patterns: Sequence[str]) -> Iterator[str]:
    for directory in directories:
        for folder, folders, names in os.walk(directory):
            folders[:] = [name for name in folders if not _passed_over(name)]
            yield from (os.path.join(folder, name) for name in names if _matches(name, patterns))


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name in PASSED_OVER


def _matches(path: str, patterns: Sequence[str]) -> bool:
    name = os.path.basename(path)
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
