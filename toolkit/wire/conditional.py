"""Conditional requests (RFC 9110 §13).

The preconditions of a request are looked at in this order (§13.2.2): `is_refused`, whose answer
is 412, then `is_unchanged`, whose answer to GET and HEAD is 304, then `if_range_holds` for a
Range field. Each takes the request's fields as a function from a name to a value.
"""

import re
from collections.abc import Callable

from toolkit.wire.dates import http_date

#: Looks a field up: ``headers.get``.
Lookup = Callable[[str], str | None]

# Bytes of entity tags beyond ASCII are obs-text (RFC 9110 §8.8.3).
_OPAQUE = r'"[!#-~\x80-\xff]*"'
_ENTITY_TAG = re.compile(rf"\*|(?:W/)?{_OPAQUE}")
_ONE_TAG = re.compile(rf"(?:W/)?{_OPAQUE}")


def is_entity_tag(text: str) -> bool:
    """Say whether `text` is one entity tag (RFC 9110 §8.8.3)."""
    return _ONE_TAG.fullmatch(text) is not None


def matches_weakly(etag: str | None, listed: str) -> bool:
    """Say whether a list of entity tags names `etag`, by weak comparison.

    Args:
        etag: of what there is; None when it has none, which only ``*`` names.

    RFC 9110 §13.1.2
    """
    known = None if etag is None else etag.removeprefix("W/")
    return any(tag == "*" or tag.removeprefix("W/") == known for tag in _ENTITY_TAG.findall(listed))


def matches_strongly(etag: str | None, listed: str) -> bool:
    """Say whether a list of entity tags names `etag`, by strong comparison.

    RFC 9110 §13.1.1
    """
    if listed.strip(" \t") == "*":
        return True
    return any(tag == etag and not tag.startswith("W/") for tag in _ENTITY_TAG.findall(listed))


def is_refused(fields: Lookup, etag: str | None, modified: int | None, now: float) -> bool:
    """Say whether If-Match or If-Unmodified-Since forbids the request.

    Args:
        etag, modified: of what there is now; None for what is not known.
        now: seconds since the epoch.

    RFC 9110 §13.1.1 and §13.1.4
    """
    listed = fields("If-Match")
    if listed is not None:
        return not matches_strongly(etag, listed)
    date = _date(fields, "If-Unmodified-Since", now)
    return date is not None and modified is not None and modified > date


def is_unchanged(fields: Lookup, etag: str | None, modified: int | None, now: float) -> bool:
    """Say whether the client has what there is already, by If-None-Match or If-Modified-Since.

    Args as `is_refused`.

    RFC 9110 §13.1.2 and §13.1.3
    """
    listed = fields("If-None-Match")
    if listed is not None:
        return matches_weakly(etag, listed)
    date = _date(fields, "If-Modified-Since", now)
    return date is not None and modified is not None and modified <= date


def if_range_holds(fields: Lookup, etag: str | None, modified: int | None, now: float) -> bool:
    """Say whether the Range field counts: the client has a part of what there is now.

    Args as `is_refused`. Tags are compared strongly, and a date has to be the very one.

    RFC 9110 §13.1.5
    """
    value = fields("If-Range")
    if value is None:
        return True
    if is_entity_tag(value):
        return value == etag and not value.startswith("W/")
    date = http_date(value, now)
    return date is not None and date == modified


def _date(fields: Lookup, name: str, now: float) -> int | None:
    value = fields(name)
    return None if value is None else http_date(value, now)
