"""A server that sends each line back: `python -m demos.tcpecho --port=8889`."""

import argparse
import asyncio
import contextlib
from typing import Any

import toolkit
from toolkit.iostream import IOStream
from toolkit.tcpserver import TCPServer

#: Longest line, its end included; a longer one closes its connection.
MAX_LINE = 1024


class EchoServer(TCPServer):
    """Sends each line back."""

    #: When it stops, nobody is waited for who is in the middle of a line.
    shutdown_timeout = 0.0

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        # Leaving, and a line that is too long, end this coroutine with StreamClosedError.
        while True:
            line = await stream.read_until(b"\n", max_bytes=MAX_LINE)
            await stream.write(line)


async def main(port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    async with EchoServer() as server:
        server.listen(port, "127.0.0.1")
        print(f"echo on 127.0.0.1 port {server.addresses[0][1]}", flush=True)
        # Both signals cancel this wait; after it the server is left in order.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8889)
    toolkit.run(main(parser.parse_args().port))
