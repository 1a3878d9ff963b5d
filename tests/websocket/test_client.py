"""`websocket_connect` and `WebSocketClientConnection`."""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme

from tests.http.client import Serve, Site
from tests.loops import expect_log
from tests.websocket.peers import Echo, until
from toolkit.httpclient import HTTPClientError, HTTPRequest
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.tcpserver import TCPServer
from toolkit.web import RequestHandler
from toolkit.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    WebSocketHandler,
    connect,
    websocket_connect,
)
from toolkit.wire.websocket import accept_key


def url_of(site: Site, target: str = "/", scheme: str = "ws", host: str = "127.0.0.1") -> str:
    """Return the URL of a WebSocket of a site."""
    return f"{scheme}://{host}:{site.address[1]}{target}"


class Telling(WebSocketHandler):
    """Tells about its handshake, then echoes."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[-1] if subprotocols else None

    def get_compression_options(self) -> dict[str, Any]:
        return {}

    def open(self) -> None:
        headers = self.request.headers
        self.write_message({name: headers.get_list(name) for name in headers})

    def on_message(self, message: Any) -> Any:
        return self.write_message(message, binary=isinstance(message, bytes))


@pytest.mark.feature("E01")
async def test_a_client_sends_headers_credentials_and_subprotocols(serve: Serve) -> None:
    site = serve([("/", Telling)])
    request = HTTPRequest(
        f"ws://user:secret@127.0.0.1:{site.address[1]}/",
        headers={"X-Mine": "1", "Upgrade": "other", "Sec-WebSocket-Key": "mine"},
        user_agent="tests",
    )
    connection = await websocket_connect(request, subprotocols=["one", "two"])
    async with connection:
        told = await connection.read_json()
        assert told["X-Mine"] == ["1"]
        assert told["Upgrade"] == ["websocket"]
        assert told["User-Agent"] == ["tests"]
        assert told["Sec-Websocket-Key"] == [connection.key]
        assert len(base64.b64decode(connection.key)) == 16
        assert told["Authorization"] == ["Basic " + base64.b64encode(b"user:secret").decode()]
        assert "Sec-Websocket-Extensions" not in told
        assert connection.selected_subprotocol == "two"
        assert connection.headers["Sec-WebSocket-Accept"] == accept_key(connection.key)


@pytest.mark.feature("E01")
async def test_a_client_speaks_tls_and_checks_the_certificate(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    site = serve([("/", Telling)], ssl_options=context)
    url = url_of(site, scheme="wss", host="localhost")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with await websocket_connect(HTTPRequest(url, ssl_options=trusting)) as connection:
        await connection.read_message()
        await connection.write_message("x" * 100_000)
        assert await connection.read_message() == "x" * 100_000
    async with await websocket_connect(HTTPRequest(url, validate_cert=False)) as connection:
        assert await connection.read_json()
    with pytest.raises(ssl.SSLError):
        await websocket_connect(url)
    await until(lambda: len(caplog.messages) == 2)
    assert len(expect_log(caplog, "toolkit.general", "SSL Error")) == 2


@pytest.mark.feature("E02")
async def test_messages_are_read_or_called_back(serve: Serve) -> None:
    """As text and as bytes, with None at the end."""
    site = serve([("/", Echo)])
    seen: list[Any] = []
    connection = await websocket_connect(url_of(site), on_message_callback=seen.append)
    connection.write_message("text")
    connection.write_message(b"bytes", binary=True)
    await until(lambda: len(seen) == 2)
    connection.close(4000, "done")
    await connection.wait_closed()
    assert seen == ["text", b"bytes", None]
    assert connection.close_code == 4000

    async with connect(url_of(site)) as reading:
        for message in ("a", "b"):
            await reading.write_message(message)
        assert await anext(reading) == "a"
        assert await reading.read_message() == "b"
        await reading.write_message("c")
        async for message in reading:
            assert message == "c"
            reading.close()
        assert await reading.read_message() is None
        with pytest.raises(WebSocketClosedError):
            reading.write_message("x")
        with pytest.raises(WebSocketClosedError):
            reading.ping()


async def test_a_subclass_may_take_messages_itself(serve: Serve) -> None:
    site = serve([("/", Echo)])
    seen: list[Any] = []

    class Mine(WebSocketClientConnection):
        async def on_message(self, message: Any) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            seen.append(message)

        def on_pong(self, data: bytes) -> None:
            seen.append(data)

    async with await Mine(HTTPRequest(url_of(site))).connect_future as connection:
        await connection.write_message({"a": 1})
        connection.ping("ping")
        await until(lambda: len(seen) == 2)
    assert seen == ['{"a": 1}', b"ping"]


@pytest.mark.feature("E03")
@pytest.mark.feature("D03")
@pytest.mark.parametrize("options", [{}, {"compression_level": 1, "server_takeover": False}])
async def test_both_sides_compress_if_both_want_to(serve: Serve, options: dict[str, Any]) -> None:
    site = serve([("/", Telling), ("/plain", Echo)])
    async with connect(url_of(site), compression_options=options) as connection:
        assert "permessage-deflate" in connection.headers["Sec-WebSocket-Extensions"]
        await connection.read_message()
        for message in ("x" * 100_000, bytes(100_000), "short", ""):
            await connection.write_message(message, binary=isinstance(message, bytes))
            assert await connection.read_message() == message
    async with connect(url_of(site, "/plain"), compression_options=options) as connection:
        assert "Sec-WebSocket-Extensions" not in connection.headers
        await connection.write_message("plain")
        assert await connection.read_message() == "plain"


async def test_an_answer_that_opens_nothing_is_an_error(serve: Serve) -> None:
    class Page(RequestHandler):
        def get(self, status: str) -> None:
            self.set_status(int(status))
            self.write("why")

    site = serve([("/([0-9]+)", Page)])
    with pytest.raises(WebSocketError, match="Non-websocket response"):
        await websocket_connect(url_of(site, "/200"))
    for status in (302, 401, 404, 503):
        with pytest.raises(HTTPClientError) as caught:
            await websocket_connect(url_of(site, f"/{status}"))
        assert caught.value.code == status
        assert caught.value.response is not None
        assert caught.value.response.body == b"why"


@pytest.mark.parametrize("url", ["ftp://h/", "h", "", "ws//h"])
async def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ws and wss are allowed"):
        websocket_connect(url)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"subprotocols": ["a\r\nX: y"]}, "a token is allowed"),
        ({"subprotocols": ["a", "a"]}, "each is allowed once"),
        ({"compression_options": {"mem_level": 99}}, "1 to 9 is allowed"),
        ({"compression_options": {"speed": 1}}, "compression_level, mem_level"),
    ],
    ids=["injection", "twice", "level", "unknown"],
)
async def test_options_that_are_none_are_refused(
    serve: Serve, options: dict[str, Any], match: str
) -> None:
    site = serve([("/", Echo)])
    with pytest.raises(ValueError, match=match):
        await websocket_connect(url_of(site), **options)


# -- servers that answer whatever they are told to ------------------------------------------


class Answering(TCPServer):
    """Answers each handshake by a function of its key, and then waits for the client to go."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        super().__init__()
        self.answer = answer

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        head = (await stream.read_until(b"\r\n\r\n")).decode()
        key = next(
            line.partition(": ")[2]
            for line in head.splitlines()
            if line.lower().startswith("sec-websocket-key")
        )
        await stream.write(self.answer(key))
        await stream.read_until_close()


