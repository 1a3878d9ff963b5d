"""`TCPServer`: accepts on sockets of every kind, and keeps each connection's errors to itself."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.loops import expect_log
from tests.streams.peers import Hall, until
from toolkit import gen
from toolkit.ioloop import IOLoop
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.netutil import bind_sockets, bind_unix_socket
from toolkit.tcpclient import TCPClient
from toolkit.tcpserver import TCPServer

#: What is logged of a handler that raises, be it plain or a coroutine.
HANDLER_FAILED = "(Error in connection|Exception in) callback"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EchoServer(TCPServer):
    """Sends each line back, and does what some of them say.

    Attributes:
        met: streams and addresses, in the order that they came.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.met: list[tuple[IOStream, Any]] = []

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        self.met.append((stream, address))
        while True:
            line = await stream.read_until(b"\n", max_bytes=1 << 20)
            if line == b"fail\n":
                raise ZeroDivisionError("asked for")
            await stream.write(line)


class Clients:
    """Connects plain asyncio streams, and closes all of them at the end."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(self, address: Any, context: ssl.SSLContext | None = None) -> Streams:
        """Connect to an address, as `socket.getsockname` gives it."""
        # Not by name, since uvloop's client cannot connect to abstract ones.
        unix = not isinstance(address, tuple)
        sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
            reader, writer = await (
                asyncio.open_unix_connection if unix else asyncio.open_connection
            )(
                sock=sock,
                limit=1 << 22,
                ssl=context,
                server_hostname=None if context is None else "localhost",
            )
        except BaseException:
            sock.close()
            raise
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """Close all."""
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            try:
                await writer.wait_closed()
            except OSError:
                pass  # the server closed it in its own way


async def exchange(streams: Streams, data: bytes) -> bytes:
    """Send a line and return the one that comes back."""
    reader, writer = streams
    writer.write(data)
    return await reader.readline()


@pytest.fixture
async def connect() -> AsyncIterator[Clients]:
    """Give a maker of connections."""
    clients = Clients()
    yield clients
    await clients.close()


Stop = Callable[[TCPServer], None]


@pytest.fixture
async def stop_later() -> AsyncIterator[Stop]:
    """Give a function that has a server stopped at the end."""
    servers: list[TCPServer] = []
    yield servers.append
    for server in servers:
        server.stop()


@pytest.fixture
async def server(stop_later: Stop) -> EchoServer:
    """Give a server that listens on a free port."""
    server = EchoServer()
    stop_later(server)
    server.listen(0, "127.0.0.1")
    return server


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make an authority for certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a server called localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a client that trusts the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


# -- listening ---------------------------------------------------------------------------


@pytest.fixture
def io_loop(loop_name: str) -> Iterator[IOLoop]:
    """Make a loop that does not run yet."""
    loop = IOLoop(uvloop=loop_name == "uvloop")
    yield loop
    loop.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "ssl"])
def test_a_server_can_listen_before_the_loop_runs(
    io_loop: IOLoop,
    secure: bool,
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
) -> None:
    server = EchoServer(ssl_options=server_context if secure else None)
    server.listen(0, "127.0.0.1")
    [address] = server.addresses

    async def main() -> None:
        clients = Clients()
        client = await clients(address, client_context if secure else None)
        assert await exchange(client, b"ping\n") == b"ping\n"
        await clients.close()
        await server.shutdown()

    io_loop.run_sync(main, timeout=10)


async def test_the_address_of_the_peer_is_handed_over(server: EchoServer, connect: Clients) -> None:
    [address] = server.addresses
    client = await connect(address)
    await exchange(client, b"x\n")
    [(stream, peer)] = server.met
    assert peer == client[1].get_extra_info("sockname")
    assert stream.socket.getpeername() == peer
    assert stream.socket.getsockname() == address


async def test_a_connection_that_waits_has_no_dict_of_its_own(
    server: EchoServer, connect: Clients
) -> None:
    await exchange(await connect(server.addresses[0]), b"x\n")
    [(stream, _)] = server.met
    assert vars(stream) == {}


async def test_a_closed_connection_has_no_descriptor_and_no_options(
    server: EchoServer, connect: Clients
) -> None:
    await exchange(await connect(server.addresses[0]), b"x\n")
    [(stream, _)] = server.met
    stream.close()
    await stream.wait_closed()
    stream.set_nodelay(True)
    assert stream.fileno() == -1


@pytest.mark.feature("A15")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "ssl"])
async def test_sockets_of_every_kind_are_served_at_once(
    connect: Clients,
    stop_later: Stop,
    tmp_path: Path,
    secure: bool,
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
) -> None:
    """Two ports, one that is shared, a path and an abstract name; with and without ssl."""
    server = EchoServer(ssl_options=server_context if secure else None)
    stop_later(server)
    shared = bind_sockets(0, "127.0.0.1", reuse_port=True)
    sockets = [
        *bind_sockets(0, "127.0.0.1"),
        *bind_sockets(0, "127.0.0.1"),
        *shared,
        *bind_sockets(shared[0].getsockname()[1], "127.0.0.1", reuse_port=True),
        bind_unix_socket(str(tmp_path / "socket")),
        bind_unix_socket(f"\0toolkit-test-{os.getpid()}-{secure}"),
    ]
    server.add_sockets(sockets[:-1])
    server.add_socket(sockets[-1])
    assert server.sockets == sockets
    assert len(set(server.addresses)) == len(sockets) - 1
    for number, address in enumerate(server.addresses):
        client = await connect(address, client_context if secure else None)
        line = b"socket %d\n" % number
        assert await exchange(client, line) == line
        assert (client[1].get_extra_info("ssl_object") is not None) == secure
    assert len(server.met) == len(sockets)


async def test_listen_may_be_called_again_for_another_port(
    connect: Clients, stop_later: Stop
) -> None:
    server = EchoServer()
    stop_later(server)
    server.listen(0, "127.0.0.1")
    server.listen(0, "127.0.0.1", reuse_port=True)
    first, second = server.addresses
    assert first[1] != second[1]
    for address in (first, second):
        assert await exchange(await connect(address), b"x\n") == b"x\n"


async def test_listen_on_a_used_port_is_an_error(server: EchoServer) -> None:
    [(host, port)] = server.addresses
    other = EchoServer()
    with pytest.raises(OSError, match="in use"):
        other.listen(port, host)
    assert other.sockets == []


@pytest.mark.parametrize("options", ["cert.pem", True, ("cert", "key")])
def test_ssl_options_of_another_type_are_an_error(options: Any) -> None:
    with pytest.raises(TypeError, match="ssl_options"):
        TCPServer(ssl_options=options)


async def test_the_sizes_of_the_server_are_those_of_its_streams(
    connect: Clients, stop_later: Stop
) -> None:
    server = EchoServer(max_buffer_size=1000, read_chunk_size=100)
    stop_later(server)
    server.listen(0, "127.0.0.1")
    await exchange(await connect(server.addresses[0]), b"x\n")
    [(stream, _)] = server.met
    assert stream.max_buffer_size == 1000
    assert stream.read_chunk_size == 100


# -- stopping ----------------------------------------------------------------------------


async def test_stop_refuses_new_connections_while_open_ones_go_on(
    server: EchoServer, connect: Clients
) -> None:
    [address] = server.addresses
    client = await connect(address)
    assert await exchange(client, b"before\n") == b"before\n"
    server.stop()
    assert server.sockets == server.addresses == []
    with pytest.raises(ConnectionRefusedError):
        await connect(address)
    assert await exchange(client, b"after\n") == b"after\n"
    server.stop()
    assert await exchange(client, b"again\n") == b"again\n"


async def test_a_stopped_server_can_listen_again(server: EchoServer, connect: Clients) -> None:
    [(host, port)] = server.addresses
    server.stop()
    server.listen(port, host)
    assert await exchange(await connect((host, port)), b"x\n") == b"x\n"


# -- handlers ----------------------------------------------------------------------------


async def test_connections_are_served_side_by_side(server: EchoServer, connect: Clients) -> None:
    [address] = server.addresses
    clients = [await connect(address) for _ in range(20)]
    for turn in (b"one\n", b"two\n"):
        assert [await exchange(client, turn) for client in clients] == [turn] * 20


async def test_a_handler_that_fails_closes_its_connection_alone(
    server: EchoServer, connect: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    [address] = server.addresses
    bad, good = await connect(address), await connect(address)
    assert await exchange(good, b"good\n") == b"good\n"
    assert await exchange(bad, b"fail\n") == b""
    [record] = expect_log(caplog, "toolkit.application", HANDLER_FAILED)
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert await exchange(good, b"still good\n") == b"still good\n"
    assert await exchange(await connect(address), b"new\n") == b"new\n"


async def test_a_plain_handler_that_fails_closes_its_connection_alone(
    connect: Clients, stop_later: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    class Server(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            raise ZeroDivisionError

    server = Server()
    stop_later(server)
    server.listen(0, "127.0.0.1")
    for _ in range(2):
        reader, _ = await connect(server.addresses[0])
        assert await reader.read() == b""
    assert len(expect_log(caplog, "toolkit.application", HANDLER_FAILED)) == 2


async def test_a_server_without_a_handler_says_so(
    connect: Clients, stop_later: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    server = TCPServer()
    stop_later(server)
    server.listen(0, "127.0.0.1")
    reader, _ = await connect(server.addresses[0])
    assert await reader.read() == b""
    [record] = expect_log(caplog, "toolkit.application", HANDLER_FAILED)
    assert record.exc_info is not None
    assert record.exc_info[0] is NotImplementedError


async def test_a_peer_that_goes_away_is_no_error_of_the_handler(
    server: EchoServer, connect: Clients
) -> None:
    """The StreamClosedError that ends the handler is not logged."""
    reader, writer = await connect(server.addresses[0])
    assert await exchange((reader, writer), b"x\n") == b"x\n"
    [(stream, _)] = server.met
    gone = asyncio.Event()
    stream.set_close_callback(gone.set)
    writer.close()
    await gone.wait()
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1)


async def test_a_handler_may_return_and_leave_the_stream_to_others(
    connect: Clients, stop_later: Stop
) -> None:
    """The connection stays open, as in Tornado."""
    streams: asyncio.Queue[IOStream] = asyncio.Queue()

    class Plain(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            streams.put_nowait(stream)

    class Coroutine(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            streams.put_nowait(stream)

    for kind in (Plain, Coroutine):
        server = kind()
        stop_later(server)
        server.listen(0, "127.0.0.1")
        client = await connect(server.addresses[0])
        stream = await streams.get()
        await stream.write(b"hello\n")
        assert await client[0].readline() == b"hello\n"
        client[1].write(b"ping\n")
        assert await stream.read_until(b"\n") == b"ping\n"
        stream.close()


async def test_a_client_that_sends_no_more_gets_its_answers(
    server: EchoServer, connect: Clients
) -> None:
    reader, writer = await connect(server.addresses[0])
    writer.write(b"one\ntwo\n")
    writer.write_eof()
    assert await reader.read() == b"one\ntwo\n"


async def test_a_client_that_hangs_up_at_once_harms_nobody(
    server: EchoServer, connect: Clients
) -> None:
    [address] = server.addresses
    for _ in range(10):
        with socket.create_connection(address, timeout=10):
            pass
    assert await exchange(await connect(address), b"x\n") == b"x\n"


# -- ssl ---------------------------------------------------------------------------------


@pytest.fixture
async def secure_server(server_context: ssl.SSLContext, stop_later: Stop) -> EchoServer:
    """Give a server that speaks TLS."""
    server = EchoServer(ssl_options=server_context)
    stop_later(server)
    server.listen(0, "127.0.0.1")
    return server


async def test_much_data_goes_through_ssl(
    secure_server: EchoServer, connect: Clients, client_context: ssl.SSLContext
) -> None:
    client = await connect(secure_server.addresses[0], client_context)
    line = b"x" * 1_000_000 + b"\n"
    assert await exchange(client, line) == line


async def test_close_sends_what_was_written_through_ssl(
    connect: Clients,
    stop_later: Stop,
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
) -> None:
    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            stream.write_nowait(b"x" * 2_000_000)
            stream.close()

    server = Server(ssl_options=server_context)
    stop_later(server)
    server.listen(0, "127.0.0.1")
    reader, _ = await connect(server.addresses[0], client_context)
    assert await reader.read() == b"x" * 2_000_000


async def test_a_handshake_that_fails_harms_nobody(
    secure_server: EchoServer,
    connect: Clients,
    client_context: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its handler hears of it by the first read, and is told off no further."""
    [address] = secure_server.addresses
    reader, writer = await connect(address)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        await reader.read()
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which trusts nobody
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(address, strict)
    await until(lambda: [stream.closed() for stream, _ in secure_server.met] == [True, True])
    assert len(expect_log(caplog, "toolkit.general", "^SSL Error on ")) == 2
    assert await exchange(await connect(address, client_context), b"x\n") == b"x\n"


