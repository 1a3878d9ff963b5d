"""Records of TLS, found by their heads (RFC 8446 §5.1, RFC 5246 §6.2.1)."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.wire.tls_records import HEAD_SIZE, KINDS, MAX_LENGTH, Records


def record(length: int, kind: int = 0x17) -> bytes:
    """Return a record of so many bytes behind its head."""
    return bytes([kind, 3, 3]) + length.to_bytes(2, "big") + bytes(length)


def feed(parts: Iterable[bytes]) -> tuple[list[int], bytes, Records]:
    """Return where what was written stood each time that a record had got whole, and all of it."""
    records, written = Records(), bytearray()
    whole = []
    for part in parts:
        for answer in records.feed(memoryview(part), written.extend):
            assert answer is True
            whole.append(len(written))
    return whole, bytes(written), records


def ends(raw: Iterable[bytes]) -> list[int]:
    """Return where each of some records ends."""
    total = 0
    return [total := total + len(each) for each in raw]


@pytest.mark.parametrize("length", [0, 1, 5, MAX_LENGTH])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_record_is_found(kind: int, length: int) -> None:
    sent = [record(length, kind), record(7)]
    whole, written, records = feed([b"".join(sent)])
    assert whole == ends(sent)
    assert written == b"".join(sent)
    assert not records.lost


def test_a_record_is_written_with_its_last_byte() -> None:
    """What comes of the next one follows when nobody asks for another."""
    first, second = record(20), record(30)
    whole, written, _ = feed([first[:-1], first[-1:] + second[:9]])
    assert whole == [len(first)]
    assert written == first + second[:9]


def test_a_part_of_a_head_is_kept_until_the_rest_of_it_is_there() -> None:
    whole, written, _ = feed([record(3) + b"\x17\3\3"])
    assert whole == [8]
    assert written == record(3)
    whole, written, _ = feed([b"\x17", b"\3\3", b"\0", b"\1", b"x"])
    assert whole == [6]
    assert written == b"\x17\3\3\0\1x"


@given(st.lists(st.integers(0, 60), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_however_it_is_cut_each_record_is_whole_once(lengths: list[int], cuts: list[int]) -> None:
    sent = [record(length) for length in lengths]
    raw = b"".join(sent)
    places = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    whole, written, records = feed(raw[start:end] for start, end in pairwise(places))
    assert whole == ends(sent)
    assert written == raw
    assert not records.lost


@pytest.mark.parametrize(
    "head",
    [
        b"\x13\3\3\0\x10",
        b"\x19\3\3\0\x10",
        b"\x17\2\3\0\x10",
        b"\x17\3\3" + (MAX_LENGTH + 1).to_bytes(2, "big"),
        b"GET /",
        b"\x80\x2e\1\3\1",
    ],
)
def test_what_is_no_record_is_handed_on_before_it_is_whole(head: bytes) -> None:
    """And so is all that follows; whoever decrypts has the error for it."""
    for parts in ([record(4) + head + b"more", record(2)], [record(4), head + b"more", record(2)]):
        whole, written, records = feed(parts)
        assert records.lost
        assert whole == [4 + HEAD_SIZE]
        assert written == record(4) + head + b"more" + record(2)


def test_what_is_no_record_and_is_whole_is_for_who_decrypts() -> None:
    strange = b"\0" + record(3)[1:]
    whole, written, records = feed([record(4) + strange])
    assert whole == ends([record(4), strange])
    assert written == record(4) + strange
    assert not records.lost
