"""`httputil`: URLs, credentials, dates, start lines and the interfaces of servers."""

import doctest
import importlib
import inspect
import pkgutil
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from toolkit import httputil
from toolkit.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
    date_now,
    encode_username_password,
    format_timestamp,
    parse_request_start_line,
    parse_response_start_line,
    qs_to_qsl,
    responses,
    split_host_and_port,
    url_concat,
)

ROOMS = [f"toolkit.httputil.{module.name}" for module in pkgutil.iter_modules(httputil.__path__)]


@pytest.mark.parametrize("name", ROOMS)
def test_the_examples_in_the_docs_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


# -- URLs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "args", "expected"),
    [
        ("http://h/a", {"b": "c"}, "http://h/a?b=c"),
        ("http://h/a", [("b", "1"), ("b", "2")], "http://h/a?b=1&b=2"),
        ("http://h/a", (("b", "1"), ("c", "2")), "http://h/a?b=1&c=2"),
        ("http://h/a?b=c", {"d": "e"}, "http://h/a?b=c&d=e"),
        ("http://h/a?", {"b": "c"}, "http://h/a?b=c"),
        ("http://h/a?b", {"c": "d"}, "http://h/a?b=&c=d"),
        ("http://h/a?b&", {"c": "d"}, "http://h/a?b=&c=d"),
        ("http://h/a#f", {"b": "c"}, "http://h/a?b=c#f"),
        ("http://h/a?b#f", {}, "http://h/a?b=#f"),
        ("http://h/a?b#f", None, "http://h/a?b#f"),
        ("/a", {"b": "/?#&= +\xe9\u20ac"}, "/a?b=%2F%3F%23%26%3D+%2B%C3%A9%E2%82%AC"),
        ("/a?b=%E9%FF+%20%2B", {"c": "d"}, "/a?b=%E9%FF++%2B&c=d"),
        ("/a?b=\u20ac", {"c": "d"}, "/a?b=%E2%82%AC&c=d"),
        ("/a?b;c", {"d": "e"}, "/a?b%3Bc=&d=e"),
        ("?a=b", {"c": 1}, "?a=b&c=1"),
    ],
)
def test_arguments_are_added_to_a_url(url: str, args: Any, expected: str) -> None:
    """Its own are kept, even where they are no UTF-8."""
    assert url_concat(url, args) == expected


@pytest.mark.parametrize("args", ["a=b", b"a=b", 1, {"a"}, iter([("a", "b")])])
def test_arguments_of_another_type_are_refused(args: Any) -> None:
    with pytest.raises(TypeError, match="dict, list or tuple"):
        url_concat("/", args)


def test_values_by_name_become_pairs() -> None:
    assert list(qs_to_qsl({"a": ["1", "2"], "b": [], "c": ["3"]})) == [
        ("a", "1"),
        ("a", "2"),
        ("c", "3"),
    ]
    assert list(qs_to_qsl({"a": [b"1"]})) == [("a", b"1")]


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
        ("::1:80", ("::1", 80)),
        (":80", (":80", None)),
        ("example.com:80\n", ("example.com:80\n", None)),
        ("example.com:99999", ("example.com", 99999)),
        ("example.com:" + "9" * 5000, ("example.com:" + "9" * 5000, None)),
        ("1.2.3.4:5", ("1.2.3.4", 5)),
    ],
)
def test_host_and_port_are_split(netloc: str, expected: tuple[str, int | None]) -> None:
    assert split_host_and_port(netloc) == expected


# -- credentials -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("Aladdin", "open sesame", b"Aladdin:open sesame"),
        ("test", "123\xa3", b"test:123\xc2\xa3"),
        ("a", "b:c", b"a:b:c"),
        ("", "", b":"),
        ("e\u0301", "e\u0301", b"\xc3\xa9:\xc3\xa9"),
        (b"\xff", b"\xfe:", b"\xff:\xfe:"),
    ],
)
def test_credentials_are_bytes_of_normalized_text(
    username: str | bytes, password: str | bytes, expected: bytes
) -> None:
    """RFC 7617 §2, §2.1; bytes stay as they are."""
    assert encode_username_password(username, password) == expected


