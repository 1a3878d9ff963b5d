"""Times as HTTP writes them (RFC 9110 §5.6.7)."""

import calendar
import time
from datetime import UTC, datetime
from email.utils import formatdate


def format_timestamp(
    ts: int | float | tuple[int, ...] | time.struct_time | datetime,
) -> str:
    """Return a time as HTTP writes it.

    >>> format_timestamp(1359312200)
    'Sun, 27 Jan 2013 18:43:20 GMT'

    Args:
        ts: seconds since the epoch, a UTC time tuple, or a datetime (UTC when naive).
    Raises:
        TypeError: another type.
    """
    if isinstance(ts, (int, float)):
        seconds = float(ts)
    elif isinstance(ts, (tuple, time.struct_time)):
        seconds = calendar.timegm(tuple(ts))
    elif isinstance(ts, datetime):
        seconds = (ts if ts.tzinfo else ts.replace(tzinfo=UTC)).timestamp()
    else:
        raise TypeError(f"unknown timestamp type: {ts!r}")
    return formatdate(seconds, usegmt=True)


_date = (0, "")


def date_now() -> str:
    """Return the current time as HTTP writes it; made once a second."""
    global _date
    second = int(time.time())
    known = _date
    if known[0] != second:
        _date = known = (second, formatdate(second, usegmt=True))
    return known[1]
