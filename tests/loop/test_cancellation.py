"""Locks and queues lose nothing, whoever is cancelled or timed out at whatever moment.

Random programs of a few dozen steps: tasks come to wait, are served, cancelled and timed out,
with or without a turn of the loop in between. A model says what must come out.
"""

import asyncio
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import examples
from toolkit import gen
from toolkit.locks import BoundedSemaphore, Condition, Event, Lock, Semaphore
from toolkit.queues import (
    LifoQueue,
    PriorityQueue,
    Queue,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
)

#: Enough turns for whatever can follow from one step: served, chained, woken, given back.
SETTLE = 8
#: Far longer than any program: a time-out that never comes.
LONG = timedelta(seconds=10_000)


class ClockLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still until it is moved."""

    now = 0.0

    def time(self) -> float:
        """Return what the clock was set to."""
        return self.now

    def turn(self, turns: int = 1) -> None:
        """Run what is ready, and nothing that becomes so meanwhile, a number of times."""
        for _ in range(turns):
            self.call_soon(self.stop)
            self.run_forever()


@pytest.fixture(scope="module")
def loop() -> Iterator[ClockLoop]:
    """Make one loop for all programs."""
    loop = ClockLoop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


def programs(usual: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test on random programs: bytes, each of them a step."""
    limits = settings(max_examples=examples(usual), derandomize=True, database=None, deadline=None)
    return lambda test: limits(given(program=st.binary(min_size=8, max_size=40))(test))


class Wait:
    """A coroutine that waits for one future.

    Args:
        begin: returns the future, when the coroutine comes to wait.
        got: is told the result.
        how: 0 for a task, 1 for a generator coroutine, 2 for a task with a limit around the wait.
    """

    def __init__(
        self,
        begin: Callable[[], "asyncio.Future[Any]"],
        got: Callable[[Any], object],
        how: int,
    ) -> None:
        self.future: asyncio.Future[Any] | None = None
        self.ended = False
        self.cancelled = False
        self._begin = begin
        self._got = got
        self.task = self._generator() if how == 1 else asyncio.ensure_future(self._native(how))

    def _start(self) -> "asyncio.Future[Any]":
        self.future = self._begin()
        return self.future

    async def _native(self, how: int) -> None:
        try:
            future = self._start()
            self._got(await (gen.with_timeout(LONG, future) if how == 2 else future))
        except (TimeoutError, QueueShutDown, asyncio.CancelledError):
            pass
        self.ended = True

    @gen.coroutine
    def _generator(self) -> Any:
        try:
            self._got((yield self._start()))
        except (TimeoutError, QueueShutDown, asyncio.CancelledError):
            pass
        self.ended = True

    def cancel(self) -> None:
        """Cancel the coroutine."""
        self.cancelled = True
        self.task.cancel()

    @property
    def served(self) -> bool:
        """Whether the future has its result."""
        return self.future is not None and succeeded(self.future)

    @property
    def over(self) -> bool:
        """Whether the coroutine has ended, or was cancelled before it began."""
        return self.ended or (self.future is None and self.task.done())


def succeeded(future: "asyncio.Future[Any]") -> bool:
    """Say whether a future has a result, and not an exception."""
    return future.done() and not future.cancelled() and future.exception() is None


