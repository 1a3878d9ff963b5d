"""Conditional requests (RFC 9110 §13)."""

import pytest

from toolkit.wire.conditional import (
    if_range_holds,
    is_entity_tag,
    is_refused,
    is_unchanged,
    matches_strongly,
    matches_weakly,
)

ETAG = '"a"'
MODIFIED = 784_111_777
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
JUNK = "yesterday"
NOW = 1.7e9


@pytest.mark.parametrize(
    ("etag", "listed", "weakly", "strongly"),
    [
        ('"a"', '"a"', True, True),
        ('W/"a"', 'W/"a"', True, False),
        ('W/"a"', '"a"', True, False),
        ('"a"', 'W/"a"', True, False),
        ('"a"', '"b"', False, False),
        ('"a"', "*", True, True),
        (None, "*", True, True),
        (None, '"a"', False, False),
        ('"a"', '"b", W/"c" ,"a"', True, True),
        ('"a"', "", False, False),
        ('"a"', "a", False, False),
        ('"a"', '"a', False, False),
        ('"a,b"', '"x", "a,b"', True, True),
        ('"\xe4"', '"\xe4"', True, True),
        ('""', '""', True, True),
        ('"a"', 'w/"b"', False, False),
        ('"a"', '"' * 100_001, False, False),
    ],
)
def test_tags_are_compared_weakly_and_strongly(
    etag: str | None, listed: str, weakly: bool, strongly: bool
) -> None:
    """§8.8.3.2"""
    assert matches_weakly(etag, listed) is weakly
    assert matches_strongly(etag, listed) is strongly


@pytest.mark.parametrize(
    ("text", "expected"),
    [('"a"', True), ('W/"a"', True), ("a", False), ("*", False), ('"a", "b"', False), ("", False)],
)
def test_one_tag_is_told_from_anything_else(text: str, expected: bool) -> None:
    """§8.8.3"""
    assert is_entity_tag(text) is expected


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, False),
        ({"If-Match": ETAG}, False),
        ({"If-Match": "*"}, False),
        ({"If-Match": '"b"'}, True),
        ({"If-Match": 'W/"a"'}, True),
        ({"If-Match": "junk"}, True),
        ({"If-Unmodified-Since": SAME}, False),
        ({"If-Unmodified-Since": LATER}, False),
        ({"If-Unmodified-Since": EARLIER}, True),
        ({"If-Unmodified-Since": JUNK}, False),
        # §13.1.4: with If-Match the date MUST be ignored.
        ({"If-Match": ETAG, "If-Unmodified-Since": EARLIER}, False),
        ({"If-Match": '"b"', "If-Unmodified-Since": LATER}, True),
    ],
)
def test_what_the_client_does_not_expect_is_refused(fields: dict[str, str], refused: bool) -> None:
    """§13.1.1 and §13.1.4"""
    assert is_refused(fields.get, ETAG, MODIFIED, NOW) is refused


@pytest.mark.parametrize(
    ("fields", "unchanged"),
    [
        ({}, False),
        ({"If-None-Match": ETAG}, True),
        ({"If-None-Match": 'W/"a"'}, True),
        ({"If-None-Match": '"b", "c"'}, False),
        ({"If-Modified-Since": SAME}, True),
        ({"If-Modified-Since": LATER}, True),
        ({"If-Modified-Since": EARLIER}, False),
        ({"If-Modified-Since": JUNK}, False),
        # §13.1.3: with If-None-Match the date MUST be ignored.
        ({"If-None-Match": '"b"', "If-Modified-Since": LATER}, False),
        ({"If-None-Match": "junk", "If-Modified-Since": LATER}, False),
        ({"If-None-Match": ETAG, "If-Modified-Since": EARLIER}, True),
    ],
)
def test_what_the_client_has_is_unchanged(fields: dict[str, str], unchanged: bool) -> None:
    """§13.1.2 and §13.1.3"""
    assert is_unchanged(fields.get, ETAG, MODIFIED, NOW) is unchanged


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (None, True),
        (ETAG, True),
        ('"b"', False),
        ('W/"a"', False),
        ("a", False),
        ("*", False),
        ('"a", "b"', False),
        (SAME, True),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        (LATER, False),
        (EARLIER, False),
        (JUNK, False),
    ],
)
def test_a_part_is_sent_of_what_the_client_has_a_part_of(value: str | None, holds: bool) -> None:
    """§13.1.5: by strong comparison, and by the exact date."""
    fields = {} if value is None else {"If-Range": value}
    assert if_range_holds(fields.get, ETAG, MODIFIED, NOW) is holds


def test_without_a_date_or_a_tag_nothing_is_compared_with_them() -> None:
    assert not is_refused({"If-Unmodified-Since": EARLIER}.get, None, None, NOW)
    assert not is_unchanged({"If-Modified-Since": LATER}.get, None, None, NOW)
    assert not if_range_holds({"If-Range": SAME}.get, None, None, NOW)
    assert not if_range_holds({"If-Range": ETAG}.get, None, None, NOW)
    assert not if_range_holds({"If-Range": 'W/"a"'}.get, 'W/"a"', None, NOW)