async def with_answer(answer: Callable[[str], bytes], **options: Any) -> None:
    """Connect to a server that answers so."""
    async with Answering(answer) as server:
        server.listen(0, "127.0.0.1")
        await websocket_connect(f"ws://127.0.0.1:{server.addresses[0][1]}/", **options)


def accepting(fields: str = "", accept: Callable[[str], str] = accept_key) -> Callable[..., bytes]:
    """Return a function that accepts, with further header lines."""

    def answer(key: str) -> bytes:
        return (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept(key)}\r\n{fields}\r\n"
        ).encode()

    return answer


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (accepting(accept=lambda _: "bogus"), "Sec-WebSocket-Accept"),
        (accepting("Sec-WebSocket-Protocol: other\r\n"), "subprotocol"),
        (accepting("Sec-WebSocket-Extensions: permessage-deflate\r\n"), "were not offered"),
        (lambda key: accepting()(key).replace(b"websocket", b"other"), "Upgrade"),
        (lambda _: b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
    ],
    ids=["accept", "subprotocol", "extension", "upgrade", "ssh"],
)
async def test_a_client_checks_the_answer(answer: Callable[[str], bytes], match: str) -> None:
    with pytest.raises(WebSocketError, match=match):
        await with_answer(answer, subprotocols=["mine"])


@pytest.mark.parametrize("bits", ["7", "16", "999", "x", "08"])
async def test_a_client_refuses_windows_that_zlib_has_not(bits: str) -> None:
    extension = f"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}\r\n"
    with pytest.raises(WebSocketError, match="permessage-deflate"):
        await with_answer(accepting(extension), compression_options={})


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with Answering(lambda _: b"") as server:
        server.listen(0, "127.0.0.1")
        url = f"ws://127.0.0.1:{server.addresses[0][1]}/"
        with pytest.raises(HTTPClientError, match="Timeout") as caught:
            await websocket_connect(HTTPRequest(url, request_timeout=0.05))
    assert caught.value.code == 599


async def test_to_cancel_closes_the_connection(serve: Serve) -> None:
    """Also before it is open."""
    begun, gone = asyncio.Event(), asyncio.Event()

    class Slow(WebSocketHandler):
        async def prepare(self) -> None:
            begun.set()
            await asyncio.sleep(3600)

        cancel_on_close = True

        def on_finish(self) -> None:
            gone.set()

    site = serve([("/", Slow)])
    future = websocket_connect(url_of(site))
    await begun.wait()
    future.cancel()
    await gone.wait()


