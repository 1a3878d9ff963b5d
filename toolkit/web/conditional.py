"""Conditional requests (RFC 9110 §13)."""

import hashlib
from functools import lru_cache

from toolkit.wire.conditional import matches_weakly

#: Longest content whose tag is remembered, in bytes; there are 1,024 of them at most.
_SHORT = 256


def content_etag(content: bytes) -> str:
    """Return a strong entity tag of a content: a hash, in quotes."""
    return _short_etag(content) if len(content) <= _SHORT else _etag(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'


#: Short answers mostly come again and again, and to begin a hash takes longer than to end it.
_short_etag = lru_cache(1024)(_etag)


def matches_none(etag: str, if_none_match: str) -> bool:
    """Say whether If-None-Match names `etag`, by weak comparison (RFC 9110 §13.1.2)."""
    return matches_weakly(etag, if_none_match)