async def test_the_handler_sees_the_connection_in_clear(
    secure_server: EchoServer, connect: Clients, client_context: ssl.SSLContext
) -> None:
    client = await connect(secure_server.addresses[0], client_context)
    await exchange(client, b"x\n")
    [(stream, address)] = secure_server.met
    assert stream.transport is not None
    assert stream.transport.get_extra_info("ssl_object") is not None
    assert address == client[1].get_extra_info("sockname")


@pytest.mark.feature("A15")
async def test_ssl_options_may_be_a_dict(
    connect: Clients,
    stop_later: Stop,
    tmp_path: Path,
    authority: trustme.CA,
    client_context: ssl.SSLContext,
) -> None:
    both = tmp_path / "both.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(both))
    server = EchoServer(ssl_options={"certfile": str(both), "keyfile": str(both)})
    stop_later(server)
    server.listen(0, "127.0.0.1")
    client = await connect(server.addresses[0], client_context)
    assert await exchange(client, b"x\n") == b"x\n"


@pytest.mark.parametrize("options", [{}, {"keyfile": "key.pem"}, {"certfile": "/none.pem"}])
def test_ssl_options_without_a_certificate_are_an_error_at_once(options: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError, OSError)):
        TCPServer(ssl_options=options)


async def test_addresses_of_one_host_share_its_name() -> None:
    """It is kept by each handler that waits."""
    seen: list[Any] = []

    class Noting(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            seen.append(address)
            stream.close()

    async with Noting() as server:
        server.listen(0, "127.0.0.1")
        for _ in range(2):
            async with await TCPClient().connect(*server.addresses[0][:2]) as stream:
                assert await stream.read_until_close() == b""
    first, second = seen
    assert first[0] == "127.0.0.1"
    assert first[0] is second[0]
    assert first[1] != second[1]


# -- bind and start ----------------------------------------------------------------------


async def test_start_accepts_on_what_was_bound(connect: Clients, stop_later: Stop) -> None:
    server = EchoServer()
    stop_later(server)
    server.bind(0, "127.0.0.1")
    server.bind(0, "127.0.0.1")
    assert server.sockets == []
    server.start()
    first, second = server.addresses
    for address in (first, second):
        assert await exchange(await connect(address), b"x\n") == b"x\n"


async def test_bind_after_start_accepts_at_once(connect: Clients, stop_later: Stop) -> None:
    server = EchoServer()
    stop_later(server)
    server.bind(0, "127.0.0.1")
    server.start()
    server.bind(0, "127.0.0.1")
    _, second = server.addresses
    assert await exchange(await connect(second), b"x\n") == b"x\n"


async def test_start_again_is_an_error(stop_later: Stop) -> None:
    """Though nothing was bound before: sockets may be added later."""
    server = EchoServer()
    stop_later(server)
    server.start()
    server.bind(0, "127.0.0.1")
    with pytest.raises(RuntimeError, match="only once"):
        server.start()


async def test_stop_closes_what_was_bound_and_not_started() -> None:
    server = EchoServer()
    server.bind(0, "127.0.0.1")
    server.stop()
    with pytest.raises(RuntimeError):
        server.start()


# -- shutdown ----------------------------------------------------------------------------


@pytest.mark.feature("A22")
async def test_leaving_the_server_waits_for_the_tasks_that_end(connect: Clients) -> None:
    """Of connections, and others; also those that were begun meanwhile."""
    ended: list[str] = []

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            await stream.read_until(b"\n")
            self.create_task(self.later())
            ended.append("connection")
            await stream.write(b"bye\n")
            stream.close()

        async def later(self) -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            ended.append("later")

        async def background(self, until: asyncio.Event) -> str:
            await until.wait()
            ended.append("background")
            return "result"

    async with Server() as server:
        server.listen(0, "127.0.0.1")
        [address] = server.addresses
        reader, writer = await connect(address)
        go = asyncio.Event()
        task = server.create_task(server.background(go))
        # The connection has to be there before no more are accepted.
        await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, go.set)
        loop.call_later(0.01, writer.write, b"x\n")
    assert sorted(ended) == ["background", "connection", "later"]
    assert await task == "result"
    assert await reader.read() == b"bye\n"
    with pytest.raises(ConnectionRefusedError):
        await connect(address)


