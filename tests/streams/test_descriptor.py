"""Streams that read and write their file themselves: a program's own kinds."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.loops import expect_log
from tests.streams.peers import (
    TOO_MUCH,
    Peer,
    closed,
    connected_sockets,
    pattern,
    perform,
    taking,
    until,
    waiting_in_kernel,
)
from toolkit.iostream import BaseIOStream, IOStream, StreamBufferFullError, StreamClosedError

KEY = 0x5A


class SocketStream(BaseIOStream):
    """A program's own stream over a socket, by the methods that `BaseIOStream` names.

    Attributes:
        fault: raised by the next read or write of the socket.
        calls: counts reads.
    """

    def __init__(self, sock: socket.socket, **options: Any) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.fault: BaseException | None = None
        self.calls = 0
        super().__init__(**options)

    def fileno(self) -> Any:
        return self.socket

    def close_fd(self) -> None:
        self.socket.close()

    def write_to_fd(self, data: memoryview) -> int:
        self._raise_fault()
        return self.socket.send(data)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        self.calls += 1
        self._raise_fault()
        try:
            return self.socket.recv_into(buf)
        except BlockingIOError:
            return None

    def get_fd_error(self) -> Exception | None:
        return None

    def _raise_fault(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault


def scramble(data: bytes | bytearray | memoryview) -> bytes:
    """Flip the same bits of each byte; twice gives it back."""
    return bytes(data).translate(bytes(byte ^ KEY for byte in range(256)))


class ScrambledStream(SocketStream):
    """A stream whose bytes are scrambled on the way."""

    def write_to_fd(self, data: memoryview) -> int:
        return super().write_to_fd(memoryview(scramble(data)))

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        size = super().read_from_fd(buf)
        if size:
            buf[:size] = scramble(buf[:size])
        return size


class OwnReads(IOStream):
    """A stream of ours whose reads alone are a program's own."""

    calls = 0
    fault: BaseException | None = None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        self.calls += 1
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        return super().read_from_fd(buf)


class OwnWrites(IOStream):
    """A stream of ours whose writes alone are a program's own."""

    calls = 0
    fault: BaseException | None = None

    def write_to_fd(self, data: memoryview) -> int:
        self.calls += 1
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        return super().write_to_fd(data[:1000])


def patched(sock: socket.socket, **options: Any) -> IOStream:
    """Give one stream, and not its class, a way to read of its own."""
    stream = IOStream(sock, **options)
    usual = stream.read_from_fd
    stream.read_from_fd = lambda buf: usual(buf)  # type: ignore[method-assign]
    return stream


