"""Connections that a proxy announces by a header of the PROXY protocol."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, cast

from toolkit.iostream.tcp import IOStream
from toolkit.iostream.tls import TLSTransport
from toolkit.log import gen_log
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import NEED_DATA
from toolkit.wire.proxy_protocol import Header, parse

#: Seconds for the header, which a proxy sends at once.
HEADER_TIMEOUT = 10.0

Trusts = Callable[[Any], bool]


def trusted_by(peers: Iterable[str]) -> Trusts | None:
    """Return what says whether an address is one of the peers; None when there are none.

    Args:
        peers: IP addresses, networks such as ``"10.0.0.0/8"``, or ``"unix"``.
    Raises:
        ValueError: none of these.
    """
    if isinstance(peers, str):
        raise ValueError(f"trusted peers {peers!r}; a list of networks is allowed")
    names = set(peers)
    if not names:
        return None
    unix = "unix" in names
    networks = [ipaddress.ip_network(name) for name in names - {"unix"}]

    def trusts(address: Any) -> bool:
        if not isinstance(address, tuple):
            return unix
        ip: Any = ipaddress.ip_address(address[0].partition("%")[0])
        # On a socket for both families IPv4 addresses are written as IPv6 ones.
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in networks)

    return trusts


class ProxyProtocol(asyncio.Protocol):
    """Reads the header of a connection, and gives the connection to the protocol of a stream.

    Args:
        trusts: whether the peer is a proxy; the connections of others have no header.
        make: makes the protocol, given what is to be called with the stream.
        connected: called with the stream, which has the header.
    """

    def __init__(
        self,
        trusts: Trusts,
        make: Callable[[Callable[[IOStream], None]], IOStream | TLSTransport],
        connected: Callable[[IOStream], None],
    ) -> None:
        self._trusts = trusts
        self._make = make
        self._connected = connected
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header, if there has to be one; called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        if self._trusts(transport.get_extra_info("peername")):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(HEADER_TIMEOUT, self._refuse, "none in time")
        else:
            self._hand_over(None, b"")

    def data_received(self, data: bytes) -> None:
        """Take a part of the header; called by the loop."""
        self._received += data
        try:
            header = parse(self._received)
        except RemoteProtocolError as error:
            self._refuse(str(error))
            return
        if isinstance(header, Header):
            self._hand_over(header, bytes(self._received[header.size :]))
        else:
            assert header is NEED_DATA

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up; called by the loop."""
        self._stop_timer()

    def _refuse(self, reason: str) -> None:
        transport = self._transport
        if transport is not None:
            peer = transport.get_extra_info("peername")
            gen_log.warning("PROXY header of %r: %s", peer, reason)
            transport.abort()

    def _hand_over(self, header: Header | None, data: bytes) -> None:
        self._stop_timer()
        transport, self._transport = self._transport, None
        assert transport is not None

        def connected(stream: IOStream) -> None:
            stream.proxy_header = header
            self._connected(stream)

        protocol = self._make(connected)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if data:
            protocol.data_received(data)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
