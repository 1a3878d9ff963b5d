"""`HTTP1Connection` and `HTTP1ServerConnection` on streams of one's own."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
    is_transfer_encoding_chunked,
    parse_hex_int,
    parse_int,
)
from toolkit.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from toolkit.iostream import IOStream, StreamClosedError

MEBIBYTE = 1024 * 1024
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = ResponseStartLine("HTTP/1.1", 200, "OK")
SHORT = 0.1


class Told(HTTPMessageDelegate):
    """Keeps what it is told, and does what the test says at each call."""

    def __init__(self, **acts: Callable[..., Any]) -> None:
        self.acts = acts
        self.calls: list[str] = []
        self.heads: list[tuple[Any, HTTPHeaders]] = []
        self.pieces: list[bytes] = []

    @property
    def content(self) -> bytes:
        """All that came."""
        return b"".join(self.pieces)

    def _act(self, name: str, *args: Any) -> Any:
        self.calls.append(name)
        return self.acts[name](*args) if name in self.acts else None

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        self.heads.append((start_line, headers))
        return self._act("headers", start_line)

    def data_received(self, chunk: bytes) -> Any:
        self.pieces.append(chunk)
        return self._act("data", chunk)

    def finish(self) -> None:
        self._act("finish")

    def on_connection_close(self) -> None:
        self._act("closed")


class Ends:
    """Two streams that are connected with each other."""

    def __init__(self, ours: IOStream, theirs: IOStream) -> None:
        self.ours = ours
        self.theirs = theirs

    def connection(self, is_client: bool = False, **parameters: Any) -> HTTP1Connection:
        """Make a connection of our end."""
        return HTTP1Connection(self.ours, is_client, HTTP1ConnectionParameters(**parameters))

    async def receive(self, data: bytes, **parameters: Any) -> tuple[bool, Told]:
        """Read one request of the other end as a server."""
        told = Told()
        await self.theirs.write(data)
        return await self.connection(**parameters).read_response(told), told


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """Return two streams, which are closed after the test."""
    async with connected() as pair:
        yield pair


@asynccontextmanager
async def connected(max_buffer_size: int | None = None) -> AsyncIterator[Ends]:
    """Connect two streams."""
    ours, theirs = socket.socketpair()
    pair = Ends(IOStream(ours, max_buffer_size=max_buffer_size), IOStream(theirs))
    try:
        yield pair
    finally:
        pair.ours.close()
        pair.theirs.close()


# -- as a client -------------------------------------------------------------------------


async def test_a_client_writes_a_request_and_reads_the_response(ends: Ends) -> None:
    connection, told = ends.connection(is_client=True), Told()
    headers = HTTPHeaders({"Host": "h", "Content-Length": "5"})
    await connection.write_headers(RequestStartLine("POST", "/x", "HTTP/1.1"), headers, b"he")
    await connection.write(b"llo")
    connection.finish()
    request = await ends.theirs.read_until(b"hello")
    assert request.startswith(b"POST /x HTTP/1.1\r\nHost: h\r\n")
    await ends.theirs.write(b"HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX: y\r\n\r\nyes")
    assert await connection.read_response(told) is True
    assert told.calls == ["headers", "data", "finish"]
    assert told.heads[0][0] == ResponseStartLine("HTTP/1.1", 200, "Fine")
    assert (told.heads[0][1]["X"], told.content) == ("y", b"yes")


async def test_a_client_without_content_needs_no_length(ends: Ends) -> None:
    connection = ends.connection(is_client=True)
    head = RequestStartLine("GET", "/", "HTTP/1.1")
    await connection.write_headers(head, HTTPHeaders({"Host": "h"}))
    connection.finish()
    assert (await ends.theirs.read_until(b"\r\n\r\n")).startswith(b"GET / HTTP/1.1\r\n")
    await ends.theirs.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    told = Told()
    assert await connection.read_response(told) is True
    assert told.calls == ["headers", "finish"]


@pytest.mark.parametrize(
    ("response", "content", "goes_on"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
            b"hi",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    ],
    ids=["length", "chunks", "close", "end", "1.0"],
)
async def test_a_response_is_read_that_somebody_else_asked_for(
    ends: Ends, response: bytes, content: bytes, goes_on: bool
) -> None:
    """However its end is told."""
    await ends.theirs.write(response)
    ends.theirs.close()
    told = Told()
    assert await ends.connection(is_client=True).read_response(told) is goes_on
    assert (told.content, told.calls[-1]) == (content, "finish")


async def test_interim_responses_are_told_too(ends: Ends) -> None:
    await ends.theirs.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    told = Told()
    assert await ends.connection(is_client=True).read_response(told)
    assert [start_line.code for start_line, _ in told.heads] == [100, 204]
    assert told.calls == ["headers", "headers", "finish"]


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/9 what\r\n\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "no last chunk", "junk"],
)
async def test_a_response_that_is_cut_or_junk_is_told_as_a_close(
    ends: Ends, response: bytes
) -> None:
    """Once; and the stream is closed."""
    if response:
        await ends.theirs.write(response)
    ends.theirs.close()
    told = Told()
    assert await ends.connection(is_client=True).read_response(told) is False
    assert "finish" not in told.calls
    assert told.calls.count("closed") == 1
    assert ends.ours.closed()


# -- as a server -------------------------------------------------------------------------


async def test_a_server_reads_requests_and_answers(ends: Ends) -> None:
    """One after another on one connection."""
    connection = ends.connection()
    for number in range(3):
        told = Told()
        body = b"x" * number
        await ends.theirs.write(
            b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (number, number, body)
        )
        assert await connection.read_response(told) is True
        assert told.heads[0][0] == RequestStartLine("POST", f"/{number}", "HTTP/1.1")
        assert told.content == body
        await connection.write_headers(OK, HTTPHeaders({"Content-Length": "2"}), b"ok")
        connection.finish()
        assert (await ends.theirs.read_until(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_answer_without_a_length_goes_in_chunks(ends: Ends) -> None:
    connection = ends.connection()
    await ends.theirs.write(GET)
    await connection.read_response(Told())
    await connection.write_headers(OK, HTTPHeaders(), b"one")
    await connection.write(b"two")
    connection.finish()
    raw = await ends.theirs.read_until(b"0\r\n\r\n")
    assert raw.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_a_malformed_request_is_refused(ends: Ends) -> None:
    """With a 400, and the delegate hears of the end."""
    goes_on, told = await ends.receive(b"BAD\r\n\r\n")
    assert (goes_on, told.calls) == (False, ["closed"])
    assert (await ends.theirs.read_until_close()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("where", ["headers", "data"])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_delegate_that_raises_has_the_connection_closed(
    ends: Ends, caplog: pytest.LogCaptureFixture, where: str, waits: bool
) -> None:
    def fail(_what: Any) -> Any:
        async def later() -> None:
            await asyncio.sleep(0)
            raise RuntimeError("broken on purpose")

        if waits:
            return later()
        raise RuntimeError("broken on purpose")

    told = Told(**{where: fail})
    await ends.theirs.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
    assert await ends.connection().read_response(told) is False
    assert told.calls[-1] == "closed"
    assert ends.ours.closed()
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_an_input_error_of_a_delegate_is_400(ends: Ends) -> None:
    def refuse(_start_line: Any) -> None:
        raise HTTPInputError("not this")

    told = Told(headers=refuse)
    await ends.theirs.write(GET)
    assert await ends.connection().read_response(told) is False
    assert (await ends.theirs.read_until_close()).startswith(b"HTTP/1.1 400 ")


async def test_a_delegate_that_waits_holds_the_peer_back(ends: Ends) -> None:
    step = asyncio.Semaphore(0)

    async def wait(_chunk: bytes) -> None:
        await step.acquire()

    told = Told(data=wait)
    size = 16 * MEBIBYTE
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    written = ends.theirs.write(head + bytes(size))
    reading = asyncio.create_task(ends.connection().read_response(told))
    while not told.pieces:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(told.pieces) == 1
    assert not written.done()
    while not reading.done():
        step.release()
        await asyncio.sleep(0)
    assert await reading is True
    assert len(told.content) == size
    await written


async def test_a_100_is_sent_before_the_content(ends: Ends) -> None:
    told = Told()
    reading = asyncio.create_task(ends.connection().read_response(told))
    await ends.theirs.write(
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert (await ends.theirs.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    await ends.theirs.write(b"hi")
    assert await reading is True
    assert told.content == b"hi"


async def test_a_stream_can_be_taken_over(ends: Ends) -> None:
    """With what was read too far."""
    connection = ends.connection()
    told = Told(headers=lambda _start_line: connection.detach() and None)
    await ends.theirs.write(GET + b"early")
    assert await connection.read_response(told) is False
    assert told.calls == ["headers"]
    assert not ends.ours.closed()
    assert await ends.ours.read_bytes(5) == b"early"


async def test_a_cancelled_reader_leaves_the_stream_usable(ends: Ends) -> None:
    """What has come so far is still there for the next one."""
    connection, told = ends.connection(), Told()
    await ends.theirs.write(GET[:10])
    reading = asyncio.create_task(connection.read_response(told))
    for _ in range(10):
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await ends.theirs.write(GET[10:])
    assert await connection.read_response(told) is True
    assert told.calls == ["headers", "finish"]


async def test_writing_what_does_not_fit_is_an_output_error(ends: Ends) -> None:
    """And the stream is closed, as the peer could not tell."""
    connection = ends.connection()
    await ends.theirs.write(GET)
    await connection.read_response(Told())
    connection.write_headers(OK, HTTPHeaders({"Content-Length": "2"}))
    with pytest.raises(HTTPOutputError, match="2"):
        await connection.write(b"long")
    assert ends.ours.closed()
    with pytest.raises(StreamClosedError):
        await connection.write(b"x")


async def test_too_little_content_is_an_output_error(ends: Ends) -> None:
    connection = ends.connection()
    await ends.theirs.write(GET)
    await connection.read_response(Told())
    connection.write_headers(OK, HTTPHeaders({"Content-Length": "2"}), b"x")
    with pytest.raises(HTTPOutputError):
        connection.finish()


async def test_the_close_callback_is_called_when_the_peer_leaves(ends: Ends) -> None:
    left = asyncio.Event()
    connection = ends.connection()
    connection.set_close_callback(left.set)
    ends.theirs.close()
    await connection.read_response(Told())
    await left.wait()


# -- each parameter ----------------------------------------------------------------------


async def test_no_keep_alive_ends_after_one_message(ends: Ends) -> None:
    goes_on, told = await ends.receive(GET, no_keep_alive=True)
    assert (goes_on, told.calls) == (False, ["headers", "finish"])


async def test_the_chunk_size_bounds_pieces(ends: Ends) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"
    _, told = await ends.receive(request, chunk_size=4)
    assert (told.content, max(map(len, told.pieces))) == (b"0123456789", 4)


async def test_the_head_has_a_size(ends: Ends) -> None:
    fields = b"X: " + b"y" * 1000 + b"\r\n"
    goes_on, told = await ends.receive(GET[:-2] + fields + b"\r\n", max_header_size=500)
    assert (goes_on, told.calls) == (False, ["closed"])
    assert (await ends.theirs.read_until_close()).startswith(b"HTTP/1.1 431 ")


async def test_the_head_has_a_time(ends: Ends) -> None:
    goes_on, told = await ends.receive(GET[:10], header_timeout=SHORT)
    assert (goes_on, told.calls) == (False, ["closed"])
    assert ends.ours.closed()


async def test_content_has_a_size(ends: Ends) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"
    goes_on, told = await ends.receive(request, max_body_size=9)
    assert goes_on is False
    assert "finish" not in told.calls
    assert told.pieces == []


async def test_content_has_the_size_of_the_buffer_of_its_stream() -> None:
    """Unless it is said otherwise."""
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    for size, goes_on in ((99_999, False), (100_000, True)):
        async with connected(max_buffer_size=size) as pair:
            went_on, _ = await pair.receive(head + bytes(100_000))
            assert went_on is goes_on


async def test_content_has_a_time(ends: Ends) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n012"
    goes_on, told = await ends.receive(request, body_timeout=SHORT)
    assert (goes_on, told.calls[-1]) == (False, "closed")


async def test_limits_of_one_message_can_be_set(ends: Ends) -> None:
    """In `headers_received`; the next message has those of the connection."""
    connection = ends.connection(max_body_size=5)
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"
    told = Told(headers=lambda _start_line: connection.set_max_body_size(10))
    await ends.theirs.write(request)
    assert await connection.read_response(told) is True
    assert told.content == b"0123456789"
    connection.write_headers(OK, HTTPHeaders({"Content-Length": "0"}))
    connection.finish()
    await ends.theirs.write(request)
    assert await connection.read_response(Told()) is False


async def test_the_time_of_one_message_can_be_set(ends: Ends) -> None:
    connection = ends.connection()
    told = Told(headers=lambda _start_line: connection.set_body_timeout(SHORT))
    await ends.theirs.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n012")
    assert await connection.read_response(told) is False
    assert told.calls == ["headers", "data", "closed"]


@pytest.mark.parametrize("decompress", [False, True])
async def test_content_is_decoded_on_demand(ends: Ends, decompress: bool) -> None:
    body = gzip.compress(b"hello" * 1000)
    await ends.theirs.write(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    told = Told()
    assert await ends.connection(True, decompress=decompress, chunk_size=100).read_response(told)
    assert told.content == (b"hello" * 1000 if decompress else body)
    assert max(map(len, told.pieces)) <= 100
    headers = told.heads[0][1]
    name = "X-Consumed-Content-Encoding" if decompress else "Content-Encoding"
    assert headers[name] == "gzip"
    assert ("Content-Encoding" in headers) is not decompress


async def test_decoded_content_has_the_size_too(ends: Ends) -> None:
    body = gzip.compress(bytes(MEBIBYTE))
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    request = head % len(body) + body
    goes_on, told = await ends.receive(request, decompress=True, max_body_size=100_000)
    assert (goes_on, told.calls[-1]) == (False, "closed")
    assert len(told.content) <= 100_000


async def test_parameters_have_defaults() -> None:
    parameters = HTTP1ConnectionParameters()
    assert (parameters.chunk_size, parameters.max_header_size) == (65536, 65536)
    assert parameters.header_timeout is parameters.body_timeout is None


# -- a server's connection ---------------------------------------------------------------


class Answering(HTTPServerConnectionDelegate):
    """Answers each request with its content."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.seen: list[object] = []

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Told:
        self.seen.append(server_conn)

        def answer() -> None:
            size = HTTPHeaders({"Content-Length": str(len(told.content))})
            request_conn.write_headers(OK, size, told.content)
            request_conn.finish()

        told = Told(finish=answer)
        return told

    def on_close(self, server_conn: object) -> None:
        self.seen.append(server_conn)
        self.closed.set()


