"""Writing heads, chunks and trailers; the last place that sees a value before the wire."""

from http import HTTPStatus

from toolkit.wire.errors import LocalProtocolError, excerpt
from toolkit.wire.events import Fields
from toolkit.wire.grammar import CONTENT_LENGTH, FIELD_BYTES, is_field_value, is_token
from toolkit.wire.http1.parser import FORBIDDEN_TRAILERS, LOWER_NAMES

REASONS = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {code: f"HTTP/1.1 {code} {reason}\r\n" for code, reason in REASONS.items()}

#: Names that say how a message is framed, and the usual ones that do not.
FRAMING_NAMES = frozenset(("connection", "content-length", "transfer-encoding"))
PLAIN_NAMES = frozenset(name for name, lower in LOWER_NAMES.items() if lower not in FRAMING_NAMES)


def status_line(status: int, reason: str | None) -> str:
    """Write a status line with its CRLF; None chooses the usual reason phrase."""
    if reason is None and status in STATUS_LINES:
        return STATUS_LINES[status]
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"status {status}; 100 to 999 are allowed")
    return f"HTTP/1.1 {status} {'Unknown' if reason is None else reason}\r\n"


def field_lines(fields: Fields) -> tuple[list[str], dict[str, str]]:
    """Write field lines, apart from those that say how the message is framed.

    Returns:
        The lines, and the values of Connection, Content-Length and Transfer-Encoding by
        name in lower case; the caller decides on these.
    Raises:
        LocalProtocolError: a name is not a token.
    """
    lines: list[str] = []
    framing: dict[str, str] = {}
    plain = PLAIN_NAMES
    for name, value in fields:
        if name not in plain:
            if not is_token(name):
                raise LocalProtocolError(f"field name {excerpt(name)}; a token is allowed")
            lower = name.lower()
            if lower in FRAMING_NAMES:
                framing[lower] = f"{framing[lower]}, {value}" if lower in framing else value
                continue
        lines.append(f"{name}: {value}\r\n")
    return lines, framing


def encode_head(start_line: str, lines: list[str], checked: bool = False) -> bytes:
    """Put a head together, with the empty line at its end.

    Args:
        checked: whether it is known that no line holds a control character.
    Raises:
        LocalProtocolError: a line holds a control character or one beyond ISO 8859-1.
    """
    try:
        head = f"{start_line}{''.join(lines)}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        head = b""
    # Whatever may stand in a line taken out, only the line ends may be left.
    if checked and head:
        return head
    if head.translate(None, FIELD_BYTES) != b"\r\n" * (len(lines) + 2):
        bad = next(line for line in (start_line, *lines) if not is_field_value(line[:-2]))
        raise LocalProtocolError(f"{excerpt(bad[:-2])} holds a character not allowed in a head")
    return head


def encode_chunk(data: bytes) -> bytes:
    """Write one chunk (RFC 9112 §7.1); `data` is not empty, since that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def encode_last_chunk(trailers: Fields) -> bytes:
    """Write the last chunk and the trailer section.

    Raises:
        LocalProtocolError: a field that may not be a trailer (RFC 9110 §6.5.1).
    """
    if not trailers:
        return b"0\r\n\r\n"
    lines, framing = field_lines(trailers)
    for name in [*framing, *(name.lower() for name, _ in trailers)]:
        if name in FORBIDDEN_TRAILERS:
            raise LocalProtocolError(f"field {name} is not allowed as a trailer")
    return encode_head("0\r\n", lines)


def content_length(value: str) -> int:
    """Read the Content-Length that our own side set.

    Raises:
        LocalProtocolError: unless it is one number of at most 18 digits.
    """
    if not CONTENT_LENGTH.fullmatch(value):
        raise LocalProtocolError(f"Content-Length {excerpt(value)}; one number is allowed")
    return int(value.lstrip("0") or "0")
