"""`Watchdog`: what blocks the loop is named while it does, and nothing else is."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.loops import FACTORIES, expect_log
from toolkit.ioloop import Blocking, IOLoop, Watchdog
from toolkit.ioloop.watchdog import Delay

THRESHOLD = 0.1


class Reports(logging.Handler):
    """Collects what the watchdog logs about one callback, and tells when it comes.

    Attributes:
        first: set while the loop is blocked.
        last: calls of what is to be told at the end.
    """

    def __init__(self, callback: str) -> None:
        super().__init__()
        self.callback = callback
        self.records: list[logging.LogRecord] = []
        self.first = threading.Event()
        self.on_last: Callable[[], object] = list

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record, unless a slow machine was the cause of it."""
        if not hasattr(record, "blocked"):
            return
        record.claimed = True
        if (record.callback or "").endswith(self.callback):
            self.records.append(record)
            if record.ended:
                self.on_last()
            else:
                self.first.set()

    def block(self) -> None:
        """Block until it is reported."""
        assert self.first.wait(20)

    async def ended(self, block: Callable[[], object]) -> None:
        """Call what starts the block, and wait for the last record."""
        loop = asyncio.get_running_loop()
        last = asyncio.Event()
        self.on_last = lambda: loop.call_soon_threadsafe(last.set)
        block()
        await last.wait()


@pytest.fixture
def reports(no_unclaimed_logs: None) -> Iterator[Callable[[str], Reports]]:
    """Return a function that collects the reports about a callback."""
    logger = logging.getLogger("toolkit.general")
    added: list[Reports] = []

    def collect(callback: str) -> Reports:
        added.append(Reports(callback))
        # Before the handler that looks for unclaimed records.
        logger.addHandler(added[-1])
        return added[-1]

    yield collect
    for handler in added:
        logger.removeHandler(handler)


def handle(reports: Reports) -> None:
    """Block; the line that the watchdog is to find."""
    reports.block()


async def in_a_task(reports: Reports) -> None:
    """Block in a task."""
    await asyncio.sleep(0)
    handle(reports)


WAYS: dict[str, tuple[str, Callable[[Reports], object]]] = {
    "call_soon": ("handle", lambda r: asyncio.get_running_loop().call_soon(handle, r)),
    "call_later": ("handle", lambda r: asyncio.get_running_loop().call_later(0, handle, r)),
    "add_callback": ("handle", lambda r: IOLoop.current().add_callback(handle, r)),
    "a task": ("in_a_task", lambda r: tasks.append(asyncio.create_task(in_a_task(r), name="T"))),
}
tasks: list[asyncio.Task[None]] = []


@pytest.mark.feature("A06")
@pytest.mark.parametrize("way", WAYS)
async def test_it_names_the_callback_the_task_and_the_line(
    way: str, reports: Callable[[str], Reports]
) -> None:
    """One record comes while the loop is blocked, which it stays until then, and one after."""
    name, begin = WAYS[way]
    seen = reports(f"{__name__}.{name}")
    with Watchdog(THRESHOLD):
        await seen.ended(lambda: begin(seen))
    tasks.clear()
    first, last = (record.__dict__ for record in seen.records)
    assert (first["ended"], last["ended"]) == (False, True)
    assert first["levelname"] == "WARNING"
    assert THRESHOLD <= first["blocked"] <= last["blocked"]
    for record in first, last:
        assert record["task"] == ("T" if way == "a task" else None)
        assert record["callback"] == f"{__name__}.{name}"
        assert record["source"].startswith(threading.__file__)
    text = seen.records[0].getMessage()
    assert "in handle\n    reports.block()" in text
    assert "base_events" not in text
    assert text.count("File ") >= 3
    assert f"by {'task ' if way == 'a task' else ''}" in text
    assert "was blocked for" in seen.records[1].getMessage()


