"""`after_response`: what is done once the answer is over, and what a stop makes of it."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from tests.http.client import Serve, get
from tests.loops import expect_log
from toolkit.http1connection import Exchange
from toolkit.web import HTTPError, RequestHandler
from toolkit.wire.events import ResponseHead

NAME = ContextVar("name", default="")


@pytest.mark.feature("O01")
@pytest.mark.parametrize("size", [3, 3_000_000])
async def test_work_begins_when_the_last_byte_has_left(serve: Serve, size: int) -> None:
    """And runs in the order in which it was given, beside the next request."""
    seen: asyncio.Queue[Any] = asyncio.Queue()
    gate = asyncio.Event()

    class Handler(RequestHandler):
        def get(self) -> None:
            stream = self.request.connection.stream
            NAME.set("mine")
            self.after_response(lambda *args, **more: seen.put_nowait((args, more)), 1, two=2)
            self.after_response(self.work, stream)
            self.after_response(seen.put_nowait, "end")
            self.write("x" * size)

        async def work(self, stream: Any) -> None:
            seen.put_nowait((stream.unsent, self.get_status(), NAME.get()))
            await gate.wait()

        def on_finish(self) -> None:
            seen.put_nowait("finish")
            self.after_response(seen.put_nowait, "late")

    client = await serve([("/", Handler)]).client(receive_buffer=4096)
    await client.send(get())
    assert await seen.get() == "finish"
    assert seen.empty() or size < 1000
    assert len((await client.answer()).body) == size
    assert await seen.get() == ((1,), {"two": 2})
    assert await seen.get() == (0, 200, "mine")
    assert (await client.get("/none")).status == 404
    assert seen.empty()
    gate.set()
    assert [await seen.get(), await seen.get()] == ["end", "late"]


@pytest.mark.feature("O01")
async def test_an_error_is_logged_and_the_rest_goes_on(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()

    class Handler(RequestHandler):
        def get(self) -> None:
            self.after_response(self.fails)
            self.after_response(self.fails_later)
            self.after_response(done.set)

        def fails(self) -> None:
            raise ValueError("now")

        async def fails_later(self) -> None:
            await asyncio.sleep(0)
            raise ValueError("later")

    assert (await serve([("/", Handler)]).get()).status == 200
    await done.wait()
    for name in ("fails", "fails_later"):
        expect_log(caplog, "toolkit.application", rf"(?s)Uncaught exception in .*{name}.* after")


@pytest.mark.feature("O01")
@pytest.mark.parametrize("how", ["error", "streamed", "detached", "redirected"])
async def test_it_runs_whatever_the_answer_was(serve: Serve, how: str) -> None:
    done = asyncio.Event()

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.after_response(done.set)
            if how == "error":
                raise HTTPError(400)
            if how == "redirected":
                self.redirect("/else")
            elif how == "streamed":
                await self.flush()
                await self.finish("x")
            else:
                self.detach().close()

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    await done.wait()


@pytest.mark.feature("O01")
@pytest.mark.parametrize("cancelled", [False, True])
async def test_it_runs_when_the_client_has_left(serve: Serve, cancelled: bool) -> None:
    begun, done, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Handler(RequestHandler):
        cancel_on_close = cancelled

        def on_connection_close(self) -> None:
            gone.set()

        async def get(self) -> None:
            self.after_response(done.set)
            begun.set()
            await gone.wait()

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    await begun.wait()
    client.close()
    await done.wait()


@pytest.mark.feature("O01")
async def test_a_server_that_stops_waits_for_it(serve: Serve) -> None:
    steps: list[str] = []
    release = asyncio.Event()

    class Handler(RequestHandler):
        def get(self) -> None:
            self.after_response(self.work)

        async def work(self) -> None:
            steps.append("begun")
            await release.wait()
            steps.append("done")

    site = serve([("/", Handler)])
    await site.get()
    while not steps:
        await asyncio.sleep(0)
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    while site.server._connections:
        await asyncio.sleep(0)
    assert not closing.done()
    release.set()
    await closing
    assert steps == ["begun", "done"]


@pytest.mark.feature("O01")
async def test_what_lasts_beyond_the_deadline_is_cancelled_and_told(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[str] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            self.after_response(self.work)
            self.after_response(steps.append, "never")

        async def work(self) -> None:
            steps.append("begun")
            try:
                await asyncio.Event().wait()
            finally:
                steps.append("cleaned up")

    site = serve([("/", Handler)])
    await site.get()
    while not steps:
        await asyncio.sleep(0)
    site.server.stop()
    await site.server.close_all_connections(timeout=0.01)
    assert steps == ["begun", "cleaned up"]
    expect_log(caplog, "toolkit.general", r"(?s)Stopped before .*'never'.* after a response")


async def test_work_may_stop_the_server(serve: Serve) -> None:
    """It does not wait for itself."""
    done = asyncio.Event()

    class Handler(RequestHandler):
        def get(self) -> None:
            self.after_response(self.stop)

        async def stop(self) -> None:
            site.server.stop()
            await site.server.close_all_connections()
            done.set()

    site = serve([("/", Handler)])
    await site.get()
    await done.wait()


async def test_too_late_is_an_error(serve: Serve) -> None:
    handlers: list[RequestHandler] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            handlers.append(self)
            self.after_response(done.set)

    done = asyncio.Event()
    await serve([("/", Handler)]).get()
    await done.wait()
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="after_response"):
        handlers[0].after_response(done.set)


async def test_a_task_of_an_exchange_outlives_it(serve: Serve) -> None:
    """What `after_response` rests on, for applications without handlers."""
    release, done = asyncio.Event(), asyncio.Event()

    class Application:
        async def work(self) -> None:
            await release.wait()
            done.set()

        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.create_task(self.work())
            exchange.respond(ResponseHead(204))

    site = serve(Application())
    assert (await site.get()).status == 204
    release.set()
    await site.server.close_all_connections()
    assert done.is_set()
