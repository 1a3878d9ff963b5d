"""The other side of a stream under test: a plain socket, without any of our code."""

import asyncio
import contextlib
import fcntl
import functools
import os
import socket
import ssl
import struct
import termios
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import trustme

from toolkit.iostream import BaseIOStream, IOStream, SSLIOStream
from toolkit.tcpserver import TCPServer

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

    async def send_apart(self, pieces: Iterable[bytes], stream: BaseIOStream) -> None:
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


class SecurePeer(Peer):
    """The other end of a connection that speaks TLS, by `ssl` alone.

    Attributes:
        tls: knows of the handshake.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        server_side: bool,
        hostname: str | None = None,
    ) -> None:
        super().__init__(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side, hostname)

    async def handshake(self) -> None:
        """Do the handshake."""
        await self._do(self.tls.do_handshake)

    def encrypt(self, data: bytes) -> bytes:
        """Return the record of a few bytes, to be sent by other means."""
        self.tls.write(data)
        return self._outgoing.read()

    async def send(self, data: bytes) -> None:
        """Encrypt and send all of the bytes."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        await self._flush()

    async def receive(self, size: int) -> bytes:
        """Receive so many plain bytes, or fewer when the other side has said that it ends.

        Raises:
            ssl.SSLError: the connection ended without a word.
        """
        received = bytearray()
        while len(received) < size:
            try:
                data = await self._do(self.tls.read, min(size - len(received), 1 << 20))
            except ssl.SSLZeroReturnError:
                break
            if not data:
                break
            received += data
        return bytes(received)

    async def say_end(self) -> None:
        """Send the alert that no more will come (RFC 8446 §6.1), and wait for no answer."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self._flush()

    async def _do(self, function: Callable[..., Any], *args: object) -> Any:
        while True:
            try:
                result = function(*args)
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._loop.sock_recv(self.socket, 1 << 18)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                await self._flush()  # the alert that says why
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._loop.sock_sendall(self.socket, self._outgoing.read())


class Counting:
    """Stands before a stream's transport and keeps what is written to it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


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


def taking(number: int) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection, the first of which has a number that is free."""
    left, right = socket.socketpair()
    if left.fileno() == number:
        return left, right
    if right.fileno() == number:
        return right, left
    with left:
        return socket.socket(fileno=os.dup2(left.fileno(), number)), right


def waiting_in_kernel(stream: BaseIOStream) -> int:
    """Return how many received bytes the stream has not taken yet."""
    count: int = struct.unpack("i", fcntl.ioctl(stream.fileno(), termios.FIONREAD, b"\0" * 4))[0]
    return count


def pattern(start: int, size: int) -> bytes:
    """Return a cut out of an endless text, which tells lost and swapped bytes."""
    unit = bytes(range(251))
    offset = start % len(unit)
    return (unit * (size // len(unit) + 2))[offset : offset + size]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds.

    Raises:
        TimeoutError: it did not for longer than anything takes.
    """
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def closed(stream: BaseIOStream) -> None:
    """Wait until a stream is closed."""
    event = asyncio.Event()
    stream.set_close_callback(event.set)
    await event.wait()
    assert stream.closed()


async def perform(function: Callable[..., Awaitable[Any]], *args: object) -> Any:
    """Call and await a method of a stream, for a task to do."""
    return await function(*args)


# -- TLS ---------------------------------------------------------------------------------


@functools.cache
def authority() -> trustme.CA:
    """Return who signs all certificates."""
    return trustme.CA()


@functools.cache
def server_context(name: str = "localhost") -> ssl.SSLContext:
    """Return the context of a server of a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name).configure_cert(context)
    return context


def client_context(check_hostname: bool = True) -> ssl.SSLContext:
    """Return the context of a client that trusts the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    context.check_hostname = check_hostname
    return context


@contextlib.contextmanager
def listening(small: bool = False) -> Iterator[socket.socket]:
    """Give a non-blocking socket that listens on a free port."""
    with socket.socket() as listener:
        if small:
            shrink(listener)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield listener


