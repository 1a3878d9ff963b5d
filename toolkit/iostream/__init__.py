"""Streams of bytes: `IOStream` over a socket, read by size, by line or pushed to a consumer."""

from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.errors import StreamBufferFullError, StreamClosedError, UnsatisfiableReadError
from toolkit.iostream.tcp import IOStream

__all__ = [
    "BaseIOStream",
    "IOStream",
    "StreamBufferFullError",
    "StreamClosedError",
    "UnsatisfiableReadError",
]
