"""`RequestHandler`: what a web application subclasses. The class is the index of its rooms."""

import datetime
import traceback
import urllib.parse
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from toolkit._version import __version__
from toolkit.concurrent import Future
from toolkit.escape import json_encode, xhtml_escape
from toolkit.http1connection import Exchange
from toolkit.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    date_now,
    format_timestamp,
    responses,
)
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log, gen_log
from toolkit.web.arguments import clean
from toolkit.web.conditional import content_etag, matches_none
from toolkit.web.errors import Finish, HTTPError, MissingArgumentError
from toolkit.web.transforms import OutputTransform
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import ResponseHead
from toolkit.wire.grammar import is_field_value
from toolkit.wire.http1 import FORBIDDEN_TRAILERS

if TYPE_CHECKING:
    from toolkit.web.application import Application

_SERVER = f"toolkit/{__version__}"
_HeaderTypes = str | bytes | int | datetime.datetime
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

    path_args: list[Any] = []  # noqa: RUF012  # replaced, never changed, by each request
    path_kwargs: dict[str, Any] = {}  # noqa: RUF012

    # Of each request, as it begins; an object has its own once that changes.
    _headers_written = False
    _finished = False
    _auto_finish = True
    _stream_request_body = False
    _trailers: HTTPHeaders | None = None
    _transforms: Sequence[OutputTransform] = ()
    #: Bytes of content that requests to the class may have; None for the server's limit.
    max_body_size: int | None = None
    #: Seconds in which an answer has to begin, else 503 is answered and the handler
    #: cancelled; None for the server's bound.
    response_timeout: float | None = None
    #: Whether the handler is cancelled when the client leaves. One that has closed its way
    #: out counts as gone.
    cancel_on_close = False

    # Whether a subclass wants to hear that a client left; only then it is looked for.
    _hears_close = False
    _hears_drain = False
    # Whether a subclass uses one of these, or what stands above them.
    _minds_exchange = False
    # Whether a subclass has a `prepare`, which may answer in place of the method.
    _prepares = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        base = RequestHandler
        cls._hears_close = cls.on_connection_close is not base.on_connection_close
        cls._hears_drain = cls.on_drain is not base.on_drain
        cls._minds_exchange = (
            cls._hears_close
            or cls._hears_drain
            or cls.cancel_on_close
            or cls.response_timeout is not None
            or cls.max_body_size is not None
            or cls.headers_received is not base.headers_received
        )
        cls._prepares = cls.prepare is not RequestHandler.prepare

    def __init__(
        self, application: "Application", request: HTTPServerRequest, **kwargs: Any
    ) -> None:
        self.application = application
        self.request = request
        if application.transforms:
            self._transforms = [transform(request) for transform in application.transforms]
        self.clear()
        self.initialize(**kwargs)

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

    def on_connection_close(self) -> None:
        """Hear that the client has left before its answer; for subclasses to override."""

    def on_drain(self) -> None:
        """Hear that the server is about to stop; for subclasses to override.

        A handler of a long answer ends it then. What has not ended at the server's deadline
        is cancelled.
        """

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a piece of the content, in a class with `stream_request_body`."""
        raise NotImplementedError

    def _unimplemented_method(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        raise HTTPError(405)

    head: Callable[..., Awaitable[None] | None] = _unimplemented_method
    get: Callable[..., Awaitable[None] | None] = _unimplemented_method
    post: Callable[..., Awaitable[None] | None] = _unimplemented_method
    delete: Callable[..., Awaitable[None] | None] = _unimplemented_method
    patch: Callable[..., Awaitable[None] | None] = _unimplemented_method
    put: Callable[..., Awaitable[None] | None] = _unimplemented_method
    options: Callable[..., Awaitable[None] | None] = _unimplemented_method

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """Return the HTTP methods that the class takes."""
        missing = RequestHandler._unimplemented_method
        return [
            name
            for name in cls.SUPPORTED_METHODS
            if getattr(cls, name.lower(), missing) is not missing
        ]

    # -- status and headers --------------------------------------------------------------

    def clear(self) -> None:
        """Forget the headers, status and content set so far."""
        self._headers = HTTPHeaders.trusted(
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

    def set_header(self, name: str, value: _HeaderTypes) -> None:
        """Set a header to one value.

        Raises:
            ValueError: a control character, or one beyond ISO 8859-1.
            TypeError: not text, bytes, an integer or a datetime.
        """
        try:
            self._headers[name] = value if type(value) is str else _header_text(value)
        except HTTPInputError as error:
            raise ValueError(f"Unsafe header: {error}") from None

    def add_header(self, name: str, value: _HeaderTypes) -> None:
        """Add a value to a header; errors as `set_header`."""
        try:
            self._headers.add(name, _header_text(value))
        except HTTPInputError as error:
            raise ValueError(f"Unsafe header: {error}") from None

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
        fields = [("Link", _header_text(link)) for link in links]
        self._exchange.interim(ResponseHead(103, fields))

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
        values = self._all_arguments(source, name, strip)
        if values:
            return values[-1]
        if default is _REQUIRED:
            raise MissingArgumentError(name)
        return default

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode an argument, or a group of the path (`name` is None); may be overridden.

        Raises:
            HTTPError: 400, when it is not UTF-8.
        """
        try:
            return value.decode("utf-8") if isinstance(value, bytes) else value
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
        if isinstance(chunk, dict):
            self.set_header("Content-Type", "application/json; charset=UTF-8")
        self._write_buffer.append(_content(chunk))

    def flush(self, include_footers: bool = False) -> "Future[None]":
        """Send what was written; await the result to let the client keep up.

        Args:
            include_footers: whether it is the last piece.
        Raises:
            StreamClosedError: from the future, when the client is gone.
        """
        data = b"".join(self._write_buffer)
        self._write_buffer = []
        exchange = self._exchange
        if not exchange.closed:
            if not self._headers_written:
                data = self._transform_first(data, include_footers)
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
        if self._trailers is not None and self.request.version != "HTTP/1.0":
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
        self.on_finish()
        return future

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
        fields = self._headers.fields()
        head = ResponseHead(self._status_code, fields, self._reason, checked=True)
        future: Future[None] = self.request.connection.respond(head, body)
        self._headers_written = True
        return future

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
        location = url if url.isascii() else urllib.parse.quote(url, safe=_URL_SAFE)
        self.set_header("Location", location)
        self.set_status(status)
        self.finish()

    def detach(self) -> IOStream:
        """Take the stream over; the handler sends nothing more by itself."""
        self._finished = True
        return self._exchange.detach()

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
        if reason is not None and not is_field_value(reason):
            # Whatever it was made of, the error is not to become another one.
            reason = "Unknown"
        self.set_status(status_code, reason=reason)
        if status_code == 405:
            # RFC 9110 §15.5.6
            self.set_header("Allow", ", ".join(self.allowed_methods()))
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
        if self.settings.get("serve_traceback") and "exc_info" in kwargs:
            self.set_header("Content-Type", "text/plain")
            self.finish("".join(traceback.format_exception(*kwargs["exc_info"])))
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

    def _handle_request_exception(self, error: Exception) -> None:
        """Answer for an exception that the handler let out."""
        if isinstance(error, Finish):
            if not self._finished:
                self.finish(*error.args)
            return
        if isinstance(error, StreamClosedError) and self._exchange.closed:
            # The client left; there is nobody to answer and nothing to mend.
            self._finish_unanswered()
            return
        if isinstance(error, RemoteProtocolError):
            # As of any other message that the connection cannot read.
            gen_log.info("Malformed HTTP message from %s: %s", self.request.remote_ip, error)
            if not self._finished:
                self.send_error(error.status)
            return
        if isinstance(error, HTTPInputError):
            error = HTTPError(400, "%s", error)
        exc_info = (type(error), error, error.__traceback__)
        try:
            self.log_exception(*exc_info)
        except Exception:
            app_log.error("Error in exception logger", exc_info=True)
        if not self._finished:
            status = error.status_code if isinstance(error, HTTPError) else 500
            self.send_error(status, exc_info=exc_info)

    def _left(self) -> None:
        """Take note that the client is gone."""
        if not self._finished:
            self.on_connection_close()

    def _finish_unanswered(self) -> None:
        if not self._finished:
            self._finished = True
            self.on_finish()

    # -- conditional requests ------------------------------------------------------------

    def compute_etag(self) -> str | None:
        """Return the entity tag of what was written, None for no tag; may be overridden."""
        return content_etag(b"".join(self._write_buffer))

    def set_etag_header(self) -> None:
        """Set the Etag header from `compute_etag`."""
        etag = self.compute_etag()
        if etag is not None:
            # Nearly every answer of 200 comes here, with a tag of plain text.
            if etag.isascii() and etag.isprintable():
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

    def reverse_url(self, name: str, *args: Any) -> str:
        """Return the path of a named route."""
        return self.application.reverse_url(name, *args)


