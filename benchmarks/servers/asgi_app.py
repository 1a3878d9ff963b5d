"""A raw ASGI application: what the servers under it cost, with no framework on top."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"


def answer(path: str) -> tuple[int, bytes, bytes]:
    """Return the status, the content type and the body for `path`."""
    if path == "/":
        return 200, TEXT, b"Hello, world!"
    if path == "/json":
        return 200, JSON, json.dumps({"message": "Hello, world!"}).encode()
    return 404, TEXT, b"Not found"


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one request; the servers are told to leave out the lifespan protocol."""
    status, content_type, body = answer(scope["path"])
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
