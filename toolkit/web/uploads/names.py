"""Names of files as clients give them, made fit to be used."""

import re
import unicodedata

#: Most bytes of a name in UTF-8: what file systems allow.
MAX_NAME = 255

#: Most characters of an extension that is kept when a name has to be cut.
_MAX_EXTENSION = 16

#: What separates directories, be it here or where the client is.
_SEPARATORS = re.compile(r"[/\\]")

#: Characters that Windows does not allow, or takes for something else, such as ``a.txt:b``.
_FORBIDDEN = re.compile(r'[<>:"|?*]')

#: Names that are devices in every directory of Windows, whatever extension follows.
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\xb9\xb2\xb3])[ ]*(?:\..*)?",
    re.IGNORECASE,
)


def safe_filename(name: str) -> str:
    """Return a client's name for a file as one that can stand in a directory of any system.

    It has no directory, no control or invisible characters, none that Windows forbids, no dot
    or space at either end, and at most `MAX_NAME` bytes. A name of which nothing is left is
    ``"_"``; an empty one, which browsers send where no file was chosen, stays empty.

    Two files may have the same name, and it may be that of one that is there already.

    >>> safe_filename("../../etc/passwd"), safe_filename("C:\\\\new\\\\photo.JPG")
    ('passwd', 'photo.JPG')
    """
    if not name:
        return ""
    name = _SEPARATORS.split(unicodedata.normalize("NFC", name))[-1]
    # Categories C: controls, formats such as those that turn the direction, surrogates.
    name = "".join([char for char in name if unicodedata.category(char)[0] != "C"])
    name = _FORBIDDEN.sub("_", name).strip(". \t\xa0\u3000")
    if _DEVICE.fullmatch(name):
        name = "_" + name
    return _cut(name) or "_"


def _cut(name: str) -> str:
    """Cut a name to the longest that is allowed, before its extension if it has one."""
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > _MAX_EXTENSION:
        stem, dot, extension = name, "", ""
    size = MAX_NAME - len((dot + extension).encode())
    # A character that the cut goes through is left out.
    return stem.encode()[:size].decode(errors="ignore").rstrip(". ") + dot + extension
