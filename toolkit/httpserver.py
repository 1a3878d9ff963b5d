"""`HTTPServer`: serves an application over HTTP/1 on any number of sockets."""

import asyncio
import ssl
from dataclasses import replace
from typing import Any

from toolkit.http1connection import (
    Application,
    ConnectionContext,
    ServerConnection,
    ServerOptions,
)
from toolkit.ioloop import IOLoop
from toolkit.iostream import IOStream
from toolkit.log import app_log
from toolkit.tcpserver import TCPServer

#: The sweep comes at least this often, and never more often than the other, in seconds.
MAX_SWEEP, MIN_SWEEP = 1.0, 0.02


class HTTPServer(TCPServer):
    """An HTTP/1.1 server.

    Example::

        server = HTTPServer(application)
        server.listen(8888, "127.0.0.1")
        ...
        server.stop()
        await server.close_all_connections()

    Args:
        request_callback: a `web.Application`, or anything else with a method
            ``handle_exchange(exchange)`` that returns a coroutine.
        no_keep_alive: close each connection after one response.
        ssl_options: a context, to serve https.
        max_header_size: bytes of a request's head; 64 KiB when None.
        idle_connection_timeout: seconds that a connection may wait between requests; 60
            when None.
        header_timeout: seconds that a head may take from its first byte; 10 when None.
        body_timeout: seconds in which a body has to bring more bytes; 30 when None.
        write_timeout: seconds in which a client has to take more bytes; 30 when None.
        max_body_size: bytes of a request's content; 100 MiB when None.
        max_buffer_size: of the streams.
        chunk_size: bytes that may wait to be read.
    """

    def __init__(
        self,
        request_callback: Any,
        no_keep_alive: bool = False,
        ssl_options: ssl.SSLContext | None = None,
        *,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        idle_connection_timeout: float | None = None,
        header_timeout: float | None = None,
        body_timeout: float | None = None,
        write_timeout: float | None = None,
        max_body_size: int | None = None,
        max_buffer_size: int | None = None,
    ) -> None:
        super().__init__(ssl_options, max_buffer_size, chunk_size)
        handle = getattr(request_callback, "handle_exchange", None)
        if handle is None:
            raise TypeError(
                f"request_callback {request_callback!r}; an object with handle_exchange, such "
                "as a web.Application, is allowed"
            )
        self.request_callback = request_callback
        self._application: Application = handle
        self._options = _options(
            {
                "header_timeout": header_timeout,
                "idle_timeout": idle_connection_timeout,
                "body_timeout": body_timeout,
                "write_timeout": write_timeout,
            },
            {"head": max_header_size, "body": max_body_size},
            keep_alive=not no_keep_alive,
        )
        self._connections: set[ServerConnection] = set()
        self._empty = asyncio.Event()  # set while there is no connection
        self._empty.set()
        self._sweeper: asyncio.TimerHandle | None = None

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve one connection."""
        context = ConnectionContext(
            address,
            str(address[0]) if isinstance(address, tuple) else "",
            "https" if self.ssl_options is not None else "http",
        )
        connection = ServerConnection(
            stream, self._application, context, self._options, self._forget
        )
        self._connections.add(connection)
        self._empty.clear()
        if self._sweeper is None:
            self._schedule_sweep()
        connection.start()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Accept no more connections, and end the open ones as `close_all_connections` does.

        Args:
            timeout: seconds; None uses `shutdown_timeout`.
        """
        self.stop()
        await self.close_all_connections(self.shutdown_timeout if timeout is None else timeout)
        await super().shutdown(0)

    async def close_all_connections(self, timeout: float | None = None) -> None:
        """End all connections: idle ones at once, others after the answer under way.

        Args:
            timeout: seconds after which the rest is cut off and its handlers cancelled; None
                waits for them.
        """
        for connection in list(self._connections):
            connection.drain()
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._empty.wait()

    def _forget(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        if self._connections:
            return
        self._empty.set()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _schedule_sweep(self) -> None:
        interval = min(MAX_SWEEP, max(MIN_SWEEP, self._options.shortest_timeout / 4))
        loop = IOLoop.current().asyncio_loop
        self._sweeper = loop.call_later(interval, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look through all connections; one coarse timer spares one per request."""
        self._sweeper = None
        now = loop.time()
        for connection in list(self._connections):
            try:
                connection.sweep(now)
            except Exception:
                # The others have their time-outs whatever is wrong with this one.
                app_log.error("Uncaught exception in a sweep", exc_info=True)
                connection.abort()
        if self._connections:
            self._schedule_sweep()


def _options(
    times: dict[str, float | None], sizes: dict[str, int | None], keep_alive: bool
) -> ServerOptions:
    """Build the options from those that were given."""
    given_sizes = {name: size for name, size in sizes.items() if size is not None}
    given_times = {name: time for name, time in times.items() if time is not None}
    limits = replace(ServerOptions().limits, **given_sizes)
    return ServerOptions(limits, **given_times, keep_alive=keep_alive)
