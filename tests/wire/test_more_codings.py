"""Codings of packages: ``br`` (RFC 7932) and ``zstd`` (RFC 8878), within bounds."""

import tracemalloc
from types import SimpleNamespace

import brotli
import pytest
import zstandard

from toolkit.wire import more_codings
from toolkit.wire.coding import MAX_EMPTY_MEMBERS, PIECE, Decoder
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.more_codings import known_codings, make_decoder

MEBIBYTE = 1024 * 1024
TEXT = b"The quick brown fox jumps over the lazy dog. " * 50
COMPRESS = {"br": brotli.compress, "zstd": zstandard.compress}
each_coding = pytest.mark.parametrize("coding", list(COMPRESS))


def decode(decoder: Decoder, data: bytes, size: int) -> bytes:
    """Return what comes out of data that comes in pieces of a size, whose end is checked."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    decoded = b"".join(piece for part in pieces for piece in decoder.feed(part))
    decoder.end()
    return decoded


@each_coding
@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.feature("F08")
def test_content_comes_out_as_it_was_however_it_is_cut(coding: str, size: int) -> None:
    """Also when nothing was in it."""
    for text in (TEXT, b"a", b""):
        data = COMPRESS[coding](text)
        assert decode(make_decoder(coding, len(text)), data, size) == text


def test_codings_of_zlib_have_the_usual_decoder() -> None:
    """So that one function serves all."""
    assert type(make_decoder("gzip")) is Decoder
    assert known_codings() == ("gzip", "deflate", "br", "zstd")


@each_coding
def test_a_bomb_comes_out_in_pieces_until_it_is_refused(coding: str) -> None:
    """It costs as little memory as what is allowed."""
    data = COMPRESS[coding](bytes(64 * MEBIBYTE))
    decoder = make_decoder(coding, 4 * MEBIBYTE)
    tracemalloc.start()
    try:
        sizes: list[int] = []
        with pytest.raises(RemoteProtocolError, match="too large") as caught:
            sizes.extend(map(len, decoder.feed(data)))
        assert tracemalloc.get_traced_memory()[1] < 24 * MEBIBYTE
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413
    assert sum(sizes) <= 4 * MEBIBYTE
    assert max(sizes) <= 2 * PIECE
    with pytest.raises(RemoteProtocolError, match="times as many"):
        list(make_decoder(coding, None, 100).feed(data))


@each_coding
def test_what_is_not_of_the_coding_is_refused(coding: str) -> None:
    """Whether it is wrong, cut short, or goes on after its end."""
    data = COMPRESS[coding](TEXT)
    with pytest.raises(RemoteProtocolError, match=f"invalid {coding}"):
        list(make_decoder(coding).feed(b"\xff\xfe not of it" * 10))
    cut = make_decoder(coding)
    list(cut.feed(data[:-3]))
    with pytest.raises(RemoteProtocolError, match="too early"):
        cut.end()
    make_decoder(coding).end()  # nothing at all is no content
    after = make_decoder(coding)
    list(after.feed(data))
    with pytest.raises(RemoteProtocolError, match=f"invalid {coding}"):
        list(after.feed(b"\xff\xff\xff\xff\xff more"))


def test_frames_of_zstd_follow_each_other() -> None:
    """But not without an end where nothing is in them (RFC 8878 §3)."""
    decoder = make_decoder("zstd")
    assert decode(decoder, zstandard.compress(b"a") + zstandard.compress(b"b"), 1000) == b"ab"
    empty = zstandard.compress(b"")
    with pytest.raises(RemoteProtocolError, match="empty frames"):
        list(make_decoder("zstd").feed(empty * (MAX_EMPTY_MEMBERS + 1)))


@pytest.mark.parametrize("found", [None, SimpleNamespace(Decompressor=object)])
def test_brotli_that_cannot_be_bounded_is_not_used(
    monkeypatch: pytest.MonkeyPatch, found: object
) -> None:
    """As it cannot before version 1.2, or is not there."""
    monkeypatch.setattr(more_codings, "package", lambda name: found)
    assert more_codings.bounded_brotli() is None
    monkeypatch.setattr(more_codings, "_brotli", None)
    assert known_codings() == ("gzip", "deflate", "zstd")


def test_a_package_that_is_not_installed_is_none() -> None:
    """And no error."""
    assert more_codings.package("no_such_package") is None
