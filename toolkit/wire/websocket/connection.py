"""The WebSocket machine: one connection after its opening handshake, either role."""

import sys
from collections.abc import Callable
from typing import Final

from toolkit.wire.errors import LocalProtocolError, excerpt
from toolkit.wire.events import CLOSED, NEED_DATA, Signal
from toolkit.wire.http1 import SERVER, Role
from toolkit.wire.websocket.assembly import Assembly, decode, not_utf8
from toolkit.wire.websocket.codes import may_be_sent
from toolkit.wire.websocket.deflate import Deflate, Deflater, Inflater
from toolkit.wire.websocket.errors import FrameError
from toolkit.wire.websocket.events import Close, Event, Ping, Pong
from toolkit.wire.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MASKED,
    MAX_SHORT,
    PING,
    PONG,
    RSV1,
    SHORT_HEADS,
    TEXT,
    Prepared,
    encode_close,
    encode_text,
    frame,
    head,
)
from toolkit.wire.websocket.limits import DEFAULT_LIMITS, Limits
from toolkit.wire.websocket.masking import mask

# What is read next. Plain numbers, since members of an Enum cost three times as much.
_MESSAGE: Final = 0  # the begin of one, or a control frame; nothing is under way
_FRAME: Final = 1  # the next frame of a message, or a control frame
_PAYLOAD: Final = 2
_CLOSED: Final = 3
_FAILED: Final = 4

#: Stands for a length that is not in its shortest form; more than any limit allows.
_BAD: Final = sys.maxsize
#: First bytes of frames that are messages, without and with compression agreed on.
_PLAIN: Final = frozenset({FIN | TEXT, FIN | BINARY})
_PACKED: Final = _PLAIN | {FIN | RSV1 | TEXT, FIN | RSV1 | BINARY}
#: First byte of a text that is neither fragmented nor compressed.
_WHOLE_TEXT: Final = FIN | TEXT
#: Heads of short ones that a server sends, and what those of longer ones begin with.
_SHORT_TEXTS: Final = SHORT_HEADS[_WHOLE_TEXT]
_LONGER_TEXT: Final = bytes((_WHOLE_TEXT, 126))
_CONTROL: Final = frozenset({CLOSE, PING, PONG})


