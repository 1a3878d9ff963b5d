"""How a client comes to a stream to its server: directly or through a proxy, by TLS or not."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import certifi

from toolkit.httpclient.errors import HTTPClientError, HTTPStreamClosedError
from toolkit.httpclient.hop import basic_authorization
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.target import Origin
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.iostream.tcp import SSLOptions
from toolkit.netutil import is_valid_ip, ssl_options_to_context
from toolkit.tcpclient import TCPClient
from toolkit.wire.events import CLOSED, NEED_DATA, Event, RequestHead, ResponseHead
from toolkit.wire.http1 import CLIENT, Limits, Machine

#: Returns a stream to an origin, over TLS where that says so; time-outs are the caller's.
Dial = Callable[[Origin, EffectiveRequest], Awaitable[IOStream]]

#: What a server or a proxy may answer in place of a WebSocket.
LIMITS = Limits(body=1024 * 1024)
#: Bytes to take from the stream at once.
CHUNK = 64 * 1024

# Numbers of the modules `socket` and `ssl`, which are a matter of a floor below.
_AF_UNSPEC, _AF_INET = 0, 2
_CERT_NONE = 0


class Asking:
    """One request on a stream, and what is answered.

    Args:
        stream: connected.
    """

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream
        self._machine = Machine(CLIENT, LIMITS)

    def ask(self, head: RequestHead) -> None:
        """Send a request without content."""
        self._stream.write_nowait(self._machine.send_head(head, b"", True))

    async def next_event(self) -> Event:
        """Wait for what comes next.

        Raises:
            RemoteProtocolError: it is no HTTP, or passes a limit.
            HTTPStreamClosedError: the connection has ended before.
            OSError: it broke.
        """
        machine = self._machine
        while (event := machine.next_event()) is NEED_DATA:
            machine.receive(await self._read())
        if event is CLOSED:
            raise HTTPStreamClosedError("the connection was closed during the handshake")
        return event  # type: ignore[return-value]  # a client that asked is not PAUSED

    async def _read(self) -> bytes:
        """Return what has come; ``b""`` at the end."""
        try:
            return await self._stream.read_bytes(CHUNK, partial=True)
        except StreamClosedError as error:
            if error.real_error is None:
                return b""
            raise error.real_error from None

    async def head(self) -> ResponseHead:
        """Wait for the final answer, or 101; errors as `next_event`."""
        while True:
            event = await self.next_event()
            assert isinstance(event, ResponseHead)
            if event.status == 101 or event.status >= 200:
                return event

    def give_back(self) -> None:
        """Have what was read too far be read again from the stream."""
        self._stream.unread(self._machine.take_rest())


async def dial(client: TCPClient, origin: Origin, request: EffectiveRequest) -> IOStream:
    """Connect as a request says.

    Raises:
        HTTPClientError: a proxy refuses.
        ValueError: the request says what cannot be done.
        OSError: there is no connection.
    """
    source_ip = request.network_interface or None
    if source_ip is not None and not is_valid_ip(source_ip):
        raise ValueError(f"network_interface {source_ip!r}; an IPv4 or IPv6 address is allowed")
    family: Any = _AF_INET if request.allow_ipv6 is False else _AF_UNSPEC
    tls = _tls(request) if origin.scheme == "https" else None
    if not request.proxy_host:
        return await client.connect(
            origin.host, origin.port, af=family, ssl_options=tls, source_ip=source_ip
        )
    if not request.proxy_port:
        raise ValueError(f"proxy_host {request.proxy_host!r} without proxy_port")
    stream = await client.connect(
        request.proxy_host, request.proxy_port, af=family, source_ip=source_ip
    )
    try:
        await _tunnel(stream, origin, request)
        if tls is None:
            return stream
        return await stream.start_tls(False, tls, origin.host)
    except BaseException:
        stream.abort()
        raise


async def _tunnel(stream: IOStream, origin: Origin, request: EffectiveRequest) -> None:
    """Have a proxy connect to an origin (RFC 9110 §9.3.6, RFC 6455 §4.1)."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    authority = f"{host}:{origin.port}"
    fields = [("Host", authority)]
    if request.proxy_username is not None:
        if request.proxy_auth_mode not in (None, "basic"):
            raise ValueError(f"proxy_auth_mode {request.proxy_auth_mode!r}; 'basic' is allowed")
        secret = basic_authorization(request.proxy_username, request.proxy_password or "")
        fields.append(("Proxy-Authorization", secret))
    asking = Asking(stream)
    asking.ask(RequestHead("CONNECT", authority, fields))
    head = await asking.head()
    if not 200 <= head.status < 300:
        raise HTTPClientError(head.status, f"the proxy refuses to connect: {head.reason}")
    asking.give_back()


def _tls(request: EffectiveRequest) -> SSLOptions:
    """Return how a request wants TLS to be spoken."""
    if request.ssl_options is not None:
        return request.ssl_options  # type: ignore[no-any-return]
    validate = request.validate_cert is not False
    if not (request.ca_certs or request.client_cert or request.client_key):
        return _usual_context(validate)
    return {
        "cert_reqs": None if validate else _CERT_NONE,
        "ca_certs": (request.ca_certs or certifi.where()) if validate else None,
        "certfile": request.client_cert,
        "keyfile": request.client_key,
    }


@functools.cache
def _usual_context(validate: bool) -> SSLOptions:
    """Return a context that is made once, since to read the authorities takes milliseconds."""
    options = {"ca_certs": certifi.where()} if validate else {"cert_reqs": _CERT_NONE}
    return ssl_options_to_context(options, server_side=False)
