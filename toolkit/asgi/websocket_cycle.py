"""One WebSocket, as an application receives and sends it."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from toolkit.asgi.cycle import BODYLESS, without_connection
from toolkit.asgi.messages import ClientDisconnected, Message, text_fields, unexpected
from toolkit.concurrent import Future
from toolkit.http1connection import Exchange
from toolkit.httputil import date_now
from toolkit.iostream import StreamClosedError
from toolkit.log import app_log
from toolkit.websocket import WebSocketClosedError, WebSocketProtocol13
from toolkit.websocket.options import ConnectionOptions, deflate_options
from toolkit.wire.events import ResponseHead
from toolkit.wire.websocket import Close, Opening, answer_request

# What it is at.
CONNECTING, OPEN, REFUSING, CLOSED = range(4)
#: What closes that says nothing, and an end without one, are told as (RFC 6455 §7.1.5).
NO_STATUS, ABNORMAL = 1005, 1006
INTERNAL_ERROR = 1011


class WebSocketCycle:
    """What an application receives and sends for one WebSocket.

    Attributes:
        state: what it is at.
        connection: once the application has accepted it.
    """

    __slots__ = (
        "_asked",
        "_decided",
        "_exchange",
        "_head",
        "_opening",
        "_options",
        "connection",
        "state",
    )

    def __init__(self, exchange: Exchange, opening: Opening, options: ConnectionOptions) -> None:
        self.state = CONNECTING
        self.connection: _Connection | None = None
        self._exchange = exchange
        self._opening = opening
        self._options = options
        self._asked = False  # whether the application was told that somebody connects
        self._head: ResponseHead | None = None  # of a refusal
        self._decided: Future[None] = Future()  # accepted, refused, or the client gone
        exchange.set_close_callback(self._decide)

    def _decide(self) -> None:
        if not self._decided.done():
            self._decided.set_result(None)

    # -- what comes ----------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the next message, or, after the last, why there is no more."""
        if not self._asked:
            self._asked = True
            return {"type": "websocket.connect"}
        if self.state == CONNECTING:
            await asyncio.wait([self._decided])
        connection = self.connection
        if connection is None:
            return {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
        message = await connection.read()
        if message is None:
            return connection.farewell()
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        return {"type": "websocket.receive", "bytes": message}

    # -- what goes -----------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Accept or refuse the client, send a message or close.

        Raises:
            ClientDisconnected: the client is gone.
            RuntimeError: it is not the turn of such a message.
            LocalProtocolError, ValueError: it cannot be sent.
        """
        kind = message["type"]
        connection = self.connection
        try:
            if connection is not None and kind == "websocket.send":
                text = message.get("text")
                await connection.write_message(
                    message["bytes"] if text is None else text, binary=text is None
                )
            elif connection is not None and kind == "websocket.close":
                connection.close(message.get("code") or 1000, message.get("reason") or None)
            elif self.state == CONNECTING:
                self._answer(kind, message)
            elif self.state == REFUSING and kind == "websocket.http.response.body":
                self._refuse_with(message)
            else:
                raise unexpected(message, _allowed(self.state))
        except (StreamClosedError, WebSocketClosedError) as error:
            raise ClientDisconnected("the client is gone") from error

    def _answer(self, kind: str, message: Message) -> None:
        if self._exchange.closed:
            raise ClientDisconnected("the client is gone")
        if kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            self._refuse(403, b"")
        elif kind == "websocket.http.response.start":
            fields = without_connection(text_fields(message.get("headers", ())))
            if "date" not in [name for name, _ in fields]:
                fields.append(("date", date_now()))
            self._head = ResponseHead(message["status"], fields)
            self.state = REFUSING
            self._decide()
        else:
            raise unexpected(message, _allowed(CONNECTING))

    def _accept(self, message: Message) -> None:
        fields, agreement = answer_request(
            self._opening,
            message.get("subprotocol"),
            deflate_options(self._options.compression_options),
        )
        fields += text_fields(message.get("headers", ()))
        connection = _Connection(self._options)
        exchange = self._exchange
        exchange.set_close_callback(None)
        fields.append(("Date", date_now()))
        stream = exchange.upgrade(ResponseHead(101, fields), connection)
        connection.begin(stream, agreement)
        connection.pull()
        connection.start()
        self.connection = connection
        self.state = OPEN
        self._decide()

    def _refuse(self, status: int, body: bytes) -> None:
        fields = [("date", date_now()), ("content-type", "text/plain; charset=utf-8")]
        self._exchange.respond(ResponseHead(status, fields), body)
        self.state = CLOSED
        self._decide()

    def _refuse_with(self, message: Message) -> None:
        """Send a piece of the content of a refusal."""
        head, self._head = self._head, None
        data = message.get("body", b"")
        more = message.get("more_body", False)
        if head is not None:
            if head.status in BODYLESS:
                data = b""
            if not more:
                self._exchange.respond(head, data)
            else:
                self._exchange.start(head, data)
        else:
            self._exchange.send(data)
            if not more:
                self._exchange.finish()
        if not more:
            self.state = CLOSED

    # -- the end -------------------------------------------------------------------------

    def end(self, failed: bool) -> None:
        """Take note that the application has ended: what it has left open is closed."""
        connection = self.connection
        if connection is not None:
            if failed:
                connection.fail(Close(INTERNAL_ERROR))
            elif not connection.is_closing():
                connection.close(1000)
        elif self.state == CONNECTING and not self._exchange.closed:
            self._refuse(500 if failed or not self._asked else 403, b"")


def _allowed(state: int) -> str:
    return {
        CONNECTING: "websocket.accept, websocket.close or websocket.http.response.start",
        OPEN: "websocket.send or websocket.close",
        REFUSING: "websocket.http.response.body",
    }.get(state, "nothing more")


class _Connection(WebSocketProtocol13):
    """The connection, whose messages are read by the task of the application."""

    __slots__ = ("_application",)

    def __init__(self, options: ConnectionOptions) -> None:
        super().__init__(_Delegate(self), False, options)
        self._application = asyncio.current_task()

    def farewell(self) -> Message:
        """Return the message that says why there is no more."""
        received = self.machine.close_received
        if received is not None:
            code, reason = received.code or NO_STATUS, received.reason
        else:
            code, reason = self.close_code or ABNORMAL, self.close_reason or ""
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    def set_end_callback(self, callback: Callable[[Any], None]) -> None:
        """Have `callback` called once the application has ended, too."""

        def ended(connection: Any) -> None:
            if self._application is None or self._application.done():
                callback(connection)
            else:
                self._application.add_done_callback(lambda _: callback(connection))

        super().set_end_callback(ended)

    def abort(self) -> "asyncio.Task[None] | None":
        super().abort()
        if self._application is not None:
            self._application.cancel()
        return self._application


class _Delegate:
    """Hears what there is beside messages."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def on_message(self, message: Any) -> Awaitable[None] | None:
        """Messages are read."""

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        """It was answered."""

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        """The connection has noticed."""

    def on_drain(self) -> None:
        self._connection.close(1001, "the server is stopping")

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """The application learns it by what it receives."""

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        app_log.error("Uncaught exception in a WebSocket", exc_info=value)
