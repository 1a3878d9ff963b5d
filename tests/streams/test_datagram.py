"""`DatagramEndpoint`: datagrams over UDP and Unix sockets."""

import asyncio
import errno
import os
import socket
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.streams.peers import until
from toolkit.datagram import DatagramEndpoint, opening
from toolkit.iostream import StreamBufferFullError, StreamClosedError

pytestmark = pytest.mark.feature("A21")

LOOPBACK = "127.0.0.1"


async def bound(**options: Any) -> DatagramEndpoint:
    """Return an endpoint on a free port."""
    return await DatagramEndpoint.bind(0, LOOPBACK, **options)


async def connected(endpoint: DatagramEndpoint, **options: Any) -> DatagramEndpoint:
    """Return an endpoint that is connected to another one."""
    host, port = endpoint.socket.getsockname()[:2]
    return await DatagramEndpoint.connect(host, port, **options)


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """Return a plain socket on a free port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((LOOPBACK, 0))
        yield sock


async def heard(endpoint: DatagramEndpoint, count: int) -> None:
    """Wait until so many datagrams have come, be they kept or dropped."""
    await until(lambda: len(endpoint._queue) + endpoint.dropped >= count)


def refusing_address() -> tuple[str, int]:
    """Return an address where nobody receives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        address: tuple[str, int] = sock.getsockname()
    return address


# -- there and back ----------------------------------------------------------------------


async def test_a_datagram_comes_whole_with_the_address_of_its_sender() -> None:
    async with await bound() as server, await connected(server) as client:
        await client.send(b"ping")
        data, address = await server.receive()
        assert (data, address) == (b"ping", client.socket.getsockname())
        await server.send(b"pong", address)
        assert await client.receive() == (b"pong", server.socket.getsockname())


@pytest.mark.parametrize("size", [0, 1, 1472, 9000, 65507])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_datagram_of_any_size_is_one_datagram(size: int, kind: type) -> None:
    """An empty one too, which is no end of anything."""
    async with await bound() as server, await connected(server) as client:
        content = os.urandom(size)
        await client.send(kind(content))
        await client.send(b"next")
        data, address = await server.receive()
        assert data == content
        await server.send(kind(content), address)
        assert (await client.receive())[0] == content
        assert (await server.receive())[0] == b"next"


async def test_the_datagrams_are_an_asynchronous_iterable() -> None:
    """It ends when the endpoint is closed, after what came before."""
    async with await bound() as server, await connected(server) as client:
        for number in range(5):
            await client.send(b"%d" % number)
        await heard(server, 5)
        seen = []
        async for data, address in server:
            assert address == client.socket.getsockname()
            seen.append(data)
            server.close()
        assert seen == [b"0", b"1", b"2", b"3", b"4"]


async def test_an_endpoint_talks_to_plain_sockets(peer: socket.socket) -> None:
    async with await bound() as endpoint:
        peer.sendto(b"ping", endpoint.socket.getsockname())
        assert await endpoint.receive() == (b"ping", peer.getsockname())
        await endpoint.send(b"pong", peer.getsockname())
        await endpoint.drained()
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(peer, 100) == b"pong"


async def test_a_connected_endpoint_hears_its_peer_alone(peer: socket.socket) -> None:
    async with await bound() as server, await connected(server) as client:
        peer.sendto(b"stranger", client.socket.getsockname())
        await server.send(b"friend", client.socket.getsockname())
        assert (await client.receive())[0] == b"friend"


async def test_ipv6_works_too() -> None:
    try:
        server = await DatagramEndpoint.bind(0, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    async with server, await connected(server) as client:
        await client.send(b"ping")
        data, address = await server.receive()
        assert address[:2] == client.socket.getsockname()[:2]
        await server.send(data, address)
        assert (await client.receive())[0] == b"ping"
        with pytest.raises(OSError, match="at most 65527 are allowed"):
            client.send(bytes(65528))


@pytest.mark.parametrize("address", [None, ""])
async def test_no_address_means_all_interfaces(address: str | None) -> None:
    async with await DatagramEndpoint.bind(0, address) as server:
        port = server.socket.getsockname()[1]
        async with await DatagramEndpoint.connect("localhost", port) as client:
            await client.send(b"ping")
            data, where = await server.receive()
            await server.send(data, where)
            assert (await client.receive())[0] == b"ping"
        async with await DatagramEndpoint.connect(LOOPBACK, port, socket.AF_INET) as client:
            await client.send(b"ping")
            assert (await server.receive())[0] == b"ping"


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, ""), (socket.AF_INET6, "")])
async def test_a_family_can_be_chosen(family: socket.AddressFamily, host: str) -> None:
    try:
        endpoint = await DatagramEndpoint.bind(0, host, family)
    except OSError:
        assert family == socket.AF_INET6
        pytest.skip("no IPv6 here")
    async with endpoint:
        assert endpoint.socket.family == family
        if family == socket.AF_INET6:
            assert endpoint.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


