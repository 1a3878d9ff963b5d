"""`TCPClient`: connections by name, over whichever address answers first."""

import asyncio
import contextlib
import datetime
import errno
import os
import socket
import ssl
import sys
import types
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.loops import expect_log
from tests.streams import peers
from tests.streams.peers import until
from toolkit import tcpclient
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.netutil import Resolver
from toolkit.tcpclient import ConnectError, TCPClient

pytestmark = pytest.mark.feature("A16")

LOOPBACK = "127.0.0.1"
Address = tuple[int, tuple[Any, ...]]


class Book(Resolver):
    """A resolver that gives the addresses it was made with."""

    def initialize(self, *addresses: Address) -> None:
        self.addresses = list(addresses)
        self.asked: list[tuple[str, int, int]] = []
        self.closed = False

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """Return the addresses."""
        self.asked.append((host, port, family))
        return list(self.addresses)

    def close(self) -> None:
        """Take note."""
        self.closed = True


class Listener:
    """A listening socket, and what it accepts without any of our code."""

    def __init__(self, family: socket.AddressFamily, host: str) -> None:
        self.socket = socket.socket(family)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.socket.listen(16)
        self.family = family
        self.where = self.socket.getsockname()
        self.port: int = self.where[1]
        self.host: str = self.where[0]

    async def accept(self) -> socket.socket:
        """Wait for a connection."""
        sock, _ = await asyncio.get_running_loop().sock_accept(self.socket)
        return sock

    @property
    def address(self) -> Address:
        """What a resolver says of it."""
        return self.family, self.where


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """Close after the test the sockets that are entered."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def listener(opened: contextlib.ExitStack) -> Listener:
    """Return a listener on the loopback address of IPv4."""
    made = Listener(socket.AF_INET, LOOPBACK)
    opened.enter_context(made.socket)
    return made


@pytest.fixture
def listener6(opened: contextlib.ExitStack) -> Listener:
    """Return a listener on the loopback address of IPv6."""
    try:
        made = Listener(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    opened.enter_context(made.socket)
    return made


@pytest.fixture
def silent(opened: contextlib.ExitStack) -> Address:
    """Return an address that answers nothing."""
    return socket.AF_INET, opened.enter_context(peers.silent())


@pytest.fixture
def refusing() -> Address:
    """Return an address where nobody listens."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return socket.AF_INET, sock.getsockname()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Return a list that grows by each socket that a client makes."""
    sockets: list[socket.socket] = []

    class Noted(socket.socket):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            sockets.append(self)

    let_clients_use(Noted, monkeypatch)
    return sockets


