"""A chat room in the browser, over WebSockets."""

import argparse
import asyncio
import itertools
import logging
import signal
from collections import deque
from dataclasses import dataclass
from importlib import resources
from typing import Any, ClassVar, Literal

from toolkit.ioloop import IOLoop
from toolkit.web import Application, RequestHandler
from toolkit.websocket import RateLimit, Room, SendQueue, WebSocketHandler
from toolkit.websocket.typed import encode

#: Seconds that clients get to close when the server is stopped.
STOP_TIMEOUT = 5.0
#: Characters of a name and of what is said.
MAX_NAME, MAX_TEXT = 30, 1000
#: Messages that somebody who joins gets to see.
HISTORY = 50

HERE = resources.files("demos.wschat")


@dataclass
class Said:
    """What a client sends."""

    kind: Literal["say"]
    text: str

    def __post_init__(self) -> None:
        self.text = self.text.strip()
        if not 0 < len(self.text) <= MAX_TEXT:
            raise ValueError(f"text of {len(self.text)} characters; 1 to {MAX_TEXT} are allowed")


class PageHandler(RequestHandler):
    """The page."""

    page = (HERE / "page.html").read_text("utf-8")

    def get(self) -> None:
        self.write(self.page)


class ChatHandler(WebSocketHandler):
    """One visitor. What comes is a `Said`; anything else closes the connection."""

    message_type = Said
    max_message_size = 8192
    # Who types faster is a program, and who reads too slowly misses the oldest.
    rate_limit = RateLimit(messages=10, seconds=5.0)
    room = Room(SendQueue("drop_old", messages=200))
    history: ClassVar[deque[str]] = deque(maxlen=HISTORY)
    numbers = itertools.count(1)

    def open(self) -> None:
        name = " ".join((self.get_argument("name", "") or "").split())[:MAX_NAME]
        self.name = name or f"Guest {next(self.numbers)}"
        self.write_json({"kind": "welcome", "name": self.name})
        for message in self.history:
            self.write_message(message)
        self.room.join(self)
        self.tell("joined")

    def on_message(self, message: Said) -> None:
        self.tell("say", text=message.text)

    def on_close(self) -> None:
        self.tell("left")

    def tell(self, kind: str, **more: Any) -> None:
        """Tell everybody, and those who come later if it was said."""
        names = [member.name for member in self.room if isinstance(member, ChatHandler)]
        event = encode({"kind": kind, "name": self.name, **more})
        if kind == "say":
            self.history.append(event)
            self.room.broadcast(event)
        else:
            self.room.broadcast({"kind": kind, "name": self.name, "names": names})


def make_application() -> Application:
    """Return the application."""
    return Application([(r"/", PageHandler), (r"/chat", ChatHandler)], websocket_ping_interval=20)


async def main(port: int) -> None:
    """Serve until SIGINT or SIGTERM, then tell all visitors that the server goes."""
    server = make_application().listen(port, "127.0.0.1")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"chat room: http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    await stopped.wait()
    server.stop()
    await server.close_all_connections(STOP_TIMEOUT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    port = parser.parse_args().port
    IOLoop.current().run_sync(lambda: main(port))
