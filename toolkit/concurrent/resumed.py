"""Tasks that go on in the very callback that brings what they wait for.

A task that awaits a future is woken in the next turn of the loop, by a callback of its own. For
one that handles a connection and waits for bytes again and again that is a good part of the
work; `make bench` has the echo of lines for that.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import GeneratorType
from typing import Any, TypeVar

from toolkit.concurrent.handover import Handover

_T = TypeVar("_T")

# What asyncio gives to those who drive tasks themselves ("Extending asyncio" in its manual).
_enter_task = asyncio._enter_task
_leave_task = asyncio._leave_task

_cancel = asyncio.Future.cancel
_set_exception = asyncio.Future.set_exception
_set_result = asyncio.Future.set_result

#: What ends programs, and not just a task.
_EXITS = (KeyboardInterrupt, SystemExit)

_nothing: Generator[None, None, None] = (None for _ in ())
_nothing.close()

#: Raises what it is given, as a generator does that has ended; without a frame of Python's.
_raise = _nothing.throw


class Resumable(Handover[_T]):
    """A future that can have the one task that awaits it go on in `set_result`.

    It is awaited as any future of asyncio is, without a line of Python. A result that its task
    cannot take, since it was cancelled meanwhile, is given back by who wakes the task.

    Attributes:
        driver: the task that goes on then; None when another one, or nobody, waits. Who makes
            the future sets it to None: an `__init__` would double the time to make one.
    """

    __slots__ = ("driver",)

    driver: "ResumedTask[Any] | None"

    __await__ = __iter__ = asyncio.Future.__await__

    def add_done_callback(
        self, fn: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Have `fn` called with the future when it is done."""
        task = getattr(fn, "__self__", None)
        if isinstance(task, asyncio.Task) and not isinstance(task, ResumedTask):
            fn = partial(_wake_task, task, fn)
        super().add_done_callback(fn, context=context)

    def set_result(self, result: _T) -> None:
        """Set the result, and have the task go on, if it is one that can."""
        driver, self.driver = self.driver, None
        if driver is None:
            super().set_result(result)
        else:
            driver.deliver(self, result)

    def set_exception(self, exception: type | BaseException) -> None:
        """Set the exception, and have the task woken."""
        super().set_exception(exception)
        self._wake()

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the future, and have the task woken."""
        if not super().cancel(msg):
            return False
        self._wake()
        return True

    def _wake(self) -> None:
        driver, self.driver = self.driver, None
        if driver is not None:
            driver.wake()


def _wake_task(
    task: "asyncio.Task[Any]", wake: Callable[[Any], object], future: Resumable[Any]
) -> None:
    """Wake a task of asyncio; one that was cancelled since takes no result."""
    if task._must_cancel:  # type: ignore[attr-defined]
        future.give_back()
    wake(future)


def create_resumed_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, _T],
    ended: Callable[["asyncio.Task[_T]"], object],
) -> "asyncio.Task[_T]":
    """Return a task for a coroutine, which goes on in place where it awaits a `Resumable`.

    A loop with a task factory makes the task as ever.

    Args:
        ended: called with the task when it is done.
    """
    task: asyncio.Task[_T]
    if loop.get_task_factory() is not None:
        task = loop.create_task(coroutine)
        task.add_done_callback(ended)
    else:
        context = contextvars.copy_context()
        task = ResumedTask(loop, coroutine, context)
        # By default it would have a copy of the context of its own.
        task.add_done_callback(ended, context=context)
    return task


class _Unscheduled:
    """Stands for the loop when `asyncio.Task` would have it take the first step."""

    def get_debug(self) -> bool:
        return False

    def call_soon(self, *_: object, **__: object) -> None:
        pass


_UNSCHEDULED: Any = _Unscheduled()


class ResumedTask(asyncio.Task[_T]):
    """A task that takes its steps itself, so that it can take one in place.

    asyncio's own part of it knows the coroutine, the context, the name and how often it was
    cancelled, and shows them, but never takes a step.
    """

    # Each idle connection of a server has one. Loop and coroutine are in asyncio's part too, where
    # the interpreter takes the long way to them.
    __slots__ = ("_context", "_coro", "_fut_waiter", "_loop")

    #: What it waits for; None while a step is due. In place it is what it waited for.
    _fut_waiter: Any

    _must_cancel = False  # whether the next step is to be a cancellation

    # What asyncio's part gives.
    _cancel_message: Any
    _make_cancelled_error: Callable[[], asyncio.CancelledError]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, _T],
        context: contextvars.Context,
    ) -> None:
        self._loop = loop  # type: ignore[misc]  # a slot, and not the property of the base
        self._coro: Any = coroutine
        self._context = context
        self._fut_waiter = None
        # With a name of the code, not one of its own to be kept for each.
        name = getattr(coroutine, "__qualname__", None)
        super().__init__(coroutine, loop=_UNSCHEDULED, name=name, context=context)
        asyncio.Future.__init__(self, loop=loop)
        self.wake()

    # -- steps ---------------------------------------------------------------------------

    def wake(self) -> None:
        """Have the task take a step in a turn of its own."""
        self._loop.call_soon(self._step, context=self._context)

    def deliver(self, future: Resumable[Any], result: Any) -> None:
        """Set the result of the future that the task awaits, and take a step at once."""
        _set_result(future, result)
        loop = self._loop
        try:
            _enter_task(loop, self)
        except RuntimeError:
            self.wake()  # another task is at work, in which this one cannot go on
            return
        try:
            yielded = self._context.run(self._coro.send, None)
        except BaseException as end:
            self._end(end)
            if isinstance(end, _EXITS):
                # It is for the loop, and not for who brought the result.
                loop.call_soon(_raise, end)
        else:
            # The usual case of `_wait_for`.
            if (
                isinstance(yielded, Resumable)
                and yielded.driver is None
                and not yielded.done()
                and not self._must_cancel
            ):
                yielded.driver = self
                self._fut_waiter = yielded
            else:
                self._wait_for(yielded)
        finally:
            _leave_task(loop, self)

    def _step(self, error: BaseException | None = None) -> None:
        """Take a step; called by the loop."""
        if self._must_cancel:
            self._must_cancel = False
            if not isinstance(error, asyncio.CancelledError):
                error = self._make_cancelled_error()
                if isinstance(self._fut_waiter, Resumable):
                    self._fut_waiter.give_back()
        self._fut_waiter = None
        loop, coroutine = self._loop, self._coro
        _enter_task(loop, self)
        try:
            yielded = coroutine.send(None) if error is None else coroutine.throw(error)
        except BaseException as end:
            self._end(end)
            if isinstance(end, _EXITS):
                raise
        else:
            self._wait_for(yielded)
        finally:
            _leave_task(loop, self)

    def _wait_for(self, yielded: Any) -> None:
        """Have the next step taken when there is what the coroutine has yielded."""
        self._fut_waiter = None
        if yielded is None:
            self.wake()
            return
        if (problem := self._problem_with(yielded)) is not None:
            self._loop.call_soon(self._step, RuntimeError(problem), context=self._context)
            return
        yielded._asyncio_future_blocking = False
        if isinstance(yielded, Resumable) and yielded.driver is None and not yielded.done():
            yielded.driver = self
        else:
            yielded.add_done_callback(self._wakeup, context=self._context)
        self._fut_waiter = yielded
        if self._must_cancel and yielded.cancel(msg=self._cancel_message):
            self._must_cancel = False

    def _problem_with(self, yielded: Any) -> str | None:
        """Say why something cannot be waited for; None if it can."""
        blocking = getattr(yielded, "_asyncio_future_blocking", None)
        if blocking is None and not isinstance(yielded, GeneratorType):
            return f"Task got bad yield: {yielded!r}"
        if not blocking:
            return f"yield was used instead of yield from in task {self!r} with {yielded!r}"
        if yielded is self:
            return f"Task cannot await on itself: {self!r}"
        if getattr(yielded, "get_loop", self.get_loop)() is not self._loop:
            return f"Task {self!r} got Future {yielded!r} attached to a different loop"
        return None

    def _wakeup(self, future: "asyncio.Future[Any]") -> None:
        """Take a step, as a future is done; called by the loop."""
        try:
            future.result()
        except BaseException as error:
            self._step(error)
        else:
            self._step()

    def _end(self, end: BaseException) -> None:
        """Be done, as the coroutine is."""
        self._fut_waiter = None
        if isinstance(end, StopIteration):
            if self._must_cancel:
                _cancel(self, self._cancel_message)
            else:
                _set_result(self, end.value)
        elif isinstance(end, asyncio.CancelledError):
            _cancel(self, *end.args[:1])
        else:
            # Without the frame of the step, which refers to the task.
            assert end.__traceback__ is not None
            _set_exception(self, end.with_traceback(end.__traceback__.tb_next))

    # -- cancellation --------------------------------------------------------------------

    def cancel(self, msg: Any | None = None) -> bool:
        """Have a CancelledError raised where the coroutine waits; as `asyncio.Task.cancel`."""
        if not super().cancel(msg):
            return False
        if self._fut_waiter is None or not self._fut_waiter.cancel(msg=msg):
            self._must_cancel = True
        return True

    def uncancel(self) -> int:
        """Take one request back, as `asyncio.Task.uncancel`."""
        left = super().uncancel()
        if self._must_cancel:
            # From Python 3.13 on none is left after the last one.
            self._must_cancel = super()._must_cancel  # type: ignore[misc]  # asyncio's part has it
        return left
