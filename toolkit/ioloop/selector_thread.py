"""Watching sockets from a thread, for loops that cannot: the proactor loop of Windows.

`SelectorThread` runs a loop of its own in a thread, which does nothing but to watch. When a
socket is ready it stops watching that one, has the real loop run the callback, and watches
again when the callback has returned: the real loop sees no event twice, and the thread waits
for it instead of spinning.
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import select
import selectors
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class _Watch(NamedTuple):
    """A callback of the real loop, and how the watching loop adds and removes its socket."""

    fd: int
    callback: Callable[..., None]
    args: tuple[Any, ...]
    context: contextvars.Context
    add: Callable[..., None]
    remove: Callable[[Any], bool]


class SelectorThread:
    """Gives a loop `add_reader` and `add_writer`, by a thread that watches.

    The thread starts with the first socket. It ends with `close`, when asynchronous
    generators of the real loop are shut down, as `asyncio.run` does at the end, and at the
    latest at the exit of the interpreter.

    Args:
        real_loop: runs the callbacks; all methods are to be called in its thread.
    """

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._real_loop = real_loop
        self._watching_loop: asyncio.SelectorEventLoop | None = None
        self._readers: dict[int, _Watch] = {}
        self._writers: dict[int, _Watch] = {}
        self._stop: Callable[[], object] | None = None
        self._until_shutdown: AsyncGenerator[None] | None = None
        self._closed = False

    def close(self) -> None:
        """End the thread, and with it all watching. Closed already is no error."""
        self._closed = True
        self._readers.clear()
        self._writers.clear()
        if self._stop is not None:
            self._stop()
            self._stop = None
        generator, self._until_shutdown = self._until_shutdown, None
        if generator is not None:
            # Its end comes back here, and finds nothing more to do.
            _step(generator.aclose())

    def add_reader(self, fd: Any, callback: Callable[..., None], *args: Any) -> None:
        """Call ``callback(*args)`` on the real loop as long as `fd` can be read."""
        loop = self._start()
        self._add(self._readers, fd, callback, args, loop.add_reader, loop.remove_reader)

    def add_writer(self, fd: Any, callback: Callable[..., None], *args: Any) -> None:
        """Call ``callback(*args)`` on the real loop as long as `fd` can be written."""
        loop = self._start()
        self._add(self._writers, fd, callback, args, loop.add_writer, loop.remove_writer)

    def remove_reader(self, fd: Any) -> bool:
        """Stop watching for reading; return whether `fd` was watched."""
        return self._remove(self._readers, fd)

    def remove_writer(self, fd: Any) -> bool:
        """Stop watching for writing; return whether `fd` was watched."""
        return self._remove(self._writers, fd)

    # -- in the thread of the real loop --------------------------------------------------

    def _start(self) -> asyncio.SelectorEventLoop:
        """Return the loop in the thread, with the thread running."""
        if self._closed:
            raise RuntimeError("the selector thread is closed")
        if self._watching_loop is None:
            selector = selectors.DefaultSelector()
            self._watching_loop = loop = asyncio.SelectorEventLoop(selector)
            thread = threading.Thread(
                target=_serve, args=(loop, selector), name="selector", daemon=True
            )
            # Also called when this object is forgotten, and at exit.
            self._stop = weakref.finalize(self, _end, loop, thread)
            thread.start()
            self._real_loop.call_soon(_begin_generator, weakref.ref(self))
        return self._watching_loop

    def _add(
        self,
        watches: dict[int, _Watch],
        fd: Any,
        callback: Callable[..., None],
        args: tuple[Any, ...],
        add: Callable[..., None],
        remove: Callable[[Any], bool],
    ) -> None:
        number = _number(fd)
        watch = _Watch(number, callback, args, contextvars.copy_context(), add, remove)
        # Waited for, so that an error is raised here.
        self._in_thread(add, number, self._ready, watches, watch)
        watches[number] = watch

    def _remove(self, watches: dict[int, _Watch], fd: Any) -> bool:
        watch = watches.pop(_number(fd), None)
        if watch is None:
            return False
        # Waited for, since the caller may close the socket now and get its number again.
        self._in_thread(watch.remove, watch.fd)
        return True

    def _in_thread(self, func: Callable[..., _T], *args: Any) -> _T:
        """Call a function in the thread and return its result."""
        assert self._watching_loop is not None
        done: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def call() -> None:
            try:
                done.set_result(func(*args))
            except Exception as error:
                done.set_exception(error)

        self._watching_loop.call_soon_threadsafe(call)
        return done.result()

    def _deliver(self, watches: dict[int, _Watch], watch: _Watch) -> None:
        """Run the callback, unless it was removed while it was on its way here."""
        if watches.get(watch.fd) is not watch:
            return
        try:
            watch.callback(*watch.args)
        finally:
            if watches.get(watch.fd) is watch:
                assert self._watching_loop is not None
                self._watching_loop.call_soon_threadsafe(self._watch_again, watches, watch)

    # -- in the other thread -------------------------------------------------------------

    def _watch_again(self, watches: dict[int, _Watch], watch: _Watch) -> None:
        # A socket that the callback closed without removing it is forgotten, as asyncio does.
        with contextlib.suppress(OSError):
            watch.add(watch.fd, self._ready, watches, watch)

    def _ready(self, watches: dict[int, _Watch], watch: _Watch) -> None:
        watch.remove(watch.fd)
        # A real loop that is closed has no use for it.
        with contextlib.suppress(RuntimeError):
            self._real_loop.call_soon_threadsafe(
                self._deliver, watches, watch, context=watch.context
            )


def _number(fd: Any) -> int:
    """Return the number of a file descriptor, or of an object that has one."""
    return fd if isinstance(fd, int) else int(fd.fileno())


def _serve(loop: asyncio.SelectorEventLoop, selector: selectors.BaseSelector) -> None:
    """Run the watching loop until it is stopped; the whole life of the thread."""
    try:
        while True:
            try:
                return loop.run_forever()
            except OSError:
                # `select` of Windows fails for all when one socket was closed.
                _forget_closed(loop, selector)
    finally:
        loop.close()


def _forget_closed(loop: asyncio.SelectorEventLoop, selector: selectors.BaseSelector) -> None:
    """Stop watching the sockets that were closed without being removed before."""
    for number in list(selector.get_map()):
        try:
            select.select([number], [], [], 0)
        except (OSError, ValueError):
            loop.remove_reader(number)
            loop.remove_writer(number)


def _end(loop: asyncio.SelectorEventLoop, thread: threading.Thread) -> None:
    """Stop the watching loop and wait for its thread."""
    with contextlib.suppress(RuntimeError):  # closed already
        loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():  # where the garbage collector may run
        thread.join()


async def _close_at_shutdown(
    selector_thread: "weakref.ref[SelectorThread]",
) -> AsyncGenerator[None]:
    """Close the thread when the asynchronous generators of the real loop are shut down."""
    try:
        yield
    finally:
        target = selector_thread()
        if target is not None:
            target._until_shutdown = None
            target.close()


def _begin_generator(selector_thread: "weakref.ref[SelectorThread]") -> None:
    """Enter the generator; the loop, which has to be running, takes note of it."""
    target = selector_thread()
    if target is not None and not target._closed:
        target._until_shutdown = generator = _close_at_shutdown(selector_thread)
        _step(generator.__anext__())
        # A program may exit without closing its loop, which could not end the generator then.
        weakref.finalize(target, _end_generator, generator)


def _end_generator(generator: AsyncGenerator[None]) -> None:
    _step(generator.aclose())


def _step(awaitable: Any) -> None:
    """Run an awaitable that never waits."""
    with contextlib.suppress(StopIteration):
        awaitable.send(None)


class AddThreadSelectorEventLoop(asyncio.AbstractEventLoop):
    """An event loop that does all as another one, and watches sockets by a `SelectorThread`.

    Example::

        loop = AddThreadSelectorEventLoop(asyncio.ProactorEventLoop())
        loop.add_reader(sock, on_readable)

    Args:
        real_loop: the other one; closed with this one.
    """

    #: What is not passed on to the real loop.
    MY_ATTRIBUTES = frozenset(
        {
            "_real_loop",
            "_selector",
            "add_reader",
            "add_writer",
            "close",
            "remove_reader",
            "remove_writer",
        }
    )

    def __getattribute__(self, name: str) -> Any:
        if name in AddThreadSelectorEventLoop.MY_ATTRIBUTES:
            return super().__getattribute__(name)
        return getattr(self._real_loop, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in AddThreadSelectorEventLoop.MY_ATTRIBUTES:
            super().__setattr__(name, value)
        else:
            setattr(self._real_loop, name, value)

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._real_loop = real_loop
        self._selector = SelectorThread(real_loop)

    def close(self) -> None:
        """End the thread and close the real loop. Closed already is no error."""
        self._selector.close()
        self._real_loop.close()

    def add_reader(self, fd: Any, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """Call ``callback(*args)`` as long as `fd` can be read."""
        self._selector.add_reader(fd, callback, *args)

    def add_writer(self, fd: Any, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """Call ``callback(*args)`` as long as `fd` can be written."""
        self._selector.add_writer(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        """Stop watching for reading; return whether `fd` was watched."""
        return self._selector.remove_reader(fd)

    def remove_writer(self, fd: Any) -> bool:
        """Stop watching for writing; return whether `fd` was watched."""
        return self._selector.remove_writer(fd)
