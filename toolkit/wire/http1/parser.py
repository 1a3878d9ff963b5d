"""Reading start lines, field lines and chunk lines: pure functions over whole lines.

Fields take one of two ways. `read_block` only says "fine" or "no"; `parse_field` and the
start lines look at one line and say what is wrong with it. The second way alone decides on
errors, so an error is the same however the bytes were cut.
"""

from toolkit.wire.errors import NotHTTPError, RemoteProtocolError, excerpt
from toolkit.wire.events import Field, Fields
from toolkit.wire.grammar import CHUNK_LINE, VERSION, is_field_value, is_token
from toolkit.wire.http1.framing import FRAMING_FIELDS
from toolkit.wire.http1.memory import LONGEST, Memory

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
VERSIONS = frozenset(("HTTP/1.1", "HTTP/1.0"))

_COMMON_NAMES = """
Accept Accept-Charset Accept-Encoding Accept-Language Accept-Ranges Age Allow Authorization
Cache-Control Connection Content-Disposition Content-Encoding Content-Language Content-Length
Content-Location Content-Range Content-Type Cookie DNT Date ETag Etag Expect Expires Forwarded
From Host If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since Keep-Alive
Last-Modified Link Location Max-Forwards Origin Pragma Priority Proxy-Authenticate
Proxy-Authorization Range Referer Retry-After Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform
Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-WebSocket-Accept
Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Server
Set-Cookie Strict-Transport-Security TE Trailer Transfer-Encoding Upgrade
Upgrade-Insecure-Requests User-Agent Vary Via WWW-Authenticate X-Forwarded-For X-Forwarded-Host
X-Forwarded-Proto X-Real-IP X-Request-ID X-Requested-With X-Scheme X-XSRFToken traceparent
tracestate
""".split()
#: Known spellings of names, to spare the check and the lower-casing of the usual ones.
LOWER_NAMES = {name: name.lower() for name in _COMMON_NAMES}
LOWER_NAMES.update({name.lower(): name.lower() for name in _COMMON_NAMES})

#: Fields whose values many clients share and that tell nobody's secrets.
_SHARED = frozenset(
    """
    accept accept-charset accept-encoding accept-language accept-ranges cache-control connection
    content-encoding content-type date dnt expect host pragma priority sec-ch-ua sec-ch-ua-mobile
    sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user
    sec-websocket-extensions sec-websocket-version server te transfer-encoding upgrade
    upgrade-insecure-requests user-agent vary via x-forwarded-host x-forwarded-proto
    x-requested-with x-scheme
    """.split()
)
#: Lines that were read before and what they came to; those that framing looks at apart.
_known_lines: Memory[str, Field] = Memory()
_known_deciding_lines: Memory[str, Field] = Memory()
#: Names beyond `LOWER_NAMES` that were read before, and themselves in lower case.
_known_names: Memory[str, str] = Memory()

#: Fields that may not come after the body: they decide on framing, routing, authentication
#: or how the content is read (RFC 9110 §6.5.1).
FORBIDDEN_TRAILERS = frozenset(
    """
    authorization cache-control connection content-encoding content-length content-range
    content-type cookie expect forwarded host keep-alive max-forwards pragma
    proxy-authenticate proxy-authorization proxy-connection range set-cookie te trailer
    transfer-encoding upgrade www-authenticate x-forwarded-for x-forwarded-host
    x-forwarded-proto x-real-ip
    """.split()
)


def read_block(block: str, limit: int) -> tuple[Fields, list[Field]] | None:
    """Read a block of whole field lines at once, those that are known by a look-up each.

    Args:
        block: lines, each ended by CRLF, without the empty line after them.
        limit: most lines allowed.
    Returns:
        All fields, and those among them that framing looks at; None when anything at all
        is wrong, to be found out line by line.
    """
    lines = block.split("\r\n")
    if lines.pop() or len(lines) > limit:
        return None
    fields: list[Field] = []
    deciding: list[Field] = []
    known = _known_lines.get
    for line in lines:
        field = known(line)
        if field is None:
            field = _known_deciding_lines.get(line) or _read_line(line)
            if field is None:
                return None
            if field[0] in FRAMING_FIELDS:
                deciding.append(field)
        fields.append(field)
    return fields, deciding


