"""TLS over a transport (RFC 8446, RFC 5246), and over a socket that the program wrapped itself."""

import asyncio
import socket as sockets
import ssl
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Protocol

from toolkit.iostream.descriptor import DescriptorTransport
from toolkit.iostream.filling import shared_buffer
from toolkit.wire.tls_records import Records

#: Plain bytes to take from OpenSSL at once; it gives one record, of at most that many.
READ_SIZE = 16 * 1024
#: Plain bytes to hand on at once.
HAND_ON = 64 * 1024
#: Encrypted bytes that have come at once from which on that is the first record alone: who has seen
#: it may want the rest right in its place, as a client that knows now how large a response is.
LARGE = 128 * 1024
#: Bytes of the buffer of TLS within TLS, where what loops share is full of the outer one's.
INNER_SIZE = 64 * 1024
#: Seconds for a handshake, as asyncio has them.
HANDSHAKE_TIMEOUT = 60.0
#: For one record that OpenSSL has.
ONE = (True,)
#: Bytes that OpenSSL may answer by itself, mostly to key updates of 27 bytes each, while the peer
#: takes nothing; none needs more than a few.
MAX_ANSWERS = 16 * 1024


class Secured(Protocol):
    """The stream over TLS, as its transport sees it."""

    def handshake_begins(self, socket: Any) -> None:
        """Take the socket, which will tell of the handshake."""


class TLSSocket:
    """The socket under a stream, which also says what `ssl.SSLSocket` does of the connection."""

    _OF_TLS = frozenset(
        {
            "cipher",
            "compression",
            "context",
            "get_channel_binding",
            "getpeercert",
            "selected_alpn_protocol",
            "selected_npn_protocol",
            "server_hostname",
            "server_side",
            "session",
            "session_reused",
            "shared_ciphers",
            "version",
        }
    )

    def __init__(self, socket: Any, tls: ssl.SSLObject) -> None:
        self._socket = socket
        self._tls = tls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls if name in self._OF_TLS else self._socket, name)


