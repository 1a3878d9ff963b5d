"""`single_range`: which bytes a Range field asks for (RFC 9110 §14)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.wire.ranges import single_range

SATISFIABLE = {
    "bytes=0-9": (0, 10),
    "bytes=0-0": (0, 1),
    "bytes=9-9": (9, 10),
    "bytes=2-5": (2, 6),
    "bytes=4-": (4, 10),
    "bytes=0-": (0, 10),
    "bytes=5-100": (5, 10),
    "bytes=5-999999999999999999": (5, 10),
    "bytes=-1": (9, 10),
    "bytes=-10": (0, 10),
    "bytes=-100": (0, 10),
    "bytes=00-09": (0, 10),
    "bytes= \t2-5\t ": (2, 6),
}


@pytest.mark.parametrize(("value", "expected"), SATISFIABLE.items())
def test_the_first_and_the_byte_after_the_last_are_given(
    value: str, expected: tuple[int, int]
) -> None:
    """Clipped to what there is. §14.1.2"""
    assert single_range(value, 10) == expected


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=10-20", "bytes=11-", "bytes=-0"])
def test_a_range_without_any_of_the_bytes_is_an_error(value: str) -> None:
    """The answer is 416. §15.5.17"""
    with pytest.raises(ValueError, match="of 10 bytes"):
        single_range(value, 10)


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-0"])
def test_of_nothing_no_range_can_be_had(value: str) -> None:
    with pytest.raises(ValueError):
        single_range(value, 0)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=0x1-5",
        "bytes=1",
        "bytes=5-2",
        "bytes=+1-5",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=1 -2",
        "bytes=1-5 2-6",
        "bytes=0-1,3-4",
        "bytes=0-1,",
        "bytes =0-1",
        "items=0-1",
        "bytes=1.5-2",
        "bytes=\u0661-\u0665",  # digits, but not of ASCII
        "bytes=\xb2-5",
        "bytes=0-1\n",
        "bytes=1234567890123456789-",  # more than 18 digits, which no size has
        "bytes=" + "9" * 100_000 + "-",
        "bytes=" + "0-1," * 100_000,
    ],
)
def test_another_field_is_to_be_ignored(value: str) -> None:
    """Another unit, several ranges, or malformed; a server may always send the whole. §14.2"""
    assert single_range(value, 10) is None


def test_the_message_of_the_error_is_short() -> None:
    with pytest.raises(ValueError) as error:
        single_range("bytes=10-" + " " * 1000, 10)
    assert len(str(error.value)) < 200


@settings(derandomize=True, deadline=None)
@given(st.from_regex(r"bytes=[0-9 ]{0,3}-[0-9]{0,3}", fullmatch=True), st.integers(0, 1000))
def test_a_range_never_leaves_what_there_is(value: str, size: int) -> None:
    try:
        found = single_range(value, size)
    except ValueError:
        return
    if found is not None:
        start, end = found
        assert 0 <= start < end <= size
