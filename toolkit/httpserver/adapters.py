"""What an `HTTPServer` may be given, as an application that serves exchanges."""

from collections.abc import Coroutine
from typing import Any

from toolkit.http1connection import (
    Application,
    Exchange,
    delegate_application,
    serve_callable,
)
from toolkit.httputil import HTTPServerConnectionDelegate


def as_application(target: Any, server_connection: object) -> Application:
    """Return what serves exchanges for a target.

    Args:
        target: an object with ``handle_exchange``, such as a `web.Application`; a
            `httputil.HTTPServerConnectionDelegate`; or a function of the request.
        server_connection: what a delegate is told that requests come by.
    Raises:
        TypeError: none of these.
    """
    handle: Application | None = getattr(target, "handle_exchange", None)
    if handle is not None:
        return handle
    if isinstance(target, HTTPServerConnectionDelegate):
        return delegate_application(target, server_connection)
    if callable(target):
        return _callable_application(target)
    raise TypeError(
        f"request_callback {target!r}; a web.Application or another object with "
        "handle_exchange, an HTTPServerConnectionDelegate or a function is allowed"
    )


def _callable_application(target: Any) -> Application:
    def handle(exchange: Exchange) -> Coroutine[Any, Any, None]:
        return serve_callable(exchange, target)

    return handle
