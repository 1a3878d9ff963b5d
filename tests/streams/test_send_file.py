"""`IOStream.send_file`: a file goes out as it is, by the kernel where there is no TLS."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.streams.peers import Pairs, client_context, pattern, server_context, until
from toolkit.iostream import IOStream, SSLIOStream, StreamClosedError, sending

SIZE = 3_000_000
CONTENT = pattern(0, SIZE)


@pytest.fixture
async def pairs() -> AsyncIterator[Pairs]:
    """Make streams with peers, closed at the end."""
    pairs = Pairs()
    yield pairs
    pairs.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """Return the descriptor of a file that holds `CONTENT`."""
    (tmp_path / "file").write_bytes(CONTENT)
    number = os.open(tmp_path / "file", os.O_RDWR)
    yield number
    os.close(number)


class OwnStream(IOStream):
    """A stream that sends by a method of its own."""

    def write_to_fd(self, data: memoryview) -> int:
        return super().write_to_fd(data)


@pytest.fixture(params=["kernel", "no sendfile", "before anything else", "own stream"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a way that a file can take."""
    if request.param == "no sendfile":
        monkeypatch.setattr(sending, "_sendfile", None)
    return str(request.param)


@pytest.mark.parametrize(
    ("offset", "count", "sent"),
    [(0, SIZE, SIZE), (1000, 2_000_000, 2_000_000), (SIZE - 5, 100, 5), (SIZE, 1, 0), (0, 0, 0)],
)
async def test_a_file_goes_between_what_is_written(
    pairs: Pairs, file: int, way: str, offset: int, count: int, sent: int
) -> None:
    stream, peer = pairs(small=True)
    before = b"before" * 100_000
    if way == "own stream":
        stream = OwnStream(stream.socket)
    if way == "before anything else":
        before = b""
    receiving = asyncio.create_task(peer.receive(len(before) + sent + 5))
    if before:
        stream.write_nowait(before)
    assert await stream.send_file(file, offset, count) == sent
    assert os.lseek(file, 0, os.SEEK_CUR) == 0
    await stream.write(b"after")
    assert await receiving == before + CONTENT[offset : offset + sent] + b"after"
    stream.close()


async def test_others_have_their_turn_while_a_file_goes(pairs: Pairs, file: int) -> None:
    stream, peer = pairs()
    await stream.write(b"begin")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    receiving = asyncio.create_task(peer.receive(5 + SIZE))
    await stream.send_file(file, 0, SIZE)
    counting.cancel()
    assert turns > 1
    assert (await receiving)[5:] == CONTENT


@pytest.mark.parametrize("end", ["close", "abort", "peer", "cancel"])
async def test_a_file_that_waits_ends_with_its_stream(pairs: Pairs, file: int, end: str) -> None:
    """Nothing is left of it: no descriptor, and no watch for one."""
    stream, peer = pairs(small=True)
    await stream.write(b"begin")
    opened = len(os.listdir("/proc/self/fd"))
    sending = asyncio.create_task(stream.send_file(file, 0, SIZE))
    await until(lambda: 0 < stream.unsent < SIZE)
    assert not stream.transport or not stream.transport.get_write_buffer_size()
    expected: Any = StreamClosedError
    if end == "cancel":
        sending.cancel()
        expected = asyncio.CancelledError
    elif end == "peer":
        peer.close()
    else:
        getattr(stream, end)()
    with pytest.raises(expected):
        await sending
    assert stream.unsent == 0
    if end == "cancel":
        assert len(os.listdir("/proc/self/fd")) == opened
    else:
        assert stream.closed()


async def test_a_file_that_gets_shorter_ends_early(pairs: Pairs, file: int) -> None:
    stream, peer = pairs(small=True)
    await stream.write(b"begin")
    sending = asyncio.create_task(stream.send_file(file, 0, SIZE))
    await until(lambda: 0 < stream.unsent < SIZE)
    os.ftruncate(file, 2_000_000)
    received = await peer.receive(5 + 2_000_000)
    assert await sending == 2_000_000
    assert received[5:] == CONTENT[:2_000_000]


async def test_a_closed_stream_sends_no_file(pairs: Pairs, file: int) -> None:
    stream, _ = pairs()
    stream.close()
    with pytest.raises(StreamClosedError):
        await stream.send_file(file, 0, SIZE)


async def test_over_tls_a_file_is_sent_as_secret_as_all(pairs: Pairs, file: int) -> None:
    left, right = pairs()
    plain = IOStream(right.socket.dup())
    server, client = await asyncio.gather(
        plain.start_tls(True, server_context()),
        left.start_tls(False, client_context(), server_hostname="localhost"),
    )
    assert isinstance(client, SSLIOStream)
    sending = asyncio.create_task(server.send_file(file, 0, SIZE))
    assert await client.read_bytes(SIZE) == CONTENT
    assert await sending == SIZE
    for stream in (server, client):
        stream.close()
        await stream.wait_closed()
