"""`IOLoop`: one wrapper for each asyncio loop, with callbacks, timers and `run_sync`."""

import asyncio
import concurrent.futures
import datetime
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.loops import FACTORIES, expect_log
from toolkit.concurrent import (
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
)
from toolkit.ioloop import IOLoop, TimeoutError, new_event_loop

needs_uvloop = pytest.mark.skipif("uvloop" not in FACTORIES, reason="uvloop is not installed")


@pytest.fixture
def clean() -> Iterator[None]:
    """Have no loop set for this thread and no choice of one, before and after."""
    asyncio.set_event_loop(None)
    IOLoop.configure(None)
    yield
    IOLoop.configure(None)
    asyncio.set_event_loop(None)


@pytest.fixture
def io_loop(loop_name: str, clean: None) -> Iterator[IOLoop]:
    """Make a loop that does not run, and close it."""
    loop = IOLoop(uvloop=loop_name == "uvloop")
    yield loop
    loop.close()


def module_of(loop: IOLoop) -> str:
    """Return the package whose loop is wrapped."""
    return type(loop.asyncio_loop).__module__.partition(".")[0]


# -- one wrapper for each loop -----------------------------------------------------------


@pytest.mark.feature("A01")
def test_current_wraps_the_running_loop_and_a_thread_wakes_it(loop_name: str) -> None:
    """Each round the loop has nothing to do but to wait for the thread."""
    rounds = 50
    turn = threading.Event()

    async def main() -> list[int]:
        loop = IOLoop.current()
        assert loop.asyncio_loop is asyncio.get_running_loop()
        assert IOLoop.current() is loop
        seen: list[int] = []
        finished = asyncio.Event()

        def callback(number: int) -> None:
            assert threading.current_thread() is threading.main_thread()
            seen.append(number)
            if number == rounds:
                finished.set()
            turn.set()

        def in_thread() -> None:
            for number in range(1, rounds + 1):
                turn.clear()
                loop.add_callback(callback, number)
                turn.wait(10)

        thread = threading.Thread(target=in_thread)
        thread.start()
        async with asyncio.timeout(10):
            await finished.wait()
        thread.join()
        return seen

    if loop_name == "asyncio":
        seen = asyncio.run(main())
    else:
        with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
            seen = runner.run(main())
    assert seen == list(range(1, rounds + 1))


async def test_current_is_the_same_object_in_every_task() -> None:
    async def current() -> IOLoop:
        return IOLoop.current()

    assert await asyncio.create_task(current()) is IOLoop.current()


async def test_each_thread_has_a_loop_of_its_own() -> None:
    async def current() -> IOLoop:
        return IOLoop.current()

    other = await asyncio.to_thread(lambda: asyncio.run(current()))
    assert other is not IOLoop.current()


def test_current_wraps_the_loop_that_is_set(clean: None) -> None:
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        assert IOLoop.current().asyncio_loop is loop
        assert IOLoop.current() is IOLoop.current()
    finally:
        loop.close()


def test_current_makes_a_loop_only_when_wanted(clean: None) -> None:
    assert IOLoop.current(instance=False) is None
    loop = IOLoop.current()
    assert IOLoop.current(instance=False) is loop
    loop.close()
    assert IOLoop.current(instance=False) is None


def test_a_closed_loop_is_not_current(clean: None) -> None:
    first = IOLoop.current()
    first.asyncio_loop.close()
    second = IOLoop.current()
    assert second is not first
    second.close()


def test_a_loop_that_is_not_to_be_current_is_not(clean: None) -> None:
    loop = IOLoop(make_current=False)
    assert IOLoop.current(instance=False) is None
    loop.close()


async def test_a_loop_is_wrapped_once() -> None:
    IOLoop.current()
    with pytest.raises(RuntimeError, match="wrapped already"):
        IOLoop(asyncio_loop=asyncio.get_running_loop())


# -- which loop --------------------------------------------------------------------------


