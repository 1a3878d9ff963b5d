"""Connections: how long they live, the order of answers on them, and what else they may become."""

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
from tests.http.battery.site import BIG

_GET = want(200, b"get")
_NEXT = request("GET /get")
_SAYS_CLOSE = want(200, b"get", lists={"connection": ("close",)})
_SAYS_KEEP_ALIVE = want(200, b"get", lists={"connection": ("keep-alive",)})


def _closes(name: str, section: str, *fields: str, version: str = "1.1") -> Case:
    raw = request(f"GET /get HTTP/{version}", *fields) + CANARY
    if version == "1.0":
        # Its clients take the end for granted unless they are told otherwise.
        return case(name, section, raw, _GET, ENDED)
    return case(name, section, raw, _SAYS_CLOSE, CLOSED)


def _goes_on(name: str, section: str, *fields: str) -> Case:
    raw = request("GET /get", *fields)
    return case(name, section, (raw, Until(1), raw), (_GET, _GET))


LIFE = (
    _goes_on("1.1 goes on", "RFC 9112 §9.3"),
    _goes_on("1.1 with keep-alive goes on", "RFC 9112 §9.3", "Connection: keep-alive"),
    _goes_on("Keep-Alive is no option", "RFC 9112 §9.3", "Keep-Alive: timeout=1, max=1"),
    _goes_on("unknown option", "RFC 9110 §7.6.1", "Connection: x"),
    _goes_on("option that begins like close", "RFC 9110 §7.6.1", "Connection: closed, close-x"),
    _goes_on("empty option", "RFC 9110 §5.6.1", "Connection: ,"),
    _goes_on("another field says close", "RFC 9110 §7.6.1", "Proxy-Connection: close"),
    _closes("close", "RFC 9112 §9.6", "Connection: close"),
    _closes("close in capitals", "RFC 9110 §7.6.1", "Connection: CLOSE"),
    _closes("close in a list", "RFC 9110 §7.6.1", "Connection: x,\tclose , y"),
    _closes("close in a second line", "RFC 9110 §7.6.1", "Connection: x", "Connection: close"),
    _closes("close beats keep-alive", "RFC 9112 §9.3", "Connection: keep-alive, close"),
    _closes("1.0 closes", "RFC 9112 §9.3", version="1.0"),
    _closes("1.0 with close closes", "RFC 9112 §9.3", "Connection: close", version="1.0"),
    _closes("1.0 with another option closes", "RFC 9112 §9.3", "Connection: x", version="1.0"),
    case(
        "1.0 with keep-alive goes on",
        "RFC 9112 §9.3",
        (
            request("GET /get HTTP/1.0", "Connection: Keep-Alive"),
            Until(1),
            request("GET /get HTTP/1.0", "Connection: keep-alive"),
        ),
        (_SAYS_KEEP_ALIVE, _SAYS_KEEP_ALIVE),
    ),
    case(
        "1.0 gets no chunks",
        "RFC 9112 §6.1",
        request("GET /parts HTTP/1.0", "Connection: keep-alive") + CANARY,
        want(200, b"onetwothree", lacks=("transfer-encoding",)),
        CLOSED,
    ),
    case(
        "1.0 with TE gets no chunks",
        "RFC 9112 §7.4",
        request("GET /parts HTTP/1.0", "TE: chunked", "Connection: TE"),
        want(200, b"onetwothree", lacks=("transfer-encoding",)),
        ENDED,
    ),
    case(
        "TE that forbids nothing",
        "RFC 9112 §7.4",
        request("GET /parts", "TE: trailers, chunked;q=0", "Connection: TE"),
        want(200, b"onetwothree"),
    ),
    case(
        "close after content",
        "RFC 9112 §9.6",
        with_length("POST /every", b"hi", "Connection: close") + CANARY,
        want(200, b"hi", "POST"),
        CLOSED,
    ),
    case(
        "close with chunks",
        "RFC 9112 §9.6",
        with_chunks("POST /every", chunks(b"hi"), "Connection: close") + CANARY,
        want(200, b"hi", "POST"),
        CLOSED,
    ),
    case(
        "close of an answer in parts",
        "RFC 9112 §9.6",
        request("GET /parts", "Connection: close") + CANARY,
        want(200, b"onetwothree"),
        CLOSED,
    ),
    case("close of an error", "RFC 9112 §9.6", request("GET /nothing", "Connection: close"),
         want(404), CLOSED),
)  # fmt: skip

