"""Decoding the content of responses, within bounds."""

from collections.abc import Iterator

from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.transport import CallNext, OutgoingRequest, Source, StreamedResponse
from toolkit.log import gen_log
from toolkit.wire.coding import Decoder
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Fields
from toolkit.wire.grammar import list_items
from toolkit.wire.more_codings import known_codings, make_decoder

#: Codings one over the other that are undone; nobody in earnest has more than one.
MAX_CODINGS = 3


class Decoding:
    """The link that decodes content.

    Args:
        max_size: bytes that content may have when decoded; None for no limit.
        max_ratio: how many times larger than as it was sent; None for no limit.
    """

    def __init__(self, max_size: int | None, max_ratio: float | None) -> None:
        self._max_size = max_size
        self._max_ratio = max_ratio

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Return the response, its content decoded if it is in codings that are known."""
        response = await call_next(request)
        if not request.decompress or "Content-Encoding" not in response.headers:
            return response
        codings = list_items(response.headers["Content-Encoding"])
        if len(codings) > MAX_CODINGS:
            await response.aclose()
            raise _malformed(f"{len(codings)} codings of content; {MAX_CODINGS} are allowed")
        known = known_codings()
        empty = request.method == "HEAD" or response.headers.get("Content-Length") == "0"
        if empty or not codings or not all(coding in (*known, "x-gzip") for coding in codings):
            return response
        response.headers["X-Consumed-Content-Encoding"] = response.headers.pop("Content-Encoding")
        for coding in reversed(codings):
            decoder = make_decoder(coding, self._max_size, self._max_ratio)
            response.source = Decoded(response.source, decoder)
        return response


class Decoded:
    """Content as it was before it was encoded.

    Args:
        source: of the encoded content.
    """

    def __init__(self, source: Source, decoder: Decoder) -> None:
        self._source = source
        self._decoder = decoder
        self._pieces: Iterator[bytes] = iter(())
        self._ended = False

    @property
    def trailers(self) -> Fields:
        """As of `transport.Source`."""
        return self._source.trailers

    async def read(self) -> bytes:
        """Return the next piece; a small one that came may make many."""
        try:
            while True:
                for piece in self._pieces:
                    return piece
                if self._ended:
                    return b""
                data = await self._source.read()
                if data:
                    self._pieces = self._decoder.feed(data)
                else:
                    self._ended = True
                    self._decoder.end()
        except RemoteProtocolError as error:
            self._source.close()
            raise _malformed(str(error)) from None

    def close(self) -> None:
        """Let go of the encoded content."""
        self._pieces = iter(())
        self._ended = True
        self._source.close()


def _malformed(message: str) -> HTTPStreamClosedError:
    gen_log.info("Malformed HTTP message from None: %s", message)
    return HTTPStreamClosedError(message)
