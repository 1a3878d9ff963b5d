"""What an `HTTPRequest` comes to on its way out, with the defaults of its client."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

from toolkit.httpclient.building import ClientSettings
from toolkit.httpclient.content import Body, Produced
from toolkit.httpclient.defaults import complete
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpclient.transport import OutgoingRequest
from toolkit.httputil import HTTPHeaders, HTTPInputError

#: Whether a request of a method has a body; others need ``allow_nonstandard_methods``.
BODY_EXPECTED = {
    "GET": False,
    "HEAD": False,
    "POST": True,
    "DELETE": False,
    "PATCH": True,
    "PUT": True,
    "OPTIONS": False,
}

_CONNECTION = (
    "validate_cert",
    "ca_certs",
    "client_cert",
    "client_key",
    "ssl_options",
    "network_interface",
    "allow_ipv6",
    "proxy_host",
    "proxy_port",
    "proxy_username",
    "proxy_password",
    "proxy_auth_mode",
)
_OTHERS = (
    "connect_timeout",
    "request_timeout",
    "follow_redirects",
    "max_redirects",
    "decompress_response",
    "user_agent",
    "auth_username",
    "auth_password",
    "auth_mode",
    "allow_nonstandard_methods",
)
_NOTHING = (None,) * len(_CONNECTION)
# All at once, in C: one by one they took a tenth of the time of a request.
_connection_of = attrgetter(*_CONNECTION)
_others_of = attrgetter(*_OTHERS)


class Converter:
    """Makes requests to be sent of those that programs make.

    Args:
        settings: of the client.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._options = settings.options
        self._usual: dict[tuple[Any, ...], ConnectOptions] = {}

    def __call__(self, effective: EffectiveRequest) -> OutgoingRequest:
        """Return what is to be sent for a request.

        Raises:
            ValueError: the request contradicts itself, or asks for what there is not.
        """
        request = effective.request
        defaults = effective.defaults or {}
        values = _with_defaults(_OTHERS, _others_of(request), defaults)
        connect, whole, follow, most, decompress, agent, user, password, mode, free = values
        body: Body = request.body
        if request.body_producer is not None:
            if body is not None:
                raise ValueError("body and body_producer are both given; one is allowed")
            body = Produced(request.body_producer)  # type: ignore[arg-type]  # its write is a future's
        _check_body(request.method, body is not None, bool(free))
        outgoing = OutgoingRequest(
            request.method,
            self._settings.url(request.url),
            headers_of(request.headers),
            body,
            _timeouts(connect, whole),
            self.options_of(effective),
        )
        outgoing.credentials = outgoing.target.credentials
        if outgoing.credentials is None and user is not None:
            outgoing.credentials = (user, password or "")
        if outgoing.credentials is not None and mode is not None:
            if mode not in ("basic", "digest"):
                raise ValueError(
                    f"unsupported auth_mode {mode!r}; 'basic' and 'digest' are allowed"
                )
            outgoing.auth_mode = mode
        outgoing.follow_redirects = bool(follow)
        outgoing.max_redirects = most or 0
        outgoing.decompress = bool(decompress)
        outgoing.expect_continue = bool(request.expect_100_continue)
        headers = outgoing.headers
        if agent and "User-Agent" not in headers:
            _add(headers, "User-Agent", agent)
        if body is not None and request.method == "POST" and "Content-Type" not in headers:
            headers.put("Content-Type", "application/x-www-form-urlencoded")
        self._settings.add_headers(headers)
        complete(outgoing)
        return outgoing

    def options_of(self, effective: EffectiveRequest) -> ConnectOptions:
        """Return how the connection is made; one object for requests that say nothing of it.

        Raises:
            ValueError: the request contradicts itself, or asks for what there is not.
        """
        request = effective.request
        defaults: Mapping[str, Any] = effective.defaults or {}
        values = _with_defaults(_CONNECTION, _connection_of(request), defaults)
        try:
            known = self._usual.get(values)
        except TypeError:  # ssl_options in a dict
            return self._make_options(values)
        if known is None:
            known = self._make_options(values)
            if len(self._usual) < 100:  # files have names that change, and so have proxies
                self._usual[values] = known
        return known

    def _make_options(self, values: tuple[Any, ...]) -> ConnectOptions:
        validate, authorities, certificate, key, ssl_options, interface, ipv6 = values[:7]
        usual = self._options
        return ConnectOptions(
            validate_cert=validate is not False and usual.validate_cert,
            system_certs=usual.system_certs,
            ca_certs=authorities or usual.ca_certs,
            client_cert=certificate or usual.client_cert,
            client_key=key or usual.client_key,
            ssl_options=usual.ssl_options if ssl_options is None else ssl_options,
            server_hostname=usual.server_hostname,
            fingerprint=usual.fingerprint,
            network_interface=interface or usual.network_interface,
            allow_ipv6=ipv6 is not False and usual.allow_ipv6,
            unix_socket=usual.unix_socket,
            proxy=_proxy_of(*values[7:]) or usual.proxy,
        )


