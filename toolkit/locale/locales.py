"""Locales, and the catalogues that they take their translations from."""

import datetime
import gettext
from collections.abc import Iterable
from typing import Any

from toolkit.locale.catalogues import (
    CONTEXT_SEPARATOR,
    Catalogue,
    read_csv_files,
    read_gettext_files,
)
from toolkit.locale.dates import way_to_say
from toolkit.locale.formats import formats_of
from toolkit.locale.language import closest, right_to_left
from toolkit.locale.names import LOCALE_NAMES
from toolkit.log import gen_log

#: English texts for what was some time ago, which a catalogue may translate.
_AGO = {
    "seconds": ("1 second ago", "%(seconds)d seconds ago"),
    "minutes": ("1 minute ago", "%(minutes)d minutes ago"),
    "hours": ("1 hour ago", "%(hours)d hours ago"),
}

_MONTHS = formats_of("en_US").months
_WEEKDAYS = formats_of("en_US").weekdays


class _Loaded:
    """The catalogues of the program, and the locales made of them so far."""

    def __init__(self) -> None:
        self.default = "en_US"
        self.catalogues: dict[str, Catalogue] | dict[str, gettext.NullTranslations] = {}
        self.locales: dict[str, Locale] = {}

    @property
    def codes(self) -> frozenset[str]:
        return frozenset([self.default, *self.catalogues])

    def take(self, catalogues: dict[str, Any]) -> None:
        """Replace all catalogues."""
        self.catalogues = catalogues
        self.locales.clear()
        gen_log.debug("Supported locales: %s", sorted(self.codes))

    def locale(self, code: str) -> "Locale":
        """Return the locale of a code that is supported."""
        if code not in self.locales:
            catalogue = self.catalogues.get(code)
            if isinstance(catalogue, gettext.NullTranslations):
                self.locales[code] = GettextLocale(code, catalogue)
            else:
                self.locales[code] = CSVLocale(code, catalogue or {})
        return self.locales[code]


