"""`IOStream`: reads of every kind, writes that wait, limits, and the ways a stream ends."""

import asyncio
import contextlib
import os
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.loops import expect_log
from tests.streams.peers import (
    KERNEL_BUFFER,
    TOO_MUCH,
    Pairs,
    Peer,
    connected_sockets,
    pattern,
    silent,
    taking,
    until,
    waiting_in_kernel,
)
from toolkit.iostream import (
    IOStream,
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
    base,
)
from toolkit.netutil import bind_unix_socket

Read = Callable[[IOStream], Awaitable[Any]]

#: Bytes that a stream may have taken from the kernel beyond `read_chunk_size` when it stops:
#: what one call to receive gives, which is at most 256 KiB on both loops.
ONE_RECEIVE = 256 * 1024


@pytest.fixture
async def pairs() -> AsyncIterator[Pairs]:
    """Give a maker of pairs of a stream and its peer."""
    pairs = Pairs()
    yield pairs
    pairs.close()


@pytest.fixture
async def pair(pairs: Pairs) -> tuple[IOStream, Peer]:
    """Give a stream and its peer."""
    return pairs()


Pair = tuple[IOStream, Peer]


async def closed(stream: IOStream) -> None:
    """Wait until a stream is closed."""
    event = asyncio.Event()
    stream.set_close_callback(event.set)
    await event.wait()
    assert stream.closed()


async def begin(stream: IOStream, peer: Peer) -> None:
    """Have a stream take from the kernel what comes, which the first read that waits begins."""
    future = stream.read_bytes(1)
    await peer.send(b".")
    assert await future == b"."


async def perform(function: Callable[..., Awaitable[Any]], *args: object) -> Any:
    """Call and await a method of a stream, for a task to do."""
    return await function(*args)


async def read_into(stream: IOStream, size: int, partial: bool = False) -> bytes:
    """Read by `read_into`, and return what it put into a buffer of `size` bytes."""
    target = bytearray(b"." * size)
    count = await stream.read_into(target, partial=partial)
    assert target[count:] == b"." * (size - count)
    return bytes(target[:count])


#: Each kind of read, with what it takes from "one\r\ntwo" and what it leaves.
READS: dict[str, tuple[Read, bytes]] = {
    "read_bytes": (lambda stream: stream.read_bytes(4), b"one\r"),
    "read_bytes of all": (lambda stream: stream.read_bytes(8), b"one\r\ntwo"),
    "read_into": (lambda stream: read_into(stream, 4), b"one\r"),
    "read_until": (lambda stream: stream.read_until(b"\r\n"), b"one\r\n"),
    "read_until at the end": (lambda stream: stream.read_until(b"two"), b"one\r\ntwo"),
    "read_until_regex": (lambda stream: stream.read_until_regex(b"\r?\n"), b"one\r\n"),
    "read_until_regex inside": (lambda stream: stream.read_until_regex(b"[ws]"), b"one\r\ntw"),
}
WHOLE = b"one\r\ntwo"

each_read = pytest.mark.parametrize(("read", "expected"), READS.values(), ids=READS)


# -- reading -----------------------------------------------------------------------------


@each_read
async def test_a_read_takes_what_came_before_it(pair: Pair, read: Read, expected: bytes) -> None:
    stream, peer = pair
    await peer.send(WHOLE)
    assert await read(stream) == expected
    rest = len(WHOLE) - len(expected)
    assert await stream.read_bytes(rest) == WHOLE[len(expected) :]


@each_read
async def test_a_read_waits_for_its_pieces(pair: Pair, read: Read, expected: bytes) -> None:
    """However what comes is cut."""
    stream, peer = pair
    for cut in range(len(WHOLE) + 1):
        future = asyncio.ensure_future(read(stream))
        await asyncio.sleep(0)
        await peer.send_apart([WHOLE[:cut], WHOLE[cut:]], stream)
        assert await future == expected
        rest = len(WHOLE) - len(expected)
        assert await stream.read_bytes(rest) == WHOLE[len(expected) :]


@each_read
async def test_a_read_takes_single_bytes(pair: Pair, read: Read, expected: bytes) -> None:
    stream, peer = pair
    future = asyncio.ensure_future(read(stream))
    await asyncio.sleep(0)
    await peer.send_apart([bytes([byte]) for byte in WHOLE], stream)
    assert await future == expected
    rest = len(WHOLE) - len(expected)
    assert await stream.read_bytes(rest) == WHOLE[len(expected) :]


async def test_a_read_of_no_bytes_does_not_wait(pair: Pair) -> None:
    stream, peer = pair
    assert await stream.read_bytes(0) == b""
    assert await stream.read_into(bytearray()) == 0
    await peer.send(b"a")
    assert await stream.read_bytes(1) == b"a"
    assert await stream.read_bytes(0) == b""


async def test_read_until_a_long_delimiter_finds_it_across_every_cut(pair: Pair) -> None:
    """Also where a part of it has come before, as a false start."""
    stream, peer = pair
    delimiter = b"--end--"
    data = b"x--en--end--"
    for cut in range(len(data) + 1):
        future = stream.read_until(delimiter)
        await peer.send_apart([data[:cut], data[cut:]], stream)
        assert await future == data


async def test_reads_follow_one_another_out_of_one_chunk(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"a\nbb\nccc")
    assert await stream.read_until(b"\n") == b"a\n"
    assert await stream.read_until_regex(b"\n") == b"bb\n"
    assert await stream.read_bytes(1) == b"c"
    assert await read_into(stream, 1) == b"c"
    assert await stream.read_bytes(1) == b"c"


