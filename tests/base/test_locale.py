"""`locale`: the closest locale, its translations, and how it writes dates, numbers and lists."""

import datetime
import doctest
import logging
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit import locale
from toolkit.locale import (
    LOCALE_NAMES,
    CSVLocale,
    GettextLocale,
    Locale,
    accepted_languages,
    get_supported_locales,
    language,
    load_gettext_translations,
    load_translations,
    set_default_locale,
)
from toolkit.locale.dates import way_to_say
from toolkit.locale.formats import formats_of
from toolkit.locale.language import right_to_left


@pytest.fixture(autouse=True)
def nothing_loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the catalogues of a test."""
    yield
    set_default_locale("en_US")
    load_translations(str(tmp_path_factory.mktemp("empty")))


def load(folder: Path, **sources: str | bytes) -> None:
    """Load CSV files of these texts, by their codes."""
    for code, source in sources.items():
        raw = source.encode() if isinstance(source, str) else source
        (folder / f"{code}.csv").write_bytes(raw)
    load_translations(str(folder))


# -- the closest locale ------------------------------------------------------------------

CODES = ["fr_FR", "pt_BR", "pt", "zh_TW", "zh_Hans", "es_419", "sr_Latn_RS"]


@pytest.mark.feature("U01")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["fr_FR"], "fr_FR"),
        (["FR-fr"], "fr_FR"),
        (["pt-BR"], "pt_BR"),
        (["pt-PT"], "pt"),
        (["pt"], "pt"),
        (["zh-Hant-TW"], "zh_TW"),
        (["zh-hans-cn"], "zh_Hans"),
        (["es-419"], "es_419"),
        (["sr-latn-rs"], "sr_Latn_RS"),
        (["de", "xx-YY", "pt_PT", "fr_FR"], "pt"),
        (["", "_", "-", "fr", "a-b-c-d-e"], "en_US"),
        ([], "en_US"),
    ],
)
def test_the_closest_locale_is_the_first_that_will_do(
    tmp_path: Path, wanted: list[str], expected: str
) -> None:
    load(tmp_path, **dict.fromkeys(CODES, "a,b"))
    assert set(get_supported_locales()) == {*CODES, "en_US"}
    assert locale.get(*wanted).code == expected
    assert locale.get(*wanted) is Locale.get_closest(*wanted) is Locale.get(expected)


def test_the_default_locale_can_be_chosen() -> None:
    set_default_locale("de_DE")
    assert locale.get("xx").code == "de_DE"
    assert set(get_supported_locales()) == {"de_DE"}
    with pytest.raises(ValueError, match=r"no locale 'en_US'; there are \['de_DE'\]"):
        Locale.get("en_US")


@pytest.mark.feature("U01")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("fr", ["fr"]),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.95, *;q=0.5", ["fr-CH", "de", "fr", "en"]),
        ("a ;q=0.5,\tb; Q=0.5,c;q=1.000", ["c", "a", "b"]),
        ("a;q=0, b;q=0.000, c;q=0.001", ["c"]),
        ("a;q=2, b;q=-1, c;q=nan, d;q=, e;q, f;q=0.1234, g;x=1", []),
        ("é, a_b, -a, a-, a--b, a b, aaaaaaaaa, zh-Hant-TW", ["zh-Hant-TW"]),
        (",,a,,", ["a"]),
    ],
)
def test_accepted_languages_are_ordered_by_their_weight(header: str, expected: list[str]) -> None:
    """RFC 9110 §12.4.2, §12.5.4"""
    assert accepted_languages(header) == expected


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name", "english"),
    [
        ("en_US", "English (US)", "English (US)"),
        ("es_LA", "Español", "Spanish"),
        ("fr_CA", "Français (Canada)", "French (Canada)"),
        ("he_IL", "עברית", "Hebrew"),
        ("pt_BR", "Português (Brasil)", "Portuguese (Brazil)"),
        ("zh_TW", "中文(繁體)", "Chinese (Traditional)"),
    ],
)
def test_a_locale_knows_its_name(code: str, name: str, english: str) -> None:
    assert CSVLocale(code, {}).name == LOCALE_NAMES[code]["name"] == name
    assert LOCALE_NAMES[code]["name_en"] == english


def test_a_locale_without_a_name_is_unknown() -> None:
    assert CSVLocale("xx_YY", {}).name == "Unknown"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *[(code, True) for code in ("ar", "ar_EG", "fa_IR", "he", "ur_PK", "az_Arab_IR")],
        *[(code, False) for code in ("en_US", "fr", "arn", "pa_IN", "ku_Latn", "ar_Latn")],
    ],
)
def test_some_are_written_from_right_to_left(code: str, expected: bool) -> None:
    assert right_to_left(code) == CSVLocale(code, {}).rtl == expected


# -- CSV ---------------------------------------------------------------------------------

FRENCH = """\
"school","école"
 spaces , espaces
