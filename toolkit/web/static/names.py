"""Names of files: what a path of a URL may lead to, decided by its text alone.

A `flavour` is the module of a system's paths, `posixpath` or `ntpath`, so that the rules of
Windows are tested everywhere.
"""

import os
import re
from collections.abc import Iterable
from types import ModuleType

#: Names that are devices in every directory of Windows, whatever extension follows.
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\xb9\xb2\xb3])[ ]*(?:[.:].*)?",
    re.IGNORECASE | re.DOTALL,
)


def is_within(path: str, directory: str, flavour: ModuleType = os.path) -> bool:
    """Say whether an absolute path is a directory, or lies in it; both without ``..``."""
    path, directory = flavour.normcase(path), flavour.normcase(directory)
    if path == directory:
        return True
    return bool(path.startswith(directory.rstrip(flavour.sep) + flavour.sep))


def inside_of(path: str, directories: Iterable[str]) -> bool:
    """Say whether a path lies in one of several directories."""
    return any(is_within(path, directory) for directory in directories)


def parts(path: str, flavour: ModuleType = os.path) -> list[str]:
    """Return the names that a relative path consists of."""
    other = flavour.altsep
    return [
        name
        for name in (path.replace(other, flavour.sep) if other else path).split(flavour.sep)
        if name
    ]


def is_hidden(path: str, flavour: ModuleType = os.path) -> bool:
    """Say whether a name in a relative path begins with a dot.

    ``.well-known`` does not count: it is there to be seen (RFC 8615).
    """
    return any(name[0] == "." and name != ".well-known" for name in parts(path, flavour))


def means_device(path: str, flavour: ModuleType = os.path) -> bool:
    """Say whether Windows takes a relative path for something else than the file of that name.

    That is a device (``NUL``, ``COM1.txt``), a second stream of a file (``a.txt:b``), a drive
    or share of its own (``C:a``, ``//server/share``), or a name whose last dots and spaces it
    leaves out, so that ``a.php.`` is ``a.php``.
    """
    if flavour.sep != "\\":
        return False
    if flavour.splitdrive(path)[0] or flavour.isabs(path):
        return True
    return any(
        ":" in name or name[-1] in ". " or _DEVICE.fullmatch(name) is not None
        for name in parts(path, flavour)
        if name not in (".", "..")
    )
