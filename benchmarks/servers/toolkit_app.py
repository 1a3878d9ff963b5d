"""The project on uvloop or on asyncio's own loop; its handlers are those of `tornado_app`."""

import asyncio
import logging

import uvloop

from benchmarks.servers.content import PAGES, PIECE, PIECES, ROWS, TITLE, make_files
from benchmarks.servers.startup import ADDRESS, BACKLOG, arguments, require_loop
from toolkit.escape import json_decode
from toolkit.web import Application, RequestHandler, StaticFileHandler


class HelloHandler(RequestHandler):
    """Answer with 13 bytes of text."""

    def get(self) -> None:
        self.write("Hello, world!")


class JSONHandler(RequestHandler):
    """Answer with a small JSON object."""

    def get(self) -> None:
        self.write({"message": "Hello, world!"})


class UserHandler(RequestHandler):
    """Answer with what the path and the query name."""

    def get(self, user_id: str) -> None:
        self.write({"id": int(user_id), "page": self.get_query_argument("page")})


class EchoHandler(RequestHandler):
    """Send JSON back."""

    def post(self) -> None:
        self.write(json_decode(self.request.body))


class TableHandler(RequestHandler):
    """Fill a page in."""

    def get(self) -> None:
        self.render("table.tornado.html", title=TITLE, rows=ROWS)


class UploadHandler(RequestHandler):
    """Say how long the content is."""

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class StreamHandler(RequestHandler):
    """Answer piece by piece."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        for _ in range(PIECES):
            self.write(PIECE)
            await self.flush()


class ItemHandler(RequestHandler):
    """Answer with the end of the path."""

    def get(self, item: str) -> None:
        self.write(item)


def make_app(routes: int) -> Application:
    """Return the application."""
    return Application(
        [
            (r"/", HelloHandler),
            (r"/json", JSONHandler),
            (r"/user/([0-9]+)", UserHandler),
            (r"/echo", EchoHandler),
            (r"/table", TableHandler),
            (r"/files/(.*)", StaticFileHandler, {"path": make_files()}),
            (r"/upload", UploadHandler),
            (r"/stream", StreamHandler),
            *((rf"/section{number}/([^/]+)", ItemHandler) for number in range(routes)),
        ],
        template_path=str(PAGES),
    )


async def main(port: int, loop: str, routes: int) -> None:
    """Serve until the process is ended."""
    require_loop(loop)
    logging.getLogger("toolkit.access").setLevel(logging.ERROR)
    make_app(routes).listen(port, ADDRESS, backlog=BACKLOG)
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = arguments(__doc__, loops=("uvloop", "asyncio"), routes=True)
    run = uvloop.run if options.loop == "uvloop" else asyncio.run
    run(main(options.port, options.loop, options.routes))