async def test_a_partial_read_returns_as_soon_as_there_is_something(pair: Pair) -> None:
    stream, peer = pair
    future = stream.read_bytes(100, partial=True)
    await peer.send(b"abc")
    assert await future == b"abc"
    await peer.send(b"defgh")
    assert await stream.read_bytes(3, partial=True) == b"def"
    assert await stream.read_bytes(2) == b"gh"


async def test_read_into_fills_the_buffer_of_the_caller(pair: Pair) -> None:
    """Wholly, or with `partial` as far as it goes; what does not fit stays."""
    stream, peer = pair
    target = bytearray(b"......")
    await peer.send(b"abcdefgh")
    assert await stream.read_into(target) == 6
    assert target == b"abcdef"
    assert await stream.read_into(memoryview(target)[2:], partial=True) == 2
    assert target == b"abghef"
    future = stream.read_into(target, partial=True)
    await peer.send(b"i")
    assert await future == 1
    assert target == b"ibghef"


async def test_read_into_takes_a_view_of_other_items_than_bytes(pair: Pair) -> None:
    stream, peer = pair
    target = memoryview(bytearray(8)).cast("I")
    await peer.send(b"abcdefgh")
    assert await stream.read_into(target) == 8
    assert target.tobytes() == b"abcdefgh"


