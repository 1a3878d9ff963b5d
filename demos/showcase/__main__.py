"""Shows what the toolkit does, in one small application: `make demo`."""

import argparse
import asyncio
import logging
import os
import re
import signal
import time
from importlib import resources

from toolkit.escape import xhtml_escape
from toolkit.ioloop import IOLoop
from toolkit.web import Application, HTTPError, RequestHandler, stream_request_body, url

#: Seconds that requests under way get when the server is stopped.
STOP_TIMEOUT = 10.0

HERE = resources.files("demos.showcase")


class Page(RequestHandler):
    """Fills content into the page that all have in common."""

    layout = (HERE / "layout.html").read_text("utf-8")

    def show(self, title: str, content: str) -> None:
        """Answer with a page; `content` is HTML."""
        # In this order nothing that a visitor sent is taken for a place to fill.
        head, _, tail = self.layout.partition("{{content}}")
        self.write(head.replace("{{title}}", xhtml_escape(title)) + content + tail)


class HomeHandler(Page):
    """The first page, with a way to each of the others."""

    content = (HERE / "home.html").read_text("utf-8")

    def get(self) -> None:
        self.show("toolkit", self.content)


class GreetingHandler(Page):
    """A page with an argument in its path."""

    def get(self, name: str) -> None:
        who = xhtml_escape(name)
        self.show(f"Hello, {name}", f"<h1>Hello, {who}</h1><p>The path said <b>{who}</b>.</p>")


class ServerTimeHandler(RequestHandler):
    """An answer in JSON."""

    def get(self) -> None:
        self.write({"time": time.time(), "pid": os.getpid(), "client": self.request.remote_ip})


class CountHandler(RequestHandler):
    """An answer that comes in pieces, each as soon as it is there."""

    async def get(self) -> None:
        count = self.get_argument("to", "10")
        if count is None or not re.fullmatch("[0-9]{1,4}", count) or not 0 < int(count) <= 1000:
            raise HTTPError(400, reason="to has to be 1 to 1000")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        for number in range(1, int(count) + 1):
            self.write(f"{number}\n")
            await self.flush()
            await asyncio.sleep(0.2)


class UploadHandler(Page):
    """A form whose files come back as a list of names and sizes."""

    def post(self) -> None:
        rows = [
            f"<tr><td>{xhtml_escape(file.filename)}</td><td>{xhtml_escape(file.content_type)}</td>"
            f"<td>{len(file.body):,}</td></tr>"
            for file in self.request.files.get("files", [])
        ]
        table = "<table><tr><th>name</th><th>type</th><th>bytes</th></tr>" + "".join(rows)
        self.show("Upload", f"<h1>{len(rows)} received</h1>{table}</table>")


@stream_request_body
class PutHandler(RequestHandler):
    """Takes a file of any size, piece by piece: ``curl -T file URL``."""

    def initialize(self) -> None:
        self.size = 0
        self.request.connection.set_max_body(None)

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def put(self, name: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(f"{name}: {self.size} bytes\n")


def make_application() -> Application:
    """Return the application."""
    return Application(
        [
            url(r"/", HomeHandler, name="home"),
            url(r"/hello/([^/]+)", GreetingHandler, name="greeting"),
            url(r"/api/time", ServerTimeHandler),
            url(r"/count", CountHandler),
            url(r"/upload", UploadHandler),
            url(r"/put/([^/]*)", PutHandler),
        ],
        static_path=str(HERE / "static"),
    )


async def main(port: int) -> None:
    """Serve until SIGINT or SIGTERM, then let requests under way finish."""
    server = make_application().listen(port, "127.0.0.1")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"toolkit demo: http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    await stopped.wait()
    server.stop()
    await server.close_all_connections(STOP_TIMEOUT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    port = parser.parse_args().port
    IOLoop.current().run_sync(lambda: main(port))
