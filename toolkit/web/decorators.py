"""Decorators of handler classes and methods."""

import functools
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from toolkit.web.errors import HTTPError
from toolkit.web.handler import RequestHandler

_Handler = TypeVar("_Handler", bound=type[RequestHandler])
_Method = Callable[..., Awaitable[None] | None]


def stream_request_body(cls: _Handler) -> _Handler:
    """Have a handler class get its requests' content in pieces, by `data_received`.

    The order is then `prepare`, `data_received` for each piece, the method of the request;
    a coroutine of `data_received` holds the client back until it is done. A class without
    `data_received` reads the content itself, in its method: by `RequestHandler.parts`, or by
    ``async for`` from ``request.connection``.
    """
    if not issubclass(cls, RequestHandler):
        raise TypeError(f"expected subclass of RequestHandler, got {cls!r}")
    cls._stream_request_body = True
    return cls


def leaves_site(path: str) -> bool:
    """Say whether a browser would read a path as the URL of another host."""
    return len(path) > 1 and path[0] in "/\\" and path[1] in "/\\"


def addslash(method: _Method) -> _Method:
    """Send requests whose path has no slash at its end to the path with one.

    Those other than GET and HEAD get 404.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        path = self.request.path
        if path.endswith("/"):
            return method(self, *args, **kwargs)
        _move(self, path + "/")
        return None

    return wrapper


def removeslash(method: _Method) -> _Method:
    """Send requests whose path has slashes at its end to the path without; not that of ``/``.

    Those other than GET and HEAD get 404.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        path = self.request.path
        shorter = path.rstrip("/")
        if shorter in (path, ""):
            return method(self, *args, **kwargs)
        _move(self, shorter)
        return None

    return wrapper


def _move(handler: RequestHandler, path: str) -> None:
    """Redirect to another path, with the query of the request."""
    request = handler.request
    if request.method not in ("GET", "HEAD"):
        raise HTTPError(404)
    if leaves_site(path):
        raise HTTPError(403, "cannot redirect path with two leading slashes: %r", path[:100])
    handler.redirect(f"{path}?{request.query}" if request.query else path, permanent=True)


def authenticated(method: _Method) -> _Method:
    """Let only users in: others are sent to the login page, or get 403.

    GET and HEAD are sent to `RequestHandler.get_login_url`, with the argument ``next`` that
    says where to come back to, unless that URL has a query already.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        if self.current_user:
            return method(self, *args, **kwargs)
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(403)
        url = self.get_login_url()
        if "?" not in url:
            url += "?" + urllib.parse.urlencode({"next": _way_back(self, url)})
        self.redirect(url)
        return None

    return wrapper


def _way_back(handler: RequestHandler, login_url: str) -> str:
    request = handler.request
    if urllib.parse.urlsplit(login_url).scheme:
        return request.full_url()
    # A login page that redirects there must not lead to another host.
    return "/" + request.uri.lstrip("/\\") if leaves_site(request.uri) else request.uri
