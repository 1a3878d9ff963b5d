"""How streams and servers end: one direction alone, once for each listener, and in any case."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

from tests.loops import expect_log
from tests.streams.peers import Pairs
from toolkit.httpserver import HTTPServer
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.tcpclient import TCPClient
from toolkit.tcpserver import TCPServer
from toolkit.web import Application

TOO_MUCH = 20_000_000


@pytest.fixture
async def pairs() -> AsyncIterator[Pairs]:
    """Make streams with peers, closed at the end."""
    pairs = Pairs()
    yield pairs
    pairs.close()


async def test_write_eof_ends_one_direction_after_what_was_written(pairs: Pairs) -> None:
    stream, peer = pairs()
    await stream.write(b"question")
    stream.write_nowait(b"?")
    stream.write_eof()
    assert await peer.receive_all() == b"question?"
    await peer.send(b"answer")
    assert await stream.read_bytes(6) == b"answer"


async def test_write_eof_of_a_closed_stream_is_an_error(pairs: Pairs) -> None:
    stream, _ = pairs()
    stream.close()
    with pytest.raises(StreamClosedError):
        stream.write_eof()


async def test_the_buffer_of_a_view_is_free_when_its_write_is_done(pairs: Pairs) -> None:
    stream, peer = pairs()
    buffer = bytearray(b"x" * 1000)
    await stream.write(b"begin")
    assert await peer.receive(5) == b"begin"
    await stream.write(memoryview(buffer))
    buffer[:] = b"y" * 1000
    assert await peer.receive(1000) == b"x" * 1000


async def test_a_line_may_have_a_limit_of_its_own(
    pairs: Pairs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "toolkit.general")
    stream, peer = pairs()
    await peer.send(b"short\n" + b"x" * 20)
    lines = aiter(stream.lines(max_bytes=10))
    assert await anext(lines) == b"short\n"
    with pytest.raises(StreamClosedError):
        await anext(lines)
    expect_log(caplog, "toolkit.general", "not found within 10 bytes")
    assert stream.closed()


async def test_a_consumer_hears_of_the_end_once(pairs: Pairs) -> None:
    stream, peer = pairs()
    chunks: list[bytes] = []
    ended = asyncio.Event()

    def consume(data: bytes) -> None:
        chunks.append(data)
        if not data:
            ended.set()

    stream.push_to(consume)
    peer.end()
    await ended.wait()
    stream.pause_reading()
    stream.resume_reading()
    assert chunks == [b""]


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts of a server and a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_a_handler_that_fails_after_start_tls_closes_the_connection(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            await stream.start_tls(True, contexts[0])
            raise ZeroDivisionError

    async with Server() as server:
        server.listen(0, "127.0.0.1")
        plain = await TCPClient().connect(*server.addresses[0])
        secure = await plain.start_tls(False, contexts[1], "localhost")
        assert await secure.read_until_close() == b""
    expect_log(caplog, "toolkit.application", "Exception in callback")


async def test_who_closes_a_stream_after_start_tls_closes_its_successor(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            await stream.start_tls(True, contexts[0])

    async with Server() as server:
        server.listen(0, "127.0.0.1")
        for end in (IOStream.close, IOStream.abort):
            plain = await TCPClient().connect(*server.addresses[0])
            secure = await plain.start_tls(False, contexts[1], "localhost")
            end(plain)
            assert secure.closed()
            await secure.wait_closed()


async def test_shutdown_does_not_wait_for_a_peer_that_takes_nothing() -> None:
    streams: list[IOStream] = []

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            streams.append(stream)
            await stream.write(b"x" * TOO_MUCH)

    async with Server() as server:
        server.listen(0, "127.0.0.1")
        client = await TCPClient().connect(*server.addresses[0])
        await client.read_bytes(1)
        client.pause_reading()
        await server.shutdown(0)
        [stream] = streams
        assert stream.transport is None
        client.close()


async def test_leaving_an_http_server_ends_its_connections(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with HTTPServer(Application([])) as server:
        server.listen(0, "127.0.0.1")
        client = await TCPClient().connect(*server.addresses[0])
        await client.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read_until(b"\r\n\r\n")
    expect_log(caplog, "toolkit.access", "404 GET")
    assert server.addresses == []
    assert (await client.read_until_close()).endswith(b"</html>")
