"""Coroutines that go on in the very callback that brings what they wait for.

A task that awaits a future is woken in the next turn of the loop, by a callback of its own. For
one that handles a connection and waits for bytes again and again that is a good part of the
work; `make bench` has the echo of lines for that.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, NoReturn, TypeVar

from toolkit.concurrent.handover import Handover, abandon
from toolkit.concurrent.stand_in import StandIn

_T = TypeVar("_T")
_S = TypeVar("_S")

# What asyncio gives to those who drive tasks themselves ("Extending asyncio" in its manual).
_enter_task = asyncio._enter_task
_leave_task = asyncio._leave_task

_current_task = asyncio.current_task

_set_result = asyncio.Future.set_result
_await = asyncio.Future.__await__


class Resumable(Handover[_T]):
    """A future that can have the one coroutine that awaits it go on in `set_result`.

    Attributes:
        driver: goes on with that coroutine; None when an ordinary task, or nobody, waits. Who
            makes the future sets it to None: an `__init__` would double the time to make one.
    """

    __slots__ = ("driver",)

    driver: "_Driver[Any] | None"

    def __await__(self) -> Generator[Any, None, _T]:
        if self.done():
            return _await(self)
        task = _current_task(self.get_loop())
        if task is not None and type(task.get_coro()) is _Driver:
            # A driver gives back by itself what it could not hand over.
            return _await(self)
        return self._wait()

    def _wait(self) -> Generator[Any, None, _T]:
        # As the one of the base class, in one generator instead of two.
        self._asyncio_future_blocking = True
        try:
            yield self
        except BaseException:
            self._dropped()
            raise
        return self.result()

    __iter__ = __await__

    def set_result(self, result: _T) -> None:
        """Set the result, and go on with the coroutine, if there is one that can."""
        if self.driver is None:
            super().set_result(result)
        else:
            self.driver.deliver(self, result)

    def set_exception(self, exception: type | BaseException) -> None:
        """Set the exception, and have the task of the coroutine woken."""
        super().set_exception(exception)
        self._wake()

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the future, and have the task of the coroutine woken."""
        if not super().cancel(msg):
            return False
        self._wake()
        return True

    def _wake(self) -> None:
        driver, self.driver = self.driver, None
        if driver is not None:
            driver.wake()


def create_resumed_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, None],
    ended: Callable[["asyncio.Task[None]", _S, BaseException | None], None],
    subject: _S,
) -> "asyncio.Task[None]":
    """Return a task for a coroutine, which goes on in place where it awaits a `Resumable`.

    Args:
        ended: called with the task, the subject and the error of the coroutine, or None, when
            that has ended, shortly before the task has. An error is taken by it: the task
            ends without one, unless it was cancelled. (As a callback of the task it would
            take a third of a kilobyte for each.)
    """
    context = contextvars.copy_context()
    driver = _Driver(loop, coroutine, context, ended, subject)
    # With a name of the code, not one of its own to be kept for each.
    name = getattr(coroutine, "__qualname__", None)
    driver.task = loop.create_task(driver, name=name, context=context)
    return driver.task


