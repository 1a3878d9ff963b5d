"""Frames as they are written (RFC 6455 §5.2), and messages framed once for many peers."""

from typing import Final

from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.websocket.codes import may_be_sent
from toolkit.wire.websocket.deflate import Deflate, Deflater
from toolkit.wire.websocket.events import MAX_REASON, Close
from toolkit.wire.websocket.masking import mask

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
#: Marks the first frame of a compressed message (RFC 7692 §6).
RSV1: Final = 0x40
#: In the second byte: a key follows, and the payload is masked.
MASKED: Final = 0x80

#: Largest payload of a control frame (RFC 6455 §5.5), and of the shortest form of a length.
MAX_SHORT: Final = 125

#: Heads of whole messages of a server, by first byte and size of the payload.
SHORT_HEADS: Final = {
    first: [bytes((first, size)) for size in range(MAX_SHORT + 1)]
    for first in (FIN | TEXT, FIN | BINARY, FIN | RSV1 | TEXT, FIN | RSV1 | BINARY)
}


def head(first: int, size: int, key: bytes = b"") -> bytes:
    """Return what precedes the payload of a frame.

    Args:
        first: the first byte: FIN, the reserved bits and the opcode.
        size: bytes of the payload.
        key: four bytes to mask with; none for what a server sends.
    """
    second = MASKED if key else 0
    if size <= MAX_SHORT:
        return bytes((first, second | size)) + key
    if size < 0x10000:
        return bytes((first, second | 126, size >> 8, size & 0xFF)) + key
    return bytes((first, second | 127)) + size.to_bytes(8, "big") + key


def frame(first: int, payload: bytes, key: bytes = b"") -> bytes:
    """Return one frame; arguments as of `head`."""
    return head(first, len(payload), key) + (mask(payload, key) if key else payload)


def encode_text(text: str) -> bytes:
    """Return the UTF-8 of a text.

    Raises:
        LocalProtocolError: it has half of a surrogate pair, which UTF-8 has no form for.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"text cannot be sent as UTF-8: {error}") from None


def encode_close(close: Close) -> bytes:
    """Return the payload of a Close frame.

    Raises:
        LocalProtocolError: a code that may not be sent, a reason without one or too long.
    """
    reason = encode_text(close.reason)
    if close.code is None:
        if reason:
            raise LocalProtocolError("a reason to close needs a code")
        return b""
    if not may_be_sent(close.code):
        raise LocalProtocolError(
            f"close code {close.code}; 1000 to 1003, 1007 to 1014 and 3000 to 4999 are allowed"
        )
    if len(reason) > MAX_REASON:
        raise LocalProtocolError(f"a reason of {len(reason)} bytes; {MAX_REASON} are allowed")
    return close.code.to_bytes(2, "big") + reason


class Prepared:
    """A message that is framed and compressed once, for all peers of a server that it goes to.

    Raises:
        LocalProtocolError: a text that has no UTF-8.
    """

    __slots__ = ("_packed", "_plain", "opcode", "payload")

    def __init__(self, message: str | bytes) -> None:
        text = isinstance(message, str)
        self.opcode = TEXT if text else BINARY
        self.payload = encode_text(message) if isinstance(message, str) else bytes(message)
        self._plain = b""
        self._packed: dict[tuple[int, int, int], bytes] = {}

    def plain(self) -> bytes:
        """Return the frame."""
        if not self._plain:
            self._plain = frame(FIN | self.opcode, self.payload)
        return self._plain

    def packed(self, bits: int, deflate: Deflate) -> bytes:
        """Return the frame of the message, compressed without regard to what came before it.

        Args:
            bits: largest window of the compressor.
        """
        how = bits, deflate.level, deflate.mem_level
        packed = self._packed.get(how)
        if packed is None:
            payload = Deflater(bits, False, deflate.level, deflate.mem_level).compress(self.payload)
            packed = self._packed[how] = frame(FIN | RSV1 | self.opcode, payload)
        return packed
