"""One request and its answer, as an application receives and sends them."""

import asyncio
from typing import Any

from toolkit import files
from toolkit.asgi.lines import SERVER, Headers, Lines, lines_of
from toolkit.asgi.messages import (
    OF_THE_CONNECTION,
    ClientDisconnected,
    Message,
    text_fields,
    unexpected,
)
from toolkit.asgi.scope import Place
from toolkit.concurrent import Future
from toolkit.http1connection import Exchange, refuse
from toolkit.httputil import date_now
from toolkit.iostream import StreamClosedError
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import Field, ResponseHead
from toolkit.wire.grammar import list_items

#: Bytes of content that an application gets at once, or of a file that are sent at once.
PIECE = 64 * 1024

#: Statuses without content, and those of them which may not even tell of a length.
BODYLESS = frozenset((204, 205, 304))
LENGTHLESS = frozenset((204, 205))

# What the application sends next.
START, BODY, TRAILERS, DONE = range(4)


class HTTPCycle:
    """What an application receives and sends for one request.

    Args:
        place: what the connection remembers.

    Attributes:
        exchange: the request, and where the answer goes.
        state: what is to be sent next.
        gone: whether the application was told, or would be, that nobody is there.
    """

    # To set slots that few need takes less than to have them in a dict.
    __slots__ = (
        "_bodyless",
        "_head",
        "_headers",
        "_lines",
        "_place",
        "_received",
        "_status",
        "_trailers",
        "_waiting",
        "exchange",
        "gone",
        "state",
    )

    def __init__(self, exchange: Exchange, place: Place) -> None:
        self.exchange = exchange
        self.state = START
        self.gone = False
        self._place = place
        self._status = 0
        self._headers: Headers | None = None  # to be sent with the first of the content
        self._lines: Lines | None = None  # the same as they go over the wire, if they are plain
        self._head: ResponseHead | None = None  # the same otherwise
        self._bodyless = False
        self._trailers: list[Field] | None = None  # to come after the content
        self._received = False  # whether all of the content was
        self._waiting: Future[None] | None = None  # for the end

    # -- what comes ----------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the next piece of the content, or, after it, that there is nobody any more.

        That is when the client leaves, or when the answer is whole.
        """
        if not self._received and not self.gone and self.state != DONE:
            exchange = self.exchange
            try:
                body = await exchange.read_some(PIECE) if exchange.head.length else b""
            except RemoteProtocolError as error:
                refuse(exchange, error)
                self.gone = True
            except (StreamClosedError, LocalProtocolError):
                self.gone = True
            else:
                self._received = not body or exchange.content_ended
                return {"type": "http.request", "body": body, "more_body": not self._received}
        await self._end()
        return {"type": "http.disconnect"}

    async def _end(self) -> None:
        """Wait until the answer is whole, or the client gone."""
        if self.gone or self.state == DONE:
            return
        if self.exchange.closed:
            self.gone = True
            return
        if self._waiting is None:
            self._waiting = Future()
            self.exchange.set_close_callback(self._left)
        # One who does not want to wait any more does not take it from another.
        await asyncio.wait([self._waiting])

    def _left(self) -> None:
        self.gone = True
        self._tell_end()

    def _tell_end(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # -- what goes -----------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send the next part of the answer; wait while the client does not take the last.

        Raises:
            ClientDisconnected: the client is gone.
            RuntimeError: it is not the turn of such a message.
            LocalProtocolError, TypeError, ValueError: it cannot be sent.
        """
        kind = message["type"]
        state = self.state
        if state == START and kind == "http.response.start":
            # Not in a function of its own, as every answer comes this way.
            status = message["status"]
            if not 200 <= status <= 999:
                raise ValueError(f"status {status}; 200 to 999 are allowed")
            headers = tuple(message.get("headers", ()))
            lines = self._place.lines
            if lines is None or lines.headers != headers:
                self._place.lines = lines = lines_of(headers)
                if lines is None:
                    # What is wrong with them is told now.
                    self._head = response_head(status, headers)
            self._lines = lines
            self._status = status
            self._headers = headers
            if message.get("trailers"):
                self._trailers = []
            self.state = BODY
        elif state == BODY and kind == "http.response.body":
            body = message.get("body", b"")
            if self._headers is None or message.get("more_body") or self._trailers is not None:
                await self._send_piece(body, bool(message.get("more_body")))
            else:
                self._respond(self._headers, body)
        else:
            await self._send_other(kind, message)

    def _respond(self, headers: Headers, body: bytes) -> None:
        """Send all of the answer."""
        if self.gone:
            raise ClientDisconnected("the client is gone")
        exchange, lines = self.exchange, self._lines
        size = len(body)
        raw = None if lines is None else lines.head(self._status, size)
        if raw is None or not exchange.respond_raw(self._status, raw + body, size):
            head = self._head or response_head(self._status, headers)
            future = exchange.respond(head, b"" if head.status in BODYLESS else body)
            if future.done() and future.exception() is not None:
                self.gone = True
        self._headers = None
        self.state = DONE
        if self._waiting is not None:
            self._tell_end()
        if self.gone:
            raise ClientDisconnected("the client is gone")

    async def _send_other(self, kind: str, message: Message) -> None:
        if self.state == START:
            if kind == "http.response.early_hint":
                self._hint(message)
                return
            raise unexpected(message, "http.response.start")
        if self.state == BODY:
            if kind == "http.response.pathsend":
                await self._send_file(message["path"])
                return
            raise unexpected(message, "http.response.body")
        if self.state == TRAILERS and kind == "http.response.trailers":
            self._end_with_trailers(message)
            return
        raise unexpected(
            message, "http.response.trailers" if self.state == TRAILERS else "nothing more"
        )

    def _hint(self, message: Message) -> None:
        """Tell the client what it may load meanwhile (RFC 8297)."""
        links = [("link", link.decode("latin-1")) for link in message.get("links", ())]
        if self.exchange.head.version == "HTTP/1.0" or not links:
            return  # that knows no interim responses
        self._put(self.exchange.interim, ResponseHead(103, links))

    async def _send_piece(self, data: bytes, more: bool) -> None:
        """Send a piece of the content, with the head before the first."""
        headers, self._headers = self._headers, None
        head = None
        if headers is not None:
            head = self._head or response_head(self._status, headers)
            self._bodyless = head.status in BODYLESS
        if self._bodyless:
            data = b""
        if head is not None:
            self._put(self.exchange.start, head, data)
        elif data:
            self._put(self.exchange.send, data)
        if more:
            await self._drained()
        elif self._trailers is not None:
            self.state = TRAILERS
        else:
            self._finish()

    async def _drained(self) -> None:
        future = self.exchange.flushed()
        if not future.done():
            try:
                await future
            except StreamClosedError as error:
                self.gone = True
                raise ClientDisconnected("the client is gone") from error

    async def _send_file(self, path: str) -> None:
        """Send a file as the content."""
        async with files.open(path, "rb") as file:
            if self.exchange.head.method == "HEAD":
                await self._send_piece(b"", False)
                return
            while data := await file.read(PIECE):
                await self._send_piece(data, True)
        await self._send_piece(b"", False)

    def _end_with_trailers(self, message: Message) -> None:
        assert self._trailers is not None
        self._trailers += text_fields(message.get("headers", ()))
        if not message.get("more_trailers"):
            self._finish()

    def _finish(self) -> None:
        self.state = DONE
        try:
            self._put(self.exchange.finish, self._trailers or ())
        finally:
            self._tell_end()

    def _put(self, put: Any, *args: Any) -> None:
        """Call a method of the exchange."""
        if self.gone:
            raise ClientDisconnected("the client is gone")
        try:
            put(*args)
        except StreamClosedError as error:
            self.gone = True
            raise ClientDisconnected("the client is gone") from error


def response_head(status: int, headers: Headers) -> ResponseHead:
    """Return the head of an answer, with what the server adds and without what it decides."""
    fields = text_fields(headers)
    names = [name for name, _ in fields]
    if not OF_THE_CONNECTION.isdisjoint(names):
        fields = without_connection(fields)
    if "date" not in names:
        fields.append(("date", date_now()))
    if "server" not in names:
        fields.append(SERVER)
    if status in LENGTHLESS:
        fields = [field for field in fields if field[0] != "content-length"]
    return ResponseHead(status, fields)


def without_connection(fields: list[Field]) -> list[Field]:
    """Return fields without those of the connection, but for the wish that it is closed."""
    kept = [field for field in fields if field[0] not in OF_THE_CONNECTION]
    if any(name == "connection" and "close" in list_items(value) for name, value in fields):
        kept.append(("connection", "close"))
    return kept
