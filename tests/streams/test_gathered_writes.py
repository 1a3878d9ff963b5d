"""What a reader writes in the callback that brought him bytes leaves as one."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.streams.peers import Counting, Peer
from toolkit.iostream import IOStream, StreamBufferFullError, StreamClosedError
from toolkit.tcpserver import TCPServer

LINES = b"".join(b"line %d\n" % number for number in range(100))

Handler = Callable[[IOStream], Awaitable[None]]


class Service(TCPServer):
    """Has each connection handled by a function, and its writes counted."""

    def __init__(self, handle: Handler, **options: Any) -> None:
        super().__init__(**options)
        self._handle = handle
        self.counting: Counting

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        assert stream.transport is not None
        await stream.write(b"!")
        stream._transport = self.counting = Counting(stream.transport)  # type: ignore[assignment]
        async with stream:
            await self._handle(stream)


@contextlib.asynccontextmanager
async def connected(handle: Handler, **options: Any) -> AsyncIterator[tuple[Service, Peer]]:
    """Run a service and connect to it."""
    async with Service(handle, **options) as service:
        service.listen(0, "127.0.0.1")
        with socket.create_connection(service.addresses[0]) as client:
            peer = Peer(client)
            assert await peer.receive(1) == b"!"  # so the handler waits for what is sent next
            yield service, peer


async def echo(stream: IOStream) -> None:
    async for line in stream:
        await stream.write(line)


@pytest.mark.parametrize("limit", [None, 100_000])
async def test_the_answers_to_one_chunk_are_one_write(limit: int | None) -> None:
    async with connected(echo, max_write_buffer_size=limit) as (service, peer):
        await peer.send(LINES)
        assert await peer.receive(len(LINES)) == LINES
        assert service.counting.writes == [LINES]


async def test_a_write_outside_of_the_callback_leaves_at_once() -> None:
    async def late(stream: IOStream) -> None:
        await stream.read_until(b"\n")
        await asyncio.sleep(0)
        stream.write(b"one ")
        stream.write(b"two")

    async with connected(late) as (service, peer):
        await peer.send(b"\n")
        assert await peer.receive(7) == b"one two"
        assert service.counting.writes == [b"one ", b"two"]


async def test_no_more_than_64_kib_are_kept_back() -> None:
    async def much(stream: IOStream) -> None:
        await stream.read_until(b"\n")
        for _ in range(40):
            await stream.write(b"x" * 4096)

    async with connected(much) as (service, peer):
        await peer.send(b"\n")
        assert await peer.receive(40 * 4096) == b"x" * 40 * 4096
        assert len(service.counting.writes) > 1
        assert max(map(len, service.counting.writes)) <= 64 * 1024 + 4096


ENDS: dict[str, tuple[Callable[[IOStream], object], bytes]] = {
    "close": (lambda stream: stream.close(), b"last words"),
    "write_eof": (lambda stream: stream.write_eof(), b"last words"),
    "abort": (lambda stream: stream.abort(), b""),
}


@pytest.mark.parametrize("end", ENDS)
async def test_what_was_kept_leaves_before_the_end_but_not_after_an_abort(end: str) -> None:
    ending, expected = ENDS[end]

    async def say_and_end(stream: IOStream) -> None:
        await stream.read_until(b"\n")
        stream.write(b"last ")
        stream.write(b"words")
        assert stream.unsent == len(b"last words")
        ending(stream)
        if end != "write_eof":
            with pytest.raises(StreamClosedError):
                stream.write(b"more")

    async with connected(say_and_end) as (_, peer):
        await peer.send(b"\n")
        assert await peer.receive(len(b"last words")) == expected


async def test_a_view_and_all_before_it_leave_before_the_view_may_change() -> None:
    async def reuse(stream: IOStream) -> None:
        buffer = bytearray(b"view")
        await stream.read_until(b"\n")
        stream.write(b"first ")
        await stream.write(memoryview(buffer))
        buffer[:] = b"gone"

    async with connected(reuse) as (_, peer):
        await peer.send(b"\n")
        assert await peer.receive(10) == b"first view"


async def test_what_is_kept_counts_for_the_limit_of_unsent_bytes() -> None:
    refused: list[str] = []

    async def too_much(stream: IOStream) -> None:
        await stream.read_until(b"\n")
        stream.write(b"x" * 900)
        with pytest.raises(StreamBufferFullError) as raised:
            stream.write(b"x" * 200)
        refused.append(str(raised.value))

    async with connected(too_much, max_write_buffer_size=1000) as (_, peer):
        await peer.send(b"\n")
        assert await peer.receive(900) == b"x" * 900
    assert len(refused) == 1


async def test_a_peer_that_takes_nothing_makes_the_writer_wait() -> None:
    rounds = 0

    async def flood(stream: IOStream) -> None:
        nonlocal rounds
        await stream.read_until(b"\n")
        with contextlib.suppress(StreamClosedError):
            while rounds < 10_000:
                await stream.write(b"x" * 65536)
                rounds += 1

    async with connected(flood) as (service, peer):
        await peer.send(b"\n")
        await peer.receive(1)
        for _ in range(200):
            await asyncio.sleep(0)
        assert rounds < 10_000
        assert service.counting.get_write_buffer_size() <= 3 * 65536
        peer.socket.close()


@pytest.mark.parametrize("in_one_call", [False, True])
async def test_what_is_gathered_leaves_with_the_turn_of_the_loop(in_one_call: bool) -> None:
    """Be it in a callback of any kind; a piece too many has all of them leave before."""

    async def write(stream: IOStream, data: bytes) -> None:
        if in_one_call:
            await stream.write_gathered(data)
        else:
            stream.gather()
            await stream.write(data)

    async def gathering(stream: IOStream) -> None:
        await asyncio.sleep(0)
        for _ in range(3):
            await write(stream, b"piece ")
        await asyncio.sleep(0)
        for _ in range(3):
            await write(stream, b"x" * 30_000)

    async with connected(gathering) as (service, peer):
        whole = b"piece " * 3 + b"x" * 90_000
        assert await peer.receive(len(whole)) == whole
        assert service.counting.writes == [b"piece " * 3, b"x" * 90_000]