@needs_uvloop
@pytest.mark.feature("A05")
def test_the_loop_is_uvloop_when_asked_for_or_installed(
    clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def program() -> str:
        await asyncio.sleep(0)
        return module_of(IOLoop.current())

    def run() -> str:
        loop = IOLoop.current()
        try:
            return str(loop.run_sync(program))
        finally:
            loop.close()

    assert run() == "uvloop"
    IOLoop.configure(None, uvloop=False)
    assert run() == "asyncio"
    IOLoop.configure(None, uvloop=True)
    assert run() == "uvloop"
    IOLoop.configure("toolkit.ioloop.IOLoop", uvloop=False)
    assert run() == "asyncio"
    IOLoop.configure(None)
    # None in sys.modules is how Python marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run() == "asyncio"


@needs_uvloop
def test_new_event_loop_makes_the_loop_that_is_named() -> None:
    for choice, name in {None: "uvloop", True: "uvloop", False: "asyncio"}.items():
        loop = new_event_loop(choice)
        assert type(loop).__module__.partition(".")[0] == name
        loop.close()


def test_uvloop_asked_for_and_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ImportError):
        new_event_loop(uvloop=True)


def test_new_event_loop_can_make_the_loop_of_a_runner() -> None:
    async def current() -> str:
        return module_of(IOLoop.current())

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(current()) == ("uvloop" if "uvloop" in FACTORIES else "asyncio")


# -- run_sync ----------------------------------------------------------------------------


@pytest.mark.feature("A02")
def test_run_sync_runs_to_the_end_or_to_its_deadline(io_loop: IOLoop) -> None:
    steps = []

    async def whole() -> str:
        steps.append("begun")
        await asyncio.sleep(0)
        steps.append("ended")
        return "result"

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise

    assert io_loop.run_sync(whole, timeout=10) == "result"
    assert steps == ["begun", "ended"]
    with pytest.raises(TimeoutError, match=r"0\.01 seconds"):
        io_loop.run_sync(endless, timeout=0.01)
    assert steps[2:] == ["cancelled"]


def test_run_sync_without_a_timeout_returns_the_result(io_loop: IOLoop) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert io_loop.run_sync(answer) == 42


def test_run_sync_raises_what_the_coroutine_raises(io_loop: IOLoop) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("of the coroutine")

    with pytest.raises(ZeroDivisionError, match="of the coroutine"):
        io_loop.run_sync(fail)


