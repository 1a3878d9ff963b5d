"""`WebSocketHandler`: a WebSocket of a server."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self, TypeVar, cast

from toolkit.concurrent import Future, convert_yielded
from toolkit.escape import utf8
from toolkit.httputil import HTTPServerRequest
from toolkit.log import gen_log
from toolkit.web import Application, RequestHandler
from toolkit.web.xsrf import origin_fault
from toolkit.websocket.errors import WebSocketClosedError
from toolkit.websocket.inbox import MessageFuture
from toolkit.websocket.options import (
    CLOSE_TIMEOUT,
    DEFAULT_MAX_MESSAGE_SIZE,
    ConnectionOptions,
    RateLimit,
    SendQueue,
    deflate_options,
)
from toolkit.websocket.protocol import WebSocketProtocol13, encoded
from toolkit.websocket.typed import Decode, decoder, encode, load
from toolkit.wire.events import ResponseHead
from toolkit.wire.websocket import Close, HandshakeError, answer_request, is_upgrade, read_request

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _http_only(method: _Method) -> _Method:
    """Return a method of handlers that may not be called once the WebSocket is open."""

    @functools.wraps(method)
    def guarded(self: "WebSocketHandler", *args: Any, **kwargs: Any) -> Any:
        if self._upgraded:
            raise RuntimeError("Method not supported for Web Sockets")
        return method(self, *args, **kwargs)

    return cast(_Method, guarded)


class WebSocketHandler(RequestHandler):
    """A WebSocket, from its handshake to its end; a subclass says what happens.

    Example::

        class Echo(WebSocketHandler):
            async def on_message(self, message):
                await self.write_message(message)

    or with messages one by one::

        class Echo(WebSocketHandler):
            async def open(self):
                async for message in self:
                    await self.write_message(message)

    The handshake is a GET request that `prepare` and other methods may refuse with any status
    and content. Afterwards there are just `write_message`, `ping`, `close` and what belongs
    to them.

    Browsers let pages of any site open WebSockets, with the cookies of ours: `check_origin`
    refuses other sites.

    ===================================== ======================================================
    setting of the application            of
    ===================================== ======================================================
    ``websocket_ping_interval``           `ping_interval`
    ``websocket_ping_timeout``            `ping_timeout`
    ``websocket_max_message_size``        `max_message_size`
    ``websocket_close_timeout``           seconds for a client to answer a Close; 5 by default
    ===================================== ======================================================

    Attributes:
        ws_connection: the connection while it is open, else None.
        close_code, close_reason: what the client's Close said, or that by which the connection
            was failed; None for nothing, as when the client just vanished.
        open_args, open_kwargs: what the route gives to `open`.
        send_queue: of a class: what happens to messages for a client that reads slowly.
        rate_limit: of a class: how many messages a client may send.
        receive_queue: of a class: messages that may wait for ``async for``; past it the client
            has to wait.
        message_type: of a class: a dataclass or another type as of
            `toolkit.websocket.typed.decoder`, whose values messages are then, from JSON; what
            is none closes the connection with 1008. None for messages as they come.
    """

    send_queue: SendQueue = SendQueue()
    rate_limit: RateLimit | None = None
    receive_queue: int = 16
    message_type: Any = None

    ws_connection: WebSocketProtocol13 | None
    _decode: Decode | None = None
    _upgraded = False
    _connection: WebSocketProtocol13 | None = None  # also while it closes

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "message_type" in cls.__dict__:
            kind = cls.message_type
            cls._decode = None if kind is None else staticmethod(decoder(kind))

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.ws_connection = None
        self.close_code: int | None = None
        self.close_reason: str | None = None
        super().__init__(application, request, **kwargs)

    # -- the handshake -------------------------------------------------------------------

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Answer the handshake; called with what the route gives to `open`."""
        self.open_args = args
        self.open_kwargs = kwargs
        head = self._exchange.head
        try:
            self._opening = read_request(head)
        except HandshakeError as error:
            # As Tornado has it where no WebSocket is asked for.
            status = error.status if is_upgrade(head) else 400
            for name, value in error.fields:
                self.set_header(name, value)
            self._refuse(status, str(error))
            return
        fault = self._origin_fault()
        if fault is not None:
            gen_log.debug("Cross origin websockets not allowed: %s", fault)
            self._refuse(403, "Cross origin websockets not allowed")
            return
        connection = self.get_websocket_protocol()
        if connection is None:
            self.set_header("Sec-WebSocket-Version", "13")
            self._refuse(426, "Upgrade Required")
        else:
            await connection.accept_connection(self)

    def _refuse(self, status: int, why: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(why)

    def _origin_fault(self) -> str | None:
        headers = self.request.headers
        origins = headers.get_list("Origin")
        if len(origins) > 1:
            return f"{len(origins)} Origin fields"
        return origin_fault(
            headers.get("Sec-Fetch-Site"),
            origins[0] if origins else None,
            self.request.host,
            self.request.protocol,
            self.check_origin,
        )

    def check_origin(self, origin: str) -> bool:
        """Say whether pages of another origin may connect; may be overridden.

        It is asked after `prepare`, and not for pages of our own origin nor for clients that
        are no browsers, which send no Origin. By default it is `check_trusted_origin`.

        Args:
            origin: as in ``"https://example.com"``.
        """
        return self.check_trusted_origin(origin)

    def get_websocket_protocol(self) -> WebSocketProtocol13 | None:
        """Return what will speak the protocol; None refuses the client with 426."""
        options = ConnectionOptions(
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            max_message_size=self.max_message_size,
            compression_options=self.get_compression_options(),
            send_queue=self.send_queue,
            rate_limit=self.rate_limit,
            receive_queue=self.receive_queue,
            close_timeout=self.settings.get("websocket_close_timeout", CLOSE_TIMEOUT),
            decode=self._decode,
        )
        return WebSocketProtocol13(self, False, options)

    def accept(self, connection: WebSocketProtocol13) -> None:
        """Answer 101 and hand the stream over; called by the connection."""
        fields, agreement = answer_request(
            self._opening,
            self.select_subprotocol(list(self._opening.subprotocols)),
            deflate_options(connection.options.compression_options),
        )
        del self._opening
        self.clear_header("Content-Type")
        self.set_status(101)
        for name, value in fields:
            self.set_header(name, value)
        if self._new_cookies:
            self._add_cookies()
        head = ResponseHead(101, self._headers.fields(), self._reason, checked=True)
        stream = self._exchange.upgrade(head, connection)
        self._upgraded = self._finished = self._headers_written = True
        self.application.log_request(self)
        self.on_finish()
        connection.begin(stream, agreement)
        self.ws_connection = self._connection = connection
        if type(self).on_message is WebSocketHandler.on_message:
            connection.pull()
        self._open_connection(connection)

    def _open_connection(self, connection: WebSocketProtocol13) -> None:
        opening: Coroutine[Any, Any, None] | None = None
        try:
            result = self.open(*self.open_args, **self.open_kwargs)
        except (Exception, asyncio.CancelledError) as error:
            self.log_exception(type(error), error, error.__traceback__)
            connection.fail(Close(1011))
        else:
            if result is not None:
                opening = result if asyncio.iscoroutine(result) else _awaiting(result)
        connection.start(opening)

    # -- options -------------------------------------------------------------------------

    @property
    def ping_interval(self) -> float | None:
        """Seconds between pings; None or 0 for none, which is the default."""
        interval: float | None = self.settings.get("websocket_ping_interval")
        return interval

    @property
    def ping_timeout(self) -> float | None:
        """Seconds for the answer to a ping, else the connection is closed.

        It is the interval by default, which it cannot be longer than; 0 for no limit.
        """
        timeout: float | None = self.settings.get("websocket_ping_timeout")
        return timeout

    @property
    def max_message_size(self) -> int:
        """Bytes of the largest message that is taken; 10 MiB by default.

        A larger one closes the connection with 1009.
        """
        size: int = self.settings.get("websocket_max_message_size", DEFAULT_MAX_MESSAGE_SIZE)
        return size

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose one of the subprotocols that the client offers; for subclasses to override.

        Args:
            subprotocols: in the client's order of preference; may be empty.
        Returns:
            One of them, or None, which clients may take for a refusal.
        """
        return None

    @property
    def selected_subprotocol(self) -> str | None:
        """What `select_subprotocol` has chosen."""
        return self._open().selected_subprotocol

    def get_compression_options(self) -> dict[str, Any] | None:
        """Return options of compression; for subclasses to override.

        None, the default, is for no compression; a dict, be it empty, allows it to clients
        that offer it. Keys are ``compression_level`` (0 to 9, by default 1) and ``mem_level`` (1
        to 9), as of `zlib.compressobj`, and the attributes of
        `toolkit.wire.websocket.DeflateOptions`.
        """
        return None

    # -- what happens --------------------------------------------------------------------

    def _nothing(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Hear that the connection is open; for subclasses to override.

        It is given what the route has found in the path. Of a coroutine the end is awaited
        before `on_message` is called. One that reads messages itself gets them from the
        beginning; with its end the connection is closed, unless there is `on_message`.
        """

    # Typed as any callable, so that a subclass may name the arguments that its routes give.
    open: Callable[..., Awaitable[None] | None] = _nothing

    def on_message(self, message: Any) -> Awaitable[None] | None:
        """Take a message, `str` or `bytes`; for subclasses to override.

        While a coroutine is at it no further message is looked at.
        """
        raise NotImplementedError

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        """Hear of a ping, which was answered; for subclasses to override."""

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        """Hear of the answer to a ping; for subclasses to override."""

    def on_close(self) -> None:
        """Hear that the connection is closed; for subclasses to override.

        It comes once, after `open` and a message under way have ended. `close_code` and
        `close_reason` say why.
        """

    def on_drain(self) -> None:
        """Hear that the server is about to stop: close with 1001; may be overridden.

        What has not closed at the server's deadline is aborted.
        """
        self.close(1001, "the server is stopping")

    # -- what can be done ----------------------------------------------------------------

    def _open(self) -> WebSocketProtocol13:
        connection = self.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError("the connection is not open")
        return connection

    def write_message(
        self, message: str | bytes | dict[str, Any], binary: bool = False
    ) -> "Future[None]":
        """Send a message.

        Args:
            message: `str`, or `bytes` in UTF-8; with `binary` any bytes; a dict goes as JSON.
            binary: whether it is a binary message.
        Returns:
            A future that is done when more should be sent.
        Raises:
            WebSocketClosedError: the connection is closed; also from the future.
        """
        connection = self.ws_connection
        if connection is None:
            raise WebSocketClosedError("the connection is not open")
        if binary or type(message) is not str:
            message = encoded(message, binary)
        return connection.send(message)

    def write_json(self, value: Any) -> "Future[None]":
        """Send any value, be it a dataclass, as JSON; the rest as `write_message`."""
        return self.write_message(encode(value))

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping.

        Args:
            data: up to 125 bytes that come back to `on_pong`.
        """
        self._open().write_ping(utf8(data))

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection; nothing can be sent afterwards.

        Args:
            code: 1000, 1001, 3000 to 4999 and some others (RFC 6455 §7.4).
            reason: for people, up to 123 bytes.
        """
        connection = self.ws_connection
        if connection is not None:
            connection.close(code, reason)
            self.ws_connection = None

    def set_nodelay(self, value: bool) -> None:
        """Send small messages at once (True) or let the kernel gather them."""
        self._open().set_nodelay(value)

    # -- messages one by one -------------------------------------------------------------

    def read_message(self) -> "Future[str | bytes | None]":
        """Return a future of the next message, None once the connection is closed.

        From the first such call on messages do not go to `on_message` any more.
        """
        return self._reading().read()

    async def read_json(self) -> Any:
        """Return the value of the next message.

        Raises:
            WebSocketClosedError: there is none.
            ValueError: it is no JSON.
        """
        return load(await self.read_message())

    def __aiter__(self) -> Self:
        """Iterate over the messages, up to the end of the connection."""
        return self

    def __anext__(self) -> MessageFuture:
        return self._reading().read(iterating=True)

    def _reading(self) -> WebSocketProtocol13:
        if self._connection is None:
            raise WebSocketClosedError("the connection is not open")
        return self._connection

    # -- for the connection --------------------------------------------------------------

    def on_connection_close(self) -> None:
        """Hear that the client has left, before or after the handshake."""
        if self.ws_connection is not None:
            self.ws_connection.on_connection_close()

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """Hear of the end of the connection, and tell `on_close`."""
        self.close_code = close_code
        self.close_reason = close_reason
        self.ws_connection = None
        self.on_close()

    write = _http_only(RequestHandler.write)
    redirect = _http_only(RequestHandler.redirect)
    set_header = _http_only(RequestHandler.set_header)
    set_cookie = _http_only(RequestHandler.set_cookie)
    set_status = _http_only(RequestHandler.set_status)
    flush = _http_only(RequestHandler.flush)
    finish = _http_only(RequestHandler.finish)


async def _awaiting(result: Any) -> None:
    await convert_yielded(result)
