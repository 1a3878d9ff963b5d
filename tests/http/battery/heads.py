"""Request line, target, Host and fields: what has to be taken, and how it is understood.

What has to be refused there stands in `tests.wire.hostile`; here is of it what shows only in a
whole server.
"""

from tests.http.battery.case import CANARY, CLOSED, EITHER, ENDED, Case, case, request, want
from tests.http.battery.site import ATTRIBUTES

_GET = want(200, b"get")
_REFUSED = want(400)
_NO_METHOD = want((405, 501))

REQUEST_LINES = (
    case("plain GET", "RFC 9112 §3", request("GET /get"), _GET),
    case("empty line before the first request", "RFC 9112 §2.2", b"\r\n" + request("GET /"), _GET),
    case(
        "empty line between requests",
        "RFC 9112 §2.2",
        request("GET /get") + b"\r\n" + request("GET /get"),
        (_GET, _GET),
    ),
    case(
        "empty line after content, as old clients send it",
        "RFC 9112 §2.2",
        request("POST /every", "Content-Length: 2", body=b"hi\r\n") + request("GET /get"),
        (want(200, b"hi", "POST"), _GET),
    ),
    case(
        "request line of 8000 bytes",
        "RFC 9112 §3",
        request("GET /get?" + "a" * 7977),
        _GET,
    ),
    case(
        "target that is too long",
        "RFC 9110 §15.5.15",
        request("GET /get?" + "a" * 70_000) + CANARY,
        want(414),
        CLOSED,
        asked=(),
    ),
    case("minor version to come", "RFC 9110 §2.5", request("GET /get HTTP/1.9"), _GET),
    case(
        "major version to come",
        "RFC 9110 §15.6.6",
        request("GET /get HTTP/2.0") + CANARY,
        want((400, 505)),
        CLOSED,
        asked=(),
    ),
    case(
        "no version",
        "RFC 9112 §3",
        b"GET /get\r\n\r\n" + CANARY,
        want((400, 505)),
        CLOSED,
        asked=(),
    ),
    case("HTTP/1.0 without Host", "RFC 9112 §3.2", b"GET /get HTTP/1.0\r\n\r\n", _GET, ENDED),
    case(
        "whitespace before the first field",
        "RFC 9112 §2.2",
        b"GET /get HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n" + CANARY,
        _REFUSED,
        CLOSED,
        asked=(),
    ),
    case(
        "bad request, then a good one",
        "CVE-2022-31015",
        b"BAD /\r\n\r\n" + CANARY,
        _REFUSED,
        CLOSED,
        asked=(),
    ),
)

METHODS = (
    case("method that nobody knows", "RFC 9110 §9.1", request("FROB /get"), _NO_METHOD),
    case("method in lower case is another one", "RFC 9110 §9.1", request("get /get"), _NO_METHOD),
    case("method in mixed case is another one", "RFC 9110 §9.1", request("Get /get"), _NO_METHOD),
    case("method of marks", "RFC 9110 §9.1", request("!#$%&'*+-.^_`|~ /get"), _NO_METHOD),
    case(
        "method longer than any that there is",
        "RFC 9112 §3",
        request("A" * 4000 + " /get"),
        want((400, 405, 414, 501)),
        EITHER,
        asked=(),
    ),
    case(
        "method that nobody knows for a path that is not there",
        "RFC 9110 §9.1",
        request("FROB /nothing"),
        want((404, 405, 501)),
    ),
    *(
        case(
            f"method named as the attribute {name}",
            "CVE-2026-48817",
            request(f"{name} /get"),
            want((405, 501), method=name),
        )
        for name in (*ATTRIBUTES, "write", "_execute", "initialize")
    ),
    case(
        "method that the handler lacks",
        "RFC 9110 §15.5.6",
        request("POST /get", "Content-Length: 0"),
        want(405, method="POST", lists={"allow": ("get", "head", "options")}),
    ),
    case(
        "method that the handler lacks, with content",
        "HTTP Garden, CL.0",
        request("DELETE /get", f"Content-Length: {len(CANARY)}", body=CANARY),
        want(405, method="DELETE", lists={"allow": ("get", "head", "options")}),
        EITHER,
    ),
    *(
        case(
            f"{name} with content",
            "RFC 9110 §9.3",
            request(f"{name} /every", "Content-Length: 2", body=b"hi"),
            want(200, b"hi", name, has={"x-method": name}),
        )
        for name in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET")
    ),
    case(
        "TRACE gives nothing back",
        "RFC 9110 §9.3.8",
        request("TRACE /get", "Cookie: secret=1", "Authorization: Basic secret"),
        want((405, 501), method="TRACE", lacks=("cookie",)),
        EITHER,
    ),
    case(
        "TRACE with content",
        "RFC 9110 §9.3.8",
        request("TRACE /get", f"Content-Length: {len(CANARY)}", body=CANARY),
        want((400, 405, 501), method="TRACE"),
        EITHER,
    ),
    case(
        "CONNECT is refused, and what may be meant for a tunnel is no request",
        "RFC 9110 §9.3.6",
        request("CONNECT h:443") + CANARY,
        want((400, 404, 405, 501), method="CONNECT"),
        CLOSED,
    ),
    case(
        "OPTIONS of a resource",
        "RFC 9110 §9.3.7",
        request("OPTIONS /get"),
        want((200, 204), method="OPTIONS", lists={"allow": ("get", "head", "options")}),
    ),
    case(
        "OPTIONS of what is not there",
        "RFC 9110 §9.3.7",
        request("OPTIONS /nothing"),
        want(404, method="OPTIONS"),
    ),
    case(
        "OPTIONS of the server",
        "RFC 9110 §9.3.7",
        request("OPTIONS *"),
        want((200, 204), method="OPTIONS"),
    ),
    case(
        "OPTIONS of the server in HTTP/1.0",
        "RFC 9110 §9.3.7",
        request("OPTIONS * HTTP/1.0"),
        want((200, 204), method="OPTIONS"),
        ENDED,
    ),
    case(
        "OPTIONS of the server by an absolute URI without a path",
        "RFC 9112 §3.2.4",
        request("OPTIONS http://h"),
        want((200, 204), method="OPTIONS"),
    ),
)