@pytest.mark.parametrize("username", ["a:b", b"a:b", ":"])
def test_a_colon_in_a_user_name_is_refused(username: str | bytes) -> None:
    """Who reads it would take the rest for the password. RFC 7617 §2"""
    with pytest.raises(ValueError, match="colon"):
        encode_username_password(username, "c")


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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET / HTTP/1.1", ("GET", "/", "HTTP/1.1")),
        ("get /a?b HTTP/1.0", ("get", "/a?b", "HTTP/1.0")),
        ("OPTIONS * HTTP/1.1", ("OPTIONS", "*", "HTTP/1.1")),
        ("M-SEARCH http://h/\xe9 HTTP/1.2", ("M-SEARCH", "http://h/\xe9", "HTTP/1.2")),
    ],
)
def test_a_request_line_is_read(line: str, expected: tuple[str, str, str]) -> None:
    """RFC 9112 §3"""
    assert parse_request_start_line(line) == RequestStartLine(*expected)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET /",
        "GET / ",
        "GET  HTTP/1.1",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / HTTP/1\u06611",
        "GET / HTTP/1.\u0661",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "G\xe9T / HTTP/1.1",
        "G(T) / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\t HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\u20ac HTTP/1.1",
        "GET /" + "\n" * 10_000,
    ],
)
def test_another_request_line_is_refused(line: str) -> None:
    with pytest.raises(HTTPInputError) as error:
        parse_request_start_line(line)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("HTTP/1.1 200 OK", ("HTTP/1.1", 200, "OK")),
        ("HTTP/1.0 404 Not Found", ("HTTP/1.0", 404, "Not Found")),
        ("HTTP/1.1 200 ", ("HTTP/1.1", 200, "")),
        ("HTTP/1.1 007 ", ("HTTP/1.1", 7, "")),
        ("HTTP/1.1 999 a b ", ("HTTP/1.1", 999, "a b ")),
        ("HTTP/1.2 599 \xe9\t!", ("HTTP/1.2", 599, "\xe9\t!")),
    ],
)
def test_a_status_line_is_read(line: str, expected: tuple[str, int, str]) -> None:
    """RFC 9112 §4"""
    assert parse_response_start_line(line) == ResponseStartLine(*expected)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 200",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 2_0 OK",
        "HTTP/1.1 \u0662\u0660\u0660 OK",
        "HTTP/1.1  200 OK",
        "HTTP/2.0 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 \x00",
        "HTTP/1.1 200 \u20ac",
    ],
)
def test_another_status_line_is_refused(line: str) -> None:
    with pytest.raises(HTTPInputError):
        parse_response_start_line(line)


# -- interfaces --------------------------------------------------------------------------


LINE = ResponseStartLine("HTTP/1.1", 200, "OK")


def test_a_connection_has_to_write() -> None:
    connection = HTTPConnection()
    with pytest.raises(NotImplementedError):
        connection.write_headers(LINE, HTTPHeaders(), b"x")
    with pytest.raises(NotImplementedError):
        connection.write(b"x")
    with pytest.raises(NotImplementedError):
        connection.finish()


def test_a_delegate_has_to_start_requests_and_may_pass_over_the_rest() -> None:
    with pytest.raises(NotImplementedError):
        HTTPServerConnectionDelegate().start_request(object(), HTTPConnection())
    HTTPServerConnectionDelegate().on_close(object())
    message = HTTPMessageDelegate()
    assert message.headers_received(LINE, HTTPHeaders()) is None
    assert message.data_received(b"x") is None
    message.finish()
    message.on_connection_close()


def test_every_public_name_has_a_docstring() -> None:
    for name in httputil.__all__:
        value = getattr(httputil, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
