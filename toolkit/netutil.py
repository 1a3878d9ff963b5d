"""Sockets that listen."""

import errno
import os
import socket
import stat
import sys
from typing import Any

#: Connections that may wait to be accepted.
DEFAULT_BACKLOG = 128
#: Free ports to try before one has to do for all addresses.
FREE_PORT_ATTEMPTS = 5


def bind_sockets(
    port: int,
    address: str | None = None,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    backlog: int = DEFAULT_BACKLOG,
    flags: int | None = None,
    reuse_port: bool = False,
) -> list[socket.socket]:
    """Make listening sockets for a port, one for each address that the name stands for.

    Args:
        port: 0 for any free one, the same for all sockets.
        address: IP address or host name; None or "" for all interfaces.
        family: AF_INET or AF_INET6 to have only that; AF_UNSPEC for both.
        backlog: connections that may wait to be accepted.
        flags: for `socket.getaddrinfo`; AI_PASSIVE when None.
        reuse_port: whether other processes may listen on the port too.
    Raises:
        OSError: the address cannot be had.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("the platform doesn't support SO_REUSEPORT")
    addresses = socket.getaddrinfo(
        address or None,
        port,
        family if socket.has_ipv6 or family != socket.AF_UNSPEC else socket.AF_INET,
        socket.SOCK_STREAM,
        0,
        socket.AI_PASSIVE if flags is None else flags,
    )
    # Sorted by family, so that a free port is chosen for IPv4 first.
    found = sorted(set(addresses), key=lambda item: item[0])
    for attempt in range(FREE_PORT_ATTEMPTS):
        try:
            listening = _listen_on_all(found, port, backlog, reuse_port)
            break
        except OSError as error:
            # A port that is free for one address may be taken for the next one.
            last = attempt == FREE_PORT_ATTEMPTS - 1
            if port != 0 or error.errno != errno.EADDRINUSE or last:
                raise
    if not listening:
        raise OSError(errno.EADDRNOTAVAIL, f"no address to listen on for {address!r}")
    return listening


def _listen_on_all(
    found: list[Any], port: int, backlog: int, reuse_port: bool
) -> list[socket.socket]:
    """Make a listening socket for each address; all of them or none."""
    listening: list[socket.socket] = []
    try:
        for kind, _, protocol, _, where in found:
            if port == 0 and listening:
                where = (where[0], listening[0].getsockname()[1], *where[2:])
            sock = _listen(kind, protocol, where, backlog, reuse_port)
            if sock is not None:
                listening.append(sock)
    except BaseException:
        for sock in listening:
            sock.close()
        raise
    return listening


def _listen(
    family: int, protocol: int, address: tuple[object, ...], backlog: int, reuse_port: bool
) -> socket.socket | None:
    """Make one listening socket; None where the system lacks the family or address."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        if os.name != "nt":
            # On Windows the option would let another program take the port over.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Else the IPv6 socket would take IPv4's connections too, and its port.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6:
            return None
        raise
    return sock


if hasattr(socket, "AF_UNIX"):

    def bind_unix_socket(
        file: str, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG
    ) -> socket.socket:
        """Make a listening Unix socket.

        Args:
            file: its path; a socket left there is replaced. On Linux a name that starts
                with NUL is an abstract one, without a file.
            mode: permissions of the file.
        Raises:
            ValueError: the path is there and no socket.
            OSError: it cannot be made.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            abstract = sys.platform == "linux" and file.startswith("\0")
            if not abstract:
                _remove_stale_socket(file)
            sock.bind(file)
            if not abstract:
                os.chmod(file, mode)
            sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
        return sock


def _remove_stale_socket(file: str) -> None:
    try:
        status = os.lstat(file)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ValueError(f"File {file!r} exists and is not a socket")
    os.remove(file)
