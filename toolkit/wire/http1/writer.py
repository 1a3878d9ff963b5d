"""Our own messages: which framing they get and what is refused before it is sent."""

from typing import Final

from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import RequestHead, ResponseHead
from toolkit.wire.grammar import ORIGIN_FORM, is_host, is_token, list_items
from toolkit.wire.http1.framing import may_have_body
from toolkit.wire.http1.heads import target_authority
from toolkit.wire.http1.memory import LONGEST, Memory
from toolkit.wire.http1.serializer import (
    FRAMING_NAMES,
    PLAIN_NAMES,
    STATUS_LINES,
    content_length,
    encode_head,
    field_lines,
    status_line,
)

# What our side writes next.
HEAD: Final = 0
FIXED: Final = 1
CHUNKS: Final = 2
UNTIL_CLOSE: Final = 3
NOTHING: Final = 4  # the answer to HEAD, a 204 or a 304: a head alone
DONE: Final = 5
SWITCHED: Final = 6

#: Methods whose requests need no Content-Length when they are empty (RFC 9110 §8.6).
_WITHOUT_CONTENT = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_FRAMING = frozenset(("content-length", "transfer-encoding"))
#: Methods that are sent as often as not, and whose target is a path.
_USUAL_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
#: Fields of requests that are alike for many and tell nobody's secrets.
_SHARED = frozenset(("Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type"))
#: Lines of such fields that were written before, without the empty line after them.
_known_lines: Memory[tuple[tuple[str, str], ...], bytes] = Memory()
_BODYLESS = frozenset((204, 205, 304))
_USUAL = frozenset(status for status in STATUS_LINES if status >= 200) - _BODYLESS
#: Status lines of the usual kind, with their CRLF.
USUAL_LINES: Final = {status: STATUS_LINES[status].encode() for status in _USUAL}
#: Methods whose responses do not say by themselves whether content follows.
SPECIAL = frozenset(("HEAD", "CONNECT"))


#: A head as bytes, and what it means for the messages to come: what is written next, how
#: many bytes of a body when that is `FIXED`, and whether the connection may go on afterwards.
#: A plain tuple, since a named one costs as much as joining the head.
Written = tuple[bytes, int, int, bool]


def write_response(
    head: ResponseHead, request: RequestHead, keep_alive: bool, body: bytes, end: bool
) -> Written:
    """Write the head of a final response.

    Args:
        head: status 200 or above.
        request: what it answers.
        keep_alive: whether the connection should go on.
        body: the whole body when `end` is true, else empty.
        end: whether nothing but `body` follows.
    Raises:
        LocalProtocolError: fields that contradict the body, or that may not be sent.
    """
    status, method = head.status, request.method
    http10 = request.version == "HTTP/1.0"
    lines, framing = field_lines(head.fields)
    if status == 205:
        # RFC 9110 §15.3.6
        framing.setdefault("content-length", "0")
        state, left, length = _frame(framing, body, end, chunks=False)
        if left:
            raise LocalProtocolError(f"content of {left} bytes in a 205 response, which has none")
    elif method in SPECIAL or status in _BODYLESS:
        state, left = NOTHING, 0
        if method == "CONNECT":
            if status < 300:
                state = SWITCHED
            else:
                # What follows may be meant for the other end of the tunnel that there is not.
                keep_alive = False
        if may_have_body(status, method):
            state, left, length = _frame(framing, body, end, chunks=not http10)
        else:
            length = _told_length(framing, status, request, body, end)
    else:
        state, left, length = _frame(framing, body, end, chunks=not http10)
    if length:
        lines.append(length)
    if state == UNTIL_CLOSE:
        keep_alive = False
    options = framing.get("connection")
    if options is not None and "close" in list_items(options):
        keep_alive = False
    if not keep_alive:
        # In HTTP/1.0 it goes without saying, unless the client has asked for something else.
        if options is not None or not http10 or request.keep_alive:
            lines.append(f"Connection: {_closing(options or '')}\r\n")
    elif options is not None:
        lines.append(f"Connection: {options}\r\n")
    elif http10:
        lines.append("Connection: Keep-Alive\r\n")
    raw = encode_head(status_line(status, head.reason), lines, head.checked)
    return raw, state, left, keep_alive


def write_usual(head: ResponseHead, request: RequestHead, body: bytes) -> bytes | None:
    """Write a whole response of the usual kind; None leaves any other to `write_response`.

    It comes with no word on framing but its right length, to a client of HTTP/1.1 that keeps
    its connection. To look at all else beside it took longer.
    """
    if (
        head.status not in _USUAL
        or head.reason is not None
        or not (head.checked and request.keep_alive)
        or request.method in SPECIAL
        or request.version == "HTTP/1.0"
    ):
        return None
    lines = STATUS_LINES[head.status]
    length = str(len(body))
    told = False
    for name, value in head.fields:
        if name not in PLAIN_NAMES and name.lower() in FRAMING_NAMES:
            if told or value != length or name != "Content-Length":
                return None
            told = True
            continue
        lines += f"{name}: {value}\r\n"
    try:
        return f"{lines}Content-Length: {length}\r\n\r\n".encode("latin-1") + body
    except UnicodeEncodeError:
        return None


def write_interim(head: ResponseHead) -> bytes:
    """Write a 1xx response (RFC 9110 §15.2).

    Raises:
        LocalProtocolError: it has fields that frame content.
    """
    lines, framing = field_lines(head.fields)
    if not _FRAMING.isdisjoint(framing):
        raise LocalProtocolError(f"a {head.status} response has no content to frame")
    options = framing.get("connection", "Upgrade" if head.status == 101 else "")
    if head.status == 101 and not any(name.lower() == "upgrade" for name, _ in head.fields):
        raise LocalProtocolError("a 101 response without an Upgrade field")
    if options:
        lines.append(f"Connection: {options}\r\n")
    return encode_head(status_line(head.status, head.reason), lines)


