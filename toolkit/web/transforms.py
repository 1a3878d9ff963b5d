"""Changes to answers on their way out: content codings (RFC 9110 §8.4).

Example::

    Application(handlers, compress_response=True)                    # gzip
    Application(handlers, compress_response=["zstd", "br", "gzip"])  # what the client likes most

Each request has its own transforms, which see the head with the first piece of the content and
then piece by piece what is sent. ``br`` needs the package brotli, ``zstd`` zstandard.
"""

import importlib
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from toolkit.httputil import HTTPHeaders, HTTPServerRequest
from toolkit.wire.grammar import list_items
from toolkit.wire.negotiation import choose_coding


class OutputTransform:
    """Changes an answer on its way out; one that changes nothing.

    Args:
        request: that is answered.
    """

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return the head to send, and the first piece of the content.

        Args:
            finishing: whether `chunk` is the whole content.
        """
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Return what to send for a further piece.

        Args:
            finishing: whether it is the last one.
        """
        return chunk


# -- codings -----------------------------------------------------------------------------


class Compressor(Protocol):
    """Compresses content piece by piece."""

    def feed(self, data: bytes, finishing: bool) -> bytes:
        """Return all that a client needs to read `data`, and the end if that is the last."""


class _Flushed:
    """A compressor of a library: `compress`, and one way to flush and one to end."""

    def __init__(self, compress: Callable[[bytes], bytes], flush: Callable[[bool], bytes]) -> None:
        self._compress = compress
        self._flush = flush

    def feed(self, data: bytes, finishing: bool) -> bytes:
        return self._compress(data) + self._flush(finishing)


def _gzip(level: int) -> Compressor:
    # 16 more than the window is gzip's head and end around it.
    stream = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    modes = (zlib.Z_SYNC_FLUSH, zlib.Z_FINISH)
    return _Flushed(stream.compress, lambda finishing: stream.flush(modes[finishing]))


def _deflate(level: int) -> Compressor:
    stream = zlib.compressobj(level)
    modes = (zlib.Z_SYNC_FLUSH, zlib.Z_FINISH)
    return _Flushed(stream.compress, lambda finishing: stream.flush(modes[finishing]))


def _br(level: int) -> Compressor:
    stream = _LIBRARIES["br"].Compressor(quality=level)
    return _Flushed(
        stream.process, lambda finishing: stream.finish() if finishing else stream.flush()
    )


def _zstd(level: int) -> Compressor:
    library = _LIBRARIES["zstd"]
    # Browsers refuse frames whose window is over 8 MiB (RFC 8878 §3.1.1.1.2).
    parameters = library.ZstdCompressionParameters.from_level(level, window_log=23)
    stream = library.ZstdCompressor(compression_params=parameters).compressobj()
    modes = (library.COMPRESSOBJ_FLUSH_BLOCK, library.COMPRESSOBJ_FLUSH_FINISH)
    return _Flushed(stream.compress, lambda finishing: stream.flush(modes[finishing]))


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_LIBRARIES = {"br": _installed("brotli"), "zstd": _installed("zstandard")}

#: What makes a compressor of each coding.
_CODINGS: dict[str, Callable[[int], Compressor]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _br,
    "zstd": _zstd,
}


def available_codings() -> list[str]:
    """Return the content codings that answers can be sent in, given what is installed."""
    return [name for name in _CODINGS if _LIBRARIES.get(name, True)]


# -- transforms --------------------------------------------------------------------------


