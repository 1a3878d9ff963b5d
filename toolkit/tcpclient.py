"""`TCPClient`: streams to hosts, by whichever of their addresses answers first."""

import asyncio
import datetime
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from toolkit.concurrent import Future
from toolkit.iostream import IOStream, SSLIOStream, StreamClosedError
from toolkit.netutil import Resolver, is_valid_ip, ssl_options_to_context

#: Seconds that the addresses of the first family are tried alone. RFC 8305 §5 recommends 250
#: ms between attempts; a little more spares those whom the first address just serves slowly.
HEAD_START = 0.3
#: Seconds until a Unix socket whose backlog is full is asked again, doubled each time up to
#: the second value. It never says by itself that there is room.
UNIX_RETRY, UNIX_RETRY_MAX = 0.005, 0.1


class ConnectError(StreamClosedError):
    """No connection could be made.

    Attributes:
        attempts: each address tried with its error, in the order in which they failed.
        real_error: the last of these errors.
    """

    def __init__(self, target: str, attempts: Sequence[tuple[str, OSError]]) -> None:
        super().__init__(attempts[-1][1])
        self.target = target
        self.attempts = tuple(attempts)
        self.errno = attempts[-1][1].errno

    def __str__(self) -> str:
        tried = "; ".join(f"{address}: {error}" for address, error in self.attempts)
        return f"Cannot connect to {self.target}; tried {tried}"


