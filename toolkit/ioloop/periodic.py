"""`PeriodicCallback`: a callback at a steady pace."""

import datetime
import inspect
import math
import random
from asyncio import CancelledError, Future, TimerHandle, ensure_future
from collections.abc import Awaitable, Callable
from typing import Any

from toolkit.ioloop.loop import IOLoop
from toolkit.log import app_log


def next_deadline(last: float, now: float, period: float) -> float:
    """Return the first time after `now` that is a whole number of periods after `last`.

    A clock that was set back, or a timer that fired early, gives one period after `last`.
    """
    missed = math.floor((now - last) / period) if now > last else 0
    return last + (missed + 1) * period


class PeriodicCallback:
    """Calls a function again and again, on the loop in which it was started.

    The pace does not drift: calls come at whole periods after `start`. A call never begins
    before the one before has ended, coroutines included; beats that it missed are skipped.
    What it raises is logged, and the next call comes as usual.

    Example::

        async def main():
            seconds = PeriodicCallback(lambda: print("tick"), 1000)
            seconds.start()
            await asyncio.sleep(10)
            seconds.stop()

    Args:
        callback: a function or coroutine function without arguments.
        callback_time: milliseconds, or a timedelta, from one call to the next.
        jitter: part of `callback_time` by which a period varies at random, so that many
            callbacks do not all come at once: with 0.1 a period is 95 to 105 percent.
    Raises:
        ValueError: `callback_time` is not above 0.

    Attributes:
        io_loop: the loop in which it was started; there is none before `start`.
    """

    io_loop: IOLoop

    def __init__(
        self,
        callback: Callable[[], Awaitable[Any] | None],
        callback_time: datetime.timedelta | float,
        jitter: float = 0,
    ) -> None:
        self.callback = callback
        if isinstance(callback_time, datetime.timedelta):
            self.callback_time = callback_time / datetime.timedelta(milliseconds=1)
        else:
            self.callback_time = callback_time
        if not self.callback_time > 0:
            raise ValueError(
                "Periodic callback must have a positive callback_time, not "
                f"{self.callback_time:g} ms"
            )
        self.jitter = jitter
        self._running = False
        self._deadline = 0.0
        self._timer: TimerHandle | None = None
        self._call_under_way = False

    def start(self) -> None:
        """Begin; the first call comes after one period. Does nothing while it runs already."""
        if self._running:
            return
        self._running = True
        self.io_loop = IOLoop.current()
        self._deadline = self.io_loop.asyncio_loop.time()
        if not self._call_under_way:
            self._schedule()

    def stop(self) -> None:
        """Make no more calls; one that is under way goes on to its end."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_running(self) -> bool:
        """Say whether it was started and not stopped since."""
        return self._running

    def _schedule(self) -> None:
        period = self.callback_time / 1000
        if self.jitter:
            period *= 1 + self.jitter * (random.random() - 0.5)
        loop = self.io_loop.asyncio_loop
        self._deadline = next_deadline(self._deadline, loop.time(), period)
        self._timer = loop.call_at(self._deadline, self._call)

    def _call(self) -> None:
        self._timer = None
        self._call_under_way = True
        try:
            result = self.callback()
            if inspect.isawaitable(result):
                ensure_future(result).add_done_callback(self._log_and_go_on)
                return
        except CancelledError:
            pass
        except Exception:
            app_log.error("Exception in callback %r", self.callback, exc_info=True)
        self._go_on()

    def _log_and_go_on(self, call: Future[Any]) -> None:
        if not call.cancelled() and (error := call.exception()) is not None:
            app_log.error("Exception in callback %r", self.callback, exc_info=error)
        self._go_on()

    def _go_on(self) -> None:
        self._call_under_way = False
        if self._running:
            self._schedule()
