"""`cookies`: Cookie and Set-Cookie as browsers take them (RFC 6265, and 6265bis which follows)."""

from http.cookies import CookieError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.test_linear import count_calls
from toolkit.wire.cookies import (
    MAX_COOKIES,
    InvalidCookieError,
    checked_attribute,
    parse_cookie,
    quote,
    set_cookie,
    unquote,
)

COOKIES: dict[str, dict[str, str]] = {
    # As servers should make them. RFC 6265 §4.2.1
    "": {},
    "a=b": {"a": "b"},
    "SID=31d4d96e407aad42; lang=en-US": {"SID": "31d4d96e407aad42", "lang": "en-US"},
    "a=": {"a": ""},
    "a=b=c==": {"a": "b=c=="},
    "__Host-a=1; __Secure-b=2": {"__Host-a": "1", "__Secure-b": "2"},
    "$Version=1; a=b; $Path=/": {"$Version": "1", "a": "b", "$Path": "/"},
    # What servers make all the same, browsers keep, and so send. 6265bis §5.6, §5.8.3
    "a=b;c=d": {"a": "b", "c": "d"},
    "a=b ;\t c = d ": {"a": "b", "c": "d"},
    "a b=c d": {"a b": "c d"},
    "a=b,c=d": {"a": "b,c=d"},
    'a"<>@:/[]?{}=b': {'a"<>@:/[]?{}': "b"},
    "a=%20+\\x": {"a": "%20+\\x"},
    "caf\xc3\xa9=\xe9": {"caf\xc3\xa9": "\xe9"},
    "\xa0a=b\x85": {"\xa0a": "b\x85"},
    "a=\tb\tc\t": {"a": "b\tc"},
    "\u20ac=\u20ac": {"\u20ac": "\u20ac"},
    # Cookies without a name, which are written as the value alone.
    "a": {"": "a"},
    "=a": {"": "a"},
    "==a": {"": "=a"},
    "a=b; c; d=e": {"a": "b", "": "c", "d": "e"},
    "=__Host-a=b": {"": "__Host-a=b"},
    # Nothing is no cookie.
    ";": {},
    "=": {},
    " = ; ;; \t;": {},
    "a=b;": {"a": "b"},
    # Semicolons always separate, and no cookie swallows the next.
    'a="b;c=d"; e=f': {"a": '"b', "c": 'd"', "e": "f"},
    'a="b; __Host-c=d; e="f"': {"a": '"b', "__Host-c": "d", "e": "f"},
    "a\\;b=c": {"": "a\\", "b": "c"},
    # Of several the last counts.
    "a=b; a=c": {"a": "c"},
    "a; =b": {"": "b"},
}


@pytest.mark.parametrize(("header", "expected"), COOKIES.items())
def test_the_cookies_are_those_that_the_browser_has(header: str, expected: dict[str, str]) -> None:
    """Who sees others can be given others: Tornado before 4.4.2, CVE-2023-23934 (Werkzeug)."""
    found = parse_cookie(header)
    assert found == expected
    assert list(found) == list(expected)


CONTROLS = [chr(code) for code in (*range(0x20), 0x7F) if chr(code) != "\t"]


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
@pytest.mark.parametrize("form", ["a{}=x", "a=x{}", "{}", "{}=x", 'a="{}"', "a=x{}; a=y{}"])
def test_a_cookie_with_a_control_character_is_left_out_alone(control: str, form: str) -> None:
    """CVE-2026-3644 (Python, aiohttp): the others are kept, and nothing raises. 6265bis §5.6"""
    bad = form.replace("{}", control)
    assert parse_cookie(f"b=1; {bad}; c=2") == {"b": "1", "c": "2"}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('""', ""),
        ('"a b"', "a b"),
        (r'"a\"b"', 'a"b'),
        (r'"a\\b"', "a\\b"),
        (r'"\a\="', "a="),
        (r'"\054\073"', ",;"),
        (r'"\377\012"', "\xff\n"),
        (r'"\400\08\9"', "400089"),
        (r'"\\054"', r"\054"),
        (r'"\134054"', r"\054"),
        ('"a\\"', "a\\"),
        ('"', '"'),
        ("", ""),
        ('"a', '"a'),
        ('a"', 'a"'),
        ("a\\073", "a\\073"),
        ("'a'", "'a'"),
    ],
)
def test_quotes_around_a_value_are_resolved(raw: str, value: str) -> None:
    """As `http.cookies` writes them; browsers keep them as they are. RFC 6265 §4.1.1"""
    assert unquote(raw) == value
    assert parse_cookie(f"a={raw}").get("a", "") == value


