"""Reading heads, field lines and chunk lines: pure functions over whole lines.

Heads take one of two ways. `parse_fields` looks at a whole block at once and only says
"fine" or "no"; `parse_field` and the start lines look at one line and say what is wrong
with it. The second way alone decides on errors, so an error is the same however the
bytes were cut.
"""

from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import Fields, RequestHead, ResponseHead
from toolkit.wire.grammar import (
    ABSOLUTE_FORM,
    CHUNK_LINE,
    FIELD_BYTES,
    ORIGIN_FORM,
    VERSION,
    is_host,
    is_token,
    list_items,
)
from toolkit.wire.http1.framing import (
    framing_fields,
    request_length,
    response_length,
    upgrade_offer,
    wants_keep_alive,
)

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


def parse_fields(block: bytes | bytearray, limit: int) -> Fields | None:
    """Read a block of whole field lines at once.

    Args:
        block: lines, each ended by CRLF, without the empty line after them.
        limit: most lines allowed.
    Returns:
        Names in lower case and values; None when anything at all is wrong, to be found
        out line by line.
    """
    lines = block.decode("latin-1").split("\r\n")
    if lines.pop():
        return None
    count = len(lines)
    # All that may stand in a line is taken out; just the line ends may be left.
    if count > limit or block.translate(None, FIELD_BYTES) != b"\r\n" * count:
        return None
    fields = []
    known = LOWER_NAMES
    for line in lines:
        name, _, value = line.partition(":")
        lower = known.get(name)
        if lower is None:
            if not _ or not is_token(name):
                return None
            lower = name.lower()
        elif not _:
            return None
        fields.append((lower, value.strip(" \t")))
    return fields


def parse_field(line: str) -> tuple[str, str]:
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
        raise RemoteProtocolError(f"field line {excerpt(line)} without a colon")
    if not is_token(name):
        raise RemoteProtocolError(f"field name {excerpt(name)}; a token is allowed")
    return name.lower(), value.strip(" \t")


def parse_request_line(line: str) -> tuple[str, str, str]:
    """Read a request line into method, target and version.

    Raises:
        RemoteProtocolError: 400, or 505 for a version that is not 1.0 or 1.1.

    RFC 9112 §3
    """
    parts = line.split(" ")
    if len(parts) != 3:
        raise RemoteProtocolError(
            f"request line {excerpt(line)}; method, target and version with one space between"
        )
    method, target, version = parts
    if method not in METHODS and not is_token(method):
        raise RemoteProtocolError(f"method {excerpt(method)}; a token is allowed")
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


def target_authority(method: str, target: str) -> str | None:
    """Check the form of a request target and return the authority in it, None without one.

    Raises:
        RemoteProtocolError: 400, unless it is an origin form, an absolute form, the
            authority form with CONNECT or the asterisk form with OPTIONS.

    RFC 9112 §3.2
    """
    if method == "CONNECT":
        if target.rpartition(":")[2].isdecimal() and target[:1] != ":" and is_host(target):
            return target
        raise RemoteProtocolError(f"target {excerpt(target)}; CONNECT takes host:port")
    if ORIGIN_FORM.fullmatch(target):
        return None
    if target == "*" and method == "OPTIONS":
        return None
    match = ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise RemoteProtocolError(f"target {excerpt(target)}; a path or an absolute URI is allowed")
    authority = match[2]
    if not authority or authority[0] == ":" or not is_host(authority):
        raise RemoteProtocolError(f"authority {excerpt(authority)} in the request target")
    return authority


def request_host(hosts: list[str] | None, authority: str | None, version: str) -> str:
    """Return the authority that a request is for.

    Args:
        hosts: values of the Host fields.
        authority: the one in the request target, which wins.
    Raises:
        RemoteProtocolError: no Host in HTTP/1.1, more than one, or not a host.

    RFC 9112 §3.2
    """
    if hosts is None:
        if version == "HTTP/1.1":
            raise RemoteProtocolError("no Host field, which HTTP/1.1 requires")
        return authority or ""
    if len(hosts) > 1:
        raise RemoteProtocolError(f"{len(hosts)} Host fields; one is allowed")
    host = hosts[0]
    if not is_host(host):
        raise RemoteProtocolError(f"Host {excerpt(host)}; host[:port] is allowed")
    return host if authority is None else authority


def request_head(method: str, target: str, version: str, fields: Fields) -> RequestHead:
    """Build the head of a request from its parts, checking what they mean together.

    Raises:
        RemoteProtocolError: 400, 417 for an unknown expectation, 501 for a transfer coding.
    """
    found = framing_fields(fields)
    authority = target_authority(method, target)
    host = request_host(found.get("host"), authority, version)
    length = request_length(found, version)
    return RequestHead(
        method,
        target,
        fields,
        version,
        host=host,
        length=length,
        keep_alive=wants_keep_alive(found, version),
        expect_continue=expects_continue(found, version) and length != 0,
        upgrade=upgrade_offer(found, version),
    )


def expects_continue(found: dict[str, list[str]], version: str) -> bool:
    """Say whether the client waits for a 100 before it sends content (RFC 9110 §10.1.1).

    Raises:
        RemoteProtocolError: 417 for another expectation in HTTP/1.1.
    """
    if "expect" not in found or version == "HTTP/1.0":
        return False
    expectations = list_items(",".join(found["expect"]))
    if not expectations:
        return False
    if expectations != ["100-continue"]:
        seen = excerpt(", ".join(found["expect"]))
        raise RemoteProtocolError(f"Expect {seen}; '100-continue' is allowed", 417)
    return True


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


def response_head(
    version: str, status: int, reason: str, fields: Fields, request_method: str
) -> ResponseHead:
    """Build the head of a response from its parts and the method that it answers.

    Raises:
        RemoteProtocolError: framing that could be read in two ways.
    """
    found = framing_fields(fields)
    return ResponseHead(
        status,
        fields,
        reason,
        version,
        length=response_length(found, version, status, request_method),
        keep_alive=wants_keep_alive(found, version),
    )


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
        raise RemoteProtocolError(f"chunk line {excerpt(line)}; hex digits and extensions allowed")
    return int(match[1], 16), len(match[2])


def keep_trailers(fields: Fields) -> Fields:
    """Return the trailer fields that are safe to look at (RFC 9110 §6.5.1)."""
    return [field for field in fields if field[0] not in FORBIDDEN_TRAILERS]