class ErrorHandler(RequestHandler):
    """Answers every request with one status, without a look at its content."""

    _stream_request_body = True

    def initialize(self, status_code: int) -> None:
        self.set_status(status_code)

    def prepare(self) -> None:
        raise HTTPError(self._status_code)


class RedirectHandler(RequestHandler):
    """Sends every GET to another URL, into which groups of the path are filled.

    Args:
        url: with ``{0}`` or ``{name}`` for groups.
        permanent: 301 instead of 302.
    """

    def initialize(self, url: str, permanent: bool = True) -> None:
        self._url = url
        self._permanent = permanent

    def get(self, *args: Any, **kwargs: Any) -> None:
        def quoted(value: str | None) -> str:
            # A group must not bring a host: "//evil" would be one at the start.
            return "" if value is None else urllib.parse.quote(value, safe=_URL_SAFE)

        location = self._url.format(
            *map(quoted, args), **{name: quoted(value) for name, value in kwargs.items()}
        )
        if _leaves_site(location) and not _leaves_site(self._url):
            raise HTTPError(404, "redirect to another host by the path")
        if self.request.query_arguments:
            location += ("&" if "?" in location else "?") + self.request.query
        self.redirect(location, permanent=self._permanent)


def _leaves_site(url: str) -> bool:
    """Say whether a browser would read a URL that has no scheme as one of another host."""
    return len(url) > 1 and url[0] in "/\\" and url[1] in "/\\"


#: Characters of a URL that stay as they are when the rest is percent-encoded.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
#: Headers of content, which an answer without content does not have.
_REPRESENTATION_HEADERS = ("Content-Encoding", "Content-Language", "Content-Type", "Content-Length")


def _header_text(value: _HeaderTypes) -> str:
    """Turn a header's value into text.

    Raises:
        ValueError, TypeError: as `RequestHandler.set_header`.
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        text = value.decode("latin-1")
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, datetime.datetime):
        return format_timestamp(value)
    else:
        raise TypeError(f"Unsupported header value {value!r}")
    if not is_field_value(text):
        raise ValueError(f"Unsafe header value {text!r}")
    return text


def _content(chunk: Any) -> bytes:
    """Return what a handler writes as bytes; a dict as JSON.

    Raises:
        TypeError: another type.
    """
    if isinstance(chunk, str):
        return chunk.encode("utf-8")
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, dict):
        return json_encode(chunk).encode("utf-8")
    # A list as a whole JSON answer could once be read across sites by a script element.
    hint = "; lists are not accepted for security reasons" if isinstance(chunk, list) else ""
    raise TypeError(f"write() takes bytes, str and dict, not {type(chunk).__name__}{hint}")
