"""Requests that have to be refused: a table of bytes, the statuses allowed and the reason why.

Plain data, for machines and for servers on sockets alike. Whoever sends the bytes of an entry
gets one answer with one of its statuses, then the end of the connection. Each entry ends with
a second request, `CANARY`, that nobody may ever see: it is what an attacker hides behind a
message whose end two readers see in different places.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toolkit.wire.http1 import DEFAULT_LIMITS, Limits

CANARY = b"GET /canary HTTP/1.1\r\nHost: hostile\r\n\r\n"

CRLF = b"\r\n"
#: All that US-ASCII calls control characters.
CONTROLS = bytes([*range(0x20), 0x7F])
#: All beyond US-ASCII, which stand in values and targets alone.
HIGH = bytes(range(0x80, 0x100))
#: Visible characters that no token has (RFC 9110 §5.6.2).
DELIMITERS = b'"(),/:;<=>?@[\\]{}'


@dataclass(frozen=True, slots=True)
class Hostile:
    """One input that has to be refused.

    Attributes:
        name: unique; those that loop over bytes end with the byte, as in ``0x7f``.
        raw: what is sent, the canary last.
        statuses: statuses that the refusal may carry.
        reference: where the rule or the attack is written down.
        limits: what the machine allows; the default ones unless the entry is about them.
    """

    name: str
    raw: bytes
    statuses: frozenset[int]
    reference: str
    limits: Limits = DEFAULT_LIMITS


#: Name, bytes at the place that the table is about, one status or several, reference.
Row = tuple[str, bytes, int | tuple[int, ...], str]


def _statuses(allowed: int | tuple[int, ...]) -> frozenset[int]:
    return frozenset((allowed,) if isinstance(allowed, int) else allowed)


def _entries(
    prefix: str, before: bytes, rows: Iterable[Row], after: bytes, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Hostile]:
    """Put what the rows of a table have in common around them, and the canary behind."""
    for name, raw, allowed, reference in rows:
        whole = before + raw + after + CANARY
        yield Hostile(f"{prefix}: {name}", whole, _statuses(allowed), reference, limits)


def _each_byte(
    prefix: str, before: bytes, octets: bytes, after: bytes, reference: str
) -> Iterator[Hostile]:
    """Make one entry for each forbidden byte at one place; all are answered with 400."""
    for octet in octets:
        raw = before + bytes([octet]) + after + CANARY
        yield Hostile(f"{prefix} 0x{octet:02x}", raw, frozenset((400,)), reference)


# -- request line ------------------------------------------------------------------------------

_LINE = "RFC 9112 §3"
_METHOD = "RFC 9110 §9.1"

REQUEST_LINES: list[Row] = [
    ("no words at all", b" ", 400, _LINE),
    ("method alone", b"GET", 400, _LINE),
    ("HTTP/0.9", b"GET /", 400, "RFC 9112 §3"),
    ("no target", b"GET HTTP/1.1", 400, _LINE),
    ("empty target", b"GET  HTTP/1.1", 400, _LINE),
    ("empty method", b" / HTTP/1.1", 400, _LINE),
    ("no version", b"GET / ", 400, _LINE),
    ("two spaces after the method", b"GET  / HTTP/1.1", 400, _LINE),
    ("two spaces before the version", b"GET /  HTTP/1.1", 400, _LINE),
    ("tab after the method", b"GET\t/ HTTP/1.1", 400, _LINE),
    ("tab before the version", b"GET /\tHTTP/1.1", 400, _LINE),
    ("tabs for spaces", b"GET\t/\tHTTP/1.1", 400, _LINE),
    ("vertical tab for a space", b"GET\x0b/ HTTP/1.1", 400, _LINE),
    ("form feed for a space", b"GET /\x0cHTTP/1.1", 400, _LINE),
    ("no-break space for a space", b"GET\xa0/\xa0HTTP/1.1", 400, _LINE),
    ("next line for a space", b"GET\x85/\x85HTTP/1.1", 400, _LINE),
    ("ideographic space for a space", "GET\u3000/\u3000HTTP/1.1".encode(), 400, _LINE),
    ("no-break space after the method", b"GET\xa0 / HTTP/1.1", 400, _METHOD),
    ("space at the end", b"GET / HTTP/1.1 ", 400, _LINE),
    ("tab at the end", b"GET / HTTP/1.1\t", 400, _LINE),
    ("no-break space at the end", b"GET / HTTP/1.1\xa0", 400, _LINE),
    ("space at the start", b" GET / HTTP/1.1", 400, _LINE),
    ("tab at the start", b"\tGET / HTTP/1.1", 400, _LINE),
    ("space in the target", b"GET /a b HTTP/1.1", 400, _LINE),
    ("second version", b"GET / HTTP/1.1 HTTP/1.1", 400, _LINE),
    ("second target that hides a first", b"GET /public /admin HTTP/1.1", 400, _LINE),
    ("status line", b"HTTP/1.1 200 OK", 400, _LINE),
    ("version first", b"HTTP/1.1 GET /", 400, _LINE),
    ("colon after the method", b"GET: / HTTP/1.1", 400, "CVE-2024-23829"),
    ("colon after the target-like method", b"GET/: HTTP/1.1", 400, "CVE-2024-23829"),
    ("method of delimiters", b'G=":<>(e),[T];?" / HTTP/1.1', 400, "HTTP Garden #6"),
    ("method with a control character", b"GE\x01T / HTTP/1.1", 400, "HTTP Garden #14"),
    ("method that ends with NUL", b"GET\0 / HTTP/1.1", 400, _METHOD),
    ("method in Latin-1", b"G\xc9T / HTTP/1.1", 400, _METHOD),
    ("method in UTF-8", "GÉT / HTTP/1.1".encode(), 400, _METHOD),
    ("method in fullwidth letters", "ＧＥＴ / HTTP/1.1".encode(), 400, _METHOD),
    ("method after a byte order mark", "\ufeffGET / HTTP/1.1".encode(), 400, _METHOD),
    ("method in quotes", b'"GET" / HTTP/1.1', 400, _METHOD),
    ("method in brackets", b"[GET] / HTTP/1.1", 400, _METHOD),
    ("two methods with a comma", b"GET,POST / HTTP/1.1", 400, _METHOD),
    ("method with a path in it", b"GET/ / HTTP/1.1", 400, _METHOD),
]

_TARGET = "RFC 9112 §3.2"
_ABSOLUTE = "RFC 9112 §3.2.2"
_AUTHORITY = "RFC 9112 §3.2.3"
_ASTERISK = "RFC 9112 §3.2.4"
_USERINFO = "RFC 9110 §4.2.4"
_URI_HOST = "RFC 3986 §3.2.2"

TARGETS: list[Row] = [
    ("no slash", b"GET foo", 400, _TARGET),
    ("at sign that moves the authority", b"GET @evil", 400, "CVE-2026-54282"),
    ("asterisk with GET", b"GET *", 400, _ASTERISK),
    ("two asterisks with OPTIONS", b"OPTIONS **", 400, _ASTERISK),
    ("asterisk and path with OPTIONS", b"OPTIONS */a", 400, _ASTERISK),
    ("query alone", b"GET ?a=b", 400, _TARGET),
    ("fragment alone", b"GET #a", 400, _TARGET),
    ("fragment after a path", b"GET /a#b", 400, _TARGET),
    ("fragment after a query", b"GET /a?b#c", 400, _TARGET),
    ("escaped slash", b"GET %2fadmin", 400, _TARGET),
    ("backslash", b"GET \\evil", 400, _TARGET),
    ("dot", b"GET .", 400, _TARGET),
    ("dot segments without a slash", b"GET ../../etc/passwd", 400, _TARGET),
    ("quote", b'GET /"', 400, _TARGET),
    ("script", b"GET /<script>", 400, _TARGET),
    ("tab in the path", b"GET /a\tb", 400, _TARGET),
    ("NUL in the path", b"GET /a\0.html", 400, _TARGET),
    ("escape sequence in the path", b"GET /\x1b]0;x\x07", 400, "CVE-2020-7694"),
    ("authority form with GET", b"GET h:80", 400, _AUTHORITY),
    ("absolute form without an authority", b"GET http://", 400, _ABSOLUTE),
    ("absolute form with an empty authority", b"GET http:///a", 400, "RFC 9110 §4.2.1"),
    ("absolute form with only a port", b"GET http://:80/", 400, "RFC 9110 §4.2.1"),
    ("absolute form with one slash", b"GET http:/h/", 400, _ABSOLUTE),
    ("absolute form without slashes", b"GET http:h", 400, _ABSOLUTE),
    ("absolute form without a scheme", b"GET ://h/", 400, _ABSOLUTE),
    ("absolute form with a digit first", b"GET 1http://h/", 400, _ABSOLUTE),
    ("absolute form with a plus first", b"GET +http://h/", 400, _ABSOLUTE),
    ("absolute form with a user", b"GET http://user@h/", 400, _USERINFO),
    ("absolute form with a password", b"GET http://user:pass@h/", 400, _USERINFO),
    ("absolute form with an empty user", b"GET http://@h/", 400, _USERINFO),
    ("absolute form with two at signs", b"GET http://a@b@c/", 400, _USERINFO),
    ("absolute form with a backslash", b"GET http://h\\@evil/", 400, _ABSOLUTE),
    ("absolute form with a fragment", b"GET http://h/#f", 400, _ABSOLUTE),
    ("absolute form with a fragment in the host", b"GET http://h#@evil/", 400, _ABSOLUTE),
    ("absolute form with an open bracket", b"GET http://[::1/", 400, "CVE-2022-33124"),
    ("absolute form with a name in brackets", b"GET http://[example.com]/", 400, "CVE-2025-47912"),
    ("absolute form with IPv4 in brackets", b"GET http://[1.2.3.4]/", 400, "CVE-2026-25679"),
    ("absolute form with a zone", b"GET http://[::1%25eth0]/", 400, "CVE-2025-47912"),
    ("absolute form with empty brackets", b"GET http://[]/", 400, _URI_HOST),
    ("absolute form with text after brackets", b"GET http://[::1]evil/", 400, _URI_HOST),
    ("absolute form with a bare IPv6 address", b"GET http://::1/", 400, _URI_HOST),
    ("absolute form with a large port", b"GET http://h:65536/", 400, "RFC 3986 §3.2.3"),
    ("absolute form with a port of letters", b"GET http://h:8o/", 400, "RFC 3986 §3.2.3"),
    ("absolute form with a negative port", b"GET http://h:-1/", 400, "RFC 3986 §3.2.3"),
    ("absolute form with two ports", b"GET http://h:80:80/", 400, "RFC 3986 §3.2.3"),
    ("absolute form with a bad escape in the host", b"GET http://h%zz/", 400, _URI_HOST),
    ("absolute form with Latin-1 in the host", b"GET http://h\xe9/", 400, _URI_HOST),
    ("absolute form with UTF-8 in the host", "GET http://hé/".encode(), 400, _URI_HOST),
    ("absolute form with a quote in the host", b'GET http://h"/', 400, _URI_HOST),
    ("CONNECT to a path", b"CONNECT /", 400, _AUTHORITY),
    ("CONNECT without a port", b"CONNECT h", 400, _AUTHORITY),
    ("CONNECT with an empty port", b"CONNECT h:", 400, "RFC 9110 §9.3.6"),
    ("CONNECT without a host", b"CONNECT :443", 400, "RFC 9110 §9.3.6"),
    ("CONNECT to an absolute URI", b"CONNECT http://h:443/", 400, _AUTHORITY),
    ("CONNECT with a path behind", b"CONNECT h:443/", 400, _AUTHORITY),
    ("CONNECT with a user", b"CONNECT user@h:443", 400, _AUTHORITY),
    ("CONNECT to a large port", b"CONNECT h:65536", 400, _AUTHORITY),
    ("CONNECT to a port of letters", b"CONNECT h:https", 400, _AUTHORITY),
    ("CONNECT to a signed port", b"CONNECT h:+443", 400, _AUTHORITY),
    ("CONNECT to a port in Latin-1", b"CONNECT h:44\xb3", 400, _AUTHORITY),
    ("CONNECT to two ports", b"CONNECT h:443:443", 400, _AUTHORITY),
    ("CONNECT to a bare IPv6 address", b"CONNECT ::1:443", 400, _AUTHORITY),
    ("CONNECT to IPv6 without a port", b"CONNECT [::1]", 400, _AUTHORITY),
    ("CONNECT to an open bracket", b"CONNECT [::1:443", 400, _AUTHORITY),
    ("CONNECT to an asterisk", b"CONNECT *", 400, _AUTHORITY),
]

_VERSION = "RFC 9112 §2.3"
_NOT_SPOKEN = "RFC 9110 §15.6.6"

VERSIONS: list[Row] = [
    ("letter behind", b"HTTP/1.1x", 400, "HTTP Garden #5"),
    ("two digits behind", b"HTTP/1.10", 400, _VERSION),
    ("two other digits behind", b"HTTP/1.32", 400, "HTTP Garden #15"),
    ("two digits before", b"HTTP/01.1", 400, _VERSION),
    ("wrap at 8 bits", b"HTTP/257.257", 400, "HTTP Garden #24"),
    ("wrap at 32 bits", b"HTTP/4294967297.4294967297", 400, "HTTP Garden #24"),
    ("largest of 32 bits", b"HTTP/4294967295.255", 400, "HTTP Garden #24"),
    ("no minor", b"HTTP/1", 400, _VERSION),
    ("empty minor", b"HTTP/1.", 400, _VERSION),
    ("empty major", b"HTTP/.1", 400, _VERSION),
    ("no digits", b"HTTP/.", 400, _VERSION),
    ("name alone", b"HTTP/", 400, _VERSION),
    ("no slash", b"HTTP1.1", 400, _VERSION),
    ("two slashes", b"HTTP//1.1", 400, _VERSION),
    ("backslash", b"HTTP\\1.1", 400, _VERSION),
    ("lower case", b"http/1.1", 400, "HTTP Garden #40"),
    ("mixed case", b"Http/1.1", 400, _VERSION),
    ("comma", b"HTTP/1,1", 400, _VERSION),
    ("three numbers", b"HTTP/1.1.1", 400, _VERSION),
    ("minus sign", b"HTTP/-1.1", 400, _VERSION),
    ("plus sign", b"HTTP/1.+1", 400, _VERSION),
    ("hex", b"HTTP/0x1.0x1", 400, _VERSION),
    ("letters", b"HTTP/x.y", 400, _VERSION),
    ("any character for the dot, UTF-8", "HTTP/1ö1".encode(), 400, "CVE-2024-23829"),
    ("any character for the dot, Latin-1", b"HTTP/1\xf61", 400, "CVE-2024-23829"),
    ("mathematical digit", "HTTP/1.𝟙".encode(), 400, "CVE-2024-23829"),
    ("Arabic-Indic digit", "HTTP/1.١".encode(), 400, "CVE-2025-69224"),
    ("fullwidth digits", "HTTP/１.１".encode(), 400, "CVE-2025-69224"),
    ("superscript one in Latin-1", b"HTTP/1.\xb9", 400, "CVE-2025-69224"),
    ("space after the slash", b"HTTP/ 1.1", 400, _VERSION),
    ("space before the slash", b"HTTP /1.1", 400, _VERSION),
    ("space before the minor", b"HTTP/1. 1", 400, _VERSION),
    ("NUL behind", b"HTTP/1.1\0", 400, _VERSION),
    ("parameter behind", b"HTTP/1.1;x", 400, _VERSION),
    ("shorter name", b"HTP/1.1", 400, _VERSION),
    ("longer name", b"HTTPS/1.1", 400, _VERSION),
    ("letter before", b"XHTTP/1.1", 400, _VERSION),
    ("RTSP", b"RTSP/1.0", 400, _VERSION),
    ("SIP", b"SIP/2.0", 400, _VERSION),
    ("ICAP", b"ICAP/1.0", 400, _VERSION),
    ("HTTP/2 as ALPN spells it", b"h2", 400, _VERSION),
    ("HTTP/2 without minor", b"HTTP/2", 400, _VERSION),
    ("0.9", b"HTTP/0.9", 505, _NOT_SPOKEN),
    ("0.0", b"HTTP/0.0", 505, _NOT_SPOKEN),
    ("2.0", b"HTTP/2.0", 505, _NOT_SPOKEN),
    ("3.0", b"HTTP/3.0", 505, _NOT_SPOKEN),
    ("9.9", b"HTTP/9.9", 505, _NOT_SPOKEN),
]

# -- line ends and empty lines -----------------------------------------------------------------

_BARE_LF = "RFC 9112 §2.2"
_BARE_CR = "RFC 9112 §2.2"

LINE_ENDS: list[Row] = [
    ("LF for each CRLF but one", b"GET / HTTP/1.1\nHost: h\nX: y\r\n\n", 400, _BARE_LF),
    ("LF after the request line", b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400, _BARE_LF),
    ("LF after a field", b"GET / HTTP/1.1\r\nHost: h\n\r\n", 400, _BARE_LF),
    ("LF between fields", b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400, _BARE_LF),
    ("LF for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\n", 400, _BARE_LF),
    ("two LF at the end", b"GET / HTTP/1.1\r\nHost: h\n\n", 400, _BARE_LF),
    ("LF then CRLF at the end", b"GET / HTTP/1.1\r\nHost: h\r\nX: y\n\r\n", 400, _BARE_LF),
    ("CR for each CRLF", b"GET / HTTP/1.1\rHost: h\r\r", 400, _BARE_CR),
    ("CR after the request line", b"GET / HTTP/1.1\rHost: h\r\n\r\n", 400, _BARE_CR),
    ("CR between fields", b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400, "CVE-2022-32214"),
    ("CR for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\r", 400, _BARE_CR),
    ("CR, then a request", b"GET / HTTP/1.1\r\nHost: h\r\n\rZ", 400, "CVE-2025-23167"),
    ("CR CR LF after the request line", b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400, _BARE_CR),
    ("CR CR LF after a field", b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 400, _BARE_CR),
    ("CR CR LF for the empty line", b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", 400, _BARE_CR),
    ("LF CR for each CRLF", b"GET / HTTP/1.1\n\rHost: h\n\r\n\r", 400, _BARE_LF),
    ("LF LF CR at the end", b"GET / HTTP/1.1\r\nHost: h\n\n\r", 400, _BARE_LF),
    ("CR that ends a value", b"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\r\n\r\n", 400, _BARE_CR),
    (
        "CR that hides a coding",
        b"POST / HTTP/1.1\r\nHost: h\r\nX-Abc:\rxTransfer-Encoding: chunked\r\n\r\n",
        400,
        "CVE-2023-30589",
    ),
    (
        "LF that hides a coding",
        b"POST / HTTP/1.1\r\nHost: h\r\nX: x\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "CVE-2022-32213",
    ),
    (
        "LF that hides a length",
        b"POST / HTTP/1.1\r\nHost: h\r\nX: x\nContent-Length: 39\r\n\r\n",
        400,
        "CVE-2022-35256",
    ),
    (
        "LF LF that hides a request",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: \n\nGET /canary HTTP/1.1\nY: \r\n\r\n",
        400,
        _BARE_LF,
    ),
    ("LF in the method", b"GE\nT / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_LF),
    ("CR in the method", b"GE\rT / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_CR),
    ("CRLF in the method", b"GE\r\nT / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _LINE),
    ("CRLF after the method", b"GET\r\n / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _LINE),
    ("LF in the target", b"GET /a\nb HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_LF),
    ("CR in the target", b"GET /a\rb HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_CR),
    ("CRLF before the version", b"GET /\r\nHTTP/1.1\r\nHost: h\r\n\r\n", 400, _LINE),
    ("CR before the version", b"GET /\rHTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_CR),
    ("LF in a name", b"GET / HTTP/1.1\r\nHost: h\r\nX\nY: z\r\n\r\n", 400, _BARE_LF),
    ("CR in a name", b"GET / HTTP/1.1\r\nHost: h\r\nX\rY: z\r\n\r\n", 400, _BARE_CR),
    ("CR before the colon", b"GET / HTTP/1.1\r\nHost: h\r\nX\r: z\r\n\r\n", 400, _BARE_CR),
    ("vertical tab as line end", b"GET / HTTP/1.1\x0bHost: h\r\n\r\n", 400, _LINE),
    ("form feed as line end", b"GET / HTTP/1.1\r\nHost: h\x0cX: y\r\n\r\n", 400, "RFC 9110 §5.5"),
    ("separator 0x1c as line end", b"GET / HTTP/1.1\r\nHost: h\x1cX: y\r\n\r\n", 400, _LINE),
    ("next line 0x85 as line end", b"GET / HTTP/1.1\x85Host: h\r\n\r\n", 400, _LINE),
    ("U+2028 as line end", "GET / HTTP/1.1\u2028Host: h\r\n\r\n".encode(), 400, _LINE),
    ("LF first", b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_LF),
    ("CR first", b"\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_CR),
    ("CR CR LF first", b"\r\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_CR),
    ("line of a space first", b" \r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _LINE),
    ("line of a tab first", b"\t\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _LINE),
    ("NUL first", b"\0GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _LINE),
    ("six empty lines first", CRLF * 6 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, _BARE_LF),
    ("empty lines without end", CRLF * 300, 400, _BARE_LF),
    ("a bad request before a good one", b"BAD\r\n\r\n", 400, "CVE-2024-49768"),
]

# -- field lines -------------------------------------------------------------------------------

_FIELD = "RFC 9112 §5"
_COLON = "RFC 9112 §5.1"
_FOLD = "RFC 9112 §5.2"
_NAME = "RFC 9110 §5.1"
_VALUE = "RFC 9110 §5.5"

#: Field lines that come after a good Host.
FIELDS: list[Row] = [
    ("space before the colon", b"X : y", 400, _COLON),
    ("tab before the colon", b"X\t: y", 400, _COLON),
    ("space before the colon of a length", b"Content-Length : 39", 400, "CVE-2023-47627"),
    ("tab before the colon of a length", b"Content-Length\t: 39", 400, "CVE-2021-22959"),
    ("space before the colon of a coding", b"Transfer-Encoding : chunked", 400, "CVE-2019-16276"),
    ("tab before the colon of a coding", b"Transfer-Encoding\t: chunked", 400, "CVE-2019-16276"),
    ("space before the colon of an expectation", b"Expect : 100-continue", 400, _COLON),
    ("no-break space before the colon", b"Content-Length\xa0: 39", 400, "HTTP Garden #12"),
    ("next line before the colon", b"Content-Length\x85: 39", 400, "HTTP Garden #20"),
    ("NUL before the colon", b"Content-Length\0: 39", 400, _NAME),
    ("vertical tab before the colon", b"Content-Length\x0b: 39", 400, _NAME),
    ("no-break space before the name", b"\xa0Content-Length: 39", 400, "HTTP Garden #41"),
    ("byte order mark before the name", "\ufeffContent-Length: 39".encode(), 400, _NAME),
    ("no colon", b"Content-Length", 400, _FIELD),
    ("no colon in an unknown name", b"Foo", 400, _FIELD),
    ("no colon but a value", b"Content-Length 39", 400, _FIELD),
    ("equals sign for the colon", b"Content-Length=39", 400, _FIELD),
    ("fullwidth colon", "Content-Length： 39".encode(), 400, _FIELD),
    ("empty name", b": y", 400, _NAME),
    ("colon alone", b":", 400, _NAME),
    ("space in the name", b"Content Length: 39", 400, _NAME),
    ("question mark in the name", b"Content-Encoding?: chunked", 400, "CVE-2024-23829"),
    ("slash in the name", b"a/b: c", 400, _NAME),
    ("name in quotes", b'"X": y', 400, _NAME),
    ("name in Latin-1", b"\xdcn\xef: y", 400, _NAME),
    ("name in UTF-8", "Ünï: y".encode(), 400, _NAME),
    ("name with a Kelvin sign", "\u212aeep-Alive: y".encode(), 400, _NAME),
    ("name with a long s", "Tran\u017ffer-Encoding: chunked".encode(), 400, _NAME),
    ("soft hyphen in the name", b"Content\xadLength: 39", 400, _NAME),
    ("request line as a field", b"GET /canary HTTP/1.1", 400, _FIELD),
    ("request line with a colon as a field", b"GET http://h/canary HTTP/1.1", 400, _NAME),
    ("pseudo-header field", b":path: /canary", 400, _NAME),
    ("NUL in the value", b"X: a\0b", 400, "CVE-2023-47627"),
    ("NUL and CR in the value", b"X: v\0\ralue", 400, "CVE-2023-47627"),
    ("NUL for a value", b"X: \0", 400, _VALUE),
    ("escape sequence in the value", b"Referer: \x1b]0;x\x07", 400, "CVE-2020-7694"),
    ("backspace in the value", b"X: a\x08b", 400, _VALUE),
    ("delete in the value", b"X: a\x7fb", 400, _VALUE),
    ("vertical tab around the value", b"X: \x0by\x0b", 400, _VALUE),
    ("folded with a space", b"X: a\r\n b", 400, _FOLD),
    ("folded with a tab", b"X: a\r\n\tb", 400, _FOLD),
    ("folded into a space", b"X: a\r\n ", 400, _FOLD),
    ("folded empty value", b"X:\r\n b", 400, _FOLD),
    (
        "folded length behind another field",
        b"Foo: bar\r\n Content-Length: 39",
        400,
        "CVE-2024-27982",
    ),
    ("folded coding", b"Transfer-Encoding:\r\n chunked", 400, "CVE-2022-32215"),
    ("folded coding with a tab", b"Transfer-Encoding:\r\n\tchunked", 400, "CVE-2022-32215"),
    ("folded coding behind another field", b"X: y\r\n Transfer-Encoding: chunked", 400, _FOLD),
    ("folded length", b"Content-Length:\r\n 39", 400, _FOLD),
    ("folded length after a digit", b"Content-Length: 3\r\n 9", 400, _FOLD),
    ("folded expectation", b"Expect:\r\n 100-continue", 400, _FOLD),
    ("folded many times", b"X: a" + b"\r\n b" * 12000, 400, "RFC 9112 §5.2"),
    ("folded Host", b"Host:\r\n h", 400, _FOLD),
]

#: All that comes between the request line and the end of the head.
FIRST_FIELDS: list[Row] = [
    ("space before the first name", b" Host: h", 400, "RFC 9112 §2.2"),
    ("tab before the first name", b"\tHost: h", 400, "RFC 9112 §2.2"),
    ("tab before a length in front", b"\tContent-Length: 1\r\nHost: h", 400, "CVE-2023-47627"),
    ("space before a coding in front", b" Transfer-Encoding: chunked\r\nHost: h", 400, _FOLD),
    ("line of a space in front", b" \r\nHost: h", 400, "RFC 9112 §2.2"),
    ("space before the colon of Host", b"Host : h", 400, _COLON),
    ("tab before the colon of Host", b"Host\t: h", 400, _COLON),
]

# -- Host --------------------------------------------------------------------------------------

_HOST = "RFC 9112 §3.2"
_ONE_HOST = "CVE-2026-34525"
_BRACKETS = "CVE-2025-47912"

#: Values of Host.
HOSTS: list[Row] = [
    ("path", b"h/abc", 400, "CVE-2026-48710"),
    ("path and query", b"example.com/abc?bar=", 400, "CVE-2026-48710"),
    ("query", b"h?x", 400, "CVE-2026-48710"),
    ("fragment", b"h#x", 400, "CVE-2026-48710"),
    ("markup", b'"><script>', 400, "CVE-2022-39348"),
    ("scheme", b"http://h", 400, _HOST),
    ("user", b"user@h", 400, "CVE-2012-4520"),
    ("user and password", b"user:pass@h", 400, "CVE-2012-4520"),
    ("port, then another host", b"h:80@evil", 400, "CVE-2012-4520"),
    ("space inside", b"a b", 400, _HOST),
    ("tab inside", b"a\tb", 400, _HOST),
    ("two hosts", b"a, b", 400, _HOST),
    ("space before the port", b"h :80", 400, _HOST),
    ("space after the colon", b"h: 80", 400, _HOST),
    ("two ports", b"h:80:80", 400, _HOST),
    ("port of letters", b"h:http", 400, _HOST),
    ("negative port", b"h:-1", 400, _HOST),
    ("signed port", b"h:+80", 400, _HOST),
    ("port in hex", b"h:0x50", 400, _HOST),
    ("port with an underscore", b"h:8_0", 400, _HOST),
    ("port over 65535", b"h:65536", 400, _HOST),
    ("port of 5000 digits", b"h:" + b"9" * 5000, 400, _HOST),
    ("port in Latin-1 digits", b"h:\xb2\xb3", 400, "CVE-2025-69224"),
    ("port in fullwidth digits", "h:８０".encode(), 400, "CVE-2025-69224"),
    ("backslash", b"h\\evil", 400, _HOST),
    ("bad escape", b"h%zz", 400, _URI_HOST),
    ("cut escape", b"h%2", 400, _URI_HOST),
    ("percent sign alone", b"%", 400, _URI_HOST),
    ("Latin-1", b"h\xe9.example", 400, _URI_HOST),
    ("UTF-8", "hé.example".encode(), 400, _URI_HOST),
    ("no-break space around", b"\xa0h\xa0", 400, "HTTP Garden #12"),
    ("next line behind", b"h\x85", 400, "HTTP Garden #46"),
    ("name in brackets", b"[example.com]", 400, _BRACKETS),
    ("IPv4 in brackets", b"[1.2.3.4]", 400, _BRACKETS),
    ("zone", b"[::1%25zone]", 400, _BRACKETS),
    ("bare zone", b"[fe80::1%eth0]", 400, _BRACKETS),
    ("no closing bracket", b"[::1", 400, _BRACKETS),
    ("no opening bracket", b"::1]", 400, _BRACKETS),
    ("empty brackets", b"[]", 400, _BRACKETS),
    ("two pairs of brackets", b"[[::1]]", 400, _BRACKETS),
    ("text after brackets", b"[::1]evil", 400, _BRACKETS),
    ("text before brackets", b"evil[::1]", 400, _BRACKETS),
    ("letters after the port colon", b"[::1]:x", 400, _BRACKETS),
    ("bare IPv6 address", b"::1", 400, _URI_HOST),
    ("letter beyond hex", b"[::g]", 400, _URI_HOST),
    ("group of five digits", b"[12345::]", 400, _URI_HOST),
    ("nine groups", b"[1:2:3:4:5:6:7:8:9]", 400, _URI_HOST),
    ("seven groups", b"[1:2:3:4:5:6:7]", 400, _URI_HOST),
    ("two gaps", b"[1::2::3]", 400, _URI_HOST),
    ("IPv4 part too large", b"[::256.0.0.1]", 400, _URI_HOST),
    ("dot in brackets", b"[.]", 400, _URI_HOST),
]

#: Requests with no, several or misplaced Host fields.
HOST_COUNTS: list[Row] = [
    ("none", b"GET / HTTP/1.1\r\n\r\n", 400, _HOST),
    ("none but others", b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 400, _HOST),
    ("none with an absolute form", b"GET http://h/ HTTP/1.1\r\n\r\n", 400, _HOST),
    ("none with CONNECT", b"CONNECT h:443 HTTP/1.1\r\n\r\n", 400, _HOST),
    ("X-Forwarded-Host instead", b"GET / HTTP/1.1\r\nX-Forwarded-Host: h\r\n\r\n", 400, _HOST),
    ("two alike", b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400, _ONE_HOST),
    ("two unlike", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, _ONE_HOST),
    ("two in other case", b"GET / HTTP/1.1\r\nHost: h\r\nhOST: h\r\n\r\n", 400, _ONE_HOST),
    ("two, first empty", b"GET / HTTP/1.1\r\nHost:\r\nHost: h\r\n\r\n", 400, _ONE_HOST),
    ("two, last empty", b"GET / HTTP/1.1\r\nHost: h\r\nHost:\r\n\r\n", 400, _ONE_HOST),
    ("two apart", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHost: b\r\n\r\n", 400, _ONE_HOST),
    ("three", b"GET / HTTP/1.1\r\n" + b"Host: h\r\n" * 3 + b"\r\n", 400, _ONE_HOST),
    ("two in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", 400, _ONE_HOST),
    (
        "two with an absolute form",
        b"GET http://h/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        400,
        _HOST,
    ),
    ("bad one in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400, _HOST),
    ("bad one with an absolute form", b"GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400, _HOST),
    ("bad one with CONNECT", b"CONNECT h:443 HTTP/1.1\r\nHost: a@h:443\r\n\r\n", 400, _HOST),
]

# -- Content-Length ----------------------------------------------------------------------------

_LENGTH = "RFC 9110 §8.6"
_ONE_LENGTH = "RFC 9112 §6.3"
_INT = "CVE-2023-47627"
_DIGITS = "CVE-2025-69224"
_WRAP = "CVE-2021-32714"

#: Values of Content-Length; the canary stands where the content would.
LENGTHS: list[Row] = [
    ("empty", b"", 400, _LENGTH),
    ("plus sign", b"+39", 400, _INT),
    ("minus sign", b"-39", 400, _INT),
    ("minus one", b"-1", 400, "GHSA-v9pg-7xvm-68hf"),
    ("minus zero", b"-0", 400, _INT),
    ("underscore", b"3_9", 400, _INT),
    ("underscore behind", b"39_", 400, _INT),
    ("hex", b"0x27", 400, _INT),
    ("hex digits", b"2A", 400, _INT),
    ("octal", b"0o47", 400, _INT),
    ("fraction", b"39.0", 400, _LENGTH),
    ("exponent", b"39e0", 400, _LENGTH),
    ("two numbers", b"3 9", 400, _LENGTH),
    ("tab inside", b"3\t9", 400, _LENGTH),
    ("word", b"abc", 400, _LENGTH),
    ("not a number", b"NaN", 400, _LENGTH),
    ("quotes", b'"39"', 400, _LENGTH),
    ("apostrophes", b"'39'", 400, _LENGTH),
    ("parameter", b"39;q=1", 400, _LENGTH),
    ("unit", b"39 bytes", 400, _LENGTH),
    ("dot", b"39.", 400, _LENGTH),
    ("list of the same", b"39, 39", 400, _ONE_LENGTH),
    ("list of two", b"0, 39", 400, _ONE_LENGTH),
    ("list without a space", b"39,39", 400, _ONE_LENGTH),
    ("comma before", b",39", 400, _ONE_LENGTH),
    ("comma behind", b"39,", 400, _ONE_LENGTH),
    ("comma alone", b",", 400, _ONE_LENGTH),
    ("vertical tab before", b"\x0b39", 400, _LENGTH),
    ("form feed behind", b"39\x0c", 400, _LENGTH),
    ("NUL behind", b"39\0", 400, _LENGTH),
    ("no-break space before", b"\xa039", 400, "HTTP Garden #12"),
    ("no-break space behind", b"39\xa0", 400, "HTTP Garden #12"),
    ("next line behind", b"39\x85", 400, "HTTP Garden #20"),
    ("separator 0x1f behind", b"39\x1f", 400, _LENGTH),
    ("superscript digits in Latin-1", b"\xb3\xb9", 400, _DIGITS),
    ("digit, then superscript in Latin-1", b"3\xb9", 400, _DIGITS),
    ("Arabic-Indic digits", "٣٩".encode(), 400, _DIGITS),
    ("fullwidth digits", "３９".encode(), 400, _DIGITS),
    ("mathematical digits", "𝟛𝟡".encode(), 400, _DIGITS),
    ("Roman numeral", "Ⅻ".encode(), 400, _DIGITS),
    ("19 digits", b"1" + b"0" * 18, 400, _WRAP),
    ("wrap at 64 bits", b"18446744073709551655", 400, _WRAP),
    ("wrap at 128 bits", b"340282366920938463463374607431768211495", 400, _WRAP),
    ("5000 digits", b"9" * 5000, 400, "CVE-2020-10735"),
]

#: Field lines with several lengths; the canary stands where the content would.
MANY_LENGTHS: list[Row] = [
    ("two alike", b"Content-Length: 39\r\nContent-Length: 39", 400, _ONE_LENGTH),
    ("zero, then more", b"Content-Length: 0\r\nContent-Length: 39", 400, "CVE-2020-10108"),
    ("more, then zero", b"Content-Length: 39\r\nContent-Length: 0", 400, "CVE-2020-10108"),
    ("two in other case", b"Content-Length: 39\r\ncontent-LENGTH: 39", 400, _ONE_LENGTH),
    ("two apart", b"Content-Length: 39\r\nX: y\r\nContent-Length: 38", 400, _ONE_LENGTH),
    ("first empty", b"Content-Length:\r\nContent-Length: 39", 400, _ONE_LENGTH),
    ("last empty", b"Content-Length: 39\r\nContent-Length:", 400, _ONE_LENGTH),
    ("second with a sign", b"Content-Length: 39\r\nContent-Length: +39", 400, _ONE_LENGTH),
    ("three", b"Content-Length: 39" + b"\r\nContent-Length: 39" * 2, 400, _ONE_LENGTH),
    ("many", b"Content-Length: 0" + b"\r\nContent-Length: 0" * 90, 400, _ONE_LENGTH),
    ("second with a space", b"Content-Length: 0\r\nContent-Length : 39", 400, "CVE-2021-22959"),
]

# -- Transfer-Encoding -------------------------------------------------------------------------

_CODING = "RFC 9112 §6.3"
_UNKNOWN = "RFC 9112 §6.1"
_FALLBACK = "CVE-2024-6827"
_LISTED = "CVE-2024-1135"

#: Values of Transfer-Encoding; several lines where there are more than one.
CODINGS: list[tuple[str, list[bytes], int, str]] = [
    ("empty", [b""], 400, _CODING),
    ("comma alone", [b","], 400, _FALLBACK),
    ("comma before", [b",chunked"], 400, _FALLBACK),
    ("comma behind", [b"chunked,"], 400, _FALLBACK),
    ("letter before", [b"xchunked"], 400, _FALLBACK),
    ("letter behind", [b"chunkedx"], 400, _FALLBACK),
    ("letter missing", [b"chunke"], 400, _FALLBACK),
    ("dash before", [b"x-chunked"], 400, _FALLBACK),
    ("cow", [b"cow"], 400, _FALLBACK),
    ("true", [b"true"], 400, _FALLBACK),
    ("zero", [b"0"], 400, _FALLBACK),
    ("asterisk", [b"*"], 400, _FALLBACK),
    ("trailers", [b"trailers"], 400, _FALLBACK),
    ("identity", [b"identity"], 400, "CVE-2024-1135"),
    ("gzip alone", [b"gzip"], 400, _CODING),
    ("chunked, then gzip", [b"chunked, gzip"], 400, _CODING),
    ("chunked, then identity", [b"chunked, identity"], 400, _LISTED),
    ("chunked twice", [b"chunked, chunked"], 400, "RFC 9112 §7"),
    ("identity, chunked twice", [b"identity, chunked, chunked"], 400, "GHSA-753j-mpmx-qq6g"),
    ("chunked around gzip", [b"chunked, gzip, chunked"], 400, "RFC 9112 §7"),
    ("gzip, then chunked", [b"gzip, chunked"], 400, _UNKNOWN),
    ("deflate, gzip, chunked", [b"deflate, gzip, chunked"], 400, _UNKNOWN),
    ("compress, then chunked", [b"compress,chunked"], 400, _UNKNOWN),
    ("identity, then chunked", [b"identity, chunked"], 400, _UNKNOWN),
    ("cow, then chunked", [b"cow, chunked"], 400, _UNKNOWN),
    ("quotes", [b'"chunked"'], 400, _FALLBACK),
    ("apostrophes", [b"'chunked'"], 400, _FALLBACK),
    ("angle brackets", [b"<chunked>"], 400, _FALLBACK),
    ("weight", [b"chunked;q=1"], 400, _FALLBACK),
    ("parameter", [b"chunked; x=y"], 400, _FALLBACK),
    ("semicolon", [b"chunked;"], 400, _FALLBACK),
    ("equals sign", [b"chunked=1"], 400, _FALLBACK),
    ("colon", [b":chunked"], 400, _FALLBACK),
    ("two words", [b"chunked chunked"], 400, _FALLBACK),
    ("two words with a tab", [b"chunked\tidentity"], 400, _FALLBACK),
    ("word inside a list", [b"gzip x, chunked"], 400, _FALLBACK),
    ("vertical tab before", [b"\x0bchunked"], 400, "CVE-2019-16786"),
    ("vertical tab behind", [b"chunked\x0b"], 400, "CVE-2019-16786"),
    ("form feed behind", [b"chunked\x0c"], 400, "CVE-2019-16786"),
    ("separator 0x1f behind", [b"chunked\x1f"], 400, _CODING),
    ("NUL behind", [b"chunked\0"], 400, _CODING),
    ("NUL inside", [b"chu\0nked"], 400, _CODING),
    ("no-break space before", [b"\xa0chunked"], 400, "HTTP Garden #12"),
    ("no-break space behind", [b"chunked\xa0"], 400, "HTTP Garden #12"),
    ("next line before", [b"\x85chunked"], 400, "HTTP Garden #20"),
    ("Latin-1 letter", [b"chunk\xe9d"], 400, _CODING),
    ("Kelvin sign", ["chun\u212aed".encode()], 400, _DIGITS),
    ("zero-width space", ["chunked\u200b".encode()], 400, _CODING),
    ("byte order mark", ["\ufeffchunked".encode()], 400, _CODING),
    ("fullwidth letters", ["ｃｈｕｎｋｅｄ".encode()], 400, _CODING),
    ("two lines of chunked", [b"chunked", b"chunked"], 400, _LISTED),
    ("lines of chunked and identity", [b"chunked", b"identity"], 400, _LISTED),
    ("lines of chunked and gzip", [b"chunked", b"gzip"], 400, _LISTED),
    ("lines of chunked and nothing", [b"chunked", b""], 400, _LISTED),
    ("lines of nothing and chunked", [b"", b"chunked"], 400, _LISTED),
    ("lines of chunked and cow", [b"chunked", b"cow"], 400, _LISTED),
    ("lines of identity and chunked", [b"identity", b"chunked"], 400, _LISTED),
    ("lines of gzip and chunked", [b"gzip", b"chunked"], 400, _UNKNOWN),
]


def _coding_lines(values: list[bytes]) -> bytes:
    return CRLF.join(b"Transfer-Encoding: " + value for value in values)


def _codings() -> Iterator[Hostile]:
    """Send each coding alone with a chunked body, and with a length that covers the canary."""
    start = b"POST / HTTP/1.1\r\nHost: h\r\n"
    length = b"Content-Length: %d" % len(CANARY)
    for name, values, status, reference in CODINGS:
        lines = _coding_lines(values)
        alone: list[Row] = [(name, lines, status, reference)]
        yield from _entries("coding", start, alone, b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        covered: list[Row] = [(name, lines, 400, reference)]
        yield from _entries("coding, length", start, covered, CRLF + length + CRLF * 2)
        yield from _entries("length, coding", start + length + CRLF, covered, CRLF * 2)


_BOTH = "CVE-2020-10109"
_OLD = "RFC 9112 §6.1"

#: Whole requests in which framing says two things, or HTTP/1.0 says what it cannot know.
FRAMINGS: list[Row] = [
    (
        "length, then chunked",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "chunked, then length",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "length that covers the canary, then chunked",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
        "CVE-2023-47641",
    ),
    (
        "chunked, then length that covers the canary",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n"
        b"0\r\n\r\n",
        400,
        "CVE-2023-47641",
    ),
    (
        "length of zero and chunked",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "chunked between two lengths",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "length between two codings",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "names in odd case",
        b"POST / HTTP/1.1\r\nHost: h\r\ncONTENT-lENGTH: 5\r\ntRANSFER-eNCODING: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "coding in odd case",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: cHuNkEd\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "both with GET",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "both with HEAD",
        b"HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "bad length and chunked",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "both far apart",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
        + b"X: y\r\n" * 80
        + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        _BOTH,
    ),
    (
        "chunked in HTTP/1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        _OLD,
    ),
    (
        "chunked in HTTP/1.0 that goes on",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        _OLD,
    ),
    (
        "chunked and length in HTTP/1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n0\r\n\r\n",
        400,
        _OLD,
    ),
    (
        "length and chunked in HTTP/1.0 that goes on",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 44\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        _OLD,
    ),
    (
        "identity in HTTP/1.0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n",
        400,
        _OLD,
    ),
    (
        "chunked in HTTP/1.0 with a Host",
        b"GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        _OLD,
    ),
]

# -- chunks ------------------------------------------------------------------------------------

_CHUNK = "RFC 9112 §7.1"
_EXTENSION = "RFC 9112 §7.1.1"
_END = "CVE-2025-43859"
_FUNKY = "Funky chunks, Weikop 2025"

#: Bodies of a request with `Transfer-Encoding: chunked`.
CHUNKS: list[Row] = [
    ("empty line", b"\r\n0\r\n\r\n", 400, _CHUNK),
    ("no size before an extension", b";a=b\r\n\r\n", 400, _CHUNK),
    ("space before the size", b" 5\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("tab before the size", b"\t5\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("space after the size", b"5 \r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("tab after the size", b"5\t\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("plus sign", b"+5\r\nhello\r\n0\r\n\r\n", 400, _INT),
    ("minus sign", b"-5\r\nhello\r\n0\r\n\r\n", 400, _INT),
    ("minus zero", b"-0\r\n\r\n", 400, _INT),
    ("hex prefix", b"0x5\r\nhello\r\n0\r\n\r\n", 400, _INT),
    ("hex prefix on the last", b"5\r\nhello\r\n0x0\r\n\r\n", 400, _INT),
    ("underscore", b"0_5\r\nhello\r\n0\r\n\r\n", 400, _INT),
    ("fraction", b"5.0\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("letter beyond hex", b"g\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("letter beyond hex behind", b"5g\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("two sizes", b"5 5\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("two sizes with a comma", b"5,5\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("quotes", b'"5"\r\nhello\r\n0\r\n\r\n', 400, _CHUNK),
    ("hex suffix", b"5h\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("vertical tab before", b"\x0b5\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("NUL behind", b"5\0\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("no-break space behind", b"5\xa0\r\nhello\r\n0\r\n\r\n", 400, "HTTP Garden #12"),
    ("next line behind", b"5\x85\r\nhello\r\n0\r\n\r\n", 400, "HTTP Garden #20"),
    ("superscript digit in Latin-1", b"\xb2\r\nhi\r\n0\r\n\r\n", 400, _DIGITS),
    ("Arabic-Indic digit", "٥\r\nhello\r\n0\r\n\r\n".encode(), 400, _DIGITS),
    ("fullwidth digit", "５\r\nhello\r\n0\r\n\r\n".encode(), 400, _DIGITS),
    ("fullwidth letter", "Ａ\r\nhellohello\r\n0\r\n\r\n".encode(), 400, _DIGITS),
    ("17 digits that wrap", b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400, _WRAP),
    ("17 digits of zero", b"00000000000000000\r\n\r\n", 400, _WRAP),
    ("17 digits with leading zeros", b"00000000000000005\r\nhello\r\n0\r\n\r\n", 400, _WRAP),
    ("digits beyond any line", b"0" * 20000 + b"5\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("content shorter than its length", b"6\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("content longer than its length", b"4\r\nhello\r\n", 400, "aiohttp 3.13.4"),
    ("content much longer than its length", b"1\r\nhello\r\n0\r\n\r\n", 400, _CHUNK),
    ("no end of the content", b"5\r\nhello0\r\n\r\n", 400, "Funky chunks, ZERO.TWO"),
    ("no end before the next chunk", b"5\r\nhello5\r\nhello\r\n0\r\n\r\n", 400, _FUNKY),
    ("any two bytes as end", b"5\r\nhelloXX0\r\n\r\n", 400, _END),
    ("two spaces as end", b"5\r\nhello  0\r\n\r\n", 400, _END),
    ("LF LF as end", b"5\r\nhello\n\n0\r\n\r\n", 400, _END),
    ("CR CR as end", b"5\r\nhello\r\r0\r\n\r\n", 400, _END),
    ("LF CR as end", b"5\r\nhello\n\r0\r\n\r\n", 400, _END),
    ("LF as end", b"5\r\nhello\n0\r\n\r\n", 400, "Funky chunks, ONE.TWO"),
    ("CR as end", b"5\r\nhello\r0\r\n\r\n", 400, "Funky chunks, ONE.TWO"),
    ("CR, any byte as end", b"5\r\nhello\rX0\r\n\r\n", 400, _END),
    ("any byte, LF as end", b"5\r\nhelloX\n0\r\n\r\n", 400, _END),
    ("two ends", b"5\r\nhello\r\n\r\n0\r\n\r\n", 400, _CHUNK),
    ("end spilt over", b"5\r\nhelloABCDE\r\n0\r\n\r\n", 400, "Funky chunks, SPILL.TERM"),
    ("end spilt by two", b"5\r\nhello45\r\n0\r\n\r\n", 400, "Funky chunks, TERM.SPILL"),
    ("LF after the size", b"5\nhello\r\n0\r\n\r\n", 400, "CVE-2025-22871"),
    ("LF after each line", b"5\nhello\n0\n\n", 400, "CVE-2025-22871"),
    ("CR after the size", b"5\rhello\r\n0\r\n\r\n", 400, "CVE-2025-22871"),
    ("CR CR LF after the size", b"5\r\r\nhello\r\n0\r\n\r\n", 400, _FUNKY),
    ("LF CR after the size", b"5\n\rhello\r\n0\r\n\r\n", 400, _FUNKY),
    ("LF CRLF after the size", b"5\n\r\nhello\r\n0\r\n\r\n", 400, _FUNKY),
    ("CR before an extension", b"5\r;x\r\nhello\r\n0\r\n\r\n", 400, _FUNKY),
    ("CR CR before an extension", b"5\r\r;x\r\nhello\r\n0\r\n\r\n", 400, _FUNKY),
    ("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400, "Funky chunks, TERM.EXT"),
    ("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400, "Funky chunks, TERM.EXT"),
    ("LF for an extension", b"5;\nhello\r\n0\r\n\r\n", 400, "Funky chunks, EXT.TERM"),
    ("LF that hides a chunk", b"2;\nxx\r\n27\r\n0\r\n\r\n", 400, "CVE-2024-52304"),
    ("LF in a quoted extension", b'5;a="\n"\r\nhello\r\n0\r\n\r\n', 400, _FUNKY),
    ("CRLF in a quoted extension", b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', 400, _FUNKY),
    ("CR in a quoted extension", b'5;a="\\\r"\r\nhello\r\n0\r\n\r\n', 400, _FUNKY),
    ("semicolon alone", b"5;\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("semicolon and space", b"5; \r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("two semicolons", b"5;;a\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("semicolon behind", b"5;a;\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension without a name", b"5;=a\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension without a value", b"5;a=\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension with two values", b"5;a=b=c\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension with two words", b"5;a b\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension with a comma", b"5;a,b\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension without a semicolon", b"5 a=b\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension after a colon", b"5:a\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension with a space behind", b"5;a \r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension with an open quote", b'5;a="b\r\nhello\r\n0\r\n\r\n', 400, _EXTENSION),
    ("extension with text after a quote", b'5;a="b"c\r\nhello\r\n0\r\n\r\n', 400, _EXTENSION),
    ("extension with an escaped last quote", b'5;a="b\\"\r\nhello\r\n0\r\n\r\n', 400, _EXTENSION),
    ("extension with a name in Latin-1", b"5;\xe9\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("extension with a name in quotes", b'5;"a"=b\r\nhello\r\n0\r\n\r\n', 400, _EXTENSION),
    ("extension with NUL", b"5;a=\0\r\nhello\r\n0\r\n\r\n", 400, _EXTENSION),
    ("request for a size", b"GET /canary HTTP/1.1\r\nHost: h\r\n\r\n", 400, _CHUNK),
    ("last chunk ended by LF", b"0\n\r\n", 400, _FUNKY),
    ("last chunk ended by two LF", b"0\n\n", 400, _FUNKY),
    ("last chunk ended by CRLF LF", b"0\r\n\n", 400, _FUNKY),
    ("last chunk ended by CRLF CR", b"0\r\n\rX", 400, _FUNKY),
    ("last chunk ended by two bytes", b"0\r\nXX", 400, "Funky chunks, ZERO.TWO"),
    ("last chunk ended by CR", b"0\r\r\n", 400, _FUNKY),
    ("last chunk with a space", b"0 \r\n\r\n", 400, _CHUNK),
    ("no last chunk", b"5\r\nhello\r\n\r\n", 400, _CHUNK),
    ("no end of the trailer section", b"0\r\n", 400, "CVE-2025-53643"),
]

#: Trailer sections after `0\r\n`.
TRAILERS: list[Row] = [
    ("request line", b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "CVE-2025-53643"),
    ("absolute request line", b"GET http://h/ HTTP/1.1\r\n\r\n", 400, "CVE-2025-53643"),
    ("no colon", b"X\r\n\r\n", 400, _FIELD),
    ("empty name", b": y\r\n\r\n", 400, _NAME),
    ("space before the colon", b"X : y\r\n\r\n", 400, _COLON),
    ("space before the name", b" X: y\r\n\r\n", 400, _FOLD),
    ("space in the name", b"X Y: z\r\n\r\n", 400, _NAME),
    ("name in Latin-1", b"X\xa0: y\r\n\r\n", 400, _NAME),
    ("folded", b"X: a\r\n b\r\n\r\n", 400, _FOLD),
    ("folded length", b"X: a\r\n Content-Length: 39\r\n\r\n", 400, _FOLD),
    ("LF in a value", b"X: a\nb\r\n\r\n", 400, _BARE_LF),
    ("CR in a value", b"X: a\rb\r\n\r\n", 400, _BARE_CR),
    ("NUL in a value", b"X: a\0\r\n\r\n", 400, _VALUE),
    ("LF after a field", b"X: y\n\r\n", 400, _BARE_LF),
    ("LF for the empty line", b"X: y\r\n\n", 400, _BARE_LF),
    ("CR for the empty line", b"X: y\r\n\rZ", 400, "CVE-2025-23167"),
    ("last chunk again", b"0\r\n\r\n", 400, _CHUNK),
]

# -- expectations ------------------------------------------------------------------------------

_EXPECT = "RFC 9110 §10.1.1"

#: Values of Expect in a request with a length that covers the canary.
EXPECTATIONS: list[Row] = [
    ("unknown", b"200-ok", 417, _EXPECT),
    ("known and unknown", b"100-continue, x", 417, _EXPECT),
    ("unknown and known", b"x, 100-continue", 417, _EXPECT),
    ("word before", b"y 100-continue", 417, "Expect desync, Kettle 2025"),
    ("word behind", b"100-continue y", 417, "Expect desync, Kettle 2025"),
    ("parameter", b"100-continue;q=1", 417, _EXPECT),
    ("value", b"100-continue=1", 417, _EXPECT),
    ("quotes", b'"100-continue"', 417, _EXPECT),
    ("space for the dash", b"100 continue", 417, _EXPECT),
    ("cut short", b"100-continu", 417, _EXPECT),
    ("no-break space before", b"\xa0100-continue", 417, "HTTP Garden #12"),
    ("fullwidth digits", "１００-continue".encode(), 417, _DIGITS),
    ("vertical tab before", b"\x0b100-continue", 400, _VALUE),
    ("NUL behind", b"100-continue\0", 400, _VALUE),
]

# -- other protocols ---------------------------------------------------------------------------

_OTHER = "RFC 9112 §2.2"

STRANGERS: list[Row] = [
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)), 400, _OTHER),
    ("TLS alert", b"\x15\x03\x03\x00\x02\x01\x00", 400, _OTHER),
    ("SSL 2 hello", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", 400, _OTHER),
    ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", 400, _OTHER),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "RFC 9113 §3.4"),
    ("HTTP/2 frame", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400, "RFC 9113 §4.1"),
    ("WebSocket frame", b"\x81\x85\x00\x00\x00\x00hello", 400, "RFC 6455 §5.2"),
    ("PROXY protocol 1", b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n", 400, _OTHER),
    ("PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400, _OTHER),
    ("SOCKS 4", b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00", 400, _OTHER),
    ("SOCKS 5", b"\x05\x01\x00", 400, "RFC 1928 §3"),
    ("SMTP", b"EHLO example.com\r\n", 400, _OTHER),
    ("FTP", b"USER anonymous\r\n", 400, _OTHER),
    ("IRC", b"NICK nobody\r\n", 400, _OTHER),
    ("Redis", b"*1\r\n$4\r\nPING\r\n", 400, _OTHER),
    ("memcached", b"stats\r\n", 400, _OTHER),
    ("MQTT", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 400, _OTHER),
    ("RDP", b"\x03\x00\x00\x13\x0e\xe0\x00\x00", 400, _OTHER),
    ("SMB", b"\x00\x00\x00\x45\xffSMB", 400, _OTHER),
    ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", 400, _OTHER),
    ("UTF-16", "GET / HTTP/1.1\r\n\r\n".encode("utf-16-le"), 400, "RFC 9112 §2.2"),
    ("JSON", b'{"jsonrpc": "2.0"}\r\n', 400, _OTHER),
    ("XML", b"<policy-file-request/>\r\n", 400, _OTHER),
]

# -- limits ------------------------------------------------------------------------------------

_TOO_LONG = "RFC 9112 §3"
_TOO_LARGE = "RFC 6585 §5"
_TOO_MUCH = "RFC 9110 §15.5.14"
_SMALL = Limits(head=200, fields=4, line=100, chunk_overhead=64, trailers=120, body=64, interim=1)
_ANY_4XX = (400, 413, 431)
_GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"

#: Whole requests beyond the default limits.
TOO_MUCH: list[Row] = [
    ("target", b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, _TOO_LONG),
    ("target without end", b"GET /" + b"a" * 100_000, 414, "aiohttp max_line_size, 2026"),
    ("query", b"GET /?" + b"a=b&" * 5000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, _TOO_LONG),
    ("method", b"A" * 17000 + b" / HTTP/1.1\r\nHost: h\r\n\r\n", 414, _TOO_LONG),
    ("method without end", b"A" * 20000, 414, _TOO_LONG),
    ("value", _GET + b"X: " + b"y" * 17000 + b"\r\n\r\n", 431, _TOO_LARGE),
    ("value without end", _GET + b"X: " + b"y" * 100_000, 431, _TOO_LARGE),
    ("value of 1 MiB", _GET + b"X: " + b"y" * 1_048_576 + b"\r\n\r\n", 431, "CVE-2018-12121"),
    ("value of spaces", _GET + b"X:" + b" " * 17000 + b"\r\n\r\n", 431, _TOO_LARGE),
    ("name", _GET + b"X" * 17000 + b": y\r\n\r\n", 431, _TOO_LARGE),
    ("name without end", _GET + b"X" * 20000, 431, _TOO_LARGE),
    ("head of long lines", _GET + (b"X: " + b"y" * 9000 + CRLF) * 8 + CRLF, 431, _TOO_LARGE),
    ("head without end", _GET + (b"X: " + b"y" * 9000 + CRLF) * 8, 431, _TOO_LARGE),
    ("101 fields", _GET + b"X: y\r\n" * 100 + CRLF, 431, _TOO_LARGE),
    ("fields without end", _GET + b"X: y\r\n" * 10000, 431, "CVE-2023-24534"),
    ("100 000 fields", _GET + b"X: y\r\n" * 100_000 + CRLF, 431, "CVE-2024-37890"),
    ("60 kB of one field", _GET + b"X: y\r\n" * 10_000 + CRLF, 431, "CVE-2025-67725"),
    (
        "chunk extension of 1 MiB",
        _CHUNKED + b"1;" + b"a" * 1_048_576 + b"\r\nx\r\n0\r\n\r\n",
        _ANY_4XX,
        "CVE-2024-22019",
    ),
    (
        "chunk extension without end",
        _CHUNKED + b"1;" + b"a" * 20000,
        _ANY_4XX,
        "CVE-2024-22019",
    ),
    (
        "chunk extensions of 4 kB for a byte each",
        _CHUNKED + (b"1;" + b"a" * 4000 + b"\r\nx\r\n") * 6 + b"0\r\n\r\n",
        _ANY_4XX,
        "CVE-2023-39326",
    ),
    (
        "many chunk extensions in a line",
        _CHUNKED + (b"1" + b";a=b" * 1000 + b"\r\nx\r\n") * 6 + b"0\r\n\r\n",
        _ANY_4XX,
        "CVE-2023-39326",
    ),
    (
        "trailer section",
        _CHUNKED + b"0\r\n" + (b"X: " + b"y" * 5000 + CRLF) * 4 + CRLF,
        431,
        "CVE-2026-22815",
    ),
    (
        "trailer section of 1 MiB",
        _CHUNKED + b"0\r\n" + (b"X: " + b"y" * 10_000 + CRLF) * 105 + CRLF,
        431,
        "CVE-2026-22815",
    ),
    (
        "101 trailers",
        _CHUNKED + b"0\r\n" + b"X: y\r\n" * 101 + CRLF,
        431,
        "CVE-2026-22815",
    ),
]

#: Whole requests beyond `_SMALL` limits, mostly by one byte.
BEYOND_SMALL: list[Row] = [
    ("request line", b"GET /" + b"a" * 87 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, _TOO_LONG),
    ("field line", _GET + b"X: " + b"y" * 98 + b"\r\n\r\n", 431, _TOO_LARGE),
    (
        "head",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 80 + b"\r\nY: " + b"y" * 88 + b"\r\n\r\n",
        431,
        _TOO_LARGE,
    ),
    ("five fields", _GET + b"X: y\r\n" * 4 + CRLF, 431, _TOO_LARGE),
    ("length", _POST + b"Content-Length: 65\r\n\r\n" + b"x" * 65, 413, _TOO_MUCH),
    ("length over the canary", _POST + b"Content-Length: 10000\r\n\r\n", 413, _TOO_MUCH),
    ("length of 18 digits", _POST + b"Content-Length: " + b"9" * 18 + CRLF * 2, 413, _TOO_MUCH),
    ("one chunk", _CHUNKED + b"41\r\n" + b"x" * 65 + b"\r\n0\r\n\r\n", 413, _TOO_MUCH),
    ("two chunks", _CHUNKED + b"40\r\n" + b"x" * 64 + b"\r\n1\r\nx\r\n0\r\n\r\n", 413, _TOO_MUCH),
    ("many chunks", _CHUNKED + b"1\r\nx\r\n" * 65 + b"0\r\n\r\n", 413, _TOO_MUCH),
    ("chunk size below 2 to the 64th", _CHUNKED + b"FFFFFFFFFFFFFFFB\r\nx\r\n", 413, _WRAP),
    ("chunk size of 2 to the 63rd", _CHUNKED + b"8000000000000000\r\nx\r\n", 413, _WRAP),
    ("chunk size of 2 to the 32nd", _CHUNKED + b"100000005\r\nhello\r\n", 413, _WRAP),
    (
        "chunk overhead",
        _CHUNKED + (b"1;" + b"a" * 33 + b"\r\nx\r\n") * 3 + b"0\r\n\r\n",
        _ANY_4XX,
        _EXTENSION,
    ),
    (
        "chunk overhead of the last chunk",
        _CHUNKED + b"0;" + b"a" * 70 + b"\r\n\r\n",
        _ANY_4XX,
        _EXTENSION,
    ),
    ("chunk line", _CHUNKED + b"30;" + b"a" * 98 + CRLF + b"x" * 48, _ANY_4XX, _EXTENSION),
    ("trailer line", _CHUNKED + b"0\r\nX: " + b"y" * 98 + b"\r\n\r\n", 431, _TOO_LARGE),
    (
        "trailer section",
        _CHUNKED + b"0\r\n" + (b"X: " + b"y" * 60 + CRLF) * 2 + CRLF,
        431,
        _TOO_LARGE,
    ),
    ("five trailers", _CHUNKED + b"0\r\n" + b"X: y\r\n" * 5 + CRLF, 431, _TOO_LARGE),
]


def _table() -> Iterator[Hostile]:
    host = b"\r\nHost: h\r\n\r\n"
    no_tab = CONTROLS.replace(b"\t", b"")
    in_method = CONTROLS + DELIMITERS + HIGH
    in_name = CONTROLS + DELIMITERS.replace(b":", b"") + HIGH
    in_host = b'"#/<>?@[\\]^`{|} \t' + HIGH
    in_size = CONTROLS + HIGH
    yield from _entries("request line", b"", REQUEST_LINES, host)
    yield from _entries("target", b"", TARGETS, b" HTTP/1.1" + host)
    yield from _entries("version", b"GET / ", VERSIONS, host)
    yield from _entries("line end", b"", LINE_ENDS, b"")
    yield from _entries("field", b"POST / HTTP/1.1\r\nHost: h\r\n", FIELDS, b"\r\n\r\n")
    yield from _entries("first field", b"GET / HTTP/1.1\r\n", FIRST_FIELDS, b"\r\n\r\n")
    yield from _entries("Host", b"GET /admin HTTP/1.1\r\nHost: ", HOSTS, b"\r\n\r\n")
    yield from _entries("Host count", b"", HOST_COUNTS, b"")
    yield from _entries("length", _POST + b"Content-Length: ", LENGTHS, b"\r\n\r\n")
    yield from _entries("lengths", _POST, MANY_LENGTHS, b"\r\n\r\n")
    yield from _codings()
    yield from _entries("framing", b"", FRAMINGS, b"")
    yield from _entries("chunk", _CHUNKED, CHUNKS, b"")
    yield from _entries("trailer", _CHUNKED + b"2\r\nhi\r\n0\r\n", TRAILERS, b"")
    length = b"\r\nContent-Length: %d\r\n\r\n" % len(CANARY)
    yield from _entries("expectation", _POST + b"Expect: ", EXPECTATIONS, length)
    yield from _entries("stranger", b"", STRANGERS, b"")
    yield from _entries("too much", b"", TOO_MUCH, b"")
    yield from _entries("small limit", b"", BEYOND_SMALL, b"", _SMALL)
    yield from _each_byte("method", b"G", in_method, b"T / HTTP/1.1" + host, _METHOD)
    yield from _each_byte("target", b"GET /a", CONTROLS + b'"#<>', b"b HTTP/1.1" + host, _TARGET)
    yield from _each_byte("version", b"GET / HTTP/1.1", in_size, host, _VERSION)
    yield from _each_byte("name", _GET + b"X", in_name, b"Y: z\r\n\r\n", _NAME)
    yield from _each_byte("value", _GET + b"X: a", no_tab, b"b\r\n\r\n", _VALUE)
    yield from _each_byte("Host", b"GET / HTTP/1.1\r\nHost: a", in_host, b"b\r\n\r\n", _HOST)
    yield from _each_byte("chunk size", _CHUNKED, in_size, b"5\r\nhello\r\n0\r\n\r\n", _CHUNK)
    yield from _each_byte(
        "extension", _CHUNKED + b"5;a", CONTROLS, b"b\r\nhello\r\n0\r\n\r\n", _EXTENSION
    )
    yield from _each_byte("trailer", _CHUNKED + b"0\r\nX: a", no_tab, b"b\r\n\r\n", _VALUE)


HOSTILE = tuple(_table())
