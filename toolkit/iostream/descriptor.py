"""`DescriptorTransport`: moves the bytes of a stream that reads and writes its file itself."""

import asyncio
from typing import Any, Protocol

from toolkit.iostream.watching import Queue, WatchingTransport
from toolkit.log import gen_log

#: Reads in one turn of the loop, before others get theirs.
READS_PER_TURN = 16
#: Most bytes that are offered to the file at once.
WRITE_CHUNK_SIZE = 256 * 1024


class Source(Protocol):
    """What a stream gives: how its file is read, written and closed without waiting."""

    read_chunk_size: int

    def fileno(self) -> Any: ...
    def close_fd(self) -> None: ...
    def write_to_fd(self, data: memoryview) -> int: ...
    def read_from_fd(self, buf: bytearray | memoryview) -> int | None: ...
    def get_fd_error(self) -> Exception | None: ...


class DescriptorTransport(WatchingTransport):
    """A transport over the methods of a stream and the readiness that a loop tells.

    It takes nothing in until it is told to by `resume_reading`, or asked by `poll`.

    Args:
        source: has the file.
        protocol: gets what comes, as that of any transport; mostly the same stream.
    """

    __slots__ = ("_source",)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: Source,
        protocol: asyncio.BaseProtocol,
    ) -> None:
        super().__init__(loop, _number(source.fileno()), protocol)
        self._source = source
        self._paused = True

    # -- in ------------------------------------------------------------------------------

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

    # -- out -----------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        view = memoryview(data).cast("B")
        if not self._unsent:
            try:
                sent = self._write_some(view)
            except Exception as error:
                self._write_failed(error)
                return
            if sent == len(view) or self._gone:
                return
            view = view[sent:]
        self._keep(view)

    def _write_some(self, view: memoryview) -> int:
        """Write what goes without waiting; return how much that was."""
        done = 0
        while done < len(view):
            piece = view[done : done + WRITE_CHUNK_SIZE]
            try:
                size = self._source.write_to_fd(piece)
            except (BlockingIOError, InterruptedError):
                break
            done += size
            if size < len(piece):
                break
        return done

    def _send_queue(self, queue: Queue) -> int:
        done = 0
        for piece in queue:
            sent = self._write_some(memoryview(piece))
            done += sent
            if sent < len(piece):
                break
        return done

    def _write_failed(self, error: Exception) -> None:
        if not isinstance(error, (BrokenPipeError, ConnectionError)):
            gen_log.warning("error on write: %s", error)
        self._lose(error)

    # -- the end -------------------------------------------------------------------------

    def _close_file(self) -> None:
        try:
            self._source.close_fd()
        except OSError:
            pass  # somebody has closed the file already

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        socket = getattr(self._source, "socket", None)
        if name == "socket" and socket is not None:
            return socket
        if name == "peername" and socket is not None:
            return socket.getpeername()
        return default


def _number(descriptor: Any) -> int:
    """Return the number of a descriptor, or of an object that has one."""
    return descriptor if isinstance(descriptor, int) else descriptor.fileno()
