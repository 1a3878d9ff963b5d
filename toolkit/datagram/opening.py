"""Sockets for datagrams, bound or connected and not blocking."""

import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from toolkit.netutil import Resolver

#: What is wrong with one address of a host, and not with the next one.
_TRY_NEXT = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EHOSTUNREACH}

UnixPath = str | bytes | os.PathLike[str]


async def bound_udp(
    port: int,
    address: str | None,
    family: socket.AddressFamily,
    reuse_port: bool,
    broadcast: bool,
) -> socket.socket:
    """Return a socket that receives what is sent to a port; as `DatagramEndpoint.bind`."""
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("the platform doesn't support SO_REUSEPORT")
    everywhere = not address and family == socket.AF_UNSPEC

    def prepare(sock: socket.socket, where: Any) -> None:
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not everywhere))
        sock.bind(where)

    if address:
        return _first_socket(await _resolve(address, port, family), prepare)
    interfaces = [(socket.AF_INET6, ("::", port)), (socket.AF_INET, ("", port))]
    return _first_socket(
        [item for item in interfaces if family in (socket.AF_UNSPEC, item[0])], prepare
    )


async def connected_udp(
    host: str, port: int, family: socket.AddressFamily, broadcast: bool
) -> socket.socket:
    """Return a socket that sends to one host; as `DatagramEndpoint.connect`."""

    def prepare(sock: socket.socket, where: Any) -> None:
        if broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.connect(where)

    return _first_socket(await _resolve(host, port, family), prepare)


def bound_unix(path: UnixPath) -> socket.socket:
    """Return a socket that receives what is sent to a path."""
    return _first_socket([(socket.AF_UNIX, os.fspath(path))], lambda sock, where: sock.bind(where))


def connected_unix(path: UnixPath, local: UnixPath | None) -> socket.socket:
    """Return a socket that sends to a path; as `DatagramEndpoint.connect_unix`."""

    def prepare(sock: socket.socket, where: Any) -> None:
        if local is not None:
            sock.bind(os.fspath(local))
        sock.connect(where)

    return _first_socket([(socket.AF_UNIX, os.fspath(path))], prepare)


async def _resolve(host: str, port: int, family: socket.AddressFamily) -> Sequence[tuple[int, Any]]:
    """Return the addresses of a host."""
    resolver: Resolver
    with closing(Resolver()) as resolver:
        return await resolver.resolve(host, port, family)


def _first_socket(
    addresses: Sequence[tuple[int, Any]], prepare: Callable[[socket.socket, Any], None]
) -> socket.socket:
    """Return a socket for the first address that it can be prepared for.

    Raises:
        OSError: there is none; the error of the last address says why.
    """
    last = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, address in addresses:
        try:
            return _prepared_socket(family, address, prepare)
        except OSError as error:
            last = error
            if error.errno not in _TRY_NEXT:
                break
    tried = ", ".join(repr(address) for _, address in addresses)
    raise OSError(last.errno, f"{last.strerror or last}: {tried}") from last


def _prepared_socket(
    family: int, address: Any, prepare: Callable[[socket.socket, Any], None]
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        prepare(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
