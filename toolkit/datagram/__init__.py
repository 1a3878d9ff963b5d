"""Datagrams over UDP and Unix sockets, sent and received with the manners of a stream."""

from toolkit.datagram.endpoint import (
    DEFAULT_MAX_QUEUE,
    DEFAULT_MAX_QUEUE_BYTES,
    DEFAULT_MAX_UNSENT,
    DatagramEndpoint,
)

__all__ = [
    "DEFAULT_MAX_QUEUE",
    "DEFAULT_MAX_QUEUE_BYTES",
    "DEFAULT_MAX_UNSENT",
    "DatagramEndpoint",
]
