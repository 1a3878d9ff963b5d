"""Running a program to its end: `run`, and what `IOLoop.run_sync` does."""

import asyncio
import contextlib
import functools
import inspect
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from toolkit.concurrent import convert_yielded
from toolkit.ioloop.asyncio_loops import new_event_loop
from toolkit.ioloop.watchdog import Watchdog
from toolkit.util import TimeoutError

_T = TypeVar("_T")


def run(
    main: Callable[[], Awaitable[_T]] | Coroutine[Any, Any, _T],
    *,
    uvloop: bool | None = None,
    debug: bool = False,
) -> _T:
    """Run a program, and return what its main coroutine returns.

    A new loop is made for it. At the end all other tasks are cancelled, asynchronous
    generators and the default executor are shut down, and the loop is closed.

    Ctrl-C cancels the main coroutine, and so does SIGTERM, so that ``finally`` clauses run.
    If the cancellation comes out of it, `run` raises KeyboardInterrupt or SystemExit with
    143, the status that a shell shows for a process ended by SIGTERM; if the coroutine
    returns something instead, then that is the result, as ever. More signals SIGTERM change
    nothing, a second Ctrl-C interrupts at once. Where SIGTERM has a handler already, or `run`
    is not in the main thread, or on Windows, SIGTERM is left alone.

    Example::

        async def main():
            server = HTTPServer(app)
            server.listen(8888)
            await asyncio.Event().wait()

        toolkit.run(main)

    Args:
        main: a coroutine function without arguments, called in the running loop, or a coroutine.
        uvloop: True for uvloop's loop, False for asyncio's, None for uvloop's when installed.
        debug: asyncio's debug mode, and a `Watchdog` that names what blocks the loop.
    Raises:
        RuntimeError: a loop runs in this thread.
        TypeError: `main` is nothing to wait for.
        KeyboardInterrupt, SystemExit: as said above.
    """
    if not (inspect.iscoroutine(main) or callable(main)):
        raise TypeError(f"run takes a coroutine function or a coroutine, not {main!r:.100}")
    if asyncio._get_running_loop() is not None:
        if inspect.iscoroutine(main):
            main.close()
        raise RuntimeError("run cannot be called while an event loop runs here; await main instead")
    termination = _Termination()
    # None has asyncio ask PYTHONASYNCIODEBUG and -X dev.
    runner = asyncio.Runner(
        debug=debug or None, loop_factory=functools.partial(new_event_loop, uvloop)
    )
    try:
        with runner:
            result: _T = runner.run(_program(main, termination, debug))
            return result
    except asyncio.CancelledError:
        if termination.came:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        termination.forget()


_Main = Callable[[], Awaitable[_T]] | Coroutine[Any, Any, _T]


class _Termination:
    """SIGTERM as a cancellation.

    Attributes:
        came: whether the signal came.
    """

    def __init__(self) -> None:
        self.came = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def cancels(self, task: "asyncio.Task[Any]") -> Iterator[None]:
        """Have the first SIGTERM cancel a task; once it came more of them do nothing."""
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            loop = task.get_loop()
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(signal.SIGTERM, self._come, task)
                self._loop = loop
        try:
            yield
        finally:
            # Otherwise it stays harmless, until the loop has cleaned up and is closed.
            if self._loop is not None and not self.came:
                self._loop.remove_signal_handler(signal.SIGTERM)

    def _come(self, task: "asyncio.Task[Any]") -> None:
        if not self.came:
            self.came = True
            task.cancel()

    def forget(self) -> None:
        """Leave no handler behind, now that the loop is closed; uvloop would."""
        handler = signal.getsignal(signal.SIGTERM)
        if self._loop is not None and getattr(handler, "__self__", None) is self._loop:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


async def _program(main: _Main[_T], termination: _Termination, debug: bool) -> _T:
    task = asyncio.current_task()
    assert task is not None
    with termination.cancels(task), Watchdog() if debug else contextlib.nullcontext():
        return await _awaitable(main)


def _awaitable(main: _Main[_T]) -> Awaitable[_T]:
    if inspect.iscoroutine(main):
        return main
    result = main()  # type: ignore[operator]  # the function that is left
    if not inspect.isawaitable(result):
        raise TypeError(f"{main!r:.100} returned {result!r:.100}, which cannot be awaited")
    return result


def run_sync(
    loop: asyncio.AbstractEventLoop, func: Callable[[], Any], timeout: float | None
) -> Any:
    """Run what a function returns to its end on a loop; see `IOLoop.run_sync`."""

    async def main() -> Any:
        result = func()
        if result is None:
            return None
        return await (result if inspect.isawaitable(result) else convert_yielded(result))

    if loop.is_running():
        raise RuntimeError("This event loop is already running")
    task = loop.create_task(main())
    timer = None
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    if timeout is not None:
        timer = loop.call_later(timeout, expire)
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if not expired:
            raise
        raise TimeoutError(f"Operation timed out after {timeout} seconds") from None
    finally:
        if timer is not None:
            timer.cancel()
        if not task.done():
            # The loop was stopped, or the run interrupted: nobody waits for it any more.
            _cancel_at_once(loop, task)


def _cancel_at_once(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
    """Cancel a task and run the loop for the one turn in which it gets to know."""
    task.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