class Machine:
    """Reads and writes the frames of one connection.

    Example::

        machine = Machine(SERVER)
        machine.receive(b"\\x81\\x85\\x37\\xfa\\x21\\x3d\\x7f\\x9f\\x4d\\x51\\x58")
        machine.next_event()                 # "Hello"
        machine.send("Hello")                # b"\\x81\\x05Hello"
        machine.send(Close(1000))            # b"\\x88\\x02\\x03\\xe8"

    The owner answers a `Ping` by a `Pong` with its payload, and a `Close` by one. After a
    `FrameError` it sends ``Close.for_error(error)``.

    Args:
        role: SERVER or CLIENT.
        limits: what the peer may send at most.
        deflate: what was agreed on by the handshake; None for no compression.
        mask_key: called for each frame that a client sends, returns four bytes that nobody can
            foresee (RFC 6455 §10.3).

    Attributes:
        close_received: what the peer closed with, or None.
        close_sent: what this side closed with, or None.
        emptied: whether `next_event` has nothing more to say before the next `receive`; where
            it is False there may be nothing either.
    """

    __slots__ = (
        "_assembly",
        "_data",
        "_deflate",
        "_deflater",
        "_eof",
        "_failure",
        "_final",
        "_head",
        "_in",
        "_inflater",
        "_key",
        "_kinds",
        "_left",
        "_limits",
        "_mask_key",
        "_masked",
        "_out_opcode",
        "_out_packed",
        "_pos",
        "_server",
        "_short",
        "_threshold",
        "close_received",
        "close_sent",
        "emptied",
    )

    def __init__(
        self,
        role: Role,
        limits: Limits = DEFAULT_LIMITS,
        deflate: Deflate | None = None,
        mask_key: Callable[[], bytes] | None = None,
    ) -> None:
        if role is not SERVER and mask_key is None:
            raise ValueError("a client needs `mask_key`")
        self._server = role is SERVER
        self._mask_key = None if role is SERVER else mask_key
        # For frames that are read in one pass: bytes of the shortest head and what its second
        # byte has beside the length, first bytes of messages.
        self._head, self._masked = (6, MASKED) if role is SERVER else (2, 0)
        self._kinds = _PLAIN if deflate is None else _PACKED
        self._limits = limits
        self._deflate = deflate
        self._deflater: Deflater | None = None
        self._inflater: Inflater | None = None
        if deflate is not None:
            ours, theirs = (
                (deflate.server_window_bits, deflate.server_takeover),
                (deflate.client_window_bits, deflate.client_takeover),
            )
            if role is not SERVER:
                ours, theirs = theirs, ours
            self._deflater = Deflater(*ours, deflate.level, deflate.mem_level)
            self._inflater = Inflater(*theirs)
        self._threshold = sys.maxsize if deflate is None else deflate.threshold
        # Texts below this size leave in one pass.
        self._short = min(self._threshold, 0x10000) if self._server else 0
        # Received and not read: a chunk as it came, or several put together.
        self._data: bytes | bytearray = b""
        self._pos = 0
        self._eof = False
        self._in: int = _MESSAGE
        self._failure = ("", 0)
        self._assembly: Assembly | None = None
        # The data frame that is being read:
        self._left = 0
        self._key = b""
        self._final = False
        # The message that is being sent in fragments:
        self._out_opcode = 0
        self._out_packed = False
        self.close_received: Close | None = None
        self.close_sent: Close | None = None
        self.emptied = False

    @property
    def unread(self) -> int:
        """Bytes received and not read yet."""
        return len(self._data) - self._pos

    # -- reading -------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; ``b""`` says that it sends no more."""
        self.emptied = False
        if not data:
            self._eof = True
        elif not self._data:
            if self._in < _CLOSED:
                self._data = data
        else:
            held = self._data
            if isinstance(held, bytearray):
                del held[: self._pos]
            else:
                held = bytearray(memoryview(held)[self._pos :])
            held += data
            self._data, self._pos = held, 0

    def next_event(self) -> Event | Signal:
        """Return the next event of the peer, or the signal that says why there is none.

        CLOSED follows the peer's `Close`, or the end of what it sends.

        Raises:
            FrameError: the peer broke the protocol or passed a limit. Every later call raises
                it again.
        """
        # Most frames are whole messages that came whole: they are read in one pass. What is not
        # so, or not good, is left to `_read_in_steps`, which alone decides on errors.
        data, pos = self._data, self._pos
        have = len(data)
        start = pos + self._head
        if have < start or self._in:
            return self._read_in_steps()
        first = data[pos]
        size = data[pos + 1] ^ self._masked
        if size > MAX_SHORT:
            start += 2 if size == 126 else 8
            size = _whole_size(size, data[pos + 2 : start + 2 - self._head])
        end = start + size
        if have < end or size > self._limits.message or first not in self._kinds:
            return self._read_in_steps()
        payload = data[start:end]
        if self._server:
            payload = mask(payload, data[start - 4 : start])
        if end < have or self._eof:
            self._pos = end
        else:
            self.emptied = True
            self._data, self._pos = b"", 0  # An idle connection keeps no chunk.
        try:
            if first == _WHOLE_TEXT:
                return payload.decode()
            if first & RSV1 and self._inflater is not None:
                payload = self._inflater.message(payload, self._limits.message)
            return payload.decode() if first & 0x0F == TEXT else bytes(payload)
        except UnicodeDecodeError as error:
            raise self._fail(not_utf8(error.object[error.start :])) from None
        except FrameError as error:
            raise self._fail(error) from None

    def _read_in_steps(self) -> Event | Signal:
        """Return the next event where it takes more than a look."""
        try:
            while self._in < _CLOSED:
                event = self._read_payload() if self._in == _PAYLOAD else self._read_frame()
                if event is not None:
                    return event
        except FrameError as error:
            raise self._fail(error) from None
        if self._in == _FAILED:
            raise FrameError(*self._failure)
        return CLOSED

    def _fail(self, error: FrameError) -> FrameError:
        self._failure = str(error), error.code
        self._drop(_FAILED)
        return error

    def _drop(self, state: int) -> None:
        """Read nothing more."""
        self._in = state
        self._assembly = None
        self._data, self._pos = b"", 0

    def _need_data(self) -> Signal:
        if not self._eof:
            if self._pos == len(self._data):
                self._data, self._pos = b"", 0
            return NEED_DATA
        self._drop(_CLOSED)
        return CLOSED

    def _read_frame(self) -> Event | Signal | None:
        """Read the head of a data frame, or all of a control frame."""
        data, pos = self._data, self._pos
        have = len(data) - pos
        if not have:
            return self._need_data()
        first = data[pos]
        self._check_first(first)
        if have < 2:
            return self._need_data()
        second = data[pos + 1]
        if (second >= 0x80) is not self._server:
            raise FrameError(
                "a client's frame is not masked" if self._server else "a server's frame is masked"
            )
        size = second & 0x7F
        start = pos + 2
        if size > MAX_SHORT:
            if first & 0x08:
                raise FrameError(f"a control frame of more than {MAX_SHORT} bytes")
            start += 2 if size == 126 else 8
            if len(data) < start:
                return self._need_data()
            size = _long_size(size, int.from_bytes(data[pos + 2 : start], "big"))
        end = start + 4 if self._server else start
        if first & 0x08:
            return self._read_control(first & 0x0F, bytes(data[start:end]), end, size)
        if len(data) < end:
            return self._need_data()
        self._start_payload(first, bytes(data[start:end]), size)
        self._pos = end
        return None

    def _check_first(self, first: int) -> None:
        """Check the bits of a frame's first byte."""
        opcode = first & 0x0F
        if first & 0x30 or (first & RSV1 and self._inflater is None):
            raise FrameError(f"reserved bits in {first:#04x}; no extension uses them")
        if opcode in _CONTROL:
            if not first & FIN:
                raise FrameError("a control frame in fragments")
            if first & RSV1:
                raise FrameError("a control frame is marked as compressed")
        elif opcode == CONTINUATION:
            if self._assembly is None:
                raise FrameError("a continuation without a message")
            if first & RSV1:
                raise FrameError("a continuation is marked as compressed")
        elif opcode not in (TEXT, BINARY):
            raise FrameError(f"opcode {opcode:#x}; it is reserved")
        elif self._assembly is not None:
            raise FrameError("a message begins before the one before it has ended")

    def _start_payload(self, first: int, key: bytes, size: int) -> None:
        assembly = self._assembly
        if assembly is None:
            inflater = self._inflater if first & RSV1 else None
            assembly = Assembly(first & 0x0F == TEXT, inflater, self._limits)
        assembly.announce(size)
        self._assembly = assembly
        self._key, self._left = key, size
        self._final = bool(first & FIN)
        self._in = _PAYLOAD

    def _read_payload(self) -> Event | Signal | None:
        """Read what there is of a data frame; the message where it ends."""
        assembly = self._assembly
        assert assembly is not None
        left = self._left
        if left:
            pos = self._pos
            size = min(left, len(self._data) - pos)
            if not size:
                return self._need_data()
            if key := self._key:
                # A view, as the payload is mostly large here.
                with memoryview(self._data) as data, data[pos : pos + size] as masked:
                    piece = mask(masked, key)
                turn = size & 3
                self._key = key[turn:] + key[:turn]
            else:
                piece = bytes(self._data[pos : pos + size])
            self._pos = pos + size
            self._left = left - size
            assembly.add(piece)
            if size < left:
                return None
        if not self._final:
            self._in = _FRAME
            return None
        self._in = _MESSAGE
        self._assembly = None
        return assembly.end()

    def _read_control(self, opcode: int, key: bytes, start: int, size: int) -> Event | Signal:
        end = start + size
        if len(self._data) < end:
            return self._need_data()
        payload = bytes(self._data[start:end])
        if key:
            payload = mask(payload, key)
        self._pos = end
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        self.close_received = close = _read_close(payload)
        self._drop(_CLOSED)
        return close

    # -- writing -------------------------------------------------------------------------

    def send(self, event: Event | Prepared) -> bytes:
        """Return the bytes that say `event` to the peer.

        A message is compressed where that was agreed on and it has `threshold` bytes or more.

        Raises:
            LocalProtocolError: after a Close, a message in the middle of another, or what RFC
                6455 has no form for; nothing was sent.
        """
        if self.close_sent is not None:
            raise LocalProtocolError("nothing may follow a Close")
        if isinstance(event, str):
            try:
                payload = event.encode()
            except UnicodeEncodeError:
                payload = encode_text(event)  # it says what is wrong
            size = len(payload)
            if size < self._short and not self._out_opcode:
                if size <= MAX_SHORT:
                    return _SHORT_TEXTS[size] + payload
                return _LONGER_TEXT + size.to_bytes(2) + payload
            start, payload = self._parts(TEXT, payload)
            return start + payload
        if isinstance(event, (bytes, bytearray, memoryview)):
            start, payload = self._parts(BINARY, bytes(event))
            return start + payload
        if isinstance(event, Prepared):
            return self._send_prepared(event)
        if isinstance(event, Close):
            raw = frame(FIN | CLOSE, encode_close(event), self._new_key())
            self.close_sent = event
            return raw
        if len(event.payload) > MAX_SHORT:
            raise LocalProtocolError(
                f"{len(event.payload)} bytes in a control frame; {MAX_SHORT} are allowed"
            )
        opcode = PING if isinstance(event, Ping) else PONG
        return frame(FIN | opcode, event.payload, self._new_key())

    def _new_key(self) -> bytes:
        return b"" if self._mask_key is None else self._mask_key()

    def send_parts(self, message: str | bytes) -> tuple[bytes, bytes]:
        """Return what `send` does for a message, as two parts to be written after each other.

        The second one may be the message itself: a large one is not copied for the sake of a
        few bytes before it. Errors as of `send`.
        """
        if self.close_sent is not None:
            raise LocalProtocolError("nothing may follow a Close")
        if isinstance(message, str):
            return self._parts(TEXT, encode_text(message))
        return self._parts(BINARY, bytes(message))

    def _parts(self, opcode: int, payload: bytes) -> tuple[bytes, bytes]:
        if self._out_opcode:
            raise LocalProtocolError("a message in the middle of another one")
        first = FIN | opcode
        if self._deflater is not None and len(payload) >= self._threshold:
            payload = self._deflater.compress(payload)
            first |= RSV1
        if self._mask_key is None:
            size = len(payload)
            return SHORT_HEADS[first][size] if size <= MAX_SHORT else head(first, size), payload
        key = self._mask_key()
        return head(first, len(payload), key), mask(payload, key)

    def _send_prepared(self, message: Prepared) -> bytes:
        if self._mask_key is not None or self._out_opcode:
            return b"".join(self._parts(message.opcode, message.payload))
        deflate = self._deflate
        if deflate is None or len(message.payload) < deflate.threshold:
            return message.plain()
        assert self._deflater is not None
        # The peer's window has this message now, ours has not.
        self._deflater.forget()
        return message.packed(deflate.server_window_bits, deflate)

    def send_fragment(self, data: str | bytes, end: bool = False) -> bytes:
        """Return the next fragment of a message, whose first one says whether it is text.

        Control frames may be sent between the fragments of a message, other messages not.

        Raises:
            LocalProtocolError: after a Close, or `str` and `bytes` in one message.
        """
        if self.close_sent is not None:
            raise LocalProtocolError("nothing may follow a Close")
        opcode = TEXT if isinstance(data, str) else BINARY
        if self._out_opcode not in (0, opcode):
            raise LocalProtocolError("str and bytes in one message")
        payload = encode_text(data) if isinstance(data, str) else bytes(data)
        first = FIN if end else 0
        if not self._out_opcode:
            first |= opcode
            self._out_packed = self._deflater is not None
            if self._out_packed:
                first |= RSV1
        if self._out_packed:
            assert self._deflater is not None
            payload = self._deflater.compress(payload, end)
        self._out_opcode = 0 if end else opcode
        return frame(first, payload, self._new_key())


def _whole_size(form: int, size: bytes | bytearray) -> int:
    """Return a length of 2 or 8 bytes; `_BAD` where there is something wrong with it."""
    if form > 127:  # The bit of the mask is not as it should be.
        return _BAD
    number = int.from_bytes(size)
    return number if number >= (126 if form == 126 else 0x10000) else _BAD


def _long_size(form: int, size: int) -> int:
    """Check a length of 2 or 8 bytes, before anything is made of that size."""
    if size < (126 if form == 126 else 0x10000):
        raise FrameError(f"a length of {size}, which is not in its shortest form")
    if size >= 1 << 63:
        raise FrameError(f"a length of {size}, whose highest bit has to be 0")
    return size


def _read_close(payload: bytes) -> Close:
    """Read the payload of a Close frame.

    Raises:
        FrameError: 1002, half a code or one that may not be sent; 1007, not UTF-8.

    RFC 6455 §5.5.1, §7.4
    """
    if not payload:
        return Close()
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not may_be_sent(code):
        raise FrameError(f"Close with {excerpt(payload[:2])}, which is no code that may be sent")
    return Close(code, decode(payload[2:]))
