"""`escape`: text to HTML, JSON, URLs and bytes, and back."""

import doctest
import html
import tracemalloc
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import escape
from toolkit.escape import (
    json_decode,
    json_encode,
    linkify,
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


def test_a_subclass_of_str_is_escaped_whatever_its_methods_do() -> None:
    """Mako CVE-2010-2480 and its like: types that mark HTML as safe have their own ``replace``."""

    class Marked(str):
        def replace(self, *args: Any) -> str:  # type: ignore[override]
            return self

    assert xhtml_escape(Marked("<b>")) == "&lt;b&gt;"


@settings(derandomize=True, deadline=None)
@given(st.text() | st.text("&<>\"'#;ab\x00\x7f"))
def test_escaped_html_is_unescaped_to_the_same(value: str) -> None:
    escaped = xhtml_escape(value)
    assert escaped == html.escape(value)
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
    assert encoded == '{"<\\/script>": "<\\u0021-- <\\/SCRIPT>"}'
    assert json_decode(encoded) == {"</script>": "<!-- </SCRIPT>"}


@pytest.mark.parametrize("value", [" \t\n1\r\n ", b" [1]\n", "1 ", " 1"])
def test_blanks_around_json_mean_nothing(value: str | bytes) -> None:
    assert json_decode(value) in (1, [1])


def test_a_circle_has_no_json() -> None:
    value: dict[str, Any] = {}
    value["a"] = [value]
    for _ in range(2):
        with pytest.raises(ValueError, match="Circular reference"):
            json_encode(value)


def test_what_json_does_not_know_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="bytes is not JSON serializable"):
        json_encode({"a": b""})


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
        ("a/b?c=d&e#f", "a%2Fb%3Fc%3Dd%26e%23f", "a/b%3Fc%3Dd%26e%23f"),
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
    assert not set(escaped) & set(' ?#&="<>')
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
    with pytest.raises(ValueError, match="no '=': 'b'"):
        parse_qs_bytes("a=1&b", strict_parsing=True)
    assert len(parse_qs_bytes("a=1&b=2", max_num_fields=2)) == 2
    with pytest.raises(ValueError):
        parse_qs_bytes("a=1&b=2&c=3", max_num_fields=2)
    for query in ("a=\u0100", "\u0100=a"):
        with pytest.raises(UnicodeEncodeError):
            parse_qs_bytes(query)
    with pytest.raises(ValueError):
        parse_qs_bytes("a&" * 400_000, max_num_fields=1000)


def test_parse_qs_bytes_counts_fields_before_it_takes_them_apart() -> None:
    """A list of those that are too many would take eight times their memory."""
    query = b"&" * 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="1000001 fields"):
            parse_qs_bytes(query, max_num_fields=1000)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(query)
    finally:
        tracemalloc.stop()


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


QUERY = st.lists(
    st.sampled_from(
        ["%", "=", "&", "+", "a", "2", "5", "d", "%41", "%3d", "%e9", "\xff", "\n", ";"]
    )
).map("".join)


@settings(derandomize=True, deadline=None)
@given(QUERY, st.booleans(), st.booleans())
def test_parse_qs_bytes_finds_what_the_standard_library_finds(
    query: str, blank: bool, strict: bool
) -> None:
    def parsed(function: Callable[..., Any]) -> Any:
        try:
            return function()
        except ValueError:
            return "refused"

    def standard() -> dict[str, list[bytes]]:
        found = urllib.parse.parse_qs(query, blank, strict, encoding="latin-1")
        return {name: [value.encode("latin-1") for value in found[name]] for name in found}

    assert parsed(lambda: parse_qs_bytes(query, blank, strict)) == parsed(standard)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(QUERY.filter(bool), st.integers(0, 5))
def test_large_values_are_unescaped_as_small_ones(piece: str, shift: int) -> None:
    """They are cut into blocks, and never within an escape."""
    raw = (b"x" * shift + piece.encode("latin-1") * 40_000)[:40_000]
    assert url_unescape(raw, encoding=None, plus=False) == urllib.parse.unquote_to_bytes(raw)