@pytest.mark.feature("A22")
async def test_shutdown_cancels_what_does_not_end_and_closes_its_connection(
    server: EchoServer, connect: Clients
) -> None:
    reader, writer = await connect(server.addresses[0])
    assert await exchange((reader, writer), b"x\n") == b"x\n"
    forever = server.create_task(asyncio.Event().wait())
    await server.shutdown(timeout=0.01)
    assert forever.cancelled()
    assert await reader.read() == b""
    [(stream, _)] = server.met
    assert stream.closed()


async def test_the_time_of_shutdown_is_that_of_the_server(server: EchoServer) -> None:
    server.shutdown_timeout = 0.01
    async with server:
        forever = server.create_task(asyncio.Event().wait())
    assert forever.cancelled()


async def test_a_cancelled_shutdown_cancels_at_once(server: EchoServer) -> None:
    forever = server.create_task(asyncio.Event().wait())
    stopping = asyncio.create_task(server.shutdown(timeout=1000))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    with pytest.raises(asyncio.CancelledError):
        await forever


async def test_a_handler_may_shut_its_own_server_down(connect: Clients) -> None:
    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            await stream.read_until(b"\n")
            await self.shutdown(timeout=0.01)
            await stream.write(b"done\n")
            stream.close()

    server = Server()
    server.listen(0, "127.0.0.1")
    assert await exchange(await connect(server.addresses[0]), b"stop\n") == b"done\n"
    assert server.sockets == []


