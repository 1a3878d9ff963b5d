"""The HTTP/1 machine: one connection, either role, message after message.

It reads and writes one message at a time in each direction; when both are whole and both
sides keep the connection, the next cycle starts by itself. Bytes of a pipelined request
wait in the buffer meanwhile, so the owner stops feeding while `next_event` says PAUSED.
"""

from dataclasses import dataclass
from enum import IntEnum

from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import (
    CHUNKED,
    CLOSED,
    NEED_DATA,
    PAUSED,
    UNTIL_CLOSE,
    Data,
    EndOfMessage,
    Event,
    Fields,
    RequestHead,
    ResponseHead,
    Signal,
)
from toolkit.wire.grammar import FIELD_BYTES, is_token, list_items
from toolkit.wire.http1.framing import may_have_body
from toolkit.wire.http1.parser import (
    VERSIONS,
    keep_trailers,
    parse_chunk_line,
    parse_field,
    parse_fields,
    parse_request_line,
    parse_status_line,
    request_head,
    response_head,
    target_authority,
)
from toolkit.wire.http1.serializer import (
    content_length,
    encode_chunk,
    encode_head,
    encode_last_chunk,
    field_lines,
    status_line,
)


class Role(IntEnum):
    """Which end of the connection the machine speaks for."""

    SERVER = 0
    CLIENT = 1


