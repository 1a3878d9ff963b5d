"""Conditional requests (RFC 9110 §13)."""

import hashlib

from toolkit.wire.conditional import matches_weakly


def content_etag(content: bytes) -> str:
    """Return a strong entity tag of a content: a hash, in quotes."""
    return f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'


def matches_none(etag: str, if_none_match: str) -> bool:
    """Say whether If-None-Match names `etag`, by weak comparison (RFC 9110 §13.1.2)."""
    return matches_weakly(etag, if_none_match)
