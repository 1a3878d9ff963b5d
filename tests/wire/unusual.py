"""Requests that look odd and are right: a table of bytes and of what they mean.

Plain data, the counterpart of the table of hostile requests. What these bytes say is beyond
doubt under RFC 9112, so a server that refuses one of them refuses honest clients.
"""

from dataclasses import dataclass

from tests.wire.hostile import CANARY
from toolkit.wire.http1 import DEFAULT_LIMITS, Limits

_HOST = ("host", "h")
_GET = ("GET", "/", "HTTP/1.1", "h")
_POST = ("POST", "/", "HTTP/1.1", "h")
_CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
_CODING = (_HOST, ("transfer-encoding", "chunked"))


@dataclass(frozen=True, slots=True)
class Unusual:
    """One request that has to be accepted.

    Attributes:
        name: unique.
        raw: one whole request.
        start: method, target, version and host of its head.
        fields: all its fields, names in lower case.
        body: its content.
        trailers: the fields after it.
        keeps_alive: whether a request that follows is read.
        limits: what the machine allows; the default ones unless the entry is about them.
    """

    name: str
    raw: bytes
    start: tuple[str, str, str, str] = _GET
    fields: tuple[tuple[str, str], ...] = (_HOST,)
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()
    keeps_alive: bool = True
    limits: Limits = DEFAULT_LIMITS


def _field(name: str, line: bytes, *expected: tuple[str, str]) -> Unusual:
    raw = b"GET / HTTP/1.1\r\nHost: h\r\n" + line + b"\r\n\r\n"
    return Unusual(name, raw, fields=(_HOST, *expected))


def _target(name: str, method: str, target: str, host: str) -> Unusual:
    raw = f"{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode("latin-1")
    return Unusual(name, raw, (method, target, "HTTP/1.1", host))


def _host(name: str, host: str) -> Unusual:
    raw = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    return Unusual(name, raw, ("GET", "/", "HTTP/1.1", host), (("host", host),))


def _chunks(
    name: str,
    body: bytes,
    content: bytes,
    *trailers: tuple[str, str],
    limits: Limits = DEFAULT_LIMITS,
) -> Unusual:
    return Unusual(name, _CHUNKED + body, _POST, _CODING, content, trailers, limits=limits)


_FIELDS = (
    _field("spaces around a value", b"X:   y  z   ", ("x", "y  z")),
    _field("tabs around a value", b"X:\t\ty\tz\t", ("x", "y\tz")),
    _field("no space before a value", b"X:y", ("x", "y")),
    _field("empty value", b"X:", ("x", "")),
    _field("value of whitespace", b"X: \t ", ("x", "")),
    _field("colons in a value", b"X: a:b::c", ("x", "a:b::c")),
    _field("Latin-1 in a value", b"X: caf\xe9", ("x", "caf\xe9")),
    _field("UTF-8 in a value", "X: café".encode(), ("x", "caf\xc3\xa9")),
    _field("no-break spaces around a value", b"X: \xa0y\x85", ("x", "\xa0y\x85")),
    _field(
        "name of all marks of a token", b"!#$%&'*+-.^_`|~09azAZ: y", ("!#$%&'*+-.^_`|~09azaz", "y")
    ),
    _field("name in odd case", b"aCCEPT: */*", ("accept", "*/*")),
    _field("name of one character", b"1: y", ("1", "y")),
    _field("the same name twice", b"X: a\r\nx: b", ("x", "a"), ("x", "b")),
    _field(
        "two values of a field that has one",
        b"Content-Type: a/b\r\ncontent-type: c/d",
        ("content-type", "a/b"),
        ("content-type", "c/d"),
    ),
    _field(
        "value of all that is allowed",
        b"X: " + bytes([*range(0x21, 0x7F), 0x09, *range(0x80, 0x100), 0x20, 0x21]),
        ("x", bytes([*range(0x21, 0x7F), 9, *range(0x80, 0x100), 0x20, 0x21]).decode("latin-1")),
    ),
    _field("underscore in a name", b"Content_Length: 5", ("content_length", "5")),
    _field("coding of another name", b"TE: trailers, chunked", ("te", "trailers, chunked")),
    _field(
        "old WebSocket key",
        b"Sec-WebSocket-Key1: 4 @1  46546",
        ("sec-websocket-key1", "4 @1  46546"),
    ),
    _field(
        "unknown connection option", b"Connection: x, Keep-Alive", ("connection", "x, Keep-Alive")
    ),
    _field("connection of empty items", b"Connection: ,, ,", ("connection", ",, ,")),
    _field("expectation without content", b"Expect: 100-Continue", ("expect", "100-Continue")),
    _field("length of zero", b"Content-Length: 0", ("content-length", "0")),
    _field(
        "length of many zeros",
        b"Content-Length: 000000000000000000000000",
        ("content-length", "0" * 24),
    ),
)

