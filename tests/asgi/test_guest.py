"""Applications of handlers below an ASGI server: ours, and one that is played by the test."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.asgi.apps import Message
from tests.http.client import Answer, Serve, get, post
from tests.loops import expect_log
from toolkit.asgi import AnswerCutOff, ASGIContainer, as_asgi
from toolkit.http1connection import decode_content
from toolkit.httpclient import HTTPClientError
from toolkit.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from toolkit.web import Application, HTTPError, RequestHandler, stream_request_body
from toolkit.websocket import WebSocketHandler, websocket_connect
from toolkit.wire.errors import RemoteProtocolError

MEBIBYTE = 1024 * 1024


class Main(RequestHandler):
    """Answers what it was asked."""

    def get(self, name: str = "") -> None:
        self.set_cookie("a", "1")
        self.set_cookie("b", "2")
        self.write(
            {
                "name": name,
                "query": self.get_arguments("q"),
                "cookie": self.get_cookie("c"),
                "host": self.request.host,
                "ip": self.request.remote_ip,
                "protocol": self.request.protocol,
                "version": self.request.version,
            }
        )

    def post(self, name: str = "") -> None:
        files = self.request.files.get("file", [])
        self.write({"files": [(file.filename, len(file.body)) for file in files]})

    def put(self, name: str = "") -> None:
        self.write(self.request.body)


class Streams(RequestHandler):
    """Answers in pieces, with back-pressure and trailers."""

    async def get(self) -> None:
        self.set_header("Trailer", "X-End")
        self.set_trailer("X-End", "yes")
        for _ in range(64):
            self.write(bytes(65536))
            await self.flush()


@stream_request_body
class Takes(RequestHandler):
    """Takes content in pieces."""

    def initialize(self) -> None:
        self.sizes: list[int] = []

    def data_received(self, chunk: bytes) -> None:
        self.sizes.append(len(chunk))

    def put(self) -> None:
        self.write({"size": sum(self.sizes), "most": max(self.sizes)})


class Fails(RequestHandler):
    """Fails before or in the middle of its answer."""

    async def get(self, how: str) -> None:
        if how == "http":
            raise HTTPError(418)
        if how == "middle":
            self.write("half")
            await self.flush()
            await asyncio.sleep(0)
        raise LookupError("broken")


class Small(RequestHandler):
    """Takes little."""

    max_body_size = 10

    def post(self) -> None:
        self.write("taken")


class Late(RequestHandler):
    """Does not answer in time."""

    response_timeout = 0.05

    async def get(self) -> None:
        await asyncio.Event().wait()


class Waits(RequestHandler):
    """Waits until the client has left, and is told or cancelled."""

    told: asyncio.Event
    begun: asyncio.Event

    def initialize(self, cancels: bool) -> None:
        self.cancels = cancels

    async def get(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            if self.cancels:
                self.told.set()


class Told(Waits):
    """Is told."""

    cancel_on_close = True

    def on_connection_close(self) -> None:
        if not self.cancels:
            self.told.set()


class Echo(WebSocketHandler):
    """Sends back what comes."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[-1] if subprotocols else None

    async def on_message(self, message: Any) -> None:
        if message == "close":
            self.close(4001, "bye")
        else:
            await self.write_message(message, binary=isinstance(message, bytes))


class NoEcho(Echo):
    """Lets nobody in."""

    def prepare(self) -> None:
        self.set_status(401)
        self.finish("who are you?")


RULES = [
    ("/main/(.*)", Main),
    ("/streams", Streams),
    ("/takes", Takes),
    ("/fails/(.*)", Fails),
    ("/small", Small),
    ("/late", Late),
    ("/echo", Echo),
    ("/no", NoEcho),
]


def application(**settings: Any) -> Application:
    """Return an application that writes no access log."""
    return Application(RULES, log_function=lambda handler: None, **settings)


def twice(app: Any) -> ASGIContainer:
    """Return a server's application of a guest."""
    return ASGIContainer(as_asgi(app))


