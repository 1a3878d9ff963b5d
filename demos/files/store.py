"""A directory of files, used without blocking the loop."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from toolkit.web import Part

#: Names of drafts begin so, and nobody else's do: names of uploads have no dot at their start.
_DRAFT = ".draft-"


@dataclass(frozen=True)
class StoredFile:
    """A file as it is listed."""

    name: str
    size: int
    modified: datetime


class Store:
    """Keeps files by their names.

    Args:
        directory: of the files, which has to be there.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def all(self) -> list[StoredFile]:
        """Return all files, the newest first."""
        return await asyncio.to_thread(self._all)

    async def save(self, part: Part, max_size: int) -> str:
        """Save a part as it comes; return its name, which is a new one.

        Raises:
            HTTPError: 413, it has more than `max_size` bytes; else as `Part.save`.
        """
        draft = self._directory / f"{_DRAFT}{secrets.token_hex(16)}"
        try:
            await part.save(draft, max_size)
            return await asyncio.to_thread(self._publish, draft, part.filename or "_")
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    async def delete(self, name: str) -> bool:
        """Delete a file; False if there is none."""
        return await asyncio.to_thread(self._delete, name)

    def _all(self) -> list[StoredFile]:
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                # One may be deleted between the listing and the look at it.
                with suppress(FileNotFoundError):
                    if self._is_ours(entry.name) and entry.is_file(follow_symlinks=False):
                        status = entry.stat()
                        time = datetime.fromtimestamp(status.st_mtime, UTC)
                        found.append(StoredFile(entry.name, status.st_size, time))
        return sorted(found, key=lambda file: (file.modified, file.name), reverse=True)

    def _publish(self, draft: Path, name: str) -> str:
        for candidate in _numbered(name):
            try:
                # Unlike a renaming this replaces nothing, whoever else comes with that name.
                os.link(draft, self._directory / candidate)
            except FileExistsError:
                continue
            return candidate
        raise AssertionError  # names do not end

    def _delete(self, name: str) -> bool:
        if not self._is_ours(name):
            return False
        try:
            (self._directory / name).unlink()
        except OSError:
            return False
        return True

    @staticmethod
    def _is_ours(name: str) -> bool:
        return not name.startswith(".") and not {"/", "\\", "\0"} & set(name)


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, and then with numbers: ``a.txt``, ``a (2).txt``, …"""
    yield name
    stem, suffix = os.path.splitext(name)
    number = 2
    while True:
        addition = f" ({number}){suffix}"
        # A long name gives way: 255 bytes are what file systems allow.
        room = 255 - len(addition.encode())
        yield stem.encode()[:room].decode(errors="ignore") + addition
        number += 1
