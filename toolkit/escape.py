"""Escaping and conversion between text, bytes, JSON, HTML and URLs."""

import html
import json
import re
import urllib.parse
from typing import Any, overload


def xhtml_escape(value: str | bytes) -> str:
    """Escape ``& < > " '`` so that the text may stand in HTML, attributes included."""
    return html.escape(to_unicode(value))


def xhtml_unescape(value: str | bytes) -> str:
    """Resolve character references of HTML."""
    return html.unescape(to_unicode(value))


def json_encode(value: Any) -> str:
    """Return JSON that may stand inside a ``<script>`` element: ``</`` comes as ``<\\/``."""
    return json.dumps(value).replace("</", "<\\/")


def json_decode(value: str | bytes) -> Any:
    """Return the value of a JSON text; bytes are UTF-8.

    Raises:
        ValueError: not JSON, or not UTF-8.
    """
    return json.loads(to_unicode(value))


def squeeze(value: str) -> str:
    """Replace each run of whitespace and control characters by one space; strip the ends."""
    return re.sub(r"[\x00-\x20]+", " ", value).strip()


def url_escape(value: str | bytes, plus: bool = True) -> str:
    """Percent-encode a value for a query; with ``plus=False`` for a path, slashes included."""
    quote = urllib.parse.quote_plus if plus else urllib.parse.quote
    return quote(utf8(value), safe="")


@overload
def url_unescape(value: str | bytes, encoding: None, plus: bool = True) -> bytes: ...
@overload
def url_unescape(value: str | bytes, encoding: str = "utf-8", plus: bool = True) -> str: ...
def url_unescape(
    value: str | bytes, encoding: str | None = "utf-8", plus: bool = True
) -> str | bytes:
    """Resolve percent-encoding; ``encoding=None`` gives bytes, `plus` makes ``+`` a space."""
    if encoding is None:
        raw = utf8(value)
        return urllib.parse.unquote_to_bytes(raw.replace(b"+", b" ") if plus else raw)
    unquote = urllib.parse.unquote_plus if plus else urllib.parse.unquote
    return unquote(to_unicode(value), encoding=encoding)


def parse_qs_bytes(
    qs: str | bytes,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    *,
    max_num_fields: int | None = None,
) -> dict[str, list[bytes]]:
    """Parse a query: names as text (one character a byte), values as bytes.

    Args:
        qs: ``a=1&b=2``; only ``&`` separates.
        keep_blank_values: whether ``a=`` counts.
        strict_parsing: whether a field without ``=`` is an error.
        max_num_fields: most fields allowed.
    Raises:
        ValueError: too many fields, or one without ``=`` when strict.
    """
    if not qs:
        return {}
    text = qs.decode("latin-1") if isinstance(qs, bytes) else qs
    pairs = urllib.parse.parse_qs(
        text,
        keep_blank_values,
        strict_parsing,
        encoding="latin-1",
        errors="strict",
        max_num_fields=max_num_fields,
    )
    return {name: [value.encode("latin-1") for value in values] for name, values in pairs.items()}


@overload
def utf8(value: None) -> None: ...
@overload
def utf8(value: str | bytes) -> bytes: ...
def utf8(value: str | bytes | None) -> bytes | None:
    """Return text as UTF-8; bytes and None as they are.

    Raises:
        TypeError: another type.
    """
    if isinstance(value, str):
        return value.encode("utf-8")
    if value is None or isinstance(value, bytes):
        return value
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


@overload
def to_unicode(value: None) -> None: ...
@overload
def to_unicode(value: str | bytes) -> str: ...
def to_unicode(value: str | bytes | None) -> str | None:
    """Return UTF-8 bytes as text; text and None as they are.

    Raises:
        TypeError: another type.
        UnicodeDecodeError: not UTF-8.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


native_str = to_unicode
to_basestring = to_unicode


def recursive_unicode(obj: Any) -> Any:
    """Return a structure of dicts, lists and tuples with all bytes in it as text."""
    if isinstance(obj, dict):
        return {recursive_unicode(key): recursive_unicode(value) for key, value in obj.items()}
    if isinstance(obj, list):
        return [recursive_unicode(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(recursive_unicode(item) for item in obj)
    return to_unicode(obj) if isinstance(obj, bytes) else obj
