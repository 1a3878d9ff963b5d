"""`IOLoop`: one wrapper for each asyncio loop, with callbacks, timers and `run_sync`."""

import asyncio
import concurrent.futures
import datetime
import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.loops import FACTORIES, expect_log
from toolkit.concurrent import (
    BadYieldError,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
    moment,
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
    """It may return whatever a coroutine may yield."""

    async def answer() -> int:
        return 42

    assert io_loop.run_sync(lambda: None) is None
    assert io_loop.run_sync(lambda: [answer(), answer()]) == [42, 42]
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        assert io_loop.run_sync(lambda: executor.submit(int, "42")) == 42
    with pytest.raises(ZeroDivisionError):
        io_loop.run_sync(lambda: 1 / 0)
    with pytest.raises(BadYieldError, match="42"):
        io_loop.run_sync(lambda: 42)


def test_run_sync_calls_the_function_in_the_running_loop(io_loop: IOLoop) -> None:
    def current() -> None:
        assert IOLoop.current() is io_loop
        assert asyncio.get_running_loop() is io_loop.asyncio_loop

    io_loop.run_sync(current)


async def test_run_sync_in_a_running_loop_is_an_error() -> None:
    loop = IOLoop.current()
    with pytest.raises(RuntimeError, match="already running"):
        loop.run_sync(lambda: None)


def test_stop_ends_run_sync_with_an_error_and_cancels_the_coroutine(io_loop: IOLoop) -> None:
    steps = []

    async def stopped() -> None:
        try:
            io_loop.stop()
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned up")

    with pytest.raises(RuntimeError, match="stopped"):
        io_loop.run_sync(stopped)
    assert steps == ["cleaned up"]


def test_an_interrupt_of_run_sync_cancels_the_coroutine(io_loop: IOLoop) -> None:
    steps = []

    async def interrupted() -> None:
        io_loop.asyncio_loop.call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        io_loop.run_sync(interrupted, timeout=20)
    assert steps == ["cleaned up"]


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


def test_stop_before_start_returns_from_it_at_once(io_loop: IOLoop) -> None:
    io_loop.stop()
    io_loop.start()


async def test_start_in_a_running_loop_is_an_error() -> None:
    with pytest.raises(RuntimeError):
        IOLoop.current().start()


# -- close -------------------------------------------------------------------------------


def test_close_closes_once_and_makes_the_loop_no_longer_current(loop_name: str) -> None:
    loop = IOLoop(uvloop=loop_name == "uvloop")
    assert IOLoop.current() is loop
    assert loop.is_current
    assert not loop.closing
    for _ in range(2):
        loop.close()
        assert loop.closing
        assert loop.asyncio_loop.is_closed()
        assert IOLoop.current(instance=False) is None


def test_close_gives_the_thread_back_the_loop_that_it_had(clean: None) -> None:
    first = IOLoop()
    second = IOLoop()
    assert second.old_asyncio is first.asyncio_loop
    assert IOLoop.current() is second
    second.close()
    assert IOLoop.current() is first
    third = IOLoop()
    first.close()
    assert IOLoop.current() is third
    third.close()
    assert IOLoop.current(instance=False) is None


async def test_a_running_loop_is_not_closed() -> None:
    loop = IOLoop.current()
    with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
        loop.close()
    assert not loop.closing
    assert IOLoop.current() is loop


def test_loops_leave_nothing_behind(loop_name: str) -> None:
    """Neither those closed by us nor those that somebody else closes."""
    wrappers: list[weakref.ref[IOLoop]] = []

    async def use() -> None:
        loop = IOLoop.current()
        wrappers.append(weakref.ref(loop))
        loop.add_callback(str)
        loop.call_later(1000, str)
        await asyncio.sleep(0)

    for _ in range(3):
        with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
            runner.run(use())
        loop = IOLoop(make_current=False, uvloop=loop_name == "uvloop")
        loop.run_sync(use)
        loop.close()
    del loop, runner
    gc.collect()
    assert [wrapper() for wrapper in wrappers] == [None] * 6


def test_threads_may_make_and_close_loops_at_once(loop_name: str) -> None:
    def make() -> None:
        for _ in range(10):
            IOLoop(make_current=False, uvloop=loop_name == "uvloop").close()

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        for done in [executor.submit(make) for _ in range(4)]:
            done.result()


# -- deprecated ways to the current loop -------------------------------------------------


def test_make_current_and_clear_current_set_the_loop_of_the_thread(clean: None) -> None:
    first = IOLoop()
    second = IOLoop(make_current=False)
    with pytest.warns(DeprecationWarning, match="make_current is deprecated") as caught:
        second.make_current()
    assert caught[0].filename == __file__
    assert IOLoop.current() is IOLoop.instance() is second
    with pytest.warns(DeprecationWarning, match="clear_current is deprecated") as caught:
        IOLoop.clear_current()
    assert caught[0].filename == __file__
    assert IOLoop.current() is first
    with pytest.warns(DeprecationWarning, match="make_current is deprecated"):
        second.install()
    assert IOLoop.current() is second
    with pytest.warns(DeprecationWarning, match="clear_current is deprecated"):
        IOLoop.clear_instance()
    assert IOLoop.current() is first
    first.close()
    second.close()
    with pytest.warns(DeprecationWarning, match="clear_current is deprecated"):
        IOLoop.clear_current()
    assert IOLoop.current(instance=False) is None


def test_a_loop_that_is_not_current_is_while_it_runs(io_loop: IOLoop, clean: None) -> None:
    other = IOLoop(make_current=False)
    for _ in range(2):
        seen = []
        other.add_callback(lambda found=seen: found.append(IOLoop.current()))
        other.add_callback(other.stop)
        other.start()
        assert seen == [other]
        assert IOLoop.current() is io_loop
    other.close()


def test_a_policy_of_somebody_else_is_asked_for_its_loop(clean: None) -> None:
    class Policy(asyncio.AbstractEventLoopPolicy):
        loop: asyncio.AbstractEventLoop | None = None

        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            if self.loop is None:
                raise RuntimeError("no loop")
            return self.loop

        def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
            self.loop = loop

    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Policy())
    try:
        assert IOLoop.current(instance=False) is None
        loop = IOLoop()
        assert IOLoop.current() is loop
        loop.close()
    finally:
        asyncio.set_event_loop_policy(before)


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


