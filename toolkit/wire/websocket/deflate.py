"""permessage-deflate (RFC 7692): what both ends agree on, and the two directions of it."""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from toolkit.wire.grammar import QUOTED_STRING, TCHAR, is_token
from toolkit.wire.websocket.codes import INVALID_DATA
from toolkit.wire.websocket.errors import FrameError, HandshakeError, too_big

NAME: Final = "permessage-deflate"

#: Every compressed message ends so, which is not sent (RFC 7692 §7.2.1).
TAIL: Final = b"\x00\x00\xff\xff"
#: Bytes that come out of zlib at once, so that a thousand bytes do not become a million before
#: anybody can say no. As many as `zlib` makes room for at first, so that nothing is copied.
PIECE: Final = 32 * 1024
#: Level of zlib. That of messages of 4 KiB and 1 MiB, rows of JSON, takes two fifths and a third
#: of the time of level 6, and makes them 1 % and 25 % larger than that does.
DEFAULT_LEVEL: Final = 1
#: Streams in a row that bring nothing; each costs a new decompressor.
MAX_EMPTY_STREAMS: Final = 100

#: Bytes that zlib gets at once: at the end of a stream it copies what is left of them, and a
#: stream may have 3 bytes.
_SLICE: Final = 8 * 1024

#: One extension as it was offered or answered: name and parameters, whose value may be missing.
Extension = tuple[str, list[tuple[str, str | None]]]

#: A list may have empty items (RFC 9110 §5.6.1).
_EXTENSION = re.compile(f"[ \\t,]*([{TCHAR}]+)[ \\t]*")
_PARAMETER = re.compile(
    f";[ \\t]*([{TCHAR}]+)[ \\t]*(?:=[ \\t]*([{TCHAR}]+|{QUOTED_STRING})[ \\t]*)?"
)
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")
#: The values that each parameter may have, "" for none (RFC 7692 §7.1).
_ALLOWED = {
    _FLAGS[0]: re.compile(""),
    _FLAGS[1]: re.compile(""),
    _WINDOWS[0]: re.compile("[89]|1[0-5]"),
    _WINDOWS[1]: re.compile("(?:[89]|1[0-5])?"),
}


@dataclass(frozen=True, slots=True)
class DeflateOptions:
    """What this side wants of permessage-deflate.

    Attributes:
        level: of zlib, 0 to 9.
        mem_level: of zlib, 1 to 9; a compressor holds about ``2**(window + 2) + 2**(level + 9)``
            bytes.
        threshold: bytes from which on a message is compressed; small ones would grow.
        server_window_bits: largest window of the server's compressor, 8 to 15.
        client_window_bits: largest window of the client's compressor, 8 to 15.
        server_takeover: whether the server's compressor may remember earlier messages.
        client_takeover: whether the client's compressor may.
    """

    level: int = DEFAULT_LEVEL
    mem_level: int = 8
    threshold: int = 64
    server_window_bits: int = 15
    client_window_bits: int = 15
    server_takeover: bool = True
    client_takeover: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("level", 0, 9),
            ("mem_level", 1, 9),
            ("server_window_bits", 8, 15),
            ("client_window_bits", 8, 15),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} {value!r}; {low} to {high} is allowed")


@dataclass(frozen=True, slots=True)
class Deflate:
    """What both sides agreed on, with how this side compresses.

    Attributes:
        server_window_bits: largest window of the server's compressor.
        client_window_bits: largest window of the client's compressor.
        server_takeover: whether the server's compressor may remember earlier messages.
        client_takeover: whether the client's compressor may.
        level: of zlib, for what this side sends.
        mem_level: of zlib, for what this side sends.
        threshold: bytes from which on this side compresses a message.
    """

    server_window_bits: int = 15
    client_window_bits: int = 15
    server_takeover: bool = True
    client_takeover: bool = True
    level: int = DEFAULT_LEVEL
    mem_level: int = 8
    threshold: int = 64


def parse_extensions(values: Sequence[str]) -> list[Extension]:
    """Read the Sec-WebSocket-Extensions fields of a message, in time linear in them.

    Raises:
        HandshakeError: 400, not the grammar of RFC 6455 §9.1.
    """
    text = ",".join(values)
    found: list[Extension] = []
    position = 0
    while match := _EXTENSION.match(text, position):
        parameters: list[tuple[str, str | None]] = []
        position = match.end()
        while parameter := _PARAMETER.match(text, position):
            name, value = parameter.groups()
            if value is not None and value[0] == '"':
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
                # RFC 6455 §9.1: quoted or not, it is a token.
                if not is_token(value):
                    raise _bad_extensions(text)
            parameters.append((name, value))
            position = parameter.end()
        found.append((match[1], parameters))
        if text[position : position + 1] not in ("", ","):
            raise _bad_extensions(text)
    if text[position:].strip(" \t,"):
        raise _bad_extensions(text)
    return found


