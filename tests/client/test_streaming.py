"""Content that is streamed, from the server and to it, as fast as the slower side can."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.http.client import Serve
from tests.http.scripted import Caller, Start
from toolkit.httpclient import HTTPRequest
from toolkit.httpclient.content import Content
from toolkit.simple_httpclient import HTTPStreamClosedError, SimpleAsyncHTTPClient
from toolkit.web import RequestHandler, stream_request_body

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PIECE = 64 * 1024
#: What the buffers of two sockets and a stream may take together, and far more than that.
BUFFERS = 32 * 1024 * 1024


async def settle(count: list[int]) -> None:
    """Wait until a count does not grow any more."""
    before = -1
    while before != count[0]:
        before = count[0]
        for _ in range(200):
            await asyncio.sleep(0)


# -- responses ---------------------------------------------------------------------------


@pytest.mark.feature("F05")
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_server_waits_while_the_program_reads_nothing(
    start: Start, client: SimpleAsyncHTTPClient, chunked: bool
) -> None:
    """And goes on as soon as it reads again; nothing is lost."""
    sent = [0]

    async def pour(caller: Caller) -> None:
        await caller.head()
        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        await caller.say(b"HTTP/1.1 200 OK\r\n" + coding + b"\r\n")
        piece = b"x" * PIECE
        while True:
            await caller.say(b"%x\r\n%b\r\n" % (PIECE, piece) if chunked else piece)
            sent[0] += PIECE

    server = await start(pour)
    async with client.stream("GET", server.url()) as response:
        await settle(sent)
        assert sent[0] < BUFFERS
        held = sent[0]
        taken = 0
        async for piece in response:
            assert piece == b"x" * len(piece)
            taken += len(piece)
            if taken > held + PIECE:
                break
        assert sent[0] > held


@pytest.mark.feature("F05")
async def test_a_response_is_there_before_its_content(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Each piece is handed on when it comes, not when the next one does."""
    proceed = asyncio.Semaphore(0)

    async def tell(caller: Caller) -> None:
        await caller.head()
        await caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for piece in (b"ab", b"cd", b"ef"):
            await proceed.acquire()
            await caller.say(piece)

    server = await start(tell)
    async with client.stream("GET", server.url()) as response:
        assert response.status == 200
        seen = []
        proceed.release()
        async for piece in response:
            seen.append(piece)
            proceed.release()
        assert seen == [b"ab", b"cd", b"ef"]


