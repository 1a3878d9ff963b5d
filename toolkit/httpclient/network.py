"""The transport of the network: HTTP/1.1 over connections that are kept."""

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from toolkit.httpclient.connection import ClientConnection, Exchange
from toolkit.httpclient.content import Content
from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.options import ConnectOptions
from toolkit.httpclient.pool import Pool, PoolLimits
from toolkit.httpclient.sending import PIECE, Sending, send
from toolkit.httpclient.target import Origin, Target
from toolkit.httpclient.timeouts import Limit, Timeouts
from toolkit.httpclient.trace import Trace
from toolkit.httpclient.transport import OutgoingRequest, Source, StreamedResponse
from toolkit.httpclient.tunnels import proxy_authorization
from toolkit.httputil import HTTPHeaders
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.wire.events import Fields, RequestHead, ResponseHead
from toolkit.wire.http1 import Limits

#: Methods that may be tried again, since twice is as good as once (RFC 9110 §9.2.2).
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"))


class Connecting(Protocol):
    """What makes connections; see `Connector.connect`."""

    async def connect(
        self,
        options: ConnectOptions,
        origin: Origin,
        timeouts: Timeouts,
        progress: Callable[[str], None],
    ) -> IOStream:
        """Return a stream to an origin, or to its proxy where that is asked by absolute URLs."""
        ...


class NetworkTransport:
    """Sends requests to servers, over connections that wait for the next one afterwards.

    A connection that a server closes while it waits may be found closed only by the request
    that it was chosen for. Such a request is sent once more, by a new connection, if nothing
    of it can have been taken or doing it twice is as good as once, and nothing came back.

    Args:
        loop: that it runs on.
        connector: makes connections.
        limits: what a server may send at most.
        pool_limits: how many connections there may be.
        traces: are told what happens.

    Attributes:
        pool: the connections.

    RFC 9110 §9.2.2, RFC 9112 §9.3.1
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connector: Connecting,
        limits: Limits,
        pool_limits: PoolLimits,
        traces: "tuple[Trace, ...]" = (),
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._connector = connector
        self._traces = traces
        self.pool = Pool(self._loop, pool_limits)

    async def aclose(self) -> None:
        """Close all connections that are idle; those in use end with their response."""
        self.close()

    def close(self) -> None:
        """Do as `aclose`."""
        self.pool.close()

    def begin(self, request: OutgoingRequest) -> Exchange | None:
        """Send a request at once, on a connection that is idle; None where there is none.

        `send` goes on from there if it is given the request.

        Raises:
            ValueError: the request is malformed; nothing was sent.
        """
        target = request.target
        connection = self.pool.take_idle(request.options.key(target.origin))
        if connection is None:
            return None
        request.begun = exchange = connection.begin()
        content = request.content
        assert not isinstance(content, Content)
        try:
            send(exchange, _request_head(request, target), content)
        except BaseException:
            exchange.close()
            raise
        exchange.sent_time = time.monotonic()
        return exchange

    async def send(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request; see `transport.Transport.send`."""
        key = request.options.key(request.target.origin)
        begun, request.begun = request.begun, None
        progress = Progress(request, self._traces, begun)
        exchange = begun or await self._next_exchange(request, key, progress)
        while True:
            try:
                if exchange is begun:
                    head = await exchange.read_head()
                else:
                    head = await self._ask(exchange, request, progress)
                break
            except (HTTPStreamClosedError, StreamClosedError, OSError):
                exchange.close()
                if not (exchange.reused and _may_repeat(request, exchange)):
                    raise
            except BaseException:
                exchange.close()
                raise
            # Those that are as old are no better.
            self.pool.close_idle(key)
            exchange = await self._next_exchange(request, key, progress)
        return self._response(request, exchange, head, progress)

    # -- a connection --------------------------------------------------------------------

    async def _next_exchange(
        self, request: OutgoingRequest, key: Hashable, progress: "Progress"
    ) -> Exchange:
        connection = self.pool.take_idle(key) or await self._get(request, key, progress)
        exchange = connection.begin()
        if exchange.reused:
            progress("reused")
        return exchange

    async def _get(
        self, request: OutgoingRequest, key: Hashable, progress: "Progress"
    ) -> ClientConnection:
        """Return a connection that is free, or a new one."""
        patience = request.timeouts.pool
        deadline = self._loop.time() + patience if patience else None
        with Limit(self._loop, deadline, "Timeout while waiting for a connection"):
            found = await self.pool.acquire(key)
        if found is not None:
            return found
        try:
            await self.pool.guard()
            stream = await self._connector.connect(
                request.options, request.target.origin, request.timeouts, progress
            )
        except BaseException:
            self.pool.abandon(key)
            raise
        return ClientConnection(stream, self._limits, key, self.pool.release, self.pool.lost)

    # -- an exchange ---------------------------------------------------------------------

    async def _ask(
        self, exchange: Exchange, request: OutgoingRequest, progress: "Progress"
    ) -> ResponseHead:
        """Send the request, and return the head of the response, which may come before the end.

        Raises:
            ValueError: the request is malformed; nothing was sent.
        """
        content, timeouts = request.content, request.timeouts
        head = _request_head(request, request.target)
        waits = request.expect_continue and content is not None
        patient = timeouts.write and isinstance(content, bytes) and len(content) > PIECE
        sending = None
        if content is not None and (waits or patient or isinstance(content, Content)):
            sending = Sending.start(exchange, head, content, waits, timeouts)
        else:
            send(exchange, head, content)
            if timeouts.first_byte:
                exchange.await_first_byte(timeouts.first_byte)
        progress("sent")
        answer = await exchange.read_head()
        if sending is not None:
            sending.answered()
        return answer

    def _response(
        self,
        request: OutgoingRequest,
        exchange: Exchange,
        head: ResponseHead,
        progress: "Progress",
    ) -> StreamedResponse:
        response = StreamedResponse(
            request,
            head.status,
            HTTPHeaders.received(head.fields),
            exchange,
            head.reason,
            head.version,
        )
        response.time_info = progress.times
        progress.times["starttransfer"] = exchange.first_byte_time - progress.started
        if self._traces:
            response.source = _Traced(exchange, request, self._traces)
            for trace in self._traces:
                trace.first_byte(request)
        return response


