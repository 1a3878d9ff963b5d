"""Showing how far a transfer is, on a terminal."""

import importlib.util
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

#: Seconds between two looks at the bar; eyes see no more.
INTERVAL = 0.1
#: Columns of the bar that is made of characters.
WIDTH = 24

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Bar(Protocol):
    """What shows progress, within ``with``."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def __call__(self, done: int, total: int | None) -> None:
        """Show that so many bytes of so many, or of nobody knows how many, are there."""


def progress_bar(name: str, silent: bool = False) -> Bar:
    """Return what shows progress: Rich's bar if it is installed, else a plain one.

    Nothing is shown where standard error is no terminal.
    """
    if silent or not sys.stderr.isatty():
        return NoBar()
    return RichBar(name) if importlib.util.find_spec("rich") is not None else PlainBar(name)


class NoBar:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, done: int, total: int | None) -> None:
        """Do nothing."""


class PlainBar:
    """Shows progress in a line of characters.

    Args:
        name: of what is transferred.
        write: takes the text; standard error by default.
        clock: seconds.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._write = sys.stderr.write if write is None else write
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._shown = float("-inf")
        self._last: tuple[int, int | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._show(*self._last)
            self._write("\n")

    def __call__(self, done: int, total: int | None) -> None:
        """Show it, unless it was shown just now."""
        now = self._clock()
        if self._first is None:
            self._first = now, done
        self._last = done, total
        if now - self._shown >= INTERVAL:
            self._shown = now
            self._show(done, total)

    def _show(self, done: int, total: int | None) -> None:
        self._write(f"\r{progress_line(self._name, done, total, self._rate(done))}\x1b[K")
        sys.stderr.flush()

    def _rate(self, done: int) -> float | None:
        assert self._first is not None
        began, before = self._first
        passed = self._clock() - began
        return (done - before) / passed if passed > 0 else None


def progress_line(name: str, done: int, total: int | None, rate: float | None) -> str:
    """Return how far a transfer is, as text.

    >>> progress_line("a.iso", 512 * 1024, 1024 * 1024, 131072.0)
    'a.iso [############------------]  50 %  512.0 KiB of 1.0 MiB  128.0 KiB/s  4 s left'
    """
    parts = [name]
    if total:
        filled = min(WIDTH, WIDTH * done // total)
        bar = "#" * filled + "-" * (WIDTH - filled)
        parts = [f"{name} [{bar}] {min(100, 100 * done // total):3} %"]
        parts.append(f"{amount(done)} of {amount(total)}")
    else:
        parts.append(amount(done))
    if rate:
        parts.append(f"{amount(rate)}/s")
        if total and done < total:
            parts.append(f"{(total - done) / rate:.0f} s left")
    return "  ".join(parts)


def amount(size: float) -> str:
    """Return a number of bytes for people.

    >>> amount(1536)
    '1.5 KiB'
    """
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.0f} {_UNITS[0]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


class RichBar:
    """Shows Rich's bar; for those who have it (``toolkit[cli]``)."""

    def __init__(self, name: str) -> None:
        progress = importlib.import_module("rich.progress")
        console = importlib.import_module("rich.console").Console(stderr=True)
        self._progress: Any = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(binary_units=True),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int | None) -> None:
        """Show it."""
        self._progress.update(self._task, completed=done, total=total)
