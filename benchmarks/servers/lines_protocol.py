"""Echo of lines with a bare protocol, the floor under every kind of stream on its loop."""

import asyncio
from typing import cast

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run


class Echo(asyncio.Protocol):
    """Send each line back, without a limit on what waits to be sent."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.transport.write(line + b"\n")


async def main(port: int) -> None:
    """Listen."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Echo, ADDRESS, port, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
