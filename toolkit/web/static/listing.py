"""The page of a directory: what is in it, as links."""

import os
import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from toolkit.escape import xhtml_escape
from toolkit.web.static.names import inside_of

#: Names on one page; a browser would hardly show more.
MAX_ENTRIES = 10_000


class Entry(NamedTuple):
    """One line: a file or a directory."""

    name: str
    is_directory: bool
    size: int
    modified: float


def entries(directory: str, allowed: tuple[str, ...], hidden: bool) -> list[Entry]:
    """Return what a directory has to serve: directories first, then files, by name.

    Args:
        allowed: directories, links resolved, that links may lead into.
        hidden: whether names that begin with a dot are shown.
    Raises:
        OSError: it cannot be read.
    """
    found: list[Entry] = []
    with os.scandir(directory) as items:
        for item in items:
            entry = _entry(item, allowed) if hidden or item.name[0] != "." else None
            if entry is not None:
                found.append(entry)
            if len(found) >= MAX_ENTRIES:
                break
    return sorted(found, key=lambda entry: (not entry.is_directory, entry.name))


def _entry(item: "os.DirEntry[str]", allowed: tuple[str, ...]) -> Entry | None:
    """Return the line of a name; None for what is not served."""
    try:
        item.name.encode("utf-8")
        if item.is_symlink() and not inside_of(os.path.realpath(item.path), allowed):
            return None
        status = item.stat()
    except (OSError, ValueError):
        return None
    is_directory = stat.S_ISDIR(status.st_mode)
    if not is_directory and not stat.S_ISREG(status.st_mode):
        return None
    return Entry(item.name, is_directory, status.st_size, status.st_mtime)


def page(path: str, found: Iterable[Entry], has_parent: bool) -> str:
    """Write the page.

    Args:
        path: for the title.
        has_parent: whether there is a directory above to go to.
    """
    title = xhtml_escape(path)
    rows = ['<tr><td><a href="../">../</a></td><td></td><td></td></tr>'] if has_parent else []
    rows.extend(map(_row, found))
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n<body><h1>{title}</h1>\n<table>\n"
        "<tr><th>Name</th><th>Bytes</th><th>Modified</th></tr>\n"
        + "\n".join(rows)
        + "\n</table></body></html>\n"
    )


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_directory else ""
    # With its colon quoted, a name is never the scheme of a URL.
    link = quote(entry.name, safe="") + slash
    modified = datetime.fromtimestamp(entry.modified, UTC)
    size = "" if entry.is_directory else str(entry.size)
    return (
        f'<tr><td><a href="{link}">{xhtml_escape(entry.name)}{slash}</a></td>'
        f"<td>{size}</td><td>{modified:%Y-%m-%d %H:%M}</td></tr>"
    )
