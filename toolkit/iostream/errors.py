"""What streams raise."""

import errno

#: Numbers of system errors by which a connection is lost; programs for Tornado import it.
_ERRNO_CONNRESET = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT)


class StreamClosedError(OSError):
    """The stream is closed, and what was asked for can no longer be had.

    Attributes:
        real_error: what closed it; None for an orderly end.
    """

    def __init__(self, real_error: BaseException | None = None) -> None:
        super().__init__("Stream is closed")
        self.real_error = real_error


class UnsatisfiableReadError(Exception):
    """What was looked for did not come within ``max_bytes``."""


class StreamBufferFullError(Exception):
    """A buffer would grow past its limit."""