@pytest.mark.feature("P01")
async def test_handlers_answer_as_below_their_own_server(serve: Serve) -> None:
    app = application()
    own, guest = serve(app), serve(twice(app))
    form = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
        b"--B--\r\n"
    )
    for request in (
        get("/main/caf%C3%A9?q=1&q=%20", "Cookie: c=d\r\n"),
        get("/main/").replace(b"GET", b"HEAD"),
        get("/nothing"),
        get("/fails/http"),
        post("/main/", form, "Content-Type: multipart/form-data; boundary=B\r\n"),
        post("/main/x", b"", "Content-Type: application/x-www-form-urlencoded\r\n"),
        post("/main/", bytes(MEBIBYTE)).replace(b"POST", b"PUT"),
        post("/takes", bytes(MEBIBYTE)).replace(b"POST", b"PUT"),
        post("/small", bytes(11)),
        get("/streams"),
    ):
        expected, answer = await own.ask(request), await guest.ask(request)
        assert (answer.status, answer.reason) == (expected.status, expected.reason)
        assert (answer.body, answer.trailers) == (expected.body, expected.trailers)
        # Where the other server writes a field does not matter; connections are its business.
        assert told(answer) == told(expected)


def told(answer: Answer) -> list[tuple[str, str]]:
    """Return the fields of an answer that both servers have to agree on."""
    return sorted(field for field in answer.fields if field[0] not in ("date", "connection"))


@pytest.mark.feature("P01")
async def test_lifespans_are_run_by_the_other_server(serve: Serve) -> None:
    log = []
    app = application()

    @app.lifespan
    async def life(application: Application) -> AsyncIterator[None]:
        log.append("begins")
        yield
        log.append("ends")

    site = serve(twice(app))
    await site.get("/main/")
    assert log == ["begins"]
    await site.server.shutdown()
    assert log == ["begins", "ends"]


