"""A client that is built on libcurl, where the package pycurl is installed (extra ``curl``).

It does what libcurl does: proxies of all kinds, ``prepare_curl_callback`` for options that
nothing else here has, devices as `network_interface`. For the rest
`simple_httpclient.SimpleAsyncHTTPClient` does as well, streams both ways, and needs no package.

Example::

    AsyncHTTPClient.configure("toolkit.curl_httpclient.CurlAsyncHTTPClient")
"""

import functools
import inspect
import logging
import re
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pycurl

from toolkit.escape import native_str, utf8
from toolkit.gen import is_coroutine_function
from toolkit.httpclient.base import AsyncHTTPClient
from toolkit.httpclient.conversion import headers_of
from toolkit.httpclient.defaults import USER_AGENT
from toolkit.httpclient.errors import HTTPClientError
from toolkit.httpclient.request import EffectiveRequest, HTTPRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httputil import HTTPHeaders, HTTPInputError
from toolkit.ioloop import IOLoop
from toolkit.log import app_log
from toolkit.wire.errors import excerpt
from toolkit.wire.grammar import is_token

curl_log = logging.getLogger("toolkit.curl_httpclient")

#: As of the simple client: bytes that a response may have.
DEFAULT_MAX_BODY_SIZE = 100 * 1024 * 1024
#: Bytes of a response's head.
MAX_HEADER_SIZE = 64 * 1024
#: Bytes that may wait for a `streaming_callback`; libcurl has to wait beyond.
MAX_PENDING = 1024 * 1024
#: Milliseconds between two looks at transfers that no event has come of.
FORCE_TIMEOUT = 1000

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
Callback = Callable[[HTTPResponse], None]

_STATUS_LINE = re.compile(r"HTTP/[0-9.]+ ([0-9]{3}) ?(.*)", re.ASCII)
#: Methods that libcurl has an option of their own for.
_METHODS = {
    "GET": pycurl.HTTPGET,
    "POST": pycurl.POST,
    "PUT": pycurl.UPLOAD,
    "HEAD": pycurl.NOBODY,
}
_CUSTOM_METHODS = frozenset(("DELETE", "OPTIONS", "PATCH"))
#: Fields that libcurl adds unless it is told to leave them out.
_LEFT_OUT = ("Expect", "Pragma")
_AUTH_MODES = {
    None: pycurl.HTTPAUTH_BASIC,
    "basic": pycurl.HTTPAUTH_BASIC,
    "digest": pycurl.HTTPAUTH_DIGEST,
}
_TIMES = {
    "namelookup": pycurl.NAMELOOKUP_TIME,
    "connect": pycurl.CONNECT_TIME,
    "appconnect": pycurl.APPCONNECT_TIME,
    "pretransfer": pycurl.PRETRANSFER_TIME,
    "starttransfer": pycurl.STARTTRANSFER_TIME,
    "total": pycurl.TOTAL_TIME,
    "redirect": pycurl.REDIRECT_TIME,
}


class CurlError(HTTPClientError):
    """A request that libcurl could not do; code 599.

    Attributes:
        errno: the number of libcurl's error.
    """

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(599, message)
        self.errno = errno


@dataclass
class Transfer:
    """A request under way.

    Attributes:
        pending: pieces that a `streaming_callback` is still to get, of `pending_size` bytes.
        paused: the handle that waits until it has got them; None for no wait.
        queued: when it came, and `started` when its turn was, by the loop's clock.
        error: what a callback of the program, or a limit, ended it with.
    """

    request: EffectiveRequest
    callback: Callback
    queued: float
    start_time: float
    started: float
    buffer: BytesIO = field(default_factory=BytesIO)
    headers: HTTPHeaders = field(default_factory=HTTPHeaders)
    reason: str = ""
    header_size: int = 0
    size: int = 0
    pending: list[bytes] = field(default_factory=list)
    pending_size: int = 0
    paused: Any = None
    error: BaseException | None = None


