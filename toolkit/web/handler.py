"""`RequestHandler`: what a web application subclasses. The class is the index of its rooms."""

import asyncio
import http.cookies
import time
import urllib.parse
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit._version import __version__
from toolkit.concurrent import Future
from toolkit.escape import json_encode, xhtml_escape
from toolkit.http1connection import Exchange
from toolkit.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPOutputError,
    HTTPServerRequest,
    date_now,
    responses,
)
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.locale import Locale, accepted_languages
from toolkit.locale import get as get_locale
from toolkit.log import app_log, gen_log
from toolkit.template import BaseLoader, Loader, Template
from toolkit.util import ObjectDict, lazy
from toolkit.web import rendering, signing, xsrf
from toolkit.web.after import AfterResponse
from toolkit.web.arguments import clean
from toolkit.web.conditional import content_etag, matches_none
from toolkit.web.content import HeaderTypes, content_bytes, header_text
from toolkit.web.cookies import Expires, cookie_field
from toolkit.web.debug import shown_error
from toolkit.web.errors import Finish, HTTPError, MissingArgumentError, find_error_handler
from toolkit.web.events import EventSource, EventStream
from toolkit.web.state import State
from toolkit.web.transforms import OutputTransform, add_vary
from toolkit.web.uimodules import UIModules
from toolkit.web.uploads import UPLOAD_LIMITS, Parts, request_parts
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, TruncatedError
from toolkit.wire.events import ResponseHead
from toolkit.wire.grammar import is_field_value
from toolkit.wire.http1 import FORBIDDEN_TRAILERS
from toolkit.wire.multipart import FormLimits

if TYPE_CHECKING:
    from toolkit.web.application import Application

_SERVER = f"toolkit/{__version__}"
_trusted_headers = HTTPHeaders.trusted
_trusted_head = ResponseHead.trusted
_JSON = "application/json; charset=UTF-8"
_REQUIRED: Any = object()  # default of arguments that have to be there


