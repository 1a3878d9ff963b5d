"""Writing forms: the bytes around the contents of ``multipart/form-data`` (RFC 7578)."""

import re
from collections.abc import Iterable

from toolkit.wire.errors import LocalProtocolError, excerpt
from toolkit.wire.events import Field
from toolkit.wire.grammar import is_field_value, is_token

#: What browsers escape in names (WHATWG HTML, multipart form data), so that none can end its
#: quotes or its line.
_ESCAPES = str.maketrans({"\r": "%0D", "\n": "%0A", '"': "%22"})
#: What no reader takes in a field, and browsers send as it is.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def part_start(
    boundary: bytes,
    name: str,
    filename: str | None = None,
    content_type: str = "",
    fields: Iterable[Field] = (),
) -> bytes:
    """Return what stands before the content of a part; after it comes CRLF.

    >>> part_start(b"b", "a", '"x"\\r\\n.txt')
    b'--b\\r\\nContent-Disposition: form-data; name="a"; filename="%22x%22%0D%0A.txt"\\r\\n\\r\\n'

    Args:
        name: of the form's control.
        filename: None for a part that is no file.
        content_type: "" for none.
        fields: more of them, such as Content-Language.
    Raises:
        LocalProtocolError: a control character, or no header field.

    RFC 7578 §4
    """
    disposition = f'Content-Disposition: form-data; name="{_escaped("name", name)}"'
    if filename is not None:
        disposition += f'; filename="{_escaped("filename", filename)}"'
    lines = [disposition]
    if content_type:
        fields = [("Content-Type", content_type), *fields]
    for field, value in fields:
        if not is_token(field) or not is_field_value(value):
            raise LocalProtocolError(
                f"field {excerpt(field)}: {excerpt(value)} of a part; a token, and a value of "
                "characters up to U+00FF other than control characters, are allowed"
            )
        lines.append(f"{field}: {value}")
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape")
    return b"--%b\r\n%b\r\n\r\n" % (boundary, head)


def form_end(boundary: bytes) -> bytes:
    """Return what stands behind the last part."""
    return b"--%b--\r\n" % boundary


def _escaped(what: str, text: str) -> str:
    if bad := _CONTROL.search(text):
        raise LocalProtocolError(f"{bad[0]!r} in the {what} {excerpt(text)} of a part")
    return text.translate(_ESCAPES)
