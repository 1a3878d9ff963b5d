"""In Sanic, as an ASGI application."""

from typing import Any

from sanic import HTTPResponse, Request, Sanic, Websocket, json, text

app: Any = Sanic("parity")
app.config.MOTD = False


@app.before_server_start
async def start(app: Any) -> None:
    app.ctx.alive = "yes"


@app.get("/items/<id:int>")
async def item(request: Request, id: int) -> HTTPResponse:
    return json({"id": id, "tags": request.args.getlist("tag") or []})


@app.post("/json")
async def take_json(request: Request) -> HTTPResponse:
    return json({"sent": request.json})


@app.post("/form")
async def form(request: Request) -> HTTPResponse:
    file = request.files.get("file")
    return json({"name": request.form.get("name"), "file": file.name, "size": len(file.body)})


@app.get("/stream")
async def stream(request: Request) -> None:
    response = await request.respond(content_type="text/plain")
    for number in range(10):
        await response.send(b"%d\n" % number)
    await response.eof()


@app.get("/cookies")
async def cookies(request: Request) -> HTTPResponse:
    response = json({"a": request.cookies.get("a")})
    response.add_cookie("b", "1", secure=False)
    response.add_cookie("c", "2", httponly=True)
    return response


@app.get("/error")
async def error(request: Request) -> HTTPResponse:
    raise LookupError("broken")


@app.get("/alive")
async def alive(request: Request) -> HTTPResponse:
    return text(request.app.ctx.alive)


@app.websocket("/ws")
async def echo(request: Request, ws: Websocket) -> None:
    while (message := await ws.recv()) is not None:
        if message == "close":
            await ws.close(4001)
            return
        await ws.send(message)
