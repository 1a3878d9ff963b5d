"""Range requests: which bytes a Range field asks for, and how parts are written (RFC 9110 §14)."""

from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.test_linear import count_calls
from toolkit.wire.ranges import (
    MAX_RANGES,
    RangeNotSatisfiable,
    Span,
    byte_ranges,
    content_range,
    part_head,
    parts_end,
)

SATISFIABLE: dict[str, list[Span]] = {
    "bytes=0-9": [(0, 10)],
    "bytes=0-0": [(0, 1)],
    "bytes=9-9": [(9, 10)],
    "bytes=2-5": [(2, 6)],
    "bytes=4-": [(4, 10)],
    "bytes=0-": [(0, 10)],
    "bytes=5-100": [(5, 10)],
    "bytes=5-999999999999999999": [(5, 10)],
    "bytes=-1": [(9, 10)],
    "bytes=-10": [(0, 10)],
    "bytes=-100": [(0, 10)],
    "bytes=00-09": [(0, 10)],
    "bytes= \t2-5\t ": [(2, 6)],
    "BYTES=2-5": [(2, 6)],
    "Bytes=2-5": [(2, 6)],
    # Several, in the order asked for; empty items of a list do not count (§5.6.1).
    "bytes=0-1,4-5": [(0, 2), (4, 6)],
    "bytes=4-5,0-1": [(4, 6), (0, 2)],
    "bytes=0-0 , ,\t-1,": [(0, 1), (9, 10)],
    "bytes=,0-1": [(0, 2)],
    # Those without any byte are left out.
    "bytes=0-1,10-": [(0, 2)],
    "bytes=99-,0-1,5-2,-0": [(0, 2)],
    # What overlaps or touches becomes one, where the first of it stood.
    "bytes=0-3,2-5": [(0, 6)],
    "bytes=0-1,2-3": [(0, 4)],
    "bytes=8-9,0-1,1-2": [(8, 10), (0, 3)],
    "bytes=4-5,0-1,1-8": [(0, 9)],
    "bytes=0-,5-": [(0, 10)],
    "bytes=2-3,2-3,2-3": [(2, 4)],
}


@pytest.mark.parametrize(("value", "expected"), SATISFIABLE.items())
def test_each_range_is_its_first_byte_and_the_one_after_its_last(
    value: str, expected: list[Span]
) -> None:
    """Clipped to what there is. §14.1.2"""
    assert byte_ranges(value, 10) == expected


@pytest.mark.parametrize(
    "value",
    [
        "bytes=10-",
        "bytes=10-20",
        "bytes=11-",
        "bytes=-0",
        "bytes=10-,99-",
        # No good range, which may be refused (§14.2), as Tornado does.
        "bytes=5-2",
        "bytes=10",
        "bytes=1",
    ],
)
def test_a_range_without_any_of_the_bytes_is_an_error(value: str) -> None:
    """The answer is 416. §15.5.17"""
    with pytest.raises(RangeNotSatisfiable, match="of 10 bytes"):
        byte_ranges(value, 10)


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-0", "bytes=-5"])
def test_of_nothing_no_range_can_be_had(value: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        byte_ranges(value, 0)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=0x1-5",
        "bytes=+1-5",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=1 -2",
        "bytes=1-5 2-6",
        "bytes=0-1,x",
        "bytes=0-1;3-4",
        "bytes =0-1",
        "items=0-1",
        "bytes=1.5-2",
        "bytes=\u0661-\u0665",  # digits, but not of ASCII
        "bytes=\xb2-5",
        "bytes=0-1\n",
        "bytes=1234567890123456789-",  # more than 18 digits, which no size has
        "bytes=" + "9" * 100_000 + "-",
        "bytes=" + "0-1," * 100_000,
        "bytes=" + ",".join(["0-1"] * (MAX_RANGES + 1)),
    ],
)
def test_another_field_is_to_be_ignored(value: str) -> None:
    """Another unit, too many ranges, or malformed; CVE-2025-69225. §14.2"""
    assert byte_ranges(value, 10) is None


def test_as_many_ranges_as_are_allowed_are_read() -> None:
    value = "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2 * MAX_RANGES, 2))
    assert byte_ranges(value, 1000) == [(at, at + 1) for at in range(0, 2 * MAX_RANGES, 2)]


@pytest.mark.parametrize("item", ["0-0", "0-", "x", ""])
def test_a_field_of_any_length_costs_a_bounded_number_of_calls(item: str) -> None:
    """CVE-2025-62727, CVE-2011-3192: ranges without end do not cost time without end."""

    def work(count: int) -> int:
        return count_calls(lambda: byte_ranges("bytes=" + ",".join([item] * count), 1))

    assert work(100_000) == work(1000) < 20


def test_the_message_of_the_error_is_short() -> None:
    with pytest.raises(RangeNotSatisfiable) as error:
        byte_ranges("bytes=10-" + " " * 1000, 10)
    assert len(str(error.value)) < 200


@settings(derandomize=True, deadline=None)
@given(
    st.from_regex(r"bytes=[0-9 ]{0,3}-[0-9]{0,3}(,[0-9]?-[0-9]?)*", fullmatch=True),
    st.integers(0, 1000),
)
def test_ranges_never_leave_what_there_is_nor_overlap(value: str, size: int) -> None:
    try:
        found = byte_ranges(value, size)
    except RangeNotSatisfiable:
        return
    end_before = 0
    for start, end in sorted(found or ()):
        assert end_before <= start < end <= size
        end_before = end


def test_content_range_says_which_bytes_of_how_many() -> None:
    """§14.4"""
    assert content_range((0, 10), 100) == "bytes 0-9/100"
    assert content_range(None, 100) == "bytes */100"


def test_parts_are_read_by_a_parser_of_mime() -> None:
    """§14.6"""
    raw = b"Content-Type: multipart/byteranges; boundary=B\r\n\r\n"
    for span, content in {(0, 2): b"01", (5, 6): b"\n"}.items():
        raw += part_head("B", "text/plain", span, 10) + content
    message = BytesParser().parsebytes(raw + parts_end("B"))
    found = [
        (part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()
    ]
    assert found == [("bytes 0-1/10", b"01"), ("bytes 5-5/10", b"\n")]
    assert {part.get_content_type() for part in message.get_payload()} == {"text/plain"}
