"""What handlers do with their exchange: early refusals, limits, hints, trailers, take-overs."""

import asyncio
from typing import Any

import pytest

from tests.http.client import Serve, get, post, turns
from tests.loops import expect_log
from toolkit.http1connection import Exchange
from toolkit.web import HTTPError, RequestHandler, stream_request_body
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.events import ResponseHead


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


def expecting(target: str, size: int = 5, fields: str = "") -> bytes:
    """Write the head of a request whose content waits for a 100."""
    length = f"Content-Length: {size}\r\n"
    return (
        f"POST {target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{length}{fields}\r\n"
    ).encode()


# -- refusals before the content ---------------------------------------------------------


class GetOnly(RequestHandler):
    def get(self) -> None:
        self.write("got")


class GetOnlyPrepared(GetOnly):
    def prepare(self) -> None:
        self.prepared = True


class Small(Hello):
    max_body_size = 4


@stream_request_body
class SmallStream(RequestHandler):
    max_body_size = 4

    def data_received(self, chunk: bytes) -> None:
        raise AssertionError("content past the limit was handed on")

    def post(self) -> None:
        raise AssertionError("content past the limit was handed on")


class Denied(Hello):
    def headers_received(self) -> None:
        raise HTTPError(401)


class DeniedLater(Hello):
    async def headers_received(self) -> None:
        await asyncio.sleep(0)
        self.set_status(403)
        self.finish("no")


REFUSING: list[Any] = [
    ("/405", GetOnly),
    ("/405-prepared", GetOnlyPrepared),
    ("/413", Small),
    ("/413-streamed", SmallStream),
    ("/401", Denied),
    ("/403", DeniedLater),
]


@pytest.mark.feature("B07")
@pytest.mark.parametrize("target", ["/404", *(path for path, _ in REFUSING)])
async def test_a_refusal_comes_without_a_100(serve: Serve, target: str) -> None:
    """Nothing of the content has to come, and what comes is no request."""
    client = await serve(REFUSING).client()
    canary = get("/405")
    await client.send(expecting(target, len(canary)))
    answer = await client.answer("POST", interim=True)
    assert answer.status == int(target[1:4])
    assert answer.get("connection") == "close"
    await client.send(canary)
    client.shut()
    await client.expect_end()


async def test_headers_received_comes_first_and_waits(serve: Serve) -> None:
    """No content is read before it, and it may be a coroutine."""
    calls: list[str] = []

    class Handler(RequestHandler):
        async def headers_received(self) -> None:
            calls.append(f"headers {self.request.body!r}")
            await asyncio.sleep(0)

        def prepare(self) -> None:
            calls.append(f"prepare {self.request.body!r}")

        def get(self, name: str) -> None:
            calls.append(f"get {name}")

        def post(self, name: str) -> None:
            calls.append(f"post {name}")

    site = serve([("/(.*)", Handler)])
    await site.ask(post("/a", b"x"))
    assert calls == ["headers b''", "prepare b'x'", "post a"]
    calls.clear()
    await site.get("/b")
    assert calls == ["headers b''", "prepare b''", "get b"]


async def test_a_100_comes_after_headers_received_has_let_the_request_in(serve: Serve) -> None:
    checked = asyncio.Event()

    class Handler(Hello):
        async def headers_received(self) -> None:
            await checked.wait()

    site = serve([("/", Handler), ("/other", Hello)])
    client = await site.client()
    await client.send(expecting("/"))
    assert (await site.get("/other")).text == "hello"
    checked.set()
    assert (await client.answer("POST", interim=True)).status == 100
    await client.send(b"hello")
    assert (await client.answer("POST")).text == "5"


@pytest.mark.feature("B06")
async def test_a_handler_class_has_its_own_limit_of_content(serve: Serve) -> None:
    """Above the server's or below; in a length or in chunks."""

    class Large(Hello):
        max_body_size = 1000

    rules = [("/", Hello), ("/small", Small), ("/large", Large)]
    site = serve(rules, content_limit=100)
    for target, limit in (("/", 100), ("/small", 4), ("/large", 1000)):
        for size, status in ((limit, 200), (limit + 1, 413)):
            assert (await site.ask(post(target, b"x" * size))).status == status
            head = f"POST {target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)
            assert (await site.ask(head.encode() + chunk)).status == status


