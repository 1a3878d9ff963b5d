"""Decorators of handler classes and methods."""

from typing import TypeVar

from toolkit.web.handler import RequestHandler

_Handler = TypeVar("_Handler", bound=type[RequestHandler])


def stream_request_body(cls: _Handler) -> _Handler:
    """Have a handler class get its requests' content in pieces, by `data_received`.

    The order is then `prepare`, `data_received` for each piece, the method of the request;
    a coroutine of `data_received` holds the client back until it is done.
    """
    if not issubclass(cls, RequestHandler):
        raise TypeError(f"expected subclass of RequestHandler, got {cls!r}")
    cls._stream_request_body = True
    return cls