class RequestHandler:
    """Answers requests; a subclass has a method for each HTTP method that it takes.

    For each request there is one handler object. Its `initialize`, `prepare`, the method of
    the request (``get``, ``post``, ...) and `on_finish` are called in turn; `prepare` and the
    method may be coroutines. When the method returns, what was written is sent.

    Example::

        class StoryHandler(RequestHandler):
            def initialize(self, database):
                self.database = database

            async def get(self, story_id):
                story = await self.database.story(story_id)
                if story is None:
                    raise HTTPError(404)
                self.write(story)

    Attributes:
        application: the `Application` that it serves.
        request: the `HTTPServerRequest`.
        path_args, path_kwargs: groups of the route's pattern, as text.
    """

    SUPPORTED_METHODS: tuple[str, ...] = (
        "GET",
        "HEAD",
        "POST",
        "DELETE",
        "PATCH",
        "PUT",
        "OPTIONS",
    )

    _stream_request_body = False
    _after_response: AfterResponse | None = None
    _new_cookies: dict[str, str] | None = None  # Set-Cookie fields by name
    #: Bytes of content that requests to the class may have; None for the server's limit.
    max_body_size: int | None = None
    #: Seconds in which an answer has to begin, else 503 is answered and the handler
    #: cancelled; None for the server's bound.
    response_timeout: float | None = None
    #: Whether the handler is cancelled when the client leaves. One that has closed its way
    #: out counts as gone.
    cancel_on_close = False

    #: Whether HEAD is answered by `get` where a class has no `head`.
    automatic_head = True
    #: Whether OPTIONS is answered with the methods of a class that has no `options`.
    automatic_options = True

    _automatic = False  # HEAD or OPTIONS is being answered by itself

    _template_loaders: ClassVar = rendering.LoaderCache()

    # Whether a subclass wants to hear that a client left; only then it is looked for.
    _hears_close = False
    _hears_drain = False
    _hears_sent = False
    # Whether a subclass uses one of these, or what stands above them.
    _minds_exchange = False
    # Whether a subclass has a `prepare`, which may answer in place of the method.
    _prepares = False
    # Whether a subclass says by itself which methods it takes.
    _decides_methods = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        base = RequestHandler
        cls._hears_close = cls.on_connection_close is not base.on_connection_close
        cls._hears_drain = cls.on_drain is not base.on_drain
        cls._hears_sent = cls.on_sent is not base.on_sent
        cls._minds_exchange = (
            cls._hears_close
            or cls._hears_drain
            or cls.cancel_on_close
            or cls.response_timeout is not None
            or cls.max_body_size is not None
            or cls.headers_received is not base.headers_received
        )
        cls._prepares = cls.prepare is not RequestHandler.prepare
        lists = getattr(cls.allowed_methods, "__func__", None)
        cls._decides_methods = lists is not base.allowed_methods.__func__  # type: ignore[attr-defined]  # of a class method

    def __init__(
        self, application: "Application", request: HTTPServerRequest, **kwargs: Any
    ) -> None:
        self.application = application
        self.request = request
        self.path_args: list[Any] = []
        self.path_kwargs: dict[str, Any] = {}
        # A default of the class would be cheaper to set and dearer to look at.
        self._headers_written = False
        self._finished = False
        self._auto_finish = True
        self._has_ui = False  # whether `ui` was made
        self._cookies_matter = False  # whether some were looked at or set
        self._transforms: Sequence[OutputTransform] = (
            [transform(request) for transform in application.transforms]
            if application.transforms
            else ()
        )
        self.clear()
        if kwargs:
            self.initialize(**kwargs)
        else:
            self.initialize()

    def _initialize(self, **kwargs: Any) -> None:
        """Take the arguments of the route; for subclasses to override."""
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}.initialize takes no arguments; the route gives "
                f"{', '.join(kwargs)}"
            )

    # Typed as any callable, so that a subclass may name the arguments that its routes give.
    initialize: Callable[..., None] = _initialize

    @property
    def settings(self) -> dict[str, Any]:
        """The application's settings."""
        return self.application.settings

    # -- the life of a request -----------------------------------------------------------

    def headers_received(self) -> Awaitable[None] | None:
        """Run before any content of the request is read; for subclasses to override.

        What is refused here, by an error or an answer, costs no content: a client that waits
        for 100 Continue is not told to send it.
        """

    def prepare(self) -> Awaitable[None] | None:
        """Run before the method of the request; for subclasses to override."""

    def on_finish(self) -> None:
        """Run after the answer was handed to the stream; for subclasses to override."""

    def on_sent(self) -> None:
        """Run when the last byte of the answer has left; for subclasses to override.

        It comes after `on_finish`, and not at all when the client has left before.
        """

    def after_response(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Have a function, or coroutine function, called once the answer is over.

        That is when its last byte has left, or the client has; whatever the answer was. What is
        given in several calls runs in order, beside the further requests of the connection. An
        error is logged. A server that stops waits for it, and cancels it at its deadline.

        Raises:
            RuntimeError: too late.
        """
        if self._after_response is None:
            self._after_response = AfterResponse(self._exchange)
        self._after_response.add(partial(function, *args, **kwargs))

    def on_connection_close(self) -> None:
        """Hear that the client has left before its answer; for subclasses to override."""

    def on_drain(self) -> None:
        """Hear that the server is about to stop; for subclasses to override.

        A handler of a long answer ends it then. What has not ended at the server's deadline
        is cancelled.
        """

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a piece of the content, in a class with `stream_request_body`.

        One without it reads the content itself, as by `parts`.
        """
        raise NotImplementedError

    def parts(self, limits: FormLimits = UPLOAD_LIMITS) -> Parts:
        """Return what ``async for`` takes the parts of a multipart form from, as they come.

        For a class with `stream_request_body` that has no `data_received`; in others the
        content is in memory before.

        Raises:
            HTTPError: 415, the content is no multipart form, or is coded.
        """
        return request_parts(self.request, limits)

    async def _execute(self, transforms: Sequence[Any], *args: Any, **kwargs: Any) -> None:
        """Run the method of the request; called only where a program has replaced it.

        Libraries that measure or report requests of Tornado's wrap it.
        """
        await self.application.run_handler(self, args, kwargs)

    def _unimplemented_method(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Stand for a method that the class has not.

        It is one for all of them, as programs compare with it to see what a class has.

        Raises:
            HTTPError: 405, unless HEAD or OPTIONS are answered by themselves.
        """
        method = self.request.method
        if (
            method not in ("HEAD", "OPTIONS")
            or self._automatic
            or method not in self.allowed_methods()
        ):
            raise HTTPError(405)
        self._automatic = True  # a `get` that hands on to this one does not come here again
        if method == "HEAD":
            return self.get(*args, **kwargs)
        self._answer_options()
        return None

    def allowed_here(self) -> Sequence[str]:
        """Return the methods that this request could have had."""
        return self.allowed_methods()

    def _answer_options(self) -> None:
        """Answer with the methods that the class takes (RFC 9110 §9.3.7)."""
        self.set_header("Allow", ", ".join(self.allowed_methods()))
        self.set_status(204)

    head: Callable[..., Awaitable[None] | None] = _unimplemented_method
    get: Callable[..., Awaitable[None] | None] = _unimplemented_method
    post: Callable[..., Awaitable[None] | None] = _unimplemented_method
    delete: Callable[..., Awaitable[None] | None] = _unimplemented_method
    patch: Callable[..., Awaitable[None] | None] = _unimplemented_method
    put: Callable[..., Awaitable[None] | None] = _unimplemented_method
    options: Callable[..., Awaitable[None] | None] = _unimplemented_method
    #: Only for classes that have ``"QUERY"`` among their `SUPPORTED_METHODS`: too many have a
    #: function of that name which is not for clients.
    query: Callable[..., Awaitable[None] | None] = _unimplemented_method

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """Return the HTTP methods that the class takes."""
        missing = RequestHandler._unimplemented_method
        own = {
            name
            for name in cls.SUPPORTED_METHODS
            if getattr(cls, name.lower(), missing) is not missing
        }
        if cls.automatic_head and "GET" in own:
            own.add("HEAD")
        if cls.automatic_options and own:
            own.add("OPTIONS")
        return [name for name in cls.SUPPORTED_METHODS if name in own]

    # -- status and headers --------------------------------------------------------------

    def clear(self) -> None:
        """Forget the headers, status, content and trailers set so far."""
        self._trailers: HTTPHeaders | None = None
        self._headers = _trusted_headers(
            {
                "Server": _SERVER,
                "Content-Type": "text/html; charset=UTF-8",
                "Date": date_now(),
            }
        )
        self.set_default_headers()
        self._write_buffer: list[bytes] = []
        self._status_code = 200
        self._reason: str | None = None

    def set_default_headers(self) -> None:
        """Set headers that every answer has, errors too; for subclasses to override."""

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """Set the status.

        Args:
            reason: phrase of the status line; the usual one when None.
        Raises:
            ValueError: a reason with control characters.
        """
        if reason is not None and not is_field_value(reason):
            raise ValueError(f"Unsafe reason {reason!r}")
        self._status_code = status_code
        self._reason = reason

    def get_status(self) -> int:
        """Return the status set so far."""
        return self._status_code

    def set_header(self, name: str, value: HeaderTypes) -> None:
        """Set a header to one value.

        Raises:
            ValueError: a control character, or one beyond ISO 8859-1.
            TypeError: not text, bytes, an integer or a datetime.
        """
        try:
            # An item assignment takes longer, to a class in Python.
            self._headers.__setitem__(name, value if type(value) is str else header_text(value))
        except HTTPInputError as error:
            raise ValueError(f"Unsafe {error}") from None

    def add_header(self, name: str, value: HeaderTypes) -> None:
        """Add a value to a header; errors as `set_header`."""
        try:
            self._headers.add(name, header_text(value))
        except HTTPInputError as error:
            raise ValueError(f"Unsafe {error}") from None

    def clear_header(self, name: str) -> None:
        """Forget a header."""
        if name in self._headers:
            del self._headers[name]

    def set_trailer(self, name: str, value: str) -> None:
        """Set a field that is sent after the content, which goes in chunks then.

        A client of HTTP/1.0 gets none.

        Raises:
            ValueError: a control character, or a field that may not come after content.

        RFC 9110 §6.5
        """
        if self.request.version == "HTTP/1.0":
            return
        if self._trailers is None:
            self._trailers = HTTPHeaders()
        if name.lower() in FORBIDDEN_TRAILERS:
            raise ValueError(f"field {name} is not allowed as a trailer")
        try:
            self._trailers[name] = value
        except HTTPInputError as error:
            raise ValueError(f"Unsafe trailer: {error}") from None

    def send_early_hints(self, *links: str) -> None:
        """Tell the client what it will need, before the answer is known (RFC 8297).

        Args:
            links: values of Link fields, such as ``"</style.css>; rel=preload; as=style"``.
        """
        if self.request.version == "HTTP/1.0" or self._exchange.closed:
            return
        fields = [("Link", header_text(link)) for link in links]
        self._exchange.interim(ResponseHead(103, fields))

    # -- cookies -------------------------------------------------------------------------

    @property
    def cookies(self) -> dict[str, http.cookies.Morsel[str]]:
        """The cookies of the request, by name.

        An answer for which this or another method here has looked at them, or which sets some,
        has ``Vary: Cookie``: no cache may give it to somebody else.
        """
        self._cookies_matter = True
        return self.request.cookies

    def get_cookie(self, name: str, default: str | None = None) -> str | None:
        """Return the value of a cookie of the request, `default` without one."""
        morsel = self.cookies.get(name)
        return default if morsel is None else morsel.value

    def set_cookie(
        self,
        name: str,
        value: str | bytes,
        domain: str | None = None,
        expires: Expires | None = None,
        path: str = "/",
        expires_days: float | None = None,
        *,
        max_age: int | None = None,
        httponly: bool = False,
        secure: bool = False,
        samesite: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Have the answer set a cookie, in place of one that was set by this name before.

        Args:
            value: characters up to U+00FF; a browser sends it back as it is.
            expires: seconds since the epoch, a time tuple in UTC, or a datetime.
            expires_days: days from now; without it and `expires` the cookie goes when the
                browser is closed.
            max_age: seconds, which go before `expires`.
            samesite: ``"strict"``, ``"lax"`` or ``"none"``.
            kwargs: ``partitioned``; deprecated are the others in another case.
        Raises:
            http.cookies.CookieError, which is a ValueError here: a name or an attribute that
                would be read as something else.

        Names that begin with ``__Host-`` or ``__Secure-`` make the cookie a secure one. An
        error page sets the cookies that were set before the error, too.
        """
        self._cookies_matter = True
        if self._new_cookies is None:
            self._new_cookies = {}
        self._new_cookies[name] = cookie_field(
            name,
            value,
            time.time(),
            domain=domain,
            expires=expires,
            path=path,
            expires_days=expires_days,
            max_age=max_age,
            httponly=httponly,
            secure=secure,
            samesite=samesite,
            **kwargs,
        )

    def clear_cookie(self, name: str, **kwargs: Any) -> None:
        """Have the browser forget a cookie.

        Args:
            kwargs: as of `set_cookie`; domain and path have to be those it was set with.
        """
        for attribute in ("expires", "expires_days", "max_age"):
            if attribute in kwargs:
                raise TypeError(f"clear_cookie() got an unexpected keyword argument {attribute!r}")
        self.set_cookie(name, "", expires=time.time() - 365 * 86400, **kwargs)

    def clear_all_cookies(self, **kwargs: Any) -> None:
        """Have the browser forget each cookie that it sent; deprecated.

        It forgets only those whose path and domain are given in `kwargs`, since it does not
        tell what they were set with.
        """
        for name in self.request.cookies:
            self.clear_cookie(name, **kwargs)

    def _add_cookies(self) -> None:
        add_vary(self._headers, "Cookie")
        for field in (self._new_cookies or {}).values():
            self._headers.add("Set-Cookie", field)

    def set_signed_cookie(
        self,
        name: str,
        value: str | bytes,
        expires_days: float | None = 30,
        version: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Have the answer set a cookie that nobody else can make; everybody can read it.

        The setting ``cookie_secret`` is the key, a long random text; or a dict of keys by
        their version, of which the setting ``key_version`` chooses one.
        """
        signed = self.create_signed_value(name, value, version=version)
        self.set_cookie(name, signed, expires_days=expires_days, **kwargs)

    def create_signed_value(
        self, name: str, value: str | bytes, version: int | None = None
    ) -> bytes:
        """Return a value signed for a name, as `set_signed_cookie` puts it into a cookie."""
        self.require_setting("cookie_secret", "signed cookies")
        secret = self.settings["cookie_secret"]
        key_version = self.settings.get("key_version")
        if isinstance(secret, dict) and key_version is None:
            raise ValueError("the setting key_version has to choose one key of cookie_secret")
        return signing.create_signed_value(
            secret,
            name,
            value,
            version=version,
            key_version=key_version if isinstance(secret, dict) else None,
        )

    def get_signed_cookie(
        self,
        name: str,
        value: str | None = None,
        max_age_days: float = 31,
        min_version: int | None = None,
    ) -> bytes | None:
        """Return the value of a signed cookie; None unless it is ours, and not too old.

        Args:
            value: looked at in place of the cookie's.
        """
        self.require_setting("cookie_secret", "signed cookies")
        if value is None:
            value = self.get_cookie(name)
        return signing.decode_signed_value(
            self.settings["cookie_secret"],
            name,
            value,
            max_age_days=max_age_days,
            min_version=min_version,
        )

    def get_signed_cookie_key_version(self, name: str, value: str | None = None) -> int | None:
        """Return the version of the key that a cookie says it is signed by; None without one."""
        self.require_setting("cookie_secret", "signed cookies")
        if value is None:
            value = self.get_cookie(name)
        return None if value is None else signing.get_signature_key_version(value)

    set_secure_cookie = set_signed_cookie
    get_secure_cookie = get_signed_cookie
    get_secure_cookie_key_version = get_signed_cookie_key_version

    # -- requests of other sites ---------------------------------------------------------

    @lazy
    def _xsrf(self) -> xsrf.Token:
        """The token of the browser, or a new one."""
        cookie = self.get_cookie(self._xsrf_cookie_name)
        return (xsrf.read_token(cookie) if cookie else None) or xsrf.new_token()

    @property
    def _xsrf_cookie_name(self) -> str:
        return str(self.settings.get("xsrf_cookie_name", "_xsrf"))

    @lazy
    def xsrf_token(self) -> bytes:
        """What a form has to carry, so that we know it for ours: see `xsrf_form_html`.

        Its first use sets the cookie that it is compared with, unless the browser has it. The
        settings ``xsrf_cookie_name``, ``xsrf_cookie_version`` and ``xsrf_cookie_kwargs`` say
        how; a user who is logged in keeps it for 30 days.
        """
        token = xsrf.write_token(self._xsrf, self.settings.get("xsrf_cookie_version", 2))
        if self._xsrf.version is None:
            kwargs = dict(self.settings.get("xsrf_cookie_kwargs", {}))
            if self.current_user:
                kwargs.setdefault("expires_days", 30)
            self.set_cookie(self._xsrf_cookie_name, token, **kwargs)
        return token

    def xsrf_form_html(self) -> str:
        """Return the hidden field for forms that POST."""
        token = xhtml_escape(self.xsrf_token)
        return f'<input type="hidden" name="_xsrf" value="{token}"/>'

    def check_xsrf_cookie(self) -> None:
        """Look whether the request has the token that the browser has in its cookie.

        It comes as the argument ``_xsrf``, or in the header X-XSRFToken or X-CSRFToken. With
        the setting ``xsrf_cookies`` this runs before `prepare`, for all methods but GET, HEAD,
        OPTIONS and QUERY.

        Raises:
            HTTPError: 403, unless it is the same.
        """
        headers = self.request.headers
        given = (
            self.get_argument("_xsrf", None)
            or headers.get("X-Xsrftoken")
            or headers.get("X-Csrftoken")
        )
        if not given:
            raise HTTPError(403, "'_xsrf' argument missing from %s", self.request.method)
        token = xsrf.read_token(given)
        if token is None:
            raise HTTPError(403, "'_xsrf' argument has invalid format")
        if not xsrf.is_same(token, self._xsrf):
            raise HTTPError(403, "XSRF cookie does not match %s argument", self.request.method)

    def check_trusted_origin(self, origin: str) -> bool:
        """Say whether pages of another origin may do what ours may; may be overridden.

        Args:
            origin: as in ``"https://example.com"``.

        By default those may that the setting ``trusted_origins`` names.
        """
        return origin in self.settings.get("trusted_origins", ())

    def _check_origin(self) -> None:
        """Refuse a request that a page of another origin made a browser send.

        With the setting ``cross_origin_protection`` it runs before all else, for the methods
        of `check_xsrf_cookie`.
        """
        request = self.request
        headers = request.headers
        fault = xsrf.origin_fault(
            headers.get("Sec-Fetch-Site"),
            headers.get("Origin"),
            request.host,
            request.protocol,
            self.check_trusted_origin,
        )
        if fault is not None:
            raise HTTPError(403, "%s", fault)

    # -- what handlers share -------------------------------------------------------------

    @lazy
    def state(self) -> State:
        """What lifespans of the application have yielded, and what this request alone adds."""
        return self.application.state.copy()

    # -- users ---------------------------------------------------------------------------

    @lazy
    def current_user(self) -> Any:
        """The user, as `get_current_user` says or as it was set; None for nobody."""
        return self.get_current_user()

    def get_current_user(self) -> Any:
        """Return the user of the request, such as by a cookie; for subclasses to override."""
        return None

    def get_login_url(self) -> str:
        """Return where users log in, by default the setting ``login_url``."""
        self.require_setting("login_url", "@authenticated")
        return str(self.settings["login_url"])

    @lazy
    def locale(self) -> Locale:
        """The language to answer in: of the user, or else of the browser; or as it was set."""
        return self.get_user_locale() or self.get_browser_locale()

    def get_user_locale(self) -> Locale | None:
        """Return the language that the user has chosen; for subclasses to override."""
        return None

    def get_browser_locale(self, default: str = "en_US") -> Locale:
        """Return the language that the browser likes best of those that there are."""
        if self.request.has_header("accept-language"):
            codes = accepted_languages(self.request.headers["Accept-Language"])
            if codes:
                return get_locale(*codes)
        return get_locale(default)

    # -- arguments -----------------------------------------------------------------------

    def get_argument(
        self, name: str, default: str | None = _REQUIRED, strip: bool = True
    ) -> str | None:
        """Return the last value of an argument of the query or the form.

        Args:
            default: for an argument that is missing.
            strip: whether whitespace around the value is taken off.
        Raises:
            MissingArgumentError: it is missing and there is no default.
            HTTPError: 400, when it is not UTF-8.
        """
        return self._last_argument(self.request.arguments, name, default, strip)

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the query or the form, [] for none."""
        return self._all_arguments(self.request.arguments, name, strip)

    def get_body_argument(
        self, name: str, default: str | None = _REQUIRED, strip: bool = True
    ) -> str | None:
        """Return the last value of an argument of the form; else as `get_argument`."""
        return self._last_argument(self.request.body_arguments, name, default, strip)

    def get_body_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the form, [] for none."""
        return self._all_arguments(self.request.body_arguments, name, strip)

    def get_query_argument(
        self, name: str, default: str | None = _REQUIRED, strip: bool = True
    ) -> str | None:
        """Return the last value of an argument of the query; else as `get_argument`."""
        return self._last_argument(self.request.query_arguments, name, default, strip)

    def get_query_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the query, [] for none."""
        return self._all_arguments(self.request.query_arguments, name, strip)

    def _all_arguments(self, source: dict[str, list[bytes]], name: str, strip: bool) -> list[str]:
        values = source.get(name, ())
        return [clean(self.decode_argument(value, name=name), strip) for value in values]

    def _last_argument(
        self, source: dict[str, list[bytes]], name: str, default: str | None, strip: bool
    ) -> str | None:
        values = source.get(name)
        if values:
            # All are looked at: one that is not UTF-8 is an error, wherever it stands.
            for value in values:
                text = self.decode_argument(value, name=name)
            return clean(text, strip)
        if default is _REQUIRED:
            raise MissingArgumentError(name)
        return default

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode an argument, or a group of the path (`name` is None); may be overridden.

        Raises:
            HTTPError: 400, when it is not UTF-8.
        """
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            raise HTTPError(400, "Invalid unicode in %s: %r", name or "url", value[:40]) from None

    # -- the answer ----------------------------------------------------------------------

    def write(self, chunk: str | bytes | dict[str, Any]) -> None:
        """Add to the content; a dict becomes JSON, and sets the Content-Type so.

        Raises:
            RuntimeError: the answer has ended.
            TypeError: another type.
        """
        if self._finished:
            raise RuntimeError("Cannot write() after finish()")
        if type(chunk) is str:
            chunk = chunk.encode()
        elif isinstance(chunk, dict):
            if type(self).set_header is _set_header:
                self._headers.put("Content-Type", _JSON)
            else:
                self.set_header("Content-Type", _JSON)
            chunk = json_encode(chunk).encode()
        elif type(chunk) is not bytes:
            chunk = content_bytes(chunk)
        self._write_buffer.append(chunk)

    def flush(self, include_footers: bool = False) -> "Future[None]":
        """Send what was written; await the result to let the client keep up.

        Args:
            include_footers: whether it is the last piece.
        Raises:
            StreamClosedError: from the future, when the client is gone.
        """
        data = b"".join(self._write_buffer)
        self._write_buffer = []
        exchange: Exchange = self.request.connection
        if data and self._headers_written and not self._transforms:
            return exchange.push(data)
        if not exchange.closed:
            if not self._headers_written:
                data = self._transform_first(data, include_footers)
                if self._cookies_matter:
                    self._add_cookies()
                head = ResponseHead(self._status_code, self._headers.fields(), self._reason)
                exchange.start(head, data)
            else:
                for transform in self._transforms:
                    data = transform.transform_chunk(data, include_footers)
                if data:
                    exchange.send(data)
        self._headers_written = True
        return exchange.flushed()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "Future[None]":
        """End the answer, with a last piece of content if there is one.

        Raises:
            RuntimeError: it has ended already.
            StreamClosedError: from the future, when the client is gone.
        """
        if self._finished:
            raise RuntimeError("finish() called twice")
        if chunk is not None:
            self.write(chunk)
        if self._trailers is not None:
            # Content that goes in chunks has a place behind it.
            self.flush()
        if self._headers_written:
            future = self.flush(include_footers=True)
            if not self._exchange.closed:
                self._exchange.finish(self._trailers.fields() if self._trailers else ())
        else:
            future = self._respond()
        self._finished = True
        self.application.log_request(self)
        if self._has_ui:
            self._release_modules()
        if self._hears_sent:
            self._tell_when_sent()
        self.on_finish()
        return future

    def _tell_when_sent(self) -> None:
        exchange = self._exchange
        if not exchange.closed:
            exchange.stream.flushed().add_done_callback(self._all_sent)

    def _all_sent(self, future: "Future[None]") -> None:
        if future.cancelled() or future.exception() is not None:
            return
        try:
            self.on_sent()
        except Exception:
            app_log.error("Uncaught exception in on_sent", exc_info=True)

    def _respond(self) -> "Future[None]":
        """Send the whole answer at once."""
        if self._status_code == 200 and self.request.method in ("GET", "HEAD"):
            self.set_etag_header()
            if self.check_etag_header():
                self._write_buffer = []
                self.set_status(304)
        body = b"".join(self._write_buffer)
        self._write_buffer = []
        if self._status_code in (204, 304):
            if body:
                raise RuntimeError(f"Cannot send body with status {self._status_code}")
            self._clear_representation_headers()
        if self._transforms:
            body = self._transform_first(body, True)
        if self._cookies_matter:
            self._add_cookies()
        head = _trusted_head(self._status_code, self._headers.fields(), self._reason)
        try:
            future: Future[None] = self.request.connection.respond(head, body)
        except LocalProtocolError as error:
            raise self._output_error(len(body), error) from error
        self._headers_written = True
        return future

    def _output_error(self, size: int, error: LocalProtocolError) -> HTTPOutputError:
        """Say what is wrong with an answer that was not sent, in Tornado's words if it has any."""
        told = self._headers.get("Content-Length", "")
        if not told.isdecimal() or int(told) == size:
            return HTTPOutputError(str(error))
        if int(told) < size:
            return HTTPOutputError("Tried to write more data than Content-Length")
        return HTTPOutputError(f"Tried to write {int(told) - size} bytes less than Content-Length")

    def _clear_representation_headers(self) -> None:
        """Forget the headers of content, before an answer that has none."""
        for name in _REPRESENTATION_HEADERS:
            self.clear_header(name)

    def _transform_first(self, chunk: bytes, finishing: bool) -> bytes:
        """Return the first piece of content as the transforms make it, which may change the head.

        They see the answer to a HEAD as that to a GET.
        """
        for transform in self._transforms:
            self._status_code, self._headers, chunk = transform.transform_first_chunk(
                self._status_code, self._headers, chunk, finishing
            )
        return chunk

    @property
    def _exchange(self) -> Exchange:
        exchange: Exchange = self.request.connection
        return exchange

    def redirect(self, url: str, permanent: bool = False, status: int | None = None) -> None:
        """End the request by sending the client to another URL.

        Args:
            url: absolute or relative; characters beyond ASCII are percent-encoded.
            permanent: 301 instead of 302.
            status: 300 to 399, to choose it.
        Raises:
            ValueError: a control character in the URL, or another status.
        """
        if self._headers_written:
            raise RuntimeError("Cannot redirect after headers have been written")
        if status is None:
            status = 301 if permanent else 302
        elif not 300 <= status <= 399:
            raise ValueError(f"redirect status {status}; 300 to 399 are allowed")
        self._redirect_to(url if url.isascii() else urllib.parse.quote(url, safe=_URL_SAFE), status)

    def _redirect_to(self, location: str, status: int) -> None:
        self.set_header("Location", location)
        self.set_status(status)
        self.finish()

    # -- streams of events ---------------------------------------------------------------

    def event_stream(
        self,
        *,
        heartbeat: float | None = 15.0,
        retry: float | None = None,
        end_at_drain: bool = True,
    ) -> EventStream:
        """Return what answers with server-sent events, in an ``async with`` block.

        The handler is cancelled when the client leaves. The block is left when the server is
        about to stop: what it waits for is cancelled, and the handler goes on behind it.

        Example::

            async with self.event_stream() as events:
                async for price in prices(since=events.last_event_id):
                    await events.send(price.text, id=str(price.number))

        Args:
            heartbeat: seconds of silence after which a comment is sent, so that nobody on the
                way takes the connection for dead; None for none.
            retry: seconds until a client that lost the stream tries again; it decides by
                itself when None.
            end_at_drain: whether the block is left; else `on_drain` has to see to the end.
        """
        return EventStream(self, heartbeat, retry, end_at_drain)

    async def stream_events(self, source: EventSource, **options: Any) -> None:
        """Answer with the events of a source.

        Args:
            source: an `EventChannel`, from the last event on that the client has; or an
                asynchronous iterable of what `EventStream.send` takes. It is closed in the end,
                also when the client leaves.
            options: of `event_stream`.
        """
        async with self.event_stream(**options) as events:
            await events.send_all(source)

    def detach(self) -> IOStream:
        """Take the stream over; the handler sends nothing more by itself."""
        self._finished = True
        return self._exchange.detach()

    # -- pages ---------------------------------------------------------------------------

    def render(self, template_name: str, **kwargs: Any) -> "Future[None]":
        """End the request with a template filled in.

        Args:
            kwargs: values for the template, besides those of `get_template_namespace`.
        """
        self._check_unfinished()
        return self.finish(self._with_resources(self.render_string(template_name, **kwargs)))

    async def render_async(self, template_name: str, **kwargs: Any) -> None:
        """End the request with a template that has ``await`` in it, filled in."""
        self._check_unfinished()
        page = await self.render_string_async(template_name, **kwargs)
        await self.finish(self._with_resources(page))

    async def render_stream(self, template_name: str, **kwargs: Any) -> None:
        """End the request with a template that is sent while it is filled in.

        The browser gets each part at ``{% flush %}`` in the template, or once there is enough
        of it; no faster than it takes them. What UI modules need goes into the head as far as
        it is known by then, else to the end of the body.
        """
        self._check_unfinished()
        template = self._template(template_name)
        sent: set[bytes] = set()
        body_ended = False
        stream = template.stream(**self._namespace(kwargs))
        async with aclosing(stream):
            async for chunk in stream:
                head_ends, body_ends = b"</head>" in chunk, b"</body>" in chunk
                body_ended |= body_ends
                if head_ends or body_ends:
                    chunk = self._with_new_resources(chunk, sent, head_ends, body_ends)
                self.write(chunk)
                await self.flush()
        if not body_ended:
            self.write(self._with_new_resources(b"", sent, False, True))
        await self.finish()

    def _check_unfinished(self) -> None:
        if self._finished:
            raise RuntimeError("Cannot render() after finish()")

    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        """Return a template filled in."""
        return self._template(template_name).generate(**self._namespace(kwargs))

    async def render_string_async(self, template_name: str, **kwargs: Any) -> bytes:
        """Return a template that has ``await`` in it, filled in."""
        return await self._template(template_name).generate_async(**self._namespace(kwargs))

    def _namespace(self, values: dict[str, Any]) -> dict[str, Any]:
        return {**self.get_template_namespace(), **values}

    def get_template_namespace(self) -> dict[str, Any]:
        """Return what all templates see; a subclass may add to it."""
        namespace = {
            "handler": self,
            "request": self.request,
            "current_user": self.current_user,
            "locale": self.locale,
            "_": self.locale.translate,
            "pgettext": self.locale.pgettext,
            "static_url": self.static_url,
            "xsrf_form_html": self.xsrf_form_html,
            "reverse_url": self.reverse_url,
        }
        return {**namespace, **self.ui}

    @lazy
    def ui(self) -> ObjectDict:
        """The UI methods of the application by name, and its modules under ``modules``."""
        self._has_ui = True
        modules = UIModules(self, self.application.ui_modules)
        found = ObjectDict(_tt_modules=modules, modules=modules)
        for name, method in self.application.ui_methods.items():
            found[name] = partial(method, self)
        return found

    def _release_modules(self) -> None:
        """Let go of what refers to the handler and is referred to by it."""
        self._has_ui = False
        self.__dict__.pop("ui")["modules"].active.clear()

    def get_template_path(self) -> str | None:
        """Return the directory of templates, by default the setting ``template_path``.

        None is the directory of the file whose code asks for a template.
        """
        return self.settings.get("template_path")

    def create_template_loader(self, template_path: str) -> BaseLoader:
        """Return what loads templates; made once for an application and a path.

        By default it is the setting ``template_loader``, or else reads files, as the settings
        ``autoescape``, ``template_whitespace`` and ``compiled_template_cache`` say.
        """
        settings = self.settings
        if "template_loader" in settings:
            loader: BaseLoader = settings["template_loader"]
            return loader
        kwargs = {}
        if "autoescape" in settings:
            # None turns escaping off, so that it is not the same as no setting.
            kwargs["autoescape"] = settings["autoescape"]
        if "template_whitespace" in settings:
            kwargs["whitespace"] = settings["template_whitespace"]
        reload = not settings.get("compiled_template_cache", True)
        return Loader(template_path, auto_reload=reload, **kwargs)

    def _template(self, name: str) -> Template:
        path = self.get_template_path() or rendering.calling_directory()
        make = type(self).create_template_loader
        loader = self._template_loaders.find(self.application, make, self, path)
        compiled_anew = not self.settings.get("compiled_template_cache", True)
        if compiled_anew and not getattr(loader, "auto_reload", False):
            loader.reset()
        return loader.load(name)

    def _with_resources(self, page: bytes) -> bytes:
        """Return a page with what its UI modules need."""
        if not self._has_ui or not self.ui["modules"].active:
            return page
        heads, feet = self._resource_pieces()
        return rendering.insert(page, _lines(heads), _lines(feet))

    def _with_new_resources(
        self, chunk: bytes, sent: set[bytes], head_ends: bool, body_ends: bool
    ) -> bytes:
        """Return a piece of a page with what UI modules need and is not `sent` yet."""
        if not self._has_ui:
            return chunk
        heads, feet = ([p for p in part if p not in sent] for part in self._resource_pieces())
        if not body_ends:
            feet = []
        sent.update(heads, feet)
        if head_ends:
            return rendering.insert(chunk, _lines(heads), _lines(feet))
        return rendering.insert(chunk, b"", _lines(heads + feet))

    def _resource_pieces(self) -> tuple[list[bytes], list[bytes]]:
        """Return what UI modules need in the head of the page, and at the end of its body."""
        found = rendering.gather(self.ui["modules"].active.values())
        heads = list(found.heads)
        if found.styles:
            heads.insert(0, self.render_embed_css(found.styles))
        if found.css_files:
            heads.insert(0, self.render_linked_css(found.css_files).encode())
        feet = list(found.bodies)
        if found.scripts:
            feet.insert(0, self.render_embed_js(found.scripts))
        if found.js_files:
            feet.insert(0, self.render_linked_js(found.js_files).encode())
        return heads, feet

    def render_linked_js(self, js_files: Iterable[str]) -> str:
        """Return what loads the scripts of UI modules; may be overridden."""
        return rendering.linked_js(map(self._resource_url, js_files))

    def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes:
        """Return the element of the scripts within UI modules; may be overridden."""
        return rendering.embedded_js(js_embed)

    def render_linked_css(self, css_files: Iterable[str]) -> str:
        """Return what loads the style sheets of UI modules; may be overridden."""
        return rendering.linked_css(map(self._resource_url, css_files))

    def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes:
        """Return the element of the styles within UI modules; may be overridden."""
        return rendering.embedded_css(css_embed)

    def _resource_url(self, path: str) -> str:
        return path if rendering.is_absolute(path) else self.static_url(path)

    def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
        """Return the URL of a file below the setting ``static_path``, with its version.

        Args:
            include_host: whether it names the host too; by default the attribute
                ``include_host`` of the handler decides.
            kwargs: ``include_version=False`` leaves the version out.
        """
        self.require_setting("static_path", "static_url")
        handler_class = self.application.static_handler_class
        if not self.settings.get("static_hash_cache", True):
            handler_class.reset()
        if include_host is None:
            include_host = getattr(self, "include_host", False)
        base = f"{self.request.protocol}://{self.request.host}" if include_host else ""
        return base + str(handler_class.make_static_url(self.settings, path, **kwargs))

    # -- errors --------------------------------------------------------------------------

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """End the request with an error page; keyword arguments go to `write_error`.

        After the head was sent there is nothing left but to cut the connection, so that the
        client does not take half an answer for a whole one.
        """
        if self._headers_written:
            gen_log.error("Cannot send error response after headers written")
            if not self._finished:
                self._finished = True
                self.application.log_request(self)
                self.on_finish()
            return
        self.clear()
        reason = kwargs.get("reason")
        if "exc_info" in kwargs and isinstance(kwargs["exc_info"][1], HTTPError):
            reason = kwargs["exc_info"][1].reason or reason
        if reason is not None and not _is_reason(reason):
            # Whatever it was made of, the error is not to become another one.
            reason = "Unknown"
        self.set_status(status_code, reason=reason)
        if status_code == 405:
            # RFC 9110 §15.5.6
            self.set_header("Allow", ", ".join(self.allowed_here()))
        try:
            self.write_error(status_code, **kwargs)
        except Exception:
            app_log.error("Uncaught exception in write_error", exc_info=True)
        if not self._finished:
            self.finish()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the page of an error; for subclasses to override.

        Args:
            kwargs: ``exc_info`` when an exception is the cause.
        """
        if status_code in (204, 304):
            self.finish()
            return
        shown = shown_error(self, status_code, kwargs.get("exc_info"))
        if shown is not None:
            fields, content = shown
            for name, value in fields:
                self.set_header(name, value)
            self.finish(content)
            return
        message = xhtml_escape(self._reason or responses.get(status_code, "Unknown"))
        self.finish(
            f"<html><title>{status_code}: {message}</title>"
            f"<body>{status_code}: {message}</body></html>"
        )

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what a handler let out; an HTTPError with its message alone."""
        if isinstance(value, HTTPError):
            message = value.get_message()
            if message:
                gen_log.warning("%d %s: %s", value.status_code, self._request_summary(), message)
        else:
            app_log.error(
                "Uncaught exception %s\n%r",
                self._request_summary(),
                self.request,
                exc_info=(typ, value, tb),  # type: ignore[arg-type]  # None where there is none
            )

    def _request_summary(self) -> str:
        request = self.request
        # Raw bytes of a target must not reach a terminal that shows the log.
        uri = request.uri if request.uri.isprintable() else ascii(request.uri)[1:-1]
        return f"{request.method} {uri} ({request.remote_ip})"

    def _handle_request_exception(self, error: BaseException) -> Awaitable[None] | None:
        """Answer for an exception that the handler let out; what it returns has to be awaited."""
        if isinstance(error, Finish):
            if not self._finished:
                self.finish(*error.args)
            return None
        if isinstance(error, StreamClosedError) and self._exchange.closed:
            # The client left; there is nobody to answer and nothing to mend.
            self._finish_unanswered()
            return None
        if isinstance(error, RemoteProtocolError):
            # As of any other message that the connection cannot read, unless the client left.
            if not isinstance(error, TruncatedError):
                gen_log.info("Malformed HTTP message from %s: %s", self.request.remote_ip, error)
            if not self._finished:
                self.send_error(error.status)
            return None
        if isinstance(error, HTTPInputError):
            error = HTTPError(400, "%s", error)
        handlers = self.settings.get("error_handlers")
        if handlers and not self._headers_written:
            handle = find_error_handler(handlers, error)
            if handle is not None:
                return self._handle_error(handle, error)
        self._fail(error)
        return None

    async def _handle_error(self, handle: Callable[..., Any], error: BaseException) -> None:
        """Answer by a function of the setting ``error_handlers``.

        What it makes of a fault of the program is logged unless the answer tells of another one.
        """
        self.clear()
        self.set_status(error.status_code if isinstance(error, HTTPError) else 500)
        try:
            result = handle(self, error)
            if result is not None:
                await result
        except Finish as end:
            if not self._finished:
                self.finish(*end.args)
        except asyncio.CancelledError:
            self._finish_unanswered()
            raise
        except Exception as failure:
            self._log_error(error)
            self._fail(failure)
            return
        if isinstance(error, HTTPError) or self._status_code >= 500:
            self._log_error(error)
        if not self._finished:
            self.finish()

    def _fail(self, error: BaseException) -> None:
        """Log an error and answer with its page."""
        self._log_error(error)
        if isinstance(error, (HTTPOutputError, LocalProtocolError)):
            # Nothing was sent of an answer that contradicts its own head.
            gen_log.error("Failed to flush partial response: %s", error)
        if not self._finished:
            status = error.status_code if isinstance(error, HTTPError) else 500
            self.send_error(status, exc_info=(type(error), error, error.__traceback__))

    def _log_error(self, error: BaseException) -> None:
        try:
            self.log_exception(type(error), error, error.__traceback__)
        except Exception:
            app_log.error("Error in exception logger", exc_info=True)

    def _left(self) -> None:
        """Take note that the client is gone."""
        if not self._finished:
            self.on_connection_close()

    def _finish_unanswered(self) -> None:
        if not self._finished:
            self._finished = True
            if self._has_ui:
                self._release_modules()
            self.on_finish()

    async def _send_generated(self, pieces: AsyncGenerator[Any, None]) -> None:
        """Send what an asynchronous generator yields, each piece as it comes.

        The handler is cancelled when the client leaves, so that the generator ends then too.
        """
        async with aclosing(pieces):
            if self.request.method == "HEAD":
                await self.flush()
                return
            self._exchange.cancel_on_close = True
            async for piece in pieces:
                self.write(piece)
                await self.flush()

    # -- conditional requests ------------------------------------------------------------

    def compute_etag(self) -> str | None:
        """Return the entity tag of what was written, None for no tag; may be overridden."""
        return content_etag(b"".join(self._write_buffer))

    def set_etag_header(self) -> None:
        """Set the Etag header from `compute_etag`."""
        etag = self.compute_etag()
        if etag is not None:
            # Nearly every answer of 200 comes here, with a tag of plain text.
            if type(etag) is str and etag.isascii() and etag.isprintable():
                self._headers.put("Etag", etag)
            else:
                self.set_header("Etag", etag)

    def check_etag_header(self) -> bool:
        """Say whether the client has this content already, by If-None-Match."""
        request = self.request
        if not request.has_header("if-none-match"):
            return False
        etag = self._headers.get("Etag", "")
        return bool(etag) and matches_none(etag, request.headers["If-None-Match"])

    # -- around the application ----------------------------------------------------------

    def require_setting(self, name: str, feature: str = "this feature") -> None:
        """Raise an exception that names the setting, unless it is there."""
        if not self.settings.get(name):
            raise Exception(
                f"You must define the '{name}' setting in your application to use {feature}"
            )

    def reverse_url(self, name: str, *args: Any, **kwargs: Any) -> str:
        """Return the path of a named route: see `Application.reverse_url`."""
        return self.application.reverse_url(name, *args, **kwargs)


#: Characters of a URL that stay as they are when the rest is percent-encoded.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
#: Headers of content, which an answer without content does not have.
_REPRESENTATION_HEADERS = ("Content-Encoding", "Content-Language", "Content-Type", "Content-Length")


#: What subclasses may have one of their own in the place of.
_set_header = RequestHandler.set_header


def _is_reason(text: str) -> bool:
    """Say whether a reason can be shown to all: in a status line, and in a page."""
    return is_field_value(text) and "<" not in text and ">" not in text


def _lines(pieces: Iterable[bytes]) -> bytes:
    return b"".join([piece + b"\n" for piece in pieces])
