"""The project on uvloop or on asyncio's own loop; its handlers are those of `tornado_app`."""

import asyncio
import logging

import uvloop

from benchmarks.servers.startup import ADDRESS, arguments, require_loop
from toolkit.web import Application, RequestHandler


class HelloHandler(RequestHandler):
    """Answer with 13 bytes of text."""

    def get(self) -> None:
        self.write("Hello, world!")


class UserHandler(RequestHandler):
    """Answer with a small JSON object about the user that the path names."""

    def get(self, user_id: str) -> None:
        self.write({"id": int(user_id), "name": f"user {user_id}"})


async def main(port: int, loop: str) -> None:
    """Serve until the process is ended."""
    require_loop(loop)
    logging.getLogger("toolkit.access").setLevel(logging.ERROR)
    app = Application([(r"/", HelloHandler), (r"/user/([0-9]+)", UserHandler)])
    app.listen(port, ADDRESS)
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = arguments(__doc__, loops=("uvloop", "asyncio"))
    run = uvloop.run if options.loop == "uvloop" else asyncio.run
    run(main(options.port, options.loop))
