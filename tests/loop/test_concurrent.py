"""Futures of both kinds, executors, and what may be waited for."""

import asyncio
import concurrent.futures
import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.loops import FACTORIES, expect_log
from toolkit.concurrent import (
    BadYieldError,
    Future,
    Handover,
    chain_future,
    convert_yielded,
    dummy_executor,
    future_add_done_callback,
    future_set_exc_info,
    future_set_exception_unless_cancelled,
    is_future,
    moment,
    multi,
    run_on_executor,
)

ThreadFuture = concurrent.futures.Future

KINDS: list[type] = [Future, ThreadFuture]


async def outcome(future: Any) -> object:
    """Return the result of either kind of future, or the type of what it raises."""
    if isinstance(future, ThreadFuture):
        future = asyncio.wrap_future(future)
    try:
        return await future
    except (Exception, asyncio.CancelledError) as error:
        return type(error)


OUTCOMES: list[tuple[Callable[[Any], object], object]] = [
    (lambda future: future.set_result(42), 42),
    (lambda future: future.set_exception(KeyError("lost")), KeyError),
    (lambda future: future.cancel(), asyncio.CancelledError),
]


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(("end", "expected"), OUTCOMES)
async def test_a_chained_future_has_the_outcome_of_the_other(
    source: Any, target: Any, early: bool, end: Callable[[Any], object], expected: object
) -> None:
    a, b = source(), target()
    if early:
        end(a)
    chain_future(a, b)
    if not early:
        end(a)
    assert await outcome(b) == expected
    assert b.cancelled() == (expected is asyncio.CancelledError)


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
async def test_cancelling_the_end_of_a_chain_leaves_the_other_alone(
    source: Any, target: Any
) -> None:
    a, b = source(), target()
    chain_future(a, b)
    b.cancel()
    await asyncio.sleep(0)
    assert not a.done()
    a.set_result(1)
    assert await outcome(a) == 1


async def test_a_future_done_in_a_thread_is_copied_in_the_loop() -> None:
    a: ThreadFuture[int] = ThreadFuture()
    b: Future[threading.Thread] = Future()
    chain_future(a, b)  # type: ignore[arg-type]
    b.add_done_callback(lambda _: seen.append(threading.current_thread()))
    seen: list[threading.Thread] = []
    thread = threading.Thread(target=a.set_result, args=(1,))
    thread.start()
    await b
    thread.join()
    assert seen == [threading.main_thread()]


def test_a_result_for_a_closed_loop_is_dropped(loop_name: str) -> None:
    loop = FACTORIES[loop_name]()
    a: ThreadFuture[int] = ThreadFuture()
    chain_future(a, loop.create_future())
    loop.close()
    a.set_result(1)


def test_a_cancelled_chain_tells_those_who_wait_in_threads() -> None:
    a: ThreadFuture[int] = ThreadFuture()
    b: ThreadFuture[int] = ThreadFuture()
    chain_future(a, b)
    a.cancel()
    assert concurrent.futures.wait([b], timeout=10).done == {b}


def test_a_running_future_of_a_thread_gets_the_cancellation_as_an_error() -> None:
    a: ThreadFuture[int] = ThreadFuture()
    b: ThreadFuture[int] = ThreadFuture()
    b.set_running_or_notify_cancel()
    chain_future(a, b)
    a.cancel()
    assert isinstance(b.exception(0), concurrent.futures.CancelledError)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_callback_of_a_future_that_is_done_runs_at_once(kind: Any) -> None:
    future = kind()
    seen: list[object] = []
    future_add_done_callback(future, seen.append)
    future.set_result(None)
    await asyncio.sleep(0)
    future_add_done_callback(future, seen.append)
    assert seen == [future, future]


@pytest.mark.parametrize("kind", KINDS)
async def test_exc_info_gives_a_future_its_exception(kind: Any) -> None:
    future = kind()
    try:
        raise KeyError("lost")
    except KeyError:
        future_set_exc_info(future, sys.exc_info())
    assert isinstance(future.exception(), KeyError)
    with pytest.raises(ValueError, match="an exception is needed"):
        future_set_exc_info(future, (None, None, None))


async def test_an_exception_for_a_cancelled_future_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future: Future[None] = Future()
    future.cancel()
    future_set_exception_unless_cancelled(future, KeyError("lost"))
    expect_log(caplog, "toolkit.application", "Exception after Future was cancelled")


# -- executors ---------------------------------------------------------------------------


def test_the_dummy_executor_runs_at_once() -> None:
    assert dummy_executor.submit(divmod, 7, 2).result(0) == (3, 1)
    assert isinstance(dummy_executor.submit(divmod, 7, 0).exception(0), ZeroDivisionError)
    dummy_executor.shutdown()
    assert dummy_executor.submit(len, "abc").result(0) == 3


