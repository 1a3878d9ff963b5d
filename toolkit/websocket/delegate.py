"""`Delegate`: who hears of what comes."""

from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Protocol


class Delegate(Protocol):
    """What a connection tells of what comes."""

    def on_message(self, message: Any) -> Awaitable[None] | None:
        """Take a message."""

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        """Hear of a ping, which was answered."""

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        """Hear of the answer to a ping."""

    def on_drain(self) -> None:
        """Hear that the server is about to stop."""

    def on_ws_connection_close(
        self, close_code: int | None = None, close_reason: str | None = None
    ) -> None:
        """Hear of the end."""

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what one of these has let out."""
