"""`DescriptorTransport`: moves the bytes of a stream that reads and writes its file itself."""

import asyncio
from typing import Any, Protocol

from toolkit.log import gen_log

#: Reads in one turn of the loop, before others get theirs.
READS_PER_TURN = 16
#: Most bytes that are offered to the file at once.
WRITE_CHUNK_SIZE = 256 * 1024
#: As of asyncio's transports: the unsent bytes from which on the stream is told to wait.
DEFAULT_HIGH_WATER = 64 * 1024


class Source(Protocol):
    """What a stream gives: how its file is read, written and closed without waiting."""

    read_chunk_size: int

    def fileno(self) -> Any: ...
    def close_fd(self) -> None: ...
    def write_to_fd(self, data: memoryview) -> int: ...
    def read_from_fd(self, buf: bytearray | memoryview) -> int | None: ...
    def get_fd_error(self) -> Exception | None: ...


class DescriptorTransport(asyncio.Transport):
    """A transport over the methods of a stream and the readiness that a loop tells.

    It takes nothing in until it is told to by `resume_reading`, or asked by `poll`.

    Args:
        source: has the file.
        protocol: gets what comes, as that of any transport; mostly the same stream.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: Source,
        protocol: asyncio.BaseProtocol,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._source = source
        self.set_protocol(protocol)
        self._fd = _number(source.fileno())
        self._unsent = bytearray()
        self._high, self._low = DEFAULT_HIGH_WATER, DEFAULT_HIGH_WATER // 4
        self._full = False  # as the protocol was told
        self._paused = True
        self._ended = False  # no more comes
        self._closing = False
        self._gone = False
        self._read_watched = self._write_watched = False

    def start(self) -> None:
        """Tell the protocol that the transport can be used."""
        self._protocol.connection_made(self)

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

    def poll(self) -> None:
        """Read what is there at once; an error is the protocol's alone, and not logged."""
        self._read_all(log=False)

    def _on_readable(self) -> None:
        if self.is_reading():
            self._read_all(log=True)
        else:
            self._watch_reading(False)

    def _read_all(self, log: bool) -> None:
        """Read until nothing is left, or nobody wants more."""
        for _ in range(READS_PER_TURN):
            if not self.is_reading():
                return
            try:
                more = self._read_once()
            except (BlockingIOError, InterruptedError):
                return
            except Exception as error:
                if log and not isinstance(error, ConnectionResetError):
                    gen_log.warning("error on read: %s", error)
                self._lose(error)
                return
            if not more:
                return
        # TLS may hold bytes back that no loop sees, so it has to be asked again.
        self._loop.call_soon(self._on_readable)

    def _read_once(self) -> bool:
        """Hand on what one read gives; False when there was nothing."""
        if self._buffered:
            buffer = self._protocol.get_buffer(-1)
        else:
            buffer = bytearray(self._source.read_chunk_size)
        size = self._source.read_from_fd(buffer)
        if size is None:
            return False
        if size == 0:
            self._end()
            return False
        if self._buffered:
            self._protocol.buffer_updated(size)
        else:
            with memoryview(buffer) as view:
                data = bytes(view[:size])
            self._protocol.data_received(data)
        return True

    def _end(self) -> None:
        """Take note that the other side sends no more."""
        self._ended = True
        self._watch_reading(False)
        if not self._protocol.eof_received():
            self.close()

    # -- out -----------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        view = memoryview(data)
        if not self._unsent:
            view = view[self._write_some(view) :]
        if view and not self._gone:
            self._unsent += view
            self._watch_writing(True)
            self._tell_full()

    def _write_some(self, view: memoryview) -> int:
        """Write what goes without waiting; return how much that was."""
        done = 0
        while done < len(view):
            piece = view[done : done + WRITE_CHUNK_SIZE]
            try:
                size = self._source.write_to_fd(piece)
            except (BlockingIOError, InterruptedError):
                break
            except Exception as error:
                if not isinstance(error, (BrokenPipeError, ConnectionError)):
                    gen_log.warning("error on write: %s", error)
                self._lose(error)
                break
            done += size
            if size < len(piece):
                break
        return done

    def _on_writable(self) -> None:
        with memoryview(self._unsent) as view:
            done = self._write_some(view)
        if self._gone:
            return
        del self._unsent[:done]
        if self._full and len(self._unsent) <= self._low:
            self._full = False
            self._protocol.resume_writing()
        if not self._unsent:
            self._watch_writing(False)
            if self._closing:
                self._lose(None)

    def _tell_full(self) -> None:
        if not self._full and len(self._unsent) > self._high:
            self._full = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = DEFAULT_HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low
        self._tell_full()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

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
        self._closing = True
        if self._loop.is_closed():
            self._lose(None)
        else:
            self._loop.call_soon(self._lose, None)

    def _lose(self, error: Exception | None) -> None:
        """Close the file and tell the protocol."""
        if self._gone:
            return
        self._gone = self._closing = True
        self._watch_reading(False)
        self._watch_writing(False)
        self._unsent = bytearray()
        try:
            self._source.close_fd()
        except OSError:
            pass  # somebody has closed the file already
        self._protocol.connection_lost(error)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        socket = getattr(self._source, "socket", None)
        if name == "socket" and socket is not None:
            return socket
        if name == "peername" and socket is not None:
            return socket.getpeername()
        return default

    # -- readiness -----------------------------------------------------------------------

    def _watch_reading(self, wanted: bool) -> None:
        if self._loop.is_closed():
            return  # it watches nothing any more, and takes nothing back
        if wanted and not self._read_watched:
            self._loop.add_reader(self._fd, self._on_readable)
        elif self._read_watched and not wanted:
            self._loop.remove_reader(self._fd)
        self._read_watched = wanted

    def _watch_writing(self, wanted: bool) -> None:
        if self._loop.is_closed():
            return
        if wanted and not self._write_watched:
            self._loop.add_writer(self._fd, self._on_writable)
        elif self._write_watched and not wanted:
            self._loop.remove_writer(self._fd)
        self._write_watched = wanted


def _number(descriptor: Any) -> int:
    """Return the number of a descriptor, or of an object that has one."""
    return descriptor if isinstance(descriptor, int) else descriptor.fileno()