class Program:
    """What the programs have in common.

    Attributes:
        waits: all tasks, in the order in which they were started.
    """

    steps: tuple[str, ...]

    def __init__(self, loop: ClockLoop) -> None:
        self.loop = loop
        self.waits: list[Wait] = []

    def run(self, program: bytes) -> None:
        """Take all steps, and check what came of them."""
        for byte in program:
            step = self.steps[byte % len(self.steps)]
            getattr(self, step)(byte // len(self.steps))
        self.settle(0)
        self.finish()
        self.loop.turn(SETTLE)
        assert not self.pending()

    def start(
        self, begin: Callable[[], "asyncio.Future[Any]"], got: Callable[[Any], object], how: int = 0
    ) -> Wait:
        """Start one more that waits."""
        wait = Wait(begin, got, how)
        self.waits.append(wait)
        return wait

    def pending(self) -> list[Wait]:
        """Return those who have not ended."""
        return [wait for wait in self.waits if not wait.over]

    def cancel(self, number: int) -> Wait | None:
        """Cancel one that waits and was not cancelled before."""
        pending = [wait for wait in self.pending() if not wait.cancelled]
        if not pending:
            return None
        wait = pending[number % len(pending)]
        wait.cancel()
        return wait

    def timeout(self, number: int) -> float | timedelta | None:
        """Return one of several time-outs, most of them none."""
        return (None, self.loop.now + 1, None, timedelta(seconds=2), None)[number % 5]

    def turn(self, _: int) -> None:
        """Run the loop once."""
        self.loop.turn()

    def tick(self, _: int) -> None:
        """Let a second pass, after all that is under way."""
        self.loop.turn()
        self.loop.now += 1
        self.loop.turn()

    def settle(self, _: int) -> None:
        """Run the loop until all is quiet, and check the state."""
        self.loop.turn(SETTLE)
        self.check()

    def check(self) -> None:
        """Compare with the model while all is quiet."""
        raise NotImplementedError

    def finish(self) -> None:
        """Let everybody end, and check the rest."""
        raise NotImplementedError


# -- permits -----------------------------------------------------------------------------


class Permits(Program):
    """A lock or semaphore: as many hold a permit as there are, in the order in which they came."""

    steps = ("acquire", "acquire", "release", "cancel", "cancel", "turn", "tick", "settle")

    def __init__(self, loop: ClockLoop, semaphore: Semaphore | Lock, permits: int) -> None:
        super().__init__(loop)
        self.semaphore = semaphore
        self.permits = permits
        self.held = 0
        self.tickets = itertools.count()
        self.last_served = -1

    def acquire(self, number: int) -> None:
        """Start one that acquires a permit."""
        timeout = self.timeout(number)

        def begin() -> "asyncio.Future[Any]":
            future = self.semaphore.acquire(timeout)
            future.add_done_callback(functools.partial(self.served, next(self.tickets)))
            return future

        self.start(begin, self.got, how=number % 3)

    def served(self, ticket: int, future: "asyncio.Future[Any]") -> None:
        """Check the order."""
        if succeeded(future):
            assert ticket > self.last_served, "somebody was overtaken"
            self.last_served = ticket

    def got(self, _permit: object) -> None:
        """Count a permit that arrived."""
        self.held += 1
        assert self.held <= self.permits, "a permit was doubled"

    def release(self, _: int) -> None:
        """Release a permit, if one is held."""
        if self.held:
            self.held -= 1
            self.semaphore.release()

    def check(self) -> None:
        assert not self.pending() or self.held == self.permits, "somebody waits for a free permit"

    def finish(self) -> None:
        while self.held:
            self.release(0)
            self.settle(0)
        assert not self.pending(), "a permit was lost"
        taken = [self.semaphore.acquire() for _ in range(self.permits)]
        assert all(future.done() for future in taken), "a permit was lost"
        extra = self.semaphore.acquire()
        assert not extra.done(), "a permit was doubled"
        extra.cancel()
        assert "waiters" not in repr(self.semaphore), "somebody was left behind"


PERMITS: dict[str, tuple[Callable[[], Semaphore | Lock], int]] = {
    "lock": (Lock, 1),
    "semaphore": (lambda: Semaphore(3), 3),
    "bounded": (lambda: BoundedSemaphore(2), 2),
}


@pytest.mark.feature("A08")
@pytest.mark.parametrize("kind", PERMITS)
@programs(1200)
def test_no_permit_is_lost_or_doubled(loop: ClockLoop, kind: str, program: bytes) -> None:
    make, permits = PERMITS[kind]
    Permits(loop, make(), permits).run(program)


# -- notifications -----------------------------------------------------------------------


class Sleepers(Program):
    """The model of those who wait to be woken.

    Attributes:
        asleep: who waits, in the order in which they came, and when the wait is over.
    """

    def __init__(self, loop: ClockLoop, waited_for: Condition | Event) -> None:
        super().__init__(loop)
        self.waited_for = waited_for
        self.asleep: dict[Wait, float] = {}
        self.true = 0

    def wait(self, number: int) -> None:
        """Start one that waits."""
        timeout = self.timeout(number)

        def begin() -> "asyncio.Future[Any]":
            future = self.waited_for.wait(timeout)
            if not future.done():
                end = timeout
                if isinstance(timeout, timedelta):
                    end = self.loop.now + timeout.total_seconds()
                self.asleep[wait] = math.inf if end is None else end
            return future

        wait = self.start(begin, self.got)

    def got(self, result: bool | None) -> None:
        """Count who was notified."""
        self.true += result is True

    def cancel(self, number: int) -> Wait | None:
        wait = super().cancel(number)
        self.asleep.pop(wait, None)
        return wait

    def tick(self, number: int) -> None:
        super().tick(number)
        for wait in [wait for wait, end in self.asleep.items() if end <= self.loop.now]:
            del self.asleep[wait]

    def check(self) -> None:
        assert self.pending() == list(self.asleep), "the wrong ones wait"


class Notifications(Sleepers):
    """A condition: those who wait longest are woken, and nobody who came after the notification."""

    steps = ("wait", "wait", "notify", "notify_all", "cancel", "cancel", "turn", "tick", "settle")

    def __init__(self, loop: ClockLoop) -> None:
        self.condition = Condition()
        super().__init__(loop, self.condition)
        #: Who was notified, and who else might have been.
        self.woken: dict[Wait, set[Wait]] = {}

    def notify(self, number: int) -> None:
        """Notify a few."""
        self.wake(number % 3, set(self.asleep))
        self.condition.notify(number % 3)

    def notify_all(self, _: int) -> None:
        """Notify all."""
        self.wake(len(self.asleep), set(self.asleep))
        self.condition.notify_all()

    def wake(self, n: int, entitled: set[Wait]) -> None:
        """Wake the first in the model."""
        for wait in [wait for wait in self.asleep if wait in entitled][:n]:
            del self.asleep[wait]
            self.woken[wait] = entitled

    def cancel(self, number: int) -> Wait | None:
        wait = super().cancel(number)
        if wait in self.woken:
            # He is still under way: the notification goes on to the next.
            self.wake(1, self.woken.pop(wait))
        return wait

    def check(self) -> None:
        super().check()
        assert self.true == len(self.woken)

    def finish(self) -> None:
        assert repr(self.condition).count("waiters") == bool(self.asleep)
        self.notify_all(0)
        self.settle(0)
        assert repr(self.condition) == "<Condition>"


@pytest.mark.feature("A08")
@programs(1500)
def test_no_notification_is_lost(loop: ClockLoop, program: bytes) -> None:
    Notifications(loop).run(program)


class Happenings(Sleepers):
    """An event: all who wait go on when it is set, and nobody before."""

    steps = ("wait", "wait", "set", "clear", "cancel", "turn", "tick", "settle")

    def __init__(self, loop: ClockLoop) -> None:
        self.event = Event()
        super().__init__(loop, self.event)

    def set(self, _: int) -> None:
        """Set the event."""
        self.asleep.clear()
        self.event.set()

    def clear(self, _: int) -> None:
        """Clear the event."""
        self.event.clear()

    def finish(self) -> None:
        self.set(0)
        self.settle(0)


@pytest.mark.feature("A08")
@programs(900)
def test_an_event_wakes_those_who_wait(loop: ClockLoop, program: bytes) -> None:
    Happenings(loop).run(program)


# -- items -------------------------------------------------------------------------------


class Items(Program):
    """A queue: what was put in comes out once, in order, or is still there."""

    steps = (
        *("put", "put", "get", "get", "put_nowait", "get_nowait"),
        *("cancel", "cancel", "cancel", "turn", "tick", "settle", "shutdown"),
    )

    def __init__(self, loop: ClockLoop, queue: "Queue[tuple[int, int]]") -> None:
        super().__init__(loop)
        self.queue = queue
        self.numbers = itertools.count()
        self.puts: list[tuple[tuple[int, int], asyncio.Future[None]]] = []
        self.accepted: list[tuple[int, int]] = []
        self.received: list[tuple[int, int]] = []
        self.getters: list[Wait] = []
        self.putters: list[Wait] = []
        self.given_back = False
        self.shut_down = self.dropped = False

    def item(self, number: int) -> tuple[int, int]:
        """Make an item that no other is equal to, with a priority."""
        return number % 3, next(self.numbers)

    def put(self, number: int) -> None:
        """Start one that puts an item in."""
        timeout = self.timeout(number)

        def begin() -> "asyncio.Future[None]":
            item = self.item(number)
            future = self.queue.put(item, timeout)
            self.puts.append((item, future))
            return future

        self.putters.append(self.start(begin, bool, how=number % 3))

    def get(self, number: int) -> None:
        """Start one that gets an item."""
        timeout = self.timeout(number)
        wait = self.start(lambda: self.queue.get(timeout), self.received.append, how=number % 3)
        self.getters.append(wait)

    def put_nowait(self, number: int) -> None:
        """Put an item in at once, if there is room."""
        item = self.item(number)
        try:
            self.queue.put_nowait(item)
        except QueueFull:
            assert self.queue.full()
        except QueueShutDown:
            assert self.shut_down
        else:
            self.accepted.append(item)

    def get_nowait(self, _: int) -> None:
        """Get an item at once, if there is one."""
        try:
            self.received.append(self.queue.get_nowait())
        except QueueEmpty:
            assert self.queue.empty()
        except QueueShutDown:
            assert self.shut_down

    def cancel(self, number: int) -> Wait | None:
        wait = super().cancel(number)
        self.given_back |= wait is not None and wait.served
        return wait

    def shutdown(self, number: int) -> None:
        """Shut down; seldom, since not much happens after it."""
        if number % 4 == 0:
            self.shut_down = True
            self.dropped |= number % 8 == 0
            self.queue.shutdown(immediate=number % 8 == 0)

    def check(self) -> None:
        getters = [wait for wait in self.getters if not wait.over]
        putters = [wait for wait in self.putters if not wait.over]
        assert not getters or self.queue.empty(), "somebody waits for an item that is there"
        assert not putters or self.queue.full(), "somebody waits for room that is there"
        assert not (self.shut_down and (getters or putters)), "somebody waits in vain"

    def finish(self) -> None:
        for wait in self.pending():
            wait.cancel()
        self.settle(0)
        assert "ters[" not in repr(self.queue), "somebody was left behind"
        rest = []
        while not self.queue.empty():
            rest.append(self.queue.get_nowait())
        self.check_items([*self.received, *rest])
        if not self.given_back:
            self.check_order(rest)

    def check_items(self, out: list[tuple[int, int]]) -> None:
        """Check that each item came out once, and is accounted for."""
        accepted = {*self.accepted, *(item for item, future in self.puts if succeeded(future))}
        assert len(out) == len(set(out)), "an item was doubled"
        assert set(out) <= accepted, "an item came that was not accepted"
        assert self.dropped or set(out) == accepted, "an item was lost"
        assert not out or not self.queue.join().done()
        for _ in out:
            self.queue.task_done()
        assert self.queue.join().done()
        with pytest.raises(ValueError, match="too many"):
            self.queue.task_done()

    def check_order(self, rest: list[tuple[int, int]]) -> None:
        """Check the order of the items that were left at the end."""
        if isinstance(self.queue, PriorityQueue):
            assert rest == sorted(rest)
        elif isinstance(self.queue, LifoQueue):
            assert rest == sorted(rest, key=lambda item: item[1], reverse=True)
        else:
            assert rest == sorted(rest, key=lambda item: item[1])


QUEUES: dict[str, Callable[[], "Queue[tuple[int, int]]"]] = {
    "fifo": lambda: Queue(2),
    "fifo-endless": Queue,
    "priority": lambda: PriorityQueue(3),
    "lifo": lambda: LifoQueue(1),
}


@pytest.mark.feature("A09")
@pytest.mark.parametrize("kind", QUEUES)
@programs(1000)
def test_no_item_is_lost_or_doubled(loop: ClockLoop, kind: str, program: bytes) -> None:
    Items(loop, QUEUES[kind]()).run(program)