async def test_a_lifespan_that_cannot_begin_is_told_to_the_other_server(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = application()

    @app.lifespan
    async def life(application: Application) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    site = serve(twice(app))
    with pytest.raises(RuntimeError, match="no database"):
        await site.server.started()
    expect_log(caplog, "toolkit.application", "could not start")


@pytest.mark.feature("P01")
async def test_a_websocket_is_served_below_another_server(serve: Serve) -> None:
    site = serve(twice(application()))
    url = f"ws://127.0.0.1:{site.address[1]}"
    connection = await websocket_connect(f"{url}/echo", subprotocols=["one", "two"])
    assert connection.selected_subprotocol == "two"
    for message in ("caf\xe9", b"\x00\xff", "x" * 300_000):
        await connection.write_message(message, binary=isinstance(message, bytes))
        assert await connection.read_message() == message
    await connection.write_message("close")
    assert await connection.read_message() is None
    assert (connection.close_code, connection.close_reason) == (4001, "bye")
    connection = await websocket_connect(f"{url}/echo")
    connection.close(1001, "enough")
    assert await connection.read_message() is None
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(f"{url}/no")
    assert caught.value.response is not None
    assert (caught.value.code, caught.value.response.body) == (401, b"who are you?")


async def test_a_websocket_is_closed_when_the_other_server_stops(serve: Serve) -> None:
    site = serve(twice(application()))
    connection = await websocket_connect(f"ws://127.0.0.1:{site.address[1]}/echo")
    await connection.write_message("hello")
    assert await connection.read_message() == "hello"
    stopping = asyncio.create_task(site.server.shutdown(5))
    assert await connection.read_message() is None
    assert connection.close_code == 1001
    await stopping


@pytest.mark.parametrize("cancels", [False, True], ids=["told", "cancelled"])
async def test_a_handler_hears_that_the_client_has_left(serve: Serve, cancels: bool) -> None:
    Waits.told, Waits.begun = asyncio.Event(), asyncio.Event()
    site = serve(twice(Application([("/", Told, {"cancels": cancels})])))
    client = await site.client()
    await client.send(get())
    await Waits.begun.wait()
    client.close()
    await Waits.told.wait()


async def test_an_answer_that_is_cut_off_reaches_the_other_server_as_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve(twice(application()))
    with pytest.raises(RemoteProtocolError):
        await site.get("/fails/middle")
    expect_log(caplog, "toolkit.general", "Cannot send error response")
    errors = expect_log(caplog, "toolkit.application", "Uncaught exception")
    kinds = [record.exc_info[0] for record in errors if record.exc_info]
    assert kinds == [LookupError, AnswerCutOff]


async def test_a_handler_that_is_late_is_answered_for(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await serve(twice(application())).get("/late")).status == 503
    expect_log(caplog, "toolkit.general", "No answer in time to GET /late")


async def test_a_function_of_the_request_is_served_too(serve: Serve) -> None:
    def hello(request: HTTPServerRequest) -> None:
        headers = HTTPHeaders({"Content-Length": str(len(request.body))})
        request.connection.write_headers(ResponseStartLine("", 200, "OK"), headers, request.body)
        request.connection.finish()

    assert (await serve(twice(hello)).ask(post(body=b"hello"))).text == "hello"


# -- a server that is played by the test -------------------------------------------------


async def ask(
    app: Any, scope: Message, *messages: Message
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Call an application as a server does; return status, headers and content."""
    sent: list[Message] = []
    coming = iter(messages or [{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        try:
            return next(coming)
        except StopIteration:
            await asyncio.Event().wait()
            raise

    async def send(message: Message) -> None:
        sent.append(message)

    await as_asgi(app)({"type": "http", "headers": [], **scope}, receive, send)
    start, *bodies = sent
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]
    body = b"".join(message["body"] for message in bodies)
    return start["status"], dict(start["headers"]), body


@pytest.mark.feature("P01")
@pytest.mark.parametrize(
    ("scope", "name", "host"),
    [
        ({"path": "/main/a b"}, "a b", "127.0.0.1"),
        ({"path": "/main/caf\xe9", "raw_path": b"/main/caf%C3%A9"}, "caf\xe9", "127.0.0.1"),
        ({"path": "/app/main/x", "root_path": "/app"}, "x", "127.0.0.1"),
        ({"path": "/main/x", "root_path": "/app"}, "x", "127.0.0.1"),
        ({"path": "/app/main/x", "root_path": "/app", "raw_path": b"/app/main/x"}, "x", None),
        ({"path": "/main/x", "http_version": "2", "headers": [(b"host", b"h:1")]}, "x", "h:1"),
    ],
    ids=["path", "raw path", "root", "root beside", "raw root", "http 2"],
)
async def test_the_request_is_that_of_the_scope(
    scope: Message, name: str, host: str | None
) -> None:
    """A serverless host may leave out what is optional."""
    base = {"method": "GET", "query_string": b"q=1", "client": None, "scheme": "https"}
    status, headers, body = await ask(application(), {**base, **scope})
    seen = json.loads(body)
    assert (status, seen["name"], seen["query"]) == (200, name, ["1"])
    assert seen["host"] == (host or "127.0.0.1")
    assert (seen["protocol"], seen["ip"]) == ("https", "")
    assert headers[b"content-length"] == b"%d" % len(body)
    assert b"date" not in headers  # as that is the server's business


async def test_content_of_no_told_length_is_read() -> None:
    scope = {"path": "/main/", "method": "PUT", "query_string": b""}
    pieces = [
        {"type": "http.request", "body": b"he", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": b"llo"},
    ]
    assert (await ask(application(), scope, *pieces))[2] == b"hello"


async def test_content_is_decoded_where_that_is_asked_for() -> None:
    app = application()

    class Decoding:
        answers_errors = True

        def handle_exchange(self, exchange: Any) -> Any:
            decode_content(exchange, 1000)
            return app.handle_exchange(exchange)

    scope = {
        "path": "/main/",
        "method": "PUT",
        "query_string": b"",
        "headers": [(b"content-encoding", b"gzip")],
    }
    message = {"type": "http.request", "body": gzip.compress(b"hello"), "more_body": False}
    assert (await ask(Decoding(), scope, message))[2] == b"hello"
    message = {"type": "http.request", "body": gzip.compress(bytes(2000)), "more_body": False}
    assert (await ask(Decoding(), scope, message))[0] == 413


async def test_another_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="'webtransport'"):
        await as_asgi(application())({"type": "webtransport"}, None, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="request_callback"):
        as_asgi(7)


@pytest.mark.feature("I11")
async def test_asgi_middleware_goes_around_handlers(serve: Serve) -> None:
    """It may answer by itself, or change what goes in and out."""
    inner = as_asgi(application())

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def marking(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-seen", scope["path"].encode()))
            await send(message)

        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"cookie", b"c=put")]}
        await inner(scope, receive, marking)

    answer = await serve(ASGIContainer(middleware)).get("/main/x")
    assert answer.get("x-seen") == "/main/x"
    assert json.loads(answer.text)["cookie"] == "put"
