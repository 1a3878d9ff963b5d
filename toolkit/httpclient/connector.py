"""How a client comes to its connections."""

import os
from typing import Any

import certifi

from toolkit.httpclient.connection import ClientConnection
from toolkit.httpclient.errors import HTTPTimeoutError
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.target import Origin
from toolkit.iostream.tcp import SSLOptions
from toolkit.netutil import is_valid_ip, ssl_options_to_context
from toolkit.tcpclient import ConnectError, TCPClient
from toolkit.wire.http1 import Limits

# Numbers of the modules `socket` and `ssl`, which are a matter of the floor below.
_AF_UNSPEC, _AF_INET = 0, 2
_CERT_NONE = 0


class Connector:
    """Makes a connection for each request.

    Args:
        tcp_client: connects.
        limits: what a server may send at most.
        max_buffer_size: bytes that a stream may buffer.
    """

    def __init__(self, tcp_client: TCPClient, limits: Limits, max_buffer_size: int) -> None:
        self.limits = limits
        self._tcp_client = tcp_client
        self._max_buffer_size = max_buffer_size
        self._contexts: dict[bool, SSLOptions] = {}  # by whether certificates are checked

    async def connect(
        self, request: EffectiveRequest, origin: Origin, timeout: float | None
    ) -> ClientConnection:
        """Return a connection to an origin, made as the request says.

        Args:
            timeout: seconds.
        Raises:
            HTTPTimeoutError: it took too long.
            ValueError: the request says what cannot be done.
            OSError: it could not be made.
        """
        source_ip = request.network_interface or None
        if source_ip is not None and not is_valid_ip(source_ip):
            raise ValueError(f"network_interface {source_ip!r}; an IPv4 or IPv6 address is allowed")
        family: Any = _AF_INET if request.allow_ipv6 is False else _AF_UNSPEC
        try:
            stream = await self._tcp_client.connect(
                origin.host,
                origin.port,
                af=family,
                ssl_options=self._tls(request) if origin.scheme == "https" else None,
                max_buffer_size=self._max_buffer_size,
                source_ip=source_ip,
                timeout=timeout,
            )
        except TimeoutError as error:
            raise HTTPTimeoutError(str(error)) from None
        except ConnectError as error:
            # As the error that the system has for it, such as ConnectionRefusedError.
            if error.errno is None:
                raise
            raise OSError(error.errno, f"{os.strerror(error.errno)}: {error}") from error
        return ClientConnection(stream, self.limits)

    def _tls(self, request: EffectiveRequest) -> SSLOptions:
        """Return how a request wants TLS to be spoken.

        Reading the authorities takes milliseconds, so the usual contexts are kept. Files that
        a request names are read each time, since they may have changed.
        """
        if request.ssl_options is not None:
            return request.ssl_options  # type: ignore[no-any-return]
        validate = request.validate_cert is not False
        if not (request.ca_certs or request.client_cert or request.client_key):
            if validate not in self._contexts:
                options = _tls_options(validate, certifi.where(), None, None)
                self._contexts[validate] = ssl_options_to_context(options, server_side=False)
            return self._contexts[validate]
        authorities = request.ca_certs or certifi.where()
        return _tls_options(validate, authorities, request.client_cert, request.client_key)


def _tls_options(
    validate: bool, authorities: str, certificate: str | None, key: str | None
) -> dict[str, Any]:
    return {
        "cert_reqs": None if validate else _CERT_NONE,
        "ca_certs": authorities if validate else None,
        "certfile": certificate,
        "keyfile": key,
    }
