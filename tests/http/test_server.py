"""The HTTP/1 server over real sockets: connections, framing, limits, back-pressure, TLS."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.http.client import Answer, Client, Serve, Site, TLSClient, get, post, turns
from tests.loops import expect_log
from toolkit.http1connection import MAX_DISCARD, Exchange
from toolkit.httpserver import HTTPServer
from toolkit.netutil import bind_unix_socket
from toolkit.web import HTTPError, RequestHandler, stream_request_body
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import ResponseHead

CANARY = b"GET /canary HTTP/1.1\r\nHost: h\r\n\r\n"
MEBIBYTE = 1024 * 1024
#: More than fits into the buffers between two ends that do not read, and more than they take.
STREAM = 64 * MEBIBYTE
BOUND = 12 * MEBIBYTE
CHUNK = b"x" * 65_536


class Echo(RequestHandler):
    """Answers with what was asked."""

    def get(self, name: str = "") -> None:
        self.write(name or "hello")

    def post(self, name: str = "") -> None:
        self.write({"length": len(self.request.body), "body": self.request.body.decode("latin-1")})

    def options(self, name: str = "") -> None:
        self.write(f"options of {self.request.uri}")


class Target(RequestHandler):
    """Answers with how it understood the target."""

    def get(self, path: str = "") -> None:
        request = self.request
        seen = {"host": request.host, "path": request.path, "query": request.query}
        self.write({**seen, "uri": request.uri, "url": request.full_url()})

    options = get


class Canary(RequestHandler):
    """Must never be called."""

    def get(self) -> None:
        raise AssertionError("the canary was answered")


RULES: list[Any] = [
    (r"/", Echo),
    (r"/canary", Canary),
    (r"/echo/(.*)", Echo),
    (r"/target/(.*)", Target),
    (r"\*", Target),
]


def statuses(raw: bytes) -> list[bytes]:
    """List the status lines in bytes of answers whose content has none."""
    return [line for line in raw.split(b"\r\n") if line.startswith(b"HTTP/1.")]


# -- connections -------------------------------------------------------------------------


async def test_a_connection_serves_one_request_after_another(serve: Serve) -> None:
    client = await serve(RULES).client()
    for number in range(5):
        answer = await client.get(f"/echo/{number}")
        assert (answer.status, answer.text, answer.keep_alive) == (200, str(number), True)
        assert answer.get("connection") is None


@pytest.mark.feature("B01")
@pytest.mark.parametrize("count", [3, 50])
async def test_pipelined_requests_are_answered_in_order(serve: Serve, count: int) -> None:
    """They are sent in one go; afterwards the connection goes on."""
    client = await serve(RULES).client()
    await client.send(b"".join(get(f"/echo/{number}") for number in range(count)))
    for number in range(count):
        assert (await client.answer()).text == str(number)
    assert (await client.get("/echo/more")).text == "more"


async def test_a_slow_answer_holds_back_the_quick_one_behind_it(serve: Serve) -> None:
    """The second request is not begun before the first has ended."""
    order: list[str] = []
    begun, release = asyncio.Event(), asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await release.wait()
            order.append("slow")
            self.write("slow")

    class Fast(RequestHandler):
        def get(self) -> None:
            order.append("fast")
            self.write("fast")

    site = serve([("/slow", Slow), ("/fast", Fast), ("/other", Echo)])
    client = await site.client()
    await client.send(get("/slow") + get("/fast") + get("/slow") + get("/fast"))
    await begun.wait()
    await site.get("/other")
    assert order == []
    release.set()
    assert [(await client.answer()).text for _ in range(4)] == ["slow", "fast"] * 2
    assert order == ["slow", "fast"] * 2


async def test_requests_behind_a_slow_one_wait_with_their_sender(serve: Serve) -> None:
    """Bytes of pipelined requests do not pile up in the server without a bound."""
    begun, release = asyncio.Event(), asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await release.wait()

    site = serve([("/slow", Slow), (r"/(.*)", Echo)], receive_buffer=64 * 1024)
    client = await site.client()
    await client.send(get("/slow"))
    await begun.wait()
    request, count, sent = get("/" + "a" * 8000), 3000, 0

    async def flood() -> None:
        nonlocal sent
        for _ in range(count):
            await client.send(request)
            sent += len(request)

    flooding = asyncio.create_task(flood())
    for _ in range(50):
        assert (await site.get("/other")).text == "other"
        assert sent < BOUND
    assert not flooding.done()
    release.set()
    assert (await client.answer()).body == b""
    for _ in range(count):
        assert len((await client.answer()).body) == 8000
    await flooding


async def test_a_client_that_sent_ahead_and_left_fills_no_log(serve: Serve) -> None:
    """The answers that nobody takes are not warned about one by one."""
    begun, release = asyncio.Event(), asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await release.wait()

    site = serve([("/slow", Slow), (r"/(.*)", Echo)])
    client = await site.client()
    await client.send(get("/slow") + get("/" + "a" * 8000) * 20)
    await begun.wait()
    assert (await site.get("/other")).text == "other"
    client.reset()
    release.set()
    assert (await site.get("/other")).text == "other"


async def test_http_1_0_is_closed_after_one_answer(serve: Serve) -> None:
    client = await serve(RULES).client()
    answer = await client.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert (answer.text, answer.get("connection")) == ("hello", None)
    await client.expect_end()


async def test_http_1_0_may_ask_to_keep_the_connection(serve: Serve) -> None:
    client = await serve(RULES).client()
    for _ in range(3):
        answer = await client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (answer.text, answer.get("connection")) == ("hello", "Keep-Alive")
    assert (await client.ask(b"GET / HTTP/1.0\r\n\r\n")).get("connection") is None
    await client.expect_end()


async def test_a_streamed_answer_to_http_1_0_ends_with_the_connection(serve: Serve) -> None:
    class Streamed(RequestHandler):
        async def get(self) -> None:
            for piece in ("one ", "two"):
                self.write(piece)
                await self.flush()

    client = await serve([("/", Streamed)]).client()
    answer = await client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (answer.text, answer.get("connection")) == ("one two", "close")
    assert answer.get("transfer-encoding") is None
    await client.expect_end()


async def test_connection_close_is_obeyed(serve: Serve) -> None:
    """What was pipelined behind is not answered any more."""
    client = await serve(RULES).client()
    await client.send(get("/", "Connection: close\r\n") + CANARY)
    answer = await client.answer()
    assert (answer.text, answer.get("connection")) == ("hello", "close")
    await client.expect_end()


async def test_a_handler_can_close_the_connection(serve: Serve) -> None:
    class Last(RequestHandler):
        def get(self) -> None:
            self.set_header("Connection", "close")

    client = await serve([("/", Last)]).client()
    assert (await client.get()).get("connection") == "close"
    await client.expect_end()


async def test_no_keep_alive_closes_after_each_answer(serve: Serve) -> None:
    client = await serve(RULES, no_keep_alive=True).client()
    await client.send(get() + CANARY)
    answer = await client.answer()
    assert (answer.text, answer.get("connection")) == ("hello", "close")
    await client.expect_end()


@pytest.mark.parametrize("waits", [False, True])
async def test_a_half_closed_client_gets_its_answer(serve: Serve, waits: bool) -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            if waits:
                await closed.wait()
            self.write("still here")

        def on_connection_close(self) -> None:
            closed.set()

    closed = asyncio.Event()
    client = await serve([("/", Handler)]).client()
    await client.send(get())
    client.shut()
    assert (await client.answer()).text == "still here"
    await client.expect_end()


async def test_a_client_that_sends_nothing_and_leaves_costs_nothing(serve: Serve) -> None:
    site = serve(RULES)
    for _ in range(3):
        client = await site.client()
        client.shut()
        await client.expect_end()
    assert (await site.get()).status == 200


async def test_answers_say_when_and_by_whom(serve: Serve) -> None:
    """RFC 9110 §6.6.1: a Date in errors too."""
    site = serve(RULES)
    for target in ("/", "/nowhere"):
        answer = await site.get(target)
        assert (answer.get("date") or "").endswith(" GMT")
        assert (answer.get("server") or "").startswith("toolkit/")


# -- targets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "host", "expected"),
    [
        ("GET /target/a?b=c&d", "h", ("h", "/target/a", "b=c&d", "/target/a?b=c&d")),
        ("GET http://o.example:81/target/a?b", "h", ("o.example:81", "/target/a", "b", None)),
        ("GET HTTP://O.example/target/", "h", ("O.example", "/target/", "", None)),
        ("GET /target/http://e/", "h:8", ("h:8", "/target/http://e/", "", None)),
        ("GET /target//evil", "h", ("h", "/target//evil", "", None)),
        ("OPTIONS *", "h", ("h", "*", "", "*")),
    ],
)
async def test_each_form_of_target_sets_host_and_path(
    serve: Serve, line: str, host: str, expected: tuple[str, str, str, str | None]
) -> None:
    """RFC 9112 §3.2: of two hosts the one in the target wins."""
    client = await serve(RULES).client()
    answer = await client.ask(f"{line} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    seen = json.loads(answer.body)
    assert (seen["host"], seen["path"], seen["query"]) == expected[:3]
    if expected[3] is not None:
        assert seen["uri"] == expected[3]


async def test_an_absolute_target_without_a_path_asks_for_the_root(serve: Serve) -> None:
    client = await serve(RULES).client()
    assert (await client.ask(b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")).text == "hello"
    assert (await client.ask(b"GET http://h?a=/x HTTP/1.1\r\nHost: h\r\n\r\n")).text == "hello"


async def test_connect_is_refused(serve: Serve) -> None:
    """Nobody tunnels through the server, and what follows was meant for somebody else."""
    client = await serve(RULES).client()
    answer = await client.ask(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n")
    assert (answer.status, answer.get("connection")) == (405, "close")
    client.shut()
    await client.expect_end()


# -- requests ----------------------------------------------------------------------------

UPLOADS = {
    "no content": get("/echo/a", "X: y\r\n"),
    "Content-Length": post("/echo/a", b"hello\r\nworld", "X: y\r\n"),
    "chunks": (
        b"POST /echo/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n00C\r\n\r\nand\r\nworld\r\n0\r\nX-Trailer: y\r\n\r\n"
    ),
}


@pytest.mark.parametrize("request_bytes", UPLOADS.values(), ids=UPLOADS)
async def test_the_answer_does_not_depend_on_how_the_request_is_cut(
    serve: Serve, request_bytes: bytes
) -> None:
    client = await serve(RULES).client()
    whole = await client.ask(request_bytes)
    assert whole.status == 200
    for cut in range(1, len(request_bytes)):
        await client.send(request_bytes[:cut])
        await turns(3)
        await client.send(request_bytes[cut:])
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, whole.body), cut
    for byte in request_bytes:
        await client.send(bytes([byte]))
        await turns(2)
    assert (await client.answer()).body == whole.body


async def test_content_is_read_whole(serve: Serve) -> None:
    site = serve(RULES)
    for body in (b"", b"x", bytes(range(256)) * 4096):
        answer = await site.ask(post("/", body))
        assert b'"length": %d' % len(body) in answer.body
    chunks = b"".join(b"%x\r\n%b\r\n" % (size, b"y" * size) for size in (1, 70_000, 3))
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await site.ask(head + chunks + b"0\r\n\r\n")
    assert b'"length": 70004' in answer.body


async def test_trailers_do_not_become_headers(serve: Serve) -> None:
    """RFC 9110 §6.5.1; the connection goes on after them."""

    class Handler(RequestHandler):
        def post(self) -> None:
            self.write({"names": sorted(self.request.headers), "host": self.request.host})

    client = await serve([("/", Handler)]).client()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await client.ask(head + b"2\r\nhi\r\n0\r\nX: y\r\nHost: evil\r\n\r\n")
    assert answer.text == '{"names": ["Host", "Transfer-Encoding"], "host": "h"}'
    assert (await client.ask(post())).status == 200


# -- Expect ------------------------------------------------------------------------------

EXPECT = b"POST %b HTTP/%b\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"


@stream_request_body
class Denied(RequestHandler):
    """Refuses before it has read a byte."""

    def prepare(self) -> None:
        raise HTTPError(401)

    def post(self) -> None:
        raise AssertionError("not reached")


class GetOnly(RequestHandler):
    """Takes no content."""

    def get(self) -> None:
        self.write("got")


async def test_100_comes_when_the_handler_reads(serve: Serve) -> None:
    client = await serve(RULES).client()
    for _ in range(2):
        await client.send(EXPECT % (b"/", b"1.1"))
        assert (await client.answer("POST", interim=True)).status == 100
        await client.send(b"hello")
        assert (await client.answer("POST")).text == '{"length": 5, "body": "hello"}'


async def test_no_100_comes_when_the_content_is_there_already(serve: Serve) -> None:
    """RFC 9110 §10.1.1 lets the server leave it out."""
    client = await serve(RULES).client()
    await client.send(EXPECT % (b"/", b"1.1") + b"hello")
    client.shut()
    assert statuses(await client.read_to_end()) == [b"HTTP/1.1 200 OK"]


@pytest.mark.parametrize(
    ("target", "status"), [(b"/get", 405), (b"/denied", 401), (b"/nowhere", 404)]
)
async def test_a_refusal_comes_without_a_100(serve: Serve, target: bytes, status: int) -> None:
    """The content may come or not, so the connection ends; its bytes are no request."""
    client = await serve([("/get", GetOnly), ("/denied", Denied), ("/canary", Canary)]).client()
    length = b"Content-Length: %d" % len(CANARY)
    request = (EXPECT % (target, b"1.1")).replace(b"Content-Length: 5", length)
    await client.send(request)
    answer = await client.answer("POST", interim=True)
    assert (answer.status, answer.get("connection")) == (status, "close")
    await client.send(CANARY)
    client.shut()
    await client.expect_end()


async def test_too_large_content_is_refused_without_a_100(serve: Serve) -> None:
    client = await serve(RULES, content_limit=4).client()
    await client.send(EXPECT % (b"/", b"1.1"))
    answer = await client.answer("POST", interim=True)
    assert (answer.status, answer.get("connection")) == (413, "close")
    client.shut()
    await client.expect_end()


async def test_http_1_0_gets_no_100(serve: Serve) -> None:
    client = await serve(RULES).client()
    await client.send(EXPECT % (b"/", b"1.0"))
    await turns()
    await client.send(b"hello")
    assert statuses(await client.read_to_end()) == [b"HTTP/1.1 200 OK"]


# -- refusals ----------------------------------------------------------------------------


async def refused(site: Site, request: bytes) -> Answer:
    """Send a request with the canary behind it; check that one answer and the end come."""
    client = await site.client()
    await client.send(request + CANARY)
    answer = await client.answer()
    assert answer.get("connection") == "close"
    await client.expect_end()
    assert (await site.get()).status == 200
    return answer


@pytest.mark.feature("B02")
@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 38\r\n",
        "X: a\r\n b\r\n",
        "X: a\r\n\tb\r\n",
        "X: a\r\n Content-Length: 38\r\n",
        "Content-Length: 0\r\nContent-Length: 38\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
    ],
)
async def test_a_request_whose_end_is_in_doubt_gets_400(serve: Serve, fields: str) -> None:
    request = f"POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n0\r\n\r\n".encode()
    assert (await refused(serve(RULES), request)).status == 400


@pytest.mark.feature("B03")
async def test_a_request_without_a_host_gets_400(serve: Serve) -> None:
    site = serve(RULES)
    assert (await refused(site, b"GET / HTTP/1.1\r\n\r\n")).status == 400
    assert (await refused(site, b"GET http://h/ HTTP/1.1\r\n\r\n")).status == 400
    assert (await site.ask(b"GET / HTTP/1.1\r\nHost:\r\n\r\n")).status == 200
    assert (await site.ask(b"GET / HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.feature("B04")
@pytest.mark.parametrize(
    "fields",
    [
        "X: y\r\n" * 100,
        ("X: " + "y" * 1000 + "\r\n") * 5,
        "X: " + "y" * 4000 + "\r\n",
        "X" * 4000 + ": y\r\n",
    ],
    ids=["many fields", "many bytes", "long value", "long name"],
)
async def test_too_many_header_bytes_or_fields_get_431(serve: Serve, fields: str) -> None:
    site = serve(RULES, max_header_size=4000)
    assert (await refused(site, get("/", fields))).status == 431
    assert (await site.get("/", "X: y\r\n" * 99)).status == 200
    assert (await site.get("/", "X: " + "y" * 3900 + "\r\n")).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/" + "a" * 17_000), 414),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nExpect: x\r\nContent-Length: 5\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: [::1%25zone]\r\n\r\n", 400),
        (b"GET @evil HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ],
)
async def test_other_refusals_have_their_status(
    serve: Serve, request_bytes: bytes, status: int
) -> None:
    assert (await refused(serve(RULES), request_bytes)).status == status


@pytest.mark.feature("B05")
@pytest.mark.parametrize("streamed", [False, True])
async def test_content_past_the_limit_gets_413_while_it_comes(serve: Serve, streamed: bool) -> None:
    """A length that is told is refused at once; chunks when they pass the limit."""
    taken: list[int] = []

    @stream_request_body
    class Streamed(RequestHandler):
        def prepare(self) -> None:
            taken.append(0)

        def data_received(self, chunk: bytes) -> None:
            taken[-1] += len(chunk)

        def post(self) -> None:
            self.write("taken")

    site = serve([("/", Streamed if streamed else Echo)], content_limit=10_000)
    assert (await site.ask(post("/", b"x" * 10_000))).status == 200
    client = await site.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10001\r\n\r\n")
    answer = await client.answer("POST")
    assert (answer.status, answer.get("connection")) == (413, "close")
    client = await site.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    await site.ask(post("/", b"x"))
    await client.send(b"1\r\n")
    answer = await client.answer("POST")
    assert (answer.status, answer.get("connection")) == (413, "close")
    client.shut()
    await client.expect_end()
    assert all(size <= 10_000 for size in taken)


async def test_content_for_an_unknown_path_gets_404(serve: Serve) -> None:
    """Content does not change which error it is."""
    site = serve(RULES)
    assert (await site.ask(post("/nowhere"))).status == 404
    assert (await site.ask(post("/nowhere", b"hello"))).status == 404


async def test_an_error_while_content_is_read_is_answered_once(serve: Serve) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (await refused(serve(RULES), head + b"5\r\nhelloXX0\r\n\r\n")).status == 400


async def test_a_client_that_leaves_within_its_content_harms_nobody(serve: Serve) -> None:
    site = serve(RULES)
    client = await site.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
    await turns()
    client.close()
    assert (await site.get()).status == 200
    client = await site.client()
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
    client.shut()
    assert (await client.answer("POST")).status == 400
    await client.expect_end()


# -- back-pressure -----------------------------------------------------------------------


async def test_a_client_that_does_not_read_stalls_the_handler(serve: Serve) -> None:
    """The handler goes no further ahead than buffers allow, and all arrives in the end."""
    produced = 0
    stalled = asyncio.Event()

    class Streamed(RequestHandler):
        async def get(self) -> None:
            nonlocal produced
            while produced < STREAM:
                self.write(CHUNK)
                produced += len(CHUNK)
                flushed = self.flush()
                if not flushed.done():
                    stalled.set()
                await flushed

    site = serve([("/", Streamed), ("/other", Echo)])
    client = await site.client(receive_buffer=65_536)
    await client.send(get())
    await stalled.wait()
    for _ in range(50):
        assert (await site.get("/other")).status == 200
        assert produced < BOUND
    answer = await client.answer()
    assert len(answer.body) == produced == STREAM
    assert answer.keep_alive


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_handler_that_takes_its_time_stalls_the_sender(serve: Serve, chunked: bool) -> None:
    taken = 0
    begun, release = asyncio.Event(), asyncio.Event()

    @stream_request_body
    class Upload(RequestHandler):
        async def data_received(self, chunk: bytes) -> None:
            nonlocal taken
            begun.set()
            await release.wait()
            taken += len(chunk)

        def post(self) -> None:
            self.write(str(taken))

    site = serve([("/", Upload), ("/other", Echo)], receive_buffer=65_536)
    client = await site.client()
    await _upload_against(client, site, begun, release, chunked)
    assert taken == STREAM


@pytest.mark.feature("B12")
async def test_a_handler_reads_content_by_async_for_at_its_pace(serve: Serve) -> None:
    taken = 0
    begun, release = asyncio.Event(), asyncio.Event()

    @stream_request_body
    class Upload(RequestHandler):
        async def prepare(self) -> None:
            nonlocal taken
            async for piece in self.request.connection:
                assert 0 < len(piece) <= 1024 * 1024
                begun.set()
                await release.wait()
                taken += len(piece)

        def post(self) -> None:
            self.write(str(taken))

    site = serve([("/", Upload), ("/other", Echo)], receive_buffer=65_536)
    client = await site.client()
    await _upload_against(client, site, begun, release, chunked=False)
    assert taken == STREAM


async def _upload_against(
    client: Client, site: Site, begun: asyncio.Event, release: asyncio.Event, chunked: bool
) -> None:
    """Upload `STREAM` bytes to a handler that waits; check that the sender waits too."""
    sent = 0
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {STREAM}"
    piece = b"10000\r\n" + CHUNK + b"\r\n" if chunked else CHUNK

    async def upload() -> None:
        nonlocal sent
        await client.send(f"POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())
        while sent < STREAM:
            await client.send(piece)
            sent += len(CHUNK)
        if chunked:
            await client.send(b"0\r\n\r\n")

    uploading = asyncio.create_task(upload())
    await begun.wait()
    for _ in range(50):
        assert (await site.get("/other")).status == 200
        assert sent < BOUND
    assert not uploading.done()
    release.set()
    answer = await client.answer("POST")
    await uploading
    assert (answer.text, answer.keep_alive) == (str(STREAM), True)


async def test_a_large_answer_is_whole(serve: Serve) -> None:
    """Both below and above the size up to which head and content go as one piece."""

    class Large(RequestHandler):
        def get(self, size: str) -> None:
            self.write(b"z" * int(size))

    client = await serve([(r"/([0-9]+)", Large)]).client()
    for size in (65_535, 65_536, 65_537, 5_000_000):
        answer = await client.get(f"/{size}")
        assert (answer.get("content-length"), len(answer.body)) == (str(size), size)


# -- content that nobody reads -----------------------------------------------------------


@stream_request_body
class Early(RequestHandler):
    """Answers before it has read the content."""

    def prepare(self) -> None:
        self.finish("early")

    def post(self) -> None:
        raise AssertionError("not reached")


@pytest.mark.parametrize("size", [1, 1000, MAX_DISCARD - len(CANARY)])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("together", [False, True])
async def test_a_little_unread_content_is_thrown_away(
    serve: Serve, size: int, chunked: bool, together: bool
) -> None:
    """What looks like a request in it is none; behind chunks nothing is read any more."""
    client = await serve([("/", Early), ("/canary", Canary), ("/next", Echo)]).client()
    body = CANARY + b"x" * size
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    if chunked:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    if together:
        await client.send(head + body)
        answer = await client.answer("POST")
    else:
        answer = await client.ask(head)
        await client.send(body)
    assert (answer.text, answer.keep_alive) == ("early", not chunked)
    if chunked:
        client.shut()
        await client.expect_end()
    else:
        assert (await client.get("/next")).text == "hello"


@pytest.mark.parametrize("chunked", [False, True])
async def test_much_unread_content_ends_the_connection(serve: Serve, chunked: bool) -> None:
    """The answer can be read although the client still sends; nothing more is answered."""
    client = await serve([("/", Early), ("/canary", Canary)]).client()
    size = 8 * MEBIBYTE
    if chunked:
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"8000\r\n" + (CANARY * 1000)[:0x8000] + b"\r\n"
    else:
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        piece = CANARY * 1000
    sent = 0
    try:
        while sent < size:
            await client.send(piece)
            sent += len(piece)
    except ConnectionError:
        pass
    answer = await client.answer("POST")
    assert answer.text == "early"
    if not chunked:
        assert answer.get("connection") == "close"
    await client.expect_end()


async def test_a_half_closed_client_gets_the_whole_of_a_last_answer(serve: Serve) -> None:
    """It has said that it will not send the content that the server has refused."""
    size = 16 * MEBIBYTE

    @stream_request_body
    class Large(RequestHandler):
        def prepare(self) -> None:
            self.finish(b"z" * size)

    client = await serve([("/", Large)]).client(receive_buffer=65_536)
    await client.send(EXPECT % (b"/", b"1.1"))
    client.shut()
    answer = await client.answer("POST")
    assert (answer.get("connection"), len(answer.body)) == ("close", size)


# -- framing of answers ------------------------------------------------------------------


class Framing(RequestHandler):
    """Answers in each of the ways that have no content."""

    def get(self, kind: str) -> None:
        if kind == "204":
            self.set_status(204)
        elif kind == "304":
            self.set_status(304)
            self.set_header("Etag", '"e"')
        else:
            self.write("content")

    def head(self, kind: str) -> None:
        self.write("content")


@pytest.mark.parametrize(
    ("method", "kind", "status", "length"),
    [("HEAD", "200", 200, "7"), ("GET", "204", 204, None), ("GET", "304", 304, None)],
)
async def test_an_answer_without_content_leaves_no_byte_behind_its_head(
    serve: Serve, method: str, kind: str, status: int, length: str | None
) -> None:
    """RFC 9110 §6.4.1; the next answer on the connection is intact."""
    client = await serve([(r"/(.*)", Framing)]).client()
    request = f"{method} /{kind} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    await client.send(request + get("/200"))
    first, second = await client.answer(method), await client.answer()
    assert (first.status, first.body, first.get("content-length")) == (status, b"", length)
    assert first.get("transfer-encoding") is None
    assert (first.get("etag") == '"e"') is (kind == "304")
    assert second.text == "content"
    await client.send(request)
    client.shut()
    assert (await client.read_to_end()).partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_content_of_an_answer_that_has_none_never_reaches_the_wire(
    serve: Serve, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_status(status)
            self.write("SMUGGLED")

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    answer = await client.answer()
    assert answer.status == 500
    assert b"SMUGGLED" not in answer.body
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.parametrize("length", [3, 8])
async def test_a_whole_answer_has_to_fit_its_length(
    serve: Serve, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Length", length)
            self.write("hello")

    client = await serve([("/", Handler), ("/next", Echo)]).client()
    answer = await client.get()
    assert answer.status == 500
    assert b"hello" not in answer.body
    assert (await client.get("/next")).text == "hello"
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "Failed to flush partial response")


@pytest.mark.parametrize("length", [3, 8])
async def test_a_streamed_answer_that_breaks_its_length_is_cut(
    serve: Serve, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    """No byte too many is sent, none is made up, and the connection is not used again."""

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Length", length)
            self.write("he")
            await self.flush()
            self.write("llo")
            await self.flush()

    client = await serve([("/", Handler)]).client()
    await client.send(get() + get())
    raw = await client.read_to_end()
    assert len(raw.partition(b"\r\n\r\n")[2]) < length
    assert len(statuses(raw)) == 1
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "Failed to flush partial response")
    expect_log(caplog, "toolkit.general", "Cannot send error response")


async def test_an_exception_amid_an_answer_cuts_it(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            self.write("half")
            await self.flush()
            raise ValueError("the other half")

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    with pytest.raises(RemoteProtocolError, match="ended in the middle"):
        await client.answer()
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "Cannot send error response")


# -- applications without handlers -------------------------------------------------------


class Bare:
    """An application that is a coroutine function."""

    def __init__(self, function: Any) -> None:
        self.handle_exchange = function


async def test_any_object_with_handle_exchange_is_an_application(serve: Serve) -> None:
    async def answer(exchange: Exchange) -> None:
        body = await exchange.read()
        exchange.start(ResponseHead(200, [("Trailer", "X-Sum")]))
        exchange.send(exchange.head.target.encode() + b" ")
        exchange.send(body)
        exchange.finish([("X-Sum", str(len(body)))])

    client = await serve(Bare(answer)).client()
    for _ in range(2):
        seen = await client.ask(post("/a", b"hello"))
        assert (seen.text, seen.trailers) == ("/a hello", [("x-sum", "5")])


async def test_an_application_that_does_not_answer_gives_500(serve: Serve) -> None:
    async def silent(exchange: Exchange) -> None:
        await turns(exchange.head.target.count("w"))

    site = serve(Bare(silent))
    for target in ("/", "/www"):
        client = await site.client()
        answer = await client.get(target)
        assert (answer.status, answer.get("connection")) == (500, "close")
        await client.expect_end()


async def test_an_exchange_that_is_over_can_no_longer_be_used(serve: Serve) -> None:
    kept: list[Exchange] = []

    async def answer(exchange: Exchange) -> None:
        kept.append(exchange)
        exchange.respond(ResponseHead(200), b"fine")

    client = await serve(Bare(answer)).client()
    await client.get("/1")
    assert kept[0].closed
    for call in (
        lambda: kept[0].respond(ResponseHead(200)),
        lambda: kept[0].start(ResponseHead(200)),
        lambda: kept[0].send(b"late"),
        lambda: kept[0].finish(),
        lambda: kept[0].detach(),
    ):
        with pytest.raises(Exception, match="the exchange is over"):
            call()
    assert (await client.get("/2")).text == "fine"


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(TypeError, match="handle_exchange"):
        HTTPServer(object())


# -- TLS and Unix sockets ----------------------------------------------------------------


async def test_https_is_served(serve: Serve) -> None:
    """Keep-alive, pipelining, uploads and half-closed clients work as in the clear."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    class Handler(RequestHandler):
        def get(self) -> None:
            self.write(f"{self.request.protocol} {self.request.full_url()}")

        def post(self) -> None:
            self.write(str(len(self.request.body)))

    site = serve([("/", Handler)], ssl_options=context)
    client = await TLSClient.connect_tls(site.address, trust, "localhost")
    site.own(client)
    assert (await client.get()).text == "https https://h/"
    await client.send(get() + get())
    assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    assert (await client.ask(post("/", b"x" * 300_000))).text == "300000"
    answer = await client.get("/", "Connection: close\r\n")
    assert answer.get("connection") == "close"
    await client.expect_end()