class CurlAsyncHTTPClient(AsyncHTTPClient):
    """An HTTP client on libcurl's multi interface.

    Args:
        max_clients: how many requests may be under way; further ones wait.
        defaults: as `AsyncHTTPClient`.
        max_body_size: bytes that a response may have, also when decompressed.
    """

    def initialize(  # type: ignore[override]  # it takes more than its base
        self,
        max_clients: int = 10,
        defaults: Mapping[str, Any] | None = None,
        max_body_size: int | None = None,
    ) -> None:
        """Set the client up; arguments as those of the class."""
        super().initialize(defaults=defaults)
        self.max_clients = max_clients
        self.max_body_size = DEFAULT_MAX_BODY_SIZE if max_body_size is None else max_body_size
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timeout)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._handle_socket)
        self._idle: list[Any] = []
        self._waiting: deque[tuple[EffectiveRequest, Callback, float]] = deque()
        self._transfers: dict[Any, Transfer] = {}
        self._descriptors: dict[int, int] = {}
        self._timeout: object = None
        self._active = True
        # libcurl may lose sight of a socket; a look now and then finds what it has missed.
        self._looking: object = self.io_loop.call_later(FORCE_TIMEOUT / 1000, self._look)

    def close(self) -> None:
        """Close the client; requests that wait or are under way fail."""
        if not self._active:
            return
        super().close()
        self._active = False
        for timeout in (self._looking, self._timeout):
            if timeout is not None:
                self.io_loop.remove_timeout(timeout)
        for handle, transfer in list(self._transfers.items()):
            self._multi.remove_handle(handle)
            del self._transfers[handle]
            handle.close()
            self._fail(transfer, CurlError(pycurl.E_ABORTED_BY_CALLBACK, "the client was closed"))
        while self._waiting:
            request, callback, since = self._waiting.popleft()
            now = self.io_loop.time()
            transfer = Transfer(request, callback, since, time.time(), now)
            self._fail(transfer, CurlError(pycurl.E_ABORTED_BY_CALLBACK, "the client was closed"))
        for handle in self._idle:
            handle.close()
        self._multi.close()
        for descriptor in list(self._descriptors):
            self._forget(descriptor)

    # -- libcurl's events ----------------------------------------------------------------

    def _handle_socket(self, event: int, descriptor: int, multi: Any, data: Any) -> None:
        """Watch a descriptor as libcurl wants it watched."""
        events = {
            pycurl.POLL_IN: IOLoop.READ,
            pycurl.POLL_OUT: IOLoop.WRITE,
            pycurl.POLL_INOUT: IOLoop.READ | IOLoop.WRITE,
        }
        self._forget(descriptor)
        # Afresh each time: the number may stand for another socket by now.
        if event in events:
            self.io_loop.add_handler(descriptor, self._on_event, events[event])
            self._descriptors[descriptor] = events[event]

    def _forget(self, descriptor: int) -> None:
        if self._descriptors.pop(descriptor, None) is not None:
            self.io_loop.remove_handler(descriptor)

    def _set_timeout(self, milliseconds: int) -> None:
        """Call libcurl in so many milliseconds; a negative number calls that off."""
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None
        if milliseconds >= 0 and self._active:
            self._timeout = self.io_loop.call_later(milliseconds / 1000, self._on_timeout)

    def _on_event(self, descriptor: int, events: int) -> None:
        action = 0
        if events & IOLoop.READ:
            action |= pycurl.CSELECT_IN
        if events & IOLoop.WRITE:
            action |= pycurl.CSELECT_OUT
        self._act(descriptor, action)

    def _on_timeout(self) -> None:
        self._timeout = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, descriptor: int, action: int) -> None:
        """Have libcurl do what can be done, and hand on what has ended."""
        while self._active:
            try:
                result, _ = self._multi.socket_action(descriptor, action)
            except pycurl.error as error:
                result = error.args[0]
            if result != pycurl.E_CALL_MULTI_PERFORM:
                break
        self._collect()

    def _look(self) -> None:
        """Have libcurl look at all of its transfers."""
        if not self._active:
            return
        self._act(pycurl.SOCKET_TIMEOUT, 0)
        if self._active:
            self._looking = self.io_loop.call_later(FORCE_TIMEOUT / 1000, self._look)

    def _collect(self) -> None:
        """Hand on the transfers that have ended."""
        while self._active:
            left, done, failed = self._multi.info_read()
            for handle in done:
                self._finish(handle, None)
            for handle, number, message in failed:
                self._finish(handle, CurlError(number, message))
            if not left:
                break
        self._next()

    # -- requests ------------------------------------------------------------------------

    def fetch_impl(self, request: HTTPRequest, callback: Callback) -> None:
        """Send a request, or have it wait for its turn."""
        effective = request
        if not isinstance(effective, EffectiveRequest):
            effective = EffectiveRequest(request, self.defaults)  # type: ignore[assignment]
        self._waiting.append((effective, callback, self.io_loop.time()))  # type: ignore[arg-type]
        self._next()
        self._set_timeout(0)

    def _next(self) -> None:
        """Begin with requests that wait while there may be more under way."""
        while self._waiting and self._active and len(self._transfers) < self.max_clients:
            request, callback, since = self._waiting.popleft()
            handle = self._idle.pop() if self._idle else pycurl.Curl()
            transfer = Transfer(request, callback, since, time.time(), self.io_loop.time())
            try:
                self._set_up(handle, transfer)
            except Exception as error:
                handle.close()  # what was set already must not be there for the next request
                self._fail(transfer, error)
                continue
            self._transfers[handle] = transfer
            self._multi.add_handle(handle)

    def abandon_impl(self, request: EffectiveRequest) -> None:
        """Give a request up: it leaves the queue, or its transfer is ended."""
        error = CurlError(pycurl.E_ABORTED_BY_CALLBACK, "the request was cancelled")
        for item in list(self._waiting):
            if item[0] is request:
                self._waiting.remove(item)
                now = self.io_loop.time()
                self._fail(Transfer(request, item[1], item[2], time.time(), now), error)
                return
        for handle, transfer in list(self._transfers.items()):
            if transfer.request is request:
                # Not within a callback of libcurl, which this may be.
                self.io_loop.add_callback(self._abandon, handle, transfer, error)

    def _abandon(self, handle: Any, transfer: Transfer, error: CurlError) -> None:
        if self._active and self._transfers.get(handle) is transfer:
            self._multi.remove_handle(handle)
            del self._transfers[handle]
            handle.close()
            self._fail(transfer, error)
            self._next()

    def _fail(self, transfer: Transfer, error: BaseException) -> None:
        response = HTTPResponse(
            transfer.request,
            599,
            error=error,
            request_time=self.io_loop.time() - transfer.started,
            start_time=transfer.start_time,
        )
        self._tell(transfer.callback, response)

    def _finish(self, handle: Any, error: BaseException | None) -> None:
        """Hand on what came of a transfer."""
        self._multi.remove_handle(handle)
        transfer = self._transfers.pop(handle)
        self._deliver(transfer)
        error = transfer.error or error
        if error is not None:
            handle.close()
            self._fail(transfer, error)
            return
        code = handle.getinfo(pycurl.HTTP_CODE)
        times = {name: handle.getinfo(number) for name, number in _TIMES.items()}
        times["queue"] = transfer.started - transfer.queued
        transfer.buffer.seek(0)
        response = HTTPResponse(
            transfer.request,
            code,
            headers=transfer.headers,
            buffer=transfer.buffer,
            effective_url=handle.getinfo(pycurl.EFFECTIVE_URL),
            request_time=self.io_loop.time() - transfer.started,
            time_info=times,
            reason=transfer.reason,
            start_time=transfer.start_time,
        )
        # What one request had set would be there for the next, credentials among it.
        handle.reset()
        self._idle.append(handle)
        self._tell(transfer.callback, response)

    def _tell(self, callback: Callback, response: HTTPResponse) -> None:
        try:
            callback(response)
        except Exception:
            app_log.error("Exception in callback %r", callback, exc_info=True)

    # -- options -------------------------------------------------------------------------

    def _set_up(self, curl: Any, transfer: Transfer) -> None:
        """Set all options of a request.

        Raises:
            ValueError: the request cannot be sent.
        """
        request = transfer.request
        _refuse_control_characters(request)
        callback = request.streaming_callback
        if inspect.iscoroutinefunction(callback) or is_coroutine_function(callback):
            raise TypeError("streaming_callback is a coroutine function; a plain one is allowed")
        curl.setopt(pycurl.URL, native_str(request.url))
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.NOSIGNAL, 1)
        self._set_headers(curl, request)
        self._set_sinks(curl, transfer)
        curl.setopt(pycurl.FOLLOWLOCATION, bool(request.follow_redirects))
        curl.setopt(pycurl.MAXREDIRS, request.max_redirects)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(1000 * (request.connect_timeout or 0)))
        curl.setopt(pycurl.TIMEOUT_MS, int(1000 * (request.request_timeout or 0)))
        if request.decompress_response:
            curl.setopt(pycurl.ENCODING, "gzip,deflate")
        if request.network_interface:
            curl.setopt(pycurl.INTERFACE, request.network_interface)
        if request.allow_ipv6 is False:
            curl.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4)
        _set_proxy(curl, request)
        _set_tls(curl, request)
        _set_authentication(curl, request)
        _set_method(curl, request)
        if request.prepare_curl_callback is not None:
            request.prepare_curl_callback(curl)

    def _set_headers(self, curl: Any, request: EffectiveRequest) -> None:
        headers = headers_of(request.headers)
        # libcurl asks servers whether they want the body, and waits a second for those that
        # never say; and it would rather not have been told to.
        if request.expect_100_continue:
            headers["Expect"] = "100-continue"
        elif "Expect" not in headers:
            headers["Expect"] = ""
        headers.setdefault("Pragma", "")
        curl.setopt(
            pycurl.HTTPHEADER,
            [
                # An empty value has to be written otherwise, or the field is left out.
                _latin1(f"{name}: {value}" if value or name in _LEFT_OUT else f"{name};")
                for name, value in headers.get_all()
            ],
        )
        curl.setopt(pycurl.USERAGENT, utf8(request.user_agent or USER_AGENT))

    def _set_sinks(self, curl: Any, transfer: Transfer) -> None:
        """Say where the response goes."""
        curl.setopt(pycurl.HEADERFUNCTION, functools.partial(self._take_header, transfer))
        curl.setopt(pycurl.WRITEFUNCTION, functools.partial(self._take_body, curl, transfer))

    def _take_header(self, transfer: Transfer, raw: bytes) -> int | None:
        line = native_str(raw.decode("latin-1"))
        callback = transfer.request.header_callback
        transfer.header_size += len(raw)
        if transfer.header_size > MAX_HEADER_SIZE:
            transfer.error = CurlError(
                pycurl.E_WRITE_ERROR, f"head of over {MAX_HEADER_SIZE} bytes, which are allowed"
            )
            return -1
        if callback is not None:
            self.io_loop.add_callback(callback, line)
        line = line.rstrip("\r\n")
        match = _STATUS_LINE.fullmatch(line)
        if match is not None:
            transfer.headers.clear()
            transfer.reason = match[2]
            transfer.header_size = len(raw)
        elif line:
            try:
                transfer.headers.parse_line(line)
            except HTTPInputError as error:
                transfer.error = CurlError(pycurl.E_WRITE_ERROR, str(error))
                return -1
        return None

    def _take_body(self, curl: Any, transfer: Transfer, data: bytes) -> int | None:
        if transfer.pending_size > MAX_PENDING:
            transfer.paused = curl
            return int(pycurl.WRITEFUNC_PAUSE)
        transfer.size += len(data)
        if transfer.size > self.max_body_size:
            transfer.error = CurlError(
                pycurl.E_WRITE_ERROR, f"body too large; max_body_size is {self.max_body_size}"
            )
            return -1
        if transfer.request.streaming_callback is None:
            transfer.buffer.write(data)
            return None
        if not transfer.pending:
            self.io_loop.add_callback(self._deliver, transfer)
        transfer.pending.append(data)
        transfer.pending_size += len(data)
        return None

    def _deliver(self, transfer: Transfer) -> None:
        """Give the program what has come, and have libcurl go on if it waits for that."""
        pending, transfer.pending = transfer.pending, []
        transfer.pending_size = 0
        for piece in pending:
            try:
                transfer.request.streaming_callback(piece)
            except Exception:
                app_log.error("Exception in callback %r", transfer.callback, exc_info=True)
        if transfer.paused is not None:
            handle, transfer.paused = transfer.paused, None
            if self._transfers.get(handle) is transfer:
                handle.pause(pycurl.PAUSE_CONT)
                self._set_timeout(0)


