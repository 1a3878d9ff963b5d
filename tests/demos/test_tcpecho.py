"""The echo server sends lines back, whatever way they come, until it is stopped."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from demos.tcpecho.__main__ import MAX_LINE
from tests.demos.process import SIGNALS, Demo, check_clean, running, serving

#: The demo chooses its loop by itself, so that the client's is the same to it.
one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """Run the demo for all tests of this module that do not end it."""
    with serving("tcpecho") as demo:
        yield demo


@contextlib.asynccontextmanager
async def connected(demo: Demo) -> AsyncIterator[Streams]:
    """Connect to the demo."""
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def echo(streams: Streams, line: bytes) -> bytes:
    """Send a line and return the one that comes back."""
    reader, writer = streams
    writer.write(line)
    return await reader.readline()


@one_loop
async def test_many_lines_come_back_in_order(demo: Demo) -> None:
    """Lines of all lengths up to the limit, sent while answers are read."""
    chance = random.Random(1)
    lengths = [0, 1, MAX_LINE - 1, *(chance.randrange(MAX_LINE) for _ in range(2000))]
    lines = [chance.randbytes(length).replace(b"\n", b"\t") + b"\n" for length in lengths]
    async with connected(demo) as (reader, writer):
        writer.writelines(lines)
        assert [await reader.readline() for _ in lines] == lines


@one_loop
async def test_a_line_may_come_in_pieces(demo: Demo) -> None:
    """Nothing comes back before the line's end is there."""
    async with connected(demo) as (reader, writer), connected(demo) as other:
        for piece in (b"p", b"ie", b"ces\nand", b" more\n"):
            writer.write(piece)
            # When the other connection was served, so was this one: the demo saw the piece.
            assert await echo(other, b"tick\n") == b"tick\n"
        assert await reader.readline() == b"pieces\n"
        assert await reader.readline() == b"and more\n"


@one_loop
async def test_lines_may_come_together(demo: Demo) -> None:
    """Empty ones among them, and ends of lines that other systems write."""
    data = b"a\n\nb\r\n\n\nc\n"
    async with connected(demo) as (reader, writer):
        writer.write(data)
        assert await reader.readexactly(len(data)) == data


@one_loop
async def test_lines_sent_before_the_client_shuts_its_way_come_back(demo: Demo) -> None:
    """All whole lines; then the server closes, and what has no end is left."""
    async with connected(demo) as (reader, writer):
        writer.write(b"a\nb\nrest")
        writer.write_eof()
        assert await reader.read() == b"a\nb\n"


@one_loop
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"x" * (MAX_LINE + 1), id="without an end"),
        pytest.param(b"x" * MAX_LINE + b"\n", id="with its end one byte too far"),
    ],
)
async def test_too_long_a_line_closes_its_connection_alone(demo: Demo, line: bytes) -> None:
    """The lines before it came back; another connection goes on."""
    async with connected(demo) as other:
        async with connected(demo) as (reader, writer):
            assert await echo((reader, writer), b"good\n") == b"good\n"
            writer.write(line)
            assert await reader.read() == b""
        assert await echo(other, b"still here\n") == b"still here\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it(number: signal.Signals) -> None:
    """It is a clean end, with a client connected in the middle of a line."""
    with running("tcpecho") as demo, demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(b"line\nand a half")
        assert stream.readline() == b"line\n"
        demo.signal(number)
        check_clean(demo.ended())
        assert stream.read() == b""
