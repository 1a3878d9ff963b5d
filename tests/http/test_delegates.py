"""What an `HTTPServer` may be given beside an application: delegates and plain functions."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.http.client import Serve, get, post, turns
from tests.loops import expect_log
from toolkit.httpserver import HTTPServer
from toolkit.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from toolkit.iostream import StreamClosedError

MEBIBYTE = 1024 * 1024
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

#: What a delegate does at some point of its message.
Act = Callable[["Message"], Any]


def answer(connection: HTTPConnection, content: bytes, code: int = 200) -> None:
    """Answer with content of a known length."""
    headers = HTTPHeaders({"Content-Length": str(len(content))})
    connection.write_headers(ResponseStartLine("", code, "OK"), headers, content)
    connection.finish()


def echo(message: "Message") -> None:
    """Answer with the content of the message."""
    answer(message.connection, message.content)


class Message(HTTPMessageDelegate):
    """Notes what it is called, and does what its site says."""

    def __init__(self, server: "Server", connection: Any) -> None:
        self.connection = connection
        self.content = b""
        self._server = server

    def _act(self, name: str) -> Any:
        act = self._server.acts.get(name)
        return None if act is None else act(self)

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        self.start_line, self.headers = start_line, headers
        self._server.calls.append("headers")
        return self._act("headers")

    def data_received(self, chunk: bytes) -> Any:
        self.content += chunk
        self._server.calls.append(f"data {len(chunk)}")
        return self._act("data")

    def finish(self) -> None:
        self._server.calls.append("finish")
        self._act("finish")

    def on_connection_close(self) -> None:
        self._server.calls.append("closed")
        self._server.closed.set()
        self._act("closed")


class Server(HTTPServerConnectionDelegate):
    """Makes messages, and notes connections.

    Args:
        acts: what a message does at ``headers``, ``data``, ``finish`` and ``closed``.
    """

    def __init__(self, **acts: Act) -> None:
        self.acts: dict[str, Act] = {"finish": echo, **acts}
        self.calls: list[str] = []
        self.messages: list[Message] = []
        self.closed = asyncio.Event()
        self.connections: list[object] = []
        self.ended: asyncio.Queue[object] = asyncio.Queue()

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Message:
        self.calls.append("start")
        self.connections.append(server_conn)
        self.messages.append(Message(self, request_conn))
        return self.messages[-1]

    def on_close(self, server_conn: object) -> None:
        self.ended.put_nowait(server_conn)


# -- delegates ---------------------------------------------------------------------------


async def test_a_delegate_is_called_in_order(serve: Serve) -> None:
    """Each request has its own; content comes in pieces of at most the chunk size."""
    server = Server()
    client = await serve(server, chunk_size=4).client()
    assert (await client.get()).body == b""
    assert (await client.ask(post("/a?b", b"0123456789", "X: y\r\n"))).body == b"0123456789"
    calls = ["start", "headers", "finish", "start", "headers", "data 4", "data 4", "data 2"]
    assert server.calls == [*calls, "finish"]
    assert server.messages[1].start_line == RequestStartLine("POST", "/a?b", "HTTP/1.1")
    assert server.messages[1].headers["X"] == "y"


async def test_a_delegate_gets_chunks_and_pipelined_requests(serve: Serve) -> None:
    server = Server()
    client = await serve(server).client()
    await client.send(CHUNKED + b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n" + get() + post("/", b"x"))
    assert [(await client.answer("POST")).body for _ in range(3)] == [b"abcde", b"", b"x"]
    assert server.calls.count("finish") == 3


async def test_a_delegate_may_answer_long_after_its_finish(serve: Serve) -> None:
    """The next request waits for it."""
    server = Server(finish=lambda message: None)
    client = await serve(server).client()
    await client.send(get("/1") + get("/2"))
    while len(server.messages) < 1:
        await turns(1)
    await turns(20)
    assert server.calls == ["start", "headers", "finish"]
    answer(server.messages[0].connection, b"one")
    assert (await client.answer()).body == b"one"
    while len(server.messages) < 2:
        await turns(1)
    answer(server.messages[1].connection, b"two")
    assert (await client.answer()).body == b"two"


async def test_a_delegate_may_answer_before_the_content(serve: Serve) -> None:
    """The rest of the content is thrown away, and the connection goes on."""
    server = Server(headers=lambda message: answer(message.connection, b"early"), finish=print)
    client = await serve(server).client()
    for _ in range(2):
        assert (await client.ask(post("/", b"x" * 1000))).body == b"early"
    assert server.calls == ["start", "headers"] * 2


@pytest.mark.feature("B07")
async def test_a_delegate_that_refuses_gets_no_content_and_sends_no_100(serve: Serve) -> None:
    def refuse(message: Message) -> None:
        answer(message.connection, b"no", 403)

    client = await serve(Server(headers=refuse, finish=print)).client()
    await client.send(post("/", b"", "Expect: 100-continue\r\n").replace(b": 0", b": 5"))
    got = await client.answer("POST", interim=True)
    assert (got.status, got.get("connection")) == (403, "close")


async def test_a_delegate_that_waits_holds_the_content_back(serve: Serve) -> None:
    """In `headers_received` and in `data_received`, both of which may be coroutines."""
    step, sent = asyncio.Semaphore(0), 0

    async def wait(message: Message) -> None:
        await step.acquire()

    server = Server(headers=wait, data=wait, finish=lambda m: answer(m.connection, b"done"))
    site = serve(server, receive_buffer=65_536)
    client = await site.client()
    size = 16 * MEBIBYTE

    async def upload() -> None:
        nonlocal sent
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65_536):
            await client.send(bytes(65_536))
            sent += 65_536

    uploading = asyncio.create_task(upload())
    while server.calls != ["start", "headers"]:
        await turns(1)
    await turns(50)
    assert server.calls == ["start", "headers"]
    step.release()
    while len(server.calls) < 3:
        await turns(1)
    await turns(50)
    assert len(server.calls) == 3
    assert sent < 8 * MEBIBYTE
    for _ in range(size):
        step.release()
        await asyncio.sleep(0)
        if "finish" in server.calls:
            break
    assert (await client.answer("POST")).body == b"done"
    assert len(server.messages[0].content) == size
    await uploading


async def test_a_delegate_hears_once_of_a_client_that_leaves(serve: Serve) -> None:
    """Amid the content, or before the answer; others do not notice."""
    for request in (post("/", b"hello")[:-1], get()):
        server = Server(finish=lambda message: None)
        site = serve(server)
        client, other = await site.client(), await site.client()
        await client.send(request)
        await other.send(get())
        while len(server.messages) < 2:
            await turns(1)
        await turns(5)
        client.reset()
        await server.closed.wait()
        await turns(20)
        assert server.calls.count("closed") == 1
        (message,) = [each for each in server.messages if not each.connection.closed]
        answer(message.connection, b"fine")
        assert (await other.answer()).body == b"fine"
        assert server.calls.count("closed") == 1


async def test_a_delegate_hears_nothing_of_a_client_that_leaves_after_its_answer(
    serve: Serve,
) -> None:
    server = Server()
    client = await serve(server).client()
    assert (await client.get()).status == 200
    client.reset()
    assert await server.ended.get() is not None
    assert "closed" not in server.calls


async def test_a_delegate_hears_of_the_end_of_a_connection(serve: Serve) -> None:
    """Once for each, by the same object that its requests came by."""
    server = Server()
    site = serve(server)
    first, second = await site.client(), await site.client()
    await first.get()
    await first.get()
    await second.get()
    assert server.ended.empty()
    first.close()
    await server.ended.get()
    assert server.ended.empty()
    second.close()
    await server.ended.get()
    assert server.ended.empty()


@pytest.mark.parametrize("where", ["headers", "data", "finish"])
@pytest.mark.parametrize("waits", [False, True])
async def test_an_exception_of_a_delegate_ends_its_connection_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture, where: str, waits: bool
) -> None:
    def fail(message: Message) -> Any:
        async def later() -> None:
            await asyncio.sleep(0)
            raise RuntimeError("broken on purpose")

        if waits and where != "finish":
            return later()
        raise RuntimeError("broken on purpose")

    server = Server(**{where: fail})
    site = serve(server)
    good = await site.client()
    client = await site.client()
    await client.send(post("/", b"hello"))
    raw = await client.read_to_end()
    assert raw == b"" or raw.startswith(b"HTTP/1.1 500 ")
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    server.acts = {"finish": echo}
    assert (await good.ask(post("/", b"good"))).body == b"good"


async def test_an_exception_of_start_request_ends_its_connection_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Server):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Message:
            raise RuntimeError("broken on purpose")

    site = serve(Broken())
    for _ in range(2):
        client = await site.client()
        await client.send(get())
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 500 ")
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_content_that_a_delegate_does_not_want_gets_400(serve: Serve) -> None:
    """An HTTPInputError is the client's fault: it is no error of the program."""

    def refuse(message: Message) -> None:
        raise HTTPInputError("not this")

    server = Server(data=refuse)
    got = await serve(server).ask(post("/", b"hello"))
    assert (got.status, got.get("connection"), got.text) == (400, "close", "not this\n")
    assert got.get("date") is not None
    assert server.calls == ["start", "headers", "data 5", "closed"]


