"""How long the parts of a request may take, and what ends them."""

import asyncio
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from toolkit.httpclient.errors import HTTPTimeoutError


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that the parts of a request may take; None for no limit.

    Attributes:
        pool: to wait for a connection while there are as many as may be.
        connect: to look the host up and to connect, for each connection.
        tls: to agree on TLS, after that.
        first_byte: from the request being sent until the response begins.
        read: between two pieces of a response.
        write: for a piece of the content to be taken.
        whole: for everything, redirects, retries and the response's content included.
    """

    pool: float | None = None
    connect: float | None = 20.0
    tls: float | None = None
    first_byte: float | None = None
    read: float | None = None
    write: float | None = None
    whole: float | None = 20.0

    @classmethod
    def of(cls, value: "Timeouts | float | None") -> "Timeouts":
        """Return time-outs as they are; a number limits the whole, None nothing."""
        if isinstance(value, Timeouts):
            return value
        return cls(connect=None, whole=value)


#: Seconds that a timer may go off too early: uvloop's have milliseconds.
TICK = 0.001

T = TypeVar("T", bound=Hashable)

NO_TIMEOUTS = Timeouts(connect=None, whole=None)


class Limit:
    """Bounds the time of a block, as `asyncio.timeout` does, and says what took too long.

    Example::

        with Limit(loop, loop.time() + 5, "Timeout while connecting"):
            await connect()

    Args:
        deadline: of the loop's clock; None for no limit.
        message: of the HTTPTimeoutError that the block ends with when it is not done by then.
    """

    __slots__ = ("_cancelling", "_deadline", "_expired", "_loop", "_message", "_task", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deadline: float | None, message: str
    ) -> None:
        self._loop = loop
        self._deadline = deadline
        self._message = message
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False

    def __enter__(self) -> Self:
        if self._deadline is not None:
            task = asyncio.current_task()
            assert task is not None
            self._task = task
            self._cancelling = task.cancelling()
            self._timer = self._loop.call_at(self._deadline, self._expire)
        return self

    def _expire(self) -> None:
        self._timer = None
        self._expired = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif self._expired:
            # Another cancellation may have come as well, and is to be obeyed.
            others = self._task.uncancel() > self._cancelling
            if not others and kind is asyncio.CancelledError:
                raise HTTPTimeoutError(self._message) from None


class Deadlines(Generic[T]):
    """Bounds the time of many things by one timer, which waits for the first of their deadlines.

    Nearly all are done long before. Another timer is started only where a deadline is earlier
    than all that there were, so that requests with the same time-out take none.

    Args:
        expired: called with a thing whose time is up, and which is forgotten then.
    """

    __slots__ = ("_deadlines", "_expired", "_loop", "_next", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[T], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._deadlines: dict[T, float] = {}
        self._next = math.inf  # when the timer goes off
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T, deadline: float) -> None:
        """Give a thing time, by the loop's clock."""
        self._deadlines[item] = deadline
        if deadline < self._next:
            self._wait_until(deadline)

    def discard(self, item: T) -> None:
        """Forget a thing that is done, if it is here."""
        self._deadlines.pop(item, None)

    def close(self) -> None:
        """Let the time of all things be unbounded."""
        self._deadlines.clear()
        self._wait_until(math.inf)

    def _wait_until(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        forever = deadline == math.inf
        self._timer = None if forever else self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time() + TICK
        for item in [item for item, deadline in self._deadlines.items() if deadline <= now]:
            if self._deadlines.pop(item, None) is not None:
                self._expired(item)
        self._wait_until(min(self._deadlines.values(), default=math.inf))


def earliest(*deadlines: float | None) -> float | None:
    """Return the first of some moments; None stands for never."""
    return min([moment for moment in deadlines if moment is not None], default=None)
