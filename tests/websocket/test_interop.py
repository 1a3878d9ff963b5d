"""The `websockets` library's client and server talk to ours, with and without compression."""

import random
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.system.websocket_peers import MAX_MESSAGE_SIZE, serving
from toolkit.websocket import websocket_connect

#: What goes there and back.
MESSAGES: list[str | bytes] = [
    "",
    b"",
    "Hello",
    "κόσμε 😀" * 30,
    bytes(range(256)) * 20,
    "a text that repeats itself " * 5000,
    random.Random(1).randbytes(300_000),
    "Hello",
]

compression = pytest.mark.parametrize("compress", [False, True], ids=["plain", "deflate"])


@compression
async def test_their_client_talks_to_our_server(compress: bool) -> None:
    """Messages in one frame and in fragments, pings, and a Close with a reason."""
    async with serving() as url:
        theirs = connect(
            f"{url}/{'deflate' if compress else 'plain'}", max_size=MAX_MESSAGE_SIZE, proxy=None
        )
        async with theirs as connection:
            extensions = [str(extension) for extension in connection.protocol.extensions]
            assert bool(extensions) is compress
            for message in MESSAGES:
                await connection.send(message)
                assert await connection.recv() == message
            await connection.send(["in ", "frag", "ments " * 100])
            assert await connection.recv() == "in fragments " + "ments " * 99
            await (await connection.ping(b"there?"))
            await connection.close(3000, "enough")
        assert (connection.close_code, connection.close_reason) == (3000, "")


async def echo(connection: ServerConnection) -> None:
    """Send back each message, and ping meanwhile."""
    try:
        async for message in connection:
            pong = await connection.ping()
            await connection.send(message)
            await pong
    except ConnectionClosed:
        pass


@compression
async def test_our_client_talks_to_their_server(compress: bool) -> None:
    """The same from the other side; what their server closes with is seen."""
    how: dict[str, Any] = {"max_size": MAX_MESSAGE_SIZE}
    async with serve(echo, "127.0.0.1", 0, **how) as server:
        port = server.sockets[0].getsockname()[1]
        async with await websocket_connect(
            f"ws://127.0.0.1:{port}/", compression_options={} if compress else None
        ) as connection:
            assert connection.protocol is not None
            assert (connection.protocol.agreement.deflate is not None) is compress
            for message in MESSAGES:
                await connection.write_message(message, isinstance(message, bytes))
                assert await connection.read_message() == message
            server.close(code=1001, reason="going")
            assert await connection.read_message() is None
            assert (connection.close_code, connection.close_reason) == (1001, "going")
