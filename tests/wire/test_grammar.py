"""The grammar of HTTP: what each rule of the RFCs matches, byte by byte where it is a set."""

import pytest

from toolkit.wire.grammar import (
    FIELD_BYTES,
    is_field_value,
    is_host,
    is_ipv6,
    is_token,
    list_items,
)

TCHAR = set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def test_a_token_is_made_of_tchar() -> None:
    """Of the first 512 characters 77 are one; an empty text is none. RFC 9110 §5.6.2"""
    assert {chr(code) for code in range(512) if is_token(chr(code))} == TCHAR
    assert is_token("".join(TCHAR))
    assert not is_token("")
    assert not is_token("a b")
    assert not is_token("a\n")


def test_a_field_value_is_visible_text_with_space_and_tab() -> None:
    """Bytes above 0x7f are allowed as they are, characters beyond them not. RFC 9110 §5.5"""
    allowed = {0x09, *range(0x20, 0x7F), *range(0x80, 0x100)}
    assert {code for code in range(512) if is_field_value(chr(code))} == allowed
    assert set(FIELD_BYTES) == allowed
    assert is_field_value("")
    assert not is_field_value("a\n")


@pytest.mark.parametrize(
    "text",
    ["", "h", "a.b-c_d~", "%41", "h:", "h:0", "h:65535", "192.0.2.1:80", "[::1]", "[::1]:1", ":80"],
)
def test_a_host_may_have_a_port(text: str) -> None:
    """Both may be empty, as far as the grammar goes. RFC 9110 §7.2"""
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "a b",
        "h/",
        "h:65536",
        "h:100000",
        "h:8o",
        "h:٨",
        "[h]",
        "[::1",
        "[]",
        "é",
        "%4",
        "a@b",
        "h\n",
    ],
)
def test_a_host_is_nothing_else(text: str) -> None:
    """No user, no path, no name in brackets. RFC 9110 §7.2"""
    assert not is_host(text)


def test_an_ipv6_address_has_no_brackets_and_no_zone() -> None:
    """Nor is it an address of version 4. RFC 3986 §3.2.2"""
    assert is_ipv6("2001:db8::1")
    assert is_ipv6("::ffff:192.0.2.1")
    for text in ("", "192.0.2.1", "[::1]", "::g", ":::", "1::2::3"):
        assert not is_ipv6(text)


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("", []),
        (" , ,\t", []),
        ("a", ["a"]),
        (" A ,\tb ,,C", ["a", "b", "c"]),
        ("a\xa0, \x0bb", ["a\xa0", "\x0bb"]),
    ],
)
def test_a_list_drops_empty_items(value: str, items: list[str]) -> None:
    """Only space and tab around an item are dropped too. RFC 9110 §5.6.1"""
    assert list_items(value) == items