async def test_options_of_the_socket_are_set() -> None:
    async with await bound(reuse_port=True, broadcast=True) as first:
        port = first.socket.getsockname()[1]
        assert first.socket.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        async with await DatagramEndpoint.bind(port, LOOPBACK, reuse_port=True):
            pass
        async with await connected(first, broadcast=True) as client:
            assert client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        with pytest.raises(OSError, match="in use"):
            await DatagramEndpoint.bind(port, LOOPBACK)


async def test_reuse_port_is_an_error_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(ValueError, match="SO_REUSEPORT"):
        await bound(reuse_port=True)


# -- Unix sockets ------------------------------------------------------------------------


async def test_unix_sockets_answer_each_other(tmp_path: Path) -> None:
    async with (
        await DatagramEndpoint.bind_unix(tmp_path / "server") as server,
        await DatagramEndpoint.connect_unix(tmp_path / "server", tmp_path / "client") as client,
    ):
        await client.send(b"ping")
        data, address = await server.receive()
        assert (data, address) == (b"ping", str(tmp_path / "client"))
        await server.send(b"pong", address)
        assert (await client.receive())[0] == b"pong"


async def test_a_unix_client_needs_no_path(tmp_path: Path) -> None:
    async with (
        await DatagramEndpoint.bind_unix(str(tmp_path / "server")) as server,
        await DatagramEndpoint.connect_unix(os.fsencode(tmp_path / "server")) as client,
    ):
        await client.send(b"")
        assert (await server.receive())[0] == b""


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract names are Linux's")
async def test_unix_sockets_may_have_abstract_names() -> None:
    name = f"\0toolkit-datagram-{os.getpid()}"
    async with (
        await DatagramEndpoint.bind_unix(name) as server,
        await DatagramEndpoint.connect_unix(name.encode(), name + "-client") as client,
    ):
        await client.send(b"ping")
        data, address = await server.receive()
        assert address == f"{name}-client".encode()
        await server.send(data, address)
        assert (await client.receive())[0] == b"ping"


async def test_a_unix_path_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await DatagramEndpoint.connect_unix(tmp_path / "nobody")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="in use"):
        await DatagramEndpoint.bind_unix(tmp_path / "file")


# -- what cannot be sent -----------------------------------------------------------------


async def test_a_datagram_too_long_is_an_error_and_not_sent() -> None:
    async with await bound() as server, await connected(server) as client:
        with pytest.raises(OSError, match="65508 bytes; at most 65507 are allowed") as caught:
            client.send(bytes(65508))
        assert caught.value.errno == errno.EMSGSIZE
        await client.send(b"next")
        assert (await server.receive())[0] == b"next"


async def test_what_the_system_finds_too_long_is_an_error(tmp_path: Path) -> None:
    async with (
        await DatagramEndpoint.bind_unix(tmp_path / "server"),
        await DatagramEndpoint.connect_unix(tmp_path / "server") as client,
    ):
        size = 2 * client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) + 1
        with pytest.raises(OSError, match=f"datagram of {size} bytes") as caught:
            client.send(bytes(size))
        assert caught.value.errno == errno.EMSGSIZE


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "no address"),
        (("localhost", 1), "an IP address of AF_INET is allowed"),
        (("::1", 1), "an IP address of AF_INET is allowed"),
        (("127.0.0.1\0", 1), "an IP address of AF_INET is allowed"),
    ],
)
async def test_a_datagram_goes_to_an_ip_address_of_the_family(
    address: object, message: str
) -> None:
    """Looking up a name would block the loop."""
    async with await bound() as endpoint:
        with pytest.raises(ValueError, match=message):
            endpoint.send(b"x", address)