class Locale:
    """A language with its translations and formats.

    Get one from `get`; a subclass says where translations come from.

    Attributes:
        code: as ``pt_BR``.
        name: what its speakers call it; ``"Unknown"`` for a code not in `LOCALE_NAMES`.
        rtl: whether it is written from right to left.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.name = LOCALE_NAMES.get(code, {}).get("name", "Unknown")
        self.rtl = right_to_left(code)
        self._formats = formats_of(code)

    @classmethod
    def get_closest(cls, *locale_codes: str) -> "Locale":
        """Return the first locale that is supported, also by its language alone, or the default.

        Args:
            locale_codes: as ``zh-Hans-CN``, for which ``zh_Hans_CN``, ``zh_CN``, ``zh_Hans`` and
                ``zh`` will do; empty ones are passed over.
        """
        codes = _loaded.codes
        for code in filter(None, locale_codes):
            if code in codes:
                return cls.get(code)  # nothing is closer
            for candidate in closest(code):
                if candidate in codes:
                    return cls.get(candidate)
        return cls.get(_loaded.default)

    @classmethod
    def get(cls, code: str) -> "Locale":
        """Return the locale of this very code.

        Raises:
            ValueError: there is no catalogue for it, and it is not the default.
        """
        if code not in _loaded.codes:
            raise ValueError(f"no locale {code!r:.100}; there are {sorted(_loaded.codes)}")
        return _loaded.locale(code)

    # -- translations --------------------------------------------------------------------

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        """Return the translation of a message, or the message if there is none.

        Args:
            message: the text, for one thing if there is a plural.
            plural_message: the text for another number of things than one.
            count: how many; needed with `plural_message`.
        Raises:
            TypeError: there is a plural and no count.
        """
        raise NotImplementedError

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        """Return the translation of a message in a context, which tells equal messages apart::

            pgettext("law", "right")
            pgettext("organization", "club", "clubs", len(clubs))

        Without one for this context, return that without any.
        """
        raise NotImplementedError

    def _phrase(self, english: str, usual: str) -> str:
        """Return what the catalogue says for an English text, or else what is usual."""
        translated = self.translate(english)
        return usual if translated == english else translated

    # -- formats -------------------------------------------------------------------------

    def format_date(
        self,
        date: int | float | datetime.datetime,
        gmt_offset: int = 0,
        relative: bool = True,
        shorter: bool = False,
        full_format: bool = False,
    ) -> str:
        """Return a date of the past as one says it now: "2 minutes ago", "yesterday at 6:05 pm".

        Args:
            date: seconds of the epoch, or a datetime, in UTC if it is naive.
            gmt_offset: minutes that the reader's time is behind that of the date.
            relative: whether it may be said from now on, as those of the example.
            shorter: whether to leave out the time of day where there is a day.
            full_format: whether to give the whole date, as for those of the future.
        """
        if not isinstance(date, datetime.datetime):
            date = datetime.datetime.fromtimestamp(date, datetime.UTC)
        elif date.tzinfo is None:
            date = date.replace(tzinfo=datetime.UTC)
        offset = datetime.timedelta(minutes=gmt_offset)
        local = date - offset
        now = datetime.datetime.now(date.tzinfo) - offset
        way, count = ("date", 0) if full_format else way_to_say(local, now, relative)
        if way in _AGO:
            return self._ago(way, count)
        if way == "time":
            return self._formats.clock(local)
        english, usual = self._patterns(way)
        if not shorter:
            join = self._formats.weekday_at if way == "weekday" else self._formats.at
            english += " at %(time)s"
            usual = join.replace("%(date)s", usual)
        return self._phrase(english, usual) % self._fields(local)

    def _patterns(self, way: str) -> tuple[str, str]:
        """Return the patterns for a day, in English and as usual here."""
        return {
            "yesterday": ("yesterday", self._formats.yesterday),
            "weekday": ("%(weekday)s", "%(weekday)s"),
            "day": ("%(month_name)s %(day)s", self._formats.day),
            "date": ("%(month_name)s %(day)s, %(year)s", self._formats.date),
        }[way]

    def _ago(self, unit: str, count: int) -> str:
        """Return how long ago something was."""
        one, more = _AGO[unit]
        translated = self.translate(one, more, count)
        if translated in (one, more):
            return self._formats.ago(unit, count)
        return translated % {unit: count}

    def format_day(self, date: datetime.datetime, gmt_offset: int = 0, dow: bool = True) -> str:
        """Return a day as "Monday, January 22".

        Args:
            gmt_offset: minutes that the reader's time is behind that of the date.
            dow: whether to say the day of the week.
        """
        if dow:
            pattern = self._phrase("%(weekday)s, %(month_name)s %(day)s", self._formats.weekday_day)
        else:
            pattern = self._phrase("%(month_name)s %(day)s", self._formats.day)
        return pattern % self._fields(date - datetime.timedelta(minutes=gmt_offset))

    def _fields(self, date: datetime.datetime) -> dict[str, str]:
        """Return what patterns of dates are filled in with."""
        formats = self._formats
        month, weekday = date.month - 1, date.weekday()
        return {
            "year": str(date.year),
            "month": str(date.month),
            "month_name": self._phrase(_MONTHS[month], formats.months[month]),
            "day": str(date.day),
            "weekday": self._phrase(_WEEKDAYS[weekday], formats.weekdays[weekday]),
            "time": formats.clock(date),
        }

    def friendly_number(self, value: int) -> str:
        """Return an integer with its digits in groups, as "1,000,000"."""
        return self._formats.integer(int(value))

    def list(self, parts: Any) -> str:
        """Return texts as a list: "A, B and C", "A and B", or "A"."""
        if len(parts) < 2:
            return "".join(parts)
        comma, two, more = self._formats.list
        pattern = self._phrase("%(commas)s and %(last)s", two if len(parts) == 2 else more)
        return pattern % {"commas": comma.join(parts[:-1]), "last": parts[-1]}


class CSVLocale(Locale):
    """A locale with translations from a CSV file; see `load_translations`."""

    def __init__(self, code: str, translations: Catalogue) -> None:
        super().__init__(code)
        self.translations = translations

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        """Return the translation of a message; see `Locale.translate`."""
        form = _form(message, plural_message, count)
        found = self._find(*form)
        return form[1] if found is None else found

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        """Return the translation of a message in a context; see `Locale.pgettext`."""
        number, form = _form(message, plural_message, count)
        found = self._find(number, context + CONTEXT_SEPARATOR + form)
        return self.translate(message, plural_message, count) if found is None else found

    def _find(self, number: str, message: str) -> str | None:
        """Look up a message of this number, or of none."""
        for table in (number, "unknown"):
            found = self.translations.get(table, {}).get(message)
            if found is not None:
                return found
        return None


class GettextLocale(Locale):
    """A locale with translations from gettext; see `load_gettext_translations`."""

    def __init__(self, code: str, translations: gettext.NullTranslations) -> None:
        super().__init__(code)
        self.ngettext = translations.ngettext
        self.gettext = translations.gettext
        self._npgettext = translations.npgettext
        self._pgettext = translations.pgettext

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        """Return the translation of a message; see `Locale.translate`."""
        if plural_message is None:
            return self.gettext(message)
        return self.ngettext(message, plural_message, _counted(count))

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        """Return the translation of a message in a context; see `Locale.pgettext`."""
        if plural_message is None:
            found = self._pgettext(context, message)
        else:
            found = self._npgettext(context, message, plural_message, _counted(count))
        if found in (message, plural_message):
            return self.translate(message, plural_message, count)
        return found


def _form(message: str, plural_message: str | None, count: int | None) -> tuple[str, str]:
    """Return the number of a message, as catalogues call it, and its form for that."""
    if plural_message is None:
        return "unknown", message
    return ("singular", message) if _counted(count) == 1 else ("plural", plural_message)


def _counted(count: int | None) -> int:
    if count is None:
        raise TypeError("plural_message needs a count")
    return count


_loaded = _Loaded()


def get(*locale_codes: str) -> Locale:
    """Return the closest locale to one of the codes; see `Locale.get_closest`."""
    return Locale.get_closest(*locale_codes)


def set_default_locale(code: str) -> None:
    """Choose the locale for those who want none that there is.

    It is the language of the texts in the program, and so needs no catalogue.
    """
    _loaded.default = code


def load_translations(directory: str, encoding: str | None = None) -> None:
    """Take translations from the CSV files of a folder, named as ``es_GT.csv``.

    A row has a message, its translation, and if need be the number that it is for (``plural``,
    ``singular``, ``unknown`` or nothing) and its context::

        "I love you","Te amo"
        "%(name)s liked this","A %(name)s les gustó esto","plural"
        "%(name)s liked this","A %(name)s le gustó esto","singular"
        "right","derecho","","law"

    Args:
        encoding: of all files; by default that of the byte-order mark, or UTF-8.
    Raises:
        OSError: the folder or a file cannot be read.
        UnicodeDecodeError: a file is not in its encoding.

    Catalogues loaded before are replaced, unless there is an error.
    """
    _loaded.take(read_csv_files(directory, encoding))


def load_gettext_translations(directory: str, domain: str) -> None:
    """Take translations from a tree of gettext, ``{directory}/{code}/LC_MESSAGES/{domain}.mo``.

    To make one::

        xgettext --language=Python --keyword=_:1,2 --keyword=pgettext:1c,2,3 -d shop *.py *.html
        msgmerge old.po shop.po > new.po
        msgfmt new.po -o locale/pt_BR/LC_MESSAGES/shop.mo

    Raises:
        OSError: the folder cannot be read.

    Catalogues loaded before are replaced, unless there is an error.
    """
    _loaded.take(read_gettext_files(directory, domain))


def get_supported_locales() -> Iterable[str]:
    """Return the codes of all catalogues, and the default."""
    return _loaded.codes
