"""What the machine takes and gives: messages, which are `str` or `bytes`, and three others."""

from typing import Final

from toolkit.wire.events import CLOSED, NEED_DATA
from toolkit.wire.websocket.errors import FrameError

__all__ = ["CLOSED", "NEED_DATA", "Close", "Event", "Ping", "Pong"]

#: Bytes of the reason in a Close: what the payload of a control frame has left (RFC 6455 §5.5).
MAX_REASON: Final = 123


class Ping:
    """Asks the peer for a `Pong` with the same payload (RFC 6455 §5.5.2)."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes = b"") -> None:
        self.payload = payload

    def __repr__(self) -> str:
        return f"<Ping {self.payload!r}>"


class Pong:
    """Answers a `Ping`, or tells without one that its sender is there (RFC 6455 §5.5.3)."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes = b"") -> None:
        self.payload = payload

    def __repr__(self) -> str:
        return f"<Pong {self.payload!r}>"


class Close:
    """The last that a side says (RFC 6455 §5.5.1).

    Attributes:
        code: why; None when the frame says nothing, which `close_code` 1005 stands for.
        reason: for people; at most 123 bytes of UTF-8.
    """

    __slots__ = ("code", "reason")

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        self.code = code
        self.reason = reason

    @classmethod
    def for_error(cls, error: FrameError) -> "Close":
        """Return what tells the peer about its error."""
        return cls(error.code, str(error).encode()[:MAX_REASON].decode(errors="ignore"))

    def __repr__(self) -> str:
        return f"<Close {self.code} {self.reason!r}>"


#: A `str` is a text message, `bytes` are a binary one.
Event = str | bytes | Ping | Pong | Close
