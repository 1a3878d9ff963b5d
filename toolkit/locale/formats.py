"""How dates, times, numbers and lists are written in each locale.

The facts are in ``formats.json``, written by ``tests/base/make_locale_data.mjs`` from the Unicode
CLDR (UNICODE-LICENSE.txt); those of American English are here, and stand for a language that is
not there.
"""

import dataclasses
import datetime
import functools
import json
from pathlib import Path
from typing import Any

from toolkit.locale.language import closest

#: Other codes of languages that the data has.
_ALIASES = {"fil": "tl", "in": "id", "iw": "he", "no": "nb"}


@dataclasses.dataclass(frozen=True)
class Formats:
    """The formats of a locale: patterns for the ``%`` operator, and what to fill in.

    The defaults are American English.
    """

    #: From January, as they stand in `day`.
    months: list[str]
    #: From Monday.
    weekdays: list[str]
    #: Of ``month_name``, ``month``, ``day``, ``year`` and ``weekday``.
    day: str = "%(month_name)s %(day)s"
    date: str = "%(month_name)s %(day)s, %(year)s"
    weekday_day: str = "%(weekday)s, %(month_name)s %(day)s"
    #: Of ``hour``, ``hour12``, ``minute`` and ``period``.
    time: str = "%(hour12)d:%(minute)02d %(period)s"
    #: The period of each of the 24 hours; None where hours are not counted to 12.
    periods: list[str] | None = dataclasses.field(default_factory=lambda: ["am"] * 12 + ["pm"] * 12)
    #: Of ``date`` and ``time``.
    at: str = "%(date)s at %(time)s"
    weekday_at: str = "%(date)s at %(time)s"
    yesterday: str = "yesterday"
    #: Forms of ``count``, and a digit for each count to 59 that says which form it takes.
    seconds: tuple[list[str], str] = (["%(count)d seconds ago", "1 second ago"], "01" + "0" * 58)
    minutes: tuple[list[str], str] = (["%(count)d minutes ago", "1 minute ago"], "01" + "0" * 58)
    hours: tuple[list[str], str] = (["%(count)d hours ago", "1 hour ago"], "01" + "0" * 58)
    #: What is between the first items; how the last is added to one, and to more.
    list: tuple[str, str, str] = (", ", "%(commas)s and %(last)s", "%(commas)s and %(last)s")
    #: Separator, digits in the last group and in the others, least digits of a number that is
    #: grouped, minus sign.
    number: tuple[str, int, int, int, str] = (",", 3, 3, 4, "-")

    def clock(self, time: datetime.datetime) -> str:
        """Return the time of day."""
        return self.time % {
            "hour": time.hour,
            "hour12": time.hour % 12 or 12,
            "minute": time.minute,
            "period": self.periods[time.hour] if self.periods else "",
        }

    def ago(self, unit: str, count: int) -> str:
        """Return how long ago something was: up to 59 ``seconds``, ``minutes`` or ``hours``."""
        forms, which = getattr(self, unit)
        form: str = forms[int(which[count])]
        return form % {"count": count}

    def integer(self, value: int) -> str:
        """Return a number with its digits in groups."""
        separator, last, others, least, minus = self.number
        digits = str(abs(value))
        if len(digits) >= least:
            groups = [digits[-last:]]
            for end in range(len(digits) - last, 0, -others):
                groups.append(digits[max(end - others, 0) : end])
            digits = separator.join(reversed(groups))
        return minus + digits if value < 0 else digits


_ENGLISH = {
    "months": "January February March April May June July August September October"
    " November December".split(),
    "weekdays": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
}


@functools.cache
def _data() -> dict[str, dict[str, Any]]:
    """Return the differences of each locale to its language, and of that to English."""
    path = Path(__file__).with_name("formats.json")
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


@functools.lru_cache(maxsize=256)
def formats_of(code: str) -> Formats:
    """Return the formats of a locale or the closest that there is, which may be English."""
    found: dict[str, Any] = dict(_ENGLISH)
    for candidate in reversed(list(closest(code))):
        language, underscore, rest = candidate.partition("_")
        found |= _data().get(_ALIASES.get(language, language) + underscore + rest, {})
    return Formats(**found)