def test_a_header_has_a_bounded_number_of_cookies() -> None:
    """CVE-2025-58186 (Go): what comes after `MAX_COOKIES` is not looked at."""
    assert len(parse_cookie(";".join(f"n{n}=" for n in range(MAX_COOKIES)))) == MAX_COOKIES
    found = parse_cookie(";".join(f"n{n}=" for n in range(MAX_COOKIES + 1)))
    assert len(found) == MAX_COOKIES
    assert f"n{MAX_COOKIES}" not in found
    assert parse_cookie(";" * MAX_COOKIES + "a=b") == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda size: 'a="' + '\\"' * size + '"',
        lambda size: 'a="' + "\\134" * size + '"',
        lambda size: 'a="' + "\\" * size,
        lambda size: "a=" + '"' * size,
        lambda size: "a=;" * size,
        lambda size: "\x01;" * size,
        lambda size: "=" * size,
        lambda size: "a" * size + "\x01",
    ],
    ids=range(8),
)
def test_time_is_linear(make: object) -> None:
    """CVE-2024-52804 (Tornado), CVE-2024-7592 (Python): unquoting took the square of it.

    A million characters would take hours then.
    """
    assert callable(make)
    parse_cookie(make(1_000_000))
    calls = [count_calls(lambda size=size: parse_cookie(make(size))) for size in (500, 1_500)]
    assert calls[1] <= 3.1 * calls[0]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='ab=; \t"\\\x01\xe9', max_size=40))
def test_any_text_is_read(header: str) -> None:
    """And each cookie does not depend on those around it."""
    found = parse_cookie(header)
    for pair in header.split(";"):
        for name, value in parse_cookie(pair).items():
            assert name in found
            assert name.strip(" \t") == name
            assert ";" not in name + value
    assert parse_cookie(f"{header};z=1") == {**found, "z": "1"}


# -- writing -----------------------------------------------------------------------------

#: Attributes of `set_cookie` for a cookie ``a`` with the value ``b``, and what comes of them.
SET: list[tuple[dict[str, Any], str]] = [
    ({}, "a=b"),
    ({"domain": "h.example", "path": "/p"}, "a=b; Domain=h.example; Path=/p"),
    ({"domain": "", "path": "", "samesite": "", "expires": ""}, "a=b"),
    ({"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT"),
    ({"max_age": 0}, "a=b; Max-Age=0"),
    ({"max_age": -1}, "a=b; Max-Age=-1"),
    ({"httponly": True, "secure": True}, "a=b; HttpOnly; Secure"),
    ({"partitioned": True}, "a=b; Partitioned"),
    *(({"samesite": word}, f"a=b; SameSite={word.title()}") for word in ("lax", "STRICT", "None")),
    ({"path": "/\xe9"}, "a=b; Path=/\xe9"),
    ({"name": "__Secure-a"}, "__Secure-a=b; Secure"),
    ({"name": "__Secure-a", "secure": True}, "__Secure-a=b; Secure"),
    ({"name": "__Host-a", "path": "/"}, "__Host-a=b; Path=/; Secure"),
    ({"name": "a:b"}, "a:b=b"),
]


@pytest.mark.parametrize(("arguments", "field"), SET)
def test_a_cookie_is_written_with_its_attributes(arguments: dict[str, Any], field: str) -> None:
    """RFC 6265 §4.1.1, 6265bis §4.1.3"""
    assert set_cookie(**{"name": "a", "value": "b", **arguments}) == field


@pytest.mark.parametrize(
    "arguments",
    [
        *({"name": name} for name in ("", "a b", "a=b", "a;b", "a,b", "\xe9", "a\r\nb")),
        *(
            {attribute: f"a{character}"}
            for attribute in ("domain", "expires", "path", "samesite")
            for character in (*map(chr, range(0x20)), "\x7f", ";", "\u0100", "\u560a")
        ),
        *({"value": f"a{character}"} for character in (*map(chr, range(0x20)), "\x7f", "\u560a")),
        {"samesite": "other"},
        {"name": "__Host-a"},
        {"name": "__Host-a", "path": "/a"},
        {"name": "__host-a", "path": "/", "domain": "h.example"},
    ],
)
def test_nothing_is_written_that_would_be_read_as_something_else(arguments: dict[str, Any]) -> None:
    """CVE-2026-35536 and GHSA-wwv5-g3v4-889x of Tornado: attributes let others in."""
    with pytest.raises(InvalidCookieError, match="cookie") as caught:
        set_cookie(**{"name": "a", "value": "b", **arguments})
    assert isinstance(caught.value, CookieError)
    assert isinstance(caught.value, ValueError)


def test_an_attribute_is_named_in_its_error() -> None:
    assert checked_attribute("Path", "/a") == "/a"
    with pytest.raises(InvalidCookieError, match="Invalid cookie attribute Path"):
        checked_attribute("Path", "/;")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("a", "a"),
        ("a|1:2!#$%&'*+-.^_`~", "a|1:2!#$%&'*+-.^_`~"),
        ("a=b", '"a=b"'),
        ("a b", '"a b"'),
        ("a;b,c", '"a\\073b\\054c"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("\xe9", '"\\351"'),
    ],
)
def test_a_value_is_quoted_where_it_has_to_be(value: str, written: str) -> None:
    assert quote(value) == written


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")))
def test_a_value_comes_back_as_it_was_set(value: str) -> None:
    """By way of a browser, which sends the text back as it is."""
    field = set_cookie("a", value, path="/")
    pair = field.partition(";")[0]
    assert parse_cookie(f"x=y; {pair}; z=1") == {"x": "y", "a": value, "z": "1"}