def write_request(
    head: RequestHead, keep_alive: bool, body: bytes, end: bool
) -> tuple[Written, str]:
    """Write the head of a request.

    Args:
        keep_alive: whether the connection should go on; the rest as `write_response`.
    Returns:
        The head, and the protocols that it offers to switch to.
    Raises:
        LocalProtocolError: not one Host, or what `write_response` raises it for.
    """
    lines, framing = field_lines(head.fields)
    hosts = [value for name, value in head.fields if name.lower() == "host"]
    if len(hosts) != 1:
        raise LocalProtocolError(f"{len(hosts)} Host fields; a request has one")
    if not is_host(hosts[0]):
        raise LocalProtocolError(f"Host {excerpt(hosts[0])}; host[:port] is allowed")
    if not is_token(head.method):
        raise LocalProtocolError(f"method {excerpt(head.method)}; a token is allowed")
    try:
        target_authority(head.method, head.target)
    except RemoteProtocolError as error:
        raise LocalProtocolError(str(error)) from None
    if end and not body and head.method in _WITHOUT_CONTENT and _FRAMING.isdisjoint(framing):
        state, left, length = FIXED, 0, ""
    else:
        state, left, length = _frame(framing, body, end, chunks=True)
    if length:
        lines.append(length)
    connection = framing.get("connection", "")
    if not keep_alive:
        connection = _closing(connection)
    if not connection:
        raw = encode_head(f"{head.method} {head.target} HTTP/1.1\r\n", lines)
        if not framing:
            _remember(head)
        return (raw, state, left, keep_alive), ""
    options = list_items(connection)
    lines.append(f"Connection: {connection}\r\n")
    raw = encode_head(f"{head.method} {head.target} HTTP/1.1\r\n", lines)
    offers = ", ".join(value for name, value in head.fields if name.lower() == "upgrade")
    return (raw, state, left, keep_alive and "close" not in options), (
        offers if "upgrade" in options else ""
    )


def write_usual_request(head: RequestHead, body: bytes) -> bytes | None:
    """Write a whole request whose fields were sent before; None for any other."""
    lines = _known_lines.get(tuple(head.fields))
    method, target = head.method, head.target
    if lines is None or method not in _USUAL_METHODS or not ORIGIN_FORM.fullmatch(target):
        return None
    start_line = f"{method} {target} HTTP/1.1\r\n".encode("latin-1")
    if not body and method in _WITHOUT_CONTENT:
        return b"%b%b\r\n" % (start_line, lines)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (start_line, lines, len(body), body)


def _remember(head: RequestHead) -> None:
    """Keep the lines of fields that were found to be good, if others will send the same."""
    fields = tuple(head.fields)
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if len(lines) <= LONGEST and all(name in _SHARED for name, _ in fields):
        _known_lines.keep(fields, lines.encode("latin-1"))


def _closing(options: str) -> str:
    """Return connection options with close in place of those that are about going on."""
    items = [item.strip(" \t") for item in options.split(",")]
    others = [item for item in items if item.lower() not in ("", "close", "keep-alive")]
    return ", ".join([*others, "close"])


def _frame(framing: dict[str, str], body: bytes, end: bool, chunks: bool) -> tuple[int, int, str]:
    """Choose how our body ends: what is written next, how much, and the field that says so."""
    coding, length = _coding_or_length(framing)
    if end and coding is None:
        size = len(body)
        told = str(size)
        if length is not None and length != told:
            missing = content_length(length) - size
            if missing < 0:
                raise LocalProtocolError(too_much(size, size + missing))
            if missing:
                raise LocalProtocolError(too_little(missing))
        return FIXED, size, f"Content-Length: {told}\r\n"
    if length is not None:
        size = content_length(length)
        return FIXED, size, f"Content-Length: {size}\r\n"
    if chunks:
        return CHUNKS, 0, "Transfer-Encoding: chunked\r\n"
    return UNTIL_CLOSE, 0, ""


def _coding_or_length(framing: dict[str, str]) -> tuple[str | None, str | None]:
    """Return Transfer-Encoding and Content-Length as our side set them, one of them at most."""
    coding = framing.get("transfer-encoding")
    length = framing.get("content-length")
    if coding is not None and (coding.lower() != "chunked" or length is not None):
        raise LocalProtocolError(
            f"Transfer-Encoding {excerpt(coding)}, Content-Length {length}; 'chunked' alone, "
            "or a length alone is allowed"
        )
    return coding, length


def too_much(size: int, left: int) -> str:
    """Say that more is to be written than was announced."""
    return f"Tried to write more data than Content-Length: {size} bytes with {left} left"


def too_little(left: int) -> str:
    """Say that less was written than was announced."""
    return f"Tried to write {left} bytes less than Content-Length"


def _told_length(
    framing: dict[str, str], status: int, request: RequestHead, body: bytes, end: bool
) -> str:
    """Return what the answer to HEAD or a 304 tells of a body, though none follows.

    RFC 9110 §8.6, RFC 9112 §6.1
    """
    method = request.method
    if body and method != "HEAD":
        raise LocalProtocolError(f"a {status} answer to {method} has no content")
    if (status == 204 or method == "CONNECT") and not _FRAMING.isdisjoint(framing):
        raise LocalProtocolError(f"a {status} answer to {method} has no content to frame")
    coding, length = _coding_or_length(framing)
    if length is not None:
        return f"Content-Length: {content_length(length)}\r\n"
    if coding is not None:
        return "" if request.version == "HTTP/1.0" else "Transfer-Encoding: chunked\r\n"
    return f"Content-Length: {len(body)}\r\n" if body and end else ""
