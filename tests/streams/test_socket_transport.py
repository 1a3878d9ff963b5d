"""`SocketTransport`: does what asyncio's transport does; most tests here run over both."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.loops import FACTORIES
from tests.streams.peers import (
    TOO_MUCH,
    Hall,
    Peer,
    SecurePeer,
    client_context,
    connected_sockets,
    pattern,
    server_context,
    until,
)
from toolkit.iostream import IOStream, SocketTransport
from toolkit.iostream.socket_transport import FIRST_READ_SIZE, MAX_READ_SIZE

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


class Recorder(asyncio.Protocol):
    """Keeps what its transport tells.

    Attributes:
        calls: names of what was called, those of chunks but once in a row.
        fault: raised by the next `data_received`.
        keep_open: what `eof_received` returns.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received = bytearray()
        self.chunks: list[int] = []
        self.keep_open = False
        self.fault: BaseException | None = None
        self.error: Exception | None = None

    def _called(self, name: str) -> None:
        if self.calls[-1:] != [name]:
            self.calls.append(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._called("made")

    def data_received(self, data: bytes) -> None:
        self._called("data")
        self.received += data
        self.chunks.append(len(data))
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault

    def eof_received(self) -> bool:
        self._called("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self._called("pause")

    def resume_writing(self) -> None:
        self._called("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.error = exc

    @property
    def lost(self) -> bool:
        return "lost" in self.calls


class Buffered(Recorder, asyncio.BufferedProtocol):
    """Gives a buffer of `size` for what comes."""

    size = 10

    def get_buffer(self, sizehint: int) -> bytearray:
        self.buffer = bytearray(self.size)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.buffer[:nbytes]))


async def ours(sock: socket.socket, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
    transport = SocketTransport(asyncio.get_running_loop(), sock, protocol)
    transport.start()
    return transport


async def of_asyncio(sock: socket.socket, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
    return transport


Opened = tuple[Any, Any, Peer]
Open = Callable[..., Any]


@contextlib.asynccontextmanager
async def opened(make: Any, protocol: Any = None, small: bool = False) -> AsyncIterator[Opened]:
    """Give a transport, its protocol and its peer."""
    sock, other = connected_sockets(small)
    protocol = protocol or Recorder()
    transport, peer = await make(sock, protocol), Peer(other)
    try:
        yield transport, protocol, peer
    finally:
        peer.close()
        if not protocol.lost:
            transport.abort()
            await until(lambda: protocol.lost)
        assert protocol.calls.count("lost") == 1
        assert protocol.calls[-1] == "lost"


@pytest.fixture(params=[ours, of_asyncio], ids=["ours", "asyncio"])
def make(request: pytest.FixtureRequest) -> Any:
    """Return what makes a transport of each kind."""
    return request.param


@pytest.mark.parametrize("keep_open", [True, False], ids=["kept open", "closed"])
async def test_the_end_of_what_comes(make: Any, keep_open: bool) -> None:
    async with opened(make) as (transport, protocol, peer):
        protocol.keep_open = keep_open
        await peer.send(b"all")
        peer.end()
        await until(lambda: "eof" in protocol.calls)
        assert protocol.received == b"all"
        assert transport.is_closing() is not keep_open
        if keep_open:
            transport.write(b"answer")
            assert await peer.receive(6) == b"answer"
            transport.close()
        assert await peer.receive(1) == b""
        await until(lambda: protocol.lost)
        assert protocol.calls == ["made", "data", "eof", "lost"]
        assert protocol.error is None


async def test_nothing_is_taken_in_while_reading_is_paused(make: Any) -> None:
    async with opened(make) as (transport, protocol, peer):
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        await peer.send(b"one")
        for _ in range(5):
            await asyncio.sleep(0)
        assert protocol.calls == ["made"]
        transport.resume_reading()
        transport.resume_reading()
        await peer.send(b"two")
        await until(lambda: len(protocol.received) == 6)
        assert protocol.received == b"onetwo"


async def test_the_writer_is_told_when_much_waits_and_when_it_has_left(make: Any) -> None:
    data = pattern(0, TOO_MUCH)
    async with opened(make, small=True) as (transport, protocol, peer):
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        transport.write(data)
        assert protocol.calls == ["made", "pause"]
        assert 1000 < transport.get_write_buffer_size() < len(data)
        assert await peer.receive(len(data)) == data
        await until(lambda: not transport.get_write_buffer_size())
        assert protocol.calls == ["made", "pause", "resume"]
        with pytest.raises(ValueError, match="high"):
            transport.set_write_buffer_limits(high=1, low=2)


async def test_pieces_of_every_kind_and_size_come_whole_and_in_order(make: Any) -> None:
    kinds: list[Callable[[bytearray], Any]] = [
        bytes,
        bytearray,
        memoryview,
        lambda data: memoryview(data).toreadonly(),
        lambda data: memoryview(bytes(data))[1:],
    ]
    async with opened(make, small=True) as (transport, _, peer):
        transport.write(pattern(0, TOO_MUCH))
        expected = bytearray(pattern(0, TOO_MUCH))
        for number in range(300):
            data = bytearray(pattern(number, 20_000 if number % 7 == 3 else number))
            piece = kinds[number % len(kinds)](data)
            expected += bytes(piece)
            transport.write(piece)
            data[:] = bytes(len(data))  # which the transport must not see
        transport.writelines([b"the", b"", b"end"])
        expected += b"theend"
        assert await peer.receive(len(expected)) == expected


async def test_one_direction_ends_when_all_was_sent(make: Any) -> None:
    data = pattern(0, TOO_MUCH)
    async with opened(make, small=True) as (transport, protocol, peer):
        assert transport.can_write_eof()
        transport.write(data)
        transport.write_eof()
        transport.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            transport.write(b"more")
        assert await peer.receive_all() == data
        await peer.send(b"still read")
        await until(lambda: len(protocol.received) == 10)
        transport.close()
        transport.write_eof()


async def test_close_sends_what_was_written(make: Any) -> None:
    data = pattern(0, TOO_MUCH)
    async with opened(make, small=True) as (transport, protocol, peer):
        transport.write(data)
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert not transport.is_reading()
        transport.resume_reading()
        assert not protocol.lost
        assert await peer.receive_all() == data
        await until(lambda: protocol.lost)
        assert protocol.error is None
        if make is ours:  # the other one fails without its loop
            transport.write(b"nobody gets it")
            transport.close()


async def test_abort_drops_what_was_written(make: Any) -> None:
    async with opened(make, small=True) as (transport, protocol, peer):
        transport.write(pattern(0, TOO_MUCH))
        transport.abort()
        assert not protocol.lost  # in the next turn, as all that a protocol hears of its own doing
        assert not transport.get_write_buffer_size()
        assert len(await peer.receive_all()) < TOO_MUCH
        await until(lambda: protocol.lost)
        assert protocol.error is None


async def test_others_are_served_between_both_halves_of_an_abort() -> None:
    """To let go of a file takes long: what is ready at another one comes before."""
    lost_before: list[bool] = []

    class Other(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            lost_before.append(ended.lost)

    async with opened(ours) as (transport, ended, _), opened(ours, Other()) as (_, _, peer):
        peer.socket.send(b"x")
        transport.abort()
        await until(lambda: ended.lost and bool(lost_before))
    assert lost_before == [False]


@pytest.mark.parametrize("writes", [True, False], ids=["writing", "reading"])
async def test_a_reset_is_told_to_the_protocol_alone(make: Any, writes: bool) -> None:
    async with opened(make) as (transport, protocol, peer):
        if writes:
            transport.pause_reading()
        peer.reset()
        while writes and not transport.is_closing():
            transport.write(b"x")
            await asyncio.sleep(0)
        await until(lambda: protocol.lost)
        assert isinstance(protocol.error, ConnectionError)


@pytest.mark.parametrize("kind", [Recorder, Buffered])
async def test_a_failing_protocol_loses_its_connection(make: Any, kind: Any) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with opened(make, kind()) as (_, protocol, peer):
        protocol.fault = fault = ZeroDivisionError("the protocol's own")
        await peer.send(b"x")
        assert await peer.receive(1) == b""
        await until(lambda: protocol.lost)
        assert protocol.error is fault
        assert [context["exception"] for context in told] == [fault]
        assert told[0]["protocol"] is protocol


async def test_a_protocol_with_a_buffer_has_it_filled(make: Any) -> None:
    async with opened(make, Buffered()) as (transport, protocol, peer):
        assert transport.get_protocol() is protocol
        await peer.send(b"x" * 25)
        peer.end()
        await until(lambda: protocol.lost)
        assert protocol.received == b"x" * 25
        assert max(protocol.chunks) == 10
        assert protocol.calls == ["made", "data", "eof", "lost"]


async def test_a_protocol_with_an_empty_buffer_is_an_error(make: Any) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with opened(make, Buffered()) as (_, protocol, peer):
        protocol.size = 0
        await peer.send(b"x")
        await until(lambda: protocol.lost)
        assert "empty buffer" in str(told[0]["exception"])


async def test_it_tells_of_its_socket(make: Any) -> None:
    async with opened(make) as (transport, _, peer):
        sock = transport.get_extra_info("socket")
        # asyncio sets it only for sockets that were made with the number of the protocol.
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) or make is of_asyncio
        assert sock.gettimeout() == 0
        assert transport.get_extra_info("peername") == peer.socket.getsockname()
        assert transport.get_extra_info("sockname") == peer.socket.getpeername()
        assert transport.get_extra_info("sslcontext") is None
        assert transport.get_extra_info("cipher", "none") == "none"
        assert f"fd={sock.fileno()}" in repr(transport)


async def test_the_tls_of_the_loop_can_take_it_over(make: Any) -> None:
    async with opened(make) as (transport, protocol, plain):
        peer = SecurePeer(plain.socket, server_context(), server_side=True)
        loop, context = asyncio.get_running_loop(), client_context()
        starting = loop.start_tls(transport, protocol, context, server_hostname="localhost")
        secure, _ = await asyncio.gather(starting, peer.handshake())
        assert secure is not None
        secure.write(b"secret")
        assert await peer.receive(6) == b"secret"
        await peer.send(b"too")
        await until(lambda: protocol.received == b"too")
        secure.abort()


# -- ours alone --------------------------------------------------------------------------


async def test_to_stop_and_go_on_costs_nothing_while_nothing_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, changes = asyncio.get_running_loop(), []
    add_reader, remove_reader = loop.add_reader, loop.remove_reader
    monkeypatch.setattr(loop, "add_reader", lambda *args: changes.append(add_reader(*args)))
    monkeypatch.setattr(loop, "remove_reader", lambda fd: changes.append(remove_reader(fd)))
    async with opened(ours) as (transport, protocol, peer):
        changes.clear()
        for _ in range(100):
            transport.pause_reading()
            transport.resume_reading()
        transport.pause_reading()
        assert not changes
        peer.socket.send(b"x")
        await until(lambda: len(changes) == 1)
        transport.resume_reading()
        assert len(changes) == 2
        await until(lambda: protocol.received == b"x")


async def test_the_end_is_told_once_though_reading_goes_on_after_it() -> None:
    async with opened(ours) as (transport, protocol, peer):
        protocol.keep_open = True
        peer.end()
        await until(lambda: "eof" in protocol.calls)
        transport.pause_reading()
        transport.resume_reading()
        for _ in range(3):
            await asyncio.sleep(0)
        assert protocol.calls.count("eof") == 1
        assert not transport.is_reading()


async def test_reads_grow_to_the_limit_once_one_was_filled() -> None:
    sock, peer = socket.socketpair()  # which holds more before anybody reads than TCP does
    sock.settimeout(0)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.sendall(bytes(170_000))
    protocol = Recorder()
    transport = SocketTransport(asyncio.get_running_loop(), sock, protocol)
    transport.limit_reads(100_000)
    transport.start()
    await until(lambda: len(protocol.received) == 170_000)
    assert protocol.chunks == [65_536, 100_000, 4_464]
    transport.limit_reads(100)
    peer.sendall(bytes(200))
    peer.close()
    await until(lambda: protocol.lost)
    assert protocol.chunks[3:] == [100, 100]


async def test_it_closes_its_socket_without_its_loop() -> None:
    sock, other = connected_sockets()
    protocol = Recorder()
    transport = await asyncio.to_thread(asyncio.run, ours(sock, protocol))
    transport.close()
    assert protocol.calls == ["made", "lost"]
    assert sock.fileno() == -1
    other.close()


async def test_a_forgotten_transport_warns_and_closes_its_socket() -> None:
    sock, other = connected_sockets()
    kept: list[Any] = [await ours(sock, Recorder())]
    kept[0].pause_reading()
    other.send(b"x")  # by which it finds that nobody reads
    await until(lambda: not kept[0]._read_watched)
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        kept.clear()
    assert sock.fileno() == -1
    other.close()


async def test_what_cannot_be_sent_is_an_error_of_the_caller() -> None:
    async with opened(ours) as (transport, _, _):
        with pytest.raises(TypeError):
            transport.write("text")
        assert not transport.is_closing()


@pytest.mark.asyncio(loop_factories=list(FACTORIES))
async def test_streams_have_it_where_it_suits_the_loop(loop_name: str) -> None:
    async with Hall() as server:
        server.listen(0, "127.0.0.1")
        async with IOStream(socket.socket()) as stream:
            await stream.connect(server.addresses[0])
            accepted = await server.streams.get()
            assert accepted.peer_address == stream.socket.getsockname()
            for transport in (stream.transport, accepted.transport):
                assert isinstance(transport, SocketTransport) is (loop_name == "asyncio")
            accepted.close()


async def test_reads_are_large_while_much_comes_and_small_at_first() -> None:
    """What is large begins with a part that says so; a message that was short ends what was."""
    async with opened(ours) as (transport, recorder, peer):
        much = MAX_READ_SIZE + FIRST_READ_SIZE
        for _ in range(2):
            transport.pause_reading()
            sent = peer.socket.send(bytes(much))
            transport.resume_reading()
            start = len(recorder.chunks)
            await until(lambda sent=sent, start=start: sum(recorder.chunks[start:]) == sent)
            assert recorder.chunks[start] == FIRST_READ_SIZE
            assert recorder.chunks[start + 1] > FIRST_READ_SIZE
            await peer.send(b"short")
            await until(lambda: recorder.chunks[-1] == 5)
