"""Servers without sockets: connections in memory, for tests."""

import asyncio
from collections import deque
from typing import Any, Self, cast

from toolkit.httpclient import HTTPRequest
from toolkit.httpserver import HTTPServer
from toolkit.httputil import HTTPHeaders
from toolkit.iostream import IOStream
from toolkit.websocket import connect

#: As transports of asyncio have it: bytes that may wait before the writer is held up.
HIGH_WATER = 64 * 1024


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory.

    What is written comes to the protocol of the other end in a turn of the loop of its own, as
    it was cut, and waits while that end does not read.

    Args:
        extra: what `get_extra_info` tells.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = loop
        self._protocol: asyncio.Protocol | None = None
        self._peer: MemoryTransport | None = None
        self._incoming: deque[bytes] = deque()
        self._size = 0  # of what comes in
        self._scheduled = False
        self._paused = False
        self._high = HIGH_WATER
        self._blocked = False  # whether the protocol was told to pause
        self._closing = False
        self._ended = False  # whether no more is written
        self._lost = False

    @classmethod
    def pair(
        cls, loop: asyncio.AbstractEventLoop, addresses: tuple[Any, Any] = (("memory", 1), None)
    ) -> tuple[Self, Self]:
        """Return both ends of a connection.

        Args:
            addresses: of the ends.
        """
        ends = tuple(
            cls(loop, {"sockname": addresses[i], "peername": addresses[1 - i]}) for i in (0, 1)
        )
        ends[0]._peer, ends[1]._peer = ends[1], ends[0]
        return ends[0], ends[1]

    # -- asyncio.Transport ---------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol get what comes."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        """Say whether the transport is closed, or about to be."""
        return self._closing

    def is_reading(self) -> bool:
        """Say whether what comes is handed on."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Have what comes wait."""
        self._paused = True

    def resume_reading(self) -> None:
        """Hand on what comes."""
        self._paused = False
        self._schedule()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the other end has not taken."""
        return 0 if self._peer is None else self._peer._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return when the protocol is told to go on, and when to pause."""
        return self._high // 4, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how many bytes may wait before the protocol is told to pause."""
        self._high = HIGH_WATER if high is None else high
        self._check_blocked()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        peer = self._peer
        if self._ended:
            if self._closing:
                return  # as transports of asyncio do it
            raise RuntimeError("write after write_eof")
        if data and peer is not None:
            peer._incoming.append(bytes(data))
            peer._size += len(data)
            peer._schedule()
            self._check_blocked()

    def can_write_eof(self) -> bool:
        """Say that one direction can be ended alone."""
        return True

    def write_eof(self) -> None:
        """End this direction."""
        self._ended = True
        if self._peer is not None:
            self._peer._schedule()

    def close(self) -> None:
        """Close, once the other end has taken what was written."""
        if not self._closing:
            self._closing = self._ended = True
            self._incoming.clear()
            self._size = 0
            if self._peer is not None:
                self._peer._schedule()
                self._peer._check_blocked()
            self._close_if_sent()

    def abort(self) -> None:
        """Close at once; the other end gets a reset."""
        self._lose(None)
        peer = self._peer
        if peer is not None:
            peer._incoming.clear()
            peer._size = 0
            peer._lose(ConnectionResetError("the other end has aborted"))

    # -- between the ends ----------------------------------------------------------------

    def start(self, protocol: asyncio.Protocol) -> None:
        """Have a protocol use this end."""
        self._protocol = protocol
        protocol.connection_made(self)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and not self._lost:
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """Hand on the next piece, or the end."""
        self._scheduled = False
        if self._paused or self._closing or self._protocol is None or self._peer is None:
            return
        if self._incoming:
            data = self._incoming.popleft()
            self._size -= len(data)
            self._protocol.data_received(data)
            self._peer._check_blocked()
            self._schedule()
        elif self._peer._ended:
            peer = self._peer
            self._peer = None if peer._closing else peer
            if not self._protocol.eof_received() or peer._closing:
                self.close()
            peer._close_if_sent()

    def _check_blocked(self) -> None:
        """Tell the protocol to pause, or to go on."""
        size = self.get_write_buffer_size()
        if self._protocol is not None and not self._closing:
            if not self._blocked and size > self._high:
                self._blocked = True
                self._protocol.pause_writing()
            elif self._blocked and size <= self._high // 4:
                self._blocked = False
                self._protocol.resume_writing()
        self._close_if_sent()

    def _close_if_sent(self) -> None:
        if self._closing and not self.get_write_buffer_size():
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        self._closing = self._ended = True
        if not self._lost:
            self._lost = True
            if self._protocol is not None:
                self._loop.call_soon(self._protocol.connection_lost, error)


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
        self._port = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all connections at once."""
        await self.http_server.close_all_connections(0)

    def stream(self) -> IOStream:
        """Return a stream to the server."""
        loop = asyncio.get_running_loop()
        self._port += 1
        client_end, server_end = MemoryTransport.pair(
            loop, (("127.0.0.1", self._port), ("127.0.0.1", 80))
        )
        server_end.start(IOStream.incoming(self._serve))
        stream = IOStream.incoming(lambda _: None)
        client_end.start(stream)
        return stream

    def _serve(self, stream: IOStream) -> None:
        self.http_server.handle_stream(stream, stream.peer_address)

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