class Progress:
    """What has happened to a request, and when.

    Attributes:
        started: when the request came to the transport, as of `time.monotonic`.
        times: seconds since then, by curl's names; a connection that was there already took none.
    """

    __slots__ = ("_request", "_traces", "started", "times")

    def __init__(
        self, request: OutgoingRequest, traces: "tuple[Trace, ...]", begun: Exchange | None
    ) -> None:
        self._request = request
        self._traces = traces
        self.started = time.monotonic()
        self.times = {"namelookup": 0.0, "connect": 0.0, "appconnect": 0.0}
        if begun is not None:
            self.started = begun.begun_time
            self.times["pretransfer"] = begun.sent_time - begun.begun_time

    def __call__(self, what: str) -> None:
        """Take note that something happened, and tell those who want to know."""
        name = _TIME_NAMES.get(what)
        if name is not None:
            self.times[name] = time.monotonic() - self.started
        for trace in self._traces:
            getattr(trace, what)(self._request)


#: What curl calls the moments.
_TIME_NAMES = {
    "resolved": "namelookup",
    "connected": "connect",
    "secured": "appconnect",
    "sent": "pretransfer",
}


class _Traced:
    """Content whose pieces are told of."""

    def __init__(
        self, source: Source, request: OutgoingRequest, traces: "tuple[Trace, ...]"
    ) -> None:
        self._source = source
        self._request = request
        self._traces = traces

    @property
    def trailers(self) -> Fields:
        return self._source.trailers

    async def read(self) -> bytes:
        piece = await self._source.read()
        for trace in self._traces:
            if piece:
                trace.chunk(self._request, len(piece))
            else:
                trace.finished(self._request)
        return piece

    def close(self) -> None:
        self._source.close()


def _request_head(request: OutgoingRequest, said: Target) -> RequestHead:
    """Return the head of a request as it stands on the wire.

    Args:
        said: what its URL says.
    """
    origin, target, _ = said
    headers = request.headers
    fields = list(headers.fields())
    if "Host" not in headers:
        fields.insert(0, ("Host", origin.authority))
    content = request.content
    if isinstance(content, Content):
        length = content.length
    else:
        length = len(content) if content is not None and request.expect_continue else None
    if length is not None and "Content-Length" not in headers:
        fields.append(("Content-Length", str(length)))
    proxy = request.options.proxy
    if proxy is not None and origin.scheme == "http" and proxy.scheme in ("http", "https"):
        target = f"http://{origin.authority}{target}"
        if "Proxy-Authorization" not in headers:
            fields += proxy_authorization(proxy)
    return RequestHead(request.method, target, fields)


def _may_repeat(request: OutgoingRequest, exchange: Exchange) -> bool:
    """Say whether a request that found its connection closed may be sent again.

    Not one that the server has read: it may be what ended the server, or be done.
    """
    if exchange.received or exchange.taken:
        return False
    content = request.content
    if isinstance(content, Content) and not content.replayable:
        return False
    return request.method in IDEMPOTENT or not exchange.sent