class TLSTransport(asyncio.BufferedProtocol, asyncio.Transport):
    """A transport that speaks TLS over another one, whose protocol it is.

    Its own protocol hears `connection_made` after the handshake; one that fails is told by
    `connection_lost` alone. A peer that closes its connection without the alert that TLS has
    for it is taken to have ended, since many do; protocols that need to know whether all has
    come say it in their own words.

    Args:
        protocol: the stream.
        context: of the right side.
        server_hostname: of a client: whose certificate it has to be, and for SNI.
        handshake_timeout: seconds; None for `HANDSHAKE_TIMEOUT`, 0 for no limit.
    Raises:
        ValueError: the context of a client checks names, and there is none.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None = None,
        handshake_timeout: float | None = None,
    ) -> None:
        asyncio.Transport.__init__(self)
        if context.check_hostname and not server_side and not server_hostname:
            # OpenSSL would take the certificate of any name.
            raise ValueError("check_hostname requires server_hostname")
        self._loop = loop
        self._buffer = shared_buffer(loop)
        self._stream: Any = protocol
        self.set_protocol(protocol)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._records = Records()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side, server_hostname)
        # Without the function of Python around it, which does nothing.
        inner = getattr(self._tls, "_sslobj", self._tls)
        self._read: Callable[..., Any] = inner.read
        self._server_side = server_side
        self._handshake_timeout = (
            HANDSHAKE_TIMEOUT if handshake_timeout is None else handshake_timeout
        )
        self._inner: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._backlog: list[bytes] = []  # what OpenSSL could not take yet
        self._ready = False
        self._closing = False
        self._ended = False  # the peer sends no more
        self._answered = 0  # bytes of answers since all was sent
        self._error: Exception | None = None

    # -- protocol of the inner transport -------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake; called by the loop."""
        self._inner = transport
        if isinstance(transport, TLSTransport):
            self._buffer = memoryview(bytearray(INNER_SIZE))
        if self._closing:
            self._inner.abort()
            return
        socket = TLSSocket(transport.get_extra_info("socket"), self._tls)
        if self._handshake_timeout:
            self._timer = self._loop.call_later(self._handshake_timeout, self._timed_out)
        self._stream.handshake_begins(socket)
        if not self._server_side:
            self._handshake()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go; called by the loop."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt what came; called by the loop."""
        data = self._buffer[:nbytes]
        if not self._ready:
            self._go_on(data)
            return
        # OpenSSL copies a record twice before it decrypts it: one by one, that is from and to
        # memory that is in the cache. It says by an error that a part is none, which takes longer
        # than to read a short record; so it is asked for whole ones alone.
        first = READ_SIZE if nbytes >= LARGE else HAND_ON
        self._deliver(self._records.feed(data, self._incoming.write), first)
        if self._records.lost and not self._closing:
            self._deliver(self._rest())

    def data_received(self, data: bytes) -> None:
        """Take what came before there was TLS."""
        self._go_on(memoryview(data))

    def eof_received(self) -> bool | None:
        """Take note that the peer sends no more; called by the loop."""
        self._incoming.write_eof()
        if self._ready:
            self._deliver(iter(ONE))
        else:
            self._handshake()
        return False

    def pause_writing(self) -> None:
        """Pass it on; called by the loop."""
        if self._ready:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on; called by the loop."""
        if self._ready:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on; called by the loop."""
        self._stop_timer()
        self._closing = True
        error = self._error or exc
        if not self._ready and error is None:
            error = ConnectionResetError("the connection was closed during the TLS handshake")
        self._protocol.connection_lost(error)

    # -- handshake -----------------------------------------------------------------------

    def _go_on(self, data: memoryview) -> None:
        """Go on with the handshake."""
        for _ in self._records.feed(data, self._incoming.write):
            pass  # OpenSSL is asked but once
        self._handshake()

    def _handshake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except (ssl.SSLError, OSError, ValueError) as error:
            self._flush()  # the alert that tells the peer why
            self._error = error
            self._stop_timer()
            self._inner.close()
        else:
            self._flush()
            self._stop_timer()
            self._ready = True
            self._protocol.connection_made(self)
            self._deliver(self._rest())

    def _timed_out(self) -> None:
        self._error = TimeoutError(f"no TLS handshake within {self._handshake_timeout} seconds")
        self._inner.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- in ------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def _rest(self) -> Iterator[bool]:
        """Have OpenSSL take what it has, of which nobody knows how many records that is."""
        while self._incoming.pending:
            yield True

    def _deliver(self, records: Iterator[bool], enough: int = HAND_ON) -> None:
        """Hand on what is in records, each of which OpenSSL has when it was asked for.

        Args:
            enough: plain bytes to hand on at once, the first time.
        """
        chunks: list[bytes] = []
        size = 0
        held = False  # whether OpenSSL may hold back a part of a record
        while not (self._ended or self._closing) and (held or next(records, False)):
            try:
                if self._buffered and not chunks:
                    held = self._fill(records)
                    continue
                held = False
                chunk = self._read(READ_SIZE)
            except ssl.SSLWantReadError:
                held = False
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                self._ended = True
            except ssl.SSLError as error:
                self._fail(error)
            else:
                chunks.append(chunk)
                size += len(chunk)
                self._ended = not chunk
                if size >= enough:
                    self._protocol.data_received(b"".join(chunks))
                    chunks, size, enough = [], 0, HAND_ON
        if self._outgoing.pending and not self._closing:
            self._answer()
        if size:
            self._protocol.data_received(b"".join(chunks))
        if self._ended or self._backlog:
            self._after_reading()

    def _fill(self, records: Iterator[bool]) -> bool:
        """Decrypt right into the buffer of the protocol, all the records that it has room for.

        Returns:
            Whether it is full, so that OpenSSL may hold back a part of a record.
        """
        size = 0
        read = self._read
        try:
            with memoryview(self._protocol.get_buffer(-1)) as buffer:
                room = len(buffer)
                for _ in chain(ONE, records):
                    try:
                        size += (decrypted := read(room, buffer[size:]))
                    except ssl.SSLError as error:
                        error.__traceback__ = None  # which has the memory, and its owner goes on
                        raise
                    if size == room:
                        break
                self._ended = not decrypted
        finally:
            if size:
                self._protocol.buffer_updated(size)
        return size == room

    def _answer(self) -> None:
        """Send what OpenSSL has to say by itself, to a peer that does not just make it pile up."""
        if not self._inner.get_write_buffer_size():
            self._answered = 0
        self._answered += self._outgoing.pending
        if self._answered > MAX_ANSWERS:
            self._fail(ssl.SSLError(f"{self._answered} bytes of answers that TLS asks for wait"))
        else:
            self._flush()

    def _after_reading(self) -> None:
        """Do what reading has shown to be necessary."""
        if self._closing:
            return
        if self._ended:
            if not self._protocol.eof_received():
                self.close()
        elif self._backlog:
            self._send_backlog()

    def is_reading(self) -> bool:
        return bool(self._inner.is_reading())

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    # -- out -----------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        if self._backlog:
            self._backlog.append(bytes(data))
            return
        self._encrypt(data)
        self._flush()

    def _encrypt(self, data: bytes | bytearray | memoryview) -> None:
        with memoryview(data) as view:
            done = 0
            while done < len(view):  # OpenSSL takes one record at a time
                try:
                    done += self._tls.write(view[done:])
                except ssl.SSLWantReadError:
                    self._backlog.insert(0, bytes(view[done:]))
                    return
                except ssl.SSLError as error:
                    self._fail(error)
                    return

    def _send_backlog(self) -> None:
        """Try again what OpenSSL could not take before."""
        backlog, self._backlog = self._backlog, []
        self._encrypt(b"".join(backlog))
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._inner.write(self._outgoing.read())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._inner.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._inner.get_write_buffer_limits()  # type: ignore[no-any-return]

    def get_write_buffer_size(self) -> int:
        waiting: int = self._inner.get_write_buffer_size()
        return waiting + sum(map(len, self._backlog))

    def can_write_eof(self) -> bool:
        return False

    # -- the end -------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._ready and self._error is None:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # the peer has not closed its side yet, which nobody waits for
            self._flush()
        self._inner.close()

    def _fail(self, error: Exception) -> None:
        """End the connection, which has no TLS any more."""
        self._error = error
        self.abort()

    def abort(self) -> None:
        self._closing = True
        if self._inner is not None:
            self._inner.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object":
            return self._tls
        if name == "sslcontext":
            return self._tls.context
        if name == "peercert":
            return self._tls.getpeercert()
        if name == "cipher":
            return self._tls.cipher()
        return self._inner.get_extra_info(name, default)


