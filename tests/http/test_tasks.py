"""What handlers see of asyncio: a task, time-outs, task groups and contexts of their own."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.http.client import Serve, Site, get, post, turns
from tests.loops import expect_log
from toolkit.web import HTTPError, RequestHandler

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

Body = Callable[[RequestHandler], Awaitable[None]]


def handler_of(body: Body) -> type[RequestHandler]:
    """Make a handler class whose GET and POST are a coroutine function."""

    class Handler(RequestHandler):
        async def get(self) -> None:
            await body(self)

        post = get

    return Handler


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")


async def answers(site: Site, target: str, expected: str) -> None:
    """Check an answer first, again and pipelined, on one connection and with content too."""
    client = await site.client()
    for _ in range(2):
        answer = await client.get(target)
        assert (answer.status, answer.text) == (200, expected)
    await client.send(get(target) * 3)
    for _ in range(3):
        assert (await client.answer()).text == expected
    await client.send(post(target, b"content")[:-3])
    await turns()
    await client.send(b"ent")
    assert (await client.answer("POST")).text == expected


# -- the task ----------------------------------------------------------------------------


async def test_a_handler_runs_in_a_task_that_stays_the_same(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        task = asyncio.current_task()
        assert isinstance(task, asyncio.Future)
        assert task in asyncio.all_tasks()
        assert not task.done()
        for _ in range(3):
            await asyncio.sleep(0)
            assert asyncio.current_task() is task
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        assert asyncio.current_task() is task
        handler.write("same")

    await answers(serve([("/", handler_of(body))]), "/", "same")


async def test_prepare_and_method_share_one_task(serve: Serve) -> None:
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            self.task = asyncio.current_task()
            await asyncio.sleep(0)

        async def get(self) -> None:
            assert asyncio.current_task() is self.task
            self.write("same")

        post = get

    await answers(serve([("/", Handler)]), "/", "same")


async def test_two_connections_have_two_tasks(serve: Serve) -> None:
    tasks: set[Any] = set()
    both = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        tasks.add(asyncio.current_task())
        if len(tasks) == 2:
            both.set()
        await both.wait()

    site = serve([("/", handler_of(body))])
    first, second = await site.client(), await site.client()
    await first.send(get())
    await second.send(get())
    assert [(await first.answer()).status, (await second.answer()).status] == [200, 200]


async def test_a_server_that_is_called_from_a_task_leaves_that_task_alone(serve: Serve) -> None:
    """Whoever drives the loop is still the current task after a request was served."""
    me = asyncio.current_task()
    site = serve([("/", Hello)])
    for _ in range(3):
        assert (await site.get()).text == "hello"
        assert asyncio.current_task() is me


# -- time-outs and groups ----------------------------------------------------------------


@pytest.mark.parametrize("waits_before", [0, 1, 3])
async def test_a_time_out_expires_within_a_handler(serve: Serve, waits_before: int) -> None:
    """Whether or not the handler has had to wait before."""

    async def body(handler: RequestHandler) -> None:
        for _ in range(waits_before):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            handler.write("expired")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    await answers(serve([("/", handler_of(body))]), "/", "expired")


async def test_a_time_out_that_is_over_at_once_expires_too(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            handler.write("expired")

    await answers(serve([("/", handler_of(body))]), "/", "expired")


async def test_a_time_out_that_is_not_used_up_does_nothing(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        async with asyncio.timeout(0.05):  # noqa: ASYNC100  # nothing in it has to wait
            handler.write("in time")
        async with asyncio.timeout(20):
            await asyncio.sleep(0)

    site = serve([("/", handler_of(body))])
    await answers(site, "/", "in time")
    client = await site.client()
    assert (await client.get()).text == "in time"
    # An answer of 0.1 s on the same connection: the time-outs of before would hit it.
    waiting = asyncio.create_task(asyncio.wait_for(asyncio.Event().wait(), 0.1))
    with pytest.raises(TimeoutError):
        await waiting
    assert (await client.get()).text == "in time"


@pytest.mark.parametrize("waits_before", [0, 1])
async def test_a_task_group_with_a_child_that_fails_works(serve: Serve, waits_before: int) -> None:
    """The siblings are cancelled and the handler gets the group's exception."""

    async def fail() -> None:
        raise ValueError("child")

    async def body(handler: RequestHandler) -> None:
        for _ in range(waits_before):
            await asyncio.sleep(0)
        cancelled = False

        async def wait() -> None:
            nonlocal cancelled
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled = True
                raise

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(wait())
                group.create_task(fail())
                await asyncio.Event().wait()
        except* ValueError as errors:
            handler.write(f"{errors.exceptions[0]} {cancelled}")
        await asyncio.sleep(0)

    await answers(serve([("/", handler_of(body))]), "/", "child True")


