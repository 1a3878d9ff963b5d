"""Which way to say when something was."""

import datetime

#: A clock that is this much ahead of ours does not make a date one of the future.
_SKEW = datetime.timedelta(seconds=60)

_DAY = datetime.timedelta(days=1)


def way_to_say(date: datetime.datetime, now: datetime.datetime, relative: bool) -> tuple[str, int]:
    """Return how to say when a date of the past was, the shortest way that is clear.

    Args:
        date: of the same time zone as `now`.
        relative: whether it may be said from now on.
    Returns:
        ``"seconds"``, ``"minutes"`` or ``"hours"``, and how many; or ``"time"``, ``"yesterday"``,
        ``"weekday"``, ``"day"`` (of this year or the end of the last) or ``"date"``, and 0.
    """
    if date > now:
        return ("seconds", 0) if relative and date - now <= _SKEW else ("date", 0)
    past = now - date
    if past < _DAY:
        return _since(past.seconds) if relative else ("time", 0)
    if relative and date.date() == (now - _DAY).date():
        return "yesterday", 0
    if past.days < 5:
        return "weekday", 0
    # A month less than a year, so that a day and its month say which one it is.
    return ("day", 0) if past.days < 334 else ("date", 0)


def _since(seconds: int) -> tuple[str, int]:
    """Return less than a day in its largest unit, from 50 of the next smaller one on."""
    if seconds < 50:
        return "seconds", seconds
    if seconds < 50 * 60:
        return "minutes", round(seconds / 60)
    return "hours", round(seconds / 3600)
