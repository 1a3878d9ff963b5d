"""Escaping and conversion between text, bytes, JSON, HTML and URLs."""

import html
import json
import re
import urllib.parse
from collections.abc import Callable, Collection, Iterator
from typing import Any, overload

#: Bytes of percent-encoding resolved at once: the standard library makes an object of each
#: ``%``, which for a whole body at once would cost twenty times its size in memory.
_BLOCK = 4096


def _json_encoder() -> Callable[[Any, int], Collection[str]] | None:
    """Return what `json.dumps` comes to, None for interpreters that do not have it in C.

    Without the layers of Python above it, which cost more than the JSON of a small value, and
    without a look for circles, in which it does not end of itself.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return None
    default, text = json.JSONEncoder().default, json.encoder.encode_basestring_ascii
    encode: Callable[[Any, int], Collection[str]] = make(
        None, default, text, None, ": ", ", ", False, False, True
    )
    return encode


_encode = _json_encoder()
#: Likewise what `json.loads` comes to.
_first_value: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]


def xhtml_escape(value: str | bytes) -> str:
    """Escape ``& < > " '`` so that the text may stand in HTML, attributes included."""
    # A subclass of str may replace in a way of its own, as those do that mark text as HTML.
    return html_escaped(str.__str__(to_unicode(value)))


def html_escaped(text: str) -> str:
    """Return what `html.escape` does, of a string of no subclass.

    Of ASCII it takes half as long by way of bytes, in which a character is found sooner.
    """
    if not text.isascii():
        return html.escape(text)
    raw = text.encode()
    raw = raw.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    return raw.replace(b'"', b"&quot;").replace(b"'", b"&#x27;").decode()


def xhtml_unescape(value: str | bytes) -> str:
    """Resolve character references of HTML."""
    return html.unescape(to_unicode(value))


def json_encode(value: Any) -> str:
    """Return JSON that may stand inside a ``<script>`` element.

    ``</``, which could end it, comes as ``<\\/``, and ``<!--``, after which an end would be
    overlooked, as ``<\\u0021--``.
    """
    try:
        text = json.dumps(value) if _encode is None else "".join(_encode(value, 0))
    except RecursionError:
        # That says whether it goes in a circle or is too deep.
        text = json.dumps(value)
    if "<" in text:
        text = text.replace("</", "<\\/").replace("<!--", "<\\u0021--")
    return text


def json_decode(value: str | bytes) -> Any:
    """Return the value of a JSON text; bytes are UTF-8.

    Raises:
        ValueError: not JSON, not UTF-8, or nested without end.
    """
    text = value.decode() if type(value) is bytes else to_unicode(value)
    try:
        try:
            found, end = _first_value(text, 0)
        except (ValueError, StopIteration):
            end = -1  # there may be blanks before it
        # The usual text ends with its value; any other is looked at in whole.
        return found if end == len(text) else json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deep") from None


def squeeze(value: str) -> str:
    """Replace each run of whitespace and control characters by one space; strip the ends."""
    return re.sub(r"[\x00-\x20]+", " ", value).strip()


