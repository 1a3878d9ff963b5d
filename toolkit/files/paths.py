"""What is done to a path in one go."""

import os

from toolkit.files.file import plain_bytes
from toolkit.files.opening import Path
from toolkit.files.threads import WhichExecutor, in_thread


async def read_bytes(path: Path, *, executor: WhichExecutor = None) -> bytes:
    """Return what is in a file."""
    return await in_thread(executor, _read_bytes, path)


async def read_text(
    path: Path,
    encoding: str = "utf-8",
    errors: str = "strict",
    *,
    executor: WhichExecutor = None,
) -> str:
    """Return the text that is in a file; each end of a line is ``"\\n"``."""
    return await in_thread(executor, _read_text, path, encoding, errors)


async def write_bytes(
    path: Path, data: bytes | bytearray | memoryview, *, executor: WhichExecutor = None
) -> int:
    """Make `data` all that is in a file; return its length in bytes.

    A reader may find less of it, or nothing; `atomic_write` is for those that must not.
    """
    return await in_thread(executor, _write_bytes, path, plain_bytes(data))


async def write_text(
    path: Path,
    data: str,
    encoding: str = "utf-8",
    errors: str = "strict",
    newline: str | None = None,
    *,
    executor: WhichExecutor = None,
) -> int:
    """Make `data` all that is in a file; return its length in characters; see `write_bytes`."""
    return await in_thread(executor, _write_text, path, data, encoding, errors, newline)


async def stat(
    path: Path | int, *, follow_symlinks: bool = True, executor: WhichExecutor = None
) -> os.stat_result:
    """Return what the system knows of a file; as `os.stat`."""
    return await in_thread(executor, os.stat, path, follow_symlinks=follow_symlinks)


async def exists(path: Path, *, executor: WhichExecutor = None) -> bool:
    """Say whether there is something; a link that leads nowhere is nothing."""
    return await in_thread(executor, os.path.exists, path)


async def listdir(path: str | os.PathLike[str], *, executor: WhichExecutor = None) -> list[str]:
    """Return the names in a directory, in no order."""
    return await in_thread(executor, os.listdir, path)


async def makedirs(
    path: Path, mode: int = 0o777, exist_ok: bool = False, *, executor: WhichExecutor = None
) -> None:
    """Make a directory, and those above it that are missing; as `os.makedirs`."""
    await in_thread(executor, os.makedirs, path, mode, exist_ok)


async def remove(path: Path, *, missing_ok: bool = False, executor: WhichExecutor = None) -> None:
    """Remove a file.

    Args:
        missing_ok: whether it is all right if there is none.
    """
    await in_thread(executor, _remove, path, missing_ok)


async def replace(source: Path, target: Path, *, executor: WhichExecutor = None) -> None:
    """Give a file another name, whose file is replaced if there is one; as `os.replace`."""
    await in_thread(executor, os.replace, source, target)


def _read_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _read_text(path: Path, encoding: str, errors: str) -> str:
    with open(path, encoding=encoding, errors=errors) as file:
        return file.read()


def _write_bytes(path: Path, data: bytes) -> int:
    with open(path, "wb") as file:
        return file.write(data)


def _write_text(path: Path, data: str, encoding: str, errors: str, newline: str | None) -> int:
    with open(path, "w", encoding=encoding, errors=errors, newline=newline) as file:
        return file.write(data)


def _remove(path: Path, missing_ok: bool) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        if not missing_ok:
            raise