def _read_line(line: str) -> Field | None:
    """Read a line that is not known, and remember it if its kind comes again."""
    name, colon, value = line.partition(":")
    lower = LOWER_NAMES.get(name) or _known_names.get(name) or _read_name(name)
    # What is printable is no control character; the rest needs a closer look.
    if not colon or lower is None or not (line.isprintable() or is_field_value(line)):
        return None
    field = (lower, value.strip(" \t"))
    if lower in _SHARED and len(line) <= LONGEST:
        (_known_deciding_lines if lower in FRAMING_FIELDS else _known_lines).keep(line, field)
    return field


def _read_name(name: str) -> str | None:
    """Read a name that is not known, and remember it."""
    if not is_token(name):
        return None
    lower = name.lower()
    if len(name) <= LONGEST:
        _known_names.keep(name, lower)
    return lower


def parse_field(line: str) -> Field:
    """Read one field line.

    Args:
        line: without CRLF and free of control characters.
    Returns:
        Name in lower case, value without outer whitespace.
    Raises:
        RemoteProtocolError: no colon, folding, whitespace in or after the name.

    RFC 9112 §5
    """
    name, colon, value = line.partition(":")
    if line[:1] in (" ", "\t"):
        raise RemoteProtocolError(f"field line {excerpt(line)} starts with whitespace (folding)")
    if not colon:
        raise RemoteProtocolError(f"no colon in header line {excerpt(line)}")
    if not is_token(name):
        raise RemoteProtocolError(f"field name {excerpt(name)}; a token is allowed")
    return name.lower(), value.strip(" \t")


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Read a request line into method, target and version.

    Raises:
        RemoteProtocolError: 400, or 505 for a version that is not 1.0 or 1.1. Of kind
            NotHTTPError where the line is a word alone.

    RFC 9112 §3
    """
    parts = line.split(" ")
    if len(parts) != 3:
        error = NotHTTPError if len(parts) == 1 else RemoteProtocolError
        raise error(
            f"Malformed HTTP request line {excerpt(line)}; method, target and version with one "
            "space between"
        )
    method, target, version = parts
    if method not in METHODS and not is_token(method):
        raise RemoteProtocolError(
            f"Malformed HTTP request line: method {excerpt(method)}; a token is allowed"
        )
    return method, target, known_version(version)


def known_version(version: str) -> str:
    """Return the version to speak: HTTP/1.0, or HTTP/1.1 for itself and minor ones to come.

    Raises:
        RemoteProtocolError: 505 for another version, 400 for none.

    RFC 9110 §2.5
    """
    if version in VERSIONS:
        return version
    match = VERSION.fullmatch(version)
    if match is not None and match[1] == "1":
        return "HTTP/1.1"
    if match is not None:
        raise RemoteProtocolError(f"version {version}; HTTP/1.0 and HTTP/1.1 are allowed", 505)
    raise RemoteProtocolError(f"version {excerpt(version)}; 'HTTP/1.1' is allowed")


def parse_status_line(line: str) -> tuple[str, int, str]:
    """Read a status line into version, status and reason; a missing reason is "".

    Raises:
        RemoteProtocolError: not a version, or not three digits from 100 up.

    RFC 9112 §4
    """
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    version = known_version(version)
    if len(code) != 3 or not (code.isascii() and code.isdigit()) or code < "100":
        raise RemoteProtocolError(f"status {excerpt(code)}; three digits from 100 are allowed")
    return version, int(code), reason


def parse_chunk_line(line: str) -> tuple[int, int]:
    """Read how many bytes the next chunk holds, and how long its extensions are.

    Args:
        line: first line of the chunk, without CRLF.
    Returns:
        Byte count (0 ends the body) and length of the extensions, which mean nothing here.
    Raises:
        RemoteProtocolError: unless it is 1 to 16 hex digits and well-formed extensions.

    RFC 9112 §7.1
    """
    match = CHUNK_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError(
            f"invalid chunk size {excerpt(line)}; hex digits and extensions allowed"
        )
    return int(match[1], 16), len(match[2])


def keep_trailers(fields: Fields) -> Fields:
    """Return the trailer fields that are safe to look at (RFC 9110 §6.5.1)."""
    return [field for field in fields if field[0] not in FORBIDDEN_TRAILERS]
