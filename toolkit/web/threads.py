"""Plain methods of handlers, run in threads so that they may block."""

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from toolkit import gen
from toolkit.web.handler import RequestHandler

_T = TypeVar("_T")


def run_in_thread(
    method: Callable[..., Awaitable[None] | None],
) -> Callable[..., Awaitable[None]]:
    """Run a plain method of a handler in a thread, so that it may block.

    Example::

        class ReportHandler(RequestHandler):
            @run_in_thread
            def get(self):
                self.write(slow_library.report(self.get_argument("year")))

    The threads are those of the loop's default executor. In the thread, `flush` waits until
    the client has taken enough for more, and `finish` until the answer was handed over; other
    methods that touch the connection belong to the loop, and what the method returns to be
    awaited is awaited there. A thread cannot be cancelled: a handler that is waits for its end.
    """
    if _is_asynchronous(method):
        raise TypeError(f"{method!r} is asynchronous; a plain function is allowed")

    @functools.wraps(method)
    async def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> None:
        loop = asyncio.get_running_loop()
        home = threading.get_ident()

        handed_over: asyncio.Future[None] = loop.create_future()
        handed_over.set_result(None)

        def bridged(name: str) -> Callable[..., Any]:
            direct: Callable[..., Any] = getattr(self, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                if threading.get_ident() == home:
                    return direct(*args, **kwargs)

                async def in_loop() -> None:
                    await direct(*args, **kwargs)

                asyncio.run_coroutine_threadsafe(in_loop(), loop).result()
                return handed_over

            return call

        # All ways to send something, such as `redirect` and `render`, end in these two.
        names = ("flush", "finish")
        for name in names:
            setattr(self, name, bridged(name))
        try:
            result = await _to_its_end(asyncio.to_thread(method, self, *args, **kwargs))
        finally:
            for name in names:
                delattr(self, name)
        if result is not None:
            await result

    return wrapper


async def _to_its_end(work: Awaitable[_T]) -> _T:
    """Wait for what cannot be cancelled, and be cancelled only then."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:
            break  # it is raised below
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody is there any more to hear of it
        raise cancelled
    return task.result()


def _is_asynchronous(method: Any) -> bool:
    return (
        inspect.iscoroutinefunction(method)
        or inspect.isasyncgenfunction(method)
        or gen.is_coroutine_function(method)
    )


@functools.cache
def in_threads(handler_class: type[RequestHandler]) -> type[RequestHandler]:
    """Return a class whose plain HTTP methods run in threads; the same one if it has none.

    Those of the toolkit's own classes do not block, and stay in the loop.
    """
    methods = {}
    for name in map(str.lower, handler_class.SUPPORTED_METHODS):
        method = getattr(handler_class, name, None)
        if (
            inspect.isfunction(method)
            and not _is_asynchronous(method)
            and not method.__module__.startswith("toolkit.")
        ):
            methods[name] = run_in_thread(method)
    if not methods:
        return handler_class
    same = {
        name: getattr(handler_class, name) for name in ("__module__", "__qualname__", "__doc__")
    }
    return type(handler_class.__name__, (handler_class,), {**same, **methods})