class CompressResponse(OutputTransform):
    """Compresses answers in the coding that the client would rather have.

    Compressed is text of some length that is not compressed yet, and whose bytes nobody asked
    for by number (206). The answer then has a weak entity tag, since it is not the same bytes,
    and no Accept-Ranges. All that could be compressed has ``Vary: Accept-Encoding``.

    A subclass may change what stands here; `compressing` makes one with other codings.
    """

    #: Codings to choose from; of those that a client likes as much, the first is taken.
    CODINGS: tuple[str, ...] = ("gzip",)
    #: Compression level of each. More would cost a dynamic answer more time than it saves.
    LEVELS: dict[str, int] = {"gzip": 6, "deflate": 6, "br": 4, "zstd": 3}  # noqa: RUF012
    #: Media types that compress well, besides all that are text.
    CONTENT_TYPES = frozenset(
        {
            "application/atom+xml",
            "application/javascript",
            "application/json",
            "application/manifest+json",
            "application/rss+xml",
            "application/vnd.ms-fontobject",
            "application/wasm",
            "application/x-javascript",
            "application/xhtml+xml",
            "application/xml",
            "font/otf",
            "font/ttf",
            "image/bmp",
            "image/svg+xml",
        }
    )
    #: Fewer bytes hardly get less; an answer of unknown length is taken for a long one.
    MIN_LENGTH = 1024

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._request = request
        self._compressor: Compressor | None = None

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        if status_code == 304:
            # It tells what the answer of 200 would have, whose type is not known here.
            add_vary(headers)
            self._weaken_known(headers)
        elif self.compresses(status_code, headers, chunk, finishing):
            add_vary(headers)
            coding = choose_coding(self._request.headers.get("Accept-Encoding"), self.CODINGS)
            if coding != "identity":
                chunk = self._begin(coding, headers, chunk, finishing)
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        compressor = self._compressor
        if compressor is None or not (chunk or finishing):
            return chunk
        return compressor.feed(chunk, finishing)

    def compresses(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> bool:
        """Say whether an answer can be compressed, for a client that takes it.

        Args as `transform_first_chunk`.
        """
        return (
            status_code not in (204, 206)
            and "Content-Encoding" not in headers
            and "Content-Range" not in headers
            and self.is_long(headers, chunk, finishing)
            and self.is_compressible(headers.get("Content-Type", ""))
            and "no-transform" not in list_items(headers.get("Cache-Control", ""))
        )

    def is_long(self, headers: HTTPHeaders, chunk: bytes, finishing: bool) -> bool:
        """Say whether an answer is long enough to be compressed; args as `compresses`."""
        told = headers.get("Content-Length", "")
        length = int(told) if told.isdecimal() else None
        if finishing:
            # What answers HEAD may have no content, and tells its length.
            length = max(len(chunk), length or 0)
        return length is None or length >= self.MIN_LENGTH

    def is_compressible(self, content_type: str) -> bool:
        """Say whether content of a type compresses well."""
        kind = content_type.partition(";")[0].strip().lower()
        return kind.startswith("text/") or kind in self.CONTENT_TYPES

    def _begin(self, coding: str, headers: HTTPHeaders, chunk: bytes, finishing: bool) -> bytes:
        """Compress the first piece, and have the head say so."""
        self._compressor = _CODINGS[coding](self.LEVELS[coding])
        headers["Content-Encoding"] = coding
        headers.pop("Accept-Ranges", None)
        etag = headers.get("Etag", "")
        if etag.startswith('"'):
            headers["Etag"] = "W/" + etag
        told = headers.pop("Content-Length", None)
        if told is not None and finishing and told != str(len(chunk)):
            # The answer to HEAD, whose content nobody made: its length is not known.
            return chunk
        compressed = self.transform_chunk(chunk, finishing)
        if told is not None and finishing:
            headers["Content-Length"] = str(len(compressed))
        return compressed

    def _weaken_known(self, headers: HTTPHeaders) -> None:
        """Let an answer of 304 have the tag of the compressed content that the client has."""
        etag = headers.get("Etag", "")
        known = self._request.headers.get("If-None-Match", "")
        if etag.startswith('"') and "W/" + etag in known:
            headers["Etag"] = "W/" + etag


class GZipContentEncoding(CompressResponse):
    """Compresses answers by gzip, for the setting ``compress_response=True``.

    An answer that goes out in pieces is compressed however short it is.
    """

    #: Compression level, 1 to 9.
    GZIP_LEVEL = 6

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self.LEVELS = {"gzip": self.GZIP_LEVEL}

    def is_long(self, headers: HTTPHeaders, chunk: bytes, finishing: bool) -> bool:
        """Say whether an answer is long enough; one in pieces always is."""
        return not finishing or super().is_long(headers, chunk, finishing)


def compressing(codings: Iterable[str] | bool) -> type[CompressResponse]:
    """Return the transform for a value of the setting ``compress_response``.

    Args:
        codings: the best first, of ``zstd``, ``br``, ``gzip`` and ``deflate``. Those whose
            package is not installed are left out. True for gzip alone, as
            `GZipContentEncoding` does it.
    Raises:
        ValueError: another coding, or none of them is installed.
    """
    if codings is True:
        return GZipContentEncoding
    if not codings or isinstance(codings, str):
        raise ValueError(f"codings {codings!r}; a list of {', '.join(_CODINGS)} is allowed")
    wanted = [_known(name) for name in codings]
    usable = tuple(name for name in wanted if name in available_codings())
    if not usable:
        raise ValueError(f"none of {', '.join(wanted)} is installed")
    return type("CompressResponse", (CompressResponse,), {"CODINGS": usable})


def _known(coding: str) -> str:
    if coding not in _CODINGS:
        raise ValueError(f"content coding {coding!r}; {', '.join(_CODINGS)} are allowed")
    return coding


def add_vary(headers: HTTPHeaders, name: str = "Accept-Encoding") -> None:
    """Have Vary name a field of the request, besides what it names already."""
    known = headers.get("Vary", "")
    names = list_items(known)
    if not names:
        headers["Vary"] = name
    elif "*" not in names and name.lower() not in names:
        headers["Vary"] = f"{known}, {name}"