async def test_content_past_the_limit_is_refused_and_the_delegate_told(serve: Serve) -> None:
    server = Server()
    site = serve(server, content_limit=10)
    assert (await site.ask(post("/", b"x" * 11))).status == 413
    assert server.calls == ["start", "headers", "closed"]


async def test_a_delegate_may_set_the_limit_of_its_content(serve: Serve) -> None:
    server = Server(headers=lambda message: message.connection.set_max_body_size(10))
    site = serve(server)
    assert (await site.ask(post("/", b"x" * 10))).status == 200
    assert (await site.ask(post("/", b"x" * 11))).status == 413


async def test_a_stream_of_a_delegate_can_be_taken_over(serve: Serve) -> None:
    async def talk(message: Message) -> None:
        stream = message.connection.detach()
        assert await stream.read_bytes(5) == b"early"
        await stream.write(b"taken")
        stream.close()

    tasks: list[asyncio.Task[None]] = []
    server = Server(finish=lambda message: tasks.append(asyncio.ensure_future(talk(message))))
    client = await serve(server).client()
    await client.send(get() + b"early")
    assert await client.read_to_end() == b"taken"
    await asyncio.gather(*tasks)


async def test_writing_to_a_client_that_left_fails(serve: Serve) -> None:
    """The future has the error, which nobody has to look at."""
    server = Server(finish=lambda message: None)
    client = await serve(server).client()
    await client.send(get())
    while not server.messages:
        await turns(1)
    client.reset()
    await server.closed.wait()
    connection = server.messages[0].connection
    head = ResponseStartLine("HTTP/1.1", 200, "OK")
    with pytest.raises(StreamClosedError):
        await connection.write_headers(head, HTTPHeaders())
    with pytest.raises(StreamClosedError):
        await connection.write(b"x")
    connection.write(b"nobody looks")


