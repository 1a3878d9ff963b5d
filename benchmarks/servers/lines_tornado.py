"""Echo of lines with Tornado's streams, on uvloop or on asyncio's own loop."""

from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpserver import TCPServer

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run


class Echo(TCPServer):
    """Send each line back."""

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        try:
            while True:
                line = await stream.read_until(b"\n")
                await stream.write(line)
        except StreamClosedError:
            pass


async def main(port: int) -> None:
    """Listen."""
    Echo().listen(port, ADDRESS, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
