"""HTTP/1.0 and HTTP/1.1 without I/O (RFC 9112): `Machine` in two roles, with `Limits`."""

from toolkit.wire.http1.connection import CLIENT, SERVER, Machine, Role
from toolkit.wire.http1.limits import DEFAULT_LIMITS, Limits
from toolkit.wire.http1.parser import FORBIDDEN_TRAILERS, LOWER_NAMES
from toolkit.wire.http1.serializer import REASONS

__all__ = [
    "CLIENT",
    "DEFAULT_LIMITS",
    "FORBIDDEN_TRAILERS",
    "LOWER_NAMES",
    "REASONS",
    "SERVER",
    "Limits",
    "Machine",
    "Role",
]
