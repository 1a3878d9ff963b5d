"""Requests of the client's own methods, from arguments and what the client has for all."""

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict
from urllib.parse import urlencode, urljoin, urlsplit

from toolkit.httpclient.content import Body, Content, as_body
from toolkit.httpclient.encoding import NOT_GIVEN, Files, encode
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpclient.transport import OutgoingRequest
from toolkit.httputil import HTTPHeaders, HTTPInputError

#: Values of a query or a form: a mapping, whose values may be lists, or pairs.
Values = Mapping[str, Any] | Iterable[tuple[str, Any]]
#: Header fields: a mapping, or pairs.
Headers = HTTPHeaders | Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class ClientSettings:
    """What a client has for all of its requests.

    Attributes:
        base_url: what relative URLs are relative to: ``"http://host/api/"`` makes
            ``"story/7"`` ``"http://host/api/story/7"`` (RFC 3986 §5).
        headers: fields for requests that have none of the name.
        params: values that are added to the query of each URL.
        timeouts: of the client's own methods; `fetch` has those of its requests.
        options: how connections are made.
    """

    base_url: str | None = None
    headers: HTTPHeaders = field(default_factory=HTTPHeaders)
    params: tuple[tuple[str, str], ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    options: ConnectOptions = field(default_factory=ConnectOptions)

    def url(self, url: str) -> str:
        """Return a URL as it is to be fetched."""
        if self.base_url is not None:
            url = urljoin(self.base_url, url)
        return with_params(url, self.params) if self.params else url

    def add_headers(self, headers: HTTPHeaders) -> None:
        """Add the client's fields to those of a request."""
        for name in self.headers:
            if name not in headers:
                headers[name] = self.headers.get_list(name)


class RequestArguments(TypedDict, total=False):
    """What the client's own methods take besides method and URL.

    Keys:
        headers: of the request.
        params: are added to the query of the URL.
        content: text, bytes, an iterable or an async iterable of bytes, or `Content`.
        json: a value that is sent as JSON.
        form: values that are sent as ``application/x-www-form-urlencoded``, or beside `files`.
        files: by names, paths and others that `encoding.Files` tells of; a form with files.
        timeout: seconds for everything, or `Timeouts`; None for no limit.
        auth: user and password.
        auth_mode: ``"basic"``, which is the default, or ``"digest"``.
        follow_redirects, max_redirects, decompress_response, expect_100_continue: as of
            `HTTPRequest`.
        proxy: URL of a proxy, or a `Proxy`.
        options: how the connection is made.
    """

    headers: Headers | None
    params: Values | None
    content: "str | bytes | Content | AsyncIterable[bytes] | Iterable[bytes] | None"
    json: Any
    form: Values | None
    files: Files | None
    timeout: Timeouts | float | None
    auth: tuple[str, str] | None
    auth_mode: str
    follow_redirects: bool
    max_redirects: int
    decompress_response: bool
    expect_100_continue: bool
    proxy: Proxy | str | None
    options: ConnectOptions | None


def build_request(
    settings: ClientSettings, method: str, url: str, arguments: RequestArguments
) -> OutgoingRequest:
    """Return the request that arguments describe.

    Raises:
        ValueError: it cannot be sent; TypeError: of arguments that there are not.
    """
    if not arguments:
        request = OutgoingRequest(
            method,
            settings.url(url),
            settings.headers.copy(),
            None,
            settings.timeouts,
            settings.options,
        )
        request.credentials = request.target.credentials
        return request
    unknown = set(arguments) - set(RequestArguments.__annotations__)
    if unknown:
        allowed = ", ".join(sorted(RequestArguments.__annotations__))
        raise TypeError(f"unknown arguments {sorted(unknown)}; {allowed} are allowed")
    full = settings.url(url)
    if arguments.get("params"):
        full = with_params(full, arguments["params"] or ())
    headers = as_headers(arguments.get("headers"))
    settings.add_headers(headers)
    timeouts = settings.timeouts
    if "timeout" in arguments:
        timeouts = Timeouts.of(arguments["timeout"])
    request = OutgoingRequest(
        method,
        full,
        headers,
        _content_of(arguments),
        timeouts,
        _options_of(settings.options, arguments),
    )
    request.credentials = arguments.get("auth") or request.target.credentials
    request.auth_mode = arguments.get("auth_mode", "basic")
    if request.auth_mode not in ("basic", "digest"):
        raise ValueError(f"auth_mode {request.auth_mode!r}; 'basic' and 'digest' are allowed")
    request.follow_redirects = arguments.get("follow_redirects", True)
    request.max_redirects = arguments.get("max_redirects", 5)
    request.decompress = arguments.get("decompress_response", True)
    request.expect_continue = arguments.get("expect_100_continue", False)
    return request


def _content_of(arguments: RequestArguments) -> Body:
    """Return what the request carries, which says itself of what type it is."""
    if arguments.get("content") is not None:
        given = [name for name in ("json", "form", "files") if arguments.get(name) is not None]
        if given:
            raise ValueError(f"content and {given[0]} are both given; one is allowed")
        return as_body(arguments["content"])
    form = arguments.get("form")
    return encode(
        json=arguments.get("json", NOT_GIVEN),
        form=None if form is None else list(pairs(form)),
        files=arguments.get("files"),
    )


def _options_of(options: ConnectOptions, arguments: RequestArguments) -> ConnectOptions:
    options = arguments.get("options") or options
    proxy = arguments.get("proxy")
    if proxy is None:
        return options
    return replace(options, proxy=Proxy.parse(proxy) if isinstance(proxy, str) else proxy)


def as_headers(headers: Headers | None) -> HTTPHeaders:
    """Return header fields in any of their forms as a copy.

    Raises:
        ValueError: a name or a value that cannot be sent.
    """
    if headers is None:
        return HTTPHeaders()
    if isinstance(headers, HTTPHeaders):
        return headers.copy()
    found = HTTPHeaders()
    try:
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            found.add(name, value)
    except HTTPInputError as error:
        raise ValueError(str(error)) from None
    return found


def with_params(url: str, params: Values) -> str:
    """Return a URL with values added to its query; their order and what is there stay."""
    added = urlencode(list(pairs(params)))
    if not added:
        return url
    url, hash_sign, fragment = url.partition("#")
    query = urlsplit(url).query
    joint = "" if url.endswith("?") else "&" if query else "?"
    return f"{url}{joint}{added}{hash_sign}{fragment}"


def pairs(values: Values) -> Iterable[tuple[str, Any]]:
    """Yield a pair for each value; those that are None are left out."""
    for name, value in values.items() if isinstance(values, Mapping) else values:
        several = isinstance(value, list | tuple)
        for item in value if several else [value]:
            if item is not None:
                yield name, str(item).lower() if isinstance(item, bool) else item
