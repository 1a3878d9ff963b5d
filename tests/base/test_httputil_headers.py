"""`httputil.HTTPHeaders`: a mapping, what may stand in it, and lines."""

import copy
import pickle
from collections.abc import Callable

import pytest

from toolkit.httputil import HTTP_WHITESPACE, HTTPHeaders, HTTPInputError, normalize_name

# -- a mapping ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("content-type", "Content-Type"),
        ("CONTENT-TYPE", "Content-Type"),
        ("cOnTeNt-tYpE", "Content-Type"),
        ("x", "X"),
        ("x-1-a", "X-1-A"),
        ("WWW-Authenticate", "Www-Authenticate"),
        ("-", "-"),
    ],
)
def test_names_are_kept_in_one_form(name: str, normal: str) -> None:
    assert normalize_name(name) == normal
    assert list(HTTPHeaders({name: "x"})) == [normal]


def test_the_case_of_a_name_does_not_matter() -> None:
    headers = HTTPHeaders()
    headers["content-TYPE"] = "text/html"
    assert headers["Content-Type"] == headers["CONTENT-TYPE"] == "text/html"
    assert "content-type" in headers
    assert headers.get("content-type") == "text/html"
    assert headers.get_list("cONTENT-type") == ["text/html"]
    del headers["CONTENT-type"]
    assert "Content-Type" not in headers
    assert len(headers) == 0


def test_a_missing_name_is_a_key_error() -> None:
    headers = HTTPHeaders()
    with pytest.raises(KeyError):
        _ = headers["X"]
    with pytest.raises(KeyError):
        del headers["X"]
    assert headers.get("X") is None
    assert headers.get("X", "default") == "default"
    assert headers.get_list("X") == []
    assert 1 not in headers
    assert None not in headers


def test_several_values_read_as_one_and_apart() -> None:
    headers = HTTPHeaders()
    for value in ("a=b", "c=d", "a=b"):
        headers.add("set-cookie", value)
    headers.add("X", "y")
    assert headers["Set-Cookie"] == "a=b,c=d,a=b"
    assert headers.get_list("Set-Cookie") == ["a=b", "c=d", "a=b"]
    assert len(headers) == 2
    assert list(headers.get_all()) == [
        ("Set-Cookie", "a=b"),
        ("Set-Cookie", "c=d"),
        ("Set-Cookie", "a=b"),
        ("X", "y"),
    ]
    assert list(headers.fields()) == list(headers.get_all())
    assert dict(headers) == {"Set-Cookie": "a=b,c=d,a=b", "X": "y"}


def test_setting_a_name_replaces_all_its_values() -> None:
    headers = HTTPHeaders()
    headers.add("X", "1")
    headers.add("X", "2")
    headers["x"] = "3"
    assert headers.get_list("X") == ["3"]


def test_a_list_sets_several_values() -> None:
    headers = HTTPHeaders({"X": ["1", "2"], "Y": ["3"], "Z": []})
    assert list(headers.get_all()) == [("X", "1"), ("X", "2"), ("Y", "3")]
    headers["x"] = ["4"]
    assert headers.get_list("X") == ["4"]
    with pytest.raises(HTTPInputError):
        headers["X"] = ["5", "\n"]
    assert headers.get_list("X") == ["4"]


def test_fields_gives_a_pair_for_each_value() -> None:
    headers = HTTPHeaders()
    assert list(headers.fields()) == []
    headers.put("A", "1")
    headers.add("B", "2")
    assert list(headers.fields()) == [("A", "1"), ("B", "2")]
    headers.add("A", "3")
    assert list(headers.fields()) == [("A", "1"), ("A", "3"), ("B", "2")]
    assert len(headers.fields()) == 3
    del headers["A"]
    assert list(headers.fields()) == [("B", "2")]


def test_a_list_that_was_given_is_nobody_elses() -> None:
    headers = HTTPHeaders()
    for _ in range(2):
        headers.add("X", "1")
        headers.get_list("X").append("2")
    assert headers.get_list("X") == ["1", "1"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: HTTPHeaders({"a": "1", "b-c": "2"}),
        lambda: HTTPHeaders([("a", "1"), ("b-c", "2")]),
        lambda: HTTPHeaders(HTTPHeaders({"a": "1", "b-c": "2"})),
        lambda: HTTPHeaders({"a": "1"}, **{"b-c": "2"}),
        lambda: HTTPHeaders(HTTPHeaders(a="1"), **{"b-c": "2"}),
        lambda: HTTPHeaders.parse("a: 1\r\nb-c: 2\r\n"),
        lambda: HTTPHeaders.received([("a", "1"), ("b-c", "2")]),
        lambda: HTTPHeaders.trusted({"A": "1", "B-C": "2"}),
    ],
)
def test_headers_are_made_in_many_ways(make: Callable[[], HTTPHeaders]) -> None:
    headers = make()
    assert headers == {"A": "1", "B-C": "2"}
    assert headers == HTTPHeaders({"B-C": "2", "A": "1"})
    assert headers != HTTPHeaders({"A": "1"})
    assert list(headers) == ["A", "B-C"]


