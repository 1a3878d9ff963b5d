"""`Outgoing`: the half of a connection that sends."""

from toolkit.concurrent import Future
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.websocket.errors import WebSocketClosedError
from toolkit.websocket.options import ConnectionOptions, SendQueue
from toolkit.websocket.sending import Backlog
from toolkit.websocket.sending import Outgoing as Message
from toolkit.wire.websocket import Close, Machine, Ping, Pong, Prepared
from toolkit.wire.websocket.frames import encode_close

#: Bytes that are put together before they are written, at most.
MAX_GATHERED = 64 * 1024
#: Messages from this size on are written by themselves: to copy so much costs more than a
#: system call.
LARGE = 64 * 1024
#: Characters of a text that is not large in any case.
SHORT = LARGE // 4


class Outgoing:
    """What `Connection` has for sending.

    What handlers send while bytes that came are looked at goes out in one write at the end of
    that; anything else is written at once.
    """

    __slots__ = (
        "_backlog",
        "_closing",
        "_farewell",
        "_gathered",
        "_pong",
        "_watching",
        "machine",
        "options",
        "stream",
    )

    stream: IOStream
    machine: Machine

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        # What was sent while bytes that came are looked at; None at other times.
        self._gathered: bytes | bytearray | None = None
        self._backlog: Backlog | None = None
        self._farewell: Close | None = None  # to be sent after the backlog
        self._pong: bytes | None = None  # answer to the last ping, once there is room for it
        self._watching = False
        self._closing = False  # whether nothing more may be sent

    def overrun(self, error: Exception) -> None:
        """Abort the connection, whose peer does not take what is sent."""
        raise NotImplementedError

    # -- messages ------------------------------------------------------------------------

    def send(self, message: Message, queue: SendQueue | None = None) -> "Future[None]":
        """Send a message, or have it wait as `queue` says.

        Args:
            queue: None for that of the options.
        Returns:
            A future that is done when more should be sent.
        Raises:
            WebSocketClosedError: the connection is closed, or was aborted for the queue's sake.
            LocalProtocolError: a text that has no UTF-8.
        """
        stream = self.stream
        if stream.blocked or self._closing or self._backlog is not None:
            return self._enqueue(message, queue or self.options.send_queue)
        gathered = self._gathered
        if gathered is not None and not gathered and type(message) is str and len(message) < SHORT:
            # As `_emit_message` does it; mostly there is one answer, and it is short.
            self._gathered = self.machine.send(message)
            return stream.io_loop.done
        self._emit_message(message)
        return self._until_accepted() if stream.writing() else stream.io_loop.done

    def _emit_message(self, message: Message) -> None:
        if isinstance(message, Prepared) or len(message) < LARGE:
            self.emit(self.machine.send(message))
        else:
            head, payload = self.machine.send_parts(message)
            self.emit(head)
            self._write_gathered()
            self.stream.write_nowait(payload)

    def _until_accepted(self) -> "Future[None]":
        """Return a future of the time when the peer has taken what was written."""
        future: Future[None] = Future()
        self.stream.flushed().add_done_callback(lambda flushed: _settle(future, flushed))
        return future

    def _enqueue(self, message: Message, queue: SendQueue) -> "Future[None]":
        if self._closing or self.stream.closed():
            raise WebSocketClosedError("the connection is closed")
        if isinstance(message, str):
            message.encode()  # while there is still somebody to hear of an error
        if self._backlog is None:
            self._backlog = Backlog()
            self._watch()
        try:
            future = self._backlog.add(message, queue, Future)
        except OverflowError as error:
            self.overrun(error)
            raise WebSocketClosedError(str(error)) from error
        return self.stream.io_loop.done if future is None else future

    # -- control frames ------------------------------------------------------------------

    def send_ping(self, payload: bytes) -> None:
        """Send a Ping; none to a peer that is closed.

        Raises:
            LocalProtocolError: more than 125 bytes.
        """
        if self.machine.close_sent is None:
            self._try_emit(self.machine.send(Ping(payload)))

    def send_pong(self, payload: bytes) -> None:
        """Answer a Ping: at once, or the last one of several once the peer takes more.

        RFC 6455 §5.5.3 allows that, and pongs that nobody takes would fill the memory.
        """
        if self.machine.close_sent is not None:
            return
        if self.stream.writing():
            self._pong = payload
            self._watch()
        else:
            self._try_emit(self.machine.send(Pong(payload)))

    def send_close(self, close: Close) -> None:
        """Send a Close after the messages that still wait; once.

        Raises:
            LocalProtocolError: a code that may not be sent, or a reason that is too long.
        """
        if self.machine.close_sent is not None or self._farewell is not None:
            return
        if self._backlog is None:
            self._try_emit(self.machine.send(close))
        else:
            encode_close(close)
            self._farewell = close

    @property
    def close_decided(self) -> bool:
        """Whether this side has sent a Close, or is about to."""
        return self.machine.close_sent is not None or self._farewell is not None

    # -- bytes ---------------------------------------------------------------------------

    def emit(self, data: bytes) -> None:
        """Write bytes, together with others where that is possible.

        Raises:
            StreamClosedError: the stream is closed.
        """
        gathered = self._gathered
        if gathered is None:
            self.stream.write_nowait(data)
        elif not gathered:
            self._gathered = data
        else:
            if type(gathered) is not bytearray:
                self._gathered = gathered = bytearray(gathered)
            gathered += data
            if len(gathered) > MAX_GATHERED:
                self._write_gathered()

    def _try_emit(self, data: bytes) -> None:
        if not self.stream.closed():
            self.emit(data)

    def _write_gathered(self) -> None:
        gathered = self._gathered
        if gathered:
            self._gathered = b""
            self._write(gathered)

    def _write(self, gathered: bytes | bytearray) -> None:
        try:
            self.stream.write_nowait(gathered)
        except StreamClosedError:
            return  # it would go to nobody

    def _watch(self) -> None:
        """Have `_drained` called when the peer has taken what was written."""
        if not self._watching:
            self._watching = True
            self.stream.flushed().add_done_callback(self._drained)

    def _drained(self, flushed: "Future[None]") -> None:
        self._watching = False
        if flushed.cancelled() or flushed.exception() is not None:
            return
        pong, self._pong = self._pong, None
        if pong is not None:
            self.send_pong(pong)
        backlog = self._backlog
        if backlog is None:
            return
        while backlog and not self.stream.writing():
            message, future = backlog.take()
            self._emit_message(message)
            if future is not None and not future.done():
                future.set_result(None)
        if backlog:
            self._watch()
            return
        self._backlog = None
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            self.send_close(farewell)

    def drop_unsent(self) -> None:
        """Forget what still waits to be sent."""
        self._pong = self._farewell = None
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.fail()


def _settle(future: "Future[None]", flushed: "Future[None]") -> None:
    if future.done():
        return
    if flushed.cancelled() or flushed.exception() is not None:
        future.set_exception(WebSocketClosedError("the connection was closed"))
        future.exception()  # nobody is told off for not looking
    else:
        future.set_result(None)
