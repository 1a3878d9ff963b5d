"""Streams in memory: two ends of a connection without sockets, which can misbehave."""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any, cast

from toolkit.iostream import IOStream

#: Bytes that wait for a reader before a writer is told to pause, as asyncio has it.
HIGH_WATER = 64 * 1024
#: Bytes that arrive at once at most; a loop takes as many from a kernel.
MAX_PIECE = 64 * 1024

_ports = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with the bytes of one direction of a connection.

    Attributes:
        split: most bytes that arrive at once; None for what was written at once.
        pause: seconds between two of these pieces.
        stall_after: bytes after which nothing more arrives, and not the end either.
        end_after: bytes after which the direction ends, as if the writer had half closed it;
            what it writes then is lost.
        reset_after: bytes after which the connection is reset, for both ends.
    """

    split: int | None = None
    pause: float = 0.0
    stall_after: int | None = None
    end_after: int | None = None
    reset_after: int | None = None

    def __post_init__(self) -> None:
        if self.split is not None and self.split < 1:
            raise ValueError(f"split {self.split}; 1 and more are allowed")
        limits = [self.stall_after, self.end_after, self.reset_after]
        if sum(limit is not None for limit in limits) > 1:
            raise ValueError("of stall_after, end_after and reset_after one is allowed")

    @property
    def limit(self) -> int | None:
        """Bytes that arrive; None for all."""
        for limit in (self.stall_after, self.end_after, self.reset_after):
            if limit is not None:
                return limit
        return None


#: Nothing goes wrong.
NO_FAULTS = Faults()


def memory_streams(
    to_server: Faults = NO_FAULTS,
    to_client: Faults = NO_FAULTS,
    *,
    stream_class: type[IOStream] = IOStream,
    **options: Any,
) -> tuple[IOStream, IOStream]:
    """Return the two ends of a connection, the client's and the server's.

    Example::

        client, server = memory_streams(to_client=Faults(split=1))
        await server.write(b"hello\\n")
        assert await client.read_until(b"\\n") == b"hello\\n"

    They are real streams: only what moves the bytes is another. What is written arrives in the
    next turn of the loop, with back-pressure.

    Args:
        to_server: what goes wrong on that way.
        to_client: what goes wrong on this way.
        options: of the streams, such as `max_buffer_size`.
    """
    loop = asyncio.get_running_loop()
    client = stream_class.incoming(_nothing, **options)
    server = stream_class.incoming(_nothing, **options)
    port = 1024 + next(_ports) % 60000
    here = MemoryTransport(loop, client, to_server, ("127.0.0.1", 80))
    there = MemoryTransport(loop, server, to_client, ("127.0.0.1", port))
    here.connect(there)
    client.connection_made(here)
    server.connection_made(there)
    return client, server


def _nothing(_stream: IOStream) -> None:
    pass


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory; `connect` gives it the other.

    Args:
        loop: that it runs on.
        protocol: of this end.
        faults: of what this end writes.
        peername: address of the other end.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        faults: Faults,
        peername: Any,
    ) -> None:
        super().__init__({"peername": peername})
        self._loop = loop
        self._protocol: Any = protocol
        self._peer: MemoryTransport | None = None
        self._faults = faults
        self._left = faults.limit
        self._waiting: deque[memoryview] = deque()  # written, and not with the peer
        self._size = 0
        self._high = HIGH_WATER
        self._low = HIGH_WATER // 4
        self._blocked = False  # the protocol was told to pause
        self._reading = True
        self._closing = False
        self._lost = False
        self._ends = False  # no more is written
        self._end_told = False
        self._end_waits = False  # for the protocol to read again
        self._moving: asyncio.Handle | None = None

    def connect(self, peer: "MemoryTransport") -> None:
        """Be connected to the other end."""
        self._peer = peer
        peer._peer = self

    # -- asyncio.Transport ---------------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return cast(asyncio.BaseProtocol, self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell another protocol from now on."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Say whether it is closed, or about to be."""
        return self._closing

    def is_reading(self) -> bool:
        """Say whether what comes is handed on."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Let what comes wait."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand on what comes."""
        self._reading = True
        if self._end_waits:
            self._loop.call_soon(self._take_end)
        elif self._peer is not None:
            self._peer._move_soon()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause, and to go on."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        self._high = high
        self._low = high // 4 if low is None else low
        self._regulate()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the peer has not taken."""
        return self._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the limits: low, high."""
        return self._low, self._high

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have bytes arrive at the other end."""
        if self._ends or self._closing or not data:
            return
        self._waiting.append(memoryview(bytes(data)))
        self._size += len(data)
        self._regulate()
        self._move_soon()

    def write_eof(self) -> None:
        """End this direction after what was written."""
        self._ends = True
        self._move_soon()

    def can_write_eof(self) -> bool:
        """Say that one direction can end before the other."""
        return True

    def close(self) -> None:
        """End both directions, this one after what was written."""
        if not self._closing:
            self._closing = True
            self._ends = True
            self._move_soon()
            if self._peer is not None:
                self._peer._move_soon()

    def abort(self) -> None:
        """End both directions at once."""
        self._lose(None)

    # -- moving bytes --------------------------------------------------------------------

    def _move_soon(self) -> None:
        if self._moving is None and not self._lost:
            self._moving = self._loop.call_soon(self._move)

    def _move(self) -> None:
        """Hand the next piece to the other end, or tell it that there are no more."""
        self._moving = None
        peer = self._peer
        if peer is None or peer._closing:
            # Nobody reads any more; who writes hears of it, as from a kernel.
            if self._waiting and not self._closing:
                self._lose(BrokenPipeError(32, "the other end is closed"))
            elif self._closing:
                self._lose(None)
            return
        if self._waiting and self._left != 0:
            if peer._reading:
                peer._take(self._next_piece())
                self._regulate()
                self._go_on()
            return
        if self._left == 0:
            self._fail(peer)
        elif self._ends:
            self._tell_end(peer)

    def _go_on(self) -> None:
        if self._lost or self._moving is not None:
            return
        if self._waiting and self._faults.pause:
            self._moving = self._loop.call_later(self._faults.pause, self._move)
        elif self._waiting or self._ends or self._left == 0:
            self._move_soon()

    def _next_piece(self) -> bytes:
        piece = self._waiting.popleft()
        limits = self._faults.split, self._left, MAX_PIECE
        most = min([limit for limit in limits if limit is not None])
        if len(piece) > most:
            self._waiting.appendleft(piece[most:])
            piece = piece[:most]
        self._size -= len(piece)
        if self._left is not None:
            self._left -= len(piece)
        return bytes(piece)

    def _fail(self, peer: "MemoryTransport") -> None:
        """Do what was to happen after so many bytes."""
        faults = self._faults
        if faults.reset_after is not None:
            for end in (peer, self):
                end._lose(ConnectionResetError(104, "the connection was reset, as the test said"))
        elif faults.end_after is not None:
            self._waiting.clear()
            self._size = 0
            self._regulate()
            self._tell_end(peer)
        elif self._closing:
            self._lose(None)

    def _tell_end(self, peer: "MemoryTransport") -> None:
        if not self._end_told:
            self._end_told = True
            peer._take_end()
        if self._closing:
            self._lose(None)

    def _take(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            protocol.data_received(data)
            return
        while data and not self._closing:
            buffer = memoryview(protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]
            if not isinstance(self._protocol, asyncio.BufferedProtocol):
                self._take(data)
                return

    def _take_end(self) -> None:
        self._end_waits = not self._reading
        if self._reading and not self._closing and not self._protocol.eof_received():
            self.close()

    def _regulate(self) -> None:
        """Tell the protocol to pause, or to go on."""
        if not self._blocked and self._size > self._high:
            self._blocked = True
            self._protocol.pause_writing()
        elif self._blocked and self._size <= self._low:
            self._blocked = False
            self._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        """Be over."""
        if self._lost:
            return
        self._lost = self._closing = self._ends = True
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None
        self._waiting.clear()
        self._size = 0
        self._loop.call_soon(self._protocol.connection_lost, error)
        peer = self._peer
        if peer is not None and not peer._lost:
            self._tell_lost(peer)

    def _tell_lost(self, peer: "MemoryTransport") -> None:
        """Have the other end see that nothing more comes."""
        if not self._end_told and self._faults.stall_after is None:
            self._end_told = True
            self._loop.call_soon(peer._take_end)
        peer._move_soon()
