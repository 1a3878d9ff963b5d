"""Queries, authorities and credentials: parts of URLs, and what is made of them."""

import re
import unicodedata
from collections.abc import Iterable
from typing import AnyStr
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from toolkit.escape import utf8

_HOST_AND_PORT = re.compile(r"(.+):([0-9]{1,5})")


def url_concat(
    url: str,
    args: dict[str, str] | list[tuple[str, str]] | tuple[tuple[str, str], ...] | None,
) -> str:
    """Return a URL with more arguments in its query.

    >>> url_concat("http://example.com/foo?a=b", {"c": "d e"})
    'http://example.com/foo?a=b&c=d+e'

    Args:
        url: its own arguments are kept, byte for byte, and its fragment stays at the end.
        args: a dict, or pairs where a name comes more than once; None changes nothing.
    Raises:
        TypeError: `args` is of another type.
    """
    if args is None:
        return url
    if not isinstance(args, dict | list | tuple):
        raise TypeError(f"args of type {type(args).__name__}; dict, list or tuple is needed")
    parts = urlsplit(url)
    # What is no UTF-8 goes through as it came.
    known = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    added = args.items() if isinstance(args, dict) else args
    query = urlencode([*known, *added], errors="surrogateescape")
    return urlunsplit(parts._replace(query=query))


def qs_to_qsl(qs: dict[str, list[AnyStr]]) -> Iterable[tuple[str, AnyStr]]:
    """Give a pair for each value of what `parse_qs` returned."""
    for name, values in qs.items():
        for value in values:
            yield name, value


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """Split ``"host:port"``; the port is None when there is none, brackets of IPv6 stay."""
    match = _HOST_AND_PORT.fullmatch(netloc)
    return (match[1], int(match[2])) if match else (netloc, None)


def encode_username_password(username: str | bytes, password: str | bytes) -> bytes:
    """Return ``username:password`` as HTTP authentication encodes it.

    Args:
        username, password: text is normalized (NFC) and becomes UTF-8, so that a letter is
            the same bytes however it was typed; bytes stay as they are.
    Raises:
        ValueError: a colon in the name, which would end it.

    RFC 7617 §2
    """
    name = _normalized(username)
    if b":" in name:
        raise ValueError(f"user name {username!r} holds a colon, which is not allowed")
    return name + b":" + _normalized(password)


def _normalized(value: str | bytes) -> bytes:
    return utf8(unicodedata.normalize("NFC", value) if isinstance(value, str) else value)
