"""`IOStream` and `SSLIOStream`: streams over sockets."""

import asyncio
import contextlib
import logging
import os
import socket as sockets
import ssl
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

from toolkit.concurrent import Future
from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.descriptor import DescriptorTransport
from toolkit.iostream.errors import StreamClosedError
from toolkit.iostream.sending import FileSending
from toolkit.iostream.socket_transport import SocketTransport
from toolkit.iostream.tls import SSLSocketTransport, TLSTransport, plain_socket
from toolkit.log import gen_log
from toolkit.netutil import ServerSSLOptions, ssl_options_to_context
from toolkit.netutil.resolver import numeric
from toolkit.wire.proxy_protocol import Header

#: The option of a socket by which closing it resets the connection.
_NO_LINGER = struct.pack("ii", 1, 0)

SSLOptions = Mapping[str, Any] | ssl.SSLContext


class IOStream(FileSending):
    """A stream over a TCP or Unix socket.

    Example::

        stream = IOStream(socket.socket())
        await stream.connect(("127.0.0.1", 8000))
        await stream.write(b"ping\\n")
        answer = await stream.read_until(b"\\n", max_bytes=1000)
        stream.close()

    A transport moves the bytes, mostly the loop's. A subclass that gives its own `read_from_fd` or
    `write_to_fd` has them called instead.

    Args:
        socket: a stream socket, connected or about to be by `connect`; it belongs to the
            stream from now on.

    Attributes:
        proxy_header: what a trusted proxy said of the connection; None when it came direct.
    """

    __slots__ = ("_connected",)

    proxy_header: Header | None = None
    _socket: Any = None
    _given: Any = None  # the socket as it was given, whose owner is the transport now
    _connecting = False
    _reaching = -1  # descriptor that the loop watches until it is connected
    _opening: asyncio.Task[Any] | None = None
    _opened: Future[Any] | None = None  # what waits for `connection_made`
    _successor: "SSLIOStream | None" = None

    def __init__(self, socket: sockets.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        socket.setblocking(False)
        self.socket = self._given = socket
        self._connected: Callable[[Any], None] | None = None

    @classmethod
    def incoming(
        cls,
        connected: Callable[[Self], None],
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> Self:
        """Make a stream for a connection that a server's transport is about to bring.

        Args:
            connected: called with the stream as soon as it can be used.
        """
        stream = cls.__new__(cls)
        BaseIOStream.__init__(stream, max_buffer_size, read_chunk_size, max_write_buffer_size)
        stream._connected = connected
        return stream

    # -- connecting ----------------------------------------------------------------------

    def connect(self: Self, address: Any, server_hostname: str | None = None) -> "Future[Self]":
        """Connect the socket; the future's result is the stream.

        To cancel the future closes the stream.

        Args:
            address: as `socket.socket.connect` takes it.
            server_hostname: taken for compatibility; it means something to TLS only.
        Raises:
            StreamClosedError: the connection failed; `real_error` says why.
        """
        self._connecting = True
        future = self._wait_opened()
        self._opening = self._loop.create_task(self._connect(address))
        return future

    def _wait_opened(self) -> "Future[Self]":
        """Return a future of the moment when there is a transport."""
        self._opened = future = self._loop.create_future()
        future.add_done_callback(self._give_up)
        return future

    def _give_up(self, future: "Future[Any]") -> None:
        if future.cancelled():
            self.abort()

    async def _connect(self, address: Any) -> None:
        try:
            if _is_written_out(self.socket.family, address):
                await self._reach(address)
            else:
                await self._loop.sock_connect(self.socket, address)
        except Exception as error:
            # Whatever is wrong with an address, the future is to tell.
            self.close(exc_info=error)
            return
        self._connecting = False
        await self._attach()

    async def _reach(self, address: Any) -> None:
        """Connect to an address that needs no look-up.

        uvloop looks it up all the same, in a thread; and in a program with threads, who takes
        memory takes a lock: 1 MiB over TLS took a twentieth longer.
        """
        try:
            self.socket.connect(address)
        except (BlockingIOError, InterruptedError):
            connected = self._loop.create_future()
            self._reaching = self.socket.fileno()
            self._loop.add_writer(self._reaching, _end_wait, connected)
            try:
                await connected
            finally:
                self._stop_reaching()
            number = self.socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR)
            if number:
                raise OSError(number, f"Connect call failed {address}") from None

    def _stop_reaching(self) -> None:
        """Have the loop look away, before the descriptor becomes another's."""
        if self._reaching >= 0:
            self._loop.remove_writer(self._reaching)
            self._reaching = -1

    def _open(self) -> None:
        if self._opening is not None or self._connecting or self._lost:
            return
        try:
            self.socket.getpeername()
        except OSError as error:
            self.close(exc_info=error)
            self.abort()  # what was written waits in vain
        else:
            self._opening = self._loop.create_task(self._attach())

    def _can_open(self) -> bool:
        return _is_connected(self.socket)

    async def _attach(self) -> None:
        """Get a transport for the connected socket."""
        if self._moves_bytes_itself():
            DescriptorTransport(self._loop, self, self).start()
            return
        try:
            if SocketTransport.suits(self._loop):
                SocketTransport(self._loop, self.socket, self._make_protocol()).start()
            else:
                await self._loop.connect_accepted_socket(self._make_protocol, self.socket)
        except Exception as error:
            # Options of TLS may be wrong too: the stream tells whoever waits for it.
            self.close(exc_info=error)

    def _moves_bytes_itself(self) -> bool:
        """Say whether a subclass, or somebody for this one stream, gave methods of its own."""
        methods = self.read_from_fd, self.write_to_fd
        usual = IOStream.read_from_fd, IOStream.write_to_fd
        return tuple(getattr(method, "__func__", None) for method in methods) != usual

    def _make_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol for a transport of the loop."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called by the loop."""
        if self._opening is not None:
            self._opening = None
        self._take_socket(transport)
        opened = self._opened
        if opened is not None:
            self._opened = None
            if not opened.done() and not self._closed:
                opened.set_result(self)
        super().connection_made(transport)
        connected, self._connected = self._connected, None
        if connected is not None and not self._closed:
            connected(self)

    def _take_socket(self, transport: asyncio.BaseTransport) -> None:
        if self._socket is not None:
            self._socket = transport.get_extra_info("socket")
        if isinstance(transport, SocketTransport) and transport.max_size > self.max_buffer_size:
            transport.limit_reads(self.max_buffer_size)

    # -- the end -------------------------------------------------------------------------

    def close(self, exc_info: Any = False) -> None:
        """Do as `BaseIOStream.close`; after `start_tls` it is the stream over TLS that closes."""
        if self._successor is not None:
            self._successor.close(exc_info)
        else:
            super().close(exc_info)

    def abort(self) -> None:
        """Close the stream at once; what was not sent is lost."""
        if self._successor is not None:
            self._successor.abort()
        else:
            super().abort()

    def reset(self) -> None:
        """Close the stream at once, and have the kernel forget what it was to send.

        After `abort` the kernel still tries, for minutes if the peer takes nothing.
        """
        socket = self.socket
        if socket is not None:
            with contextlib.suppress(OSError):
                socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _NO_LINGER)
        self.abort()

    def _finish(self) -> None:
        opened = self._opened
        if opened is not None:
            self._opened = None
        super()._finish()
        if opened is not None and not opened.done():
            self._fail(opened, self._opening_error())

    def _opening_error(self) -> BaseException:
        return StreamClosedError(real_error=self.error)

    def _sends_early(self) -> bool:
        return bool(self._early) and not self._connecting

    def _shut_early(self) -> None:
        opening = self._opening
        if opening is not None and opening is not asyncio.current_task(self._loop):
            opening.cancel()
        self._stop_reaching()
        super()._shut_early()

    # -- the socket ----------------------------------------------------------------------

    @property
    def socket(self) -> Any:
        """The socket, for its addresses and options.

        Once connected it is not to be read or written, and on uvloop it cannot be. A server's
        connection that is closed has none, unless somebody asked before.
        """
        # uvloop makes it, of 80 bytes, when it is asked for.
        if self._socket is None and self._transport is not None:
            self._socket = self._transport.get_extra_info("socket")
        return self._socket

    @socket.setter
    def socket(self, socket: Any) -> None:
        self._socket = socket

    def _option_socket(self, transport: asyncio.Transport) -> Any:
        # What uvloop gives for it makes a new socket for each option.
        return self._given or super()._option_socket(transport)

    @property
    def peer_address(self) -> Any:
        """The peer's address, as `socket.getpeername` gives it or a trusted proxy said."""
        if self.proxy_header is not None and self.proxy_header.source is not None:
            return self.proxy_header.source
        return self._peer_address()

    def _peer_address(self) -> Any:
        assert self._transport is not None
        return self._transport.get_extra_info("peername")

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return -1 if self.socket is None else cast(int, self.socket.fileno())

    def close_fd(self) -> None:
        """Close the socket."""
        self.socket.close()

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Receive into `buf`; for subclasses that move bytes themselves."""
        try:
            return cast(int, self.socket.recv_into(buf))
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        """Send what goes without waiting; for subclasses that move bytes themselves."""
        return cast(int, self.socket.send(data))

    def get_fd_error(self) -> Exception | None:
        """Return the error that the socket keeps, if there is one."""
        number = self.socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR)
        return OSError(number, os.strerror(number)) if number else None

    def set_nodelay(self, value: bool) -> None:
        socket = self.socket
        if socket is not None and socket.family in (sockets.AF_INET, sockets.AF_INET6):
            socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, int(value))

    # -- TLS -----------------------------------------------------------------------------

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return the peer's certificate; None when there is none, as without TLS.

        Args:
            binary_form: whether to return it as bytes in DER, be it verified or not, instead of
                a dict as of `ssl.SSLSocket.getpeercert`, which is empty if it is not.
        """
        return None

    def start_tls(
        self,
        server_side: bool,
        ssl_options: ServerSSLOptions | None = None,
        server_hostname: str | None = None,
    ) -> "Future[SSLIOStream]":
        """Speak TLS from now on; the future's result is the stream for it.

        This stream cannot be used any more. What the peer sent and nobody has read is taken
        to be TLS, so that nobody can slip plain bytes in before the handshake. To cancel the
        future closes the connection.

        Args:
            server_side: whether to answer a handshake or to begin one.
            ssl_options: a context, `netutil.ServerCertificates`, or a dict as of
                `netutil.ssl_options_to_context`; None for the defaults of a client.
            server_hostname: of a client: whose certificate it has to be.
        Raises:
            ValueError: a read or a write waits, or the stream is not connected.
            ssl.SSLError: the handshake failed.
        """
        self._uncork()
        if self.reading() or self._consumer or self.unsent or self._connecting or self._closed:
            raise ValueError("IOStream is not idle; cannot convert to SSL")
        context = ssl_options_to_context(ssl_options or {}, server_side=server_side)
        stream = SSLIOStream._over(self, context, server_side, server_hostname)
        future = stream.wait_for_handshake()
        if self._transport is None and self._opening is None:
            stream._open()
            self._let_go(stream)
            return future
        tls = stream._make_protocol()
        if self._transport is None:
            self._connected = lambda _: self._hand_over(stream, tls)
        else:
            self._hand_over(stream, tls)
        return future

    def _hand_over(self, stream: "SSLIOStream", tls: TLSTransport) -> None:
        """Give the transport, and what came by it, to a stream over TLS."""
        transport, data = self._transport, self._take(len(self._data) - self._position)
        stopped = self._stopped
        self._let_go(stream)
        if transport is None or stream.closed():
            stream.abort()
            return
        transport.set_protocol(tls)
        tls.connection_made(transport)
        if data:
            tls.data_received(data)
        if self._eof:
            tls.eof_received()
            transport.close()
        elif stopped or self._on_demand:
            transport.resume_reading()

    def _let_go(self, successor: "SSLIOStream") -> None:
        """Be closed, without an end of the connection."""
        self._successor = successor
        self._closed = self._lost = True
        self._transport = self._close_callback = None


