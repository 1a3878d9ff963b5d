"""Clients that send whatever bytes they are told to, and sites that serve them.

The answers are read by the protocol machine in its client role, which refuses whatever is
framed wrongly.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from toolkit.httpserver import HTTPServer
from toolkit.netutil import bind_sockets
from toolkit.routing import RuleLike
from toolkit.web import Application
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import (
    CLOSED,
    NEED_DATA,
    Data,
    EndOfMessage,
    Fields,
    RequestHead,
    ResponseHead,
)
from toolkit.wire.http1 import CLIENT, Machine

#: Bytes that one read takes at most.
PIECE = 64 * 1024


@dataclass(slots=True)
class Answer:
    """One response as it was read.

    Attributes:
        keep_alive: whether the server says that the connection goes on.
    """

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]
    keep_alive: bool

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the value of a header that is there once at most, None without it."""
        values = self.all(name)
        assert len(values) < 2, f"{name}: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        """The content as text."""
        return self.body.decode("utf-8")


class Client:
    """One connection; nothing is read before somebody asks for it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""  # received behind the last answer
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, address: Any, receive_buffer: int | None = None) -> Self:
        """Connect to a server.

        Args:
            address: as `socket.getsockname` gives it.
            receive_buffer: bytes that the kernel may keep for this client.
        """
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def send(self, data: bytes) -> None:
        """Send all of the bytes."""
        await self._loop.sock_sendall(self.sock, data)

    async def read(self) -> bytes:
        """Read what there is, ``b""`` at the end; a reset is an end too."""
        try:
            return await self._loop.sock_recv(self.sock, PIECE)
        except ConnectionError:
            return b""

    async def read_to_end(self) -> bytes:
        """Read until the server closes the connection."""
        pieces, self.rest = [self.rest], b""
        while data := await self.read():
            pieces.append(data)
        return b"".join(pieces)

    async def answer(self, method: str = "GET", interim: bool = False) -> Answer:
        """Read one response.

        Args:
            method: of the request that it answers.
            interim: whether a 1xx response is an answer as well; else it is passed over.
        Raises:
            RemoteProtocolError: it is cut short, or is no good HTTP.
        """
        machine = Machine(CLIENT)
        target = "h:1" if method == "CONNECT" else "/"
        machine.send_head(RequestHead(method, target, [("Host", "h")]), b"", True)
        if self.rest:
            machine.receive(self.rest)
        self.rest = b""
        head: ResponseHead | None = None
        pieces: list[bytes] = []
        while True:
            event = machine.next_event()
            if isinstance(event, Data):
                pieces.append(event.data)
            elif isinstance(event, EndOfMessage):
                assert head is not None
                self.rest = machine.take_rest()
                return _answer(head, pieces, event.trailers)
            elif isinstance(event, ResponseHead):
                if event.status >= 200:
                    head = event
                elif interim:
                    self.rest = machine.take_rest()
                    return _answer(event, [], ())
            elif event is NEED_DATA:
                machine.receive(await self.read())
            else:
                assert event is CLOSED, event
                raise RemoteProtocolError("closed without an answer")

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        await self.send(request)
        return await self.answer(request.partition(b" ")[0].decode())

    async def get(self, target: str = "/", fields: str = "") -> Answer:
        """Ask for a target.

        Args:
            fields: further header lines, each ended by CRLF.
        """
        return await self.ask(get(target, fields))

    async def expect_end(self) -> None:
        """Check that nothing more comes but the end."""
        assert await self.read_to_end() == b""

    def shut(self) -> None:
        """Say that no more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    def reset(self) -> None:
        """Cut the connection, so that the server gets an error instead of an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class TLSClient(Client):
    """One connection by TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer.get_extra_info("socket"))
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect_tls(cls, address: Any, context: ssl.SSLContext, name: str) -> Self:
        """Connect, and check that the server's certificate is for the name."""
        reader, writer = await asyncio.open_connection(
            *address[:2], ssl=context, server_hostname=name
        )
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        """Send all of the bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def read(self) -> bytes:
        """Read what there is, ``b""`` at the end."""
        return await self._reader.read(PIECE)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def _answer(head: ResponseHead, pieces: list[bytes], trailers: Fields) -> Answer:
    return Answer(
        head.status,
        head.reason or "",
        list(head.fields),
        b"".join(pieces),
        list(trailers),
        head.keep_alive,
    )


def get(target: str = "/", fields: str = "") -> bytes:
    """Write a GET request."""
    return f"GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode("latin-1")


def post(target: str = "/", body: bytes = b"", fields: str = "") -> bytes:
    """Write a POST request with its content and the length of it."""
    head = f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
    return head.encode("latin-1") + body


async def turns(number: int = 10) -> None:
    """Let the loop look for events a few times, so that what was sent is seen on its own."""
    for _ in range(number):
        await asyncio.sleep(0)


class Site:
    """A server on a free port of the loopback interface, with its clients.

    Attributes:
        server: it listens.
        address: where.
        statuses: of the requests that ended, in order; the application's log function adds
            to it, so that error answers do not fill the log.
    """

    def __init__(self, application: Any, server: HTTPServer) -> None:
        self.application = application
        self.server = server
        self.statuses: list[int] = []
        self._clients: list[Client] = []
        self.address: Any = None

    async def client(self, receive_buffer: int | None = None) -> Client:
        """Connect a client, which is closed after the test."""
        return self.own(await Client.connect(self.address, receive_buffer))

    def own(self, client: Client) -> Client:
        """Have a client closed after the test."""
        self._clients.append(client)
        return client

    async def get(self, target: str = "/", fields: str = "") -> Answer:
        """Ask for a target on a connection of its own."""
        return await self.ask(get(target, fields))

    async def ask(self, request: bytes) -> Answer:
        """Ask on a connection of its own, and close it."""
        client = await Client.connect(self.address)
        with contextlib.closing(client):
            return await client.ask(request)

    async def end(self) -> None:
        """Close the clients, then the server."""
        for client in self._clients:
            client.close()
        self.server.stop()
        await self.server.close_all_connections(timeout=5)


#: Starts a site: rules or an application, its settings, options of the server.
Serve = Callable[..., Site]


def start_site(
    handlers: Sequence[RuleLike] | Any,
    settings: dict[str, Any] | None = None,
    receive_buffer: int | None = None,
    sockets: list[socket.socket] | None = None,
    **options: Any,
) -> Site:
    """Serve rules, or an application, on a free port.

    Args:
        settings: of the application that is made of rules.
        receive_buffer: bytes that the kernel may keep for each connection of the server.
        sockets: that listen; the loopback interface when None.
        options: of the `HTTPServer`.
    """
    statuses: list[int] = []
    application = handlers
    if isinstance(handlers, (list, tuple)):
        # A test with the setting debug is not to restart the tests when a file changes.
        usual = {
            "log_function": lambda handler: statuses.append(handler.get_status()),
            "autoreload": False,
        }
        application = Application(handlers, **{**usual, **(settings or {})})
    site = Site(application, HTTPServer(application, **options))
    site.statuses = statuses
    if sockets is None:
        sockets = bind_sockets(0, "127.0.0.1")
    if receive_buffer is not None:
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    site.server.add_sockets(sockets)
    site.address = site.server.addresses[0]
    return site
