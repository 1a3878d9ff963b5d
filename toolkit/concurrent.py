"""Futures, and coroutines that run in place until they first have to wait."""

import asyncio
import collections.abc
import contextvars
from collections.abc import Callable, Coroutine
from concurrent import futures
from typing import Any, TypeVar

from toolkit.log import app_log

_T = TypeVar("_T")

# What asyncio gives to those who drive tasks themselves ("Extending asyncio" in its manual).
_enter_task = asyncio._enter_task
_leave_task = asyncio._leave_task

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


def _nothing() -> None:
    """Stand for the callback of a runner that is over, which so refers to nobody."""


class InPlaceRunner(collections.abc.Coroutine[Any, Any, None]):
    """Runs coroutines one after another as one asyncio task, starting each in place.

    `run` steps a coroutine at once, without a turn of the loop. One that ends in this step
    cost neither a task nor a future; one that waits is carried on by the runner's task.
    Meanwhile `asyncio.current_task()` is that task, so that `asyncio.timeout` and task
    groups work, and each coroutine has a context of its own, so that no context variable
    leaks into the next.

    To asyncio the runner is the coroutine of its task: it passes on what the current one
    waits for and what it is sent, and waits for a wake-up while there is none.

    Args:
        ended: called after a coroutine that had to wait has ended, outside of any task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
        self._loop = loop
        self._ended = ended
        self._task: asyncio.Task[None] | None = None
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._context: contextvars.Context | None = None
        self._wake: asyncio.Future[None] | None = None
        self._first: Any = None  # what the first step waits for, until the task has seen it
        self._fresh = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a coroutine is under way."""
        return self._coroutine is not None

    def run(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Step a coroutine; True when it has ended, else the task carries it on.

        An exception that it lets out is logged. The runner must not be `busy`.
        """
        task = self._task
        if task is None or task.done():
            self._task = task = self._loop.create_task(self)
        context = contextvars.copy_context()
        try:
            _enter_task(self._loop, task)
        except RuntimeError:
            return self._run_inside_a_task(coroutine)
        try:
            self._first = context.run(coroutine.send, None)
        except StopIteration:
            return True
        except asyncio.CancelledError:
            return True
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
            return True
        finally:
            _leave_task(self._loop, task)
        self._fresh = True
        self._coroutine, self._context = coroutine, context
        self._rouse()
        return False

    def _run_inside_a_task(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Do as `run`, with the current task stepped aside meanwhile."""
        outer = asyncio.current_task(self._loop)
        assert outer is not None
        _leave_task(self._loop, outer)
        try:
            return self.run(coroutine)
        finally:
            _enter_task(self._loop, outer)

    def cancel(self) -> None:
        """Cancel the coroutine under way, if there is one."""
        if self._coroutine is not None and self._task is not None:
            self._task.cancel()

    def stop(self) -> None:
        """End the task when the coroutine under way has ended, at once when there is none."""
        self._closed = True
        if self._coroutine is None:
            self._ended = _nothing
        self._rouse()

    def _rouse(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    # -- the coroutine that the task sees ------------------------------------------------

    def send(self, value: Any) -> Any:
        if self._coroutine is None:
            return self._sleep()
        if self._fresh:
            self._fresh = False
            first, self._first = self._first, None
            return first
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        if self._coroutine is None:
            # Cancelled by somebody else, such as the end of `asyncio.run`.
            self._task = None
            raise error[0] if isinstance(error[0], BaseException) else error[1]
        if self._fresh:
            self._fresh = False
            first, self._first = self._first, None
            # As a task does it: the cancellation goes to what is waited for, and from
            # there back to the coroutine.
            if first is not None and first.cancel():
                return first
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()
            self._coroutine = None

    def __await__(self) -> Any:
        raise TypeError("the runner belongs to its own task")

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        assert self._context is not None
        try:
            return self._context.run(step, *args)
        except StopIteration:
            pass
        except asyncio.CancelledError:
            pass
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
        self._coroutine = self._context = None
        self._loop.call_soon(self._ended)
        if self._closed:
            self._ended = _nothing
        return self._sleep()

    def _sleep(self) -> Any:
        """Have the task wait for the next coroutine."""
        if self._closed:
            self._task = self._wake = None
            raise StopIteration
        self._wake = self._loop.create_future()
        self._wake._asyncio_future_blocking = True
        return self._wake

    # What asyncio shows of a task is that of the coroutine under way.

    @property
    def cr_frame(self) -> Any:
        """Frame of the coroutine under way."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        """Code of the coroutine under way."""
        return getattr(self._coroutine, "cr_code", InPlaceRunner.run.__code__)

    @property
    def cr_running(self) -> bool:
        """Whether the coroutine under way is running."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_await(self) -> Any:
        """What the coroutine under way waits for."""
        return getattr(self._coroutine, "cr_await", None)
