"""Generators that run as coroutines."""

import asyncio
import contextvars
import functools
import types
from collections.abc import Callable, Generator
from typing import Any, TypeVar, overload

from toolkit.concurrent import (
    Future,
    convert_yielded,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    moment,
)
from toolkit.gen.errors import Return
from toolkit.ioloop import IOLoop

_T = TypeVar("_T")


@overload
def coroutine(func: Callable[..., Generator[Any, Any, _T]]) -> Callable[..., "Future[_T]"]: ...
@overload
def coroutine(func: Callable[..., _T]) -> Callable[..., "Future[_T]"]: ...
def coroutine(func: Callable[..., Any]) -> Callable[..., "Future[Any]"]:
    """Make a generator a coroutine that yields what it waits for, and returns a future.

    It runs at once, up to the first ``yield`` that has to wait, in a copy of the caller's context.
    A function without ``yield`` has its value put into the future.

    Cancelling the future cancels what the coroutine waits for, as cancelling a task does; a result
    that is there already is still delivered, and the next wait cancelled instead.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        if getattr(future, "_source_traceback", None):
            # In debug mode a future shows where it was made: for the user that is his call.
            del future._source_traceback[-1:]  # type: ignore[attr-defined]  # asyncio's
        run = contextvars.copy_context().run
        yielded = None
        try:
            try:
                result = run(func, *args, **kwargs)
                if isinstance(result, Generator):
                    yielded = run(next, result)
            except (StopIteration, Return) as stop:
                future.set_result(stop.value)
            except BaseException as error:
                _fail(future, error)
            else:
                if isinstance(result, Generator):
                    Runner(run, result, future, yielded)
                else:
                    future.set_result(result)
            return future
        finally:
            # The traceback of an error holds all frames down to the one where it was raised,
            # and this one would hold the future of the error: they would stay for ever.
            del future, yielded

    wrapper.__toolkit_coroutine__ = True  # type: ignore[attr-defined]  # read just below
    return wrapper


def is_coroutine_function(func: Any) -> bool:
    """Say whether a function was made by `coroutine`."""
    return getattr(func, "__toolkit_coroutine__", False)


def _fail(future: "Future[Any]", error: BaseException) -> None:
    """End a future as a task would end with the exception."""
    if isinstance(error, asyncio.CancelledError):
        future.cancel(*error.args[:1])
        return
    future_set_exception_unless_cancelled(future, error)
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error


class Runner:
    """Carries a generator on from one thing that it yields to the next.

    Made by `coroutine` for a generator that has yielded for the first time.

    Args:
        ctx_run: ``run`` of the context that the generator runs in.
        gen: the generator.
        result_future: gets what the generator returns or raises.
        first_yielded: what it has yielded.

    Attributes:
        future: what it waits for, None while it runs.
        running: whether it runs right now.
        finished: whether it has ended.
    """

    def __init__(
        self,
        ctx_run: Callable[..., Any],
        gen: Generator[Any, Any, Any],
        result_future: "Future[Any]",
        first_yielded: Any,
    ) -> None:
        self.ctx_run = ctx_run
        self.gen: Generator[Any, Any, Any] | None = gen
        self.result_future: Future[Any] | None = result_future
        self.future: Future[Any] | None = None
        self.running = False
        self.finished = False
        self._cancelling = False
        ready = ctx_run(self.handle_yield, first_yielded)
        del first_yielded, result_future  # as in `coroutine`
        if ready:
            ctx_run(self._go_on)
        if self.result_future is not None:
            self.result_future.add_done_callback(self._on_cancel)

    @property
    def io_loop(self) -> IOLoop:
        """The loop that it runs on."""
        return IOLoop.current()

    def run(self) -> None:
        """Carry the generator on, until it ends or waits for what is not done."""
        self.ctx_run(self._go_on)

    def handle_yield(self, yielded: Any) -> bool:
        """Wait for what was yielded; True when it is done already, and `run` can go on."""
        try:
            self.future = future = convert_yielded(yielded)
        except Exception as error:
            self.future = _failed(error)
            return True
        if future is moment:
            assert self.result_future is not None
            self.result_future.get_loop().call_soon(self._wake, future)
        elif future.done():
            return True
        else:
            future.add_done_callback(self._wake)
        if self._cancelling:
            self._cancelling = False
            self._cancel_wait()
        return False

    def handle_exception(
        self, typ: type[BaseException], value: BaseException, tb: types.TracebackType | None
    ) -> bool:
        """Raise an exception where the generator waits; False when it does not wait."""
        if self.running or self.finished:
            return False
        self.future = _failed(value)
        self.run()
        return True

    def _wake(self, future: "Future[Any]") -> None:
        # After `handle_exception` it waits for something else than what is done now.
        current = future is self.future
        del future  # as in `coroutine`
        if current:
            self.ctx_run(self._go_on)

    def _go_on(self) -> None:
        if self.running or self.finished:
            return
        self.running = True
        try:
            while self.future is not None and self.future.done():
                if not self.handle_yield(self._step()):
                    return
        except (StopIteration, Return) as stop:
            result = self._finish()
            future_set_result_unless_cancelled(result, stop.value)
        except BaseException as error:
            result = self._finish()
            try:
                _fail(result, error)
            finally:
                # As in `coroutine`.
                del result
        finally:
            self.running = False

    def _step(self) -> Any:
        """Give the generator the outcome of what it waited for; return what it yields next."""
        assert self.gen is not None
        assert self.future is not None
        future, self.future = self.future, None
        try:
            value = future.result()
        except BaseException as caught:
            error = caught
        else:
            return self.gen.send(value)
        finally:
            del future  # as in `coroutine`
        # Outside of the handler, so that the generator does not find itself inside of one.
        try:
            return self.gen.throw(error)
        finally:
            del error

    def _finish(self) -> "Future[Any]":
        """Let go of all that is no longer needed; return the future of the result."""
        result = self.result_future
        assert result is not None
        self.finished = True
        self.future = self.gen = self.result_future = None
        result.remove_done_callback(self._on_cancel)
        return result

    def _on_cancel(self, _result: "Future[Any]") -> None:
        """Take note that the future of the result was cancelled."""
        if not self.finished:
            self._cancel_wait()

    def _cancel_wait(self) -> None:
        future = self.future
        assert future is not None  # it does not run, so it waits
        if future is moment:
            self.future = future = _failed(asyncio.CancelledError())
            future.add_done_callback(self._wake)
        elif not future.cancel():
            # It was done a moment ago, and what it holds must not get lost.
            self._cancelling = True


def _failed(error: BaseException) -> "Future[Any]":
    future: Future[Any] = Future()
    if isinstance(error, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(error)
    return future
