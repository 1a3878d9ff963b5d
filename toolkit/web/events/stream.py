"""`EventStream`: the events that one client is sent."""

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from toolkit.http1connection import Exchange
from toolkit.web.errors import Finish
from toolkit.web.events.channel import EventChannel, event_text
from toolkit.wire.event_stream import EVENT_STREAM, ServerSentEvent, encode_comment, encode_event

if TYPE_CHECKING:
    from toolkit.web.handler import RequestHandler

#: What `RequestHandler.stream_events` takes events from.
EventSource = EventChannel | AsyncIterable[Any]


class EventStream:
    """The answer of a handler as a stream of events: see `RequestHandler.event_stream`.

    Attributes:
        last_event_id: of the last event that the client has, "" when it has none.
        drained: whether the block was left because the server is about to stop.
    """

    def __init__(
        self,
        handler: "RequestHandler",
        heartbeat: float | None,
        retry: float | None,
        end_at_drain: bool,
    ) -> None:
        if heartbeat is not None and not heartbeat > 0:
            raise ValueError(f"heartbeat {heartbeat!r}; seconds above 0, or None are allowed")
        self.drained = False
        self._handler = handler
        self._heartbeat = heartbeat
        self._end_at_drain = end_at_drain
        # Also a stream without events has told a client how long to wait.
        self._first = b"" if retry is None else encode_event(None, retry=retry)
        self._sent_at = 0.0
        self._beat: asyncio.TimerHandle | None = None
        self._leave: asyncio.Handle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0

    @property
    def last_event_id(self) -> str:
        # The one field of HTTP that is UTF-8 (WHATWG HTML §9.2.4).
        raw = self._handler.request.headers.get("Last-Event-ID", "")
        return raw.encode("latin-1", "replace").decode("utf-8", "replace")

    # -- the block -----------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Send the head.

        Raises:
            Finish: the request is a HEAD, and so answered.
            StreamClosedError: the client is gone.
        """
        handler = self._handler
        exchange: Exchange = handler.request.connection
        handler.set_header("Content-Type", EVENT_STREAM)
        handler.set_header("Cache-Control", "no-store")
        # nginx and its like would collect the answer before they hand it on.
        handler.set_header("X-Accel-Buffering", "no")
        if handler.request.method == "HEAD":
            await handler.flush()
            raise Finish
        await self.send_encoded(self._first)
        exchange.cancel_on_close = True
        self._task = asyncio.current_task()
        if self._task is not None:
            self._cancelling = self._task.cancelling()
        if self._end_at_drain:
            self._listen_for_drain(exchange)
        if self._heartbeat is not None:
            self._beat_at(self._sent_at + self._heartbeat, self._heartbeat)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        for timer in (self._beat, self._leave):
            if timer is not None:
                timer.cancel()
        if self._end_at_drain:
            self._stop_listening()
        if not self.drained or self._task is None:
            return False
        # As `asyncio.timeout` tells its own cancellation from that of others.
        own = self._task.uncancel() <= self._cancelling
        return own and kind is asyncio.CancelledError

    def _listen_for_drain(self, exchange: Exchange) -> None:
        handler = self._handler
        # It has heard already where the server was about to stop before.
        hears = handler._hears_drain and not exchange.draining

        def told() -> None:
            # A turn later the task waits for something within the block, which can be cancelled.
            self._leave = asyncio.get_running_loop().call_soon(self._leave_block)
            if hears:
                handler.on_drain()

        exchange.set_drain_callback(told)

    def _stop_listening(self) -> None:
        """Have the handler told of a later stop, as before."""
        handler = self._handler
        exchange: Exchange = handler.request.connection
        hears = handler._hears_drain and not exchange.draining
        exchange.set_drain_callback(handler.on_drain if hears else None)

    def _leave_block(self) -> None:
        if self._task is not None:
            self.drained = True
            self._task.cancel()

    # -- events --------------------------------------------------------------------------

    async def send(
        self,
        data: Any = None,
        *,
        event: str = "message",
        id: str | None = None,
        retry: float | None = None,
    ) -> None:
        """Send one event, and wait while the client has not taken enough of those before.

        Args:
            data: text of any number of lines, a `ServerSentEvent`, or anything else, which is
                sent as JSON. With None no event comes of it, but the client takes note of `id`
                and `retry`.
            event: type; a script listens for ``message`` unless it says otherwise.
            id: what the client tells in Last-Event-ID when it comes back.
            retry: seconds until a client that lost the stream tries again.
        Raises:
            LocalProtocolError: a line end or NUL in `event` or `id`; nothing was sent.
            StreamClosedError: the client is gone.
        """
        if isinstance(data, ServerSentEvent):
            data, event, id = data.data, data.event, data.id
        text = None if data is None else event_text(data)
        await self.send_encoded(encode_event(text, event=event, id=id, retry=retry))

    async def comment(self, text: str = "") -> None:
        """Send a comment, which a client passes over; the rest as `send`."""
        await self.send_encoded(encode_comment(text))

    async def send_encoded(self, text: bytes) -> None:
        """Send what `encode_event` has written, as it is; the rest as `send`."""
        self._sent_at = asyncio.get_running_loop().time()
        self._handler.write(text)
        await self._handler.flush()

    async def send_all(self, source: EventSource) -> None:
        """Send all events of a source.

        Args:
            source: an `EventChannel`, from the last event on that the client has; or an
                asynchronous iterable of what `send` takes, which is closed in the end.
        """
        if isinstance(source, EventChannel):
            async with aclosing(source.listen(self.last_event_id)) as texts:
                async for text in texts:
                    await self.send_encoded(text)
            return
        closing: Any = aclosing(source) if hasattr(source, "aclose") else nullcontext()
        async with closing:
            async for data in source:
                await self.send(data)

    # -- heartbeats ----------------------------------------------------------------------

    def _beat_at(self, due: float, heartbeat: float) -> None:
        self._beat = asyncio.get_running_loop().call_at(due, self._send_beat, heartbeat)

    def _send_beat(self, heartbeat: float) -> None:
        """Send a comment unless something was sent, or still waits to leave."""
        handler, now = self._handler, asyncio.get_running_loop().time()
        exchange: Exchange = handler.request.connection
        if handler._finished or exchange.closed:
            return
        due = self._sent_at + heartbeat
        if now >= due:
            due = now + heartbeat
            if not exchange.stream.unsent:
                self._sent_at = now
                handler.write(encode_comment())
                handler.flush()
        self._beat_at(due, heartbeat)
