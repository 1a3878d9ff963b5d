"""Waiting with a limit, for a while, and for the first of several."""

import datetime
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from toolkit.concurrent import (
    ExceptionTypes,
    Future,
    Handover,
    abandon,
    chain_future,
    convert_yielded,
    deadline_of,
    future_add_done_callback,
    future_set_result_unless_cancelled,
    is_future,
    moment,
)
from toolkit.log import app_log
from toolkit.util import TimeoutError


def maybe_future(x: Any) -> "Future[Any]":
    """Return `x` if it is a future, else a future that has it as its result."""
    if is_future(x):
        return x  # type: ignore[no-any-return]  # just looked
    future: Future[Any] = Future()
    future.set_result(x)
    return future


def sleep(duration: float) -> "Future[None]":
    """Return a future that is done after `duration` seconds."""
    future: Future[None] = Future()
    timer = future.get_loop().call_later(
        max(duration, 0), future_set_result_unless_cancelled, future, None
    )
    future.add_done_callback(lambda _done: timer.cancel())
    return future


def with_timeout(
    timeout: float | datetime.timedelta,
    future: Any,
    quiet_exceptions: ExceptionTypes = (),
    *,
    message: str | Callable[[], str] | None = None,
) -> "Future[Any]":
    """Return a future that has the outcome of another one, or a `TimeoutError`.

    After a time-out the other one goes on; an exception that it then has is logged. Cancelling the
    future cancels the other one.

    Args:
        timeout: deadline on the clock of the loop, or span from now.
        future: whatever may be yielded.
        quiet_exceptions: types of exceptions that are not logged after a time-out.
        message: of the `TimeoutError`, or what makes it; "Timeout" when left out.
    Raises:
        BadYieldError: `future` is nothing to wait for.
        TypeError: another type of time-out.
    """
    inner = convert_yielded(future)
    if inner is moment:
        inner = sleep(0)
    return _Timed(inner, timeout, quiet_exceptions, message)


class _Timed(Handover[Any]):
    """The future of `with_timeout`."""

    def __init__(
        self,
        inner: "Future[Any]",
        timeout: float | datetime.timedelta,
        quiet: ExceptionTypes,
        message: str | Callable[[], str] | None,
    ) -> None:
        super().__init__()
        self.give_back_to = functools.partial(_abandon, inner)
        self._inner = inner
        self._quiet = quiet
        self._message = message
        loop = self.get_loop()
        self._timer = loop.call_at(deadline_of(timeout, loop), self._expire)
        future_add_done_callback(inner, self._inner_done)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel what is waited for too."""
        if not super().cancel(msg):
            return False
        self._timer.cancel()
        abandon(self._inner)
        return True

    def _inner_done(self, inner: "Future[Any]") -> None:
        if not self.done():
            self._timer.cancel()
            chain_future(inner, self)
        elif not self.cancelled() and not inner.cancelled():
            error = inner.exception()
            if error is not None and not isinstance(error, self._quiet):
                app_log.error("Exception in Future %r after timeout", inner, exc_info=error)

    def _expire(self) -> None:
        del self._timer  # the two refer to each other
        try:
            message = self._message() if callable(self._message) else self._message
        except Exception as error:
            self.set_exception(error)
        else:
            self.set_exception(TimeoutError("Timeout" if message is None else message))


def _abandon(future: "Future[Any]", _result: Any) -> None:
    abandon(future)


class WaitIterator(AsyncIterator[Any]):
    """Yields the results of futures one after another, in the order in which they are done.

    Example::

        results = gen.WaitIterator(first=fetch(one), second=fetch(other))
        async for result in results:
            print(results.current_index, result)

    Arguments are whatever may be yielded, all by position or all by keyword. An exception ends an
    ``async for``; another one over the same iterator goes on with the rest. Cancelling a wait
    loses no result, and cancels none of the futures.

    Attributes:
        current_index: position or keyword of the future whose result came last; None at the end.
        current_future: that future.

    Raises:
        ValueError: arguments of both kinds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("WaitIterator takes positional or keyword arguments, not both")
        self.current_index: str | int | None = None
        self.current_future: Future[Any] | None = None
        self._next: Future[Any] | None = None
        self._finished: deque[tuple[str | int, Future[Any]]] = deque()
        children: list[tuple[str | int, Any]] = [*enumerate(args), *kwargs.items()]
        self._left = len(children)
        for index, child in children:
            converted = convert_yielded(child)
            future = child if is_future(child) else converted
            future_add_done_callback(converted, functools.partial(self._child_done, index, future))

    def done(self) -> bool:
        """Say whether all results were given out."""
        if self._left:
            return False
        self.current_index = self.current_future = None
        return True

    def next(self) -> "Future[Any]":
        """Return the future of the next result, the same one until it is done.

        Raises:
            IndexError: all results were given out.
        """
        if self._next is not None and not self._next.done():
            return self._next
        if not self._left:
            raise IndexError("all results of the WaitIterator were given out; see done()")
        self._next = future = Handover[Any]()
        future.give_back_to = self._given_back
        if self._finished:
            self._give_out()
        return future

    def _child_done(
        self, index: str | int, future: "Future[Any]", _converted: "Future[Any]"
    ) -> None:
        self._finished.append((index, future))
        if self._next is not None and not self._next.done():
            self._give_out()

    def _give_out(self) -> None:
        assert self._next is not None
        future, self._next = self._next, None
        self.current_index, self.current_future = self._finished.popleft()
        self._left -= 1
        chain_future(self.current_future, future)

    def _given_back(self, _result: Any) -> None:
        assert self.current_index is not None
        assert self.current_future is not None
        self._left += 1
        self._finished.appendleft((self.current_index, self.current_future))

    def __aiter__(self) -> "WaitIterator":
        return self

    async def __anext__(self) -> Any:
        if self.done():
            raise StopAsyncIteration
        return await self.next()
