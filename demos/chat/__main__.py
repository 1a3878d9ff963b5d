"""A chat of lines: `python -m demos.chat --port=8891`, then `nc 127.0.0.1 8891` twice."""

import argparse
import asyncio
import contextlib
import re
from typing import Any

import toolkit
from toolkit.iostream import IOStream, StreamBufferFullError, StreamClosedError
from toolkit.tcpserver import TCPServer

#: Longest line, its end included; a longer one closes its connection.
MAX_LINE = 1024
#: Bytes that may wait for a client who does not read; he is dropped when there would be more.
MAX_UNSENT = 64 * 1024
#: Seconds to give a name, which most type by hand.
NAME_TIMEOUT = 60.0

NAME = re.compile(r"\w{1,20}")


class ChatServer(TCPServer):
    """Passes what one client says on to all others.

    Attributes:
        members: the streams of those who have given their names, by these.
    """

    #: Nobody leaves by himself because the server stops.
    shutdown_timeout = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, IOStream] = {}

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        stream.max_write_buffer_size = MAX_UNSENT
        # A client who leaves ends this with StreamClosedError, wherever it is.
        async with stream:
            name = await self.enter(stream)
            try:
                await self.talk(name, stream)
            finally:
                self.members.pop(name, None)
                self.tell(f"* {name} has left")

    async def enter(self, stream: IOStream) -> str:
        """Return the name that the client chose, once he is a member."""
        send(stream, "Your name?")
        name = await read_line(stream, NAME_TIMEOUT)
        while name in self.members or not NAME.fullmatch(name):
            send(stream, "It is taken." if name in self.members else "1 to 20 letters or digits.")
            name = await read_line(stream, NAME_TIMEOUT)
        send(stream, f"Hello {name}; /who tells who is here, /quit leaves.")
        self.tell(f"* {name} is here")
        self.members[name] = stream
        return name

    async def talk(self, name: str, stream: IOStream) -> None:
        """Do what a member says, until he wants to leave."""
        while True:
            line = await read_line(stream)
            if line == "/quit":
                return
            if line == "/who":
                send(stream, "* " + ", ".join(sorted(self.members)))
            elif line.startswith("/"):
                send(stream, f"* there is no {line.split()[0]}")
            elif line:
                self.tell(f"{name}: {line}", silent=name)
            # Lines that came together are read without a wait: let the others have their turn.
            await asyncio.sleep(0)

    async def shutdown(self, timeout: float | None = None) -> None:
        self.tell("* the server stops")
        self.members.clear()  # so that nobody hears who all leave now
        await super().shutdown(timeout)

    def tell(self, text: str, silent: str | None = None) -> None:
        """Send a line to all members but one; none of them is waited for."""
        for name, stream in self.members.items():
            if name != silent:
                send(stream, text)


def send(stream: IOStream, text: str) -> None:
    """Send a line, or drop the client if he does not take what he was sent before."""
    try:
        stream.write_nowait(f"{text}\n".encode())
    except StreamBufferFullError:
        stream.abort()
    except StreamClosedError:
        pass  # whoever reads from him is about to hear of it


async def read_line(stream: IOStream, timeout: float | None = None) -> str:
    """Return a line without its end, and without what would steer a terminal.

    Raises:
        StreamClosedError: it was too long, or did not come in time, or the client has left.
    """
    try:
        async with asyncio.timeout(timeout):
            line = await stream.read_until(b"\n", max_bytes=MAX_LINE)
    except TimeoutError:
        raise StreamClosedError from None
    return "".join(filter(str.isprintable, line.decode("utf-8", "replace"))).strip()


async def main(port: int, address: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    async with ChatServer() as server:
        server.listen(port, address)
        print(f"chat on {address} port {server.addresses[0][1]}", flush=True)
        # Both signals cancel this wait; after it the server is left in order.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8891)
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    arguments = parser.parse_args()
    toolkit.run(main(arguments.port, arguments.address))
