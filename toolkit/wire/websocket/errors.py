"""What the machine and the handshake raise about the peer."""

from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Field
from toolkit.wire.websocket.codes import TOO_BIG


class FrameError(RemoteProtocolError):
    """The peer broke RFC 6455 or 7692, or passed a limit; the connection has to be failed.

    Attributes:
        code: what to close with: 1002, 1007 or 1009.
    """

    def __init__(self, message: str, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code


class HandshakeError(RemoteProtocolError):
    """The opening handshake fails.

    Attributes:
        status: what a server answers with.
        fields: what else belongs into that answer.
    """

    def __init__(self, message: str, status: int = 400, fields: tuple[Field, ...] = ()) -> None:
        super().__init__(message, status)
        self.fields = fields


def too_big(limit: int) -> FrameError:
    """Return what is said of a message that is too large."""
    return FrameError(f"a message of more than {limit} bytes", TOO_BIG)
