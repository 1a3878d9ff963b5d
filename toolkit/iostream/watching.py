"""`WatchingTransport`: the half of a transport that does not depend on the kind of its file."""

import asyncio
from collections import deque
from typing import Any

#: As of asyncio's transports: the unsent bytes from which on the protocol is told to wait.
DEFAULT_HIGH_WATER = 64 * 1024
#: Those from which on it may go on: the same number for all, not 32 bytes for each.
DEFAULT_LOW_WATER = DEFAULT_HIGH_WATER // 4
#: Bytes up to which pieces that wait to be sent are put together. Of larger ones it is cheaper to
#: keep what was given.
SMALL_PIECE = 4096

#: Pieces that wait to be sent; small ones are in bytearrays, to which the next are added.
Queue = deque[bytes | bytearray | memoryview]


class WatchingTransport(asyncio.Transport):
    """A transport that reads and writes a file itself, when the loop says that it is ready.

    A subclass has the file, and reads, writes and closes it. Whom nobody lets read on is only
    taken off the loop when something comes: to stop and go on costs no system call.

    Args:
        fd: of the file.
        protocol: gets what comes.
    """

    # A server has one for each connection, most of which wait.
    __slots__ = (
        "_buffered",
        "_closing",
        "_ended",
        "_fd",
        "_full",
        "_gone",
        "_high",
        "_loop",
        "_low",
        "_paused",
        "_protocol",
        "_queue",
        "_read_watched",
        "_unsent",
        "_write_watched",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fd: int, protocol: asyncio.BaseProtocol
    ) -> None:
        # That of the base class makes a dict for each transport.
        self._loop = loop
        self._fd = fd
        self.set_protocol(protocol)
        self._queue: Queue | None = None  # what waits to be sent
        self._unsent = 0  # bytes of it
        self._high, self._low = DEFAULT_HIGH_WATER, DEFAULT_LOW_WATER
        self._full = False  # as the protocol was told
        self._paused = False
        self._ended = False  # no more comes
        self._closing = False
        self._gone = False
        self._read_watched = self._write_watched = False

    def start(self) -> None:
        """Tell the protocol that the transport can be used."""
        self._protocol.connection_made(self)
        self._watch_reading(self.is_reading())

    # -- what a subclass gives -----------------------------------------------------------

    def _on_readable(self) -> None:
        """Read, or look away from the file while nobody wants to."""
        raise NotImplementedError

    def _send_queue(self, queue: Queue) -> int:
        """Send what goes without waiting and return how much that was."""
        raise NotImplementedError

    def _write_failed(self, error: Exception) -> None:
        """Say what has to be said of an error, and call `_fail`."""
        raise NotImplementedError

    def _close_file(self) -> None:
        raise NotImplementedError

    # -- in ------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def is_reading(self) -> bool:
        return not (self._paused or self._ended or self._closing)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._watch_reading(self.is_reading())

    def _end(self) -> None:
        """Take note that the other side sends no more."""
        self._ended = True
        self._watch_reading(False)
        if not self._protocol.eof_received():
            self.close()

    # -- out -----------------------------------------------------------------------------

    def _keep(self, data: bytes | memoryview) -> None:
        """Have what could not be sent follow as soon as there is room for it."""
        if type(data) is memoryview and type(data.obj) is not bytes:
            data = bytes(data)  # its owner may change it
        queue = self._queue
        if queue is None:
            self._queue = queue = deque()
        if len(data) > SMALL_PIECE:
            queue.append(data)
        elif queue and type(last := queue[-1]) is bytearray and len(last) < DEFAULT_HIGH_WATER:
            last += data
        else:
            queue.append(bytearray(data))
        self._unsent += len(data)
        self._watch_writing(True)
        self._tell_full()

    def _on_writable(self) -> None:
        if self._queue is None:
            return  # aborted, and about to be lost
        try:
            sent = self._send_queue(self._queue)
        except (BlockingIOError, InterruptedError):
            return
        except Exception as error:
            self._write_failed(error)
            return
        self._take_out(sent)
        if self._full and self._unsent <= self._low:
            self._full = False
            self._protocol.resume_writing()
        if not self._unsent and not self._gone:
            self._watch_writing(False)
            self._all_sent()

    def _take_out(self, size: int) -> None:
        """Take what was sent out of the queue."""
        queue = self._queue
        self._unsent -= size
        while size and queue:
            piece = queue.popleft()
            if size < len(piece):
                queue.appendleft(memoryview(piece)[size:])
                return
            size -= len(piece)
        if not queue:
            self._queue = None  # an empty one takes 760 bytes

    def _all_sent(self) -> None:
        if self._closing:
            self._lose(None)

    def _tell_full(self) -> None:
        if not self._full and self._unsent > self._high:
            self._full = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = DEFAULT_HIGH_WATER if low is None else 4 * low
        if low is None:
            low = DEFAULT_LOW_WATER if high == DEFAULT_HIGH_WATER else high // 4
        if not 0 <= low <= high:
            raise ValueError(f"high {high}, low {low}; 0 <= low <= high is allowed")
        self._high, self._low = high, low
        self._tell_full()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def can_write_eof(self) -> bool:
        return False

    # -- the end -------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._loop.is_closed():
            self._lose(None)
            return
        self._watch_reading(False)
        if not self._unsent:
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._fail(None)

    def _fail(self, error: BaseException | None) -> None:
        """Send no more, and lose the file in the next turn, as is due to a protocol that writes.

        To let go of it takes as long as to serve a request. A timer comes after the files that
        are ready, so that those who wait at them do not wait for both halves of an end.
        """
        self._closing = True
        self._queue, self._unsent = None, 0
        if self._loop.is_closed():
            self._lose(error)
        else:
            self._loop.call_later(0, self._lose, error)

    def _lose(self, error: BaseException | None) -> None:
        """Tell the protocol that it is over, and close the file."""
        if self._gone:
            return
        self._gone = self._closing = True
        self._queue, self._unsent = None, 0
        self._watch_reading(False)
        self._watch_writing(False)
        protocol, self._protocol = self._protocol, None  # which mostly has the transport
        try:
            protocol.connection_lost(error)
        finally:
            self._close_file()

    # -- readiness -----------------------------------------------------------------------

    def _watch_reading(self, wanted: bool) -> None:
        # A closed loop watches nothing any more, and takes nothing back.
        if wanted is not self._read_watched and not self._loop.is_closed():
            self._read_watched = wanted
            if wanted:
                self._loop.add_reader(self._fd, self._on_readable)
            else:
                self._loop.remove_reader(self._fd)

    def _watch_writing(self, wanted: bool) -> None:
        if wanted is not self._write_watched and not self._loop.is_closed():
            self._write_watched = wanted
            if wanted:
                self._loop.add_writer(self._fd, self._on_writable)
            else:
                self._loop.remove_writer(self._fd)
