"""`PeriodicCallback`: a steady pace that waits for slow runs."""

import asyncio
import datetime
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.loops import expect_log
from toolkit.ioloop import IOLoop, PeriodicCallback
from toolkit.ioloop.periodic import next_deadline
from toolkit.testing.clock import VirtualClockLoop


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test whose time jumps, so that its times are exact."""

    async def inner() -> None:
        await main()

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(inner())


class Clock:
    """Tells the time since it was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def __call__(self) -> float:
        return round(self._loop.time() - self._start, 6)


@pytest.mark.parametrize(
    ("last", "now", "deadline"),
    [
        (1000, 1000, 1010),
        (1000, 1009, 1010),
        (1000, 1010, 1020),
        (1000, 1011, 1020),
        (1000, 1035, 1040),
        (1000, 1040, 1050),
        (1000, 999, 1010),  # a timer that fired early
        (1000, 900, 1010),  # a clock that was set back
    ],
)
def test_the_next_call_comes_at_a_whole_number_of_periods(
    last: float, now: float, deadline: float
) -> None:
    assert next_deadline(last, now, 10) == deadline


@pytest.mark.feature("A03")
async def test_it_calls_again_and_again_until_stopped(loop_name: str) -> None:
    calls = 0
    enough = asyncio.Event()

    def callback() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            periodic.stop()
            enough.set()

    periodic = PeriodicCallback(callback, 1)
    assert not periodic.is_running()
    periodic.start()
    assert periodic.is_running()
    assert periodic.io_loop is IOLoop.current()
    await enough.wait()
    assert not periodic.is_running()
    later = asyncio.Event()
    IOLoop.current().call_later(0.02, later.set)
    await later.wait()
    assert calls == 3


@pytest.mark.feature("A03")
def test_slow_runs_never_overlap_and_missed_beats_are_skipped() -> None:
    async def main() -> None:
        seen = []
        clock = Clock()
        durations = iter([0, 9, 11, 25, 10, 0])
        enough = asyncio.Event()

        async def callback() -> None:
            began = clock()
            duration = next(durations, None)
            if duration is None:
                enough.set()
                return
            await asyncio.sleep(duration)
            seen.append((began, clock()))

        periodic = PeriodicCallback(callback, 10_000)
        periodic.start()
        await enough.wait()
        periodic.stop()
        assert seen == [(10, 10), (20, 29), (30, 41), (50, 75), (80, 90), (100, 100)]

    run(main)


@pytest.mark.feature("A03")
def test_jitter_varies_each_period_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0.5, 1.0, 0.0, 0.75, 0.5])
    monkeypatch.setattr(random, "random", lambda: next(draws))

    async def main() -> None:
        seen: list[float] = []
        clock = Clock()
        enough = asyncio.Event()

        def callback() -> None:
            seen.append(clock())
            if len(seen) == 4:
                periodic.stop()
                enough.set()

        periodic = PeriodicCallback(callback, 10_000, jitter=0.5)
        periodic.start()
        await enough.wait()
        assert seen == [10, 22.5, 30, 41.25]

    run(main)


@pytest.mark.feature("A03")
def test_what_it_raises_is_logged_and_the_pace_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        seen: list[float] = []
        clock = Clock()
        enough = asyncio.Event()

        def fail_at_once() -> None:
            raise ZeroDivisionError("at once")

        async def fail_later() -> None:
            await asyncio.sleep(1)
            raise ZeroDivisionError("later")

        def callback() -> Awaitable[None] | None:
            seen.append(clock())
            if len(seen) == 1:
                return fail_at_once()
            if len(seen) == 2:
                return fail_later()
            enough.set()
            return None

        periodic = PeriodicCallback(callback, 10_000)
        periodic.start()
        await enough.wait()
        periodic.stop()
        assert seen == [10, 20, 30]

    run(main)
    records = expect_log(caplog, "toolkit.application", "Exception in callback .*callback")
    assert [str(record.exc_info and record.exc_info[1]) for record in records] == [
        "at once",
        "later",
    ]


def test_a_run_that_is_cancelled_is_not_logged_and_the_pace_goes_on() -> None:
    async def main() -> None:
        started: asyncio.Queue[asyncio.Task[None] | None] = asyncio.Queue()

        async def callback() -> None:
            started.put_nowait(asyncio.current_task())
            await asyncio.Event().wait()

        def cancelled_at_once() -> None:
            started.put_nowait(None)
            raise asyncio.CancelledError

        periodic = PeriodicCallback(callback, 1000)
        periodic.start()
        for _ in range(3):
            task = await started.get()
            assert task is not None
            task.cancel()
        periodic.stop()
        periodic = PeriodicCallback(cancelled_at_once, 1000)
        periodic.start()
        for _ in range(3):
            await started.get()
        periodic.stop()

    run(main)


def test_a_restart_during_a_run_does_not_overlap_it() -> None:
    async def main() -> None:
        seen = []
        clock = Clock()
        enough = asyncio.Event()

        async def callback() -> None:
            began = clock()
            await asyncio.sleep(25)
            seen.append((began, clock()))
            if len(seen) == 2:
                enough.set()

        periodic = PeriodicCallback(callback, 10_000)
        periodic.start()
        await asyncio.sleep(11)
        periodic.stop()
        periodic.start()  # at 11, a new pace
        periodic.start()  # once more changes nothing
        await enough.wait()
        periodic.stop()
        assert seen == [(10, 35), (41, 66)]

    run(main)


def test_stop_during_a_run_lets_it_end_and_makes_no_other() -> None:
    async def main() -> None:
        seen: list[float] = []
        clock = Clock()

        async def callback() -> None:
            await asyncio.sleep(5)
            seen.append(clock())

        periodic = PeriodicCallback(callback, 10_000)
        periodic.start()
        await asyncio.sleep(11)
        periodic.stop()
        await asyncio.sleep(100)
        assert seen == [15]

    run(main)


def test_stop_before_the_first_call_means_none() -> None:
    async def main() -> None:
        periodic = PeriodicCallback(pytest.fail, 10)
        periodic.stop()
        periodic.start()
        periodic.stop()
        periodic.stop()
        await asyncio.sleep(100)

    run(main)


def test_a_change_of_callback_time_counts_from_the_next_period() -> None:
    async def main() -> None:
        seen: list[float] = []
        clock = Clock()

        def callback() -> None:
            seen.append(clock())
            periodic.callback_time *= 2

        periodic = PeriodicCallback(callback, 10_000)
        periodic.start()
        await asyncio.sleep(100)
        periodic.stop()
        assert seen == [10, 30, 70]

    run(main)


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        (10, 10),
        (0.5, 0.5),
        (datetime.timedelta(minutes=1, seconds=23), 83_000),
        (datetime.timedelta(microseconds=1500), 1.5),
    ],
)
def test_the_period_is_milliseconds_or_a_timedelta(
    given: datetime.timedelta | float, milliseconds: float
) -> None:
    assert PeriodicCallback(pytest.fail, given).callback_time == milliseconds


@pytest.mark.parametrize("period", [0, -1, float("nan"), datetime.timedelta(0)])
def test_a_period_of_nothing_is_an_error(period: datetime.timedelta | float) -> None:
    with pytest.raises(ValueError, match="positive callback_time, not"):
        PeriodicCallback(pytest.fail, period)