async def test_a_connected_endpoint_takes_no_address() -> None:
    async with await bound() as server, await connected(server) as client:
        with pytest.raises(ValueError, match="a connected endpoint takes none"):
            client.send(b"x", server.socket.getsockname())


async def test_what_cannot_be_sent_there_is_an_error_at_once() -> None:
    """Broadcasts are forbidden unless asked for."""
    async with await bound() as endpoint:
        with pytest.raises(PermissionError):
            endpoint.send(b"x", ("255.255.255.255", 9))
        with pytest.raises(PermissionError):
            endpoint.send(b"", ("255.255.255.255", 9))


@pytest.mark.parametrize(
    ("host", "port"), [("no such host", 1), ("a" * 64, 1), (LOOPBACK, 65536), (LOOPBACK, -1)]
)
async def test_an_address_that_cannot_be_had_is_an_error(host: str, port: int) -> None:
    with pytest.raises(OSError):
        await DatagramEndpoint.connect(host, port)
    with pytest.raises(OSError):
        await DatagramEndpoint.bind(port, host)


async def test_an_address_of_no_machine_cannot_be_bound() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as caught:
        await DatagramEndpoint.bind(0, "192.0.2.1")  # for documentation (RFC 5737)
    assert caught.value.errno == errno.EADDRNOTAVAIL


# -- errors of the network ---------------------------------------------------------------


async def test_a_refusal_is_raised_by_the_receive_that_waits() -> None:
    async with await DatagramEndpoint.connect(*refusing_address()) as client:
        receiving = asyncio.ensure_future(client.receive())
        await asyncio.sleep(0)
        await client.send(b"anybody there?")
        with pytest.raises(ConnectionRefusedError):
            await receiving
        assert not client.closed()


@pytest.mark.parametrize("call", ["receive", "send"])
async def test_a_refusal_is_raised_once_by_the_next_call(call: str) -> None:
    address = refusing_address()
    async with await DatagramEndpoint.connect(*address) as client:
        await client.send(b"anybody there?")
        await until(lambda: client._error is not None)
        with pytest.raises(ConnectionRefusedError):
            await (client.receive() if call == "receive" else client.send(b"x"))
        async with await DatagramEndpoint.bind(address[1], address[0]) as server:
            await client.send(b"now?")
            data, where = await server.receive()
            assert data == b"now?"
            await server.send(b"yes", where)
            assert (await client.receive())[0] == b"yes"


async def test_what_came_before_a_refusal_is_received_first() -> None:
    async with await bound() as server:
        client = await connected(server)
        async with client:
            await server.send(b"last words", client.socket.getsockname())
            await heard(client, 1)
            await server.aclose()
            await client.send(b"what?")
            await until(lambda: client._error is not None)
            assert (await client.receive())[0] == b"last words"
            with pytest.raises(ConnectionRefusedError):
                await client.receive()


async def test_a_peer_that_is_gone_does_not_disturb_an_unconnected_endpoint() -> None:
    async with await bound() as server, await connected(server) as client:
        await server.send(b"x", refusing_address())
        await client.send(b"ping")
        assert (await server.receive())[0] == b"ping"


# -- limits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"max_queue": 3}, 3),
        ({"max_queue_bytes": 35}, 3),
        ({"max_queue_bytes": 40}, 4),
        ({"max_queue_bytes": 1}, 1),  # one may always wait
        ({"max_queue": 2, "max_queue_bytes": 35}, 2),
        ({}, 10),
    ],
)
async def test_the_newest_are_dropped_and_counted_when_too_many_wait(
    limits: dict[str, int], kept: int
) -> None:
    async with await bound(**limits) as server, await connected(server) as client:
        for number in range(10):
            await client.send(b"%010d" % number)
        await heard(server, 10)
        assert server.dropped == 10 - kept
        for number in range(kept):
            assert (await server.receive())[0] == b"%010d" % number
        await client.send(b"again")
        assert (await server.receive())[0] == b"again"
        assert server.dropped == 10 - kept


async def test_what_was_received_makes_room_for_as_much() -> None:
    async with await bound(max_queue_bytes=30) as server, await connected(server) as client:
        for _ in range(3):
            for _ in range(3):
                await client.send(bytes(10))
            await heard(server, 3)
            for _ in range(3):
                await server.receive()
        assert server.dropped == 0


