"""Content of requests: where it ends, in chunks, waited for with 100, and never read at all."""

from tests.http.battery.case import (
    CANARY,
    CLOSED,
    EITHER,
    ENDED,
    Case,
    Shut,
    Until,
    case,
    chunks,
    request,
    want,
    with_chunks,
    with_length,
)

_GET = want(200, b"get")
_NEXT = request("GET /get")
_HIDDEN = chunks(CANARY)


def _taken(body: bytes, method: str = "POST") -> object:
    return want(200, body, method)


LENGTHS = (
    case(
        "content and the next request",
        "RFC 9112 §6.2",
        with_length("POST /every", b"hello") + _NEXT,
        (want(200, b"hello", "POST"), _GET),
    ),
    case(
        "no length is no content",
        "RFC 9112 §6.3",
        request("POST /every") + _NEXT,
        (want((200, 411), None, "POST"), _GET),
    ),
    case(
        "length of zero",
        "RFC 9112 §6.3",
        with_length("POST /every", b"") + _NEXT,
        (want(200, b"", "POST"), _GET),
    ),
    case(
        "length with zeros before",
        "RFC 9110 §8.6",
        request("POST /every", "Content-Length: 0005", body=b"hello") + _NEXT,
        (want(200, b"hello", "POST"), _GET),
    ),
    case(
        "content that looks like a request",
        "RFC 9112 §6.3",
        with_length("POST /every", CANARY) + _NEXT,
        (want(200, CANARY, "POST"), _GET),
    ),
    case(
        "content of line ends",
        "RFC 9112 §6.2",
        with_length("POST /every", b"\r\n\r\n\r\n") + _NEXT,
        (want(200, b"\r\n\r\n\r\n", "POST"), _GET),
    ),
    case(
        "content apart from its head",
        "RFC 9112 §6.2",
        (request("POST /every", "Content-Length: 5"), b"he", b"llo" + _NEXT),
        (want(200, b"hello", "POST"), _GET),
    ),
    case(
        "content in HTTP/1.0",
        "RFC 9112 §6.2",
        with_length("POST /every HTTP/1.0", b"hello"),
        want(200, b"hello", "POST"),
        ENDED,
    ),
    case(
        "content that ends too early",
        "RFC 9112 §6.3",
        (request("POST /every", "Content-Length: 10", body=b"hello"), Shut()),
        want(400, method="POST"),
        CLOSED,
    ),
    case(
        "chunks that end too early",
        "RFC 9112 §8",
        (with_chunks("POST /every", b"a\r\nhello"), Shut()),
        want(400, method="POST"),
        CLOSED,
    ),
    case(
        "no last chunk",
        "RFC 9112 §8",
        (with_chunks("POST /every", b"5\r\nhello\r\n"), Shut()),
        want(400, method="POST"),
        CLOSED,
    ),
)


def _refused(name: str, section: str, raw: bytes, status: int = 400) -> Case:
    return case(name, section, raw + CANARY, want(status, method="POST"), CLOSED, asked=())