# -- subclasses of the server ------------------------------------------------------------


async def test_a_subclass_of_the_server_makes_its_delegates(serve: Serve) -> None:
    """Whatever the callback is; it may ask for that of the server."""
    server = Server()
    seen: list[tuple[object, object]] = []
    ended = asyncio.Event()

    class Own(HTTPServer):
        def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
            seen.append((server_conn, request_conn))
            return super().start_request(server_conn, request_conn)

        def on_close(self, server_conn: object) -> None:
            ended.set()

    own = Own(server)
    own.listen(0, "127.0.0.1")
    site = serve(server)
    site.address, theirs, site.server = own.addresses[0], site.server, own
    assert (await site.ask(post("/", b"hello"))).body == b"hello"
    assert len(seen) == 1
    await ended.wait()
    theirs.stop()


def test_a_server_without_a_delegate_makes_none() -> None:
    with pytest.raises(TypeError, match="makes no delegates"):
        HTTPServer(print).start_request(object(), HTTPConnection())


# -- functions ---------------------------------------------------------------------------


async def test_a_function_answers_by_the_connection_of_its_request(serve: Serve) -> None:
    """Its content is there; the arguments of a form too."""

    def callback(request: HTTPServerRequest) -> None:
        text = f"{request.method} {request.path} {request.body!r} {request.arguments}"
        answer(request.connection, text.encode())

    client = await serve(callback).client()
    assert (await client.get("/x?a=1")).text == "GET /x b'' {'a': [b'1']}"
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    got = await client.ask(post("/", b"b=2", form))
    assert got.text == "POST / b'b=2' {'b': [b'2']}"


async def test_a_function_may_be_a_coroutine(serve: Serve) -> None:
    async def callback(request: HTTPServerRequest) -> None:
        await asyncio.sleep(0)
        answer(request.connection, request.body)

    client = await serve(callback).client()
    assert (await client.ask(post("/", b"later"))).text == "later"
    assert (await client.ask(post("/", b"again"))).text == "again"


@pytest.mark.parametrize("cut", [None, 1, 30])
async def test_a_function_may_write_the_bytes_of_its_answer(serve: Serve, cut: int | None) -> None:
    """The head among them is understood, so that the connection goes on as it says."""
    raw = b"HTTP/1.1 201 Made\r\nX: y\r\nContent-Length: 5\r\n\r\nhello"

    def callback(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        for piece in (raw,) if cut is None else (raw[:cut], raw[cut:]):
            connection.write(piece)
        connection.finish()

    client = await serve(callback).client()
    for _ in range(2):
        got = await client.get()
        assert (got.status, got.reason, got.text) == (201, "Made", "hello")
        assert got.get("x") == "y"


async def test_an_exception_of_a_function_is_500(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(request: HTTPServerRequest) -> None:
        raise RuntimeError("broken on purpose")

    site = serve(callback)
    for _ in range(2):
        assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_a_form_that_cannot_be_read_is_400_to_a_function(serve: Serve) -> None:
    called: list[HTTPServerRequest] = []
    site = serve(called.append)
    form = "Content-Type: multipart/form-data\r\n"
    assert (await site.ask(post("/", b"x", form))).status == 400
    assert called == []


async def test_content_past_the_limit_never_reaches_a_function(serve: Serve) -> None:
    called: list[HTTPServerRequest] = []
    site = serve(called.append, content_limit=10)
    assert (await site.ask(post("/", b"x" * 11))).status == 413
    assert called == []


async def test_a_head_that_cannot_be_sent_is_an_error_to_a_function(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it reaches the wire."""

    def callback(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n")

    client = await serve(callback).client()
    await client.send(get())
    raw = await client.read_to_end()
    assert b"\x00" not in raw
    assert b"200" not in raw
    expect_log(caplog, "toolkit.application", "Uncaught exception")