@pytest.mark.feature("B06")
async def test_the_limit_of_one_request_is_not_that_of_the_next(serve: Serve) -> None:
    site = serve([("/", Hello), ("/small", Small)])
    client = await site.client()
    for _ in range(2):
        assert (await client.ask(post("/small", b"1234"))).text == "4"
        assert (await client.ask(post("/", b"x" * 1000))).text == "1000"


@pytest.mark.feature("B06")
async def test_a_handler_may_choose_the_limit_by_the_request(serve: Serve) -> None:
    """In `headers_received`, or in `prepare` of a class that takes content in pieces."""

    class Handler(Hello):
        def headers_received(self) -> None:
            self.request.connection.set_max_body_size(int(self.get_query_argument("limit") or 0))

    @stream_request_body
    class Streamed(RequestHandler):
        def prepare(self) -> None:
            self.size = 0
            self.request.connection.set_max_body_size(int(self.get_query_argument("limit") or 0))

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def post(self) -> None:
            self.write(str(self.size))

    site = serve([("/", Handler), ("/streamed", Streamed)], content_limit=10)
    for target in ("/", "/streamed"):
        assert (await site.ask(post(f"{target}?limit=20", b"x" * 20))).text == "20"
        assert (await site.ask(post(f"{target}?limit=20", b"x" * 21))).status == 413
        assert (await site.ask(post(f"{target}?limit=5", b"x" * 6))).status == 413


# -- hints and trailers ------------------------------------------------------------------


class Hints(RequestHandler):
    def get(self) -> None:
        self.send_early_hints("</a.css>; rel=preload; as=style", "</b.js>; rel=preload")
        self.write("hello")


@pytest.mark.feature("B17")
async def test_early_hints_come_before_the_answer(serve: Serve) -> None:
    """RFC 8297 §2"""
    client = await serve([("/", Hints)]).client()
    for _ in range(2):
        await client.send(get())
        hints = await client.answer(interim=True)
        links = ["</a.css>; rel=preload; as=style", "</b.js>; rel=preload"]
        assert (hints.status, hints.all("link")) == (103, links)
        answer = await client.answer()
        assert (answer.status, answer.text, answer.all("link")) == (200, "hello", [])


@pytest.mark.feature("B17")
async def test_http_1_0_gets_no_hints(serve: Serve) -> None:
    """A client of it knows no 1xx. RFC 9110 §15.2"""
    client = await serve([("/", Hints)]).client()
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    raw = await client.read_to_end()
    assert raw.count(b"HTTP/1.1") == 1
    assert raw.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("link", ["a\r\nSet-Cookie: b", "a\0b", "a\nb"])
async def test_hints_are_no_way_to_write_headers(serve: Serve, link: str) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            try:
                self.send_early_hints(link)
            except ValueError:
                self.write("refused")

    client = await serve([("/", Handler)]).client()
    await client.send(get("/", "Connection: close\r\n"))
    raw = await client.read_to_end()
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert raw.endswith(b"refused")


class Summed(RequestHandler):
    """Answers with a trailer behind its content."""

    async def get(self) -> None:
        self.write("hello ")
        if self.get_query_argument("flush", None):
            await self.flush()
        self.write("there")
        self.set_trailer("X-Sum", "42")
        self.set_trailer("X-Sum", "43")
        self.set_trailer("X-Other", "a b")

    head = get


@pytest.mark.feature("B16")
@pytest.mark.parametrize("target", ["/", "/?flush=1"])
async def test_a_handler_sends_trailers(serve: Serve, target: str) -> None:
    client = await serve([("/", Summed)]).client()
    for _ in range(2):
        answer = await client.get(target)
        assert answer.text == "hello there"
        assert answer.get("transfer-encoding") == "chunked"
        assert answer.trailers == [("x-sum", "43"), ("x-other", "a b")]


@pytest.mark.feature("B16")
@pytest.mark.parametrize("target", [b"/", b"/?flush=1"])
async def test_http_1_0_gets_no_trailers(serve: Serve, target: bytes) -> None:
    """Its content does not go in chunks."""
    client = await serve([("/", Summed)]).client()
    await client.send(b"GET %s HTTP/1.0\r\n\r\n" % target)
    raw = await client.read_to_end()
    assert raw.endswith(b"\r\n\r\nhello there")
    assert b"x-sum" not in raw.lower()


