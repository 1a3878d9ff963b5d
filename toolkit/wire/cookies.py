"""Reading the Cookie field as browsers write it (RFC 6265 and its successor, 6265bis)."""

import re

#: Most cookies that are looked at. Browsers keep 180 for a site at most.
MAX_COOKIES = 3000

#: What no browser puts into a cookie (6265bis §5.6, which takes such a cookie for none).
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")


def parse_cookie(cookie: str) -> dict[str, str]:
    """Return the value of each cookie of a Cookie field by its name.

    >>> parse_cookie('a=b; c="d; e')
    {'a': 'b', 'c': '"d', '': 'e'}

    It sees the cookies that the browser has, whatever they look like: semicolons separate them,
    be they quoted or not, the first ``=`` ends a name, and one without ``=`` has only a value
    and the name "". Of several of a name the last counts. One with a control character is left
    out, and so are those after `MAX_COOKIES`; nothing is an error. A value in quotes is taken
    out of them, and its escapes are resolved as `http.cookies` writes them.

    Takes time linear in the length of `cookie`.
    """
    pairs = cookie.split(";", MAX_COOKIES)[:MAX_COOKIES]
    if not cookie.isprintable():
        pairs = [pair for pair in pairs if not _CONTROL.search(pair)]
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            name, value = "", name
        name, value = name.strip(" \t"), value.strip(" \t")
        if name or value:
            found[name] = unquote(value) if value[:1] == '"' else value
    return found


def unquote(value: str) -> str:
    """Return a value without the quotes around it, and with the escapes in them resolved.

    An escape is a backslash before three octal digits, or before any one character. A value
    that is not in quotes comes back as it is.
    """
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(_unescape, value[1:-1])


def _unescape(match: re.Match[str]) -> str:
    octal: str | None = match[1]
    return chr(int(octal, 8)) if octal else match[2]
