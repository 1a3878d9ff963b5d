"""Servers over TLS: certificates of both sides, handshakes that stall, peers that mean harm."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.loops import expect_log
from tests.streams.handshakes import client_of, der, write_pair
from tests.streams.openssl import OpenSSLClient
from tests.streams.peers import Hall, Peer, SecurePeer, connected_sockets, until
from toolkit.iostream import IOStream, SSLIOStream, StreamClosedError, tls
from toolkit.netutil import ServerCertificates, ssl_options_to_context
from toolkit.tcpclient import TCPClient

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

#: Seconds for a handshake that is meant to take longer.
SHORT = 0.02


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make an authority for certificates."""
    return trustme.CA()


@pytest.fixture
def certificates(authority: trustme.CA, tmp_path: Path) -> ServerCertificates:
    """Make the certificate of localhost."""
    write_pair(authority, tmp_path / "a.pem", tmp_path / "a.key", ["localhost"])
    return ServerCertificates(tmp_path / "a.pem", tmp_path / "a.key")


Serve = Callable[..., Hall]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Give a function that makes a server listen on a free port."""
    servers = []

    def serve(ssl_options: Any, **options: Any) -> Hall:
        server = Hall(ssl_options=ssl_options, **options)
        server.listen(0, "127.0.0.1")
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.stop_and_abort()


Connect = Callable[[Hall], Awaitable[Peer]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give a function that connects a plain socket to a server."""
    peers = []

    async def connect(server: Hall) -> Peer:
        peer = Peer(socket.socket())
        peers.append(peer)
        await asyncio.get_running_loop().sock_connect(peer.socket, server.addresses[0])
        return peer

    yield connect
    for peer in peers:
        peer.close()


async def shaken(peer: Peer, client: ssl.SSLContext, name: str = "localhost") -> SecurePeer:
    """Return the peer after a handshake."""
    secure = SecurePeer(peer.socket, client, False, name)
    await secure.handshake()
    return secure


async def talks(stream: IOStream, peer: SecurePeer) -> None:
    """Show that a connection works in both directions."""
    await peer.send(b"ping")
    assert await stream.read_bytes(4) == b"ping"
    await stream.write(b"pong")
    assert await peer.receive(4) == b"pong"


# -- certificates ------------------------------------------------------------------------


@pytest.mark.feature("B26")
async def test_an_open_connection_goes_on_while_certificates_are_reloaded(
    certificates: ServerCertificates,
    authority: trustme.CA,
    serve: Serve,
    connect: Connect,
    tmp_path: Path,
) -> None:
    """A new handshake sees the new certificate, and so does one that is under way."""
    server, client = serve(certificates), client_of(authority)
    first = await shaken(await connect(server), client)
    stream = await server.streams.get()
    await talks(stream, first)
    waiting = await connect(server)
    other = await server.streams.get()
    issued = write_pair(authority, tmp_path / "a.pem", tmp_path / "a.key", ["localhost"])
    assert certificates.reload()
    await talks(stream, first)
    assert first.tls.getpeercert(True) != der(issued)
    for peer, theirs in ((waiting, other), (await connect(server), None)):
        secure = await shaken(peer, client)
        assert secure.tls.getpeercert(True) == der(issued)
        await talks(theirs or await server.streams.get(), secure)
    await talks(stream, first)


@pytest.mark.feature("B24")
async def test_a_server_shows_the_certificate_of_the_name_that_is_asked_for(
    authority: trustme.CA, serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    issued = {}
    for name in ("a.test", "b.test"):
        certfile, keyfile = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        issued[name] = write_pair(authority, certfile, keyfile, [name])
    server = serve(ServerCertificates(directory=tmp_path))
    for name, certificate in issued.items():
        secure = await shaken(await connect(server), client_of(authority), name)
        assert secure.tls.getpeercert(True) == der(certificate)


async def test_certificates_are_options_wherever_those_of_a_server_are(
    certificates: ServerCertificates, authority: trustme.CA
) -> None:
    """For `start_tls` too, and as a context for other servers; a client has no use for them."""
    ours, theirs = connected_sockets()
    future = IOStream(ours).start_tls(True, certificates)
    peer = await shaken(Peer(theirs), client_of(authority))
    stream = await future
    await talks(stream, peer)
    stream.close()
    peer.close()
    assert ssl_options_to_context(certificates, server_side=True) is certificates.context
    with pytest.raises(ValueError, match="for servers"):
        ssl_options_to_context(certificates, server_side=False)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificates.context)
    async with server:
        host, port = server.sockets[0].getsockname()
        options = {"ssl": client_of(authority), "server_hostname": "localhost"}
        reader, writer = await asyncio.open_connection(host, port, **options)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


