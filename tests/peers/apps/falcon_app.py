"""In Falcon."""

from collections.abc import AsyncIterator
from typing import Any

import falcon
import falcon.asgi


class Lifespan:
    """Middleware with a lifespan."""

    alive = "no"

    async def process_startup(self, scope: Any, event: Any) -> None:
        self.alive = "yes"

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        self.alive = "no"


class Site:
    """All resources."""

    async def on_get_item(self, req: Any, resp: Any, id: int) -> None:
        resp.media = {"id": id, "tags": req.get_param_as_list("tag") or []}

    async def on_post_json(self, req: Any, resp: Any) -> None:
        resp.media = {"sent": await req.get_media()}

    async def on_post_form(self, req: Any, resp: Any) -> None:
        told: dict[str, Any] = {}
        async for part in await req.get_media():
            if part.name == "file":
                told |= {"file": part.filename, "size": len(await part.stream.read())}
            else:
                told["name"] = await part.text
        resp.media = told

    async def on_get_stream(self, req: Any, resp: Any) -> None:
        async def lines() -> AsyncIterator[bytes]:
            for number in range(10):
                yield b"%d\n" % number

        resp.content_type = "text/plain"
        resp.stream = lines()

    async def on_get_cookies(self, req: Any, resp: Any) -> None:
        resp.set_cookie("b", "1", secure=False)
        resp.set_cookie("c", "2")
        resp.media = {"a": req.cookies.get("a")}

    async def on_get_error(self, req: Any, resp: Any) -> None:
        raise LookupError("broken")

    async def on_get_alive(self, req: Any, resp: Any) -> None:
        resp.text = middleware.alive

    async def on_websocket_ws(self, req: Any, ws: Any) -> None:
        await ws.accept()
        while True:
            try:
                message = await ws._receive()
            except falcon.WebSocketDisconnected:
                return
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text == "close":
                await ws.close(4001)
                return
            await (ws.send_data(message["bytes"]) if text is None else ws.send_text(text))


middleware = Lifespan()
app = falcon.asgi.App(middleware=[middleware])
for path, suffix in (
    ("/items/{id:int}", "item"),
    ("/json", "json"),
    ("/form", "form"),
    ("/stream", "stream"),
    ("/cookies", "cookies"),
    ("/error", "error"),
    ("/alive", "alive"),
    ("/ws", "ws"),
):
    app.add_route(path, Site(), suffix=suffix)
