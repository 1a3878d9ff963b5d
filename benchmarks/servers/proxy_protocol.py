"""A proxy of two bare protocols with back-pressure, the floor under every proxy on its loop."""

import asyncio
from typing import cast

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run


class Side(asyncio.Protocol):
    """One end of a pair; each writes what the other receives, and holds it when it cannot."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: asyncio.Transport | None = None
        self.early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)
        else:
            # uvloop reads once before it obeys a `pause_reading` in `connection_made`.
            self.early += data

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.close()


class Incoming(Side):
    """The side that was accepted: it reads nothing before the other one is there."""

    def __init__(self, to: int, tasks: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self.to = to
        self.tasks = tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        task = asyncio.ensure_future(self.pair())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def pair(self) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(Side, ADDRESS, self.to)
        assert self.transport is not None
        assert upstream.transport is not None
        self.other, upstream.other = upstream.transport, self.transport
        self.other.write(self.early)
        if self.transport.is_closing():
            # It ended before there was another side to tell.
            self.other.close()
        else:
            self.transport.resume_reading()


async def main(port: int, to: int) -> None:
    """Listen."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    await loop.create_server(lambda: Incoming(to, tasks), ADDRESS, port, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS, proxy=True)
    run(main(options.port, options.to), options.loop)
