"""What handlers write, as bytes and as header fields."""

import datetime
from typing import Any

from toolkit.escape import json_encode
from toolkit.httputil import format_timestamp
from toolkit.wire.grammar import is_field_value

HeaderTypes = str | bytes | int | datetime.datetime


def header_text(value: HeaderTypes) -> str:
    """Turn a header's value into text.

    Raises:
        ValueError, TypeError: as `RequestHandler.set_header`.
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        text = value.decode("latin-1")
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, datetime.datetime):
        return format_timestamp(value)
    else:
        raise TypeError(f"Unsupported header value {value!r}")
    if not is_field_value(text):
        raise ValueError(f"Unsafe header value {text!r}")
    return text


def content_bytes(chunk: Any) -> bytes:
    """Return what a handler writes as bytes; a dict as JSON.

    Raises:
        TypeError: another type.
    """
    if isinstance(chunk, dict):
        return json_encode(chunk).encode("utf-8")
    if isinstance(chunk, str):
        return chunk.encode("utf-8")
    if isinstance(chunk, bytes):
        return chunk
    # A list as a whole JSON answer could once be read across sites by a script element.
    hint = "; lists are not accepted for security reasons" if isinstance(chunk, list) else ""
    raise TypeError(f"write() takes bytes, str and dict, not {type(chunk).__name__}{hint}")