def test_the_methods_of_mappings_work() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.update({"B": "2"}, c="3")
    assert headers.setdefault("A", "x") == "1"
    assert headers.setdefault("d", "4") == "4"
    assert headers.pop("b") == "2"
    assert sorted(headers.items()) == [("A", "1"), ("C", "3"), ("D", "4")]
    headers.clear()
    assert not headers


@pytest.mark.parametrize(
    "duplicate",
    [
        HTTPHeaders.copy,
        copy.copy,
        copy.deepcopy,
        HTTPHeaders,
        lambda headers: pickle.loads(pickle.dumps(headers)),
    ],
)
def test_a_copy_changes_apart(duplicate: Callable[[HTTPHeaders], HTTPHeaders]) -> None:
    headers = HTTPHeaders()
    for value in ("1", "2"):
        headers.add("X", value)
    headers["Y"] = "3"
    other = duplicate(headers)
    assert isinstance(other, HTTPHeaders)
    assert list(other.fields()) == list(headers.fields())
    other.add("X", "4")
    other["Y"] = "5"
    assert headers.get_list("X") == ["1", "2"]
    assert headers["Y"] == "3"
    headers.add("X", "6")
    assert other.get_list("X") == ["1", "2", "4"]


def test_headers_are_shown_as_lines() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.add("b", "2")
    headers.add("b", "3")
    assert str(headers) == headers.__unicode__() == "A: 1\nB: 2\nB: 3\n"
    assert HTTPHeaders.parse(str(headers)) == headers
    assert repr(headers) == "HTTPHeaders([('A', '1'), ('B', '2'), ('B', '3')])"


# -- what may stand in it ----------------------------------------------------------------


WAYS: dict[str, Callable[[str, str], HTTPHeaders]] = {
    "set": lambda name, value: HTTPHeaders([(name, value)]),
    "add": lambda name, value: _added(name, value),
    "update": lambda name, value: HTTPHeaders({name: value}),
}


def _added(name: str, value: str) -> HTTPHeaders:
    headers = HTTPHeaders()
    headers.add(name, value)
    return headers


each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@each_way
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a:",
        ":a",
        "a\r\nX",
        "a\n",
        "a\x00",
        "a\t",
        " a",
        "a ",
        "a(b)",
        'a"',
        "a/b",
        "a,b",
        "\xe9",
        "na\xefve",
        "\u0130",
        "\u212a",  # the sign for kelvin, whose lower case is "k"
        "\u540d",
        "a\x7f",
    ],
)
def test_a_name_that_is_no_token_is_refused(
    way: Callable[[str, str], HTTPHeaders], name: str
) -> None:
    """RFC 9110 §5.1"""
    with pytest.raises(HTTPInputError, match="a token is allowed"):
        way(name, "x")


@each_way
@pytest.mark.parametrize("name", ["X", "x_y", "!#$%&'*+-.^`|~", "0", "_"])
def test_every_token_is_a_name(way: Callable[[str, str], HTTPHeaders], name: str) -> None:
    assert way(name, "x")[name] == "x"


@each_way
@pytest.mark.parametrize(
    "value",
    ["a\r\nX: y", "a\r", "a\n", "\x00", "a\x0b", "\x1f", "a\x7f", "\u20ac", "\u0660", "\u2028"],
)
@pytest.mark.parametrize("name", ["X", "X-Y", "Content-Type", "location"])
def test_a_value_with_a_control_character_is_refused(
    way: Callable[[str, str], HTTPHeaders], name: str, value: str
) -> None:
    """Nor may a character stand in it that is more than one byte. RFC 9110 §5.5"""
    with pytest.raises(HTTPInputError, match="control character"):
        way(name, value)


