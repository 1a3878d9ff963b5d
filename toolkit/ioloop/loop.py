"""`IOLoop`: Tornado's view of an asyncio event loop."""

import asyncio
import concurrent.futures
import datetime
import functools
import warnings
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from toolkit.concurrent import BadYieldError, Future, convert_yielded, deadline_of
from toolkit.ioloop.asyncio_loops import loop_of_thread, new_event_loop, watches_sockets
from toolkit.ioloop.handlers import (
    ERROR,
    READ,
    WRITE,
    FileDescriptor,
    Handler,
    Handlers,
    close_fd,
    split_fd,
)
from toolkit.ioloop.run import run_sync
from toolkit.ioloop.selector_thread import AddThreadSelectorEventLoop
from toolkit.log import app_log
from toolkit.util import Configurable, lazy

_T = TypeVar("_T")

_get_running_loop = asyncio._get_running_loop


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

    Args:
        make_current: set the new loop for this thread; no matter where one is given.
        asyncio_loop: the loop to wrap; without one a loop is made.
        uvloop: which loop is made, see `new_event_loop`.
    Raises:
        RuntimeError: `asyncio_loop` has an IOLoop already.

    Attributes:
        asyncio_loop: the loop that does the work.
        closing: whether it was closed.
        is_current: whether it was made the loop of its thread by itself.
        old_asyncio: the loop that the thread had before, and gets back at the end.
    """

    NONE = 0
    READ = READ
    WRITE = WRITE
    ERROR = ERROR

    asyncio_loop: asyncio.AbstractEventLoop

    # Chosen with `configure`, for loops that `current` makes.
    __uvloop: bool | None = None

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return IOLoop

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return AsyncIOLoop

    @classmethod
    def configure(cls, impl: "str | type[Configurable] | None", **kwargs: Any) -> None:
        """Choose the class of `IOLoop()` and its default arguments.

        Args:
            impl: a subclass, its dotted name, or None for the usual one.
            kwargs: as ``uvloop=False``, which `current` obeys too.
        """
        super().configure(impl, **kwargs)
        IOLoop.__uvloop = kwargs.get("uvloop")

    def initialize(
        self,
        make_current: bool = True,
        asyncio_loop: asyncio.AbstractEventLoop | None = None,
        uvloop: bool | None = None,
    ) -> None:
        owned = asyncio_loop is None
        loop = asyncio_loop or new_event_loop(uvloop)
        if hasattr(loop, "_toolkit_io_loop"):
            raise RuntimeError(f"IOLoop {loop!r} is wrapped already")
        # Each loop knows its wrapper, so that both go when nobody refers to them any more.
        loop._toolkit_io_loop = self  # type: ignore[attr-defined]
        self.asyncio_loop = loop
        # The same for all that have nothing to wait for.
        self.done: Future[None] = loop.create_future()
        self.done.set_result(None)
        self.closing = False
        self.is_current = False
        self.old_asyncio: asyncio.AbstractEventLoop | None = None
        # asyncio does not keep its tasks from being collected as garbage.
        self._carried_on: set[Future[Any]] = set()
        if owned and make_current:
            self._make_current()
        _accustom_allocator()

    # -- which loop is current -----------------------------------------------------------

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
        loop = _get_running_loop()
        if loop is None:
            loop = loop_of_thread()
            if loop is None:
                if not instance:
                    return None
                loop = new_event_loop(IOLoop.__uvloop)
                asyncio.set_event_loop(loop)
        try:
            wrapper: IOLoop = loop._toolkit_io_loop  # type: ignore[attr-defined]
        except AttributeError:
            wrapper = AsyncIOMainLoop(asyncio_loop=loop)
        return wrapper

    def make_current(self) -> None:
        """Set this loop for the thread; deprecated, a loop that runs is the current one."""
        _warn("make_current is deprecated; start the event loop first")
        self._make_current()

    @staticmethod
    def clear_current() -> None:
        """Set the loop that the thread had before; deprecated."""
        _warn("clear_current is deprecated")
        current = IOLoop.current(instance=False)
        if current is not None:
            current._clear_current()

    @staticmethod
    def instance() -> "IOLoop":
        """Return `current()`; deprecated."""
        return IOLoop.current()

    def install(self) -> None:
        """Do as `make_current`; deprecated."""
        _warn("make_current is deprecated; start the event loop first")
        self._make_current()

    @staticmethod
    def clear_instance() -> None:
        """Do as `clear_current`; deprecated."""
        IOLoop.clear_current()

    def _make_current(self) -> None:
        before = loop_of_thread()
        if before is not self.asyncio_loop:
            self.is_current = True
            self.old_asyncio = before
            asyncio.set_event_loop(self.asyncio_loop)

    def _clear_current(self) -> None:
        """Give the thread back the loop that it had before this one was made current."""
        before, self.old_asyncio = self.old_asyncio, None
        if self.is_current and loop_of_thread() is self.asyncio_loop:
            asyncio.set_event_loop(None if before is None or before.is_closed() else before)
        self.is_current = False

    # -- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Run until `stop` is called.

        Raises:
            RuntimeError: a loop runs in this thread already.
        """
        self.asyncio_loop.run_forever()

    def stop(self) -> None:
        """Let `start` return after the callbacks that are due now.

        Before `start` it makes that return at once. From another thread it is called with
        ``add_callback(loop.stop)``.
        """
        self.asyncio_loop.stop()

    def close(self, all_fds: bool = False) -> None:
        """Close the loop; closed already is no error.

        Args:
            all_fds: close what `add_handler` was given, too.
        Raises:
            RuntimeError: it runs.
        """
        if self.closing:
            return
        if self.asyncio_loop.is_running():
            raise RuntimeError("Cannot close a running event loop")
        self.closing = True
        if "_handlers" in self.__dict__:
            self._handlers.close(all_fds)
        if self.is_current:
            self._clear_current()
        elif self.asyncio_loop is loop_of_thread():
            asyncio.set_event_loop(None)
        # The selector loop closes the loop that it stands for.
        self.__dict__.get("selector_loop", self.asyncio_loop).close()
        del self.asyncio_loop._toolkit_io_loop  # type: ignore[attr-defined]

    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        """Run a coroutine function to its end and return its result.

        Args:
            func: may return anything that a coroutine may yield, or None.
            timeout: seconds.
        Raises:
            TimeoutError: it took longer; the coroutine is cancelled.
            RuntimeError: a loop runs already, or `stop` was called; the coroutine is cancelled.
            BadYieldError: what `func` returned is nothing to wait for.
        """
        return run_sync(self.asyncio_loop, func, timeout)

    def time(self) -> float:
        """Return the loop's clock in seconds, which only differences are meaningful of."""
        return self.asyncio_loop.time()

    # -- callbacks -----------------------------------------------------------------------

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Run a callback in the next turn of the loop; safe from any thread.

        What it raises is logged; a coroutine or future that it returns is carried on, and
        its error logged. On a closed loop nothing happens.

        In a handler of `signal.signal` the loop may be asleep while it counts as running;
        ``asyncio_loop.add_signal_handler`` wakes it.
        """
        loop = self.asyncio_loop
        try:
            if _get_running_loop() is loop:
                # Spares the system call that wakes the loop: 1.5 µs a turn instead of 4.5.
                loop.call_soon(self._run, callback, args, kwargs)
            else:
                loop.call_soon_threadsafe(self._run, callback, args, kwargs)
        except RuntimeError:
            # The loop was closed meanwhile, and with it whatever waited for the callback.
            if not loop.is_closed():
                raise

    def add_callback_from_signal(
        self, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Run a callback in the next turn of the loop, from a handler of `signal.signal`.

        Deprecated: ``asyncio_loop.add_signal_handler`` is the way now.
        """
        _warn("add_callback_from_signal is deprecated")
        try:
            self.asyncio_loop.call_soon_threadsafe(self._run, callback, args, kwargs)
        except RuntimeError:
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
        """Run a callback at a time; the handle is for `remove_timeout`.

        Args:
            when: a value of `time()`, or of `time.time()`, as `concurrent.deadline_of` takes.
        """
        when = deadline_of(when, self.asyncio_loop)
        return self.asyncio_loop.call_at(when, self._run, callback, args, kwargs)

    def add_timeout(
        self,
        deadline: float | datetime.timedelta,
        callback: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> object:
        """Run a callback at a deadline, as `call_at`, or after a timedelta.

        Raises:
            TypeError: another type of deadline.
        """
        if isinstance(deadline, datetime.timedelta):
            return self.call_later(deadline.total_seconds(), callback, *args, **kwargs)
        if isinstance(deadline, (int, float)):
            return self.call_at(deadline, callback, *args, **kwargs)
        raise TypeError(f"Unsupported deadline {deadline!r}; a number or timedelta is allowed")

    def remove_timeout(self, timeout: object) -> None:
        """Cancel what `call_later`, `call_at` or `add_timeout` returned; it may have run."""
        timeout.cancel()  # type: ignore[attr-defined]  # opaque to the caller

    def add_future(
        self,
        future: "Future[_T] | concurrent.futures.Future[_T]",
        callback: Callable[["Future[_T]"], Any],
    ) -> None:
        """Run ``callback(future)`` on the loop when the future is done.

        Raises:
            TypeError: not a future.
        """
        if isinstance(future, Future) and future.get_loop() is self.asyncio_loop:
            future.add_done_callback(lambda done: self._run(callback, (done,), {}))
        elif isinstance(future, (Future, concurrent.futures.Future)):
            # It may be done in another thread.
            future.add_done_callback(lambda done: self.add_callback(callback, done))
        else:
            raise TypeError(f"add_future takes a Future, not {future!r:.100}")

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[..., _T],
        *args: Any,
    ) -> "Future[_T]":
        """Run a blocking function in a thread; None chooses the loop's own executor."""
        return self.asyncio_loop.run_in_executor(executor, func, *args)

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        """Choose the executor of `run_in_executor` with None."""
        self.asyncio_loop.set_default_executor(executor)

    def _run(
        self, callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        try:
            result = callback(*args, **kwargs)
            if result is not None:
                self._carry_on(callback, result)
        except asyncio.CancelledError:
            pass
        except Exception:
            app_log.error("Exception in callback %r", callback, exc_info=True)

    def _carry_on(self, callback: Callable[..., Any], result: Any) -> None:
        """See what a callback returned to its end, if it is something to wait for."""
        try:
            future = convert_yielded(result)
        except BadYieldError:
            return
        if isinstance(future, Future):
            self._carried_on.add(future)
            future.add_done_callback(functools.partial(self._carried_to_its_end, callback))

    def _carried_to_its_end(self, callback: Callable[..., Any], future: "Future[Any]") -> None:
        self._carried_on.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            app_log.error("Exception in callback %r", callback, exc_info=error)

    # -- file descriptors ----------------------------------------------------------------

    @lazy
    def selector_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that watches file descriptors: `asyncio_loop`, or a thread if it cannot."""
        if watches_sockets(self.asyncio_loop):
            return self.asyncio_loop
        # What is abstract it passes on.
        return AddThreadSelectorEventLoop(self.asyncio_loop)  # type: ignore[abstract]

    @lazy
    def _handlers(self) -> Handlers:
        return Handlers(self.selector_loop, self._run)

    def add_handler(self, fd: FileDescriptor, handler: Handler, events: int) -> None:
        """Call ``handler(fd, events)`` as long as `fd` can be read or written.

        Each call has one event; errors of the descriptor come as the event that is waited
        for. What the handler raises is logged. Remove it before the descriptor is closed.

        Args:
            fd: its number, or an object with ``fileno()`` and ``close()``; the handler gets
                the same.
            events: `READ`, `WRITE` or both. `ERROR` adds nothing, and waits for nothing alone.
        Raises:
            ValueError: it has a handler already, or is closed.
            OSError: it cannot be waited for, such as a file on a disk.
        """
        self._handlers.add(fd, handler, events)

    def update_handler(self, fd: FileDescriptor, events: int) -> None:
        """Wait for other events of a descriptor; does nothing without a handler."""
        self._handlers.update(fd, events)

    def remove_handler(self, fd: FileDescriptor) -> None:
        """Call the handler of a descriptor no more; does nothing without one."""
        self._handlers.remove(fd)

    def split_fd(self, fd: FileDescriptor) -> tuple[int, FileDescriptor]:
        """Return the number of a file descriptor, and the thing itself."""
        return split_fd(fd)

    def close_fd(self, fd: FileDescriptor) -> None:
        """Close a file descriptor or an object that has one; closed already is no error."""
        close_fd(fd)

    @property
    def handlers(self) -> dict[int, tuple[FileDescriptor, Handler]]:
        """The handlers, with what they were added for, by number of the file descriptor."""
        return self._handlers.handlers

    @property
    def readers(self) -> set[int]:
        """Numbers of the file descriptors that are to be read."""
        return self._handlers.readers

    @property
    def writers(self) -> set[int]:
        """Numbers of the file descriptors that are to be written."""
        return self._handlers.writers


def _warn(message: str) -> None:
    warnings.warn(message, DeprecationWarning, stacklevel=3)


def _accustom_allocator() -> None:
    """Have the C library keep the memory that asyncio receives into.

    asyncio asks for 256 KiB at each read. glibc fetches so much afresh from the kernel, page by
    page, and gives it back, until something as large was freed once: a server of short lines
    then took more than twice the processor until its first connection was closed.
    """
    bytearray(300_000)


class BaseAsyncIOLoop(IOLoop):
    """An `IOLoop` over an asyncio loop that is given."""

    def initialize(  # type: ignore[override]
        self, asyncio_loop: asyncio.AbstractEventLoop, **kwargs: Any
    ) -> None:
        super().initialize(asyncio_loop=asyncio_loop, **kwargs)


class AsyncIOMainLoop(BaseAsyncIOLoop):
    """The class of `IOLoop.current()` where the loop was there first, or is yet to be made."""

    def initialize(  # type: ignore[override]
        self, asyncio_loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any
    ) -> None:
        loop = asyncio_loop or _get_running_loop() or loop_of_thread()
        if loop is None:
            loop = new_event_loop(kwargs.get("uvloop"))
            asyncio.set_event_loop(loop)
        super().initialize(loop, **kwargs)


class AsyncIOLoop(BaseAsyncIOLoop):
    """The class of `IOLoop()`, which makes a loop."""

    def initialize(  # type: ignore[override]
        self, asyncio_loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any
    ) -> None:
        IOLoop.initialize(self, asyncio_loop=asyncio_loop, **kwargs)