def _refuse_control_characters(request: EffectiveRequest) -> None:
    """Raise ValueError for what would end a line of the request."""
    if not is_token(request.method):
        raise ValueError(f"method {excerpt(request.method)}; a token is allowed")
    texts = [request.url, request.user_agent or "", *(v for _, v in _pairs(request.headers))]
    for name, _ in _pairs(request.headers):
        if not is_token(name):
            raise ValueError(f"header name {excerpt(name)}; a token is allowed")
    for text in texts:
        text = native_str(text)
        if _CONTROL.search(text):
            raise ValueError(f"{excerpt(text)} holds a control character, none is allowed")


def _pairs(headers: Any) -> list[tuple[str, str]]:
    if isinstance(headers, HTTPHeaders):
        return list(headers.get_all())
    return [(native_str(name), native_str(value)) for name, value in headers.items()]


def _latin1(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"header {excerpt(line)} is not ISO 8859-1, which is allowed") from None


def _credential(text: str | bytes) -> bytes:
    """Return a user or a password in UTF-8 (RFC 7617 §2.1)."""
    return text if isinstance(text, bytes) else utf8(unicodedata.normalize("NFC", text))


def _set_proxy(curl: Any, request: EffectiveRequest) -> None:
    """Set the proxy; the environment names none."""
    if not (request.proxy_host and request.proxy_port):
        if request.proxy_host or request.proxy_port:
            raise ValueError(
                f"proxy_host {request.proxy_host!r} and proxy_port {request.proxy_port!r}; "
                "both are needed"
            )
        curl.setopt(pycurl.PROXY, "")
        return
    curl.setopt(pycurl.PROXY, request.proxy_host)
    curl.setopt(pycurl.PROXYPORT, request.proxy_port)
    if request.proxy_username:
        curl.setopt(pycurl.PROXYUSERNAME, _credential(request.proxy_username))
        curl.setopt(pycurl.PROXYPASSWORD, _credential(request.proxy_password or ""))
    if request.proxy_auth_mode not in _AUTH_MODES:
        raise ValueError(
            f"unsupported proxy_auth_mode {request.proxy_auth_mode!r}; "
            "'basic' and 'digest' are allowed"
        )
    curl.setopt(pycurl.PROXYAUTH, _AUTH_MODES[request.proxy_auth_mode])


