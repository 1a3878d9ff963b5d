"""Sockets for tests to listen on."""

import socket

from toolkit.netutil import bind_sockets


def bind_unused_port(
    reuse_port: bool = False, address: str = "127.0.0.1"
) -> tuple[socket.socket, int]:
    """Return a socket that listens on a free port, and the port.

    Args:
        reuse_port: whether other sockets may listen on the port too.
        address: what to listen on; ``"::1"`` for IPv6.
    """
    sock, *others = bind_sockets(0, address, reuse_port=reuse_port)
    for other in others:
        other.close()
    return sock, int(sock.getsockname()[1])
