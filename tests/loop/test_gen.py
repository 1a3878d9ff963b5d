"""Generator coroutines, and futures put together."""

import asyncio
import concurrent.futures
import contextvars
import gc
import traceback
import weakref
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit import gen
from toolkit.gen import Future
from toolkit.queues import Queue

LONG = timedelta(seconds=3600)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


def done(value: Any = None) -> Future[Any]:
    """Return a future with a result."""
    future: Future[Any] = Future()
    future.set_result(value)
    return future


async def native(value: Any) -> Any:
    """Return the value after a turn of the loop."""
    await asyncio.sleep(0)
    return value


# -- results -----------------------------------------------------------------------------


@gen.coroutine
def returns_at_once() -> Generator[Any, Any, int]:
    return 42
    yield


@gen.coroutine
def raises_return_at_once() -> Generator[Any, Any, int]:
    raise gen.Return(42)
    yield


@gen.coroutine
def waits_for_what_is_done() -> Generator[Any, Any, int]:
    return (yield done(41)) + (yield returns_at_once()) - 41


@gen.coroutine
def returns_plainly() -> int:
    return 42


@gen.coroutine
def raises_return_plainly() -> int:
    raise gen.Return(42)


@gen.coroutine
def returns_after_a_turn() -> Generator[Any, Any, int]:
    yield
    return 42


@gen.coroutine
def raises_return_after_a_turn() -> Generator[Any, Any, int]:
    yield gen.moment
    raise gen.Return(42)


@gen.coroutine
def waits_for_a_native_coroutine() -> Generator[Any, Any, int]:
    return (yield native(42))


@gen.coroutine
def waits_for_a_list() -> Generator[Any, Any, int]:
    return sum((yield [native(20), done(20), returns_nothing_for(2)]))


@gen.coroutine
def waits_for_a_dict() -> Generator[Any, Any, int]:
    return (yield {"a": native(42)})["a"]


@gen.coroutine
def waits_for_a_thread() -> Generator[Any, Any, int]:
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return (yield executor.submit(int, "42"))


@gen.coroutine
def returns_nothing_for(value: int) -> Generator[Any, Any, int]:
    yield
    return value


AT_ONCE = [
    returns_at_once,
    raises_return_at_once,
    waits_for_what_is_done,
    returns_plainly,
    raises_return_plainly,
]
LATER = [
    returns_after_a_turn,
    raises_return_after_a_turn,
    waits_for_a_native_coroutine,
    waits_for_a_list,
    waits_for_a_dict,
    waits_for_a_thread,
]


@pytest.mark.feature("A25")
@pytest.mark.parametrize("function", [*AT_ONCE, *LATER])
async def test_a_coroutine_returns_its_value(function: Callable[[], Future[int]]) -> None:
    future = function()
    assert future.done() or function in LATER
    assert await future == 42


@gen.coroutine
def fails_at_once() -> Generator[Any, Any, None]:
    raise KeyError("lost")
    yield


@gen.coroutine
def fails_plainly() -> None:
    raise KeyError("lost")


@gen.coroutine
def fails_later() -> Generator[Any, Any, None]:
    yield
    raise KeyError("lost")


@gen.coroutine
def waits_for_what_fails() -> Generator[Any, Any, None]:
    yield fails_later()


@pytest.mark.feature("A25")
@pytest.mark.parametrize(
    "function", [fails_at_once, fails_plainly, fails_later, waits_for_what_fails]
)
async def test_an_exception_comes_out_of_the_future(function: Callable[[], Future[None]]) -> None:
    future = function()
    with pytest.raises(KeyError, match="lost") as caught:
        await future
    assert caught.value.__context__ is None
    assert "raise KeyError" in "".join(traceback.format_exception(caught.value))


async def test_a_coroutine_catches_what_it_waits_for() -> None:
    @gen.coroutine
    def catch() -> Generator[Any, Any, BaseException | None]:
        try:
            yield fails_later()
        except KeyError:
            pass
        try:
            yield 42
        except gen.BadYieldError:
            pass
        try:
            raise OSError("unrelated")
        except OSError as error:
            return error.__context__

    assert await catch() is None


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_coroutine_that_raises_cancelled_error_is_cancelled(turns: int) -> None:
    @gen.coroutine
    def cancelled() -> Generator[Any, Any, None]:
        for _ in range(turns):
            yield
        raise asyncio.CancelledError

    future = cancelled()
    await asyncio.wait([future])
    assert future.cancelled()


async def test_coroutines_take_turns_only_where_they_wait() -> None:
    calls: list[str] = []

    @gen.coroutine
    def write(name: str, make: Callable[[], Any]) -> Generator[Any, Any, None]:
        for _ in range(3):
            calls.append(name)
            yield make()

    yield_moment = lambda: gen.moment  # noqa: E731
    await gen.multi([write("a", yield_moment), write("b", lambda: None)])
    await gen.multi([write("c", done), write("d", done)])
    assert "".join(calls) == "abababcccddd"


