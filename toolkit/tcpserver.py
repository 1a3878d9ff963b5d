"""`TCPServer`: accepts connections and hands each over as a stream."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, TypeVar

from toolkit.ioloop import IOLoop
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log
from toolkit.netutil import DEFAULT_BACKLOG, bind_sockets

_T = TypeVar("_T")


class TCPServer:
    """A server on TCP or Unix sockets; a subclass says what happens to a connection.

    Example::

        class EchoServer(TCPServer):
            async def handle_stream(self, stream, address):
                while True:
                    await stream.write(await stream.read_until(b"\\n", max_bytes=1000))

        async def main():
            EchoServer().listen(8888, "127.0.0.1")
            await asyncio.Event().wait()

    Args:
        ssl_options: a context, to speak TLS.
        max_buffer_size: of each stream.
        read_chunk_size: of each stream.
    """

    def __init__(
        self,
        ssl_options: ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
    ) -> None:
        if ssl_options is not None and not isinstance(ssl_options, ssl.SSLContext):
            raise TypeError(f"ssl_options {type(ssl_options)!r}; an ssl.SSLContext is allowed")
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._servers: list[tuple[socket.socket, asyncio.AbstractServer]] = []
        self._tasks: set[asyncio.Future[Any]] = set()

    def listen(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Accept connections on a port; arguments as `netutil.bind_sockets`."""
        self.add_sockets(bind_sockets(port, address, family, backlog, flags, reuse_port), backlog)

    def add_sockets(self, sockets: Iterable[socket.socket], backlog: int = DEFAULT_BACKLOG) -> None:
        """Accept connections on listening sockets, which belong to the server from now on."""
        loop = IOLoop.current().asyncio_loop
        for sock in sockets:
            unix = sock.family == getattr(socket, "AF_UNIX", None)
            create = loop.create_unix_server if unix else loop.create_server
            server: asyncio.AbstractServer = _complete(
                create(self._make_stream, sock=sock, backlog=backlog, ssl=self.ssl_options)
            )
            self._servers.append((sock, server))

    def add_socket(self, socket: socket.socket) -> None:
        """Accept connections on one listening socket."""
        self.add_sockets([socket])

    @property
    def sockets(self) -> list[socket.socket]:
        """The listening sockets."""
        return [sock for sock, _ in self._servers]

    @property
    def addresses(self) -> list[Any]:
        """The addresses that the server listens on, as `socket.getsockname` gives them."""
        return [sock.getsockname() for sock in self.sockets]

    def stop(self) -> None:
        """Accept no more connections; those that are open go on."""
        servers, self._servers = self._servers, []
        for sock, server in servers:
            server.close()
            sock.close()

    def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:
        """Serve one connection; what a coroutine raises closes the connection and is logged.

        Args:
            address: the peer's, as `socket.getpeername` gives it.
        """
        raise NotImplementedError

    def _make_stream(self) -> IOStream:
        return IOStream.incoming(self._on_connected, self.max_buffer_size, self.read_chunk_size)

    def _on_connected(self, stream: IOStream) -> None:
        assert stream.transport is not None
        if not self._servers:
            # It was accepted in the moment when the server was stopped.
            stream.close()
            return
        address = stream.transport.get_extra_info("peername")
        try:
            result = self.handle_stream(stream, address)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
            stream.close()
            return
        if result is not None:
            task = asyncio.ensure_future(_serve(stream, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _serve(stream: IOStream, result: Awaitable[None]) -> None:
    """Await a handler of a connection; when it fails, its connection alone is closed."""
    try:
        await result
    except StreamClosedError:
        pass
    except Exception:
        app_log.error("Error in connection callback", exc_info=True)
        stream.close()


def _complete(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that has nothing to wait for.

    The loops make `create_server` a coroutine, but given a socket it only yields the turn
    once, or never. So `listen` can be called, and can fail, before the loop runs.
    """
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("the loop cannot start a server without waiting")