def test_run_sync_takes_a_plain_function(io_loop: IOLoop) -> None:
    assert io_loop.run_sync(lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        io_loop.run_sync(lambda: 1 / 0)


def test_run_sync_can_run_again_after_a_timeout(io_loop: IOLoop) -> None:
    with pytest.raises(TimeoutError):
        io_loop.run_sync(asyncio.Event().wait, timeout=0)

    async def answer() -> int:
        return 42

    assert io_loop.run_sync(answer, timeout=10) == 42


def test_run_sync_does_not_take_a_cancellation_for_a_timeout(io_loop: IOLoop) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        io_loop.run_sync(cancelled, timeout=10)


def test_run_sync_passes_on_a_timeout_of_the_coroutine_itself(io_loop: IOLoop) -> None:
    async def impatient() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as error:
        io_loop.run_sync(impatient, timeout=10)
    assert "10" not in str(error.value)


def test_start_runs_until_stop(io_loop: IOLoop) -> None:
    seen = []
    io_loop.add_callback(seen.append, 1)
    io_loop.add_callback(io_loop.stop)
    io_loop.start()
    io_loop.add_callback(seen.append, 2)
    io_loop.add_callback(io_loop.stop)
    io_loop.start()
    assert seen == [1, 2]


# -- callbacks ---------------------------------------------------------------------------


async def test_add_callback_runs_in_a_later_turn_in_order() -> None:
    loop = IOLoop.current()
    seen: list[object] = []
    finished = asyncio.Event()

    def callback(*args: object, **kwargs: object) -> None:
        seen.append((args, kwargs))

    loop.add_callback(callback, 1, key="value")
    loop.spawn_callback(callback, 2)
    loop.add_callback(finished.set)
    assert seen == []
    await finished.wait()
    assert seen == [((1,), {"key": "value"}), ((2,), {})]


async def test_an_error_in_a_callback_is_logged_and_the_loop_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = IOLoop.current()
    finished = asyncio.Event()

    def fail() -> None:
        raise ZeroDivisionError

    loop.add_callback(fail)
    loop.call_later(0, fail)
    loop.call_later(0.001, finished.set)
    await finished.wait()
    records = expect_log(caplog, "toolkit.application", "Exception in callback .*fail")
    assert [record.exc_info and record.exc_info[0] for record in records] == [ZeroDivisionError] * 2


async def test_a_coroutine_callback_is_carried_on() -> None:
    finished = asyncio.Event()

    async def callback(result: asyncio.Event) -> None:
        await asyncio.sleep(0)
        result.set()

    IOLoop.current().add_callback(callback, finished)
    await finished.wait()


async def test_an_error_in_a_coroutine_callback_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = IOLoop.current()
    tasks: list[asyncio.Task[None] | None] = []
    started = asyncio.Event()

    async def fail() -> None:
        tasks.append(asyncio.current_task())
        started.set()
        await asyncio.sleep(0)
        raise ZeroDivisionError

    loop.add_callback(fail)
    await started.wait()
    assert tasks[0] is not None
    await asyncio.wait([tasks[0]])
    await asyncio.sleep(0)
    [record] = expect_log(caplog, "toolkit.application", "Exception in a coroutine")
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_coroutine_callback_that_is_cancelled_is_not_logged() -> None:
    tasks: list[asyncio.Task[None] | None] = []
    started = asyncio.Event()

    async def wait() -> None:
        tasks.append(asyncio.current_task())
        started.set()
        await asyncio.Event().wait()

    IOLoop.current().add_callback(wait)
    await started.wait()
    assert tasks[0] is not None
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])


def test_add_callback_on_a_closed_loop_does_nothing(io_loop: IOLoop) -> None:
    io_loop.asyncio_loop.close()
    io_loop.add_callback(pytest.fail, "called")


# -- timers ------------------------------------------------------------------------------


async def test_timers_run_in_the_order_of_their_deadlines() -> None:
    loop = IOLoop.current()
    seen: list[str] = []
    finished = asyncio.Event()
    now = loop.time()
    loop.call_at(now + 0.1, finished.set)
    loop.add_timeout(datetime.timedelta(milliseconds=80), seen.append, "timedelta")
    loop.add_timeout(now + 0.06, seen.append, "float")
    loop.call_at(now + 0.04, seen.append, "at")
    loop.call_later(0.02, seen.append, "later")
    loop.add_timeout(now - 1, seen.append, "past")
    await finished.wait()
    assert seen == ["past", "later", "at", "float", "timedelta"]
    assert loop.time() >= now + 0.09  # uvloop's clock counts whole milliseconds


async def test_a_negative_delay_is_no_delay() -> None:
    finished = asyncio.Event()
    IOLoop.current().call_later(-1, finished.set)
    await finished.wait()


async def test_timers_take_arguments_by_position_and_by_name() -> None:
    loop = IOLoop.current()
    seen: list[object] = []
    finished = asyncio.Event()

    def callback(*args: object, **kwargs: object) -> None:
        seen.append((args, kwargs))

    loop.call_later(0.001, callback, 1, key="later")
    loop.call_at(loop.time() + 0.02, callback, 2, key="at")
    loop.add_timeout(loop.time() + 0.04, callback, 3, key="timeout")
    loop.call_later(0.06, finished.set)
    await finished.wait()
    assert seen == [((1,), {"key": "later"}), ((2,), {"key": "at"}), ((3,), {"key": "timeout"})]


