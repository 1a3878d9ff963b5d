"""`Decoder`: what a peer compressed comes out whole, in pieces and within bounds.

RFC 9110 §8.4.1, RFC 1950 and RFC 1952.
"""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.wire.coding import MAX_EMPTY_MEMBERS, PIECE, RATIO_FREE, Decoder, known_coding
from toolkit.wire.errors import RemoteProtocolError

MEBIBYTE = 1024 * 1024
TEXT = b"The quick brown fox jumps over the lazy dog. " * 50
#: A member of gzip that holds nothing.
EMPTY = gzip.compress(b"", mtime=0)

Compress = Callable[[bytes], bytes]
CODINGS: list[tuple[str, Compress]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
]
each_coding = pytest.mark.parametrize(
    ("coding", "compress"), CODINGS, ids=[name for name, _ in CODINGS]
)


def decode(decoder: Decoder, pieces: list[bytes]) -> bytes:
    """Return what comes out of all pieces, whose end is checked."""
    decoded = b"".join(piece for data in pieces for piece in decoder.feed(data))
    decoder.end()
    return decoded


def until_refused(decoder: Decoder, pieces: list[bytes]) -> tuple[int, int]:
    """Return how much comes out, and the status of the error that ends it, 0 for none."""
    size = 0
    try:
        for data in pieces:
            for piece in decoder.feed(data):
                size += len(piece)
        decoder.end()
    except RemoteProtocolError as error:
        return size, error.status
    return size, 0


