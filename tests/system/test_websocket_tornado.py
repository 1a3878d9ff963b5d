"""Tornado's client and server talk to ours, with and without compression."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.programs import TIMEOUT, need
from tests.system.websocket_peers import serving
from toolkit.websocket import websocket_connect

pytestmark = pytest.mark.system

PEER = Path(__file__).parent / "tornado_peer.py"
PYTHON = Path(__file__).parents[2] / ".venv-tornado" / "bin" / "python"

MESSAGES: list[str | bytes] = ["", b"", "Hello", "κόσμε 😀" * 30, bytes(range(256)) * 2000]

compression = pytest.mark.parametrize("compress", [False, True], ids=["plain", "deflate"])


@contextlib.asynccontextmanager
async def tornado(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the peer, whose stdin ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *(need(str(PYTHON)), str(PEER), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            yield process
            await process.communicate(b"")  # the end of its stdin
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0


@compression
async def test_its_client_talks_to_our_server(compress: bool) -> None:
    """Text and bytes of all sizes, and a Close that is answered."""
    async with serving() as url, tornado(f"{url}/", "deflate" if compress else "plain") as process:
        assert process.stdout is not None
        right, extensions, end, code = json.loads(await process.stdout.readline())
    assert (right, end, code) == (8, None, 3000)
    assert extensions == ("permessage-deflate" if compress else "")


@compression
async def test_our_client_talks_to_its_server(compress: bool) -> None:
    """The same from the other side."""
    async with tornado("deflate" if compress else "plain") as process:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        connection = await websocket_connect(
            f"ws://127.0.0.1:{port}/", compression_options={} if compress else None
        )
        async with connection:
            assert connection.protocol is not None
            assert (connection.protocol.agreement.deflate is not None) is compress
            for message in MESSAGES:
                await connection.write_message(message, isinstance(message, bytes))
                assert await connection.read_message() == message
            connection.close(3000, "enough")
            assert await connection.read_message() is None
        assert connection.close_code == 3000