@pytest.mark.feature("B23")
@pytest.mark.parametrize("version", [TLS12, TLS13])
async def test_each_side_can_read_the_certificate_of_the_other(
    authority: trustme.CA, serve: Serve, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """By the stream, and by its socket as programs for Tornado have it."""
    identity = authority.issue_cert("somebody@example.org")
    issued = write_pair(authority, tmp_path / "a.pem", tmp_path / "a.key", ["localhost"])
    (tmp_path / "ca").write_bytes(authority.cert_pem.bytes())
    certificates = ServerCertificates(
        directory=tmp_path, client_certificates="required", client_ca=tmp_path / "ca"
    )
    server = serve(certificates)
    options = client_of(authority, identity, version, ["http/1.1"])
    client = await TCPClient().connect("localhost", server.addresses[0][1], ssl_options=options)
    stream = await server.streams.get()
    assert isinstance(stream, SSLIOStream)
    assert isinstance(client, SSLIOStream)
    await stream.wait_for_handshake()
    found = stream.get_ssl_certificate()
    assert isinstance(found, dict)
    assert found["subjectAltName"] == (("email", "somebody@example.org"),)
    assert stream.get_ssl_certificate(binary_form=True) == der(identity)
    assert stream.socket.getpeercert() == found
    assert stream.socket.getpeercert(binary_form=True) == der(identity)
    assert client.get_ssl_certificate(True) == client.socket.getpeercert(True) == der(issued)
    for side in (stream, client):
        assert side.selected_alpn_protocol() == "http/1.1"
        assert side.version() == version.name.replace("_", ".")
        cipher = side.cipher()
        assert cipher is not None
        assert cipher[1] in ("TLSv1.2", "TLSv1.3")
    client.close()
    await stream.read_until_close()
    assert stream.get_ssl_certificate() == found  # for what a handler logs at its end


async def test_there_is_no_certificate_without_tls_or_before_the_handshake(
    certificates: ServerCertificates, authority: trustme.CA, serve: Serve, connect: Connect
) -> None:
    ours, theirs = connected_sockets()
    plain = IOStream(ours)
    assert plain.get_ssl_certificate() is plain.get_ssl_certificate(binary_form=True) is None
    plain.close()
    theirs.close()
    server = serve(certificates)
    peer = await connect(server)
    stream = await server.streams.get()
    assert isinstance(stream, SSLIOStream)
    unconnected = SSLIOStream(socket.socket())
    for side in (stream, unconnected):
        assert side.get_ssl_certificate() is side.get_ssl_certificate(True) is None
        assert side.cipher() is side.version() is side.selected_alpn_protocol() is None
    unconnected.close()
    await shaken(peer, client_of(authority))
    await stream.wait_for_handshake()
    assert stream.get_ssl_certificate() is stream.get_ssl_certificate(True) is None
    assert stream.version() == "TLSv1.3"


@pytest.mark.feature("B23")
@pytest.mark.parametrize("version", [TLS12, TLS13])
async def test_a_client_without_the_certificate_that_is_required_is_refused(
    authority: trustme.CA,
    serve: Serve,
    connect: Connect,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    version: ssl.TLSVersion,
) -> None:
    """With TLS 1.3 it has done its part of the handshake by then, and may have sent something."""
    write_pair(authority, tmp_path / "a.pem", tmp_path / "a.key", ["localhost"])
    (tmp_path / "ca").write_bytes(authority.cert_pem.bytes())
    server = serve(
        ServerCertificates(
            directory=tmp_path, client_certificates="required", client_ca=tmp_path / "ca"
        )
    )
    peer = await connect(server)
    with pytest.raises(ssl.SSLError):
        await ask_in(peer, client_of(authority, version=version))
    stream = await server.streams.get()
    with pytest.raises(StreamClosedError) as caught:
        await stream.read_bytes(1)
    assert isinstance(caught.value.real_error, ssl.SSLError)
    expect_log(caplog, "toolkit.general", "(?i)did not return a certificate")


async def ask_in(peer: Peer, client: ssl.SSLContext) -> bytes:
    """Do a handshake, and send and receive something."""
    secure = await shaken(peer, client)
    await secure.send(b"let me in")
    return await secure.receive(1)


# -- handshakes that take too long -------------------------------------------------------


def client_hello(authority: trustme.CA, name: str = "localhost") -> bytes:
    """Return the first message of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = client_of(authority).wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        side.do_handshake()
    return outgoing.read()


async def nothing(peer: Peer, hello: bytes) -> None:
    """Send nothing at all."""


async def half_a_hello(peer: Peer, hello: bytes) -> None:
    """Send a part of the first message."""
    await peer.send(hello[: len(hello) // 2])


async def a_hello(peer: Peer, hello: bytes) -> None:
    """Send the first message, and leave the answer unread."""
    await peer.send(hello)


async def a_drop_now_and_then(peer: Peer, hello: bytes) -> None:
    """Send one byte after the other, without an end."""
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):
        for number in range(len(hello) - 1):
            await peer.send(hello[number : number + 1])
            await asyncio.sleep(SHORT / 10)


@pytest.mark.parametrize("stall", [nothing, half_a_hello, a_hello, a_drop_now_and_then])
async def test_a_handshake_that_is_not_done_in_time_ends_the_connection(
    certificates: ServerCertificates,
    authority: trustme.CA,
    serve: Serve,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    stall: Callable[[Peer, bytes], Awaitable[None]],
) -> None:
    """And is told in one line, which is no warning. asyncio's own time-out is a minute."""
    caplog.set_level(logging.INFO, "toolkit")
    server = serve(certificates, handshake_timeout=SHORT)
    peer = await connect(server)
    stalling = asyncio.create_task(stall(peer, client_hello(authority)))  # type: ignore[arg-type]
    stream = await server.streams.get()
    with pytest.raises(StreamClosedError) as caught:
        await stream.read_bytes(1)
    assert isinstance(caught.value.real_error, TimeoutError)
    assert f"within {SHORT} seconds" in str(caught.value.real_error)
    await stalling
    with contextlib.suppress(ConnectionResetError):
        await peer.receive_all()
    [record] = [record for record in caplog.records if record.name.startswith("toolkit")]
    assert record.levelno == logging.INFO
    assert "no TLS handshake within" in record.getMessage()


async def test_a_handshake_a_byte_at_a_time_is_fine_in_time(
    certificates: ServerCertificates, authority: trustme.CA, serve: Serve, connect: Connect
) -> None:
    server = serve(certificates)
    peer = await connect(server)
    stream = await server.streams.get()

    class Dropwise(SecurePeer):
        async def _flush(self) -> None:
            for byte in self._outgoing.read():
                await self.send_apart([bytes([byte])], stream)

        async def send(self, data: bytes) -> None:
            await self._loop.sock_sendall(self.socket, data)

    drops = Dropwise(peer.socket, client_of(authority), False, "localhost")
    await drops.handshake()
    await stream.write(b"pong")
    assert await drops.receive(4) == b"pong"


@pytest.mark.parametrize("off", [None, 0])
async def test_the_limit_can_be_switched_off(
    certificates: ServerCertificates,
    authority: trustme.CA,
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    off: float | None,
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", SHORT / 2)
    patient, hasty = serve(certificates, handshake_timeout=off), serve(certificates)
    hasty.handshake_timeout = SHORT
    peer = await connect(patient)
    stream = await patient.streams.get()
    await connect(hasty)
    other = await hasty.streams.get()
    await until(other.closed)
    secure = await shaken(peer, client_of(authority))
    await talks(stream, secure)


async def test_the_limit_is_for_the_handshake_alone(
    certificates: ServerCertificates, authority: trustme.CA, serve: Serve, connect: Connect
) -> None:
    """A connection that is idle for longer goes on."""
    server = serve(certificates, handshake_timeout=1.0)
    secure = await shaken(await connect(server), client_of(authority))
    stream = await server.streams.get()
    await stream.wait_for_handshake()
    await connect(server)
    stalled = await server.streams.get()
    await until(stalled.closed)
    await talks(stream, secure)


async def test_the_time_begins_after_the_header_of_a_proxy(
    certificates: ServerCertificates, serve: Serve, connect: Connect
) -> None:
    server = serve(certificates, handshake_timeout=SHORT, proxy_protocol=["127.0.0.1"])
    peer = await connect(server)
    await peer.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n")
    stream = await server.streams.get()
    await until(stream.closed)
    assert isinstance(stream.error, TimeoutError)
    assert stream.peer_address == ("192.0.2.1", 1)


def descriptors() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/dev/fd"))


@pytest.fixture
def many_files() -> Iterator[None]:
    """Have enough files for a thousand connections with both ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 3000
    if soft != resource.RLIM_INFINITY and soft < enough:
        if hard != resource.RLIM_INFINITY and hard < enough:
            pytest.skip(f"{hard} open files are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_stalled_handshakes_are_closed_and_free_their_descriptors(
    certificates: ServerCertificates, authority: trustme.CA, serve: Serve, connect: Connect
) -> None:
    """While they stall somebody else is served."""
    server = serve(certificates, handshake_timeout=1.0)
    loop = asyncio.get_running_loop()
    before = descriptors()
    hello = client_hello(authority)
    peers = []
    for number in range(1000):
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, server.addresses[0])
        sock.send(hello[: number % len(hello)])
        peers.append(sock)
    streams = [await server.streams.get() for _ in peers]
    secure = await shaken(await connect(server), client_of(authority))
    await talks(await server.streams.get(), secure)
    for stream in streams:
        await stream.wait_closed()
        assert isinstance(stream.error, TimeoutError)
    # Those of the peers are left; a loop may have opened some for itself.
    assert descriptors() < before + len(peers) + 50
    for sock in peers:
        sock.close()


# -- peers that mean harm ----------------------------------------------------------------


def changed(hello: bytes, what: bytes, other: bytes) -> bytes:
    """Return a client's first message with something else in it."""
    assert hello.count(what) == 1
    assert len(what) == len(other)
    return hello.replace(what, other)


@pytest.mark.parametrize(
    "name",
    [
        b"\xff" * 12,
        b"bad\x00name\x00bad",
        b"............",
        b"            ",
        b"\r\nHost: evil",
        "smörgåsbrd".encode(),
        b"%s%n${x}\x1b[2J",
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_junk_for_a_name_harms_nobody(
    authority: trustme.CA,
    serve: Serve,
    connect: Connect,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: bytes,
) -> None:
    """An alert, and the end; `ssl` tells what is no ASCII to `sys.unraisablehook`."""
    write_pair(authority, tmp_path / "a.pem", tmp_path / "a.key", ["localhost"])
    server = serve(ServerCertificates(directory=tmp_path, refuse_unknown=True))
    peer = await connect(server)
    await peer.send(changed(client_hello(authority, "name.to.swap"), b"name.to.swap", name))
    answer = await peer.receive_all()
    assert answer[:1] == b"\x15"  # an alert (RFC 8446 §5.1)
    assert len(answer) == 7
    await until((await server.streams.get()).closed)
    expect_log(caplog, "toolkit.general", "^SSL Error on ")
    secure = await shaken(await connect(server), client_of(authority))
    await talks(await server.streams.get(), secure)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x00" * 1000,
        b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"\x00" * 20_000,
        b"\x80\x2e\x01\x00\x02" + b"x" * 100,
        b"\x17\x03\x03\x00\x05hello",
        b"\x15\x03\x03\x00\x02\x02\x28",
    ],
    ids=["http", "zeros", "record", "message", "ssl2", "data", "alert"],
)
async def test_junk_for_a_handshake_harms_nobody(
    certificates: ServerCertificates,
    authority: trustme.CA,
    serve: Serve,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    data: bytes,
) -> None:
    server = serve(certificates)
    peer = await connect(server)
    with contextlib.suppress(OSError):
        await peer.send(data)
        assert len(await peer.receive_all()) <= 7
    await until((await server.streams.get()).closed)
    expect_log(caplog, "toolkit.general", "^SSL Error on ")
    secure = await shaken(await connect(server), client_of(authority))
    await talks(await server.streams.get(), secure)


class Hostile:
    """A client by OpenSSL on a socket."""

    def __init__(self, peer: Peer, version: int) -> None:
        self.peer = peer
        self.client = OpenSSLClient(version)

    async def shake(self) -> None:
        """Do the handshake."""
        while not self.client.shake():
            await self.flush()
            await self.take()
        await self.flush()

    async def take(self) -> None:
        """Take what comes.

        Raises:
            ConnectionError: the connection has ended.
        """
        data = await asyncio.get_running_loop().sock_recv(self.peer.socket, 65536)
        if not data:
            raise ConnectionError("the server has ended the connection")
        self.client.feed(data)

    async def flush(self) -> None:
        """Send what is to be sent."""
        await self.peer.send(self.client.sent())

    async def receive(self) -> bytes:
        """Receive something."""
        while not (data := self.client.read()):
            await self.take()
        return data

    async def talk(self, stream: IOStream) -> None:
        """Show that the connection works in both directions."""
        self.client.write(b"ping")
        await self.flush()
        assert await stream.read_bytes(4) == b"ping"
        await stream.write(b"pong")
        assert await self.receive() == b"pong"


Attack = Callable[[Hall, int], Awaitable[tuple[Hostile, IOStream]]]


@pytest.fixture
async def attack(connect: Connect) -> AsyncIterator[Attack]:
    """Give a function that connects to a server by OpenSSL, and returns both ends."""
    made = []

    async def attack(server: Hall, version: int) -> tuple[Hostile, IOStream]:
        hostile = Hostile(await connect(server), version)
        made.append(hostile)
        await hostile.shake()
        return hostile, await server.streams.get()

    yield attack
    for hostile in made:
        hostile.client.free()


async def test_keys_may_be_updated_now_and_then(
    certificates: ServerCertificates, serve: Serve, attack: Attack
) -> None:
    """RFC 8446 §4.6.3; there may be many in the end."""
    hostile, stream = await attack(serve(certificates), 0x0304)
    for _ in range(tls.MAX_ANSWERS // 20):
        hostile.client.key_update()
        await hostile.flush()
        await hostile.take()
        assert hostile.client.read() == b""
    await hostile.talk(stream)


async def test_key_updates_without_end_do_not_pile_up_answers(
    certificates: ServerCertificates, serve: Serve, attack: Attack
) -> None:
    """CVE-2026-32283 (Go): each asks for an answer, and the peer takes none of them."""
    hostile, stream = await attack(serve(certificates), 0x0304)
    reading = stream.read_bytes(1)
    sending = asyncio.create_task(flood(hostile, lambda: not stream.closed()))
    try:
        with pytest.raises(StreamClosedError) as caught:
            await reading
        assert "bytes of answers" in str(caught.value.real_error)
        await sending
    finally:
        sending.cancel()  # OpenSSL's object does not outlive the test


async def flood(hostile: Hostile, go_on: Callable[[], bool]) -> None:
    """Send key updates, and read nothing."""
    with contextlib.suppress(OSError):
        while go_on():
            for _ in range(100):
                hostile.client.key_update()
            await hostile.flush()
            await asyncio.sleep(0)


async def test_a_second_handshake_is_refused(
    certificates: ServerCertificates, serve: Serve, attack: Attack
) -> None:
    """RFC 9325 §3.4: it costs a server much more than a client, and was of no good before."""
    hostile, stream = await attack(serve(certificates), 0x0303)
    await hostile.talk(stream)
    hostile.client.renegotiate()
    with pytest.raises(ConnectionError):
        await hostile.shake()