class SSLSocketTransport(DescriptorTransport):
    """A transport over a socket that the program has wrapped by `ssl` itself.

    The handshake, if it is not done yet, comes before `connection_made`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Any, socket: ssl.SSLSocket) -> None:
        super().__init__(loop, source, source)
        self._socket = socket
        self._ready = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = self._loop.call_later(HANDSHAKE_TIMEOUT, self._timed_out)
        self._handshake()

    def _handshake(self) -> None:
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._watch_writing(False)
            self._watch_reading(True)
        except ssl.SSLWantWriteError:
            self._watch_reading(False)
            self._watch_writing(True)
        except (OSError, ValueError) as error:
            self._lose(error)
        else:
            self._stop_timer()
            self._watch_reading(False)
            self._watch_writing(False)
            self._ready = True
            self._protocol.connection_made(self)

    def _timed_out(self) -> None:
        self._lose(TimeoutError(f"no TLS handshake within {HANDSHAKE_TIMEOUT} seconds"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume_reading(self) -> None:
        super().resume_reading()
        # What OpenSSL has decrypted already makes no descriptor readable.
        self._loop.call_soon(self._on_readable)

    def _on_readable(self) -> None:
        if self._gone:
            return
        if self._ready:
            super()._on_readable()
        else:
            self._handshake()

    def _on_writable(self) -> None:
        if self._ready:
            super()._on_writable()
        else:
            self._handshake()

    def _lose(self, error: BaseException | None) -> None:
        self._stop_timer()
        if self._ready and error is None:
            try:
                self._socket.unwrap()
            except (OSError, ValueError):
                pass  # the peer has not closed its side yet, which nobody waits for
        super()._lose(error)


def plain_socket(socket: ssl.SSLSocket) -> sockets.socket:
    """Take the plain socket out of one that is wrapped and not connected."""
    family, kind, protocol = socket.family, socket.type, socket.proto
    return sockets.socket(family, kind, protocol, socket.detach())