async def test_a_removed_timer_does_not_run() -> None:
    loop = IOLoop.current()
    finished = asyncio.Event()
    now = loop.time()
    handles = [
        loop.call_later(0.001, pytest.fail, "later"),
        loop.call_at(now + 0.001, pytest.fail, "at"),
        loop.add_timeout(now + 0.001, pytest.fail, "float"),
        loop.add_timeout(datetime.timedelta(milliseconds=1), pytest.fail, "timedelta"),
    ]
    loop.call_at(now + 0.02, finished.set)
    for handle in handles:
        loop.remove_timeout(handle)
    await finished.wait()


async def test_a_timer_may_be_removed_after_it_ran() -> None:
    loop = IOLoop.current()
    finished = asyncio.Event()
    handle = loop.call_later(0, finished.set)
    await finished.wait()
    loop.remove_timeout(handle)


@pytest.mark.parametrize("deadline", ["1", None, datetime.datetime(2030, 1, 1)])
async def test_another_type_of_deadline_is_an_error(deadline: object) -> None:
    with pytest.raises(TypeError, match="Unsupported deadline"):
        IOLoop.current().add_timeout(deadline, print)  # type: ignore[arg-type]


# -- futures and threads -----------------------------------------------------------------


async def test_add_future_calls_back_with_the_done_future() -> None:
    loop = IOLoop.current()
    future: asyncio.Future[int] = asyncio.Future()
    called: asyncio.Future[asyncio.Future[int]] = asyncio.Future()
    loop.add_future(future, called.set_result)
    future.set_result(1)
    assert not called.done()
    assert await called is future


async def test_add_future_takes_a_future_of_a_thread() -> None:
    loop = IOLoop.current()
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    called: asyncio.Future[tuple[int, threading.Thread]] = asyncio.Future()
    loop.add_future(
        future, lambda done: called.set_result((done.result(), threading.current_thread()))
    )
    thread = threading.Thread(target=future.set_result, args=(1,))
    thread.start()
    assert await called == (1, threading.current_thread())
    thread.join()


async def test_an_error_in_a_callback_of_a_future_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future: asyncio.Future[int] = asyncio.Future()
    IOLoop.current().add_future(future, lambda done: 1 // done.result())
    future.set_result(0)
    await asyncio.sleep(0)
    expect_log(caplog, "toolkit.application", "Exception in callback")


async def test_run_in_executor_runs_in_a_thread_of_the_executor() -> None:
    loop = IOLoop.current()

    def work(number: int, other: int) -> tuple[int, str]:
        return number + other, threading.current_thread().name

    with concurrent.futures.ThreadPoolExecutor(1, "own") as executor:
        total, name = await loop.run_in_executor(executor, work, 1, 2)
    assert total == 3
    assert name.startswith("own")
    total, name = await loop.run_in_executor(None, work, 3, 4)
    assert total == 7
    assert name != threading.current_thread().name


async def test_run_in_executor_raises_what_the_function_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        await IOLoop.current().run_in_executor(None, lambda: 1 / 0)


async def test_the_default_executor_can_be_chosen() -> None:
    loop = IOLoop.current()
    with concurrent.futures.ThreadPoolExecutor(1, "chosen") as executor:
        loop.set_default_executor(executor)
        thread = await loop.run_in_executor(None, threading.current_thread)
    assert thread.name.startswith("chosen")


@pytest.mark.parametrize("kind", [asyncio.Future, concurrent.futures.Future])
async def test_a_future_is_settled_unless_it_was_cancelled(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Only an error that nobody will see is logged then."""
    done, failed, cancelled = kind(), kind(), kind()
    assert is_future(done)
    cancelled.cancel()
    future_set_result_unless_cancelled(done, 1)
    future_set_exception_unless_cancelled(failed, ZeroDivisionError())
    future_set_result_unless_cancelled(cancelled, 1)
    assert caplog.records == []
    future_set_exception_unless_cancelled(cancelled, ZeroDivisionError())
    assert done.result() == 1
    assert isinstance(failed.exception(), ZeroDivisionError)
    assert cancelled.cancelled()
    expect_log(caplog, "toolkit.application", "after Future was cancelled")


@pytest.mark.parametrize("thing", [None, 1, print, object()])
def test_other_things_are_no_futures(thing: object) -> None:
    assert not is_future(thing)
