"""The sockets that the runner listens on, which outlive each worker."""

import os
import socket
import sys

from toolkit.netutil import bind_sockets, bind_unix_socket
from toolkit.runner.errors import RunnerError
from toolkit.runner.notify import activated
from toolkit.runner.settings import Settings

#: Whether the system shares connections out among sockets of one port.
SHARES_OUT = sys.platform == "linux"


class Listening:
    """The listening sockets, and which of them each worker has.

    On Linux each worker has a socket of its own for a port, among which the system shares
    connections out evenly. A socket belongs to no worker for ever: one whose worker is taken
    away goes to another, and what waits on it is accepted there. All other sockets are shared.

    Args:
        workers: how many there are at first.
    Raises:
        RunnerError: an address cannot be had.

    Attributes:
        names: the addresses, as URLs.
    """

    def __init__(self, settings: Settings, workers: int) -> None:
        self._settings = settings
        self._shared: list[socket.socket] = []
        self._own: list[list[socket.socket]] = []  # one entry for each worker there ever was
        self._port = settings.port
        self._file: tuple[int, int] | None = None  # that of the Unix socket
        self._scheme = "https" if settings.certfile or settings.cert_dir else "http"
        self.names: list[str] = []
        try:
            self._open(workers)
        except BaseException:
            self.close()
            raise

    def _open(self, workers: int) -> None:
        settings = self._settings
        given = list(settings.fds) or ([] if settings.unix else activated())
        for fd in given:
            self._shared.append(_adopted(fd))
        if settings.unix:
            try:
                self._shared.append(
                    bind_unix_socket(settings.unix, settings.unix_mode, settings.backlog)
                )
                self._file = _identity(settings.unix)
            except (OSError, ValueError) as error:
                raise RunnerError(f"cannot listen on {settings.unix}: {_reason(error)}") from error
        if not self._shared:
            self._open_port(workers)
        self.names = [
            self._name(sock) for sock in (*self._shared, *(self._own[0] if self._own else ()))
        ]

    def _open_port(self, workers: int) -> None:
        shares_out = workers > 0 and SHARES_OUT
        if not shares_out or not self._settings.reuse_port:
            # Who shares a port with himself must not share it with a program that has it already.
            sockets = self._bind(self._settings.reuse_port)
            if not shares_out:
                self._shared = sockets
                return
            self._port = sockets[0].getsockname()[1]
            for sock in sockets:
                sock.close()
        self.grow(workers)

    def grow(self, workers: int) -> None:
        """Have a socket for each worker, where they have some of their own."""
        while not self._shared and len(self._own) < workers:
            sockets = self._bind(True)
            self._own.append(sockets)
            self._port = sockets[0].getsockname()[1]

    def _bind(self, reuse_port: bool) -> list[socket.socket]:
        settings = self._settings
        try:
            return bind_sockets(
                self._port, settings.host, backlog=settings.backlog, reuse_port=reuse_port
            )
        except (OSError, OverflowError, ValueError) as error:
            where = f"{settings.host or '*'}:{self._port}"
            raise RunnerError(f"cannot listen on {where}: {_reason(error)}") from error

    def share(self, number: int, workers: int) -> tuple[int, ...]:
        """Return which sockets of their own a worker has, of so many workers."""
        return tuple(range(number, len(self._own), workers))

    def sockets(self, share: tuple[int, ...]) -> list[socket.socket]:
        """Return the sockets of a worker with such a share."""
        return [*self._shared, *(sock for index in share for sock in self._own[index])]

    def close(self) -> None:
        """Close all, and take the file of a Unix socket away. More than once is no error."""
        if self._file is not None and _identity(self._settings.unix) == self._file:
            os.unlink(self._settings.unix)
        self._file = None
        for sock in (*self._shared, *(sock for own in self._own for sock in own)):
            sock.close()

    def _name(self, sock: socket.socket) -> str:
        address = sock.getsockname()
        if not isinstance(address, tuple):
            return f"unix:{os.fsdecode(address)}"
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{self._scheme}://{host}:{address[1]}"


def _adopted(fd: int) -> socket.socket:
    """Return the listening socket that a descriptor is."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise RunnerError(f"descriptor {fd} is no socket: {_reason(error)}") from error
    sock.set_inheritable(False)
    listens = sock.type == socket.SOCK_STREAM
    if listens and hasattr(socket, "SO_ACCEPTCONN"):
        listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    if not listens:
        sock.detach()
        raise RunnerError(f"descriptor {fd} is a socket that does not listen")
    sock.setblocking(False)
    return sock


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one that takes its place."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
