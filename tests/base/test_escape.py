"""`escape`: text to HTML, JSON, URLs and bytes, and back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.escape import (
    json_decode,
    json_encode,
    native_str,
    parse_qs_bytes,
    recursive_unicode,
    squeeze,
    to_basestring,
    to_unicode,
    url_escape,
    url_unescape,
    utf8,
    xhtml_escape,
    xhtml_unescape,
)

# -- HTML --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<b>", "&lt;b&gt;"),
        ("a & b", "a &amp; b"),
        ("&amp;", "&amp;amp;"),
        ("\"'", "&quot;&#x27;"),
        ("<é€😀>", "&lt;é€😀&gt;"),
        (b"<\xc3\xa9>", "&lt;é&gt;"),
    ],
)
def test_xhtml_escape_makes_text_safe_in_html(value: str | bytes, expected: str) -> None:
    assert xhtml_escape(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("&lt;b&gt; &amp; &quot;&#39;&#x27;", "<b> & \"''"),
        ("&eacute;&#233;&#xE9;&#XE9;", "éééé"),
        ("&amp;lt;", "&lt;"),
        ("no & reference; &nonsense;", "no & reference; &nonsense;"),
        (b"&lt;\xc3\xa9", "<é"),
    ],
)
def test_xhtml_unescape_resolves_references(value: str | bytes, expected: str) -> None:
    assert xhtml_unescape(value) == expected


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_escaped_html_is_unescaped_to_the_same(value: str) -> None:
    escaped = xhtml_escape(value)
    assert not set(escaped) & set("<>\"'")
    assert xhtml_unescape(escaped) == value


# -- JSON --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [None, True, 1, 1.5, "é€😀", "</script>", "\u2028", [1, [2]], {"a": {"b": []}}]
)
def test_json_is_decoded_to_the_same(value: Any) -> None:
    assert json_decode(json_encode(value)) == value
    assert json_decode(json_encode(value).encode()) == value


def test_json_may_stand_inside_a_script_element() -> None:
    encoded = json_encode({"</script>": "<!-- </SCRIPT>"})
    assert "</" not in encoded
    assert encoded == '{"<\\/script>": "<!-- <\\/SCRIPT>"}'


@pytest.mark.parametrize(
    "value", ["", "{", "nonsense", "{'a': 1}", b"\xff", '"a"'.encode("utf-16"), "[1] 2", b"\x00"]
)
def test_what_is_no_json_is_a_value_error(value: str | bytes) -> None:
    with pytest.raises(ValueError):
        json_decode(value)


# -- whitespace --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        (" \t\r\n ", ""),
        ("a", "a"),
        ("  a\t\tb\nc\x00\x1fd  ", "a b c d"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_squeeze_leaves_single_spaces(value: str, expected: str) -> None:
    assert squeeze(value) == expected


# -- URLs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "query", "path"),
    [
        ("", "", ""),
        ("a b", "a+b", "a%20b"),
        ("a+b", "a%2Bb", "a%2Bb"),
        ("a/b?c=d&e#f", "a%2Fb%3Fc%3Dd%26e%23f", "a%2Fb%3Fc%3Dd%26e%23f"),
        ("é€", "%C3%A9%E2%82%AC", "%C3%A9%E2%82%AC"),
        (b"\xe9\x00\xff", "%E9%00%FF", "%E9%00%FF"),
        ("-._~", "-._~", "-._~"),
    ],
)
def test_url_escape_is_made_for_queries_or_paths(value: str | bytes, query: str, path: str) -> None:
    assert url_escape(value) == query
    assert url_escape(value, plus=False) == path
    raw = utf8(value)
    assert url_unescape(query, encoding=None) == raw
    assert url_unescape(path, encoding=None, plus=False) == raw


def test_url_unescape_makes_text_or_bytes() -> None:
    assert url_unescape("%C3%A9+%2B") == "é +"
    assert url_unescape("%C3%A9+%2B", plus=False) == "é++"
    assert url_unescape("%E9", encoding="latin-1") == "é"
    assert url_unescape("%E9+", encoding=None) == b"\xe9 "
    assert url_unescape("%E9+", encoding=None, plus=False) == b"\xe9+"
    assert url_unescape(b"%C3%A9+") == "é "
    assert url_unescape("100%", encoding=None) == b"100%"


@settings(derandomize=True, deadline=None)
@given(st.text(), st.booleans())
def test_escaped_urls_are_unescaped_to_the_same(value: str, plus: bool) -> None:
    escaped = url_escape(value, plus=plus)
    assert escaped.isascii()
    assert not set(escaped) & set(' /?#&="<>')
    assert url_unescape(escaped, plus=plus) == value


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=2", {"a": [b"1"], "b": [b"2"]}),
        (b"a=1&a=2&a=1", {"a": [b"1", b"2", b"1"]}),
        ("a=%E9+%2B&b%3D=%3D", {"a": [b"\xe9 +"], "b=": [b"="]}),
        ("a=b=c", {"a": [b"b=c"]}),
        ("a=&b&c=1", {"c": [b"1"]}),
        ("&&a=1&", {"a": [b"1"]}),
        ("a=1;b=2", {"a": [b"1;b=2"]}),
        (b"\xe9=\xe9", {"é": [b"\xe9"]}),
        ("%C3%A9=1", {"\xc3\xa9": [b"1"]}),
        ("a=%zz%", {"a": [b"%zz%"]}),
    ],
)
def test_parse_qs_bytes_gives_lists_of_bytes_by_name(
    query: str | bytes, expected: dict[str, list[bytes]]
) -> None:
    """Only ``&`` separates: proxies that do not know ``;`` would see another query."""
    assert parse_qs_bytes(query) == expected


def test_parse_qs_bytes_keeps_blank_values_when_told() -> None:
    assert parse_qs_bytes("a=&b&=c", keep_blank_values=True) == {
        "a": [b""],
        "b": [b""],
        "": [b"c"],
    }


def test_parse_qs_bytes_refuses_what_it_is_told_to() -> None:
    with pytest.raises(ValueError):
        parse_qs_bytes("a=1&b", strict_parsing=True)
    assert len(parse_qs_bytes("a=1&b=2", max_num_fields=2)) == 2
    with pytest.raises(ValueError):
        parse_qs_bytes("a=1&b=2&c=3", max_num_fields=2)
    with pytest.raises(ValueError):
        parse_qs_bytes("a&" * 400_000, max_num_fields=1000)


# -- text and bytes ----------------------------------------------------------------------


def test_utf8_makes_bytes() -> None:
    assert utf8("é") == b"\xc3\xa9"
    assert utf8(b"\xe9") == b"\xe9"
    assert utf8(None) is None


@pytest.mark.parametrize("function", [to_unicode, native_str, to_basestring])
def test_to_unicode_makes_text(function: Any) -> None:
    assert function(b"\xc3\xa9") == "é"
    assert function("é") == "é"
    assert function(None) is None
    with pytest.raises(UnicodeDecodeError):
        function(b"\xe9")


@pytest.mark.parametrize("value", [1, 1.5, ["a"], object(), bytearray(b"a")])
def test_another_type_is_no_text(value: Any) -> None:
    with pytest.raises(TypeError, match="Expected bytes, unicode, or None"):
        utf8(value)
    with pytest.raises(TypeError, match="Expected bytes, unicode, or None"):
        to_unicode(value)


def test_recursive_unicode_makes_text_of_bytes_at_every_depth() -> None:
    value = {b"a": [b"b", (b"c", {b"d": b"\xc3\xa9"})], "e": 1, None: [None]}
    assert recursive_unicode(value) == {"a": ["b", ("c", {"d": "é"})], "e": 1, None: [None]}
    assert value[b"a"][0] == b"b"  # type: ignore[index]  # the argument is left alone
