"""Servers that say what they are told to, for tests of clients."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Caller:
    """One connection of the client, as a server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> str:
        """Read the head of a request."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def ended(self) -> bytes:
        """Read until the client ends the connection; a reset is an end too."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read()
        return b""


Script = Callable[[Caller], Awaitable[None]]


class Server:
    """A server whose connections all run one script.

    Attributes:
        heads: of the requests that `answers` read.
    """

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        """Listen on a free port of the loopback interface."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                # A client that has seen enough may leave at any time.
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await script(Caller(reader, writer))
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Tasks of its own `asyncio.start_server` would not let be cancelled quietly.
            self._tasks.add(asyncio.create_task(serve(reader, writer)))

        self._server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Return the URL of a path."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def stop(self) -> None:
        """Stop listening, and end what still runs."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


Start = Callable[..., Awaitable[Server]]


@asynccontextmanager
async def scripted() -> AsyncIterator[Start]:
    """Give a function that starts servers with a script, or with the bytes to answer."""
    servers: list[Server] = []

    async def run(script: Script | bytes, context: ssl.SSLContext | None = None) -> Server:
        server = Server()

        async def answer(caller: Caller) -> None:
            server.heads.append(await caller.head())
            assert isinstance(script, bytes)
            await caller.say(script)

        await server.start(answer if isinstance(script, bytes) else script, context)
        servers.append(server)
        return server

    yield run
    for server in servers:
        await server.stop()
