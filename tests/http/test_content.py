"""Content of requests: at the reader's pace, decoded within bounds, and what comes behind it."""

import asyncio
import gzip
import json
import random
import socket
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from tests.http.client import Client, Serve, Site, get, post, turns
from toolkit.http1connection import Exchange, ServerConnection
from toolkit.http1connection.exchange import MAX_RATIO
from toolkit.web import RequestHandler, stream_request_body
from toolkit.wire.coding import RATIO_FREE
from toolkit.wire.errors import LocalProtocolError, TruncatedError
from toolkit.wire.events import ResponseHead

MEBIBYTE = 1024 * 1024
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n%s\r\n"
TEXT = b"The quick brown fox jumps over the lazy dog. " * 50


class Echo(RequestHandler):
    """Answers with what it understood of the request."""

    def post(self) -> None:
        headers = self.request.headers
        self.write(
            {
                "body": self.request.body.decode("latin-1"),
                "coding": headers.get("Content-Encoding"),
                "consumed": headers.get("X-Consumed-Content-Encoding"),
                "arguments": {
                    name: [value.decode("latin-1") for value in values]
                    for name, values in self.request.body_arguments.items()
                },
            }
        )


class Reader:
    """An application that reads content in some way, and answers with what it read."""

    def __init__(self, read: Callable[[Exchange], Any]) -> None:
        self._read = read

    async def handle_exchange(self, exchange: Exchange) -> None:
        """Serve one exchange."""
        answer = await self._read(exchange)
        exchange.respond(ResponseHead(200), answer)


