"""`Connection`: one WebSocket after its handshake, of a server or a client."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from toolkit.concurrent import Future, create_resumed_task
from toolkit.iostream import IOStream
from toolkit.log import gen_log
from toolkit.websocket.calling import BUSY, Calling, is_coroutine_method
from toolkit.websocket.delegate import Delegate
from toolkit.websocket.inbox import Inbox, MessageFuture
from toolkit.websocket.options import ConnectionOptions
from toolkit.websocket.rate import Bucket
from toolkit.wire.websocket import (
    CLOSED,
    MAX_REASON,
    NEED_DATA,
    Close,
    FrameError,
    Machine,
    Ping,
    Pong,
)
from toolkit.wire.websocket.codes import INTERNAL_ERROR, NORMAL, POLICY, TOO_BIG

if TYPE_CHECKING:
    from toolkit.websocket.rooms import Room

#: Work that is done before others get their turn, in bytes of messages; each frame counts as
#: `FRAME_COST` of them, since for small ones that is what they cost.
TURN_WORK = 256 * 1024
FRAME_COST = 1024
#: Received bytes that may wait while no messages are taken; past it the peer has to wait.
HIGH_WATER = 64 * 1024
#: Seconds and bytes for a peer to stop sending after its connection was failed.
LINGER_TIMEOUT = 2.0
MAX_DISCARD = 256 * 1024

# What keeps messages from being looked at, beside BUSY.
_OPENING = 1  # `open` has not ended
_FULL = 4  # nobody reads those that have come
_LATER = 8  # a timer or the next turn of the loop goes on
_OVER = 16  # all is said: nothing is looked at any more


class Connection(Calling):
    """Speaks WebSocket on a stream: a message goes on in the callback that brought its bytes.

    No task, future or timer is made for a message, unless a coroutine that handles it has to
    wait; until that has ended no further one is looked at.

    Args:
        handler: gets what comes.
        options: limits and time-outs.
        server: whether to close the connection first once both sides are done (RFC 6455 §7.1.1).

    Attributes:
        close_code, close_reason: what the peer's Close said, or that by which this side failed
            the connection; None for nothing.
        rooms: that it has joined; None for none.
    """

    __slots__ = (
        "__weakref__",
        "_bucket",
        "_by_coroutine",
        "_close_timer",
        "_direct",
        "_discarded",
        "_end_waiters",
        "_ended",
        "_finished",
        "_inbox",
        "_paused",
        "_pulled",
        "_server",
        "_task",
        "close_code",
        "close_reason",
        "rooms",
    )

    def __init__(self, handler: Delegate, options: ConnectionOptions, server: bool) -> None:
        super().__init__(options, handler)
        self._hold = _OPENING
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.rooms: set[Room] | None = None
        self._server = server
        self._finished = False
        self._paused = False
        self._discarded = 0
        self._by_coroutine = False
        self._inbox: Inbox | None = None
        self._pulled = False  # whether anybody has read messages one by one
        self._task: asyncio.Task[None] | None = None  # that of `open`
        self._end_waiters: list[Future[None]] | None = None
        self._ended: Callable[[Any], None] | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._bucket: Bucket | None = None
        # Whether messages go to the handler as they are and when they come.
        self._direct = options.rate_limit is None and options.decode is None

    # -- the beginning -------------------------------------------------------------------

    def attach(self, stream: IOStream, machine: Machine) -> None:
        """Take the stream, after the handshake, and the machine for what was agreed on.

        What comes is handled in a copy of the context of the caller.
        """
        self.stream = stream
        self.machine = machine
        self.keep_context()
        limit = self.options.rate_limit
        if limit is not None:
            self._bucket = Bucket(limit, self._loop.time())

    def start(self, opening: "Coroutine[Any, Any, None] | None" = None) -> None:
        """Begin to receive.

        Args:
            opening: has to end before messages are looked at, unless it reads them itself.
        """
        stream = self.stream
        self._by_coroutine = is_coroutine_method(self.handler.on_message)
        self.start_pinging()
        if opening is None:
            self._hold &= ~_OPENING
        else:
            self._task = create_resumed_task(self._loop, opening, self._opening_ended)
        stream.set_close_callback(self._gone)
        stream.push_to(self._pump)

    def _opening_ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if task.cancelled():
            self.stream.abort()
        elif (error := task.exception()) is not None:
            self.handler.log_exception(type(error), error, error.__traceback__)
            self.fail(Close(INTERNAL_ERROR))
        elif self._pulled and self._inbox is not None and not self._inbox.awaited:
            # Whoever read the messages has ended, and nobody else will.
            self.close(NORMAL)
        self._release(_OPENING)

    # -- bytes in ------------------------------------------------------------------------

    def _pump(self, data: bytes | None = None) -> None:
        """Look at what has come, until there is no more or something has to be waited for.

        Args:
            data: what has come right now; ``b""`` for the end.
        """
        machine = self.machine
        if data is not None:
            if self._hold & _OVER:
                self._discard(data)
                return
            machine.receive(data)
        if self._gathered is not None:
            return  # the one who calls is called from here
        work = 0
        self._gathered = b""
        try:
            while not self._hold:
                event = machine.next_event()
                kind = type(event)
                if kind is str or kind is bytes:
                    if self._direct:
                        if self._by_coroutine:
                            self._call_coroutine_method(self.handler.on_message, event)
                        else:
                            self._call(self.handler.on_message, event)
                    else:
                        self._take(event)  # type: ignore[arg-type]
                    if machine.emptied:
                        break
                    work += FRAME_COST + len(event)  # type: ignore[arg-type]
                elif event is NEED_DATA:
                    break
                else:
                    work += FRAME_COST
                    self._control(event)
                if work >= TURN_WORK and machine.unread:
                    self._go_on_later(0.0)
        except FrameError as error:
            gen_log.debug("Malformed WebSocket data: %s", error)
            # In Tornado's words where it has any.
            too_big = error.code == TOO_BIG
            self.fail(Close(TOO_BIG, "message too big") if too_big else Close.for_error(error))
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered:
                self._write(gathered)
        if not self._hold:
            if self._paused:
                self._paused = False
                self.stream.resume_reading()
        elif machine.unread > HIGH_WATER and not self._hold & _OVER:
            self._pause()

    def _pause(self) -> None:
        self._paused = True
        self.stream.pause_reading()

    def _release(self, what: int) -> None:
        """Go on, if nothing else is waited for."""
        self._hold &= ~what
        if not self._hold:
            self._pump()
        self._settle()

    def _go_on_later(self, seconds: float) -> None:
        self._hold |= _LATER
        if seconds:
            self._loop.call_later(seconds, self._release, _LATER)
        else:
            self._loop.call_soon(self._release, _LATER)

    def _discard(self, data: bytes) -> None:
        """Throw away what a peer sends that was told to stop; close when it has."""
        self._discarded += len(data)
        if not data:
            self.stream.close()
        elif self._discarded > MAX_DISCARD:
            self.stream.abort()

    # -- what has come -------------------------------------------------------------------

    def _take(self, message: str | bytes) -> None:
        """Hand on a message."""
        if self._bucket is not None and not self._in_time(self._bucket, message):
            return
        decode, value = self.options.decode, message
        if decode is not None:
            try:
                value = decode(message)
            except ValueError as error:
                self.fail(Close(POLICY, str(error).encode()[:MAX_REASON].decode(errors="ignore")))
                return
        inbox = self._inbox
        if inbox is None:
            self._call(self.handler.on_message, value)
        elif not self._closing or inbox.awaited:
            inbox.put(value, len(message))
            if inbox.full:
                self._hold |= _FULL

    def _in_time(self, bucket: Bucket, message: str | bytes) -> bool:
        """Say whether a message may be handed on; else it is later, or never."""
        limit = self.options.rate_limit
        assert limit is not None
        seconds = bucket.wait(self._loop.time())
        if not seconds:
            return True
        if limit.action == "close":
            gen_log.info("A WebSocket peer sends more than %r", limit)
            self.fail(Close(POLICY, "too many messages"))
        else:
            self._hold |= _LATER
            self._loop.call_later(seconds, self._take_late, message)
        return False

    def _take_late(self, message: str | bytes) -> None:
        """Hand on a message that came too soon."""
        self._hold &= ~_LATER
        if not self._hold & _OVER:
            self._take(message)
        self._release(0)

    def _control(self, event: object) -> None:
        if self._finished and isinstance(event, (Ping, Pong)):
            return  # the connection is gone, and only messages are still to be read
        if type(event) is Ping:
            self.send_pong(event.payload)
            self._call(self.handler.on_ping, event.payload)
        elif type(event) is Pong:
            self.pong_seen = True
            self._call(self.handler.on_pong, event.payload)
        elif type(event) is Close:
            self.close_code, self.close_reason = event.code, event.reason or None
            # What was to be sent would go to nobody.
            self.drop_unsent()
            self.send_close(Close(event.code))
            self._end(linger=False)
        elif event is CLOSED:
            # The peer is gone without a word (RFC 6455 §7.1.5, code 1006).
            self._end(linger=False)
            self.stream.close()

    # -- messages one by one -------------------------------------------------------------

    def pull(self) -> Inbox:
        """Keep messages for `read` from now on, instead of handing them on; return their place."""
        inbox = self._inbox
        if inbox is None:
            inbox = self._inbox = Inbox(self._loop, self.options.receive_queue)
            self._direct = False
            if self._hold & _OVER:
                inbox.end()
        return inbox

    def read(self, iterating: bool = False) -> MessageFuture:
        """Return a future of the next message.

        Args:
            iterating: whether the end is told by StopAsyncIteration, else it is None.
        """
        inbox = self.pull()
        self._pulled = True
        future = inbox.get(iterating)
        if self._hold & (_OPENING | _FULL) and not inbox.full:
            self._release(_OPENING | _FULL)
        return future

    # -- the end -------------------------------------------------------------------------

    @property
    def client_terminated(self) -> bool:
        """Whether the other side has ended, or the connection is lost."""
        return bool(self._hold & _OVER) or self.stream.closed()

    @property
    def server_terminated(self) -> bool:
        """Whether this side has ended, or the connection is lost."""
        return self.is_closing()

    def is_closing(self) -> bool:
        """Say whether nothing more can be sent."""
        return self._closing or self.stream.closed()

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Say that this side is done; a peer that does not answer is cut off after a while.

        Raises:
            LocalProtocolError: a code that may not be sent, or a reason of more than 123 bytes.
        """
        if self._closing:
            return
        if code is None and reason is not None:
            code = NORMAL
        self.send_close(Close(code, reason or ""))
        self._closing = True
        self.stop_pinging()
        self._close_timer = self._loop.call_later(self.options.close_timeout, self._give_up)
        if self._hold & _FULL:
            # Nobody reads: what is still to come is thrown away, up to the peer's Close.
            self._release(_FULL)

    def fail(self, close: Close) -> None:
        """Close with an error, and look at nothing more that comes (RFC 6455 §7.1.7)."""
        if self._hold & _OVER:
            return
        if not self.close_decided:
            self.drop_unsent()
            self.send_close(close)
        self.close_code, self.close_reason = close.code, close.reason or None
        self._end(linger=True)

    def overrun(self, error: Exception) -> None:
        """Abort the connection, whose peer does not take what is sent."""
        gen_log.info("Aborted a WebSocket: %s", error)
        self.close_code, self.close_reason = POLICY, "does not read"
        self.stream.abort()

    def _end(self, linger: bool) -> None:
        """Take note that all is said.

        Args:
            linger: whether the peer may still send, so that a close would have the kernel
                reset the connection, which takes our Close from it.
        """
        self._closing = True
        self._hold |= _OVER
        self.stop_pinging()
        self._write_gathered()
        stream, transport = self.stream, self.stream.transport
        if transport is not None and not stream.closed():
            if self._close_timer is not None:
                self._close_timer.cancel()
            self._close_timer = self._loop.call_later(LINGER_TIMEOUT, self._give_up)
            if linger and transport.can_write_eof():
                try:
                    transport.write_eof()
                except OSError:
                    stream.abort()  # The peer has reset the connection; asyncio says so here.
            elif self._server or linger:
                stream.close()
            if self._paused:
                self._paused = False
                stream.resume_reading()
        self._settle()

    def _give_up(self) -> None:
        """Cut off a peer that has had its time."""
        self._close_timer = None
        self.stream.abort()

    def _gone(self) -> None:
        """Take note that the stream is closed; what has come before is still looked at."""
        self.machine.receive(b"")
        self.stop_pinging()
        self.drop_unsent()
        if self._close_timer is not None and not self.stream.unsent:
            self._close_timer.cancel()
            self._close_timer = None
        if not self._finished and getattr(self.handler, "cancel_on_close", False):
            self._cancel()
        self._release(0)

    def _settle(self) -> None:
        """Tell of the end, once nothing is under way any more."""
        ending, gone = bool(self._hold & _OVER), self.stream.closed()
        if not (ending or gone):
            return
        if self.rooms:
            for room in list(self.rooms):
                room.discard(self)
        if ending and self._inbox is not None:
            self._inbox.end()
        # With no reader to be seen, messages that nobody has read keep nobody from the end.
        if self._task is not None or self._hold & (_OPENING | BUSY):
            return
        if not ending and self._hold & _LATER:
            return
        if not self._finished:
            self._finished = True
            self._tell(self.handler.on_ws_connection_close, self.close_code, self.close_reason)
            for future in self._end_waiters or ():
                if not future.done():
                    future.set_result(None)
            self._end_waiters = None
            # It has a reference to this connection.
            del self.handler
        if gone:
            self._forget()

    def _forget(self) -> None:
        """Let go of everything else."""
        self.stop_calling()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)

    async def ended(self) -> None:
        """Wait until the handler was told of the end."""
        if self._finished:
            return
        future: Future[None] = Future()
        if self._end_waiters is None:
            self._end_waiters = []
        self._end_waiters.append(future)
        await future

    def _cancel(self) -> "asyncio.Task[None] | None":
        """Cancel what is under way, and return its task."""
        task = self._task or self.called_task
        if task is not None:
            task.cancel()
        return task

    # -- for pings and the server ------------------------------------------------------------------

    def looking(self) -> bool:
        """Say whether what comes is looked at as it comes."""
        return not self._hold

    def drain(self) -> None:
        """Have the delegate hear that the server is about to stop."""
        if not self._closing:
            self._tell(self.handler.on_drain)

    def abort(self) -> "asyncio.Task[None] | None":
        """End the connection at once; a coroutine under way is cancelled."""
        task = self._cancel()
        self.stream.reset()
        return task

    def set_end_callback(self, callback: Callable[[Any], None]) -> None:
        """Have `callback` called with the connection once everything is over."""
        self._ended = callback
