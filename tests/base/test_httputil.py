"""`httputil`: headers, the request object, dates and the bodies of forms."""

import copy
import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.httputil import (
    MAX_ARGUMENTS,
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    date_now,
    format_timestamp,
    normalize_name,
    parse_body_arguments,
    parse_multipart_form_data,
    responses,
    split_host_and_port,
)
from toolkit.wire.events import RequestHead

# -- HTTPHeaders: a mapping --------------------------------------------------------------


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
    assert str(headers) == "A: 1\nB: 2\nB: 3\n"
    assert HTTPHeaders.parse(str(headers)) == headers
    assert repr(headers) == "HTTPHeaders([('A', '1'), ('B', '2'), ('B', '3')])"


# -- HTTPHeaders: what may stand in it ---------------------------------------------------


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
@pytest.mark.parametrize("name", ["X", "X-Y"])
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


def test_an_error_shows_little_of_what_was_sent() -> None:
    for name, value in (("x y" * 10_000, ""), ("X", "\n" * 10_000)):
        with pytest.raises(HTTPInputError) as error:
            HTTPHeaders({name: value})
        assert len(str(error.value)) < 300


# -- HTTPHeaders: lines ------------------------------------------------------------------


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


def test_only_line_feeds_end_lines() -> None:
    """Not what else Python takes for a line end."""
    assert dict(HTTPHeaders.parse("a: \x85\xa0x")) == {"A": "\x85\xa0x"}


# -- the request -------------------------------------------------------------------------


CONNECTION = SimpleNamespace(context=SimpleNamespace(remote_ip="192.0.2.7", protocol="https"))


def received(target: str = "/", method: str = "GET", **head: Any) -> HTTPServerRequest:
    """Make the request of a head, as the server does."""
    return HTTPServerRequest.received(RequestHead(method, target, **head), CONNECTION)


def test_a_received_request_shows_its_head() -> None:
    request = received(
        "/path?a=1",
        "POST",
        fields=[("host", "Example.COM:8080"), ("x", "1"), ("x", "2")],
        host="Example.COM:8080",
        version="HTTP/1.0",
    )
    assert (request.method, request.uri, request.version) == ("POST", "/path?a=1", "HTTP/1.0")
    assert (request.path, request.query) == ("/path", "a=1")
    assert request.headers.get_list("X") == ["1", "2"]
    assert request.headers is request.headers
    assert (request.host, request.host_name) == ("Example.COM:8080", "example.com")
    assert (request.remote_ip, request.protocol) == ("192.0.2.7", "https")
    assert request.body == b""
    assert request.connection is request.server_connection is CONNECTION
    assert request.full_url() == "https://Example.COM:8080/path?a=1"


@pytest.mark.parametrize("made", [False, True])
def test_has_header_looks_at_the_head_or_at_the_headers(made: bool) -> None:
    request = received(fields=[("x-a", "1"), ("x-b", "2")])
    if made:
        del request.headers["X-B"]
    assert request.has_header("x-a")
    assert request.has_header("x-b") is not made
    assert not request.has_header("x-c")


@pytest.mark.parametrize(
    ("target", "method", "uri", "path", "query"),
    [
        ("/", "GET", "/", "/", ""),
        ("/a?b?c", "GET", "/a?b?c", "/a", "b?c"),
        ("/?", "GET", "/?", "/", ""),
        ("//a", "GET", "//a", "//a", ""),
        ("/a://b", "GET", "/a://b", "/a://b", ""),
        ("http://h/a?b", "GET", "/a?b", "/a", "b"),
        ("http://h", "GET", "/", "/", ""),
        ("http://h?a=http://x/", "GET", "/?a=http://x/", "/", "a=http://x/"),
        ("http://h//a", "GET", "//a", "//a", ""),
        ("*", "OPTIONS", "*", "*", ""),
        ("h:443", "CONNECT", "h:443", "h:443", ""),
    ],
)
def test_the_uri_is_path_and_query(
    target: str, method: str, uri: str, path: str, query: str
) -> None:
    """Also when the client sent an absolute URL. RFC 9112 §3.2"""
    request = received(target, method)
    assert (request.uri, request.path, request.query) == (uri, path, query)


