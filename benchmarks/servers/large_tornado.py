"""A site of Tornado with the files of a directory."""

import logging

from tornado.web import Application, StaticFileHandler

from benchmarks.servers.startup import ADDRESS, LOOPS, arguments, run


async def main(port: int, directory: str) -> None:
    """Listen."""
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    Application([("/(.*)", StaticFileHandler, {"path": directory})]).listen(port, ADDRESS)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS, directory=True)
    run(main(options.port, options.directory), options.loop)
