"""Where a user may be sent to after a login."""

import re
from urllib.parse import quote

#: Characters of a path and query as browsers take them: neither a control character, which they
#: would drop, nor a backslash, which they would take for a slash. Two slashes begin a host.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")

#: Characters that it may have, so that it fits into a cookie.
MAX_PATH = 1000


def local_path(url: str | None, default: str = "/") -> str:
    """Return a URL that leads to this site whoever made it up, as for ``next`` of a login page.

    >>> [local_path(url) for url in ("/inbox?page=2", "//evil.example", "https://evil.example")]
    ['/inbox?page=2', '/', '/']

    Args:
        url: what was asked for, if anything was. Only an absolute path is let through, with
            its query and of at most `MAX_PATH` characters; those beyond ASCII are
            percent-encoded.
        default: for anything else.
    """
    if url is None:
        return default
    encoded = _NOT_ASCII.sub(lambda match: quote(match[0], errors="replace"), url[: MAX_PATH + 1])
    return encoded if len(encoded) <= MAX_PATH and _LOCAL.fullmatch(encoded) else default
