"""What an `HTTPServer` may be given, as an application that serves exchanges."""

from collections.abc import Coroutine
from typing import Any

from toolkit.http1connection import (
    Application,
    Exchange,
    delegate_application,
    refuse,
    serve_callable,
)
from toolkit.httputil import HTTPServerConnectionDelegate
from toolkit.iostream import StreamClosedError
from toolkit.wire.errors import RemoteProtocolError


def as_application(target: Any, server_connection: object) -> Application:
    """Return what serves exchanges for a target.

    Args:
        target: an object with ``handle_exchange``, such as a `web.Application`, which may
            say by ``answers_errors`` that it sees to what clients do wrong by itself; a
            `httputil.HTTPServerConnectionDelegate`; or a function of the request.
        server_connection: what a delegate is told that requests come by.
    Raises:
        TypeError: none of these.
    """
    handle: Application | None = getattr(target, "handle_exchange", None)
    if handle is not None:
        return handle if getattr(target, "answers_errors", False) else _guarded(handle)
    if isinstance(target, HTTPServerConnectionDelegate):
        return delegate_application(target, server_connection)
    if callable(target):
        return _callable_application(target)
    raise TypeError(
        f"request_callback {target!r}; a web.Application or another object with "
        "handle_exchange, an HTTPServerConnectionDelegate or a function is allowed"
    )


def _guarded(handle: Application) -> Application:
    """Return an application that answers for what the client did wrong."""

    async def guarded(exchange: Exchange) -> None:
        try:
            await handle(exchange)
        except StreamClosedError:
            if not exchange.closed:
                raise
        except RemoteProtocolError as error:
            refuse(exchange, error)

    return guarded


def _callable_application(target: Any) -> Application:
    def handle(exchange: Exchange) -> Coroutine[Any, Any, None]:
        return serve_callable(exchange, target)

    return handle
