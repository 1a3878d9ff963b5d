"""`Filler`: has the loop write what comes right into the buffer of a reader."""

import asyncio
from collections.abc import Callable

from toolkit.iostream.reads import ReadFuture, ReadInto

#: Bytes of the buffer for what comes after a read was cancelled, until that is noticed.
SCRATCH_SIZE = 4096


class Filler(asyncio.BufferedProtocol):
    """Stands for a stream as the protocol of its transport while a `read_into` waits.

    Args:
        stream: the protocol to go back to when the read has ended.
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
        self._stream = stream
        self._transport = transport
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
            self._transport.set_protocol(self._stream)
            self._stream.data_received(bytes(self._scratch[:nbytes]))
            return
        self._read.filled += nbytes
        if self._read.satisfied:
            self._transport.set_protocol(self._stream)
            self._satisfied()

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
