"""`Incoming`: the half of a stream that takes bytes in."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self, cast

from toolkit.concurrent import Future
from toolkit.ioloop import IOLoop
from toolkit.iostream.descriptor import DescriptorTransport
from toolkit.iostream.errors import StreamBufferFullError, StreamClosedError, UnsatisfiableReadError
from toolkit.iostream.filling import PushFiller, ReadFiller, SharedReader, shared_buffer
from toolkit.iostream.reads import (
    PendingRead,
    ReadBytes,
    ReadFuture,
    ReadInto,
    ReadRegex,
    ReadUntilClose,
    read_line,
    read_until,
)
from toolkit.iostream.socket_transport import SocketTransport
from toolkit.iostream.tls import TLSTransport
from toolkit.log import gen_log

#: As Tornado's: 100 MiB may wait to be read.
DEFAULT_MAX_BUFFER_SIZE = 100 * 1024 * 1024
DEFAULT_READ_CHUNK_SIZE = 64 * 1024
#: Bytes from which on it pays to have the kernel write into the buffer of `read_into`.
IN_PLACE_MIN = 16 * 1024
#: Bits of why a stream takes no more in.
HELD = 1  # by pause_reading
FULL = 2  # more waits than anybody has asked for
#: Transports that read no more than `FIRST_SIZE` before they know who wants the rest.
OURS = (SocketTransport, TLSTransport)
#: How some systems report a peer that has just closed.
RESETS = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class Incoming(asyncio.Protocol):
    """What `BaseIOStream` has for reading, and hands on to consumers.

    Args:
        max_buffer_size, read_chunk_size: as of `BaseIOStream`.
    """

    # A stream that waits is to take little memory. What every one needs has a slot; what few
    # do has its default in the class, and is only to be set to something else.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_closed",
        "_consumer",
        "_corked",
        "_data",
        "_eof",
        "_halt",
        "_position",
        "_read",
        "_read_future",
        "_reads",
        "_transport",
        "io_loop",
    )

    max_buffer_size = DEFAULT_MAX_BUFFER_SIZE
    read_chunk_size = DEFAULT_READ_CHUNK_SIZE
    error: BaseException | None = None
    _stopped = False  # what follows from _halt, as the transport was told
    _on_demand = False  # whether bytes are taken in only while somebody reads
    _end_told = False  # whether the consumer has heard of the end

    def __init__(self, max_buffer_size: int | None, read_chunk_size: int | None) -> None:
        self.io_loop = IOLoop.current()
        if max_buffer_size or read_chunk_size:
            self.max_buffer_size = max_buffer_size or DEFAULT_MAX_BUFFER_SIZE
            self.read_chunk_size = min(
                read_chunk_size or DEFAULT_READ_CHUNK_SIZE, self.max_buffer_size // 2
            )
        self._transport: asyncio.Transport | None = None
        # What was received and not read: a chunk as it came, a bytearray once chunks had to
        # be put together. Copying each chunk into one buffer cost half of a proxy's work.
        self._data: bytes | bytearray = b""
        self._position = 0  # of the first unread byte
        self._read: PendingRead | None = None
        self._read_future: ReadFuture[Any] | None = None
        self._reads = 0  # satisfied so far
        # What the reader writes within the callback that brought him bytes; None outside of it.
        self._corked: bytes | bytearray | None = None
        self._consumer: Callable[[bytes], None] | None = None
        self._halt = 0  # why no more is taken in: HELD, or FULL, which it never is with a consumer
        self._eof = False
        self._closed = False

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self.io_loop.asyncio_loop

    def _open(self) -> None:
        """Begin to get a transport, which comes by `connection_made`."""
        raise NotImplementedError

    def close(self, exc_info: Any = False) -> None:
        """Close the stream."""
        raise NotImplementedError

    def closed(self) -> bool:
        """Say whether the stream is closed; what has come before can still be read."""
        return self._closed

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
        return self._start_read(read_until(delimiter, max_bytes))

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Awaitable[bytes]:
        """Read `num_bytes` bytes, or with `partial` as soon as there is one.

        Raises:
            StreamClosedError: the stream ended before.
        """
        if num_bytes < 0:
            raise ValueError(f"num_bytes {num_bytes}; 0 and more are allowed")
        return self._start_read(ReadBytes(num_bytes, partial), at_once=not num_bytes)

    def read_into(self, buf: bytearray | memoryview, partial: bool = False) -> Awaitable[int]:
        """Fill `buf`, or with `partial` a part of it, and return how many bytes came.

        What is not here yet the kernel writes right into `buf`, which must not be resized
        meanwhile.

        Raises:
            StreamClosedError: the stream ended before.
        """
        target = memoryview(buf).cast("B")
        if target.readonly:
            raise TypeError(f"{type(buf)!r} cannot be written to; a bytearray is allowed")
        read = ReadInto(target, buf, partial)
        future = self._start_read(read, at_once=not len(target))
        if not future.done():
            self._fill_in_place(read, future)
        return future

    def read_until_close(self) -> Awaitable[bytes]:
        """Read all that comes until the stream is closed; ``b""`` when nothing does.

        Raises:
            StreamClosedError: an error closed it, so that bytes may be missing.
        """
        return self._start_read(ReadUntilClose())

    def reading(self) -> bool:
        """Say whether a read waits."""
        return self._read is not None

    async def lines(self, max_bytes: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over the lines that come, each with its LF but perhaps the last.

        Args:
            max_bytes: a longer line closes the stream; None for `max_buffer_size`.
        Raises:
            StreamClosedError: it was no orderly end.
        """
        while line := await self._line(max_bytes):
            yield line

    def __aiter__(self) -> Self:
        """Iterate as `lines` does."""
        return self

    async def __anext__(self) -> bytes:
        line = await self._line(None)
        if not line:
            raise StopAsyncIteration
        return line

    async def _line(self, max_bytes: int | None) -> bytes:
        """Return the next line; ``b""`` at the end."""
        try:
            return await self._start_read(read_line(b"\n", max_bytes))  # type: ignore[no-any-return]
        except StreamClosedError as error:
            if error.real_error is not None:
                raise
            return b""

    def _start_read(self, read: PendingRead, at_once: bool = False) -> "ReadFuture[Any]":
        if self._read is not None or self._consumer is not None:
            if isinstance(read, ReadInto):
                read.target.release()
            raise AssertionError("Already reading")
        future: ReadFuture[Any] = ReadFuture(loop=self.io_loop.asyncio_loop)
        future.stream, future.driver = self, None
        self._read, self._read_future = read, future
        if self._data or at_once or self._closed or self._eof:
            self._try_read()
            if self._eof and not self._closed and isinstance(read, ReadUntilClose):
                self.close()
            if future.done():
                return future
            if self._closed or self._eof:
                if not self._closed:
                    self.close()
                self._end_read()
                raise StreamClosedError(real_error=self.error)
        if self._transport is None:
            self._open()
        if self._halt & FULL:
            self._halt &= ~FULL
            self._flow()
            if self._on_demand:
                self._read_now()
                if self.closed() and future.done() and future.exception() is not None:
                    # The caller gets the error here, not from a future that it may never see.
                    raise StreamClosedError(real_error=self.error)
        return future

    def _try_read(self, seen: int = 0) -> None:
        """Satisfy the waiting read from the buffer, if that is possible yet.

        Args:
            seen: how many of the unread bytes were not enough for this read before.
        """
        read, future = self._read, self._read_future
        if read is None or future is None:
            return
        result: Any
        if type(read) is ReadInto:
            self._consume(read.take(self._data, self._position))
            if not read.satisfied:
                return
            self._drop_read()
            result = read.filled
        else:
            data, position = self._data, self._position
            try:
                size = read.find(data, position, seen)
            except UnsatisfiableReadError as error:
                gen_log.info("Unsatisfiable read, closing connection: %s", error)
                self.close(exc_info=error)
                return
            if size is None and (self._closed or self._eof) and self._ended_well():
                size = read.find_at_end(data, position)
            if size is None:
                if len(data) - position > self.max_buffer_size and not self._closed:
                    self._overflow()
                return
            self._read = self._read_future = None
            if size == len(data) and type(data) is bytes:
                # Most often all that has come is just what was waited for.
                self._data = b""
                result = data
            else:
                result = self._take(size)
        # The reader, who waits no more, is given what he wanted.
        driver = future.driver
        self._reads = future.driver = self._reads + 1
        if driver is None:
            Future.set_result(future, result)
            return
        transport = self._transport
        if (
            self._corked is not None
            or transport is None
            or self._closed
            or transport.get_write_buffer_size()
        ):
            driver.deliver(future, result)
            return
        # A reader who goes on in place may find many messages in a chunk. What he writes for
        # each leaves at once: a system call takes longer than his work.
        self._corked = b""
        driver.deliver(future, result)
        self._uncork()

    def _drop_read(self) -> None:
        """Forget the waiting read; what a `read_into` that failed had got stays to be read."""
        read, future = self._read, self._read_future
        self._read = self._read_future = None
        if isinstance(read, ReadInto):
            if not read.satisfied:
                self.unread(bytes(read.target[: read.filled]))
            elif future is not None:
                future.target = read.buffer
            read.target.release()

    def _take(self, size: int) -> bytes:
        """Take bytes out of the buffer."""
        data, start = self._data, self._position
        if start + size == len(data):
            self._data, self._position = b"", 0
        else:
            self._position = start + size
        if type(data) is bytes:
            return data[start : start + size]  # of all of them: themselves
        with memoryview(data) as view:
            return bytes(view[start : start + size])

    def _consume(self, size: int) -> None:
        self._position += size
        if self._position == len(self._data):
            self._data, self._position = b"", 0

    def _append(self, chunk: bytes) -> None:
        """Add to a buffer that is not empty."""
        data, start = self._data, self._position
        if type(data) is not bytearray:
            with memoryview(data) as view:
                self._data = data = bytearray(view[start:])
            self._position = 0
        elif start > len(data) // 2:
            del data[:start]  # each byte is moved once, on average
            self._position = 0
        data += chunk

    def _ended_well(self) -> bool:
        """Say whether all that the peer sent has come.

        A reset counts: some systems report it where the peer just closed.
        """
        return self.error is None or isinstance(self.error, RESETS)

    def _overflow(self) -> None:
        error = StreamBufferFullError("Reached maximum read buffer size")
        gen_log.error("Reached maximum read buffer size")
        gen_log.warning("error on read: %s", error)
        self.close(exc_info=error)

    def _end_read(self) -> None:
        """Fail the waiting read, or give it what there is if that was all it wanted."""
        self._try_read()
        future = self._read_future
        self._drop_read()
        if future is not None and not future.done():
            self._fail(future, StreamClosedError(real_error=self.error))

    @staticmethod
    def _fail(future: "Future[Any]", error: BaseException) -> None:
        future.set_exception(error)
        future.exception()  # nobody is told off for not looking

    def put_back(self, future: "ReadFuture[Any]") -> None:
        """Have the result of a read whose reader was cancelled be read next.

        `ReadFuture` calls it.
        """
        if future.driver != self._reads:
            return  # another read has taken the bytes after it
        result = future.result()
        if isinstance(result, int):
            result = bytes(memoryview(future.target).cast("B")[:result])
        self.unread(result)

    def _fill_in_place(self, read: ReadInto, future: "ReadFuture[Any]") -> None:
        """Have what comes written right into the reader's buffer."""
        transport = self._transport
        if transport is not None and len(read.target) - read.filled >= IN_PLACE_MIN:
            transport.set_protocol(ReadFiller(self, transport, read, future, self._filled))

    def forget(self, future: "ReadFuture[Any]") -> None:
        """Have what comes be for the next read, as this one was cancelled.

        `ReadFuture` calls it.
        """
        if self._read_future is future:
            self._drop_read()

    def _filled(self) -> None:
        """Take note that `ReadFiller` brought all that the read wanted."""
        self._try_read()
        if self._read is None and self._on_demand:
            self._halt |= FULL
            self._flow()

    def _read_now(self) -> None:
        """Take in what is there, in place of waiting for a sign of the loop."""
        transport = self._transport
        if isinstance(transport, DescriptorTransport):
            transport.poll()

    # -- push mode -----------------------------------------------------------------------

    def push_to(self, consumer: Callable[[bytes], None] | None) -> None:
        """Hand each chunk to `consumer` as it comes, instead of keeping it for reads.

        Args:
            consumer: gets ``b""`` when the peer sends no more; None ends the push mode.
        """
        self._consumer = consumer
        self._end_told = False
        if consumer is None:
            return
        if self._transport is None and not self._closed:
            self._open()
        self._halt &= ~FULL
        self._flow()
        self._push()

    def share_buffer(self) -> None:
        """In push mode, have what comes first in 64 KiB at most, by way of a common buffer.

        It is for who expects little or, by `push_into`, the rest of much.
        """
        transport = self._transport
        # Ours begin with so little themselves, and copy nothing.
        if transport is None or self._closed or isinstance(transport, OURS):
            return
        transport.set_protocol(SharedReader(self, transport, shared_buffer(self._loop)))

    def push_into(
        self, target: memoryview, ended: Callable[[int], None], in_bulk: bool = False
    ) -> PushFiller | None:
        """In push mode, have what comes next written right into `target`, past the consumer.

        Args:
            target: writable bytes; it is released at the end.
            ended: called once, with the number of bytes that were written: when `target` is full,
                or no more comes. What comes then goes to the consumer, as does the end.
            in_bulk: whether all of it is so sure to come that the system may tell of large parts
                alone; `filled` of what is returned is late then.
        Returns:
            What can stop it before; None where it cannot be, since the stream is closed or holds
            bytes back.
        """
        transport = self._transport
        if transport is None or self._closed or self._halt or self._data or self._eof:
            return None
        protocol = cast(asyncio.Protocol, transport.get_protocol())
        socket = self._option_socket(transport) if in_bulk else None
        filler = PushFiller(protocol, transport, target, ended, socket)
        transport.set_protocol(filler)
        return filler

    def _option_socket(self, transport: asyncio.Transport) -> Any:
        """Return what sets options of the socket of a transport; None where that has none."""
        return transport.get_extra_info("socket")

    def _push(self) -> None:
        """Hand on what came while it could not be pushed."""
        if self._data and self._consumer is not None and not self._halt:
            self._consumer(self._take(len(self._data) - self._position))
        if self._eof and not self._data and self._consumer is not None and not self._end_told:
            self._end_told = True
            self._consumer(b"")

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be read next."""
        if data:
            self._data = data + bytes(self._data[self._position :])
            self._position = 0
            self._try_read()

    def pause_reading(self) -> None:
        """Take no more from the peer, until `resume_reading`."""
        self._halt |= HELD
        self._flow()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if self._halt & HELD:
            self._halt &= ~HELD
            self._flow()
            self._push()

    def _flow(self) -> None:
        """Stop or restart the bytes that come in, as things stand."""
        stopped = self._halt != 0
        if stopped != self._stopped and not self._closed:
            self._stopped = stopped
            if self._transport is not None:
                if stopped:
                    self._transport.pause_reading()
                else:
                    self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take a chunk; called by the loop."""
        consumer = self._consumer
        if consumer is not None and not self._halt:
            consumer(data)
            return
        if self._data:
            seen = len(self._data) - self._position
            self._append(data)
            self._try_read(seen)
        else:
            self._data = data
            self._try_read()
        if self._read is None and self._has_enough():
            self._stop_when_enough()

    def _uncork(self) -> None:
        """Send what was kept for the end of the callback; from here on nothing is kept."""
        corked, self._corked = self._corked, None
        if corked and self._transport is not None:
            self._transport.write(corked)

    def _has_enough(self) -> bool:
        """Say whether no more is to be taken in before somebody reads."""
        return self._on_demand or len(self._data) - self._position >= self.read_chunk_size

    def _stop_when_enough(self) -> None:
        if self._read is None and self._consumer is None and self._has_enough():
            self._halt |= FULL
            self._flow()
