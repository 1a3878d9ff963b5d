"""Futures of those who wait in a line: what is handed to one of them is never lost.

A future that has its result wakes the task that awaits it in the next turn of the loop. If that
task is cancelled in between, the result of a plain future is gone, be it a permit of a semaphore
or an item of a queue. The futures here notice, and give it back.
"""

import asyncio
import datetime
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from toolkit.concurrent.futures import Future

_T = TypeVar("_T")

Timeout = float | datetime.timedelta | None


def deadline_of(timeout: float | datetime.timedelta, loop: asyncio.AbstractEventLoop) -> float:
    """Return the time of the loop that a time-out means.

    Args:
        timeout: a span from now, or the deadline itself as a number. One of `time.time()`, which
            is what Tornado's loops go by, does as well: the clock that is nearer counts.
    Raises:
        TypeError: another type.
    """
    now = loop.time()
    if isinstance(timeout, datetime.timedelta):
        return now + timeout.total_seconds()
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"Unsupported deadline {timeout!r}; a number or timedelta is allowed")
    wall_clock = time.time()
    nearer = abs(timeout - wall_clock) < abs(timeout - now)
    return timeout + now - wall_clock if nearer else timeout


def abandon(future: "Future[Any]") -> None:
    """Cancel a future that nobody waits for any more; what it was handed already goes back."""
    if not future.cancel() and isinstance(future, Handover):
        future.give_back()


class Handover(Future[_T]):
    """A future whose result goes back if the task that awaits it is cancelled too late.

    Attributes:
        give_back_to: takes the result that was handed over and not taken.
    """

    # Defaults of the class and no `__init__`: that halves the time to make one.
    give_back_to: Callable[[_T], object] | None = None

    def __await__(self) -> Generator[Any, None, _T]:
        return super().__await__() if self.done() else self._wait()

    __iter__ = __await__

    def _wait(self) -> Generator[Any, None, _T]:
        try:
            result = yield from super().__await__()
        except BaseException:
            self._dropped()
            raise
        self.give_back_to = None
        return result

    def _dropped(self) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Give the result back, if there is one that nobody took."""
        give_back_to, self.give_back_to = self.give_back_to, None
        if give_back_to is None or not self.done() or self.cancelled() or self.exception():
            return
        give_back_to(self.result())


class Waiter(Handover[_T]):
    """The future of one who waits in a `Line`, which he leaves when he is cancelled."""

    _line: "Line"
    _timer: asyncio.TimerHandle | None = None

    def hand(self, result: _T, give_back_to: Callable[[_T], object] | None = None) -> None:
        """Set the result; the waiter must have left the line.

        Args:
            give_back_to: takes the result if the waiter is cancelled before he could take it.
        """
        self._stop_timer()
        self.give_back_to = give_back_to
        self.set_result(result)

    def refuse(self, error: Exception) -> None:
        """Set an exception; the waiter must have left the line."""
        self._stop_timer()
        self.set_exception(error)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the wait, unless it is over."""
        if not super().cancel(msg):
            return False
        self._leave()
        return True

    def enter(self, line: "Line", timeout: Timeout) -> None:
        """Wait in a line, for some time."""
        self._line = line
        if timeout is not None:
            loop = self.get_loop()
            self._timer = loop.call_at(deadline_of(timeout, loop), self._expire)

    def _expire(self) -> None:
        self._leave()
        self._line.expired(self)

    def _dropped(self) -> None:
        # A coroutine that is closed while it waits comes here with its place still in the line.
        self._leave()
        self.give_back()

    def _leave(self) -> None:
        self._line.pop(self, None)
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Line(OrderedDict[Waiter[Any], Any]):
    """Those who wait, first come first, each with what it brings along.

    Whoever is cancelled or timed out leaves at once, so that all that are in the line still wait.

    Args:
        late: message of the `TimeoutError` of one who waited too long; None gives him False
            as his result instead.
    """

    __slots__ = ("_late",)

    def __init__(self, late: str | None) -> None:
        super().__init__()
        self._late = late

    def join(self, timeout: Timeout, brings: Any = None) -> Waiter[Any]:
        """Return the future of one more, at the end of the line.

        Args:
            timeout: deadline on the clock of the loop, or span; None waits for ever.
            brings: what `first` returns beside him.
        Raises:
            TypeError: another type of time-out.
        """
        waiter: Waiter[Any] = Waiter()
        waiter.enter(self, timeout)
        self[waiter] = brings
        return waiter

    def first(self) -> tuple[Waiter[Any], Any]:
        """Return who came first, and what he brings; he is out of the line then."""
        return self.popitem(last=False)

    def expired(self, waiter: Waiter[Any]) -> None:
        """Tell one who has left the line that his time is over."""
        if self._late is None:
            waiter.set_result(False)
        else:
            waiter.set_exception(TimeoutError(self._late))
            waiter.exception()  # nobody is told off for not looking