def bomb(size: int) -> bytes:
    """Return the gzip of as many zeros, made with little memory."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    zeros = bytes(MEBIBYTE)
    pieces = [compressor.compress(zeros) for _ in range(size // MEBIBYTE)]
    return b"".join([*pieces, compressor.flush()])


# -- which coding ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        (["gzip"], "gzip"),
        (["GZip"], "gzip"),
        (["x-gzip"], "x-gzip"),
        (["Deflate"], "deflate"),
        ([" gzip "], "gzip"),
        (["gzip", ""], "gzip"),
        ([", gzip ,"], "gzip"),
    ],
)
def test_a_coding_is_known_by_its_name_in_any_case(values: list[str], coding: str) -> None:
    """Empty items of a list are no codings. RFC 9110 §5.6.1, §8.4.1"""
    assert known_coding(values) == coding


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [","],
        ["br"],
        ["identity"],
        ["compress"],
        ["gzip2"],
        ["gzip;q=1"],
        ["gzip, gzip"],
        ["gzip", "deflate"],
        ["br, gzip"],
        ["gzip, " * 100 + "gzip"],
    ],
)
def test_another_coding_or_several_are_not_known(values: list[str]) -> None:
    """Tornado 6.6: a hundred codings in a row are not undone one by one either."""
    assert known_coding(values) is None


# -- whole content -----------------------------------------------------------------------


@each_coding
def test_content_comes_out_however_it_is_cut(coding: str, compress: Compress) -> None:
    encoded = compress(TEXT)
    assert decode(Decoder(coding), [encoded]) == TEXT
    assert decode(Decoder(coding), [encoded[i : i + 1] for i in range(len(encoded))]) == TEXT
    for cut in range(len(encoded) + 1):
        assert decode(Decoder(coding), [encoded[:cut], encoded[cut:]]) == TEXT


@given(st.binary(max_size=2000), st.lists(st.integers(1, 400), max_size=20), st.integers(1, 300))
@settings(max_examples=100)
def test_any_content_comes_out_in_pieces_of_any_size(
    content: bytes, cuts: list[int], piece: int
) -> None:
    for coding, compress in CODINGS:
        rest, pieces = compress(content), []
        for cut in cuts:
            pieces.append(rest[:cut])
            rest = rest[cut:]
        decoder = Decoder(coding, piece=piece)
        decoded = [out for data in [*pieces, rest] for out in decoder.feed(data)]
        decoder.end()
        assert b"".join(decoded) == content
        assert all(0 < len(out) <= piece for out in decoded)


@each_coding
def test_no_bytes_at_all_are_no_content(coding: str, compress: Compress) -> None:
    assert decode(Decoder(coding), []) == b""
    assert decode(Decoder(coding), [b""]) == b""
    assert decode(Decoder(coding), [compress(b"")]) == b""


@pytest.mark.parametrize("whole", [True, False])
def test_members_of_gzip_are_joined(whole: bool) -> None:
    """RFC 1952 §2.2"""
    encoded = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    pieces = [encoded] if whole else [encoded[i : i + 1] for i in range(len(encoded))]
    assert decode(Decoder("gzip"), pieces) == b"one two"


def test_header_fields_of_gzip_are_passed_over() -> None:
    """A name and a comment of the file. RFC 1952 §2.3"""
    plain = gzip.compress(b"hello", mtime=0)
    encoded = plain[:3] + b"\x18" + plain[4:10] + b"name\0comment\0" + plain[10:]
    assert decode(Decoder("gzip"), [encoded]) == b"hello"


# -- what is wrong -----------------------------------------------------------------------


@each_coding
def test_content_that_is_cut_short_is_an_error(coding: str, compress: Compress) -> None:
    """Tornado 6.6: a truncated body is no whole one, wherever it was cut."""
    encoded = compress(TEXT)
    for cut in range(1, len(encoded)):
        decoder = Decoder(coding)
        with pytest.raises(RemoteProtocolError, match="ends too early") as caught:
            decode(decoder, [encoded[:cut]])
        assert caught.value.status == 400


def test_a_second_member_that_is_cut_short_is_an_error() -> None:
    encoded = gzip.compress(b"one")
    second = gzip.compress(b"two")
    for cut in range(1, len(second)):
        with pytest.raises(RemoteProtocolError, match="ends too early"):
            decode(Decoder("gzip"), [encoded + second[:cut]])


@each_coding
@pytest.mark.parametrize("apart", [False, True])
def test_junk_behind_content_is_an_error(coding: str, compress: Compress, apart: bool) -> None:
    """Tornado 6.6: what follows is neither thrown away nor handed on."""
    encoded, junk = compress(TEXT), b"GET / HTTP/1.1\r\n"
    pieces = [encoded, junk] if apart else [encoded + junk]
    with pytest.raises(RemoteProtocolError, match=rf"invalid {coding} data") as caught:
        decode(Decoder(coding), pieces)
    assert caught.value.status == 400


@pytest.mark.parametrize("padding", [b"\0", bytes(512)])
def test_padding_behind_gzip_is_an_error(padding: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="gzip"):
        decode(Decoder("gzip"), [gzip.compress(b"hello") + padding])


@each_coding
def test_a_changed_byte_is_an_error_or_changes_nothing(coding: str, compress: Compress) -> None:
    """The check sums see to it; some bits of a header mean nothing."""
    encoded = compress(TEXT)
    for place in range(len(encoded)):
        changed = bytearray(encoded)
        changed[place] ^= 0x55
        size, status = until_refused(Decoder(coding), [bytes(changed)])
        assert status == 400 or size == len(TEXT)


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", b"not gzip at all"),
        ("gzip", zlib.compress(TEXT)),
        ("deflate", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)[2:-4]),
        ("deflate", b"\x78\x9c\xff\xff\xff"),
    ],
    ids=["text", "deflate for gzip", "gzip for deflate", "no zlib header", "a bad block"],
)
def test_what_is_not_of_the_coding_is_an_error(coding: str, encoded: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=rf"invalid {coding} data") as caught:
        decode(Decoder(coding), [encoded])
    assert caught.value.status == 400


def test_a_message_shows_little_of_what_was_sent() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(Decoder("deflate"), [zlib.compress(b"x") + b"\x1b" * 5000])
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)


# -- bounds ------------------------------------------------------------------------------


@each_coding
def test_content_has_a_size_that_it_may_come_to(coding: str, compress: Compress) -> None:
    content = bytes(100_000)
    assert decode(Decoder(coding, max_size=100_000), [compress(content)]) == content
    with pytest.raises(RemoteProtocolError, match="99999 bytes are allowed") as caught:
        decode(Decoder(coding, max_size=99_999), [compress(content)])
    assert caught.value.status == 413


def test_the_size_may_be_changed_meanwhile() -> None:
    encoded = gzip.compress(bytes(3 * PIECE))
    decoder = Decoder("gzip", max_size=PIECE)
    out = decoder.feed(encoded)
    assert len(next(out)) == PIECE
    decoder.max_size = 2 * PIECE
    assert len(next(out)) == PIECE
    with pytest.raises(RemoteProtocolError, match=str(2 * PIECE)):
        next(out)
    decoder.max_size = 0
    with pytest.raises(RemoteProtocolError, match="0 bytes"):
        decode(Decoder("gzip", max_size=0), [gzip.compress(b"x")])


def test_content_has_a_ratio_that_it_may_come_to() -> None:
    """It is looked at once a mebibyte is out: a small thing may well be all zeros."""
    small, large = bytes(RATIO_FREE), bytes(RATIO_FREE + 1)
    assert decode(Decoder("gzip", max_ratio=2), [gzip.compress(small)]) == small
    with pytest.raises(RemoteProtocolError, match="over 2 times") as caught:
        decode(Decoder("gzip", max_ratio=2), [gzip.compress(large)])
    assert caught.value.status == 413
    assert decode(Decoder("gzip", max_ratio=2000), [gzip.compress(large)]) == large
    assert decode(Decoder("gzip"), [gzip.compress(large)]) == large


@pytest.mark.parametrize("limit", [{"max_size": MEBIBYTE}, {"max_ratio": 200.0}])
def test_a_bomb_stops_when_its_limit_is_reached(limit: dict[str, float]) -> None:
    """CVE-2025-69223 and CVE-2026-54278, aiohttp: not after all of it was decoded.

    The memory is that of one piece, however much is in the bytes at hand.
    """
    encoded = bomb(256 * MEBIBYTE)
    decoder = Decoder("gzip", **limit)  # type: ignore[arg-type]  # a size is an int
    tracemalloc.start()
    try:
        came, status = until_refused(decoder, [encoded])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 413
    assert came <= max(MEBIBYTE, 200 * len(encoded))
    assert peak < 4 * PIECE


def test_a_bomb_that_nobody_takes_is_not_decoded() -> None:
    """CVE-2026-54278, aiohttp: the next piece is made when it is asked for."""
    decoder = Decoder("gzip")
    encoded = bomb(64 * MEBIBYTE)
    tracemalloc.start()
    try:
        out = decoder.feed(encoded)
        assert [len(next(out)) for _ in range(3)] == [PIECE] * 3
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEBIBYTE


def test_a_bomb_within_a_bomb_comes_out_as_it_is() -> None:
    inner = bomb(16 * MEBIBYTE)
    assert decode(Decoder("gzip"), [gzip.compress(inner)]) == inner


def test_the_ratio_is_that_of_what_was_decoded_so_far() -> None:
    """However the bytes are cut: what comes behind zeros does not make up for them."""
    encoded = bomb(8 * MEBIBYTE)
    noise = bytes(range(256)) * 4
    behind = encoded + gzip.compress(noise, 0) * 1000
    for size in (len(behind), 1000, 7):
        pieces = [behind[start : start + size] for start in range(0, len(behind), size)]
        came, status = until_refused(Decoder("gzip", max_ratio=200), pieces)
        assert status == 413
        assert RATIO_FREE - PIECE <= came <= RATIO_FREE


def test_many_small_members_cost_what_they_hold() -> None:
    """Each leaves the rest behind, which must not be copied whole each time."""
    copied = 0

    class Counted(Decoder):
        def _step(self, data: bytes) -> tuple[bytes, bytes]:
            nonlocal copied
            piece, rest = super()._step(data)
            copied += len(rest)
            return piece, rest

    encoded = gzip.compress(b"x", mtime=0) * 20_000
    assert decode(Counted("gzip"), [encoded]) == b"x" * 20_000
    assert copied < 400 * len(encoded)


def test_empty_members_of_gzip_are_few() -> None:
    """Tornado 6.6: two hundred of them are an error; those with content in between are not."""
    assert decode(Decoder("gzip"), [EMPTY * MAX_EMPTY_MEMBERS]) == b""
    with pytest.raises(RemoteProtocolError, match="empty members") as caught:
        decode(Decoder("gzip"), [EMPTY * 200])
    assert caught.value.status == 400
    with pytest.raises(RemoteProtocolError, match="empty members"):
        decode(Decoder("gzip"), [EMPTY] * 200)
    between = (EMPTY * MAX_EMPTY_MEMBERS + gzip.compress(b"x")) * 3
    assert decode(Decoder("gzip"), [between]) == b"xxx"