_TARGETS = (
    Unusual("minor version to come", b"GET / HTTP/1.9\r\nHost: h\r\n\r\n"),
    Unusual(
        "expectation of nothing",
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect:\r\nContent-Length: 0\r\n\r\n",
        _POST,
        (_HOST, ("expect", ""), ("content-length", "0")),
    ),
    _target("unknown method", "PROPFIND", "/", "h"),
    _target("method in lower case", "get", "/", "h"),
    _target("method of marks", "!#$%&'*+-.^_`|~", "/", "h"),
    _target("method named as an attribute", "__init__", "/", "h"),
    _target("method named as a method of a handler", "FINISH", "/", "h"),
    _target("path that starts with two slashes", "GET", "//evil/a", "h"),
    _target("path with all that browsers leave", "GET", "/a|b^c`d{e}[f]\\g~!$&'()*+,;=:@%41", "h"),
    _target("path in Latin-1", "GET", "/caf\xe9", "h"),
    _target("path with a bad escape", "GET", "/%zz%", "h"),
    _target("path with an absolute URI", "GET", "/http://a/b", "h"),
    _target("query with question marks", "GET", "/?a?b=/?", "h"),
    _target("asterisk form", "OPTIONS", "*", "h"),
    _target("path with OPTIONS", "OPTIONS", "/*", "h"),
    _target("absolute form that overrides Host", "GET", "http://other:8080/a?b", "other:8080"),
    _target("absolute form without a path", "GET", "http://other", "other"),
    _target("absolute form with a query alone", "GET", "http://other?a", "other"),
    _target("absolute form of another scheme", "GET", "HTTPS://Other.Example/", "Other.Example"),
    _target("absolute form of IPv6", "GET", "http://[2001:db8::1]:80/", "[2001:db8::1]:80"),
    _target("absolute form with OPTIONS", "OPTIONS", "http://other", "other"),
)

_HOSTS = (
    _host("empty Host", ""),
    _host("Host with a port", "example.com:8080"),
    _host("Host with an empty port", "example.com:"),
    _host("Host with the largest port", "h:65535"),
    _host("Host of IPv4", "192.0.2.1"),
    _host("Host of IPv6", "[::1]"),
    _host("Host of IPv6 with a port", "[2001:DB8::192.0.2.1]:443"),
    _host("Host with a dot at the end", "example.com."),
    _host("Host with marks", "a_b-c~!$&'()*+,;=%41"),
)

