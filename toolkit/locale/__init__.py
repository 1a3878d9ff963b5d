"""Translations, and dates, numbers and lists as they are written elsewhere.

::

    load_translations("translations")           # es_LA.csv, fr_FR.csv, ...
    locale = get("es_LA")                       # or the closest that there is
    locale.translate("Sign out")
    locale.translate("%(list)s is online", "%(list)s are online", len(people))
    locale.list(people)

Catalogues are CSV files or those of gettext. Without any there is the default locale only,
whose texts are those of the program. Formats come from the Unicode CLDR; a catalogue may
overrule each of them by a translation of its English text, such as ``%(month_name)s %(day)s``.
"""

from toolkit.locale.catalogues import CONTEXT_SEPARATOR
from toolkit.locale.language import accepted_languages
from toolkit.locale.locales import (
    CSVLocale,
    GettextLocale,
    Locale,
    get,
    get_supported_locales,
    load_gettext_translations,
    load_translations,
    set_default_locale,
)
from toolkit.locale.names import LOCALE_NAMES

__all__ = [
    "CONTEXT_SEPARATOR",
    "LOCALE_NAMES",
    "CSVLocale",
    "GettextLocale",
    "Locale",
    "accepted_languages",
    "get",
    "get_supported_locales",
    "load_gettext_translations",
    "load_translations",
    "set_default_locale",
]
