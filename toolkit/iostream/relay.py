"""`relay`: sends all that comes by one stream on to another."""

import asyncio
import contextlib
from collections.abc import Iterator

from toolkit.concurrent import Future
from toolkit.iostream import splicing
from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.errors import StreamBufferFullError, StreamClosedError
from toolkit.iostream.sending import FileSending
from toolkit.iostream.socket_transport import FIRST_READ_SIZE, MAX_READ_SIZE, SocketTransport

#: Pieces that follow a chunk within the kernel before others have their turn: 1 MiB.
SPLICES_PER_CHUNK = 4


async def relay(source: BaseIOStream, target: BaseIOStream) -> int:
    """Send all that comes by `source` on to `target`, and return how many bytes that was.

    It ends when the peer of the source sends no more and the target has taken everything; both
    streams stay open. While the target takes nothing the source is not read, so no more than a
    chunk or two is ever held. Chunks go from transport to transport, with no task in between, and
    on Linux much of what comes fast without TLS does not leave the kernel:
    benchmarks/results/bulk.md compares it with a loop of `read_bytes` and `write`.

    To cancel it loses nothing: what was not sent on yet can still be read.

    Raises:
        StreamClosedError: one of the streams was closed; `real_error` says why.
    """
    return await _Relay(source, target).run()


class _Relay:
    """One direction of a proxy."""

    def __init__(self, source: BaseIOStream, target: BaseIOStream) -> None:
        self._source = source
        self._target = target
        self._sent = 0
        self._ended: Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        source = self._source
        closed = asyncio.create_task(source.wait_closed())
        source.push_to(self._take)
        try:
            # In the kernel the rest follows after so much.
            size = FIRST_READ_SIZE if self._in_kernel() else MAX_READ_SIZE
            with _chunks(source.transport, size):
                await asyncio.wait((self._ended, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
            source.push_to(None)
            source.resume_reading()
        if not self._ended.done():
            raise StreamClosedError(real_error=source.error)
        self._ended.result()
        await self._target.drained()
        return self._sent

    def _take(self, data: bytes) -> None:
        """Send a chunk on; called by the source, with nothing at the end."""
        if self._ended.done():
            self._source.unread(data)
        elif not data:
            self._ended.set_result(None)
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        target = self._target
        try:
            target.write_nowait(data)
        except (StreamClosedError, StreamBufferFullError) as error:
            self._ended.set_exception(error)
            self._source.unread(data)
            return
        self._sent += len(data)
        if target.writing():
            self._source.pause_reading()
            target.flushed().add_done_callback(self._go_on)
        elif len(data) >= FIRST_READ_SIZE and self._in_kernel():
            self._splice()

    def _in_kernel(self) -> bool:
        """Say whether the kernel can send on what comes."""
        streams = self._source, self._target
        return splicing.AVAILABLE and all(
            isinstance(stream, FileSending) and stream.in_kernel for stream in streams
        )

    def _splice(self) -> None:
        """Send on within the kernel what else has come."""
        source, target = self._source, self._target
        for _ in range(SPLICES_PER_CHUNK):
            if target.unsent:
                return
            sent, rest = splicing.splice(source.fileno(), target.fileno())
            self._sent += sent
            if rest:
                self._send(rest)
            if rest or not sent:
                return

    def _go_on(self, flushed: "Future[None]") -> None:
        """Read again, now that the target has taken what there was."""
        if self._ended.done():
            return
        error = flushed.exception()
        if error is None:
            self._source.resume_reading()
        else:
            self._ended.set_exception(error)


@contextlib.contextmanager
def _chunks(transport: asyncio.Transport | None, size: int) -> Iterator[None]:
    """Have a transport take in so much at once, where that can be chosen."""
    if not isinstance(transport, SocketTransport):
        yield
        return
    before = transport.max_size
    transport.limit_reads(size)
    try:
        yield
    finally:
        transport.limit_reads(before)
