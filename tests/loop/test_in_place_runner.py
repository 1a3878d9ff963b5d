"""`InPlaceRunner`: coroutines start at once, and find themselves in a task as ever."""

import asyncio
import contextvars
import io
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit.concurrent import InPlaceRunner

Body = Callable[[], Coroutine[Any, Any, None]]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


class Ground:
    """An `InPlaceRunner` used as a connection uses it: from a callback, or from a task.

    Attributes:
        runner: the runner itself.
        ended: how often it said that a coroutine which had to wait has ended.
    """

    def __init__(self, in_task: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._in_task = in_task
        self._news = asyncio.Event()
        self.ended = 0
        self.runner = InPlaceRunner(self._loop, self._on_ended)

    def _on_ended(self) -> None:
        assert not self.runner.busy
        assert asyncio.current_task() is None
        self.ended += 1
        self._news.set()

    async def start(self, body: Body) -> bool:
        """Run a coroutine, and return what `run` returned."""
        if self._in_task:
            task = asyncio.current_task()
            result = self.runner.run(body())
            assert asyncio.current_task() is task
            return result
        returned: asyncio.Future[bool] = self._loop.create_future()

        def callback() -> None:
            try:
                returned.set_result(self.runner.run(body()))
            except BaseException as error:
                returned.set_exception(error)

        self._loop.call_soon(callback)
        return await returned

    async def wait(self) -> None:
        """Wait until the coroutine under way has ended."""
        while self.runner.busy:
            await self._news.wait()
            self._news.clear()
        self._news.clear()

    async def finish(self, body: Body) -> None:
        """Run a coroutine to its end."""
        if not await self.start(body):
            await self.wait()


@pytest.fixture(params=["from a callback", "from a task"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """Make a runner, and stop it after the test."""
    ground = Ground(request.param == "from a task")
    yield ground
    ground.runner.stop()


def current() -> asyncio.Task[Any]:
    """Return the task that user code finds itself in."""
    task = asyncio.current_task()
    assert task is not None
    return task


class Foreign(Coroutine[Any, Any, None]):
    """A coroutine that is not of Python's own type."""

    def __init__(self, inner: Coroutine[Any, Any, None]) -> None:
        self._inner = inner

    def send(self, value: Any) -> Any:
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        return self._inner.__await__()


async def ready() -> None:
    """Be a coroutine that never waits."""


# -- in place ----------------------------------------------------------------------------


async def test_a_coroutine_that_never_waits_runs_in_the_call(ground: Ground) -> None:
    """No turn of the loop passes, and `ended` is not called."""
    order = []

    async def body() -> None:
        order.append("body")

    def callback() -> None:
        order.append("before")
        assert ground.runner.run(body()) is True
        order.append("after")

    asyncio.get_running_loop().call_soon(callback)
    await asyncio.sleep(0)
    assert order == ["before", "body", "after"]
    assert not ground.runner.busy
    assert ground.ended == 0


@pytest.mark.parametrize("waits", [False, True])
async def test_a_coroutine_may_be_of_another_making(ground: Ground, waits: bool) -> None:
    """As those of Cython are: an object with `send`, `throw`, `close` and ``__await__``."""
    order = []

    async def body() -> None:
        order.append("begun")
        if waits:
            await asyncio.sleep(0)
        order.append("ended")

    await ground.finish(lambda: Foreign(body()))
    await ground.finish(lambda: Foreign(body()))
    assert order == ["begun", "ended"] * 2


async def test_an_error_is_no_matter_of_the_next_coroutine(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> None:
        raise ValueError("no")

    done = []

    async def good() -> None:
        done.append(1)

    for _ in range(3):
        await ground.finish(failing)
        await ground.finish(good)
    assert done == [1] * 3
    assert len(expect_log(caplog, "toolkit.application", "Uncaught exception")) == 3


async def test_a_coroutine_costs_a_task_only_when_it_waits(ground: Ground) -> None:
    loop = asyncio.get_running_loop()
    made: list[object] = []

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def waits() -> None:
        await asyncio.sleep(0)

    loop.set_task_factory(factory)
    for body in [ready, ready, ready]:
        await ground.finish(body)
    assert len(made) == 1, "the task that is kept ready"
    for body in [waits, ready, waits, waits, ready]:
        await ground.finish(body)
    assert len(made) == 4, "one for each that waited, and the one that is kept ready"


async def test_a_coroutine_that_waits_is_carried_on(ground: Ground) -> None:
    future: asyncio.Future[str] = asyncio.Future()
    seen = []

    async def body() -> None:
        seen.append(await future)
        await asyncio.sleep(0)
        seen.append(await asyncio.to_thread(lambda: "thread"))

    assert await ground.start(body) is False
    assert ground.runner.busy
    assert seen == []
    future.set_result("future")
    await ground.wait()
    assert seen == ["future", "thread"]
    assert ground.ended == 1


async def test_a_result_that_is_there_before_the_task_looks_is_not_lost(ground: Ground) -> None:
    future: asyncio.Future[str] = asyncio.Future()
    seen = []

    async def body() -> None:
        asyncio.get_running_loop().call_soon(future.set_result, "early")
        seen.append(await future)

    await ground.finish(body)
    assert seen == ["early"]


async def test_a_done_future_is_no_wait(ground: Ground) -> None:
    future: asyncio.Future[str] = asyncio.Future()
    future.set_result("there")
    seen = []

    async def body() -> None:
        seen.append(await future)

    assert await ground.start(body) is True
    assert seen == ["there"]


async def test_a_bare_turn_of_the_loop_can_be_the_first_wait(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        await asyncio.sleep(0)
        seen.append(1)
        await asyncio.sleep(0)
        seen.append(2)

    for _ in range(2):
        assert await ground.start(body) is False
        await ground.wait()
    assert seen == [1, 2, 1, 2]


async def test_an_error_of_what_is_awaited_reaches_the_coroutine(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        for _ in range(2):
            future: asyncio.Future[None] = asyncio.Future()
            asyncio.get_running_loop().call_soon(future.set_exception, ZeroDivisionError())
            try:
                await future
            except ZeroDivisionError:
                seen.append("caught")

    await ground.finish(body)
    assert seen == ["caught"] * 2


async def test_the_next_coroutine_can_be_run_when_one_has_ended() -> None:
    """As for pipelined requests: `ended` itself runs the next one."""
    loop = asyncio.get_running_loop()
    left = 5
    finished = asyncio.Event()

    async def body() -> None:
        await asyncio.sleep(0)

    def following() -> None:
        nonlocal left
        left -= 1
        if left:
            assert runner.run(body()) is False
        else:
            finished.set()

    runner = InPlaceRunner(loop, following)
    loop.call_soon(runner.run, body())
    await finished.wait()
    runner.stop()


# -- the current task --------------------------------------------------------------------


async def test_the_current_task_is_real_and_stays_the_same(ground: Ground) -> None:
    async def body() -> None:
        before = current()
        assert isinstance(before, asyncio.Task)
        assert before is not test
        assert before in asyncio.all_tasks()
        seen.append(before)
        await asyncio.sleep(0)
        seen.append(current())
        await asyncio.sleep(0)
        seen.append(current())

    test = current()
    for _ in range(2):
        seen: list[asyncio.Task[Any]] = []
        await ground.finish(body)
        assert len(seen) == 3
        assert seen[0] is seen[1] is seen[2]
        assert current() is test


async def test_a_task_can_hold_what_libraries_keep_by_it(ground: Ground) -> None:
    """anyio and sniffio look up their state by the current task."""
    state: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
    seen = []

    async def body() -> None:
        state[current()] = "kept"
        await asyncio.sleep(0)
        seen.append(state[current()])

    await ground.finish(body)
    assert seen == ["kept"]


@pytest.mark.parametrize("runs_before", [0, 1])
async def test_the_stack_of_the_task_is_that_of_the_coroutine(
    ground: Ground, runs_before: int
) -> None:
    async def deep() -> None:
        await future

    async def body_under_way() -> None:
        tasks.append(current())
        await deep()

    async def waits() -> None:
        await asyncio.sleep(0)

    for _ in range(runs_before):
        await ground.finish(waits)
    tasks: list[asyncio.Task[Any]] = []
    future: asyncio.Future[None] = asyncio.Future()
    await ground.start(body_under_way)
    [task] = tasks
    assert [frame.f_code.co_name for frame in task.get_stack()] == ["body_under_way"]
    printed = io.StringIO()
    task.print_stack(file=printed)
    assert "body_under_way" in printed.getvalue()
    assert "await deep()" in printed.getvalue()
    assert isinstance(repr(task), str)
    future.set_result(None)
    await ground.wait()


async def test_the_idle_task_can_be_shown(ground: Ground) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def body() -> None:
        tasks.append(current())
        await asyncio.sleep(0)

    await ground.finish(body)
    assert tasks[0].get_stack() == []
    assert isinstance(repr(tasks[0]), str)


# -- time-outs and groups ----------------------------------------------------------------


async def test_a_timeout_that_expired_before_the_first_wait_works(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        for delay in (0, -1):
            try:
                async with asyncio.timeout(delay):
                    await asyncio.Event().wait()
            except TimeoutError:
                seen.append(delay)

    for _ in range(2):
        await ground.finish(body)
    assert seen == [0, -1] * 2


async def test_a_timeout_that_expires_after_the_first_wait_works(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("first wait")
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(0)
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("later wait")

    for _ in range(2):
        await ground.finish(body)
    assert seen == ["first wait", "later wait"] * 2


async def test_a_timeout_that_does_not_expire_does_nothing(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        async with asyncio.timeout(0):
            await ready()
        seen.append(await asyncio.wait_for(asyncio.sleep(0, "value"), 60))

    for _ in range(2):
        await ground.finish(body)
    assert seen == ["value"] * 2


async def test_wait_for_times_out(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        except TimeoutError:
            seen.append("timeout")

    await ground.finish(body)
    assert seen == ["timeout"]


async def test_a_group_of_tasks_gathers_its_results(ground: Ground) -> None:
    async def child(number: int) -> int:
        await asyncio.sleep(0)
        return number

    seen = []

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(number)) for number in range(3)]
        seen.append([task.result() for task in tasks])

    for _ in range(2):
        await ground.finish(body)
    assert seen == [[0, 1, 2]] * 2


async def test_a_failing_child_ends_its_group(ground: Ground) -> None:
    """Also while the body itself waits, which the group then cancels."""
    cancelled = []
    seen = []

    async def fail() -> None:
        raise ZeroDivisionError

    async def sibling() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("sibling")
            raise

    async def body(wait_first: bool, wait_inside: bool) -> None:
        if wait_first:
            await asyncio.sleep(0)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(sibling())
                group.create_task(fail())
                if wait_inside:
                    await asyncio.Event().wait()
        except* ZeroDivisionError as errors:
            seen.append(len(errors.exceptions))
        await asyncio.sleep(0)

    for wait_first in (False, True):
        for wait_inside in (False, True):
            await ground.finish(lambda a=wait_first, b=wait_inside: body(a, b))  # type: ignore[misc]
    assert seen == [1] * 4
    assert cancelled == ["sibling"] * 4


# -- cancelling --------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 1, 2, 5], ids=lambda turns: f"after {turns} turns")
@pytest.mark.parametrize("runs_before", [0, 1], ids=["new task", "used task"])
async def test_cancel_reaches_what_is_awaited(ground: Ground, runs_before: int, turns: int) -> None:
    """However far the hand-over to the task has come."""

    async def waits() -> None:
        await asyncio.sleep(0)

    for _ in range(runs_before):
        await ground.finish(waits)
    future: asyncio.Future[None] = asyncio.Future()
    seen = []

    async def body() -> None:
        try:
            await future
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    loop = asyncio.get_running_loop()
    started: asyncio.Future[None] = asyncio.Future()

    def callback() -> None:
        ground.runner.run(body())
        if not turns:
            ground.runner.cancel()
        started.set_result(None)

    loop.call_soon(callback)
    await started
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns:
        ground.runner.cancel()
    await ground.wait()
    assert seen == ["cancelled"]
    assert future.cancelled()
    assert ground.ended == runs_before + 1


@pytest.mark.parametrize("turns", [0, 5], ids=["before the hand-over", "after the hand-over"])
async def test_cancel_reaches_an_inner_task(ground: Ground, turns: int) -> None:
    seen = []
    inner: list[asyncio.Task[None]] = []

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("child")
            raise

    async def body() -> None:
        inner.append(asyncio.create_task(child()))
        try:
            await inner[0]
        except asyncio.CancelledError:
            seen.append("body")
            raise

    await ground.start(body)
    for _ in range(turns):
        await asyncio.sleep(0)
    ground.runner.cancel()
    await ground.wait()
    assert inner[0].cancelled()
    assert seen[-1] == "body"
    # A task that is cancelled before its first step never runs.
    assert seen == (["child", "body"] if turns else seen)


async def test_cancel_in_a_bare_turn_of_the_loop_works(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    def callback() -> None:
        ground.runner.run(body())
        ground.runner.cancel()

    for _ in range(2):
        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(0)
        await ground.wait()
    assert seen == ["cancelled"] * 2


async def test_a_cancellation_can_be_cleaned_up_after(ground: Ground) -> None:
    seen = []

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    await ground.start(body)
    ground.runner.cancel()
    await ground.wait()
    assert seen == ["cleaned up"]


async def test_what_is_awaited_may_be_cancelled_by_others(ground: Ground) -> None:
    """Then the coroutine gets CancelledError without having been cancelled itself."""
    seen = []

    async def body() -> None:
        future: asyncio.Future[None] = asyncio.Future()
        asyncio.get_running_loop().call_soon(future.cancel)
        try:
            await future
        except asyncio.CancelledError:
            seen.append(current().cancelling())

    await ground.finish(body)
    assert seen == [0]


async def test_cancel_of_an_idle_runner_does_nothing(ground: Ground) -> None:
    ground.runner.cancel()
    await ground.finish(ready)
    ground.runner.cancel()

    async def waits() -> None:
        await asyncio.sleep(0)

    await ground.finish(waits)
    ground.runner.cancel()
    await ground.finish(waits)
    assert ground.ended == 2


async def test_a_cancelled_coroutine_leaves_no_trace_in_the_next(ground: Ground) -> None:
    """A count of cancellations that stayed would break the next one's task groups."""

    async def endless() -> None:
        await asyncio.Event().wait()

    async def fail() -> None:
        raise ZeroDivisionError

    seen: list[object] = []

    async def grouped() -> None:
        seen.append(current().cancelling())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                await asyncio.Event().wait()
        except* ZeroDivisionError:
            seen.append("group")

    await ground.start(endless)
    ground.runner.cancel()
    await ground.wait()
    await ground.finish(grouped)
    assert seen == [0, "group"]


@pytest.mark.parametrize("waits", [False, True], ids=["in place", "after a wait"])
async def test_a_cancellation_that_was_never_met_does_not_reach_the_next(waits: bool) -> None:
    """A coroutine may cancel its own task and end before it waits again."""
    loop = asyncio.get_running_loop()
    seen = []
    finished = asyncio.Event()

    async def cancels_itself() -> None:
        if waits:
            await asyncio.sleep(0)
        current().cancel()

    async def following() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append("whole")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    coroutines = [cancels_itself(), following()]

    def run_what_is_left() -> None:
        while coroutines:
            if not runner.run(coroutines.pop(0)):
                return
        finished.set()

    runner = InPlaceRunner(loop, run_what_is_left)
    loop.call_soon(run_what_is_left)
    await finished.wait()
    runner.stop()
    assert seen == ["whole"]


# -- context variables -------------------------------------------------------------------


async def test_context_variables_do_not_leak(ground: Ground) -> None:
    """Neither into the next coroutine nor outside, set before or after a wait."""
    seen = []

    async def body() -> None:
        seen.append(variable.get())
        variable.set("before")
        await asyncio.sleep(0)
        seen.append(variable.get())
        variable.set("after")
        await asyncio.sleep(0)
        seen.append(variable.get())

    async def in_place() -> None:
        seen.append(variable.get())
        variable.set("in place")

    for part in (in_place, body, body, in_place):
        await ground.finish(part)
        assert variable.get() == "outside"
    assert seen == [
        "outside",
        *("outside", "before", "after"),
        *("outside", "before", "after"),
        "outside",
    ]


async def test_a_context_variable_can_be_reset_after_a_wait(ground: Ground) -> None:
    """A token is good only in the context that it was made in."""
    seen = []

    async def body() -> None:
        token = variable.set("inside")
        await asyncio.sleep(0)
        variable.reset(token)
        seen.append(variable.get())

    await ground.finish(body)
    assert seen == ["outside"]


async def test_tasks_made_inside_inherit_the_context(ground: Ground) -> None:
    seen = []

    async def child() -> None:
        seen.append(variable.get())

    async def body() -> None:
        variable.set("before")
        first = asyncio.create_task(child())
        await first
        variable.set("after")
        await asyncio.create_task(child())

    await ground.finish(body)
    assert seen == ["before", "after"]


# -- errors ------------------------------------------------------------------------------


async def test_an_error_is_logged_and_the_runner_goes_on(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_in_place() -> None:
        raise ZeroDivisionError("in place")

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("later")

    seen = []

    async def body() -> None:
        await asyncio.sleep(0)
        seen.append("whole")

    for part in (fail_in_place, fail_later, body):
        await ground.finish(part)
    assert seen == ["whole"]
    assert ground.ended == 2
    records = expect_log(caplog, "toolkit.application", "Uncaught exception")
    errors = [str(record.exc_info[1]) for record in records if record.exc_info is not None]
    assert errors == ["in place", "later"]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError("x")], ids=repr)
async def test_an_owner_may_hear_of_what_fails(error: BaseException, waits: bool) -> None:
    """In the context of the coroutine; also of a cancellation that nobody asked the task for."""
    heard: list[object] = []
    ended = asyncio.Event()

    def failed() -> None:
        heard.extend((sys.exc_info()[1], variable.get()))

    async def body() -> None:
        variable.set("inside")
        if waits:
            await asyncio.sleep(0)
        raise error

    runner = InPlaceRunner(asyncio.get_running_loop(), ended.set, failed)
    if not runner.run(body()):
        await ended.wait()
    runner.stop()
    assert heard == [error, "inside"]


async def test_an_owner_hears_nothing_of_its_own_cancellations() -> None:
    """They are what it wanted."""
    ended = asyncio.Event()
    runner = InPlaceRunner(asyncio.get_running_loop(), ended.set, pytest.fail)

    async def cancels_itself() -> None:
        runner_task = current()
        runner_task.cancel()
        raise asyncio.CancelledError

    assert runner.run(cancels_itself())
    assert not runner.run(asyncio.sleep(60))
    runner.cancel()
    await ended.wait()
    runner.stop()


async def test_a_coroutine_that_cancels_itself_is_not_logged(ground: Ground) -> None:
    async def in_place() -> None:
        raise asyncio.CancelledError

    async def later() -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    await ground.finish(in_place)
    await ground.finish(later)
    assert ground.ended == 1


# -- the end -----------------------------------------------------------------------------


async def test_stop_of_an_unused_runner_does_nothing(ground: Ground) -> None:
    ground.runner.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stop_while_idle_ends_the_task(ground: Ground) -> None:
    tasks = []

    async def body() -> None:
        tasks.append(current())
        await asyncio.sleep(0)

    await ground.finish(body)
    ground.runner.stop()
    await asyncio.wait(tasks)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stop_before_the_task_took_its_first_step_ends_it(ground: Ground) -> None:
    tasks = []

    async def body() -> None:
        tasks.append(current())

    await ground.start(body)
    ground.runner.stop()
    await asyncio.wait(tasks)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stop_while_busy_lets_the_coroutine_end(ground: Ground) -> None:
    future: asyncio.Future[None] = asyncio.Future()
    tasks = []
    seen = []

    async def body() -> None:
        tasks.append(current())
        await future
        await asyncio.sleep(0)
        seen.append("whole")

    await ground.start(body)
    ground.runner.stop()
    await asyncio.sleep(0)
    assert ground.runner.busy
    future.set_result(None)
    await asyncio.wait(tasks)
    assert seen == ["whole"]
    await ground.wait()
    assert ground.ended == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_stop_from_inside_the_coroutine_ends_the_task(ground: Ground) -> None:
    tasks = []

    async def body() -> None:
        tasks.append(current())
        await asyncio.sleep(0)
        ground.runner.stop()
        await asyncio.sleep(0)

    await ground.start(body)
    await asyncio.wait(tasks)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_the_task_ends_when_it_is_cancelled_from_outside(ground: Ground, busy: bool) -> None:
    """As `asyncio.run` does it at the end of a program, which then waits for the task."""
    tasks = []
    seen = []

    async def body() -> None:
        tasks.append(current())
        try:
            if busy:
                await asyncio.Event().wait()
        finally:
            seen.append("cleaned up")

    await ground.start(body)
    await asyncio.sleep(0)
    tasks[0].cancel()
    _, pending = await asyncio.wait(tasks, timeout=5)
    assert not pending
    assert seen == ["cleaned up"]


async def test_the_runner_outlives_the_cancellation_of_its_idle_task(ground: Ground) -> None:
    tasks = []

    async def body() -> None:
        tasks.append(current())
        await asyncio.sleep(0)

    await ground.finish(body)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    await ground.finish(body)
    assert tasks[0] is not tasks[1]
