"""`VirtualClockLoop`: time that jumps, and only when it may."""

import asyncio
import datetime
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from toolkit import gen
from toolkit.ioloop import IOLoop, PeriodicCallback
from toolkit.locks import Condition
from toolkit.testing import AsyncTestCase, gen_test
from toolkit.testing.clock import START, DeadlockError, VirtualClockLoop

pytestmark = pytest.mark.feature("A24")

Main = Callable[[VirtualClockLoop], Awaitable[object]]


def run(main: Main, **options: object) -> object:
    """Run a coroutine function on a virtual loop, to which it is given."""

    async def call() -> object:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        return await main(loop)

    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(**options)) as runner:
        return runner.run(call())


# -- by itself ---------------------------------------------------------------------------


def test_time_starts_at_a_known_value() -> None:
    """Each run has the same times."""

    async def main(loop: VirtualClockLoop) -> list[float]:
        return [loop.time(), IOLoop.current().time()]

    assert run(main) == [START, START]
    assert run(main, start=5.0) == [5.0, 5.0]


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3600, 86400 * 400])
def test_a_sleep_takes_its_time_on_the_clock_alone(seconds: float) -> None:
    """More than a year passes, of which asyncio waits for a day at most in one go."""

    async def main(loop: VirtualClockLoop) -> float:
        await asyncio.sleep(seconds)
        return loop.time()

    began = time.monotonic()
    assert run(main) == pytest.approx(START + seconds, rel=1e-15, abs=0)
    # Not how fast it is, but that nobody slept.
    assert seconds < 3600 or time.monotonic() - began < seconds


def test_timers_fire_in_order_each_at_its_own_time() -> None:
    """However they were scheduled, and with one cancelled."""

    async def main(loop: VirtualClockLoop) -> list[float]:
        seen: list[float] = []
        for delay in (3, 1, 2):
            loop.call_later(delay, lambda: seen.append(loop.time() - START))
        loop.call_later(1.5, seen.append, -1.0).cancel()
        IOLoop.current().add_timeout(
            datetime.timedelta(seconds=2.5), lambda: seen.append(loop.time() - START)
        )
        await asyncio.sleep(4)
        return seen

    assert run(main) == [1, 2, 2.5, 3]


def test_asyncio_timeout_expires_at_its_time() -> None:
    """It interrupts a wait for something that never comes."""

    async def main(loop: VirtualClockLoop) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return loop.time() - START

    assert run(main) == 30


def test_time_outs_of_the_toolkit_follow_the_clock() -> None:
    """Periodic callbacks, a lock's time-out, `with_timeout` and `gen.sleep`."""

    async def main(loop: VirtualClockLoop) -> tuple[float, int]:
        ticks: list[float] = []
        periodic = PeriodicCallback(lambda: ticks.append(loop.time()), 60_000)
        periodic.start()
        assert await Condition().wait(timeout=datetime.timedelta(hours=1)) is False
        with pytest.raises(TimeoutError):
            await gen.with_timeout(datetime.timedelta(hours=2), asyncio.Future())
        await gen.sleep(1800.5)
        periodic.stop()
        return loop.time() - START, len(ticks)

    assert run(main) == (3.5 * 3600 + 0.5, 210)


def test_ready_callbacks_come_before_time() -> None:
    """A chain of callbacks runs to its end before a timer of 1 ns fires."""

    async def main(loop: VirtualClockLoop) -> list[str]:
        seen: list[str] = []
        loop.call_later(1e-9, seen.append, "timer")

        def chain(left: int) -> None:
            seen.append("callback")
            if left:
                loop.call_soon(chain, left - 1)

        chain(2)
        await asyncio.sleep(1)
        return seen

    assert run(main) == ["callback"] * 3 + ["timer"]


# -- what time waits for -----------------------------------------------------------------


def test_sockets_come_before_time() -> None:
    """Bytes go through a real connection within a time-out of a virtual microsecond."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(100_000))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main(loop: VirtualClockLoop) -> float:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(1e-6):
            writer.write(bytes(100_000))
            assert await reader.read() == bytes(100_000)
        writer.close()
        await writer.wait_closed()
        server.close()
        return loop.time()

    assert run(main, io_grace=1.0) == START


def test_time_stands_still_while_a_thread_of_the_executor_works() -> None:
    """The thread ends only when a real socket, and not the clock, has woken it."""

    async def main(loop: VirtualClockLoop) -> float:
        release = threading.Event()

        async def ring() -> None:
            await asyncio.sleep(0)
            release.set()

        ringing = asyncio.create_task(ring())
        async with asyncio.timeout(1):
            # Longer than the loop would poll.
            await asyncio.to_thread(lambda: release.wait() and time.sleep(0.05))
        await ringing
        now = loop.time()
        await asyncio.sleep(1)
        assert loop.time() == now + 1
        return now

    assert run(main) == START


def test_hold_stops_time_for_work_that_the_loop_cannot_see() -> None:
    """A thread of the test's own wakes the loop before the time-out does."""

    async def main(loop: VirtualClockLoop) -> float:
        woken = asyncio.Event()

        def work() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(woken.set)

        thread = threading.Thread(target=work)
        with loop.hold():
            thread.start()
            async with asyncio.timeout(1):
                await woken.wait()
        thread.join()
        return loop.time()

    assert run(main) == START