@contextlib.contextmanager
def silent() -> Iterator[tuple[str, int]]:
    """Give an address of IPv4 that answers nothing: its queue of connections is full."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address: tuple[str, int] = listener.getsockname()
        for _ in range(4):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield address


def shrink(*found: socket.socket) -> None:
    """Give sockets small buffers of the kernel."""
    for sock in found:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)


async def accept(listener: socket.socket) -> socket.socket:
    """Accept one connection."""
    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
    return sock


class Hall(TCPServer):
    """A server that hands its streams over.

    Attributes:
        streams: those that came, each before its handshake.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.streams: asyncio.Queue[IOStream] = asyncio.Queue()
        self._all: list[IOStream] = []

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Put the stream where it can be fetched."""
        self._all.append(stream)
        self.streams.put_nowait(stream)

    def stop_and_abort(self) -> None:
        """Stop, and abort all that has come."""
        self.stop()
        for stream in self._all:
            stream.abort()


SecurePair = tuple[SSLIOStream, SecurePeer]


async def _connect(small: bool, options: dict[str, Any]) -> SecurePair:
    """Connect a new socket."""
    with listening(small) as listener:
        sock = socket.socket()
        if small:
            shrink(sock)
        stream = SSLIOStream(sock, ssl_options=client_context(), **options)
        connecting = stream.connect(listener.getsockname(), "localhost")
        peer = SecurePeer(await accept(listener), server_context(), True)
        await asyncio.gather(connecting, peer.handshake())
    return stream, peer


async def _connected(small: bool, options: dict[str, Any]) -> SecurePair:
    """Take a socket that is connected."""
    ours, theirs = connected_sockets(small)
    stream = SSLIOStream(ours, ssl_options=client_context(False), **options)
    return await _shaken(stream, SecurePeer(theirs, server_context(), True))


async def _accepted(small: bool, options: dict[str, Any]) -> SecurePair:
    """Accept by a server."""
    server = Hall(ssl_options=server_context(), **options)
    with listening(small) as listener, socket.socket() as sock:
        if small:
            shrink(sock)
        address = listener.getsockname()
        server.add_socket(listener)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        peer = SecurePeer(sock.dup(), client_context(), False, "localhost")
        shaking = asyncio.create_task(peer.handshake())
        stream = await server.streams.get()
        assert isinstance(stream, SSLIOStream)
        await stream.wait_for_handshake()
        await shaking
        server.stop()
    return stream, peer


async def _upgraded_client(small: bool, options: dict[str, Any]) -> SecurePair:
    """Call `start_tls` as a client."""
    ours, theirs = connected_sockets(small)
    peer = SecurePeer(theirs, server_context(), True)
    future = IOStream(ours, **options).start_tls(False, client_context(), "localhost")
    await asyncio.gather(future, peer.handshake())
    return future.result(), peer


async def _upgraded_server(small: bool, options: dict[str, Any]) -> SecurePair:
    """Call `start_tls` as a server."""
    ours, theirs = connected_sockets(small)
    peer = SecurePeer(theirs, client_context(), False, "localhost")
    future = IOStream(ours, **options).start_tls(True, server_context())
    await asyncio.gather(future, peer.handshake())
    return future.result(), peer


async def _wrapped_client(small: bool, options: dict[str, Any]) -> SecurePair:
    """Take a client's socket that the program has wrapped, and whose handshake is to be done."""
    ours, theirs = connected_sockets(small)
    wrapped = client_context().wrap_socket(
        ours, server_hostname="localhost", do_handshake_on_connect=False
    )
    stream = SSLIOStream(wrapped, **options)
    return await _shaken(stream, SecurePeer(theirs, server_context(), True))


async def _wrapped_server(small: bool, options: dict[str, Any]) -> SecurePair:
    """Take a server's socket that the program has wrapped, and whose handshake is to be done."""
    ours, theirs = connected_sockets(small)
    wrapped = server_context().wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
    stream = SSLIOStream(wrapped, **options)
    return await _shaken(stream, SecurePeer(theirs, client_context(), False, "localhost"))


async def _wrapped_and_shaken(small: bool, options: dict[str, Any]) -> SecurePair:
    """Take a socket whose handshake the program has done, blocking."""
    ours, theirs = connected_sockets(small)
    peer = SecurePeer(theirs, server_context(), True)
    shaking = asyncio.create_task(peer.handshake())
    wrap = functools.partial(client_context().wrap_socket, ours, server_hostname="localhost")
    wrapped = await asyncio.to_thread(wrap)
    await shaking
    return SSLIOStream(wrapped, **options), peer


async def _shaken(stream: SSLIOStream, peer: SecurePeer) -> SecurePair:
    await asyncio.gather(stream.wait_for_handshake(), peer.handshake())
    return stream, peer


#: Every way to a stream over TLS.
WAYS: dict[str, Callable[[bool, dict[str, Any]], Awaitable[SecurePair]]] = {
    "connect": _connect,
    "connected": _connected,
    "accepted": _accepted,
    "upgraded client": _upgraded_client,
    "upgraded server": _upgraded_server,
    "wrapped client": _wrapped_client,
    "wrapped server": _wrapped_server,
    "wrapped and shaken": _wrapped_and_shaken,
}


class SecurePairs:
    """Makes connected pairs that speak TLS, and closes all of them at the end."""

    def __init__(self) -> None:
        self._made: list[SecurePair] = []

    async def __call__(self, way: str, small: bool = False, **options: Any) -> SecurePair:
        """Return a stream and its peer, after the handshake.

        Args:
            way: a key of `WAYS`.
            small: whether the buffers of the kernel are.
            options: for the stream.
        """
        pair = await WAYS[way](small, options)
        self._made.append(pair)
        return pair

    def close(self) -> None:
        """Close all."""
        for stream, peer in self._made:
            peer.close()
            stream.abort()
