"""Locks for coroutines of one event loop: like those of `threading`, but nothing blocks.

Each of them serves those who wait in the order in which they came. Waiting takes effect when the
method is called, not when its future is awaited. A time-out is a deadline on the clock of the
loop, as a float, or a span from now, as a timedelta.

A task that is cancelled while it waits leaves at once. If it was served in the same turn of the
loop, what it got goes to the next: neither a permit nor a notification is ever lost.

Example::

    lock = locks.Lock()

    async def write(line):
        async with lock:
            await stream.write(line)
"""

import functools
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NoReturn

from toolkit.concurrent import Future, Line, Timeout

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]


class Condition:
    """Lets some coroutines wait until others notify them; it has no lock of its own.

    Example::

        condition = locks.Condition()

        async def consumer():
            while not items:
                await condition.wait()

        def producer(item):
            items.append(item)
            condition.notify()
    """

    def __init__(self) -> None:
        self._waiters = Line(late=None)
        self._arrivals = 0

    def __repr__(self) -> str:
        waiting = f" waiters[{len(self._waiters)}]" if self._waiters else ""
        return f"<{type(self).__name__}{waiting}>"

    def wait(self, timeout: Timeout = None) -> "Future[bool]":
        """Return a future that is True when notified, False after the time-out."""
        self._arrivals += 1
        return self._waiters.join(timeout, brings=self._arrivals)

    def notify(self, n: int = 1) -> None:
        """Wake `n` of those who wait."""
        self._wake(n, self._arrivals)

    def notify_all(self) -> None:
        """Wake all who wait."""
        self._wake(len(self._waiters), self._arrivals)

    def _wake(self, n: int, arrivals: int) -> None:
        for _ in range(min(n, len(self._waiters))):
            waiter, _ = self._waiters.first()
            waiter.hand(True, functools.partial(self._pass_on, arrivals))

    def _pass_on(self, arrivals: int, _result: bool) -> None:
        """Wake the next one, if he was waiting already at the time of the notification."""
        if self._waiters and next(iter(self._waiters.values())) <= arrivals:
            self._wake(1, arrivals)


class Event:
    """Lets coroutines wait until something has happened.

    Example::

        ready = locks.Event()

        async def client():
            await ready.wait()

        async def server():
            await listen()
            ready.set()
    """

    def __init__(self) -> None:
        self._set = False
        self._waiters = Line(late="the event was not set in time")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'set' if self._set else 'clear'}>"

    def is_set(self) -> bool:
        """Say whether the event is set."""
        return self._set

    def set(self) -> None:
        """Wake all who wait, and let nobody wait until `clear`."""
        self._set = True
        while self._waiters:
            waiter, _ = self._waiters.first()
            waiter.hand(None)

    def clear(self) -> None:
        """Let those wait who come from now on."""
        self._set = False

    def wait(self, timeout: Timeout = None) -> "Future[None]":
        """Return a future that is done when the event is set, at once if it is.

        After the time-out it has a `TimeoutError`.
        """
        if not self._set:
            return self._waiters.join(timeout)
        future: Future[None] = Future()
        future.set_result(None)
        return future


class _Permit:
    """Releases what was acquired at the end of a ``with``."""

    __slots__ = ("_owner",)

    def __init__(self, owner: "Semaphore") -> None:
        self._owner = owner

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._owner.release()


class Semaphore:
    """Lets a number of coroutines in at the same time, and the others wait.

    Example::

        few = locks.Semaphore(10)

        async def fetch(url):
            async with few:
                return await client.fetch(url)

    Args:
        value: how many are let in.
    Raises:
        ValueError: `value` is negative.
    """

    # While somebody waits no permit is free: one that is given back goes straight to him.

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError(f"semaphore initial value must be >= 0, not {value!r}")
        self._value = value
        self._waiters = Line(late="no permit was free in time")

    def __repr__(self) -> str:
        state = f"unlocked,value:{self._value}" if self._value else "locked"
        if self._waiters:
            state += f",waiters:{len(self._waiters)}"
        return f"{object.__repr__(self)[:-1]} [{state}]>"

    def release(self) -> None:
        """Give a permit back, or one more than there were: the next one who waits gets it."""
        self._free()

    def _free(self, _permit: _Permit | None = None) -> None:
        if self._waiters:
            waiter, _ = self._waiters.first()
            waiter.hand(_Permit(self), self._free)
        else:
            self._value += 1

    def acquire(self, timeout: Timeout = None) -> "Future[AbstractContextManager[None]]":
        """Return a future that is done when a permit was taken, at once if one is free.

        Its result releases the permit at the end of a ``with``; a plain `release` does so too.
        After the time-out it has a `TimeoutError`.
        """
        if not self._value:
            return self._waiters.join(timeout)
        self._value -= 1
        future: Future[AbstractContextManager[None]] = Future()
        future.set_result(_Permit(self))
        return future

    def __enter__(self) -> NoReturn:
        raise RuntimeError(
            f"Use `async with` instead of `with` for {type(self).__name__}, "
            "or `with` for what `await acquire()` returns"
        )

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stand beside `__enter__`, which lets nobody in."""

    async def __aenter__(self) -> None:
        if self._value:
            self._value -= 1
        else:
            await self.acquire()

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """A `Semaphore` that notices when it is released more often than acquired."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._initial_value = value

    def release(self) -> None:
        """Give a permit back: the next one who waits gets it.

        Raises:
            ValueError: all permits are free.
        """
        if self._value >= self._initial_value:
            raise ValueError("Semaphore released too many times")
        self._free()


class Lock(BoundedSemaphore):
    """Lets one coroutine in at a time; any may release it.

    Example::

        lock = locks.Lock()

        async def write(line):
            async with lock:
                await stream.write(line)
    """

    def __init__(self) -> None:
        super().__init__(1)

    def release(self) -> None:
        """Unlock: the first one who waits has the lock then.

        Raises:
            RuntimeError: it is not locked.
        """
        if self._value:
            raise RuntimeError("release unlocked lock")
        self._free()
