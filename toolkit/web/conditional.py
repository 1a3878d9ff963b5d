"""Conditional requests (RFC 9110 §13)."""

import hashlib
import re

# Bytes of entity tags beyond ASCII are obs-text (RFC 9110 §8.8.3).
_ENTITY_TAG = re.compile(r'\*|(?:W/)?"[!#-~\x80-\xff]*"')


def content_etag(content: bytes) -> str:
    """Return a strong entity tag of a content: a hash, in quotes."""
    return f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'


def matches_none(etag: str, if_none_match: str) -> bool:
    """Say whether If-None-Match names `etag`, by weak comparison (RFC 9110 §13.1.2)."""
    known = etag.removeprefix("W/")
    return any(
        tag == "*" or tag.removeprefix("W/") == known for tag in _ENTITY_TAG.findall(if_none_match)
    )
