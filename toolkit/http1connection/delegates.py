"""Serving an exchange by calls: of a delegate, or of a plain function of the request."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from toolkit.concurrent import convert_yielded
from toolkit.http1connection.exchange import Application, Exchange
from toolkit.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    date_now,
)
from toolkit.ioloop import IOLoop
from toolkit.iostream import StreamClosedError
from toolkit.log import gen_log
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import ResponseHead


class ExchangeDelegate(HTTPMessageDelegate):
    """A delegate that serves its exchange by itself, instead of being told its content.

    The server sees that and lets it. Where something that knows delegates alone calls it, it
    gathers the content and serves the exchange when that has ended.
    """

    def __init__(self, exchange: Exchange) -> None:
        if not isinstance(exchange, Exchange):
            raise TypeError(f"connection {exchange!r}; one of an HTTPServer is allowed")
        self.exchange = exchange
        self._pieces: list[bytes] = []

    async def serve(self) -> None:
        """Answer the request; for subclasses to override."""
        raise NotImplementedError

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the content."""
        self._pieces.append(chunk)

    def finish(self) -> None:
        """Serve the exchange in a task."""
        self.exchange.put_back(b"".join(self._pieces))
        IOLoop.current().spawn_callback(self.serve)


async def serve_delegate(exchange: Exchange, delegate: HTTPMessageDelegate) -> None:
    """Serve an exchange by the calls of a delegate; return once the answer has ended.

    The delegate may answer at any time, also long after its ``finish``.
    """
    if isinstance(delegate, ExchangeDelegate):
        await delegate.serve()
        return
    answered = exchange.answered()
    exchange.set_close_callback(delegate.on_connection_close)
    head = exchange.head
    try:
        start_line = RequestStartLine(head.method, head.target, head.version)
        await _done(delegate.headers_received(start_line, HTTPHeaders.received(head.fields)))
        if not answered.done():
            async for chunk in exchange:
                await _done(delegate.data_received(chunk))
                if answered.done():
                    break
    except (RemoteProtocolError, HTTPInputError) as error:
        exchange.set_close_callback(None)
        delegate.on_connection_close()
        refuse(exchange, error)
        return
    except StreamClosedError:
        # The delegate has heard of it.
        return
    if not answered.done():
        delegate.finish()
    await answered


def delegate_application(
    delegate: HTTPServerConnectionDelegate, server_connection: object
) -> Application:
    """Return an application that asks a delegate for another one for each exchange.

    Args:
        server_connection: what the delegate is told that the requests come by.
    """

    def handle(exchange: Exchange) -> Coroutine[Any, Any, None]:
        return serve_delegate(exchange, delegate.start_request(server_connection, exchange))

    return handle


async def serve_callable(exchange: Exchange, callback: Callable[..., Any], **kwargs: Any) -> None:
    """Serve an exchange by calling a function with its request, whose content is there.

    The function, or what it sets going, answers by ``request.connection``.

    Args:
        kwargs: further arguments for the function.
    """
    request = HTTPServerRequest.received(exchange.head, exchange)
    try:
        if exchange.head.length:
            request.body = await exchange.read()
            # A form that cannot be read is the client's error, not the function's.
            _ = request.body_arguments
    except (RemoteProtocolError, HTTPInputError) as error:
        refuse(exchange, error)
        return
    except StreamClosedError:
        return
    answered = exchange.answered()
    await _done(callback(request, **kwargs))
    await answered


def refuse(exchange: Exchange, error: Exception) -> None:
    """Answer a request that cannot be read, unless the answer has begun."""
    gen_log.info("Malformed HTTP message from %s: %s", exchange.context.remote_ip, error)
    if exchange.closed or exchange.status:
        exchange.close()
        return
    status = error.status if isinstance(error, RemoteProtocolError) else 400
    exchange.close_after()
    fields = [("Date", date_now()), ("Content-Type", "text/plain; charset=utf-8")]
    exchange.respond(ResponseHead(status, fields), f"{error}\n".encode())


async def _done(result: Awaitable[None] | None) -> None:
    """Await what a delegate returned, if it returned anything to wait for."""
    if result is not None:
        await convert_yielded(result)
