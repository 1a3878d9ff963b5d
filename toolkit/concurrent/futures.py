"""Futures: what is one, and how one is filled from another."""

import asyncio
import types
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from toolkit.log import app_log

_T = TypeVar("_T")

Future = asyncio.Future

FUTURES = (futures.Future, Future)


def is_future(x: Any) -> bool:
    """Say whether `x` is a Future, of asyncio or of `concurrent.futures`."""
    return isinstance(x, FUTURES)


def future_set_result_unless_cancelled(
    future: "futures.Future[_T] | Future[_T]", value: _T
) -> None:
    """Set the result, unless the future was cancelled meanwhile."""
    if not future.cancelled():
        future.set_result(value)


def future_set_exception_unless_cancelled(
    future: "futures.Future[_T] | Future[_T]", exc: BaseException
) -> None:
    """Set the exception; that of a cancelled future is logged, since nobody else will see it."""
    if future.cancelled():
        app_log.error("Exception after Future was cancelled", exc_info=exc)
    else:
        future.set_exception(exc)


def future_set_exc_info(
    future: "futures.Future[_T] | Future[_T]",
    exc_info: tuple[type[BaseException] | None, BaseException | None, types.TracebackType | None],
) -> None:
    """Set the exception of `sys.exc_info()`; that of a cancelled future is logged.

    Raises:
        ValueError: there is no exception in `exc_info`.
    """
    if exc_info[1] is None:
        raise ValueError(f"future_set_exc_info called with {exc_info!r}; an exception is needed")
    future_set_exception_unless_cancelled(future, exc_info[1])


def future_add_done_callback(
    future: "futures.Future[_T] | Future[_T]", callback: Callable[..., None]
) -> None:
    """Call ``callback(future)`` when the future is done: at once if it is done already."""
    if future.done():
        callback(future)
    else:
        future.add_done_callback(callback)


def chain_future(
    a: "Future[_T] | futures.Future[_T]", b: "Future[_T] | futures.Future[_T]"
) -> None:
    """Give `b` the result, the exception or the cancellation of `a` as soon as `a` is done.

    Either may be of asyncio or of `concurrent.futures`, and `a` may be done in any thread. A `b`
    that is done before keeps what it has, and cancelling `b` leaves `a` alone.
    """
    if isinstance(b, Future) and not isinstance(a, Future) and not a.done():
        loop = b.get_loop()

        def copy_in_loop(done: "futures.Future[_T]") -> None:
            try:
                loop.call_soon_threadsafe(_copy, done, b)
            except RuntimeError:
                # The loop was closed meanwhile, and with it whatever waited for `b`.
                if not loop.is_closed():
                    raise

        a.add_done_callback(copy_in_loop)
    else:
        future_add_done_callback(a, lambda done: _copy(done, b))


def _copy(a: "Future[_T] | futures.Future[_T]", b: "Future[_T] | futures.Future[_T]") -> None:
    """Give `b` what `a`, which is done, has."""
    if b.done():
        return
    try:
        if a.cancelled():
            _cancel(b)
        elif (error := a.exception()) is not None:
            b.set_exception(error)
        else:
            b.set_result(a.result())
    except futures.InvalidStateError:
        pass  # Another thread was faster in cancelling it.


def _cancel(future: "Future[Any] | futures.Future[Any]") -> None:
    if not future.cancel():
        # Of `concurrent.futures`, and marked as running.
        future.set_exception(futures.CancelledError())
    elif isinstance(future, futures.Future):
        # Only now do `wait` and `as_completed` hear of it.
        future.set_running_or_notify_cancel()
