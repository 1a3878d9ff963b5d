"""`splice`: moves bytes from socket to socket within the kernel, on Linux."""

import contextlib
import os
import sys
import threading

if sys.platform == "linux":
    import fcntl

#: Bytes to move at once: as many may be left for the program to keep.
PIPE_SIZE = 256 * 1024
#: Bytes that a pipe has to hold, where the system grants no more, to be worth it.
LEAST_SIZE = 64 * 1024

AVAILABLE = sys.platform == "linux"

_kept = threading.local()


def splice(source: int, target: int) -> tuple[int, bytes]:
    """Move what has come by one socket to another one, without waiting.

    An error of either, and the end of what comes, is left for the next read or write to find.

    Args:
        source: descriptor of a socket that does not block.
        target: the same.
    Returns:
        How many bytes have gone, and those that were taken and could not go.
    """
    try:
        pipe = _kept.__dict__.pop("pipe", None) or _Pipe(*os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return 0, b""  # no descriptors are left
    moved = pipe.move(source, target)
    # It is empty again. Had anything been raised it might not be, and would never be used again.
    _kept.pipe = pipe
    return moved


class _Pipe:
    """A pipe that bytes are moved through, as the kernel knows no shorter way."""

    def __init__(self, out: int, into: int) -> None:
        self._out, self._into = out, into
        with contextlib.suppress(OSError):  # the user has many large ones
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self._size = fcntl.fcntl(into, fcntl.F_GETPIPE_SZ)

    def __del__(self) -> None:
        os.close(self._out)
        os.close(self._into)

    def move(self, source: int, target: int) -> tuple[int, bytes]:
        """Do as `splice`."""
        if self._size < LEAST_SIZE:
            return 0, b""
        came = _step(source, self._into, self._size)
        gone = 0
        while gone < came and (size := _step(self._out, target, came - gone)):
            gone += size
        return gone, os.read(self._out, came - gone) if gone < came else b""


def _step(source: int, target: int, size: int) -> int:
    """Return how many bytes went."""
    try:
        return os.splice(source, target, size, flags=os.SPLICE_F_NONBLOCK)
    except OSError:
        return 0


if AVAILABLE:
    # What parent and child put into one pipe would get mixed up.
    os.register_at_fork(after_in_child=lambda: _kept.__dict__.clear())
