"""The PROXY protocol at a server: who is believed, and what follows the header."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.loops import expect_log
from tests.streams.peers import (
    Hall,
    Peer,
    SecurePeer,
    client_context,
    server_context,
    until,
    waiting_in_kernel,
)
from toolkit.iostream import SSLIOStream, StreamClosedError, proxied
from toolkit.netutil import bind_sockets, bind_unix_socket
from toolkit.tcpserver import TCPServer
from toolkit.wire.proxy_protocol import Header, serialize

SOURCE, DESTINATION = ("192.0.2.1", 56324), ("198.51.100.2", 443)

HEADERS: dict[str, Header] = {
    "version 1": Header("PROXY", "TCP4", SOURCE, DESTINATION, version=1),
    "version 2": Header("PROXY", "TCP4", SOURCE, DESTINATION, tlvs=((2, b"example.org"),)),
    "version 2 IPv6": Header("PROXY", "TCP6", ("2001:db8::1", 1), ("2001:db8::2", 2)),
}
each_header = pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)


class Proxies:
    """Makes servers and connections to them, and closes all of them at the end."""

    def __init__(self) -> None:
        self._servers: list[Hall] = []
        self._peers: list[Peer] = []

    def server(self, *trusted: str, address: str = "127.0.0.1", **options: Any) -> Hall:
        """Start a server that believes some peers."""
        server = Hall(proxy_protocol=trusted, **options)
        self._servers.append(server)
        if address:
            server.add_sockets(bind_sockets(0, address))
        return server

    async def connect(self, address: Any, family: int = socket.AF_INET) -> Peer:
        """Connect to an address."""
        sock = socket.socket(family)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        self._peers.append(Peer(sock))
        return self._peers[-1]

    def close(self) -> None:
        """Close all."""
        for peer in self._peers:
            peer.close()
        for server in self._servers:
            server.stop_and_abort()


@pytest.fixture
async def proxies() -> AsyncIterator[Proxies]:
    """Give a maker of servers and connections."""
    proxies = Proxies()
    yield proxies
    proxies.close()


@pytest.mark.feature("A20")
@each_header
@pytest.mark.parametrize("cut", ["one segment", "byte by byte", "header first"])
async def test_what_a_trusted_proxy_says_is_the_address(
    proxies: Proxies, header: Header, cut: str
) -> None:
    """And what follows the header is the client's."""
    server = proxies.server("127.0.0.0/8")
    peer = await proxies.connect(server.addresses[0])
    raw = serialize(header)
    if cut == "one segment":
        await peer.send(raw + b"hello\n")
    elif cut == "header first":
        await peer.send(raw)
    else:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
    stream = await server.streams.get()
    if cut != "one segment":
        await peer.send(b"hello\n")
    assert stream.proxy_header == header
    assert stream.peer_address == header.source
    assert stream.socket.getpeername() == peer.socket.getsockname()
    assert await stream.read_until(b"\n") == b"hello\n"
    await stream.write(b"welcome")
    assert await peer.receive(7) == b"welcome"
    stream.close()


