"""FastAPI on uvicorn with uvloop and httptools, access log off."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Body, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import arguments
from benchmarks.servers.uvicorn_server import serve

app = FastAPI()
pages = Jinja2Templates(PAGES)


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    """Answer with 13 bytes of text."""
    return "Hello, world!"


@app.get("/json")
async def small() -> dict[str, str]:
    """Answer with a small JSON object."""
    return {"message": "Hello, world!"}


@app.get("/user/{user_id}")
async def user(user_id: int, page: str) -> dict[str, Any]:
    """Answer with what the path and the query name."""
    return {"id": user_id, "page": page}


@app.post("/echo")
async def echo(value: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008  # FastAPI's way
    """Send JSON back."""
    return value


@app.get("/table", response_class=HTMLResponse)
async def table(request: Request) -> Response:
    """Fill a page in."""
    return pages.TemplateResponse(request, "table.html", {"title": TITLE, "rows": ROWS})


@app.post("/upload", response_class=PlainTextResponse)
async def upload(request: Request) -> str:
    """Say how long the content is."""
    return str(len(await request.body()))


async def pieces() -> AsyncIterator[bytes]:
    """Yield what a stream is made of."""
    for _ in range(PIECES):
        yield PIECE


@app.get("/stream")
async def stream() -> StreamingResponse:
    """Answer piece by piece."""
    return StreamingResponse(pieces(), media_type="text/plain")


async def item(item: str) -> str:
    """Answer with the end of the path."""
    return item


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    app.mount("/files", StaticFiles(directory=make_files()))
    for number in range(options.routes):
        app.get(f"/section{number}/{{item}}", response_class=PlainTextResponse)(item)
    serve(app, options.port)
