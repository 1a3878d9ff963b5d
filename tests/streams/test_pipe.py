"""`PipeIOStream`: one end of a pipe, with the reads and writes of every stream."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from tests.streams.peers import closed, pattern, until, waiting_in_kernel
from toolkit.iostream import PipeIOStream, StreamClosedError

#: More bytes than a pipe of the kernel holds.
MUCH = 1_000_000


@pytest.fixture
async def pipe() -> AsyncIterator[tuple[PipeIOStream, PipeIOStream]]:
    """Give both ends of a pipe: the one that is read, and the one that is written."""
    read, write = os.pipe()
    ends = PipeIOStream(read), PipeIOStream(write)
    yield ends
    for end in ends:
        end.abort()


Pipe = tuple[PipeIOStream, PipeIOStream]


@pytest.mark.feature("A14")
async def test_each_kind_of_read_works_on_a_pipe(pipe: Pipe) -> None:
    source, sink = pipe
    await sink.write(b"line\nregex!bytes" + b"into")
    assert await source.read_until(b"\n") == b"line\n"
    assert await source.read_until_regex(b"[!?]") == b"regex!"
    assert await source.read_bytes(5) == b"bytes"
    target = bytearray(4)
    assert await source.read_into(target) == 4
    assert target == b"into"
    future = source.read_bytes(100, partial=True)
    await sink.write(b"late")
    assert await future == b"late"
    await sink.write(b"one\ntwo\nrest")
    sink.close()
    assert [line async for line in source] == [b"one\n", b"two\n", b"rest"]


async def test_much_goes_through_a_pipe(pipe: Pipe) -> None:
    source, sink = pipe
    written = sink.write(pattern(0, MUCH))
    assert not written.done()
    assert sink.unsent > 0
    assert await source.read_bytes(MUCH // 2) == pattern(0, MUCH // 2)
    target = bytearray(MUCH // 2)
    assert await source.read_into(target) == MUCH // 2
    assert target == pattern(MUCH // 2, MUCH // 2)
    await written
    assert sink.unsent == 0


async def test_a_write_that_the_reader_leaves_is_an_error(pipe: Pipe) -> None:
    source, sink = pipe
    written = sink.write(pattern(0, MUCH))
    source.close()
    with pytest.raises(StreamClosedError) as error:
        await written
    assert isinstance(error.value.real_error, BrokenPipeError)
    assert sink.closed()


async def test_the_end_of_the_writer_is_the_end_of_the_reader(pipe: Pipe) -> None:
    source, sink = pipe
    await sink.write(b"last words")
    sink.close()
    assert await source.read_bytes(4) == b"last"
    assert await source.read_until_close() == b" words"
    with pytest.raises(StreamClosedError) as error:
        await source.read_bytes(1)
    assert error.value.real_error is None
    await source.wait_closed()
    assert source.fd == sink.fd == -1


async def test_both_ends_hear_that_the_other_was_closed() -> None:
    for first in (0, 1):
        ends = [PipeIOStream(fd) for fd in os.pipe()]
        gone = asyncio.create_task(closed(ends[1 - first]))
        await asyncio.sleep(0)
        ends[first].close()
        await gone


async def test_close_sends_what_waits_to_the_reader(pipe: Pipe) -> None:
    source, sink = pipe
    sink.write_nowait(pattern(0, MUCH))
    sink.close()
    assert await source.read_until_close() == pattern(0, MUCH)
    await sink.wait_closed()


async def test_no_more_than_a_chunk_is_taken_while_nobody_reads() -> None:
    """So that a program may hand the pipe on, or leave bytes to others."""
    read, write = os.pipe()
    source = PipeIOStream(read, read_chunk_size=10)
    os.write(write, b"x" * 100)
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting_in_kernel(source) == 100
    assert await source.read_bytes(15) == b"x" * 15
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting_in_kernel(source) == 80
    os.close(write)
    assert await source.read_until_close() == b"x" * 85


async def test_a_cancelled_read_of_a_pipe_loses_no_bytes(pipe: Pipe) -> None:
    source, sink = pipe
    for size in (10, 100_000):
        future = asyncio.ensure_future(source.read_into(bytearray(size)))
        await asyncio.sleep(0)
        await sink.write(b"abc")
        await until(lambda: waiting_in_kernel(source) == 0)
        future.cancel()
        await sink.write(b"def")
        assert await source.read_bytes(6) == b"abcdef"


async def test_a_descriptor_that_is_none_is_an_error() -> None:
    with pytest.raises(OSError):
        PipeIOStream(999_999)
