"""Tornado on asyncio's own loop, its default."""

import asyncio
import logging

from tornado.web import Application, RequestHandler

from benchmarks.servers.startup import ADDRESS, arguments, require_loop


class HelloHandler(RequestHandler):
    """Answer with 13 bytes of text."""

    def get(self) -> None:
        self.write("Hello, world!")


class UserHandler(RequestHandler):
    """Answer with a small JSON object about the user that the path names."""

    def get(self, user_id: str) -> None:
        self.write({"id": int(user_id), "name": f"user {user_id}"})


async def main(port: int) -> None:
    """Serve until the process is ended."""
    require_loop("asyncio")
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    app = Application([(r"/", HelloHandler), (r"/user/([0-9]+)", UserHandler)])
    app.listen(port, ADDRESS)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(arguments(__doc__).port))
