"""`EventSource`: a client of server-sent events that comes back when it lost the stream."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from toolkit.httpclient.errors import HTTPClientError, HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.repeating import repeatable
from toolkit.httpclient.retry import retry_after
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.log import gen_log
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.event_stream import (
    EVENT_STREAM,
    MAX_DATA,
    MAX_LINE,
    EventStreamReader,
    ServerSentEvent,
)
from toolkit.wire.grammar import is_field_value
from toolkit.wire.parameters import parse_parameters

#: What a server says that cannot now: it is tried again, as a lost connection is.
TRY_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
#: What connections fail with.
LOST: tuple[type[Exception], ...] = (OSError, HTTPTimeoutError, HTTPStreamClosedError)


class EventStreamError(HTTPClientError):
    """A response that is no stream of events, or a stream that is malformed."""


class EventSource:
    """Iterates over the events of a URL, over as many connections as it takes.

    Example::

        async with client.events("https://www.example.com/news") as events:
            async for event in events:
                print(event.id, event.data)

    When the stream ends, or its connection is lost, it waits and connects again, and tells the
    server the last event in ``Last-Event-ID``. It waits as long as the server said by
    ``retry``, or `retry` seconds; twice that after each attempt in a row that failed, up to
    `longest`; and up to half of that more by chance, since all clients of a server lose it at
    the same moment. A response with 204 ends the iteration, as the server wants it (WHATWG
    HTML §9.2.3). Browsers give up on any other status than 200; here those of `TRY_AGAIN`
    count as a lost connection.

    Args:
        send: the chain that sends requests.
        request: of the stream; only its content has to be one that can be sent again. Its
            time-out for the whole is one for the first byte, since a stream has no end. That for
            `read` should be longer than the server stays silent.
        last_event_id: to go on from, of an earlier stream.
        retry: seconds.
        longest: seconds.
        attempts: that may fail in a row, the last of which raises its error; None for no limit.
        max_line, max_data: most bytes of a line, and of the data of an event.
        chance: a number from 0 up to 1.

    Attributes:
        last_event_id: of the last event, to go on from.
        retry: seconds, as the server said last.
        response: the one that is being read, None in between.
    """

    def __init__(
        self,
        send: CallNext,
        request: OutgoingRequest,
        *,
        last_event_id: str = "",
        retry: float = 3.0,
        longest: float = 60.0,
        attempts: int | None = None,
        max_line: int = MAX_LINE,
        max_data: int = MAX_DATA,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if attempts is not None and attempts < 1:
            raise ValueError(f"{attempts} attempts; 1 and more are allowed")
        if not repeatable(request):
            raise ValueError("content that can be sent once; a stream may need several requests")
        self.last_event_id = last_event_id
        self.retry = retry
        self.response: StreamedResponse | None = None
        self._send = send
        self._request = _prepared(request)
        self._longest = longest
        self._attempts = attempts
        self._limits = max_line, max_data
        self._chance = chance
        self._reader: EventStreamReader | None = None
        self._failures = 0
        self._begun = False
        self._ended = False

    # -- iterating -----------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent:
        """Return the next event; who gives up waiting for it may ask again.

        Raises:
            StopAsyncIteration: the server said 204, or the source was closed.
            EventStreamError: the response is no stream of events, or a malformed one.
            HTTPClientError: its status is an error that stays.
            OSError: the last of `attempts` failed.
        """
        while not self._ended:
            try:
                event = await self._next()
            except LOST as error:
                await self._lost(error)
            except Exception:
                await self.aclose()
                raise
            else:
                if event is not None:
                    return event
        raise StopAsyncIteration

    async def _next(self) -> ServerSentEvent | None:
        """Return an event, or None when there may be one later."""
        if self._reader is None:
            self._reader = await self._connect()
            return None
        reader, response = self._reader, self.response
        assert response is not None
        try:
            event = reader.next_event()
        except RemoteProtocolError as error:
            raise EventStreamError(response.status, str(error)) from None
        self._take_note(reader)
        if isinstance(event, ServerSentEvent):
            return event
        piece = await response.source.read()
        if not piece:
            raise HTTPStreamClosedError("the stream of events has ended")
        reader.receive(piece)
        return None

    def _take_note(self, reader: EventStreamReader) -> None:
        self.last_event_id = reader.last_event_id
        if reader.retry is not None:
            self.retry = reader.retry

    # -- connecting ----------------------------------------------------------------------

    async def _connect(self) -> EventStreamReader | None:
        """Ask for the stream, and return what reads it; None when there is to be none."""
        request = self._request.copy()
        identifier = self.last_event_id.encode("utf-8").decode("latin-1")
        # One that cannot stand in a field is the server's own fault, and no reason to end.
        if identifier and is_field_value(identifier):
            request.headers["Last-Event-ID"] = identifier
        self.response = response = await self._send(request)
        if response.status == 204:
            await self.aclose()
            return None
        if response.status != 200:
            error = HTTPClientError(response.status, response.reason)
            if response.status not in TRY_AGAIN:
                raise error
            wait = retry_after(response.headers.get("Retry-After", ""), time.time())
            await self._lost(error, wait)
            return None
        _check_type(response)
        self._failures = 0
        max_line, max_data = self._limits
        return EventStreamReader(self.last_event_id, max_line, max_data)

    async def _lost(self, error: Exception, at_least: float | None = None) -> None:
        """Wait for the next attempt.

        Args:
            at_least: seconds that the server has asked for.
        Raises:
            Exception: `error`, when there is to be no further attempt.
        """
        await self._let_go()
        self._failures += 1
        if self._attempts is not None and self._failures >= self._attempts:
            self._ended = True
            raise error
        doublings = min(self._failures - 1, 64)
        wait = min(self.retry * 2.0**doublings, max(self._longest, self.retry))
        wait = max(wait, at_least or 0.0)
        wait += wait * 0.5 * self._chance()
        gen_log.debug("%s lost (%s); again in %.2f s", self._request.url, error, wait)
        await asyncio.sleep(wait)

    # -- the end -------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the iteration, and let the connection go."""
        self._ended = True
        await self._let_go()

    async def _let_go(self) -> None:
        response, self.response, self._reader = self.response, None, None
        if response is not None:
            await response.aclose()


def _prepared(request: OutgoingRequest) -> OutgoingRequest:
    """Return the request for a stream."""
    request = request.copy()
    request.headers.setdefault("Accept", EVENT_STREAM)
    request.headers.setdefault("Cache-Control", "no-store")
    timeouts = request.timeouts
    first_byte = timeouts.whole if timeouts.first_byte is None else timeouts.first_byte
    request.timeouts = replace(timeouts, first_byte=first_byte, whole=None)
    return request


def _check_type(response: StreamedResponse) -> None:
    value = response.headers.get("Content-Type", "")
    try:
        kind, _ = parse_parameters(value)
    except ValueError:
        kind = ""
    if kind != EVENT_STREAM:
        raise EventStreamError(
            response.status, f"Content-Type {excerpt(value)}; {EVENT_STREAM} is allowed"
        )
