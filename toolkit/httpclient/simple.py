"""`SimpleAsyncHTTPClient`: a client that is built on the toolkit's own streams."""

import asyncio
import functools
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from toolkit.concurrent import Future
from toolkit.httpclient.base import AsyncHTTPClient
from toolkit.httpclient.building import ClientSettings, Headers, Values, as_headers, pairs
from toolkit.httpclient.connector import Connector
from toolkit.httpclient.conversion import Converter
from toolkit.httpclient.cookies import CookieJar
from toolkit.httpclient.decoding import Decoding
from toolkit.httpclient.defaults import EnvironmentProxy, authorize, complete
from toolkit.httpclient.digest import DigestAuth
from toolkit.httpclient.direct import DirectAnswer, DirectWay
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.fetch import Fetch
from toolkit.httpclient.network import NetworkTransport
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.pool import PoolLimits
from toolkit.httpclient.redirects import Redirects
from toolkit.httpclient.request import EffectiveRequest, HTTPRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httpclient.timeouts import Limit, Timeouts
from toolkit.httpclient.trace import Trace
from toolkit.httpclient.transport import (
    Middleware,
    OutgoingRequest,
    StreamedResponse,
    Transport,
    chain,
)
from toolkit.log import app_log, gen_log
from toolkit.netutil import OverrideResolver, Resolver
from toolkit.tcpclient import TCPClient
from toolkit.wire.http1 import Limits

#: As Tornado's: bytes that a response may have.
DEFAULT_MAX_BUFFER_SIZE = 100 * 1024 * 1024
DEFAULT_MAX_HEADER_SIZE = 64 * 1024
#: Content of responses that is this many times larger when decoded is an attack.
MAX_DECODED_RATIO = 1100.0
#: Fields of a response; their size is limited as well.
MAX_FIELDS = 1000

Callback = Callable[[HTTPResponse], None]


class Turn:
    """A request that waits for its turn or has it.

    Attributes:
        since: when it began to wait, by the loop's clock.
        timer: ends the wait; None without a limit.
        fetch: its times, once it has its turn.
        answer: it goes the direct way.
        task: it goes the way of the chain.
        context: of who asks.
        refusal: why it was given up.
    """

    __slots__ = (
        "answer",
        "context",
        "fetch",
        "refusal",
        "request",
        "since",
        "task",
        "timer",
    )

    def __init__(self, request: EffectiveRequest, since: float) -> None:
        self.request = request
        self.since = since
        self.timer: asyncio.TimerHandle | None = None
        self.fetch: Fetch | None = None
        self.answer: DirectAnswer | None = None
        self.task: asyncio.Task[HTTPResponse] | None = None
        self.context = copy_context()
        self.refusal: str | None = None


