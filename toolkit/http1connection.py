"""HTTP/1 on a stream: the server's side of a connection, and the exchanges on it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from toolkit.concurrent import Future, InPlaceRunner
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log, gen_log
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import (
    NEED_DATA,
    Data,
    EndOfMessage,
    Fields,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.http1 import SERVER, Limits, Machine

#: Received bytes that may wait while nobody reads them; past it the peer has to wait.
HIGH_WATER = 64 * 1024
#: Bytes of an unread body that are thrown away so that the connection can go on.
MAX_DISCARD = 256 * 1024


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server treats its connections; times in seconds.

    Attributes:
        limits: what a client may send at most.
        header_timeout: for a head, from its first byte to its last.
        idle_timeout: between a response and the next request, and before the first.
        body_timeout: for a body to bring more bytes.
        write_timeout: for a client to take more bytes.
        linger_timeout: for a client to stop sending, once its connection is to be closed.
        keep_alive: whether a connection may carry more than one request.
    """

    limits: Limits = field(default_factory=lambda: Limits(body=100 * 1024 * 1024))
    header_timeout: float = 10.0
    idle_timeout: float = 60.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    linger_timeout: float = 2.0
    keep_alive: bool = True

    @property
    def shortest_timeout(self) -> float:
        """The shortest of the times."""
        return min(
            self.header_timeout,
            self.idle_timeout,
            self.body_timeout,
            self.write_timeout,
            self.linger_timeout,
        )


@dataclass(slots=True)
class ConnectionContext:
    """Who is at the other end.

    Attributes:
        address: the peer's, as the socket gives it.
        remote_ip: its IP address; "" for a Unix socket.
        protocol: ``"http"`` or ``"https"``.
    """

    address: Any
    remote_ip: str
    protocol: str


