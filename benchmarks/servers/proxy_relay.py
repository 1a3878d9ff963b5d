"""A proxy with the project's `relay`, on uvloop or on asyncio's own loop."""

import asyncio
import socket
from typing import Any

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run
from toolkit.iostream import IOStream, StreamClosedError, relay
from toolkit.tcpserver import TCPServer


async def forward(source: IOStream, target: IOStream) -> None:
    """Pass on what comes until either side has ended."""
    try:
        await relay(source, target)
    except StreamClosedError:
        pass
    finally:
        target.close()


class Proxy(TCPServer):
    """Connect each incoming stream with one to the port `to`."""

    def __init__(self, to: int) -> None:
        super().__init__()
        self.to = to

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        upstream = IOStream(socket.socket())
        await upstream.connect((ADDRESS, self.to))
        await asyncio.gather(forward(stream, upstream), forward(upstream, stream))


async def main(port: int, to: int) -> None:
    """Listen."""
    Proxy(to).listen(port, ADDRESS, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS, proxy=True)
    run(main(options.port, options.to), options.loop)
