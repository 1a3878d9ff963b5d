"""How a client comes to its connections: directly, through a proxy, with TLS or without."""

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from toolkit.concurrent import Future
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.target import Origin
from toolkit.httpclient.timeouts import Limit, Timeouts
from toolkit.httpclient.tunnels import open_http_tunnel, open_socks_tunnel
from toolkit.iostream import IOStream, SSLIOStream
from toolkit.iostream.tcp import SSLOptions
from toolkit.netutil import is_valid_ip, ssl_options_to_context
from toolkit.tcpclient import ConnectError, TCPClient

# Numbers of the modules `socket` and `ssl`, which are a matter of the floor below.
_AF_UNSPEC, _AF_INET = 0, 2
_CERT_NONE = 0
#: Contexts of TLS that are kept; reading the authorities for one takes milliseconds.
MAX_CONTEXTS = 32
_contexts: OrderedDict[Hashable, SSLOptions] = OrderedDict()


class FingerprintError(HTTPStreamClosedError):
    """A server whose certificate is not the one that it has to be; code 599."""


class Connector:
    """Makes connections as requests want them.

    Args:
        tcp_client: connects.
        max_buffer_size: bytes that a stream may buffer.
    """

    def __init__(self, tcp_client: TCPClient, max_buffer_size: int) -> None:
        self._tcp_client = tcp_client
        self._max_buffer_size = max_buffer_size

    async def connect(
        self,
        options: ConnectOptions,
        origin: Origin,
        timeouts: Timeouts,
        progress: Callable[[str], None],
        tunnel: bool = False,
    ) -> IOStream:
        """Return a stream to an origin, or to its proxy where that is asked by absolute URLs.

        Args:
            tunnel: whether a proxy is to pass bytes on for the scheme ``http`` too.
            progress: called with what has happened: ``"resolved"``, ``"connected"``,
                ``"tunnelled"`` through a proxy, ``"secured"`` by TLS.
        Raises:
            HTTPTimeoutError: it took too long.
            HTTPStreamClosedError: the proxy refused, or the certificate is the wrong one.
            ValueError: the options say what cannot be done.
            OSError: it could not be made.
        """
        loop = asyncio.get_running_loop()
        secure = origin.scheme == "https"
        # First, so that bad options are an error without a connection.
        context = self._tls(options) if secure else None
        deadline = loop.time() + timeouts.connect if timeouts.connect else None
        stream = await self._open(options, origin, deadline, progress, tunnel or secure)
        try:
            if context is not None:
                if timeouts.tls:
                    deadline = loop.time() + timeouts.tls
                name = options.server_hostname or origin.server_name
                stream = await start_tls(stream, context, name, deadline, origin.host_and_port)
                _check_fingerprint(stream, options.fingerprint)
                progress("secured")
        except BaseException:
            stream.abort()
            raise
        return stream

    async def _open(
        self,
        options: ConnectOptions,
        origin: Origin,
        deadline: float | None,
        progress: Callable[[str], None],
        tunnel: bool,
    ) -> IOStream:
        proxy = options.proxy
        if proxy is None:
            return await self._dial(options, origin.host, origin.port, deadline, progress)
        stream = await self._dial(options, proxy.host, proxy.port, deadline, progress)
        try:
            with Limit(asyncio.get_running_loop(), deadline, "Timeout while asking the proxy"):
                return await self._through(
                    proxy, stream, options, origin, deadline, progress, tunnel
                )
        except BaseException:
            stream.abort()
            raise

    async def _through(
        self,
        proxy: Proxy,
        stream: IOStream,
        options: ConnectOptions,
        origin: Origin,
        deadline: float | None,
        progress: Callable[[str], None],
        tunnel: bool,
    ) -> IOStream:
        """Ask a proxy for a way to an origin."""
        if proxy.scheme.startswith("socks5"):
            host = origin.host
            if proxy.scheme == "socks5":
                found = await self._tcp_client.resolver.resolve(
                    host, origin.port, self._family(options)
                )
                host = found[0][1][0]
            await open_socks_tunnel(stream, proxy, host, origin.port)
        else:
            if proxy.scheme == "https":
                name = Origin("https", proxy.host, proxy.port).server_name
                context = self._tls(options)
                at = f"{proxy.host}:{proxy.port}"
                stream = await start_tls(stream, context, name, deadline, at)
            if not tunnel:
                return stream
            await open_http_tunnel(stream, proxy, origin)
        progress("tunnelled")
        return stream

    @staticmethod
    def _family(options: ConnectOptions) -> Any:
        return _AF_UNSPEC if options.allow_ipv6 else _AF_INET

    async def _dial(
        self,
        options: ConnectOptions,
        host: str,
        port: int,
        deadline: float | None,
        progress: Callable[[str], None],
    ) -> IOStream:
        """Return a plain stream to a host or to a Unix socket."""
        timeout = None if deadline is None else deadline - asyncio.get_running_loop().time()
        try:
            if options.unix_socket is not None:
                stream = await self._tcp_client.connect_unix(
                    options.unix_socket, max_buffer_size=self._max_buffer_size, timeout=timeout
                )
                progress("connected")
                return stream
            source_ip = options.network_interface or None
            if source_ip is not None and not is_valid_ip(source_ip):
                raise ValueError(
                    f"network_interface {source_ip!r}; an IPv4 or IPv6 address is allowed"
                )
            return await self._tcp_client.connect(
                host,
                port,
                af=self._family(options),
                max_buffer_size=self._max_buffer_size,
                source_ip=source_ip,
                timeout=timeout,
                on_progress=progress,
            )
        except TimeoutError as error:
            raise HTTPTimeoutError(str(error)) from None
        except ConnectError as error:
            # As the error that the system has for it, such as ConnectionRefusedError.
            if error.errno is None:
                raise
            raise OSError(error.errno, f"{os.strerror(error.errno)}: {error}") from error

    def _tls(self, options: ConnectOptions) -> SSLOptions:
        """Return how a request wants TLS to be spoken.

        Contexts are kept, until a file that they were made from has changed.
        """
        if options.ssl_options is not None:
            if not isinstance(options.ssl_options, dict):
                return options.ssl_options
            return ssl_options_to_context(options.ssl_options, server_side=False)
        files = (options.ca_certs, options.client_cert, options.client_key)
        key = (options.validate_cert, options.system_certs, *map(_state_of, files))
        context = _contexts.get(key)
        if context is None:
            import certifi  # where a certificate is to be checked, and nowhere before

            authorities = None if options.system_certs else certifi.where()
            context = ssl_options_to_context(
                {
                    "cert_reqs": None if options.validate_cert else _CERT_NONE,
                    "ca_certs": (options.ca_certs or authorities)
                    if options.validate_cert
                    else None,
                    "certfile": options.client_cert,
                    "keyfile": options.client_key,
                },
                server_side=False,
            )
            _contexts[key] = context
            if len(_contexts) > MAX_CONTEXTS:
                _contexts.popitem(last=False)
        return context