async def test_the_address_of_the_client_is_handed_to_the_handler(proxies: Proxies) -> None:
    seen: asyncio.Queue[Any] = asyncio.Queue()

    class Server(TCPServer):
        async def handle_stream(self, stream: Any, address: Any) -> None:
            seen.put_nowait(address)
            stream.close()

    server = Server(proxy_protocol=["127.0.0.1"])
    server.listen(0, "127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(serialize(HEADERS["version 2"]))
    assert await seen.get() == SOURCE
    server.stop()


@pytest.mark.feature("A20")
async def test_others_are_served_as_they_are(proxies: Proxies) -> None:
    """A header of theirs is data like any other: it could name any address."""
    server = proxies.server("10.0.0.0/8", "::1")
    peer = await proxies.connect(server.addresses[0])
    raw = serialize(HEADERS["version 1"])
    await peer.send(raw)
    stream = await server.streams.get()
    assert stream.proxy_header is None
    assert stream.peer_address == peer.socket.getsockname()
    assert await stream.read_bytes(len(raw)) == raw


@pytest.mark.parametrize("version", [1, 2])
async def test_a_proxy_may_leave_the_address_open(proxies: Proxies, version: int) -> None:
    """For its own checks of health, or where it does not know."""
    server = proxies.server("127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(serialize(Header(version=version) if version == 1 else Header("LOCAL")))
    stream = await server.streams.get()
    assert stream.proxy_header is not None
    assert stream.proxy_header.source is None
    assert stream.peer_address == peer.socket.getsockname()


BAD: dict[str, bytes] = {
    "none": b"GET / HTTP/1.1\r\n\r\n",
    "bad line": b"PROXY TCP4 somebody somewhere 1 2\r\n",
    "bad version": b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + bytes(12),
    "endless": b"PROXY UNKNOWN " + b"x" * 200,
}


@pytest.mark.feature("A20")
@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
async def test_a_trusted_peer_without_a_good_header_is_closed(
    proxies: Proxies, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = proxies.server("127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(data)
    with contextlib.suppress(ConnectionResetError):
        assert await peer.receive_all() == b""
    assert len(expect_log(caplog, "toolkit.general", "PROXY header of .*127.0.0.1")) == 1
    assert server.streams.empty()


async def test_a_header_that_does_not_come_in_time_closes_the_connection(
    proxies: Proxies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proxied, "HEADER_TIMEOUT", 0.01)
    server = proxies.server("127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(b"PROXY TCP4 ")
    with contextlib.suppress(ConnectionResetError):
        assert await peer.receive_all() == b""
    assert len(expect_log(caplog, "toolkit.general", "PROXY header of .*none in time")) == 1
    assert server.streams.empty()


async def test_the_time_for_a_header_ends_with_it(
    proxies: Proxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "HEADER_TIMEOUT", 0.02)
    server = proxies.server("127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(serialize(HEADERS["version 1"]))
    stream = await server.streams.get()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stream.read_bytes(1)
    await peer.send(b"x")
    assert await stream.read_bytes(1) == b"x"


async def test_a_trusted_peer_that_goes_before_its_header_harms_nobody(proxies: Proxies) -> None:
    """Such as what only looks whether the port is open."""
    server = proxies.server("127.0.0.1")
    for data in (b"", b"PROXY"):
        peer = await proxies.connect(server.addresses[0])
        await peer.send(data)
        peer.end()
        assert await peer.receive_all() == b""
    assert server.streams.empty()


@pytest.mark.feature("A20")
@pytest.mark.parametrize("together", [True, False])
async def test_the_header_comes_before_tls(proxies: Proxies, together: bool) -> None:
    """In clear, be the ClientHello in its segment or not."""
    server = proxies.server("127.0.0.1", ssl_options=server_context())
    peer = await proxies.connect(server.addresses[0])
    raw = serialize(HEADERS["version 2"])
    secure = SecurePeer(peer.socket.dup(), client_context(), False, "localhost")
    if together:
        with pytest.raises(ssl.SSLWantReadError):
            secure.tls.do_handshake()
        raw += secure._outgoing.read()
    await peer.send(raw)
    shaking = asyncio.create_task(secure.handshake())
    stream = await server.streams.get()
    assert isinstance(stream, SSLIOStream)
    assert stream.peer_address == SOURCE
    await stream.wait_for_handshake()
    await shaking
    await secure.send(b"secret")
    assert await stream.read_bytes(6) == b"secret"
    assert stream.peer_address == SOURCE
    assert stream.proxy_header == HEADERS["version 2"]
    secure.close()


@pytest.mark.feature("A20")
async def test_an_ipv4_proxy_is_known_on_a_socket_for_both_families(proxies: Proxies) -> None:
    server = proxies.server("127.0.0.1", address="")
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        sock.bind(("::", 0))
    except OSError:
        sock.close()
        pytest.skip("no IPv6 here")
    sock.listen()
    sock.setblocking(False)
    server.add_socket(sock)
    peer = await proxies.connect(("127.0.0.1", sock.getsockname()[1]))
    await peer.send(serialize(HEADERS["version 1"]))
    stream = await server.streams.get()
    assert stream.socket.getpeername()[0] == "::ffff:127.0.0.1"
    assert stream.peer_address == SOURCE


@pytest.mark.feature("A20")
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("abstract", [True, False])
async def test_unix_sockets_are_believed_by_name(
    proxies: Proxies, tmp_path: Path, trusted: bool, abstract: bool
) -> None:
    server = proxies.server("unix" if trusted else "10.0.0.1", address="")
    name = f"\0toolkit-proxy-{os.getpid()}-{trusted}" if abstract else str(tmp_path / "s")
    server.add_socket(bind_unix_socket(name))
    peer = await proxies.connect(name, socket.AF_UNIX)
    await peer.send(serialize(HEADERS["version 1"]))
    stream = await server.streams.get()
    if trusted:
        assert stream.peer_address == SOURCE
    else:
        assert stream.proxy_header is None
        assert (await stream.read_until(b"\r\n")).startswith(b"PROXY TCP4 ")


@pytest.mark.parametrize("trusted", ["127.0.0.1", ["localhost"], ["10.0.0.1/8"], ["300.0.0.1"]])
def test_a_peer_that_is_no_network_is_an_error(trusted: Any) -> None:
    with pytest.raises(ValueError):
        TCPServer(proxy_protocol=trusted)


async def test_nothing_is_read_past_the_header_while_nobody_reads(proxies: Proxies) -> None:
    server = proxies.server("127.0.0.1", read_chunk_size=1000)
    peer = await proxies.connect(server.addresses[0])
    await peer.send(serialize(HEADERS["version 1"]))
    stream = await server.streams.get()
    sent = await peer.fill(limit=64 * 1024 * 1024)
    assert sent < 64 * 1024 * 1024
    assert waiting_in_kernel(stream) > 0


async def test_a_connection_that_waits_for_its_header_ends_with_the_server(
    proxies: Proxies,
) -> None:
    server = proxies.server("127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(b"PROXY ")
    for _ in range(20):
        await asyncio.sleep(0)
    await server.shutdown(timeout=0)
    await peer.send(b"UNKNOWN\r\n")
    with contextlib.suppress(ConnectionResetError):
        assert await peer.receive_all() == b""
    assert server.streams.empty()


async def test_the_end_of_a_proxied_connection_is_that_of_its_stream(proxies: Proxies) -> None:
    server = proxies.server("127.0.0.1")
    peer = await proxies.connect(server.addresses[0])
    await peer.send(serialize(HEADERS["version 2"]) + b"abc")
    peer.end()
    stream = await server.streams.get()
    assert await stream.read_until_close() == b"abc"
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1)
    await until(stream.closed)
