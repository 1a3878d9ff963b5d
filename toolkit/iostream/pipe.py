"""`PipeIOStream`: a stream over one end of a pipe."""

import errno
import os
from typing import Any

from toolkit.iostream.base import BaseIOStream


class PipeIOStream(BaseIOStream):
    """A stream over a file descriptor, such as one end of `os.pipe`.

    A pipe goes one way: its one end is only read, the other only written.

    Args:
        fd: the descriptor, which belongs to the stream from now on.

    Attributes:
        fd: the descriptor; -1 once it is closed.
    """

    def __init__(self, fd: int, *args: Any, **kwargs: Any) -> None:
        self.fd = fd
        os.set_blocking(fd, False)
        super().__init__(*args, **kwargs)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.fd

    def close_fd(self) -> None:
        """Close the descriptor."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def write_to_fd(self, data: memoryview) -> int:
        """Write what goes without waiting and return how much that was."""
        return os.write(self.fd, data)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read into `buf` and return how much; 0 at the end, None when nothing is there yet."""
        try:
            return os.readv(self.fd, [buf])
        except BlockingIOError:
            return None
        except OSError as error:
            # The end that is written shows as readable when the other one was closed.
            if error.errno == errno.EBADF:
                return 0
            raise
