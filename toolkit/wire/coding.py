"""Content codings: decoding what a peer compressed, within bounds (RFC 9110 §8.4.1)."""

import zlib
from collections.abc import Iterator

from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.grammar import list_items

#: Bytes that come out at once, so that a thousand bytes do not become a million before anybody
#: can say no.
PIECE = 64 * 1024
#: Empty gzip members in a row; each costs a look at what follows it.
MAX_EMPTY_MEMBERS = 100
#: Bytes that may come out before `Decoder.max_ratio` is looked at.
RATIO_FREE = 1024 * 1024

#: Bytes that zlib gets at once: at the end of each member of gzip it copies what is left of them,
#: and a member may have 20 bytes.
_SLICE = 8 * 1024

#: What zlib calls the formats: gzip with its header, and deflate as HTTP means it (RFC 1950).
_WINDOW_BITS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}


def known_coding(values: list[str]) -> str | None:
    """Return the one coding of content that is known here, None for none or an unknown one.

    Args:
        values: of the Content-Encoding fields.
    """
    codings = list_items(",".join(values))
    return codings[0] if len(codings) == 1 and codings[0] in _WINDOW_BITS else None


class Decoder:
    """Decodes content piece by piece.

    Args:
        coding: as `known_coding` returns it.
        max_size: most bytes that may come out; None for no limit.
        max_ratio: how many times the bytes that went in may come out; None for no limit. The
            first `RATIO_FREE` bytes are free.
        piece: bytes that come out at once.

    Attributes:
        max_size: may be changed while it is at work.
    """

    __slots__ = ("_coding", "_empty", "_in", "_max_ratio", "_out", "_piece", "_stream", "max_size")

    def __init__(
        self,
        coding: str,
        max_size: int | None = None,
        max_ratio: float | None = None,
        piece: int = PIECE,
    ) -> None:
        self.max_size = max_size
        self._piece = piece
        self._coding = coding
        self._max_ratio = max_ratio
        self._in = self._out = self._empty = 0
        # None before the first byte, and between two members of gzip.
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what can be decoded, in pieces of at most `piece` bytes.

        Raises:
            RemoteProtocolError: 400, not of the coding; 413, more than what is allowed.
        """
        for start in range(0, len(data), _SLICE):
            rest = data[start : start + _SLICE]
            while rest:
                before = len(rest)
                piece, rest = self._step(rest)
                self._in += before - len(rest)
                if piece:
                    self._count(len(piece))
                    yield piece

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        """Return at most a piece, and the input that is left."""
        if self._stream is None:
            self._stream = zlib.decompressobj(_WINDOW_BITS[self._coding])
        stream = self._stream
        try:
            piece = stream.decompress(data, self._piece)
        except zlib.error as error:
            raise RemoteProtocolError(f"invalid {self._coding} data: {error}") from None
        if not stream.eof:
            return piece, stream.unconsumed_tail
        rest = stream.unused_data
        if self._coding == "deflate":
            if rest:
                raise RemoteProtocolError(f"invalid deflate data: {excerpt(rest)} after its end")
            return piece, b""
        self._stream = None
        self._empty = 0 if piece else self._empty + 1
        if self._empty > MAX_EMPTY_MEMBERS:
            raise RemoteProtocolError(f"more than {MAX_EMPTY_MEMBERS} empty members of gzip")
        return piece, rest

    def _count(self, size: int) -> None:
        self._out += size
        if self.max_size is not None and self._out > self.max_size:
            raise RemoteProtocolError(
                f"decompressed body too large; {self.max_size} bytes are allowed", 413
            )
        ratio = self._max_ratio
        if ratio is not None and self._out > RATIO_FREE and self._out > ratio * self._in:
            raise RemoteProtocolError(
                f"content of {self._in} bytes decodes to over {ratio:g} times as many", 413
            )

    def end(self) -> None:
        """Check that nothing is missing.

        Raises:
            RemoteProtocolError: 400, the content ended too early.
        """
        if self._stream is not None and not self._stream.eof:
            raise RemoteProtocolError(f"invalid {self._coding} data: it ends too early")
