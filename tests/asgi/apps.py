"""ASGI applications for the tests."""

import asyncio
from collections.abc import Iterable
from typing import Any

from toolkit.asgi import ASGIApplication

Message = dict[str, Any]


def answering(
    *pieces: bytes,
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = ((b"content-type", b"text/plain"),),
) -> ASGIApplication:
    """Return an application that always answers the same, in as many messages as pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for number, piece in enumerate(pieces, 1):
            more = number < len(pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    return app


async def content(receive: Any) -> bytes:
    """Return the whole content of a request."""
    pieces = []
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer the content of the request."""
    await answering(await content(receive))(scope, receive, send)


class Recorder:
    """An application that answers nothing much, and keeps the scopes that it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Message] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await answering(b"ok")(scope, receive, send)


class Living:
    """An application with a lifespan, which notes what happens.

    Args:
        fails: at what it says that it has failed.
    """

    def __init__(self, fails: str = "", log: list[str] | None = None, name: str = "app") -> None:
        self.fails = fails
        self.log = [] if log is None else log
        self.name = name
        self.states: list[Message] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.log.append(f"{self.name} request")
            self.states.append(scope["state"])
            scope["state"]["seen"] = True
            await answering(b"ok")(scope, receive, send)
            return
        for what in ("startup", "shutdown"):
            message = await receive()
            assert message == {"type": f"lifespan.{what}"}
            self.log.append(f"{self.name} {what}")
            if self.fails == what:
                message = "Traceback ...\nOSError: no database"
                await send({"type": f"lifespan.{what}.failed", "message": message})
                return
            scope["state"]["pool"] = self
            await send({"type": f"lifespan.{what}.complete"})


class Waiting:
    """An application that waits for the client to leave, and then sends nevertheless."""

    def __init__(self) -> None:
        self.received = asyncio.Event()
        self.message: Message | None = None
        self.error: BaseException | None = None
        self.ended = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await content(receive)
        self.received.set()
        self.message = await receive()
        try:
            await answering(b"late")(scope, receive, send)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()
