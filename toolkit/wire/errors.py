"""What a protocol machine raises."""


class ProtocolError(Exception):
    """Root of all errors of `toolkit.wire`."""


class LocalProtocolError(ProtocolError, ValueError):
    """Our own side asked for something that the protocol forbids; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol or passed a limit; nothing more can be read from it.

    Attributes:
        status: HTTP status that a server answers with before it closes.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class TruncatedError(RemoteProtocolError):
    """The peer left in the middle of a message."""


class NotHTTPError(RemoteProtocolError):
    """The peer does not speak HTTP at all."""


def excerpt(data: bytes | str) -> str:
    """Return untrusted input as it may stand in a message: `repr`, at most 100 characters."""
    text = repr(bytes(data[:100]) if not isinstance(data, str) else data[:100])
    return text if len(text) <= 100 else text[:97] + "..."