SERVER = Role.SERVER
CLIENT = Role.CLIENT


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a peer may send before it is refused.

    Attributes:
        head: bytes of start line and fields together.
        fields: number of fields.
        line: bytes of one line.
        chunk_overhead: bytes of chunk extensions beyond twice the data they come with.
        trailers: bytes of the trailer section.
        body: bytes of a body's content; None for no limit.
        interim: number of 1xx responses to one request.
    """

    head: int = 64 * 1024
    fields: int = 100
    line: int = 16 * 1024
    chunk_overhead: int = 16 * 1024
    trailers: int = 16 * 1024
    body: int | None = None
    interim: int = 10


DEFAULT_LIMITS = Limits()

#: Empty lines tolerated before a request line (RFC 9112 §2.2).
_MAX_EMPTY_LINES = 5
#: Largest field block that is remembered, so that idle connections stay small.
_MAX_REMEMBERED = 4096


class _In(IntEnum):
    """What is read next."""

    HEAD = 0
    FIXED = 1
    CHUNKS = 2
    UNTIL_CLOSE = 3
    END = 4
    PAUSED = 5
    IDLE = 6
    SWITCHED = 7
    CLOSED = 8
    FAILED = 9


class _Out(IntEnum):
    """What is written next."""

    HEAD = 0
    FIXED = 1
    CHUNKS = 2
    UNTIL_CLOSE = 3
    NOTHING = 4
    DONE = 5
    SWITCHED = 6


class _Chunk(IntEnum):
    """Where in a chunked body the reader stands."""

    LINE = 0
    DATA = 1
    END = 2
    TRAILERS = 3


class Machine:
    """Reads and writes the messages of one HTTP/1.0 or HTTP/1.1 connection.

    Example::

        machine = Machine(SERVER)
        machine.receive(b"GET / HTTP/1.1\\r\\nHost: example.com\\r\\n\\r\\n")
        machine.next_event()                       # <RequestHead GET '/' HTTP/1.1>
        machine.next_event()                       # <EndOfMessage>
        machine.send(ResponseHead(200, [("Content-Length", "2")]))
        machine.send(Data(b"hi"))
        machine.send(EndOfMessage())

    Attributes:
        limits: what the peer may send at most.
        max_body: limit of the current message's body, set anew from `limits` with each head.
    """

    __slots__ = (
        "_buffer",
        "_chunk",
        "_consumed",
        "_empty_lines",
        "_eof",
        "_failure",
        "_fields",
        "_http10",
        "_in",
        "_interim",
        "_keep_alive",
        "_method",
        "_offers",
        "_out",
        "_out_left",
        "_overhead",
        "_pos",
        "_read",
        "_remaining",
        "_remembered",
        "_scanned",
        "_server",
        "_start_line",
        "limits",
        "max_body",
    )

    def __init__(self, role: Role, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.max_body = limits.body
        self._server = role is SERVER
        self._buffer: bytes | bytearray = b""
        self._pos = 0  # first unread byte of the buffer
        self._scanned = 0  # bytes before this hold no end of the current line
        self._eof = False
        self._in = _In.HEAD if self._server else _In.IDLE
        self._out = _Out.HEAD
        self._failure = ("", 0)
        self._keep_alive = True
        self._method = ""  # of the current request, which decides on its response's framing
        self._offers = ""  # protocols that the current request would switch to
        self._http10 = False  # whether the current request speaks HTTP/1.0
        self._interim = 0
        # A head or trailer section that arrives in pieces:
        self._start_line = ""
        self._fields: list[tuple[str, str]] = []
        self._consumed = 0
        self._empty_lines = 0
        # The body being read and the body being written:
        self._chunk = _Chunk.LINE
        self._remaining = 0
        self._read = 0
        self._overhead = 0
        self._out_left = 0
        # The last block of fields on this connection and what it came to; clients that keep
        # a connection send the same block again and again.
        self._remembered: tuple[bytes, str, RequestHead] | None = None

    # -- state ---------------------------------------------------------------------------

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may go on after the current messages."""
        return self._keep_alive

    @property
    def switched(self) -> bool:
        """Whether the connection speaks another protocol now; `take_rest` has its first bytes."""
        return self._in is _In.SWITCHED

    @property
    def finished(self) -> bool:
        """Whether our message is whole and nothing will follow it: time to close."""
        return self._out is _Out.DONE and self._in >= _In.CLOSED

    @property
    def idle(self) -> bool:
        """Whether no message is under way in either direction, not even a byte of one."""
        if self._out is not _Out.HEAD or self._in not in (_In.HEAD, _In.IDLE):
            return False
        return self._pos == len(self._buffer) and not self._consumed

    @property
    def response_started(self) -> bool:
        """Whether the head of our current message was sent."""
        return self._out is not _Out.HEAD

    def close_after(self) -> None:
        """Let the connection end with the current messages; a head yet to come says so."""
        self._keep_alive = False

    def take_rest(self) -> bytes:
        """Return and forget the bytes received but not read."""
        rest = bytes(self._buffer[self._pos :])
        self._buffer, self._pos = b"", 0
        return rest

    # -- reading -------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; ``b""`` says that it sends no more."""
        if not data:
            self._eof = True
            return
        pos = self._pos
        buffer = self._buffer
        if pos == len(buffer):
            self._buffer = data
            self._scanned = 0
        else:
            if not isinstance(buffer, bytearray):
                self._buffer = buffer = bytearray(memoryview(buffer)[pos:])
            elif pos:
                del buffer[:pos]
            buffer += data
            self._scanned = max(0, self._scanned - pos)
        self._pos = 0

    def next_event(self) -> Event | Signal:
        """Return the next event of the peer, or the signal that says why there is none.

        Raises:
            RemoteProtocolError: the peer broke the protocol or passed a limit; its `status`
                is what a server answers. Every later call raises it again.
        """
        try:
            return _READERS[self._in](self)
        except RemoteProtocolError as error:
            self._failure = (str(error), error.status)
            self._in = _In.FAILED
            self._keep_alive = False
            raise

    def _read_head(self) -> Event | Signal:
        if not self._consumed:
            head = self._whole_head()
            if head is not None:
                return self._accept(head)
        head = self._head_by_lines()
        if head is not None:
            return self._accept(head)
        if not self._eof:
            return NEED_DATA
        if self._pos == len(self._buffer) and not self._consumed:
            self._in = _In.CLOSED
            return CLOSED
        raise RemoteProtocolError("the connection ended in the middle of a head")

    def _whole_head(self) -> RequestHead | ResponseHead | None:
        """Read a head that is whole and good in one pass; None leaves it to the lines."""
        buffer, pos = self._buffer, self._pos
        end = buffer.find(b"\r\n\r\n", pos)
        if end < 0:
            return None
        line_end = buffer.find(b"\r\n", pos)
        limits = self.limits
        if end - pos > limits.line or end - pos > limits.head:
            return None
        line = buffer[pos:line_end]
        if line.translate(None, FIELD_BYTES):
            return None
        block = bytes(buffer[line_end + 2 : end + 2])
        if not self._server:
            fields = parse_fields(block, limits.fields)
            if fields is None or not line:
                return None
            version, status, reason = parse_status_line(line.decode("latin-1"))
            self._pos = end + 4
            return response_head(version, status, reason, fields, self._method)
        parts = line.decode("latin-1").split(" ")
        if len(parts) != 3 or parts[2] not in VERSIONS:
            return None
        method, target, version = parts
        known = self._remembered
        if known is not None and known[0] == block and known[1] == version:
            head = self._like(known[2], method, target)
        else:
            fields = parse_fields(block, limits.fields)
            if fields is None or not is_token(method):
                return None
            head = request_head(method, target, version, fields)
            if len(block) <= _MAX_REMEMBERED:
                self._remembered = (block, version, head)
        self._pos = end + 4
        return head

    @staticmethod
    def _like(known: RequestHead, method: str, target: str) -> RequestHead:
        """Return the head of a request that has the fields of an earlier one."""
        if target == known.target and method == known.method:
            return known
        if target[:1] != "/" or target_authority(method, target) is not None:
            return request_head(method, target, known.version, known.fields)
        if not is_token(method):
            parse_request_line(f"{method} {target} {known.version}")
        return RequestHead(
            method,
            target,
            known.fields,
            known.version,
            host=known.host,
            length=known.length,
            keep_alive=known.keep_alive,
            expect_continue=known.expect_continue,
            upgrade=known.upgrade,
        )

    def _head_by_lines(self) -> RequestHead | ResponseHead | None:
        """Read a head line by line, as far as it has come; here errors are found."""
        if not self._start_line:
            line = self._start()
            if not line:
                return None
            self._start_line = line
        if not self._section(self.limits.head, 431):
            return None
        line, fields = self._start_line, self._fields
        self._start_line, self._fields, self._consumed = "", [], 0
        self._empty_lines = 0
        if self._server:
            return request_head(*parse_request_line(line), fields)
        return response_head(*parse_status_line(line), fields, self._method)

    def _start(self) -> str:
        """Take the start line, "" while it is not whole."""
        limit = min(self.limits.line, self.limits.head)
        while True:
            line = self._line(limit, 414 if self._server else 400)
            if line is None:
                return ""
            if line:
                break
            self._empty_lines += 1
            if self._empty_lines > _MAX_EMPTY_LINES or not self._server:
                raise RemoteProtocolError(f"{self._empty_lines} empty lines before the start line")
        (parse_request_line if self._server else parse_status_line)(line)
        self._consumed = len(line) + 2
        return line

    def _section(self, limit: int, status: int) -> bool:
        """Take field lines up to the empty line, which makes it True.

        Args:
            limit: bytes of the whole section, those before `_consumed` included.
            status: what a server answers to too many.
        """
        limits = self.limits
        while True:
            line = self._line(min(limits.line, limit - self._consumed), status)
            if line is None:
                return False
            if not line:
                return True
            self._consumed += len(line) + 2
            self._fields.append(parse_field(line))
            if len(self._fields) > limits.fields:
                raise RemoteProtocolError(f"more than {limits.fields} fields", status)

    def _line(self, limit: int, status: int) -> str | None:
        """Take one line without its CRLF; None while it is not whole.

        Args:
            limit: most bytes allowed.
            status: what a server answers to more.
        Raises:
            RemoteProtocolError: too long, a control character, CR or LF alone. A byte that
                is not allowed is found as soon as it comes.
        """
        buffer, pos = self._buffer, self._pos
        start = max(pos, self._scanned)
        end = buffer.find(b"\r\n", start)
        whole = end >= 0
        if not whole:
            end = len(buffer) - (buffer[-1:] == b"\r" and len(buffer) > pos)
        # Only the part within the limit is looked at, so that an error does not depend on
        # how much came at once.
        last = min(end, pos + max(limit, 0))
        if start < last and (bad := buffer[start:last].translate(None, FIELD_BYTES)):
            raise RemoteProtocolError(f"byte {excerpt(bytes(bad[:1]))} in a line of a head")
        if end - pos > max(limit, 0):
            raise RemoteProtocolError(f"more than {limit} bytes in a line or section", status)
        if not whole:
            self._scanned = end
            return None
        self._pos = end + 2
        self._scanned = 0
        return buffer[pos:end].decode("latin-1")

    def _accept(self, head: RequestHead | ResponseHead) -> Event:
        """Get ready for what follows a head."""
        length = head.length
        self.max_body = self.limits.body
        if isinstance(head, RequestHead):
            self._method = head.method
            self._offers = head.upgrade
            self._http10 = head.version == "HTTP/1.0"
            if not head.keep_alive:
                self._keep_alive = False
        elif head.status < 200:
            return self._accept_interim(head)
        elif self._method == "CONNECT" and head.status < 300:
            self._in, self._out = _In.SWITCHED, _Out.SWITCHED
            return head
        elif not head.keep_alive or length == UNTIL_CLOSE:
            self._keep_alive = False
        if length == 0:
            self._in = _In.END
        else:
            self._start_body(length)
        return head

    def _accept_interim(self, head: ResponseHead) -> Event:
        """Take a 1xx response; the final one is still to come, but for 101."""
        self._interim += 1
        if self._interim > self.limits.interim:
            raise RemoteProtocolError(f"more than {self.limits.interim} interim responses")
        if head.status == 101:
            if not self._offers:
                raise RemoteProtocolError("101 without a request to switch protocols")
            self._in, self._out = _In.SWITCHED, _Out.SWITCHED
        return head

    def _start_body(self, length: int) -> None:
        self._read = 0
        if length == CHUNKED:
            self._in = _In.CHUNKS
            self._chunk = _Chunk.LINE
            self._overhead = 0
        elif length == UNTIL_CLOSE:
            self._in = _In.UNTIL_CLOSE
        else:
            self._in = _In.FIXED
            self._remaining = length

    def _check_body(self, size: int) -> None:
        """Return when a body of `size` bytes is allowed."""
        if self.max_body is not None and size > self.max_body:
            raise RemoteProtocolError(
                f"body of {size} bytes or more; {self.max_body} are allowed", 413
            )

    def _read_fixed(self) -> Event | Signal:
        if not self._read:
            self._check_body(self._remaining)
        data = self._take(self._remaining)
        if not data:
            return self._starved("a body")
        self._read += len(data)
        self._remaining -= len(data)
        if not self._remaining:
            self._in = _In.END
        return Data(data)

    def _read_until_close(self) -> Event | Signal:
        data = self._take(len(self._buffer))
        if data:
            self._read += len(data)
            self._check_body(self._read)
            return Data(data)
        if not self._eof:
            return NEED_DATA
        self._in = _In.END
        return self._read_end()

    def _read_chunks(self) -> Event | Signal:
        """Read as many chunks as there are, as one piece of data."""
        pieces: list[bytes] = []
        try:
            ended = self._gather_chunks(pieces)
        except RemoteProtocolError as error:
            if not pieces:
                raise
            # What came before the error counts; the next call raises it.
            self._failure = (str(error), error.status)
            self._in = _In.FAILED
            self._keep_alive = False
            return Data(b"".join(pieces))
        if ended:
            self._in = _In.END
        if pieces:
            return Data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        return self._read_end() if ended else self._starved("a chunked body")

    def _gather_chunks(self, pieces: list[bytes]) -> bool:
        """Move the data of chunks into `pieces`; True when the body has ended."""
        limits = self.limits
        while True:
            if self._chunk is _Chunk.LINE:
                line = self._line(limits.line, 400)
                if line is None:
                    return False
                self._start_chunk(line)
            elif self._chunk is _Chunk.DATA:
                data = self._take(self._remaining)
                if not data:
                    return False
                pieces.append(data)
                self._read += len(data)
                self._remaining -= len(data)
                if not self._remaining:
                    self._chunk = _Chunk.END
            elif self._chunk is _Chunk.END:
                if not self._chunk_ended():
                    return False
                self._chunk = _Chunk.LINE
            else:
                return self._section(limits.trailers, 431)

    def _start_chunk(self, line: str) -> None:
        size, extension = parse_chunk_line(line)
        self._check_body(self._read + size)
        # Extensions are allowed in proportion to the data, so that signed uploads pass and
        # a stream of one-byte chunks with long extensions does not.
        self._overhead = max(0, self._overhead + extension - 2 * size)
        if self._overhead > self.limits.chunk_overhead:
            raise RemoteProtocolError(
                f"more than {self.limits.chunk_overhead} bytes of chunk extensions"
            )
        self._remaining = size
        self._chunk = _Chunk.DATA if size else _Chunk.TRAILERS

    def _chunk_ended(self) -> bool:
        """Take the CRLF after a chunk's data; False while it has not come."""
        mark = self._buffer[self._pos : self._pos + 2]
        if mark == b"\r\n":
            self._pos += 2
            return True
        if mark in (b"", b"\r"):
            return False
        raise RemoteProtocolError(f"{excerpt(bytes(mark))} after a chunk's data; CRLF is allowed")

    def _take(self, size: int) -> bytes:
        """Take at most `size` unread bytes, without a copy when that is the whole buffer."""
        buffer, pos = self._buffer, self._pos
        available = len(buffer) - pos
        if size >= available:
            data = buffer if pos == 0 else buffer[pos:]
            self._buffer, self._pos = b"", 0
        else:
            data = buffer[pos : pos + size]
            self._pos = pos + size
        self._scanned = 0
        return data if type(data) is bytes else bytes(data)

    def _starved(self, what: str) -> Signal:
        if self._eof:
            raise RemoteProtocolError(f"the connection ended in the middle of {what}")
        return NEED_DATA

    def _read_end(self) -> Event:
        trailers: Fields = ()
        if self._fields:
            trailers, self._fields = keep_trailers(self._fields), []
        self._consumed = 0
        self._in = _In.PAUSED
        if self._out is _Out.DONE:
            self._end_cycle()
        return EndOfMessage(trailers)

    def _read_paused(self) -> Signal:
        return PAUSED

    def _read_idle(self) -> Signal:
        """A client without a request under way: nothing may come."""
        if self._pos < len(self._buffer):
            seen = excerpt(bytes(self._buffer[self._pos : self._pos + 100]))
            raise RemoteProtocolError(f"{seen} received without a request")
        if self._eof:
            self._in = _In.CLOSED
            return CLOSED
        return PAUSED

    def _read_closed(self) -> Signal:
        return CLOSED

    def _read_failed(self) -> Signal:
        raise RemoteProtocolError(*self._failure)

    def _end_cycle(self) -> None:
        """Start over, or close, when both messages are whole."""
        if not self._keep_alive:
            self._in, self._out = _In.CLOSED, _Out.DONE
            return
        self._in = _In.HEAD if self._server else _In.IDLE
        self._out = _Out.HEAD
        self._interim = 0

    # -- writing -------------------------------------------------------------------------

    def send(self, event: Event) -> bytes:
        """Return the bytes that say `event` to the peer.

        Raises:
            LocalProtocolError: out of order, or against the protocol; the state is as before.
        """
        if isinstance(event, Data):
            return self.send_data(event.data)
        if isinstance(event, EndOfMessage):
            return self.send_end(event.trailers)
        return self.send_head(event)

    def send_head(
        self, head: RequestHead | ResponseHead, body: bytes = b"", end: bool = False
    ) -> bytes:
        """Return the bytes of a head, with the whole body too when `end` is true.

        Without a Content-Length among the fields, a body that comes with its head gets one,
        and any other goes in chunks, or up to the close of the connection to an HTTP/1.0 peer.

        Raises:
            LocalProtocolError: as `send`.
        """
        if self._out is not _Out.HEAD:
            raise LocalProtocolError("a head was sent already")
        if isinstance(head, ResponseHead):
            raw = self._send_response(head, body, end)
        else:
            raw = self._send_request(head, body, end)
        if end and self._out is not _Out.HEAD and self._out is not _Out.SWITCHED:
            if self._out is _Out.CHUNKS:
                raw += encode_chunk(body) + b"0\r\n\r\n" if body else b"0\r\n\r\n"
            elif self._out is not _Out.NOTHING:
                raw += body
            self._end_out()
        return raw

    def _send_response(self, head: ResponseHead, body: bytes, end: bool) -> bytes:
        if not self._server:
            raise LocalProtocolError("a client sends requests")
        if self._in in (_In.HEAD, _In.CLOSED) and not self._method:
            raise LocalProtocolError("a response needs a request to answer")
        status = head.status
        lines, framing = field_lines(head.fields)
        start = status_line(status, head.reason)
        if status < 200:
            return self._send_interim(head, start, lines, framing)
        tunnel = self._method == "CONNECT" and status < 300
        if (status == 204 or tunnel) and not framing.keys().isdisjoint(
            ("content-length", "transfer-encoding")
        ):
            raise LocalProtocolError(f"a {status} answer to {self._method} has no content to frame")
        keep_alive = self._keep_alive
        if tunnel:
            out, left, extra = _Out.SWITCHED, 0, ""
        elif may_have_body(status, self._method):
            out, left, extra = self._frame(framing, body, end, chunks=not self._http10)
            if out is _Out.UNTIL_CLOSE:
                keep_alive = False
        else:
            if body and self._method != "HEAD":
                raise LocalProtocolError(f"a {status} response has no content")
            out, left, extra = _Out.NOTHING, 0, self._bodyless(framing, body, end)
        options = framing.get("connection")
        if options is not None and "close" in list_items(options):
            keep_alive = False
        if extra:
            lines.append(extra)
        if not keep_alive:
            lines.append("Connection: close\r\n")
        elif options is not None:
            lines.append(f"Connection: {options}\r\n")
        elif self._http10:
            lines.append("Connection: keep-alive\r\n")
        raw = encode_head(start, lines)
        self._keep_alive, self._out, self._out_left = keep_alive, out, left
        if tunnel:
            self._in = _In.SWITCHED
        return raw

    def _send_interim(
        self, head: ResponseHead, start: str, lines: list[str], framing: dict[str, str]
    ) -> bytes:
        """Write a 1xx response; 101 hands the connection over (RFC 9110 §15.2)."""
        if self._http10:
            raise LocalProtocolError("an HTTP/1.0 client knows no 1xx responses")
        if "content-length" in framing or "transfer-encoding" in framing:
            raise LocalProtocolError(f"a {head.status} response has no content to frame")
        if head.status == 101:
            if not self._offers or self._in is not _In.PAUSED:
                raise LocalProtocolError("101 answers a whole request that asks for it")
            framing.setdefault("connection", "Upgrade")
        if "connection" in framing:
            lines.append(f"Connection: {framing['connection']}\r\n")
        raw = encode_head(start, lines)
        if head.status == 101:
            self._in, self._out = _In.SWITCHED, _Out.SWITCHED
        return raw

    def _send_request(self, head: RequestHead, body: bytes, end: bool) -> bytes:
        if self._server:
            raise LocalProtocolError("a server sends responses")
        if self._in is not _In.IDLE or not self._keep_alive:
            raise LocalProtocolError("this connection takes no further request")
        lines, framing = field_lines(head.fields)
        hosts = [value for name, value in head.fields if name.lower() == "host"]
        if len(hosts) != 1:
            raise LocalProtocolError(f"{len(hosts)} Host fields; a request has one")
        if not is_token(head.method):
            raise LocalProtocolError(f"method {excerpt(head.method)}; a token is allowed")
        try:
            target_authority(head.method, head.target)
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error)) from None
        if end and not body and "content-length" not in framing and head.method in _NO_CONTENT:
            framing.pop("transfer-encoding", None)
            out, left, extra = _Out.FIXED, 0, ""
        else:
            out, left, extra = self._frame(framing, body, end, chunks=True)
        if extra:
            lines.append(extra)
        options = framing.get("connection")
        if options is not None:
            lines.append(f"Connection: {options}\r\n")
        raw = encode_head(f"{head.method} {head.target} HTTP/1.1\r\n", lines)
        if options is not None and "close" in list_items(options):
            self._keep_alive = False
        offered = options is not None and "upgrade" in list_items(options)
        self._offers = "".join(v for n, v in head.fields if offered and n.lower() == "upgrade")
        self._method = head.method
        self._out, self._out_left = out, left
        self._in = _In.HEAD
        return raw

    def _frame(
        self, framing: dict[str, str], body: bytes, end: bool, chunks: bool
    ) -> tuple[_Out, int, str]:
        """Choose how our body ends: the way of writing, its length and the field that says so."""
        coding = framing.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            raise LocalProtocolError(f"Transfer-Encoding {excerpt(coding)}; 'chunked' is allowed")
        length = framing.get("content-length")
        if length is not None:
            if coding is not None:
                raise LocalProtocolError("both Content-Length and Transfer-Encoding")
            size = content_length(length)
            if end and size != len(body):
                raise LocalProtocolError(f"Content-Length {size} with a body of {len(body)} bytes")
            return _Out.FIXED, size, f"Content-Length: {size}\r\n"
        if end and coding is None:
            return _Out.FIXED, len(body), f"Content-Length: {len(body)}\r\n"
        if chunks:
            return _Out.CHUNKS, 0, "Transfer-Encoding: chunked\r\n"
        return _Out.UNTIL_CLOSE, 0, ""

    def _bodyless(self, framing: dict[str, str], body: bytes, end: bool) -> str:
        """Return the length that the answer to HEAD or a 304 tells, though no body follows."""
        if "content-length" in framing:
            return f"Content-Length: {content_length(framing['content-length'])}\r\n"
        if body and end:
            return f"Content-Length: {len(body)}\r\n"
        return ""

    def send_data(self, data: bytes) -> bytes:
        """Return the bytes that carry a piece of the body; none where no content may follow.

        Raises:
            LocalProtocolError: before a head, after the end, more than Content-Length says,
                or content of a 204 or 304.
        """
        out = self._out
        if out is _Out.CHUNKS:
            return encode_chunk(data) if data else b""
        if out is _Out.FIXED:
            if len(data) > self._out_left:
                raise LocalProtocolError(
                    f"{len(data)} bytes written with {self._out_left} of Content-Length left"
                )
            self._out_left -= len(data)
            return data
        if out is _Out.UNTIL_CLOSE:
            return data
        if out is _Out.NOTHING:
            if data and self._method != "HEAD":
                raise LocalProtocolError("content after the head of a 204 or 304 response")
            return b""
        raise LocalProtocolError("data before a head" if out is _Out.HEAD else "data after the end")

    def send_end(self, trailers: Fields = ()) -> bytes:
        """Return the bytes that end our message.

        Raises:
            LocalProtocolError: no head, less data than Content-Length says, or trailers
                without chunks to come after.
        """
        out = self._out
        if out in (_Out.HEAD, _Out.DONE, _Out.SWITCHED):
            raise LocalProtocolError("no message to end")
        if out is _Out.FIXED and self._out_left:
            raise LocalProtocolError(f"{self._out_left} bytes of Content-Length were not written")
        if trailers and out is not _Out.CHUNKS and out is not _Out.NOTHING:
            raise LocalProtocolError("trailers need a body in chunks")
        raw = encode_last_chunk(trailers) if out is _Out.CHUNKS else b""
        self._end_out()
        return raw

    def _end_out(self) -> None:
        self._out = _Out.DONE
        self._out_left = 0
        if self._in is _In.PAUSED:
            self._end_cycle()


#: Methods whose requests need no Content-Length when they are empty (RFC 9110 §8.6).
_NO_CONTENT = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"))

_READERS = {
    _In.HEAD: Machine._read_head,
    _In.FIXED: Machine._read_fixed,
    _In.CHUNKS: Machine._read_chunks,
    _In.UNTIL_CLOSE: Machine._read_until_close,
    _In.END: Machine._read_end,
    _In.PAUSED: Machine._read_paused,
    _In.IDLE: Machine._read_idle,
    _In.SWITCHED: Machine._read_closed,
    _In.CLOSED: Machine._read_closed,
    _In.FAILED: Machine._read_failed,
}
