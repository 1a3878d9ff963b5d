"""Deadlines of answers, and rates that content has to keep.

What is waited for is the server's deed, so that a slow machine makes a test longer and never
changes its result.
"""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.http.client import Client, Serve, Site, get, post, turns
from tests.loops import expect_log
from toolkit.http1connection import Exchange
from toolkit.iostream import StreamClosedError
from toolkit.web import RequestHandler
from toolkit.wire.events import ResponseHead

#: Seconds of the deadlines under test.
SHORT = 0.1
CHUNK = b"x" * 65_536


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class Never:
    """A handler that waits for ever, and notes how it ends."""

    def __init__(self, flushes: bool = False, timeout: float | None = None) -> None:
        self.begun = asyncio.Event()
        self.ended: list[str] = []
        never = self

        class Waiting(RequestHandler):
            response_timeout = timeout

            async def get(self) -> None:
                never.begun.set()
                if flushes:
                    self.write("begun")
                    await self.flush()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    never.ended.append("cancelled")
                    raise

            def on_finish(self) -> None:
                never.ended.append("finished")

        self.handler = Waiting


# -- answers that do not come ------------------------------------------------------------


@pytest.mark.feature("B10")
@pytest.mark.parametrize("by", ["server", "handler"])
async def test_an_answer_that_does_not_begin_is_503(
    serve: Serve, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    """The handler is cancelled, and the connection ends; nothing behind is answered."""
    never = Never(timeout=SHORT if by == "handler" else None)
    options: dict[str, Any] = {"response_timeout": SHORT} if by == "server" else {}
    site = serve([("/", Hello), ("/never", never.handler)], **options)
    client, other = await site.client(), await site.client()
    await client.send(get("/never") + get())
    await never.begun.wait()
    assert (await other.get()).text == "hello"
    answer = await client.answer()
    assert (answer.status, answer.get("retry-after")) == (503, "1")
    assert (answer.get("connection"), answer.get("date") is not None) == ("close", True)
    client.shut()
    await client.expect_end()
    assert never.ended == ["cancelled", "finished"]
    assert (await other.get()).text == "hello"
    expect_log(caplog, "toolkit.general", r"No answer in time to GET /never \(127.0.0.1\)")


@pytest.mark.feature("B10")
@pytest.mark.parametrize("by", ["server", "handler"])
async def test_an_answer_that_has_begun_is_cut_off(
    serve: Serve, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    """So that half of it is not taken for the whole."""
    never = Never(flushes=True, timeout=SHORT if by == "handler" else None)
    options: dict[str, Any] = {"response_timeout": SHORT} if by == "server" else {}
    site = serve([("/", Hello), ("/never", never.handler)], **options)
    client = await site.client()
    await client.send(get("/never"))
    raw = await client.read_to_end()
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert not raw.endswith(b"0\r\n\r\n")
    await turns()
    assert never.ended == ["cancelled", "finished"]
    expect_log(caplog, "toolkit.general", "No answer in time")


@pytest.mark.feature("B10")
async def test_a_handler_class_may_have_more_time_than_the_server_gives(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What the class says goes before what the server says, also when it is longer."""
    asked = asyncio.Event()

    class Slow(RequestHandler):
        response_timeout = 20.0

        async def get(self) -> None:
            asked.set()
            # Others are timed out meanwhile, so that the server's time has passed.
            await others.wait()
            self.write("slow")

    never, others = Never(), asyncio.Event()
    rules = [("/slow", Slow), ("/never", never.handler)]
    site = serve(rules, response_timeout=SHORT)
    client = await site.client()
    await client.send(get("/slow"))
    await asked.wait()
    assert (await site.get("/never")).status == 503
    others.set()
    assert (await client.answer()).text == "slow"
    expect_log(caplog, "toolkit.general", "No answer in time to GET /never")


async def test_a_deadline_ends_with_its_answer(serve: Serve) -> None:
    """A request behind on the connection has its own, however late it comes."""
    site = serve([("/", Hello)], response_timeout=SHORT, header_timeout=20)
    client, pace = await site.client(), await site.client()
    loop = asyncio.get_running_loop()
    end = loop.time() + 3 * SHORT
    assert (await client.get()).text == "hello"
    while loop.time() < end:
        assert (await pace.get()).text == "hello"
    assert (await client.get()).keep_alive


async def test_a_handler_that_answers_while_it_is_cancelled_does_not_answer_twice(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []

    class Stubborn(RequestHandler):
        async def get(self) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                try:
                    self.finish("too late")
                except Exception as error:
                    tried.append(type(error).__name__)
                raise

    site = serve([("/", Stubborn), ("/hello", Hello)], response_timeout=SHORT)
    client = await site.client()
    await client.send(get())
    raw = await client.read_to_end()
    assert raw.count(b"HTTP/1.1") == 1
    assert raw.startswith(b"HTTP/1.1 503 ")
    assert b"too late" not in raw
    assert (await site.get("/hello")).status == 200
    expect_log(caplog, "toolkit.general", "No answer in time")


async def test_a_handler_that_swallows_its_cancellation_holds_nobody_up(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client has the 503 and the end of the connection; the handler may go on for itself."""
    release = asyncio.Event()

    class Deaf(RequestHandler):
        async def get(self) -> None:
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()

    site = serve([("/", Deaf), ("/hello", Hello)], response_timeout=SHORT)
    client = await site.client()
    try:
        await client.send(get())
        assert (await client.answer()).status == 503
        client.shut()
        await client.expect_end()
        assert (await site.get("/hello")).status == 200
    finally:
        release.set()
    expect_log(caplog, "toolkit.general", "No answer in time")


async def test_a_deadline_counts_the_time_in_which_content_is_read(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that does not come is late for the answer too."""
    site = serve([("/", Hello)], response_timeout=SHORT, body_timeout=20)
    client = await site.client()
    await client.send(post("/", b"hello")[:-1])
    answer = await client.answer("POST")
    assert (answer.status, answer.get("connection")) == (503, "close")
    expect_log(caplog, "toolkit.general", "No answer in time")


async def test_an_application_may_set_a_deadline_itself(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """And take it back; the last one counts."""

    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.set_deadline(SHORT)
            if exchange.head.target == "/back":
                exchange.set_deadline(None)
                assert (await site.get("/never")).status == 503
                exchange.respond(ResponseHead(200), b"in time")
                return
            await asyncio.Event().wait()

    site = serve(App())
    assert (await site.get("/back")).text == "in time"
    expect_log(caplog, "toolkit.general", "No answer in time")


# -- content that drips ------------------------------------------------------------------


async def drip(client: Client, site: Site, piece: bytes) -> bytes:
    """Send a little, again and again, until the server ends the connection."""
    ended = asyncio.create_task(client.read_to_end())
    other = await site.client()
    while not ended.done():
        assert (await other.get()).text == "hello"
        try:
            await client.send(piece)
        except ConnectionError:
            break
    return await ended


@pytest.mark.feature("B09")
@pytest.mark.parametrize("chunked", [False, True])
async def test_content_that_drips_gets_408(serve: Serve, chunked: bool) -> None:
    """Each byte comes in time, and yet all of them would take for ever."""
    site = serve([("/", Hello)], body_timeout=SHORT, min_rate=1_000_000)
    client = await site.client()
    framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 100000000"
    await client.send(f"POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())
    raw = await drip(client, site, b"1\r\nx\r\n" if chunked else b"x")
    assert raw == b"" or raw.startswith(b"HTTP/1.1 408 ")
    assert 408 in site.statuses


async def test_content_that_drips_is_taken_when_no_rate_is_asked_for(serve: Serve) -> None:
    site = serve([("/", Hello)], body_timeout=1.0, min_rate=0)
    client, other = await site.client(), await site.client()
    loop = asyncio.get_running_loop()
    begin, sent = loop.time(), 0
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    while loop.time() - begin < 2.5:
        await client.send(b"1\r\nx\r\n")
        sent += 1
        assert (await other.get()).text == "hello"
    await client.send(b"0\r\n\r\n")
    assert (await client.answer("POST")).text == str(sent)


@pytest.mark.feature("B09", "B10")
async def test_a_client_that_takes_its_answer_by_drips_is_cut_off(serve: Serve) -> None:
    """It takes some bytes before each time-out, but too few over the time."""
    ended: list[BaseException] = []

    class Endless(RequestHandler):
        async def get(self) -> None:
            try:
                while True:
                    self.write(CHUNK)
                    await self.flush()
            except BaseException as error:
                ended.append(error)
                raise

    rules = [("/", Hello), ("/endless", Endless)]
    site = serve(rules, write_timeout=SHORT, min_rate=1_000_000_000)
    client, other = await site.client(receive_buffer=4096), await site.client()
    await client.send(get("/endless"))
    while not ended:
        with contextlib.suppress(OSError):
            client.sock.recv(2000)
        assert (await other.get()).text == "hello"
    assert isinstance(ended[0], (asyncio.CancelledError, StreamClosedError))


# -- Tornado's time-out of content -------------------------------------------------------


async def test_content_has_as_long_as_set_body_timeout_says(serve: Serve) -> None:
    """It counts for all of it; past it the client is cut off and nobody is answered."""

    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            if exchange.head.length:
                exchange.set_body_timeout(SHORT)
                await exchange.read()
            exchange.respond(ResponseHead(200), b"hello")

    site = serve(App())
    assert (await site.ask(post("/", b"x"))).text == "hello"
    client = await site.client()
    await client.send(post("/", b"xxx")[:-1])
    assert await client.read_to_end() == b""
    assert (await site.get()).text == "hello"
