"""`BaseIOStream`: reading and writing as every kind of stream has it."""

import asyncio
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

from toolkit.concurrent import Future
from toolkit.iostream.descriptor import DescriptorTransport
from toolkit.iostream.errors import StreamBufferFullError, StreamClosedError
from toolkit.iostream.incoming import FULL, Incoming
from toolkit.iostream.reads import ReadInto
from toolkit.log import app_log

#: Bytes that may wait for the end of the callback in which they are written.
CORK_SIZE = 64 * 1024
#: Seconds in which the peer of a closed stream has to take more of what was written before.
CLOSE_TIMEOUT = 30.0

_ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class BaseIOStream(Incoming):
    """A non-blocking stream of bytes, read by one reader at a time.

    A subclass of a program gives `fileno`, `close_fd`, `read_from_fd` and `write_to_fd`, and
    the stream calls them when the descriptor is ready. Those of the toolkit mostly have a
    transport of the loop move the bytes; the stream is its protocol, and the methods of
    `asyncio.Protocol` are for the loop alone.

    Example::

        async with IOStream(connected_socket) as stream:
            async for line in stream:
                await stream.write(line)

    Args:
        max_buffer_size: most bytes that may wait to be read; one more closes the stream
            with StreamBufferFullError.
        read_chunk_size: bytes that may wait while nobody reads; past it the peer has to wait.
        max_write_buffer_size: most bytes that may wait to be sent; None for no limit.

    Attributes:
        error: what closed the stream; None for an orderly end.
    """

    __slots__ = ("blocked", "max_write_buffer_size")

    _lost = False  # nothing moves bytes any more
    _close_callback: Callable[[], None] | None = None
    _close_timer: asyncio.TimerHandle | None = None
    _close_waiters: list[Future[None]] | None = None
    _drain_waiters: list[Future[None]] | None = None
    _early: list[bytes] | None = None  # written before there was a transport

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        super().__init__(max_buffer_size, read_chunk_size)
        self.max_write_buffer_size = max_write_buffer_size
        # Whether no more should be written now: too many bytes wait, or the stream is closed.
        self.blocked = False

    # -- what a subclass of a program gives ----------------------------------------------

    def fileno(self) -> Any:
        """Return the file descriptor, or an object that has one."""
        raise NotImplementedError

    def close_fd(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def write_to_fd(self, data: memoryview) -> int:
        """Write what can be written without waiting and return how much that was."""
        raise NotImplementedError

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read into `buf` and return how much; 0 at the end, None when nothing is there yet."""
        raise NotImplementedError

    def get_fd_error(self) -> Exception | None:
        """Return the error that is kept with the descriptor, if there is one."""
        return None

    def _open(self) -> None:
        """Begin to get a transport, which comes by `connection_made`."""
        DescriptorTransport(self._loop, self, self).start()

    def _can_open(self) -> bool:
        """Say whether there is something yet that a transport could be for."""
        return True

    # -- writing -------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> "Future[None]":
        """Send bytes; the future is done when all of them have left the program.

        A reader who goes on in the callback that brought him bytes, as that of a
        `handle_stream` does, finds it done already, up to 64 KiB: what he writes leaves as one
        when he waits again. Should the peer take none, it waits, and the next `write` for it.

        Args:
            data: that of a writable memoryview must not change before.
        Raises:
            StreamClosedError: the stream is closed.
            StreamBufferFullError: more than `max_write_buffer_size` would wait.
        """
        self.write_nowait(data)
        if self._corked is not None:
            return self.io_loop.done
        transport = self._transport
        if transport is None or self._closed or transport.get_write_buffer_size():
            return self.flushed()
        return self.accepted()

    def write_nowait(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes without a future; `drained` tells when they have left.

        Raises:
            StreamClosedError, StreamBufferFullError: as `write`.
        """
        corked, transport = self._corked, self._transport
        if type(data) is not bytes or self.max_write_buffer_size is not None:
            self._write_with_care(data)
        elif corked is not None:
            if corked:
                self._keep(corked, data)
            else:
                self._corked = data
        elif transport is None or self._closed:
            self._write_with_care(data)
        else:
            transport.write(data)

    def gather(self) -> None:
        """Keep what is written from here to the end of this turn of the loop, and send it as one.

        That is up to 64 KiB, and only where nothing waits to be sent already. A system call
        takes longer than it takes to make a short message.
        """
        transport = self._transport
        if self._corked is None and transport is not None and not transport.get_write_buffer_size():
            self._corked = b""
            self._loop.call_soon(self._uncork)

    def write_gathered(self, data: bytes) -> "Future[None]":
        """Do as `gather` and `write_nowait`, and return the future of `accepted`.

        Of a stream that is closed the future alone tells.
        """
        corked = self._corked
        if type(corked) is bytearray and not self._closed and self.max_write_buffer_size is None:
            # The third piece of a turn and all that follow.
            corked += data
            if len(corked) > CORK_SIZE:
                self._uncork()
            elif not self.blocked:
                return self.io_loop.done
        elif not self._closed:
            self.gather()
            self.write_nowait(data)
        return self.accepted()

    def _keep(self, corked: bytes | bytearray, data: bytes) -> None:
        """Add to what leaves at the end of the callback."""
        if type(corked) is not bytearray:
            self._corked = corked = bytearray(corked)
        corked += data
        if len(corked) > CORK_SIZE:
            self._uncork()

    def _write_with_care(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise StreamClosedError(real_error=self.error)
        if type(data) is not bytes:
            data = _plain(data)
        limit = self.max_write_buffer_size
        if limit is not None and self.unsent + len(data) > limit:
            raise StreamBufferFullError("Reached maximum write buffer size")
        if self._transport is None:
            if data:
                self._write_early(bytes(data))
        elif self._corked is not None and type(data) is bytes:
            self._keep(self._corked, data)
        else:
            self._uncork()
            self._transport.write(data)

    def _write_early(self, data: bytes) -> None:
        """Keep bytes for the transport, which is not there yet."""
        if self._early is None:
            self._early = []
        self._early.append(data)
        self.blocked = True
        self._open()

    def flushed(self) -> "Future[None]":
        """Return a future that is done when all written bytes have left the program.

        Its error is StreamClosedError when the stream was closed before.
        """
        self._uncork()
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._watch_sending()
        if not self.blocked:
            return self.accepted()
        future = self._loop.create_future()
        if self._closed:
            self._fail(future, StreamClosedError(real_error=self.error))
        else:
            if self._drain_waiters is None:
                self._drain_waiters = []
            self._drain_waiters.append(future)
        return future

    def accepted(self) -> "Future[None]":
        """Return a future that is done when few enough bytes wait for more to be written.

        Mostly it is done already: what is written leaves within the turn of the loop.
        """
        return self.flushed() if self.blocked else self.io_loop.done

    def write_eof(self) -> None:
        """Tell the peer, after what was written, that no more comes; reading goes on.

        Raises:
            StreamClosedError: the stream is closed.
            NotImplementedError: there is no such thing for this kind of stream, as with TLS.
        """
        if self._closed or self._transport is None:
            raise StreamClosedError(real_error=self.error)
        if not self._transport.can_write_eof():
            raise NotImplementedError(f"{type(self).__name__} has no way to end one direction")
        self._uncork()
        self._transport.write_eof()

    async def drained(self) -> None:
        """Wait until all written bytes have left the program.

        Raises:
            StreamClosedError: the stream was closed before.
        """
        if self.unsent:
            await self.flushed()

    def writing(self) -> bool:
        """Say whether so many bytes wait to be sent that no more should be written."""
        return self.blocked and not self._closed

    @property
    def unsent(self) -> int:
        """Bytes written that have not left the program."""
        if self._transport is not None:
            return self._transport.get_write_buffer_size() + len(self._corked or b"")
        return sum(map(len, self._early)) if self._early else 0

    @property
    def _write_buffer(self) -> "_Appended | None":
        """What bytes can be appended to before `write`; None when closed.

        Programs for Tornado do that which would not have many large pieces copied into one.
        """
        return None if self._closed else _Appended(self)

    #: Bytes written, as such programs count them up; here nothing depends on it.
    _total_write_index = 0

    def _watch_sending(self) -> None:
        """Have `pause_writing` called now, and `resume_writing` when all has left."""
        # With these limits the loop says at once that it is writing, and later that the last
        # byte has left.
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=0)

    def _end_drain(self, error: BaseException | None) -> None:
        waiters = self._drain_waiters
        if waiters is None:
            return
        self._drain_waiters = None
        for future in waiters:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    self._fail(future, error)

    # -- asyncio.Protocol ----------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport that moves the bytes; None before there is one."""
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        early = self._early
        if early:
            self._early = None
            # Not `writelines`, which on Python 3.12 and 3.13 says nothing of a full buffer.
            self._transport.write(b"".join(early))
            self._watch_sending()
            # It may be lost already, by that very write.
            if self._transport is not None and not self._transport.get_write_buffer_size():
                self.resume_writing()
        if self._closed:
            self._shut(abort=False)
            return
        if isinstance(transport, DescriptorTransport):
            self._on_demand = self._close_callback is None
            if self._on_demand and self._read is None and self._consumer is None:
                self._halt |= FULL
            else:
                self._halt &= ~FULL
            self._stopped = True  # so it begins
            self._flow()
        elif self._stopped:
            self._transport.pause_reading()
        if isinstance(self._read, ReadInto) and self._read_future is not None:
            self._fill_in_place(self._read, self._read_future)

    def eof_received(self) -> bool:
        """Keep the way out open: the peer may still wait for an answer; called by the loop.

        TLS has no half-closed connections, so there the loop closes.
        """
        self._eof = True
        if self._consumer is not None:
            self._push()
        else:
            self._close_at_end()
        return self._transport is not None and self._transport.can_write_eof()

    def _close_at_end(self) -> None:
        """Close when the peer has ended and somebody waits to hear of it.

        Nobody may: the peer then gets what is still written, and the next read finds the end.
        """
        if self._read is not None or (self._close_callback is not None and not self._data):
            self.close()

    def pause_writing(self) -> None:
        """Take note that too many bytes wait; called by the loop."""
        self.blocked = True

    def resume_writing(self) -> None:
        """Take note that what was written has left; called by the loop."""
        if self._transport is not None:
            self._transport.set_write_buffer_limits()
        self.blocked = self._closed
        self._end_drain(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that nothing can be moved any more; called by the loop."""
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        self._lost = True
        self._transport = None
        if self._early is not None:
            self._early = None
        if exc is not None and not self._closed:
            self.error = exc
        self._finish()
        for future in self._close_waiters or ():
            if not future.done():
                future.set_result(None)

    # -- the end -------------------------------------------------------------------------

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the stream is closed by either side; None clears it."""
        self._close_callback = callback
        if callback is None:
            return
        if self._closed:
            self._call_close_callback()
        elif self._eof and self._consumer is None:
            self._close_at_end()
        else:
            # Bytes have to be taken in for the end to be seen.
            if self._transport is None and self._can_open():
                self._open()
            self._on_demand = False
            if not self._data:
                self._halt &= ~FULL
                self._flow()

    def close(self, exc_info: "bool | BaseException | _ExcInfo | None" = False) -> None:
        """Close the stream.

        What was written before is still sent while the peer takes it, but a `write` that
        waits is told that the stream was closed.

        Args:
            exc_info: the error to keep in `error`; True takes the one being handled.
        """
        if self._closed:
            return
        if exc_info:
            self.error = _as_error(exc_info)
        self._uncork()
        self._finish()
        self._shut(abort=False)

    def abort(self) -> None:
        """Close the stream at once; what was not sent is lost."""
        self._corked = None
        self._finish()
        self._shut(abort=True)

    async def wait_closed(self) -> None:
        """Wait until a closed stream has sent what was written, and let go of its file."""
        if not self._lost:
            future = self._loop.create_future()
            if self._close_waiters is None:
                self._close_waiters = []
            self._close_waiters.append(future)
            await future

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the stream; without an exception, wait until all has been sent.

        Who is cancelled has no time for peers that do not read: then it is aborted.
        """
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.abort()
        self.close()
        if kind is None:
            await self.wait_closed()

    def set_nodelay(self, value: bool) -> None:
        """Send small writes at once (True) or let the kernel gather them; TCP only."""

    def _shut(self, abort: bool) -> None:
        """Have the transport end, or do without one."""
        transport = self._transport
        if self._loop.is_closed():
            # A transport cannot end without its loop; it closes its socket when it is deleted.
            return
        if transport is None:
            if not self._lost and (abort or not self._sends_early()):
                self._shut_early()
        elif abort:
            transport.abort()
        else:
            unsent = transport.get_write_buffer_size()
            transport.close()
            if unsent:
                self._watch_close(unsent)

    def _sends_early(self) -> bool:
        """Say whether a transport is on its way that will send what was written."""
        return bool(self._early)

    def _shut_early(self) -> None:
        """Close a stream that never had a transport."""
        self.close_fd()
        self.connection_lost(None)

    def _watch_close(self, unsent: int) -> None:
        """Cut the peer off when it takes nothing of the last bytes for too long."""

        def check() -> None:
            left = self.unsent
            if left < unsent:
                self._watch_close(left)
            elif self._transport is not None:
                self._transport.abort()

        self._close_timer = self._loop.call_later(CLOSE_TIMEOUT, check)

    def _finish(self) -> None:
        """Tell everybody that the stream is closed."""
        if self._closed:
            return
        self._closed = True
        if self._read is not None:
            self._end_read()
        self._consumer = None
        self._corked = None
        self.blocked = True
        if self._drain_waiters is not None:
            self._end_drain(StreamClosedError(real_error=self.error))
        self._call_close_callback()

    def _call_close_callback(self) -> None:
        callback = self._close_callback
        if callback is None:
            return
        self._close_callback = None
        if not self._loop.is_closed():
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


def _plain(data: bytes | bytearray | memoryview) -> bytes | memoryview:
    """Return data as a transport takes it: in bytes, and free of what the caller may resize."""
    if isinstance(data, memoryview):
        return data if data.format == "B" and data.ndim == 1 else data.cast("B")
    return bytes(data)


class _Appended:
    """Takes bytes for a stream the way a list does."""

    __slots__ = ("_stream",)

    def __init__(self, stream: BaseIOStream) -> None:
        self._stream = stream

    def append(self, data: bytes | bytearray | memoryview) -> None:
        self._stream.write_nowait(data)

    def __len__(self) -> int:
        return self._stream.unsent