@each_way
@pytest.mark.parametrize("value", ["", "a b", "a\tb", "\xe9\xff", '"\\', "x" * 100_000])
def test_other_values_are_kept_as_they_are(
    way: Callable[[str, str], HTTPHeaders], value: str
) -> None:
    assert way("X", value)["X"] == value


@each_way
@pytest.mark.parametrize(
    ("name", "value"), [("X", bytearray()), ("X", 5), ("X", None), (b"X", "y")]
)
def test_what_is_no_text_is_a_type_error(
    way: Callable[[object, object], HTTPHeaders], name: object, value: object
) -> None:
    with pytest.raises(TypeError, match="str is needed"):
        way(name, value)


@each_way
def test_bytes_are_a_value_of_one_character_each(
    way: Callable[[object, object], HTTPHeaders],
) -> None:
    """And are checked as text is."""
    assert way("X", b"a\xff")["X"] == "a\xff"
    with pytest.raises(HTTPInputError, match="control character"):
        way("X", b"a\r\nb")


def test_a_list_holds_text_and_bytes_alone() -> None:
    assert HTTPHeaders({"X": ["1", b"2"]}).get_list("X") == ["1", "2"]
    with pytest.raises(TypeError, match="str is needed"):
        HTTPHeaders({"X": ["1", 2]})


@pytest.mark.parametrize("value", ["\u20ac", "\u6d4b\u8bd5.txt", "\u2028", "\U0001f600"])
def test_characters_beyond_a_byte_stand_in_headers_of_a_body_only(value: str) -> None:
    """Where they are said to be no bytes; control characters are refused all the same."""
    headers = HTTPHeaders.parse(f"X: {value}", _chars_are_bytes=False)
    headers.add("X", value, _chars_are_bytes=False)
    headers.parse_line(f"X: {value}", _chars_are_bytes=False)
    assert headers.get_list("X") == [value] * 3
    for control in "\x00\r\n\x1f\x7f":
        with pytest.raises(HTTPInputError):
            headers.add("X", value + control, _chars_are_bytes=False)
    with pytest.raises(HTTPInputError):
        headers.add("X" + value, "y", _chars_are_bytes=False)
    for way in (headers.parse_line, HTTPHeaders.parse):
        with pytest.raises(HTTPInputError):
            way(f"X: {value}")


def test_an_error_shows_little_of_what_was_sent() -> None:
    for name, value in (("x y" * 10_000, ""), ("X", "\n" * 10_000)):
        with pytest.raises(HTTPInputError) as error:
            HTTPHeaders({name: value})
        assert len(str(error.value)) < 300


# -- lines -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_parsed(end: str) -> None:
    lines = ["a: 1", "B:2", "c: \t3 4\t ", "d:", "a: 5:6"]
    headers = HTTPHeaders.parse(end.join(lines) + end)
    assert list(headers.fields()) == [
        ("A", "1"),
        ("A", "5:6"),
        ("B", "2"),
        ("C", "3 4"),
        ("D", ""),
    ]
    assert HTTPHeaders.parse(end.join(lines)) == headers
    assert HTTPHeaders.parse(end.join(lines) + end * 2) == headers


def test_parse_line_adds_to_what_is_there() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.parse_line("a: 2")
    headers.parse_line("b: 3\r\n")
    headers.parse_line("")
    headers.parse_line("\r\n")
    assert list(headers.fields()) == [("A", "1"), ("A", "2"), ("B", "3")]


@pytest.mark.parametrize(
    "lines",
    [
        "nonsense",
        "a: 1\nnonsense",
        ": x",
        "a : x",
        " a: x",
        "a: 1\r\n folded\r\n",
        "a: 1\r\n folded: too\r\n",
        "a: 1\rb: 2",
        "a: 1\r\r\n",
        "a: \x00",
        "\xe9: x",
        "a\x85b: 1",
    ],
)
def test_malformed_lines_are_refused(lines: str) -> None:
    """Folded ones too. RFC 9112 §5.2"""
    with pytest.raises(HTTPInputError):
        HTTPHeaders.parse(lines)


def test_only_space_and_tab_surround_a_value() -> None:
    """RFC 9110 §5.5: not what else Python takes for whitespace."""
    assert HTTP_WHITESPACE == " \t"
    assert HTTPHeaders.parse("a: \t x\xa0\t ")["a"] == "x\xa0"


def test_only_line_feeds_end_lines() -> None:
    """Not what else Python takes for a line end."""
    assert dict(HTTPHeaders.parse("a: \x85\xa0x")) == {"A": "\x85\xa0x"}
