"""`http_date`: dates in any form of HTTP (RFC 9110 §5.6.7)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.wire.dates import http_date

#: 1994-11-06 08:49:37 UTC, the example of the RFC.
EXAMPLE = 784_111_777
#: 2026-01-01 00:00:00 UTC
NOW = 1_767_225_600.0


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
        "sun, 06 NOV 1994 08:49:37 gmt",
        "Mon, 06 Nov 1994 08:49:37 GMT",  # a wrong day tells nothing
    ],
)
def test_all_three_forms_are_read(value: str) -> None:
    """A recipient MUST accept all of them."""
    assert http_date(value, NOW) == EXAMPLE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 01 Jan 1960 00:00:00 GMT", -315_619_200),
        ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ],
)
def test_dates_of_all_times_are_read(value: str, expected: int) -> None:
    """A leap second is the second before it."""
    assert http_date(value, NOW) == expected


@pytest.mark.parametrize(
    ("year", "full"), [("26", 2026), ("76", 2076), ("77", 1977), ("99", 1999), ("00", 2000)]
)
def test_two_digits_are_a_year_at_most_fifty_years_ahead(year: str, full: int) -> None:
    """One that seems further ahead MUST be read as the last one past that ends so."""
    short = http_date(f"Sunday, 06-Nov-{year} 08:49:37 GMT", NOW)
    assert short == http_date(f"Sun, 06 Nov {full} 08:49:37 GMT", NOW)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "-1",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 99999999 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Foo, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
        "\u017fun, 06 Nov 1994 08:49:37 GMT",  # lower-cases to "sun" beyond ASCII
        "9" * 100_000,
        "\xff" * 10,
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    """A year out of range too, which no OverflowError may come of."""
    assert http_date(value, NOW) is None


@settings(derandomize=True, deadline=None)
@given(st.text(), st.integers(0, 2**32))
def test_no_text_is_an_error(value: str, now: int) -> None:
    assert http_date(value, now) is None
