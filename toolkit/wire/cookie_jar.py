"""The cookies that a client keeps for its servers (RFC 6265bis §5), without clock or file."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from toolkit.wire.cookies import MAX_COOKIES, InvalidCookieError
from toolkit.wire.errors import excerpt
from toolkit.wire.grammar import is_ipv6

#: Most bytes of a name and its value together, and of an attribute's value (§5.6).
MAX_PAIR = 4096
MAX_ATTRIBUTE = 1024
#: Seconds that a cookie lives at most, however long it was meant to (§5.5).
MAX_LIFETIME = 400 * 24 * 3600.0
#: Cookies that are kept for one domain, as browsers do.
MAX_PER_DOMAIN = 180

#: What no browser puts into a cookie (§5.6).
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: What may not stand in a Cookie field: it would end the cookie or the field, or is no byte.
_FORBIDDEN = re.compile(r"[^\t -:<-~\x80-\xff]")
_SAME_SITE = frozenset(("strict", "lax", "none"))


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie as a client keeps it.

    Attributes:
        domain: of whom it is for, in lower case, without a dot before it.
        path: of the URLs that get it, and all below.
        host_only: whether it is for the host `domain` alone, and not for those below it.
        secure: whether it goes over TLS only.
        http_only: whether scripts of a page may not see it, which a client without scripts
            need not heed.
        same_site: "strict", "lax", "none", or "" when not said; kept, since a client without
            pages has no other sites.
        expires: seconds since the epoch; None for the end of the session.
        created: seconds since the epoch.
    """

    name: str
    value: str
    domain: str
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    expires: float | None = None
    created: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would not be one cookie in a Cookie field.

        Raises:
            InvalidCookieError: a separator or a control character.
        """
        if "=" in self.name or not (self.name or self.value):
            raise InvalidCookieError(f"cookie with the name {excerpt(self.name)}; no '=', not ''")
        for what in ("name", "value", "domain", "path"):
            text = getattr(self, what)
            if bad := _FORBIDDEN.search(text):
                raise InvalidCookieError(f"cookie with {bad[0]!r} in its {what} {excerpt(text)}")

    @property
    def pair(self) -> str:
        """The cookie as it stands in a Cookie field."""
        return f"{self.name}={self.value}" if self.name else self.value

    def matches(self, place: "Place") -> bool:
        """Say whether it goes with a request, unless it has expired (§5.8.3)."""
        return (
            (place.host == self.domain or (not self.host_only and under(place.host, self.domain)))
            and path_match(place.path, self.path)
            and (place.secure or not self.secure)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cookie came from, or a request goes.

    Attributes:
        host: in lower case and IDNA, an IPv6 address without brackets.
        path: of the URL; a query after it means nothing.
        secure: whether nobody on the way can look or change anything: ``https``.
    """

    host: str
    path: str
    secure: bool


@dataclass(slots=True)
class _Kept:
    cookie: Cookie
    used: float  # when it was last sent or set


