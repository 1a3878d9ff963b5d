"""`HTTPRequest`, and a view of it that has the client's defaults."""

import datetime
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from toolkit.concurrent import Future
from toolkit.escape import utf8
from toolkit.httputil import HTTPHeaders, format_timestamp
from toolkit.iostream.tcp import SSLOptions

#: What holds where neither the request nor its client says otherwise; times in seconds.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "connect_timeout": 20.0,
        "request_timeout": 20.0,
        "follow_redirects": True,
        "max_redirects": 5,
        "decompress_response": True,
        "proxy_password": "",
        "allow_nonstandard_methods": False,
        "validate_cert": True,
    }
)

#: Writes the body: is given ``write``, whose future is done when more should be written.
BodyProducer = Callable[[Callable[[bytes], "Future[None]"]], Awaitable[None] | None]


class HTTPRequest:
    """A request for `AsyncHTTPClient.fetch`.

    Args:
        url: of the scheme ``http`` or ``https``; a user and a password in it are sent.
        method: as it is sent.
        headers: an `HTTPHeaders` or a dict.
        body: bytes, or text that is sent in UTF-8.
        body_producer: instead of `body`: a function, which may be a coroutine function, that
            calls ``write(data)`` with each piece. The body goes in chunks unless the headers
            have a Content-Length.
        auth_username, auth_password: for HTTP authentication.
        auth_mode: ``"basic"``, which is the default; ``"digest"`` with curl only.
        connect_timeout: seconds for a connection to be made; 0 for no limit. Default 20.
        request_timeout: seconds for everything, redirects included; 0 for no limit.
            Default 20.
        if_modified_since: a time, as `httputil.format_timestamp` takes it.
        follow_redirects: whether to follow them; by default, yes.
        max_redirects: how many to follow. Default 5.
        user_agent: the ``User-Agent`` header.
        decompress_response: whether to ask for compressed responses, and to decompress them;
            by default, yes.
        use_gzip: old name of `decompress_response`.
        network_interface: an own IP address to connect from; with curl, a device too.
        streaming_callback: is called with each piece of the body, which then is not in the
            response. What it returns is awaited before more is read.
        header_callback: is called with each line of the response's head, CRLF included: the
            status line, the headers, and an empty line. With `streaming_callback`, all of
            that comes before the body.
        prepare_curl_callback: is called with a ``pycurl.Curl``; with curl only.
        proxy_host, proxy_port: of an HTTP proxy; with curl only.
        proxy_username, proxy_password, proxy_auth_mode: for it; with curl only.
        allow_nonstandard_methods: whether `method` may be any token, and a body may be there
            or not with any of them.
        validate_cert: whether the certificate of an HTTPS server is checked; by default, yes.
        ca_certs: file of the authorities to trust, instead of certifi's.
        client_key, client_cert: files for a client certificate.
        ssl_options: a context, or a dict as of `netutil.ssl_options_to_context`; the five
            arguments above mean nothing then.
        allow_ipv6: whether to connect by IPv6 as well; by default, yes.
        expect_100_continue: whether to send the body only when the server says that it wants
            it (RFC 9110 §10.1.1).

    All are attributes too, but `if_modified_since`, which is among the headers, and
    `use_gzip`. Those that were not given are None; a client has defaults for them.

    Attributes:
        start_time: when the request was made, as of `time.time`.
    """

    _headers: HTTPHeaders | dict[str, str]
    _body: bytes | None = None
    # What was not given is said here. To set 33 attributes, which are more than Python keeps
    # without a dict, took a twentieth of what a fetch takes.
    auth_username: str | None = None
    auth_password: str | None = None
    auth_mode: str | None = None
    connect_timeout: float | None = None
    request_timeout: float | None = None
    follow_redirects: bool | None = None
    max_redirects: int | None = None
    user_agent: str | None = None
    decompress_response: bool | None = None
    network_interface: str | None = None
    streaming_callback: Callable[[bytes], Awaitable[None] | None] | None = None
    header_callback: Callable[[str], None] | None = None
    prepare_curl_callback: Callable[[Any], None] | None = None
    proxy_host: str | None = None
    proxy_port: int | None = None
    proxy_username: str | None = None
    proxy_password: str | None = None
    proxy_auth_mode: str | None = None
    allow_nonstandard_methods: bool | None = None
    validate_cert: bool | None = None
    ca_certs: str | None = None
    allow_ipv6: bool | None = None
    client_key: str | None = None
    client_cert: str | None = None
    body_producer: BodyProducer | None = None
    ssl_options: SSLOptions | None = None
    expect_100_continue: bool = False

    def __init__(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | HTTPHeaders | None = None,
        body: bytes | str | None = None,
        auth_username: str | None = None,
        auth_password: str | None = None,
        auth_mode: str | None = None,
        connect_timeout: float | None = None,
        request_timeout: float | None = None,
        if_modified_since: float | datetime.datetime | None = None,
        follow_redirects: bool | None = None,
        max_redirects: int | None = None,
        user_agent: str | None = None,
        use_gzip: bool | None = None,
        network_interface: str | None = None,
        streaming_callback: Callable[[bytes], Awaitable[None] | None] | None = None,
        header_callback: Callable[[str], None] | None = None,
        prepare_curl_callback: Callable[[Any], None] | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        proxy_username: str | None = None,
        proxy_password: str | None = None,
        proxy_auth_mode: str | None = None,
        allow_nonstandard_methods: bool | None = None,
        validate_cert: bool | None = None,
        ca_certs: str | None = None,
        allow_ipv6: bool | None = None,
        client_key: str | None = None,
        client_cert: str | None = None,
        body_producer: BodyProducer | None = None,
        expect_100_continue: bool = False,
        decompress_response: bool | None = None,
        ssl_options: SSLOptions | None = None,
    ) -> None:
        self._headers = HTTPHeaders.trusted({}) if headers is None else headers
        if if_modified_since:
            # In a copy: the caller may use its headers again.
            self.headers = HTTPHeaders(self.headers)
            self.headers["If-Modified-Since"] = format_timestamp(if_modified_since)
        self.url = url
        self.method = method
        if body is not None:
            self.body = body
        if decompress_response is None:
            decompress_response = use_gzip
        if auth_username is not None:
            self.auth_username = auth_username
        if auth_password is not None:
            self.auth_password = auth_password
        if auth_mode is not None:
            self.auth_mode = auth_mode
        if connect_timeout is not None:
            self.connect_timeout = connect_timeout
        if request_timeout is not None:
            self.request_timeout = request_timeout
        if follow_redirects is not None:
            self.follow_redirects = follow_redirects
        if max_redirects is not None:
            self.max_redirects = max_redirects
        if user_agent is not None:
            self.user_agent = user_agent
        if decompress_response is not None:
            self.decompress_response = decompress_response
        if network_interface is not None:
            self.network_interface = network_interface
        if streaming_callback is not None:
            self.streaming_callback = streaming_callback
        if header_callback is not None:
            self.header_callback = header_callback
        if prepare_curl_callback is not None:
            self.prepare_curl_callback = prepare_curl_callback
        if proxy_host is not None:
            self.proxy_host = proxy_host
        if proxy_port is not None:
            self.proxy_port = proxy_port
        if proxy_username is not None:
            self.proxy_username = proxy_username
        if proxy_password is not None:
            self.proxy_password = proxy_password
        if proxy_auth_mode is not None:
            self.proxy_auth_mode = proxy_auth_mode
        if allow_nonstandard_methods is not None:
            self.allow_nonstandard_methods = allow_nonstandard_methods
        if validate_cert is not None:
            self.validate_cert = validate_cert
        if ca_certs is not None:
            self.ca_certs = ca_certs
        if allow_ipv6 is not None:
            self.allow_ipv6 = allow_ipv6
        if client_key is not None:
            self.client_key = client_key
        if client_cert is not None:
            self.client_cert = client_cert
        if body_producer is not None:
            self.body_producer = body_producer
        if ssl_options is not None:
            self.ssl_options = ssl_options
        if expect_100_continue:
            self.expect_100_continue = expect_100_continue
        self.start_time = time.time()

    @property
    def headers(self) -> HTTPHeaders:
        """The headers, as they were given; set to None they are empty."""
        return self._headers  # type: ignore[return-value]  # a dict does for most purposes

    @headers.setter
    def headers(self, value: dict[str, str] | HTTPHeaders | None) -> None:
        self._headers = HTTPHeaders.trusted({}) if value is None else value

    @property
    def body(self) -> bytes:
        """The body as bytes; it may be None, and be set to text."""
        return self._body  # type: ignore[return-value]  # None where there is none

    @body.setter
    def body(self, value: bytes | str | None) -> None:
        self._body = utf8(value)


class EffectiveRequest:
    """A request as a client sees it: attributes that are None have the client's defaults.

    Args:
        request: is left as it is.
        defaults: by the names of attributes.
    """

    def __init__(self, request: HTTPRequest, defaults: Mapping[str, Any] | None) -> None:
        self.request = request
        self.defaults = defaults

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.request, name)
        if value is None and self.defaults is not None:
            return self.defaults.get(name)
        return value