@pytest.mark.feature("F05")
async def test_a_response_that_is_not_read_to_its_end_is_given_up(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """With the block, and with an error in it; the server sees the end of the connection."""
    ended: asyncio.Queue[None] = asyncio.Queue()

    async def pour(caller: Caller) -> None:
        await caller.head()
        await caller.say(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                await caller.say(b"x" * PIECE)
        except ConnectionError:
            await ended.put(None)

    server = await start(pour)
    async with client.stream("GET", server.url()):
        pass
    await ended.get()
    with contextlib.suppress(KeyError):
        async with client.stream("GET", server.url()) as response:
            async for _ in response:
                raise KeyError
    await ended.get()


@pytest.mark.feature("F05")
async def test_a_stream_that_breaks_off_is_an_error_after_what_came(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """So that half of a document is never taken for the whole."""
    server = await start(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    async with client.stream("GET", server.url()) as response:
        pieces = aiter(response)
        assert await anext(pieces) == b"half"
        with pytest.raises(HTTPStreamClosedError):
            await anext(pieces)


# -- uploads -----------------------------------------------------------------------------


@stream_request_body
class Count(RequestHandler):
    """Answers with the framing and the content of what was sent."""

    def initialize(self) -> None:
        self.got = bytearray()

    def data_received(self, chunk: bytes) -> None:
        self.got += chunk

    def put(self) -> None:
        told = ("Content-Length", "Transfer-Encoding")
        self.write(",".join(n for n in told if n in self.request.headers).encode())
        self.write(b":" + bytes(self.got))


async def letters() -> AsyncIterator[bytes]:
    """Give pieces now and then, one of them empty."""
    for piece in (b"abc", b"", b"def"):
        await asyncio.sleep(0)
        yield piece


class Letters:
    """Gives the letters from the first on each time."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return letters()


class Measured(Content):
    """Content of a length that is known."""

    length = 6

    def __aiter__(self) -> AsyncIterator[bytes]:
        return letters()


async def nothing() -> AsyncIterator[bytes]:
    """Give no piece at all."""
    for piece in ():
        yield piece


@pytest.mark.feature("F06")
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (letters, b"Transfer-Encoding:abcdef"),
        (Letters, b"Transfer-Encoding:abcdef"),
        (Measured, b"Content-Length:abcdef"),
        (nothing, b"Transfer-Encoding:"),
        (lambda: iter([b"abc", b"def"]), b"Transfer-Encoding:abcdef"),
    ],
)
async def test_what_an_iterable_gives_is_sent(
    serve: Serve, client: SimpleAsyncHTTPClient, make: Any, expected: bytes
) -> None:
    """In chunks unless the length is known; an empty piece is not the end."""
    host, port = serve([("/", Count)]).address
    for _ in range(2):
        assert (await client.put(f"http://{host}:{port}/", content=make())).content == expected


@pytest.mark.feature("F06")
async def test_no_more_is_asked_of_an_iterator_than_the_server_takes(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """So that what it reads from may be larger than memory."""
    given = [0]
    begun, read, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                given[0] += PIECE
                yield b"x" * PIECE
        finally:
            closed.set()

    async def slow(caller: Caller) -> None:
        await caller.head()
        await caller.reader.readexactly(8)
        begun.set()
        await read.wait()
        await caller.say(OK)
        await caller.ended()

    server = await start(slow)
    sending = asyncio.create_task(client.put(server.url(), content=endless()))
    await begun.wait()
    await settle(given)
    assert given[0] < BUFFERS
    read.set()
    assert (await sending).content == b"ok"  # an answer that comes early is the answer
    await closed.wait()


def broken() -> Iterator[bytes]:
    """Give a piece, and fail."""
    yield b"abc"
    raise KeyError("no more")


async def broken_later() -> AsyncIterator[bytes]:
    """Give a piece, and fail."""
    yield b"abc"
    raise KeyError("no more")


@pytest.mark.feature("F06")
@pytest.mark.parametrize("make", [broken, broken_later])
async def test_an_iterator_that_fails_never_looks_like_one_that_ended(
    start: Start, client: SimpleAsyncHTTPClient, make: Any
) -> None:
    """Its error is that of the request, and the last chunk is not sent."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(caller: Caller) -> None:
        await received.put(await caller.ended())

    server = await start(listen)
    with pytest.raises(KeyError):
        await client.put(server.url(), content=make())
    assert not (await received.get()).endswith(b"0\r\n\r\n")


@pytest.mark.feature("F06")
async def test_an_upload_that_is_cancelled_closes_its_iterator(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """And its connection."""
    begun, closed = asyncio.Event(), asyncio.Event()
    ended: asyncio.Queue[None] = asyncio.Queue()

    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            begun.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def listen(caller: Caller) -> None:
        await caller.ended()
        await ended.put(None)

    server = await start(listen)
    sending = asyncio.create_task(client.put(server.url(), content=waiting()))
    await begun.wait()
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    await closed.wait()
    await ended.get()


@pytest.mark.feature("F06")
@pytest.mark.parametrize("content", [{"a": b"b"}, 7, object])
async def test_what_is_no_content_is_refused(client: SimpleAsyncHTTPClient, content: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(TypeError, match="are allowed"):
        await client.put("http://127.0.0.1:1/", content=content)


@pytest.mark.feature("F06")
async def test_pieces_that_are_no_bytes_are_refused(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Text has no length on the wire until somebody says in which encoding."""

    async def listen(caller: Caller) -> None:
        await caller.ended()

    server = await start(listen)
    with pytest.raises(TypeError):
        await client.put(server.url(), content=iter(["text"]))  # type: ignore[list-item]


@pytest.mark.feature("F06")
async def test_fetch_produces_its_body_from_an_iterator(
    serve: Serve, client: SimpleAsyncHTTPClient
) -> None:
    """By a `body_producer`, as Tornado's programs do."""
    host, port = serve([("/", Count)]).address

    async def produce(write: Any) -> None:
        async for piece in letters():
            await write(piece)

    request = HTTPRequest(f"http://{host}:{port}/", method="PUT", body_producer=produce)
    assert (await client.fetch(request)).body == b"Transfer-Encoding:abcdef"