class CookieStore:
    """Cookies by domain, as many as limits allow.

    Example::

        store = CookieStore()
        store.receive("a=1; Max-Age=60", Place("example.com", "/", True), now=0)
        store.header(Place("example.com", "/sub", True), now=59)    # "a=1"
        store.header(Place("example.com", "/sub", True), now=60)    # ""

    When there are too many for a domain, expired ones go first, then those that are not secure,
    and of these the one that was not used for the longest time (§5.7).

    Args:
        public_suffix: says whether a domain is one under which strangers can register theirs,
            such as ``co.uk``, so that no cookie may be for all of it. Names without a dot and IP
            addresses always are; a program that visits many sites gives a function that knows
            the public suffix list.
        per_domain: cookies for one domain.
        total: cookies in all.
    """

    def __init__(
        self,
        *,
        public_suffix: Callable[[str], bool] | None = None,
        per_domain: int = MAX_PER_DOMAIN,
        total: int = MAX_COOKIES,
    ) -> None:
        self._public_suffix = public_suffix
        self._per_domain = per_domain
        self._total = total
        self._domains: dict[str, dict[tuple[str, str, bool], _Kept]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many cookies there are, expired ones too until somebody looks."""
        return self._count

    def __iter__(self) -> Iterator[Cookie]:
        """Iterate over all cookies, those of one domain together."""
        return iter([kept.cookie for kept in self._all()])

    def receive(self, set_cookie: str, place: Place, now: float) -> Cookie | None:
        """Take a Set-Cookie field; None when it is refused or removes a cookie.

        Args:
            set_cookie: one character is one byte, as fields are read.
            place: of the request that it answers.
            now: seconds since the epoch.

        RFC 6265bis §5.6, §5.7
        """
        parsed = parse_set_cookie(set_cookie, now)
        if parsed is None:
            return None
        cookie = self._admitted(parsed, place)
        if cookie is None or (not place.secure and self._overlays_secure(cookie)):
            return None
        self.put(cookie, now)
        return None if _expired(cookie, now) else cookie

    def put(self, cookie: Cookie, now: float) -> None:
        """Keep a cookie in the place of one with its name, domain and path; an expired one goes."""
        key = (cookie.name, cookie.path, cookie.host_only)
        old = self._domains.get(cookie.domain, {}).get(key)
        if old is not None:
            self._remove(old.cookie)
            cookie = replace(cookie, created=old.cookie.created)
        if _expired(cookie, now):
            return
        cookies = self._domains.setdefault(cookie.domain, {})
        cookies[key] = _Kept(cookie, now)
        self._count += 1
        if len(cookies) > self._per_domain:
            self._make_room(list(cookies.values()), now)
        elif self._count > self._total:
            self._make_room(list(self._all()), now)

    def header(self, place: Place, now: float) -> str:
        """Return the Cookie field for a request, "" for none: longest paths first (§5.8.3)."""
        kept = [kept for kept in self._candidates(place.host) if kept.cookie.matches(place)]
        found = []
        for entry in kept:
            if _expired(entry.cookie, now):
                self._remove(entry.cookie)
            else:
                entry.used = now
                found.append(entry.cookie)
        found.sort(key=lambda cookie: (-len(cookie.path), cookie.created))
        return "; ".join([cookie.pair for cookie in found])

    def clear(self, matching: Callable[[Cookie], bool] = lambda cookie: True) -> None:
        """Remove cookies: all, or those of which `matching` says so."""
        for cookie in [cookie for cookie in self if matching(cookie)]:
            self._remove(cookie)

    def expire(self, now: float) -> None:
        """Remove the cookies whose time has passed."""
        self.clear(lambda cookie: _expired(cookie, now))

    def _candidates(self, host: str) -> Iterator[_Kept]:
        """Yield what is kept for a host and the domains above it."""
        if not self._count:
            return
        domain = host
        while domain:
            yield from self._domains.get(domain, {}).values()
            domain = domain.partition(".")[2]

    def _all(self) -> Iterator[_Kept]:
        for cookies in self._domains.values():
            yield from cookies.values()

    def _admitted(self, parsed: "SetCookie", place: Place) -> Cookie | None:
        """Return a cookie as it is to be kept; None when its server may not set it (§5.7)."""
        domain = parsed.domain
        if domain and self._is_public(domain):
            if domain != place.host:
                return None
            domain = ""
        if domain and domain != place.host and not under(place.host, domain):
            return None
        if parsed.secure and not place.secure:
            return None
        cookie = Cookie(
            parsed.name,
            parsed.value,
            domain or place.host,
            parsed.path or default_path(place.path),
            not domain,
            parsed.secure,
            parsed.http_only,
            parsed.same_site,
            parsed.expires,
            parsed.now,
        )
        return cookie if _keeps_promises(cookie, parsed) else None

    def _is_public(self, domain: str) -> bool:
        if "." not in domain.strip(".") or is_address(domain):
            return True
        return self._public_suffix is not None and self._public_suffix(domain)

    def _overlays_secure(self, cookie: Cookie) -> bool:
        """Say whether a cookie over plain HTTP would hide or replace a secure one (§5.7, 12)."""
        return any(
            other.secure
            and other.name == cookie.name
            and (
                other.domain == cookie.domain
                or under(other.domain, cookie.domain)
                or under(cookie.domain, other.domain)
            )
            and path_match(cookie.path, other.path)
            for other in self
        )

    def _make_room(self, kept: list[_Kept], now: float) -> None:
        """Remove the expired ones of many, or else one."""
        gone = [entry for entry in kept if _expired(entry.cookie, now)]
        for entry in gone or [min(kept, key=lambda entry: (entry.cookie.secure, entry.used))]:
            self._remove(entry.cookie)

    def _remove(self, cookie: Cookie) -> None:
        cookies = self._domains[cookie.domain]
        del cookies[cookie.name, cookie.path, cookie.host_only]
        self._count -= 1
        if not cookies:
            del self._domains[cookie.domain]


def _expired(cookie: Cookie, now: float) -> bool:
    return cookie.expires is not None and cookie.expires <= now


def _keeps_promises(cookie: Cookie, parsed: "SetCookie") -> bool:
    """Say whether a cookie is what the prefix of its name says (§5.7, 20 to 22)."""
    name = cookie.name.lower()
    if not name:  # a server could take the value of a nameless one for a name
        return not cookie.value.lower().startswith(("__secure-", "__host-"))
    if name.startswith("__host-"):
        return cookie.secure and not parsed.domain and parsed.path == "/"
    return cookie.secure or not name.startswith("__secure-")


def is_address(host: str) -> bool:
    """Say whether a host is an IP address, which has no domains above it."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return is_ipv6(host.partition("%")[0])
    return True


def under(host: str, domain: str) -> bool:
    """Say whether a host is a name below a domain (§5.1.3)."""
    return host.endswith(f".{domain}") and not is_address(host)


def path_match(path: str, cookie_path: str) -> bool:
    """Say whether a URL's path is that of a cookie, or below it (§5.1.4)."""
    path = path.partition("?")[0]
    if not path.startswith(cookie_path):
        return False
    return cookie_path.endswith("/") or path[len(cookie_path) : len(cookie_path) + 1] in ("", "/")


def default_path(path: str) -> str:
    """Return the path for a cookie that has none: the directory of the URL (§5.1.4)."""
    path = path.partition("?")[0]
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


# -- reading -----------------------------------------------------------------------------


@dataclass(slots=True)
class SetCookie:
    """What a Set-Cookie field says; an empty `domain` or `path` is one that is not there."""

    name: str
    value: str
    now: float
    domain: str = ""
    path: str = ""
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    expires: float | None = None


def parse_set_cookie(text: str, now: float) -> SetCookie | None:
    """Read a Set-Cookie field; None for one that is to be ignored as a whole.

    Args:
        now: seconds since the epoch, for ``Max-Age``.

    RFC 6265bis §5.6
    """
    if _CONTROL.search(text):
        return None
    pair, *attributes = text.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", name
    name, value = name.strip(" \t"), value.strip(" \t")
    if not (name or value) or len(name) + len(value) > MAX_PAIR:
        return None
    cookie = SetCookie(name, value, now)
    max_age: float | None = None
    for attribute in attributes:
        key, _, argument = attribute.partition("=")
        key, argument = key.strip(" \t").lower(), argument.strip(" \t")
        if len(argument) > MAX_ATTRIBUTE:
            continue
        if key == "max-age":
            max_age = _max_age(argument, now, max_age)
        elif key == "expires":
            cookie.expires = _expires(argument, now, cookie.expires)
        elif key == "domain":
            cookie.domain = argument.removeprefix(".").lower()
            if not cookie.domain.isascii():
                return None
        elif key == "path":
            cookie.path = argument if argument.startswith("/") else ""
        elif key == "secure":
            cookie.secure = True
        elif key == "httponly":
            cookie.http_only = True
        elif key == "samesite":
            cookie.same_site = argument.lower() if argument.lower() in _SAME_SITE else ""
    if max_age is not None:
        cookie.expires = max_age
    return cookie


def _max_age(text: str, now: float, default: float | None) -> float | None:
    """Return when a cookie expires that has so many seconds (§5.6.2)."""
    if not re.fullmatch("-?[0-9]+", text):
        return default
    if text.startswith("-"):
        return 0.0
    # With 20 digits it is more than is given anyway; to read more would cost time.
    seconds = float(text.lstrip("0")[:20] or 0)
    return now + min(seconds, MAX_LIFETIME) if seconds else 0.0


def _expires(text: str, now: float, default: float | None) -> float | None:
    """Return when a cookie expires by a date (§5.6.1)."""
    date = cookie_date(text)
    return default if date is None else min(date, now + MAX_LIFETIME)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DELIMITERS = re.compile(r"[\t\x20-/;-@\[-`{-~]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9]).*", re.DOTALL)
_DAY = re.compile(r"([0-9]{1,2})(?![0-9]).*", re.DOTALL)
_YEAR = re.compile(r"([0-9]{2,4})(?![0-9]).*", re.DOTALL)


def cookie_date(text: str) -> float | None:
    """Read a date as cookies have it: in nearly any order of its parts.

    >>> cookie_date("Sun, 06-Nov-1994 08:49:37 GMT")
    784111777.0

    Returns:
        Seconds since the epoch; None when it is no date.

    RFC 6265bis §5.1.1
    """
    time: re.Match[str] | None = None
    day = month = year = None
    for token in _DELIMITERS.split(text):
        if time is None and (match := _TIME.fullmatch(token)):
            time = match
        elif day is None and (match := _DAY.fullmatch(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _YEAR.fullmatch(token)):
            year = int(match[1])
    if time is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    if year < 1601:
        return None
    hour, minute, second = map(int, time.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
