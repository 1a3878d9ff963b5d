"""`IOStream`: a stream over a connected socket, moved by a transport of the loop."""

import asyncio
import socket as sockets
from collections.abc import Callable
from typing import Any, Self, cast

from toolkit.concurrent import Future
from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.errors import StreamClosedError

#: Seconds in which the peer of a closed stream has to take more of what was written before.
CLOSE_TIMEOUT = 30.0


class IOStream(BaseIOStream, asyncio.Protocol):
    """A stream over a TCP or Unix socket.

    Example::

        stream = IOStream(socket.socket())
        await stream.connect(("127.0.0.1", 8000))
        await stream.write(b"ping\\n")
        answer = await stream.read_until(b"\\n", max_bytes=1000)
        stream.close()

    Args:
        socket: a stream socket, connected or about to be by `connect`; it belongs to the
            stream from now on.

    Attributes:
        socket: the socket, for its addresses and options; once connected it is the loop's
            view of it, which cannot be read or written.
    """

    def __init__(self, socket: sockets.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        socket.setblocking(False)
        self.socket = socket
        self._prepare(None)

    def _prepare(self, connected: Callable[[Any], None] | None) -> None:
        """Set what both ways to make a stream have in common."""
        self._transport: asyncio.Transport | None = None
        self._connected = connected
        self._early: list[bytes] = []  # written before there was a transport
        self._attaching: asyncio.Task[Any] | None = None
        self._connecting = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._lost = False

    @classmethod
    def incoming(
        cls,
        connected: Callable[[Self], None],
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
    ) -> Self:
        """Make a stream for a connection that a server's transport is about to bring.

        Args:
            connected: called with the stream as soon as it can be used.
        """
        stream = cls.__new__(cls)
        BaseIOStream.__init__(stream, max_buffer_size, read_chunk_size)
        stream._prepare(connected)
        return stream

    def connect(self: Self, address: Any, server_hostname: str | None = None) -> "Future[Self]":
        """Connect the socket; the future's result is the stream.

        Args:
            address: as `socket.socket.connect` takes it.
            server_hostname: taken for compatibility; it means something to TLS only.
        Raises:
            StreamClosedError: the connection failed; `real_error` says why.
        """
        self._connecting = True
        self._attaching = task = self._loop.create_task(self._connect(address))
        return cast("Future[Self]", task)

    async def _connect(self, address: Any) -> Self:
        try:
            await self._loop.sock_connect(self.socket, address)
        except OSError as error:
            self.close(exc_info=error)
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        self._connecting = False
        await self._attach()
        return self

    async def _attach(self) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self, self.socket)
        except OSError as error:
            self._gone(error)

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self.socket.fileno()

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport that moves the bytes; None before there is one."""
        return self._transport

    def set_nodelay(self, value: bool) -> None:
        if self.socket.family in (sockets.AF_INET, sockets.AF_INET6):
            self.socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, int(value))

    def write_nowait(self, data: bytes | bytearray | memoryview) -> None:
        # One call less on the way of every answer.
        if self._transport is None or self._closed or self.max_write_buffer_size is not None:
            super().write_nowait(data)
        else:
            self._transport.write(data)

    # -- for BaseIOStream ----------------------------------------------------------------

    def _start(self) -> None:
        if self._transport is None and self._attaching is None:
            self._attaching = self._loop.create_task(self._attach())

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(data)
        else:
            self._early.append(bytes(data))
            self._blocked = True
            self._start()

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def _unsent(self) -> int:
        if self._transport is None:
            return sum(map(len, self._early))
        return self._transport.get_write_buffer_size()

    def _watch_sending(self) -> None:
        # With these limits the loop says at once that it is writing, and later that the last
        # byte has left. Transports of TLS count from the limit on, others from above it.
        if self._transport is not None:
            tls = self._transport.get_extra_info("sslcontext") is not None
            self._transport.set_write_buffer_limits(high=int(tls))

    def _shut(self, abort: bool) -> None:
        transport = self._transport
        if self._lost:
            return
        if transport is None:
            self._shut_early(abort)
        elif abort:
            transport.abort()
        else:
            unsent = self._unsent()
            transport.close()
            if unsent:
                self._watch_close(unsent)

    def _shut_early(self, abort: bool) -> None:
        """Close a stream that has no transport yet."""
        attaching = self._attaching
        if self._early and not abort and not self._connecting:
            return  # `connection_made` sends what was written, and closes
        self._lost = True
        if attaching is not None and attaching is not asyncio.current_task(self._loop):
            attaching.cancel()
        self.socket.close()
        self._gone(self.error)

    def _watch_close(self, unsent: int) -> None:
        """Cut the peer off when it takes nothing of the last bytes for too long."""

        def check() -> None:
            left = self._unsent()
            if left < unsent:
                self._watch_close(left)
            elif self._transport is not None:
                self._transport.abort()

        self._close_timer = self._loop.call_later(CLOSE_TIMEOUT, check)

    # -- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        self.socket = transport.get_extra_info("socket")
        self._attaching = None
        early, self._early = self._early, []
        if early:
            # Not `writelines`, which on Python 3.12 and 3.13 says nothing of a full buffer.
            self._transport.write(b"".join(early))
            self._watch_sending()
            if not self._transport.get_write_buffer_size():
                self._write_ready()
        if self._closed:
            self._shut(abort=False)
            return
        if self._stopped:
            self._transport.pause_reading()
        connected, self._connected = self._connected, None
        if connected is not None:
            connected(self)

    data_received = BaseIOStream._received

    def eof_received(self) -> bool:
        """Keep the way out open: the peer may still wait for an answer; called by the loop.

        TLS has no half-closed connections, so there the loop closes.
        """
        self._received_eof()
        transport = self._transport
        return transport is not None and transport.can_write_eof()

    pause_writing = BaseIOStream._write_blocked

    def resume_writing(self) -> None:
        """Take note that what was written has left; called by the loop."""
        if self._transport is not None:
            self._transport.set_write_buffer_limits()
        self._write_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection is gone; called by the loop."""
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        self._lost = True
        self._transport = None
        self._gone(exc)
