"""Streams in memory are streams as others are, and misbehave as they are told."""

import asyncio
from typing import Any

import pytest

from tests.client.virtual import now, run
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.testing.memory_streams import HIGH_WATER, Faults, memory_streams

pytestmark = pytest.mark.feature("Q09")


async def test_what_one_writes_the_other_reads() -> None:
    """Both ways, in order, and up to the end."""
    client, server = memory_streams()
    await client.write(b"one\n")
    client.write_nowait(b"two")
    client.write_nowait(b"\n")
    assert await server.read_until(b"\n") == b"one\n"
    assert await server.read_until(b"\n") == b"two\n"
    await server.write(b"answer")
    server.close()
    assert await client.read_until_close() == b"answer"
    assert client.closed()
    await server.wait_closed()


async def test_a_direction_ends_by_itself() -> None:
    """The other goes on."""
    client, server = memory_streams()
    await client.write(b"question")
    client.write_eof()
    assert await server.read_bytes(8) == b"question"
    await server.write(b"answer")
    assert await client.read_bytes(6) == b"answer"
    with pytest.raises(StreamClosedError):
        await server.read_bytes(1)
    client.close()


async def test_a_reader_that_is_slow_has_the_writer_wait() -> None:
    """Nothing grows without a bound."""
    client, server = memory_streams(read_chunk_size=1024)
    size = 4 * HIGH_WATER
    writing = asyncio.ensure_future(client.write(b"x" * size))
    await asyncio.sleep(0)
    assert client.writing()
    buffer = bytearray(size)
    await server.read_into(buffer)
    await writing
    assert buffer == b"x" * size
    assert not client.writing()
    client.close()
    server.close()


async def test_who_writes_to_one_that_has_left_hears_of_it() -> None:
    """As from a kernel."""
    client, server = memory_streams()
    server.close()
    await server.wait_closed()
    client.write_nowait(b"x")
    await client.wait_closed()
    assert isinstance(client.error, BrokenPipeError)


async def test_an_abort_ends_both_directions() -> None:
    """What was not taken yet is lost."""
    client, server = memory_streams()
    client.write_nowait(b"lost")
    client.abort()
    with pytest.raises(StreamClosedError):
        await server.read_bytes(1)
    await asyncio.gather(client.wait_closed(), server.wait_closed())


async def pieces_of(stream: IOStream) -> list[bytes]:
    """Return what arrives at once, up to the end."""
    found: list[bytes] = []
    ended = asyncio.get_running_loop().create_future()

    def take(data: bytes) -> None:
        if data:
            found.append(data)
        elif not ended.done():
            ended.set_result(None)

    stream.set_close_callback(lambda: take(b""))
    stream.push_to(take)
    await ended
    return found


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(), [b"abcde", b"fg"]),
        (Faults(split=2), [b"ab", b"cd", b"e", b"fg"]),
        (Faults(split=1, end_after=3), [b"a", b"b", b"c"]),
        (Faults(end_after=6), [b"abcde", b"f"]),
        (Faults(end_after=0), []),
        (Faults(reset_after=4), [b"abcd"]),
        (Faults(reset_after=7), [b"abcde", b"fg"]),
    ],
    ids=str,
)
async def test_bytes_arrive_as_they_are_told(faults: Faults, expected: list[bytes]) -> None:
    """In small pieces, or not all of them."""
    client, server = memory_streams(to_client=faults)
    server.write_nowait(b"abcde")
    server.write_nowait(b"fg")
    server.write_eof()
    assert await pieces_of(client) == expected
    reset = faults.reset_after is not None
    assert isinstance(client.error, ConnectionResetError) is reset
    assert server.closed() is reset
    client.close()
    server.close()


def test_a_stall_is_no_end() -> None:
    """Whoever waits needs a time-out, even when the other end is long gone."""

    async def main() -> None:
        client, server = memory_streams(to_client=Faults(stall_after=3))
        server.write_nowait(b"abcde")
        assert await client.read_bytes(3) == b"abc"
        server.close()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await client.read_bytes(1)
        assert now() == 60
        client.close()

    run(main)


def test_pieces_can_take_their_time() -> None:
    """So many seconds between two."""

    async def main() -> None:
        client, server = memory_streams(to_client=Faults(split=1, pause=2.0))
        server.write_nowait(b"abc")
        assert await client.read_bytes(3) == b"abc"
        assert now() == 4
        client.close()
        server.close()

    run(main)


@pytest.mark.parametrize("options", [{"split": 0}, {"end_after": 1, "reset_after": 2}])
def test_faults_that_make_no_sense_are_errors(options: Any) -> None:
    """Where they are made."""
    with pytest.raises(ValueError):
        Faults(**options)
