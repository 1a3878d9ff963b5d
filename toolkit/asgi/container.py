"""`ASGIContainer`: serves an ASGI application."""

import copy
import inspect
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Self

from toolkit.asgi.cycle import DONE, HTTPCycle
from toolkit.asgi.lifespan import lifespan
from toolkit.asgi.messages import ASGIApplication, ClientDisconnected
from toolkit.asgi.scope import Place, http_scope, websocket_scope
from toolkit.asgi.websocket_cycle import WebSocketCycle
from toolkit.http1connection import Exchange
from toolkit.httpserver import Lifespan
from toolkit.httputil import date_now
from toolkit.iostream import StreamClosedError
from toolkit.log import access_level, access_log, app_log
from toolkit.websocket.options import ConnectionOptions
from toolkit.wire.events import ResponseHead
from toolkit.wire.websocket import HandshakeError, is_upgrade, read_request

#: Seconds between pings to clients of WebSockets, which also have so long to answer.
PING_INTERVAL = 20.0
#: The answer for an application that has failed.
FAILURE = b"Internal Server Error"


class ASGIContainer:
    """Serves an ASGI application: HTTP, WebSocket and its lifespan.

    Alone, or below a path beside handlers::

        HTTPServer(ASGIContainer(app)).listen(8000)

        Application([(r"/ours", OurHandler), mount("/api", ASGIContainer(app))])

    There the application finds in its scope ``root_path``, ``"/api"``, and in ``path`` all of the
    path, as ASGI has it. The server runs the lifespan of the application: it begins before the
    first connection is accepted, and ends after the last request.

    The scope advertises the extensions that are there: ``http.response.early_hint``,
    ``http.response.pathsend``, ``http.response.trailers``, ``websocket.http.response`` and, over
    TLS, ``tls``.

    Args:
        application: of ASGI 3, or of ASGI 2, which is called with a scope first.
        mount: path below which the application lies; `routing.mount` sets it.
        lifespan: ``"auto"`` serves an application that knows nothing of lifespans, ``"on"``
            takes that for an error, ``"off"`` says nothing of it to the application.
        websocket: how WebSockets are treated: limits, pings, compression. Without it there are
            pings every 20 seconds, and no compression.
    Raises:
        TypeError: `application` cannot be called.
        ValueError: `mount` does not begin with a slash, or ends with one.

    Attributes:
        life: the lifespan, for servers.
    """

    #: Nothing is caught around it.
    answers_errors = True

    def __init__(
        self,
        application: ASGIApplication,
        *,
        mount: str = "",
        lifespan: Literal["auto", "on", "off"] = "auto",
        websocket: ConnectionOptions | None = None,
    ) -> None:
        if not callable(application):
            raise TypeError(f"application {application!r:.100}; an ASGI application is a callable")
        if lifespan not in ("auto", "on", "off"):
            raise ValueError(f"lifespan {lifespan!r}; 'auto', 'on' and 'off' are allowed")
        self.application = _of_version_3(application)
        self._root_path = _checked(mount)
        self._state: dict[str, Any] = {}
        self._websocket = websocket or ConnectionOptions(ping_interval=PING_INTERVAL)
        self._required = lifespan == "on"
        self.life = Lifespan()
        if lifespan != "off":
            self.life.add(self._lifespan)

    def _lifespan(self) -> AbstractAsyncContextManager[None]:
        return lifespan(self.application, self._state, self._required)

    def mounted_at(self, prefix: str) -> Self:
        """Return a container of the same application, with the same lifespan, below a path."""
        mounted = copy.copy(self)
        mounted._root_path = self._root_path or _checked(prefix)
        return mounted

    def _place(self, exchange: Exchange) -> Place:
        """Have the connection keep what its requests have in common."""
        context = exchange.context
        context.memo = place = Place(self, context, exchange.stream)
        return place

    async def handle_exchange(self, exchange: Exchange) -> None:
        """Answer one request; called by the server."""
        head = exchange.head
        if head.upgrade and is_upgrade(head):
            await self._serve_websocket(exchange)
            return
        began = time.monotonic()
        place = exchange.context.memo
        if place is None or place.owner is not self:
            place = self._place(exchange)
        scope = http_scope(exchange, place, self._root_path)
        if self._state:
            scope["state"] = self._state.copy()
        cycle = HTTPCycle(exchange, place)
        application = self.application
        try:
            await application(scope, cycle.receive, cycle.send)
        except Exception as error:
            self._failed(cycle, error)
        if cycle.state != DONE:
            self._repair(cycle)
        if not exchange.logged:
            self._log(exchange, began)

    async def _serve_websocket(self, exchange: Exchange) -> None:
        began = time.monotonic()
        try:
            opening = read_request(exchange.head)
        except HandshakeError as error:
            fields = [("date", date_now()), ("content-type", "text/plain; charset=utf-8")]
            exchange.respond(
                ResponseHead(error.status, [*fields, *error.fields]), f"{error}\n".encode()
            )
            if not exchange.logged:
                self._log(exchange, began)
            return
        place = self._place(exchange)
        scope = websocket_scope(exchange, place, self._root_path, opening.subprotocols)
        if self._state:
            scope["state"] = self._state.copy()
        cycle = WebSocketCycle(exchange, opening, self._websocket)
        failed = True
        try:
            await self.application(scope, cycle.receive, cycle.send)
            failed = False
        except Exception as error:
            if not _comes_from_leaving(error):
                app_log.error("Uncaught exception in %s", _summary(exchange), exc_info=error)
        finally:
            cycle.end(failed)
        if not exchange.logged:
            self._log(exchange, began)

    def _failed(self, cycle: HTTPCycle, error: Exception) -> None:
        """Log an error of the application, unless it comes from there being no client any more."""
        if (cycle.gone or cycle.exchange.closed) and _comes_from_leaving(error):
            return
        app_log.error("Uncaught exception in %s", _summary(cycle.exchange), exc_info=error)

    def _repair(self, cycle: HTTPCycle) -> None:
        """Answer for an application that did not, or cut off what it has not brought to its end."""
        exchange = cycle.exchange
        if exchange.closed or exchange.answer_ended:
            return
        if exchange.status:
            exchange.close_after()
            exchange.stream.abort()
            return
        fields = [("content-type", "text/plain; charset=utf-8"), ("date", date_now())]
        exchange.close_after()
        exchange.respond(ResponseHead(500, fields), FAILURE)

    def _log(self, exchange: Exchange, began: float) -> None:
        """Write the access log's line of a request; not where the server writes its own."""
        status = exchange.status
        level = access_level(status)
        if status and level:
            milliseconds = 1000.0 * (time.monotonic() - began)
            access_log.log(level, "%d %s %.2fms", status, _summary(exchange), milliseconds)