def _set_tls(curl: Any, request: EffectiveRequest) -> None:
    if request.ssl_options is not None:
        raise ValueError("ssl_options not supported in curl_httpclient; ca_certs and the like are")
    validate = request.validate_cert is not False
    curl.setopt(pycurl.SSL_VERIFYPEER, int(validate))
    curl.setopt(pycurl.SSL_VERIFYHOST, 2 if validate else 0)
    if request.ca_certs is not None:
        curl.setopt(pycurl.CAINFO, request.ca_certs)
    if request.client_cert is not None:
        curl.setopt(pycurl.SSLCERT, request.client_cert)
    if request.client_key is not None:
        curl.setopt(pycurl.SSLKEY, request.client_key)


def _set_authentication(curl: Any, request: EffectiveRequest) -> None:
    if request.auth_username is None:
        return
    if request.auth_mode not in _AUTH_MODES:
        raise ValueError(
            f"unsupported auth_mode {request.auth_mode!r}; 'basic' and 'digest' are allowed"
        )
    curl.setopt(pycurl.HTTPAUTH, _AUTH_MODES[request.auth_mode])
    curl.setopt(pycurl.USERNAME, _credential(request.auth_username))
    curl.setopt(pycurl.PASSWORD, _credential(request.auth_password or ""))