async def test_a_server_connection_serves_a_stream(ends: Ends) -> None:
    """It tells its delegate by which connection requests come, and of its end."""
    delegate = Answering()
    connection = HTTP1ServerConnection(ends.ours, HTTP1ConnectionParameters(), "context")
    connection.start_serving(delegate)
    for text in (b"one", b"other"):
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(text)
        await ends.theirs.write(head + text)
        assert (await ends.theirs.read_until(text)).startswith(b"HTTP/1.1 200 OK\r\n")
    assert connection.context == "context"
    await connection.close()
    assert delegate.closed.is_set()
    assert delegate.seen == [connection] * 3
    assert await ends.theirs.read_until_close() == b""
    await connection.close()


async def test_a_server_connection_that_serves_nobody_can_be_closed(ends: Ends) -> None:
    await HTTP1ServerConnection(ends.ours).close()
    assert ends.ours.closed()


@pytest.mark.parametrize(
    ("parameters", "request_bytes", "starts"),
    [
        ({"max_header_size": 100}, GET[:-2] + b"X: " + b"y" * 200 + b"\r\n\r\n", b"HTTP/1.1 431 "),
        (
            {"max_body_size": 1},
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx",
            b"HTTP/1.1 4",
        ),
        ({"no_keep_alive": True}, GET, b"HTTP/1.1 200 OK\r\n"),
        ({"header_timeout": SHORT}, GET[:10], b""),
        ({"header_timeout": SHORT}, b"", b""),
        (
            {"body_timeout": SHORT},
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx",
            b"",
        ),
    ],
    ids=["head", "body", "keep-alive", "time of a head", "idle", "time of a body"],
)
async def test_a_server_connection_obeys_its_parameters(
    ends: Ends, parameters: dict[str, Any], request_bytes: bytes, starts: bytes
) -> None:
    """In each of these cases the connection is closed."""
    connection = HTTP1ServerConnection(ends.ours, HTTP1ConnectionParameters(**parameters))
    delegate = Answering()
    connection.start_serving(delegate)
    if request_bytes:
        await ends.theirs.write(request_bytes)
    assert (await ends.theirs.read_until_close()).startswith(starts)
    ends.theirs.close()
    await delegate.closed.wait()


