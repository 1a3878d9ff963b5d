"""The HTTP/1 machine: one connection, either role, message after message.

It reads and writes one message at a time in each direction; when both are whole and both
sides keep the connection, the next cycle starts by itself. Bytes of a pipelined request
wait in the buffer meanwhile, so the owner stops feeding while `next_event` says PAUSED.
"""

from enum import Enum
from typing import Final

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, TruncatedError, excerpt
from toolkit.wire.events import (
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
from toolkit.wire.grammar import is_field_value, is_token
from toolkit.wire.http1 import writer
from toolkit.wire.http1.bodies import Body, BodyUntilClose, FixedBody, make_body
from toolkit.wire.http1.framing import FRAMING_FIELDS
from toolkit.wire.http1.heads import request_head, response_head, target_authority
from toolkit.wire.http1.limits import DEFAULT_LIMITS, Limits
from toolkit.wire.http1.parser import (
    METHODS,
    VERSIONS,
    parse_request_line,
    parse_status_line,
    read_block,
)
from toolkit.wire.http1.section import Section
from toolkit.wire.http1.serializer import encode_chunk, encode_last_chunk


class Role(Enum):
    """Which end of the connection the machine speaks for."""

    SERVER = "server"
    CLIENT = "client"


SERVER = Role.SERVER
CLIENT = Role.CLIENT


#: Empty lines tolerated before a request line (RFC 9112 §2.2).
_MAX_EMPTY_LINES = 5
#: Largest head that is remembered, so that idle connections stay small.
_MAX_REMEMBERED = 4096

# What is read next. Plain numbers, since members of an Enum cost three times as much.
_HEAD: Final = 0
_BODY: Final = 1
_END: Final = 2
_PAUSED: Final = 3
_IDLE: Final = 4
_SWITCHED: Final = 5
_CLOSED: Final = 6
_FAILED: Final = 7

#: Stands for the request where none could be read: the answer to it is framed as one to GET.
_NO_REQUEST = RequestHead("GET", "/")


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
        "_body",
        "_buffer",
        "_empty_lines",
        "_eof",
        "_failure",
        "_in",
        "_interim",
        "_keep_alive",
        "_last_answer",
        "_offers",
        "_out",
        "_out_left",
        "_remembered",
        "_remembered_block",
        "_request",
        "_section",
        "_server",
        "_start_line",
        "limits",
        "max_body",
    )

    def __init__(self, role: Role, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.max_body = limits.body
        self._server = role is SERVER
        self._buffer = Buffer()
        self._eof = False
        self._in = _HEAD if self._server else _IDLE
        self._out: int = writer.HEAD
        self._failure = ("", 0)
        self._keep_alive = True
        self._request = _NO_REQUEST  # the current one, read or written
        self._offers = ""  # protocols that our own request would switch to
        self._interim = 0
        # A head that arrives in pieces:
        self._start_line = ""
        self._section: Section | None = None
        self._empty_lines = 0
        # The body being read and the rest of the one being written:
        self._body: Body | None = None
        self._out_left = 0
        # The last whole head on this connection, its block of fields and what they came to:
        # a client that keeps a connection sends the same again and again.
        self._remembered = b""
        self._remembered_block: str | None = None
        # So does a server: the bytes of its last head, the method that it answered, and it.
        self._last_answer: tuple[bytes, str, ResponseHead] | None = None

    # -- state ---------------------------------------------------------------------------

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may go on after the current messages."""
        return self._keep_alive and self._request.keep_alive

    @property
    def switched(self) -> bool:
        """Whether the connection speaks another protocol now; `take_rest` has its first bytes."""
        return self._in == _SWITCHED

    @property
    def finished(self) -> bool:
        """Whether our message is whole and nothing will follow it: time to close."""
        return self._out == writer.DONE and self._in >= _CLOSED

    @property
    def idle(self) -> bool:
        """Whether no message is under way in either direction, not even a byte of one."""
        if self._out != writer.HEAD or self._in not in (_HEAD, _IDLE):
            return False
        return not self._buffer.data and not self._start_line

    @property
    def reading_head(self) -> bool:
        """Whether the next thing to come is the head of a message."""
        return self._in == _HEAD

    @property
    def body_ended(self) -> bool:
        """Whether the peer's message is whole, as far as its bytes have come."""
        return self._in in (_END, _PAUSED)

    @property
    def body_left(self) -> int:
        """Bytes known to be missing of the body being read; 0 when that is not known."""
        return self._body.left if self._in == _BODY and self._body is not None else 0

    @property
    def quiet(self) -> bool:
        """Whether nothing more is expected of the peer: its last message is whole, or it left."""
        return self._eof or self._in == _CLOSED

    def starved(self) -> bool:
        """Say whether a head is next, and nothing of it is here yet but may still come."""
        return self._in == _HEAD and not (self._buffer.data or self._eof)

    @property
    def unread(self) -> int:
        """Bytes received and not read yet."""
        return len(self._buffer)

    @property
    def response_started(self) -> bool:
        """Whether the head of our current message was sent."""
        return self._out != writer.HEAD

    @property
    def response_ended(self) -> bool:
        """Whether our current message is whole."""
        return self._out == writer.DONE

    def close_after(self) -> None:
        """Let the connection end with the current messages; a head yet to come says so."""
        self._keep_alive = False

    def switch(self) -> None:
        """Leave the connection to another protocol, by agreement that was made elsewhere."""
        self._in, self._out = _SWITCHED, writer.SWITCHED

    def take_rest(self) -> bytes:
        """Return and forget the bytes received but not read."""
        return self._buffer.take(len(self._buffer))

    # -- reading -------------------------------------------------------------------------

    def receive(self, data: bytes) -> bool:
        """Take bytes from the peer; ``b""`` says that it sends no more.

        Returns:
            Whether `next_event` may say something new; not amid a line of a head.
        """
        buffer = self._buffer
        if not data:
            self._eof = True
        elif buffer.data:
            if self._in == _HEAD and buffer.continue_line(data):
                return False
            if self._in < _CLOSED:
                buffer.append(data)
        else:
            buffer.data = data
        return True

    def next_event(self) -> Event | Signal:
        """Return the next event of the peer, or the signal that says why there is none.

        The end of a request may stay unread: it is passed over when the response has ended.

        Raises:
            RemoteProtocolError: the peer broke the protocol or passed a limit; its `status`
                is what a server answers. Every later call raises it again.
        """
        buffer = self._buffer
        data = buffer.data
        remembered = self._remembered
        if (
            remembered
            and data.startswith(remembered)
            and self._in == _HEAD
            and not (buffer.pos or self._start_line)
        ):
            # What a client that keeps its connection sends, again: shorter than by the way
            # of all others.
            if len(data) == len(remembered):
                buffer.data = b""
            else:
                buffer.pos = len(remembered)
            buffer.scanned = 0
            self._empty_lines = 0
            head = self._request
            if head.length:
                self._start_body(head.length)
            else:
                self._in = _END
            return head
        try:
            return _READERS[self._in](self)
        except RemoteProtocolError as error:
            self.fail(error)
            raise

    def fail(self, error: RemoteProtocolError) -> None:
        """Take nothing more from the peer, as after an error that `next_event` raised."""
        if self._server and self._in == _HEAD:
            self._request = _NO_REQUEST
        self._failure = (str(error), error.status)
        self._in = _FAILED
        self._keep_alive = False

    def read_answer(self) -> tuple[ResponseHead, bytes | None] | None:
        """Read a final response whose head has come whole.

        Returns:
            The head and all of the content, where that is just what has come: the message is
            over. The head and None where the content is to be read by `next_event`. None
            where that has to read the head too, or to say what is wrong with it.
        """
        buffer = self._buffer
        data, pos = buffer.data, buffer.pos
        if self._in != _HEAD or self._start_line or buffer.scanned > pos:
            return None
        method, last = self._request.method, self._last_answer
        if last is not None and data.startswith(last[0], pos) and method == last[1]:
            head, end = last[2], pos + len(last[0])
        else:
            found = self._final_head(method)
            if found is None:
                buffer.data, buffer.pos = data, pos
                return None
            head, end = found, len(data) - len(buffer)
            if end - pos <= _MAX_REMEMBERED:
                self._last_answer = bytes(data[pos:end]), method, head
        whole = len(data) - end == head.length and self._out == writer.DONE
        if whole and (self.limits.body is None or head.length <= self.limits.body):
            buffer.data, buffer.pos, buffer.scanned = b"", 0, 0
            self._keep_alive = self._keep_alive and head.keep_alive
            self._end_cycle()
            return head, bytes(data[end:])
        buffer.data, buffer.pos = data, pos
        buffer.skip_to(end)
        self._accept(head)
        return head, None

    def _final_head(self, method: str) -> ResponseHead | None:
        """Take the head of a final response that is whole and good; None for what is not."""
        try:
            head = self._whole_head()
        except RemoteProtocolError:
            return None
        if not isinstance(head, ResponseHead) or head.status < 200 or method == "CONNECT":
            return None
        return head

    def _read_head(self) -> Event | Signal:
        buffer = self._buffer
        if not self._start_line:
            data = buffer.data
            if not data and not self._eof:
                return NEED_DATA
            try:
                head = None if buffer.scanned > buffer.pos else self._whole_head()
            except RemoteProtocolError:
                head = None  # What is wrong is said by the lines, for every cut alike.
            if head is not None:
                return self._accept(head)
        head = self._head_by_lines()
        if head is not None:
            return self._accept(head)
        if not self._eof:
            return NEED_DATA
        if not buffer and not self._start_line:
            self._in = _CLOSED
            return CLOSED
        raise TruncatedError("the connection ended in the middle of a head")

    def _whole_head(self) -> RequestHead | ResponseHead | None:
        """Read a head that is whole and good in one pass; None leaves it to the lines.

        Raises:
            RemoteProtocolError: not good either; nothing was taken.
        """
        buffer = self._buffer
        data, pos = buffer.data, buffer.pos
        end = data.find(b"\r\n\r\n", pos)
        size = end - pos
        limits = self.limits
        if end < 0 or size > limits.line or size > limits.head:
            return None
        # The last line keeps its line end, so that no line and an empty one are two things.
        line, _, block = data[pos : end + 2].decode("latin-1").partition("\r\n")
        if not self._server:
            response = self._whole_response(line, block)
            if response is not None:
                buffer.skip_to(end + 4)
            return response
        head = self._whole_request(line, block)
        if head is not None:
            small = size <= _MAX_REMEMBERED
            self._remembered = bytes(data[pos : end + 4]) if small else b""
            # Other forms of a target than these override the Host field.
            self._remembered_block = block if small and head.target[0] in "/*" else None
            buffer.skip_to(end + 4)
        return head

    def _whole_request(self, line: str, block: str) -> RequestHead | None:
        parts = line.split(" ")
        if len(parts) != 3:
            return None
        method, target, version = parts
        if version not in VERSIONS or not (method in METHODS or is_token(method)):
            return None
        known = self._request
        if (
            block == self._remembered_block
            and version == known.version
            and target_authority(method, target) is None
        ):
            return known.replace(method, target)
        found = read_block(block, self.limits.fields)
        return None if found is None else request_head(method, target, version, *found)

    def _whole_response(self, line: str, block: str) -> ResponseHead | None:
        found = read_block(block, self.limits.fields) if is_field_value(line) else None
        if found is None:
            return None
        return response_head(line, *found, self._request.method)

    def _head_by_lines(self) -> RequestHead | ResponseHead | None:
        """Read a head line by line, as far as it has come; here errors are found."""
        if not self._start_line:
            self._start_line = self._take_start_line()
            if not self._start_line:
                return None
        assert self._section is not None
        fields = self._section.read(self._buffer)
        if fields is None:
            return None
        line, self._start_line, self._section = self._start_line, "", None
        self._remembered, self._remembered_block = b"", None
        deciding = [field for field in fields if field[0] in FRAMING_FIELDS]
        if self._server:
            return request_head(*parse_request_line(line), fields, deciding)
        return response_head(line, fields, deciding, self._request.method)

    def _take_start_line(self) -> str:
        """Take and check the start line, "" while it is not whole.

        A request whose lines all end by LF alone is taken too (RFC 9112 §2.2); where one ends
        otherwise than the first, a proxy may have read another request than we would.
        """
        limit = min(self.limits.line, self.limits.head)
        while True:
            bare = self._server and self._buffer.ends_bare()
            line = self._buffer.line(limit, 414 if self._server else 400, bare)
            if line is None:
                return ""
            if line:
                break
            self._empty_lines += 1
            if self._empty_lines > _MAX_EMPTY_LINES or not self._server:
                raise RemoteProtocolError(f"{self._empty_lines} empty lines before the start line")
        (parse_request_line if self._server else parse_status_line)(line)
        self._section = Section(self.limits.head - len(line) - 2, self.limits, bare)
        return line

    def _accept(self, head: RequestHead | ResponseHead) -> Event:
        """Get ready for what follows a head."""
        if isinstance(head, RequestHead):
            return self._accept_request(head)
        if head.status < 200:
            return self._accept_interim(head)
        if self._request.method == "CONNECT" and head.status < 300:
            self._in, self._out = _SWITCHED, writer.SWITCHED
            return head
        if not head.keep_alive or head.length == UNTIL_CLOSE:
            self._keep_alive = False
        self._start_body(head.length)
        return head

    def _accept_request(self, head: RequestHead) -> Event:
        self._request = head
        self._empty_lines = 0
        self._start_body(head.length)
        return head

    def _accept_interim(self, head: ResponseHead) -> Event:
        """Take a 1xx response; the final one is still to come, but for 101."""
        self._interim += 1
        if self._interim > self.limits.interim:
            raise RemoteProtocolError(f"more than {self.limits.interim} interim responses")
        if head.status == 101:
            if not self._offers:
                raise RemoteProtocolError("101 without a request to switch protocols")
            self._in, self._out = _SWITCHED, writer.SWITCHED
        return head

    def _start_body(self, length: int) -> None:
        if length:
            self._body = FixedBody(length) if length > 0 else make_body(length, self.limits)
            self.max_body = self.limits.body
        self._in = _BODY if length else _END

    def _read_body(self) -> Event | Signal:
        body = self._body
        assert body is not None
        data = body.read(self._buffer, self.max_body)
        if data:
            if body.ended:
                self._in = _END
            return Data(data)
        if body.ended:
            return self._read_end()
        if not self._eof:
            return NEED_DATA
        if isinstance(body, BodyUntilClose):
            return self._read_end()
        raise TruncatedError("the connection ended in the middle of a body")

    def take_content(self) -> bytes | None:
        """Return all of the content at once, where nothing of it was read and all is here.

        That is content of a known length, within the limit. None leaves it to `next_event`.
        """
        body, buffer = self._body, self._buffer
        if body is None or self._in != _BODY:
            return None
        left = body.left
        if not left or left > len(buffer.data) - buffer.pos or left != self._request.length:
            return None
        if self.max_body is not None and left > self.max_body:
            return None
        self._in = _END
        self._body = None
        return buffer.take(left)

    def skip_content(self, size: int) -> None:
        """Take note that so many bytes of content came past the machine.

        Raises:
            ValueError: it is none of a known length of which some was read, or not so much is left.
        """
        body = self._body
        if type(body) is not FixedBody:
            raise ValueError(f"{size} bytes of content read elsewhere; no content of known length")
        if body.skip(size):
            self._in = _END

    def _read_end(self) -> Event:
        body, self._body = self._body, None
        self._in = _PAUSED
        if self._out == writer.DONE:
            self._end_cycle()
        return EndOfMessage(() if body is None else body.trailers)

    def _read_paused(self) -> Signal:
        return PAUSED

    def _read_idle(self) -> Signal:
        """A client without a request under way: nothing may come."""
        if self._buffer:
            seen = excerpt(self._buffer.take(100))
            raise RemoteProtocolError(f"{seen} received without a request")
        if self._eof:
            self._in = _CLOSED
            return CLOSED
        return PAUSED

    def _read_closed(self) -> Signal:
        return CLOSED

    def _read_failed(self) -> Signal:
        raise RemoteProtocolError(*self._failure)

    def _end_cycle(self) -> None:
        """Start over, or close, when both messages are whole."""
        if not self._keep_alive:
            self._in, self._out = _CLOSED, writer.DONE
            return
        self._in = _HEAD if self._server else _IDLE
        self._out = writer.HEAD
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
        """Return the bytes of a head and a first piece of the body, all of it when `end` is true.

        Without a Content-Length among the fields, a body that comes with its head gets one,
        and any other goes in chunks, or up to the close of the connection to an HTTP/1.0 peer,
        which is sent no Transfer-Encoding. Connection says what the machine will do; the
        options in it that are not about that stay.

        Raises:
            LocalProtocolError: as `send`.
        """
        if self._out != writer.HEAD:
            raise LocalProtocolError("a head was sent already")
        if (
            end
            and self._in == _IDLE
            and self._keep_alive
            and not self._buffer.data
            and isinstance(head, RequestHead)
        ):
            usual = writer.write_usual_request(head, body)
            if usual is not None:
                self._request, self._offers = head, ""
                self._in, self._out = _HEAD, writer.DONE
                return usual
        before = self._in, self._keep_alive
        if isinstance(head, RequestHead):
            written = self._send_request(head, body if end else b"", end)
        elif head.status < 200:
            if body:
                raise LocalProtocolError(f"a {head.status} response has no content")
            return self._send_interim(head)
        else:
            written = self._send_response(head, body if end else b"", end)
        raw, self._out, self._out_left, keep_alive = written
        if not keep_alive:
            self._keep_alive = False
        if self._out == writer.SWITCHED:
            self._in = _SWITCHED
        elif end:
            if self._out == writer.FIXED:
                raw += body
            elif self._out == writer.CHUNKS:
                raw += (encode_chunk(body) if body else b"") + encode_last_chunk(())
            elif self._out == writer.UNTIL_CLOSE:
                raw += body
            self._end_out()
        elif body:
            try:
                raw += self.send_data(body)
            except LocalProtocolError:
                self._out, self._out_left = writer.HEAD, 0
                self._in, self._keep_alive = before
                raise
        return raw

    def send_whole(self, head: ResponseHead, body: bytes) -> bytes:
        """Return the bytes of a whole response: as `send_head`, to which nothing is added."""
        whole = self._in == _END or self._in == _PAUSED
        if whole and self._out == writer.HEAD and self._keep_alive and self._server:
            raw = writer.write_usual(head, self._request, body)
            if raw is not None:
                self._body = None
                self._in = _HEAD
                self._interim = 0
                return raw
        return self.send_head(head, body, True)

    def count_whole(self, status: int) -> bool:
        """Take note of a whole response of the usual kind, which the caller sends himself.

        It has a status of `writer.USUAL_LINES`, and its right Content-Length, but no other word
        on framing or the connection. False, and nothing has changed, where an answer to this
        request needs more than that; `send_whole` is the way then.
        """
        request = self._request
        if (
            self._in == _END
            and self._out == writer.HEAD
            and self._keep_alive
            and self._server
            and status in writer.USUAL_LINES
            and request.keep_alive
            and request.method not in writer.SPECIAL
            and request.version != "HTTP/1.0"
        ):
            self._body = None
            self._in = _HEAD
            self._interim = 0
            return True
        return False

    def _send_response(self, head: ResponseHead, body: bytes, end: bool) -> writer.Written:
        if not self._server:
            raise LocalProtocolError("a client sends requests")
        if self._in == _HEAD or self._in == _CLOSED:
            raise LocalProtocolError("a response needs a request to answer")
        request = self._request
        keep_alive = self._keep_alive and request.keep_alive
        return writer.write_response(head, request, keep_alive, body, end)

    def _send_interim(self, head: ResponseHead) -> bytes:
        request = self._request
        if not self._server or self._in in (_HEAD, _CLOSED, _FAILED):
            raise LocalProtocolError("an interim response needs a request to answer")
        if request.version == "HTTP/1.0":
            raise LocalProtocolError("an HTTP/1.0 client knows no 1xx responses")
        if head.status == 101 and not (request.upgrade and self._in in (_PAUSED, _END)):
            raise LocalProtocolError("101 answers a whole request that asks for it")
        raw = writer.write_interim(head)
        if head.status == 101:
            self._in, self._out = _SWITCHED, writer.SWITCHED
        return raw

    def _send_request(self, head: RequestHead, body: bytes, end: bool) -> writer.Written:
        if self._server:
            raise LocalProtocolError("a server sends responses")
        if self._in != _IDLE or self._buffer:
            raise LocalProtocolError("this connection takes no further request")
        written, self._offers = writer.write_request(head, self._keep_alive, body, end)
        self._request = head
        self._in = _HEAD
        return written

    def send_data(self, data: bytes) -> bytes:
        """Return the bytes that carry a piece of the body; none where no content may follow.

        Raises:
            LocalProtocolError: before a head, after the end, more than Content-Length says,
                or content of a 204 or 304.
        """
        out = self._out
        if out == writer.CHUNKS:
            # What `encode_chunk` does; a call of it takes as long as the rest here.
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if out == writer.FIXED:
            if len(data) > self._out_left:
                raise LocalProtocolError(writer.too_much(len(data), self._out_left))
            self._out_left -= len(data)
            return data
        if out == writer.UNTIL_CLOSE:
            return data
        if out == writer.NOTHING:
            if data and self._request.method != "HEAD":
                raise LocalProtocolError("content after the head of a 204 or 304 response")
            return b""
        raise LocalProtocolError(
            "data before a head" if out == writer.HEAD else "data after the end"
        )

    def count_data(self, size: int) -> None:
        """Take note of a piece of the body that the caller sends itself, as it is.

        Raises:
            LocalProtocolError: no Content-Length frames the body, or it says less.
        """
        if self._out != writer.FIXED:
            raise LocalProtocolError(f"{size} bytes of data outside a body with Content-Length")
        if size > self._out_left:
            raise LocalProtocolError(writer.too_much(size, self._out_left))
        self._out_left -= size

    def send_end(self, trailers: Fields = ()) -> bytes:
        """Return the bytes that end our message.

        Raises:
            LocalProtocolError: no head, less data than Content-Length says, or trailers
                without chunks to come after.
        """
        out = self._out
        if out in (writer.HEAD, writer.DONE, writer.SWITCHED):
            raise LocalProtocolError("no message to end")
        if out == writer.FIXED and self._out_left:
            raise LocalProtocolError(writer.too_little(self._out_left))
        if trailers and out not in (writer.CHUNKS, writer.NOTHING):
            raise LocalProtocolError("trailers need a body in chunks")
        raw = encode_last_chunk(trailers) if out == writer.CHUNKS else b""
        self._end_out()
        return raw

    def _end_out(self) -> None:
        self._out = writer.DONE
        self._out_left = 0
        if self._in == _PAUSED:
            self._end_cycle()
        elif self._in == _END and self._server:
            # Nobody asked for the end of the request, and so for its trailers.
            self._body = None
            self._end_cycle()


#: How reading goes on, by state.
_READERS = (
    Machine._read_head,
    Machine._read_body,
    Machine._read_end,
    Machine._read_paused,
    Machine._read_idle,
    Machine._read_closed,
    Machine._read_closed,
    Machine._read_failed,
)