# -- links -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("no link: http:, www, a.b", "no link: http:, www, a.b"),
        ("<b> & http://", "&lt;b&gt; &amp; http://"),
        ("hello http://a.com/!", 'hello <a href="http://a.com/">http://a.com/</a>!'),
        (b"\xc3\xa9 www.a.com.", 'é <a href="http://www.a.com">www.a.com</a>.'),
        ("http://a/?b=1&c=2", '<a href="http://a/?b=1&amp;c=2">http://a/?b=1&amp;c=2</a>'),
        ("<http://a/b>", '&lt;<a href="http://a/b">http://a/b</a>&gt;'),
        ("(see http://a/b_(c))", '(see <a href="http://a/b_(c)">http://a/b_(c)</a>)'),
        ("http://a/b((c))", '<a href="http://a/b">http://a/b</a>((c))'),
        ("http://a/b(c", '<a href="http://a/b">http://a/b</a>(c'),
        ("'http://a/' \"http://b\"", "&#x27;%s&#x27; &quot;%s&quot;"),
        ("http://é.ws/樹", '<a href="http://é.ws/樹">http://é.ws/樹</a>'),
        ("HTTPS://a", '<a href="HTTPS://a">HTTPS://a</a>'),
        ("http:/a/b", '<a href="http:/a/b">http:/a/b</a>'),
        ("xwww.a.com xhttp://a", "xwww.a.com xhttp://a"),
        ("javascript://a/%0aalert(1) file:///a", "javascript://a/%0aalert(1) file:///a"),
        ("http://a.....,;:!?", '<a href="http://a">http://a</a>.....,;:!?'),
        ("http://a/ http://a/", "%s %s"),
    ],
)
def test_linkify_makes_links_and_escapes_the_rest(text: str | bytes, expected: str) -> None:
    links = {"'": ("http://a/", "http://b"), "h": ("http://a/", "http://a/")}
    if "%s" in expected:
        urls = links[str(text)[0]]
        expected %= tuple(f'<a href="{url}">{url}</a>' for url in urls)
    assert linkify(text) == expected


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("www.a.com", {"require_protocol": True}, "www.a.com"),
        (
            "rdar:/1 http://a",
            {"permitted_protocols": ["rdar"]},
            '<a href="rdar:/1">rdar:/1</a> http://a',
        ),
        (
            "www.a.com",
            {"extra_params": ' rel="nofollow" '},
            '<a href="http://www.a.com" rel="nofollow">www.a.com</a>',
        ),
        (
            "www.a.com http://b",
            {"extra_params": lambda url: 'class="in"' if url == "http://www.a.com" else ""},
            '<a href="http://www.a.com" class="in">www.a.com</a> <a href="http://b">http://b</a>',
        ),
    ],
)
def test_linkify_does_as_it_is_told(text: str, options: dict[str, Any], expected: str) -> None:
    assert linkify(text, **options) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://short.example.com/a/b/c", "http://short.example.com/a/b/c"),
        ("http://reallylong.com/link/that/goes/on", "http://reallylong.com/link..."),
        ("http://reallylong.com/index.html?a=123456", "http://reallylong.com/index..."),
        ("http://reallylong.com/abcdefghijkl/mn", "http://reallylong.com/abcdefgh..."),
        ("www.reallylongdomain.com/link/that/goes/on", "www.reallylongdomain.com/link..."),
        ("http://" + "d" * 50 + ".com/", "http://" + "d" * 23 + "..."),
    ],
)
def test_linkify_shows_long_urls_in_short(url: str, shown: str) -> None:
    href = url if url.startswith("http") else "http://" + url
    title = f' title="{href}"' if shown != url else ""
    assert linkify(url, shorten=True) == f'<a href="{href}"{title}>{shown}</a>'


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.sampled_from(["http://", "www.", "a", "<", '"', "'", "&", "(", ")", " ", ".", "é", ":"])
    ).map("".join)
)
def test_linkified_text_reads_as_before_and_cannot_break_out(text: str) -> None:
    """Without the tags that it made, and unescaped, it is the text."""
    plain = ""
    for piece in linkify(text).split("<"):
        tag, closing, rest = piece.rpartition(">")
        assert tag in ("", "/a") or (tag.startswith('a href="') and tag.count('"') == 2)
        plain += rest if closing else piece
    assert xhtml_unescape(plain) == text


def test_the_examples_of_the_module_are_true() -> None:
    assert doctest.testmod(escape) == (0, 1)


#: What made patterns of old try each way to cut a text, and what makes each function work hard.
HOSTILE = [
    "http://a" + "(" * 50_000,
    "http://a(" * 20_000,
    "http://a" + "." * 100_000,
    "http://a" + "()" * 50_000 + "(",
    "a" * 100_000 + ":",
    "www." * 25_000,
    "http://a/&" * 20_000,
    "&" * 100_000,
    "&#" * 50_000,
    "&a" * 50_000 + ";",
    " \x00" * 50_000 + "a",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
@pytest.mark.parametrize("function", [linkify, squeeze, xhtml_unescape, xhtml_escape])
def test_no_text_takes_more_than_its_share_of_time(
    function: Callable[[str], str], text: str
) -> None:
    """In a time that grows with the square these would take minutes."""
    assert isinstance(function(text), str)


@pytest.mark.parametrize(
    ("function", "data", "most"),
    [
        (linkify, "www.a " * 10_000, 30),
        (xhtml_unescape, "&a;" * 20_000, 30),
        (url_escape, "é<" * 30_000, 30),
        (parse_qs_bytes, b"a=" + b"%41" * 100_000, 12),
        (parse_qs_bytes, b"a=" + b"%" * 300_000, 12),
    ],
)
def test_memory_stays_in_proportion(function: Callable[[Any], Any], data: Any, most: int) -> None:
    """So many bytes at once for each of the argument."""
    tracemalloc.start()
    try:
        function(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= most * len(data)