class Worker:
    """Methods that run in a thread, in the three forms."""

    def __init__(self) -> None:
        self.executor = concurrent.futures.ThreadPoolExecutor(1)
        self.other = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="other")

    @run_on_executor
    def plain(self, value: int) -> tuple[int, str]:
        """Say where it runs."""
        return value, threading.current_thread().name

    @run_on_executor()
    def called(self, value: int) -> tuple[int, str]:
        """Say where it runs."""
        return value, threading.current_thread().name

    @run_on_executor(executor="other")
    def named(self, value: int) -> tuple[int, str]:
        """Say where it runs."""
        return value, threading.current_thread().name

    @run_on_executor
    def block(self, event: threading.Event) -> None:
        """Wait for the event."""
        event.wait(10)

    def close(self) -> None:
        """End the threads."""
        self.executor.shutdown()
        self.other.shutdown()


async def test_a_method_runs_on_the_executor_of_its_object() -> None:
    worker = Worker()
    for method, prefix in (
        (worker.plain, "ThreadPool"),
        (worker.called, "ThreadPool"),
        (worker.named, "other"),
    ):
        value, thread = await method(5)
        assert value == 5
        assert thread.startswith(prefix)
    assert worker.plain.__doc__ == "Say where it runs."
    worker.close()


async def test_a_cancelled_method_does_not_begin() -> None:
    worker = Worker()
    event = threading.Event()
    blocking, queued = worker.block(event), worker.plain(1)
    queued.cancel()
    await asyncio.sleep(0)
    event.set()
    await blocking
    worker.close()
    assert queued.cancelled()


@pytest.mark.parametrize(
    ("args", "kwargs"), [((len, len), {}), ((), {"pool": "x"}), ((len,), {"executor": "x"})]
)
def test_run_on_executor_refuses_other_arguments(args: Any, kwargs: Any) -> None:
    with pytest.raises(ValueError, match="run_on_executor takes"):
        run_on_executor(*args, **kwargs)


# -- what may be waited for --------------------------------------------------------------


async def three() -> int:
    """Return three."""
    return 3


async def test_all_that_is_known_becomes_a_future() -> None:
    thread_future: ThreadFuture[int] = ThreadFuture()
    converted = convert_yielded(thread_future)
    thread_future.set_result(3)
    assert await converted == 3
    assert await convert_yielded(three()) == 3
    future: Future[int] = Future()
    assert convert_yielded(future) is future
    future.set_result(3)
    assert await convert_yielded([future, three(), {"a": three()}]) == [3, 3, {"a": 3}]
    assert convert_yielded(None) is moment
    assert await moment is None
    assert not is_future(moment)


@pytest.mark.parametrize("thing", [42, "ab", (1,), {1}])
async def test_what_is_not_known_is_refused(thing: Any) -> None:
    with pytest.raises(BadYieldError, match="yielded unknown object"):
        convert_yielded(thing)


async def test_a_program_makes_its_own_types_known() -> None:
    class Deferred:
        value = 7

    @convert_yielded.register
    def _(deferred: Deferred) -> Future[int]:
        future: Future[int] = Future()
        future.set_result(deferred.value)
        return future

    assert await multi([Deferred(), None]) == [7, None]


async def test_cancelling_cancels_the_function_in_the_thread() -> None:
    thread_future: ThreadFuture[int] = ThreadFuture()
    convert_yielded(thread_future).cancel()
    await asyncio.sleep(0)
    assert thread_future.cancelled()


@pytest.mark.parametrize(("children", "expected"), [([], []), ({}, {})])
async def test_nothing_is_together_at_once(children: Any, expected: object) -> None:
    assert multi(children).result() == expected


async def test_the_first_exception_in_order_counts_and_the_others_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    futures: list[Future[int]] = [Future() for _ in range(4)]
    together = multi(futures)
    futures[3].set_exception(OSError("late"))
    futures[1].set_exception(KeyError("first"))
    futures[2].cancel()
    await asyncio.sleep(0)
    assert not together.done()
    futures[0].set_result(0)
    with pytest.raises(KeyError, match="first"):
        await together
    assert len(expect_log(caplog, "toolkit.application", "Multiple exceptions in yield list")) == 1


async def test_quiet_exceptions_are_not_logged() -> None:
    futures: list[Future[int]] = [Future() for _ in range(2)]
    together = multi(dict(enumerate(futures)), quiet_exceptions=(OSError, KeyError))
    for future in futures:
        future.set_exception(OSError())
    with pytest.raises(OSError):
        await together


async def test_a_cancelled_child_does_not_cancel_the_whole() -> None:
    future: Future[int] = Future()
    together = multi([future])
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await together
    assert not together.cancelled()


async def test_cancelling_the_whole_cancels_the_children() -> None:
    future: Future[int] = Future()
    task = asyncio.ensure_future(asyncio.Event().wait())
    multi([future, task]).cancel()
    await asyncio.sleep(0)
    assert future.cancelled()
    assert task.cancelled()


# -- handing over ------------------------------------------------------------------------


async def test_what_is_handed_over_too_late_goes_back() -> None:
    given_back: list[int] = []
    future: Handover[int] = Handover()
    future.give_back_to = given_back.append

    async def wait() -> int:
        return await future

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    future.set_result(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert given_back == [5]
    future.give_back()
    assert given_back == [5]


async def test_what_was_taken_stays_taken() -> None:
    given_back: list[int] = []
    future: Handover[int] = Handover()
    future.give_back_to = given_back.append
    asyncio.get_running_loop().call_soon(functools.partial(future.set_result, 5))
    assert await future == 5
    future.give_back()
    assert given_back == []