Make = Callable[..., BaseIOStream]
KINDS: dict[str, Make] = {
    "own": SocketStream,
    "scrambled": ScrambledStream,
    "own reads": OwnReads,
    "own writes": OwnWrites,
    "patched": patched,
}
Pair = tuple[BaseIOStream, BaseIOStream]


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Give two connected streams of each kind."""
    make = KINDS[request.param]
    ours, theirs = socket.socketpair()
    streams = make(ours, read_chunk_size=5000), make(theirs)
    yield streams
    for stream in streams:
        stream.abort()
        await stream.wait_closed()


Alone = tuple[Any, Peer]


async def alone(make: Make, **options: Any) -> Alone:
    """Return a stream and a plain peer over TCP."""
    ours, theirs = connected_sockets(small=True)
    return make(ours, **options), Peer(theirs)


# -- reading and writing -----------------------------------------------------------------


async def test_each_kind_of_read_works_on_an_own_stream(pair: Pair) -> None:
    left, right = pair
    await right.write(b"line\nregex!bytes" + b"into")
    assert await left.read_until(b"\n") == b"line\n"
    assert await left.read_until_regex(b"[!?]") == b"regex!"
    assert await left.read_bytes(5) == b"bytes"
    target = bytearray(4)
    assert await left.read_into(target) == 4
    assert target == b"into"
    await left.write(b"answer")
    assert await right.read_bytes(100, partial=True) == b"answer"
    await right.write(b"a\nb")
    right.close()
    assert [line async for line in left] == [b"a\n", b"b"]
    await left.wait_closed()


async def test_much_goes_both_ways_over_own_streams(pair: Pair) -> None:
    left, right = pair
    written = [left.write(pattern(0, TOO_MUCH)), right.write(pattern(7, TOO_MUCH))]
    target = bytearray(TOO_MUCH)
    filling = asyncio.create_task(perform(right.read_into, target))
    assert await left.read_bytes(TOO_MUCH) == pattern(7, TOO_MUCH)
    assert await filling == TOO_MUCH
    assert target == pattern(0, TOO_MUCH)
    await asyncio.gather(*written)
    assert left.unsent == right.unsent == 0


async def test_bytes_come_in_pieces_to_a_read_that_waits(pair: Pair) -> None:
    left, right = pair
    future = left.read_until(b"END")
    for piece in (b"a", b"bE", b"N", b"D and more"):
        await right.write(piece)
        await asyncio.sleep(0)
    assert await future == b"abEND"
    assert await left.read_bytes(9) == b" and more"


async def test_close_of_an_own_stream_sends_what_waits(pair: Pair) -> None:
    left, right = pair
    written = left.write(pattern(0, TOO_MUCH))
    left.close()
    with pytest.raises(StreamClosedError):
        await written
    assert await right.read_until_close() == pattern(0, TOO_MUCH)
    await left.wait_closed()


async def test_the_close_callback_of_an_own_stream_tells_of_the_peer(pair: Pair) -> None:
    left, right = pair
    gone = asyncio.create_task(closed(left))
    for _ in range(5):
        await asyncio.sleep(0)
    right.close()
    await gone


async def test_a_pushed_own_stream_can_be_paused(pair: Pair) -> None:
    left, right = pair
    seen = bytearray()
    left.push_to(seen.extend)
    await right.write(b"one")
    await until(lambda: len(seen) == 3)
    left.pause_reading()
    await right.write(b"two")
    for _ in range(10):
        await asyncio.sleep(0)
    assert seen == b"one"
    left.resume_reading()
    await until(lambda: len(seen) == 6)


@pytest.mark.parametrize("kind", ["own", "own reads", "patched"])
async def test_an_own_stream_reads_only_when_somebody_wants_it(kind: str) -> None:
    """And no more than a chunk past what was wanted."""
    stream, peer = await alone(KINDS[kind], read_chunk_size=10)
    await peer.send(b"x" * 100)
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting_in_kernel(stream) == 100
    assert await stream.read_bytes(15) == b"x" * 15
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting_in_kernel(stream) == 80
    assert await stream.read_bytes(85) == b"x" * 85
    stream.close()
    peer.close()


async def test_a_method_of_its_own_is_really_called() -> None:
    for kind, act in ((OwnReads, "read"), (OwnWrites, "write")):
        stream, peer = await alone(kind)
        if act == "read":
            await peer.send(b"x")
            assert await stream.read_bytes(1) == b"x"
        else:
            await stream.write(pattern(0, 5000))
            assert await peer.receive(5000) == pattern(0, 5000)
            assert stream.calls >= 5
        assert stream.calls
        stream.close()
        peer.close()


async def test_the_limit_of_what_waits_holds_for_an_own_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream, peer = await alone(SocketStream, max_buffer_size=10_000)
    sending = asyncio.create_task(peer.send(b"x" * TOO_MUCH))
    with pytest.raises(StreamClosedError) as error:
        await stream.read_until(b"\n")
    assert isinstance(error.value.real_error, StreamBufferFullError)
    expect_log(caplog, "toolkit.general", "Reached maximum read buffer size")
    with pytest.raises(OSError):
        await sending
    peer.close()


# -- ends and errors ---------------------------------------------------------------------


async def test_an_end_is_seen_by_a_read_that_waits_and_by_the_next(pair: Pair) -> None:
    left, right = pair
    future = left.read_bytes(10)
    await right.write(b"abc")
    right.close()
    with pytest.raises(StreamClosedError) as error:
        await future
    assert error.value.real_error is None
    assert await left.read_bytes(3) == b"abc"
    with pytest.raises(StreamClosedError):
        await left.read_bytes(1)


@pytest.mark.parametrize("kind", [SocketStream, OwnReads])
async def test_an_error_of_a_read_is_logged_once_and_closes(
    kind: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stream, peer = await alone(kind)
    future = stream.read_bytes(1)
    await until(lambda: stream.transport is not None)
    for _ in range(5):
        await asyncio.sleep(0)
    fault = stream.fault = OSError("torn cable")
    await peer.send(b"x")
    with pytest.raises(StreamClosedError) as error:
        await future
    assert error.value.real_error is stream.error is fault
    assert stream.closed()
    assert len(expect_log(caplog, "toolkit.general", "error on read.*torn cable")) == 1
    assert stream.socket.fileno() == -1
    peer.close()


async def test_an_error_of_a_read_that_is_tried_at_once_is_raised_and_not_logged() -> None:
    """The caller has it already."""
    stream, peer = await alone(SocketStream)
    await peer.send(b"x")
    assert await stream.read_bytes(1) == b"x"
    fault = stream.fault = OSError("torn cable")
    with pytest.raises(StreamClosedError) as error:
        stream.read_bytes(1)
    assert error.value.real_error is fault
    assert stream.closed()
    peer.close()


@pytest.mark.parametrize("kind", [SocketStream, OwnWrites])
async def test_an_error_of_a_write_is_logged_once_and_closes(
    kind: Make, caplog: pytest.LogCaptureFixture
) -> None:
    stream, peer = await alone(kind)
    await stream.write(b"x")
    fault = stream.fault = ValueError("torn cable")
    with pytest.raises(StreamClosedError) as error:
        await stream.write(b"y")
    assert error.value.real_error is stream.error is fault
    assert len(expect_log(caplog, "toolkit.general", "error on write.*torn cable")) == 1
    assert (await peer.receive_all()) == b"x"
    peer.close()


async def test_a_reset_of_an_own_stream_is_not_logged() -> None:
    """Peers go away at all times."""
    stream, peer = await alone(SocketStream)
    future = stream.read_bytes(1)
    for _ in range(5):
        await asyncio.sleep(0)
    peer.reset()
    with pytest.raises(StreamClosedError) as error:
        await future
    assert isinstance(error.value.real_error, ConnectionResetError)


async def test_a_closed_own_stream_leaves_its_number_to_others() -> None:
    """The loop watches it no more when the file is closed."""
    for how in ("close", "abort"):
        stream, peer = await alone(SocketStream)
        number = stream.socket.fileno()
        future = stream.read_bytes(1)
        written = stream.write(b"x" * TOO_MUCH)
        for _ in range(5):
            await asyncio.sleep(0)
        getattr(stream, how)()
        for waiting in (future, written):
            with pytest.raises(StreamClosedError):
                await waiting
        peer.close()
        await stream.wait_closed()
        with pytest.raises(OSError):
            os.fstat(number)
        ours, theirs = taking(number)
        left, right = IOStream(ours), IOStream(theirs)
        await left.write(b"fine")
        assert await right.read_bytes(4) == b"fine"
        left.close()
        right.close()


async def test_methods_that_a_program_does_not_give_say_so() -> None:
    stream = BaseIOStream()
    with pytest.raises(NotImplementedError):
        stream.fileno()
    with pytest.raises(NotImplementedError):
        stream.close_fd()
    with pytest.raises(NotImplementedError):
        stream.write_to_fd(memoryview(b"x"))
    with pytest.raises(NotImplementedError):
        stream.read_from_fd(bytearray(1))
    assert stream.get_fd_error() is None


# -- sockets of the program --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tcp", "socketpair", "blocking"])
async def test_a_socket_of_the_program_becomes_a_stream(kind: str) -> None:
    ours, theirs = connected_sockets() if kind == "tcp" else socket.socketpair()
    ours.setblocking(kind == "blocking")
    stream, peer = IOStream(ours), Peer(theirs)
    await stream.write(b"ping")
    assert await peer.receive(4) == b"ping"
    await peer.send(b"pong")
    assert await stream.read_bytes(4) == b"pong"
    assert stream.get_fd_error() is None
    number = stream.fileno()
    stream.close()
    await stream.wait_closed()
    with pytest.raises(OSError):
        os.fstat(number)
    peer.close()