def chunks(content: bytes, size: int = 1000) -> bytes:
    """Write content in chunks, without the last one."""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def bomb(size: int) -> bytes:
    """Return the gzip of as many zeros, made with little memory."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    zeros = bytes(MEBIBYTE)
    pieces = [compressor.compress(zeros) for _ in range(size // MEBIBYTE)]
    return b"".join([*pieces, compressor.flush()])


# -- at the reader's pace ----------------------------------------------------------------


@pytest.mark.feature("B12")
@pytest.mark.parametrize("chunked", [False, True])
async def test_content_is_read_piece_by_piece(serve: Serve, chunked: bool) -> None:
    """No piece is larger than the chunk size, and together they are all of it."""
    content = bytes(range(256)) * 1000
    sizes: list[int] = []

    async def read(exchange: Exchange) -> bytes:
        pieces = [piece async for piece in exchange]
        sizes.extend(map(len, pieces))
        return b"".join(pieces)

    site = serve(Reader(read), chunk_size=1000)
    request = post("/", content)
    if chunked:
        request = CHUNKED % b"" + chunks(content, 70_000) + b"0\r\n\r\n"
    assert (await site.ask(request)).body == content
    assert sum(sizes) == len(content)
    assert max(sizes) <= 1000


@pytest.mark.feature("B12")
async def test_a_reader_that_waits_slows_its_sender(serve: Serve) -> None:
    """What the server holds meanwhile is bounded, however much is to come."""
    size, sent, taken = 32 * MEBIBYTE, 0, 0
    go_on = asyncio.Event()

    async def read(exchange: Exchange) -> bytes:
        nonlocal taken
        async for piece in exchange:
            taken += len(piece)
            await go_on.wait()
        return b"%d" % taken

    site = serve(Reader(read), receive_buffer=65_536)
    client = await site.client()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)

    async def upload() -> None:
        nonlocal sent
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65_536):
            await client.send(bytes(65_536))
            sent += 65_536

    uploading = asyncio.create_task(upload())
    other = await site.client()
    for _ in range(50):
        assert (await other.get()).status == 200
        assert sent - taken < 4 * MEBIBYTE
    assert not uploading.done()
    go_on.set()
    assert (await client.answer("POST")).text == str(size)
    await uploading


@pytest.mark.feature("B12")
@pytest.mark.parametrize("chunked", [False, True])
async def test_content_is_given_to_who_takes_it_until_he_has_enough(
    serve: Serve, chunked: bool
) -> None:
    """The rest is there for who reads on, and at the end there is nothing to give."""
    content = bytes(range(256)) * 1000
    taken = bytearray()

    def take(piece: bytes) -> bool:
        assert len(taken) < 100_000
        taken.extend(piece)
        return len(taken) >= 100_000

    async def read(exchange: Exchange) -> bytes:
        while len(taken) < 100_000:
            assert await exchange.pour(take)
        rest = await exchange.read()
        assert not await exchange.pour(take)
        return bytes(taken) + rest

    client = await serve(Reader(read)).client()
    request = post("/", content)
    if chunked:
        request = CHUNKED % b"" + chunks(content, 7_000) + b"0\r\n\r\n"
    for start in range(0, len(request), 10_000):
        await client.send(request[start : start + 10_000])
        await turns(2)
    assert (await client.answer("POST")).body == content


async def test_content_of_a_first_look_is_not_lost(serve: Serve) -> None:
    """A reader that breaks off after a piece finds the rest behind it."""
    content = bytes(range(256)) * 100

    async def read(exchange: Exchange) -> bytes:
        async for piece in exchange:
            first = piece
            break
        return first + await exchange.read()

    site = serve(Reader(read), chunk_size=100)
    assert (await site.ask(post("/", content))).body == content


async def test_all_of_a_content_is_read_up_to_the_next_request(serve: Serve) -> None:
    """However it comes, what stands behind it in the same chunk is not part of it."""
    content = bytes(range(256)) * 400
    site = serve(Reader(lambda exchange: exchange.read()))
    client = await site.client()
    request = post("/", content)
    stream = request + request
    cuts = [0, 100, 30_000, 30_001, len(request) - 1, len(request) + 70, len(stream)]
    for start, end in pairwise(cuts):
        await client.send(stream[start:end])
        await turns()
    assert [(await client.answer()).body for _ in range(2)] == [content, content]


async def test_the_end_of_a_client_within_content_is_told_to_its_reader(serve: Serve) -> None:
    """Who waits for all of it hears of it as who takes piece after piece does."""

    async def read(exchange: Exchange) -> bytes:
        try:
            return await exchange.read()
        except TruncatedError:
            return b"truncated"

    site = serve(Reader(read))
    client = await site.client()
    for piece in (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab", b"cd"):
        await client.send(piece)
        await turns()
    client.shut()
    assert (await client.answer()).body == b"truncated"


async def test_decoded_content_of_a_first_look_is_not_lost(serve: Serve) -> None:
    content = bytes(range(256)) * 1000

    async def read(exchange: Exchange) -> bytes:
        async for piece in exchange:
            first = piece
            break
        return first + await exchange.read()

    site = serve(Reader(read), chunk_size=1000, decompress_request=True)
    encoded = gzip.compress(content)
    assert (await site.ask(post("/", encoded, "Content-Encoding: gzip\r\n"))).body == content


async def test_a_reader_that_is_cancelled_loses_nothing(serve: Serve) -> None:
    """By a time-out, say; what it was told so far and what comes next are all of it."""
    waiting, again = asyncio.Event(), asyncio.Event()

    async def read(exchange: Exchange) -> bytes:
        taken: list[bytes] = []

        async def take() -> None:
            async for piece in exchange:
                taken.append(piece)
                waiting.set()

        task = asyncio.create_task(take())
        await waiting.wait()
        await turns(3)
        task.cancel()
        await asyncio.wait([task])
        again.set()
        return b"".join(taken) + await exchange.read()

    client = await serve(Reader(read)).client()
    await client.send(post("/", b"one two")[:-4])
    await again.wait()
    await client.send(b" two")
    assert (await client.answer("POST")).body == b"one two"


async def test_content_that_was_read_is_not_read_again(serve: Serve) -> None:
    async def read(exchange: Exchange) -> bytes:
        return await exchange.read() + b"|" + await exchange.read()

    site = serve(Reader(read))
    assert (await site.ask(post("/", b"once"))).body == b"once|"
    assert (await site.get()).body == b"|"


# -- decoded -----------------------------------------------------------------------------


@pytest.mark.feature("B13")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("X-GZip", gzip.compress), ("deflate", zlib.compress)],
    ids=["gzip", "x-gzip", "deflate"],
)
async def test_content_is_decoded(
    serve: Serve, coding: str, compress: Callable[[bytes], bytes], chunked: bool
) -> None:
    """The handler sees it as if it had not been encoded, and can learn that it was."""
    site = serve([("/", Echo)], decompress_request=True)
    encoded, field = compress(TEXT), f"Content-Encoding: {coding}\r\n"
    request = post("/", encoded, field)
    if chunked:
        request = CHUNKED % field.encode() + chunks(encoded, 7) + b"0\r\n\r\n"
    client = await site.client()
    for _ in range(2):
        answer = json.loads((await client.ask(request)).text)
        assert answer["body"].encode() == TEXT
        assert (answer["coding"], answer["consumed"]) == (None, coding)


@pytest.mark.feature("B13")
async def test_a_form_is_decoded(serve: Serve) -> None:
    site = serve([("/", Echo)], decompress_request=True)
    fields = "Content-Encoding: gzip\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answer = await site.ask(post("/", gzip.compress(b"a=1&b=2&a=3"), fields))
    assert json.loads(answer.text)["arguments"] == {"a": ["1", "3"], "b": ["2"]}


@pytest.mark.feature("B13")
@pytest.mark.parametrize("coding", ["br", "identity", "gzip, gzip", "gzip, " * 100 + "gzip", "x"])
async def test_content_of_another_coding_is_handed_on_as_it_is(serve: Serve, coding: str) -> None:
    """Tornado 6.6: a hundred codings are not undone one by one."""
    site = serve([("/", Echo)], decompress_request=True)
    body = gzip.compress(TEXT)
    answer = await site.ask(post("/", body, f"Content-Encoding: {coding}\r\n"))
    seen = json.loads(answer.text)
    assert seen["body"].encode("latin-1") == body
    assert (seen["coding"], seen["consumed"]) == (coding, None)


async def test_content_is_not_decoded_unless_the_server_is_told_to(serve: Serve) -> None:
    site = serve([("/", Echo)])
    body = gzip.compress(TEXT)
    seen = json.loads((await site.ask(post("/", body, "Content-Encoding: gzip\r\n"))).text)
    assert (seen["body"].encode("latin-1"), seen["coding"]) == (body, "gzip")


async def test_a_client_cannot_claim_that_its_content_was_decoded(serve: Serve) -> None:
    """X-Consumed-Content-Encoding is the server's word."""
    site = serve([("/", Echo)], decompress_request=True)
    fields = "X-Consumed-Content-Encoding: br\r\nContent-Encoding: gzip\r\n"
    seen = json.loads((await site.ask(post("/", gzip.compress(b"x"), fields))).text)
    assert seen["consumed"] == "gzip"


