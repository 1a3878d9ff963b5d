"""`VirtualClockLoop`: an event loop for tests, whose time jumps instead of passing.

When nothing is ready to run, the time of the loop jumps to its next timer. An hour of
`asyncio.sleep`, time-outs and periodic callbacks takes as long as the callbacks themselves,
and happens in the same order each time. Sockets are real ones: what they bring comes before
time goes on.

With asyncio alone::

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(main())

With pytest-asyncio, in ``conftest.py``::

    def pytest_asyncio_loop_factories(config, item):
        return {"virtual": VirtualClockLoop}

With `AsyncTestCase`, whose time-outs are then virtual too::

    class CacheTest(AsyncTestCase):
        def get_new_ioloop(self):
            return IOLoop(asyncio_loop=VirtualClockLoop(), make_current=False)
"""

import asyncio
import concurrent.futures
import contextlib
import math
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

#: What a new loop's `time` says. Steps of up to as much are exact in binary, as those from 0
#: are not.
START = 1000.0
#: Real seconds that sockets get to bring something before time jumps. The kernel hands over
#: what comes from the same machine within microseconds.
IO_GRACE = 0.001
#: Seconds by which asyncio's loops fire timers too early, that of the system's clock.
RESOLUTION = time.get_clock_info("monotonic").resolution
#: Tasks that the message of a deadlock names.
TASKS_NAMED = 10


class DeadlockError(RuntimeError):
    """Nothing is ready and no timer will fire, so that the program would wait for ever."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when there is nothing else to do.

    Time stands still while callbacks run, while sockets have something to read or write,
    and while the loop waits for an executor, `asyncio.to_thread` or `hold`.

    Example::

        async def main():
            loop = asyncio.get_running_loop()
            before = loop.time()
            await asyncio.sleep(3600)
            assert loop.time() - before == 3600

        with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
            runner.run(main())

    Args:
        start: what `time` says at first.
        auto: whether time jumps by itself; otherwise only `advance` moves it.
        detect_deadlock: raise DeadlockError out of the running loop when nothing will ever
            happen; otherwise it waits for sockets and threads, as any loop.
        io_grace: real seconds that sockets get to bring something before time jumps. Peers in
            other processes may need more, or `hold`.
    """

    def __init__(
        self,
        *,
        start: float = START,
        auto: bool = True,
        detect_deadlock: bool = False,
        io_grace: float = IO_GRACE,
    ) -> None:
        self._now = start
        self._auto = auto
        self._detect_deadlock = detect_deadlock
        self._holds = 0
        self._deadlines: list[float] = []  # how far each `advance` lets time jump
        self._idlers: list[asyncio.Future[None]] = []
        super().__init__(_Selector(self._when_idle, lambda: self._holds > 0, io_grace))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let time go on, timer by timer, and return when all that is due has been done.

        Raises:
            ValueError: less than 0 seconds.
        """
        if seconds < 0:
            raise ValueError(f"advance by {seconds} seconds; time only goes forward")
        deadline = self._now + seconds
        self._deadlines.append(deadline)
        try:
            reached = self.create_future()
            timer = self.call_at(deadline, _resolve, reached)
            try:
                await reached
            finally:
                timer.cancel()
        finally:
            self._deadlines.remove(deadline)
        await self.idle()

    async def idle(self) -> None:
        """Return when nothing is ready any more: all others wait for time, or for a peer."""
        idler = self.create_future()
        self._idlers.append(idler)
        await idler

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Stop time from jumping; for work that the loop cannot see, in threads and processes.

        Example::

            with loop.hold():
                await process.wait()
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[[Unpack[_Ts]], _T],
        *args: *_Ts,
    ) -> "asyncio.Future[_T]":
        """Call a function in a thread; time stands still meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._holds += 1
        future.add_done_callback(self._release)
        return future

    def _release(self, _future: "asyncio.Future[Any]") -> None:
        self._holds -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait until the threads of the default executor have ended, in real time."""
        with self.hold():
            await super().shutdown_default_executor(*args, **kwargs)

    def _when_idle(self, timeout: float | None) -> bool:
        """Do what is to be done when nothing is ready; False when there is nothing.

        Args:
            timeout: seconds until the next timer, None without one.
        """
        idlers, self._idlers = self._idlers, []
        if idlers:
            for idler in idlers:
                _resolve(idler)
            return True
        if timeout is not None and self._may_jump(timeout):
            self._jump(timeout)
            return True
        if self._detect_deadlock:
            raise DeadlockError(self._describe_deadlock(timeout))
        return False

    def _may_jump(self, timeout: float) -> bool:
        # Compared as the loop has computed it, so that rounding cannot come in between.
        return self._auto or any(timeout <= end - self._now for end in self._deadlines)

    def _jump(self, seconds: float) -> None:
        self._now += seconds
        if self._now + RESOLUTION == self._now:
            # asyncio fires what is due before `time() + RESOLUTION`. From some 97 days on that
            # is no more than `time()`, and the timer just reached would never be due.
            self._now = math.nextafter(self._now, math.inf)

    def _describe_deadlock(self, timeout: float | None) -> str:
        tasks = [repr(task) for task in asyncio.all_tasks(self)]
        if timeout is None:
            why = "nothing is ready and nothing is scheduled"
        else:
            why = f"nothing is ready, and nobody advances the clock by the {timeout} s to a timer"
        more = f" and {len(tasks) - TASKS_NAMED} more" if len(tasks) > TASKS_NAMED else ""
        return f"deadlock: {why}; waiting: {', '.join(tasks[:TASKS_NAMED]) or 'no task'}{more}"


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class _Selector(selectors.BaseSelector):
    """A selector that asks what to do, when it would have to wait.

    Args:
        when_idle: called with the seconds that it is to wait; True when there is work now.
        held: whether something is under way that is worth waiting for.
        grace: seconds to wait before either, when sockets are watched.
    """

    def __init__(
        self, when_idle: Callable[[float | None], bool], held: Callable[[], bool], grace: float
    ) -> None:
        self._inner = selectors.DefaultSelector()
        self._when_idle = when_idle
        self._held = held
        self._grace = grace

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self._inner.select(0)
        if self._held():
            return self._inner.select(None)
        # The first one watched is the loop's own, by which threads wake it.
        watching = len(self._inner.get_map()) > 1
        ready = self._inner.select(self._grace if watching else 0)
        if ready or self._when_idle(timeout):
            return ready
        return self._inner.select(None)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()
