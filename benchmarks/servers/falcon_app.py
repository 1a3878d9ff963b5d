"""Falcon's ASGI application on uvicorn with uvloop and httptools, access log off."""

from collections.abc import AsyncIterator

import falcon
from falcon.asgi import App, Request, Response
from jinja2 import Environment, FileSystemLoader

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import arguments
from benchmarks.servers.uvicorn_server import serve

pages = Environment(loader=FileSystemLoader(PAGES), autoescape=True)


class Hello:
    """Answers with 13 bytes of text."""

    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = "Hello, world!"


class Small:
    """Answers with a small JSON object."""

    async def on_get(self, request: Request, response: Response) -> None:
        response.media = {"message": "Hello, world!"}


class User:
    """Answers with what the path and the query name."""

    async def on_get(self, request: Request, response: Response, user_id: int) -> None:
        response.media = {"id": user_id, "page": request.get_param("page")}


class Echo:
    """Sends JSON back."""

    async def on_post(self, request: Request, response: Response) -> None:
        response.media = await request.get_media()


class Table:
    """Fills a page in."""

    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_HTML
        response.text = pages.get_template("table.html").render(title=TITLE, rows=ROWS)


class Upload:
    """Says how long the content is."""

    async def on_post(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = str(len(await request.stream.read()))


async def pieces() -> AsyncIterator[bytes]:
    """Yield what a stream is made of."""
    for _ in range(PIECES):
        yield PIECE


class Stream:
    """Answers piece by piece."""

    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.stream = pieces()


class Item:
    """Answers with the end of the path."""

    async def on_get(self, request: Request, response: Response, item: str) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = item


def make_app(sections: int) -> App:
    """Return the application."""
    app = App()
    app.add_route("/", Hello())
    app.add_route("/json", Small())
    app.add_route("/user/{user_id:int}", User())
    app.add_route("/echo", Echo())
    app.add_route("/table", Table())
    app.add_static_route("/files", make_files())
    app.add_route("/upload", Upload())
    app.add_route("/stream", Stream())
    item = Item()
    for number in range(sections):
        app.add_route(f"/section{number}/{{item}}", item)
    return app


if __name__ == "__main__":
    options = arguments(__doc__, routes=True)
    serve(make_app(options.routes), options.port)
