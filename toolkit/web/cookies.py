"""Cookies that a handler sets: its arguments as a Set-Cookie field."""

import datetime
import re
import time
import warnings
from typing import Any

from toolkit.escape import to_unicode
from toolkit.httputil import format_timestamp
from toolkit.wire.cookies import InvalidCookieError, checked_attribute, set_cookie

Expires = float | tuple[int, ...] | time.struct_time | datetime.datetime

#: Attributes, which were once taken in any case.
_ATTRIBUTES = {
    "domain",
    "expires",
    "httponly",
    "max_age",
    "partitioned",
    "path",
    "samesite",
    "secure",
}
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DAY = 86400


def cookie_field(name: str, value: str | bytes, now: float, **attributes: Any) -> str:
    """Return the value of a Set-Cookie field.

    Args:
        now: seconds since the epoch, from which ``expires_days`` counts.
        attributes: as those of `RequestHandler.set_cookie`.
    Raises:
        InvalidCookieError: what would be read as something else; a ValueError.
        TypeError: an attribute that is not known, or an ``expires`` that is no time.
    """
    days = attributes.pop("expires_days", None)
    old = [key for key in attributes if key not in _ATTRIBUTES]
    for key in old:
        attribute = key.lower().replace("-", "_")
        if attribute not in _ATTRIBUTES:
            raise TypeError(f"cookie attribute {key!r}; {', '.join(_ATTRIBUTES)} are allowed")
        given = attributes.pop(key)
        attributes[attribute] = checked_attribute(key, given) if isinstance(given, str) else given
    if old:
        warnings.warn(
            f"cookie attributes in another case are deprecated: {', '.join(old)}",
            DeprecationWarning,
            stacklevel=3,
        )
    expires = attributes.pop("expires", None)
    if days is not None and not expires:
        expires = now + days * _DAY
    return set_cookie(
        name,
        to_unicode(value),
        expires=_date(expires) if expires else None,
        max_age=_seconds(attributes.pop("max_age", None)),
        **attributes,
    )


def _date(expires: Expires | str) -> str:
    if isinstance(expires, str):
        raise InvalidCookieError(
            f"Invalid cookie attribute expires: {expires[:100]!r}; seconds since the epoch, a "
            "time tuple or a datetime are allowed"
        )
    return format_timestamp(expires)


def _seconds(max_age: Any) -> int | None:
    if max_age is None:
        return None
    if isinstance(max_age, str) and not _INTEGER.fullmatch(max_age):
        raise InvalidCookieError(
            f"Invalid cookie attribute max_age: {max_age[:100]!r}; an integer is allowed"
        )
    return int(max_age)
