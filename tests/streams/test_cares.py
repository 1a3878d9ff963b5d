"""`CaresResolver`: names by c-ares, from a name server of the test."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from toolkit.netutil import OverrideResolver, Resolver
from toolkit.platform.caresresolver import CaresResolver
from toolkit.tcpclient import TCPClient
from toolkit.tcpserver import TCPServer

A, AAAA = 1, 28
NAMES = {
    (b"\x04both\x04test\x00", A): socket.inet_aton("127.0.0.7"),
    (b"\x04both\x04test\x00", AAAA): socket.inet_pton(socket.AF_INET6, "fd00::7"),
    (b"\x05local\x04test\x00", A): socket.inet_aton("127.0.0.1"),
}


class NameServer(asyncio.DatagramProtocol):
    """Answers for `NAMES`, and not at all for names that begin with "mute" (RFC 1035 §4)."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: object) -> None:
        name, kind = self._question(data)
        self.asked.put_nowait(name)
        if name.startswith(b"\x04mute"):
            return
        found = NAMES.get((name, kind))
        known = any(other == name for other, _ in NAMES)
        header = struct.pack(
            "!2sHHHHH", data[:2], 0x8180 if known else 0x8183, 1, 1 if found else 0, 0, 0
        )
        answer = header + name + struct.pack("!HH", kind, 1)
        if found:
            answer += name + struct.pack("!HHIH", kind, 1, 0, len(found)) + found
        self.transport.sendto(answer, address)  # type: ignore[attr-defined]

    @staticmethod
    def _question(data: bytes) -> tuple[bytes, int]:
        end = data.index(b"\x00", 12) + 1
        return data[12:end].lower(), struct.unpack_from("!H", data, end)[0]


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    """Run a name server."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    yield protocol
    transport.close()


@pytest.fixture
async def resolver(server: NameServer) -> AsyncIterator[CaresResolver]:
    """Make a resolver that asks it."""
    port = server.transport.get_extra_info("sockname")[1]
    resolver = CaresResolver(servers=["127.0.0.1"], port=port, timeout=0.2, tries=1)
    yield resolver
    resolver.close()


async def test_a_name_has_the_addresses_of_both_families(resolver: CaresResolver) -> None:
    found = await resolver.resolve("both.test", 80)
    assert sorted(found) == [
        (int(socket.AF_INET), ("127.0.0.7", 80)),
        (int(socket.AF_INET6), ("fd00::7", 80, 0, 0)),
    ]


async def test_one_family_can_be_asked_for(resolver: CaresResolver) -> None:
    found = await resolver.resolve("both.test", 80, socket.AF_INET)
    assert found == [(int(socket.AF_INET), ("127.0.0.7", 80))]


@pytest.mark.parametrize("host", ["none.test", "mute.test", "a" * 64 + ".test", "nul\0.test"])
async def test_a_name_without_an_address_is_an_error_that_names_it(
    resolver: CaresResolver, host: str
) -> None:
    with pytest.raises(socket.gaierror) as raised:
        await resolver.resolve(host, 80)
    assert repr(host)[:20].rstrip("'") in str(raised.value)


async def test_an_address_is_not_asked_for(resolver: CaresResolver, server: NameServer) -> None:
    assert await resolver.resolve("127.0.0.9", 80) == [(socket.AF_INET, ("127.0.0.9", 80))]
    assert server.asked.empty()


async def test_a_question_can_be_cancelled(resolver: CaresResolver, server: NameServer) -> None:
    asking = asyncio.create_task(resolver.resolve("mute.test", 80))
    await server.asked.get()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.feature("A17")
async def test_a_client_connects_by_any_resolver(resolver: CaresResolver) -> None:
    class Greeter(TCPServer):
        async def handle_stream(self, stream, address) -> None:  # type: ignore[no-untyped-def]
            await stream.write(b"hello")
            stream.close()

    overriding = OverrideResolver(resolver, {"alias.test": "local.test"})
    threaded = Resolver()
    async with Greeter() as greeter:
        greeter.listen(0, "127.0.0.1")
        port = greeter.addresses[0][1]
        for name, found_by in [
            ("local.test", resolver),
            ("alias.test", overriding),
            ("localhost", threaded),
        ]:
            client = TCPClient(resolver=found_by)
            stream = await client.connect(name, port, af=socket.AF_INET)
            assert await stream.read_until_close() == b"hello"