def _state_of(path: str | None) -> Hashable:
    """Return what changes when a file does; the path alone of one that cannot be read."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return path
    return path, found.st_mtime_ns, found.st_size, found.st_ino


async def start_tls(
    stream: IOStream, context: SSLOptions, name: str, deadline: float | None, at: str
) -> SSLIOStream:
    """Agree on TLS with the peer of a stream; the stream is closed if that fails.

    Args:
        name: that the certificate has to be for.
        deadline: by the loop's clock.
        at: who the peer is, for messages.
    """
    doing = f"during TLS handshake with {at}"
    secured = None
    try:
        with Limit(asyncio.get_running_loop(), deadline, f"Timeout {doing}"):
            secured = stream.start_tls(False, context, name)
            return await secured
    except BaseException as error:
        if isinstance(error, OSError):
            error.add_note(doing)
        stream.abort()
        if secured is not None:
            secured.add_done_callback(_abort_result)
        raise


def _abort_result(secured: "Future[SSLIOStream]") -> None:
    """Close a stream whose handshake was done when nobody waited for it any more."""
    if not secured.cancelled() and secured.exception() is None:
        secured.result().abort()


def _check_fingerprint(stream: IOStream, wanted: bytes | None) -> None:
    """Refuse a server whose certificate is not the one that was pinned."""
    if wanted is None:
        return
    certificate = stream.get_ssl_certificate(binary_form=True)
    assert isinstance(certificate, bytes)
    seen = hashlib.sha256(certificate).digest()
    if seen != wanted:
        raise FingerprintError(
            f"the server's certificate has the fingerprint {seen.hex()}; {wanted.hex()} is allowed"
        )