def test_a_request_can_be_made_by_hand() -> None:
    headers = HTTPHeaders({"Host": "example.com"})
    request = HTTPServerRequest(
        "PUT", "/a?b=c", "HTTP/1.1", headers, b"body", connection=CONNECTION
    )
    assert (request.method, request.uri, request.version) == ("PUT", "/a?b=c", "HTTP/1.1")
    assert (request.path, request.query, request.body) == ("/a", "b=c", b"body")
    assert request.headers is headers
    assert request.host == request.host_name == "example.com"
    assert request.query_arguments == {"b": [b"c"]}


def test_a_request_by_hand_takes_a_start_line_and_a_host() -> None:
    line = RequestStartLine("HEAD", "/x", "HTTP/1.1")
    files = {"f": [HTTPFile(filename="x", body=b"", content_type="a/b")]}
    request = HTTPServerRequest(start_line=line, host="other:1", files=files)
    assert request.files is files
    assert (request.method, request.uri, request.version) == line
    assert (request.host, request.host_name) == ("other:1", "other")


def test_a_request_without_a_connection_has_defaults() -> None:
    """For tests of handlers; so in Tornado."""
    request = HTTPServerRequest(uri="/")
    assert (request.method, request.path, request.version) == ("GET", "/", "HTTP/1.0")
    assert request.body == b""
    assert isinstance(request.headers, HTTPHeaders)
    assert request.host == "127.0.0.1"
    assert request.protocol == "http"
    assert request.remote_ip is None
    assert request.full_url() == "http://127.0.0.1/"
    assert "uri='/'" in repr(request)


def test_the_repr_of_a_request_shows_no_headers_and_no_body() -> None:
    request = received("/x", fields=[("authorization", "secret")], host="h")
    request.body = b"secret"
    shown = repr(request)
    assert "secret" not in shown
    assert shown.startswith("HTTPServerRequest(protocol='https', host='h', method='GET'")


def test_request_time_tells_the_seconds_so_far() -> None:
    before = time.time()
    request = received()
    assert 0 <= request.request_time() <= time.time() - before + 0.001


def test_what_is_made_on_first_use_can_be_set() -> None:
    request = received()
    request.remote_ip = "198.51.100.1"
    request.protocol = "http"
    request.host = "x"
    assert request.full_url() == "http://x/"
    assert request.remote_ip == "198.51.100.1"


def test_arguments_come_from_the_query_and_from_the_body() -> None:
    request = received(
        "/?a=1&b=&a=2",
        "POST",
        fields=[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
    )
    request.body = b"a=3&c=%E9"
    assert request.query_arguments == {"a": [b"1", b"2"], "b": [b""]}
    assert request.body_arguments == {"a": [b"3"], "c": [b"\xe9"]}
    assert request.arguments == {"a": [b"1", b"2", b"3"], "b": [b""], "c": [b"\xe9"]}
    assert request.files == {}
    # Merging leaves the parts alone.
    assert request.query_arguments["a"] == [b"1", b"2"]
    assert request.body_arguments["a"] == [b"3"]


def test_files_come_from_the_body() -> None:
    request = received(method="POST", fields=[("content-type", "multipart/form-data; boundary=b")])
    request.body = FORM
    assert request.files == {"f": [HTTPFile(filename="x", body=b"2", content_type="a/b")]}
    assert request.body_arguments == {"a": [b"1"]}
    assert request.arguments == {"a": [b"1"]}


def test_a_malformed_body_is_an_error_on_use_only() -> None:
    request = received(method="POST", fields=[("content-type", "multipart/form-data; boundary=b")])
    request.body = b"nonsense"
    assert request.query_arguments == {}
    for name in ("body_arguments", "files", "arguments"):
        with pytest.raises(HTTPInputError):
            getattr(request, name)


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("example.com", ("example.com", None)),
        ("example.com:80", ("example.com", 80)),
        ("[::1]", ("[::1]", None)),
        ("[::1]:80", ("[::1]", 80)),
        ("example.com:", ("example.com:", None)),
        ("example.com:a", ("example.com:a", None)),
        ("example.com:\u0661", ("example.com:\u0661", None)),
        ("", ("", None)),
        ("1.2.3.4:5", ("1.2.3.4", 5)),
    ],
)
def test_host_and_port_are_split(netloc: str, expected: tuple[str, int | None]) -> None:
    assert split_host_and_port(netloc) == expected