@pytest.mark.parametrize("chunked", [False, True])
async def test_empty_content_with_a_coding_is_empty(serve: Serve, chunked: bool) -> None:
    site = serve([("/", Echo)], decompress_request=True)
    request = post("/", b"", "Content-Encoding: gzip\r\n")
    if chunked:
        request = CHUNKED % b"Content-Encoding: gzip\r\n" + b"0\r\n\r\n"
    assert json.loads((await site.ask(request)).text)["body"] == ""


BROKEN = {
    "text": b"this is no gzip",
    "deflate": zlib.compress(TEXT),
    "cut": gzip.compress(TEXT)[:-20],
    "cut at its check": gzip.compress(TEXT)[:-1],
    "cut in its header": gzip.compress(TEXT)[:5],
    "junk behind": gzip.compress(TEXT) + b"GET / HTTP/1.1\r\n",
    "empty members": gzip.compress(b"") * 200,
    "wrong check": gzip.compress(TEXT)[:-8] + bytes(8),
}


@pytest.mark.feature("B13")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", BROKEN)
async def test_content_that_cannot_be_decoded_gets_400(
    serve: Serve, name: str, streamed: bool
) -> None:
    """Tornado 6.6: it is an error and never silence. What comes behind is still served."""
    ended: list[str] = []

    @stream_request_body
    class Streamed(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            pass

        def post(self) -> None:
            ended.append("post")

        def get(self) -> None:
            self.write("next")

    class Whole(Echo):
        def get(self) -> None:
            self.write("next")

        def prepare(self) -> None:
            if self.request.method == "POST":
                ended.append("prepare")

    site = serve([("/", Streamed if streamed else Whole)], decompress_request=True)
    client = await site.client()
    answer = await client.ask(post("/", BROKEN[name], "Content-Encoding: gzip\r\n"))
    assert answer.status == 400
    assert ended == []
    if answer.keep_alive:
        assert (await client.get()).text == "next"
    else:
        client.shut()
        await client.expect_end()


@pytest.mark.feature("B13")
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_bomb_is_refused_before_it_goes_off(serve: Serve, streamed: bool) -> None:
    """CVE-2025-69223 and CVE-2026-54278, aiohttp: 413, and no more memory than a little."""
    taken = 0

    @stream_request_body
    class Streamed(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            nonlocal taken
            taken += len(chunk)

        def post(self) -> None:
            raise AssertionError("a bomb came through")

    class Whole(RequestHandler):
        def post(self) -> None:
            raise AssertionError("a bomb came through")

    encoded = bomb(512 * MEBIBYTE)
    site = serve([("/", Streamed if streamed else Whole)], decompress_request=True)
    client = await site.client()
    tracemalloc.start()
    try:
        await client.send(post("/", encoded[:100_000], "Content-Encoding: gzip\r\n"))
        answer = await client.answer("POST")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 32 * MEBIBYTE
    assert taken < 200 * 100_000 + MEBIBYTE
    assert (await site.get()).status == 405


@pytest.mark.feature("B13")
async def test_a_bomb_that_nobody_reads_is_not_decoded(serve: Serve) -> None:
    """CVE-2026-54278, aiohttp: nor when the rest of it is thrown away."""

    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.respond(ResponseHead(200), b"unread")

    encoded = bomb(128 * MEBIBYTE)
    site = serve(App(), decompress_request=True)
    client = await site.client()
    tracemalloc.start()
    try:
        answer = await client.ask(post("/", encoded, "Content-Encoding: gzip\r\n"))
        await client.ask(get())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.text == "unread"
    assert peak < 2 * MEBIBYTE


@pytest.mark.feature("B13")
@pytest.mark.parametrize("option", ["content_limit", "max_body_size"])
async def test_decoded_content_has_the_limit_of_the_server(serve: Serve, option: str) -> None:
    site = serve([("/", Echo)], decompress_request=True, **{option: 10_000})
    fields = "Content-Encoding: gzip\r\n"
    fits = gzip.compress(b"x" * 10_000)
    assert len(json.loads((await site.ask(post("/", fits, fields))).text)["body"]) == 10_000
    client = await site.client()
    await client.send(post("/", gzip.compress(b"x" * 10_001), fields))
    client.shut()
    raw = await client.read_to_end()
    status = b"413" if option == "content_limit" else b"400"
    assert raw.startswith(b"HTTP/1.1 " + status)


@pytest.mark.feature("B06", "B13")
async def test_decoded_content_has_the_limit_of_its_handler(serve: Serve) -> None:
    class Small(Echo):
        max_body_size = 1000

    class Large(Echo):
        max_body_size = 100_000

    rules = [("/small", Small), ("/large", Large)]
    site = serve(rules, decompress_request=True, content_limit=10_000)
    fields = "Content-Encoding: gzip\r\n"

    async def ask(target: str, size: int) -> int:
        return (await site.ask(post(target, gzip.compress(b"x" * size), fields))).status

    assert [await ask("/small", size) for size in (1000, 1001)] == [200, 413]
    assert [await ask("/large", size) for size in (100_000, 100_001)] == [200, 413]


async def test_the_ratio_is_bounded_where_the_size_is_not(serve: Serve) -> None:
    """What is decoded to a mebibyte is never too much by its ratio alone."""
    site = serve([("/", Echo)], decompress_request=True, content_limit=1000 * MEBIBYTE)
    fields = "Content-Encoding: gzip\r\n"
    small = gzip.compress(bytes(RATIO_FREE))
    assert RATIO_FREE / len(small) > MAX_RATIO
    assert (await site.ask(post("/", small, fields))).status == 200
    large = gzip.compress(bytes(2 * RATIO_FREE))
    assert (await site.ask(post("/", large, fields))).status == 413


# -- behind the content ------------------------------------------------------------------


@pytest.mark.feature("B16")
async def test_trailers_of_a_request_are_there_once_its_content_was_read(serve: Serve) -> None:
    """They are apart from its headers, and so cannot pass for them. RFC 9110 §6.5.1"""

    class Handler(RequestHandler):
        def post(self) -> None:
            trailers = dict(self.request.connection.trailers)
            names = [name.lower() for name in self.request.headers]
            self.write({"trailers": trailers, "mixed": "x-sum" in names})

    client = await serve([("/", Handler)]).client()
    request = CHUNKED % b"Trailer: X-Sum\r\n" + chunks(b"hello")
    answer = await client.ask(request + b"0\r\nX-Sum: 42\r\nX-Other: a b\r\n\r\n")
    expected = {"x-sum": "42", "x-other": "a b"}
    assert json.loads(answer.text) == {"trailers": expected, "mixed": False}
    answer = await client.ask(request + b"0\r\n\r\n")
    assert json.loads(answer.text)["trailers"] == {}


@pytest.mark.feature("B16")
async def test_trailers_of_a_request_come_after_the_last_piece(serve: Serve) -> None:
    async def read(exchange: Exchange) -> bytes:
        seen = []
        async for _piece in exchange:
            seen.append(len(exchange.trailers))
        return f"{max(seen)} {exchange.trailers}".encode()

    client = await serve(Reader(read)).client()
    await client.send(CHUNKED % b"" + chunks(b"x" * 5000, 10))
    await client.send(b"0\r\nX-Sum: 42\r\n\r\n")
    answer = await client.answer("POST")
    assert answer.text.startswith("0 ")
    assert "('x-sum', '42')" in answer.text


@pytest.mark.feature("B16")
async def test_an_exchange_sends_trailers(serve: Serve) -> None:
    """Those that may not come after content are refused, and nothing of them is sent."""
    refused: list[str] = []

    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.start(ResponseHead(200, [("Transfer-Encoding", "chunked")]), b"hello")
            for name, value in (("Content-Length", "3"), ("X", "a\r\nb"), ("a b", "c")):
                try:
                    exchange.finish([(name, value)])
                except LocalProtocolError:
                    refused.append(name)
            exchange.finish([("X-Sum", "42")])

    client: Client = await serve(App()).client()
    answer = await client.get()
    assert (answer.text, answer.trailers) == ("hello", [("x-sum", "42")])
    assert refused == ["Content-Length", "X", "a b"]
    assert (await client.get()).trailers == [("x-sum", "42")]


# -- large content ---------------------------------------------------------------------------

LARGE = random.Random(2).randbytes(MEBIBYTE)
#: Of that, as much as has to be there before there is room for the rest.
ENOUGH = MEBIBYTE // 4


class Digest(RequestHandler):
    """Answers with a digest of what came."""

    def post(self) -> None:
        self.write(sha256(self.request.body).hexdigest())

    def get(self) -> None:
        self.write("next")


async def begin_large(serve: Serve, **options: Any) -> tuple[Site, Client, ServerConnection]:
    """Have a client send enough of a large content for the rest to be written to its place."""
    site = serve([("/", Digest)], **options)
    client = await site.client()
    await client.send(post("/", LARGE)[: ENOUGH - MEBIBYTE])
    while not site.server._connections:
        await turns(1)
    (connection,) = site.server._connections
    while connection._filler is None:
        await turns(1)
    return site, client, connection


async def test_large_content_is_written_right_to_its_place(serve: Serve) -> None:
    """Past the machine, which counts it; the next request comes right behind it."""
    _, client, connection = await begin_large(serve)
    before = connection.machine.unread
    await client.send(LARGE[ENOUGH:-1000])
    while connection._filler is not None and connection._filler.filled < MEBIBYTE - ENOUGH - 1000:
        await turns(1)
    assert connection.machine.unread == before == 0
    await client.send(LARGE[-1000:] + get("/"))
    assert (await client.answer("POST")).text == sha256(LARGE).hexdigest()
    assert (await client.answer()).text == "next"
    assert connection._filler is None


async def test_large_content_that_stays_away_gets_408(serve: Serve) -> None:
    """What was written to its place so far is forgotten."""
    _, client, _ = await begin_large(serve, body_timeout=0.2)
    await client.send(LARGE[ENOUGH:-1000])
    assert (await client.answer("POST")).status == 408
    await client.expect_end()


@pytest.mark.parametrize("way", ["end", "reset"])
async def test_a_client_that_leaves_within_large_content_is_gone(serve: Serve, way: str) -> None:
    """Its handler is not called, and nothing is left."""
    site, client, _ = await begin_large(serve)
    if way == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    while site.server._connections:
        await turns(1)


async def test_a_server_that_stops_takes_no_more_of_large_content(serve: Serve) -> None:
    """The one who waits for it is cancelled."""
    site, client, connection = await begin_large(serve)
    site.server.stop()
    await site.server.close_all_connections(0)
    assert connection._filler is None
    await client.expect_end()