@pytest.mark.feature("B16")
async def test_an_answer_without_content_has_no_trailers(serve: Serve) -> None:
    """To HEAD, or of a status that has none; the connection goes on."""

    class Nothing(RequestHandler):
        def get(self) -> None:
            self.set_status(204)
            self.set_trailer("X-Sum", "42")

    client = await serve([("/", Nothing), ("/head", Summed), ("/hello", Hello)]).client()
    for request in (get(), b"HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n"):
        answer = await client.ask(request)
        assert (answer.body, answer.trailers) == (b"", [])
        assert (await client.get("/hello")).text == "hello"


@pytest.mark.feature("B16")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
        ("Host", "evil"),
        ("Set-Cookie", "a=b"),
        ("Authorization", "x"),
        ("Content-Type", "text/html"),
        ("Content-Encoding", "gzip"),
        ("Trailer", "x"),
        ("X", "a\r\nb"),
        ("X", "a\0b"),
        ("a b", "c"),
        ("", "c"),
    ],
)
async def test_fields_that_may_not_come_behind_are_refused(
    serve: Serve, name: str, value: str
) -> None:
    """RFC 9110 §6.5.1"""

    class Handler(RequestHandler):
        def get(self) -> None:
            try:
                self.set_trailer(name, value)
            except ValueError:
                self.write("refused")

    answer = await serve([("/", Handler)]).get()
    assert (answer.text, answer.trailers) == ("refused", [])