_NOT_A_TARGET = (
    ("no slash", "RFC 9112 §3.2", "GET get"),
    ("at sign that moves the authority", "CVE-2026-54282", "GET @evil/"),
    ("asterisk with GET", "RFC 9112 §3.2.4", "GET *"),
    ("authority with GET", "RFC 9112 §3.2.3", "GET h:80"),
    ("fragment", "RFC 9112 §3.2", "GET /get#fragment"),
    ("user in an absolute URI", "RFC 9110 §4.2.4", "GET http://user:pass@h/get"),
    ("open bracket in an absolute URI", "CVE-2022-33124", "GET http://[::1/get"),
    ("no authority in an absolute URI", "RFC 9110 §4.2.1", "GET http:///get"),
)

TARGETS = (
    case(
        "query",
        "RFC 9112 §3.2.1",
        request("GET /seen?a=b&c=/?d"),
        want(200, b"/seen a=b&c=/?d "),
    ),
    case("empty query", "RFC 9112 §3.2.1", request("GET /seen?"), want(200, b"/seen  ")),
    case(
        "path of two slashes keeps them",
        "CVE-2026-54282",
        request("GET //evil/get"),
        want(200, b"//evil/get  "),
    ),
    case(
        "absolute URI",
        "RFC 9112 §3.2.2",
        request("GET http://h/seen?a"),
        want(200, b"/seen a "),
    ),
    case(
        "absolute URI decides on the host",
        "RFC 9112 §3.2.2",
        request("GET http://other:81/host"),
        want(200, b"other:81"),
    ),
    case(
        "absolute URI in HTTP/1.0",
        "RFC 9112 §3.2.2",
        request("GET http://other/host HTTP/1.0"),
        want(200, b"other"),
        ENDED,
    ),
    case(
        "absolute URI with the scheme in capitals",
        "RFC 9110 §4.2.3",
        request("GET HTTP://other/host"),
        want(200, b"other"),
    ),
    case(
        "absolute URI without a path",
        "RFC 9110 §4.2.3",
        request("GET http://h"),
        _GET,
        asked=("/",),
    ),
    case(
        "absolute URI without Host",
        "RFC 9112 §3.2",
        request("GET http://h/get", host=None) + CANARY,
        _REFUSED,
        CLOSED,
        asked=(),
    ),
    case(
        "dots and escapes do no harm",
        "CVE-2024-23334",
        request("GET /static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
        want((400, 403, 404)),
    ),
    case("NUL in a name of a file", "CVE-2025-69226", request("GET /static/%00"), want((400, 404))),
    case(
        "name of a file that is too long",
        "CVE-2025-69226",
        request("GET /static/" + "a" * 300),
        want((400, 404)),
    ),
    case(
        "escape that is none",
        "RFC 3986 §2.1",
        request("GET /static/%zz%"),
        want((400, 404)),
    ),
    case(
        "target that is markup is not given back as it is",
        "CVE-2022-39348",
        request("GET /nothing?<script>alert(1)</script>", host="h"),
        want((400, 404)),
        EITHER,
    ),
    *(
        case(f"not a target: {name}", section, request(line) + CANARY, _REFUSED, CLOSED, asked=())
        for name, section, line in _NOT_A_TARGET
    ),
)

HOSTS = (
    case("host", "RFC 9110 §7.2", request("GET /host", host="a.example"), want(200, b"a.example")),
    case("host and port", "RFC 9110 §7.2", request("GET /host", host="h:81"), want(200, b"h:81")),
    case("host of IPv6", "RFC 9110 §7.2", request("GET /host", host="[::1]"), want(200, b"[::1]")),
    case("empty host", "RFC 9112 §3.2", request("GET /get", host=""), _GET),
    case(
        "host after other fields", "RFC 9110 §7.2", request("GET /get", "Host: h", host=None), _GET
    ),
    case(
        "host among whitespace",
        "RFC 9110 §5.5",
        request("GET /host", host=" \t h \t"),
        want(200, b"h"),
    ),
    *(
        case(f"not a host: {name}", section, raw + CANARY, _REFUSED, CLOSED, asked=())
        for name, section, raw in (
            ("none", "RFC 9112 §3.2", request("GET /get", host=None)),
            ("two", "RFC 9112 §3.2", request("GET /get", "Host: h")),
            ("two with commas", "RFC 9112 §3.2", request("GET /get", host="h, i")),
            ("path", "CVE-2026-48710", request("GET /get", host="h/canary?x=")),
            ("user", "RFC 9110 §4.2.4", request("GET /get", host="a@h")),
            ("markup", "CVE-2022-39348", request("GET /get", host='"><script>')),
            ("name in brackets", "CVE-2025-47912", request("GET /get", host="[example.com]")),
            ("bad one in HTTP/1.0", "RFC 9112 §3.2", request("GET /get HTTP/1.0", host="h/x")),
        )
    ),
)


def _value(name: str, line: bytes, seen: bytes, section: str = "RFC 9110 §5.5") -> Case:
    return case(name, section, request("GET /value", line), want(200, seen))


FIELDS = (
    _value("whitespace around a value", b"X: \t a b \t", b'["a b"]'),
    _value("no whitespace before a value", b"X:a", b'["a"]', "RFC 9112 §5.1"),
    _value("empty value", b"X:", b'[""]'),
    _value("name in any case", b"x: a", b'["a"]', "RFC 9110 §5.1"),
    _value("several lines of one name", b"X: a\r\nY: -\r\nx: b", b'["a", "b"]', "RFC 9110 §5.3"),
    _value("bytes beyond ASCII", b"X: \xe9", b'["\\u00e9"]'),
    _value("no-break space is no whitespace", b"X: \xa0a\x85", b'["\\u00a0a\\u0085"]'),
    _value("underscore is no dash", b"X_: a\r\nX: b", b'["b"]', "gunicorn 22"),
    _value("value of 8000 bytes", b"Y: " + b"a" * 8000 + b"\r\nX: b", b'["b"]', "RFC 9110 §5.4"),
    _value("60 fields", b"Y: a\r\n" * 60 + b"X: b", b'["b"]', "RFC 9110 §5.4"),
    case(
        "length with an underscore is no length",
        "gunicorn 22",
        request("POST /every", "Content_Length: 38") + request("GET /get"),
        (want(200, b"", "POST"), _GET),
    ),
    case(
        "old WebSocket key brings no content",
        "gunicorn 20.1",
        request("GET /get", "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5") + request("GET /get"),
        (_GET, _GET),
    ),
    case(
        "more fields than anybody needs",
        "RFC 9110 §5.4",
        request("GET /get", *["X: y"] * 5000) + CANARY,
        want(431),
        CLOSED,
        asked=(),
    ),
    case(
        "field longer than anybody needs",
        "RFC 9110 §5.4",
        request("GET /get", "X: " + "y" * 100_000) + CANARY,
        want(431),
        CLOSED,
        asked=(),
    ),
    *(
        case(f"not a field: {name}", section, raw + CANARY, _REFUSED, CLOSED, asked=())
        for name, section, raw in (
            ("folded", "RFC 9112 §5.2", request("GET /get", "X: a", " b")),
            (
                "folded length",
                "CVE-2024-27982",
                request("POST /every", "X: a", " Content-Length: 3"),
            ),
            ("space before the colon", "RFC 9112 §5.1", request("GET /get", "X : a")),
            ("no colon", "RFC 9112 §5", request("GET /get", "X")),
            ("no name", "RFC 9112 §5", request("GET /get", ": a")),
            ("CR in a value", "RFC 9110 §5.5", request("GET /get", "X: a\rb")),
            ("NUL in a value", "RFC 9110 §5.5", request("GET /get", "X: a\0b")),
            ("LF as its end", "RFC 9112 §2.2", request("GET /get", "X: a\nY: b")),
        )
    ),
)

HEADS = (*REQUEST_LINES, *METHODS, *TARGETS, *HOSTS, *FIELDS)
