"""The server's side of a connection: reads requests and has each answered in its turn."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from toolkit.concurrent import Future, InPlaceRunner
from toolkit.http1connection.exchange import Application, Exchange
from toolkit.http1connection.options import (
    HIGH_WATER,
    MAX_DISCARD,
    ConnectionContext,
    ServerOptions,
    Successor,
)
from toolkit.httputil import date_now
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.iostream.filling import PushFiller
from toolkit.log import app_log, gen_log
from toolkit.wire.errors import NotHTTPError, RemoteProtocolError
from toolkit.wire.events import NEED_DATA, Data, EndOfMessage, Fields, RequestHead, ResponseHead
from toolkit.wire.http1 import SERVER, Machine

#: A refusal that says nothing more, as Tornado has it.
BARE_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class ServerConnection:
    """Speaks HTTP/1 with one client: reads requests and has each answered in its turn.

    Requests run one at a time, in the callback that brought their last byte; a further one
    that is there already waits in the machine's buffer.

    Args:
        stream: connected; the connection owns it.
        application: serves each exchange.
        options: limits and time-outs.
        closed: called with the connection when it is over.
        tasks: that go on beside handlers; those of the connection are added to them.

    Attributes:
        context: who is at the other end.
        exchange: the one under way.
        requests: how many there were.
        draining: whether the server is about to stop.
        successor: what has taken the stream over and is to be told of the server's stop.
        written: bytes of answers in pieces, so that the sweep sees progress.
        stream, machine, loop, options: for the exchange.
    """

    __slots__ = (
        "__weakref__",
        "_application",
        "_closed",
        "_closing",
        "_discarded",
        "_filler",
        "_held_back",
        "_patience",
        "_phase",
        "_progress",
        "_reader",
        "_received",
        "_runner",
        "_since",
        "_take",
        "_tasks",
        "context",
        "draining",
        "exchange",
        "loop",
        "machine",
        "options",
        "requests",
        "stream",
        "successor",
        "written",
    )

    def __init__(
        self,
        stream: IOStream,
        application: Application,
        context: ConnectionContext,
        options: ServerOptions,
        closed: Callable[["ServerConnection"], None],
        tasks: "set[asyncio.Task[Any]] | None" = None,
    ) -> None:
        self.context = context
        self.stream = stream
        self.loop = stream.io_loop.asyncio_loop
        self.machine = Machine(SERVER, options.limits)
        self.exchange: Exchange | None = None
        self.requests = 0
        self.draining = False
        self.successor: Successor | None = None
        self._application = application
        self.options = options
        self._closed: Callable[[ServerConnection], None] | None = closed
        self._tasks = set() if tasks is None else tasks
        if not options.keep_alive:
            self.machine.close_after()
        self._runner = InPlaceRunner(self.loop, self._ended)
        self._reader: Future[None] | None = None  # the exchange waits for data
        self._take: Callable[[bytes], object] | None = None  # has it as it comes
        self._filler: PushFiller | None = None  # has it right where it is wanted
        self._discarded = 0
        self._closing = False
        self._held_back = False  # until the client has taken what was sent
        # For the sweep: what the connection waits for, what has come of it, and since when.
        self._received = 0  # bytes that came while an exchange was under way
        self.written = 0
        self._phase = ""
        self._progress = 0
        self._since = 0.0
        self._patience: tuple[float, int] | None = (
            None  # begin of the time over which a rate counts
        )

    def start(self) -> None:
        """Begin to read requests."""
        self.stream.set_close_callback(self._gone)
        self.stream.push_to(self._receive)

    def drain(self) -> None:
        """Let the connection end: soon when it is idle, else with the current answer."""
        self.draining = True
        exchange = self.exchange
        if exchange is not None and self.machine.response_started:
            # It has told the client that the connection goes on, so that it does for a while.
            exchange.tell_draining()
            return
        self.machine.close_after()
        if exchange is not None:
            exchange.tell_draining()
            return
        # For how long a sweep has seen it idle already, it need not wait.
        since = self.idle_since
        grace = self.options.drain_grace
        if since is not None:
            grace -= self.loop.time() - since
        if grace > 0:
            self.loop.call_later(grace, self._close_if_idle)
        else:
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self.exchange is None and self.machine.idle and not self._closing:
            self._closing = True
            self._close_when_sent()

    def abort(self) -> "Future[None] | None":
        """End the connection at once; the handler under way is cancelled.

        Returns:
            The handler's task, if there is one.
        """
        task = self._runner.task
        self._runner.cancel()
        self.stream.reset()
        return task

    def refuse(self, status: int, reason: str, fields: Fields = ()) -> None:
        """Answer whatever the client is about to ask, and close."""
        error = RemoteProtocolError(reason, status)
        self.machine.fail(error)
        self._refuse(error, fields)

    # -- bytes in ------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        if self._closing:
            if not data:
                self._close_when_sent()
            elif not self._discard(len(data)):
                self.stream.pause_reading()
            return
        machine = self.machine
        news = machine.receive(data)
        if self.exchange is None:
            if self.stream.blocked:
                self._next()
            elif news:
                self._pump()
            return
        self._received += len(data)
        if self._reader is not None and not (data and self._gather()):
            self._wake_reader()
        if machine.unread > HIGH_WATER:
            # Also where somebody is about to read: more may come within this turn.
            self.stream.pause_reading()
        if not data:
            # The client may only have closed its way out, so the answer still goes; but a
            # handler that waits for news has to hear that nobody may be there.
            self._tell_closed()

    def _gather(self) -> bool:
        """Give content to who waits for more than a piece; False when he is to be woken."""
        if self._take is None or self._reader is None or self._reader.done():
            return False
        event = self.machine.next_event()
        assert isinstance(event, Data)
        return not (self._take(event.data) or self.machine.body_ended)

    def _pump(self) -> None:
        """Serve requests while there are any and none has to wait."""
        machine, stream = self.machine, self.stream
        application = self._application
        served = False
        while True:
            try:
                event = machine.next_event()
            except RemoteProtocolError as error:
                self._malformed(error)
                return
            if isinstance(event, RequestHead):
                if served and self._lost():
                    return
                served = True
                self.requests += 1
                self.exchange = exchange = Exchange(self, self.context, event)
                try:
                    if not self._runner.run(application(exchange)):
                        return
                except Exception:
                    app_log.error("Uncaught exception", exc_info=True)
                if machine.starved() and not (stream.blocked or self.draining):
                    # The usual end, as the ways below would come to it.
                    self.exchange = None
                    exchange.end()
                    return
                if not self._settle():
                    return
                if stream.blocked:
                    self._next()
                    return
            elif isinstance(event, Data):
                if not self._discard(len(event.data)):
                    self._close()
                    return
            elif not isinstance(event, EndOfMessage):
                if event is not NEED_DATA:
                    self._close()
                elif self._phase == "idle":
                    self._phase = ""  # a head may have begun, which the sweep is to see
                return

    def _lost(self) -> bool:
        """Say whether the last answer found the client gone, who is told a turn later."""
        transport = self.stream.transport
        return transport is None or transport.is_closing()

    def _ended(self) -> None:
        """Go on after a handler that had to wait."""
        if self._settle():
            self._next()

    def _next(self) -> None:
        """Go on to the next request as soon as the client has taken the last answer.

        One that asks again and again and takes nothing so makes no answers pile up.
        """
        stream = self.stream
        if not stream.blocked:
            stream.resume_reading()
            self._pump()
        elif not self._held_back:
            self._held_back = True
            stream.pause_reading()
            stream.flushed().add_done_callback(self._sent)

    def _sent(self, _future: "Future[None]") -> None:
        self._held_back = False
        if not self._closing and not self.stream.closed():
            self._next()

    def _settle(self) -> bool:
        """Take note that the handler has ended; True when the connection goes on."""
        exchange, self.exchange = self.exchange, None
        machine, stream = self.machine, self.stream
        # The usual end: both messages are whole, and the next cycle has begun.
        goes_on = machine.reading_head and not stream.closed()
        if exchange is not None:
            if not goes_on:
                self._repair(exchange)
            exchange.end()
        if goes_on:
            if self.draining:
                self.drain()
            return True
        if stream.closed():
            self._runner.stop()
            return False
        if machine.switched:
            return False
        if not machine.keep_alive:
            self._close()
            return False
        # The rest of the request is thrown away next, as far as `settle_unread` allowed.
        self._discarded = 0
        if self.draining:
            self.drain()
        return True

    def _repair(self, exchange: Exchange) -> None:
        """Answer for a handler that ended without an answer, or in the middle of one."""
        machine = self.machine
        if machine.response_ended or machine.switched or self.stream.closed():
            return
        machine.close_after()
        if machine.response_started:
            self.stream.abort()
            return
        fields = [("Date", date_now()), *exchange.extra_fields]
        self.write(machine.send_head(ResponseHead(500, fields), b"", True))
        exchange.status = 500

    def _malformed(self, error: RemoteProtocolError) -> None:
        """Refuse what came in the place of a request."""
        what = "Unsatisfiable read of" if error.status in (414, 431) else "Malformed"
        gen_log.info("%s HTTP message from %s: %s", what, self.context.remote_ip, error)
        self._refuse(error)

    def _refuse(self, error: RemoteProtocolError, fields: Fields = ()) -> None:
        """Answer a request that cannot be read, and close."""
        machine = self.machine
        if isinstance(error, NotHTTPError):
            # Who does not speak HTTP has no use for more than the least of an answer.
            self.stream.write_nowait(BARE_REFUSAL)
        elif not machine.response_started and not self.stream.closed():
            fields = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Date", date_now()),
                *fields,
            ]
            self.write(
                machine.send_head(ResponseHead(error.status, fields), f"{error}\n".encode(), True)
            )
        self._close()

    # -- an unread body ------------------------------------------------------------------

    def settle_unread(self) -> None:
        """Decide, before an answer goes, whether an unread rest of the request allows more."""
        machine, exchange = self.machine, self.exchange
        if machine.body_ended or exchange is None:
            return
        # Nobody knows how much is to come in chunks.
        if not 0 < machine.body_left <= MAX_DISCARD or exchange.waits_for_continue:
            machine.close_after()

    def _discard(self, size: int) -> bool:
        """Throw unread bytes away; False, and the end, when that is too many."""
        self._discarded += size
        return self._discarded <= MAX_DISCARD

    def _close(self) -> None:
        """Close once the answer has left; a client that still sends gets time to read it."""
        stream, machine = self.stream, self.machine
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
        stream = self.stream
        if stream.unsent:
            stream.flushed().add_done_callback(lambda _: stream.close())
        else:
            stream.close()

    # -- for the exchange ----------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes of an answer."""
        if data:
            self.written += len(data)
            self.stream.write_nowait(data)

    async def send_file(self, file: int, offset: int, count: int) -> int:
        """Send bytes of a file that belong to an answer; see `IOStream.send_file`."""
        self.written += count
        return await self.stream.send_file(file, offset, count)

    async def wait_for_data(self) -> None:
        """Wait until the client has sent more, or nothing more will come.

        Raises:
            StreamClosedError: it is gone.
            RemoteProtocolError: 408, when it takes too long.
        """
        if self.stream.closed():
            raise StreamClosedError(real_error=self.stream.error)
        self._reader = self.loop.create_future()
        self.stream.resume_reading()
        try:
            await self._reader
        finally:
            self._reader = None

    async def gather(self, take: Callable[[bytes], object]) -> None:
        """Have content of a known length taken, of which some has come already.

        The reader is not woken for each chunk, and no chunks are put together meanwhile.
        Returns early where the client has sent its last.

        Args:
            take: called with each piece; it may not raise, and says by something true that
                it has enough.
        Raises:
            StreamClosedError, RemoteProtocolError: as `wait_for_data`.
        """
        self._take = take
        try:
            await self.wait_for_data()
        finally:
            self._take = None

    async def fill(self, room: memoryview) -> int:
        """Have content of a known length written right into `room`, which is less than is left.

        Args:
            room: released at the end.
        Returns:
            How many bytes came so; fewer than there is room for where others are here already, or
            the client has sent its last.
        Raises:
            StreamClosedError, RemoteProtocolError: as `wait_for_data`.
        """
        self.stream.resume_reading()
        filler = None if self.machine.unread else self.stream.push_into(room, self._filled)
        if filler is None:
            room.release()
            return 0
        self._filler = filler
        try:
            await self.wait_for_data()
        finally:
            if self._filler is not None:
                filler.stop()
                self._count_filled(filler.filled)
        return filler.filled

    def _filled(self, size: int) -> None:
        """Go on where content was written right to its place, as far as it came."""
        self._count_filled(size)
        self._wake_reader()

    def _count_filled(self, size: int) -> None:
        self._filler = None
        self._received += size
        self.machine.skip_content(size)

    def _wake_reader(self, error: Exception | None = None) -> None:
        reader = self._reader
        if reader is not None and not reader.done():
            if error is None:
                reader.set_result(None)
            else:
                reader.set_exception(error)

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run a coroutine in a task that the server awaits or cancels when it stops."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def hand_over(self) -> IOStream:
        """Give the stream away, with the bytes that were read too far."""
        stream = self.stream
        rest = self.machine.take_rest()
        self.machine.switch()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.end()
        stream.push_to(None)
        stream.set_close_callback(None)
        stream.unread(rest)
        stream.resume_reading()
        self._forget()
        return stream

    def overdue(self, exchange: Exchange) -> None:
        """Take note that an exchange has passed its deadline."""
        if exchange is not self.exchange or exchange.answer_ended:
            return
        gen_log.warning(
            "No answer in time to %s %s (%s)",
            exchange.head.method,
            exchange.head.target,
            self.context.remote_ip,
        )
        self.machine.close_after()
        if self.machine.response_started:
            self.abort()
        else:
            exchange.respond(ResponseHead(503, [("Date", date_now()), ("Retry-After", "1")]))
            self._runner.cancel()
            # The client is not to wait for a handler that may not heed it.
            self._cut(exchange)

    def body_overdue(self, exchange: Exchange) -> None:
        """Take note that the content of a request was not there in time: cut the client off."""
        if exchange is self.exchange and not self.machine.body_ended:
            gen_log.info("Timeout reading body from %s", self.context.remote_ip)
            self.stream.abort()

    def refuse_content(self, exchange: Exchange, error: RemoteProtocolError) -> None:
        """Refuse content past a limit as Tornado does, before the handler can see to it."""
        gen_log.info("Malformed HTTP message from %s: %s", self.context.remote_ip, error)
        if not self.machine.response_started:
            self.stream.write_nowait(BARE_REFUSAL)
            exchange.status = 400
        self._tell_closed()
        self.machine.switch()
        self._cut(exchange)

    def _cut(self, exchange: Exchange) -> None:
        """Close the connection, whatever the handler is at."""
        self.exchange = None
        exchange.cut()
        self._close()

    # -- the end -------------------------------------------------------------------------

    def _gone(self) -> None:
        """Take note that the stream is closed."""
        self._tell_closed()
        self._wake_reader(StreamClosedError(real_error=self.stream.error))
        self._forget()

    def _tell_closed(self) -> None:
        exchange = self.exchange
        if exchange is None or exchange.answer_ended:
            return
        callback = exchange.tell_closed()
        if callback is not None:
            try:
                callback()
            except Exception:
                app_log.error("Exception in close callback %r", callback, exc_info=True)
        if exchange.cancel_on_close:
            self._runner.cancel()

    def _forget(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            self._runner.stop()
            closed(self)

    # -- time ----------------------------------------------------------------------------

    def sweep(self, now: float) -> bool:
        """Say whether the connection has waited too long for what it waits for, and end that."""
        if (
            self._phase == "idle"
            and self._progress == self.requests
            and now - self._since < self.options.idle_timeout
            and not self._closing
        ):
            # Nothing has come since the last look. Most are so, and there may be thousands.
            return False
        phase, progress, timeout = self._waits_for()
        if phase != self._phase:
            self._phase, self._progress, self._since = phase, progress, now
            self._patience = (now, progress) if phase in ("body", "write") else None
        elif timeout is None:
            return False
        elif progress == self._progress:
            if now - self._since >= timeout:
                self._expire(phase)
                return True
        elif self._too_slow(progress, now, timeout):
            self._expire(phase)
            return True
        else:
            self._progress, self._since = progress, now
        return False

    def _too_slow(self, progress: int, now: float, timeout: float) -> bool:
        """Say whether bytes came, but too few over the last time-out."""
        if self._patience is None:
            return False
        begin, before = self._patience
        if now - begin < timeout:
            return False
        self._patience = now, progress
        return progress - before < self.options.min_rate * (now - begin)

    def _waits_for(self) -> tuple[str, int, float | None]:
        """Return what the connection waits for, a count of what has come, and how long."""
        options = self.options
        unsent = self.stream.unsent
        if unsent:
            return "write", self.written - unsent, options.write_timeout
        if self._closing:
            return "close", 0, options.linger_timeout
        if self.exchange is not None:
            if self._reader is None:
                return "handler", self.requests, None
            filled = 0 if self._filler is None else self._filler.filled
            return "body", self._received + filled, options.body_timeout
        if self.machine.idle:
            return "idle", self.requests, options.idle_timeout
        return "head", self.requests, options.header_timeout

    def _expire(self, phase: str) -> None:
        if phase == "body":
            self._wake_reader(
                RemoteProtocolError("the content of the request did not come in time", 408)
            )
            self.machine.close_after()
        elif phase == "head":
            timeout = self.options.header_timeout
            self.refuse(408, f"the request was not whole after {timeout} seconds")
        elif phase == "idle":
            self.stream.close()
        else:
            gen_log.info("Client %s %s time-out", self.context.remote_ip, phase)
            self.abort()

    @property
    def idle_since(self) -> float | None:
        """When a sweep first saw the connection idle as it still is, None unless it is."""
        if self._phase != "idle" or self._progress != self.requests or not self.machine.idle:
            return None
        return None if self.exchange is not None else self._since
