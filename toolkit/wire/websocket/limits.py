"""How much a peer may send before the connection is failed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection.

    Attributes:
        message: bytes of one message, all its fragments together and after inflation.
        empty_fragments: number of fragments of one message that bring nothing.
    """

    message: int = 10 * 1024 * 1024
    empty_fragments: int = 100


DEFAULT_LIMITS = Limits()