async def test_a_client_without_tls_does_not_harm_a_tls_server(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    site = serve(RULES, ssl_options=context)
    plain = await site.client()
    await plain.send(get())
    assert b"HTTP" not in await plain.read_to_end()
    expect_log(caplog, "toolkit.general", "SSL Error")
    client = await TLSClient.connect_tls(site.address, trust, "localhost")
    site.own(client)
    assert (await client.get()).text == "hello"


async def test_a_unix_socket_is_served(serve: Serve, tmp_path: Path) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write(f"{self.request.host} {self.request.remote_ip!r}")

    site = serve([("/", Handler)], sockets=[bind_unix_socket(str(tmp_path / "s"))])
    client = await site.client()
    for _ in range(2):
        assert (await client.get()).text == "h ''"


# -- answers that nobody takes -----------------------------------------------------------


async def test_answers_do_not_pile_up_for_a_client_that_only_asks(serve: Serve) -> None:
    """The next request is served once the client has taken the answer before it."""
    served = 0

    class Large(RequestHandler):
        def get(self) -> None:
            nonlocal served
            served += 1
            self.write(b"x" * MEBIBYTE)

    site = serve([("/", Large), ("/other", Echo)])
    client = await site.client(receive_buffer=65_536)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 500)
    other = await site.client()
    for _ in range(20):
        assert (await other.get("/other")).status == 200
    # What the kernel takes of the first answers is all that lets more be made.
    assert served < 20
    for _ in range(500):
        assert len((await client.answer()).body) == MEBIBYTE
    assert served == 500


async def test_a_handler_that_detaches_goes_on(serve: Serve) -> None:
    """It may wait before and after, and the stream is then its own."""

    class Taker(RequestHandler):
        async def get(self) -> None:
            if self.get_query_argument("wait", None):
                await asyncio.sleep(0)
            stream = self.detach()
            await asyncio.sleep(0)
            await stream.write(b"taken " + await stream.read_until(b"!"))
            stream.close()

    site = serve([("/", Taker)])
    for path in ("/", "/?wait=1"):
        client = await site.client()
        await client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\nover!".encode())
        assert await client.read_to_end() == b"taken over!"
