"""`Exchange`: one request and the answer to it, as an application sees them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from toolkit.concurrent import Future
from toolkit.http1connection.options import ConnectionContext, Successor
from toolkit.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
    parse_response_start_line,
)
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log
from toolkit.wire.coding import Decoder, known_coding
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import (
    NEED_DATA,
    Data,
    EndOfMessage,
    Fields,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.pieces import Pieces

if TYPE_CHECKING:
    from toolkit.http1connection.serving import ServerConnection


#: How many times its bytes a compressed request may come to.
MAX_RATIO = 200.0
#: The field that tells of a coding that was there.
CONSUMED = "x-consumed-content-encoding"


class Exchange(HTTPConnection):
    """One request and the answer to it.

    The answer goes out whole by `respond`, or in pieces by `start`, `send` and `finish`.
    The request's content is read by `read`, or piece by piece with ``async for``; what is
    not read stays with the peer.

    It is the `httputil.HTTPConnection` of its request too, with the names that Tornado's
    connections have.

    Attributes:
        head: the request.
        context: who sent it.
        trailers: fields that came after the content, once that was read.
        status: of the final answer; 0 as long as there is none.
        sent: bytes of the answer's content so far.
        answer_ended: whether all of the answer was handed over.
        extra_fields: added to the head of the final answer.
        request_id: of the request; "" where the server makes none.
        received_at: `time.monotonic` when the head was there; 0.0 unless the server asks.
        logged: whether the server writes a line of its own about it.
        cancel_on_close: whether a client that leaves has the handler cancelled. One that
            has closed its way out counts as gone.
    """

    # Of each exchange, as it begins; an object has its own once that changes. What every answer
    # looks at is not among them: Python finds that sooner where the class has no default.
    trailers: Fields = ()
    request_id = ""
    received_at = 0.0
    cancel_on_close = False
    _ended: "Callable[[Exchange], None] | None" = None
    _continued = False
    _close_callback: Callable[[], None] | None = None
    _drain_callback: Callable[[], None] | None = None
    _rest = b""  # content that came, and from where on it was not read yet
    _at = 0
    _decoded: Iterator[bytes] = iter(())
    _cut = False  # whether the client was cut off while the handler was at work
    _raw = b""
    _deadline: asyncio.TimerHandle | None = None
    _body_deadline: asyncio.TimerHandle | None = None
    _answered: "Future[None] | None" = None

    def __init__(
        self, connection: "ServerConnection | None", context: ConnectionContext, head: RequestHead
    ) -> None:
        self._connection = connection
        self.context = context
        self.head = head
        self.status = 0
        self.sent = 0
        self.answer_ended = False
        self.logged = False
        self.extra_fields: Fields = ()
        self._decoder: Decoder | None = None
        self._unread = head.length != 0  # whether there may be content that was not read
        self._watched = False  # whether anything is to be told or undone at the end

    # -- the request ---------------------------------------------------------------------

    async def read(self) -> bytes:
        """Return the whole content.

        Raises:
            RemoteProtocolError: too large or malformed; the answer should be its `status`.
            StreamClosedError: the client is gone.
        """
        connection = self._connection
        if connection is not None and connection.exchange is self and self._decoder is None:
            content = connection.machine.take_content()
            if content is not None:
                self._unread = False
                return content
        pieces = Pieces()
        if connection is not None and self._may_gather():
            pieces.expected = len(self._rest) - self._at + connection.machine.body_left
        while piece := await self.read_some(sys.maxsize):
            pieces.append(piece)
            if self._may_gather():
                await self._gather(pieces)
                if self.content_ended:
                    break
        return pieces.take()

    async def _gather(self, pieces: Pieces) -> None:
        """Add what is still to come of plain content of a known length, or much of it."""
        room = pieces.room()
        if room is None and not self.content_ended:
            await self._open().gather(pieces.append)
            room = pieces.room()
        if room is not None:
            pieces.filled(await self._open().fill(room))

    def _may_gather(self) -> bool:
        """Say whether only plain content of a known length comes, and nothing behind it."""
        return (
            self.head.length > 0
            and self._connection is not None
            and self._decoder is None
            and self._body_deadline is None
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the content as it comes, in pieces of at most the chunk size; errors as `read`.

        Who stops in between finds the rest when it reads again.
        """
        size = self._open().options.chunk_size
        while piece := await self.read_some(size):
            yield piece

    async def read_some(self, size: int) -> bytes:
        """Return the next piece of the content, of at most `size` bytes; b"" at its end.

        Errors as `read`.
        """
        rest, at = self._rest, self._at
        if at == len(rest):
            rest, at = await self._data(), 0
        piece = rest[at : at + size] if at or len(rest) > size else rest
        self._rest, self._at = rest, at + len(piece)
        return piece

    async def pour(self, take: Callable[[bytes], bool]) -> bool:
        """Give `take` the next piece of the content, and what comes behind it until it is true.

        Plain content of a known length goes to it in the callbacks that bring it, of other
        content there is one piece alone. Errors as `read`.

        Args:
            take: called with each piece, as large as it came; it may not raise.
        Returns:
            Whether there was a piece; False at the end of the content.
        """
        piece = await self.read_some(sys.maxsize)
        if piece and not take(piece) and self._may_gather() and not self.content_ended:
            await self._open().gather(take)
        return bool(piece)

    async def _data(self) -> bytes:
        """Return content as it came, or was decoded; b"" at its end."""
        try:
            while self.head.length:
                for piece in self._decoded:
                    return piece
                event = self._open().machine.next_event()
                if isinstance(event, Data):
                    if self._decoder is None:
                        return event.data
                    self._decoded = self._decoder.feed(event.data)
                elif event is NEED_DATA:
                    await self._more()
                else:
                    self._content_ended(event)
                    break
        except RemoteProtocolError as error:
            connection = self._open()
            if error.status != 413 or not connection.options.bare_limit:
                raise
            connection.refuse_content(self, error)
            raise StreamClosedError(real_error=error) from error
        return b""

    def _content_ended(self, event: object) -> None:
        if isinstance(event, EndOfMessage):
            self.trailers = event.trailers
            if self._decoder is not None:
                self._decoder.end()
        if self._body_deadline is not None:
            self._body_deadline.cancel()

    async def _more(self) -> None:
        """Wait until the client has sent more."""
        connection = self._open()
        if self.head.expect_continue and not self._continued:
            self._continued = True
            if not connection.machine.response_started:
                self.interim(ResponseHead(100))
        await connection.wait_for_data()

    @property
    def content_ended(self) -> bool:
        """Whether it is known already that all of the content was read."""
        if self._at < len(self._rest) or self._decoder is not None:
            return False
        return not self.head.length or self._open().machine.body_ended

    @property
    def waits_for_continue(self) -> bool:
        """Whether the client holds its content back until it is told to go on."""
        return self.head.expect_continue and not self._continued

    @property
    def number(self) -> int:
        """Its place among the exchanges of its connection; the first is 1."""
        return self._open().requests

    def put_back(self, content: bytes) -> None:
        """Have content that was read already come first when it is read again."""
        self._rest, self._at = content + self._rest[self._at :], 0

    def decode(self, decoder: Decoder, fields: Fields) -> None:
        """Have the content come out decoded, and the request have other fields.

        Raises:
            RemoteProtocolError: from reading, when it cannot be decoded or gets too large.
        """
        self._decoder = decoder
        head = self.head
        self.head = RequestHead(
            head.method,
            head.target,
            fields,
            head.version,
            head.host,
            head.length,
            head.keep_alive,
            head.expect_continue,
            head.upgrade,
        )

    def set_max_body(self, size: int | None) -> None:
        """Limit the content of this request alone; None for no limit."""
        self._open().machine.max_body = size
        if self._decoder is not None:
            self._decoder.max_size = size

    # -- the answer ----------------------------------------------------------------------

    def respond(self, head: ResponseHead, body: bytes = b"") -> "Future[None]":
        """Send the whole answer.

        Returns:
            A future of what `drained` waits for.
        Raises:
            LocalProtocolError: the answer is malformed or has begun; nothing was sent.
        """
        connection = self._connection
        if connection is None or connection.exchange is not self:
            return self._over()
        stream = connection.stream
        if stream.closed():
            return failed(StreamClosedError(real_error=stream.error))
        if self._unread:
            connection.settle_unread()
        if self.extra_fields:
            head.fields = [*head.fields, *self.extra_fields]
        stream.write_nowait(connection.machine.send_whole(head, body))
        self.status = head.status
        self.sent = len(body)
        self.answer_ended = True
        if self._watched:
            self._tell_answered()
        return stream.accepted()

    def respond_raw(self, status: int, raw: bytes, size: int) -> bool:
        """Send the whole answer as it is, where `Machine.count_whole` takes it.

        Args:
            raw: head and content.
            size: of the content.
        Returns:
            Whether it was sent; if not, `respond` is the way.
        """
        connection = self._connection
        if connection is None or connection.exchange is not self or self.extra_fields:
            return False
        stream = connection.stream
        if stream.closed() or not connection.machine.count_whole(status):
            return False
        stream.write_nowait(raw)
        self.status = status
        self.sent = size
        self.answer_ended = True
        if self._watched:
            self._tell_answered()
        return True

    def interim(self, head: ResponseHead) -> None:
        """Send a 1xx response; the final one is still to come."""
        connection = self._open()
        connection.write(connection.machine.send_head(head))

    def start(self, head: ResponseHead, data: bytes = b"") -> None:
        """Send the head, and a first piece of the content with it; `finish` has to follow.

        Raises:
            LocalProtocolError: as `respond`.
        """
        connection = self._open()
        machine = connection.machine
        if self._unread:
            connection.settle_unread()
        if self.extra_fields:
            head.fields = [*head.fields, *self.extra_fields]
        raw = machine.send_head(head, data)
        self.status = head.status
        self.sent = len(data)
        connection.write(raw)

    def send(self, data: bytes) -> None:
        """Send a piece of the content; await `drained` before many more.

        Raises:
            LocalProtocolError: more than Content-Length says, or after the end.
            StreamClosedError: the client is gone.
        """
        connection = self._open()
        connection.write(connection.machine.send_data(data))
        self.sent += len(data)

    def push(self, data: bytes) -> "Future[None]":
        """Send a piece of the content, and return a future of what `drained` waits for.

        What is pushed in one turn of the loop leaves as one, see `IOStream.gather`. A client
        that is gone is told of by the future alone.

        Raises:
            LocalProtocolError: as `send`.
        """
        connection = self._connection
        if connection is None or connection.exchange is not self:
            if not self.closed:
                self.send(data)
            return self.flushed()
        raw = connection.machine.send_data(data)
        self.sent += len(data)
        connection.written += len(raw)
        return connection.stream.write_gathered(raw)

    async def send_file(self, file: int, offset: int, count: int) -> int:
        """Send a piece of a file, as `IOStream.send_file`, in an answer with Content-Length.

        The connection is closed where the file has ended before, as nothing fills the gap.

        Raises:
            LocalProtocolError: no Content-Length, or more than it says; nothing was sent.
            StreamClosedError: the client is gone.
        """
        connection = self._open()
        connection.machine.count_data(count)
        sent = await connection.send_file(file, offset, count)
        self.sent += sent
        if sent < count:
            self.close()
        return sent

    def finish(self, trailers: Fields = ()) -> None:
        """End the answer.

        Args:
            trailers: fields after the content, which has to go in chunks then.
        Raises:
            LocalProtocolError: less was sent than Content-Length says; the connection will
                be closed.
        """
        connection = self._open()
        connection.write(connection.machine.send_end(trailers))
        self.answer_ended = True
        self._tell_answered()

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent for more to be sent.

        Raises:
            StreamClosedError: it is gone.
        """
        await self.flushed()

    def flushed(self) -> "Future[None]":
        """Return a future of what `drained` waits for."""
        connection = self._connection
        if connection is None or connection.stream.closed():
            return failed(StreamClosedError())
        return connection.stream.accepted()

    def answered(self) -> "Future[None]":
        """Return a future that is done once the answer has ended, or the client is gone."""
        if self._answered is None:
            self._answered = Future()
            self._watched = True
            if self.answer_ended or self.closed:
                self._tell_answered()
        return self._answered

    def _tell_answered(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    # -- how the exchange may end --------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the client is gone, or the exchange over."""
        return self._connection is None or self._connection.stream.closed()

    @property
    def draining(self) -> bool:
        """Whether the server is about to stop."""
        return self._connection is not None and self._connection.draining

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the client leaves before the answer has ended."""
        self._close_callback = callback
        self._watched = True

    def set_end_callback(self, callback: "Callable[[Exchange], None]") -> None:
        """Have `callback` called once the exchange is over."""
        self._ended = callback
        self._watched = True

    def set_drain_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the server is about to stop, or at once when it is.

        What has not ended at the server's deadline is cancelled.
        """
        self._drain_callback = callback
        self._watched = True
        if callback is not None and self.draining:
            self.tell_draining()

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run a coroutine in a task of its own, which may outlive the exchange.

        The server waits for it when it stops, and cancels it at its deadline.
        """
        return self._open().create_task(coroutine)

    def set_deadline(self, seconds: float | None) -> None:
        """Have the client told 503 unless the answer begins within a time; None for no bound.

        The handler is cancelled then. An answer that has begun and not ended is cut off.
        """
        self._deadline = self._reset(self._deadline, seconds, "overdue")

    def close_after(self) -> None:
        """Let this be the last exchange of its connection."""
        self._open().machine.close_after()

    def upgrade(self, head: ResponseHead, successor: Successor | None = None) -> IOStream:
        """Answer 101, or 2xx to CONNECT, and take the stream over; what was read too far is
        put back.

        Args:
            successor: what speaks on the stream from now on; the server tells it of its stop
                and waits for its end.
        Raises:
            LocalProtocolError: the client did not ask for it.
        """
        connection = self._open()
        connection.write(connection.machine.send_head(head))
        self.status = head.status
        connection.successor = successor
        return connection.hand_over()

    def detach(self) -> IOStream:
        """Take the stream over without an answer, or after one that has begun."""
        return self._open().hand_over()

    def _reset(
        self, timer: asyncio.TimerHandle | None, seconds: float | None, method: str
    ) -> asyncio.TimerHandle | None:
        """Put a timer in the place of another one."""
        self._watched = True
        if timer is not None:
            timer.cancel()
        if seconds is None:
            return None
        connection = self._open()
        return connection.loop.call_later(seconds, getattr(connection, method), self)

    def _open(self) -> "ServerConnection":
        connection = self._connection
        if connection is None or connection.exchange is not self:
            self._over().result()
        assert connection is not None
        return connection

    def _over(self) -> "Future[None]":
        """Return what an exchange comes to that has ended without its handler.

        Raises:
            LocalProtocolError: the handler itself has ended it.
        """
        if self._cut:
            return failed(StreamClosedError())
        raise LocalProtocolError("the exchange is over")

    # -- Tornado's names -----------------------------------------------------------------

    @property
    def stream(self) -> IOStream:
        """The stream of the connection."""
        return self._open().stream

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """Send the head, and a first piece of the content with it.

        Returns:
            A future of what `drained` waits for.
        Raises:
            HTTPOutputError: as `start` raises LocalProtocolError.
        """
        if not isinstance(start_line, ResponseStartLine):
            raise TypeError(f"start_line {start_line!r}; a server sends a ResponseStartLine")
        head = ResponseHead(start_line.code, headers.fields(), start_line.reason)
        if self.closed:
            return failed(StreamClosedError())
        try:
            if head.status < 200:
                self.interim(head)
            else:
                self.start(head, chunk or b"")
        except LocalProtocolError as error:
            self.close()
            raise HTTPOutputError(str(error)) from error
        return self.flushed()

    def write(self, chunk: bytes) -> "Future[None]":
        """Send a piece of the content; the rest as `write_headers`.

        Without `write_headers` before it, the answer is taken as raw bytes, head included.
        """
        if self.closed:
            return failed(StreamClosedError())
        if not self.status:
            return self._write_raw(chunk)
        try:
            self.send(chunk)
        except LocalProtocolError as error:
            self.close()
            raise HTTPOutputError(str(error)) from error
        return self.flushed()

    def _write_raw(self, chunk: bytes) -> "Future[None]":
        """Take bytes of an answer whose head is among them; nothing goes before it is whole."""
        self._raw += chunk
        head, end, rest = self._raw.partition(b"\r\n\r\n")
        if not end:
            return self.flushed()
        start_line, _, lines = head.decode("latin-1").partition("\r\n")
        headers = HTTPHeaders.parse(lines)
        return self.write_headers(parse_response_start_line(start_line), headers, rest)

    def set_max_body_size(self, max_body_size: int) -> None:
        """Do as `set_max_body`."""
        self.set_max_body(max_body_size)

    def set_body_timeout(self, timeout: float) -> None:
        """Limit the seconds in which the whole content has to come; past it reading fails."""
        self._body_deadline = self._reset(self._body_deadline, timeout, "body_overdue")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.stream.close()

    # -- for the connection --------------------------------------------------------------

    def cut(self) -> None:
        """Let go of the connection, for which the handler will look in vain."""
        self._cut = True
        self.end()

    def end(self) -> None:
        """Let go of the connection."""
        self._connection = None
        if not self._watched:
            return
        self._close_callback = self._drain_callback = None
        if self._deadline is not None:
            self._deadline.cancel()
        if self._body_deadline is not None:
            self._body_deadline.cancel()
        self._tell_answered()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)

    def tell_closed(self) -> Callable[[], None] | None:
        """Return what the client's leaving is to be told to, once."""
        self._tell_answered()
        callback, self._close_callback = self._close_callback, None
        return callback

    def tell_draining(self) -> None:
        """Tell the handler that the server is about to stop, once."""
        callback, self._drain_callback = self._drain_callback, None
        if callback is not None:
            try:
                callback()
            except Exception:
                app_log.error("Exception in drain callback %r", callback, exc_info=True)


def decode_content(exchange: Exchange, max_size: int | None) -> None:
    """Have content with a known coding come out decoded, up to `max_size` bytes.

    What its coding was is told by X-Consumed-Content-Encoding.
    """
    fields = exchange.head.fields
    coding = known_coding([value for name, value in fields if name == "content-encoding"])
    if coding is None or not exchange.head.length:
        return
    told = [
        (CONSUMED if name == "content-encoding" else name, value)
        for name, value in fields
        if name != CONSUMED
    ]
    exchange.decode(Decoder(coding, max_size, MAX_RATIO), told)


def failed(error: Exception) -> "Future[None]":
    """Return a future with an error that nobody has to look at."""
    future: Future[None] = Future()
    future.set_exception(error)
    future.exception()
    return future


#: What serves an exchange.
Application = Callable[[Exchange], Coroutine[Any, Any, None]]
