"""`MemoryServer`: a server without sockets."""

import asyncio
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit.httpclient import HTTPClientError
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.testing import MemoryServer
from toolkit.web import Application, RequestHandler
from toolkit.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    """Sends back what comes, with the name of who has sent it."""

    def on_message(self, message: Any) -> Any:
        return self.write_message(message, binary=isinstance(message, bytes))


class Page(RequestHandler):
    """Answers with what the request says."""

    async def post(self) -> None:
        self.write(f"{self.request.remote_ip} {len(self.request.body)}")


def serving(**options: Any) -> MemoryServer:
    """Return a server with an echo and a page."""
    rules = [("/echo", Echo), ("/page", Page)]
    return MemoryServer(Application(rules, log_function=lambda _: None), **options)


@pytest.mark.feature("Q04")
@pytest.mark.feature("E07")
async def test_a_session_in_memory_is_as_one_over_the_network() -> None:
    """With large messages, compression, and an end that both sides hear of."""
    async with serving() as server:
        async with server.websocket("/echo", headers={"X-A": "b"}) as connection:
            for message in ("text", b"bytes", "x" * 1_000_000):
                await connection.write_message(message, binary=isinstance(message, bytes))
                assert await connection.read_message() == message
            connection.close(4000, "bye")
            assert await connection.read_message() is None
            assert connection.close_code == 4000
        with pytest.raises(HTTPClientError) as caught:
            await server.websocket("/nothing")
        assert caught.value.code == 404


async def test_a_graceful_stop_is_heard_in_memory() -> None:
    async with serving() as server, server.websocket("/echo") as connection:
        await asyncio.gather(server.http_server.close_all_connections(), anext(connection, None))
        assert connection.close_code == 1001


async def test_http_is_served_in_memory() -> None:
    async with serving() as server:
        stream = server.stream()
        body = bytes(300_000)
        await stream.write(
            b"POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        head = await stream.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await stream.read_bytes(16) == b"127.0.0.1 300000"
        stream.close()


async def test_a_reader_that_waits_holds_the_writer_up() -> None:
    """As buffers of the network do."""

    class Flood(WebSocketHandler):
        sent = 0

        async def open(self) -> None:
            for _ in range(100):
                await self.write_message(bytes(65536), binary=True)
                Flood.sent += 1

    application = Application([("/", Flood)], log_function=lambda _: None)
    async with MemoryServer(application) as server, server.websocket() as connection:
        for _ in range(200):
            await asyncio.sleep(0)
        assert Flood.sent < 20
        for _ in range(100):
            assert len(await anext(connection)) == 65536
    assert Flood.sent == 100


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_either_end_may_close(how: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        stream = server.stream()
        getattr(stream, how)()
        with pytest.raises(StreamClosedError):
            await stream.write(b"x")
        other: IOStream = server.stream()
        await other.write(b"no HTTP\r\n\r\n")
        assert (await other.read_until_close()).startswith(b"HTTP/1.1 400 ")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_errors_of_handlers_are_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(WebSocketHandler):
        def open(self) -> None:
            raise ZeroDivisionError

    application = Application([("/", Failing)], log_function=lambda _: None)
    async with MemoryServer(application) as server, server.websocket() as connection:
        assert await connection.read_message() is None
        assert connection.close_code == 1011
    expect_log(caplog, "toolkit.application", "Uncaught exception")