# -- dates and lines ---------------------------------------------------------------------


TIMESTAMP = 1359312200
EXPECTED = "Sun, 27 Jan 2013 18:43:20 GMT"


@pytest.mark.parametrize(
    "value",
    [
        TIMESTAMP,
        TIMESTAMP + 0.25,
        time.gmtime(TIMESTAMP),
        tuple(time.gmtime(TIMESTAMP)),
        (2013, 1, 27, 18, 43, 20, 6, 27, 0),
        datetime(2013, 1, 27, 18, 43, 20),
        datetime(2013, 1, 27, 18, 43, 20, tzinfo=UTC),
        datetime(2013, 1, 27, 20, 13, 20, tzinfo=timezone(timedelta(hours=1, minutes=30))),
    ],
    ids=repr,
)
def test_a_time_is_written_as_http_writes_it(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the local time zone. RFC 9110 §5.6.7"""
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert format_timestamp(value) == EXPECTED
        finally:
            monkeypatch.undo()
            time.tzset()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (datetime(999, 12, 31), "Tue, 31 Dec 0999 00:00:00 GMT"),
        (datetime(9999, 12, 31, 23, 59, 59), "Fri, 31 Dec 9999 23:59:59 GMT"),
        (datetime(2012, 2, 29), "Wed, 29 Feb 2012 00:00:00 GMT"),
    ],
)
def test_times_far_away_are_written(value: Any, expected: str) -> None:
    assert format_timestamp(value) == expected


@pytest.mark.parametrize("value", ["2013-01-27", None, b"0", timedelta(1), [2013, 1, 27]])
def test_what_is_no_time_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="unknown timestamp type"):
        format_timestamp(value)


def test_date_now_is_the_current_second() -> None:
    before = int(time.time())
    found = parsedate_to_datetime(date_now()).timestamp()
    assert before <= found <= time.time()
    assert date_now().endswith(" GMT")


def test_start_lines_are_tuples() -> None:
    assert RequestStartLine("GET", "/", "HTTP/1.1") == ("GET", "/", "HTTP/1.1")
    line = ResponseStartLine("HTTP/1.1", 200, "OK")
    assert (line.version, line.code, line.reason) == ("HTTP/1.1", 200, "OK")
    assert responses[404] == "Not Found"


# -- bodies of forms ---------------------------------------------------------------------


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: a/b\r\n\r\n'
    b"2\r\n--b--\r\n"
)

Form = tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]


def parsed(content_type: str, body: bytes, headers: HTTPHeaders | None = None) -> Form:
    """Parse a body into new dicts."""
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    parse_body_arguments(content_type, body, arguments, files, headers)
    return arguments, files


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded ;charset",
    ],
)
def test_a_urlencoded_form_is_parsed(content_type: str) -> None:
    body = b"a=1&b=&a=2&c&d=%C3%A9+;x"
    assert parsed(content_type, body) == (
        {"a": [b"1", b"2"], "b": [b""], "c": [b""], "d": [b"\xc3\xa9 ;x"]},
        {},
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=b",
        'Multipart/Form-Data; charset=utf-8; BOUNDARY="b"',
        "multipart/form-data;boundary=b;x=y",
    ],
)
def test_a_multipart_form_is_parsed(content_type: str) -> None:
    arguments, files = parsed(content_type, FORM)
    assert arguments == {"a": [b"1"]}
    [file] = files["f"]
    assert (file.filename, file.body, file.content_type) == ("x", b"2", "a/b")
    assert file["filename"] == "x"


def test_fields_are_added_to_what_is_there() -> None:
    arguments = {"a": [b"0"]}
    files: dict[str, list[HTTPFile]] = {"f": []}
    parse_body_arguments("application/x-www-form-urlencoded", b"a=1", arguments, files)
    parse_multipart_form_data(b"b", FORM, arguments, files)
    assert arguments == {"a": [b"0", b"1", b"1"]}
    assert len(files["f"]) == 1


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("", None),
        ("application/json", None),
        ("text/plain", None),
        ("multipart/mixed; boundary=b", None),
        ("application/x-www-form-urlencodedx", None),
        ("multipart/form-data; boundary=b", HTTPHeaders({"Content-Encoding": "gzip"})),
        ("application/x-www-form-urlencoded", HTTPHeaders({"Content-Encoding": "gzip"})),
    ],
)
def test_another_body_adds_nothing(content_type: str, headers: HTTPHeaders | None) -> None:
    assert parsed(content_type, FORM, headers) == ({}, {})


URLENCODED = "application/x-www-form-urlencoded"
HOSTILE = {
    "too many fields": (URLENCODED, b"a&" * 400_000),
    "one field too many": (URLENCODED, b"&".join([b"a=1"] * (MAX_ARGUMENTS + 1))),
    "no boundary": ("multipart/form-data", FORM),
    "empty boundary": ('multipart/form-data; boundary=""', FORM),
    "long boundary": ("multipart/form-data; boundary=" + "b" * 71, FORM),
    "boundary not of bytes": ("multipart/form-data; boundary=\u20ac", FORM),
    "another boundary": ("multipart/form-data; boundary=c", FORM),
    "malformed parameters": ('multipart/form-data; boundary="b', FORM),
    "hostile parameters": ('multipart/form-data; !="' + "\\\\" * 500_000, FORM),
    "empty": ("multipart/form-data; boundary=b", b""),
    "no closing boundary": ("multipart/form-data; boundary=b", FORM[:-4]),
    "too many parts": ("multipart/form-data; boundary=b", FORM[:-7] * 10_000 + b"--b--"),
    "empty parts": ("multipart/form-data; boundary=b", b"--b\r\n" * 20_000 + b"--b--"),
    "line end in a name": (
        "multipart/form-data; boundary=b",
        FORM.replace(b'name="a"', b'name="a\rX: y"'),
    ),
    "bad second part": ("multipart/form-data; boundary=b", FORM.replace(b'name="f"', b"name")),
}


@pytest.mark.parametrize(("content_type", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_form_is_refused_whole(
    content_type: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is used, the message is short, and nothing is logged for each part."""
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    with caplog.at_level("DEBUG"), pytest.raises(HTTPInputError) as error:
        parse_body_arguments(content_type, body, arguments, files)
    assert len(str(error.value)) < 400
    assert arguments == files == {}
    assert caplog.records == []


def test_as_many_fields_as_allowed_are_parsed() -> None:
    arguments, _ = parsed(URLENCODED, b"&".join(b"n%d=1" % n for n in range(MAX_ARGUMENTS)))
    assert len(arguments) == MAX_ARGUMENTS


def test_the_names_of_a_form_are_its_own() -> None:
    """What the client calls a field never becomes an attribute of anything."""
    arguments, _ = parsed(URLENCODED, b"__class__=1&__proto__=2")
    assert arguments == {"__class__": [b"1"], "__proto__": [b"2"]}