class TCPClient:
    """A maker of connections, over TCP, TLS and Unix sockets.

    Example::

        client = TCPClient()
        stream = await client.connect("example.com", 443, ssl_options={}, timeout=10)

    Args:
        resolver: for the names of hosts; None for the configured one, which `close` closes.
    """

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._own_resolver = resolver is None
        self.resolver: Resolver = Resolver() if resolver is None else resolver

    def close(self) -> None:
        """Close the resolver, unless it was given; connections stay open."""
        if self._own_resolver:
            self.resolver.close()

    async def connect(
        self,
        host: str,
        port: int,
        af: socket.AddressFamily = socket.AF_UNSPEC,
        ssl_options: Mapping[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        source_ip: str | None = None,
        source_port: int | None = None,
        timeout: float | datetime.timedelta | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> IOStream:
        """Connect to a host and return the stream.

        The addresses of the family that the resolver gives first are tried one after another.
        When one fails, or after `HEAD_START` seconds, those of the other family are tried
        too, beside them (RFC 8305, "happy eyeballs"). The first to connect is taken.

        Args:
            af: AF_INET or AF_INET6 to use only that.
            ssl_options: to speak TLS, as `netutil.ssl_options_to_context` takes them; the
                certificate is verified for `host`.
            max_buffer_size: of the stream.
            source_ip: own address to connect from.
            source_port: own port to connect from.
            timeout: seconds for everything together.
            on_progress: called with ``"resolved"`` when the addresses are known, and with
                ``"connected"`` before TLS begins.
        Raises:
            ConnectError: all addresses failed.
            TimeoutError: it took too long; the message says what did.
            OSError: the host has no address, or TLS failed.
        """
        target = _format_address((host, port))
        name = _server_name(host)
        async with _limit(timeout) as progress:
            progress.doing = f"while resolving {host}"
            addresses = await self._resolve(host, port, af)
            if on_progress is not None:
                on_progress("resolved")
            connector = _Connector(progress, target, max_buffer_size, source_ip, source_port)
            connector.on_progress = on_progress
            return await _connect(connector, addresses, ssl_options, name)

    async def connect_unix(
        self,
        path: str | bytes | os.PathLike[str],
        ssl_options: Mapping[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        server_hostname: str | None = None,
        timeout: float | datetime.timedelta | None = None,
    ) -> IOStream:
        """Connect to a Unix socket and return the stream.

        Args:
            path: of the socket; on Linux a name that starts with NUL is an abstract one.
            ssl_options, max_buffer_size, timeout: as those of `connect`.
            server_hostname: what the certificate is verified for, where TLS is spoken.
        Raises:
            ConnectError, TimeoutError, OSError: as `connect`.
        """
        address = os.fspath(path)
        async with _limit(timeout) as progress:
            connector = _Connector(progress, _format_address(address), max_buffer_size)
            return await _connect(
                connector, [(socket.AF_UNIX, address)], ssl_options, server_hostname
            )

    async def _resolve(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> list[tuple[int, Any]]:
        try:
            addresses = await self.resolver.resolve(host, port, family)
        except socket.gaierror as error:
            message = f"Cannot resolve {host[:100]!r}: {error.strerror}"
            raise socket.gaierror(error.errno, message) from error
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, f"Cannot resolve {host!r}: no addresses")
        return addresses


# -- time-outs ---------------------------------------------------------------------------


class _Progress:
    """What a connection in the making waits for, in the words of a time-out."""

    doing = ""


@asynccontextmanager
async def _limit(timeout: float | datetime.timedelta | None) -> AsyncIterator[_Progress]:
    """Bound the time of a block, and say what it was at when the time was over."""
    if isinstance(timeout, datetime.timedelta):
        timeout = timeout.total_seconds()
    progress = _Progress()
    scope = asyncio.timeout(timeout)
    try:
        async with scope:
            yield progress
    except TimeoutError:
        # The system has time-outs of its own, and they are errors like others.
        if scope.expired():
            raise TimeoutError(f"Timeout {progress.doing}") from None
        raise


# -- connecting --------------------------------------------------------------------------


class _Connector:
    """Tries addresses until one of them connects."""

    def __init__(
        self,
        progress: _Progress,
        target: str,
        max_buffer_size: int | None = None,
        source_ip: str | None = None,
        source_port: int | None = None,
    ) -> None:
        self.progress = progress
        self.target = target
        self.on_progress: Callable[[str], None] | None = None
        self._max_buffer_size = max_buffer_size
        self._source_ip = source_ip
        self._source_port = source_port
        self._streams: set[IOStream] = set()  # to be closed unless chosen
        self._trying: set[str] = set()
        self._failed: list[tuple[str, OSError]] = []
        self._first_failure = asyncio.Event()

    async def run(self, addresses: Sequence[tuple[int, Any]]) -> IOStream:
        """Return a stream to one of the addresses; no other socket stays open.

        Raises:
            ConnectError: all failed.
        """
        family = addresses[0][0]
        first = [item for item in addresses if item[0] == family]
        second = [item for item in addresses if item[0] != family]
        try:
            stream = await (self._race(first, second) if second else self._try_all(first))
            if stream is None:
                raise ConnectError(self.target, self._failed)
            self._streams.discard(stream)
            if self.on_progress is not None:
                self.on_progress("connected")
            return stream
        finally:
            for stream in self._streams:
                stream.abort()

    async def _race(
        self, first: Sequence[tuple[int, Any]], second: Sequence[tuple[int, Any]]
    ) -> IOStream | None:
        """Try two lists side by side, the second one only after a while or a failure."""
        pending = {
            asyncio.create_task(self._try_all(first)),
            asyncio.create_task(self._try_later(second)),
        }
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    stream = task.result()
                    if stream is not None:
                        return stream
            return None
        finally:
            for task in pending:
                task.cancel()

    async def _try_later(self, addresses: Sequence[tuple[int, Any]]) -> IOStream | None:
        try:
            async with asyncio.timeout(HEAD_START):
                await self._first_failure.wait()
        except TimeoutError:
            pass
        return await self._try_all(addresses)

    async def _try_all(self, addresses: Sequence[tuple[int, Any]]) -> IOStream | None:
        """Return a stream to the first address that connects, None when all fail."""
        for family, address in addresses:
            name = _format_address(address)
            self._note_trying({*self._trying, name})
            try:
                return await self._try(family, address)
            except OSError as error:
                real = getattr(error, "real_error", None)
                self._failed.append((name, real if isinstance(real, OSError) else error))
                self._note_trying(self._trying - {name})
                self._first_failure.set()
        return None

    def _note_trying(self, names: set[str]) -> None:
        self._trying = names
        self.progress.doing = f"while connecting to {', '.join(sorted(names))}"

    async def _try(self, family: int, address: Any) -> IOStream:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._bind(sock)
            stream = IOStream(sock, max_buffer_size=self._max_buffer_size)
        except BaseException:
            sock.close()
            raise
        self._streams.add(stream)
        if family == getattr(socket, "AF_UNIX", None):
            await _connect_unix(sock, address)
        else:
            await stream.connect(address)
        return stream

    def _bind(self, sock: socket.socket) -> None:
        """Have the socket connect from the address and port that were asked for."""
        if self._source_ip is None and self._source_port is None:
            return
        if self._source_port and os.name != "nt":
            # The port stays taken for a while by the connection that had it last.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self._source_ip or "", self._source_port or 0))


async def _connect_unix(sock: socket.socket, address: str | bytes) -> None:
    """Connect a Unix socket that does not block, and wait while the backlog is full.

    The loop's own way takes the error that says so for a connection in progress, of which
    Unix sockets have none.
    """
    delay = UNIX_RETRY
    while True:
        try:
            sock.connect(address)
            return
        except BlockingIOError:
            await asyncio.sleep(delay)
            delay = min(2 * delay, UNIX_RETRY_MAX)


async def _connect(
    connector: _Connector,
    addresses: Sequence[tuple[int, Any]],
    ssl_options: Mapping[str, Any] | ssl.SSLContext | None,
    server_hostname: str | None,
) -> IOStream:
    """Return a stream to one of the addresses, that speaks TLS if there are options for it."""
    if ssl_options is None:
        return await connector.run(addresses)
    # First, so that bad options are an error without a connection.
    context = ssl_options_to_context(ssl_options, server_side=False)
    stream = await connector.run(addresses)
    connector.progress.doing = f"during TLS handshake with {connector.target}"
    secured = None
    try:
        secured = stream.start_tls(False, context, server_hostname)
        return await secured
    except BaseException as error:
        if isinstance(error, OSError):
            error.add_note(connector.progress.doing)
        stream.abort()
        if secured is not None:
            secured.add_done_callback(_abort_result)
        raise


def _abort_result(secured: "Future[SSLIOStream]") -> None:
    """Close a stream whose handshake was done when nobody waited for it any more."""
    if not secured.cancelled() and secured.exception() is None:
        secured.result().abort()


# -- names -------------------------------------------------------------------------------


def _format_address(address: Any) -> str:
    """Return an address as it may stand in a message."""
    if not isinstance(address, tuple):
        return address if isinstance(address, str) and address.isprintable() else repr(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _server_name(host: str) -> str:
    """Return the name that a certificate has for a host: no zone, no final dot."""
    if is_valid_ip(host):
        return host.partition("%")[0]
    return host.removesuffix(".")
