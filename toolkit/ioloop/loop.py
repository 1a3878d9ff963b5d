"""`IOLoop`: Tornado's view of an asyncio event loop."""

import asyncio
import concurrent.futures
import datetime
import functools
import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from toolkit.concurrent import Future
from toolkit.ioloop.asyncio_loops import new_event_loop
from toolkit.log import app_log
from toolkit.util import Configurable, TimeoutError

_T = TypeVar("_T")

#: The wrapper of each asyncio loop; those of closed loops go when the next one comes.
_loops: dict[asyncio.AbstractEventLoop, "IOLoop"] = {}


class IOLoop(Configurable):
    """An event loop in Tornado's words, over asyncio's (PEP 3156).

    Inside a running program `IOLoop.current()` wraps the loop that runs. Outside, it makes
    a loop, uvloop's when that is installed; ``IOLoop.configure(None, uvloop=False)`` chooses
    asyncio's own.

    Example::

        async def main():
            IOLoop.current().call_later(1, print, "a second later")
            await asyncio.sleep(2)

        IOLoop.current().run_sync(main)

    Attributes:
        asyncio_loop: the loop that does the work.
    """

    NONE = 0
    READ = 1
    WRITE = 4
    ERROR = 24

    asyncio_loop: asyncio.AbstractEventLoop

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return IOLoop

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return IOLoop

    def initialize(
        self,
        make_current: bool = True,
        asyncio_loop: asyncio.AbstractEventLoop | None = None,
        uvloop: bool | None = None,
    ) -> None:
        """Wrap `asyncio_loop`, or make a loop as `new_event_loop(uvloop)` does."""
        self._owned = asyncio_loop is None
        self.asyncio_loop = asyncio_loop or new_event_loop(uvloop)
        for loop in [loop for loop in _loops if loop.is_closed()]:
            del _loops[loop]
        if self.asyncio_loop in _loops:
            raise RuntimeError(f"IOLoop {self.asyncio_loop!r} is wrapped already")
        _loops[self.asyncio_loop] = self
        if self._owned and make_current:
            asyncio.set_event_loop(self.asyncio_loop)

    @overload
    @staticmethod
    def current(instance: Literal[True] = True) -> "IOLoop": ...
    @overload
    @staticmethod
    def current(instance: bool) -> "IOLoop | None": ...
    @staticmethod
    def current(instance: bool = True) -> "IOLoop | None":
        """Return the loop of this thread: the running one, else the one set, else a new one.

        Args:
            instance: False to get None instead of a new loop.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            current = _current_loop()
            if current is None:
                return IOLoop() if instance else None
            loop = current
        return _loops.get(loop) or IOLoop(asyncio_loop=loop, make_current=False)

    # -- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Run until `stop` is called."""
        self.asyncio_loop.run_forever()

    def stop(self) -> None:
        """Let `start` return after the callbacks that are due now."""
        self.asyncio_loop.stop()

    def close(self, all_fds: bool = False) -> None:
        """Close the loop, which must not run.

        Args:
            all_fds: taken for compatibility; streams and servers close their own sockets.
        """
        _loops.pop(self.asyncio_loop, None)
        if self.asyncio_loop is _current_loop():
            asyncio.set_event_loop(None)
        self.asyncio_loop.close()

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        """Run a coroutine function to its end and return its result.

        Args:
            timeout: seconds.
        Raises:
            TimeoutError: it took longer; the coroutine is cancelled.
        """

        async def main() -> Any:
            result = func()
            if result is not None and hasattr(result, "__await__"):
                return await result
            return result

        task = self.asyncio_loop.create_task(main())
        timer = None
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            task.cancel()

        if timeout is not None:
            timer = self.asyncio_loop.call_later(timeout, expire)
        try:
            return self.asyncio_loop.run_until_complete(task)
        except asyncio.CancelledError:
            if not expired:
                raise
            raise TimeoutError(f"Operation timed out after {timeout} seconds") from None
        finally:
            if timer is not None:
                timer.cancel()

    def time(self) -> float:
        """Return the loop's clock in seconds, which only differences are meaningful of."""
        return self.asyncio_loop.time()

    # -- callbacks -----------------------------------------------------------------------

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Run a callback in the next turn of the loop; safe from any thread.

        What it raises is logged; a coroutine that it returns is carried on.
        """
        try:
            self.asyncio_loop.call_soon_threadsafe(self._run, callback, args, kwargs)
        except RuntimeError:
            # The loop was closed meanwhile, and with it whatever waited for the callback.
            if not self.asyncio_loop.is_closed():
                raise

    def spawn_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Run a callback in the next turn of the loop, as `add_callback`."""
        self.add_callback(callback, *args, **kwargs)

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        """Run a callback in `delay` seconds; the handle is for `remove_timeout`."""
        return self.asyncio_loop.call_later(max(delay, 0), self._run, callback, args, kwargs)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> object:
        """Run a callback when `time()` reaches `when`; the handle is for `remove_timeout`."""
        return self.asyncio_loop.call_at(when, self._run, callback, args, kwargs)

    def add_timeout(
        self,
        deadline: float | datetime.timedelta,
        callback: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> object:
        """Run a callback at a deadline of `time()`, or after a timedelta.

        Raises:
            TypeError: another type of deadline.
        """
        if isinstance(deadline, datetime.timedelta):
            return self.call_later(deadline.total_seconds(), callback, *args, **kwargs)
        if isinstance(deadline, (int, float)):
            return self.call_at(deadline, callback, *args, **kwargs)
        raise TypeError(f"Unsupported deadline {deadline!r}; a number or timedelta is allowed")

    def remove_timeout(self, timeout: object) -> None:
        """Cancel what `call_later`, `call_at` or `add_timeout` returned."""
        timeout.cancel()  # type: ignore[attr-defined]  # opaque to the caller

    def add_future(
        self,
        future: "Future[_T] | concurrent.futures.Future[_T]",
        callback: Callable[["Future[_T]"], Any],
    ) -> None:
        """Run ``callback(future)`` on the loop when the future is done."""
        if isinstance(future, Future):
            future.add_done_callback(lambda done: self._run(callback, (done,), {}))
        else:
            future.add_done_callback(lambda done: self.add_callback(callback, done))

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[..., _T],
        *args: Any,
    ) -> "Future[_T]":
        """Run a blocking function in a thread; None chooses the loop's own executor."""
        return self.asyncio_loop.run_in_executor(executor, functools.partial(func, *args))

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        """Choose the executor of `run_in_executor` with None."""
        self.asyncio_loop.set_default_executor(executor)

    def _run(
        self, callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        try:
            result = callback(*args, **kwargs)
            if result is not None and hasattr(result, "__await__"):
                future = asyncio.ensure_future(result, loop=self.asyncio_loop)
                future.add_done_callback(self._log_error)
        except Exception:
            app_log.error("Exception in callback %r", callback, exc_info=True)

    @staticmethod
    def _log_error(future: "Future[Any]") -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            app_log.error("Exception in a coroutine of a callback", exc_info=error)


def _current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop set for this thread, None without one; never make one."""
    if sys.version_info >= (3, 14):
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            return None
    else:
        # Before 3.14 asking asyncio makes a loop, or warns, when there is none.
        local = getattr(asyncio.get_event_loop_policy(), "_local", None)
        loop = getattr(local, "_loop", None)
    return None if loop is None or loop.is_closed() else loop