PIPELINES = (
    case("three at once", "RFC 9112 §9.3.2", _NEXT * 3, (_GET,) * 3),
    case("fifty at once", "CVE-2023-46137", _NEXT * 50, (_GET,) * 50),
    case(
        "slow, then fast",
        "RFC 9112 §9.3.2",
        request("GET /slow") + _NEXT + request("GET /slow") + _NEXT,
        (want(200, b"slow"), _GET, want(200, b"slow"), _GET),
    ),
    case(
        "parts, then whole",
        "CVE-2024-41671",
        request("GET /parts") + _NEXT + request("GET /big") + _NEXT,
        (want(200, b"onetwothree"), _GET, want(200, BIG), _GET),
    ),
    case(
        "content among requests",
        "RFC 9112 §9.3.2",
        with_length("POST /every", b"a") + with_chunks("POST /every", chunks(b"b")) + _NEXT,
        (want(200, b"a", "POST"), want(200, b"b", "POST"), _GET),
    ),
    case(
        "HEAD among GETs",
        "RFC 9112 §6.3",
        _NEXT + request("HEAD /get") + _NEXT,
        (_GET, want(200, b"", "HEAD"), _GET),
    ),
    case(
        "errors among others",
        "RFC 9112 §9.3.2",
        request("GET /nothing") + _NEXT + request("GET /failing") + _NEXT,
        (want(404), _GET, want(500), _GET),
        fails=True,
    ),
    case(
        "good, then bad, then good",
        "CVE-2022-31015",
        _NEXT + b"BAD /\r\n\r\n" + CANARY,
        (_GET, want(400)),
        CLOSED,
        asked=("/get",),
    ),
    case(
        "slow, then bad, then good",
        "CVE-2022-31015",
        request("GET /slow") + b"GET /get HTTP/1.1\r\nHost : h\r\n\r\n" + CANARY,
        (want(200, b"slow"), want(400)),
        CLOSED,
        asked=("/slow",),
    ),
    case(
        "head in two pieces behind another request",
        "RFC 9112 §9.3.2",
        (_NEXT + _NEXT[:10], Until(1), _NEXT[10:]),
        (_GET, _GET),
    ),
)

HALF_CLOSED = (
    case("request, then no more", "RFC 9112 §9.6", (_NEXT, Shut()), _GET, ENDED),
    case("pipeline, then no more", "RFC 9112 §9.6", (_NEXT * 5, Shut()), (_GET,) * 5, ENDED),
    case(
        "slow answer after no more",
        "RFC 9112 §9.6",
        (request("GET /slow"), Shut()),
        want(200, b"slow"),
        ENDED,
    ),
    case(
        "parts after no more",
        "RFC 9112 §9.6",
        (request("GET /parts"), Shut()),
        want(200, b"onetwothree"),
        ENDED,
    ),
    case(
        "large answer after no more",
        "RFC 9112 §9.6",
        (request("GET /big"), Shut()),
        want(200, BIG),
        ENDED,
    ),
    case(
        "content, then no more",
        "RFC 9112 §9.6",
        (with_length("POST /every", b"hi"), Shut()),
        want(200, b"hi", "POST"),
        ENDED,
    ),
    case("nothing, then no more", "RFC 9112 §9.5", (Shut(),), (), ENDED, asked=()),
    case("empty lines, then no more", "RFC 9112 §2.2", (b"\r\n\r\n", Shut()), (), ENDED, asked=()),
    case(
        "half a head, then no more",
        "RFC 9112 §8",
        (b"GET /get HTTP/1.1\r\nHost:", Shut()),
        want(400),
        CLOSED,
        asked=(),
    ),
    case(
        "good, half a head, then no more",
        "RFC 9112 §8",
        (_NEXT + b"GET /ge", Shut()),
        (_GET, want(400)),
        CLOSED,
        asked=("/get",),
    ),
)


def _ignored(name: str, section: str, *fields: str, version: str = "1.1") -> Case:
    after = EITHER if version == "1.0" else ENDED
    steps = (request(f"GET /get HTTP/{version}", *fields), Until(1), Shut())
    return case(name, section, steps, want(200, b"get", lacks=("upgrade",)), after)


UPGRADES = (
    _ignored("Upgrade without its option", "RFC 9110 §7.8", "Upgrade: echo"),
    _ignored("Upgrade to what nobody knows", "RFC 9110 §7.8", "Connection: upgrade", "Upgrade: x"),
    _ignored("option without Upgrade", "RFC 9110 §7.8", "Connection: upgrade"),
    _ignored(
        "Upgrade to HTTP/2 in clear",
        "RFC 9113 §3.1",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: junk",
    ),
    _ignored(
        "Upgrade in HTTP/1.0",
        "RFC 9110 §7.8",
        "Connection: upgrade",
        "Upgrade: echo",
        version="1.0",
    ),
    case(
        "another protocol",
        "RFC 9110 §7.8",
        (
            request("GET /switching", "Connection: x, UPGRADE", "Upgrade: echo"),
            Until(1),
            b"\n",
        ),
        want(101, has={"upgrade": "echo"}, lists={"connection": ("upgrade",)}),
        ENDED,
    ),
    case(
        "option that ends like upgrade",
        "aiohttp 3.14.0",
        request("GET /get", "Connection: notupgrade", "Upgrade: websocket") + _NEXT,
        (_GET, _GET),
    ),
    case(
        "request to the new protocol that the old one never sees",
        "RFC 9110 §7.8",
        (request("GET /switching", "Connection: upgrade", "Upgrade: echo"), Until(1), b"\n"),
        want(101),
        ENDED,
        asked=("/switching",),
    ),
)

CONNECTIONS = (*LIFE, *PIPELINES, *HALF_CLOSED, *UPGRADES)
