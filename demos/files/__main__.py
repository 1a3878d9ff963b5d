"""Keeps files for you: upload with progress, download with ranges, delete."""

import argparse
import asyncio
import logging
import signal
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from demos.files.store import Store
from toolkit.ioloop import IOLoop
from toolkit.web import (
    Application,
    HTTPError,
    RequestHandler,
    StaticFileHandler,
    stream_request_body,
    url,
)

#: Seconds that requests under way get when the server is stopped.
STOP_TIMEOUT = 10.0
MEBIBYTE = 1024 * 1024
#: Bytes of a form besides its files: boundaries, headers, the token.
FORM_OVERHEAD = 64 * 1024
#: Nothing but our own files is loaded, and no page of others shows ours.
POLICY = "default-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'"

HERE = resources.files("demos.files")


class Page(RequestHandler):
    """What all pages have in common.

    Attributes:
        store: of the files.
        max_size: bytes of one upload.
    """

    def initialize(self, store: Store, max_size: int) -> None:
        self.store = store
        self.max_size = max_size

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")

    def get_template_namespace(self) -> dict[str, Any]:
        return super().get_template_namespace() | {"size_text": size_text}

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a script with the reason alone, and others with a page."""
        if self.wants_text():
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(self._reason)
        else:
            self.render("error.html", status=status_code, reason=self._reason)

    def wants_text(self) -> bool:
        """Say whether our script asks."""
        return "X-Requested-With" in self.request.headers


class ListHandler(Page):
    """The page with all files; for our script, their table alone."""

    async def get(self) -> None:
        name = "table.html" if self.wants_text() else "list.html"
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "X-Requested-With")
        self.render(name, files=await self.store.all(), max_size=self.max_size)


@stream_request_body
class UploadHandler(Page):
    """Takes files as they come; the token has to be in a header or the query, before them."""

    def initialize(self, store: Store, max_size: int) -> None:
        super().initialize(store, max_size)
        self.request.connection.set_max_body_size(max_size + FORM_OVERHEAD)

    async def post(self) -> None:
        names = []
        async for part in self.parts():
            if part.filename:
                names.append(await self.store.save(part, self.max_size))
        if not names:
            raise HTTPError(400, reason="No file was chosen")
        if self.wants_text():
            self.write({"names": names})
        else:
            self.redirect("/", status=303)


class DeleteHandler(Page):
    """Deletes a file."""

    async def post(self, name: str) -> None:
        if not await self.store.delete(name):
            raise HTTPError(404)
        self.redirect("/", status=303)


class MissingHandler(Page):
    """What is nowhere else."""

    def prepare(self) -> None:
        raise HTTPError(404)


class DownloadHandler(StaticFileHandler):
    """Sends a file to be kept, never to be shown: it may be a page with a script."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Content-Disposition", "attachment")
        self.set_header("Content-Security-Policy", "sandbox")
        self.set_header("X-Content-Type-Options", "nosniff")


def size_text(size: float) -> str:
    """Return a number of bytes as people read it.

    >>> size_text(1536)
    '1.5 KiB'
    """
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    return f"{size:.0f} bytes" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def make_application(directory: Path, max_size: int) -> Application:
    """Return the application.

    Args:
        directory: that keeps the files.
        max_size: bytes of one upload.
    """
    options = {"store": Store(directory), "max_size": max_size}
    return Application(
        [
            url(r"/", ListHandler, options, name="list"),
            url(r"/upload", UploadHandler, options, name="upload"),
            url(r"/delete/([^/]+)", DeleteHandler, options, name="delete"),
            url(r"/files/([^/]+)", DownloadHandler, {"path": str(directory)}, name="file"),
        ],
        default_handler_class=MissingHandler,
        default_handler_args=options,
        template_path=str(HERE / "templates"),
        static_path=str(HERE / "static"),
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"httponly": True, "samesite": "Strict"},
    )


async def main(port: int, directory: Path, max_size: int) -> None:
    """Serve until SIGINT or SIGTERM, then let requests under way finish."""
    server = make_application(directory, max_size).listen(port, "127.0.0.1")
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"files: http://127.0.0.1:{server.addresses[0][1]}/", flush=True)
    await stopped.wait()
    server.stop()
    await server.close_all_connections(STOP_TIMEOUT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--directory", type=Path, help="keeps the files; else they go at the end")
    parser.add_argument("--max-size", type=int, default=4096, help="MiB of one upload (4096)")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="files-") as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        size = options.max_size * MEBIBYTE
        IOLoop.current().run_sync(lambda: main(options.port, directory, size))