async def test_a_queue_that_holds_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_queue 0; 1 or more"):
        await bound(max_queue=0)


class Stuffed:
    """A pair of Unix sockets, the receiver of which reads nothing until it is asked to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.bind(str(path))
        self.receiver.setblocking(False)
        self.received = 0

    async def stuff(self, sender: DatagramEndpoint) -> int:
        """Send until something waits, and return how many datagrams were sent."""
        count = 0
        while not sender.unsent:
            sender.send(bytes(1000))
            count += 1
        return count

    async def empty(self, count: int) -> None:
        """Receive so many datagrams."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            assert len(await loop.sock_recv(self.receiver, 2000)) == 1000


@pytest.fixture
def stuffed(tmp_path: Path) -> Iterator[Stuffed]:
    """Return a receiver that can be stuffed."""
    pair = Stuffed(tmp_path / "receiver")
    yield pair
    pair.receiver.close()


async def test_sending_waits_while_the_receiver_is_stuffed(stuffed: Stuffed) -> None:
    async with await DatagramEndpoint.connect_unix(stuffed.path) as sender:
        count = await stuffed.stuff(sender)
        waiting = sender.send(bytes(1000))
        drained = asyncio.ensure_future(sender.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert not drained.done()
        await stuffed.empty(count + 1)
        await waiting
        await drained
        assert sender.unsent == 0
        assert sender.send(bytes(1000)).done()
        await stuffed.empty(1)


async def test_a_wait_that_is_cancelled_unsends_nothing(stuffed: Stuffed) -> None:
    async with await DatagramEndpoint.connect_unix(stuffed.path) as sender:
        count = await stuffed.stuff(sender)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await sender.send(bytes(1000))
        await stuffed.empty(count + 1)
        await sender.drained()


async def test_no_more_waits_to_be_sent_than_is_allowed(stuffed: Stuffed) -> None:
    sender = await DatagramEndpoint.connect_unix(stuffed.path, max_unsent=2500)
    async with sender:
        count = await stuffed.stuff(sender)
        sender.send(bytes(1000))
        with pytest.raises(StreamBufferFullError, match="bytes wait to be sent; at most 2500"):
            sender.send(bytes(1000))
        with pytest.raises(StreamBufferFullError):
            sender.send(b"")
        await stuffed.empty(count + 1)
        await sender.drained()
        sender.send(b"")


async def test_closing_sends_what_waits(stuffed: Stuffed) -> None:
    sender = await DatagramEndpoint.connect_unix(stuffed.path)
    count = await stuffed.stuff(sender)
    closing = asyncio.ensure_future(sender.aclose())
    await stuffed.empty(count)
    await closing
    assert sender.closed()


async def test_aborting_sends_nothing_more(stuffed: Stuffed) -> None:
    sender = await DatagramEndpoint.connect_unix(stuffed.path)
    await stuffed.stuff(sender)
    waiting = asyncio.ensure_future(sender.drained())
    await asyncio.sleep(0)
    sender.abort()
    with pytest.raises(StreamClosedError):
        await waiting
    await sender.aclose()


async def test_cancelling_aclose_lets_go_of_a_stuffed_receiver(stuffed: Stuffed) -> None:
    sender = await DatagramEndpoint.connect_unix(stuffed.path)
    await stuffed.stuff(sender)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await sender.aclose()
    await until(lambda: sender._gone.done())


# -- cancellation and the end ------------------------------------------------------------


async def test_a_receive_that_is_cancelled_loses_no_datagram() -> None:
    """Not even when the datagram has come in the turn in which it is cancelled."""
    async with await bound() as server, await connected(server) as client:
        for number in range(20):
            receiving = asyncio.ensure_future(server.receive())
            await asyncio.sleep(0)
            await client.send(b"%d" % number)
            if number % 2:
                await heard(server, 1)
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            assert (await server.receive())[0] == b"%d" % number


async def test_receives_that_are_cancelled_leave_nothing_behind() -> None:
    async with await bound() as endpoint:
        for _ in range(3):
            receiving = asyncio.ensure_future(endpoint.receive())
            await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.wait([receiving])
        assert not endpoint._receivers


async def test_a_cancelled_receive_leaves_its_datagram_to_the_next_one() -> None:
    async with await bound() as server, await connected(server) as client:
        first, second = (asyncio.ensure_future(server.receive()) for _ in range(2))
        await asyncio.sleep(0)
        await client.send(b"ping")
        await heard(server, 1)
        first.cancel()
        assert (await second)[0] == b"ping"
        assert first.cancelled()


async def test_each_of_several_receivers_gets_one() -> None:
    async with await bound() as server, await connected(server) as client:
        receivers = [asyncio.ensure_future(server.receive()) for _ in range(3)]
        await asyncio.sleep(0)
        for number in range(3):
            await client.send(b"%d" % number)
        received = [data for data, _ in await asyncio.gather(*receivers)]
        assert received == [b"0", b"1", b"2"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_closed_endpoint_ends_all_that_waits_and_refuses_the_rest(end: str) -> None:
    endpoint = await bound()
    receivers = [asyncio.ensure_future(endpoint.receive()) for _ in range(2)]
    await asyncio.sleep(0)
    getattr(endpoint, end)()
    assert endpoint.closed()
    for receiver in receivers:
        with pytest.raises(StreamClosedError):
            await receiver
    with pytest.raises(StreamClosedError):
        await endpoint.receive()
    with pytest.raises(StreamClosedError):
        endpoint.send(b"x", (LOOPBACK, 9))
    await endpoint.drained()
    await endpoint.aclose()
    endpoint.close()
    endpoint.abort()
    assert endpoint.socket.fileno() == -1
    assert endpoint.unsent == 0


async def test_what_came_before_the_end_is_still_received() -> None:
    server = await bound()
    async with await connected(server) as client:
        await client.send(b"ping")
        await heard(server, 1)
    await server.aclose()
    assert (await server.receive())[0] == b"ping"
    with pytest.raises(StreamClosedError):
        await server.receive()


async def test_the_port_is_free_after_aclose() -> None:
    async with await bound() as endpoint:
        port = endpoint.socket.getsockname()[1]
    async with await DatagramEndpoint.bind(port, LOOPBACK) as again:
        assert again.socket.getsockname()[1] == port


# -- what the loop tells -----------------------------------------------------------------


async def test_a_late_error_of_one_address_is_not_raised_for_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An endpoint that is not connected cannot tell whom it is about; the loop says so."""
    caplog.set_level("INFO", "toolkit.general")
    async with await bound() as server, await connected(server) as client:
        server.error_received(OSError(errno.EHOSTUNREACH, "No route to host"))
        assert "Datagram lost: [Errno 113] No route to host" in caplog.text
        await client.send(b"ping")
        data, address = await server.receive()
        await server.send(data, address)


async def test_a_socket_that_breaks_ends_everything_with_its_error() -> None:
    endpoint = await bound()
    receiving = asyncio.ensure_future(endpoint.receive())
    await asyncio.sleep(0)
    transport = endpoint._transport
    broken = OSError(errno.EBADF, "Bad file descriptor")
    endpoint.connection_lost(broken)
    assert transport is not None
    transport.abort()
    for ended in (receiving, endpoint.receive(), anext(endpoint)):
        with pytest.raises(StreamClosedError) as caught:
            await ended
        assert caught.value.real_error is broken
    assert endpoint.closed()
    await endpoint.aclose()


@pytest.mark.parametrize("make", ["bind", "connect"])
async def test_limits_that_are_unknown_leave_no_socket_open(make: str) -> None:
    """The warning of an unclosed socket would be an error."""
    arguments = (0, LOOPBACK) if make == "bind" else (LOOPBACK, 9)
    with pytest.raises(TypeError, match="max_size"):
        await getattr(DatagramEndpoint, make)(*arguments, max_size=1)


async def test_the_other_family_is_tried_when_one_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A system without IPv6 has all interfaces of IPv4."""

    class Lacking(socket.socket):
        def __init__(self, family: int, *args: Any, **options: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
            super().__init__(family, *args, **options)

    module = types.ModuleType("socket")
    vars(module).update(vars(socket), socket=Lacking)
    monkeypatch.setattr(opening, "socket", module)
    async with await DatagramEndpoint.bind(0) as endpoint:
        assert endpoint.socket.family == socket.AF_INET
    with pytest.raises(OSError, match="not supported"):
        await DatagramEndpoint.bind(0, "::1")