def _set_method(curl: Any, request: EffectiveRequest) -> None:
    """Set the method and the body.

    Raises:
        ValueError: they do not go together, unless the request says that they may.
    """
    method, body = request.method, request.body
    if request.body_producer is not None:
        raise ValueError("body_producer is not supported by curl_httpclient; body is")
    if method in _METHODS:
        curl.setopt(_METHODS[method], True)
    elif method in _CUSTOM_METHODS or request.allow_nonstandard_methods:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    else:
        raise ValueError(
            f"unknown method {method!r}; allow_nonstandard_methods allows others than "
            f"{', '.join([*_METHODS, *sorted(_CUSTOM_METHODS)])}"
        )
    expected = method in ("POST", "PATCH", "PUT")
    present = body is not None
    if present != expected and not request.allow_nonstandard_methods:
        raise ValueError(
            f"Body must {'not ' if expected else ''}be None for method {method} "
            "(unless allow_nonstandard_methods is true)"
        )
    if not (expected or present):
        return
    if method == "GET":
        # libcurl would make another method of it.
        raise ValueError("Body must be None for GET request")
    source = BytesIO(body or b"")

    def seek(offset: int, origin: int) -> int:
        source.seek(offset, origin)
        return int(pycurl.SEEKFUNC_OK)

    curl.setopt(pycurl.READFUNCTION, source.read)
    curl.setopt(pycurl.SEEKFUNCTION, seek)  # for redirects and for another try
    if method == "POST":
        curl.setopt(pycurl.POSTFIELDSIZE, len(body or b""))
    else:
        curl.setopt(pycurl.UPLOAD, True)
        curl.setopt(pycurl.INFILESIZE, len(body or b""))


__all__ = ["CurlAsyncHTTPClient", "CurlError"]
