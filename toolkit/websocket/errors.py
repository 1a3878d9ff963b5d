"""What connections raise."""


class WebSocketError(Exception):
    """Root of the errors of WebSocket connections."""


class WebSocketClosedError(WebSocketError):
    """The connection is closed, or about to be."""
