"""Cookie and Set-Cookie fields as browsers take them (RFC 6265 and its successor, 6265bis)."""

import re
from http.cookies import CookieError

from toolkit.wire.grammar import TCHAR

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


# -- writing -----------------------------------------------------------------------------

#: Names that a browser takes; ``:`` is no token's (RFC 9110 §5.6.2), and yet widely used.
_NAME = re.compile(rf"[{TCHAR}:]+")
_ATTRIBUTE = re.compile(r"[ -:<-~\x80-\xff]*")
#: Whether a value can stand without quotes.
_PLAIN = re.compile(rf"[{TCHAR}:]+")
#: What of a value in quotes has to be escaped.
_UNSAFE = re.compile(rf"[^{TCHAR}: ()/<=>?@\[\]{{}}]")
_SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}


class InvalidCookieError(CookieError, ValueError):
    """A cookie that is to be set has a part that no browser would understand as it is meant."""


def set_cookie(
    name: str,
    value: str,
    *,
    domain: str | None = None,
    expires: str | None = None,
    httponly: bool = False,
    max_age: int | None = None,
    partitioned: bool = False,
    path: str | None = None,
    samesite: str | None = None,
    secure: bool = False,
) -> str:
    """Return the value of a Set-Cookie field (6265bis §4.1).

    >>> set_cookie("a", "b;c", path="/", samesite="lax", secure=True)
    'a="b\\\\073c"; Path=/; SameSite=Lax; Secure'

    Args:
        expires: a date as HTTP writes it.
        samesite: ``strict``, ``lax`` or ``none``, in any case.
    Raises:
        InvalidCookieError: a name that is no token; a control character anywhere, a character
            beyond U+00FF, or a semicolon in an attribute; a ``__Host-`` cookie with a domain or
            a path other than ``/``.

    Names that begin with ``__Host-`` or ``__Secure-`` make the cookie a secure one, or else
    browsers would drop it.
    """
    if not _NAME.fullmatch(name):
        raise InvalidCookieError(f"Invalid cookie attribute name: {name[:100]!r}")
    prefix = name.lower()
    if prefix.startswith("__host-"):
        if domain or path != "/":
            raise InvalidCookieError(
                f"cookie {name!r} with domain {domain!r} and path {path!r}; it has to have "
                "no domain and the path '/'"
            )
        secure = True
    attributes = [f"{name}={quote(value)}"]
    if domain:
        attributes.append(f"Domain={checked_attribute('domain', domain)}")
    if expires:
        attributes.append(f"expires={checked_attribute('expires', expires)}")
    if httponly:
        attributes.append("HttpOnly")
    if max_age is not None:
        attributes.append(f"Max-Age={max_age:d}")
    if partitioned:
        attributes.append("Partitioned")
    if path:
        attributes.append(f"Path={checked_attribute('path', path)}")
    if samesite:
        if samesite.lower() not in _SAME_SITE:
            raise InvalidCookieError(
                f"Invalid cookie attribute samesite: {samesite[:100]!r}; strict, lax and none "
                "are allowed"
            )
        attributes.append(f"SameSite={_SAME_SITE[samesite.lower()]}")
    if secure or prefix.startswith("__secure-"):
        attributes.append("Secure")
    return "; ".join(attributes)


def checked_attribute(name: str, value: str) -> str:
    """Return the value of an attribute as it is.

    Args:
        name: for the error.
    Raises:
        InvalidCookieError: it would end the attribute, or is not allowed in a field.
    """
    if not _ATTRIBUTE.fullmatch(value):
        raise InvalidCookieError(f"Invalid cookie attribute {name}: {value[:100]!r}")
    return value


def quote(value: str) -> str:
    """Return a value as `unquote` reads it, in quotes where that is needed.

    Raises:
        InvalidCookieError: a control character, or one beyond U+00FF.
    """
    if _PLAIN.fullmatch(value):
        return value
    return f'"{_UNSAFE.sub(_escape, value)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return "\\" + character
    if character < " " or character == "\x7f" or character > "\xff":
        raise InvalidCookieError(
            f"cookie value with {character!r}; characters up to U+00FF other than control "
            "characters are allowed: see escape.url_escape"
        )
    return f"\\{ord(character):03o}"
