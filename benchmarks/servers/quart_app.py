"""Quart on hypercorn with uvloop, access log off."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, jsonify, render_template, request

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import ADDRESS, BACKLOG, arguments, require_loop

app = Quart(
    __name__, static_folder=make_files(), static_url_path="/files", template_folder=str(PAGES)
)


@app.get("/")
async def hello() -> Response:
    """Answer with 13 bytes of text."""
    return Response("Hello, world!", content_type="text/plain; charset=utf-8")


@app.get("/json")
async def small() -> dict[str, str]:
    """Answer with a small JSON object."""
    return {"message": "Hello, world!"}


@app.get("/user/<int:user_id>")
async def user(user_id: int) -> dict[str, Any]:
    """Answer with what the path and the query name."""
    return {"id": user_id, "page": request.args["page"]}


@app.post("/echo")
async def echo() -> Response:
    """Send JSON back."""
    return jsonify(await request.get_json())


@app.get("/table")
async def table() -> str:
    """Fill a page in."""
    return await render_template("table.html", title=TITLE, rows=ROWS)


@app.post("/upload")
async def upload() -> Response:
    """Say how long the content is."""
    return Response(str(len(await request.get_data())), content_type="text/plain")


async def pieces() -> AsyncIterator[bytes]:
    """Yield what a stream is made of."""
    for _ in range(PIECES):
        yield PIECE


@app.get("/stream")
async def stream() -> Response:
    """Answer piece by piece."""
    return Response(pieces(), content_type="text/plain")


async def item(item: str) -> Response:
    """Answer with the end of the path."""
    return Response(item, content_type="text/plain")


async def main(port: int, sections: int) -> None:
    """Serve until the process is ended."""
    require_loop("uvloop")
    for number in range(sections):
        app.add_url_rule(f"/section{number}/<item>", f"section{number}", item)
    config = Config()
    config.bind = [f"{ADDRESS}:{port}"]
    config.backlog = BACKLOG
    config.accesslog = None
    config.errorlog = None
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    uvloop.run(main(options.port, options.routes))
