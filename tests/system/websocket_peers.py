"""An echo server, and a client that echoes, for suites and programs that talk to them."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from toolkit.httpclient import HTTPRequest
from toolkit.httpserver import HTTPServer
from toolkit.testing import bind_unused_port
from toolkit.web import Application
from toolkit.websocket import WebSocketHandler, websocket_connect

#: Seconds for a suite to answer, which writes down what it saw meanwhile.
PATIENCE = 300.0
#: The largest message of the Autobahn suite has 16 MiB.
MAX_MESSAGE_SIZE = 32 * 1024 * 1024


class Echo(WebSocketHandler):
    """Sends each message back as it came, compressed if the client can have it so."""

    max_message_size = MAX_MESSAGE_SIZE

    def check_origin(self, origin: str) -> bool:
        """Let pages from anywhere talk to it."""
        return True

    def get_compression_options(self) -> dict[str, Any] | None:
        """Compress, but not for ``/plain``."""
        return None if self.request.path == "/plain" else {}

    async def on_message(self, message: str | bytes) -> None:
        """Send it back."""
        await self.write_message(message, isinstance(message, bytes))


def application() -> Application:
    """Return the server's application; it compresses everywhere but at ``/plain``."""
    return Application([("/.*", Echo)])


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Serve; give the URL without a path."""
    server = HTTPServer(application())
    socket, port = bind_unused_port()
    server.add_sockets([socket])
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        server.stop()
        await server.close_all_connections()


async def echo(url: str, compress: bool = True) -> list[str | bytes]:
    """Send back all that a server says, up to its end; return what that was."""
    seen: list[str | bytes] = []

    async def answer(message: str | bytes | None) -> None:
        if message is not None:
            seen.append(message)
            await connection.write_message(message, isinstance(message, bytes))

    connection = await websocket_connect(
        HTTPRequest(url, connect_timeout=PATIENCE, request_timeout=PATIENCE),
        on_message_callback=answer,
        compression_options={} if compress else None,
        max_message_size=MAX_MESSAGE_SIZE,
    )
    await connection.wait_closed()
    return seen