def _bad_extensions(text: str) -> HandshakeError:
    return HandshakeError(f"Sec-WebSocket-Extensions {text[:100]!r}; a list is allowed")


def _read_parameters(parameters: list[tuple[str, str | None]]) -> dict[str, str | None] | None:
    """Return the parameters by name; None where one is unknown, comes twice or is wrong."""
    found: dict[str, str | None] = {}
    for name, value in parameters:
        if name in found:
            return None
        allowed = _ALLOWED.get(name)
        if allowed is None or not allowed.fullmatch(value or ""):
            return None
        found[name] = value
    return found


def answer_offer(
    offered: list[Extension], options: DeflateOptions | None
) -> tuple[Deflate | None, str | None]:
    """Choose among a client's offers; the first one that can be taken is.

    Returns:
        What was agreed on and the value of the answer's Sec-WebSocket-Extensions; None twice
        where nothing was.

    RFC 7692 §7.1: an offer with a parameter that is unknown, wrong or there twice is declined.
    """
    if options is None:
        return None, None
    for name, parameters in offered:
        found = _read_parameters(parameters) if name == NAME else None
        if found is not None:
            return _answer_one(found, options)
    return None, None


def _answer_one(found: dict[str, str | None], options: DeflateOptions) -> tuple[Deflate, str]:
    words = [NAME]
    server_takeover = options.server_takeover and _FLAGS[0] not in found
    client_takeover = options.client_takeover and _FLAGS[1] not in found
    if not server_takeover:
        words.append(_FLAGS[0])
    if not client_takeover:
        words.append(_FLAGS[1])
    server_bits = min(options.server_window_bits, int(found.get(_WINDOWS[0]) or 15))
    if _WINDOWS[0] in found or server_bits < 15:
        words.append(f"{_WINDOWS[0]}={server_bits}")
    client_bits = 15
    if _WINDOWS[1] in found:
        client_bits = min(options.client_window_bits, int(found[_WINDOWS[1]] or 15))
        if client_bits < 15:
            words.append(f"{_WINDOWS[1]}={client_bits}")
    agreed = Deflate(
        server_bits,
        client_bits,
        server_takeover,
        client_takeover,
        options.level,
        options.mem_level,
        options.threshold,
    )
    return agreed, "; ".join(words)


def offer(options: DeflateOptions) -> str:
    """Return the value of a client's Sec-WebSocket-Extensions."""
    words = [NAME]
    if not options.server_takeover:
        words.append(_FLAGS[0])
    if not options.client_takeover:
        words.append(_FLAGS[1])
    if options.server_window_bits < 15:
        words.append(f"{_WINDOWS[0]}={options.server_window_bits}")
    bits = options.client_window_bits
    words.append(_WINDOWS[1] if bits == 15 else f"{_WINDOWS[1]}={bits}")
    return "; ".join(words)


def read_answer(answered: list[Extension], options: DeflateOptions | None) -> Deflate | None:
    """Read what a server made of our offer.

    Raises:
        HandshakeError: an extension, or a parameter of it, that was not offered or is wrong.

    RFC 6455 §4.1, RFC 7692 §7.1
    """
    if not answered:
        return None
    name, parameters = answered[0]
    if options is None or len(answered) > 1 or name != NAME:
        seen = ", ".join(name for name, _ in answered)
        raise HandshakeError(f"the server chose extensions {seen[:100]!r}; they were not offered")
    found = _read_parameters(parameters)
    if found is None or found.get(_WINDOWS[1], "") is None:
        raise HandshakeError(f"the server answered {str(parameters)[:100]} to {NAME}")
    server_bits = int(found.get(_WINDOWS[0]) or 15)
    if server_bits > options.server_window_bits:
        raise HandshakeError(
            f"the server's window is {server_bits} bits; {options.server_window_bits} were allowed"
        )
    if not options.server_takeover and _FLAGS[0] not in found:
        raise HandshakeError(f"the server did not take {_FLAGS[0]}")
    return Deflate(
        server_bits,
        min(options.client_window_bits, int(found.get(_WINDOWS[1]) or 15)),
        _FLAGS[0] not in found,
        options.client_takeover and _FLAGS[1] not in found,
        options.level,
        options.mem_level,
        options.threshold,
    )


