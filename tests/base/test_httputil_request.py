"""`httputil.HTTPServerRequest`: what a handler sees of a request."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.httputil import (
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    ParseBodyConfig,
    ParseUrlEncodedConfig,
    RequestStartLine,
    set_parse_body_config,
)
from toolkit.wire.events import RequestHead

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: a/b\r\n\r\n'
    b"2\r\n--b--\r\n"
)

CONNECTION = SimpleNamespace(
    context=SimpleNamespace(remote_ip="192.0.2.7", protocol="https", host="")
)


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
    server = object()
    by_hand = HTTPServerRequest(start_line=line, connection=CONNECTION, server_connection=server)
    assert (by_hand.connection, by_hand.server_connection) == (CONNECTION, server)


def test_a_request_without_a_connection_has_defaults() -> None:
    """For tests of handlers; so in Tornado."""
    request = HTTPServerRequest()
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


def test_the_host_may_be_what_a_proxy_says() -> None:
    """Which the context has if the proxy is trusted."""
    context = SimpleNamespace(remote_ip="192.0.2.7", protocol="https", host="Public.example:8443")
    connection = SimpleNamespace(context=context)
    fields = [("host", "inner:80")]
    head = RequestHead("GET", "/", fields, host="inner:80")
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    for request in (
        HTTPServerRequest.received(head, connection),
        HTTPServerRequest(
            start_line=line, headers=HTTPHeaders.received(fields), connection=connection
        ),
    ):
        assert (request.host, request.host_name) == ("Public.example:8443", "public.example")
        assert request.full_url() == "https://Public.example:8443/"
    assert received(host="inner:80").host == "inner:80"
    assert received().host == "127.0.0.1"


def test_trailers_are_those_that_came_so_far() -> None:
    connection = SimpleNamespace(context=CONNECTION.context, trailers=())
    request = HTTPServerRequest.received(RequestHead("POST", "/"), connection)
    assert request.trailers == {}
    connection.trailers = [("x-sum", "1"), ("x-sum", "2")]
    assert request.trailers.get_list("X-Sum") == ["1", "2"]
    assert HTTPServerRequest().trailers == {}


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


def test_a_body_without_a_type_is_no_form() -> None:
    request = received("/?a=1", "POST")
    request.body = b"b=2"
    assert request.body_arguments == request.files == {}
    assert request.arguments == {"a": [b"1"]}


def test_a_malformed_body_is_an_error_on_use_only() -> None:
    request = received(method="POST", fields=[("content-type", "multipart/form-data; boundary=b")])
    request.body = b"nonsense"
    assert request.query_arguments == {}
    for name in ("body_arguments", "files", "arguments"):
        with pytest.raises(HTTPInputError):
            getattr(request, name)


# -- limits of queries -------------------------------------------------------------------


def test_a_query_has_at_most_1000_arguments() -> None:
    """Those of a body are limited, and a query is a form too: CVE-2025-61726 (Go)."""
    assert len(received("/?" + "&".join(["a=1"] * 1000)).query_arguments["a"]) == 1000
    request = received("/?" + "a&" * 400_000)
    for name in ("query_arguments", "arguments"):
        with pytest.raises(HTTPInputError, match="Max number of fields exceeded"):
            getattr(request, name)


def test_a_request_by_hand_is_refused_at_once() -> None:
    with pytest.raises(HTTPInputError, match="Max number of fields exceeded"):
        HTTPServerRequest(start_line=RequestStartLine("GET", "/?" + "&" * 1000, "HTTP/1.1"))
    with pytest.raises(HTTPInputError, match="characters above"):
        HTTPServerRequest(start_line=RequestStartLine("GET", "/?\u20ac", "HTTP/1.1"))


def test_the_limit_on_arguments_can_be_set() -> None:
    set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=2)))
    try:
        assert received("/?a&b").query_arguments == {"a": [b""], "b": [b""]}
        with pytest.raises(HTTPInputError, match="3 fields"):
            _ = received("/?a&b&c").query_arguments
    finally:
        set_parse_body_config(ParseBodyConfig())


def test_the_limit_on_arguments_can_be_none_at_all() -> None:
    set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=0)))
    try:
        assert received("/").query_arguments == {}
        with pytest.raises(HTTPInputError, match="1 fields in a query; 0 are allowed"):
            _ = received("/?a=1").query_arguments
    finally:
        set_parse_body_config(ParseBodyConfig())


@pytest.mark.parametrize(
    "query", ["a=1", "a", "a=", "=", "=1", "a=b=c", "a=%41", "a=1+2", "a=\xe9", "\xe9", "a;b=1"]
)
def test_one_argument_is_read_as_any(query: str) -> None:
    first, *rest = received(f"/?{query}&z=1").query_arguments.items()
    assert rest == [("z", [b"1"])]
    assert received(f"/?{query}").query_arguments == dict([first])


def test_query_arguments_can_be_set() -> None:
    request = received("/?a=1")
    request.query_arguments = {"b": [b"2"]}
    assert request.query_arguments == request.arguments == {"b": [b"2"]}


def test_only_ampersands_separate_arguments() -> None:
    """CVE-2021-23336 (Python): a cache that splits at semicolons would see other arguments."""
    assert received("/?a=1;b=2&c=3").query_arguments == {"a": [b"1;b=2"], "c": [b"3"]}


# -- cookies -----------------------------------------------------------------------------


def values(*headers: str) -> dict[str, str]:
    """Return the cookies of a request by name."""
    request = received(fields=[("cookie", header) for header in headers])
    assert request.cookies is request.cookies
    return {name: morsel.value for name, morsel in request.cookies.items()}


def test_cookies_are_morsels() -> None:
    assert values('a=1; b="x y"; __Host-c=d=e') == {"a": "1", "b": "x y", "__Host-c": "d=e"}
    morsel = received(fields=[("cookie", "a=1")]).cookies["a"]
    assert (morsel.key, morsel.value, morsel["path"]) == ("a", "1", "")


def test_without_a_header_there_are_no_cookies() -> None:
    assert values() == {}
    assert HTTPServerRequest().cookies == {}


def test_cookies_in_several_fields_are_one_list() -> None:
    """As HTTP/2 may send them. RFC 9113 §8.2.3"""
    assert values("a=1; b=2", "c=3") == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("bad", ["=x", "x", "b c=1", "path=/", "b\x01=1", "b=\x01", "{}=1", ";;="])
def test_a_cookie_that_no_morsel_can_be_leaves_the_others(
    bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2026-3644 (Python): nor does it raise, or write a line into the log."""
    with caplog.at_level("DEBUG"):
        assert values(f"a=1; {bad}; z=2") == {"a": "1", "z": "2"}
    assert caplog.records == []


def test_ten_thousand_bad_cookies_are_no_event(caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2025-69230 (aiohttp): a warning for each fills the disk."""
    with caplog.at_level("DEBUG"):
        assert values("a=1;" + "b c=1;" * 10_000) == {"a": "1"}
    assert caplog.records == []


# -- certificates ------------------------------------------------------------------------


class Certified:
    """A stream over TLS, as far as a request looks at it."""

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return what tells the two forms apart."""
        return b"DER" if binary_form else {"subject": ()}


def test_the_certificate_of_the_client_is_that_of_the_stream() -> None:
    connection = SimpleNamespace(context=CONNECTION.context, stream=Certified())
    request = HTTPServerRequest.received(RequestHead("GET", "/"), connection)
    assert request.get_ssl_certificate() == {"subject": ()}
    assert request.get_ssl_certificate(binary_form=True) == b"DER"


@pytest.mark.parametrize("connection", [None, CONNECTION, SimpleNamespace(stream=object())])
def test_without_tls_there_is_no_certificate(connection: object) -> None:
    request = HTTPServerRequest(connection=connection)
    assert request.get_ssl_certificate() is None
    assert request.get_ssl_certificate(binary_form=True) is None
