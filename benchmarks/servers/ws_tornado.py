"""Echo of WebSocket messages, and a room for all, with Tornado, on uvloop or asyncio's loop."""

from typing import Any

from tornado.web import Application
from tornado.websocket import WebSocketHandler

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run

EVERYBODY: set["Everybody"] = set()


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
        EVERYBODY.add(self)

    def on_close(self) -> None:
        EVERYBODY.discard(self)

    def on_message(self, message: str | bytes) -> None:
        for client in EVERYBODY:
            client.write_message(message)


async def main(port: int) -> None:
    """Listen."""
    Application([("/echo", Echo), ("/room", Everybody)], log_function=lambda handler: None).listen(
        port, ADDRESS, backlog=BACKLOG
    )


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
