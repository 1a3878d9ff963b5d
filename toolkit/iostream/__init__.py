"""Streams of bytes over sockets, TLS and pipes: read by size, by line or pushed to a consumer."""

from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.errors import (
    _ERRNO_CONNRESET as _ERRNO_CONNRESET,
)
from toolkit.iostream.errors import (
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from toolkit.iostream.pipe import PipeIOStream
from toolkit.iostream.proxied import ProxyProtocol, trusted_by
from toolkit.iostream.relay import relay
from toolkit.iostream.socket_transport import SocketTransport
from toolkit.iostream.tcp import IOStream, SSLIOStream

__all__ = [
    "BaseIOStream",
    "IOStream",
    "PipeIOStream",
    "ProxyProtocol",
    "SSLIOStream",
    "SocketTransport",
    "StreamBufferFullError",
    "StreamClosedError",
    "UnsatisfiableReadError",
    "relay",
    "trusted_by",
]
