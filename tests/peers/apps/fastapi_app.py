"""In FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Cookie, FastAPI, File, Form, Query, Request, Response, UploadFile, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from tests.peers.apps.starlette_app import echo as starlette_echo
from tests.peers.apps.starlette_app import lines


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
    yield {"alive": "yes"}


app = FastAPI(lifespan=lifespan)


@app.get("/items/{id}")
async def item(id: int, tag: Annotated[list[str], Query()] = []) -> Any:  # noqa: B006
    return {"id": id, "tags": tag}


@app.post("/json")
async def take_json(sent: dict[str, Any]) -> Any:
    return {"sent": sent}


@app.post("/form")
async def form(name: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> Any:
    return {"name": name, "file": file.filename, "size": len(await file.read())}


@app.get("/stream")
async def stream() -> Any:
    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/cookies")
async def cookies(response: Response, a: Annotated[str | None, Cookie()] = None) -> Any:
    response.set_cookie("b", "1")
    response.set_cookie("c", "2", httponly=True)
    return {"a": a}


@app.get("/error")
def error() -> Any:  # in a thread
    raise LookupError("broken")


@app.get("/alive")
def alive(request: Request) -> Any:
    return PlainTextResponse(request.state.alive)


@app.websocket("/ws")
async def echo(websocket: WebSocket) -> None:
    await starlette_echo(websocket)
