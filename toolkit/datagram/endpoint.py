"""`DatagramEndpoint`: datagrams over UDP and Unix sockets, with the manners of a stream."""

import asyncio
import errno
import socket as sockets
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

from toolkit.concurrent import Future
from toolkit.datagram.opening import UnixPath, bound_udp, bound_unix, connected_udp, connected_unix
from toolkit.iostream import StreamBufferFullError, StreamClosedError
from toolkit.log import gen_log

#: Most bytes of a datagram of UDP, by family: 65535, less the headers that count with them.
MAX_UDP_SIZES = {sockets.AF_INET: 65535 - 20 - 8, sockets.AF_INET6: 65535 - 8}

#: Bytes that the name of a Unix socket has room for.
UNIX_NAME_SIZE = 108

#: Datagrams and bytes that may wait to be received. A socket of Linux itself keeps some 200 KiB.
DEFAULT_MAX_QUEUE = 1024
DEFAULT_MAX_QUEUE_BYTES = 1024 * 1024
#: Bytes that may wait to be sent before `send` refuses more.
DEFAULT_MAX_UNSENT = 1024 * 1024

#: The bytes, and the address of the other side as the system has it.
Datagram = tuple[bytes, Any]


class _Transport(asyncio.DatagramTransport, asyncio.WriteTransport):
    """What the loops' transports for datagrams are, though asyncio does not say so."""


