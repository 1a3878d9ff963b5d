"""In Litestar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.datastructures import Cookie
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Stream


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.alive = "yes"
    yield


@get("/items/{id:int}")
async def item(id: int, tag: list[str] | None = None) -> Any:
    return {"id": id, "tags": tag or []}


@post("/json", status_code=200)
async def take_json(data: dict[str, Any]) -> Any:
    return {"sent": data}


@post("/form", status_code=200)
async def form(request: Request) -> Any:
    fields = await request.form()
    file = fields["file"]
    return {"name": fields["name"], "file": file.filename, "size": len(await file.read())}


@get("/stream")
async def stream() -> Stream:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(10):
            yield b"%d\n" % number

    return Stream(lines(), media_type="text/plain")


@get("/cookies")
async def cookies(request: Request) -> Response[Any]:
    cookies = [Cookie(key="b", value="1"), Cookie(key="c", value="2", httponly=True)]
    return Response({"a": request.cookies.get("a")}, cookies=cookies)


@get("/error")
async def error() -> None:
    raise LookupError("broken")


@get("/alive", media_type=MediaType.TEXT)
async def alive(request: Request) -> str:
    return str(request.app.state.alive)


@websocket("/ws")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "close":
                await socket.close(4001)
                return
            if message.get("text") is not None:
                await socket.send_text(message["text"])
            else:
                await socket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        pass


app = Litestar([item, take_json, form, stream, cookies, error, alive, echo], lifespan=[lifespan])