def test_what_is_decorated_is_known_as_such() -> None:
    def plain() -> Generator[Any, Any, None]:
        """Do nothing."""
        yield

    decorated = gen.coroutine(plain)
    assert gen.is_coroutine_function(decorated)
    assert not gen.is_coroutine_function(plain)
    assert decorated.__wrapped__ is plain  # type: ignore[attr-defined]
    assert decorated.__doc__ == "Do nothing."


async def test_a_future_shows_in_debug_mode_where_the_coroutine_was_called() -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    future = returns_at_once()
    loop.set_debug(False)
    assert f"created at {__file__}" in repr(future)


# -- context -----------------------------------------------------------------------------


async def test_each_coroutine_has_a_context_of_its_own() -> None:
    @gen.coroutine
    def keep(value: str) -> Generator[Any, Any, None]:
        token = variable.set(value)
        yield
        assert variable.get() == value
        assert (yield see()) == value
        yield asyncio.sleep(0)
        variable.reset(token)
        assert variable.get() == "outside"

    async def see() -> str:
        await asyncio.sleep(0)
        return variable.get()

    await gen.multi([keep("one"), keep("two")])
    assert variable.get() == "outside"


# -- cancellation ------------------------------------------------------------------------


@gen.coroutine
def waits(seen: list[object], *what: Any) -> Generator[Any, Any, None]:
    """Wait for one thing after another, and note what comes of it."""
    for thing in what:
        try:
            seen.append((yield thing))
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise


@pytest.mark.feature("A25")
@pytest.mark.parametrize(
    "make",
    [
        Future,
        lambda: asyncio.Event().wait(),
        lambda: gen.sleep(3600),
        lambda: [Future()],
        lambda: gen.with_timeout(LONG, Future()),
        lambda: waits([], Future()),
        concurrent.futures.Future,
    ],
)
async def test_cancelling_cancels_what_is_waited_for(make: Callable[[], Any]) -> None:
    seen: list[object] = []
    thing = make()
    future = waits(seen, thing)
    future.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert seen == ["cancelled"]
    if isinstance(thing, (Future, concurrent.futures.Future)):
        assert thing.cancelled()


@pytest.mark.parametrize("then", [Future, lambda: gen.moment])
@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_result_that_is_there_is_delivered_before_the_cancellation(
    then: Callable[[], Any], cancel_first: bool
) -> None:
    seen: list[object] = []
    queue: Queue[int] = Queue()
    future = waits(seen, queue.get(), then(), then())
    if cancel_first:
        future.cancel()
    queue.put_nowait(1)
    future.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert (seen[0], seen[-1]) == (1, "cancelled")


async def test_a_coroutine_that_only_takes_turns_can_be_cancelled() -> None:
    seen: list[object] = []
    waits(seen, *[gen.moment] * 10).cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert seen[-1] == "cancelled"


async def test_a_timeout_around_a_coroutine_stops_it() -> None:
    seen: list[object] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await waits(seen, Future())
    await asyncio.sleep(0)
    assert seen == ["cancelled"]


async def test_what_a_cancelled_coroutine_raises_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @gen.coroutine
    def fail() -> Generator[Any, Any, None]:
        try:
            yield Future()
        finally:
            raise KeyError("lost")

    fail().cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    expect_log(caplog, "toolkit.application", "Exception after Future was cancelled")


async def test_an_exception_from_outside_is_raised_where_the_generator_waits() -> None:
    result: Future[str] = Future()
    never: Future[None] = Future()

    def generator() -> Generator[Any, Any, str]:
        try:
            yield never
        except KeyError:
            yield
            return "caught"
        return "missed"

    body = generator()
    runner = gen.Runner(contextvars.copy_context().run, body, result, next(body))
    error = KeyError()
    assert runner.handle_exception(KeyError, error, None)
    never.set_result(None)
    assert await result == "caught"
    assert runner.finished
    assert not runner.handle_exception(KeyError, error, None)
    assert runner.io_loop is gen.IOLoop.current()


# -- nothing left behind -----------------------------------------------------------------


async def test_a_coroutine_that_failed_needs_no_garbage_collection() -> None:
    class Local:
        pass

    refs: list[weakref.ref[Local]] = []

    @gen.coroutine
    def fail(turns: int) -> Generator[Any, Any, None]:
        local = Local()
        refs.append(weakref.ref(local))
        for _ in range(turns):
            yield
        yield returns_plainly()
        raise KeyError("lost")

    @gen.coroutine
    def catch(turns: int) -> Generator[Any, Any, None]:
        try:
            yield fail(turns)
        except KeyError:
            pass

    gc.disable()
    try:
        await catch(0)
        await catch(2)
        assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()


# -- time --------------------------------------------------------------------------------


