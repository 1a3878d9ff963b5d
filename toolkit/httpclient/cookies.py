"""`CookieJar`: the cookies of a client, and how they are kept in a file."""

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from toolkit import files
from toolkit.httpclient.target import Target
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.wire.cookie_jar import MAX_PER_DOMAIN, Cookie, CookieStore, Place
from toolkit.wire.cookies import MAX_COOKIES, InvalidCookieError
from toolkit.wire.errors import excerpt

#: Of the format of files.
VERSION = 1
#: Types of the fields of a cookie in a file.
_TYPES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "value": (str,),
    "domain": (str,),
    "path": (str,),
    "host_only": (bool,),
    "secure": (bool,),
    "http_only": (bool,),
    "same_site": (str,),
    "expires": (int, float, type(None)),
    "created": (int, float),
}


class CookieJar:
    """Cookies that servers have set, and that go to those that they are for (RFC 6265bis).

    Example::

        jar = CookieJar()
        client = AsyncHTTPClient(force_instance=True, cookie_jar=jar)
        await client.fetch("https://www.example.com/login", method="POST", body="...")
        await jar.save("cookies.json")          # nobody else may read it
        ...
        jar = await CookieJar.load("cookies.json")

    It is a link of the chain of a client (`hop_middleware`): each hop of a redirect gets the
    cookies of its own host, after those that the request itself has.

    Args:
        public_suffix: says whether strangers can register names below a domain, as below
            ``co.uk``; no server may then set cookies for all of it. That of names without a
            dot and of addresses is known. A package with the public suffix list knows the rest.
        per_domain: cookies of one domain that are kept.
        total: cookies that are kept in all.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        public_suffix: Callable[[str], bool] | None = None,
        per_domain: int = MAX_PER_DOMAIN,
        total: int = MAX_COOKIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = CookieStore(public_suffix=public_suffix, per_domain=per_domain, total=total)
        self._clock = clock

    # -- of a client ---------------------------------------------------------------------

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Send a request with its cookies, and take those of the response."""
        if len(self._store):
            cookies = self.header(request.target)
            if cookies:
                own = request.headers.get("Cookie")
                request = request.copy()
                request.headers["Cookie"] = f"{own}; {cookies}" if own else cookies
        response = await call_next(request)
        if "Set-Cookie" in response.headers:
            self.receive(response.headers.get_list("Set-Cookie"), request.target)
        return response

    def receive(self, fields: Iterable[str], url: str | Target) -> None:
        """Take the Set-Cookie fields of a response; what servers may not set is left out.

        Args:
            url: that answered.
        """
        place, now = _place(url), self._clock()
        for field in fields:
            self._store.receive(field, place, now)

    def header(self, url: str | Target) -> str:
        """Return the Cookie field for a URL, "" for none."""
        return self._store.header(_place(url), self._clock())

    # -- of a program --------------------------------------------------------------------

    def __iter__(self) -> Iterator[Cookie]:
        """Iterate over the cookies that have not expired."""
        self._store.expire(self._clock())
        return iter(self._store)

    def __len__(self) -> int:
        """Return how many have not expired."""
        self._store.expire(self._clock())
        return len(self._store)

    def get(self, name: str, url: str) -> str | None:
        """Return the value of the cookie that a URL would get by a name, None for none."""
        place, now = _place(url), self._clock()
        found = [
            cookie
            for cookie in self._store
            if cookie.name == name
            and cookie.matches(place)
            and (cookie.expires is None or cookie.expires > now)
        ]
        return max(found, key=lambda cookie: len(cookie.path)).value if found else None

    def set(
        self,
        name: str,
        value: str,
        url: str,
        *,
        subdomains: bool = False,
        path: str = "/",
        secure: bool | None = None,
        expires: float | None = None,
    ) -> None:
        """Keep a cookie of the program's own.

        Args:
            url: of the host that is to get it.
            subdomains: whether hosts below that get it as well.
            path: of what gets it.
            secure: whether it goes over TLS only; by default if `url` is such.
            expires: seconds since the epoch; None for no end.
        Raises:
            InvalidCookieError: a separator or a control character in it.
        """
        place, now = _place(url), self._clock()
        if not path.startswith("/"):
            raise InvalidCookieError(f"path {excerpt(path)} of a cookie; '/...' is allowed")
        cookie = Cookie(
            name,
            value,
            place.host,
            path,
            host_only=not subdomains,
            secure=place.secure if secure is None else secure,
            expires=expires,
            created=now,
        )
        self._store.put(cookie, now)

    def clear(self, url: str | None = None) -> None:
        """Remove all cookies, or those that a URL would get."""
        if url is None:
            self._store.clear()
        else:
            place = _place(url)
            self._store.clear(lambda cookie: cookie.matches(place))

    # -- in a file -----------------------------------------------------------------------

    def to_json(self, session: bool = True) -> str:
        """Return all cookies as text, for `from_json`.

        Args:
            session: whether those without an expiry are in it; a browser forgets them when it
                is closed.
        """
        cookies = [
            dataclasses.asdict(cookie) for cookie in self if session or cookie.expires is not None
        ]
        return json.dumps({"version": VERSION, "cookies": cookies}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, **options: Any) -> Self:
        """Return a jar with the cookies of a text that `to_json` has made.

        Args:
            options: for the constructor.
        Raises:
            ValueError: it is no such text; the message says where.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("version") != VERSION:
            raise ValueError(f"no cookies of version {VERSION}: {excerpt(str(content))}")
        jar = cls(**options)
        for number, item in enumerate(content.get("cookies", [])):
            try:
                cookie = _cookie(item)
            except ValueError as error:
                raise ValueError(f"cookie {number}: {error}") from None
            jar._store.put(cookie, jar._clock())
        return jar

    async def save(self, path: str | os.PathLike[str], session: bool = True) -> None:
        """Write the cookies to a file, which only this user may read; whole, or not at all.

        Args:
            session: as of `to_json`.
        Raises:
            OSError: it cannot be written; an old file is as before.
        """
        async with files.atomic_write(path, rights=0o600) as file:
            await file.write(self.to_json(session))

    @classmethod
    async def load(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """Return a jar with the cookies of a file.

        Args:
            options: for the constructor.
        Raises:
            FileNotFoundError: it is not there.
            ValueError: it is no file of cookies.
        """
        return cls.from_json(await files.read_bytes(path), **options)


def _place(url: str | Target) -> Place:
    target = Target.parse(url) if isinstance(url, str) else url
    return Place(target.origin.host, target.path, target.origin.scheme == "https")


def _cookie(item: Any) -> Cookie:
    """Return a cookie of a file.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(item, dict) or item.keys() != _TYPES.keys():
        raise ValueError(f"{excerpt(str(item))}; {', '.join(_TYPES)} are allowed")
    for name, types in _TYPES.items():
        value = item[name]
        # A bool is an int to Python.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ValueError(f"{name} is {excerpt(str(value))}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
    return Cookie(**item)