async def test_gather_and_wait_for_work(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        values = await asyncio.gather(asyncio.sleep(0, "a"), asyncio.sleep(0, "b"))
        handler.write("".join(values) + await asyncio.wait_for(asyncio.sleep(0, "c"), 10))

    await answers(serve([("/", handler_of(body))]), "/", "abc")


# -- contexts ----------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
async def test_context_variables_do_not_leak(serve: Serve, waits: bool) -> None:
    """Neither to the next request of a connection, nor to another connection."""

    async def body(handler: RequestHandler) -> None:
        before = variable.get()
        variable.set("set by a request")
        if waits:
            await asyncio.sleep(0)
        assert variable.get() == "set by a request"
        handler.write(before)

    site = serve([("/", handler_of(body))])
    await answers(site, "/", "unset")
    assert (await site.get()).text == "unset"
    assert variable.get() == "unset"


async def test_contexts_of_requests_under_way_are_apart(serve: Serve) -> None:
    gate = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        variable.set(handler.get_argument("value") or "")
        if variable.get() == "last":
            gate.set()
        await gate.wait()
        handler.write(variable.get())

    site = serve([("/", handler_of(body))])
    values = ["a", "b", "last"]
    clients = [await site.client() for _ in values]
    for client, value in zip(clients, values, strict=True):
        await client.send(get(f"/?value={value}"))
    assert [(await client.answer()).text for client in clients] == values


async def test_a_request_behind_one_that_waited_has_a_fresh_context(serve: Serve) -> None:
    gate = asyncio.Event()

    async def slow(handler: RequestHandler) -> None:
        variable.set("slow")
        await gate.wait()
        handler.write(variable.get())

    async def look(handler: RequestHandler) -> None:
        handler.write(variable.get())

    site = serve([("/slow", handler_of(slow)), ("/look", handler_of(look))])
    client = await site.client()
    await client.send(get("/slow") + get("/look") * 2)
    await turns()
    gate.set()
    assert [(await client.answer()).text for _ in range(3)] == ["slow", "unset", "unset"]


# -- endings -----------------------------------------------------------------------------


async def test_a_client_that_leaves_is_told_to_a_handler_that_waits(serve: Serve) -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    class Waiting(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await told.wait()

        def on_connection_close(self) -> None:
            told.set()

    site = serve([("/", Hello), ("/wait", Waiting)])
    for leave in ("close", "reset"):
        client = await site.client()
        await client.send(get("/wait"))
        await begun.wait()
        getattr(client, leave)()
        await told.wait()
        begun.clear()
        told.clear()
    assert (await site.get()).text == "hello"


async def test_nobody_is_told_of_a_client_that_leaves_after_its_answer(serve: Serve) -> None:
    told: list[str] = []

    class Quick(RequestHandler):
        def get(self) -> None:
            self.write("quick")

        def on_connection_close(self) -> None:
            told.append("closed")

    site = serve([("/", Quick)])
    client = await site.client()
    assert (await client.get()).text == "quick"
    client.close()
    assert (await site.get()).text == "quick"
    await turns()
    assert told == []


async def test_an_error_in_on_connection_close_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    class Waiting(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await told.wait()

        def on_connection_close(self) -> None:
            told.set()
            raise ValueError("closed")

    site = serve([("/", Hello), ("/wait", Waiting)])
    client = await site.client()
    await client.send(get("/wait"))
    await begun.wait()
    client.close()
    await told.wait()
    assert (await site.get()).text == "hello"
    expect_log(caplog, "toolkit.application", "Exception in close callback")


async def test_writing_to_a_client_that_left_ends_the_handler_quietly(serve: Serve) -> None:
    """Its `flush` raises StreamClosedError, which nobody has to catch or read in the log."""
    begun, left = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    class Streamed(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await left.wait()
            while True:
                self.write(b"x" * 65_536)
                await self.flush()

        def on_connection_close(self) -> None:
            left.set()

        def on_finish(self) -> None:
            ended.append("finished")
            finished.set()

    finished = asyncio.Event()
    site = serve([("/", Hello), ("/stream", Streamed)])
    client = await site.client()
    await client.send(get("/stream"))
    await begun.wait()
    client.reset()
    await finished.wait()
    assert (await site.get()).text == "hello"
    assert ended == ["finished"]


async def _raise(handler: RequestHandler) -> None:
    raise ValueError("raised")


async def _wait_and_raise(handler: RequestHandler) -> None:
    await asyncio.sleep(0)
    raise ValueError("raised")


@pytest.mark.parametrize("body", [_raise, _wait_and_raise])
async def test_a_handler_that_raises_costs_its_own_request_only(
    serve: Serve, caplog: pytest.LogCaptureFixture, body: Body
) -> None:
    """Those behind it on the connection are answered."""
    site = serve([("/", handler_of(body)), ("/hello", Hello)])
    client = await site.client()
    await client.send(get() + get("/hello"))
    assert [(await client.answer()).status for _ in range(2)] == [500, 200]
    assert (await client.get("/hello")).text == "hello"
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def _cancel_itself(handler: RequestHandler) -> None:
    _cancel_current()
    await asyncio.Event().wait()


async def _wait_and_cancel_itself(handler: RequestHandler) -> None:
    await asyncio.sleep(0)
    _cancel_current()
    await asyncio.sleep(0)


def _cancel_current() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("body", [_cancel_itself, _wait_and_cancel_itself])
async def test_a_handler_that_cancels_itself_costs_its_own_connection_only(
    serve: Serve, body: Body
) -> None:
    """It gave no answer, so there is an error for it; the server goes on."""
    site = serve([("/", handler_of(body)), ("/hello", Hello)])
    other = await site.client()
    assert (await other.get("/hello")).text == "hello"
    client = await site.client()
    await client.send(get())
    raw = await client.read_to_end()
    assert raw == b"" or raw.startswith(b"HTTP/1.1 500 ")
    assert (await other.get("/hello")).text == "hello"
    assert (await site.get("/hello")).text == "hello"


async def test_a_cancellation_of_something_else_is_an_error_like_others(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler waited for what somebody cancelled, and is not cancelled itself."""

    async def wait_for_the_cancelled(handler: RequestHandler) -> None:
        raise asyncio.CancelledError

    client = await serve([("/", handler_of(wait_for_the_cancelled)), ("/hello", Hello)]).client()
    assert (await client.get()).status == 500
    assert (await client.get("/hello")).text == "hello"
    expect_log(caplog, "toolkit.application", "Uncaught exception GET /")


@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize("waits_before", [0, 1])
async def test_a_cancellation_that_hit_nothing_does_not_hit_the_next_request(
    serve: Serve, pipelined: bool, waits_before: int
) -> None:
    """A handler cancels its own task and ends without another wait; the next one does wait."""

    async def cancel_and_end(handler: RequestHandler) -> None:
        for _ in range(waits_before):
            await asyncio.sleep(0)
        _cancel_current()
        handler.write("ended")

    async def wait(handler: RequestHandler) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        handler.write("waited")

    site = serve([("/cancel", handler_of(cancel_and_end)), ("/wait", handler_of(wait))])
    client = await site.client()
    if pipelined:
        await client.send(get("/cancel") + get("/wait"))
        assert (await client.answer()).text == "ended"
        assert (await client.answer()).text == "waited"
    else:
        assert (await client.get("/cancel")).text == "ended"
        assert (await client.get("/wait")).text == "waited"


async def test_a_time_out_around_the_last_wait_does_not_hit_the_next_request(
    serve: Serve,
) -> None:
    """Many handlers whose time-out comes about when they end, one after the other."""

    async def race(handler: RequestHandler) -> None:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(0)
        except TimeoutError:
            pass
        handler.write("over")

    client = await serve([("/", handler_of(race))]).client()
    await client.send(get() * 50)
    for _ in range(50):
        answer = await client.answer()
        assert (answer.status, answer.text) == (200, "over")


@pytest.mark.parametrize("error", [ValueError("bad"), HTTPError(403)])
async def test_an_exception_in_initialize_is_logged_and_answered(
    serve: Serve, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    class Handler(RequestHandler):
        def initialize(self) -> None:
            raise error

        def get(self) -> None:
            raise AssertionError("not reached")

    site = serve([("/", Handler), ("/hello", Hello)])
    answer = await site.get()
    assert answer.status == 500
    assert (await site.get("/hello")).text == "hello"
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_arguments_that_initialize_does_not_take_are_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve([("/", Hello, {"surplus": 1})])
    assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_a_task_that_a_handler_starts_outlives_the_request(serve: Serve) -> None:
    later = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def wait() -> None:
        await later.wait()

    async def body(handler: RequestHandler) -> None:
        tasks.append(asyncio.create_task(wait()))
        handler.write("started")

    site = serve([("/", handler_of(body))])
    client = await site.client()
    assert (await client.get()).text == "started"
    client.close()
    assert not tasks[0].done()
    later.set()
    await tasks[0]
