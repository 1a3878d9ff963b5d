"""Dates as HTTP writes them, read (RFC 9110 §5.6.7)."""

import re
from datetime import UTC, datetime

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

#: The form to write, and the two old ones that everybody has to read. The case of letters is
#: fixed, but nothing is won by refusing a date for it.
_FORMS = [
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
]


def http_date(value: str, now: float) -> int | None:
    """Read a date in any of the three forms of HTTP.

    >>> http_date("Sun, 06 Nov 1994 08:49:37 GMT", 0)
    784111777
    >>> http_date("Sunday, 06-Nov-94 08:49:37 GMT", 0) == http_date("Sun Nov  6 08:49:37 1994", 0)
    True

    Args:
        now: seconds since the epoch; a year of two digits is at most 50 years after it.
    Returns:
        Seconds since the epoch; None when it is no date, which is to be treated as if the
        field were not there.

    RFC 9110 §5.6.7
    """
    match = next(filter(None, (form.fullmatch(value) for form in _FORMS)), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year = _full_year(year, datetime.fromtimestamp(now, UTC).year)
    second = int(match["second"])
    try:
        # A leap second is read as the one before it, which `datetime` knows.
        date = datetime(
            year,
            _MONTHS[match["month"].lower()],
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            59 if second == 60 else second,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(date.timestamp())


def _full_year(year: int, this_year: int) -> int:
    """Return the year that two digits stand for: the last one that is not over 50 years ahead."""
    latest = this_year + 50
    return latest - (latest - year) % 100
