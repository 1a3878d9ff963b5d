"""Where answers leave: by an exchange, or by the connection of a request."""

from typing import Any, Protocol

from toolkit.concurrent import Future
from toolkit.http1connection import Exchange
from toolkit.httputil import ResponseStartLine
from toolkit.wire.events import ResponseHead
from toolkit.wsgi.answer import Head


class Port(Protocol):
    """The loop's side of an output.

    Attributes:
        status: of the answer; 0 before its head was sent.
    """

    status: int

    def deliver(self, head: Head | None, data: bytes, end: bool) -> "Future[None]":
        """Send the next part of the answer, as `Output.put` takes it.

        Returns:
            A future that is done when more may follow; its error tells that the client is gone.
        """

    def cut(self) -> None:
        """End the connection, in the middle of an answer."""


class ExchangePort:
    """Sends by an exchange, in the coroutine that serves it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.status = 0

    def deliver(self, head: Head | None, data: bytes, end: bool) -> "Future[None]":
        """Send the next part of the answer."""
        exchange = self._exchange
        if head is not None:
            response = ResponseHead(
                head.status, head.headers.fields(), head.reason or None, checked=True
            )
            if end:
                future = exchange.respond(response, data)
                self.status = head.status
                return future
            exchange.start(response, data)
            self.status = head.status
        else:
            if data:
                exchange.send(data)
            if end:
                exchange.finish()
        return exchange.flushed()

    def cut(self) -> None:
        """Do nothing: the server cuts what its coroutine leaves unfinished."""


class ConnectionPort:
    """Sends by the `HTTPConnection` of a request."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.status = 0

    def deliver(self, head: Head | None, data: bytes, end: bool) -> "Future[None]":
        """Send the next part of the answer."""
        connection = self._connection
        future: Future[None] | None = None
        if head is not None:
            if end and data and "Content-Length" not in head.headers:
                head.headers.put("Content-Length", str(len(data)))
            start_line = ResponseStartLine("HTTP/1.1", head.status, head.reason)
            future = connection.write_headers(start_line, head.headers, data or None)
            self.status = head.status
        elif data:
            future = connection.write(data)
        if end:
            connection.finish()
        if future is None:
            future = Future()
            future.set_result(None)
        return future

    def cut(self) -> None:
        """End the connection, if it has a way to."""
        close = getattr(self._connection, "close", None)
        if close is not None:
            close()
