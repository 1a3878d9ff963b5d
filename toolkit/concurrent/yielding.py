"""What a generator coroutine may yield, and how that becomes a future."""

import asyncio
import functools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent import futures
from inspect import isawaitable
from typing import Any, TypeVar, overload

from toolkit.concurrent.futures import Future, chain_future
from toolkit.concurrent.handover import Handover, abandon
from toolkit.log import app_log

_K = TypeVar("_K")

ExceptionTypes = type[BaseException] | tuple[type[BaseException], ...]


class BadYieldError(Exception):
    """Something was yielded that is nothing to wait for."""


class Moment:
    """What is to be waited for when it is one turn of the loop alone; see `moment`."""

    def done(self) -> bool:
        """Say True: there is nothing that could still fail."""
        return True

    def result(self) -> None:
        """Return None."""
        return

    def exception(self) -> None:
        """Return None."""
        return

    def cancelled(self) -> bool:
        """Say False."""
        return False

    def cancel(self, msg: Any | None = None) -> bool:
        """Say False: it is done."""
        return False

    def __await__(self) -> Generator[None, None, None]:
        yield

    def __repr__(self) -> str:
        return "<moment>"


#: Yield it, or None, to let others run for one turn of the loop. In an ``async def`` one writes
#: ``await asyncio.sleep(0)``.
moment: "Future[None]" = Moment()  # type: ignore[assignment]  # as much of a future as is used


@functools.singledispatch
def convert_yielded(yielded: Any) -> "Future[Any]":
    """Return the future of what a generator coroutine yielded.

    Known are futures, those of `concurrent.futures` among them, awaitables, lists and dicts of
    such (see `multi`), and None. ``@convert_yielded.register`` makes others known.

    Raises:
        BadYieldError: none of these.
    """
    if isawaitable(yielded):
        return asyncio.ensure_future(yielded)
    raise BadYieldError(f"yielded unknown object {yielded!r:.100}")


@convert_yielded.register(Future)
@convert_yielded.register(Moment)
def _same(yielded: "Future[Any]") -> "Future[Any]":
    return yielded


@convert_yielded.register(type(None))
def _moment(_yielded: None) -> "Future[None]":
    return moment


@convert_yielded.register(futures.Future)
def _from_thread(yielded: "futures.Future[Any]") -> "Future[Any]":
    future: Future[Any] = Future()
    chain_future(yielded, future)
    if not future.done():
        future.add_done_callback(lambda done: done.cancelled() and yielded.cancel())
    return future


@overload
def multi(
    children: Sequence[Any], quiet_exceptions: ExceptionTypes = ()
) -> "Future[list[Any]]": ...
@overload
def multi(
    children: Mapping[_K, Any], quiet_exceptions: ExceptionTypes = ()
) -> "Future[dict[_K, Any]]": ...
def multi(children: Any, quiet_exceptions: ExceptionTypes = ()) -> "Future[Any]":
    """Return a future with the results of all children, as a list or as a dict with the same keys.

    It is done when the last child is. If children failed it has the exception of the first of
    them, in the order given; those of the others are logged. Cancelling it cancels them all.

    Args:
        children: whatever may be yielded, in a list or as the values of a dict.
        quiet_exceptions: types of exceptions that are not logged.
    Raises:
        BadYieldError: a child is nothing to wait for.
    """
    if isinstance(children, Mapping):
        keys = list(children)
        return _Together(
            children.values(),
            lambda results: dict(zip(keys, results, strict=True)),
            quiet_exceptions,
        )
    return _Together(children, _itself, quiet_exceptions)


convert_yielded.register(list, multi)
convert_yielded.register(dict, multi)


def _itself(results: list[Any]) -> list[Any]:
    return results


def _abandon_all(waited: "list[Future[Any]]", _results: Any = None) -> None:
    for future in waited:
        abandon(future)


class _Together(Handover[Any]):
    """The future of what `make` makes of the results of all children."""

    def __init__(
        self,
        children: Iterable[Any],
        make: Callable[[list[Any]], Any],
        quiet: ExceptionTypes,
    ) -> None:
        super().__init__()
        self._waited = [convert_yielded(child) for child in children]
        self.give_back_to = functools.partial(_abandon_all, self._waited)
        self._make = make
        self._quiet = quiet
        self._pending = {future for future in self._waited if not future.done()}
        if not self._pending:
            self._settle()
        for future in tuple(self._pending):
            future.add_done_callback(self._child_done)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel all children too."""
        if not super().cancel(msg):
            return False
        _abandon_all(self._waited)
        return True

    def _child_done(self, future: "Future[Any]") -> None:
        self._pending.discard(future)
        if not self._pending:
            self._settle()

    def _settle(self) -> None:
        errors = [error for future in self._waited if (error := _error_of(future)) is not None]
        if self.cancelled():
            return
        if not errors:
            self.set_result(self._make([future.result() for future in self._waited]))
            return
        self.set_exception(errors[0])
        for error in errors[1:]:
            if not isinstance(error, asyncio.CancelledError) and not isinstance(error, self._quiet):
                app_log.error("Multiple exceptions in yield list", exc_info=error)


def _error_of(done: "Future[Any]") -> BaseException | None:
    """Return the exception of a future that is done; a cancellation is one."""
    return asyncio.CancelledError() if done.cancelled() else done.exception()
