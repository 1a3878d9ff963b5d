"""WebSocket without I/O (RFC 6455, RFC 7692): the handshake, and `Machine` in two roles."""

from toolkit.wire.http1 import CLIENT, SERVER, Role
from toolkit.wire.websocket.connection import Machine
from toolkit.wire.websocket.deflate import Deflate, DeflateOptions
from toolkit.wire.websocket.errors import FrameError, HandshakeError
from toolkit.wire.websocket.events import CLOSED, MAX_REASON, NEED_DATA, Close, Event, Ping, Pong
from toolkit.wire.websocket.frames import Prepared
from toolkit.wire.websocket.handshake import (
    Agreement,
    Opening,
    accept_key,
    answer_request,
    is_upgrade,
    read_request,
    read_response,
    request_fields,
)
from toolkit.wire.websocket.limits import DEFAULT_LIMITS, Limits
from toolkit.wire.websocket.masking import mask

__all__ = [
    "CLIENT",
    "CLOSED",
    "DEFAULT_LIMITS",
    "MAX_REASON",
    "NEED_DATA",
    "SERVER",
    "Agreement",
    "Close",
    "Deflate",
    "DeflateOptions",
    "Event",
    "FrameError",
    "HandshakeError",
    "Limits",
    "Machine",
    "Opening",
    "Ping",
    "Pong",
    "Prepared",
    "Role",
    "accept_key",
    "answer_request",
    "is_upgrade",
    "mask",
    "read_request",
    "read_response",
    "request_fields",
]
