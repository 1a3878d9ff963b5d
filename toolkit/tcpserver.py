"""`TCPServer`: accepts connections and hands each over as a stream."""

import asyncio
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from toolkit import process
from toolkit.concurrent import convert_yielded, create_resumed_task
from toolkit.iostream import (
    IOStream,
    ProxyProtocol,
    SocketTransport,
    SSLIOStream,
    StreamClosedError,
    trusted_by,
)
from toolkit.iostream.tls import TLSTransport
from toolkit.log import app_log, gen_log
from toolkit.netutil import (
    DEFAULT_BACKLOG,
    ServerSSLOptions,
    add_accept_handler,
    bind_sockets,
    ssl_options_to_context,
)

_T = TypeVar("_T")

#: Seconds for a handshake of TLS; it takes three trips, and who sends nothing costs a descriptor.
HANDSHAKE_TIMEOUT = 10.0

#: How a handler may end without an error of its own; that of a handshake was logged already.
QUIET_ERRORS = (StreamClosedError, asyncio.CancelledError, ssl.SSLError)


class TCPServer:
    """A server on TCP or Unix sockets; a subclass says what happens to a connection.

    Example::

        class EchoServer(TCPServer):
            async def handle_stream(self, stream, address):
                async for line in stream:
                    await stream.write(line)

        async def main():
            async with EchoServer() as server:
                server.listen(8888, "127.0.0.1")
                print("listening on", server.addresses)
                await asyncio.Event().wait()

        toolkit.run(main)

    Args:
        ssl_options: to speak TLS: `netutil.ServerCertificates`, a context, or a dict as of
            `netutil.ssl_options_to_context`.
        max_buffer_size: of each stream.
        read_chunk_size: of each stream.
        max_write_buffer_size: of each stream.
        proxy_protocol: peers whose connections begin with a header of the PROXY protocol,
            version 1 or 2, that says who the client is: IP addresses, networks such as
            ``"10.0.0.0/8"``, or ``"unix"`` for Unix sockets. One of them that sends none is
            closed; others are served as they are.
        handshake_timeout: seconds for the handshake of TLS, whatever the peer sends; a
            connection that takes longer is closed. None or 0 for no limit.
    Raises:
        KeyError: `ssl_options` is a dict without a ``certfile``.

    Attributes:
        shutdown_timeout: seconds that connections get to end by themselves when the server
            is left as an async context manager.
    """

    shutdown_timeout = 5.0

    #: Whether connections are served that were accepted in the moment when the server was stopped.
    _serves_late = False

    def __init__(
        self,
        ssl_options: ServerSSLOptions | None = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        *,
        max_write_buffer_size: int | None = None,
        proxy_protocol: Iterable[str] = (),
        handshake_timeout: float | None = HANDSHAKE_TIMEOUT,
    ) -> None:
        if isinstance(ssl_options, Mapping) and "certfile" not in ssl_options:
            raise KeyError(f'missing key "certfile" in ssl_options {dict(ssl_options)!r}')
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self.max_write_buffer_size = max_write_buffer_size
        self.handshake_timeout = handshake_timeout
        self._context = (
            None if ssl_options is None else ssl_options_to_context(ssl_options, server_side=True)
        )
        self._proxies = trusted_by(proxy_protocol)
        self._pending: list[socket.socket] = []  # bound, and accepting only after `start`
        self._listening: list[tuple[socket.socket, Callable[[], None]]] = []
        self._tasks: set[asyncio.Future[Any]] = set()
        self._handlers: dict[asyncio.Future[Any], IOStream] = {}
        self._ended = self._served  # one for all connections
        self._started = self._stopped = False

    # -- listening -----------------------------------------------------------------------

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
        self.add_sockets(bind_sockets(port, address, family, backlog, flags, reuse_port))

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on listening sockets, which belong to the server from now on."""
        # The servers of the loops would do this, but where descriptors run out asyncio's logs
        # an error for each connection that it might accept, and uvloop's closes those that wait.
        for sock in sockets:
            sock.setblocking(False)
            self._listening.append((sock, add_accept_handler(sock, self._accept)))

    def add_socket(self, socket: socket.socket) -> None:
        """Accept connections on one listening socket."""
        self.add_sockets([socket])

    def bind(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Bind a port, to accept connections after `start`; arguments as `listen`.

        With one process `listen` does both.
        """
        sockets = bind_sockets(port, address, family, backlog, flags, reuse_port)
        if self._stopped or self._listening:
            self.add_sockets(sockets)
        else:
            self._pending.extend(sockets)

    def start(self, num_processes: int | None = 1, max_restarts: int | None = None) -> None:
        """Accept connections on what was bound, in one process or several.

        Args:
            num_processes: 1 serves in this process; more fork as many, None or 0 one for each
                processor, as `process.fork_processes` does. No loop may run or exist then.
            max_restarts: how many processes that failed are replaced.
        Raises:
            RuntimeError: the server was started before, or stopped.
        """
        if self._started or self._stopped:
            raise RuntimeError("start() may be called only once, and not after stop()")
        self._started = True
        pending, self._pending = self._pending, []
        if num_processes != 1:
            process.fork_processes(num_processes, max_restarts)
        self.add_sockets(pending)

    @property
    def sockets(self) -> list[socket.socket]:
        """The listening sockets."""
        return [sock for sock, _ in self._listening]

    @property
    def _sockets(self) -> dict[int, socket.socket]:
        """The listening sockets by descriptor; programs for Tornado find their port by it."""
        return {sock.fileno(): sock for sock in self.sockets}

    @property
    def addresses(self) -> list[Any]:
        """The addresses that the server listens on, as `socket.getsockname` gives them."""
        return [sock.getsockname() for sock in self.sockets]

    # -- the end -------------------------------------------------------------------------

    def stop(self) -> None:
        """Accept no more connections; those that are open go on."""
        self._stopped = True
        listening, self._listening = self._listening, []
        for sock, stop_accepting in listening:
            stop_accepting()
            sock.close()
        pending, self._pending = self._pending, []
        for sock in pending:
            sock.close()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Accept no more connections, and wait until the tasks of the open ones have ended.

        Args:
            timeout: seconds after which the rest is cancelled, and its connections closed;
                None uses `shutdown_timeout`.
        """
        self.stop()
        try:
            async with asyncio.timeout(self.shutdown_timeout if timeout is None else timeout):
                await self._tasks_end()
        except TimeoutError:
            streams = list(self._handlers.values())
            self._cancel_tasks()
            await self._tasks_end()
            # Their peers may never take what was written.
            for stream in streams:
                stream.abort()
            for stream in streams:
                await stream.wait_closed()
        except asyncio.CancelledError:
            self._cancel_tasks()
            raise

    async def _tasks_end(self) -> None:
        """Wait until no task is left, those included that begin meanwhile."""
        while tasks := self._other_tasks():
            await asyncio.wait(tasks)

    def _cancel_tasks(self) -> None:
        for task in self._other_tasks():
            task.cancel()

    def _other_tasks(self) -> "set[asyncio.Future[Any]]":
        """Return the tasks but the one that asks, which would wait for itself."""
        return (self._tasks | self._handlers.keys()) - {asyncio.current_task()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do as `shutdown`."""
        await self.shutdown()

    # -- connections ---------------------------------------------------------------------

    def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:
        """Serve one connection; what a coroutine raises closes the connection and is logged.

        Args:
            stream: over TLS the handshake is still to be done, and reads and writes wait for
                it. ``stream.proxy_header`` has what a trusted proxy said.
            address: the peer's, as `socket.getpeername` gives it, or as a proxy said.
        """
        raise NotImplementedError

    def create_task(self, coroutine: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        """Run a coroutine in a task that `shutdown` awaits or cancels, as those of connections."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _accept(self, connection: socket.socket, address: Any) -> None:
        loop = asyncio.get_running_loop()
        if SocketTransport.suits(loop):
            transport = SocketTransport(loop, connection, self._make_protocol(), address)
            loop.call_soon(transport.start)  # which gives it a context of its own
        else:
            _attach(loop.connect_accepted_socket(self._make_protocol, connection), connection)

    def _make_protocol(self) -> asyncio.BaseProtocol:
        if self._proxies is None:
            return self._make_stream_protocol(self._on_connected)
        return ProxyProtocol(self._proxies, self._make_stream_protocol, self._on_connected)

    def _make_stream_protocol(self, connected: Callable[[Any], None]) -> IOStream | TLSTransport:
        sizes = self.max_buffer_size, self.read_chunk_size, self.max_write_buffer_size
        if self._context is None:
            return IOStream.incoming(connected, *sizes)
        timeout = self.handshake_timeout or 0.0
        return SSLIOStream.incoming_tls(connected, self._context, *sizes, timeout)

    def _on_connected(self, stream: IOStream) -> None:
        if not self._listening and not self._serves_late:
            # It was accepted in the moment when the server was stopped.
            stream.close()
            return
        try:
            result = self.handle_stream(stream, _with_shared_host(stream.peer_address))
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
            stream.close()
            return
        if result is not None:
            coroutine = result if isinstance(result, Coroutine) else _awaiting(result)
            loop = asyncio.get_running_loop()
            task = create_resumed_task(loop, coroutine, self._ended)
            self._handlers[task] = stream

    def _served(self, task: "asyncio.Task[None]") -> None:
        """Take note of the end of a handler; when it failed, its connection is closed."""
        stream = self._handlers.pop(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            if not isinstance(error, QUIET_ERRORS):
                app_log.error("Exception in callback %r", self.handle_stream, exc_info=error)
            # The stream that was closed may be another one, such as a proxy's to its server.
            stream.close()


def _with_shared_host(address: Any) -> Any:
    """Have one string for all connections from a host, which mostly are many, as of a proxy.

    A handler that waits keeps the address, and of its memory half is the host.
    """
    return (sys.intern(address[0]), *address[1:]) if type(address) is tuple else address


def _attach(
    attaching: Coroutine[Any, Any, Any],
    connection: socket.socket,
    _waited: "asyncio.Future[Any] | None" = None,
) -> None:
    """Step the coroutine that gets a transport for a connection, until it has one.

    It waits once, for a turn of the loop, which is no reason for a task: without it a
    connection of one short request costs a tenth less.
    """
    try:
        waits_for = attaching.send(None)
    except StopIteration:
        return
    except OSError as error:
        # The peer is gone already.
        gen_log.debug("Lost a connection while accepting it: %s", error)
        connection.close()
        return
    waits_for._asyncio_future_blocking = False
    waits_for.add_done_callback(partial(_attach, attaching, connection))


async def _awaiting(result: Awaitable[None]) -> None:
    """Await what a `handle_stream` returned that is no coroutine, such as `gen.coroutine`'s."""
    await convert_yielded(result)
