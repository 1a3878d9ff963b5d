"""Connections that tell a delegate what they read: `HTTP1Connection`, `HTTP1ServerConnection`."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.concurrent import Future, convert_yielded
from toolkit.http1connection.delegates import delegate_application
from toolkit.http1connection.exchange import Application, Exchange, decode_content, failed
from toolkit.http1connection.options import ConnectionContext, ServerOptions
from toolkit.http1connection.serving import ServerConnection
from toolkit.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log, gen_log
from toolkit.wire.coding import Decoder, known_coding
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import CHUNKED, NEED_DATA, Data, RequestHead, ResponseHead
from toolkit.wire.http1 import CLIENT, SERVER, Limits, Machine

CR_OR_LF_RE = re.compile(r"[\r\n]")
DIGITS = re.compile(r"[0-9]+")
HEXDIGITS = re.compile(r"[0-9a-fA-F]+")

#: Bytes that the machine gets at once. Where they hold many tiny chunks, others get a turn of
#: the loop in between.
_SLICE = 2048
#: Seconds in which a client of a server has to send a head, unless the parameters say so.
HEADER_TIMEOUT = 3600.0
#: Methods whose requests have no content unless their headers say so.
_WITHOUT_CONTENT = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"))


def parse_int(s: str) -> int:
    """Read decimal digits and nothing else.

    Raises:
        ValueError: a sign, a space, an underscore, another digit than 0 to 9.
    """
    if DIGITS.fullmatch(s) is None:
        raise ValueError(f"not an integer: {excerpt(s)}")
    return int(s)


def parse_hex_int(s: str) -> int:
    """Read hexadecimal digits and nothing else; errors as `parse_int`."""
    if HEXDIGITS.fullmatch(s) is None:
        raise ValueError(f"not a hexadecimal integer: {excerpt(s)}")
    return int(s, 16)


def is_transfer_encoding_chunked(headers: HTTPHeaders) -> bool:
    """Say whether content comes in chunks.

    Raises:
        HTTPInputError: another coding, or a Content-Length beside it.

    RFC 9112 §6.1
    """
    coding = headers.get("Transfer-Encoding")
    if coding is None:
        return False
    if "Content-Length" in headers:
        raise HTTPInputError("Message with both Transfer-Encoding and Content-Length")
    if coding.lower() != "chunked":
        raise HTTPInputError(f"Unsupported Transfer-Encoding {excerpt(coding)}")
    return True


@dataclass
class HTTP1ConnectionParameters:
    """How `HTTP1Connection` and `HTTP1ServerConnection` treat the peer; None is the default.

    Attributes:
        no_keep_alive: close after one message.
        chunk_size: most bytes of one ``data_received``; 64 KiB.
        max_header_size: bytes of a head; 64 KiB.
        header_timeout: seconds for a head to come; of a server, and to wait for the next
            request, an hour.
        max_body_size: bytes of content; what the stream may buffer.
        body_timeout: seconds for the content to come; no limit.
        decompress: whether content with gzip coding is decoded.
    """

    no_keep_alive: bool = False
    chunk_size: int | None = None
    max_header_size: int | None = None
    header_timeout: float | None = None
    max_body_size: int | None = None
    body_timeout: float | None = None
    decompress: bool = False

    def __post_init__(self) -> None:
        self.chunk_size = self.chunk_size or 65536
        self.max_header_size = self.max_header_size or 65536


class HTTP1Connection(HTTPConnection):
    """Reads one message at a time for a delegate, and writes one, as a client or a server.

    Servers and clients of the toolkit do without it; it is for programs that speak HTTP/1 on
    a stream of their own.

    Args:
        stream: connected.
        is_client: whether requests are written and responses read.
        context: named in log lines.
    """

    def __init__(
        self,
        stream: IOStream,
        is_client: bool,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        self.is_client = is_client
        self.stream = stream
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context
        self.no_keep_alive = self.params.no_keep_alive
        self._chunk_size = self.params.chunk_size or 65536
        body = self.params.max_body_size
        limits = Limits(
            head=self.params.max_header_size or 65536,
            body=stream.max_buffer_size if body is None else body,
        )
        self._limits = limits
        self._max_body: int | None = limits.body
        self._body_timeout = self.params.body_timeout
        self._machine = Machine(CLIENT if is_client else SERVER, limits)
        self._decoder: Decoder | None = None
        self._unfed = b""  # read, and not with the machine yet
        self._detached = False
        self._wrote = False  # whether our message has begun
        if self.no_keep_alive:
            self._machine.close_after()

    # -- reading -------------------------------------------------------------------------

    async def read_response(self, delegate: HTTPMessageDelegate) -> bool:
        """Read one message, of either kind; True when the connection may go on.

        A peer that breaks the protocol, leaves or takes too long, and a delegate that raises,
        have the connection closed and ``on_connection_close`` called, and are logged.
        """
        if self.is_client and not self._wrote:
            # A response may be read to a request that somebody else wrote.
            self._machine.send_head(RequestHead("GET", "/", [("Host", "")]), b"", True)
        told = _Told(delegate)
        try:
            if await self._read_message(told):
                return not self._detached and self._machine.keep_alive and not self.no_keep_alive
        except (RemoteProtocolError, HTTPInputError) as error:
            gen_log.info("Malformed HTTP message from %s: %s", self.context, error)
            self._answer_error(error)
        except StreamClosedError:
            # The delegate hears of it below.
            self.stream.close()
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
        self.close()
        told.closed()
        return False

    async def _read_message(self, delegate: "_Told") -> bool:
        """Tell the delegate one message; False when there is none or it came too late."""
        try:
            async with asyncio.timeout(self.params.header_timeout):
                head = await self._head(delegate)
        except TimeoutError:
            return False
        if head is None:
            return False
        try:
            async with asyncio.timeout(self._body_timeout):
                await self._content(head, delegate)
        except TimeoutError:
            gen_log.info("Timeout reading body from %s", self.context)
            return False
        if not self._detached:
            delegate.finish()
        return True

    async def _head(self, delegate: "_Told") -> RequestHead | ResponseHead | None:
        """Read the head of the message that matters; those before it are told too."""
        machine = self._machine
        while not self._detached:
            event = machine.next_event()
            if isinstance(event, (RequestHead, ResponseHead)):
                self._max_body = self._limits.body
                headers = self._headers(event)
                await delegate.headers_received(_start_line(event), headers)
                machine.max_body = self._max_body
                if isinstance(event, RequestHead) or event.status >= 200:
                    return event
            elif event is not NEED_DATA:
                return None
            elif self._unfed:
                # No more than needed, as `_data` wants to see how the content comes.
                self._feed(_SLICE)
            else:
                await self._read()
        return None

    def _headers(self, head: RequestHead | ResponseHead) -> HTTPHeaders:
        """Return the headers as the delegate gets them, and get ready to decode content."""
        headers = HTTPHeaders.received(head.fields)
        self._decoder = None
        if self.params.decompress and head.length:
            coding = known_coding(headers.get_list("Content-Encoding"))
            if coding is not None:
                self._decoder = Decoder(coding, self._max_body, piece=self._chunk_size)
                headers["X-Consumed-Content-Encoding"] = headers.pop("Content-Encoding")
        return headers

    async def _content(self, head: RequestHead | ResponseHead, delegate: "_Told") -> None:
        """Tell the delegate the content of a message, to its end."""
        if isinstance(head, RequestHead) and head.expect_continue:
            self.stream.write_nowait(self._machine.send_head(ResponseHead(100)))
        async for data in self._data(head):
            for piece in self._decoded(data):
                await delegate.data_received(piece)
                if self._detached:
                    return
        if self._decoder is not None:
            self._decoder.end()

    async def _data(self, head: RequestHead | ResponseHead) -> AsyncIterator[bytes]:
        """Yield the content as it comes, what one read of the stream brought in one piece."""
        machine = self._machine
        gathered: list[bytes] = []
        while not self._detached:
            event = machine.next_event()
            if isinstance(event, Data):
                gathered.append(event.data)
            elif event is NEED_DATA and self._unfed:
                # Many tiny chunks may be in it, and others want a turn of the loop as well.
                self._feed(_SLICE if head.length == CHUNKED else len(self._unfed))
                await asyncio.sleep(0)
            else:
                if gathered:
                    yield b"".join(gathered)
                    gathered = []
                if event is not NEED_DATA:
                    return
                await self._read()

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        """Yield content as the delegate gets it, in pieces of at most the chunk size."""
        if self._decoder is not None:
            yield from self._decoder.feed(data)
            return
        for start in range(0, len(data), self._chunk_size):
            yield data[start : start + self._chunk_size]

    def _feed(self, size: int) -> None:
        data, self._unfed = self._unfed[:size], self._unfed[size:]
        self._machine.receive(data)

    async def _read(self) -> None:
        """Wait for bytes; the end of the stream is told to the machine."""
        try:
            self._unfed = await self.stream.read_bytes(65536, partial=True)
        except StreamClosedError as error:
            if error.real_error is not None:
                raise
            self._machine.receive(b"")

    def _answer_error(self, error: Exception) -> None:
        """Tell a client what was wrong with its request, if nothing was told yet."""
        machine = self._machine
        if self.is_client or machine.response_started or self.stream.closed():
            return
        status = error.status if isinstance(error, RemoteProtocolError) else 400
        self.stream.write_nowait(machine.send_head(ResponseHead(status), b"", True))

    # -- writing -------------------------------------------------------------------------

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """Send the head, and a first piece of the content with it.

        Raises:
            HTTPOutputError: the head cannot be sent, or the piece is too long for it.
        """
        head: RequestHead | ResponseHead
        if isinstance(start_line, RequestStartLine):
            head = RequestHead(start_line.method, start_line.path, headers.fields())
            framed = "Content-Length" in headers or "Transfer-Encoding" in headers
            whole = not framed and chunk is None and head.method in _WITHOUT_CONTENT
        else:
            head = ResponseHead(start_line.code, headers.fields(), start_line.reason)
            whole = False
        self._wrote = True
        return self._send(lambda: self._whole_head(head, whole, chunk))

    def _whole_head(
        self, head: RequestHead | ResponseHead, whole: bool, chunk: bytes | None
    ) -> bytes:
        raw = self._machine.send_head(head, b"", whole)
        return raw + self._machine.send_data(chunk) if chunk else raw

    def write(self, chunk: bytes) -> "Future[None]":
        """Send a piece of the content; the rest as `write_headers`."""
        return self._send(lambda: self._machine.send_data(chunk))

    def finish(self) -> None:
        """End the message.

        Raises:
            HTTPOutputError: less was written than Content-Length says.
        """
        if not self._machine.response_ended:
            self._send(self._machine.send_end)

    def _send(self, message: Callable[[], bytes]) -> "Future[None]":
        if self.stream.closed():
            return failed(StreamClosedError(real_error=self.stream.error))
        try:
            data = message()
        except LocalProtocolError as error:
            self.stream.close()
            raise HTTPOutputError(str(error)) from error
        return self.stream.write(data)

    # -- the connection ------------------------------------------------------------------

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the peer closes the connection."""
        self.stream.set_close_callback(callback)

    def close(self) -> None:
        """Close the connection, unless the stream was taken."""
        if not self._detached:
            self.stream.close()

    def detach(self) -> IOStream:
        """Take the stream over, with what was read too far."""
        self._detached = True
        self.stream.unread(self._machine.take_rest() + self._unfed)
        self._unfed = b""
        return self.stream

    def set_body_timeout(self, timeout: float) -> None:
        """Limit the seconds in which the content of this message has to come.

        It counts from the end of the head, and may be set by ``headers_received``.
        """
        self._body_timeout = timeout

    def set_max_body_size(self, max_body_size: int) -> None:
        """Limit the bytes of content of this message."""
        self._max_body = max_body_size
        if self._decoder is not None:
            self._decoder.max_size = max_body_size


