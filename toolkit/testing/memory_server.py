"""Servers without sockets: connections in memory, for tests."""

from typing import Any, Self

from toolkit.httpclient import HTTPRequest
from toolkit.httpserver import HTTPServer
from toolkit.httputil import HTTPHeaders
from toolkit.iostream import IOStream
from toolkit.testing.memory_streams import memory_streams
from toolkit.websocket import connect


class MemoryServer:
    """An `HTTPServer` that is reached in memory, for tests without sockets.

    Example::

        async with MemoryServer(application) as server:
            async with server.websocket("/chat") as connection:
                await connection.write_message("hello")
                assert await connection.read_message() == "hello"

    Args:
        application: as of `HTTPServer`.
        options: of it.

    Attributes:
        http_server: it; ``await http_server.close_all_connections()`` is its graceful stop.
    """

    def __init__(self, application: Any, **options: Any) -> None:
        self.http_server = HTTPServer(application, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all connections at once."""
        await self.http_server.close_all_connections(0)

    def stream(self) -> IOStream:
        """Return a stream to the server."""
        client, server = memory_streams()
        self.http_server.handle_stream(server, server.peer_address)
        return client

    async def dial(self, _origin: object, _request: object) -> IOStream:
        """Connect to the server, whatever the request is for; a `toolkit.websocket` dials by it."""
        return self.stream()

    def websocket(
        self,
        target: str = "/",
        headers: dict[str, str] | HTTPHeaders | None = None,
        **options: Any,
    ) -> connect:
        """Return a `toolkit.websocket.connect` to a path of the server.

        Args:
            target: path and query.
            headers: of the handshake.
            options: as of `toolkit.websocket.connect`.
        """
        request = HTTPRequest(f"ws://memory{target}", headers=headers)
        return connect(request, dial=self.dial, **options)