@pytest.mark.feature("A06")
async def test_a_describer_names_the_handler_and_its_route(
    reports: Callable[[str], Reports], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Higher floors find on the stack what they know of; the first answer counts."""

    class Handler:
        route = "GET /slow"

        def get(self, seen: Reports) -> None:
            seen.block()

    def describe(blocking: Blocking) -> str | None:
        assert blocking.seconds >= THRESHOLD
        assert blocking.task is None
        for frame in blocking.frames:
            owner = frame.f_locals.get("self")
            if isinstance(owner, Handler):
                return f"{owner.route} in {type(owner).__name__}"
        return None

    monkeypatch.setattr(Watchdog, "describers", [lambda _: None, describe, pytest.fail])
    seen = reports("Handler.get")
    with Watchdog(THRESHOLD):
        await seen.ended(lambda: asyncio.get_running_loop().call_soon(Handler().get, seen))
    assert "by GET /slow in Handler (" in seen.records[0].getMessage()


async def test_a_describer_that_fails_is_logged_and_the_report_comes(
    reports: Callable[[str], Reports],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Watchdog, "describers", [lambda _: 1 // 0, lambda _: "described"])
    seen = reports("handle")
    with Watchdog(THRESHOLD):
        await seen.ended(lambda: asyncio.get_running_loop().call_soon(handle, seen))
    assert "by described (" in seen.records[0].getMessage()
    expect_log(caplog, "toolkit.general", "Exception in describer")


async def test_a_long_block_is_reported_once(reports: Callable[[str], Reports]) -> None:
    """The thread looks several times while it lasts."""

    def long() -> None:
        seen.block()
        # Not to wait for anything: this is the block.
        time.sleep(3 * THRESHOLD)

    seen = reports("long")
    with Watchdog(THRESHOLD):
        await seen.ended(lambda: asyncio.get_running_loop().call_soon(long))
    assert [record.__dict__["ended"] for record in seen.records] == [False, True]


async def test_each_block_is_reported(reports: Callable[[str], Reports]) -> None:
    seen = reports("handle")
    with Watchdog(THRESHOLD):
        for _ in range(2):
            seen.first.clear()
            await seen.ended(lambda: asyncio.get_running_loop().call_soon(handle, seen))
    assert [record.__dict__["ended"] for record in seen.records] == [False, True] * 2


async def test_a_block_from_the_start_on_is_seen(reports: Callable[[str], Reports]) -> None:
    """The loop did not answer before; the task tells where its own frames begin."""
    seen = reports("from_the_start")

    async def from_the_start() -> None:
        with Watchdog(THRESHOLD):
            seen.block()

    await asyncio.create_task(from_the_start())
    assert [record.__dict__["ended"] for record in seen.records] == [False, True]


async def test_native_code_that_holds_the_interpreter_is_named_when_it_ends(
    reports: Callable[[str], Reports],
) -> None:
    """No other thread runs meanwhile. On a busy machine the watchdog may come too late at first."""

    def native() -> None:
        sum(range(5_000_000))

    seen = reports("native")
    with Watchdog(THRESHOLD / 10):
        while not seen.first.is_set():
            asyncio.get_running_loop().call_soon(native)
            await asyncio.sleep(THRESHOLD / 10)
    assert "sum(range" in seen.records[0].getMessage()


async def test_a_loop_that_waits_is_not_blocked(caplog: pytest.LogCaptureFixture) -> None:
    with Watchdog(THRESHOLD):
        await asyncio.sleep(4 * THRESHOLD)
    for record in caplog.records:
        record.claimed = True  # a slow machine may make the loop late, with nobody to blame
    assert [record.getMessage() for record in caplog.records if record.__dict__["callback"]] == []


def test_a_loop_that_does_not_run_is_not_blocked(loop_name: str) -> None:
    loop = FACTORIES[loop_name]()
    with Watchdog(THRESHOLD, loop=loop):
        loop.run_until_complete(asyncio.sleep(0))
        time.sleep(4 * THRESHOLD)
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def watchdogs() -> list[threading.Thread]:
    """Return the threads of watchdogs."""
    return [thread for thread in threading.enumerate() if thread.name == "watchdog"]


async def test_stop_ends_the_thread_and_start_begins_again() -> None:
    watchdog = Watchdog(THRESHOLD)
    watchdog.stop()
    for _ in range(2):
        watchdog.start()
        watchdog.start()
        assert len(watchdogs()) == 1
        watchdog.stop()
        watchdog.stop()
        assert watchdogs() == []


def test_it_ends_with_the_loop(loop_name: str) -> None:
    async def main() -> None:
        Watchdog(THRESHOLD).start()

    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
        runner.run(main())
    for thread in watchdogs():
        thread.join(20)
    assert watchdogs() == []


def test_start_needs_a_loop(loop_name: str) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        Watchdog().start()
    loop = FACTORIES[loop_name]()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        Watchdog(loop=loop).start()
    assert watchdogs() == []


@pytest.mark.parametrize("threshold", [0, -1, float("nan")])
def test_a_threshold_of_nothing_is_an_error(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0"):
        Watchdog(threshold)


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        pytest.param([(0.05, 0.0)], 0.05, id="soon"),
        pytest.param([(0.05, 0.0), (0.1, 0.0), (0.15, 0.0)], 0.15, id="waits inside a callback"),
        pytest.param([(0.05, 0.0), (60.05, 0.01)], 0.05, id="suspended"),
        pytest.param([(60.0, 0.0), (60.1, 0.0)], 0.1, id="suspended, then blocked"),
        pytest.param([(0.05, 0.05), (3.0, 2.5)], 3.0, id="native code"),
    ],
)
def test_a_delay_does_not_count_a_standstill_of_the_process(
    looks: list[tuple[float, float]], seconds: float
) -> None:
    delay = Delay(1000, 5, THRESHOLD)
    for now, cpu in looks:
        result = delay.until(1000 + now, 5 + cpu)
    assert result == pytest.approx(seconds)
