"""One request's way through its handler."""

from typing import TYPE_CHECKING

from toolkit.http1connection import Exchange
from toolkit.httputil import HTTPServerRequest
from toolkit.ioloop import Blocking
from toolkit.web.errors import HTTPError
from toolkit.web.handler import RequestHandler

if TYPE_CHECKING:
    from toolkit.web.application import Application


_METHOD_NAMES = {name: name.lower() for name in RequestHandler.SUPPORTED_METHODS}


async def serve(application: "Application", exchange: Exchange) -> None:
    """Find the handler of a request and run it to its end."""
    head = exchange.head
    request = HTTPServerRequest.received(head, exchange)
    handler_class, kwargs, path_args, path_kwargs = application.match(request)
    handler: RequestHandler = handler_class(application, request, **kwargs)
    try:
        if request.method not in handler.SUPPORTED_METHODS:
            raise HTTPError(405)
        if path_args:
            handler.path_args = [
                None if value is None else handler.decode_argument(value) for value in path_args
            ]
        elif path_kwargs:
            handler.path_kwargs = {
                name: None if value is None else handler.decode_argument(value, name=name)
                for name, value in path_kwargs.items()
            }
        if handler._hears_close:
            exchange.set_close_callback(handler.on_connection_close)
        if head.length and not handler._stream_request_body:
            # Nobody needs the content of a request that is about to be refused.
            if not handler._prepares and request.method not in handler.allowed_methods():
                raise HTTPError(405)
            request.body = await exchange.read()
        result = handler.prepare()
        if result is not None:
            await result
        if handler._finished:
            return
        if head.length and handler._stream_request_body:
            await _stream_body(handler, exchange)
        method = getattr(handler, _METHOD_NAMES.get(request.method) or request.method.lower())
        result = method(*handler.path_args, **handler.path_kwargs)
        if result is not None:
            await result
        if handler._auto_finish and not handler._finished:
            handler.finish()
    except Exception as error:
        handler._handle_request_exception(error)


def blocked_by(blocking: Blocking) -> str | None:
    """Name the request whose handler blocks the loop; a describer of `ioloop.Watchdog`."""
    for frame in blocking.frames:
        handler = frame.f_locals.get("handler") if frame.f_code is serve.__code__ else None
        if isinstance(handler, RequestHandler):
            request = handler.request
            return f"{type(handler).__qualname__} on {request.method} {request.path}"
    return None


async def _stream_body(handler: RequestHandler, exchange: Exchange) -> None:
    async for chunk in exchange:
        result = handler.data_received(chunk)
        if result is not None:
            await result
        if handler._finished:
            return
