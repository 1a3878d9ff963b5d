"""In Quart."""

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, jsonify, request, websocket

app = Quart(__name__)
state: dict[str, str] = {}


@app.while_serving
async def lifespan() -> AsyncIterator[None]:
    state["alive"] = "yes"
    yield
    state.clear()


@app.get("/items/<int:id>")
async def item(id: int) -> Any:
    return jsonify({"id": id, "tags": request.args.getlist("tag")})


@app.post("/json")
async def take_json() -> Any:
    return jsonify({"sent": await request.get_json()})


@app.post("/form")
async def form() -> Any:
    file = (await request.files)["file"]
    fields = await request.form
    return jsonify({"name": fields["name"], "file": file.filename, "size": len(file.read())})


@app.get("/stream")
async def stream() -> Any:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(10):
            yield b"%d\n" % number

    return Response(lines(), content_type="text/plain")


@app.get("/cookies")
async def cookies() -> Any:
    response = jsonify({"a": request.cookies.get("a")})
    response.set_cookie("b", "1")
    response.set_cookie("c", "2", httponly=True)
    return response


@app.get("/error")
async def error() -> Any:
    raise LookupError("broken")


@app.get("/alive")
async def alive() -> Any:
    return state["alive"]


@app.websocket("/ws")
async def echo() -> None:
    while True:
        message = await websocket.receive()
        if message == "close":
            await websocket.close(4001)
            return
        await websocket.send(message)
