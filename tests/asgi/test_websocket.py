"""WebSockets of ASGI applications."""

import asyncio
from typing import Any

import pytest

from tests.asgi.apps import Message, answering
from tests.http.client import Serve, Site, get
from tests.loops import expect_log
from toolkit.asgi import ASGIContainer, ClientDisconnected
from toolkit.httpclient import HTTPClientError
from toolkit.websocket import WebSocketClientConnection, connect, websocket_connect

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class Echo:
    """An application that sends back what comes, and keeps what it was told.

    ``"close"`` and ``"raise"`` have it do that.
    """

    def __init__(self) -> None:
        self.scope: Message = {}
        self.last: Message = {}
        self.ended = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await answering(b"http")(scope, receive, send)
            return
        self.scope = scope
        assert await receive() == {"type": "websocket.connect"}
        accept = {"type": "websocket.accept", "headers": [(b"x-mine", b"yes")]}
        if scope["subprotocols"]:
            accept["subprotocol"] = scope["subprotocols"][-1]
        await send(accept)
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    self.last = message
                    return
                if message.get("text") == "close":
                    await send({"type": "websocket.close", "code": 4001, "reason": "bye"})
                elif message.get("text") == "raise":
                    raise LookupError("broken")
                elif message.get("text") == "return":
                    return
                else:
                    await send({**message, "type": "websocket.send"})
        finally:
            self.ended.set()


def only(app: Any) -> ASGIContainer:
    """Return a container of an application without lifespan."""
    return ASGIContainer(app, lifespan="off")


def url(site: Site, path: str = "/") -> str:
    """Return where a WebSocket is."""
    return f"ws://127.0.0.1:{site.address[1]}{path}"


async def closed(connection: WebSocketClientConnection) -> tuple[int | None, str | None]:
    """Wait for the end, and return what the server has closed with."""
    assert await connection.read_message() is None
    return connection.close_code, connection.close_reason


@pytest.mark.feature("P02")
async def test_messages_of_both_kinds_come_and_go(serve: Serve) -> None:
    app = Echo()
    site = serve(only(app))
    connection = await websocket_connect(url(site, "/a%20b?c=d"), subprotocols=["one", "two"])
    assert connection.selected_subprotocol == "two"
    assert connection.headers["X-Mine"] == "yes"
    for message in ("caf\xe9", b"\x00\xff", "", "x" * 300_000):
        await connection.write_message(message, binary=isinstance(message, bytes))
        assert await connection.read_message() == message
    connection.close(1001, "enough")
    await app.ended.wait()
    assert app.last == {"type": "websocket.disconnect", "code": 1001, "reason": "enough"}
    scope = app.scope
    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "ws", "1.1")
    assert (scope["path"], scope["query_string"]) == ("/a b", b"c=d")
    assert scope["subprotocols"] == ["one", "two"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope


@pytest.mark.parametrize(
    ("message", "expected"), [("close", (4001, "bye")), ("return", (1000, None))]
)
async def test_an_application_closes_by_a_message_or_its_end(
    serve: Serve, message: str, expected: Any
) -> None:
    async with connect(url(serve(only(Echo())))) as connection:
        await connection.write_message(message)
        assert await closed(connection) == expected


async def test_an_application_that_fails_closes_with_1011(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(url(serve(only(Echo())))) as connection:
        await connection.write_message("raise")
        assert (await closed(connection))[0] == 1011
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET /")


async def test_a_client_that_vanishes_is_told_as_1006_and_sending_to_it_is_an_error(
    serve: Serve,
) -> None:
    errors: list[BaseException] = []
    accepted, ended = asyncio.Event(), asyncio.Event()
    messages: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        accepted.set()
        messages.append(await receive())
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            errors.append(error)
            raise
        finally:
            ended.set()

    client = await serve(only(app)).client()
    await client.send(get(fields=HANDSHAKE))
    await accepted.wait()
    client.reset()
    await ended.wait()
    assert messages == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert [type(error) for error in errors] == [ClientDisconnected]


RESPONSE = "websocket.http.response"


@pytest.mark.feature("P02")
@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"type": "websocket.close"}], (403, b"")),
        (
            [
                {"type": f"{RESPONSE}.start", "status": 401, "headers": [(b"x-why", b"you")]},
                {"type": f"{RESPONSE}.body", "body": b"no"},
            ],
            (401, b"no"),
        ),
        (
            [
                {"type": f"{RESPONSE}.start", "status": 418, "headers": []},
                {"type": f"{RESPONSE}.body", "body": b"tea", "more_body": True},
                {"type": f"{RESPONSE}.body", "body": b"pot", "more_body": False},
            ],
            (418, b"teapot"),
        ),
        ([], (403, b"")),
    ],
    ids=["close", "answer", "pieces", "nothing"],
)
async def test_an_application_may_refuse_a_client(
    serve: Serve, messages: list[Message], expected: tuple[int, bytes]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    site = serve(only(app))
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(url(site))
    assert caught.value.response is not None
    assert (caught.value.code, caught.value.response.body) == expected


async def test_what_is_no_handshake_is_refused_before_the_application(serve: Serve) -> None:
    app = Echo()
    answer = await serve(only(app)).get(fields=HANDSHAKE.replace("13", "8"))
    assert (answer.status, answer.get("sec-websocket-version")) == (426, "13")
    assert app.scope == {}
    assert (await serve(only(app)).get()).text == "http"


async def test_a_message_out_of_turn_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.send", "text": "early"})

    with pytest.raises(HTTPClientError, match="500"):
        await websocket_connect(url(serve(only(app))))
    (record,) = expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert record.exc_info is not None
    assert "websocket.accept" in str(record.exc_info[1])


async def test_a_server_that_stops_closes_with_1001(serve: Serve) -> None:
    app = Echo()
    site = serve(only(app))
    connection = await websocket_connect(url(site))
    stopping = asyncio.create_task(site.server.shutdown(5))
    assert (await closed(connection))[0] == 1001
    await stopping
    assert app.last["type"] == "websocket.disconnect"


async def test_an_application_that_does_not_heed_the_end_is_cancelled(serve: Serve) -> None:
    cancelled = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    site = serve(only(app))
    connection = await websocket_connect(url(site))
    await site.server.shutdown(0)
    assert cancelled.is_set()
    assert await connection.read_message() is None