def _checked(mount: str) -> str:
    if mount and (not mount.startswith("/") or mount.endswith("/") or "{" in mount):
        raise ValueError(f"mount {mount!r}; '' or a path such as '/api' is allowed")
    return mount


def _of_version_3(application: Callable[..., Any]) -> ASGIApplication:
    """Return an application as ASGI 3 has it."""
    call = application if inspect.isfunction(application) else type(application).__call__
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(call):
        return application
    if not inspect.isclass(application) and not _takes_scope_alone(application):
        return application

    async def version_3(scope: Any, receive: Any, send: Any) -> None:
        await application(scope)(receive, send)

    return version_3


def _takes_scope_alone(application: Callable[..., Any]) -> bool:
    """Say whether an application takes one argument, as in ASGI 2."""
    try:
        inspect.signature(application).bind(None, None, None)
    except TypeError:
        return True
    except ValueError:
        return False
    return False


def _comes_from_leaving(error: BaseException) -> bool:
    """Say whether an error, or what it was raised from, is that the client is gone."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, (ClientDisconnected, StreamClosedError)):
            return True
        if isinstance(found, BaseExceptionGroup):
            return all(_comes_from_leaving(inner) for inner in found.exceptions)
        found = found.__cause__ or found.__context__
    return False


def _summary(exchange: Exchange) -> str:
    return f"{exchange.head.method} {exchange.head.target} ({exchange.context.remote_ip})"