def compressor(bits: int, level: int, mem_level: int) -> "zlib._Compress":
    """Return a compressor whose window is no larger than 2**bits bytes.

    zlib has no raw deflate with a window of 256 bytes. Where that is agreed on, only repetitions
    of the last byte are looked for, which fit into any window.
    """
    if bits == 8:
        return zlib.compressobj(level, zlib.DEFLATED, -9, mem_level, zlib.Z_RLE)
    return zlib.compressobj(level, zlib.DEFLATED, -bits, mem_level)


class Deflater:
    """Compresses the messages of one direction."""

    __slots__ = ("_bits", "_level", "_mem_level", "_stream", "_takeover")

    def __init__(self, bits: int, takeover: bool, level: int, mem_level: int) -> None:
        self._bits = bits
        self._takeover = takeover
        self._level = level
        self._mem_level = mem_level
        # Made with the first message, since it holds 256 KiB.
        self._stream: zlib._Compress | None = None

    def compress(self, data: bytes, end: bool = True) -> bytes:
        """Return `data` compressed; without the tail where the message ends."""
        stream = self._stream
        if stream is None:
            stream = self._stream = compressor(self._bits, self._level, self._mem_level)
        packed = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        if not end:
            return packed
        if not self._takeover:
            self._stream = None
        # Nothing comes out where nothing went in since the last flush (RFC 7692 §7.2.3.6).
        return packed[:-4] or b"\x00"

    def forget(self) -> None:
        """Start over: the peer got something that this compressor did not see."""
        self._stream = None


class Inflater:
    """Inflates the messages of one direction, piece by piece."""

    __slots__ = ("_bits", "_empty", "_stream", "_takeover")

    def __init__(self, bits: int, takeover: bool) -> None:
        # Compressors that say 8 mostly use 9, as zlib does.
        self._bits = max(9, bits)
        self._takeover = takeover
        self._empty = 0
        # None before the first message, and after a final block.
        self._stream: zlib._Decompress | None = None

    def message(self, data: bytes | bytearray, limit: int) -> bytes:
        """Return what a whole message inflates to.

        Raises:
            FrameError: 1007, not deflate; 1009, more than `limit` bytes.
        """
        packed = data + TAIL
        if len(packed) > _SLICE:
            message = _joined(self.inflate(packed), limit)
        else:
            message, rest = self._step(packed)
            if rest or len(message) == PIECE or len(message) > limit:
                message = _joined(chain((message,), self._steps(rest)), limit)
        self.end()
        return message

    def inflate(self, data: bytes | bytearray) -> Iterable[bytes]:
        """Return what `data` inflates to, in pieces of at most `PIECE` bytes.

        Raises:
            FrameError: 1007, not deflate.

        RFC 7692 §7.2.2
        """
        if len(data) > _SLICE:
            slices = (data[start : start + _SLICE] for start in range(0, len(data), _SLICE))
            return chain.from_iterable(map(self._steps, slices))
        piece, rest = self._step(data)
        if rest or len(piece) == PIECE:
            return chain((piece,), self._steps(rest))
        return (piece,)

    def _steps(self, rest: bytes | bytearray) -> Iterator[bytes]:
        """Yield what a slice inflates to."""
        more = True
        while more:
            piece, rest = self._step(rest)
            more = bool(rest) or len(piece) == PIECE
            if piece:
                yield piece

    def _step(self, data: bytes | bytearray) -> tuple[bytes, bytes]:
        """Return at most a piece, and the input that is left."""
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.decompressobj(-self._bits)
        try:
            piece = stream.decompress(data, PIECE)
        except zlib.error as error:
            raise FrameError(f"invalid deflate data: {error}", INVALID_DATA) from None
        if not stream.eof:
            return piece, stream.unconsumed_tail
        # A final block: what follows begins anew (RFC 7692 §7.2.3.4).
        self._stream = None
        self._empty = 0 if piece else self._empty + 1
        if self._empty > MAX_EMPTY_STREAMS:
            raise FrameError(
                f"more than {MAX_EMPTY_STREAMS} empty streams of deflate", INVALID_DATA
            )
        return piece, stream.unused_data

    def end(self) -> None:
        """Get ready for the next message."""
        if not self._takeover:
            self._stream = None


def _joined(pieces: Iterable[bytes], limit: int) -> bytes:
    """Put pieces together, unless they are too many."""
    kept = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_big(limit)
        kept.append(piece)
    return b"".join(kept)