@pytest.mark.feature("A25")
async def test_with_timeout_has_the_outcome_when_it_comes_in_time() -> None:
    assert await gen.with_timeout(LONG, native(1)) == 1
    assert await gen.with_timeout(LONG, [native(1), None]) == [1, None]
    assert await gen.with_timeout(LONG, None) is None
    assert gen.with_timeout(timedelta(0), done(1)).result() == 1
    with pytest.raises(KeyError):
        await gen.with_timeout(asyncio.get_running_loop().time() + 3600, fails_later())


def no_message() -> str:
    raise LookupError("no message")


@pytest.mark.feature("A25")
@pytest.mark.parametrize("timeout", [timedelta(0), 0])
@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (None, TimeoutError, "Timeout"),
        ("", TimeoutError, ""),
        ("too late", TimeoutError, "too late"),
        (lambda: "made", TimeoutError, "made"),
        (no_message, LookupError, "no message"),
    ],
)
async def test_with_timeout_gives_up(
    timeout: Any, message: Any, error: type[Exception], text: str
) -> None:
    future: Future[None] = Future()
    with pytest.raises(error) as caught:
        await gen.with_timeout(timeout, future, message=message)
    assert str(caught.value) == text
    assert not future.done()


async def test_the_message_is_not_made_in_time() -> None:
    assert await gen.with_timeout(LONG, native(1), message=no_message) == 1


async def test_an_exception_after_the_timeout_is_logged_unless_it_is_quiet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for quiet in ((), (OSError, KeyError)):
        future: Future[None] = Future()
        with pytest.raises(TimeoutError):
            await gen.with_timeout(0, future, quiet_exceptions=quiet)
        future.set_exception(KeyError("late"))
        await asyncio.sleep(0)
    assert len(expect_log(caplog, "toolkit.application", "after timeout")) == 1


async def test_with_timeout_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="Unsupported deadline 'soon'"):
        gen.with_timeout("soon", Future())  # type: ignore[arg-type]
    with pytest.raises(gen.BadYieldError):
        gen.with_timeout(LONG, 42)


@pytest.mark.feature("A25")
async def test_sleep_is_done_after_a_while() -> None:
    assert await gen.sleep(0) is None
    assert await gen.sleep(-1) is None
    long, longer = gen.sleep(3600), gen.sleep(0.001)
    await longer
    assert not long.done()
    long.cancel()


async def test_maybe_future_makes_a_future_of_a_value() -> None:
    future: Future[None] = Future()
    assert gen.maybe_future(future) is future
    assert gen.maybe_future(3).result() == 3


# -- the first of several ----------------------------------------------------------------


@pytest.mark.feature("A25")
async def test_results_come_in_the_order_in_which_they_are_done() -> None:
    futures: list[Future[str]] = [Future() for _ in range(3)]
    iterator = gen.WaitIterator(*futures)
    seen = []
    for number in (2, 0, 1):
        coming = iterator.next()
        assert iterator.next() is coming
        futures[number].set_result("abc"[number])
        seen.append((await coming, iterator.current_index, iterator.current_future))
    assert seen == [("c", 2, futures[2]), ("a", 0, futures[0]), ("b", 1, futures[1])]
    assert iterator.done()
    assert iterator.current_index is None
    assert iterator.current_future is None
    with pytest.raises(IndexError, match="given out"):
        iterator.next()


@pytest.mark.feature("A25")
async def test_async_for_goes_over_the_results() -> None:
    results = gen.WaitIterator(first=done(1), second=native(2), third=fails_later(), last=native(4))
    seen: dict[Any, Any] = {}
    while not results.done():
        try:
            async for value in results:
                seen[results.current_index] = value
        except KeyError:
            seen[results.current_index] = "failed"
    assert seen == {"first": 1, "second": 2, "third": "failed", "last": 4}


async def test_the_same_future_may_be_given_twice() -> None:
    future = done(1)
    results = gen.WaitIterator(future, future)
    assert [(value, results.current_index) async for value in results] == [(1, 0), (1, 1)]


async def test_a_future_of_a_thread_is_shown_as_it_was_given() -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    results = gen.WaitIterator(future)
    future.set_result(3)
    assert await results.next() == 3
    assert results.current_future is future  # type: ignore[comparison-overlap]


def test_a_wait_iterator_takes_one_kind_of_arguments() -> None:
    with pytest.raises(ValueError, match="not both"):
        gen.WaitIterator(1, a=2)


@pytest.mark.parametrize("turns", range(3))
async def test_a_cancelled_wait_loses_no_result(turns: int) -> None:
    future: Future[int] = Future()
    iterator = gen.WaitIterator(future)

    async def take() -> int:
        return int(await iterator.next())

    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    if turns:
        future.set_result(7)
    for _ in range(turns - 1):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not iterator.done()
    if not turns:
        future.set_result(7)
    assert await iterator.next() == 7
