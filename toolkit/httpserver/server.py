"""`HTTPServer`, whose connections are swept for time-outs and end in good order."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from time import perf_counter
from typing import Any

from toolkit.http1connection import (
    ConnectionContext,
    Exchange,
    HTTP1ConnectionParameters,
    ServerConnection,
    ServerOptions,
    Successor,
)
from toolkit.httpserver.access import AccessLog
from toolkit.httpserver.adapters import as_application
from toolkit.httpserver.attending import OVERLOADED, RETRY_AFTER, Attendant
from toolkit.httpserver.forwarding import TrustedProxies, XHeaders
from toolkit.httpserver.lifespan import in_one_line, lifespan_of
from toolkit.httpserver.request_ids import RequestIDs
from toolkit.httputil import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
)
from toolkit.ioloop import IOLoop
from toolkit.iostream import IOStream
from toolkit.log import app_log, gen_log
from toolkit.netutil import ServerSSLOptions, bound_unsent
from toolkit.tcpserver import TCPServer
from toolkit.util import Configurable

#: The sweep comes at least this often, and never more often than the other, in seconds.
MAX_SWEEP, MIN_SWEEP = 1.0, 0.02
#: Seconds after which a sweep gives others their turn.
SWEEP_TURN = 0.00005
#: Turns that a sweep lets pass after a connection that it has ended. To end one takes the server
#: and the kernel as long as to serve a request, and should not add up for those who wait.
END_TURNS = 8
#: Seconds that cancelled handlers get to end, once the time to close has passed.
CANCEL_GRACE = 1.0

#: Connections that are looked at to find an idle one, so that a new one costs no walk over all.
LOOK_AT = 100
#: Clients that are told that there is no place for them at a time; more are closed unheard.
MAX_TURNED_AWAY = 100
#: Connections that are accepted at most when a server stops.
WAITING = 4096

#: Bytes not yet sent that the kernel takes for a client, besides those under way.
MAX_UNSENT = 256 * 1024

HTTPRequest = HTTPServerRequest


class HTTPServer(TCPServer, Configurable, HTTPServerConnectionDelegate):
    """An HTTP/1.1 server.

    Example::

        server = HTTPServer(application)
        server.listen(8888, "127.0.0.1")
        ...
        server.stop()
        await server.close_all_connections(timeout=10)

    Times are in seconds, sizes in bytes; what is None has its default.

    Args:
        request_callback: a `web.Application`, or another object with a method
            ``handle_exchange(exchange)`` that returns a coroutine; a
            `httputil.HTTPServerConnectionDelegate`; or a function of the
            `httputil.HTTPServerRequest`.
        no_keep_alive: close each connection after one response.
        xheaders: take the client's address and the protocol from X-Real-Ip or
            X-Forwarded-For, and X-Scheme or X-Forwarded-Proto, whoever connects. Behind
            anything but one proxy that sets them, `trusted_proxies` is the safe way.
        ssl_options: a context, a dict or `netutil.ServerCertificates`, to serve https.
        protocol: ``"http"`` or ``"https"``, as the client sees it, where a proxy ends TLS.
        decompress_request: decode content that a client sent with a gzip or deflate coding.
        chunk_size: most bytes of a piece of streamed content; 64 KiB.
        max_header_size: of a request's head; 64 KiB.
        idle_connection_timeout: that a connection may wait between requests; 60.
        body_timeout: in which a body has to bring more bytes, and `min_rate` for each
            second of it; 30.
        max_body_size: of a request's content. More is refused as Tornado does it, with a bare
            400 that no handler sees.
        content_limit: the same limit, whose excess the handler's error page answers with
            413; 100 MiB. `RequestHandler.max_body_size` goes before it.
        max_buffer_size: of the streams.
        trusted_downstream: with `xheaders`, addresses of proxies that X-Forwarded-For may
            name behind the client.
        header_timeout: that a head may take from its first byte; 10.
        write_timeout: in which a client has to take more bytes, and `min_rate` for each
            second of it; 30.
        handshake_timeout: that TLS may take to begin; 10.
        response_timeout: in which an answer has to begin, else 503 is answered and the
            handler cancelled; no bound. `RequestHandler.response_timeout` goes before it.
        min_rate: bytes per second; 240, and 0 for no such bound.
        drain_grace: that a connection is kept after its last response when the server
            stops, as the next request may be on its way; 0.25.
        max_connections: how many there may be; for one more the longest idle one is closed,
            and when there is none it is answered 503.
        max_requests: how many may be under way; more are answered 503.
        max_requests_per_connection: after which a connection ends.
        trusted_proxies: peers that say who the client is: IP addresses, networks such as
            ``"10.0.0.0/8"``, or ``"unix"``.
        proxy_headers: headers in which those say it, of `forwarding.KNOWN_HEADERS`;
            X-Forwarded-For and X-Forwarded-Proto. Others come from whoever wants.
        proxy_protocol: peers that begin with a header of the PROXY protocol, as `TCPServer`.
        access_log: an `AccessLog`, or the name of one of its formats.
        request_ids: a `RequestIDs`, or True for one that takes those of trusted proxies.

    Attributes:
        conn_params: some of the options, in Tornado's form.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Configurable calls `initialize` with the arguments.
        pass

    def initialize(
        self,
        request_callback: Any,
        no_keep_alive: bool = False,
        xheaders: bool = False,
        ssl_options: ServerSSLOptions | None = None,
        protocol: str | None = None,
        decompress_request: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        idle_connection_timeout: float | None = None,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        max_buffer_size: int | None = None,
        trusted_downstream: list[str] | None = None,
        *,
        content_limit: int | None = None,
        header_timeout: float | None = None,
        write_timeout: float | None = None,
        handshake_timeout: float | None = None,
        response_timeout: float | None = None,
        min_rate: float | None = None,
        drain_grace: float | None = None,
        max_connections: int | None = None,
        max_requests: int | None = None,
        max_requests_per_connection: int | None = None,
        trusted_proxies: Iterable[str] = (),
        proxy_headers: Iterable[str] | None = None,
        proxy_protocol: Iterable[str] = (),
        access_log: AccessLog | str | None = None,
        request_ids: RequestIDs | bool = False,
    ) -> None:
        TCPServer.__init__(
            self,
            ssl_options,
            max_buffer_size,
            proxy_protocol=proxy_protocol,
            **_given(handshake_timeout=handshake_timeout),
        )
        if protocol not in (None, "http", "https"):
            raise ValueError(f"protocol {protocol!r}; 'http' and 'https' are allowed")
        self.request_callback = request_callback
        self.xheaders = xheaders
        self.protocol = protocol
        self.trusted_downstream = trusted_downstream
        self.conn_params = HTTP1ConnectionParameters(
            decompress=decompress_request,
            chunk_size=chunk_size,
            max_header_size=max_header_size,
            header_timeout=idle_connection_timeout,
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            no_keep_alive=no_keep_alive,
        )
        if max_body_size is not None and content_limit is not None:
            raise ValueError("max_body_size and content_limit; one of them is allowed")
        usual = ServerOptions()
        limits = replace(
            usual.limits,
            **_given(
                head=max_header_size, body=max_body_size if content_limit is None else content_limit
            ),
        )
        self._options = replace(
            usual,
            limits=limits,
            keep_alive=not no_keep_alive,
            bare_limit=max_body_size is not None,
            **_given(
                header_timeout=header_timeout,
                idle_timeout=idle_connection_timeout,
                body_timeout=body_timeout,
                write_timeout=write_timeout,
                min_rate=min_rate,
                drain_grace=drain_grace,
                chunk_size=chunk_size,
            ),
        )
        proxies = list(trusted_proxies)
        if proxies and xheaders:
            raise ValueError("xheaders and trusted_proxies; one of them is allowed")
        if proxy_headers is not None and not proxies:
            raise ValueError("proxy_headers without trusted_proxies")
        self._attendant = Attendant(
            # A subclass with a `start_request` of its own is asked for each exchange.
            as_application(self if self._overridden else request_callback, self),
            forwarding=TrustedProxies(proxies, **_given(headers=proxy_headers))
            if proxies
            else XHeaders(trusted_downstream or ())
            if xheaders
            else None,
            request_ids=RequestIDs(accept=proxies) if request_ids is True else request_ids or None,
            access_log=AccessLog(access_log) if isinstance(access_log, str) else access_log,
            decompress=decompress_request,
            max_body=limits.body,
            response_timeout=response_timeout,
            max_requests=max_requests,
            max_requests_per_connection=max_requests_per_connection,
        )
        self._application = (
            self._attendant.handle_exchange
            if self._attendant.needed
            else self._attendant.application
        )
        self._max_connections = max_connections
        self._connections: set[ServerConnection] = set()
        self._turned_away: set[ServerConnection] = set()
        self._side_tasks: set[asyncio.Task[Any]] = set()  # that handlers have begun
        self._successors: set[Successor] = set()  # of connections that were upgraded
        self._empty = asyncio.Event()  # set while there is no connection
        self._empty.set()
        self._sweeper: asyncio.Handle | None = None
        self._tell_close = self._close_listener()
        self._life = lifespan_of(request_callback)
        self._starting: asyncio.Task[None] | None = None
        self._alive = False  # whether the application's lifespan is held

    @property
    def _overridden(self) -> bool:
        return type(self).start_request is not HTTPServer.start_request

    def _close_listener(self) -> Callable[[object], None] | None:
        """Return what wants to hear of the end of a connection."""
        if type(self).on_close is not HTTPServer.on_close:
            return self.on_close
        if isinstance(self.request_callback, HTTPServerConnectionDelegate):
            return self.request_callback.on_close
        return None

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        """Return the class at the root of the choice."""
        return HTTPServer

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        """Return the implementation when none was chosen."""
        return HTTPServer

    # -- the lifespan of the application -------------------------------------------------

    def add_sockets(self, sockets: Iterable[Any]) -> None:
        """Accept connections on listening sockets, which belong to the server from now on.

        Where the application has a lifespan, its beginning comes first: clients that connect
        wait until then. If it fails, that is logged, and the sockets are closed.
        """
        if self._alive or self._life is None or not self._life.needed:
            sockets = list(sockets)
            for sock in sockets:
                bound_unsent(sock, MAX_UNSENT)
            super().add_sockets(sockets)
            return
        self._listening += [(sock, _nothing) for sock in sockets]
        if self._starting is None:
            self._starting = IOLoop.current().asyncio_loop.create_task(self._begin())
            self._starting.add_done_callback(_noted)

    async def _begin(self) -> None:
        assert self._life is not None
        try:
            await self._life.hold()
        except Exception as error:
            app_log.error("The application could not start: %s", in_one_line(error))
            super().stop()
            raise
        self._alive = True
        waiting, self._listening = self._listening, []
        self.add_sockets([sock for sock, _ in waiting])

    async def started(self) -> None:
        """Wait until connections are accepted.

        Raises:
            Exception: what kept the lifespan of the application from beginning.
        """
        if self._starting is not None:
            await asyncio.shield(self._starting)

    async def _end_lifespan(self) -> None:
        """Let go of the application's lifespan, once the server is stopped."""
        starting, self._starting = self._starting, None
        if starting is not None:
            await asyncio.wait([starting])
        if self._alive and self._life is not None:
            self._alive = False
            await self._life.release()

    # -- connections ---------------------------------------------------------------------

    def stop(self) -> None:
        """Accept no more connections, but those that are waiting already.

        Their clients may have sent a request. They are told that it is their last.
        """
        if self._starting is not None and not self._alive:
            self._starting.cancel()
        else:
            self._accept_waiting()
        super().stop()

    def _accept_waiting(self) -> None:
        for sock in self.sockets:
            with suppress(OSError):
                # As many as may wait; one that does not block raises when there is none.
                for _ in range(WAITING):
                    self._accept(*sock.accept())

    _serves_late = True

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve one connection."""
        context = ConnectionContext(
            address,
            str(address[0]) if isinstance(address, tuple) else "",
            self.protocol or ("https" if self.ssl_options is not None else "http"),
        )
        connection = ServerConnection(
            stream, self._application, context, self._options, self._forget, self._side_tasks
        )
        full = self._max_connections is not None and self._is_full(self._max_connections)
        if full and len(self._turned_away) >= MAX_TURNED_AWAY:
            stream.close()
            return
        (self._turned_away if full else self._connections).add(connection)
        self._empty.clear()
        if self._sweeper is None:
            self._schedule_sweep()
        connection.start()
        if full:
            gen_log.info("Turned %s away: %d connections", context.remote_ip, self._max_connections)
            connection.refuse(503, OVERLOADED.decode(), [("Retry-After", str(RETRY_AFTER))])
        elif self._stopped and not self.sockets:
            # It was accepted in the moment when the server was stopped.
            connection.drain()

    @property
    def exchanges(self) -> list[Exchange]:
        """The requests under way."""
        exchanges = [connection.exchange for connection in self._connections]
        return [exchange for exchange in exchanges if exchange is not None]

    def _all(self) -> list[ServerConnection]:
        return [*self._connections, *self._turned_away]

    def _is_full(self, most: int) -> bool:
        """Say whether there is no place for one more connection, even by closing an idle one."""
        if len(self._connections) + len(self._successors) < most:
            return False
        some = islice(self._connections, LOOK_AT)
        idle = [connection for connection in some if connection.idle_since is not None]
        if not idle:
            return True
        min(idle, key=lambda connection: connection.idle_since or 0.0).stream.close()
        return False

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Return the delegate of one request; a subclass that overrides it is always asked.

        Raises:
            TypeError: the request callback is no delegate, and is served without one.
        """
        callback = self.request_callback
        if isinstance(callback, HTTPServerConnectionDelegate):
            return callback.start_request(server_conn, request_conn)
        raise TypeError(f"{callback!r} makes no delegates")

    def on_close(self, server_conn: object) -> None:
        """Hear that a connection has ended; for subclasses to override."""

    # -- the end -------------------------------------------------------------------------

    async def shutdown(self, timeout: float | None = None) -> None:
        """Accept no more connections, and end the open ones as `close_all_connections` does.

        Args:
            timeout: seconds; None uses `shutdown_timeout`.
        """
        self.stop()
        await self.close_all_connections(self.shutdown_timeout if timeout is None else timeout)
        await super().shutdown(0)

    async def close_all_connections(self, timeout: float | None = None) -> None:
        """End all connections: idle ones soon, others after the answer under way.

        Handlers of long answers are told first (`Exchange.set_drain_callback`). Tasks that
        handlers have begun beside their answers (`Exchange.create_task`) are waited for too.
        When the server is stopped the lifespan of the application ends after them.

        Args:
            timeout: seconds after which the rest is cut off, and its handlers and those tasks
                cancelled; None waits for them.
        """
        for connection in self._all():
            connection.drain()
        for successor in list(self._successors):
            successor.drain()
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._empty.wait()
                while tasks := self._others():
                    await asyncio.wait(tasks)
        except TimeoutError:
            handlers = [connection.abort() for connection in self._all()]
            handlers += [successor.abort() for successor in list(self._successors)]
            await self._empty.wait()
            # What they clean up is done before the program goes on to take it away.
            await _wait_for_cancelled([task for task in handlers if task is not None])
            # Also those that the handlers have just begun.
            others = self._others()
            for task in others:
                task.cancel()
            await _wait_for_cancelled(others)
        if self._stopped:
            await self._end_lifespan()

    def _others(self) -> "set[asyncio.Task[Any]]":
        """Return the tasks beside handlers, but the one that asks, which would wait for itself."""
        return self._side_tasks - {asyncio.current_task()}

    def _forget(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        self._turned_away.discard(connection)
        if self._tell_close is not None:
            self._tell_close(connection)
        successor = connection.successor
        if successor is not None:
            self._successors.add(successor)
            successor.set_end_callback(self._forget_successor)
            if connection.draining:
                connection.loop.call_soon(successor.drain)
        if self._connections or self._turned_away:
            return
        if not self._successors:
            self._empty.set()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _forget_successor(self, successor: Successor) -> None:
        self._successors.discard(successor)
        if not (self._connections or self._turned_away or self._successors):
            self._empty.set()

    # -- time ----------------------------------------------------------------------------

    def _schedule_sweep(self) -> None:
        interval = min(MAX_SWEEP, max(MIN_SWEEP, self._options.shortest_timeout / 4))
        loop = IOLoop.current().asyncio_loop
        self._sweeper = loop.call_later(interval, self._sweep, loop)

    def _sweep(
        self,
        loop: asyncio.AbstractEventLoop,
        rest: list[ServerConnection] | None = None,
        pause: int = 0,
    ) -> None:
        """Look through all connections; one coarse timer spares one per request.

        Others get their turn in between, however many there are to look at or to end.

        Args:
            rest: what is still to be looked at.
            pause: turns of the loop to let pass before.
        """
        if pause:
            self._sweeper = loop.call_soon(self._sweep, loop, rest, pause - 1)
            return
        self._sweeper = None
        if rest is None:
            rest = self._all()
        ended = False
        now = loop.time()
        turn_ends = perf_counter() + SWEEP_TURN
        # Each is let go of when it was looked at: all that have ended at once take milliseconds.
        while rest and not ended and perf_counter() < turn_ends:
            connection = rest.pop()
            try:
                ended = connection.sweep(now)
            except Exception:
                # The others have their time-outs whatever is wrong with this one.
                app_log.error("Uncaught exception in a sweep", exc_info=True)
                connection.abort()
                ended = True
        if rest:
            pause = END_TURNS if ended else 0
            self._sweeper = loop.call_soon(self._sweep, loop, rest, pause)
        elif self._connections or self._turned_away:
            self._schedule_sweep()


async def _wait_for_cancelled(tasks: "Collection[asyncio.Future[Any]]") -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_GRACE)


def _noted(task: "asyncio.Task[None]") -> None:
    """Have it that an error was told already, whether or not anybody asks for it."""
    if not task.cancelled():
        task.exception()


def _nothing() -> None:
    """Stand for what ends the accepting of a socket that does not accept yet."""


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
