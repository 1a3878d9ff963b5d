"""A pytest plugin: every async test runs on asyncio and on uvloop, and must leave nothing behind.

How to use it::

    async def test_answers() -> None:              # runs twice, once on each loop
        assert await ask() == b"pong"

    async def test_by_name(loop_name: str) -> None:  # "asyncio" or "uvloop"
        ...

    def test_runs_a_loop_itself(loop_name: str) -> None:   # also twice
        with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
            ...

    @pytest.mark.asyncio(loop_factories=["asyncio"])  # where one loop is enough
    async def test_once() -> None:
        ...

    async def test_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
        await fail()
        expect_log(caplog, "toolkit.application", "Uncaught exception")

What fails a test besides its own assertions:

- an async test that takes longer than `TEST_TIMEOUT`, so that no wait in it needs its own bound;
- a record of level WARNING or above of the loggers ``toolkit.*`` and ``asyncio`` that
  `expect_log` did not claim;
- a task that is still pending after an async test and its fixtures, and does not end by itself.
"""

import asyncio
import functools
import gc
import importlib
import inspect
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import ModuleType

import pytest

uvloop: ModuleType | None
try:
    uvloop = importlib.import_module("uvloop")
except ImportError:  # it does not exist for Windows
    uvloop = None

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

#: What makes each event loop, by its name.
FACTORIES: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
if uvloop is not None:
    FACTORIES["uvloop"] = uvloop.new_event_loop

#: Seconds that one async test may take; the slowest takes one on an idle machine.
TEST_TIMEOUT = 30.0

#: Seconds for a task to end by itself after a test, such as that of a connection just closed.
TASK_GRACE = 2.0


# -- two loops ---------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config) -> Mapping[str, LoopFactory]:
    """Have pytest-asyncio run each async test once on each loop."""
    return FACTORIES


@pytest.fixture
async def loop_name() -> str:
    """Return the name of the loop under test, a key of `FACTORIES`."""
    module = type(asyncio.get_running_loop()).__module__
    return "uvloop" if module.startswith("uvloop") else "asyncio"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a plain function that asks for `loop_name` each name in turn."""
    if "loop_name" in metafunc.fixturenames and not _is_async(metafunc.function):
        metafunc.parametrize("loop_name", FACTORIES)


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function)


# -- a bound for every test --------------------------------------------------------------


def bounded(function: Callable[..., Awaitable[None]], seconds: float) -> Callable[..., object]:
    """Return the coroutine function with a limit on its time."""

    @functools.wraps(function)
    async def inner(*args: object, **kwargs: object) -> None:
        async with asyncio.timeout(seconds):
            await function(*args, **kwargs)

    return inner


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Bound an async test."""
    if isinstance(item, pytest.Function) and _is_async(item.obj):
        item.obj = bounded(item.obj, TEST_TIMEOUT)


# -- nothing left behind -----------------------------------------------------------------


class Records(logging.Handler):
    """Keeps what is logged at level WARNING or above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.kept.append(record)

    def unclaimed(self) -> list[str]:
        """List the records that no test claimed, as text."""
        return [
            f"{record.name} {record.levelname}: {record.getMessage()}"
            for record in self.kept
            if not getattr(record, "claimed", False)
        ]


def expect_log(
    caplog: pytest.LogCaptureFixture, logger: str, pattern: str
) -> list[logging.LogRecord]:
    """Claim the records that match, of which there must be one or more.

    Args:
        logger: its whole name.
        pattern: regular expression to be found in the message.
    Returns:
        The matching records, in order.
    """
    found = [
        record
        for record in caplog.records
        if record.name == logger and re.search(pattern, record.getMessage())
    ]
    for record in found:
        record.claimed = True
    seen = [f"{record.name}: {record.getMessage()}" for record in caplog.records]
    assert found, f"no record {pattern!r} of {logger} among {seen}"
    return found


def pytest_collection_finish() -> None:
    """Spare what is there before the tests from garbage collection, which each of them does."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_unclaimed_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose warnings and errors were logged without being claimed.

    It is the first fixture of a test and so ends last, when the loop is closed already.
    """
    records = Records()
    loggers = [logging.getLogger(name) for name in ("toolkit", "asyncio")]
    for logger in loggers:
        logger.addHandler(records)
    yield
    if _is_async(getattr(request.node, "obj", None)):
        # What asyncio says of forgotten errors comes now, and not amid some later test. What is
        # left, such as pytest's reports, would cost each later test more and more time.
        gc.collect()
        gc.freeze()
    for logger in loggers:
        logger.removeHandler(records)
    unclaimed = records.unclaimed()
    if unclaimed:
        pytest.fail("unclaimed log records:\n" + "\n".join(unclaimed), pytrace=False)


@pytest.fixture(autouse=True)
def no_pending_tasks(request: pytest.FixtureRequest, no_unclaimed_logs: None) -> None:
    """Fail an async test that leaves tasks behind."""
    if _is_async(getattr(request.node, "obj", None)):
        request.getfixturevalue("tasks_end")


@pytest.fixture
async def tasks_end() -> AsyncIterator[None]:
    """Wait at the end until all tasks are done.

    Raises:
        AssertionError: some stay pending.
    """
    yield
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    if pending:
        _, pending = await asyncio.wait(pending, timeout=TASK_GRACE)
    assert not pending, f"tasks still pending: {pending}"
