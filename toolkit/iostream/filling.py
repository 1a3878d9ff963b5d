"""Protocols that have a transport write what comes right to where it is wanted."""

import asyncio
from collections.abc import Callable

from toolkit.iostream.reads import ReadFuture, ReadInto

#: Bytes of the buffer for what comes after a read was cancelled, until that is noticed.
SCRATCH_SIZE = 4096


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


class PushFiller(Filler):
    """Fills a part of the memory of a consumer; see `IOStream.push_into`.

    Attributes:
        filled: bytes that have come.
    """

    def __init__(
        self,
        stream: asyncio.Protocol,
        transport: asyncio.Transport,
        target: memoryview,
        ended: Callable[[int], None],
    ) -> None:
        super().__init__(stream, transport)
        self._target = target
        self._ended: Callable[[int], None] | None = ended
        self.filled = 0

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go; called by the transport."""
        return self._target[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what came; called by the transport."""
        self.filled += nbytes
        if self.filled == len(self._target):
            self._end()

    def eof_received(self) -> bool | None:
        """Leave it to the stream that no more comes; called by the transport."""
        self._end()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave it to the stream that it is over; called by the transport."""
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
        self._leave()
        self._target.release()
