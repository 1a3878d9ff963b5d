"""How a server ends: who is told, who may finish, who is closed, who is cut off."""

import asyncio
import contextlib

import pytest

from tests.http.client import Client, Serve, get, post, turns
from tests.loops import expect_log
from toolkit.http1connection import Exchange
from toolkit.web import RequestHandler
from toolkit.wire.events import ResponseHead


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class Feed:
    """A handler of an endless answer, which ends when it is told that the server stops."""

    def __init__(self, ends: bool = True) -> None:
        self.begun = asyncio.Event()
        self.told: list[bool] = []
        self.cancelled = asyncio.Event()
        feed = self

        class Events(RequestHandler):
            def initialize(self) -> None:
                self.end = asyncio.Event()

            def on_drain(self) -> None:
                feed.told.append(True)
                if ends:
                    self.end.set()

            async def get(self) -> None:
                self.write("data: 1\n\n")
                await self.flush()
                feed.begun.set()
                try:
                    await self.end.wait()
                except asyncio.CancelledError:
                    feed.cancelled.set()
                    raise
                self.write("data: bye\n\n")

        self.handler = Events


@pytest.mark.feature("B20")
async def test_handlers_of_long_answers_are_told(serve: Serve) -> None:
    """Each once, at the start of the end, so that none has to be cut off."""
    feed = Feed()
    site = serve([("/", feed.handler)])
    clients = [await site.client() for _ in range(3)]
    for client in clients:
        feed.begun.clear()
        await client.send(get())
        await feed.begun.wait()
    assert feed.told == []
    site.server.stop()
    await asyncio.gather(*(site.server.close_all_connections() for _ in range(2)))
    assert feed.told == [True] * 3
    for client in clients:
        assert (await client.answer()).text == "data: 1\n\ndata: bye\n\n"
        await client.expect_end()
    assert not feed.cancelled.is_set()


@pytest.mark.feature("B20")
async def test_what_does_not_heed_the_news_is_cancelled_at_the_deadline(serve: Serve) -> None:
    feed = Feed(ends=False)
    site = serve([("/", feed.handler)])
    client = await site.client()
    await client.send(get())
    await feed.begun.wait()
    site.server.stop()
    await site.server.close_all_connections(timeout=0.1)
    assert feed.told == [True]
    assert feed.cancelled.is_set()
    assert not (await client.read_to_end()).endswith(b"0\r\n\r\n")


@pytest.mark.feature("B20")
async def test_a_request_that_comes_to_a_stopping_server_is_told_at_once(serve: Serve) -> None:
    """It was on its way; its handler knows from the start that it should be short."""
    feed, release = Feed(), asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            feed.begun.set()
            await release.wait()

    site = serve([("/", Hello), ("/slow", Slow), ("/feed", feed.handler)], drain_grace=20)
    idle, busy = await site.client(), await site.client()
    assert (await idle.get()).text == "hello"
    await busy.send(get("/slow"))
    await feed.begun.wait()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    answer = await idle.get("/feed")
    assert (answer.text, answer.get("connection")) == ("data: 1\n\ndata: bye\n\n", "close")
    assert feed.told == [True]
    release.set()
    await closing


async def test_a_drain_callback_is_called_once_however_it_was_set(serve: Serve) -> None:
    """Before the end, after its begin, and not at all once it was taken back."""
    told: list[str] = []
    begun, release = asyncio.Event(), asyncio.Event()

    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.set_drain_callback(lambda: told.append("forgotten"))
            exchange.set_drain_callback(None)
            exchange.set_drain_callback(lambda: told.append("first"))
            begun.set()
            await release.wait()
            assert exchange.draining
            exchange.set_drain_callback(lambda: told.append("late"))
            exchange.respond(ResponseHead(200), b"done")

    site = serve(App())
    client = await site.client()
    await client.send(get())
    await begun.wait()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    assert told == ["first"]
    release.set()
    assert (await client.answer()).text == "done"
    await closing
    assert told == ["first", "late"]