class SimpleAsyncHTTPClient(AsyncHTTPClient):
    """An HTTP/1.1 client.

    Connections are kept for further requests; `transport` describes the way of a request.

    Args:
        max_clients: how many requests may be under way; further ones wait in a queue, for as
            long as their `connect_timeout` or `request_timeout` allows.
        hostname_mapping: other names or addresses to connect to, as `OverrideResolver` takes
            them.
        max_buffer_size: bytes that may wait to be read of one connection.
        resolver: for the names of hosts; None for the configured one.
        defaults: as `AsyncHTTPClient`.
        max_header_size: bytes of a response's head; 64 KiB when None.
        max_body_size: bytes of a response's body, also when decompressed; `max_buffer_size`
            when None.
        base_url, headers, params: as of `ClientSettings`.
        timeouts: of the client's own methods; a number of seconds is for everything.
        options: how connections are made where a request does not say it.
        proxy: URL of the proxy to go through.
        trust_env: whether to go through the proxies that the environment names.
        pool: how many connections there may be; by default at least as many as `max_clients`.
        middleware: sees each request once, the first of the list first.
        hop_middleware: sees each request to a server, redirects apart.
        cookie_jar: keeps the cookies of servers; by default nothing does.
        traces: are told what happens.
        max_decoded_ratio: how many times larger content may become when decoded; None for no
            limit.
        transport: brings requests to servers, instead of the network; the client closes it.

    Attributes:
        queue: requests that wait, and some that gave up.
        waiting: requests that wait.
        active: requests under way.
    """

    _network: NetworkTransport | None = None
    _direct: DirectWay | None = None

    def initialize(  # type: ignore[override]  # it takes more than its base
        self,
        max_clients: int = 10,
        hostname_mapping: Mapping[Any, Any] | None = None,
        max_buffer_size: int = DEFAULT_MAX_BUFFER_SIZE,
        resolver: Resolver | None = None,
        defaults: Mapping[str, Any] | None = None,
        max_header_size: int | None = None,
        max_body_size: int | None = None,
        *,
        base_url: str | None = None,
        headers: Headers | None = None,
        params: Values | None = None,
        timeouts: Timeouts | float | None = None,
        options: ConnectOptions | None = None,
        proxy: str | Proxy | None = None,
        trust_env: bool = False,
        pool: PoolLimits | None = None,
        middleware: Sequence[Middleware] = (),
        hop_middleware: Sequence[Middleware] = (),
        cookie_jar: CookieJar | None = None,
        traces: Sequence[Trace] = (),
        max_decoded_ratio: float | None = MAX_DECODED_RATIO,
        transport: Transport | None = None,
    ) -> None:
        """Set the client up; arguments as those of the class."""
        super().initialize(defaults=defaults)
        self.max_clients = max_clients
        self.max_buffer_size = max_buffer_size
        self.max_header_size = max_header_size
        self.max_body_size = max_body_size if max_body_size is not None else max_buffer_size
        self.queue: deque[tuple[object, EffectiveRequest, Callback]] = deque()
        self.active: dict[object, tuple[EffectiveRequest, Callback]] = {}
        self.waiting: dict[object, tuple[EffectiveRequest, Callback, object]] = {}
        self._turns: dict[EffectiveRequest, Turn] = {}
        self.own_resolver = resolver is None
        self.resolver: Resolver = Resolver() if resolver is None else resolver
        if hostname_mapping is not None:
            self.resolver = OverrideResolver(resolver=self.resolver, mapping=hostname_mapping)
        self.tcp_client = TCPClient(resolver=self.resolver)
        head_size = max_header_size or DEFAULT_MAX_HEADER_SIZE
        limits = Limits(head=head_size, line=head_size, fields=MAX_FIELDS, body=self.max_body_size)
        self._loop = self.io_loop.asyncio_loop
        options = ConnectOptions() if options is None else options
        if proxy is not None:
            proxy = Proxy.parse(proxy) if isinstance(proxy, str) else proxy
            options = replace(options, proxy=proxy)
        self.settings = ClientSettings(
            base_url,
            as_headers(headers),
            tuple(pairs(params or ())),
            Timeouts() if timeouts is None else Timeouts.of(timeouts),
            options,
        )
        self._traces = tuple(traces)
        if transport is None:
            pool = pool or PoolLimits(connections=max(100, max_clients), idle=max(100, max_clients))
            transport = self._network = NetworkTransport(
                self._loop,
                Connector(self.tcp_client, max_buffer_size),
                limits,
                pool,
                self._traces,
            )
        self.transport: Transport = transport
        links: list[Middleware] = [*middleware, Redirects(self._traces), *hop_middleware]
        if cookie_jar is not None:
            links.append(cookie_jar)
        if trust_env:
            links.append(EnvironmentProxy(os.environ))
        links += [DigestAuth(), authorize, Decoding(self.max_body_size, max_decoded_ratio)]
        self._send = chain(links, transport.send)
        self._outgoing = Converter(self.settings)
        between = middleware or hop_middleware or cookie_jar is not None or trust_env or traces
        if self._network is not None and not between:
            self._direct = DirectWay(self._loop, self._network)

    def close(self) -> None:
        """Close the client; requests that wait or are under way fail."""
        super().close()
        for request in list(self._turns):
            self._give_up(request, "the client was closed")
        if self._direct is not None:
            self._direct.close()
        if self._network is not None:
            self._network.close()
        if self.own_resolver:
            self.resolver.close()
        self.tcp_client.close()

    async def aclose(self) -> None:
        """Do as `close`, and close the transport if it was given."""
        self.close()
        await self.transport.aclose()

    async def open_impl(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request of the client's own methods; see `AsyncHTTPClient.stream`."""
        complete(request)
        request.deadline = self._deadline_of(request)
        with Limit(self._loop, request.deadline, "Timeout during request"):
            return await self._ask(request)

    async def request_impl(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request and return its response once all of it is there."""
        if self._direct is None:
            return await super().request_impl(request)
        complete(request)
        request.deadline = self._deadline_of(request)
        future: Future[DirectAnswer] = self._loop.create_future()
        answer = self._direct.start(request, future.set_result)
        if answer is not None:
            try:
                await future
            except BaseException:
                answer.close()
                raise
            if answer.whole:
                return answer.response()
        return await self._read_through(request)

    async def _read_through(self, request: OutgoingRequest) -> StreamedResponse:
        with Limit(self._loop, request.deadline, "Timeout during request"):
            response = await self._ask(request)
        try:
            await response.read()
        finally:
            await response.aclose()
        return response

    def _deadline_of(self, request: OutgoingRequest) -> float | None:
        whole = request.timeouts.whole
        return self._loop.time() + whole if whole else None

    async def _ask(self, request: OutgoingRequest) -> StreamedResponse:
        """Have a request go the way of the chain, and those told that want to know."""
        if not self._traces:
            return await self._send(request)
        for trace in self._traces:
            trace.started(request)
        response, error = None, None
        try:
            response = await self._send(request)
        except BaseException as caught:
            error = caught
            raise
        finally:
            for trace in self._traces:
                trace.ended(request, response, error)
        return response

    # -- waiting for a turn --------------------------------------------------------------

    def fetch_impl(self, request: HTTPRequest | EffectiveRequest, callback: Callback) -> None:
        """Send a request, or have it wait for its turn."""
        if not isinstance(request, EffectiveRequest):
            request = EffectiveRequest(request, self.defaults)
        turn = self._turns[request] = Turn(request, self._loop.time())
        if not self.queue and len(self.active) < self.max_clients:
            self._begin(turn, callback)
            return
        self.queue.append((turn, request, callback))
        self.waiting[turn] = (request, callback, None)
        self._limit_wait(turn, request)
        gen_log.debug(
            "max_clients limit reached, request queued. %d active, %d queued requests.",
            len(self.active),
            len(self.waiting),
        )

    def _limit_wait(self, turn: Turn, request: EffectiveRequest) -> None:
        limits = [t for t in (request.connect_timeout, request.request_timeout) if t]
        if limits:
            turn.timer = self._loop.call_later(min(limits), self._waited_too_long, turn)
            self.waiting[turn] = (*self.waiting[turn][:2], turn.timer)

    def _waited_too_long(self, turn: Turn) -> None:
        callback = self._end_wait(turn)
        error = HTTPTimeoutError("Timeout in request queue")
        self._tell(turn, callback, error=error)

    def _end_wait(self, turn: Turn) -> Callback:
        _, callback, _ = self.waiting.pop(turn)
        if turn.timer is not None:
            turn.timer.cancel()
            turn.timer = None
        return callback

    def _next_turns(self) -> None:
        """Begin with requests that wait while there may be more under way."""
        while self.queue and len(self.active) < self.max_clients and not self._closed:
            turn, _, callback = self.queue.popleft()
            if turn not in self.waiting:
                continue  # it was given up
            assert isinstance(turn, Turn)
            self._end_wait(turn)
            self._begin(turn, callback)

    # -- under way -----------------------------------------------------------------------

    def _begin(self, turn: Turn, callback: Callback) -> None:
        """Send a request whose turn has come."""
        turn.fetch = Fetch(turn.request, self._loop.time() - turn.since)
        try:
            outgoing = self._outgoing(turn.request)
            outgoing.deadline = self._deadline_of(outgoing)
            if self._direct is not None and not turn.fetch.told_of_parts:
                done = functools.partial(self._answered, turn)
                turn.answer = self._direct.start(outgoing, done)
        except Exception as error:
            self._tell(turn, callback, error=error)
            return
        self.active[turn] = (turn.request, callback)
        if turn.answer is None:
            self._start_task(turn, outgoing)

    def _start_task(self, turn: Turn, outgoing: OutgoingRequest) -> None:
        """Have a request go the way of the chain."""
        assert turn.fetch is not None
        run = turn.fetch.run(outgoing, self._ask)
        turn.task = self._loop.create_task(run, context=turn.context)
        turn.task.add_done_callback(functools.partial(self._ended, turn))

    def _answered(self, turn: Turn, answer: DirectAnswer) -> None:
        """Hand on the response to a request that went the direct way."""
        turn.answer = None
        if answer.whole:
            assert turn.fetch is not None
            response = answer.response()
            self._finish(turn, turn.fetch.respond(response, response.content))
        else:
            self._start_task(turn, answer.request)

    def _ended(self, turn: Turn, task: "asyncio.Task[HTTPResponse]") -> None:
        """Hand on what came of a task."""
        turn.task = None
        if not task.cancelled():
            error = task.exception()
            self._finish(turn, None if error else task.result(), error)
        elif turn.refusal is not None:
            self._finish(turn, error=HTTPStreamClosedError(turn.refusal))
        else:
            # The loop is being closed, and with it whatever waits.
            del self.active[turn]
            del self._turns[turn.request]

    def _finish(
        self,
        turn: Turn,
        response: HTTPResponse | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Let the next request have its turn, and tell what came of this one."""
        _, callback = self.active.pop(turn)
        self._next_turns()
        self._tell(turn, callback, response, error)

    def _tell(
        self,
        turn: Turn,
        callback: Callback,
        response: HTTPResponse | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Call the callback with the response, or with one that has the error."""
        del self._turns[turn.request]
        if response is None:
            fetch = turn.fetch
            response = HTTPResponse(
                turn.request,
                599,
                error=error,
                request_time=fetch.elapsed if fetch else self._loop.time() - turn.since,
                start_time=fetch.start_time if fetch else None,
            )
        try:
            callback(response)
        except Exception:
            app_log.error("Exception in callback %r", callback, exc_info=True)

    def abandon_impl(self, request: EffectiveRequest) -> None:
        """Give a request up: it leaves the queue, or its connection is closed."""
        self._give_up(request, "the request was cancelled")

    def _give_up(self, request: EffectiveRequest, reason: str) -> None:
        turn = self._turns.get(request)
        if turn is None:
            return
        if turn in self.waiting:
            self._tell(turn, self._end_wait(turn), error=HTTPStreamClosedError(reason))
        elif turn.answer is not None:
            turn.answer.close()
            self._finish(turn, error=HTTPStreamClosedError(reason))
        elif turn.task is not None:
            turn.refusal = reason
            turn.task.cancel()