class _Driver(StandIn, Generic[_S]):
    """The coroutine of a task: another one, and a gate that the task waits at meanwhile.

    While the other one awaits a `Resumable`, its task waits at the gate, which is only opened
    when there is something that the task itself has to do. To the task the gate looks like a
    future; that it is the same object spares each idle connection of a server 72 bytes.
    """

    __slots__ = (
        "_cancelled",
        "_context",
        "_coroutine",
        "_ended",
        "_error",
        "_loop",
        "_subject",
        "_wakeup",
        "_yielded",
        "task",
    )

    __name__ = __qualname__ = "create_resumed_task"

    task: "asyncio.Task[None]"

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, None],
        context: contextvars.Context,
        ended: Callable[["asyncio.Task[None]", _S, BaseException | None], None],
        subject: _S,
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._context = context
        self._ended = ended
        self._subject = subject
        self._yielded: Any = None  # what the coroutine waits for
        self._error: BaseException | None = None  # how it ended, for the task to see
        # Has the task go on; None while it does not wait.
        self._wakeup: Callable[[Any], object] | None = None
        self._cancelled: asyncio.CancelledError | None = None  # what it is to go on with

    # -- steps of the task ---------------------------------------------------------------

    def send(self, value: Any) -> Any:
        """Take a step; called by the task."""
        if self._error is not None:
            self._end(self._error)
        yielded = self._yielded
        if yielded is not None:
            # It was found in place, and the task has still to wait for it.
            self._yielded = None
            return yielded
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Take a step with an exception, such as a cancellation; called by the task."""
        if self._error is not None:
            # It has ended, and only the task had not heard of it.
            self._end(self._error)
        yielded, self._yielded = self._yielded, None
        if isinstance(yielded, Resumable):
            yielded.driver = None
            abandon(yielded)
        elif yielded is not None and yielded.cancel():
            # As a task does it: the cancellation goes to what is waited for, and comes back.
            return yielded
        return self._step(self._coroutine.throw, *error)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        """Step the coroutine and return what the task is to wait for."""
        try:
            yielded = step(*args)
        except BaseException as error:
            self._end(error)
        if not isinstance(yielded, Resumable) or yielded.done():
            return yielded
        yielded._asyncio_future_blocking = False
        yielded.driver = self
        self._yielded = yielded
        return self

    def _end(self, error: BaseException) -> NoReturn:
        """Tell of the end of the coroutine, and end the task with it."""
        self._error = None
        task = self.task
        del self.task  # they would keep each other
        self._ended(task, self._subject, None if isinstance(error, StopIteration) else error)
        if isinstance(error, Exception):
            raise StopIteration from None
        raise error  # a cancellation, or what ends programs

    # -- steps in place ------------------------------------------------------------------

    def wake(self) -> None:
        """Have the task take a step in a turn of its own; called by the future."""
        if self._wakeup is not None:
            self._yielded._asyncio_future_blocking = True
            self._open()

    def deliver(self, future: "Resumable[Any]", result: Any) -> None:
        """Set the result of the future that the coroutine awaits, and take a step at once."""
        future.driver = None
        _set_result(future, result)
        if self._wakeup is None:
            return  # the task is about to take a step, with a cancellation
        loop, task = self._loop, self.task
        try:
            _enter_task(loop, task)
        except RuntimeError:
            self.wake()  # another task is at work, in which this one cannot go on
            return
        self._yielded = None
        try:
            yielded = self._context.run(self._coroutine.send, None)
        except BaseException as error:
            self._error = error
        else:
            if isinstance(yielded, Resumable) and not yielded.done():
                # The task waits on.
                yielded._asyncio_future_blocking = False
                yielded.driver = self
                self._yielded = yielded
                return
            self._yielded = yielded
        finally:
            _leave_task(loop, task)
        self._open()

    # -- the gate: as little of a future as a task needs to have ---------------------------

    @property
    def _asyncio_future_blocking(self) -> bool:
        """Whether it is awaited as a future has to be; asked, and then denied, by the task."""
        return True

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value: bool) -> None:
        pass

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop; called by the task."""
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Keep what has the task go on; called by the task."""
        self._wakeup = callback

    def _open(self) -> None:
        """Have the task go on, in a turn of its own."""
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None:
            self._loop.call_soon(wakeup, self, context=self._context)

    def cancel(self, msg: Any | None = None) -> bool:
        """Have the task go on with a cancellation; called by the task."""
        if self._wakeup is None:
            return False
        self._cancelled = asyncio.CancelledError(*(() if msg is None else (msg,)))
        self._open()
        return True

    def result(self) -> None:
        """Return, or raise the cancellation; called by the task."""
        cancelled, self._cancelled = self._cancelled, None
        if cancelled is not None:
            raise cancelled