def test_add_callback_from_signal_wakes_the_loop(io_loop: IOLoop) -> None:
    """The loop sleeps in its selector when the signal comes."""
    seen = []

    def handler(number: int, frame: object) -> None:
        with pytest.warns(DeprecationWarning, match="add_callback_from_signal is deprecated"):
            io_loop.add_callback_from_signal(lambda: (seen.append(number), io_loop.stop()))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        io_loop.call_later(20, io_loop.stop)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        io_loop.start()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == [signal.SIGALRM]
    io_loop.close()
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        io_loop.add_callback_from_signal(pytest.fail)


@pytest.mark.parametrize("value", [42, "text", object(), {}, [], moment])
async def test_other_results_of_a_callback_do_not_matter(value: object) -> None:
    finished = asyncio.Event()
    IOLoop.current().add_callback(lambda: value)
    IOLoop.current().add_callback(finished.set)
    await finished.wait()


async def test_an_error_in_a_future_that_a_callback_returned_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One of a thread too, and one among others."""
    loop = IOLoop.current()
    future: asyncio.Future[None] = loop.asyncio_loop.create_future()
    of_a_thread: concurrent.futures.Future[None] = concurrent.futures.Future()
    cancelled: asyncio.Future[None] = loop.asyncio_loop.create_future()
    listed: asyncio.Future[None] = loop.asyncio_loop.create_future()
    for result in future, of_a_thread, cancelled, [listed]:
        loop.add_callback(lambda result=result: result)
    await asyncio.sleep(0)
    cancelled.cancel()
    future.set_exception(ZeroDivisionError("of a future"))
    of_a_thread.set_exception(ZeroDivisionError("of a thread"))
    listed.set_exception(ZeroDivisionError("of a list"))
    finished = asyncio.Event()
    loop.call_later(0.02, finished.set)
    await finished.wait()
    records = expect_log(caplog, "toolkit.application", "Exception in callback")
    assert sorted(str(record.exc_info and record.exc_info[1]) for record in records) == [
        "of a future",
        "of a list",
        "of a thread",
    ]


async def test_a_callback_that_is_cancelled_is_not_logged() -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    finished = asyncio.Event()
    IOLoop.current().add_callback(cancelled)
    IOLoop.current().add_callback(finished.set)
    await finished.wait()


async def test_a_coroutine_callback_is_kept_until_its_end() -> None:
    """asyncio itself would let it be collected as garbage."""
    finished: list[weakref.ref[asyncio.Event]] = []
    done = asyncio.Event()

    async def wait() -> None:
        event = asyncio.Event()
        finished.append(weakref.ref(event))
        await event.wait()
        done.set()

    IOLoop.current().add_callback(wait)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    event = finished[0]()
    assert event is not None
    event.set()
    await done.wait()


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
    [record] = expect_log(caplog, "toolkit.application", "Exception in callback .*fail")
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


async def test_a_deadline_by_the_clock_on_the_wall_is_understood() -> None:
    """Tornado's loops go by it."""
    loop = IOLoop.current()
    seen: list[str] = []
    finished = asyncio.Event()
    loop.call_at(time.time() + 0.1, finished.set)
    loop.add_timeout(time.time() + 0.05, seen.append, "second")
    loop.add_timeout(loop.time() + 0.02, seen.append, "first")
    loop.call_at(time.time() - 1, seen.append, "past")
    loop.call_at(time.time() + 3600, seen.append, "future")
    await finished.wait()
    assert seen == ["past", "first", "second"]


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


async def test_add_future_takes_a_future_of_another_loop() -> None:
    """The callback comes to its own loop all the same."""
    loop = IOLoop.current()
    called: asyncio.Future[tuple[int, threading.Thread]] = asyncio.Future()

    async def other() -> None:
        future: asyncio.Future[int] = asyncio.Future()
        loop.add_future(
            future, lambda done: called.set_result((done.result(), threading.current_thread()))
        )
        future.set_result(1)
        await asyncio.sleep(0)

    await asyncio.to_thread(lambda: asyncio.run(other()))
    assert await called == (1, threading.current_thread())


@pytest.mark.parametrize("thing", [None, 42, print])
async def test_add_future_takes_nothing_but_a_future(thing: Any) -> None:
    with pytest.raises(TypeError, match="takes a Future, not"):
        IOLoop.current().add_future(thing, print)


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
