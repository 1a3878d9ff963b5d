"""Handlers that are there ready-made: for errors, for redirects, for other applications."""

import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

from toolkit.concurrent import convert_yielded
from toolkit.httputil import HTTPServerRequest
from toolkit.web.errors import HTTPError
from toolkit.web.handler import RequestHandler


class ErrorHandler(RequestHandler):
    """Answers every request with one status, without a look at its content."""

    _stream_request_body = True

    def initialize(self, status_code: int, allowed: Sequence[str] = ()) -> None:
        """Take the status, and the methods that are allowed instead, for 405."""
        self.set_status(status_code)
        self._allowed = allowed

    def prepare(self) -> None:
        if self.request.method == "OPTIONS" and (self._allowed or self.request.uri == "*"):
            # "*" asks about the server as a whole (RFC 9110 §9.3.7).
            self.set_status(204)
            if self._allowed:
                self.set_header("Allow", ", ".join(self.allowed_here()))
            self.finish()
            return
        raise HTTPError(self._status_code)

    def allowed_here(self) -> Sequence[str]:
        """Return the methods that other rules take for the path."""
        return self._allowed or super().allowed_here()

    def check_xsrf_cookie(self) -> None:
        """Let every request pass: there is nothing to protect."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Trust every origin: there is nothing to protect."""
        return True


class SlashHandler(RequestHandler):
    """Sends a client to the same path with a slash at its end, or without."""

    _stream_request_body = True

    def initialize(self, url: str) -> None:
        """Take where to, which is a path of this host."""
        self._url = url

    def prepare(self) -> None:
        self.redirect(self._url, status=301 if self.request.method in ("GET", "HEAD") else 308)


#: Stands for what a request puts into the URL of a `RedirectHandler`.
_GAP = "\ue000"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
#: What browsers leave out of a URL, and strip from its ends.
_IGNORED = re.compile(r"[\t\n\r]|^[\x00- ]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: ASCII that a group of the path keeps; ``?`` and ``#`` in it do not end the path.
_GROUP_SAFE = "!$&'()*+,/:;=@~[]"


class RedirectHandler(RequestHandler):
    """Sends every GET to another URL, into which groups of the path are filled.

    Example::

        (r"/pictures/(.*)", RedirectHandler, {"url": "/photos/{0}"})

    What the client sends is never a scheme or a host: a request whose groups would become one
    gets 400. The query of the request is added.

    Args:
        url: with ``{0}`` or ``{name}`` for groups.
        permanent: 301 instead of 302.
    """

    def initialize(self, url: str, permanent: bool = True) -> None:
        self._url = url
        self._permanent = permanent

    def get(self, *args: Any, **kwargs: Any) -> None:
        args = tuple(arg or "" for arg in args)
        kwargs = {name: value or "" for name, value in kwargs.items()}
        filled = self._url.format(*args, **kwargs)
        gaps = self._url.format(*[_GAP] * len(args), **dict.fromkeys(kwargs, _GAP))
        if _origin(filled) != _origin(gaps):
            raise HTTPError(400, "Redirect URL cannot change the scheme or netloc: %r", filled)
        if _CONTROL.search(filled):
            raise HTTPError(400, "Redirect URL contains invalid characters: %r", filled)
        url = self._url.format(
            *map(_quoted, args), **{name: _quoted(value) for name, value in kwargs.items()}
        )
        if self.request.query_arguments:
            url, mark, fragment = url.partition("#")
            url += ("&" if "?" in url else "?") + self.request.query + mark + fragment
        self._redirect_to(url.encode().decode("latin-1"), 301 if self._permanent else 302)


def _quoted(group: str) -> str:
    """Return a group of a path as it stands in a URL; characters beyond ASCII stay."""
    pieces = re.split(r"([^\x00-\x7f]+)", group)
    pieces[::2] = [urllib.parse.quote(piece, safe=_GROUP_SAFE) for piece in pieces[::2]]
    return "".join(pieces)


def _origin(url: str) -> tuple[str | None, str | None]:
    """Return the scheme and the authority of a URL as a browser sees them, each if it is there.

    A gap ends both.
    """
    url = _IGNORED.sub("", url).replace("\\", "/")
    scheme = _SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    if scheme is None and not rest.startswith("//"):
        return None, None
    authority = re.split(f"[/?#{_GAP}]", rest.lstrip("/"), maxsplit=1)[0]
    return scheme[1].lower() if scheme else None, authority


class FallbackHandler(RequestHandler):
    """Lets another application answer: a `WSGIContainer`, an `Application`, a function.

    Example::

        container = WSGIContainer(flask_app)
        Application([(r"/ours", OurHandler), (r".*", FallbackHandler, {"fallback": container})])

    Args:
        fallback: a function of the request, or an object with ``handle_exchange``.
    """

    def initialize(self, fallback: Callable[[HTTPServerRequest], Any]) -> None:
        self.fallback = fallback

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """Return all methods: the other application decides."""
        return list(cls.SUPPORTED_METHODS)

    async def prepare(self) -> None:
        exchange = self._exchange
        self._finished = True
        handle = getattr(self.fallback, "handle_exchange", None)
        if handle is not None:
            exchange.put_back(self.request.body)
            await handle(exchange)
        else:
            result = self.fallback(self.request)
            if result is not None:
                await convert_yielded(result)
            await exchange.answered()
        self.on_finish()
