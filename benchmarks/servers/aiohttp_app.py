"""aiohttp on uvloop, access log off."""

import asyncio

import uvloop
from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from benchmarks.servers.content import (
    MAX_UPLOAD,
    PAGES,
    PIECE,
    PIECES,
    ROWS,
    TITLE,
    make_files,
)
from benchmarks.servers.startup import ADDRESS, BACKLOG, arguments

routes = web.RouteTableDef()
pages = Environment(loader=FileSystemLoader(PAGES), autoescape=True)


@routes.get("/")
async def hello(request: web.Request) -> web.Response:
    """Answer with 13 bytes of text."""
    return web.Response(text="Hello, world!")


@routes.get("/json")
async def small(request: web.Request) -> web.Response:
    """Answer with a small JSON object."""
    return web.json_response({"message": "Hello, world!"})


@routes.get(r"/user/{user_id:\d+}")
async def user(request: web.Request) -> web.Response:
    """Answer with what the path and the query name."""
    user_id = int(request.match_info["user_id"])
    return web.json_response({"id": user_id, "page": request.query["page"]})


@routes.post("/echo")
async def echo(request: web.Request) -> web.Response:
    """Send JSON back."""
    return web.json_response(await request.json())


@routes.get("/table")
async def table(request: web.Request) -> web.Response:
    """Fill a page in."""
    page = pages.get_template("table.html").render(title=TITLE, rows=ROWS)
    return web.Response(text=page, content_type="text/html")


@routes.post("/upload")
async def upload(request: web.Request) -> web.Response:
    """Say how long the content is."""
    return web.Response(text=str(len(await request.read())))


@routes.get("/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    """Answer piece by piece."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    for _ in range(PIECES):
        await response.write(PIECE)
    await response.write_eof()
    return response


async def item(request: web.Request) -> web.Response:
    """Answer with the end of the path."""
    return web.Response(text=request.match_info["item"])


async def main(port: int, sections: int) -> None:
    """Serve until the process is ended."""
    app = web.Application(client_max_size=MAX_UPLOAD)
    app.add_routes(routes)
    app.router.add_static("/files", make_files())
    for number in range(sections):
        app.router.add_get(f"/section{number}/{{item}}", item)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, port, backlog=BACKLOG).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    uvloop.run(main(options.port, options.routes))
