"""One request's way through its handler."""

import asyncio
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

from toolkit.http1connection import Exchange, serve_delegate
from toolkit.httputil import HTTPServerRequest
from toolkit.ioloop import Blocking
from toolkit.routing import Match
from toolkit.web.errors import HTTPError
from toolkit.web.handler import RequestHandler
from toolkit.web.xsrf import SAFE_METHODS

if TYPE_CHECKING:
    from toolkit.web.application import Application


_received = HTTPServerRequest.received
_METHOD_NAMES = {name: name.lower() for name in RequestHandler.SUPPORTED_METHODS}
#: What stands for the methods that a class has not.
_MISSING = RequestHandler.get
#: What programs replace that do something around each request.
_EXECUTE = RequestHandler._execute


def is_handler_class(target: Any) -> bool:
    """Say whether the target of a rule is a handler class."""
    return isinstance(target, type) and issubclass(target, RequestHandler)


async def serve(
    application: "Application",
    exchange: Exchange,
    request: HTTPServerRequest | None = None,
    match: Match | None = None,
    handler: RequestHandler | None = None,
) -> None:
    """Find the handler of a request and run it to its end.

    Args:
        request, match, handler: where they are known already.
    """
    head = exchange.head
    if request is None:
        request = _received(head, exchange)
    if match is None:
        match = application.match(request)
    handler_class, kwargs, path_args, path_kwargs = match
    if application.has_other_targets and not is_handler_class(handler_class):
        await _serve_other(application, exchange, request)
        return
    if handler is None:
        # Calls with * and ** cost more, and mostly bring nothing.
        handler = (
            handler_class(application, request, **kwargs)
            if kwargs
            else handler_class(application, request)
        )
        if handler_class._execute is not _EXECUTE:
            await handler._execute(application.transforms, *path_args, **path_kwargs)
            return
    try:
        method = request.method
        if method not in handler.SUPPORTED_METHODS:
            raise HTTPError(405)
        # Only bytes themselves: what the converter of a route has made stays as it is.
        for value in path_args:
            text = handler.decode_argument(value) if type(value) is bytes else value
            handler.path_args.append(text)
        if path_kwargs:
            for name, value in path_kwargs.items():
                text = handler.decode_argument(value, name=name) if type(value) is bytes else value
                handler.path_kwargs[name] = text
        guarded = method not in SAFE_METHODS
        if guarded and application.settings.get("cross_origin_protection"):
            handler._check_origin()
        if handler._minds_exchange and not await _mind_exchange(handler, exchange):
            return
        streams = head.length and handler._stream_request_body
        if head.length and not streams:
            # Nobody needs the content of a request that is about to be refused.
            early = head.expect_continue or not handler._prepares
            if early and not _takes(handler, method):
                raise HTTPError(405)
            request.body = await exchange.read()
        elif streams:
            # What has not come is no form, be it that its token is looked for.
            request.body_arguments, request.files = {}, {}
        if guarded and application.settings.get("xsrf_cookies"):
            handler.check_xsrf_cookie()
        result = handler.prepare()
        if result is not None:
            await result
        if handler._finished:
            return
        if streams:
            await _stream_body(handler, exchange)
        answer_request = getattr(handler, _METHOD_NAMES.get(method) or method.lower())
        args, named = handler.path_args, handler.path_kwargs
        result = answer_request(*args, **named) if args or named else answer_request()
        if result is not None:
            if isinstance(result, AsyncGeneratorType):
                await handler._send_generated(result)
            else:
                await result
        if handler._auto_finish and not handler._finished:
            handler.finish()
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
            handler._finish_unanswered()
            raise
        # A cancellation of what the handler waited for is an error like others.
        answer = handler._handle_request_exception(error)
        if answer is not None:
            await answer


def _takes(handler: RequestHandler, method: str) -> bool:
    """Say whether a handler takes a method, one of those that it supports.

    The list of all of them is made only where that is not plain.
    """
    if not handler._decides_methods:
        own = getattr(type(handler), _METHOD_NAMES.get(method) or method.lower(), _MISSING)
        if own is not _MISSING:
            return True
    return method in handler.allowed_methods()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _mind_exchange(handler: RequestHandler, exchange: Exchange) -> bool:
    """Set up what only some handler classes ask for; False when the answer is there already."""
    if handler._hears_close:
        exchange.set_close_callback(handler._left)
    if handler._hears_drain:
        exchange.set_drain_callback(handler.on_drain)
    if handler.cancel_on_close:
        exchange.cancel_on_close = True
    if handler.response_timeout is not None:
        exchange.set_deadline(handler.response_timeout)
    if handler.max_body_size is not None:
        exchange.set_max_body(handler.max_body_size)
    result = handler.headers_received()
    if result is not None:
        await result
    return not handler._finished


async def serve_found(application: "Application", exchange: Exchange) -> None:
    """Serve a request by the delegate that an application's own `find_handler` returns."""
    request = _received(exchange.head, exchange)
    delegate = application.find_handler(request)
    if delegate is None:
        await serve(application, exchange, request, application.nothing)
    else:
        await serve_delegate(exchange, delegate)


async def _serve_other(
    application: "Application", exchange: Exchange, request: HTTPServerRequest
) -> None:
    """Serve a request whose first rule leads to something else than a handler class.

    That may not want the request, so that further rules are tried.
    """
    delegate = application.default_router.find_handler(request)
    if delegate is None:
        await serve(application, exchange, request, application.nothing)
    else:
        await serve_delegate(exchange, delegate)


def blocked_by(blocking: Blocking) -> str | None:
    """Name the request whose handler blocks the loop; a describer of `ioloop.Watchdog`."""
    for frame in blocking.frames:
        handler = frame.f_locals.get("handler") if frame.f_code is serve.__code__ else None
        if isinstance(handler, RequestHandler):
            request = handler.request
            return f"{type(handler).__qualname__} on {request.method} {request.path}"
    return None


async def _stream_body(handler: RequestHandler, exchange: Exchange) -> None:
    reads_itself = type(handler).data_received is RequestHandler.data_received
    if reads_itself and handler.request.method in handler.allowed_methods():
        return
    async for chunk in exchange:
        if reads_itself:
            raise HTTPError(405)
        result = handler.data_received(chunk)
        if result is not None:
            await result
        if handler._finished:
            return
