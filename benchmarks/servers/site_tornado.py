"""A site of Tornado that bears idle and many clients; it has no time-outs for slow ones."""

import logging

from tornado.web import Application, RequestHandler

from benchmarks.servers.startup import ADDRESS, LOOPS, PIECE, PIECES, arguments, run


class HelloHandler(RequestHandler):
    """Answer with 13 bytes of text."""

    def get(self) -> None:
        self.write("Hello, world!")

    post = get


class LargeHandler(RequestHandler):
    """Answer with more than the buffers of both kernels hold."""

    async def get(self) -> None:
        for _ in range(PIECES):
            self.write(PIECE)
            await self.flush()


async def main(port: int) -> None:
    """Listen."""
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    Application([("/", HelloHandler), ("/large", LargeHandler)]).listen(port, ADDRESS)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