# -- redirects -----------------------------------------------------------------------------


async def test_secrets_do_not_go_to_where_a_redirect_leads(serve: Serve) -> None:
    """To the same origin they do, and nothing is followed unless it is asked for."""
    other = serve([("/", Telling)])

    class Redirect(RequestHandler):
        def get(self) -> None:
            self.redirect(self.get_argument("to"), status=307)

    site = serve([("/", Telling), ("/redirect", Redirect)])
    headers = {"Authorization": "secret", "Cookie": "secret=1", "X-Other": "kept"}

    async def told(to: str) -> dict[str, list[str]]:
        request = HTTPRequest(
            url_of(site, f"/redirect?to={to}"), headers=headers, follow_redirects=True
        )
        async with await websocket_connect(request) as connection:
            result: dict[str, list[str]] = await connection.read_json()
            return result

    same = await told("/")
    assert (same["Authorization"], same["Cookie"]) == (["secret"], ["secret=1"])
    elsewhere = await told(url_of(other, scheme="http"))
    assert not {"Authorization", "Cookie"} & set(elsewhere)
    assert elsewhere["X-Other"] == ["kept"]
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(url_of(site, "/redirect?to=/"))
    assert caught.value.code == 307
    endless = HTTPRequest(
        url_of(site, "/redirect?to=/redirect%3Fto=/"), follow_redirects=True, max_redirects=1
    )
    with pytest.raises(HTTPClientError):
        await websocket_connect(endless)


# -- proxies -------------------------------------------------------------------------------


class Proxy(TCPServer):
    """A proxy that connects, to whoever knows the password if there is one."""

    def __init__(self, password: str | None = None) -> None:
        super().__init__()
        self.password = password
        self.asked: list[str] = []

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        head = (await stream.read_until(b"\r\n\r\n")).decode()
        self.asked.append(head.partition("\r\n")[0])
        if self.password is not None:
            secret = base64.b64encode(f"user:{self.password}".encode()).decode()
            if f"Proxy-Authorization: Basic {secret}\r\n" not in head:
                await stream.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
                stream.close()
                return
        host, _, port = head.split()[1].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await stream.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def forward() -> None:
            while data := await reader.read(65536):
                await stream.write(data)
            stream.close()

        back = asyncio.create_task(forward())
        try:
            while True:
                writer.write(await stream.read_bytes(65536, partial=True))
        except StreamClosedError:
            writer.close()
            await asyncio.wait([back])
            await writer.wait_closed()


@pytest.mark.feature("E05")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_client_goes_through_a_proxy(serve: Serve, scheme: str) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    site = serve([("/", Echo)], ssl_options=context if scheme == "wss" else None)
    async with Proxy("secret") as proxy:
        proxy.listen(0, "127.0.0.1")
        how = {"proxy_host": "127.0.0.1", "proxy_port": proxy.addresses[0][1]}
        known = {**how, "proxy_username": "user", "proxy_password": "secret"}
        url = url_of(site, scheme=scheme)
        request = HTTPRequest(url, ssl_options=trusting, **known)
        async with await websocket_connect(request) as connection:
            await connection.write_message("through")
            assert await connection.read_message() == "through"
        with pytest.raises(HTTPClientError, match="answered 407") as caught:
            await websocket_connect(HTTPRequest(url, **how))
        assert caught.value.code == 599
        assert proxy.asked == [f"CONNECT 127.0.0.1:{site.address[1]} HTTP/1.1"] * 2


# -- the end -------------------------------------------------------------------------------


async def test_an_error_of_a_callback_closes_with_1011(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[Any] = []

    class Handler(Echo):
        def on_close(self) -> None:
            codes.append(self.close_code)

    def fail(message: Any) -> Awaitable[None] | None:
        if message is not None:
            raise ZeroDivisionError
        return None

    connection = await websocket_connect(url_of(serve([("/", Handler)])), on_message_callback=fail)
    await connection.write_message("x")
    await until(lambda: codes)
    assert codes == [1011]
    await connection.wait_closed()
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_what_has_come_can_be_read_after_the_end(serve: Serve) -> None:
    """However much it is, since it was received."""

    class Handler(WebSocketHandler):
        def open(self) -> None:
            for number in range(100):
                self.write_message(str(number))
                self.ping(b"in between")
            self.close(1000)

    connection = await websocket_connect(url_of(serve([("/", Handler)])))
    await asyncio.sleep(0.05)
    assert [message async for message in connection] == [str(number) for number in range(100)]
    assert connection.close_code == 1000


async def test_a_callback_of_connect_is_deprecated(serve: Serve) -> None:
    site = serve([("/", Echo)])
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    with pytest.warns(DeprecationWarning, match="callback"):
        websocket_connect(url_of(site), callback=done.set_result)
    connection = (await done).result()
    read: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection.read_message(read.set_result)
    await connection.write_message("x")
    assert (await read).result() == "x"
    connection.close()
    await connection.wait_closed()
