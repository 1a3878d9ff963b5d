"""Decoding the content of a response, within limits."""

import zlib
from collections.abc import Iterator

from toolkit.util import GzipDecompressor
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import ResponseHead

#: Bytes that are decompressed at once, so that a thousand bytes do not become a million
#: before anybody can say no.
PIECE = 64 * 1024

#: Names of the one coding that is asked for (RFC 9110 §8.4.1.3).
_GZIP = frozenset(("gzip", "x-gzip"))


def is_gzip(head: ResponseHead) -> bool:
    """Say whether the content of a response is compressed by gzip and nothing else."""
    codings = [value.lower() for name, value in head.fields if name == "content-encoding"]
    return len(codings) == 1 and codings[0] in _GZIP and head.length != 0


class Gunzip:
    """Decompresses content piece by piece.

    Args:
        limit: most bytes that may come out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._decompressor = GzipDecompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what can be decompressed, in pieces of at most `PIECE` bytes.

        Raises:
            RemoteProtocolError: not gzip, or more than the limit.
        """
        while data:
            try:
                piece = self._decompressor.decompress(data, PIECE)
            except zlib.error as error:
                raise RemoteProtocolError(f"invalid gzip data: {error}") from None
            data = self._decompressor.unconsumed_tail
            self._size += len(piece)
            if self._size > self._limit:
                raise RemoteProtocolError(
                    f"decompressed body too large; {self._limit} bytes are allowed", 413
                )
            if piece:
                yield piece

    def end(self) -> None:
        """Check that nothing is missing.

        Raises:
            RemoteProtocolError: the content ended too early.
        """
        try:
            self._decompressor.flush()
        except zlib.error as error:
            raise RemoteProtocolError(f"invalid gzip data: {error}") from None
