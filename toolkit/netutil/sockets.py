"""Sockets that listen, and what they accept."""

import errno
import os
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from toolkit.ioloop import IOLoop
from toolkit.log import app_log, gen_log

#: Connections that may wait to be accepted.
DEFAULT_BACKLOG = 128
#: Free ports to try before one has to do for all addresses.
FREE_PORT_ATTEMPTS = 5
#: Connections to accept before the loop gets its turn: more would make those that are open
#: wait, fewer would cost a turn for each few of a crowd that comes at once.
ACCEPTS_PER_TURN = 64
#: Seconds until a listening socket is looked at again that nothing could be accepted from.
ACCEPT_PAUSE = 1.0

#: What the system lacks, and is not mended by trying again at once.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
#: What happened to the connection that would have been accepted; the next one may be well.
#: Linux tells of network errors that way (accept(2)), Windows calls some of them otherwise.
_LOST = {
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "ECONNRESET",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ENETDOWN",
        "ENETUNREACH",
        "ENONET",
        "ENOPROTOOPT",
        "EPERM",  # a firewall forbids it
        "EPROTO",
    )
    if hasattr(errno, name)
}


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
        file: str | bytes | os.PathLike[str], mode: int = 0o600, backlog: int = DEFAULT_BACKLOG
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
        path = os.fspath(file)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            abstract = sys.platform == "linux" and path[:1] in ("\0", b"\0")
            if not abstract:
                _remove_stale_socket(path)
            sock.bind(path)
            if not abstract:
                os.chmod(path, mode)
            sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
        return sock


def bound_unsent(sock: socket.socket, size: int) -> None:
    """Bound what the kernel takes for a connection, or for each that a socket accepts, unsent.

    It would take some 4 MB for each peer that does not read, and to give them back, when such
    peers are cut off, holds everybody up. Connections have the option of the socket that accepts
    them. Systems without such an option, and sockets that are not of TCP, are left as they are.

    Args:
        size: bytes not yet sent.
    """
    option: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, size)


def _remove_stale_socket(file: str | bytes) -> None:
    try:
        status = os.lstat(file)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ValueError(f"File {file!r} exists and is not a socket")
    os.remove(file)


def add_accept_handler(
    sock: socket.socket, callback: Callable[[socket.socket, Any], None]
) -> Callable[[], None]:
    """Accept connections while the loop runs, and return a function that ends it.

    Where descriptors or memory run out, nothing is accepted for `ACCEPT_PAUSE` seconds at a
    time, and the first failure alone is logged.

    Args:
        sock: a listening socket that does not block; it stays the caller's, and is to be
            closed after the returned function was called.
        callback: gets each connection, which is its own from then on, and the address of the
            peer. What it raises is logged.
    """
    return _Acceptor(sock, callback).stop


class _Acceptor:
    """Accepts the connections of one socket."""

    def __init__(self, sock: socket.socket, callback: Callable[[socket.socket, Any], None]) -> None:
        self._sock = sock
        self._callback = callback
        self._loop = IOLoop.current()
        self._pause: object = None  # the time-out after which it goes on
        self._exhausted = False  # since the last connection that was accepted
        self._stopped = False
        self._watch()

    def stop(self) -> None:
        """Accept no more."""
        if self._stopped:
            return
        self._stopped = True
        if self._pause is not None:
            self._loop.remove_timeout(self._pause)
        else:
            self._loop.remove_handler(self._sock)

    def _watch(self) -> None:
        self._pause = None
        self._loop.add_handler(self._sock, self._accept_some, IOLoop.READ)

    def _accept_some(self, _sock: object, _events: int) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if self._stopped:
                return
            try:
                connection, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _LOST:
                    continue
                self._fail(error)
                return
            self._exhausted = False
            try:
                self._callback(connection, address)
            except Exception:
                app_log.error("Error in accept callback %r", self._callback, exc_info=True)

    def _fail(self, error: OSError) -> None:
        """Look away from a socket that would only fail again."""
        if error.errno not in _EXHAUSTED:
            gen_log.error("Accepting no more connections on %r: %s", self._sock, error)
            self.stop()
            return
        if not self._exhausted:
            gen_log.error(
                "Cannot accept connections on %r: %s; trying again each %s seconds",
                self._sock,
                error,
                ACCEPT_PAUSE,
            )
        self._exhausted = True
        self._loop.remove_handler(self._sock)
        self._pause = self._loop.call_later(ACCEPT_PAUSE, self._watch)


def is_valid_ip(ip: str) -> bool:
    """Say whether this is an IPv4 or IPv6 address in its full written form.

    Short and numeric forms such as ``"127.1"`` are not; an IPv6 address may name the zone
    that it belongs to, if there is one of that name here.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, ip)
        except (OSError, ValueError):
            continue
        return True
    if not ip or "%" not in ip or "\0" in ip:
        return False
    try:
        socket.getaddrinfo(ip, 0, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True
