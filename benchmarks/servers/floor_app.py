"""A bare uvloop protocol with a constant answer: the floor under every server in Python."""

import asyncio
from typing import cast

import uvloop

from benchmarks.servers.startup import ADDRESS, arguments


def constant_answer(content_type: str, body: bytes) -> bytes:
    """Build the whole answer, head and body, once."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


HELLO = constant_answer("text/plain; charset=utf-8", b"Hello, world!")
JSON = constant_answer("application/json", b'{"message": "Hello, world!"}')
END = b"\r\n\r\n"


class Floor(asyncio.Protocol):
    """Answer every end of a head; requests have no bodies here."""

    def __init__(self) -> None:
        self.rest = b""
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.answer:
            # Once per connection, not per request: the floor does not parse.
            self.answer = JSON if data.startswith(b"GET /json") else HELLO
        *heads, rest = (self.rest + data).split(END)
        # An end may be cut anywhere, so at most its first three bytes are still to be remembered.
        self.rest = rest[-3:]
        if heads:
            self.transport.write(self.answer * len(heads))


async def main() -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Floor, ADDRESS, arguments(__doc__).port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