def url_escape(value: str | bytes, plus: bool = True) -> str:
    """Percent-encode a value for a query; with ``plus=False`` for a path, whose slashes stay."""
    if plus:
        return urllib.parse.quote_plus(utf8(value))
    return urllib.parse.quote(utf8(value))


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
        return _unquote(raw.replace(b"+", b" ") if plus else raw)
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
        UnicodeEncodeError: a character that stands for no byte.
    """
    if not qs:
        return {}
    text = qs if isinstance(qs, str) else qs.decode("latin-1")
    if not text.isascii():
        text.encode("latin-1")  # names, too, have to be made of bytes
    # A shorter text has no room for so many.
    if max_num_fields is not None and len(text) >= max_num_fields:
        count = text.count("&") + 1
        if count > max_num_fields:
            raise ValueError(f"{count} fields in a query; {max_num_fields} are allowed")
    found: dict[str, list[bytes]] = {}
    plain = "%" not in text and "+" not in text
    for field in text.split("&"):
        name, equals, value = field.partition("=")
        if not equals and strict_parsing:
            raise ValueError(f"a field of a query has no '=': {field[:100]!r}")
        if value or (field and keep_blank_values):
            if plain:
                raw = value.encode("latin-1")
            else:
                name, raw = _decoded(name).decode("latin-1"), _decoded(value)
            if name in found:
                found[name].append(raw)
            else:
                found[name] = [raw]
    return found


def _decoded(text: str) -> bytes:
    """Return the bytes of a name or a value in a query."""
    return _unquote(text.encode("latin-1").replace(b"+", b" "))


def _unquote(raw: bytes) -> bytes:
    """Resolve percent-encoding; what is no escape stays as it is."""
    if b"%" not in raw:
        return raw
    if len(raw) <= _BLOCK:
        return urllib.parse.unquote_to_bytes(raw)
    return b"".join(map(urllib.parse.unquote_to_bytes, _blocks(raw)))


def _blocks(raw: bytes) -> Iterator[bytes]:
    """Cut where no escape is cut."""
    start = 0
    while start < len(raw):
        end = start + _BLOCK
        percent = raw.rfind(b"%", end - 2, end)
        if percent != -1 and end < len(raw):
            end = percent
        yield raw[start:end]
        start = end


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


# -- links -------------------------------------------------------------------------------

# Each quantifier is possessive: nothing is read twice, however the text looks.
_LINK = re.compile(
    r"""
    (?<!\w)
    (?: (?P<protocol>\w++) :/{1,3} | www\. )
    (?P<rest> (?: [^\s()<>"']++ | \([^\s()<>"']*+\) )*+ )
    """,
    re.VERBOSE,
)

#: What ends a sentence or a quotation rather than a link.
_TRAILING = "&~:@#$%*+=,.;!?|\\^`[]{}"

#: Characters of a link that is shown in short, and of the first part of its path.
_SHORT = 30
_SHORT_PATH = 8


def linkify(
    text: str | bytes,
    shorten: bool = False,
    extra_params: str | Callable[[str], str] = "",
    require_protocol: bool = False,
    permitted_protocols: Collection[str] = ("http", "https"),
) -> str:
    """Return HTML of a plain text, in which each URL is a link.

    >>> linkify("Hello http://example.com!")
    'Hello <a href="http://example.com">http://example.com</a>!'

    Args:
        shorten: whether a long URL is shown cut, with the whole of it as title.
        extra_params: more attributes of each link, as HTML; or what makes them from the URL.
        require_protocol: whether ``www.example.com`` stays plain text.
        permitted_protocols: those that make a link; ``javascript`` had better not be one.

    A URL ends before a blank, a quotation mark, ``<``, ``>``, an unbalanced or nested
    parenthesis, and the punctuation of the sentence around it.
    """

    def link(match: re.Match[str]) -> str:
        protocol = match["protocol"]
        start = match[0][: match.start("rest") - match.start()]
        rest = match["rest"].rstrip(_TRAILING)
        permitted = {protocol, protocol.lower()} & allowed if protocol else not require_protocol
        if not permitted or not rest:
            return html.escape(match[0])
        shown = url = start + rest
        href = url if protocol else "http://" + url
        extra = extra_params(href) if callable(extra_params) else extra_params
        attributes = f" {extra.strip()}" if extra.strip() else ""
        if shorten:
            shown = _shortened(url, len(start) if protocol else 0)
            if shown != url:
                attributes += f' title="{html.escape(href)}"'
        anchor = f'<a href="{html.escape(href)}"{attributes}>{html.escape(shown)}</a>'
        return anchor + html.escape(match[0][len(url) :])

    allowed = set(permitted_protocols)
    text = to_unicode(text)
    pieces = []
    end = 0
    for match in _LINK.finditer(text):
        pieces.append(html.escape(text[end : match.start()]))
        pieces.append(link(match))
        end = match.end()
    pieces.append(html.escape(text[end:]))
    return "".join(pieces)


def _shortened(url: str, start: int) -> str:
    """Cut a long URL after the first part of its path, and anyway where it is much too long.

    Args:
        start: where the host begins.
    """
    if len(url) <= _SHORT:
        return url
    host, slash, path = url[start:].partition("/")
    first = path.partition("/")[0][:_SHORT_PATH]
    short = url[:start] + host + slash + re.split(r"[?.]", first)[0]
    if len(short) > _SHORT * 1.5:
        short = short[:_SHORT]
    return url if short == url else short + "..."
