"""Who asked, and for what, when proxies stand in between: two policies of belief.

A policy is called for each request with its head and with what the connection says, and returns
what to believe: another `ConnectionContext`, or the same one. It changes neither.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from toolkit.http1connection import ConnectionContext
from toolkit.iostream import trusted_by
from toolkit.wire.events import Fields, RequestHead
from toolkit.wire.forwarded import (
    Hop,
    hops,
    last_value,
    only_value,
    read_address,
    read_host,
    read_port,
    read_protocol,
    x_forwarded_for,
)

Policy = Callable[[RequestHead, ConnectionContext], ConnectionContext]

#: The headers that a `TrustedProxies` may believe.
KNOWN_HEADERS = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Real-Ip",
    "X-Scheme",
)
#: Those that nearly all proxies write, and write anew or add to.
USUAL_HEADERS = ("X-Forwarded-For", "X-Forwarded-Proto")

#: Addresses whose trust is remembered: those of the proxies, and of clients lately.
_REMEMBERED = 1024

#: Ports that a URL leaves out.
_USUAL_PORTS = {"http": "80", "https": "443"}


class XHeaders:
    """Believes whoever connects, as Tornado's ``xheaders=True`` does.

    The address is that of X-Real-Ip, else the last of X-Forwarded-For that is not trusted; the
    protocol the last of X-Scheme, else of X-Forwarded-Proto. What is malformed is ignored.

    Anybody who can connect to the server, past its proxy, can choose both. `TrustedProxies`
    believes only those that it knows.

    Args:
        trusted_downstream: addresses and networks of further proxies, which are skipped in
            X-Forwarded-For.
    """

    _NAMES = frozenset({"x-real-ip", "x-forwarded-for", "x-scheme", "x-forwarded-proto"})

    def __init__(self, trusted_downstream: Iterable[str] | None = None) -> None:
        self._trusts = _remembering(trusted_by(trusted_downstream or ()))

    def __call__(self, head: RequestHead, context: ConnectionContext) -> ConnectionContext:
        """Return the context of a request."""
        fields, names = head.fields, head.names
        if self._NAMES.isdisjoint(names):
            return context
        if "x-real-ip" in names:
            address = read_address(only_value(fields, "x-real-ip"))
        else:
            address = _client(x_forwarded_for(fields), self._trusts)
        scheme = "x-scheme" if "x-scheme" in names else "x-forwarded-proto"
        return _believing(context, Hop(address, read_protocol(last_value(fields, scheme))))


class TrustedProxies:
    """Believes proxies that it knows, and what they were told by others that it knows.

    Nothing is believed unless the peer is one of them. Then the chain is walked from the
    nearest proxy on, as long as each address in it is trusted: the first that is not is the
    client's, or the last one if all are. What cannot be read ends the walk.

    - ``Forwarded`` wins over all others, where it is among `headers` and comes. Protocol and
      host are those that the farthest trusted proxy knew.
    - ``X-Forwarded-For`` is a chain as well, ``X-Real-Ip`` an address that is asked for without
      one. ``X-Forwarded-Proto`` or else ``X-Scheme`` says the protocol, ``X-Forwarded-Host``
      the host, the last value of each; only the nearest proxy is sure to have written it.
    - ``X-Forwarded-Port`` is added to a host that has none, unless it is the usual one.

    A protocol is ``http`` or ``https``, a host one that could stand in a URL.

    Args:
        peers: IP addresses, networks such as ``"10.0.0.0/8"``, or ``"unix"``.
        headers: what the proxies write, out of `KNOWN_HEADERS`. A proxy hands on what it does
            not know, so a header that it neither writes nor removes is the word of a client.
    Raises:
        ValueError: a peer or a header is none of these, or there is no peer.
    """

    def __init__(self, peers: Iterable[str], headers: Iterable[str] = USUAL_HEADERS) -> None:
        trusted = trusted_by(peers)
        if trusted is None:
            raise ValueError("no trusted proxies; a list of networks is allowed")
        self._trusts_peer = trusted
        self._trusts = _remembering(trusted)
        self._names = _known(headers)

    def __call__(self, head: RequestHead, context: ConnectionContext) -> ConnectionContext:
        """Return the context of a request."""
        names = self._names & head.names
        if not names or not self.trusts(context.address):
            return context
        if "forwarded" in names:
            return _believing(context, self._forwarded(head.fields))
        return _believing(context, self._x_forwarded(head, names, context))

    def trusts(self, address: Any) -> bool:
        """Say whether the peer of a connection is one of the proxies.

        Args:
            address: as the socket gives it.
        """
        if isinstance(address, tuple):
            return self._trusts(address[0])
        return self._trusts_peer(address)

    def _forwarded(self, fields: Fields) -> Hop:
        """Return what the Forwarded fields say."""
        address = protocol = host = ""
        for hop in hops(fields):
            # A proxy that is trusted wrote this element, be its own client trusted or not.
            protocol = hop.protocol or protocol
            host = hop.host or host
            address = hop.address or address
            if not hop.address or not self._trusts(address):
                break
        return Hop(address, protocol, host)

    def _x_forwarded(
        self, head: RequestHead, names: frozenset[str], context: ConnectionContext
    ) -> Hop:
        """Return what the headers say whose names begin with ``X-``."""
        fields = head.fields
        address = host = ""
        if "x-forwarded-for" in names:
            address = _client(x_forwarded_for(fields), self._trusts)
        elif "x-real-ip" in names:
            address = read_address(only_value(fields, "x-real-ip"))
        scheme = "x-forwarded-proto" if "x-forwarded-proto" in names else "x-scheme"
        protocol = read_protocol(last_value(fields, scheme)) if scheme in names else ""
        if "x-forwarded-host" in names:
            host = read_host(last_value(fields, "x-forwarded-host"))
        if "x-forwarded-port" in names:
            port = read_port(last_value(fields, "x-forwarded-port"))
            if port and port != _USUAL_PORTS.get(protocol or context.protocol):
                host = _with_port(host or head.host, port)
        return Hop(address, protocol, host)


def _known(headers: Iterable[str]) -> frozenset[str]:
    """Return the names in lower case.

    Raises:
        ValueError: there is one that is not known, or none.
    """
    known = {name.lower() for name in KNOWN_HEADERS}
    names = frozenset([headers] if isinstance(headers, str) else headers)
    wrong = sorted(name for name in names if name.lower() not in known)
    if wrong or not names:
        raise ValueError(f"headers of proxies {wrong}; {', '.join(KNOWN_HEADERS)} are allowed")
    return frozenset(name.lower() for name in names)


def _remembering(trusted: Callable[[Any], bool] | None) -> Callable[[str], bool]:
    """Return what says whether an IP address is trusted, and remembers some."""

    @functools.lru_cache(maxsize=_REMEMBERED)
    def trusts(ip: str) -> bool:
        return trusted is not None and trusted((ip, 0))

    return trusts


def _client(addresses: Iterator[str], trusts: Callable[[str], bool]) -> str:
    """Return the last address of a chain that is known by the word of trusted proxies."""
    known = ""
    for address in addresses:
        known = address or known
        if not address or not trusts(address):
            break
    return known


def _with_port(host: str, port: str) -> str:
    """Return a host with the port, or as it is if it has one."""
    has_port = not host.endswith("]") and ":" in host
    return host if has_port or not host else f"{host}:{port}"


def _believing(context: ConnectionContext, said: Hop) -> ConnectionContext:
    """Return a context in which what was said stands over what the connection says."""
    return replace(
        context,
        remote_ip=said.address or context.remote_ip,
        protocol=said.protocol or context.protocol,
        host=said.host or context.host,
    )
