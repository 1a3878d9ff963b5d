"""Coroutines that go on in the very callback that brings what they wait for.

A task that awaits a future is woken in the next turn of the loop, by a callback of its own. For
one that handles a connection and waits for bytes again and again that is a good part of the
work: on the benchmark of line echoes a sixth of a server's time.
"""

import asyncio
import collections.abc
import contextvars
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

from toolkit.concurrent.handover import Handover

_T = TypeVar("_T")

# What asyncio gives to those who drive tasks themselves ("Extending asyncio" in its manual).
_enter_task = asyncio._enter_task
_leave_task = asyncio._leave_task

_set_result = asyncio.Future.set_result


class Resumable(Handover[_T]):
    """A future that can have the one coroutine that awaits it go on in `set_result`.

    Attributes:
        driver: goes on with that coroutine; None when an ordinary task, or nobody, waits.
    """

    driver: "_Driver[Any] | None" = None

    def _wait(self) -> Generator[Any, None, _T]:
        # As the one of the base class, in one generator instead of two.
        self._asyncio_future_blocking = True
        try:
            yield self
        except BaseException:
            self._dropped()
            raise
        self.give_back_to = None
        return self.result()

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
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _T]
) -> "asyncio.Task[_T]":
    """Return a task for a coroutine, which goes on in place where it awaits a `Resumable`."""
    context = contextvars.copy_context()
    driver = _Driver(loop, coroutine, context)
    driver.task = loop.create_task(driver, context=context)
    return driver.task


class _Driver(collections.abc.Coroutine[Any, Any, _T], Generic[_T]):
    """The coroutine of a task: another one, and a gate that the task waits at meanwhile.

    While the other one awaits a `Resumable`, its task waits at the gate, a future that is only
    opened when there is something that the task itself has to do.
    """

    __slots__ = ("_context", "_coroutine", "_error", "_gate", "_loop", "_yielded", "task")

    __name__ = __qualname__ = "create_resumed_task"

    task: "asyncio.Task[_T]"

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, _T],
        context: contextvars.Context,
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._context = context
        self._gate: asyncio.Future[None] | None = None
        self._yielded: Any = None  # what the coroutine waits for, and the task has not seen
        self._error: BaseException | None = None  # how it ended, and the task has not seen

    # -- steps of the task ---------------------------------------------------------------

    def send(self, value: Any) -> Any:
        """Take a step; called by the task."""
        if self._gate is None:
            return self._wait_for(self._coroutine.send(value))
        self._gate = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        yielded, self._yielded = self._yielded, None
        return yielded

    def throw(self, *error: Any) -> Any:
        """Take a step with an exception, such as a cancellation; called by the task."""
        self._gate = None
        if self._error is not None:
            # It has ended already; only its task had not heard of it.
            ended, self._error = self._error, None
            raise ended
        yielded, self._yielded = self._yielded, None
        if isinstance(yielded, Resumable):
            yielded.driver = None
        # As a task does it: the cancellation goes to what is waited for, and comes back from
        # there, unless that is one of ours, which end at once.
        if yielded is not None and yielded.cancel() and not isinstance(yielded, Resumable):
            return yielded
        return self._wait_for(self._coroutine.throw(*error))

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Any:
        raise TypeError("the driver belongs to its own task")

    def _wait_for(self, yielded: Any) -> Any:
        """Return what the task is to wait for."""
        if not isinstance(yielded, Resumable) or yielded.done():
            return yielded
        yielded._asyncio_future_blocking = False
        yielded.driver = self
        self._yielded = yielded
        self._gate = gate = self._loop.create_future()
        gate._asyncio_future_blocking = True
        return gate

    # -- steps in place ------------------------------------------------------------------

    def wake(self) -> None:
        """Have the task take a step in a turn of its own; called by the future."""
        if self._gate is not None and not self._gate.done():
            self._yielded._asyncio_future_blocking = True
            self._gate.set_result(None)

    def deliver(self, future: "Resumable[Any]", result: Any) -> None:
        """Set the result of the future that the coroutine awaits, and take a step at once."""
        future.driver = None
        _set_result(future, result)
        gate = self._gate
        if gate is None or gate.done():
            return  # the task is about to take a step, with a cancellation
        try:
            _enter_task(self._loop, self.task)
        except RuntimeError:
            self.wake()  # another task is at work, in which this one cannot go on
            return
        self._yielded = None
        try:
            yielded = self._context.run(self._coroutine.send, None)
        except BaseException as error:
            # `StopIteration` too: it is the task that ends with it.
            self._error = error
        else:
            self._yielded = yielded
            if isinstance(yielded, Resumable) and not yielded.done():
                yielded._asyncio_future_blocking = False
                yielded.driver = self
                return
        finally:
            _leave_task(self._loop, self.task)
        gate.set_result(None)

    # What asyncio shows of a task is that of the coroutine that it drives.

    @property
    def cr_frame(self) -> Any:
        """Frame of the coroutine that is driven."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        """Code of the coroutine that is driven."""
        return getattr(self._coroutine, "cr_code", create_resumed_task.__code__)

    @property
    def cr_running(self) -> bool:
        """Whether the coroutine that is driven is running."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_await(self) -> Any:
        """What the coroutine that is driven waits for."""
        return getattr(self._coroutine, "cr_await", None)
