"""`open`: opens a file in a thread."""

import asyncio
import builtins
import os
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from toolkit.files.file import BinaryFile, TextFile
from toolkit.files.threads import WhichExecutor, in_thread

if TYPE_CHECKING:
    from _typeshed import OpenBinaryMode, OpenTextMode

#: What may name a file; a number is the descriptor of one that is open.
Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Opener = Callable[[str, int], int]

_F = TypeVar("_F", TextFile, BinaryFile)


class Opening(Generic[_F]):
    """What `open` returns: ``await`` it for the file, or ``async with`` closes it at the end."""

    def __init__(self, kind: type[_F], executor: WhichExecutor, *args: Any, **kwargs: Any) -> None:
        self._kind: type[_F] = kind
        self._executor = executor
        self._args = args
        self._kwargs = kwargs
        self._file: _F | None = None

    def __await__(self) -> Generator[Any, None, _F]:
        return self._open().__await__()

    async def __aenter__(self) -> _F:
        self._file = await self._open()
        return self._file

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            await self._file.close()

    async def _open(self) -> _F:
        opened = in_thread(self._executor, _open, *self._args, **self._kwargs)
        try:
            await asyncio.wait([opened])
        except asyncio.CancelledError:
            opened.add_done_callback(self._abandoned)
            raise
        file, seekable = opened.result()
        return self._kind(file, self._args[0], self._args[1], self._executor, seekable)

    def _abandoned(self, opened: "asyncio.Future[tuple[Any, bool]]") -> None:
        """Close a file that nobody waits for any more."""
        if not opened.cancelled() and opened.exception() is None:
            in_thread(self._executor, opened.result()[0].close)


def _open(*args: Any, **kwargs: Any) -> tuple[Any, bool]:
    file = builtins.open(*args, **kwargs)  # noqa: SIM115  # it is given away
    return file, file.seekable()


@overload
def open(
    file: Path | int,
    mode: "OpenTextMode" = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: WhichExecutor = None,
) -> Opening[TextFile]: ...
@overload
def open(
    file: Path | int,
    mode: "OpenBinaryMode",
    buffering: int = -1,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: WhichExecutor = None,
) -> Opening[BinaryFile]: ...
def open(
    file: Path | int,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
    *,
    executor: WhichExecutor = None,
) -> Any:
    """Open a file, which is a `TextFile`, or a `BinaryFile` with ``"b"`` in the mode.

    Example::

        async with files.open("data.bin", "rb") as file:
            head = await file.read(16)

        file = await files.open("log.txt", "a")     # close it yourself

    Args:
        file: as Python's `open` takes it, and so all others.
        encoding: of a text; UTF-8 for None, whatever the locale says.
        executor: whose threads do the work on this file; None for those of `toolkit.files`.
    Raises:
        OSError, ValueError: as Python's `open`, when it is awaited.
    """
    if "b" in mode:
        return Opening(
            BinaryFile, executor, file, mode, buffering, encoding, errors, newline, closefd, opener
        )
    coding = encoding or "utf-8"
    return Opening(
        TextFile, executor, file, mode, buffering, coding, errors, newline, closefd, opener
    )