_LONG = f"Content-Length: {5 + len(CANARY)}"
REFUSED = (
    _refused(
        "length and chunks",
        "RFC 9112 §6.3",
        request("POST /every", _LONG, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    _refused(
        "chunks and length",
        "CVE-2020-10109",
        request("POST /every", "Transfer-Encoding: chunked", _LONG, body=b"0\r\n\r\n"),
    ),
    _refused(
        "length of zero, then another",
        "CVE-2020-10108",
        request("POST /every", "Content-Length: 0", f"Content-Length: {len(CANARY)}"),
    ),
    _refused("length in a list", "CVE-2019-16792", request("POST /every", "Content-Length: 0, 38")),
    _refused(
        "length of 5000 digits",
        "RFC 9110 §8.6",
        request("POST /every", "Content-Length: " + "1" * 5000),
    ),
    _refused("length with a sign", "CVE-2022-24761", request("POST /every", "Content-Length: +38")),
    _refused(
        "coding of another name",
        "CVE-2024-6827",
        request("POST /every", "Transfer-Encoding: xchunked", _LONG),
    ),
    _refused(
        "coding that is not known",
        "RFC 9112 §6.1",
        with_chunks("POST /every", _HIDDEN).replace(b": chunked", b": gzip, chunked"),
        400,
    ),
    _refused(
        "chunked twice",
        "CVE-2024-1135",
        with_chunks("POST /every", b"0\r\n\r\n", "Transfer-Encoding: chunked"),
    ),
    _refused(
        "chunks in HTTP/1.0",
        "RFC 9112 §6.1",
        with_chunks("POST /every HTTP/1.0", b"0\r\n\r\n", "Connection: keep-alive"),
    ),
    _refused(
        "more than the server takes",
        "RFC 9110 §15.5.14",
        request("POST /every", f"Content-Length: {10**12}"),
        413,
    ),
)


def _chunks(name: str, section: str, body: bytes, content: bytes) -> Case:
    return case(
        name,
        section,
        with_chunks("POST /every", body) + _NEXT,
        (want(200, content, "POST"), _GET),
    )


def _bad_chunks(name: str, section: str, body: bytes) -> Case:
    """Make a case whose content is malformed; the head may have reached its handler."""
    return case(
        name,
        section,
        with_chunks("POST /every", body) + CANARY,
        want(400, method="POST"),
        CLOSED,
    )


CHUNKS = (
    _chunks("one chunk", "RFC 9112 §7.1", chunks(b"hello"), b"hello"),
    _chunks("three chunks", "RFC 9112 §7.1", chunks(b"a", b"bc", b"def"), b"abcdef"),
    _chunks("no chunk", "RFC 9112 §7.1", chunks(), b""),
    _chunks("chunk that is a request", "RFC 9112 §7.1", chunks(CANARY), CANARY),
    _chunks("chunk that is a last chunk", "RFC 9112 §7.1", chunks(b"0\r\n\r\n"), b"0\r\n\r\n"),
    _chunks("size in capitals", "RFC 9112 §7.1", b"A\r\nhellohello\r\n0\r\n\r\n", b"hellohello"),
    _chunks("size with zeros before", "RFC 9112 §7.1", b"005\r\nhello\r\n000\r\n\r\n", b"hello"),
    _chunks("extension", "RFC 9112 §7.1.1", b"5;a=b\r\nhello\r\n0;c\r\n\r\n", b"hello"),
    _chunks("quoted extension", "RFC 9112 §7.1.1", b'5;a="b;c"\r\nhello\r\n0\r\n\r\n', b"hello"),
    _chunks("trailers", "RFC 9112 §7.1.2", chunks(b"hello", trailers=b"X: y\r\n"), b"hello"),
    case(
        "trailers for the handler",
        "RFC 9110 §6.5",
        with_chunks("POST /trailer", chunks(b"a", trailers=b"X: y\r\nZ: \r\n"), "Trailer: X, Z")
        + _NEXT,
        (want(200, b'[["x", "y"], ["z", ""]]', "POST"), _GET),
    ),
    case(
        "trailers that change framing or routing are dropped",
        "RFC 9110 §6.5.1",
        with_chunks(
            "POST /trailer",
            chunks(
                b"a",
                trailers=b"Host: evil\r\nContent-Length: 40\r\nX: y\r\nAuthorization: a\r\n"
                b"Transfer-Encoding: chunked\r\n",
            ),
        )
        + _NEXT,
        (want(200, b'[["x", "y"]]', "POST"), _GET),
    ),
    case(
        "trailers are no headers",
        "RFC 9110 §6.5.1",
        with_chunks("POST /value", chunks(b"a", trailers=b"X: b\r\n"), "X: a"),
        want(200, b'["a"]', "POST"),
    ),
    case(
        "coding in capitals",
        "RFC 9112 §7",
        request("POST /every", "Transfer-Encoding: CHUNKED", body=chunks(b"hello")) + _NEXT,
        (want(200, b"hello", "POST"), _GET),
    ),
    case(
        "chunks with GET",
        "RFC 9110 §9.3.1",
        with_chunks("GET /get", _HIDDEN) + _NEXT,
        (_GET, _GET),
    ),
    case(
        "chunks for a handler that takes them as they come",
        "RFC 9112 §7.1",
        with_chunks("POST /counting", chunks(b"a", b"bc", b"def")) + _NEXT,
        (want(200, b"6", "POST"), _GET),
    ),
    _bad_chunks("chunk longer than its size", "RFC 9112 §7.1", b"4\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("any bytes after a chunk", "CVE-2025-43859", b"5\r\nhelloXX0\r\n\r\n"),
    _bad_chunks("size with a prefix", "CVE-2022-24761", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("size beyond 64 bits", "CVE-2021-32714", b"10000000000000005\r\nhello\r\n"),
    _bad_chunks("size of 64 bits", "CVE-2021-32714", b"FFFFFFFFFFFFFFFB\r\nhello\r\n"),
    _bad_chunks("LF after a size", "CVE-2025-22871", b"5\nhello\r\n0\r\n\r\n"),
    _bad_chunks("LF in an extension", "CVE-2024-52304", b"5;\nxx\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks(
        "request for trailers", "CVE-2025-53643", b"0\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"
    ),
    _bad_chunks("folded trailer", "RFC 9112 §5.2", b"0\r\nX: a\r\n b\r\n\r\n"),
)
# A size beyond what is allowed is 413 as well as 400.
CHUNKS = tuple(
    one
    if "64 bits" not in one.name
    else case(one.name, one.section, one.steps, want((400, 413), method="POST"), CLOSED)
    for one in CHUNKS
)

_WAITING = ("Expect: 100-continue", "Content-Length: 5")
_CONTINUE = want(100, lacks=("content-length", "transfer-encoding"))

EXPECT = (
    case(
        "content after 100",
        "RFC 9110 §10.1.1",
        (request("POST /every", *_WAITING), Until(1), b"hello" + _NEXT),
        (_CONTINUE, want(200, b"hello", "POST"), _GET),
    ),
    case(
        "chunks after 100",
        "RFC 9110 §10.1.1",
        (
            with_chunks("POST /every", b"", "Expect: 100-Continue"),
            Until(1),
            chunks(b"hello") + _NEXT,
        ),
        (_CONTINUE, want(200, b"hello", "POST"), _GET),
    ),
    case(
        "content after 100, as it comes",
        "RFC 9110 §10.1.1",
        (request("POST /counting", *_WAITING), Until(1), b"hel", b"lo" + _NEXT),
        (_CONTINUE, want(200, b"5", "POST"), _GET),
    ),
    case(
        "content that did not wait for 100",
        "RFC 9110 §10.1.1",
        request("POST /every", *_WAITING, body=b"hello") + _NEXT,
        (want(200, b"hello", "POST"), _GET),
        may_interim=True,
    ),
    case(
        "no 100 without content",
        "RFC 9110 §10.1.1",
        request("GET /get", "Expect: 100-continue") + _NEXT,
        (_GET, _GET),
    ),
    case(
        "no 100 in HTTP/1.0",
        "RFC 9110 §10.1.1",
        (request("POST /every HTTP/1.0", *_WAITING), b"hello"),
        want(200, b"hello", "POST"),
        ENDED,
    ),
    case(
        "expectation in HTTP/1.0 of something else",
        "RFC 9110 §10.1.1",
        (request("POST /every HTTP/1.0", "Expect: x", "Content-Length: 5"), b"hello"),
        want((200, 417), None, "POST"),
        ENDED,
    ),
    case(
        "expectation of something else",
        "RFC 9110 §10.1.1",
        request("POST /every", "Expect: 200-ok", "Content-Length: 5", body=b"hello"),
        want((200, 417), None, "POST"),
        EITHER,
        may_interim=True,
    ),
    *(
        case(
            f"no 100 before {status}, and no request in what comes later: {what}",
            "RFC 9110 §10.1.1",
            (
                request(line, "Expect: 100-continue", f"Content-Length: {len(CANARY)}"),
                Until(1),
                CANARY,
            ),
            want(status, method="POST"),
            EITHER,
        )
        for status, what, line in (
            (404, "no such path", "POST /nothing"),
            (405, "method that the handler lacks", "POST /get"),
            (405, "method that a handler with prepare lacks", "PUT /trailer"),
            (403, "refused by prepare", "POST /refusing"),
            (200, "answered early", "POST /unread"),
            (405, "file", "POST /static/file.txt"),
        )
    ),
    case(
        "no 100 before 413",
        "RFC 9110 §10.1.1",
        request("POST /every", "Expect: 100-continue", f"Content-Length: {10**12}") + CANARY,
        want(413, method="POST"),
        CLOSED,
    ),
    *(
        case(
            f"expectation that is spelt oddly: {name}",
            "CVE-2024-24791",
            request("POST /every", field, f"Content-Length: {len(CANARY)}", body=CANARY),
            want((200, 400, 417), method="POST"),
            EITHER,
            may_interim=True,
        )
        for name, field in (
            ("word before", "Expect: y 100-continue"),
            ("list", "Expect: 100-continue, x"),
            ("folded", "Expect:\r\n 100-continue"),
            ("empty", "Expect:"),
            ("twice", "Expect: 100-continue\r\nExpect: 100-continue"),
        )
    ),
)

#: Requests that are answered without a look at their content, and how.
_EARLY = (
    ("path that is not there", "POST /nothing", 404),
    ("method that the handler lacks", "POST /get", 405),
    ("file", "POST /static/file.txt", 405),
    ("refused by prepare", "POST /refusing", 403),
    ("answered by prepare", "POST /unread", 200),
    ("failing handler", "POST /failing", 500),
    ("GET with content", "GET /get", 200),
    ("HEAD with content", "HEAD /get", 200),
    ("DELETE with content", "DELETE /get", 405),
    ("OPTIONS with content", "OPTIONS /get", (200, 204)),
    ("GET of a file with content", "GET /static/file.txt", 200),
    ("GET of nothing with content", "GET /nothing", 404),
    ("method that nobody knows", "FROB /get", (405, 501)),
    ("asterisk", "OPTIONS *", (200, 204)),
    ("refused upgrade", "GET /switching", 400),
)

UNREAD = (
    *(
        case(
            f"content that nobody reads, {how}: {name}",
            "CVE-2020-35863",
            raw,
            want(status, method=line.partition(" ")[0]),
            EITHER,
            fails="failing" in line,
        )
        for name, line, status in _EARLY
        for how, raw in (
            ("of a length", with_length(line, CANARY)),
            ("in chunks", with_chunks(line, _HIDDEN)),
        )
    ),
    case(
        "content of a refused upgrade",
        "CVE-2026-69243",
        with_length("GET /get", CANARY, "Connection: Upgrade", "Upgrade: websocket"),
        want((200, 400, 426)),
        EITHER,
    ),
    case(
        "content beyond what is thrown away ends the connection",
        "RFC 9112 §9.3",
        with_length("POST /unread", b"x" * 300_000) + CANARY,
        want(200, b"unread", "POST"),
        CLOSED,
    ),
    case(
        "client that sends no more after an early answer",
        "RFC 9112 §9.6",
        (with_length("POST /unread", b"x" * 100).replace(b"x" * 50, b"", 1), Until(1), Shut()),
        want(200, b"unread", "POST"),
        ENDED,
    ),
)

CONTENT = (*LENGTHS, *REFUSED, *CHUNKS, *EXPECT, *UNREAD)