class DatagramEndpoint(asyncio.DatagramProtocol):
    """A socket that sends and receives datagrams, each of them whole or not at all.

    Example::

        async with await DatagramEndpoint.bind(5353, "127.0.0.1") as endpoint:
            async for data, address in endpoint:
                await endpoint.send(data.upper(), address)

        async with await DatagramEndpoint.connect("127.0.0.1", 5353) as endpoint:
            await endpoint.send(b"ping")
            answer, _ = await endpoint.receive()

    What arrives while too much waits to be received is dropped, and counted; what waits is
    kept. Nothing tells the sender: datagrams have no flow control.

    Args:
        socket: a datagram socket, bound or connected; it belongs to the endpoint from now on.
        max_queue: datagrams that may wait to be received.
        max_queue_bytes: bytes of them. One datagram may always wait.
        max_unsent: bytes that may wait to be sent. One datagram may always wait.

    Attributes:
        socket: for its addresses and options.
        dropped: how many datagrams came while too much waited.
    """

    def __init__(
        self,
        socket: sockets.socket,
        max_queue: int = DEFAULT_MAX_QUEUE,
        max_queue_bytes: int = DEFAULT_MAX_QUEUE_BYTES,
        max_unsent: int = DEFAULT_MAX_UNSENT,
    ) -> None:
        if max_queue < 1:
            raise ValueError(f"max_queue {max_queue}; 1 or more is allowed")
        self.socket = socket
        self.dropped = 0
        self._max_queue = max_queue
        self._max_queue_bytes = max_queue_bytes
        self._max_unsent = max_unsent
        self._max_size = MAX_UDP_SIZES.get(sockets.AddressFamily(socket.family))
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Datagram] = deque()
        self._queued_bytes = 0
        self._receivers: deque[Future[None]] = deque()
        self._error: OSError | None = None  # of the peer or the network, and not told yet
        self._connected = _is_connected(socket)
        self._sending = False  # inside of a call of the transport
        self._blocked = False  # whether bytes wait to be sent
        self._senders: list[Future[None]] = []
        self._sent: Future[None] = self._loop.create_future()  # that of sends that need not wait
        self._sent.set_result(None)
        self._transport: _Transport | None = None
        self._closed = False
        self._close_reason: BaseException | None = None
        self._gone: Future[None] = self._loop.create_future()

    # -- making one ----------------------------------------------------------------------

    @classmethod
    async def bind(
        cls,
        port: int,
        address: str | None = None,
        family: sockets.AddressFamily = sockets.AF_UNSPEC,
        *,
        reuse_port: bool = False,
        broadcast: bool = False,
        **limits: int,
    ) -> Self:
        """Return an endpoint for UDP that receives what is sent to a port.

        Args:
            port: 0 for any free one.
            address: IP address or host name; None or "" for all interfaces, where IPv4
                addresses look like ``"::ffff:192.0.2.1"`` if the system has IPv6 too.
            family: AF_INET or AF_INET6 to have only that.
            reuse_port: whether other processes may receive on the port too.
            broadcast: whether to allow sending to broadcast addresses.
            limits: as the constructor has them.
        Raises:
            OSError: the address cannot be had.
        """
        sock = await bound_udp(port, address, family, reuse_port, broadcast)
        return await cls._open(sock, limits)

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        family: sockets.AddressFamily = sockets.AF_UNSPEC,
        *,
        broadcast: bool = False,
        **limits: int,
    ) -> Self:
        """Return an endpoint for UDP that sends to one host and receives from it alone.

        Nothing is sent yet, so that a host that is not there is no error; the first address
        of the host that the system knows a way to is taken.

        Args:
            family: AF_INET or AF_INET6 to use only that.
            broadcast: whether to allow broadcast addresses.
            limits: as the constructor has them.
        Raises:
            OSError: there is no such host, or no way to it.
        """
        return await cls._open(await connected_udp(host, port, family, broadcast), limits)

    @classmethod
    async def bind_unix(cls, path: UnixPath, **limits: int) -> Self:
        """Return an endpoint that receives what is sent to a path.

        Args:
            path: nothing may be there yet; the caller removes it in the end. On Linux a name
                that starts with NUL is an abstract one, without a file.
            limits: as the constructor has them.
        Raises:
            OSError: the path cannot be had.
        """
        return await cls._open(bound_unix(path), limits)

    @classmethod
    async def connect_unix(
        cls,
        path: UnixPath,
        local: UnixPath | None = None,
        **limits: int,
    ) -> Self:
        """Return an endpoint that sends to a path and receives from there alone.

        Args:
            local: own path, to be answered at.
            limits: as the constructor has them.
        Raises:
            OSError: nobody is there, or the own path cannot be had.
        """
        return await cls._open(connected_unix(path, local), limits)

    @classmethod
    async def _open(cls, sock: sockets.socket, limits: dict[str, int]) -> Self:
        """Return an endpoint on a socket, which is closed when there can be none."""
        try:
            endpoint = cls(sock, **limits)
            await endpoint._loop.create_datagram_endpoint(lambda: endpoint, sock=sock)
        except BaseException:
            sock.close()
            raise
        return endpoint

    # -- receiving -----------------------------------------------------------------------

    async def receive(self) -> Datagram:
        """Return the next datagram and the address that it came from.

        A call that is cancelled loses none. Several may wait at the same time.

        Raises:
            StreamClosedError: the endpoint is closed, and all that came before was received.
            OSError: connected endpoints: what the network said of something sent before, such
                as that nobody receives it. The endpoint stays open.
        """
        while not self._queue:
            self._raise_error()
            self._check_open()
            future = self._loop.create_future()
            self._receivers.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future in self._receivers:
                    self._receivers.remove(future)
                elif not future.cancelled():
                    self._wake_receiver()  # in place of this one
                raise
        data, address = self._queue.popleft()
        self._queued_bytes -= len(data)
        return data, address

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Datagram:
        """Receive, up to an orderly end."""
        try:
            return await self.receive()
        except StreamClosedError as error:
            if error.real_error is None:
                raise StopAsyncIteration from None
            raise

    def _wake_receiver(self) -> None:
        while self._receivers:
            future = self._receivers.popleft()
            if not future.done():
                future.set_result(None)
                return

    # -- sending -------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview, address: Any = None) -> "Future[None]":
        """Send one datagram; the future is done when the next one may be sent.

        Mostly it is done already. It says nothing of whether the datagram arrives.

        Args:
            address: where to, as `receive` gives it; for endpoints that are not connected.
                Names of hosts are not looked up.
        Raises:
            StreamClosedError: the endpoint is closed.
            StreamBufferFullError: more than `max_unsent` bytes would wait.
            OSError: the datagram is too long or cannot be sent, or, on connected endpoints,
                what the network said of an earlier one; then this one is not sent.
        """
        self._check_open()
        self._check_address(address)
        size = memoryview(data).nbytes
        if self._max_size is not None and size > self._max_size:
            raise _too_long(size, f"at most {self._max_size} are allowed")
        self._raise_error()
        assert self._transport is not None
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent + size > self._max_unsent:
            raise StreamBufferFullError(
                f"{unsent} bytes wait to be sent; at most {self._max_unsent} are allowed"
            )
        if not size or (isinstance(address, (str, bytes)) and address[:1] in ("\0", b"\0")):
            self._send_directly(data, address)
            return self._flushed()
        self._sending = True
        try:
            self._transport.sendto(data, address)
        finally:
            self._sending = False
        _forget_header(self._transport, unsent + size)
        self._raise_error(size)
        return self._flushed()

    def _send_directly(self, data: bytes | bytearray | memoryview, address: Any) -> None:
        """Send nothing at all (not before Python 3.13), or to an abstract name (not on uvloop)."""
        try:
            if self._connected:
                self.socket.send(data)
            else:
                self.socket.sendto(data, address)
        except BlockingIOError as error:
            raise StreamBufferFullError("the system takes no more at the moment") from error

    async def drained(self) -> None:
        """Wait until everything that was sent has left the program.

        Raises:
            StreamClosedError: the endpoint was aborted before.
        """
        if self._blocked:
            await self._flushed()

    @property
    def unsent(self) -> int:
        """Bytes sent that have not left the program."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _flushed(self) -> "Future[None]":
        if not self._blocked:
            return self._sent
        future = self._loop.create_future()
        self._senders.append(future)
        return future

    def _end_sends(self, error: StreamClosedError | None) -> None:
        self._blocked = False
        senders, self._senders = self._senders, []
        for future in senders:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
                    future.exception()  # nobody is told off for not looking

    # -- checks --------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError(real_error=self._close_reason)

    def _check_address(self, address: Any) -> None:
        """Refuse an address that the system would ignore, lack, or look up meanwhile."""
        if self._connected:
            if address is not None:
                raise ValueError(f"address {address!r}; a connected endpoint takes none")
        elif address is None:
            raise ValueError("no address; an endpoint that is not connected needs one")
        elif self._max_size is not None:
            host = address[0]
            try:
                sockets.inet_pton(self.socket.family, host.partition("%")[0])
            except (OSError, ValueError):
                raise ValueError(
                    f"address {address!r}; an IP address of {self.socket.family.name} is allowed"
                ) from None

    def _raise_error(self, size: int = 0) -> None:
        """Raise what the network had to say, once."""
        error, self._error = self._error, None
        if error is None:
            return
        if size and error.errno == errno.EMSGSIZE:
            raise _too_long(size, "the system allows fewer") from error
        raise error

    # -- the end -------------------------------------------------------------------------

    def closed(self) -> bool:
        """Say whether the endpoint is closed; what came before can still be received."""
        return self._closed

    def close(self) -> None:
        """Close the endpoint once what was sent has left; nothing more is received."""
        self._finish()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the endpoint at once; what has not left is lost."""
        self._finish()
        self._end_sends(StreamClosedError(real_error=self._close_reason))
        if self.unsent:
            # What waits then fails in order. uvloop makes a fatal error of an abort meanwhile.
            with suppress(OSError):
                self.socket.shutdown(sockets.SHUT_RDWR)
                self.close()
                return
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Close the endpoint and wait until what was sent has left.

        When it is cancelled it does not wait, and what has not left is lost.
        """
        self.close()
        try:
            await asyncio.shield(self._gone)
        except asyncio.CancelledError:
            self.abort()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _finish(self) -> None:
        self._closed = True
        for _ in range(len(self._receivers)):
            self._wake_receiver()

    # -- asyncio.DatagramProtocol --------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called by the loop."""
        self._transport = cast(_Transport, transport)
        # Any byte that waits is one too many, and none has to be left when sending goes on.
        self._transport.set_write_buffer_limits(high=0)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Keep a datagram, or drop it; called by the loop."""
        if isinstance(addr, bytes) and len(addr) == UNIX_NAME_SIZE:
            addr = addr.rstrip(b"\0")  # with which uvloop fills abstract names up
        queue = self._queue
        size = len(data)
        full = len(queue) >= self._max_queue or self._queued_bytes + size > self._max_queue_bytes
        if self._closed or (queue and full):
            self.dropped += 1
            return
        queue.append((data, addr))
        self._queued_bytes += size
        self._wake_receiver()

    def error_received(self, exc: Exception) -> None:
        """Keep an error for who sends or receives next; called by the loop."""
        if self._sending or self._connected:
            self._error = cast(OSError, exc)
            self._wake_receiver()
        else:
            # Nobody knows any more which of many addresses it belongs to.
            gen_log.info("Datagram lost: %s", exc)

    def pause_writing(self) -> None:
        """Take note that datagrams wait to be sent; called by the loop."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Take note that all have left; called by the loop."""
        self._end_sends(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the socket is gone; called by the loop."""
        if not self._closed:
            self._close_reason = exc
        self._finish()
        self._end_sends(StreamClosedError(real_error=self._close_reason))
        self._transport = None
        if not self._gone.done():
            self._gone.set_result(None)


def _is_connected(sock: sockets.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _too_long(size: int, allowed: str) -> OSError:
    return OSError(errno.EMSGSIZE, f"datagram of {size} bytes; {allowed}")


def _forget_header(transport: Any, unsent: int) -> None:
    """Mend what Python 3.13.0 counts.

    It adds 8 bytes for the header of each datagram that waits and never takes them off again, so
    that nothing would ever have been sent. Versions after it, which do, name the 8 bytes.

    Args:
        unsent: bytes that wait, at most, without headers.
    """
    if getattr(transport, "_buffer_size", 0) > unsent and not hasattr(transport, "_header_size"):
        transport._buffer_size = unsent
