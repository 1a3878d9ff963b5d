"""A site of the project that bears slow, idle and many clients; its handlers are in both sites."""

import logging

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, PIECE, PIECES, arguments, run
from toolkit.web import Application, RequestHandler


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


async def main(port: int, patience: float) -> None:
    """Listen; a client that is slow is cut off after `patience` seconds."""
    logging.getLogger("toolkit.access").setLevel(logging.CRITICAL)
    logging.getLogger("toolkit.general").setLevel(logging.CRITICAL)
    Application([("/", HelloHandler), ("/large", LargeHandler)]).listen(
        port,
        ADDRESS,
        backlog=BACKLOG,
        header_timeout=patience,
        body_timeout=patience,
        write_timeout=patience,
        idle_connection_timeout=3600,
    )


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS, patience=True)
    run(main(options.port, options.patience), options.loop)
