"""What a client would rather have (RFC 9110 §12.5)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.wire.negotiation import accepted_codings, choose_coding, names_media_type

ALL = ("zstd", "br", "gzip")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {}),
        ("gzip", {"gzip": 1.0}),
        ("gzip, br;q=0.5 ,zstd ; q=0.25", {"gzip": 1.0, "br": 0.5, "zstd": 0.25}),
        ("GZIP;Q=1.000, x-gzip", {"gzip": 1.0}),
        ("*;q=0, identity", {"*": 0.0, "identity": 1.0}),
        ("gzip;q=2, br;q=-1, zstd;q=x, a b, gzip;q=0.1234, ;q=1, br;level=1", {}),
        ("gzip;q=\u0661", {}),
    ],
)
def test_the_quality_of_each_coding_is_read(value: str, expected: dict[str, float]) -> None:
    """What is malformed is passed over. §12.4.2 and §12.5.3"""
    assert accepted_codings(value) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("gzip, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1, br;q=0.9", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.001", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, gzip", "gzip"),
        ("gzip;q=0.5, *;q=0.1, zstd;q=0", "gzip"),
        ("*;q=0.5, zstd;q=0", "br"),
        ("*;q=0", "identity"),
        ("identity;q=0", "identity"),
        ("identity;q=0, *", "zstd"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=1, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0.5, *;q=0.2", "identity"),
        ("compress, snappy", "identity"),
        ("gzip" + " " * 300, "gzip"),
    ],
)
def test_the_coding_that_the_client_likes_most_is_chosen(accept: str | None, expected: str) -> None:
    """Of those that it likes as much, the first that is offered."""
    for _ in range(2):
        assert choose_coding(accept, ALL) == expected


def test_what_is_not_offered_is_not_chosen() -> None:
    assert choose_coding("br, gzip;q=0.1", ["gzip"]) == "gzip"
    assert choose_coding("br, gzip", ["gzip"]) == "gzip"
    assert choose_coding("br, gzip", ["br"]) == "br"
    assert choose_coding("br, gzip", []) == "identity"


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet="gzipbr*,;q=01. \t\xe4"))
def test_no_field_is_an_error(accept: str) -> None:
    assert choose_coding(accept, ALL) in (*ALL, "identity")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json, TEXT/HTML ;charset=utf-8;q=0.3", True),
        ("text/html;q=0", False),
        ("text/html; q=0.000", False),
        ("text/html;level=1;q=0", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("xtext/html", False),
        ("", False),
        (None, False),
    ],
)
def test_a_page_is_what_names_html_itself(accept: str | None, expected: bool) -> None:
    """§12.5.1"""
    assert names_media_type(accept, "text/html") is expected
