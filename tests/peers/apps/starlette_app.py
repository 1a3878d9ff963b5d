"""In Starlette."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
    yield {"alive": "yes"}


async def item(request: Request) -> Response:
    return JSONResponse(
        {"id": request.path_params["id"], "tags": request.query_params.getlist("tag")}
    )


async def take_json(request: Request) -> Response:
    return JSONResponse({"sent": await request.json()})


async def form(request: Request) -> Response:
    async with request.form() as fields:
        file: Any = fields["file"]
        content = await file.read()
        return JSONResponse({"name": fields["name"], "file": file.filename, "size": len(content)})


async def lines() -> AsyncIterator[bytes]:
    for number in range(10):
        yield b"%d\n" % number


async def stream(request: Request) -> Response:
    return StreamingResponse(lines(), media_type="text/plain")


async def cookies(request: Request) -> Response:
    response = JSONResponse({"a": request.cookies.get("a")})
    response.set_cookie("b", "1")
    response.set_cookie("c", "2", httponly=True)
    return response


async def error(request: Request) -> Response:
    raise LookupError("broken")


async def alive(request: Request) -> Response:
    return PlainTextResponse(request.state.alive)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "close":
                await websocket.close(4001)
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        pass


app = Starlette(
    routes=[
        Route("/items/{id:int}", item),
        Route("/json", take_json, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/stream", stream),
        Route("/cookies", cookies),
        Route("/error", error),
        Route("/alive", alive),
        WebSocketRoute("/ws", echo),
    ],
    lifespan=lifespan,
)
