"""In BlackSheep."""

from collections.abc import AsyncIterator
from typing import Any

from blacksheep import (
    Application,
    Cookie,
    Request,
    Response,
    StreamedContent,
    WebSocket,
    json,
    text,
)
from blacksheep.server.websocket import WebSocketDisconnectError

app = Application()
state: dict[str, str] = {}


@app.lifespan
async def lifespan(app: Application) -> AsyncIterator[None]:
    state["alive"] = "yes"
    yield
    state.clear()


@app.router.get("/items/{int:id}")
async def item(request: Request) -> Response:
    return json({"id": int(request.route_values["id"]), "tags": request.query.get("tag", [])})


@app.router.post("/json")
async def take_json(request: Request) -> Response:
    return json({"sent": await request.json()})


@app.router.post("/form")
async def form(request: Request) -> Response:
    told: dict[str, Any] = {}
    for part in await request.multipart():
        if part.name == b"file":
            told |= {"file": part.file_name.decode(), "size": len(part.data)}
        else:
            told["name"] = part.data.decode()
    return json(told)


@app.router.get("/stream")
async def stream() -> Response:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(10):
            yield b"%d\n" % number

    return Response(200, content=StreamedContent(b"text/plain", lines))


@app.router.get("/cookies")
async def cookies(request: Request) -> Response:
    response = json({"a": request.cookies.get("a")})
    response.set_cookie(Cookie("b", "1"))
    response.set_cookie(Cookie("c", "2", http_only=True))
    return response


@app.router.get("/error")
async def error() -> Response:
    raise LookupError("broken")


@app.router.get("/alive")
async def alive() -> Response:
    return text(state["alive"])


@app.router.ws("/ws")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message.get("text") == "close":
                await websocket.close(4001)
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnectError:
        pass