async def test_a_failing_task_of_the_server_raises_for_its_owner(server: EchoServer) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    task = server.create_task(fail())
    await server.shutdown()
    with pytest.raises(ZeroDivisionError):
        await task


async def test_the_end_of_another_stream_closes_the_connection(
    connect: Clients, stop_later: Stop
) -> None:
    """As of a proxy, whose own server went away."""

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            raise StreamClosedError(real_error=ConnectionResetError())

    server = Server()
    stop_later(server)
    server.listen(0, "127.0.0.1")
    reader, _ = await connect(server.addresses[0])
    assert await reader.read() == b""


async def test_a_handler_may_be_a_generator_coroutine(
    connect: Clients, stop_later: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    class Server(TCPServer):
        @gen.coroutine
        def handle_stream(self, stream: IOStream, address: Any) -> Any:
            line = yield stream.read_until(b"\n")
            if line == b"fail\n":
                raise ZeroDivisionError
            yield stream.write(line)
            stream.close()

    server = Server()
    stop_later(server)
    server.listen(0, "127.0.0.1")
    assert await exchange(await connect(server.addresses[0]), b"x\n") == b"x\n"
    assert await exchange(await connect(server.addresses[0]), b"fail\n") == b""
    expect_log(caplog, "toolkit.application", HANDLER_FAILED)


async def test_streams_of_both_families_tell_the_address_of_the_peer(stop_later: Stop) -> None:
    server = Hall()
    stop_later(server)
    server.listen(0, "localhost")
    for address in server.addresses:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family) as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
            stream = await server.streams.get()
            assert stream.peer_address == sock.getsockname()
            stream.close()