class _Told:
    """A delegate, and whether it knows how its message has ended."""

    def __init__(self, delegate: HTTPMessageDelegate) -> None:
        self._delegate = delegate
        self._over = False

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        await _done(self._delegate.headers_received(start_line, headers))

    async def data_received(self, chunk: bytes) -> None:
        await _done(self._delegate.data_received(chunk))

    def finish(self) -> None:
        self._delegate.finish()
        self._over = True

    def closed(self) -> None:
        if not self._over:
            self._over = True
            self._delegate.on_connection_close()


async def _done(result: Awaitable[None] | None) -> None:
    if result is not None:
        await convert_yielded(result)


def _start_line(head: RequestHead | ResponseHead) -> RequestStartLine | ResponseStartLine:
    if isinstance(head, RequestHead):
        return RequestStartLine(head.method, head.target, head.version)
    return ResponseStartLine(head.version, head.status, head.reason or "")


class HTTP1ServerConnection:
    """Serves the requests of one connection by a delegate, as `httpserver.HTTPServer` does.

    Args:
        stream: connected; the connection owns it.
        context: passed to no one; kept for who made it.
    """

    def __init__(
        self,
        stream: IOStream,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        self.stream = stream
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context
        self._connection: ServerConnection | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._ended: Future[None] = Future()

    def start_serving(self, delegate: HTTPServerConnectionDelegate) -> None:
        """Begin to read requests; ``start_request`` of the delegate is called for each."""
        context = self.context
        if not isinstance(context, ConnectionContext):
            address = self.stream.socket.getpeername() if self.stream.socket else None
            ip = str(address[0]) if isinstance(address, tuple) else ""
            context = ConnectionContext(address, ip, "http")
        options = self._options()
        self._connection = ServerConnection(
            self.stream,
            self._application(delegate, options),
            context,
            options,
            lambda _: self._over(delegate),
        )
        self._connection.start()
        self._sweep(self._connection)

    def _application(
        self, delegate: HTTPServerConnectionDelegate, options: ServerOptions
    ) -> Application:
        serve = delegate_application(delegate, self)
        params = self.params

        def handle(exchange: Exchange) -> Coroutine[Any, Any, None]:
            if params.decompress:
                decode_content(exchange, options.limits.body)
            if params.body_timeout is not None and exchange.head.length:
                exchange.set_body_timeout(params.body_timeout)
            return serve(exchange)

        return handle

    def _options(self) -> ServerOptions:
        params = self.params
        body = params.max_body_size
        wait = HEADER_TIMEOUT if params.header_timeout is None else params.header_timeout
        return ServerOptions(
            Limits(
                head=params.max_header_size or 65536,
                body=self.stream.max_buffer_size if body is None else body,
            ),
            header_timeout=wait,
            idle_timeout=wait,
            keep_alive=not params.no_keep_alive,
            chunk_size=params.chunk_size or 65536,
        )

    def _sweep(self, connection: ServerConnection) -> None:
        """Look for what takes too long, again and again."""
        loop = connection.loop
        connection.sweep(loop.time())
        interval = min(1.0, connection.options.shortest_timeout / 4)
        self._sweeper = loop.call_later(interval, self._sweep, connection)

    def _over(self, delegate: HTTPServerConnectionDelegate) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._ended.set_result(None)
        delegate.on_close(self)

    async def close(self) -> None:
        """Close the connection, and wait until it is closed."""
        self.stream.close()
        if self._connection is not None:
            await self._ended
