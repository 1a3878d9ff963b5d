"""`Handlers`: who is told when a file descriptor can be read or written."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any, Protocol

#: What can be waited for; the numbers are those of epoll.
READ = 0x001
WRITE = 0x004
ERROR = 0x018


class Selectable(Protocol):
    """An object with a file descriptor, such as a socket."""

    def fileno(self) -> int:
        """Return the file descriptor."""

    def close(self) -> None:
        """Close the file descriptor."""


FileDescriptor = int | Selectable
Handler = Callable[..., None]


def split_fd(fd: FileDescriptor) -> tuple[int, FileDescriptor]:
    """Return the number of a file descriptor, and the thing itself."""
    return (fd if isinstance(fd, int) else fd.fileno()), fd


def close_fd(fd: FileDescriptor) -> None:
    """Close a file descriptor or an object that has one; closed already is no error."""
    with contextlib.suppress(OSError):
        if isinstance(fd, int):
            os.close(fd)
        else:
            fd.close()


class Handlers:
    """Handlers of file descriptors on one asyncio loop.

    asyncio knows a callback for reading and one for writing; here each descriptor has one
    handler for both.

    A handler is to be removed before its socket is closed. Where it is not, no more calls
    come; but uvloop keeps the connection open until then, or until the peer sends or closes.
    It cannot do so for a mere number: libuv ends the process if a number that is to be
    watched was closed before it looks at it for the first time.

    Args:
        loop: what watches, by `add_reader` and `add_writer`.
        call: runs a handler with its arguments, and deals with what it raises and returns.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        call: Callable[[Handler, tuple[Any, ...], dict[str, Any]], None],
    ) -> None:
        self.loop = loop
        self._call = call
        self.handlers: dict[int, tuple[FileDescriptor, Handler]] = {}
        self.readers: set[int] = set()
        self.writers: set[int] = set()

    def add(self, fd: FileDescriptor, handler: Handler, events: int) -> None:
        """Call ``handler(fd, events)`` as long as one of the events is there."""
        number, fd = split_fd(fd)
        if number < 0:
            raise ValueError(f"Invalid file descriptor: {number}")
        if number in self.handlers:
            raise ValueError(f"fd {number} added twice")
        self.handlers[number] = (fd, handler)
        try:
            self._watch(number, fd, events)
        except BaseException:
            self.remove(number)
            raise

    def update(self, fd: FileDescriptor, events: int) -> None:
        """Wait for other events; does nothing without a handler."""
        number = self._find(fd)
        if number is not None:
            self._watch(number, self.handlers[number][0], events)

    def remove(self, fd: FileDescriptor) -> None:
        """Forget the handler, whose call will not come any more; none is no error."""
        number = self._find(fd)
        if number is not None:
            fd, _ = self.handlers.pop(number)
            self._watch(number, fd, 0)

    def close(self, all_fds: bool) -> None:
        """Forget all handlers, and close what they wait for if `all_fds`."""
        for number, (fd, _) in list(self.handlers.items()):
            self.remove(number)
            if all_fds:
                close_fd(fd)

    def _find(self, fd: FileDescriptor) -> int | None:
        """Return the number under which `fd` has a handler."""
        number, fd = split_fd(fd)
        if number in self.handlers:
            return number
        # An object that was closed meanwhile does not know its number any more.
        return next((known for known, (one, _) in self.handlers.items() if one is fd), None)

    def _watch(self, number: int, fd: FileDescriptor, events: int) -> None:
        """Have the loop wait for these events and no others."""
        if events & READ and number not in self.readers:
            self.loop.add_reader(fd, self._ready, number, READ)
            self.readers.add(number)
        elif not events & READ and number in self.readers:
            self.readers.discard(number)
            self.loop.remove_reader(number)
        if events & WRITE and number not in self.writers:
            self.loop.add_writer(fd, self._ready, number, WRITE)
            self.writers.add(number)
        elif not events & WRITE and number in self.writers:
            self.writers.discard(number)
            self.loop.remove_writer(number)

    def _ready(self, number: int, event: int) -> None:
        fd, handler = self.handlers[number]
        if _closed_by_owner(fd):
            self.remove(number)
        else:
            self._call(handler, (fd, event), {})


def _closed_by_owner(fd: FileDescriptor) -> bool:
    """Say whether a socket was closed that uvloop keeps open; there is no public way to see it."""
    return getattr(fd, "_closed", None) is True
