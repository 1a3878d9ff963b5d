"""`WebSocketClientConnection` and `websocket_connect`: WebSockets of a client."""

import asyncio
import functools
import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from toolkit.concurrent import Future
from toolkit.escape import utf8
from toolkit.httpclient import HTTPRequest
from toolkit.httpclient.errors import HTTPTimeoutError
from toolkit.httpclient.request import DEFAULTS, EffectiveRequest
from toolkit.httputil import HTTPHeaders, RequestStartLine, ResponseStartLine
from toolkit.ioloop import IOLoop
from toolkit.iostream import IOStream
from toolkit.log import app_log
from toolkit.netutil import Resolver
from toolkit.tcpclient import TCPClient
from toolkit.websocket.dialling import Dial, dial
from toolkit.websocket.errors import WebSocketClosedError
from toolkit.websocket.inbox import Inbox, MessageFuture
from toolkit.websocket.opening import http_url, open_websocket
from toolkit.websocket.options import (
    DEFAULT_MAX_MESSAGE_SIZE,
    ConnectionOptions,
    RateLimit,
    SendQueue,
    deflate_options,
)
from toolkit.websocket.protocol import WebSocketProtocol13
from toolkit.websocket.typed import decoder, encode, load

OnMessage = Callable[[str | bytes | None], Awaitable[None] | None]


