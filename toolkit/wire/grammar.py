"""The grammar of HTTP as tables and compiled patterns, one name per rule of the RFCs.

Text patterns work on ISO 8859-1: one character is one byte. No `\\d`, `\\w` or `\\s`
stands in any of them, since those match more than ASCII.
"""

import ipaddress
import re

#: RFC 9110 §5.6.2
TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
TOKEN = re.compile(f"[{TCHAR}]+")

#: What may stand in a field value or a start line: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5).
FIELD_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
#: Removes from a text all that may stand in a field value; what stays is forbidden there.
FIELD_TEXT = dict.fromkeys(FIELD_BYTES)

#: A quoted-string (RFC 9110 §5.6.4), which takes time linear in its length.
QUOTED_STRING = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'

#: Characters of a request target. Beyond RFC 3986 it has those that browsers leave
#: unescaped (WHATWG URL, query percent-encode set) and obs-text, which curl sends as it is.
TARGET_CHARS = r"!$-;=?-~\x80-\xff"
ORIGIN_FORM = re.compile(f"/[{TARGET_CHARS}]*")
ABSOLUTE_FORM = re.compile(
    f"([A-Za-z][A-Za-z0-9+.\\-]*)://([^/?{{}}|\\\\^`\\x80-\\xff]*)([/?][{TARGET_CHARS}]*)?"
)

#: ``uri-host [":" port]`` (RFC 9110 §7.2); the parts inside brackets are checked apart.
HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::([0-9]*))?"
)

#: RFC 9112 §2.3
VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")

#: RFC 9110 §8.6; 18 digits are more than any body has and fit every integer type.
CONTENT_LENGTH = re.compile(r"0*[0-9]{1,18}")

#: RFC 9112 §7.1 and §7.1.1; 16 digits are 64 bits.
CHUNK_LINE = re.compile(
    f"([0-9A-Fa-f]{{1,16}})"
    f"((?:[ \\t]*;[ \\t]*[{TCHAR}]+(?:[ \\t]*=[ \\t]*(?:[{TCHAR}]+|{QUOTED_STRING}))?)*)"
)

#: A chunk line as nearly all are, with its CRLF: a size below 4 GiB and nothing else.
PLAIN_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")


def is_token(text: str) -> bool:
    """Say whether `text` is a token (RFC 9110 §5.6.2)."""
    return TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    """Say whether `text` may be a field value: no control character but HTAB, all below U+0100."""
    return not text.translate(FIELD_TEXT)


def is_host(text: str) -> bool:
    """Say whether `text` is a host with an optional port (RFC 9110 §7.2); empty is allowed."""
    match = HOST.fullmatch(text)
    if match is None:
        return False
    literal, port = match.groups()
    if port and (len(port) > 5 or int(port) > 65535):
        return False
    return literal is None or is_ipv6(literal)


def is_ipv6(text: str) -> bool:
    """Say whether `text` is an IPv6 address without brackets or zone."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def list_items(value: str) -> list[str]:
    """Split a comma-separated list into its items, lower-cased; empty items are dropped.

    Only SP and HTAB count as whitespace. RFC 9110 §5.6.1
    """
    items = (item.strip(" \t").lower() for item in value.split(","))
    return [item for item in items if item]
