"""`atomic_write`: a file that is replaced whole, or not at all."""

import asyncio
import contextlib
import errno
import os
import secrets
import stat
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar, overload

from toolkit.files.file import BinaryFile, TextFile
from toolkit.files.opening import Path
from toolkit.files.threads import WhichExecutor, in_thread

_F = TypeVar("_F", TextFile, BinaryFile)

_MODES = ("w", "wt", "wb")


class AtomicWrite(Generic[_F]):
    """What `atomic_write` returns."""

    def __init__(
        self, kind: type[_F], executor: WhichExecutor, draft: "_Draft", name: Any, mode: str
    ) -> None:
        self._kind: type[_F] = kind
        self._executor = executor
        self._draft = draft
        self._name = name
        self._mode = mode
        self._file: _F | None = None
        self._ending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _F:
        made = in_thread(self._executor, self._draft.make)
        try:
            await asyncio.wait([made])
        except asyncio.CancelledError:
            made.add_done_callback(self._abandoned)
            raise
        self._file = self._kind(made.result(), self._name, self._mode, self._executor, True)
        return self._file

    def _abandoned(self, made: "asyncio.Future[Any]") -> None:
        if not made.cancelled() and made.exception() is None:
            in_thread(self._executor, self._draft.discard)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A task, since a further cancellation must not leave the draft lying about.
        self._ending = asyncio.create_task(self._end(commit=kind is None))
        await asyncio.wait([self._ending])
        self._ending.result()

    async def _end(self, commit: bool) -> None:
        assert self._file is not None
        end = self._draft.commit if commit else self._draft.discard
        await self._file.end_with(end)


class _Draft:
    """A file beside the one that it is to replace; its methods run in a thread.

    Args:
        path: what is to be replaced.
        rights: of the new file; None for those of the old one.
        options: of `io.open`.
    """

    def __init__(self, path: Path, durable: bool, rights: int | None, **options: Any) -> None:
        self._path = path
        self._durable = durable
        self._rights = rights
        self._options = options
        self._file: Any = None
        self._draft = ""
        self._target = ""
        self._replaced: os.stat_result | None = None

    def make(self) -> Any:
        """Make the file, and return it open.

        Raises:
            OSError: the target is no plain file, or its directory cannot be written to.
        """
        self._target = target = os.path.realpath(os.fsdecode(self._path))
        with contextlib.suppress(FileNotFoundError):
            self._replaced = os.stat(target)
        if self._replaced is not None and not stat.S_ISREG(self._replaced.st_mode):
            number = errno.EISDIR if stat.S_ISDIR(self._replaced.st_mode) else errno.EINVAL
            raise OSError(number, "only a plain file can be replaced", target)
        # The name tells nothing of the target's, which may be as long as names get.
        name = f".toolkit-{secrets.token_hex(8)}.tmp"
        self._draft = os.path.join(os.path.dirname(target), name)
        # A new file gets the rights that the process gives to new files. What replaces another
        # one belongs to nobody else before it has the rights of that.
        rights = 0o666 if self._replaced is None and self._rights is None else 0o600
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self._file = open(  # noqa: SIM115  # `commit` or `discard` closes it
                self._draft, **self._options, opener=lambda path, _: os.open(path, flags, rights)
            )
        except (LookupError, ValueError, TypeError):  # of encoding, errors or newline
            os.unlink(self._draft)
            raise
        return self._file

    def commit(self) -> None:
        """Put the file in the place of its target; if that fails remove it.

        Raises:
            OSError: the target is as it was, unless it was only its directory that could not be
                synchronised.
        """
        try:
            self._set_rights()
            if self._durable:
                self._synchronise()
            self._file.close()
            os.replace(self._draft, self._target)
        except BaseException:
            self.discard()
            raise
        if self._durable and hasattr(os, "O_DIRECTORY"):
            _synchronise(os.path.dirname(self._target), os.O_RDONLY | os.O_DIRECTORY)

    def _set_rights(self) -> None:
        before = self._replaced
        if self._rights is not None:
            os.chmod(self._draft, self._rights)
            return
        if before is None:
            return
        if hasattr(os, "chown"):
            now = os.stat(self._draft)
            if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
                with contextlib.suppress(PermissionError):
                    os.chown(self._draft, before.st_uid, before.st_gid)
        os.chmod(self._draft, stat.S_IMODE(before.st_mode))

    def _synchronise(self) -> None:
        if self._file.closed:
            _synchronise(self._draft, os.O_RDWR)
        else:
            self._file.flush()
            os.fsync(self._file.fileno())

    def discard(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # what is still in its buffer
            self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._draft)


def _synchronise(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@overload
def atomic_write(
    path: Path,
    mode: Literal["w", "wt"] = "w",
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    durable: bool = True,
    rights: int | None = None,
    executor: WhichExecutor = None,
) -> AtomicWrite[TextFile]: ...
@overload
def atomic_write(
    path: Path,
    mode: Literal["wb"],
    *,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
    durable: bool = True,
    rights: int | None = None,
    executor: WhichExecutor = None,
) -> AtomicWrite[BinaryFile]: ...
def atomic_write(
    path: Path,
    mode: str = "w",
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    durable: bool = True,
    rights: int | None = None,
    executor: WhichExecutor = None,
) -> Any:
    """Return what ``async with`` gives a file from that replaces `path` when the block ends.

    Example::

        async with files.atomic_write("state.json") as file:
            await file.write(text)

    What is written goes to a new file in the same directory, which takes the place of `path` in
    one step: whoever opens that finds all of the old content or all of the new. If the block
    raises, or is cancelled, the new file is removed and the old one is as before. A cancellation
    that comes when the block has ended may be too late to hold the new content back.

    Without `rights` the mode of a file that is replaced is kept, and so are its owner and group
    where the process may give files away; other hard links to it keep the old content. A symbolic
    link is followed: what it points to is replaced, and the link stays.

    Args:
        path: a plain file, or none yet.
        mode: ``"w"`` for text, ``"wb"`` for bytes.
        encoding: of a text; UTF-8 for None.
        durable: whether the content, and then its name, are on the disk when the block has
            ended, so that they outlive a failure of power.
        rights: mode that the file gets, as ``0o600`` for what nobody else may read; nobody else
            can at any moment.
        executor: as `open` takes it.
    Raises:
        ValueError: another mode.
        OSError: `path` is no plain file, or something could not be written; it is as before.
    """
    if mode not in _MODES:
        raise ValueError(f"mode {mode!r}; one of {', '.join(_MODES)} is allowed")
    options: dict[str, Any] = {"mode": mode, "errors": errors, "newline": newline}
    if mode == "wb":
        draft = _Draft(path, durable, rights, encoding=encoding, **options)
        return AtomicWrite(BinaryFile, executor, draft, path, mode)
    draft = _Draft(path, durable, rights, encoding=encoding or "utf-8", **options)
    return AtomicWrite(TextFile, executor, draft, path, mode)
