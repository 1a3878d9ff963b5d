"""Multipart form data, read whole (RFC 7578, RFC 2046 §5.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.http1.parser import parse_fields
from toolkit.wire.parameters import parse_parameters

#: Longest boundary (RFC 2046 §5.1.1).
MAX_BOUNDARY = 70
#: Fields of one part; a browser sends three.
MAX_PART_FIELDS = 16


@dataclass(slots=True)
class Part:
    """One part of a form.

    Attributes:
        name: of the form's control.
        filename: as the client named it, None when the part is no file.
        content_type: as sent; ``application/unknown`` for a file without one.
        data: the content.
    """

    name: str
    filename: str | None
    content_type: str
    data: bytes


def parse_multipart(
    boundary: bytes, body: bytes, max_parts: int = 100, max_part_header: int = 10 * 1024
) -> list[Part]:
    """Read a whole multipart body.

    Args:
        boundary: value of the parameter of Content-Type.
        body: the content; bytes before the first and after the last boundary are ignored.
        max_parts: most parts allowed.
        max_part_header: most bytes of one part's fields.
    Raises:
        RemoteProtocolError: malformed or past a limit; nothing of it is used then.
    """
    if not 0 < len(boundary) <= MAX_BOUNDARY:
        raise RemoteProtocolError(f"boundary of {len(boundary)} bytes; 1 to {MAX_BOUNDARY} allowed")
    parts: list[Part] = []
    for piece in _pieces(b"--" + boundary, body):
        if len(parts) == max_parts:
            raise RemoteProtocolError(f"more than {max_parts} parts in a form")
        parts.append(_parse_part(piece, max_part_header))
    return parts


def _pieces(delimiter: bytes, body: bytes) -> Iterator[bytes]:
    """Yield what stands between the delimiter lines, which take the CRLF before them."""
    if body.startswith(delimiter):
        start = len(delimiter)
    else:
        start = body.find(b"\r\n" + delimiter)
        if start < 0:
            raise RemoteProtocolError(f"no line {excerpt(delimiter)} in a form")
        start += len(delimiter) + 2
    while body[start : start + 2] != b"--":
        line_end = body.find(b"\r\n", start)
        if line_end < 0 or body[start:line_end].strip(b" \t"):
            raise RemoteProtocolError(f"{excerpt(body[start : start + 20])} after a boundary")
        # The search starts at the CRLF, since an empty part has only one.
        end = body.find(b"\r\n" + delimiter, line_end)
        if end < 0:
            raise RemoteProtocolError("a form without its closing boundary")
        yield body[line_end + 2 : end]
        start = end + 2 + len(delimiter)


def _parse_part(piece: bytes, max_header: int) -> Part:
    head_end = piece.find(b"\r\n\r\n", 0, max_header + 4)
    if head_end < 0:
        raise RemoteProtocolError(f"a part without the end of its fields in {max_header} bytes")
    fields = parse_fields(piece[: head_end + 2], MAX_PART_FIELDS)
    if fields is None:
        raise RemoteProtocolError("malformed fields of a part")
    found: dict[str, str] = {}
    for name, value in fields:
        found.setdefault(name, value)
    try:
        kind, parameters = parse_parameters(found.get("content-disposition", ""))
    except ValueError as error:
        raise RemoteProtocolError(f"Content-Disposition of a part: {error}") from None
    if kind != "form-data" or "name" not in parameters:
        raise RemoteProtocolError("a part without Content-Disposition: form-data and a name")
    filename = parameters.get("filename")
    return Part(
        _from_utf8(parameters["name"]),
        None if filename is None else _from_utf8(filename),
        found.get("content-type", "application/unknown"),
        piece[head_end + 4 :],
    )


def _from_utf8(text: str) -> str:
    """Read a parameter as UTF-8, which browsers send here unescaped (RFC 7578 §5.1)."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return text