class Exchange:
    """One request and the answer to it.

    The answer goes out whole by `respond`, or in pieces by `start`, `send` and `finish`.
    The request's content is read by `read`, or piece by piece with ``async for``; what is
    not read stays with the peer.

    Attributes:
        head: the request.
        context: who sent it.
    """

    __slots__ = ("_close_callback", "_connection", "_continued", "context", "head")

    def __init__(self, connection: "ServerConnection", head: RequestHead) -> None:
        self._connection: ServerConnection | None = connection
        self._close_callback: Callable[[], None] | None = None
        self._continued = False
        self.context = connection.context
        self.head = head

    # -- the request ---------------------------------------------------------------------

    async def read(self) -> bytes:
        """Return the whole content.

        Raises:
            RemoteProtocolError: too large or malformed; the answer should be its `status`.
            StreamClosedError: the client is gone.
        """
        pieces = [piece async for piece in self]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the content as it comes; errors as `read`."""
        while self.head.length:
            event = self._open()._machine.next_event()
            if isinstance(event, Data):
                yield event.data
            elif event is NEED_DATA:
                await self._more()
            else:
                return

    async def _more(self) -> None:
        """Wait until the client has sent more."""
        connection = self._open()
        if self.head.expect_continue and not self._continued:
            self._continued = True
            if not connection._machine.response_started:
                self.interim(ResponseHead(100))
        await connection._wait_for_data()

    def set_max_body(self, size: int | None) -> None:
        """Limit the content of this request alone; None for no limit."""
        self._open()._machine.max_body = size

    # -- the answer ----------------------------------------------------------------------

    def respond(self, head: ResponseHead, body: bytes = b"") -> "Future[None]":
        """Send the whole answer.

        Returns:
            A future of what `drained` waits for.
        Raises:
            LocalProtocolError: the answer is malformed or has begun; nothing was sent.
        """
        connection = self._connection
        if connection is None or connection._exchange is not self:
            raise LocalProtocolError("the exchange is over")
        stream = connection._stream
        if stream.closed():
            return _failed(StreamClosedError(real_error=stream.error))
        if self.head.length:
            connection._settle_unread()
        stream.write_nowait(connection._machine.send_head(head, body, True))
        return stream.accepted()

    def interim(self, head: ResponseHead) -> None:
        """Send a 1xx response; the final one is still to come."""
        connection = self._open()
        connection._write(connection._machine.send_head(head))

    def start(self, head: ResponseHead, data: bytes = b"") -> None:
        """Send the head, and a first piece of the content with it; `finish` has to follow.

        Raises:
            LocalProtocolError: as `respond`.
        """
        connection = self._open()
        if self.head.length:
            connection._settle_unread()
        raw = connection._machine.send_head(head)
        if data:
            raw += connection._machine.send_data(data)
        connection._write(raw)

    def send(self, data: bytes) -> None:
        """Send a piece of the content; await `drained` before many more.

        Raises:
            LocalProtocolError: more than Content-Length says, or after the end.
            StreamClosedError: the client is gone.
        """
        connection = self._open()
        connection._write(connection._machine.send_data(data))

    def finish(self, trailers: Fields = ()) -> None:
        """End the answer.

        Raises:
            LocalProtocolError: less was sent than Content-Length says; the connection will
                be closed.
        """
        connection = self._open()
        connection._write(connection._machine.send_end(trailers))

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent for more to be sent.

        Raises:
            StreamClosedError: it is gone.
        """
        await self.flushed()

    def flushed(self) -> "Future[None]":
        """Return a future of what `drained` waits for."""
        connection = self._connection
        if connection is None or connection._stream.closed():
            return _failed(StreamClosedError())
        return connection._stream.accepted()

    @property
    def closed(self) -> bool:
        """Whether the client is gone, or the exchange over."""
        return self._connection is None or self._connection._stream.closed()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the client leaves before the answer has ended."""
        self._close_callback = callback

    def upgrade(self, head: ResponseHead) -> IOStream:
        """Answer 101, or 2xx to CONNECT, and take the stream over; what was read too far is
        put back.

        Raises:
            LocalProtocolError: the client did not ask for it.
        """
        connection = self._open()
        connection._write(connection._machine.send_head(head))
        return connection._hand_over()

    def detach(self) -> IOStream:
        """Take the stream over without an answer, or after one that has begun."""
        return self._open()._hand_over()

    def _open(self) -> "ServerConnection":
        connection = self._connection
        if connection is None or connection._exchange is not self:
            raise LocalProtocolError("the exchange is over")
        return connection


def _failed(error: Exception) -> "Future[None]":
    """Return a future with an error that nobody has to look at."""
    future: Future[None] = Future()
    future.set_exception(error)
    future.exception()
    return future


#: What serves an exchange.
Application = Callable[[Exchange], Coroutine[Any, Any, None]]


class ServerConnection:
    """Speaks HTTP/1 with one client: reads requests and has each answered in its turn.

    Requests run one at a time, in the callback that brought their last byte; a further one
    that is there already waits in the machine's buffer.

    Args:
        stream: connected; the connection owns it.
        application: serves each exchange.
        options: limits and time-outs.
        closed: called with the connection when it is over.
    """

    __slots__ = (
        "__weakref__",
        "_application",
        "_closed",
        "_closing",
        "_discarded",
        "_exchange",
        "_held_back",
        "_loop",
        "_machine",
        "_moved",
        "_options",
        "_phase",
        "_phase_since",
        "_reader",
        "_received_bytes",
        "_requests",
        "_runner",
        "_stream",
        "_unsent",
        "context",
    )

    def __init__(
        self,
        stream: IOStream,
        application: Application,
        context: ConnectionContext,
        options: ServerOptions,
        closed: Callable[["ServerConnection"], None],
    ) -> None:
        self.context = context
        self._stream = stream
        self._application = application
        self._options = options
        self._closed: Callable[[ServerConnection], None] | None = closed
        self._loop = stream.io_loop.asyncio_loop
        self._machine = Machine(SERVER, options.limits)
        if not options.keep_alive:
            self._machine.close_after()
        self._runner = InPlaceRunner(self._loop, self._ended)
        self._exchange: Exchange | None = None
        self._reader: Future[None] | None = None  # the exchange waits for data
        self._discarded = 0
        self._closing = False
        self._held_back = False  # until the client has taken what was sent
        # For the sweep: what the connection waits for, and since when.
        self._requests = 0
        self._received_bytes = 0
        self._unsent = 0
        self._moved = 0
        self._phase: tuple[Any, ...] = ()
        self._phase_since = 0.0

    def start(self) -> None:
        """Begin to read requests."""
        self._stream.set_close_callback(self._gone)
        self._stream.push_to(self._received)

    def drain(self) -> None:
        """Let the connection end: at once when idle, else with the current answer."""
        self._machine.close_after()
        if self._machine.idle and self._exchange is None:
            self._closing = True
            self._close_when_sent()

    def abort(self) -> None:
        """End the connection at once; the handler under way is cancelled."""
        self._runner.cancel()
        self._stream.abort()

    # -- bytes in ------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if self._closing:
            if not data:
                self._close_when_sent()
            elif not self._discard(len(data)):
                self._stream.pause_reading()
            return
        machine = self._machine
        machine.receive(data)
        if self._exchange is None:
            if self._stream.writing():
                self._next()
            else:
                self._pump()
            return
        self._received_bytes += len(data)
        if self._reader is not None:
            self._wake_reader()
        elif machine.unread > HIGH_WATER:
            self._stream.pause_reading()
        if not data:
            # The client may only have closed its way out, so the answer still goes; but a
            # handler that waits for news has to hear that nobody may be there.
            self._tell_closed()

    def _pump(self) -> None:
        """Serve requests while there are any and none has to wait."""
        machine = self._machine
        while True:
            try:
                event = machine.next_event()
            except RemoteProtocolError as error:
                self._refuse(error)
                return
            if isinstance(event, RequestHead):
                self._requests += 1
                self._exchange = exchange = Exchange(self, event)
                if not self._runner.run(self._application(exchange)):
                    return
                if not self._settle():
                    return
                if self._stream.writing():
                    self._next()
                    return
            elif isinstance(event, Data):
                if not self._discard(len(event.data)):
                    self._close()
                    return
            elif not isinstance(event, EndOfMessage):
                if event is not NEED_DATA:
                    self._close()
                return

    def _ended(self) -> None:
        """Go on after a handler that had to wait."""
        if self._settle():
            self._next()

    def _next(self) -> None:
        """Go on to the next request as soon as the client has taken the last answer.

        One that asks again and again and takes nothing so makes no answers pile up.
        """
        stream = self._stream
        if not stream.writing():
            stream.resume_reading()
            self._pump()
        elif not self._held_back:
            self._held_back = True
            stream.pause_reading()
            stream.flushed().add_done_callback(self._sent)

    def _sent(self, _future: "Future[None]") -> None:
        self._held_back = False
        if not self._closing and not self._stream.closed():
            self._next()

    def _settle(self) -> bool:
        """Take note that the handler has ended; True when the connection goes on."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange._connection = exchange._close_callback = None
        machine = self._machine
        if self._stream.closed():
            self._runner.stop()
            return False
        if machine.reading_head:
            return True
        if machine.switched:
            return False
        if not machine.response_ended:
            self._repair()
        if not machine.keep_alive:
            self._close()
            return False
        # What is left of the request is thrown away next, as far as `_settle_unread` allowed.
        self._discarded = 0
        return True

    def _repair(self) -> None:
        """Answer for a handler that ended without an answer, or in the middle of one."""
        machine = self._machine
        machine.close_after()
        if machine.response_started:
            self._stream.abort()
            return
        self._write(machine.send_head(ResponseHead(500), b"", True))

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Answer a request that cannot be read, and close."""
        gen_log.info("Malformed request from %s: %s", self.context.remote_ip, error)
        machine = self._machine
        if not machine.response_started and not self._stream.closed():
            fields = [("Content-Type", "text/plain; charset=utf-8")]
            self._write(
                machine.send_head(ResponseHead(error.status, fields), f"{error}\n".encode(), True)
            )
        self._close()

    # -- an unread body ------------------------------------------------------------------

    def _settle_unread(self) -> None:
        """Decide, before an answer goes, whether an unread rest of the request allows more."""
        machine = self._machine
        exchange = self._exchange
        assert exchange is not None
        waits = exchange.head.expect_continue and not exchange._continued
        if not machine.body_ended and (waits or machine.body_left > MAX_DISCARD):
            machine.close_after()

    def _discard(self, size: int) -> bool:
        """Throw unread bytes away; False, and the end, when that is too many."""
        self._discarded += size
        return self._discarded <= MAX_DISCARD

    def _close(self) -> None:
        """Close once the answer has left; a client that still sends gets time to read it."""
        stream, machine = self._stream, self._machine
        transport = stream.transport
        if self._closing or transport is None or stream.closed():
            return
        self._closing = True
        self._discarded = 0
        machine.take_rest()
        stream.resume_reading()
        if machine.quiet or not transport.can_write_eof():
            self._close_when_sent()
        else:
            # Closing now would make the kernel answer what still comes with a reset, which
            # takes the answer from the client before it was read (RFC 9112 §9.6).
            transport.write_eof()

    def _close_when_sent(self) -> None:
        stream = self._stream
        if stream.unsent:
            stream.flushed().add_done_callback(lambda _: stream.close())
        else:
            stream.close()

    # -- for the exchange ----------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if data:
            self._stream.write_nowait(data)

    async def _wait_for_data(self) -> None:
        if self._stream.closed():
            raise StreamClosedError(real_error=self._stream.error)
        self._reader = self._loop.create_future()
        self._stream.resume_reading()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake_reader(self, error: Exception | None = None) -> None:
        reader = self._reader
        if reader is not None and not reader.done():
            if error is None:
                reader.set_result(None)
            else:
                reader.set_exception(error)

    def _hand_over(self) -> IOStream:
        """Give the stream away, with the bytes that were read too far."""
        stream = self._stream
        rest = self._machine.take_rest()
        self._machine.switch()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange._connection = None
        stream.push_to(None)
        stream.set_close_callback(None)
        stream.unread(rest)
        stream.resume_reading()
        self._forget()
        return stream

    # -- the end -------------------------------------------------------------------------

    def _gone(self) -> None:
        """Take note that the stream is closed."""
        self._tell_closed()
        self._wake_reader(StreamClosedError(real_error=self._stream.error))
        self._forget()

    def _tell_closed(self) -> None:
        exchange = self._exchange
        if exchange is None or exchange._close_callback is None:
            return
        callback, exchange._close_callback = exchange._close_callback, None
        try:
            callback()
        except Exception:
            app_log.error("Exception in close callback %r", callback, exc_info=True)

    def _forget(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            self._runner.stop()
            closed(self)

    # -- time ----------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Look whether the connection has waited too long for what it waits for."""
        phase, timeout = self._waits_for()
        if phase != self._phase:
            self._phase, self._phase_since = phase, now
        elif timeout is not None and now - self._phase_since >= timeout:
            self._expire(phase[0])

    def _waits_for(self) -> tuple[tuple[Any, ...], float | None]:
        """Return what the connection waits for, with what would show progress, and how long."""
        options = self._options
        unsent = self._stream.unsent
        if unsent < self._unsent:
            self._moved += 1
        self._unsent = unsent
        if unsent:
            return ("write", self._moved), options.write_timeout
        if self._closing:
            return ("close",), options.linger_timeout
        if self._exchange is not None:
            if self._reader is None:
                return ("handler", self._requests), None
            return ("body", self._requests, self._received_bytes), options.body_timeout
        if self._machine.idle:
            return ("idle", self._requests), options.idle_timeout
        return ("head", self._requests), options.header_timeout

    def _expire(self, phase: str) -> None:
        if phase == "body":
            timeout = self._options.body_timeout
            self._wake_reader(
                RemoteProtocolError(f"no more of the body came in {timeout} seconds", 408)
            )
            self._machine.close_after()
        elif phase == "head":
            timeout = self._options.header_timeout
            error = RemoteProtocolError(f"the request was not whole after {timeout} seconds", 408)
            self._machine.fail(error)
            self._refuse(error)
        elif phase == "idle":
            self._stream.close()
        else:
            gen_log.info("Client %s %s time-out", self.context.remote_ip, phase)
            self.abort()
