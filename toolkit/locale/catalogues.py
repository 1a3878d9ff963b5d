"""Catalogues of translations, from CSV files and those of gettext."""

import codecs
import csv
import gettext
import io
import os
import re

from toolkit.log import gen_log

#: What stands between a context and its message in a catalogue.
CONTEXT_SEPARATOR = "\x04"

#: Translations by "plural", "singular" or "unknown", and then by message.
Catalogue = dict[str, dict[str, str]]

_CODE = re.compile(r"[a-z]{1,8}(_[A-Z][a-z]{3})?(_([A-Z]{2,3}|\d{3}))?", re.ASCII)

_PLURALS = ("plural", "singular", "unknown")


def read_csv_files(directory: str, encoding: str | None) -> dict[str, Catalogue]:
    """Read ``CODE.csv`` for each locale; a file of another name is logged.

    Raises:
        OSError: the folder or a file cannot be read.
        UnicodeDecodeError: a file is not in its encoding; a note says which one.
    """
    catalogues = {}
    for name in sorted(os.listdir(directory)):
        code, extension = os.path.splitext(name)
        if extension != ".csv":
            continue
        path = os.path.join(directory, name)
        if not _CODE.fullmatch(code):
            gen_log.error("Unrecognized locale %r (path: %s)", code, path)
            continue
        with open(path, "rb") as file:
            raw = file.read()
        try:
            text = raw.decode(encoding or _encoding(raw))
        except UnicodeDecodeError as error:
            error.add_note(f"in {path}")
            raise
        catalogues[code] = _catalogue(text, path)
    return catalogues


def _encoding(raw: bytes) -> str:
    """Return the encoding that a byte-order mark tells, or UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _catalogue(text: str, path: str) -> Catalogue:
    """Read rows of message, translation, and perhaps plural and context."""
    catalogue: Catalogue = {}
    for number, row in enumerate(csv.reader(io.StringIO(text, newline="")), 1):
        if len(row) < 2:
            continue
        message, translation, plural, context = [*map(str.strip, row), "", ""][:4]
        plural = plural or "unknown"
        if plural not in _PLURALS:
            gen_log.error("Unrecognized plural indicator %r in %s row %d", plural, path, number)
            continue
        if context:
            message = context + CONTEXT_SEPARATOR + message
        catalogue.setdefault(plural, {})[message] = translation
    return catalogue


def read_gettext_files(directory: str, domain: str) -> dict[str, gettext.NullTranslations]:
    """Read ``CODE/LC_MESSAGES/DOMAIN.mo`` for each locale; one that is broken is logged.

    Raises:
        OSError: the folder cannot be read.
    """
    catalogues: dict[str, gettext.NullTranslations] = {}
    for code in sorted(os.listdir(directory)):
        path = os.path.join(directory, code, "LC_MESSAGES", domain + ".mo")
        if code.startswith(".") or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as file:
                catalogues[code] = gettext.GNUTranslations(file)
        except Exception as error:  # gettext raises many kinds for what is no catalogue
            gen_log.error("Cannot load translation for %r: %s", code, error)
    return catalogues