async def test_much_data_is_read_whole_and_in_order(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    size = 1_000_000
    sending = asyncio.create_task(peer.send(pattern(0, size)))
    read = 0
    while read < size:
        data = await stream.read_bytes(min(77_777, size - read))
        assert data == pattern(read, len(data))
        read += len(data)
    await sending


async def test_reading_tells_whether_a_read_waits(pair: Pair) -> None:
    stream, peer = pair
    assert not stream.reading()
    future = stream.read_bytes(1)
    assert stream.reading()
    await peer.send(b"a")
    await future
    assert not stream.reading()


async def test_two_reads_at_once_are_an_error(pair: Pair) -> None:
    """And the first one goes on."""
    stream, peer = pair
    future = stream.read_bytes(1)
    for read, _ in READS.values():
        with pytest.raises(AssertionError, match="Already reading"):
            await read(stream)
    with pytest.raises(AssertionError, match="Already reading"):
        await stream.read_until_close()
    await peer.send(b"a")
    assert await future == b"a"


async def test_a_bad_pattern_is_an_error_and_no_read(pair: Pair) -> None:
    stream, peer = pair
    with pytest.raises(Exception, match="unterminated"):
        await stream.read_until_regex(b"[")
    await peer.send(b"a")
    assert await stream.read_bytes(1) == b"a"


@pytest.mark.parametrize("after", [0, 3], ids=["before the data", "amid the data"])
async def test_a_cancelled_read_loses_no_bytes(pair: Pair, after: int) -> None:
    stream, peer = pair
    data = b"abcdef"
    task = asyncio.create_task(perform(stream.read_bytes, 6))
    await asyncio.sleep(0)
    if after:
        await peer.send_apart([data[:after]], stream)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not stream.reading()
    await peer.send_apart([data[after:]], stream)
    assert await stream.read_bytes(6) == data


async def test_a_read_that_timed_out_loses_no_bytes(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"abc")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.read_until(b"\n")
    await peer.send(b"d\n")
    assert await stream.read_until(b"\n") == b"abcd\n"


# -- limits of reading -------------------------------------------------------------------


LIMITED: dict[str, Callable[[IOStream, int], Awaitable[bytes]]] = {
    "read_until": lambda stream, limit: stream.read_until(b"\n", max_bytes=limit),
    "read_until_regex": lambda stream, limit: stream.read_until_regex(b"\n", max_bytes=limit),
}
each_limited = pytest.mark.parametrize("read", LIMITED.values(), ids=LIMITED)


@pytest.mark.feature("A10")
@each_limited
@pytest.mark.parametrize("data", [b"abcdef", b"abcde\n"], ids=["no match", "match too late"])
@pytest.mark.parametrize("before", [True, False], ids=["data first", "read first"])
async def test_a_read_that_passes_max_bytes_closes_the_stream(
    pair: Pair, read: Callable[[IOStream, int], Awaitable[bytes]], data: bytes, before: bool
) -> None:
    stream, peer = pair
    await begin(stream, peer)
    if before:
        await peer.send_apart([data], stream)
    task = asyncio.create_task(perform(read, stream, 5))
    await asyncio.sleep(0)
    if not before:
        await peer.send(data)
    with pytest.raises(StreamClosedError) as error:
        await task
    assert isinstance(error.value.real_error, UnsatisfiableReadError)
    assert stream.error is error.value.real_error
    assert stream.closed()
    assert await peer.receive_all() == b""


@each_limited
async def test_a_match_just_within_max_bytes_is_read(
    pair: Pair, read: Callable[[IOStream, int], Awaitable[bytes]]
) -> None:
    stream, peer = pair
    await peer.send(b"abcd\nmore and more")
    assert await read(stream, 5) == b"abcd\n"
    assert not stream.closed()


@each_limited
async def test_max_bytes_is_not_passed_by_as_many_bytes_without_a_match(
    pair: Pair, read: Callable[[IOStream, int], Awaitable[bytes]]
) -> None:
    """The sixth could not help, but the limit is on the bytes that came."""
    stream, peer = pair
    future = read(stream, 5)
    await peer.send_apart([b"abcde"], stream)
    assert not stream.closed()
    await peer.send(b"f")
    with pytest.raises(StreamClosedError):
        await future


async def test_more_than_max_buffer_size_closes_the_stream(
    pairs: Pairs, caplog: pytest.LogCaptureFixture
) -> None:
    stream, peer = pairs(small=True, max_buffer_size=10_000)
    sending = asyncio.create_task(peer.send(b"x" * TOO_MUCH))
    with pytest.raises(StreamClosedError) as error:
        await stream.read_until(b"\n")
    assert isinstance(error.value.real_error, StreamBufferFullError)
    expect_log(caplog, "toolkit.general", "Reached maximum read buffer size")
    with pytest.raises(OSError):
        await sending


async def test_a_read_of_just_max_buffer_size_succeeds(pairs: Pairs) -> None:
    stream, peer = pairs(max_buffer_size=10_000)
    await peer.send(pattern(0, 10_000))
    assert await stream.read_bytes(10_000) == pattern(0, 10_000)


async def test_the_peer_has_to_wait_while_nobody_reads(pairs: Pairs) -> None:
    """What the stream took stays bounded, and none of it is lost."""
    stream, peer = pairs(small=True)
    future = stream.read_bytes(1)
    sent = await peer.fill(limit=10 * TOO_MUCH)
    assert await future == pattern(0, 1)
    # Both buffers of the kernel, which doubles what it is told, and our own.
    assert sent < 4 * KERNEL_BUFFER * 2 + stream.read_chunk_size + ONE_RECEIVE
    peer.end()
    assert await stream.read_until_close() == pattern(1, sent - 1)


async def test_the_peer_goes_on_when_somebody_reads_again(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    read = 0
    sent = 0
    for _ in range(3):
        future = stream.read_bytes(1)
        sending = asyncio.create_task(peer.send(pattern(sent, 1_000_000)))
        sent += 1_000_000
        assert await future == pattern(read, 1)
        read += 1
        data = await stream.read_bytes(sent - read)
        assert data == pattern(read, sent - read)
        read = sent
        await sending


async def test_a_small_read_chunk_size_stops_the_peer_early(pairs: Pairs) -> None:
    stream, peer = pairs(read_chunk_size=10)
    await peer.send(b"abc")
    assert await stream.read_bytes(1) == b"a"
    await peer.send_apart([b"x" * 10], stream)
    await peer.send(b"y" * 10)
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting_in_kernel(stream) == 10
    assert await stream.read_bytes(22) == b"bc" + b"x" * 10 + b"y" * 10


async def test_a_chunk_of_which_enough_is_left_over_stops_the_peer(pairs: Pairs) -> None:
    stream, peer = pairs(read_chunk_size=10)
    first = stream.read_bytes(1)
    await peer.send_apart([b"a" + b"x" * 10], stream)
    await peer.send(b"y" * 10)
    assert await first == b"a"
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting_in_kernel(stream) == 10
    assert await stream.read_bytes(20) == b"x" * 10 + b"y" * 10


# -- the end of what comes ---------------------------------------------------------------


async def test_what_came_can_be_read_after_the_end(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"a\nbcdefghi")
    peer.close()
    assert await stream.read_until(b"\n") == b"a\n"
    assert await stream.read_bytes(2) == b"bc"
    assert await read_into(stream, 2) == b"de"
    assert await stream.read_until_regex(b"f") == b"f"
    assert await stream.read_bytes(100, partial=True) == b"ghi"
    with pytest.raises(StreamClosedError) as error:
        await stream.read_bytes(1)
    assert error.value.real_error is None
    assert stream.closed()


async def test_what_came_can_be_read_after_the_stream_is_closed(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"abc")
    assert await stream.read_bytes(1) == b"a"
    stream.close()
    assert await stream.read_bytes(1) == b"b"
    assert await stream.read_until_close() == b"c"
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1)


UNMET: dict[str, Read] = {
    "read_bytes": lambda stream: stream.read_bytes(4),
    "read_into": lambda stream: stream.read_into(bytearray(4)),
    "read_until": lambda stream: stream.read_until(b"\n"),
    "read_until_regex": lambda stream: stream.read_until_regex(b"\n"),
}
each_unmet = pytest.mark.parametrize("read", UNMET.values(), ids=UNMET)


@each_unmet
@pytest.mark.parametrize("before", [True, False], ids=["end first", "read first"])
async def test_a_read_that_the_end_leaves_unmet_is_an_error(
    pair: Pair, read: Read, before: bool
) -> None:
    stream, peer = pair
    await begin(stream, peer)
    await peer.send_apart([b"abc"], stream)
    if before:
        peer.close()
        await asyncio.sleep(0)
    task = asyncio.create_task(perform(read, stream))
    await asyncio.sleep(0)
    if not before:
        peer.close()
    with pytest.raises(StreamClosedError) as error:
        await task
    assert error.value.real_error is None
    assert stream.closed()


async def test_what_an_unmet_read_left_can_still_be_read(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"abc")
    peer.close()
    with pytest.raises(StreamClosedError):
        await stream.read_until(b"\n")
    assert await stream.read_bytes(3) == b"abc"


async def test_a_partial_read_is_met_by_what_came_at_the_end(pair: Pair) -> None:
    stream, peer = pair
    future = stream.read_bytes(100, partial=True)
    await peer.send(b"abc")
    peer.close()
    assert await future == b"abc"
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(100, partial=True)


async def test_read_until_close_returns_all_that_came(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"abc")
    assert await stream.read_bytes(1) == b"a"
    future = stream.read_until_close()
    await peer.send_apart([b"def", b"ghi"], stream)
    assert not future.done()  # type: ignore[attr-defined]  # a Future all the same
    peer.close()
    assert await future == b"bcdefghi"
    assert stream.closed()


async def test_read_until_close_returns_nothing_when_nothing_came(pair: Pair) -> None:
    stream, peer = pair
    peer.close()
    assert await stream.read_until_close() == b""
    assert await stream.read_until_close() == b""


async def test_read_until_close_ends_when_we_close(pair: Pair) -> None:
    stream, peer = pair
    future = stream.read_until_close()
    await peer.send_apart([b"abc"], stream)
    stream.close()
    assert await future == b"abc"


async def test_a_connection_reset_is_the_real_error(pair: Pair) -> None:
    stream, peer = pair
    future = stream.read_bytes(1)
    await asyncio.sleep(0)
    peer.reset()
    with pytest.raises(StreamClosedError) as error:
        await future
    assert isinstance(error.value.real_error, ConnectionResetError)
    assert stream.error is error.value.real_error
    with pytest.raises(StreamClosedError) as again:
        await stream.write(b"x")
    assert again.value.real_error is stream.error


@each_unmet
async def test_a_read_that_waits_when_we_close_is_an_error(pair: Pair, read: Read) -> None:
    stream, _ = pair
    future = read(stream)
    stream.close()
    with pytest.raises(StreamClosedError):
        await future


@pytest.mark.parametrize("parts", [1, 2], ids=["request and end at once", "end later"])
async def test_a_peer_that_sends_no_more_still_gets_the_answer(pair: Pair, parts: int) -> None:
    """Such as `printf ... | nc`: it shuts its side down and waits."""
    stream, peer = pair
    request = stream.read_until(b"\n")
    await peer.send(b"ping\n")
    if parts == 1:
        peer.end()
    assert await request == b"ping\n"
    if parts == 2:
        peer.end()
    # The end is there when the answer is not made yet.
    for _ in range(5):
        await asyncio.sleep(0)
    await stream.write(b"pong\n")
    stream.close()
    assert await peer.receive_all() == b"pong\n"


async def test_a_peer_that_sends_no_more_can_still_be_read_and_answered(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"one\ntwo\n")
    peer.end()
    assert await stream.read_until(b"\n") == b"one\n"
    await stream.write(b"1")
    assert await stream.read_until(b"\n") == b"two\n"
    await stream.write(b"2")
    with pytest.raises(StreamClosedError):
        await stream.read_until(b"\n")
    assert await peer.receive_all() == b"12"


# -- push mode ---------------------------------------------------------------------------


async def test_push_mode_hands_on_each_chunk_and_the_end(pair: Pair) -> None:
    stream, peer = pair
    seen: list[bytes] = []
    stream.push_to(seen.append)
    await peer.send_apart([b"a", b"bc"], stream)
    peer.end()
    await until(lambda: seen[-1:] == [b""])
    assert b"".join(seen) == b"abc"
    assert not stream.closed()
    await stream.write(b"answer")
    stream.close()
    assert await peer.receive_all() == b"answer"


async def test_push_mode_begins_with_what_was_not_read(pair: Pair) -> None:
    stream, peer = pair
    seen: list[bytes] = []
    await peer.send(b"line\nmore")
    assert await stream.read_until(b"\n") == b"line\n"
    await until(lambda: waiting_in_kernel(stream) == 0)
    stream.push_to(seen.append)
    assert seen == [b"more"]


async def test_push_mode_begins_with_an_end_that_came_before(pair: Pair) -> None:
    stream, peer = pair
    seen: list[bytes] = []
    await peer.send(b"line\nmore")
    peer.end()
    assert await stream.read_until(b"\n") == b"line\n"
    for _ in range(20):
        await asyncio.sleep(0)
    stream.push_to(seen.append)
    await until(lambda: seen == [b"more", b""])
    assert not stream.closed()


async def test_push_mode_begins_after_many_unread_bytes(pairs: Pairs) -> None:
    """The peer had to wait for a reader, and need not wait any longer."""
    stream, peer = pairs(small=True)
    seen = bytearray()
    future = stream.read_bytes(1)
    sending = asyncio.create_task(peer.send(pattern(0, TOO_MUCH)))
    await future
    for _ in range(100):
        await asyncio.sleep(0)
    stream.push_to(seen.extend)
    await sending
    await until(lambda: len(seen) == TOO_MUCH - 1)
    assert seen == pattern(1, TOO_MUCH - 1)


async def test_reads_are_an_error_in_push_mode_and_work_after_it(pair: Pair) -> None:
    stream, peer = pair
    seen: list[bytes] = []
    stream.push_to(seen.append)
    with pytest.raises(AssertionError, match="Already reading"):
        stream.read_bytes(1)
    await peer.send_apart([b"pushed"], stream)
    stream.push_to(None)
    await peer.send(b"read")
    assert await stream.read_bytes(4) == b"read"
    assert seen == [b"pushed"]


async def test_a_consumer_can_leave_push_mode_and_put_bytes_back(pair: Pair) -> None:
    """As for an upgrade: what follows the head belongs to somebody else."""
    stream, peer = pair
    left = asyncio.Event()

    def consumer(data: bytes) -> None:
        stream.push_to(None)
        stream.unread(data.partition(b"\n")[2])
        left.set()

    stream.push_to(consumer)
    await peer.send(b"head\nrest")
    await left.wait()
    await peer.send(b" and more")
    assert await stream.read_until(b"more") == b"rest and more"


async def test_unread_bytes_satisfy_the_read_that_waits(pair: Pair) -> None:
    stream, peer = pair
    await begin(stream, peer)
    line = stream.read_until(b"\n")
    stream.unread(b"ab\nc")
    assert (await line, await stream.read_bytes(1)) == (b"ab\n", b"c")


async def test_unread_bytes_are_read_first(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"cd")
    assert await stream.read_bytes(1) == b"c"
    stream.unread(b"abc")
    assert await stream.read_bytes(4) == b"abcd"


async def test_no_chunk_comes_while_reading_is_paused(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    seen = bytearray()
    stream.push_to(seen.extend)
    await peer.send_apart([b"first"], stream)
    stream.pause_reading()
    stream.pause_reading()
    before = len(seen)
    sent = await peer.fill(limit=10 * TOO_MUCH)
    assert sent < 4 * KERNEL_BUFFER * 2
    assert len(seen) == before == 5
    stream.resume_reading()
    stream.resume_reading()
    await until(lambda: len(seen) == 5 + sent)
    assert seen == b"first" + pattern(0, sent)


async def test_reading_can_be_paused_before_it_begins(pair: Pair) -> None:
    stream, peer = pair
    seen: list[bytes] = []
    stream.pause_reading()
    stream.push_to(seen.append)
    await peer.send(b"abc")
    for _ in range(20):
        await asyncio.sleep(0)
    assert seen == []
    stream.resume_reading()
    await until(lambda: seen == [b"abc"])


async def test_pause_and_resume_of_a_closed_stream_do_nothing(pair: Pair) -> None:
    stream, peer = pair
    await begin(stream, peer)
    stream.close()
    stream.pause_reading()
    stream.resume_reading()


# -- connecting --------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[socket.socket]:
    """Give a socket that listens on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


async def accept(listener: socket.socket) -> Peer:
    """Accept one connection."""
    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
    return Peer(sock)


async def test_connect_returns_the_stream() -> None:
    async with listening() as listener:
        stream = IOStream(socket.socket())
        assert await stream.connect(listener.getsockname()) is stream
        peer = await accept(listener)
        assert stream.socket.getpeername() == listener.getsockname()
        assert stream.fileno() == stream.socket.fileno() >= 0
        await stream.write(b"ping")
        assert await peer.receive(4) == b"ping"
        await peer.send(b"pong")
        assert await stream.read_bytes(4) == b"pong"
        stream.close()
        assert await peer.receive_all() == b""
        peer.close()


async def test_what_is_written_before_the_connection_is_sent_when_it_is_there() -> None:
    async with listening() as listener:
        stream = IOStream(socket.socket())
        connecting = stream.connect(listener.getsockname())
        written = stream.write(b"early ")
        buffer = bytearray(b"bird")
        stream.write_nowait(buffer)
        buffer[:] = b"????"
        assert stream.writing()
        assert stream.unsent == 10
        await connecting
        await written
        peer = await accept(listener)
        assert await peer.receive(10) == b"early bird"
        assert not stream.writing()
        assert stream.unsent == 0
        stream.close()
        peer.close()


async def test_a_refused_connection_has_its_reason_in_real_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        stream = IOStream(socket.socket())
        called = asyncio.Event()
        stream.set_close_callback(called.set)
        with pytest.raises(StreamClosedError) as error:
            await stream.connect(unused.getsockname())
    assert isinstance(error.value.real_error, ConnectionRefusedError)
    assert stream.error is error.value.real_error
    assert stream.closed()
    await called.wait()


async def test_what_waits_for_a_connection_that_is_refused_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        stream = IOStream(socket.socket())
        connecting = stream.connect(unused.getsockname())
        reading = stream.read_bytes(1)
        written = stream.write(b"x")
        for waiting in (connecting, reading, written):
            with pytest.raises(StreamClosedError) as error:
                await waiting
            assert isinstance(error.value.real_error, ConnectionRefusedError)


async def test_a_stream_can_be_closed_while_it_connects() -> None:
    async with listening() as listener:
        stream = IOStream(socket.socket())
        connecting = stream.connect(listener.getsockname())
        reading = stream.read_bytes(1)
        stream.close()
        assert stream.closed()
        with pytest.raises(StreamClosedError):
            await reading
        with pytest.raises((StreamClosedError, asyncio.CancelledError)):
            await connecting


async def test_a_connected_socket_needs_no_connect(pair: Pair) -> None:
    stream, peer = pair
    assert not stream.closed()
    await stream.write(b"ping")
    assert await peer.receive(4) == b"ping"


async def test_an_unused_stream_can_be_closed() -> None:
    ours, theirs = connected_sockets()
    peer = Peer(theirs)
    stream = IOStream(ours)
    stream.close()
    assert stream.closed()
    assert await peer.receive_all() == b""
    peer.close()


@pytest.mark.parametrize("kind", ["path", "abstract"])
async def test_unix_sockets_work_as_tcp_ones(tmp_path: Path, kind: str) -> None:
    name = str(tmp_path / "s") if kind == "path" else f"\0toolkit-{os.getpid()}-{id(tmp_path)}"
    listener = bind_unix_socket(name)
    stream = IOStream(socket.socket(socket.AF_UNIX))
    await stream.connect(name)
    peer = await accept(listener)
    await stream.write(b"ping")
    assert await peer.receive(4) == b"ping"
    await peer.send(b"pong")
    assert await stream.read_bytes(4) == b"pong"
    stream.set_nodelay(True)  # means nothing here, and does no harm
    peer.close()
    assert await stream.read_until_close() == b""
    listener.close()


async def test_a_missing_unix_socket_is_the_real_error(tmp_path: Path) -> None:
    stream = IOStream(socket.socket(socket.AF_UNIX))
    with pytest.raises(StreamClosedError) as error:
        await stream.connect(str(tmp_path / "missing"))
    assert isinstance(error.value.real_error, FileNotFoundError)


async def test_set_nodelay_sets_the_option_of_the_socket(pair: Pair) -> None:
    stream, peer = pair
    await begin(stream, peer)
    for value in (True, False, True):
        stream.set_nodelay(value)
        assert bool(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is value


# -- writing -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_writes_of_every_kind_of_bytes_arrive_in_order(
    pair: Pair, kind: Callable[[bytes], bytes]
) -> None:
    stream, peer = pair
    for piece in (b"one", b"", b"two", b"three"):
        await stream.write(kind(piece))
    stream.close()
    assert await peer.receive_all() == b"onetwothree"


async def test_a_buffer_may_be_changed_after_its_write(pairs: Pairs) -> None:
    """Also when the bytes have to wait."""
    stream, peer = pairs(small=True)
    buffer = bytearray(pattern(0, TOO_MUCH))
    written = stream.write(buffer)
    assert not written.done()
    buffer[:] = bytes(len(buffer))
    assert await peer.receive(TOO_MUCH) == pattern(0, TOO_MUCH)
    await written


async def test_a_write_is_done_only_when_all_has_left(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    written = stream.write(pattern(0, TOO_MUCH))
    assert stream.writing()
    received = await peer.receive(TOO_MUCH // 2)
    assert not written.done()
    assert 0 < stream.unsent <= TOO_MUCH // 2
    received += await peer.receive(TOO_MUCH // 2)
    await written
    assert received == pattern(0, TOO_MUCH)
    assert not stream.writing()
    assert stream.unsent == 0


@pytest.mark.feature("A12")
async def test_write_waits_for_the_flush_and_refuses_what_passes_the_limit(pairs: Pairs) -> None:
    stream, peer = pairs(small=True, max_write_buffer_size=TOO_MUCH)
    written = asyncio.create_task(perform(stream.write, pattern(0, TOO_MUCH)))
    await until(stream.writing)
    before = stream.unsent
    with pytest.raises(StreamBufferFullError):
        await stream.write(b"x" * TOO_MUCH)
    with pytest.raises(StreamBufferFullError):
        stream.write_nowait(b"x" * TOO_MUCH)
    assert stream.unsent == before
    assert not stream.closed()
    assert not written.done()
    assert await peer.receive(TOO_MUCH) == pattern(0, TOO_MUCH)
    await written
    assert stream.unsent == 0
    # What was refused left no trace, and there is room again.
    await stream.write(b"end")
    stream.close()
    assert await peer.receive_all() == b"end"


async def test_one_write_larger_than_the_limit_is_refused(pairs: Pairs) -> None:
    stream, peer = pairs(max_write_buffer_size=10)
    with pytest.raises(StreamBufferFullError):
        stream.write(b"x" * 11)
    await stream.write(b"y" * 10)
    stream.close()
    assert await peer.receive_all() == b"y" * 10


async def test_several_writes_may_wait_at_once(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    futures = [stream.write(pattern(index * 1_000_000, 1_000_000)) for index in range(5)]
    assert await peer.receive(5_000_000) == pattern(0, 5_000_000)
    await asyncio.gather(*futures)


async def test_a_cancelled_write_is_sent_all_the_same(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    written = stream.write(pattern(0, TOO_MUCH))
    written.cancel()
    assert await peer.receive(TOO_MUCH) == pattern(0, TOO_MUCH)
    await stream.write(b"more")
    assert await peer.receive(4) == b"more"


async def test_a_cancelled_write_cancels_no_other(pairs: Pairs) -> None:
    """Writes that need not wait may share a future, which is done already."""
    stream, peer = pairs()
    await stream.write(b"a")
    stream.write(b"b").cancel()
    await stream.write(b"c")
    assert await peer.receive(3) == b"abc"


async def test_drained_waits_for_what_was_written(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    await stream.drained()
    stream.write_nowait(pattern(0, TOO_MUCH))
    drained = asyncio.create_task(stream.drained())
    received = await peer.receive(TOO_MUCH // 2)
    assert not drained.done()
    received += await peer.receive(TOO_MUCH // 2)
    await drained
    assert received == pattern(0, TOO_MUCH)


async def test_what_waits_to_be_sent_fails_when_the_peer_resets(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    written = stream.write(b"x" * TOO_MUCH)
    drained = asyncio.create_task(stream.drained())
    await peer.receive(1)
    peer.reset()
    for waiting in (written, drained):
        with pytest.raises(StreamClosedError) as error:
            await waiting
        assert isinstance(error.value.real_error, (ConnectionResetError, BrokenPipeError))
    assert stream.closed()
    assert not stream.writing()


async def test_a_write_after_the_end_is_an_error(pair: Pair) -> None:
    stream, _ = pair
    stream.close()
    with pytest.raises(StreamClosedError):
        stream.write(b"x")
    with pytest.raises(StreamClosedError):
        stream.write_nowait(b"x")
    with pytest.raises(StreamClosedError):
        stream.write(b"")


async def test_reading_and_writing_go_on_at_once(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)

    async def echo() -> None:
        left = TOO_MUCH
        while left:
            data = await stream.read_bytes(min(left, 100_000), partial=True)
            left -= len(data)
            await stream.write(data)

    echoing = asyncio.create_task(echo())
    sending = asyncio.create_task(peer.send(pattern(0, TOO_MUCH)))
    assert await peer.receive(TOO_MUCH) == pattern(0, TOO_MUCH)
    await asyncio.gather(echoing, sending)


# -- closing -----------------------------------------------------------------------------


async def test_close_sends_what_was_written(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    await begin(stream, peer)
    written = stream.write(pattern(0, TOO_MUCH))
    stream.close()
    assert stream.closed()
    assert await peer.receive_all() == pattern(0, TOO_MUCH)
    with contextlib.suppress(StreamClosedError):
        await written


async def test_close_sends_what_was_written_just_before_it(pair: Pair) -> None:
    """Although the stream has not begun to move bytes yet."""
    stream, peer = pair
    stream.write_nowait(b"last words")
    stream.close()
    assert await peer.receive_all() == b"last words"


async def test_close_again_keeps_the_first_error(pair: Pair) -> None:
    stream, _ = pair
    error = ValueError("first")
    stream.close(exc_info=error)
    stream.close(exc_info=ValueError("second"))
    stream.close()
    assert stream.error is error


async def test_close_takes_an_error_in_every_form(pairs: Pairs) -> None:
    """As Tornado does: an exception, True inside of a handler, or what `sys.exc_info` returns."""
    error = ValueError()
    for form in (error, True, (ValueError, error, None)):
        stream, _ = pairs()
        try:
            raise error
        except ValueError:
            stream.close(exc_info=form)
        assert stream.error is error
        with pytest.raises(StreamClosedError) as raised:
            await stream.read_bytes(1)
        assert raised.value.real_error is error
    stream, _ = pairs()
    stream.close()
    assert stream.error is None


async def test_abort_loses_what_was_not_sent(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    written = stream.write(b"x" * TOO_MUCH)
    await peer.receive(1)
    stream.abort()
    assert stream.closed()
    with pytest.raises(StreamClosedError):
        await written
    received = 0
    with contextlib.suppress(ConnectionResetError):
        received = len(await peer.receive_all())
    assert received < TOO_MUCH // 2


async def test_abort_after_close_cuts_off_what_close_would_send(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    await begin(stream, peer)
    stream.write_nowait(b"x" * TOO_MUCH)
    stream.close()
    await peer.receive(1)
    stream.abort()
    received = 0
    with contextlib.suppress(ConnectionResetError):
        received = len(await peer.receive_all())
    assert received < TOO_MUCH // 2


async def test_abort_of_a_stream_that_is_gone_does_nothing(pairs: Pairs) -> None:
    """Also when its last bytes left after it was closed."""
    stream, peer = pairs(small=True)
    await begin(stream, peer)
    stream.write_nowait(pattern(0, TOO_MUCH))
    stream.close()
    assert await peer.receive_all() == pattern(0, TOO_MUCH)
    peer.close()
    for _ in range(5):
        await asyncio.sleep(0)
    stream.abort()
    stream.close()
    assert stream.error is None


async def test_a_peer_that_takes_nothing_cannot_keep_a_closed_stream(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "CLOSE_TIMEOUT", 0.01)
    stream, peer = pairs(small=True)
    await begin(stream, peer)
    written = stream.write(b"x" * TOO_MUCH)
    stream.close()
    with pytest.raises(StreamClosedError):
        await written
    await stream.wait_closed()
    # What the kernel had taken still comes, and nothing after it.
    assert 0 < len(await peer.receive_all()) < TOO_MUCH // 2


async def test_the_close_callback_is_called_once(pair: Pair) -> None:
    """Not inside of `close`, and not again when the connection is gone."""
    stream, peer = pair
    calls: list[bool] = []
    stream.set_close_callback(lambda: calls.append(stream.closed()))
    stream.close()
    assert calls == []
    assert await peer.receive_all() == b""
    stream.close()
    stream.abort()
    for _ in range(5):
        await asyncio.sleep(0)
    assert calls == [True]


async def test_a_close_callback_that_comes_late_is_called(pair: Pair) -> None:
    stream, _ = pair
    stream.close()
    await closed(stream)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_the_close_callback_tells_that_the_peer_is_gone(pair: Pair, how: str) -> None:
    stream, peer = pair
    await peer.send(b"x")
    assert await stream.read_bytes(1) == b"x"
    getattr(peer, how)()
    await closed(stream)


async def test_the_close_callback_can_be_cleared(pair: Pair) -> None:
    stream, _ = pair
    stream.set_close_callback(pytest.fail)  # type: ignore[arg-type]
    stream.set_close_callback(None)
    stream.close()
    stream.set_close_callback(None)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_error_in_the_close_callback_is_logged(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    stream, _ = pair

    def fail() -> None:
        raise ZeroDivisionError

    stream.set_close_callback(fail)
    stream.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    expect_log(caplog, "toolkit.application", "Exception in close callback")


async def test_a_waiting_read_hears_of_the_end_before_the_close_callback(pair: Pair) -> None:
    stream, peer = pair
    future = stream.read_until_close()
    order: list[str] = []

    async def read() -> None:
        order.append((await future).decode())

    reading = asyncio.create_task(read())
    stream.set_close_callback(lambda: order.append("closed"))
    await peer.send(b"data")
    peer.close()
    await reading
    await until(lambda: len(order) == 2)
    assert sorted(order) == ["closed", "data"]


async def test_a_closed_stream_is_not_kept_alive(pairs: Pairs) -> None:
    """Neither by the loop nor by itself, once its connection is gone."""
    ours, theirs = connected_sockets()
    peer = Peer(theirs)
    stream = IOStream(ours)
    await stream.write(b"x")
    peer.close()
    await closed(stream)
    left = weakref.ref(stream)
    del stream
    # Garbage collection is not to be waited for; the loop may need a turn or two.
    await until(lambda: left() is None)


# -- lines, and streams as contexts ------------------------------------------------------


async def lines(stream: IOStream) -> list[bytes]:
    """Read all lines."""
    return [line async for line in stream]


@pytest.mark.parametrize(
    "sent", [b"", b"one", b"one\n", b"one\ntwo", b"\n\none\r\ntwo\n\n", b"x" * 300_000 + b"\nend"]
)
async def test_a_stream_gives_its_lines(pair: Pair, sent: bytes) -> None:
    """Each with its LF, which the last one may lack."""
    stream, peer = pair
    reading = asyncio.create_task(lines(stream))
    await peer.send(sent)
    peer.close()
    assert await reading == [line for line in sent.replace(b"\n", b"\n\0").split(b"\0") if line]
    assert stream.closed()
    assert await lines(stream) == []


async def test_lines_that_came_before_the_end_are_given_after_it(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"one\ntwo\nthree")
    peer.end()
    async for line in stream:
        assert line == b"one\n"
        break
    await stream.write(b"answer")
    assert await lines(stream) == [b"two\n", b"three"]
    assert await peer.receive_all() == b"answer"


async def test_lines_cut_off_by_a_reset_are_an_error(pair: Pair) -> None:
    stream, peer = pair
    got: list[bytes] = []

    async def read() -> None:
        async for line in stream:
            got.append(line)

    reading = asyncio.create_task(read())
    await peer.send(b"one\n")
    await until(lambda: got == [b"one\n"])
    peer.reset()
    with pytest.raises(StreamClosedError) as error:
        await reading
    assert isinstance(error.value.real_error, ConnectionResetError)
    assert got == [b"one\n"]


async def test_leaving_a_stream_waits_until_all_has_left(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)

    async def send() -> None:
        async with stream as entered:
            assert entered is stream
            stream.write_nowait(pattern(0, TOO_MUCH))

    sending = asyncio.create_task(send())
    received = await peer.receive(TOO_MUCH // 2)
    assert stream.closed()
    assert not sending.done()
    received += await peer.receive_all()
    assert received == pattern(0, TOO_MUCH)
    await sending
    assert stream.fileno() == -1


async def test_leaving_a_stream_by_an_error_waits_for_nobody(pairs: Pairs) -> None:
    """But what was written is still sent to a peer that takes it."""
    stream, peer = pairs(small=True)

    async def fail() -> None:
        async with stream:
            stream.write_nowait(pattern(0, TOO_MUCH))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert stream.closed()
    assert await peer.receive_all() == pattern(0, TOO_MUCH)
    await stream.wait_closed()


async def test_leaving_a_stream_that_never_moved_a_byte_closes_it(pair: Pair) -> None:
    stream, peer = pair
    async with stream:
        pass
    assert stream.closed()
    assert await peer.receive_all() == b""


async def test_several_may_wait_for_the_end_and_one_may_give_up(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    await begin(stream, peer)
    stream.write_nowait(pattern(0, TOO_MUCH))
    stream.close()
    waiting = [asyncio.create_task(stream.wait_closed()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    assert not waiting[0].done()
    await peer.receive_all()
    await asyncio.gather(waiting[0], waiting[2])
    assert waiting[1].cancelled()
    await stream.wait_closed()


async def test_close_fails_who_waits_to_write_and_sends_all_the_same(pairs: Pairs) -> None:
    stream, peer = pairs(small=True)
    written = [stream.write(pattern(0, TOO_MUCH)), stream.write(pattern(TOO_MUCH, 1000))]
    drained = asyncio.create_task(stream.drained())
    await asyncio.sleep(0)
    stream.close()
    for waiting in (*written, drained):
        with pytest.raises(StreamClosedError) as error:
            await waiting
        assert error.value.real_error is None
    assert await peer.receive_all() == pattern(0, TOO_MUCH + 1000)


# -- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize("address", [("127.0.0.1", 99_999), ("127.0.0.1",), None])
async def test_an_address_that_is_none_fails_connect(address: Any) -> None:
    """And nobody waits for ever."""
    stream = IOStream(socket.socket())
    with pytest.raises((StreamClosedError, TypeError, ValueError, OverflowError)):
        await stream.connect(address)
    stream.close()
    await stream.wait_closed()


async def test_a_size_below_zero_is_an_error_and_no_read(pair: Pair) -> None:
    stream, peer = pair
    await peer.send(b"abc")
    assert await stream.read_bytes(1) == b"a"
    with pytest.raises(ValueError, match="-1"):
        await stream.read_bytes(-1)
    assert not stream.reading()
    assert await stream.read_bytes(2) == b"bc"


async def test_a_cancelled_connect_closes_the_socket() -> None:
    async with listening() as listener:
        stream = IOStream(socket.socket())
        connecting = asyncio.ensure_future(stream.connect(listener.getsockname()))
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await stream.wait_closed()
        assert stream.closed()
        with pytest.raises(StreamClosedError):
            await stream.read_bytes(1)


@pytest.mark.parametrize("end", ["close", "cancel"])
async def test_nothing_watches_a_socket_closed_while_it_connects(end: str) -> None:
    """The number of the file may belong to another one by then."""
    with silent() as address:
        stream = IOStream(sock := socket.socket())
        number = sock.fileno()
        connecting = stream.connect(address)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not connecting.done()
        if end == "close":
            stream.close()
        else:
            connecting.cancel()
        with pytest.raises((asyncio.CancelledError, StreamClosedError)):
            await connecting
        await stream.wait_closed()
        left, right = taking(number)
        other, peer = IOStream(left), Peer(right)
        future = other.read_bytes(4)
        await peer.send(b"fine")
        assert await future == b"fine"
        other.close()
        peer.close()


async def test_an_unconnected_socket_cannot_be_read_or_written() -> None:
    for act in (lambda stream: stream.read_bytes(1), lambda stream: stream.write(b"x")):
        stream = IOStream(socket.socket())
        with pytest.raises(StreamClosedError) as error:
            await act(stream)
        assert isinstance(error.value.real_error, OSError)