async def test_a_server_connection_decodes_content(ends: Ends) -> None:
    connection = HTTP1ServerConnection(ends.ours, HTTP1ConnectionParameters(decompress=True))
    connection.start_serving(Answering())
    body = gzip.compress(b"hello")
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    await ends.theirs.write(head % len(body) + body)
    answer = await ends.theirs.read_until(b"\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert await ends.theirs.read_bytes(5) == b"hello"
    await connection.close()


# -- numbers and framings ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("42", 42), ("007", 7), ("9" * 30, 10**30 - 1)]
)
def test_decimal_digits_are_an_integer(text: str, number: int) -> None:
    assert parse_int(text) == number


NO_NUMBERS = ["", " 1", "1 ", "+1", "-1", "1_0", "1.0", "0x1", "१", "²", "1\n", "1\r\n"]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "a"])
def test_all_else_is_no_integer(text: str) -> None:
    with pytest.raises(ValueError, match="not an integer"):
        parse_int(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("fF", 255), ("10", 16)])
def test_hexadecimal_digits_are_an_integer(text: str, number: int) -> None:
    assert parse_hex_int(text) == number


@pytest.mark.parametrize("text", [*NO_NUMBERS, "g", "0xf"])
def test_all_else_is_no_hexadecimal_integer(text: str) -> None:
    with pytest.raises(ValueError, match="not a hexadecimal integer"):
        parse_hex_int(text)


@pytest.mark.parametrize(
    ("fields", "chunked"),
    [
        ({}, False),
        ({"Content-Length": "1"}, False),
        ({"Transfer-Encoding": "chunked"}, True),
        ({"Transfer-Encoding": "Chunked"}, True),
    ],
)
def test_the_framing_says_whether_content_is_in_chunks(
    fields: dict[str, str], chunked: bool
) -> None:
    assert is_transfer_encoding_chunked(HTTPHeaders(fields)) is chunked


@pytest.mark.parametrize(
    "fields",
    [
        {"Transfer-Encoding": "chunked", "Content-Length": "1"},
        {"Transfer-Encoding": "gzip"},
        {"Transfer-Encoding": "chunked, chunked"},
        {"Transfer-Encoding": ""},
    ],
)
def test_a_framing_in_doubt_is_an_error(fields: dict[str, str]) -> None:
    with pytest.raises(HTTPInputError):
        is_transfer_encoding_chunked(HTTPHeaders(fields))
