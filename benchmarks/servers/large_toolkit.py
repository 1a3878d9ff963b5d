"""A site of the project with large files: they are fetched from a directory, and put into it."""

import logging
from pathlib import Path

from benchmarks.servers.startup import ADDRESS, LOOPS, arguments, run
from toolkit.web import Application, RequestHandler, StaticFileHandler, stream_request_body


@stream_request_body
class UploadHandler(RequestHandler):
    """Save the file of a form as its content comes."""

    max_body_size = 1 << 40

    def initialize(self, directory: str) -> None:
        self.directory = Path(directory)

    async def post(self) -> None:
        async for part in self.parts():
            size = await part.save(self.directory / "uploaded", durable=False)
            self.write(str(size))


async def main(port: int, directory: str) -> None:
    """Listen."""
    logging.getLogger("toolkit.access").setLevel(logging.CRITICAL)
    Application(
        [
            ("/upload", UploadHandler, {"directory": directory}),
            ("/(.*)", StaticFileHandler, {"path": directory}),
        ]
    ).listen(port, ADDRESS)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS, directory=True)
    run(main(options.port, options.directory), options.loop)
