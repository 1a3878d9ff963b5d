"""Starlette on uvicorn with uvloop and httptools, access log off."""

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import arguments
from benchmarks.servers.uvicorn_server import serve

pages = Jinja2Templates(PAGES)


async def hello(request: Request) -> Response:
    """Answer with 13 bytes of text."""
    return PlainTextResponse("Hello, world!")


async def small(request: Request) -> Response:
    """Answer with a small JSON object."""
    return JSONResponse({"message": "Hello, world!"})


async def user(request: Request) -> Response:
    """Answer with what the path and the query name."""
    user_id = request.path_params["user_id"]
    return JSONResponse({"id": user_id, "page": request.query_params["page"]})


async def echo(request: Request) -> Response:
    """Send JSON back."""
    return JSONResponse(await request.json())


async def table(request: Request) -> Response:
    """Fill a page in."""
    return pages.TemplateResponse(request, "table.html", {"title": TITLE, "rows": ROWS})


async def upload(request: Request) -> Response:
    """Say how long the content is."""
    return PlainTextResponse(str(len(await request.body())))


async def pieces() -> AsyncIterator[bytes]:
    """Yield what a stream is made of."""
    for _ in range(PIECES):
        yield PIECE


async def stream(request: Request) -> Response:
    """Answer piece by piece."""
    return StreamingResponse(pieces(), media_type="text/plain")


async def item(request: Request) -> Response:
    """Answer with the end of the path."""
    return PlainTextResponse(request.path_params["item"])


def make_app(sections: int) -> Starlette:
    """Return the application."""
    return Starlette(
        routes=[
            Route("/", hello),
            Route("/json", small),
            Route("/user/{user_id:int}", user),
            Route("/echo", echo, methods=["POST"]),
            Route("/table", table),
            Mount("/files", StaticFiles(directory=make_files())),
            Route("/upload", upload, methods=["POST"]),
            Route("/stream", stream),
            *(Route(f"/section{number}/{{item}}", item) for number in range(sections)),
        ]
    )


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    serve(make_app(options.routes), options.port)
