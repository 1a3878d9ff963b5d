"""`relay`: sends all that comes by one stream on to another."""

import asyncio
import contextlib
from collections.abc import Iterator

from toolkit.concurrent import Future
from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.errors import StreamBufferFullError, StreamClosedError
from toolkit.iostream.socket_transport import MAX_READ_SIZE, SocketTransport


async def relay(source: BaseIOStream, target: BaseIOStream) -> int:
    """Send all that comes by `source` on to `target`, and return how many bytes that was.

    It ends when the peer of the source sends no more and the target has taken everything; both
    streams stay open. While the target takes nothing the source is not read, so no more than a
    chunk or two is ever held. Chunks go from transport to transport, with no task in between:
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
            with _large_chunks(source.transport):
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
def _large_chunks(transport: asyncio.Transport | None) -> Iterator[None]:
    """Have a transport take in much at once, where that can be chosen."""
    if not isinstance(transport, SocketTransport):
        yield
        return
    size = transport.max_size
    transport.limit_reads(MAX_READ_SIZE)
    try:
        yield
    finally:
        transport.limit_reads(size)
