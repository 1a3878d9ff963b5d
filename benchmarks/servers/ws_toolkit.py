"""Echo of WebSocket messages, and a room for all, with the project, on uvloop or asyncio's loop."""

from typing import Any

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run
from toolkit.web import Application
from toolkit.websocket import Room, WebSocketHandler

ROOM = Room()


class Echo(WebSocketHandler):
    """Send each message back."""

    def get_compression_options(self) -> dict[str, Any] | None:
        return {}

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, isinstance(message, bytes))


class Everybody(WebSocketHandler):
    """Send each message to all."""

    def get_compression_options(self) -> dict[str, Any] | None:
        return {}

    def open(self) -> None:
        ROOM.join(self)

    def on_message(self, message: str | bytes) -> None:
        ROOM.broadcast(message)


async def main(port: int) -> None:
    """Listen."""
    Application([("/echo", Echo), ("/room", Everybody)], log_function=lambda handler: None).listen(
        port, ADDRESS, backlog=BACKLOG
    )


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
