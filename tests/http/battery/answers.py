"""Answers: their framing by method and status, and handlers that write what they should not."""

from tests.http.battery.case import CANARY, CLOSED, CUT, EITHER, ENDED, Case, case, request, want
from tests.http.battery.site import BIG

_GET = want(200, b"get")
_NEXT = request("GET /get")


def _head(name: str, target: str, status: int, *, length: str | None = None) -> Case:
    """HEAD says what GET would, and the next answer is where it should be."""
    has = {} if length is None else {"content-length": length}
    return case(
        f"HEAD of {name}",
        "RFC 9110 §9.3.2",
        request(f"HEAD {target}") + _NEXT,
        (want(status, b"", "HEAD", has=has), _GET),
        fails=status == 500,
    )


HEADS_ONLY = (
    _head("a handler of GET", "/get", 200, length="3"),
    _head("a handler in parts", "/parts", 200),
    _head("a large answer", "/big", 200, length=str(len(BIG))),
    _head("a file", "/static/file.txt", 200, length="100"),
    _head("an empty file", "/static/empty.txt", 200, length="0"),
    _head("nothing", "/nothing", 404),
    _head("a directory", "/static/", 403),
    _head("a handler that fails", "/failing", 500),
    _head("a slow handler", "/slow", 200, length="4"),
    _head("a 204", "/status/204", 204),
    case(
        "HEAD in HTTP/1.0",
        "RFC 9110 §9.3.2",
        request("HEAD /get HTTP/1.0"),
        want(200, b"", "HEAD"),
        ENDED,
    ),
    case(
        "HEAD that closes",
        "RFC 9112 §9.6",
        request("HEAD /get", "Connection: close") + CANARY,
        want(200, b"", "HEAD"),
        CLOSED,
    ),
)


def _bare(status: int, section: str, **more: object) -> Case:
    return case(
        f"no content with {status}",
        section,
        request(f"GET /status/{status}") + _NEXT,
        (want(status, b"", **more), _GET),  # type: ignore[arg-type]
    )


STATUSES = (
    _bare(204, "RFC 9110 §15.3.5", lacks=("content-length", "transfer-encoding", "content-type")),
    _bare(205, "RFC 9110 §15.3.6"),
    _bare(304, "RFC 9110 §15.4.5", lacks=("transfer-encoding",)),
    *(
        case(
            f"content with {status} although there may be none",
            section,
            request(f"GET /wrong/{status}") + _NEXT,
            (want((status, 500)), _GET),
            fails=True,
        )
        for status, section in (
            (204, "RFC 9110 §15.3.5"),
            (205, "RFC 9110 §15.3.6"),
            (304, "RFC 9110 §15.4.5"),
        )
    ),
    *(
        case(f"status {status}", "RFC 9110 §15", request(f"GET /status/{status}"), want(status))
        for status in (200, 201, 203, 299, 300, 400, 402, 409, 418, 499, 500, 503, 599)
    ),
    case(
        "error page tells its length",
        "RFC 9110 §8.6",
        request("GET /nothing") + _NEXT,
        (want(404, has={"content-length": None, "content-type": None}), _GET),
    ),
    case(
        "refusal tells its length, date and type",
        "RFC 9110 §6.6.1",
        b"BAD /\r\n\r\n",
        want(400, has={"content-length": None, "content-type": None, "date": None}),
        CLOSED,
    ),
    case(
        "failure without a trace",
        "CVE-2024-34069",
        request("GET /failing") + _NEXT,
        (
            want(
                500,
                b"<html><title>500: Internal Server Error</title>"
                b"<body>500: Internal Server Error</body></html>",
            ),
            _GET,
        ),
        fails=True,
    ),
    case(
        "content in parts goes in chunks",
        "RFC 9112 §7.1",
        request("GET /parts"),
        want(200, b"onetwothree", has={"transfer-encoding": "chunked"}),
    ),
    case("large content", "RFC 9112 §6.2", request("GET /big") + _NEXT, (want(200, BIG), _GET)),
    case(
        "content with an entity tag that the client has",
        "RFC 9110 §13.1.2",
        request("GET /get", "If-None-Match: *") + _NEXT,
        (want(304, b"", has={"etag": None}), _GET),
    ),
    case(
        "condition on an answer that is no 200",
        "RFC 9110 §13.2.1",
        request("GET /nothing", "If-None-Match: *"),
        want(404),
    ),
)

BROKEN = (
    case(
        "failure in the middle of an answer",
        "RFC 9112 §8",
        request("GET /breaking") + CANARY,
        want(200),
        CUT,
        fails=True,
    ),
    case(
        "answer shorter than its length",
        "RFC 9110 §8.6",
        request("GET /short") + CANARY,
        want(200),
        CUT,
        fails=True,
    ),
    case(
        "answer longer than its length",
        "RFC 9110 §8.6",
        request("GET /long"),
        want(500),
        EITHER,
        fails=True,
    ),
)

_INJECTION = "%0D%0ASet-Cookie:%20evil=1%0D%0A%0D%0A" + "HTTP/1.1%20200%20OK%0D%0A"
_SPLITS = ("%0D%0ASet-Cookie:%20evil=1", "%0ASet-Cookie:%20evil=1", "%0D%20x", "%00", "%7F")

INJECTIONS = (
    *(
        case(
            f"{place} that would end its line: {number}",
            "CVE-2012-2374",
            request(f"GET /inject/{place}?v=x{value}") + _NEXT,
            (want((302, 400, 500), lacks=("set-cookie",)), _GET),
            fails=True,
        )
        for place in ("value", "name", "reason", "cookie", "redirect", "error")
        for number, value in enumerate((_INJECTION, *_SPLITS))
    ),
    case(
        "name that is no token",
        "RFC 9110 §5.1",
        request("GET /inject/name?v=a%20b"),
        want(500),
        fails=True,
    ),
    case(
        "reason that is markup",
        "CVE-2025-67724",
        request("GET /inject/error?v=%3Cb%3E"),
        want(400, b"<html><title>400: Unknown</title><body>400: Unknown</body></html>"),
    ),
    case(
        "redirect to a place beyond ISO 8859-1 whose low byte is LF",
        "CVE-2018-1000164",
        request("GET /inject/redirect?v=/%E5%98%8ASet-Cookie:%20a"),
        want(302, lacks=("set-cookie",)),
    ),
)

ANSWERS = (*HEADS_ONLY, *STATUSES, *BROKEN, *INJECTIONS)