_MESSAGES = (
    Unusual("LF for each CRLF", b"GET / HTTP/1.1\nHost: h\n\n"),
    Unusual("LF for each CRLF, after an empty line", b"\r\nGET / HTTP/1.1\nHost: h\n\n"),
    Unusual("five empty lines first", b"\r\n" * 5 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    Unusual(
        "CONNECT",
        b"CONNECT other:443 HTTP/1.1\r\nHost: h\r\n\r\n",
        ("CONNECT", "other:443", "HTTP/1.1", "other:443"),
        keeps_alive=False,
    ),
    Unusual(
        "CONNECT to IPv6",
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
        ("CONNECT", "[::1]:443", "HTTP/1.1", "[::1]:443"),
        (("host", "[::1]:443"),),
        keeps_alive=False,
    ),
    Unusual(
        "HTTP/1.0 without fields",
        b"GET / HTTP/1.0\r\n\r\n",
        ("GET", "/", "HTTP/1.0", ""),
        (),
        keeps_alive=False,
    ),
    Unusual(
        "HTTP/1.0 with an absolute form",
        b"GET http://h/ HTTP/1.0\r\n\r\n",
        ("GET", "http://h/", "HTTP/1.0", "h"),
        (),
        keeps_alive=False,
    ),
    Unusual(
        "HTTP/1.0 that goes on",
        b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        ("GET", "/", "HTTP/1.0", ""),
        (("connection", "Keep-Alive"),),
    ),
    Unusual(
        "HTTP/1.0 with an unknown expectation",
        b"GET / HTTP/1.0\r\nExpect: anything\r\n\r\n",
        ("GET", "/", "HTTP/1.0", ""),
        (("expect", "anything"),),
        keeps_alive=False,
    ),
    Unusual(
        "HTTP/1.1 that closes, in odd case",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x,\tCLOSE\r\n\r\n",
        fields=(_HOST, ("connection", "x,\tCLOSE")),
        keeps_alive=False,
    ),
    Unusual(
        "GET whose content is a request",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 39\r\n\r\n" + CANARY,
        fields=(_HOST, ("content-length", "39")),
        body=CANARY,
    ),
    Unusual(
        "offer to upgrade whose content is a request",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Content-Length: 39\r\n\r\n" + CANARY,
        fields=(
            _HOST,
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("content-length", "39"),
        ),
        body=CANARY,
    ),
    Unusual(
        "HEAD whose content is a request in a chunk",
        b"HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n27\r\n"
        + CANARY
        + b"\r\n0\r\n\r\n",
        ("HEAD", "/", "HTTP/1.1", "h"),
        _CODING,
        CANARY,
    ),
    Unusual(
        "length with zeros before",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0000000000000000000005\r\n\r\nhello",
        _POST,
        (_HOST, ("content-length", "0000000000000000000005")),
        b"hello",
    ),
    Unusual(
        "length with tabs around",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\t5\t \r\n\r\nhello",
        _POST,
        (_HOST, ("content-length", "5")),
        b"hello",
    ),
    Unusual(
        "coding in odd case",
        b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-ENCODING: \tChUnKeD \r\n\r\n0\r\n\r\n",
        _POST,
        (_HOST, ("transfer-encoding", "ChUnKeD")),
    ),
    Unusual(
        "content of line ends",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
        _POST,
        (_HOST, ("content-length", "8")),
        b"\r\n\r\n\r\n\r\n",
    ),
)

_BODIES = (
    _chunks("no chunk but the last", b"0\r\n\r\n", b""),
    _chunks("chunk size in upper case", b"A\r\nhellohello\r\n0\r\n\r\n", b"hellohello"),
    _chunks("chunk size in lower case", b"a\r\nhellohello\r\n0\r\n\r\n", b"hellohello"),
    _chunks("chunk size of 16 digits", b"0000000000000005\r\nhello\r\n0000\r\n\r\n", b"hello"),
    _chunks("chunk of line ends", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    _chunks("chunk of a last chunk", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    _chunks("several chunks", b"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", b"abcdef"),
    _chunks("extension", b"5;a\r\nhello\r\n0;b\r\n\r\n", b"hello"),
    _chunks("extension with a value", b"5;a=b;c=d\r\nhello\r\n0\r\n\r\n", b"hello"),
    _chunks("extension with spaces", b"5 \t; a \t=\t b ;c\r\nhello\r\n0\r\n\r\n", b"hello"),
    _chunks("extension in quotes", b'5;a="b c;d=e,\t\xe9"\r\nhello\r\n0\r\n\r\n', b"hello"),
    _chunks("extension with escapes", b'5;a="\\"\\\\\\a"\r\nhello\r\n0\r\n\r\n', b"hello"),
    _chunks("extension of empty quotes", b'5;a=""\r\nhello\r\n0\r\n\r\n', b"hello"),
    _chunks(
        "signed chunks",
        b"400;chunk-signature=" + b"0" * 64 + b"\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n",
        b"x" * 1024,
        limits=Limits(chunk_overhead=0),
    ),
    _chunks("trailers", b"0\r\nX: y\r\nZ:\r\n\r\n", b"", ("x", "y"), ("z", "")),
    _chunks(
        "trailers that are dropped", b"0\r\nHost: a\r\nX: y\r\nCookie: b\r\n\r\n", b"", ("x", "y")
    ),
)

_LIMITS = (
    Unusual(
        "field line at the limit",
        b"GET / HTTP/1.1\r\nHost: h\r\nX:1234567890123456789\r\n\r\n",
        fields=(_HOST, ("x", "1234567890123456789")),
        limits=Limits(line=21),
    ),
    Unusual(
        "request line at the limit",
        b"GET /2345678 HTTP/1.1\r\nHost: h\r\n\r\n",
        ("GET", "/2345678", "HTTP/1.1", "h"),
        limits=Limits(line=21),
    ),
    Unusual(
        "head at the limit",
        b"GET / HTTP/1.1\r\nHost: h\r\nX:34567890\r\n\r\n",
        fields=(_HOST, ("x", "34567890")),
        limits=Limits(head=35),
    ),
    Unusual(
        "fields at the limit",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 19 + b"\r\n",
        fields=(_HOST, *[("x", "y")] * 19),
        limits=Limits(fields=20),
    ),
    Unusual(
        "length at the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        _POST,
        (_HOST, ("content-length", "5")),
        b"hello",
        limits=Limits(body=5),
    ),
    _chunks(
        "chunks at the limit",
        b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"hello",
        limits=Limits(body=5),
    ),
    _chunks(
        "chunk overhead at the limit",
        b"1;345678\r\nx\r\n1;345678\r\ny\r\n0\r\n\r\n",
        b"xy",
        limits=Limits(chunk_overhead=10),
    ),
    _chunks(
        "trailers at the limit", b"0\r\nX: y\r\n\r\n", b"", ("x", "y"), limits=Limits(trailers=4)
    ),
)

UNUSUAL = (*_FIELDS, *_TARGETS, *_HOSTS, *_MESSAGES, *_BODIES, *_LIMITS)
