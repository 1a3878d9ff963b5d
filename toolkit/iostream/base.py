"""`BaseIOStream`: reading and writing as every kind of stream has it."""

import re
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from toolkit.concurrent import Future
from toolkit.ioloop import IOLoop
from toolkit.iostream.errors import StreamBufferFullError, StreamClosedError, UnsatisfiableReadError
from toolkit.iostream.reads import (
    PendingRead,
    ReadBytes,
    ReadInto,
    ReadRegex,
    ReadUntil,
    ReadUntilClose,
)
from toolkit.log import app_log, gen_log

#: As Tornado's: 100 MiB may wait to be read.
DEFAULT_MAX_BUFFER_SIZE = 100 * 1024 * 1024
DEFAULT_READ_CHUNK_SIZE = 64 * 1024

_ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class BaseIOStream:
    """A non-blocking stream of bytes, read by one reader at a time.

    A subclass moves the bytes: it calls `_received`, `_received_eof`, `_write_blocked`,
    `_write_ready` and `_gone`, and gives `_start`, `_send`, `_pause`, `_resume`, `_unsent`
    and `_shut`.

    Args:
        max_buffer_size: most bytes that may wait to be read; one more closes the stream
            with StreamBufferFullError.
        read_chunk_size: bytes that may wait while nobody reads; past it the peer has to wait.
        max_write_buffer_size: most bytes that may wait to be sent; None for no limit.

    Attributes:
        error: what closed the stream; None for an orderly end.
    """

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        self.io_loop = IOLoop.current()
        self.max_buffer_size = max_buffer_size or DEFAULT_MAX_BUFFER_SIZE
        self.read_chunk_size = min(
            read_chunk_size or DEFAULT_READ_CHUNK_SIZE, self.max_buffer_size // 2
        )
        self.max_write_buffer_size = max_write_buffer_size
        self.error: BaseException | None = None
        self._loop = self.io_loop.asyncio_loop
        self._data = bytearray()  # received and not read
        self._read: PendingRead | None = None
        self._read_future: Future[Any] | None = None
        self._consumer: Callable[[bytes], None] | None = None
        self._held = False  # by pause_reading
        self._full = False  # more waits than anybody has asked for
        self._stopped = False  # what follows from these, as the subclass was told
        self._eof = False
        self._closed = False
        self._close_callback: Callable[[], None] | None = None
        self._blocked = False  # whether too many bytes wait to be sent
        self._drain_waiters: list[Future[None]] = []
        self._sent: Future[None] | None = None  # the done future of writes that did not wait

    # -- what a subclass gives -----------------------------------------------------------

    def _start(self) -> None:
        """Begin to move bytes, if that has not begun."""

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        raise NotImplementedError

    def _pause(self) -> None:
        raise NotImplementedError

    def _resume(self) -> None:
        raise NotImplementedError

    def _unsent(self) -> int:
        raise NotImplementedError

    def _watch_sending(self) -> None:
        """Have `_write_blocked` called now, if bytes wait, and `_write_ready` when none does."""
        raise NotImplementedError

    def _shut(self, abort: bool) -> None:
        raise NotImplementedError

    # -- reading -------------------------------------------------------------------------

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read up to and with the first match of a regular expression.

        Args:
            max_bytes: closes the stream when no match ends within it.
        Raises:
            StreamClosedError: the stream ended before; its `real_error` is an
                UnsatisfiableReadError when `max_bytes` was passed.
        """
        return self._start_read(ReadRegex(re.compile(regex), max_bytes))

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read up to and with a delimiter; arguments and errors as `read_until_regex`."""
        return self._start_read(ReadUntil(delimiter, max_bytes))

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Awaitable[bytes]:
        """Read `num_bytes` bytes, or with `partial` as soon as there is one.

        Raises:
            StreamClosedError: the stream ended before.
        """
        return self._start_read(ReadBytes(num_bytes, partial))

    def read_into(self, buf: bytearray | memoryview, partial: bool = False) -> Awaitable[int]:
        """Fill `buf`, or with `partial` a part of it, and return how many bytes came.

        Raises:
            StreamClosedError: the stream ended before.
        """
        return self._start_read(ReadInto(memoryview(buf).cast("B"), partial))

    def read_until_close(self) -> Awaitable[bytes]:
        """Read all that comes until the stream is closed; ``b""`` when nothing does."""
        return self._start_read(ReadUntilClose())

    def reading(self) -> bool:
        """Say whether a read waits."""
        return self._read_future is not None and not self._read_future.done()

    def _start_read(self, read: PendingRead) -> "Future[Any]":
        if self.reading() or self._consumer is not None:
            raise AssertionError("Already reading")
        future = self._loop.create_future()
        self._read, self._read_future = read, future
        self._try_read()
        if not future.done():
            if self._eof and not self._closed:
                self.close()
            if self._closed:
                self._end_read()
            else:
                self._start()
                self._full = False
                self._flow()
        if self._closed and future.done() and future.exception() is not None:
            # The caller gets the error here, not from a future that it may never see.
            raise StreamClosedError(real_error=self.error)
        return future

    def _try_read(self) -> None:
        """Satisfy the waiting read from the buffer, if that is possible yet."""
        read, future = self._read, self._read_future
        if read is None or future is None:
            return
        if future.done():
            # Cancelled: what has come stays for the next read.
            self._read = self._read_future = None
            return
        data = self._data
        try:
            size = read.find(data, self._closed or self._eof)
        except UnsatisfiableReadError as error:
            gen_log.info("Unsatisfiable read, closing connection: %s", error)
            self.close(exc_info=error)
            return
        if size is None:
            if len(data) > self.max_buffer_size:
                self._overflow()
            return
        self._read = self._read_future = None
        if isinstance(read, ReadInto):
            read.target[:size] = data[:size]
            future.set_result(size)
        else:
            future.set_result(bytes(data[:size]))
        del data[:size]

    def _overflow(self) -> None:
        gen_log.error("Reached maximum read buffer size")
        self.close(exc_info=StreamBufferFullError("Reached maximum read buffer size"))

    def _end_read(self) -> None:
        """Fail the waiting read, or give it what there is if that was all it wanted."""
        self._try_read()
        future = self._read_future
        self._read = self._read_future = None
        if future is not None and not future.done():
            future.set_exception(StreamClosedError(real_error=self.error))
            future.exception()  # nobody is told off for not looking

    # -- push mode -----------------------------------------------------------------------

    def push_to(self, consumer: Callable[[bytes], None] | None) -> None:
        """Hand each chunk to `consumer` as it comes, instead of keeping it for reads.

        Args:
            consumer: gets ``b""`` when the peer sends no more; None ends the push mode.
        """
        self._consumer = consumer
        if consumer is None:
            return
        self._start()
        self._full = False
        self._flow()
        self._push()

    def _push(self) -> None:
        """Hand on what came while it could not be pushed."""
        if self._data and self._consumer is not None and not self._held:
            data = bytes(self._data)
            self._data.clear()
            self._consumer(data)
        if self._eof and not self._data and self._consumer is not None:
            self._consumer(b"")

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be read next."""
        self._data[:0] = data

    def pause_reading(self) -> None:
        """Take no more from the peer, until `resume_reading`."""
        self._held = True
        self._flow()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if self._held:
            self._held = False
            self._flow()
            self._push()

    def _flow(self) -> None:
        """Stop or restart the bytes that come in, as things stand."""
        stopped = self._held or self._full
        if stopped != self._stopped and not self._closed:
            self._stopped = stopped
            if stopped:
                self._pause()
            else:
                self._resume()

    # -- writing -------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> "Future[None]":
        """Send bytes; the future is done when all of them have left the program.

        Raises:
            StreamClosedError: the stream is closed.
            StreamBufferFullError: more than `max_write_buffer_size` would wait.
        """
        self.write_nowait(data)
        return self.flushed()

    def write_nowait(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes without a future; `drained` tells when they have left.

        Raises:
            StreamClosedError, StreamBufferFullError: as `write`.
        """
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        limit = self.max_write_buffer_size
        if limit is not None and self._unsent() + len(data) > limit:
            raise StreamBufferFullError("Reached maximum write buffer size")
        if data:
            self._send(data)

    def flushed(self) -> "Future[None]":
        """Return a future that is done when all written bytes have left the program.

        Its error is StreamClosedError when the stream was closed before.
        """
        if self._unsent():
            self._watch_sending()
        if self._blocked:
            future = self._loop.create_future()
            self._drain_waiters.append(future)
            return future
        return self.accepted()

    def accepted(self) -> "Future[None]":
        """Return a future that is done when few enough bytes wait for more to be written.

        Mostly it is done already: what is written leaves within the turn of the loop.
        """
        if self._blocked:
            return self.flushed()
        if self._sent is None:
            self._sent = self._loop.create_future()
            self._sent.set_result(None)
        return self._sent

    async def drained(self) -> None:
        """Wait until all written bytes have left the program.

        Raises:
            StreamClosedError: the stream was closed before.
        """
        if self._unsent():
            await self.flushed()

    def writing(self) -> bool:
        """Say whether so many bytes wait to be sent that no more should be written."""
        return self._blocked

    @property
    def unsent(self) -> int:
        """Bytes written that have not left the program."""
        return self._unsent()

    def _end_drain(self, error: BaseException | None) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for future in waiters:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
                    future.exception()

    # -- what a subclass calls -----------------------------------------------------------

    def _received(self, data: bytes) -> None:
        consumer = self._consumer
        if consumer is not None and not self._held:
            consumer(data)
            return
        self._data += data
        if self._read is not None:
            self._try_read()
        if self._read is None and len(self._data) >= self.read_chunk_size:
            self._full = True
            self._flow()

    def _received_eof(self) -> None:
        self._eof = True
        if self._consumer is not None:
            self._push()
        else:
            self._close_at_end()

    def _close_at_end(self) -> None:
        """Close when the peer has ended and somebody waits to hear of it.

        Nobody may: the peer then gets what is still written, and the next read finds the end.
        """
        if self._read is not None or (self._close_callback is not None and not self._data):
            self.close()

    def _write_blocked(self) -> None:
        self._blocked = True

    def _write_ready(self) -> None:
        self._blocked = False
        self._end_drain(None)

    def _gone(self, error: BaseException | None) -> None:
        """Take note that nothing can be moved any more."""
        if not self._closed:
            self.error = error
        self._finish()
        self._blocked = False
        self._end_drain(StreamClosedError(real_error=self.error))

    # -- the end -------------------------------------------------------------------------

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the stream is closed by either side; None clears it."""
        self._close_callback = callback
        if self._closed:
            self._call_close_callback()
        elif self._eof and self._consumer is None:
            self._close_at_end()

    def close(self, exc_info: "bool | BaseException | _ExcInfo | None" = False) -> None:
        """Close the stream once what was written has left.

        Args:
            exc_info: the error to keep in `error`; True takes the one being handled.
        """
        if self._closed:
            return
        if exc_info:
            self.error = _as_error(exc_info)
        self._finish()
        self._shut(abort=False)

    def abort(self) -> None:
        """Close the stream at once; what was not sent is lost."""
        self._finish()
        self._shut(abort=True)

    def closed(self) -> bool:
        """Say whether the stream is closed; what has come before can still be read."""
        return self._closed

    def set_nodelay(self, value: bool) -> None:
        """Send small writes at once (True) or let the kernel gather them; TCP only."""

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._end_read()
        self._consumer = None
        self._call_close_callback()

    def _call_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None and not self._loop.is_closed():
            self._loop.call_soon(_guarded, callback)


def _guarded(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        app_log.error("Exception in close callback %r", callback, exc_info=True)


def _as_error(exc_info: "bool | BaseException | _ExcInfo | None") -> BaseException | None:
    """Return the error that `close` was given in one of its forms."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return sys.exc_info()[1]
