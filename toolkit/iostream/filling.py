"""Protocols that have a transport write what comes right to where it is wanted."""

import asyncio
import socket as sockets
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from toolkit.iostream.reads import ReadFuture, ReadInto

#: Bytes of the buffer for what comes after a read was cancelled, until that is noticed.
SCRATCH_SIZE = 4096
#: Bytes of the buffer that the connections of a loop share: a part of uvloop's size, and what its
#: head and TLS add to content of that size, which would have to be read by itself otherwise.
SHARED_SIZE = 264 * 1024
#: Bytes of it for the first part of what comes to a stream, which is copied twice if it turns out
#: to be that of a large response.
FIRST_SIZE = 64 * 1024
#: Bytes of a large response that the system lets gather before it tells of them.
MUCH = 256 * 1024
#: Bytes that TLS may hold back as a part of a record, and TLS around it again: those have come.
PARTS = 2 * 17 * 1024

_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


def shared_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    """Return the memory for what comes to a connection of a loop until that has taken it."""
    buffer = _SHARED.get(loop)
    if buffer is None:
        _SHARED[loop] = buffer = memoryview(bytearray(SHARED_SIZE))
    return buffer


class Filler(asyncio.BufferedProtocol):
    """Stands for a stream as the protocol of its transport.

    Args:
        stream: the protocol to go back to.
    """

    def __init__(self, stream: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._stream = stream
        self._transport = transport

    def _leave(self) -> None:
        self._transport.set_protocol(self._stream)

    def eof_received(self) -> bool | None:
        """Pass it on; called by the transport."""
        return self._stream.eof_received()

    def pause_writing(self) -> None:
        """Pass it on; called by the transport."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on; called by the transport."""
        self._stream.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on; called by the transport."""
        self._stream.connection_lost(exc)


class ReadFiller(Filler):
    """Fills the buffer of a `read_into` while that waits.

    Args:
        satisfied: called when nothing more has to come.
    """

    def __init__(
        self,
        stream: asyncio.Protocol,
        transport: asyncio.Transport,
        read: ReadInto,
        future: ReadFuture[int],
        satisfied: Callable[[], None],
    ) -> None:
        super().__init__(stream, transport)
        self._read = read
        self._future = future
        self._satisfied = satisfied
        self._scratch = bytearray()

    def get_buffer(self, sizehint: int) -> bytearray | memoryview:
        """Return where the next bytes go; called by the transport."""
        if self._future.done():
            self._scratch = bytearray(SCRATCH_SIZE)
            return self._scratch
        return self._read.rest

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what came; called by the transport."""
        if self._future.done():
            # Cancelled: the bytes are for the next read.
            self._leave()
            self._stream.data_received(bytes(self._scratch[:nbytes]))
            return
        self._read.filled += nbytes
        if self._read.satisfied:
            self._leave()
            self._satisfied()


class SharedReader(Filler):
    """Hands on what comes by the buffer that the connections of a loop share."""

    def __init__(
        self, stream: asyncio.Protocol, transport: asyncio.Transport, buffer: memoryview
    ) -> None:
        super().__init__(stream, transport)
        self._whole = buffer
        self._first = self._buffer = buffer[:FIRST_SIZE]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go; called by the transport."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what came; called by the transport."""
        data = bytes(self._buffer[:nbytes])
        self._buffer = self._first if nbytes < FIRST_SIZE else self._whole
        self._stream.data_received(data)


class PushFiller(Filler):
    """Fills a part of the memory of a consumer; see `IOStream.push_into`.

    Args:
        socket: the one below, where all of it is so sure to come that the system may tell of large
            parts alone; otherwise None.

    Attributes:
        filled: bytes that have come.
    """

    def __init__(
        self,
        stream: asyncio.Protocol,
        transport: asyncio.Transport,
        target: memoryview,
        ended: Callable[[int], None],
        socket: Any,
    ) -> None:
        super().__init__(stream, transport)
        self._target = target
        self._ended: Callable[[int], None] | None = ended
        self.filled = 0
        self._socket = socket if sys.platform == "linux" else None
        self._least = 1  # bytes that the system tells of
        self._await(len(target))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go; called by the transport."""
        return self._target[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what came; called by the transport."""
        self.filled += nbytes
        left = len(self._target) - self.filled
        if not left:
            self._end()
        elif left < self._least + PARTS:
            self._await(left)

    def _await(self, left: int) -> None:
        """Have the loop be told when a good part of what is still to come is there.

        An end or an error is told of at once (socket(7), SO_RCVLOWAT). Without this a client that
        is faster than its server took 1 MiB in fifteen parts, and a fifth longer.
        """
        least = max(min(left - PARTS, MUCH), 1)
        if self._socket is not None and least != self._least:
            self._least = least
            try:
                self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVLOWAT, least)
            except OSError:
                pass  # closed, or of a kind that does not know it: nothing depends on it

    def eof_received(self) -> bool | None:
        """Leave it to the stream that no more comes; called by the transport."""
        self._end()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave it to the stream that it is over; called by the transport."""
        self._socket = None
        self._end()
        super().connection_lost(exc)

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self.stop()
            ended(self.filled)

    def stop(self) -> None:
        """Write nothing more, and tell nobody; what comes goes to the consumer again."""
        self._ended = None
        self._await(0)
        self._leave()
        self._target.release()
