"""Conditional requests (RFC 9110 §13)."""

import hashlib

from toolkit.wire.conditional import matches_weakly

try:
    # What hashlib itself falls back on. OpenSSL's takes longer to begin than for a short content.
    from _sha1 import sha1 as _short_sha1  # type: ignore[import-not-found]
except ImportError:
    _short_sha1 = hashlib.sha1

#: Bytes of content up to which the hash of the former is made in a single block.
_ONE_BLOCK = 55


def content_etag(content: bytes) -> str:
    """Return a strong entity tag of a content: a hash, in quotes."""
    sha1 = _short_sha1 if len(content) <= _ONE_BLOCK else hashlib.sha1
    return f'"{sha1(content, usedforsecurity=False).hexdigest()}"'


def matches_none(etag: str, if_none_match: str) -> bool:
    """Say whether If-None-Match names `etag`, by weak comparison (RFC 9110 §13.1.2)."""
    return matches_weakly(etag, if_none_match)
