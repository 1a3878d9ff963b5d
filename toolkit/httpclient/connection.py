"""A client's side of an HTTP/1 connection: one request after the other."""

import asyncio
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from toolkit.concurrent import Future
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.iostream import IOStream, StreamClosedError, UnsatisfiableReadError
from toolkit.iostream.filling import PushFiller
from toolkit.log import gen_log
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import (
    NEED_DATA,
    Data,
    EndOfMessage,
    Fields,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.http1 import CLIENT, Limits, Machine
from toolkit.wire.pieces import Pieces

if sys.platform == "linux":
    import fcntl
    import termios

#: Bytes of a response that may wait for their reader; the server has to wait beyond. What a
#: loop brings in one turn, at most, is that many.
HIGH_WATER = 256 * 1024
_KEEP_ALIVE = re.compile(r"(?:^|[,\s])timeout\s*=\s*([0-9]{1,6})", re.ASCII)


class ClientConnection:
    """A connection that sends requests and reads what the server answers, one at a time.

    Args:
        stream: connected; the connection owns it.
        limits: what the server may send at most.
        released: called with the connection when it is free for another request.
        lost: called with the connection when it is over.

    Attributes:
        key: tells which requests it may serve.
        idle_since: when it became free, by the loop's clock.
        idle_timeout: seconds that it may stay so; as the server said, if it did.
        requests: how many it has begun to serve.
    """

    __slots__ = (
        "__weakref__",
        "_exchange",
        "_lost",
        "_released",
        "idle_since",
        "idle_timeout",
        "key",
        "loop",
        "machine",
        "requests",
        "stream",
    )

    def __init__(
        self,
        stream: IOStream,
        limits: Limits,
        key: Any,
        released: Callable[["ClientConnection"], None],
        lost: Callable[["ClientConnection"], None],
    ) -> None:
        self.stream = stream
        self.machine = Machine(CLIENT, limits)
        self.loop = stream.io_loop.asyncio_loop
        self.key = key
        self.idle_since = 0.0
        self.idle_timeout: float | None = None
        self.requests = 0
        self._exchange: Exchange | None = None
        self._released = released
        self._lost: Callable[[ClientConnection], None] | None = lost

    @property
    def closed(self) -> bool:
        """Whether it takes no further request."""
        return self._lost is None or self.stream.closed()

    def begin(self) -> "Exchange":
        """Return the next exchange, whose request is still to be sent."""
        self.requests += 1
        self._exchange = exchange = Exchange(self)
        return exchange

    def listen(self) -> None:
        """Take what the server says, once the first request was sent.

        Some servers say at once that they have no time, without reading what they are asked.
        """
        self.stream.set_close_callback(self._stream_closed)
        self.stream.push_to(self._receive)
        self.stream.share_buffer()

    def _receive(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            # The server leaves, or says what nobody asked for.
            self.close()
            return
        self.machine.receive(data)
        if not exchange.received:
            if data:
                exchange.begins()
            else:
                exchange.taken = _all_taken(self.stream)
        exchange.advance()

    def _stream_closed(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            error = self.stream.error
            if error is None:
                self.machine.receive(b"")
                exchange.advance()
            else:
                exchange.fail(error)
        self.close()

    def ended(self) -> None:
        """Take note that the response is whole."""
        self._exchange = None
        # Bytes beyond the response, or a request that is still being sent: nobody could
        # tell what belongs to what.
        if self.machine.idle:
            self.idle_since = self.loop.time()
            self._released(self)
        else:
            self.close()

    def close(self, tell: bool = True) -> None:
        """Close the connection, in good order if nothing is under way.

        Args:
            tell: whether `lost` is called.
        """
        self._exchange = None
        lost, self._lost = self._lost, None
        if lost is None:
            return
        if self.machine.finished or self.machine.idle:
            self.stream.close()
        else:
            self.stream.abort()
        if tell:
            lost(self)


class Exchange:
    """One request and its response; the source of the response's content.

    Attributes:
        head: of the response, None before it is there.
        received: whether any byte of a response has come.
        sent: whether any byte of the request may have gone.
        reused: whether its connection had served a request before.
        taken: whether the server ended the connection once it had read all that was sent.
        error: why there is no response, or not all of it; None where all went well so far.
        listener: called when something has come, in place of who waits; it wants all of the
            content, so none is held back for it.
        trailers: as of `transport.Source`.
        proceed: called when the server wants the request's content.
        stop_sending: called when no more of the request is to be sent.
        begun_time, sent_time, first_byte_time: as of `time.monotonic`, since uvloop's own clock
            knows milliseconds alone; `sent_time` is for who sends.
    """

    __slots__ = (
        "_connection",
        "_filler",
        "_held",
        "_patience",
        "_pieces",
        "_waiter",
        "begun_time",
        "ended",
        "error",
        "first_byte_time",
        "head",
        "listener",
        "proceed",
        "received",
        "reused",
        "sent",
        "sent_time",
        "stop_sending",
        "taken",
        "trailers",
    )

    def __init__(self, connection: ClientConnection) -> None:
        self._connection: ClientConnection | None = connection
        self._filler: PushFiller | None = None
        self._held = False
        self._patience: asyncio.TimerHandle | None = None
        self._pieces = Pieces()
        self._waiter: Future[None] | None = None
        self.begun_time = time.monotonic()
        self.ended = False
        self.error: BaseException | None = None
        self.first_byte_time = 0.0
        self.head: ResponseHead | None = None
        self.listener: Callable[[], None] | None = None
        self.proceed: Callable[[], None] | None = None
        self.received = False
        self.reused = connection.requests > 1
        self.sent = False
        self.sent_time = 0.0
        self.stop_sending: Callable[[], None] | None = None
        self.taken = False
        self.trailers: Fields = ()

    # -- the request ---------------------------------------------------------------------

    def send_head(self, head: RequestHead, body: bytes = b"", end: bool = False) -> None:
        """Send the head of a request, and all of its content if `end` says so.

        Raises:
            LocalProtocolError: it cannot be sent, and was not.
        """
        connection = self._connection
        if connection is None:
            return
        raw = connection.machine.send_head(head, body, end)
        try:
            connection.stream.write_nowait(raw)
            self.sent = True
        except StreamClosedError:
            pass  # the reader finds out why
        if connection.requests == 1:
            connection.listen()

    def send(self, data: bytes) -> "Future[None]":
        """Send a piece of the content; the future is done when more should be sent.

        Raises:
            LocalProtocolError: more than Content-Length says.
            StreamClosedError: the connection is closed.
        """
        connection = self._connection
        if connection is None:
            raise StreamClosedError
        return connection.stream.write(connection.machine.send_data(data))

    def finish(self, trailers: Fields = ()) -> None:
        """End the content.

        Raises:
            LocalProtocolError: less was sent than Content-Length says.
            StreamClosedError: the connection is closed.
        """
        connection = self._connection
        if connection is None:
            raise StreamClosedError
        rest = connection.machine.send_end(trailers)
        if rest:
            connection.stream.write_nowait(rest)

    def await_first_byte(self, seconds: float) -> None:
        """Give the response that many seconds to begin, from now on."""
        if self._connection is not None and not self.received:
            self._patience = self._connection.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        self.fail(HTTPTimeoutError("Timeout while waiting for the response"))

    # -- bytes in ------------------------------------------------------------------------

    def begins(self) -> None:
        """Take note of the first byte of a response."""
        assert self._connection is not None
        self.received = True
        self.first_byte_time = time.monotonic()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def advance(self) -> None:
        """Read what has come, and wake who waits for it."""
        connection = self._connection
        assert connection is not None
        machine = connection.machine
        try:
            if self.head is None:
                answer = machine.read_answer()
                if answer is not None:
                    self._take_head(answer[0])
                    if answer[1] is not None:
                        self._pieces.append(answer[1])
                        self._end(connection)
            while not self.ended:
                event = machine.next_event()
                kind = type(event)
                if kind is Data:
                    self._pieces.append(event.data)  # type: ignore[union-attr]  # as `kind` says
                elif kind is ResponseHead:
                    self._take_head(event)  # type: ignore[arg-type]  # as `kind` says
                elif kind is EndOfMessage:
                    self.trailers = event.trailers  # type: ignore[union-attr]  # as `kind` says
                    self._end(connection)
                    break
                elif event is NEED_DATA:
                    break
                else:
                    self.fail(HTTPStreamClosedError("Connection closed"))
                    return
        except RemoteProtocolError as error:
            self.fail(_as_client_error(error))
            return
        if self._pieces.size > HIGH_WATER and not (self.ended or self._held or self.listener):
            self._held = True
            connection.stream.pause_reading()
        if self._pieces.size or self.ended or self.head is not None:
            self._wake()
        if self.listener is not None and self.head is not None and not self.ended:
            self._fill(self.head.length, connection.stream)

    def _fill(self, length: int, stream: IOStream) -> None:
        """Have the rest of a large content written right to where it is wanted."""
        self._pieces.expect(length)
        room = self._pieces.room()
        if room is not None:
            self._filler = stream.push_into(room, self._filled, in_bulk=True)
            if self._filler is None:
                room.release()

    def _filled(self, size: int) -> None:
        """Take note of what came so, all of it or up to the end of the connection."""
        self._filler = None
        self._pieces.filled(size)
        if self._connection is not None:
            self._connection.machine.skip_content(size)

    def _stop_filling(self) -> None:
        filler, self._filler = self._filler, None
        if filler is not None:
            filler.stop()
            self._pieces.filled(filler.filled)

    def _take_head(self, head: ResponseHead) -> None:
        if head.status >= 200:
            self.head = head
            for name, value in head.fields:
                if name == "keep-alive":
                    self._note_patience(value)
            if head.status == 204 and _has_length(head):
                raise RemoteProtocolError("Response with code 204 should not have body")
        elif head.status == 101:
            self.fail(HTTPStreamClosedError("101 Switching Protocols; fetch reads HTTP alone"))
        elif head.status == 100 and self.proceed is not None:
            self.proceed()

    def _note_patience(self, value: str) -> None:
        """Take note of how long the server keeps the connection, as a Keep-Alive field says."""
        match = _KEEP_ALIVE.search(value)
        if match is not None and self._connection is not None:
            # A second less than the server says: it may close as the next request comes.
            self._connection.idle_timeout = max(int(match[1]) - 1, 0)

    def _end(self, connection: ClientConnection) -> None:
        """Let the connection go as soon as the response is whole, be it read or not."""
        self.ended = True
        self._connection = None
        if self.stop_sending is not None:
            self.stop_sending()
        connection.ended()

    def fail(self, error: BaseException) -> None:
        """End with an error, which the reader gets after what came before it."""
        if self.error is None and not self.ended:
            self.error = error
            self._stop_filling()
            self._let_go()
            self._wake()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self.stop_sending is not None:
            self.stop_sending()
        if connection is not None:
            connection.close()

    # -- the response --------------------------------------------------------------------

    def _wake(self) -> None:
        if self.listener is not None:
            self.listener()
            return
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        if self._connection is None:
            raise HTTPStreamClosedError("the response was closed")
        self._waiter = waiter = self._connection.loop.create_future()
        await waiter

    async def read_head(self) -> ResponseHead:
        """Wait for the head of the response.

        Raises:
            HTTPStreamClosedError: there is none, or it is malformed.
            HTTPTimeoutError: it took too long to begin.
            UnsatisfiableReadError: it is too large.
            OSError: the connection broke.
        """
        while self.head is None:
            if self.error is not None:
                raise self.error
            await self._wait()
        if self.error is not None and not self._pieces.size:
            raise self.error
        return self.head

    def take(self) -> bytes:
        """Return what has come of the content and was not read."""
        return self._pieces.take()

    async def read(self) -> bytes:
        """Return the next piece of the content; see `transport.Source.read`."""
        while True:
            piece = self.take()
            if piece:
                if self._held and self._connection is not None:
                    self._held = False
                    self._connection.stream.resume_reading()
                return piece
            if self.ended:
                return b""
            if self.error is not None:
                raise self.error
            await self._wait()

    def close(self) -> None:
        """Give up what is under way; the connection ends with it."""
        self._stop_filling()
        self._pieces.take()
        if not self.ended:
            self._let_go()
            self._wake()


def _has_length(head: ResponseHead) -> bool:
    return any(name == "content-length" and value.strip("0") for name, value in head.fields)


def _as_client_error(error: RemoteProtocolError) -> Exception:
    """Log what is wrong with a response, and return the error for it."""
    message = str(error)
    if error.status == 431:
        gen_log.info("Unsatisfiable read, closing connection: %s", message)
        return UnsatisfiableReadError(message)
    # In the words that programs look for in the log; where servers have an address is None.
    gen_log.info("Malformed HTTP message from None: %s", message)
    return HTTPStreamClosedError(message)


def _all_taken(stream: IOStream) -> bool:
    """Say whether the peer that has ended a connection had read what was sent before it did.

    Its system acknowledges nothing any more that comes after the end, and resets a connection
    that is closed with bytes unread. False too where the system does not tell (tcp(7), SIOCOUTQ).
    """
    if sys.platform != "linux":
        return False
    try:
        return fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, bytes(4)) == bytes(4)
    except (OSError, ValueError):
        return False
