"""Coroutines that run in place until they first have to wait."""

import asyncio
import contextvars
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from toolkit.concurrent.resumed import Resumable
from toolkit.log import app_log

# What asyncio gives to those who drive tasks themselves ("Extending asyncio" in its manual).
_enter_task = asyncio._enter_task
_leave_task = asyncio._leave_task

#: A generator that takes coroutines one after another, and steps each.
_Driver = Generator[Any, Any, None]

#: What a driver yields when a coroutine has ended, and the next one may be sent.
_ENDED: Any = object()

# `send` of drivers that wait for a coroutine. One is enough while coroutines end in their first
# step, as those that wait take theirs along.
_idle: list[Callable[[Any], Any]] = []


@types.coroutine
def _drive() -> _Driver:
    """Step the coroutines sent; an error of one ends it.

    To be told of the end of a coroutine by a value takes half as long as by StopIteration.
    """
    while True:
        coroutine = yield _ENDED
        native = type(coroutine) is types.CoroutineType
        yield from coroutine if native else coroutine.__await__()


def _new_driver() -> Callable[[Any], Any]:
    """Return `send` of a driver that waits for a coroutine."""
    driver: Any = _drive()
    driver.send(None)
    send: Callable[[Any], Any] = driver.send
    return send


class InPlaceRunner:
    """Runs coroutines one after another inside a task, starting each in place.

    `run` steps a coroutine at once, without a turn of the loop. One that ends in this step
    cost neither a task nor a future; one that waits is carried on by a task. The runner
    keeps that task ready: it is the current one during the first step already, so that
    `asyncio.timeout` and task groups work from the first line on, and when the coroutine
    waits it becomes that coroutine's own, to end with it. Each coroutine has a context of
    its own, so that no context variable leaks into the next.

    Args:
        ended: called after a coroutine that had to wait has ended, outside of any task.
        failed: called where a coroutine lets out an exception, while that is the one being
            handled and in the context of the coroutine; also for a cancellation that its task
            was not asked for. By default errors are logged.
    """

    __slots__ = ("_active", "_ended", "_failed", "_loop", "_spare")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[], None],
        failed: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._ended = ended
        self._failed = failed or _log_error
        # The task that is kept ready, and before it what it runs.
        self._spare: tuple[_Carrier, asyncio.Task[None]] | None = None
        self._active: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a coroutine is under way."""
        return self._active is not None

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task of the coroutine under way, None without one that waits."""
        return self._active

    def run(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context | None = None
    ) -> bool:
        """Step a coroutine; True when it has ended, else a task carries it on.

        The runner must not be `busy`.

        Args:
            context: of the coroutine alone; None for a copy of the current one.
        """
        spare = self._spare
        if spare is None or spare[0].over:
            fresh = _Carrier(self._loop, self._failed)
            self._spare = spare = fresh, self._loop.create_task(fresh)
        carrier, task = spare
        if context is None:
            context = contextvars.copy_context()
        try:
            _enter_task(self._loop, task)
        except RuntimeError:
            return self._run_inside_a_task(coroutine, context)
        try:
            send = _idle.pop()
        except IndexError:
            send = _new_driver()
        ended = True
        try:
            waits_for = context.run(send, coroutine)
            if waits_for is _ENDED:
                _idle.append(send)
            else:
                ended = False
                carrier.take_over(coroutine, send, context, waits_for)
                self._active = task
                task.add_done_callback(self._task_ended)
        except asyncio.CancelledError:
            if not task.cancelling():
                context.run(self._failed)
        except Exception:
            context.run(self._failed)
        finally:
            _leave_task(self._loop, task)
        # A task that the coroutine cancelled is on its way out, and not for the next one.
        if not ended or task.cancelling():
            self._spare = None
        return ended

    def _run_inside_a_task(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> bool:
        """Do as `run`, with the current task stepped aside meanwhile."""
        outer = asyncio.current_task(self._loop)
        assert outer is not None
        _leave_task(self._loop, outer)
        try:
            return self.run(coroutine, context)
        finally:
            _enter_task(self._loop, outer)

    def _task_ended(self, _task: "asyncio.Task[None]") -> None:
        self._active = None
        self._ended()

    def cancel(self) -> None:
        """Cancel the coroutine under way, if there is one."""
        if self._active is not None:
            self._active.cancel()

    def stop(self) -> None:
        """Let go of the task that is kept ready; call it when nothing more is to be run.

        A coroutine under way goes on, and `ended` is still called for it.
        """
        spare, self._spare = self._spare, None
        if spare is not None:
            spare[0].dismiss()
        if self._active is None:
            # The runner and the owner of the callbacks would refer to each other for ever.
            self._ended = self._failed = _nothing


def _log_error() -> None:
    """Log the error being handled; a cancellation is none."""
    if isinstance(sys.exc_info()[1], Exception):
        app_log.error("Uncaught exception", exc_info=True)


def _nothing() -> None:
    """Stand for the callback of a runner that is over."""


class _Carrier(Coroutine[Any, Any, None]):
    """The coroutine of a task that waits until it is given another one to carry on.

    To asyncio it is a coroutine like any other: it passes on what the one that it carries
    waits for, and to that what it is sent. What asyncio shows of the task is that of the other
    one.

    Attributes:
        over: whether it takes no coroutine any more.
    """

    __name__ = __qualname__ = "InPlaceRunner"

    def __init__(self, loop: asyncio.AbstractEventLoop, failed: Callable[[], None]) -> None:
        self._loop = loop
        self._failed = failed
        self._wake: asyncio.Future[None] | None = None
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._driver: Any = None  # of the coroutine
        self._context: contextvars.Context | None = None
        self._waits_for: Any = None  # as found in the first step, until the task has seen it
        self._fresh = False
        self.over = False

    def take_over(
        self,
        coroutine: Coroutine[Any, Any, None],
        send: Any,
        context: contextvars.Context,
        waits_for: Any,
    ) -> None:
        """Carry a coroutine on that has made its first step.

        Args:
            send: of its driver.
        """
        self._coroutine, self._context, self._waits_for = coroutine, context, waits_for
        self._driver = send.__self__
        self._fresh = True
        self._rouse()

    def dismiss(self) -> None:
        """End the task, which has nothing to carry."""
        self.over = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def send(self, value: Any) -> Any:
        """Take a step; called by the task."""
        if self._coroutine is None:
            if self.over:
                raise StopIteration
            self._wake = self._loop.create_future()
            self._wake._asyncio_future_blocking = True
            return self._wake
        if self._fresh:
            self._fresh = False
            return self._waits_for
        return self._step(self._driver.send, value)

    def throw(self, *error: Any) -> Any:
        """Take a step with an exception, such as a cancellation; called by the task."""
        if self._coroutine is None:
            # The task was cancelled while it was kept ready, as the end of a program does.
            self.over = True
            raise error[0] if isinstance(error[0], BaseException) else error[1]
        if self._fresh:
            self._fresh = False
            # As a task does it: the cancellation goes to what is waited for, and comes back
            # from there.
            if self._waits_for is not None and self._waits_for.cancel():
                return self._waits_for
            if isinstance(self._waits_for, Resumable):
                self._waits_for.give_back()
        return self._step(self._driver.throw, *error)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        assert self._context is not None
        try:
            waits_for = self._context.run(step, *args)
            if waits_for is not _ENDED:
                return waits_for
        except asyncio.CancelledError:
            task = asyncio.current_task(self._loop)
            if task is None or task.cancelling():
                raise
            self._context.run(self._failed)
        except Exception:
            self._context.run(self._failed)
        raise StopIteration

    def __await__(self) -> Any:
        raise TypeError(f"{type(self).__name__} belongs to its own task")

    def close(self) -> None:
        """Close the coroutine."""
        if self._driver is not None:
            self._driver.close()

    @property
    def cr_frame(self) -> Any:
        """Frame of the coroutine."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        """Code of the coroutine; that of a method of its own while there is none."""
        return getattr(self._coroutine, "cr_code", type(self).close.__code__)

    @property
    def cr_running(self) -> bool:
        """Whether the coroutine is running."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_await(self) -> Any:
        """What the coroutine waits for."""
        return getattr(self._coroutine, "cr_await", None)
