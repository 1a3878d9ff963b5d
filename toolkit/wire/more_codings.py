"""Content codings that need a package: ``br`` (brotli) and ``zstd`` (zstandard).

Example::

    decoder = make_decoder("br", max_size=10_000_000)
    for piece in decoder.feed(data):
        take(piece)
    decoder.end()
"""

import importlib
from collections.abc import Iterator
from typing import Any, Final

from toolkit.wire.coding import MAX_EMPTY_MEMBERS, PIECE, Decoder
from toolkit.wire.errors import RemoteProtocolError, excerpt

#: Bytes that zstandard gets at once: it cannot be told to stop, and makes at most 128 KiB of
#: each three bytes (RFC 8878 §3.1.1.2.2).
_ZSTD_SLICE: Final = 128
#: What a decoder has to keep of what came before, at most (RFC 9659 §3).
_ZSTD_WINDOW: Final = 8 * 1024 * 1024


def package(name: str) -> Any:
    """Return a package that may not be installed; None if so."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def bounded_brotli() -> Any:
    """Return brotli if it can be told how much may come out at once, as of its version 1.2."""
    found = package("brotli")
    return found if hasattr(getattr(found, "Decompressor", None), "can_accept_more_data") else None


_brotli: Any = bounded_brotli()
_zstandard: Any = package("zstandard")


def known_codings() -> tuple[str, ...]:
    """Return the codings that can be decoded, by the names that HTTP has for them."""
    extra = [("br", _brotli), ("zstd", _zstandard)]
    return ("gzip", "deflate", *[name for name, package in extra if package is not None])


def make_decoder(
    coding: str, max_size: int | None = None, max_ratio: float | None = None
) -> Decoder:
    """Return a decoder for one of `known_codings`; ``x-gzip`` is gzip too.

    Args:
        max_size, max_ratio: as of `coding.Decoder`.
    """
    kinds = {"br": BrotliDecoder, "zstd": ZstdDecoder}
    return kinds.get(coding, Decoder)(coding, max_size, max_ratio)


class BrotliDecoder(Decoder):
    """Decodes ``br`` (RFC 7932); arguments, methods and errors are those of `coding.Decoder`."""

    __slots__ = ("_brotli",)

    def __init__(
        self,
        coding: str = "br",
        max_size: int | None = None,
        max_ratio: float | None = None,
        piece: int = PIECE,
    ) -> None:
        super().__init__(coding, max_size, max_ratio, piece)
        self._brotli = _brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._brotli.is_finished():
            raise RemoteProtocolError(f"invalid br data: {excerpt(data)} after its end")
        self._in += len(data)
        while True:
            try:
                piece = self._brotli.process(data, output_buffer_limit=self._piece)
            except _brotli.error as error:
                raise RemoteProtocolError(f"invalid br data: {error}") from None
            if piece:
                self._count(len(piece))
                yield piece
            data = b""
            if self._brotli.can_accept_more_data():
                return

    def end(self) -> None:
        if self._in and not self._brotli.is_finished():
            raise RemoteProtocolError("invalid br data: it ends too early")


class ZstdDecoder(Decoder):
    """Decodes ``zstd`` (RFC 8878); arguments, methods and errors are those of `coding.Decoder`."""

    __slots__ = ("_frame",)

    def __init__(
        self,
        coding: str = "zstd",
        max_size: int | None = None,
        max_ratio: float | None = None,
        piece: int = PIECE,
    ) -> None:
        super().__init__(coding, max_size, max_ratio, piece)
        self._frame: Any = None  # None before the first byte, and between two frames

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_SLICE):
            rest = data[start : start + _ZSTD_SLICE]
            self._in += len(rest)
            while rest:
                made, rest = self._step(rest)
                if made:
                    self._count(len(made))
                for at in range(0, len(made), self._piece):
                    yield made[at : at + self._piece]

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        if self._frame is None:
            decompressor = _zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
            self._frame = decompressor.decompressobj()
        try:
            made = self._frame.decompress(data)
        except _zstandard.ZstdError as error:
            raise RemoteProtocolError(f"invalid zstd data: {error}") from None
        if not self._frame.eof:
            return made, b""
        rest = self._frame.unused_data
        self._frame = None
        self._empty = 0 if made else self._empty + 1
        if self._empty > MAX_EMPTY_MEMBERS:
            raise RemoteProtocolError(f"more than {MAX_EMPTY_MEMBERS} empty frames of zstd")
        return made, rest

    def end(self) -> None:
        if self._frame is not None:
            raise RemoteProtocolError("invalid zstd data: it ends too early")