async def test_an_error_in_on_drain_is_logged_and_keeps_nobody_from_the_news(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends all the same."""
    told = 0
    begun, release = asyncio.Semaphore(0), asyncio.Event()

    class Broken(RequestHandler):
        def on_drain(self) -> None:
            nonlocal told
            told += 1
            raise RuntimeError("broken on purpose")

        async def get(self) -> None:
            begun.release()
            await release.wait()
            self.write("done")

    site = serve([("/", Broken)])
    clients = [await site.client() for _ in range(3)]
    for client in clients:
        await client.send(get())
        await begun.acquire()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    assert told == 3
    release.set()
    assert [(await client.answer()).text for client in clients] == ["done"] * 3
    await closing
    expect_log(caplog, "toolkit.application", "xception")


@pytest.mark.feature("B19")
async def test_nothing_new_is_taken_and_what_is_under_way_ends(serve: Serve) -> None:
    """An answer says that it is the last; content that is on its way is still read."""
    begun, release = asyncio.Event(), asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await release.wait()
            self.write("slow")

    site = serve([("/", Hello), ("/slow", Slow)])
    slow, upload = await site.client(), await site.client()
    await slow.send(get("/slow"))
    await begun.wait()
    await upload.send(post("/", b"x" * 1000)[:-500])
    await site.get()
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections(timeout=20))
    await turns()
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(site.address)
    await upload.send(b"x" * 500)
    answer = await upload.answer("POST")
    assert (answer.text, answer.get("connection")) == ("1000", "close")
    release.set()
    answer = await slow.answer()
    assert (answer.text, answer.get("connection")) == ("slow", "close")
    await closing


@pytest.mark.feature("B19")
async def test_an_idle_connection_may_ask_once_more_within_the_grace(serve: Serve) -> None:
    """Its request may have been on the wire; it is answered, and told that it was the last."""
    site = serve([("/", Hello)], drain_grace=20)
    client = await site.client()
    assert (await client.get()).keep_alive
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    answer = await client.get()
    assert (answer.text, answer.get("connection")) == ("hello", "close")
    await client.expect_end()
    await closing


@pytest.mark.feature("B19")
async def test_one_that_was_idle_for_long_gets_no_grace(serve: Serve) -> None:
    """Sweeps have seen it idle for as long: there is no request on its way."""
    site = serve([("/", Hello)], drain_grace=0.5, header_timeout=0.1)
    client = await site.client()
    assert (await client.get()).keep_alive
    (connection,) = site.server._connections
    now = asyncio.get_running_loop().time
    while connection.idle_since is None or now() - connection.idle_since < 0.5:
        await asyncio.sleep(0.01)
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    assert closing.done()
    await client.expect_end()


@pytest.mark.feature("B19")
async def test_one_that_a_sweep_has_just_seen_idle_has_the_grace(serve: Serve) -> None:
    """Busy connections are idle at times as well."""
    site = serve([("/", Hello)], drain_grace=20)
    client = await site.client()
    assert (await client.get()).keep_alive
    (connection,) = site.server._connections
    connection.sweep(asyncio.get_running_loop().time())
    assert connection.idle_since is not None
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    answer = await client.get()
    assert (answer.text, answer.get("connection")) == ("hello", "close")
    await closing


@pytest.mark.feature("B19")
async def test_a_connection_of_an_answer_under_way_keeps_its_promise(serve: Serve) -> None:
    """Its head has said that the connection goes on, and so it does for one more request."""
    feed = Feed(ends=False)
    release = asyncio.Event()

    class Streamed(RequestHandler):
        async def get(self) -> None:
            await self.flush()
            feed.begun.set()
            await release.wait()
            self.write("streamed")

    site = serve([("/", Hello), ("/stream", Streamed)], drain_grace=20)
    client = await site.client()
    await client.send(get("/stream"))
    await feed.begun.wait()
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    release.set()
    answer = await client.answer()
    assert (answer.text, answer.keep_alive) == ("streamed", True)
    answer = await client.get()
    assert (answer.text, answer.get("connection")) == ("hello", "close")
    await client.expect_end()
    await closing


@pytest.mark.feature("B19")
async def test_a_handler_that_cannot_be_cancelled_keeps_no_server(serve: Serve) -> None:
    """`close_all_connections` comes back whatever a handler does about its cancellation."""
    begun, release, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Deaf(RequestHandler):
        async def get(self) -> None:
            begun.set()
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()
            over.set()

    site = serve([("/", Deaf)])
    client = await site.client()
    try:
        await client.send(get())
        await begun.wait()
        site.server.stop()
        await site.server.close_all_connections(timeout=0.05)
        assert not over.is_set()
        await client.read_to_end()
    finally:
        release.set()
    await over.wait()


@pytest.mark.feature("B19")
async def test_what_a_cancelled_handler_cleans_up_is_done_before_the_server_is_closed(
    serve: Serve,
) -> None:
    begun, cleaned = asyncio.Event(), False

    class Careful(RequestHandler):
        async def get(self) -> None:
            nonlocal cleaned
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await turns(20)
                cleaned = True

    site = serve([("/", Careful)])
    client = await site.client()
    await client.send(get())
    await begun.wait()
    site.server.stop()
    await site.server.close_all_connections(timeout=0)
    assert cleaned


async def test_a_close_that_is_cancelled_can_be_done_again(serve: Serve) -> None:
    """The connections drain on; nothing is lost."""
    feed = Feed(ends=False)
    site = serve([("/", feed.handler)])
    client = await site.client()
    await client.send(get())
    await feed.begun.wait()
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not feed.cancelled.is_set()
    await site.server.close_all_connections(timeout=0)
    assert feed.cancelled.is_set()
    assert feed.told == [True]


async def test_shutdown_stops_and_closes(serve: Serve) -> None:
    site = serve([("/", Hello)])
    client = await site.client()
    assert (await client.get()).text == "hello"
    await site.server.shutdown(timeout=5)
    await client.expect_end()
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(site.address)
    await site.server.shutdown()