class WebSocketClientConnection:
    """A WebSocket to a server; `websocket_connect` and `connect` make them.

    Messages are read by `read_message` or ``async for``, as `str` or `bytes`. As an async
    context manager it closes itself.

    Args:
        request: whose URL has the scheme ``ws`` or ``wss``. Its headers, time-outs, proxy,
            certificates and credentials are obeyed; redirects are followed where
            ``follow_redirects`` is True, without what is secret to another origin.
        on_message_callback: gets each message, and None at the end; nobody else does then.
            While a coroutine of it is at work no further message is looked at.
        compression_options: as of `WebSocketHandler.get_compression_options`; None offers no
            compression.
        ping_interval, ping_timeout, max_message_size: as of `WebSocketHandler`.
        subprotocols: to offer, in order of preference.
        resolver: for the server's name.
        send_queue: what happens to messages that the server does not take.
        rate_limit: how many messages the server may send.
        receive_queue: messages that may wait to be read.
        message_type: as of `WebSocketHandler`.
        dial: connects, in the place of TCP.

    Attributes:
        connect_future: a task whose result is this object, once it is open; gone with the
            connection.
        protocol: the connection while it is open, else None.
        headers: of the server's answer.
        key: what the handshake was made with.
        tcp_client: connects.
        final_callback: always None; of a client of HTTP in Tornado.
        close_code, close_reason: what the server's Close said, or that by which the connection
            was failed; None for nothing.
        closed_by_program: whether `close` was called.
    """

    key = ""
    tcp_client: TCPClient
    final_callback = None

    def __init__(
        self,
        request: HTTPRequest | EffectiveRequest,
        on_message_callback: OnMessage | None = None,
        compression_options: dict[str, Any] | None = None,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
        subprotocols: list[str] | None = None,
        resolver: Resolver | None = None,
        *,
        send_queue: SendQueue | None = None,
        rate_limit: RateLimit | None = None,
        receive_queue: int = 16,
        message_type: Any = None,
        dial: Dial | None = None,
    ) -> None:
        if not isinstance(request, EffectiveRequest):
            request = EffectiveRequest(request, DEFAULTS)
        http_url(request.url)
        self.request = request
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.headers = HTTPHeaders()
        self.params = ConnectionOptions(
            ping_interval,
            ping_timeout,
            max_message_size,
            compression_options,
            SendQueue() if send_queue is None else send_queue,
            rate_limit,
            receive_queue,
            decode=None if message_type is None else decoder(message_type),
        )
        self.protocol: WebSocketProtocol13 | None = None
        self._connection: WebSocketProtocol13 | None = None
        self._on_message_callback = on_message_callback
        self._deflate = deflate_options(compression_options)
        self._subprotocols = subprotocols or []
        self._resolver = resolver
        self._dial = dial
        self.closed_by_program = False
        self.io_loop = IOLoop.current()
        self.connect_future: asyncio.Task[WebSocketClientConnection] = (
            self.io_loop.asyncio_loop.create_task(self._connect())
        )

    def __del__(self) -> None:
        connection = self.__dict__.get("_connection")
        if connection is not None and not connection.is_closing():
            warnings.warn(
                "Unclosed WebSocketClientConnection", ResourceWarning, stacklevel=2, source=self
            )

    # -- the beginning -------------------------------------------------------------------

    async def _connect(self) -> "WebSocketClientConnection":
        request = self.request
        limits = (request.connect_timeout or None, request.request_timeout or None)
        connecting = min(filter(None, limits), default=None)
        redirects = request.max_redirects if request.request.follow_redirects else 0
        client = self.tcp_client = TCPClient(self._resolver)

        async def within_time(origin: Any, request: EffectiveRequest) -> IOStream:
            try:
                async with asyncio.timeout(connecting):
                    return await (self._dial or functools.partial(dial, client))(origin, request)
            except TimeoutError:
                raise HTTPTimeoutError("Timeout while connecting") from None

        try:
            async with asyncio.timeout(limits[1]):
                opened = await open_websocket(
                    request, within_time, self._subprotocols, self._deflate, redirects
                )
        except TimeoutError:
            raise HTTPTimeoutError("Timeout during the handshake") from None
        finally:
            client.close()
        self.key = opened.key
        await self.headers_received(opened.start_line, opened.headers)
        self.protocol = self._connection = self.get_websocket_protocol()
        self._connection.begin(opened.stream, opened.agreement)
        if not self._calls_back:
            self._connection.pull()
        # Not before whoever awaits this has gone on: what came with the answer is a message to
        # the connection that they have by then, and it is handled outside of this task.
        self.connect_future.add_done_callback(self._start)
        return self

    def _start(self, _connected: object) -> None:
        if self._connection is not None:
            self._connection.start()

    @property
    def _calls_back(self) -> bool:
        cls = type(self)
        return (
            self._on_message_callback is not None
            or cls.on_message is not WebSocketClientConnection.on_message
        )

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Hear of the answer that has opened the connection; a subclass may refuse it here."""
        self.headers = headers

    def get_websocket_protocol(self) -> WebSocketProtocol13:
        """Return what speaks the protocol."""
        return WebSocketProtocol13(self, True, self.params)

    @property
    def ws_connection(self) -> WebSocketProtocol13 | None:
        """The connection while it is open, as of `WebSocketHandler`."""
        return self.protocol

    @property
    def stream(self) -> IOStream:
        """The stream of the connection."""
        return self._opened().stream

    @property
    def selected_subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen; None for none."""
        return self._opened().selected_subprotocol

    @property
    def read_queue(self) -> Inbox:
        """The messages that have come and nobody has read."""
        return self._opened().pull()

    def _opened(self) -> WebSocketProtocol13:
        if self._connection is None:
            raise WebSocketClosedError("the connection is not open yet")
        return self._connection

    # -- messages ------------------------------------------------------------------------

    def write_message(
        self, message: str | bytes | dict[str, Any], binary: bool = False
    ) -> "Future[None]":
        """Send a message; arguments and errors as `WebSocketHandler.write_message`."""
        if self.protocol is None:
            raise WebSocketClosedError("Client connection has been closed")
        return self.protocol.write_message(message, binary)

    def write_json(self, value: Any) -> "Future[None]":
        """Send any value, be it a dataclass, as JSON; the rest as `write_message`."""
        return self.write_message(encode(value))

    def read_message(
        self, callback: "Callable[[Future[str | bytes | None]], None] | None" = None
    ) -> "Future[str | bytes | None]":
        """Return a future of the next message, None once the connection is closed.

        Args:
            callback: gets the future when it is done.
        """
        future = self._opened().read()
        if callback is not None:
            self.io_loop.add_future(future, callback)
        return future

    async def read_json(self) -> Any:
        """Return the value of the next message; errors as of `WebSocketHandler.read_json`."""
        return load(await self.read_message())

    def __aiter__(self) -> Self:
        """Iterate over the messages, up to the end of the connection."""
        return self

    def __anext__(self) -> MessageFuture:
        return self._opened().read(iterating=True)

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping with up to 125 bytes, which come back to `on_pong`."""
        if self.protocol is None:
            raise WebSocketClosedError("Client connection has been closed")
        self.protocol.write_ping(utf8(data))

    # -- the end -------------------------------------------------------------------------

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection; arguments as of `WebSocketHandler.close`."""
        self.closed_by_program = True
        if self.protocol is not None:
            self.protocol.close(code, reason)
            self.protocol = None
        elif self._connection is None:
            self.connect_future.cancel()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        if self._connection is not None:
            await self._connection.ended()
            await self._connection.stream.wait_closed()

    async def __aenter__(self) -> "WebSocketClientConnection":
        return await self.connect_future

    async def __aexit__(self, *_: object) -> None:
        """Close the connection and wait until it is."""
        self.close(1000)
        await self.wait_closed()

    # -- for the connection, and to override -----------------------------------------------

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Take a message, in a subclass that overrides this or with a callback."""
        assert self._on_message_callback is not None
        return self._on_message_callback(message)

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        """Hear of a ping, which was answered; for subclasses to override."""

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        """Hear of the answer to a ping; for subclasses to override."""

    def on_drain(self) -> None:
        """Do nothing: a client has no server that stops."""

    def on_connection_close(self) -> None:
        """Hear that the connection is closed; for subclasses to override."""

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """Hear of the end of the connection; called by it."""
        self.close_code = close_code
        self.close_reason = close_reason
        self.protocol = None
        # Both refer to this connection, and what a callback refers to is often large. The next full
        # collection of cycles may be far away.
        callback, self._on_message_callback = self._on_message_callback, None
        del self.connect_future
        if callback is not None:
            result = callback(None)
            if result is not None:
                self.io_loop.add_callback(lambda: result)
        self.on_connection_close()

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what a method or a callback has let out."""
        app_log.error("Uncaught exception %s", value, exc_info=(typ, value, tb))  # type: ignore[arg-type]


