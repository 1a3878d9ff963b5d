"""Peers that mean no good: they cost themselves their connection, and nobody else anything."""

import asyncio
import gc
import tracemalloc
import weakref
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.http.client import Serve
from tests.websocket.peers import Echo, Noting, Peer, masked, until
from toolkit.websocket import (
    SendQueue,
    WebSocketClosedError,
    WebSocketHandler,
    connect,
    websocket_connect,
)
from toolkit.wire.heap import keep_freed
from toolkit.wire.websocket import CLOSED, Close, Ping, Pong
from toolkit.wire.websocket.assembly import KEPT

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


class Packing(Noting):
    """Takes compressed messages."""

    def get_compression_options(self) -> dict[str, Any]:
        return {}


def packed(data: bytes) -> bytes:
    """Compress a message as RFC 7692 has it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\x01x", 1002),  # no mask
        (masked(0x91, b"x"), 1002),  # reserved bits
        (masked(0xC1, b"x"), 1002),  # compressed, though nobody agreed to it
        (masked(0x83), 1002),  # reserved opcodes
        (masked(0x8B), 1002),
        (masked(0x80, b"x"), 1002),  # continues nothing
        (masked(0x01, b"x") + masked(0x81, b"y"), 1002),
        (masked(0x09, b"x"), 1002),  # a ping in fragments
        (masked(0x89, bytes(126)), 1002),
        (masked(0x88, b"\x03"), 1002),  # half a code
        (masked(0x88, b"\x03\xed"), 1002),  # 1005
        (masked(0x88, b"\x03\xee"), 1002),  # 1006
        (masked(0x88, b"\x03\xf7"), 1002),  # 1015
        (masked(0x88, b"\x03\xe7"), 1002),  # 999
        (masked(0x88, b"\x13\x88"), 1002),  # 5000
        (masked(0x88, b"\x03\xe8\xff"), 1007),
        (masked(0x81, b"\xc3"), 1007),
        (masked(0x01, b"\xf0\x9f") + masked(0x80, b"\x98"), 1007),
        (b"\x82\xfe\x00\x05" + bytes(4) + b"short", 1002),  # not the shortest length
        (b"\x82\xff\x80" + bytes(7) + bytes(4), 1002),  # its highest bit
        (b"\x82\xff\x40" + bytes(7) + bytes(4), 1009),
        (masked(0x01) + masked(0x00) * 200, 1002),  # fragments of nothing
    ],
)
async def test_what_breaks_the_protocol_closes_with_a_code(
    serve: Serve, frames: bytes, code: int
) -> None:
    """The handler sees none of it, and what comes after is not looked at."""
    seen: list[Any] = []
    site = serve([("/", Noting, {"seen": seen})])
    peer = await Peer.connect(site, then=frames + masked(0x81, b"never"))
    close = await peer.event()
    assert close.code == code
    peer.client.shut()
    await until(lambda: len(seen) == 2)
    assert seen[1][:2] == ("close", code)


@pytest.mark.feature("D05")
@pytest.mark.parametrize("cut", [10**9, 4096], ids=["one frame", "fragments"])
async def test_a_bomb_is_not_inflated(serve: Serve, cut: int) -> None:
    """64 MiB of zeros come in 64 KiB; a limit of 1 MiB holds for what is in memory."""
    seen: list[Any] = []
    settings = {"websocket_max_message_size": 1024 * 1024}
    peer = await Peer.connect(serve([("/", Packing, {"seen": seen})], settings), fields=DEFLATE)
    bomb = packed(bytes(64 * 1024 * 1024))
    pieces = [bomb[at : at + cut] for at in range(0, len(bomb), cut)]
    frames = b"".join(
        masked((0x41 + 1 if n == 0 else 0) | (0x80 if n == len(pieces) - 1 else 0), piece)
        for n, piece in enumerate(pieces)
    )
    keep_freed(KEPT)  # once in a process it takes a large block, and gives it back
    tracemalloc.start()
    try:
        await peer.send(frames)
        close = await peer.event()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (close.code, close.reason) == (1009, "message too big")
    assert peak < 5 * 1024 * 1024
    assert seen[0] == "open"


async def test_pongs_do_not_pile_up(serve: Serve) -> None:
    """A client that pings and takes nothing gets the last answer, once there is room."""
    connections = []

    class Handler(Noting):
        def open(self) -> None:
            connections.append(self._reading())

    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Handler, {"seen": seen})]), receive_buffer=4096)
    count = 60_000
    # Each pong is 127 bytes: several times what the buffers of the kernel and of the loop hold.
    pings = [masked(0x89, b"%0125d" % number) for number in range(count)]
    for at in range(0, count, 1000):
        await peer.send(b"".join(pings[at : at + 1000]))
    await until(lambda: len(seen) == count)
    assert connections[0].stream.unsent < 200 * 1024
    last = b""
    received = 0
    while last != b"%0125d" % (count - 1):
        pong = await peer.event()
        assert isinstance(pong, Pong)
        assert pong.payload > last
        last = pong.payload
        received += 1
    assert received < count


async def test_no_pong_follows_a_close(serve: Serve) -> None:
    class Handler(WebSocketHandler):
        def open(self) -> None:
            self.close(4000)

    peer = await Peer.connect(serve([("/", Handler)]), then=masked(0x89, b"x") * 3)
    assert isinstance(await peer.event(), Close)
    await peer.say(Close(4000))
    assert await peer.event() is CLOSED


async def test_frames_that_have_come_leave_turns_to_others(serve: Serve) -> None:
    """However many there are in one piece."""
    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Noting, {"seen": seen})]))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while len(seen) < 20_001:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await peer.send(masked(0x82, b"x") * 20_000)
    await other
    assert turns > 70


async def test_a_slow_reader_does_not_fill_the_memory(serve: Serve) -> None:
    """What a handler sends without looking at how it goes is bounded by `send_queue`."""
    ended: list[Any] = []

    class Handler(WebSocketHandler):
        send_queue = SendQueue(size=1024 * 1024)

        def on_message(self, message: str) -> None:
            try:
                for _ in range(10_000):
                    self.write_message(bytes(65536), binary=True)
            except WebSocketClosedError as error:
                ended.append(str(error))

        def on_close(self) -> None:
            ended.append(self.close_code)

    peer = await Peer.connect(serve([("/", Handler)]), receive_buffer=4096)
    await peer.say("go")
    await until(lambda: len(ended) == 2)
    assert ended == ["16 messages of 1048576 bytes wait for the peer", 1008]


async def test_handlers_that_wait_are_held_up_by_a_slow_reader(serve: Serve) -> None:
    sent = 0

    class Handler(WebSocketHandler):
        async def open(self) -> None:
            nonlocal sent
            for _ in range(400):
                await self.write_message(bytes(65536), binary=True)
                sent += 1

    peer = await Peer.connect(serve([("/", Handler)]), receive_buffer=4096)
    for _ in range(200):
        await asyncio.sleep(0.0005)
    held_at = sent
    assert held_at < 200
    for _ in range(400):
        assert len(await peer.event()) == 65536
    await until(lambda: sent == 400)


async def test_a_client_bounds_what_a_server_sends(serve: Serve) -> None:
    class Handler(WebSocketHandler):
        def open(self) -> None:
            self.write_message("x" * 1001)

    site = serve([("/", Handler)])
    url = f"ws://127.0.0.1:{site.address[1]}/"
    async with connect(url, max_message_size=1000) as connection:
        assert await connection.read_message() is None
        assert connection.close_code == 1009


@pytest.mark.parametrize("event", [lambda: Ping(b"x"), lambda: Pong(b"x"), lambda: "x"])
async def test_messages_byte_by_byte_are_the_same(serve: Serve, event: Callable[[], Any]) -> None:
    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Noting, {"seen": seen})]))
    for byte in peer.machine.send(event()):
        await peer.send(bytes((byte,)))
    await until(lambda: len(seen) == 2)


async def test_a_connection_of_echoes_leaves_nothing_to_the_cycle_collector(serve: Serve) -> None:
    """Neither while it is open nor at its end."""
    alive: list[weakref.ref[Any]] = []

    class Handler(Echo):
        def open(self) -> None:
            alive.extend((weakref.ref(self), weakref.ref(self.ws_connection)))

        async def on_message(self, message: Any) -> None:  # type: ignore[override]
            super().on_message(message)

    peer = await Peer.connect(serve([("/", Handler)]))
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await peer.say("x")
            assert await peer.event() == "x"
        await peer.say(Close(1000))
        await peer.expect_close(1000)
        await until(lambda: not any(reference() for reference in alive))
    finally:
        gc.enable()


async def test_a_client_leaves_nothing_to_the_cycle_collector(serve: Serve) -> None:
    """Not even what its callback refers to, which refers to the client as a rule."""
    url = f"ws://127.0.0.1:{serve([('/', Echo)]).address[1]}/"
    seen: list[Any] = []

    async def talk() -> "tuple[weakref.ref[Any], ...]":
        class Much:
            """What a callback has gathered."""

        much = Much()

        async def answer(message: Any) -> None:
            seen.append((message, much)[0])
            if message == "x":
                await connection.write_message("y")
            elif message == "y":
                connection.close()

        connection = await websocket_connect(url, on_message_callback=answer)
        await connection.write_message("x")
        await connection.wait_closed()
        return weakref.ref(much), weakref.ref(connection), weakref.ref(connection._connection)

    gc.collect()
    gc.disable()
    try:
        alive = await talk()
        await until(lambda: not any(reference() for reference in alive))
    finally:
        gc.enable()
    assert seen == ["x", "y", None]