def let_clients_use(kind: type[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `TCPClient`, and nobody else, make sockets of another kind."""
    module = types.ModuleType("socket")
    vars(module).update(vars(socket), socket=kind)
    monkeypatch.setattr(tcpclient, "socket", module)


async def all_closed(sockets: list[socket.socket], count: int) -> None:
    """Wait until so many sockets were made and are closed; uvloop may take a turn for it."""
    assert len(sockets) == count
    await until(lambda: all(sock.fileno() == -1 for sock in sockets))


@pytest.fixture
async def client() -> AsyncIterator[TCPClient]:
    """Return a client with the usual resolver."""
    client = TCPClient()
    yield client
    client.close()


async def talk(stream: IOStream, peer: socket.socket) -> None:
    """Send a few bytes there and back."""
    loop = asyncio.get_running_loop()
    peer.setblocking(False)
    await stream.write(b"ping")
    assert await loop.sock_recv(peer, 10) == b"ping"
    await loop.sock_sendall(peer, b"pong")
    assert await stream.read_bytes(4) == b"pong"


def name(address: Address) -> str:
    """Return an address as messages have it."""
    host, port = address[1][:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# -- one address -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNSPEC])
async def test_it_connects(
    client: TCPClient, listener: Listener, host: str, family: socket.AddressFamily
) -> None:
    stream = await client.connect(host, listener.port, af=family)
    with await listener.accept() as peer:
        await talk(stream, peer)
        stream.close()


async def test_it_connects_to_ipv6(client: TCPClient, listener6: Listener) -> None:
    stream = await client.connect("::1", listener6.port)
    with await listener6.accept() as peer:
        assert stream.socket.family == socket.AF_INET6
        await talk(stream, peer)
        stream.close()


async def test_the_resolver_is_asked_for_host_port_and_family(listener: Listener) -> None:
    book = Book(listener.address)
    stream = await TCPClient(book).connect("host.example", 80, socket.AF_INET)
    stream.close()
    assert book.asked == [("host.example", 80, socket.AF_INET)]


async def test_the_size_of_the_buffer_is_passed_on(client: TCPClient, listener: Listener) -> None:
    stream = await client.connect(LOOPBACK, listener.port, max_buffer_size=12345)
    assert stream.max_buffer_size == 12345
    stream.close()


async def test_a_refusal_names_host_port_and_address(refusing: Address) -> None:
    client = TCPClient(Book(refusing))
    with pytest.raises(ConnectError) as caught:
        await client.connect("host.example", 80)
    error = caught.value
    assert str(error).startswith(f"Cannot connect to host.example:80; tried {name(refusing)}: ")
    assert isinstance(error, StreamClosedError)
    assert isinstance(error.real_error, ConnectionRefusedError)
    assert error.errno == errno.ECONNREFUSED
    assert [address for address, _ in error.attempts] == [name(refusing)]


@pytest.mark.parametrize("host", ["no such host", "a" * 64, "127.0.0.1\0.example"])
async def test_a_host_without_address_is_named(client: TCPClient, host: str) -> None:
    with pytest.raises(socket.gaierror) as caught:
        await client.connect(host, 80)
    assert repr(host) in str(caught.value)


async def test_a_resolver_that_finds_nothing_is_an_error() -> None:
    with pytest.raises(socket.gaierror, match=r"Cannot resolve 'host.example': no addresses"):
        await TCPClient(Book()).connect("host.example", 80)


@pytest.mark.parametrize("own", [True, False])
def test_close_closes_the_resolver_unless_it_was_given(own: bool) -> None:
    book = Book()
    Resolver.configure(Book)
    try:
        client = TCPClient(None if own else book)
    finally:
        Resolver.configure(None)
    client.close()
    assert isinstance(client.resolver, Book)
    assert client.resolver.closed is own


# -- several addresses -------------------------------------------------------------------


async def test_the_next_address_is_tried_when_one_fails(
    listener: Listener, refusing: Address, made: list[socket.socket]
) -> None:
    stream = await TCPClient(Book(refusing, refusing, listener.address)).connect("x", 1)
    assert stream.socket.getpeername() == listener.where
    await all_closed(made[:2], 2)
    assert made[2].fileno() != -1
    stream.close()


async def test_the_error_tells_of_every_address(
    listener6: Listener, refusing: Address, made: list[socket.socket]
) -> None:
    listener6.socket.close()
    with pytest.raises(ConnectError) as caught:
        await TCPClient(Book(refusing, listener6.address, refusing)).connect("x", 1)
    tried = sorted(address for address, _ in caught.value.attempts)
    assert tried == sorted([name(refusing), name(refusing), name(listener6.address)])
    assert all(address in str(caught.value) for address in tried)
    assert caught.value.real_error is caught.value.attempts[-1][1]
    await all_closed(made, 3)


async def test_the_other_family_gets_its_chance_when_the_first_is_silent(
    listener6: Listener, silent: Address, made: list[socket.socket], opened: contextlib.ExitStack
) -> None:
    """The attempt that lost is closed."""
    stream = await TCPClient(Book(silent, listener6.address)).connect("x", 1)
    assert stream.socket.getpeername() == listener6.where
    assert [sock.family for sock in made] == [socket.AF_INET, socket.AF_INET6]
    await all_closed(made[:1], 1)
    await talk(stream, opened.enter_context(await listener6.accept()))
    stream.close()


async def test_the_other_family_gets_its_chance_at_once_when_the_first_fails(
    listener6: Listener, refusing: Address, silent: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head start is over with the first failure."""
    monkeypatch.setattr(tcpclient, "HEAD_START", 3600)
    stream = await TCPClient(Book(refusing, silent, listener6.address)).connect("x", 1)
    assert stream.socket.getpeername() == listener6.where
    stream.close()


async def test_the_first_family_has_a_head_start(
    listener: Listener, listener6: Listener, made: list[socket.socket]
) -> None:
    """Which family that is, the resolver says."""
    for first, second in [(listener, listener6), (listener6, listener)]:
        made.clear()
        client = TCPClient(Book(first.address, second.address))
        stream = await client.connect("x", 1)
        assert stream.socket.getpeername() == first.where
        assert len(made) == 1
        stream.close()


async def test_of_two_that_connect_one_stays_open(
    listener: Listener,
    listener6: Listener,
    made: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcpclient, "HEAD_START", 0)
    for _ in range(10):
        made.clear()
        stream = await TCPClient(Book(listener.address, listener6.address)).connect("x", 1)
        stream.close()
        await until(lambda: all(sock.fileno() == -1 for sock in made))


async def test_a_family_that_the_system_lacks_is_passed_over(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lacking(socket.socket):
        def __init__(self, family: int, kind: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
            super().__init__(family, kind)

    let_clients_use(Lacking, monkeypatch)
    lacked = (socket.AF_INET6, ("2001:db8::1", 1, 0, 0))
    stream = await TCPClient(Book(lacked, listener.address)).connect("x", 1)
    stream.close()
    with pytest.raises(ConnectError, match=r"tried \[2001:db8::1\]:1: .*not supported"):
        await TCPClient(Book(lacked)).connect("x", 1)


def free_port() -> int:
    """Return a port that nobody has, from below those that the system gives out by itself."""
    for port in range(20000 + os.getpid() % 10000, 32000):
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("", port))
            return port
    raise AssertionError("no free port")


# -- own address -------------------------------------------------------------------------


async def test_it_connects_from_the_address_that_was_asked_for(
    client: TCPClient, listener: Listener
) -> None:
    stream = await client.connect(LOOPBACK, listener.port, source_ip="127.0.0.2")
    assert stream.socket.getsockname()[0] == "127.0.0.2"
    stream.close()


async def test_it_connects_from_the_port_that_was_asked_for(
    client: TCPClient, listener: Listener
) -> None:
    port = free_port()
    stream = await client.connect(LOOPBACK, listener.port, source_port=port)
    assert stream.socket.getsockname() == (LOOPBACK, port)
    stream.close()


async def test_an_own_port_can_be_had_again_at_once(
    client: TCPClient, opened: contextlib.ExitStack
) -> None:
    """Although the last connection from it lingers, since we were the first to close."""
    loop = asyncio.get_running_loop()
    port = free_port()
    for _ in range(2):
        listener = Listener(socket.AF_INET, LOOPBACK)
        opened.enter_context(listener.socket)
        stream = await client.connect(LOOPBACK, listener.port, source_ip=LOOPBACK, source_port=port)
        peer = opened.enter_context(await listener.accept())
        peer.setblocking(False)
        stream.close()
        assert await loop.sock_recv(peer, 1) == b""
        peer.close()


async def test_an_own_address_that_cannot_be_had_is_an_error(
    client: TCPClient, listener: Listener, made: list[socket.socket]
) -> None:
    with pytest.raises(ConnectError) as caught:
        await client.connect(LOOPBACK, listener.port, source_ip="192.0.2.1")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    await all_closed(made, 1)


async def test_an_own_address_chooses_the_family(listener: Listener, listener6: Listener) -> None:
    client = TCPClient(Book(listener6.address, listener.address))
    stream = await client.connect("x", 1, source_ip=LOOPBACK)
    assert stream.socket.getpeername() == listener.where
    stream.close()


# -- time-outs and cancellation ----------------------------------------------------------


class Slow(Resolver):
    """A resolver that never answers."""

    def resolve(self, *args: Any, **options: Any) -> Any:
        """Return what is never done."""
        return asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("timeout", [0.02, datetime.timedelta(milliseconds=20)])
async def test_the_time_out_covers_resolving(timeout: Any) -> None:
    with pytest.raises(TimeoutError) as caught:
        await TCPClient(Slow()).connect("host.example", 80, timeout=timeout)
    assert str(caught.value) == "Timeout while resolving host.example"


async def test_the_time_out_covers_connecting(
    silent: Address, refusing: Address, made: list[socket.socket]
) -> None:
    """The message names the addresses that did not answer, and no others."""
    with pytest.raises(TimeoutError) as caught:
        await TCPClient(Book(refusing, silent)).connect("x", 1, timeout=0.05)
    assert str(caught.value) == f"Timeout while connecting to {name(silent)}"
    await all_closed(made, 2)


async def test_the_time_out_names_addresses_of_both_families(
    silent: Address, made: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcpclient, "HEAD_START", 0)
    also_silent = (socket.AF_INET6, (f"::ffff:{silent[1][0]}", silent[1][1], 0, 0))
    with pytest.raises(TimeoutError) as caught:
        await TCPClient(Book(also_silent, silent)).connect("x", 1, timeout=0.05)
    both = sorted([name(silent), name(also_silent)])
    assert str(caught.value) == f"Timeout while connecting to {', '.join(both)}"
    await all_closed(made, 2)


async def test_a_time_out_of_the_system_is_an_error_like_others(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TimedOut(socket.socket):
        def bind(self, address: Any) -> None:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    let_clients_use(TimedOut, monkeypatch)
    with pytest.raises(ConnectError) as caught:
        await TCPClient(Book(listener.address)).connect("x", 1, source_port=1, timeout=3600)
    assert isinstance(caught.value.real_error, TimeoutError)


async def test_a_time_out_of_the_resolver_is_its_own() -> None:
    class TimedOut(Book):
        async def resolve(self, *args: Any, **options: Any) -> Any:
            raise TimeoutError("the resolver's")

    with pytest.raises(TimeoutError, match="the resolver's"):
        await TCPClient(TimedOut()).connect("x", 1, timeout=3600)


@pytest.mark.parametrize("families", [1, 2])
async def test_cancelling_closes_every_socket(
    silent: Address,
    made: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    families: int,
) -> None:
    monkeypatch.setattr(tcpclient, "HEAD_START", 0)
    also_silent = (socket.AF_INET6, (f"::ffff:{silent[1][0]}", silent[1][1], 0, 0))
    client = TCPClient(Book(silent, also_silent) if families == 2 else Book(silent))
    connecting = asyncio.ensure_future(client.connect("x", 1))
    await until(lambda: len(made) == families)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await until(lambda: all(sock.fileno() == -1 for sock in made))


async def test_cancelling_in_any_turn_leaves_no_socket(
    listener: Listener,
    listener6: Listener,
    made: list[socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even in the turn in which the connection is there."""
    monkeypatch.setattr(tcpclient, "HEAD_START", 0)
    for turns in range(15):
        made.clear()
        client = TCPClient(Book(listener.address, listener6.address))
        connecting = asyncio.ensure_future(client.connect("x", 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        if connecting.cancel():
            with pytest.raises(asyncio.CancelledError):
                await connecting
        else:
            (await connecting).close()
        await until(lambda: all(sock.fileno() == -1 for sock in made))


# -- TLS ---------------------------------------------------------------------------------


class Certificates:
    """Who signs, and a server's context."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost", "127.0.0.1").configure_cert(self.server)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(self.client)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    """Make the certificates once."""
    return Certificates()


@pytest.fixture
async def secured(certificates: Certificates) -> AsyncIterator[tuple[int, list[Any]]]:
    """Serve an echo over TLS, by asyncio alone; return the port and a list of server names."""
    names: list[Any] = []
    certificates.server.sni_callback = lambda sock, name, context: names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            writer.write(await reader.readexactly(4))
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=certificates.server)
    yield server.sockets[0].getsockname()[1], names
    server.close()
    certificates.server.sni_callback = None


@pytest.mark.parametrize(
    ("host", "sent"), [("localhost", "localhost"), ("localhost.", "localhost"), (LOOPBACK, None)]
)
async def test_it_speaks_tls_with_the_right_name(
    certificates: Certificates, secured: tuple[int, list[Any]], host: str, sent: str | None
) -> None:
    """An IP address is verified, but not sent as a name (RFC 6066 §3); nor is a final dot."""
    port, names = secured
    client = TCPClient(Book((socket.AF_INET, (LOOPBACK, port))))
    stream = await client.connect(host, port, ssl_options=certificates.client)
    await stream.write(b"ping")
    assert await stream.read_bytes(4) == b"ping"
    assert names == [sent]
    stream.close()


async def test_options_in_a_dict_are_a_context(
    certificates: Certificates, secured: tuple[int, list[Any]], tmp_path: Path
) -> None:
    authority = tmp_path / "authority.pem"
    certificates.authority.cert_pem.write_to_path(str(authority))
    stream = await TCPClient().connect(
        LOOPBACK, secured[0], ssl_options={"ca_certs": str(authority)}
    )
    await stream.write(b"ping")
    assert await stream.read_bytes(4) == b"ping"
    stream.close()


async def test_a_certificate_for_another_name_is_refused(
    certificates: Certificates,
    secured: tuple[int, list[Any]],
    made: list[socket.socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = TCPClient(Book((socket.AF_INET, (LOOPBACK, secured[0]))))
    with pytest.raises(OSError) as caught:
        await client.connect("other.example", 443, ssl_options=certificates.client)
    real = getattr(caught.value, "real_error", None) or caught.value
    assert isinstance(real, ssl.SSLCertVerificationError)
    assert "during TLS handshake with other.example:443" in caught.value.__notes__
    expect_log(caplog, "toolkit.general", "Hostname mismatch")
    await all_closed(made, 1)


async def test_bad_options_are_an_error_before_there_is_a_connection(
    client: TCPClient, listener: Listener, made: list[socket.socket]
) -> None:
    with pytest.raises(ValueError, match="unknown ssl_options"):
        await client.connect(LOOPBACK, listener.port, ssl_options={"cert": "x"})
    assert made == []


async def test_the_time_out_covers_the_handshake(
    certificates: Certificates,
    client: TCPClient,
    listener: Listener,
    made: list[socket.socket],
) -> None:
    with pytest.raises(TimeoutError) as caught:
        await client.connect(LOOPBACK, listener.port, ssl_options=certificates.client, timeout=0.05)
    assert str(caught.value) == f"Timeout during TLS handshake with {LOOPBACK}:{listener.port}"
    await closed_by_client(listener, opened_by=made)


async def closed_by_client(listener: Listener, opened_by: list[socket.socket]) -> None:
    """Wait until the connection that was accepted, or will be, is at its end."""
    with await listener.accept() as peer:
        peer.setblocking(False)
        with contextlib.suppress(ConnectionResetError):
            while await asyncio.get_running_loop().sock_recv(peer, 65536):
                pass
    await until(lambda: all(sock.fileno() == -1 for sock in opened_by))


async def test_cancelling_the_handshake_closes_the_connection(
    certificates: Certificates,
    client: TCPClient,
    listener: Listener,
    made: list[socket.socket],
) -> None:
    connecting = asyncio.ensure_future(
        client.connect(LOOPBACK, listener.port, ssl_options=certificates.client)
    )
    with await listener.accept() as peer:
        loop = asyncio.get_running_loop()
        peer.setblocking(False)
        assert await loop.sock_recv(peer, 1)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(peer, 65536):
                pass
    await until(lambda: all(sock.fileno() == -1 for sock in made))


async def test_cancelling_in_any_turn_of_the_handshake_leaves_no_socket(
    certificates: Certificates, secured: tuple[int, list[Any]], made: list[socket.socket]
) -> None:
    """Not even in the turn in which the handshake is done."""
    done = False
    turns = 0
    while not done:
        made.clear()
        options = {"ssl_options": certificates.client}
        connecting = asyncio.ensure_future(TCPClient().connect(LOOPBACK, secured[0], **options))  # type: ignore[arg-type]
        for _ in range(turns):
            await asyncio.sleep(0)
        done = not connecting.cancel()
        if done:
            (await connecting).close()
        else:
            with pytest.raises(asyncio.CancelledError):
                await connecting
        await until(lambda: all(sock.fileno() == -1 for sock in made))
        turns += 1


# -- Unix sockets ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, bytes, Path, "abstract str", "abstract bytes"])
async def test_it_connects_to_unix_sockets(
    client: TCPClient, tmp_path: Path, opened: contextlib.ExitStack, kind: Any
) -> None:
    listening = opened.enter_context(socket.socket(socket.AF_UNIX))
    listening.setblocking(False)
    path: Any = str(tmp_path / "socket")
    if isinstance(kind, str):
        if sys.platform != "linux":
            pytest.skip("abstract names are Linux's")
        path = f"\0toolkit-{os.getpid()}"
        kind = bytes if "bytes" in kind else str
    given: Any = os.fsencode(path) if kind is bytes else kind(path)
    listening.bind(path)
    listening.listen()
    stream = await client.connect_unix(given, max_buffer_size=12345)
    assert stream.max_buffer_size == 12345
    peer, _ = await asyncio.get_running_loop().sock_accept(listening)
    await talk(stream, opened.enter_context(peer))
    stream.close()


async def test_a_unix_socket_that_is_not_there_is_named(client: TCPClient, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with pytest.raises(ConnectError, match=f"Cannot connect to {path}; tried {path}: ") as caught:
        await client.connect_unix(path)
    assert isinstance(caught.value.real_error, FileNotFoundError)
    with pytest.raises(ConnectError, match=r"Cannot connect to '\\x00no such name'"):
        await client.connect_unix("\0no such name")


@pytest.fixture
def stuffed(tmp_path: Path, opened: contextlib.ExitStack) -> Iterator[socket.socket]:
    """Return a listening Unix socket whose backlog is full."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.setblocking(False)
        listening.bind(str(tmp_path / "socket"))
        listening.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler = opened.enter_context(socket.socket(socket.AF_UNIX))
                filler.setblocking(False)
                filler.connect(str(tmp_path / "socket"))
        yield listening


async def test_a_full_backlog_of_a_unix_socket_is_waited_for(
    client: TCPClient, stuffed: socket.socket, opened: contextlib.ExitStack
) -> None:
    connecting = asyncio.ensure_future(client.connect_unix(stuffed.getsockname()))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not connecting.done()
    loop = asyncio.get_running_loop()
    peers = [opened.enter_context((await loop.sock_accept(stuffed))[0])]
    stream = await connecting
    while len(peers) < 2:
        peers.append(opened.enter_context((await loop.sock_accept(stuffed))[0]))
    await talk(stream, peers[-1])
    stream.close()


async def test_the_time_out_covers_a_full_backlog(
    client: TCPClient, stuffed: socket.socket, made: list[socket.socket]
) -> None:
    path = stuffed.getsockname()
    with pytest.raises(TimeoutError, match=f"Timeout while connecting to {path}"):
        await client.connect_unix(path, timeout=0.02)
    await all_closed(made, 1)


async def test_unix_sockets_speak_tls_too(
    client: TCPClient, certificates: Certificates, tmp_path: Path
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await reader.read()
        writer.close()

    path = tmp_path / "socket"
    server = await asyncio.start_unix_server(serve, path, ssl=certificates.server)
    stream = await client.connect_unix(
        path, ssl_options=certificates.client, server_hostname="localhost"
    )
    await stream.write(b"ping")
    assert await stream.read_bytes(4) == b"ping"
    stream.close()
    server.close()