def test_a_loop_whose_executor_was_used_closes_in_silence() -> None:
    """The limit of five minutes on the end of its threads does not come by a jump."""

    async def main(loop: VirtualClockLoop) -> int:
        return await loop.run_in_executor(None, max, 1, 2)

    assert run(main) == 2


# -- by hand -----------------------------------------------------------------------------


def test_advance_runs_each_timer_on_its_way() -> None:
    """What is due at the very end has been done too, with all that follows at once."""

    async def main(loop: VirtualClockLoop) -> list[float]:
        seen: list[float] = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                await asyncio.sleep(0)
                seen.append(loop.time() - START)

        ticking = asyncio.create_task(tick())
        await loop.advance(2.5)
        assert seen == [1, 2]
        await loop.advance(0.5)
        ticking.cancel()
        return seen

    assert run(main, auto=False) == [1, 2, 3]
    assert run(main, auto=True) == [1, 2, 3]


def test_time_moves_by_hand_alone_if_so_asked() -> None:
    """The loop is idle with a timer waiting, and stays at its time."""

    async def main(loop: VirtualClockLoop) -> None:
        fired: list[float] = []
        loop.call_later(1, lambda: fired.append(loop.time()))
        await loop.idle()
        await loop.idle()
        assert (loop.time(), fired) == (START, [])
        await loop.advance(0.5)
        assert (loop.time(), fired) == (START + 0.5, [])
        await asyncio.gather(loop.advance(1), loop.advance(100_000))
        assert (loop.time(), fired) == (START + 100_000.5, [START + 1])

    run(main, auto=False)


def test_a_cancelled_advance_moves_time_no_more() -> None:
    """Its deadline is forgotten with it."""

    async def main(loop: VirtualClockLoop) -> None:
        advancing = asyncio.create_task(loop.advance(10))
        loop.call_later(3, advancing.cancel)
        with pytest.raises(asyncio.CancelledError):
            await advancing
        loop.call_later(1, lambda: None)
        await loop.idle()
        await loop.idle()
        assert loop.time() == START + 3

    run(main, auto=False)


def test_time_does_not_go_back() -> None:
    """A negative step is refused."""

    async def main(loop: VirtualClockLoop) -> None:
        with pytest.raises(ValueError, match=r"advance by -1 seconds"):
            await loop.advance(-1)

    run(main)


def test_idle_returns_when_the_others_wait() -> None:
    """They have done all that takes no time, and nothing that takes some."""

    async def main(loop: VirtualClockLoop) -> None:
        steps: list[int] = []

        async def walk() -> None:
            for step in range(50):
                await asyncio.sleep(0)
                steps.append(step)
            await asyncio.sleep(1)
            steps.append(50)

        walking = asyncio.create_task(walk())
        await loop.idle()
        assert (steps, loop.time()) == (list(range(50)), START)
        await walking
        assert steps[-1] == 50

    run(main)


# -- deadlocks ---------------------------------------------------------------------------


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    """Instead of hanging."""

    async def forgotten() -> None:
        await asyncio.Event().wait()

    async def main(_loop: VirtualClockLoop) -> None:
        await asyncio.create_task(forgotten())

    with pytest.raises(DeadlockError, match=r"nothing is scheduled; waiting: .*forgotten\(\)"):
        run(main, detect_deadlock=True)


def test_a_timer_that_nobody_advances_to_is_a_deadlock() -> None:
    """With a clock that moves by hand."""

    async def main(_loop: VirtualClockLoop) -> None:
        await asyncio.sleep(7)

    with pytest.raises(DeadlockError, match=r"nobody advances the clock by the 7\.0 s"):
        run(main, auto=False, detect_deadlock=True)


def test_a_thread_at_work_is_no_deadlock() -> None:
    """Nor is `hold`."""

    async def main(loop: VirtualClockLoop) -> str:
        await asyncio.to_thread(time.sleep, 0.02)
        future = loop.create_future()
        timer = threading.Timer(0.02, loop.call_soon_threadsafe, [future.set_result, "done"])
        timer.start()
        with loop.hold():
            return await future

    assert run(main, detect_deadlock=True) == "done"


# -- with the tools around ---------------------------------------------------------------


def test_an_async_test_case_takes_the_loop() -> None:
    """An hour in a test, and a wait that ends by its time-out, cost no time."""

    class Case(AsyncTestCase):
        def get_new_ioloop(self) -> IOLoop:
            return IOLoop(asyncio_loop=VirtualClockLoop(), make_current=False)

        @gen_test(timeout=4000)
        async def test_hour(self) -> None:
            await asyncio.sleep(3600)
            assert self.io_loop.time() == START + 3600

        def test_wait(self) -> None:
            self.io_loop.call_later(99, self.stop, "stopped")
            assert self.wait(timeout=100) == "stopped"
            with pytest.raises(AssertionError, match="timed out after 1000 seconds"):
                self.wait(timeout=1000)

    result = unittest.TestResult()
    for name in ("test_hour", "test_wait"):
        Case(name).run(result)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


PLUGIN = """
from toolkit.testing.clock import VirtualClockLoop

def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualClockLoop}
"""
TEST = """
import asyncio
import pytest

@pytest.mark.asyncio
async def test_week():
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(7 * 86400)
    assert asyncio.get_running_loop().time() == before + 7 * 86400
"""


def test_pytest_asyncio_takes_the_loop(tmp_path: Path) -> None:
    """As the module's docstring shows it."""
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_week.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
