"""BlackSheep on uvicorn with uvloop and httptools, access log off."""

from collections.abc import AsyncIterator

from blacksheep import Application, Content, Request, Response, StreamedContent, get, json, post
from blacksheep import html as page_of
from blacksheep import text as text_of
from jinja2 import Environment, FileSystemLoader

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import arguments
from benchmarks.servers.uvicorn_server import serve

pages = Environment(loader=FileSystemLoader(PAGES), autoescape=True)


@get("/")
async def hello() -> Response:
    """Answer with 13 bytes of text."""
    return text_of("Hello, world!")


@get("/json")
async def small() -> Response:
    """Answer with a small JSON object."""
    return json({"message": "Hello, world!"})


@get("/user/{user_id}")
async def user(user_id: int, page: str) -> Response:
    """Answer with what the path and the query name."""
    return json({"id": user_id, "page": page})


@post("/echo")
async def echo(request: Request) -> Response:
    """Send JSON back."""
    return json(await request.json())


@get("/table")
async def table() -> Response:
    """Fill a page in."""
    return page_of(pages.get_template("table.html").render(title=TITLE, rows=ROWS))


@post("/upload")
async def upload(request: Request) -> Response:
    """Say how long the content is."""
    return text_of(str(len(await request.read() or b"")))


async def pieces() -> AsyncIterator[bytes]:
    """Yield what a stream is made of."""
    for _ in range(PIECES):
        yield PIECE


@get("/stream")
async def stream() -> Response:
    """Answer piece by piece."""
    content: Content = StreamedContent(b"text/plain", pieces)
    return Response(200, content=content)


async def item(item: str) -> Response:
    """Answer with the end of the path."""
    return text_of(item)


def make_app(sections: int) -> Application:
    """Return the application."""
    app = Application()
    app.serve_files(make_files(), root_path="files", extensions={".bin"})
    for number in range(sections):
        app.router.add_get(f"/section{number}/{{item}}", item)
    return app


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    serve(make_app(options.routes), options.port, lifespan=True)