"%(name)s liked","%(name)s a aimé","singular"
"%(name)s liked","%(name)s ont aimé","plural"
"known","connu","unknown"
"right","droite"
"right","droit","","law"
"club","bâton","singular","stick"
"clubs","bâtons","plural","stick"

"alone"
"of
two lines","de
deux lignes"
"""


@pytest.mark.feature("U02")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("school",), "école"),
        (("spaces",), "espaces"),
        (("known",), "connu"),
        (("of\ntwo lines",), "de\ndeux lignes"),
        (("alone",), "alone"),
        (("%(name)s liked", "%(name)s liked", 1), "%(name)s a aimé"),
        (("%(name)s liked", "%(name)s liked", 2), "%(name)s ont aimé"),
        (("%(name)s liked", "%(name)s liked", 0), "%(name)s ont aimé"),
        (("school", "schools", 1), "école"),
        (("school", "schools", 2), "schools"),
    ],
)
def test_a_csv_file_translates(tmp_path: Path, args: Any, expected: str) -> None:
    load(tmp_path, fr_FR=FRENCH)
    french = locale.get("fr_FR")
    assert isinstance(french, CSVLocale)
    assert french.translate(*args) == expected


@pytest.mark.feature("U02")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("law", "right"), "droit"),
        (("side", "right"), "droite"),
        (("stick", "club", "clubs", 1), "bâton"),
        (("stick", "club", "clubs", 3), "bâtons"),
        (("people", "club", "clubs", 3), "clubs"),
    ],
)
def test_a_csv_file_may_have_contexts(tmp_path: Path, args: Any, expected: str) -> None:
    load(tmp_path, fr_FR=FRENCH)
    assert locale.get("fr_FR").pgettext(*args) == expected


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"]
)
def test_the_encoding_of_each_csv_file_is_found(tmp_path: Path, encoding: str) -> None:
    name = encoding.removesuffix("-bom")
    mark = "\ufeff" if name != encoding else ""
    load(tmp_path, aa_AA="x,é", fr_FR=(mark + FRENCH).encode(name), zz_ZZ="x,é")
    assert locale.get("fr_FR").translate("school") == "école"
    assert locale.get("aa_AA").translate("x") == locale.get("zz_ZZ").translate("x") == "é"


def test_the_encoding_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "fr_FR.csv").write_bytes("school,école".encode("latin-1"))
    load_translations(str(tmp_path), encoding="latin-1")
    assert locale.get("fr_FR").translate("school") == "école"


def test_an_error_leaves_the_catalogues_as_they_were(tmp_path: Path) -> None:
    load(tmp_path, fr_FR=FRENCH)
    with pytest.raises(UnicodeDecodeError) as caught:
        load(tmp_path, aa_AA="a,b", de_DE=b"a,\xe9\xff")
    assert f"in {tmp_path / 'de_DE.csv'}" in caught.value.__notes__
    with pytest.raises(FileNotFoundError):
        load_translations(str(tmp_path / "missing"))
    assert set(get_supported_locales()) == {"fr_FR", "en_US"}


def test_new_catalogues_replace_those_before(tmp_path: Path) -> None:
    load(tmp_path, fr_FR="a,b", de_DE="a,b")
    assert locale.get("fr_FR").translate("a") == "b"
    (tmp_path / "de_DE.csv").unlink()
    load(tmp_path, fr_FR="a,c")
    assert locale.get("fr_FR").translate("a") == "c"
    assert set(get_supported_locales()) == {"fr_FR", "en_US"}


def test_what_is_strange_in_a_folder_is_logged_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notes.txt").touch()
    load(tmp_path, FR_fr="a,b", fr_FR="a,b,Plural\nc,d")
    expect_log(caplog, "toolkit.general", r"Unrecognized locale 'FR_fr' \(path: .*FR_fr.csv\)")
    expect_log(caplog, "toolkit.general", r"plural indicator 'Plural' in .*fr_FR.csv row 1")
    assert set(get_supported_locales()) == {"fr_FR", "en_US"}
    assert locale.get("fr_FR").translate("a") == "a"
    assert locale.get("fr_FR").translate("c") == "d"


def test_a_plural_needs_a_count(tmp_path: Path) -> None:
    for each in (CSVLocale("fr_FR", {}), gettext_french(tmp_path)):
        for call in (
            lambda each=each: each.translate("a", "b"),
            lambda each=each: each.pgettext("context", "a", "b"),
        ):
            with pytest.raises(TypeError, match="needs a count"):
                call()


def test_without_a_catalogue_messages_are_their_own_translations() -> None:
    english = locale.get("en_US")
    assert english.translate("a") == "a"
    assert english.translate("a", "b", 1) == english.pgettext("c", "a", "b", 1) == "a"
    assert english.translate("a", "b", 2) == english.pgettext("c", "a", "b", 2) == "b"


def test_a_locale_of_your_own_says_where_translations_come_from() -> None:
    for call in (Locale("en_US").translate, lambda text: Locale("en_US").pgettext("c", text)):
        with pytest.raises(NotImplementedError):
            call("a")


# -- gettext -----------------------------------------------------------------------------

PLURALS = "Content-Type: text/plain; charset=utf-8\nPlural-Forms: nplurals=2; plural=(n > 1);\n"


def compiled(messages: dict[str, str]) -> bytes:
    """Return a catalogue as `msgfmt` compiles it."""
    header = struct.Struct("<7I")
    entry = struct.Struct("<2I")
    count = len(messages)
    tables = [b"", b""]
    texts = b""
    start = header.size + 2 * count * entry.size
    for pair in sorted((key.encode(), value.encode()) for key, value in messages.items()):
        for place, text in enumerate(pair):
            tables[place] += entry.pack(len(text), start + len(texts))
            texts += text + b"\0"
    first = header.size
    head = header.pack(0x950412DE, 0, count, first, first + count * entry.size, 0, 0)
    return head + tables[0] + tables[1] + texts


def gettext_french(folder: Path) -> Locale:
    """Load a tree of gettext with French in it, and return that."""
    path = folder / "fr_FR" / "LC_MESSAGES" / "shop.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        compiled(
            {
                "": PLURALS,
                "school": "école",
                "right": "droite",
                "law\x04right": "le droit",
                "horse\0horses": "cheval\0chevaux",
                "stick\x04club\0clubs": "le bâton\0les bâtons",
            }
        )
    )
    load_gettext_translations(str(folder), "shop")
    return locale.get("fr_FR")


@pytest.mark.feature("U02")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("school",), "école"),
        (("unknown",), "unknown"),
        (("horse", "horses", 0), "cheval"),
        (("horse", "horses", 2), "chevaux"),
        (("cat", "cats", 1), "cat"),
        (("cat", "cats", 2), "cats"),
    ],
)
def test_gettext_translates(tmp_path: Path, args: Any, expected: str) -> None:
    french = gettext_french(tmp_path)
    assert isinstance(french, GettextLocale)
    assert french.translate(*args) == expected


@pytest.mark.feature("U02")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("law", "right"), "le droit"),
        (("side", "right"), "droite"),
        (("any", "unknown"), "unknown"),
        (("stick", "club", "clubs", 1), "le bâton"),
        (("stick", "club", "clubs", 2), "les bâtons"),
        (("people", "horse", "horses", 2), "chevaux"),
    ],
)
def test_gettext_has_contexts(tmp_path: Path, args: Any, expected: str) -> None:
    assert gettext_french(tmp_path).pgettext(*args) == expected


def test_a_broken_catalogue_of_gettext_is_logged_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for code, content in {"de_DE": b"", "it_IT": b"garbage" * 9, ".git": b""}.items():
        path = tmp_path / code / "LC_MESSAGES" / "shop.mo"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    (tmp_path / "README").touch()
    gettext_french(tmp_path)
    assert len(expect_log(caplog, "toolkit.general", "Cannot load translation for '(de|it)_")) == 2
    assert set(get_supported_locales()) == {"fr_FR", "en_US"}
    with pytest.raises(FileNotFoundError):
        load_gettext_translations(str(tmp_path / "missing"), "shop")


def test_the_supported_locales_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "toolkit.general")
    load(tmp_path, fr_FR="a,b")
    expect_log(caplog, "toolkit.general", re.escape("Supported locales: ['en_US', 'fr_FR']"))


# -- dates -------------------------------------------------------------------------------

NOW = datetime.datetime(2013, 4, 28, 18, 5, tzinfo=datetime.UTC)  # a Sunday
SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("seconds", "relative", "absolute"),
    [
        (0, ("seconds", 0), "time"),
        (1.9, ("seconds", 1), "time"),
        (49, ("seconds", 49), "time"),
        (50, ("minutes", 1), "time"),
        (89, ("minutes", 1), "time"),
        (91, ("minutes", 2), "time"),
        (50 * 60 - 1, ("minutes", 50), "time"),
        (50 * 60, ("hours", 1), "time"),
        (91 * 60, ("hours", 2), "time"),
        (86_399, ("hours", 24), "time"),
        (86_400, ("yesterday", 0), "weekday"),
        # 18 hours and 5 minutes more are the whole of yesterday.
        (86_400 + 65_100, ("yesterday", 0), "weekday"),
        (86_400 + 65_101, ("weekday", 0), "weekday"),
        (5 * 86_400 - 1, ("weekday", 0), "weekday"),
        (5 * 86_400, ("day", 0), "day"),
        (334 * 86_400 - 1, ("day", 0), "day"),
        (334 * 86_400, ("date", 0), "date"),
        (-60, ("seconds", 0), "date"),
        (-61, ("date", 0), "date"),
    ],
)
def test_how_to_say_when_something_was(
    seconds: float, relative: tuple[str, int], absolute: str
) -> None:
    date = NOW - seconds * SECOND
    assert way_to_say(date, NOW, relative=True) == relative
    assert way_to_say(date, NOW, relative=False) == (absolute, 0)


ZONE = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("date", "options", "expected"),
    [
        (NOW, {}, "April 28, 2013 at 6:05 pm"),
        (NOW.replace(tzinfo=None), {}, "April 28, 2013 at 6:05 pm"),
        (NOW.astimezone(ZONE), {}, "April 28, 2013 at 8:05 pm"),
        (NOW.timestamp(), {}, "April 28, 2013 at 6:05 pm"),
        (0, {}, "January 1, 1970 at 12:00 am"),
        (NOW, {"shorter": True}, "April 28, 2013"),
        (NOW, {"relative": False}, "April 28, 2013 at 6:05 pm"),
        (NOW, {"full_format": True, "gmt_offset": 420}, "April 28, 2013 at 11:05 am"),
        (NOW, {"full_format": True, "gmt_offset": -420}, "April 29, 2013 at 1:05 am"),
        (datetime.datetime(9999, 1, 1), {}, "January 1, 9999 at 12:00 am"),
    ],
)
def test_a_date_far_away_is_written_out(date: Any, options: dict[str, Any], expected: str) -> None:
    assert locale.get("en_US").format_date(date, **options) == expected


@pytest.mark.feature("U03")
@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize(
    ("code", "ago", "options", "expected"),
    [
        ("en_US", 2.5, {}, "2 seconds ago"),
        ("en_US", 60, {}, "1 minute ago"),
        ("en_US", 7200, {}, "2 hours ago"),
        ("en_US", 86_400, {"shorter": True}, "yesterday"),
        ("en_US", 86_400, {}, r"yesterday at \d+:\d\d [ap]m"),
        ("en_US", 86_400 * 2, {}, r"\w+day at \d+:\d\d [ap]m"),
        ("en_US", 86_400 * 2, {"shorter": True}, r"\w+day"),
        ("en_US", 86_400 * 100, {"shorter": True}, r"[A-Z]\w+ \d+"),
        ("en_US", 86_400 * 100, {}, r"[A-Z]\w+ \d+ at \d+:\d\d [ap]m"),
        ("en_US", 3600, {"relative": False}, r"\d+:\d\d [ap]m"),
        ("en_US", 3600, {"full_format": True, "shorter": True}, r"[A-Z]\w+ \d+, \d{4}"),
        ("en_GB", 3600, {"relative": False}, r"\d\d:\d\d"),
        ("fr_FR", 60, {}, "il y a 1 minute"),
        ("fr_FR", 120, {}, "il y a 2 minutes"),
        ("fr_FR", 86_400, {}, r"hier à \d\d:\d\d"),
        ("fi_FI", 86_400, {}, r"eilen klo \d+.\d\d"),
        ("fi_FI", 86_400 * 2, {}, r"\w+na \d+.\d\d"),
        ("fr_FR", 86_400 * 2, {}, r"\w+ \d\d:\d\d"),
        ("ru_RU", 2 * 60, {}, "2 минуты назад"),
        ("ru_RU", 5 * 60, {}, "5 минут назад"),
        ("ru_RU", 21 * 60, {}, "21 минуту назад"),
        ("ar_EG", 7200, {}, "قبل ساعتين"),
        ("ja_JP", 5, {}, "5 秒前"),
    ],
)
def test_a_date_of_late_is_said_from_now_on(
    aware: bool, code: str, ago: float, options: dict[str, Any], expected: str
) -> None:
    date = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=ago)
    if not aware:
        date = date.replace(tzinfo=None)
    assert re.fullmatch(expected, CSVLocale(code, {}).format_date(date, **options))


@pytest.mark.parametrize("hours", [-12, 14])
def test_yesterday_is_that_of_the_zone_of_the_date(hours: int) -> None:
    """At any time there is another date in one of the two than in UTC."""
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    date = datetime.datetime.now(zone) - datetime.timedelta(days=1)
    assert locale.get("en_US").format_date(date, shorter=True) == "yesterday"


@pytest.mark.feature("U03")
@pytest.mark.parametrize(
    ("code", "full", "day"),
    [
        ("en_US", "April 28, 2013 at 6:05 pm", "Sunday, April 28"),
        ("en_GB", "28 April 2013 at 18:05", "Sunday 28 April"),
        ("de_DE", "28. April 2013 um 18:05", "Sonntag, 28. April"),
        ("es_ES", "28 de abril de 2013 a las 18:05", "domingo, 28 de abril"),
        ("fi_FI", "28. huhtikuuta 2013 klo 18.05", "sunnuntai 28. huhtikuuta"),
        ("fr_FR", "28 avril 2013 à 18:05", "dimanche 28 avril"),
        ("fr_CA", "28 avril 2013 à 18 h 05", "dimanche 28 avril"),
        ("he_IL", "28 באפריל 2013 בשעה 18:05", "יום ראשון, 28 באפריל"),
        ("hu_HU", "2013. április 28. 18:05", "április 28., vasárnap"),
        ("ja_JP", "2013年4月28日 18:05", "4月28日日曜日"),
        ("ru_RU", "28 апреля 2013\u202fг. в 18:05", "воскресенье, 28 апреля"),
        ("zh_CN", "2013年4月28日 18:05", "4月28日星期日"),
        ("zh_TW", "2013年4月28日 下午6:05", "4月28日星期日"),
        ("xx_YY", "April 28, 2013 at 6:05 pm", "Sunday, April 28"),
    ],
)
def test_dates_are_written_as_the_locale_does(code: str, full: str, day: str) -> None:
    each = CSVLocale(code, {})
    assert each.format_date(NOW).replace("\xa0", " ") == full.replace("\xa0", " ")
    assert each.format_day(NOW) == day


def test_a_day_may_come_without_its_name_and_in_another_zone() -> None:
    english = locale.get("en_US")
    assert english.format_day(NOW, dow=False) == "April 28"
    assert english.format_day(NOW.replace(tzinfo=None), gmt_offset=-600) == "Monday, April 29"
    assert english.format_day(NOW, gmt_offset=20 * 60) == "Saturday, April 27"


CATALOGUE = """\
April,avr.
Sunday,dim.
"%(month_name)s %(day)s, %(year)s","le %(day)s %(month_name)s %(year)s"
"%(month_name)s %(day)s, %(year)s at %(time)s","le %(day)s %(month_name)s %(year)s vers %(time)s"
"%(weekday)s, %(month_name)s %(day)s","%(weekday)s %(day)s/%(month)s"
"1 minute ago","voici une minute","singular"
"%(minutes)d minutes ago","voici %(minutes)d minutes","plural"
"%(commas)s and %(last)s","%(commas)s & %(last)s"
"""


def test_a_catalogue_overrules_formats(tmp_path: Path) -> None:
    load(tmp_path, fr_FR=CATALOGUE)
    french = locale.get("fr_FR")
    assert french.format_date(NOW, shorter=True) == "le 28 avr. 2013"
    assert french.format_date(NOW) == "le 28 avr. 2013 vers 18:05"
    assert french.format_day(NOW) == "dim. 28/4"
    assert french.format_day(NOW, dow=False) == "28 avr."
    now = datetime.datetime.now(datetime.UTC)
    assert french.format_date(now - 60 * SECOND) == "voici une minute"
    assert french.format_date(now - 125 * SECOND) == "voici 2 minutes"
    assert french.format_date(now - 7200 * SECOND) == "il y a 2 heures"
    assert french.list("ABC") == "A, B & C"


# -- numbers and lists -------------------------------------------------------------------


@pytest.mark.feature("U03")
@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("en_US", 0, "0"),
        ("en_US", 999, "999"),
        ("en_US", 1000, "1,000"),
        ("en_US", -1000, "-1,000"),
        ("en_US", -100, "-100"),
        ("en_US", 1234567890, "1,234,567,890"),
        ("de_DE", 1234567, "1.234.567"),
        ("fr_FR", 1234567, "1\u202f234\u202f567"),
        ("es_ES", 1234, "1234"),
        ("es_ES", 12345, "12.345"),
        ("es_LA", 1234, "1,234"),
        ("hi_IN", 123456789, "12,34,56,789"),
        ("sv_SE", -1234, "−1\xa0234"),
        ("xx_YY", 1234, "1,234"),
    ],
)
def test_numbers_have_groups_of_digits(code: str, value: int, expected: str) -> None:
    assert CSVLocale(code, {}).friendly_number(value) == expected


@pytest.mark.feature("U03")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en_US", ["", "A", "A and B", "A, B and C"]),
        ("de_DE", ["", "A", "A und B", "A, B und C"]),
        ("fa_IR", ["", "A", "A و B", "A،\u200f B، و C"]),
        ("ja_JP", ["", "A", "A、B", "A、B、C"]),
        ("ar_AR", ["", "A", "A وB", "A وB وC"]),
    ],
)
def test_lists_are_joined_as_the_locale_does(code: str, expected: list[str]) -> None:
    each = CSVLocale(code, {})
    assert [each.list(["A", "B", "C"][:count]) for count in range(4)] == expected


# -- data --------------------------------------------------------------------------------

OTHERS = ["fil", "no", "iw_IL", "sr_Latn", "zh_Hant_HK", "zh_Hans_CN"]


@pytest.mark.parametrize("code", [*LOCALE_NAMES, *OTHERS])
def test_the_formats_of_each_locale_can_be_filled_in(code: str) -> None:
    """Nothing is missing and nothing is left over."""
    each = CSVLocale(code, {})
    formats = formats_of(code)
    assert (len(formats.months), len(formats.weekdays)) == (12, 7)
    texts = [each.format_date(NOW.replace(hour=hour), full_format=True) for hour in range(24)]
    assert len(set(texts)) == 24
    days = [each.format_day(NOW.replace(month=month, day=day)) for month, day in DAYS]
    assert len(set(days)) == len(DAYS)
    ways: list[Callable[[int], str]] = [
        lambda count, unit=unit: formats.ago(unit, count)  # type: ignore[misc]
        for unit in ("seconds", "minutes", "hours")
    ]
    agos = [{way(count) for count in range(60)} for way in ways]
    assert all(len(ago) == 60 for ago in agos)
    assert not any("%" in text or "{" in text for text in texts + days + [each.list("ABC")])
    assert each.friendly_number(1234567).count("2") == 1


DAYS = [(month, day) for month in range(1, 13) for day in (1, 28)]


def test_other_codes_of_a_language_have_its_formats() -> None:
    assert formats_of("no") == formats_of("nb")
    assert formats_of("iw_IL") == formats_of("he_IL")
    assert formats_of("zh_Hant_HK") == formats_of("zh_HK")
    assert formats_of("zh_Hant").months == formats_of("zh_TW").months
    assert formats_of("sr_Latn_RS").months[3] == "april"
    assert formats_of("sr_RS").months[3] == "април"


def test_the_examples_of_the_codes_are_true() -> None:
    assert doctest.testmod(language) == (0, 2)
