"""The other side of a stream under test: a plain socket, without any of our code."""

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Callable, Iterable
from typing import Any

from toolkit.iostream import IOStream

#: Bytes for each buffer of the kernel. Set by hand it stays small, so that few bytes fill it.
KERNEL_BUFFER = 32 * 1024

#: More bytes than all buffers of the kernel between two sockets can hold.
TOO_MUCH = 4 * 1024 * 1024


class Peer:
    """The other end of a connection.

    Attributes:
        socket: non-blocking.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send all of the bytes."""
        await self._loop.sock_sendall(self.socket, data)

    async def send_apart(self, pieces: Iterable[bytes], stream: IOStream) -> None:
        """Send each piece when the stream has taken the last one from the kernel."""
        for piece in pieces:
            await self.send(piece)
            await until(lambda: waiting_in_kernel(stream) == 0)

    async def receive(self, size: int) -> bytes:
        """Receive so many bytes, or fewer at the end of the connection."""
        received = bytearray()
        while len(received) < size:
            data = await self._loop.sock_recv(self.socket, min(size - len(received), 1 << 20))
            if not data:
                break
            received += data
        return bytes(received)

    async def receive_all(self) -> bytes:
        """Receive up to the end of the connection."""
        return await self.receive(1 << 40)

    async def fill(self, limit: int = 1 << 40) -> int:
        """Send `pattern` until nothing more is taken, and return how many bytes were."""
        sent = stalled = 0
        # As long as anybody reads at the other side, a turn of the loop makes room.
        while stalled < 100 and sent < limit:
            try:
                sent += self.socket.send(pattern(sent, KERNEL_BUFFER))
                stalled = 0
            except BlockingIOError:
                stalled += 1
            await asyncio.sleep(0)
        return sent

    def end(self) -> None:
        """Say that no more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close so that the other side sees the connection reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close in the ordinary way."""
        self.socket.close()


class Pairs:
    """Makes connected pairs, and closes all of them at the end."""

    def __init__(self) -> None:
        self._made: list[tuple[IOStream, Peer]] = []

    def __call__(self, small: bool = False, **options: Any) -> tuple[IOStream, Peer]:
        """Return a stream and its peer.

        Args:
            small: whether the buffers of the kernel are.
            options: for the stream.
        """
        ours, theirs = connected_sockets(small)
        pair = IOStream(ours, **options), Peer(theirs)
        self._made.append(pair)
        return pair

    def close(self) -> None:
        """Close all."""
        for stream, peer in self._made:
            peer.close()
            if not stream.closed():
                stream.abort()


def connected_sockets(small: bool = False) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection over the loopback interface."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        ours = stack.enter_context(socket.socket())
        if small:
            for sock in (listener, ours):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        stack.pop_all()
    return ours, theirs


def waiting_in_kernel(stream: IOStream) -> int:
    """Return how many received bytes the stream has not taken yet."""
    count: int = struct.unpack("i", fcntl.ioctl(stream.fileno(), termios.FIONREAD, b"\0" * 4))[0]
    return count


def pattern(start: int, size: int) -> bytes:
    """Return a cut out of an endless text, which tells lost and swapped bytes."""
    unit = bytes(range(251))
    offset = start % len(unit)
    return (unit * (size // len(unit) + 2))[offset : offset + size]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds."""
    while not condition():
        await asyncio.sleep(0)
