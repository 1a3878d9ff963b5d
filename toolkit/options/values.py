"""Values from strings, by their type."""

import datetime
import re
from collections.abc import Callable
from typing import Any

#: A type, or a function that makes a value from a string.
ValueType = type[Any] | Callable[[str], Any]


def parse_value(type: ValueType, text: str) -> Any:
    """Make a value of a type from a string.

    Raises:
        ValueError: it is none; also what else the type itself raises.
    """
    return _PARSERS.get(type, type)(text)


def _parse_bool(text: str) -> bool:
    """Return what a word says."""
    word = text.lower()
    if word in ("true", "t", "1", "yes", "y", "on"):
        return True
    if word in ("false", "f", "0", "no", "n", "off"):
        return False
    raise ValueError("true or false")


#: Ways to write a time that are not of ISO 8601.
_DATETIME_FORMATS = [
    "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
    "%H:%M:%S",
    "%H:%M",
]


def _parse_datetime(text: str) -> datetime.datetime:
    """Return a time as ``2013-04-28 05:16:07``, of ISO 8601, or without a day."""
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _DATETIME_FORMATS:
        try:
            return datetime.datetime.strptime(text, form)
        except ValueError:
            pass
    raise ValueError("Unrecognized date/time format, as 2013-04-28 05:16:07")


#: The units of a span, each also with an ``s`` at its end from three letters on.
_UNITS = {
    **dict.fromkeys(["w", "week"], "weeks"),
    **dict.fromkeys(["d", "day"], "days"),
    **dict.fromkeys(["h", "hr", "hrs", "hour"], "hours"),
    **dict.fromkeys(["m", "min", "minute"], "minutes"),
    **dict.fromkeys(["", "s", "sec", "second"], "seconds"),
    **dict.fromkeys(["ms", "millisecond"], "milliseconds"),
    **dict.fromkeys(["us", "microsecond"], "microseconds"),
}
_SPAN = re.compile(
    r"\s*+([-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?)\s*+([A-Za-z]*+)", re.ASCII
)


def _parse_timedelta(text: str) -> datetime.timedelta:
    """Return the sum of spans such as ``1h 30m``, ``2.5 seconds``; a bare number is seconds."""
    total = datetime.timedelta()
    end = 0
    while end < len(text):
        match = _SPAN.match(text, end)
        if match is None:
            break
        unit = match[2].lower()
        name = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s") if len(unit) > 3 else unit)
        if name is None:
            units = ", ".join(sorted(set(_UNITS.values())))
            raise ValueError(f"{unit[:20]!r} is no unit of time; there are {units}")
        total += datetime.timedelta(**{name: float(match[1])})
        end = match.end()
    if end == 0 or text[end:].strip():
        raise ValueError("a number and its unit, as 1h 30m")
    return total


_PARSERS: dict[Any, Callable[[str], Any]] = {
    bool: _parse_bool,
    datetime.datetime: _parse_datetime,
    datetime.timedelta: _parse_timedelta,
}
