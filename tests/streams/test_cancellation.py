"""Reads that are cancelled at any moment lose, double and swap no bytes."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loops import FACTORIES
from tests.properties import examples
from tests.streams.peers import Peer, connected_sockets, pattern, until
from toolkit.iostream import IOStream, StreamClosedError

# -- a property --------------------------------------------------------------------------

#: How a read is ended before its time.
ENDS = ("never", "timeout of 0", "before data", "as data come", "after data", "failing group")


class Script:
    """One run: chunks come, reads begin and are cancelled, all as drawn.

    What the reads returned, in order, must be what was sent.
    """

    def __init__(self, stream: IOStream, peer: socket.socket, choices: random.Random) -> None:
        self.stream = stream
        self.peer = peer
        self.choices = choices
        self.sent = bytearray()
        self.got = bytearray()
        self.pieces: list[bytes] = []

    def feed(self) -> bool:
        """Send the next piece."""
        if not self.pieces:
            return False
        piece = self.pieces.pop()
        self.peer.sendall(piece)
        self.sent += piece
        return True

    async def read_into(self, size: int, partial: bool) -> bytes:
        target = bytearray(size)
        count = await self.stream.read_into(memoryview(target)[:], partial)
        return bytes(target[:count])

    def reads(self) -> list[Callable[[], Awaitable[bytes]]]:
        """Return the reads to choose from."""
        stream, choices = self.stream, self.choices
        size = choices.choice([1, 3, 40, 700])
        return [
            lambda: stream.read_bytes(size),
            lambda: stream.read_bytes(size, partial=True),
            lambda: stream.read_until(b"\n"),
            lambda: stream.read_until(b"\r\n"),
            lambda: stream.read_until_regex(rb"\n|a+"),
            lambda: self.read_into(size, False),
            lambda: self.read_into(size, True),
            lambda: self.read_into(20_000, False),
            lambda: self.read_into(20_000, True),
            lambda: next_line(stream),
        ]

    async def one(self) -> None:
        """Do one read, which keeps what it got; raises CancelledError if it was cancelled."""
        self.got += await self.choices.choice(self.reads())()

    async def turns(self) -> None:
        for _ in range(self.choices.randrange(4)):
            await asyncio.sleep(0)

    async def step(self, end: str) -> None:
        """Do one read that ends so."""
        if end == "timeout of 0":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await self.one()
            return
        if end == "failing group":
            with contextlib.suppress(BaseExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.one())
                    await self.turns()
                    self.feed()
                    await self.turns()
                    raise ZeroDivisionError
            return
        task = asyncio.create_task(self.one())
        await self.turns()
        if end != "before data":
            self.feed()
        if end == "as data come":
            # The read has its result, and the task has not run yet.
            for _ in range(8):
                if not self.stream.reading():
                    break
                await asyncio.sleep(0)
        elif end == "after data":
            await self.turns()
        elif end == "never":
            while not task.done() and self.feed():
                await self.turns()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def run(self, pieces: list[bytes], ends: list[str]) -> None:
        """Do the steps; in the end, what was not read has to be there still."""
        self.pieces = pieces[::-1]
        for end in ends:
            await self.step(end)
        while self.feed():
            pass
        self.peer.shutdown(socket.SHUT_WR)
        self.got += await self.stream.read_until_close()
        assert self.got == self.sent


async def next_line(stream: IOStream) -> bytes:
    """Read by `async for`."""
    async for line in stream:
        return line
    return b""


ALPHABET = b"\n\rab"


def pieces(choices: random.Random) -> list[bytes]:
    """Make pieces to send, of which a few are larger than a read."""
    sizes = [choices.choice([1, 1, 2, 5, 50, 1000, 30_000]) for _ in range(choices.randrange(12))]
    return [bytes(choices.choices(ALPHABET, [1, 1, 6, 6], k=size)) for size in sizes]


async def play(seed: int, ends: list[str]) -> None:
    """Play one script over a new pair of sockets."""
    choices = random.Random(seed)
    ours, theirs = socket.socketpair()
    stream = IOStream(ours)
    try:
        await Script(stream, theirs, choices).run(pieces(choices), ends)
    finally:
        theirs.close()
        stream.abort()
        await stream.wait_closed()


def test_whatever_is_cancelled_all_that_was_sent_is_read(loop_name: str) -> None:
    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:

        @settings(
            max_examples=examples(500),
            derandomize=True,
            database=None,
            deadline=None,
            print_blob=False,
        )
        @given(st.integers(0, 2**32), st.lists(st.sampled_from(ENDS), max_size=8))
        def check(seed: int, ends: list[str]) -> None:
            async def bounded() -> None:
                async with asyncio.timeout(10):
                    await play(seed, ends)

            runner.run(bounded())

        check()


# -- the same in slow motion -------------------------------------------------------------

Pair = tuple[IOStream, Peer]


@contextlib.contextmanager
def pair() -> Iterator[Pair]:
    """Give a stream and its peer."""
    ours, theirs = connected_sockets()
    stream, peer = IOStream(ours), Peer(theirs)
    try:
        yield stream, peer
    finally:
        peer.close()
        stream.abort()


async def into(stream: IOStream, size: int, offset: int) -> bytes:
    """Read into a part of a buffer."""
    target = bytearray(b"." * (size + offset))
    await stream.read_into(memoryview(target)[offset:])
    return bytes(target[offset:])


WHOLE: dict[str, tuple[Callable[[IOStream], Awaitable[bytes]], bytes]] = {
    "read_bytes": (lambda stream: stream.read_bytes(4), b"abc\n"),
    "partial": (lambda stream: stream.read_bytes(9, partial=True), b"abc\n"),
    "read_until": (lambda stream: stream.read_until(b"\n"), b"abc\n"),
    "read_until_regex": (lambda stream: stream.read_until_regex(b"\n"), b"abc\n"),
    "async for": (next_line, b"abc\n"),
    "read_into": (lambda stream: into(stream, 4, 0), b"abc\n"),
    "read_into a part": (lambda stream: into(stream, 4, 3), b"abc\n"),
    "read_into in place": (lambda stream: into(stream, 20_000, 0), pattern(0, 20_000)),
    "read_into a part in place": (lambda stream: into(stream, 20_000, 5), pattern(0, 20_000)),
}
each_whole = pytest.mark.parametrize(("read", "data"), WHOLE.values(), ids=WHOLE)


@each_whole
async def test_a_task_cancelled_when_its_bytes_have_just_come_gives_them_back(
    read: Callable[[IOStream], Awaitable[bytes]], data: bytes
) -> None:
    """Its future is done then, and only the task has not run."""
    with pair() as (stream, peer):

        async def reader() -> bytes:
            return await read(stream)

        task = asyncio.create_task(reader())
        await until(stream.reading)
        await peer.send(data)
        await until(lambda: not stream.reading())
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await peer.send(b"more")
        assert await stream.read_bytes(len(data) + 4) == data + b"more"


@each_whole
async def test_a_task_group_that_fails_when_the_bytes_come_gives_them_back(
    read: Callable[[IOStream], Awaitable[bytes]], data: bytes
) -> None:
    with pair() as (stream, peer):

        async def reader() -> None:
            await read(stream)

        async def group_that_fails() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(reader())
                await until(stream.reading)
                await peer.send(data)
                await until(lambda: not stream.reading())
                raise ZeroDivisionError

        with pytest.raises(ExceptionGroup):
            await group_that_fails()
        await peer.send(b"more")
        assert await stream.read_bytes(len(data) + 4) == data + b"more"


@each_whole
async def test_a_read_with_no_time_at_all_takes_what_is_there_or_nothing(
    read: Callable[[IOStream], Awaitable[bytes]], data: bytes
) -> None:
    with pair() as (stream, peer):
        got = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                got = await read(stream)
        await peer.send(data)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                got += await read(stream)
        rest = len(data) - len(got)
        assert got + await stream.read_bytes(rest) == data


@pytest.mark.parametrize("size", [100, 100_000], ids=["copied", "in place"])
async def test_what_a_cancelled_read_into_had_got_is_read_next(size: int) -> None:
    """By the very next call, before the loop has turned; and the buffer is free."""
    with pair() as (stream, peer):
        await peer.send(b".")
        await stream.read_bytes(1)
        target = bytearray(size)
        future = asyncio.ensure_future(stream.read_into(target))
        await peer.send_apart([b"abc", b"def"], stream)
        future.cancel()
        following = stream.read_bytes(9)
        await peer.send(b"ghi")
        assert await following == b"abcdefghi"
        target.clear()


async def test_wait_for_gives_up_a_read_and_loses_nothing() -> None:
    with pair() as (stream, peer):
        await peer.send(b"abc")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read_until(b"\n"), 0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read_into(bytearray(50_000)), 0.01)
        await peer.send(b"d\n")
        assert await stream.read_until(b"\n") == b"abcd\n"


async def test_a_cancelled_read_for_one_task_leaves_the_stream_to_the_next() -> None:
    with pair() as (stream, peer):
        lock = asyncio.Lock()
        got: list[bytes] = []

        async def reader() -> None:
            async with lock:
                got.append(await stream.read_until(b"\n"))

        tasks = [asyncio.create_task(reader()) for _ in range(3)]
        await until(stream.reading)
        await peer.send(b"one\n")
        await until(lambda: not stream.reading())
        tasks[0].cancel()
        await peer.send(b"two\n")
        await asyncio.gather(*tasks, return_exceptions=True)
        assert got == [b"one\n", b"two\n"]


async def test_a_cancelled_read_hears_nothing_of_an_end_that_the_next_one_hears() -> None:
    with pair() as (stream, peer):
        task = asyncio.create_task(next_line(stream))
        await until(stream.reading)
        task.cancel()
        peer.close()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(StreamClosedError):
            await stream.read_bytes(1)
