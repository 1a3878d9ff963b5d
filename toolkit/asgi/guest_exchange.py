"""`GuestExchange`: one request and its answer below somebody else's ASGI server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

from toolkit._version import __version__
from toolkit.asgi.messages import OF_THE_CONNECTION, Message, Receive, Scope, Send
from toolkit.concurrent import Future
from toolkit.http1connection import Application, ConnectionContext, Exchange, Successor, refuse
from toolkit.httputil import date_now
from toolkit.ioloop import IOLoop
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log, gen_log
from toolkit.wire.coding import Decoder
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import CHUNKED, Fields, RequestHead, ResponseHead
from toolkit.wire.grammar import CONTENT_LENGTH
from toolkit.wire.http1 import writer

#: Bytes of content that a request may have unless its handler says otherwise, and of a piece.
MAX_BODY, PIECE = 100 * 1024 * 1024, 64 * 1024

#: Methods whose requests have no content when nothing is said of it.
_WITHOUT_CONTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "DELETE"))


#: What the server says by itself; twice it would be wrong.
_OF_THE_SERVER = frozenset((b"date", *(name.encode() for name in OF_THE_CONNECTION)))
OURS = f"toolkit/{__version__}".encode()


class AnswerCutOff(RuntimeError):
    """An answer has begun and will not come to its end; the server has to end the connection."""


class GuestExchange(Exchange):
    """One request and its answer, over what an ASGI server gives.

    What is to be sent is handed over in order, by a task where the handler does not wait for it.
    There is no stream to take over, and no connection to keep or close.

    Attributes:
        scope: of the request.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        context = ConnectionContext(
            tuple(client) if client else None,
            str(client[0]) if client else "",
            "https" if scope.get("scheme") in ("https", "wss") else "http",
        )
        super().__init__(None, context, request_head(scope))
        self.scope = scope
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False  # whether the client is
        self._stopped = False  # whether we have cancelled the handler
        self._all_read = not self.head.length
        self._size = 0
        self._max_body: int | None = MAX_BODY
        self._cancels = False
        # What is to be sent, and how the content of the answer ends:
        self._outbox: list[Message] = []
        self._later: asyncio.Handle | None = None
        self._pump: asyncio.Task[None] | None = None
        self._taken: Future[None] | None = None
        self._framing, self._left = writer.HEAD, 0
        self._has_trailers = False

    async def serve(self, application: Application) -> None:
        """Have an application answer the request.

        Raises:
            AnswerCutOff: it has begun to, and not ended.
        """
        self._task = task = asyncio.current_task()
        assert task is not None
        try:
            await application(self)
        except asyncio.CancelledError:
            if not self._stopped or task.uncancel():
                raise
        except RemoteProtocolError as error:
            refuse(self, error)
        except Exception as error:
            if not (self._gone and isinstance(error, StreamClosedError)):
                app_log.error("Uncaught exception", exc_info=True)
        finally:
            self._task = None
            if self._watcher is not None:
                self._watcher.cancel()
        if not self.status and not self._gone:
            self.respond(ResponseHead(500, [("Date", date_now())]))
        await self._settle()
        self.end()
        if not (self.answer_ended or self._gone):
            raise AnswerCutOff(f"the answer to {self.head.method} {self.head.target} was cut off")

    # -- the request ---------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read_some(PIECE):
            yield piece

    async def _data(self) -> bytes:
        while True:
            piece = next(self._decoded, b"")
            if piece or self._all_read:
                return piece
            data = await self._next_data()
            if self._decoder is not None:
                self._decode(self._decoder, data)
            elif data:
                return data

    def _decode(self, decoder: Decoder, data: bytes) -> None:
        if data:
            self._decoded = decoder.feed(data)
        if self._all_read:
            decoder.end()

    async def _next_data(self) -> bytes:
        """Return the content of the next message."""
        limit = self._max_body
        if limit is not None and self.head.length > limit:
            raise RemoteProtocolError(f"{self.head.length} bytes; {limit} are allowed", 413)
        if self._gone:
            raise StreamClosedError()
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._left_us()
            raise StreamClosedError()
        data: bytes = message.get("body", b"")
        self._size += len(data)
        if limit is not None and self._size > limit:
            raise RemoteProtocolError(f"more than {limit} bytes, which are allowed", 413)
        if not message.get("more_body"):
            self._all_read = True
            if self._body_deadline is not None:
                self._body_deadline.cancel()
            if self._cancels or self._close_callback is not None:
                self._watch()
        return data

    @property
    def content_ended(self) -> bool:
        return self._all_read and self._at == len(self._rest)

    @property
    def waits_for_continue(self) -> bool:
        return False  # the server sees to that

    @property
    def number(self) -> int:
        return 1

    def set_max_body(self, size: int | None) -> None:
        self._max_body = size
        if self._decoder is not None:
            self._decoder.max_size = size

    # -- the answer ----------------------------------------------------------------------

    def respond(self, head: ResponseHead, body: bytes = b"") -> "Future[None]":
        if self._gone:
            return failed()
        self._begin(head, body, True)
        self._put_body(b"" if self._framing == writer.NOTHING else body, False)
        self.sent = len(body)
        self._ended_answer()
        return self.flushed()

    def interim(self, head: ResponseHead) -> None:
        if head.status == 103 and "http.response.early_hint" in self._extensions:
            links = [value.encode() for name, value in head.fields if name.lower() == "link"]
            self._put({"type": "http.response.early_hint", "links": links})

    def start(self, head: ResponseHead, data: bytes = b"") -> None:
        if self._gone:
            raise StreamClosedError()
        self._begin(head, b"", False)
        if data:
            self.send(data)

    def send(self, data: bytes) -> None:
        if self._gone:
            raise StreamClosedError()
        if self._framing in (writer.HEAD, writer.DONE):
            raise LocalProtocolError("no message to send content of")
        if self._framing == writer.FIXED:
            if len(data) > self._left:
                raise LocalProtocolError(writer.too_much(len(data), self._left))
            self._left -= len(data)
        self.sent += len(data)
        if self._framing != writer.NOTHING and data:
            self._put_body(data, True)

    def finish(self, trailers: Fields = ()) -> None:
        if self._gone:
            raise StreamClosedError()
        if self._framing in (writer.HEAD, writer.DONE):
            raise LocalProtocolError("no message to end")
        if self._framing == writer.FIXED and self._left:
            raise LocalProtocolError(writer.too_little(self._left))
        self._put_body(b"", False)
        if self._has_trailers:
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in trailers]
            self._put({"type": "http.response.trailers", "headers": headers})
        self._ended_answer()

    def _begin(self, head: ResponseHead, body: bytes, end: bool) -> None:
        """Check a head, as the one place does that decides how content ends, and send it."""
        if self._framing != writer.HEAD:
            raise LocalProtocolError("a head was sent already")
        if self.extra_fields:
            head.fields = [*head.fields, *self.extra_fields]
        raw, framing, left, _ = writer.write_response(head, self.head, True, body, end)
        if framing == writer.SWITCHED:
            raise LocalProtocolError("there are no tunnels below an ASGI server")
        self._framing, self._left = framing, left
        headers = []
        for line in raw.split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b": ")
            lower = name.lower()
            if not (lower in _OF_THE_SERVER or (lower == b"server" and value == OURS)):
                headers.append((lower, value))
        message: Message = {
            "type": "http.response.start",
            "status": head.status,
            "headers": headers,
        }
        names = [name.lower() for name, _ in head.fields]
        if "trailer" in names and "http.response.trailers" in self._extensions:
            message["trailers"] = self._has_trailers = True
        self._put(message)
        self.status = head.status

    def _ended_answer(self) -> None:
        self._framing = writer.DONE
        self.answer_ended = True
        self._tell_answered()

    @property
    def _extensions(self) -> Any:
        return self.scope.get("extensions") or {}

    # -- handing it over -----------------------------------------------------------------

    def _put_body(self, data: bytes, more: bool) -> None:
        self._put({"type": "http.response.body", "body": data, "more_body": more})

    def _put(self, message: Message) -> None:
        self._outbox.append(message)
        if self._pump is None and self._later is None:
            # A handler that ends within this turn has it sent without a task.
            self._later = self._loop.call_soon(self._start_pump)

    def _start_pump(self) -> None:
        self._later = None
        self._pump = self._loop.create_task(self._deliver())
        self._pump.add_done_callback(self._pumped)

    async def _deliver(self) -> None:
        while self._outbox:
            message = self._outbox.pop(0)
            try:
                await self._send(message)
            except Exception as error:
                if not isinstance(error, OSError):
                    app_log.error("The server does not take an answer", exc_info=True)
                self._outbox.clear()
                self._left_us()

    def _pumped(self, _pump: "asyncio.Task[None]") -> None:
        self._pump = None
        if self._outbox:
            self._start_pump()
        elif self._taken is not None and not self._taken.done():
            self._taken.set_result(None)

    async def _settle(self) -> None:
        """Wait until the server has taken all of the answer."""
        while self._pump is not None or self._outbox:
            if self._later is not None:
                self._later.cancel()
                self._later = None
            if self._pump is not None:
                await asyncio.wait([self._pump])
            else:
                await self._deliver()
        if self._taken is not None and not self._taken.done():
            self._taken.set_result(None)

    def flushed(self) -> "Future[None]":
        if self._gone:
            return failed()
        if self._pump is None and not self._outbox:
            return IOLoop.current().done
        if self._taken is None or self._taken.done():
            self._taken = Future()
        return self._taken

    # -- how the exchange may end --------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._gone or (self.answer_ended and self._task is None)

    @property
    def draining(self) -> bool:
        return False  # nobody tells

    @property
    def cancel_on_close(self) -> bool:
        return self._cancels

    @cancel_on_close.setter
    def cancel_on_close(self, cancels: bool) -> None:
        self._cancels = cancels
        if cancels:
            self._watch()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        super().set_close_callback(callback)
        if callback is not None:
            self._watch()

    def _watch(self) -> None:
        """Look whether the client leaves, once its content was read."""
        if self._all_read and self._watcher is None and not self._gone:
            self._watcher = self._loop.create_task(self._watch_client())

    async def _watch_client(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left_us()

    def _left_us(self) -> None:
        """Take note that the client is gone."""
        if self._gone:
            return
        self._gone = not self.answer_ended
        callback = self.tell_closed()
        if callback is not None and self._gone:
            try:
                callback()
            except Exception:
                app_log.error("Exception in close callback %r", callback, exc_info=True)
        if self._taken is not None and not self._taken.done():
            self._taken.set_exception(StreamClosedError())
            self._taken.exception()
        if self._gone and self._cancels:
            self._stop()

    def _stop(self) -> None:
        if self._task is not None and not self._stopped:
            self._stopped = True
            self._task.cancel()

    def close_after(self) -> None:
        """Do nothing: the connection is the server's business."""

    def close(self) -> None:
        self._gone = True

    @property
    def stream(self) -> IOStream:
        raise LocalProtocolError("there is no stream below an ASGI server")

    def upgrade(self, head: ResponseHead, successor: Successor | None = None) -> IOStream:
        return self.stream

    def detach(self) -> IOStream:
        return self.stream

    def _reset(
        self, timer: asyncio.TimerHandle | None, seconds: float | None, method: str
    ) -> asyncio.TimerHandle | None:
        self._watched = True
        if timer is not None:
            timer.cancel()
        return None if seconds is None else self._loop.call_later(seconds, self._overdue, method)

    def _overdue(self, method: str) -> None:
        """Take note that a deadline has passed."""
        if self.answer_ended or self._gone:
            return
        head = self.head
        gen_log.warning("No answer in time to %s %s", head.method, head.target)
        if not self.status:
            fields = [("Date", date_now()), ("Retry-After", "1")]
            status = 503 if method == "overdue" else 408
            self.respond(ResponseHead(status, fields))
        self._stop()


def failed() -> "Future[None]":
    """Return a future that says that the client is gone, and that nobody has to look at."""
    future: Future[None] = Future()
    future.set_exception(StreamClosedError())
    future.exception()
    return future


def request_head(scope: Scope) -> RequestHead:
    """Return the head of the request that a scope is of.

    The target lies below ``root_path``. What is said of the connection is left to the server.
    """
    fields = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in scope["headers"]
    ]
    found = dict(fields)
    method = scope.get("method", "GET")
    version = scope.get("http_version", "1.1")
    length = found.get("content-length", "")
    if CONTENT_LENGTH.fullmatch(length) and "transfer-encoding" not in found:
        size = int(length)
    elif "transfer-encoding" in found or method not in _WITHOUT_CONTENT:
        size = CHUNKED
    else:
        size = 0 if version in ("1.0", "1.1") else CHUNKED
    return RequestHead(
        method,
        _target(scope),
        fields,
        f"HTTP/{version}",
        found.get("host", ""),
        0 if scope["type"] == "websocket" else size,
    )


def _target(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"], safe="/:@!$&'()*+,;=~")
    path = path.partition("?")[0]
    root = quote(scope.get("root_path", ""), safe="/:@!$&'()*+,;=~").rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path or '/'}?{query}" if query else path or "/"