def _with_defaults(
    names: tuple[str, ...], values: tuple[Any, ...], defaults: Mapping[str, Any]
) -> tuple[Any, ...]:
    """Return values, those that are None with the client's default."""
    if values == _NOTHING[: len(values)]:
        return tuple(map(defaults.get, names))
    return tuple(
        [
            defaults.get(name) if value is None else value
            for name, value in zip(names, values, strict=True)
        ]
    )


@lru_cache(64)
def _timeouts(connect: float | None, whole: float | None) -> Timeouts:
    """Return time-outs of Tornado's kind, where 0 is no limit."""
    return Timeouts(connect=connect or None, whole=whole or None)


def _proxy_of(
    host: str | None, port: int | None, user: str | None, password: str | None, mode: str | None
) -> Proxy | None:
    """Return the HTTP proxy of a request.

    Raises:
        ValueError: one half of it is missing, or a way of authentication that there is not.
    """
    if not host and not port:
        return None
    if not host or not port:
        raise ValueError(f"proxy_host {host!r} and proxy_port {port!r}; both are needed")
    if mode not in (None, "basic"):
        raise ValueError(f"unsupported proxy_auth_mode {mode!r}; 'basic' is allowed")
    return Proxy("http", host, port, user, password if user is not None else None)


def _check_body(method: str, present: bool, free: bool) -> None:
    """Refuse a method or a body that is most likely a mistake.

    Raises:
        ValueError: the message says what would be allowed.
    """
    if free:
        return
    if method not in BODY_EXPECTED:
        raise ValueError(
            f"unknown method {method!r}; allow_nonstandard_methods allows others than "
            f"{', '.join(BODY_EXPECTED)}"
        )
    if present != BODY_EXPECTED[method]:
        raise ValueError(
            f"Body must {'not ' if BODY_EXPECTED[method] else ''}be None for method {method} "
            "(unless allow_nonstandard_methods is true)"
        )


def headers_of(headers: Any) -> HTTPHeaders:
    """Return headers, in any of the forms that a request takes them in, as a copy.

    Raises:
        ValueError: a name or a value that cannot be sent.
    """
    if not headers:
        return HTTPHeaders.trusted({})
    if isinstance(headers, HTTPHeaders):
        return headers.copy()
    pairs: Iterable[tuple[Any, Any]] = headers.items() if isinstance(headers, Mapping) else headers
    found = HTTPHeaders()
    for name, value in pairs:
        for item in value if isinstance(value, list) else [value]:
            _add(found, name, item)
    return found


def _add(headers: HTTPHeaders, name: Any, value: Any) -> None:
    try:
        headers.add(_text(name), _text(value))
    except HTTPInputError as error:
        raise ValueError(str(error)) from None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"header name or value {value!r}; str or bytes are allowed")
    return value
