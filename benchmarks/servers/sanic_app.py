"""Sanic on uvloop, in a single process, access log off."""

from typing import Any

from jinja2 import Environment, FileSystemLoader
from sanic import HTTPResponse, Request, Sanic, html, json, text

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import ADDRESS, BACKLOG, arguments, require_loop

app: Sanic[Any, Any] = Sanic("benchmark")
pages = Environment(loader=FileSystemLoader(PAGES), autoescape=True)


@app.get("/")
async def hello(request: Request) -> HTTPResponse:
    """Answer with 13 bytes of text."""
    return text("Hello, world!")


@app.get("/json")
async def small(request: Request) -> HTTPResponse:
    """Answer with a small JSON object."""
    return json({"message": "Hello, world!"})


@app.get("/user/<user_id:int>")
async def user(request: Request, user_id: int) -> HTTPResponse:
    """Answer with what the path and the query name."""
    return json({"id": user_id, "page": request.args.get("page")})


@app.post("/echo")
async def echo(request: Request) -> HTTPResponse:
    """Send JSON back."""
    return json(request.json)


@app.get("/table")
async def table(request: Request) -> HTTPResponse:
    """Fill a page in."""
    return html(pages.get_template("table.html").render(title=TITLE, rows=ROWS))


@app.post("/upload")
async def upload(request: Request) -> HTTPResponse:
    """Say how long the content is."""
    return text(str(len(request.body)))


@app.get("/stream")
async def stream(request: Request) -> None:
    """Answer piece by piece."""
    response = await request.respond(content_type="text/plain")
    for _ in range(PIECES):
        await response.send(PIECE)
    await response.eof()


async def item(request: Request, item: str) -> HTTPResponse:
    """Answer with the end of the path."""
    return text(item)


@app.before_server_start
async def check_loop(app: Sanic[Any, Any]) -> None:
    """Make sure of the loop, which Sanic chooses by itself."""
    require_loop("uvloop")


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    app.static("/files", make_files())
    for number in range(options.routes):
        app.add_route(item, f"/section{number}/<item>", name=f"section{number}")
    app.run(
        host=ADDRESS,
        port=options.port,
        backlog=BACKLOG,
        single_process=True,
        access_log=False,
        motd=False,
    )