async def test_an_error_page_has_no_trailers(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """They were for another answer."""

    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_trailer("X-Sum", "42")
            raise RuntimeError("broken on purpose")

    answer = await serve([("/", Handler)]).get()
    assert (answer.status, answer.trailers) == (500, [])
    expect_log(caplog, "toolkit.application", "Uncaught exception")


# -- taking the stream over --------------------------------------------------------------


@pytest.mark.feature("B18")
async def test_a_handler_takes_over_after_a_101(serve: Serve) -> None:
    """What came too early is the first that the stream has."""

    class Upgrade(RequestHandler):
        async def get(self) -> None:
            head = ResponseHead(101, [("Upgrade", "echo"), ("Connection", "Upgrade")])
            exchange: Exchange = self.request.connection
            stream = exchange.upgrade(head)
            self._auto_finish = False
            while (line := await stream.read_until(b"\n")) != b"bye\n":
                await stream.write(line.upper())
            stream.close()

    site = serve([("/", Upgrade), ("/hello", Hello)])
    for early in (b"", b"one\n", b"one\ntw"):
        client = await site.client()
        asks = get("/", "Upgrade: echo\r\nConnection: Upgrade\r\n")
        await client.send(asks + early)
        await client.send(b"one\ntwo\nbye\n"[len(early) :])
        head, _, rest = (await client.read_to_end()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\nUpgrade: echo" in head
        assert rest == b"ONE\nTWO\n"
    assert (await site.get("/hello")).text == "hello"


@pytest.mark.feature("B18")
async def test_connect_makes_a_tunnel(serve: Serve) -> None:
    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            assert (exchange.head.method, exchange.head.target) == ("CONNECT", "there:443")
            stream = exchange.upgrade(ResponseHead(200))
            await stream.write(await stream.read_bytes(5))
            stream.close()

    client = await serve(App()).client()
    await client.send(b"CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\nhe")
    await client.send(b"llo")
    head, _, rest = (await client.read_to_end()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest == b"hello"


async def test_who_did_not_ask_for_an_upgrade_gets_none(serve: Serve) -> None:
    """Nothing was sent, so that another answer may go."""

    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            try:
                exchange.upgrade(ResponseHead(101, [("Upgrade", "x"), ("Connection", "Upgrade")]))
            except LocalProtocolError:
                exchange.respond(ResponseHead(426), b"refused")

    client = await serve(App()).client()
    for _ in range(2):
        answer = await client.get()
        assert (answer.status, answer.text) == (426, "refused")


async def test_a_stream_that_was_taken_is_no_business_of_the_server(serve: Serve) -> None:
    """No time-out of the server ends it, nor its end; the taker does."""
    taken: list[Any] = []

    class Taker(RequestHandler):
        def get(self) -> None:
            taken.append(self.detach())

    rules = [("/", Taker), ("/hello", Hello)]
    site = serve(rules, idle_connection_timeout=0.1, max_connections=1)
    client = await site.client()
    await client.send(get())
    while not taken:
        await turns(1)
    other = await site.client()
    assert (await other.get("/hello")).text == "hello"
    await other.expect_end()
    await site.server.close_all_connections(timeout=0)
    await taken[0].write(b"still here")
    taken[0].close()
    assert await client.read_to_end() == b"still here"


# -- clients that leave ------------------------------------------------------------------


@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_client_that_leaves_cancels_a_handler_that_wants_it(serve: Serve, way: str) -> None:
    """Others go on."""
    begun = asyncio.Semaphore(0)
    ended: asyncio.Queue[str] = asyncio.Queue()
    release = asyncio.Event()

    class Waiting(RequestHandler):
        async def get(self) -> None:
            begun.release()
            try:
                await release.wait()
                self.write("done")
            except asyncio.CancelledError:
                ended.put_nowait("cancelled")
                raise

        def on_finish(self) -> None:
            ended.put_nowait("finished")

    class Leaving(Waiting):
        cancel_on_close = True

    site = serve([("/", Waiting), ("/leaving", Leaving)])
    stays, waits, leaves = [await site.client() for _ in range(3)]
    for client, target in ((stays, "/leaving"), (waits, "/"), (leaves, "/leaving")):
        await client.send(get(target))
        await begun.acquire()
    getattr(leaves, way)()
    getattr(waits, way)()
    assert [await ended.get(), await ended.get()] == ["cancelled", "finished"]
    await turns(20)
    assert ended.empty()
    release.set()
    assert (await stays.answer()).text == "done"


async def test_a_handler_hears_once_that_its_client_left(serve: Serve) -> None:
    """And not at all once its answer was complete, although it goes on."""
    heard: list[str] = []
    gone, begun, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Handler(RequestHandler):
        async def get(self, name: str) -> None:
            if name == "answered":
                self.finish("answered")
            begun.set()
            await gone.wait()
            over.set()

        def on_connection_close(self) -> None:
            heard.append(self.path_args[0])
            gone.set()

    site = serve([("/(.*)", Handler)])
    client = await site.client()
    await client.send(get("/waits"))
    await begun.wait()
    client.reset()
    await over.wait()
    assert heard == ["waits"]
    for event in (gone, begun, over):
        event.clear()
    client = await site.client()
    assert (await client.get("/answered")).text == "answered"
    client.reset()
    for _ in range(3):
        assert (await (await site.client()).ask(b"BAD / HTTP/1.1\r\nHost: h\r\n\r\n")).status == 405
    assert heard == ["waits"]
    gone.set()
    await over.wait()


async def test_a_handler_that_answered_is_not_cancelled_when_its_client_leaves(
    serve: Serve,
) -> None:
    """What it does after its answer is its own matter."""
    gone, ended = asyncio.Event(), asyncio.Queue[str]()

    class Handler(RequestHandler):
        cancel_on_close = True

        async def get(self) -> None:
            self.finish("answered")
            try:
                await gone.wait()
                ended.put_nowait("done")
            except asyncio.CancelledError:
                ended.put_nowait("cancelled")
                raise

    site = serve([("/", Handler), ("/hello", Hello)])
    client = await site.client()
    assert (await client.get()).text == "answered"
    client.reset()
    for _ in range(5):
        assert (await site.get("/hello")).text == "hello"
    gone.set()
    assert await ended.get() == "done"


async def test_work_after_the_answer_is_not_overdue(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """`response_timeout` is for the answer alone."""
    later, over = asyncio.Event(), asyncio.Event()

    class Handler(RequestHandler):
        response_timeout = 0.1

        async def get(self) -> None:
            self.finish("answered")
            await later.wait()
            over.set()

    class Never(RequestHandler):
        response_timeout = 0.1

        async def get(self) -> None:
            await asyncio.Event().wait()

    site = serve([("/", Handler), ("/never", Never), ("/hello", Hello)])
    client = await site.client()
    assert (await client.get()).text == "answered"
    assert (await site.get("/never")).status == 503
    later.set()
    await over.wait()
    assert (await client.get("/hello")).text == "hello"
    claimed = expect_log(caplog, "toolkit.general", "No answer in time")
    assert ["/never" in record.getMessage() for record in claimed] == [True]