class SSLIOStream(IOStream):
    """A stream over TLS.

    The handshake begins as soon as the socket is connected; what is written before it is
    done waits for it.

    Args:
        socket: as of `IOStream`. One that `ssl` has wrapped already, and that is connected,
            is read and written itself, and its handshake made if it was not yet; a plain one
            has the loop's transport beneath TLS.
        ssl_options: a context, or a dict as of `netutil.ssl_options_to_context`; for a plain
            socket, of a client.

    Attributes:
        socket: the socket; once the handshake has begun it also tells what `ssl.SSLSocket`
            does: ``cipher()``, ``getpeercert()``, ``version()``, …
    """

    _plain = False

    def __init__(
        self,
        socket: sockets.socket,
        *args: Any,
        ssl_options: SSLOptions | None = None,
        **kwargs: Any,
    ) -> None:
        server_side, hostname, context = False, None, None
        wrapped = isinstance(socket, ssl.SSLSocket)
        connected = _is_connected(socket)
        if isinstance(socket, ssl.SSLSocket) and not connected:
            server_side, hostname = socket.server_side, socket.server_hostname
            context, wrapped = socket.context, False
            socket = plain_socket(socket)
        super().__init__(socket, *args, **kwargs)
        if context is None and not wrapped:
            context = ssl_options_to_context(ssl_options or {}, server_side=False)
        self._prepare_tls(context, server_side, hostname)
        if connected:
            self._open()

    def _prepare_tls(
        self,
        context: ssl.SSLContext | None,
        server_side: bool,
        hostname: str | None,
        handshake_timeout: float | None = None,
    ) -> None:
        """Set what all ways to make a stream have in common; a context of None: the socket's."""
        self._handshake_timeout = handshake_timeout
        self._context = context
        self._server_side = server_side
        self._server_hostname = hostname
        self._handshaking: asyncio.Transport | None = None

    @classmethod
    def _over(
        cls,
        plain: IOStream,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None,
    ) -> Self:
        """Make the stream that is to follow a plain one, which gives its socket or transport."""
        stream = cls.__new__(cls)
        BaseIOStream.__init__(
            stream, plain.max_buffer_size, plain.read_chunk_size, plain.max_write_buffer_size
        )
        stream._connected = None
        stream._prepare_tls(context, server_side, server_hostname)
        stream.socket, stream._given = plain.socket, plain._given
        stream._close_callback = plain._close_callback
        return stream

    @classmethod
    def incoming_tls(
        cls,
        connected: Callable[[Self], None],
        context: ssl.SSLContext,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
        handshake_timeout: float | None = None,
    ) -> TLSTransport:
        """Make the protocol for a connection that a server's transport is about to bring.

        Args:
            connected: called with the stream before the handshake.
            handshake_timeout: seconds; None for `tls.HANDSHAKE_TIMEOUT`, 0 for no limit.
        """
        stream = cls.incoming(connected, max_buffer_size, read_chunk_size, max_write_buffer_size)
        stream._prepare_tls(context, True, None, handshake_timeout)
        return stream._make_protocol()

    def connect(self: Self, address: Any, server_hostname: str | None = None) -> "Future[Self]":
        """Connect the socket and shake hands; the future's result is the stream.

        Args:
            address: as `socket.socket.connect` takes it.
            server_hostname: whose certificate it has to be; also sent to the server (SNI,
                RFC 6066 §3).
        Raises:
            StreamClosedError: the connection failed; `real_error` says why.
            ssl.SSLError: the handshake failed.
        """
        self._server_hostname = server_hostname or self._server_hostname
        return super().connect(address)

    def wait_for_handshake(self: Self) -> "Future[Self]":
        """Return a future of the end of the handshake, with the stream.

        Raises:
            RuntimeError: somebody waits already.
            ssl.SSLError: the handshake failed; a StreamClosedError when the connection ended.
        """
        if self._opened is not None:
            raise RuntimeError("Already waiting")
        future = self._wait_opened()
        if self._transport is not None:
            self._opened = None
            future.set_result(self)
        elif self._closed:
            self._opened = None
            self._fail(future, self._opening_error())
        return future

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return the peer's certificate; None when it gave none, and before the handshake."""
        return self._agreed("getpeercert", binary_form)  # type: ignore[no-any-return]

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol that ALPN has chosen (RFC 7301); None when it has not."""
        return self._agreed("selected_alpn_protocol")  # type: ignore[no-any-return]

    def cipher(self) -> tuple[str, str, int] | None:
        """Return name, version and bits of the cipher; None before the handshake."""
        return self._agreed("cipher")  # type: ignore[no-any-return]

    def version(self) -> str | None:
        """Return the version of TLS, such as ``"TLSv1.3"``; None before the handshake."""
        return self._agreed("version")  # type: ignore[no-any-return]

    def _agreed(self, what: str, *args: object) -> Any:
        """Return what `ssl` tells of the handshake; None when there was none."""
        try:
            return getattr(self.socket, what)(*args)
        except (AttributeError, OSError, ValueError):
            return None

    def handshake_begins(self, socket: Any) -> None:
        """Take the socket; called by the transport."""
        self.socket = socket
        connected, self._connected = self._connected, None
        if connected is not None:
            connected(self)

    def _peer_address(self) -> Any:
        transport = self._transport or self._handshaking
        assert transport is not None
        return transport.get_extra_info("peername")

    def writing(self) -> bool:
        return self._transport is None or super().writing()

    def _open(self) -> None:
        if self._handshaking is None:
            super()._open()

    async def _attach(self) -> None:
        if isinstance(self.socket, ssl.SSLSocket):
            transport = SSLSocketTransport(self._loop, self, self.socket)
            self._handshaking = transport
            transport.start()
        else:
            await super()._attach()

    def _moves_bytes_itself(self) -> bool:
        return False

    def _make_protocol(self) -> TLSTransport:
        assert self._context is not None
        self._handshaking = transport = TLSTransport(
            self._loop,
            self,
            self._context,
            self._server_side,
            self._server_hostname,
            self._handshake_timeout,
        )
        return transport

    def _take_socket(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket that came with the handshake."""
        self._handshaking = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that nothing can be moved any more; called by the loop."""
        if self._transport is None and not self._closed and exc is not None:
            # Who is slow is not who is wrong, and there may be a crowd of them.
            level = logging.INFO if isinstance(exc, TimeoutError) else logging.WARNING
            gen_log.log(level, "SSL Error on %s: %s", self._peer(), exc)
        self._handshaking = None
        super().connection_lost(exc)

    def _peer(self) -> str:
        try:
            return repr(self.socket.getpeername())
        except OSError:
            return "a closed connection"

    def _opening_error(self) -> BaseException:
        if isinstance(self.error, ssl.SSLError):
            return self.error
        return super()._opening_error()

    def _shut_early(self) -> None:
        if self._handshaking is not None:
            self._handshaking.abort()
        else:
            super()._shut_early()

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Receive into `buf` by a socket that `ssl` has wrapped."""
        try:
            return cast(int, self.socket.recv_into(buf))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def write_to_fd(self, data: memoryview) -> int:
        """Send what goes without waiting by a socket that `ssl` has wrapped."""
        try:
            return cast(int, self.socket.send(data))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0


def _is_written_out(family: int, address: Any) -> bool:
    """Say whether an address is that of an interface and no name, on a loop that can watch it."""
    if sys.platform == "win32" or family not in (sockets.AF_INET, sockets.AF_INET6):
        return False
    try:
        return numeric(address[0], 0, family) is not None
    except (TypeError, LookupError):
        return False  # whatever it is, the loop has the error for it


def _end_wait(future: "Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _is_connected(socket: sockets.socket) -> bool:
    try:
        socket.getpeername()
    except OSError:
        return False
    return True