def websocket_connect(
    url: str | HTTPRequest,
    callback: "Callable[[Future[WebSocketClientConnection]], None] | None" = None,
    connect_timeout: float | None = None,
    on_message_callback: OnMessage | None = None,
    compression_options: dict[str, Any] | None = None,
    ping_interval: float | None = None,
    ping_timeout: float | None = None,
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
    subprotocols: list[str] | None = None,
    resolver: Resolver | None = None,
) -> "Future[WebSocketClientConnection]":
    """Open a WebSocket, and return a future of the `WebSocketClientConnection`.

    Example::

        connection = await websocket_connect("ws://127.0.0.1:8888/chat")
        await connection.write_message("hello")
        print(await connection.read_message())
        connection.close()

    Args:
        url: of the scheme ``ws`` or ``wss``; or a request, for headers, credentials, a proxy,
            options of TLS and time-outs. Redirects are only followed if it says so.
        callback: gets the future; deprecated.
        connect_timeout: seconds; 20 by default.

    The other arguments are those of `WebSocketClientConnection`.

    Raises:
        HTTPClientError: from the future: the server answers with an error, or not in time.
        WebSocketError: from the future: it answers with something else.
        OSError: from the future: there is no connection.
        ValueError: the URL is none of a WebSocket.
    """
    connection = WebSocketClientConnection(
        as_request(url, connect_timeout),
        on_message_callback=on_message_callback,
        compression_options=compression_options,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        max_message_size=max_message_size,
        subprotocols=subprotocols,
        resolver=resolver,
    )
    future = connection.connect_future
    if callback is not None:
        warnings.warn(
            "The callback argument of websocket_connect is deprecated; use the future",
            DeprecationWarning,
            stacklevel=2,
        )
        connection.io_loop.add_future(future, callback)
    return future


def as_request(url: str | HTTPRequest, connect_timeout: float | None) -> HTTPRequest:
    """Return the request by which a WebSocket is opened.

    Raises:
        ValueError: a request and a time-out, which belongs into it.
    """
    if not isinstance(url, HTTPRequest):
        return HTTPRequest(url, connect_timeout=connect_timeout)
    if connect_timeout is not None:
        raise ValueError("connect_timeout beside a request; it belongs into that")
    return url
