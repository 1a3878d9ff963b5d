"""`StaticFileHandler`: files of a directory."""

import datetime
import mimetypes
import os
import stat
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, cast

from toolkit.web.conditional import matches_none
from toolkit.web.errors import HTTPError
from toolkit.web.handler import RequestHandler
from toolkit.wire.ranges import single_range

#: Bytes read from a file at a time.
CHUNK_SIZE = 64 * 1024


class StaticFileHandler(RequestHandler):
    """Serves the files below a directory; the route's one group is the path.

    Args:
        path: of the directory.
        default_filename: served for a directory, such as ``index.html``.

    Example::

        (r"/files/(.*)", StaticFileHandler, {"path": "/srv/files"})
    """

    #: Seconds that a client may keep a file whose URL names its version.
    CACHE_MAX_AGE = 86400 * 365 * 10

    def initialize(self, path: str, default_filename: str | None = None) -> None:
        self.root = path
        self.default_filename = default_filename

    def head(self, path: str) -> Any:
        return self.get(path, include_body=False)

    async def get(self, path: str, include_body: bool = True) -> None:
        self.path = self.parse_url_path(path)
        absolute_path = self.get_absolute_path(self.root, self.path)
        found = self.validate_absolute_path(self.root, absolute_path)
        if found is None:
            return
        self.absolute_path = found
        with _opened(found) as file:
            self._status = os.fstat(file.fileno())
            if not stat.S_ISREG(self._status.st_mode):
                raise HTTPError(403, "%s is not a file", self.path)
            self.modified = self.get_modified_time()
            self.set_headers()
            if self.should_return_304():
                self.set_status(304)
                return
            span = self._span()
            if span is None:
                return
            start, end = span
            self.set_header("Content-Length", end - start)
            if include_body:
                await self._send(file, start, end)

    def _span(self) -> tuple[int, int] | None:
        """Choose the bytes to send, by the Range header; None after an answer of 416."""
        size = self.get_content_size()
        asked = self.request.headers.get("Range")
        if asked is None or self.request.method != "GET" or not self._if_range_holds():
            return 0, size
        try:
            span = single_range(asked, size)
        except ValueError:
            self.set_status(416)
            self.set_header("Content-Type", "text/plain")
            self.set_header("Content-Range", f"bytes */{size}")
            return None
        if span is None:
            return 0, size
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{size}")
        return span

    def _if_range_holds(self) -> bool:
        """Say whether the file is still the one that If-Range names (RFC 9110 §13.1.5)."""
        condition = self.request.headers.get("If-Range")
        if condition is None:
            return True
        # Strong comparison: a weak tag never holds.
        return not condition.startswith("W/") and condition in (
            self._headers.get("Etag"),
            self._headers.get("Last-Modified"),
        )

    async def _send(self, file: BinaryIO, start: int, end: int) -> None:
        file.seek(start)
        left = end - start
        while left:
            chunk = file.read(min(CHUNK_SIZE, left))
            if not chunk:
                raise HTTPError(500, "%s became shorter while it was sent", self.path)
            left -= len(chunk)
            self.write(chunk)
            if left:
                await self.flush()

    # -- for subclasses to override ------------------------------------------------------

    def parse_url_path(self, url_path: str) -> str:
        """Return the path in the file system's words."""
        return url_path.replace("/", os.path.sep)

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return where a path lies; whether it may be served is not decided here."""
        return os.path.abspath(os.path.join(root, path))

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the path of the file to serve; None after an answer of its own.

        Raises:
            HTTPError: 404 for what does not exist, and just so for what lies outside of the
                root, symbolic links followed, so that nobody learns what is there.
        """
        try:
            root = os.path.realpath(root)
            real = os.path.realpath(absolute_path)
        except (ValueError, OSError):
            raise HTTPError(404) from None
        if os.path.commonpath([root, real]) != root:
            raise HTTPError(404, "%s is outside of the root", self.path)
        if os.path.isdir(real) and self.default_filename is not None:
            if not self.request.path.endswith("/"):
                if self.request.path[1:2] in ("/", "\\"):
                    raise HTTPError(403, "cannot redirect a path with two slashes")
                self.redirect(self.request.path + "/", permanent=True)
                return None
            real = os.path.realpath(os.path.join(real, self.default_filename))
            if os.path.commonpath([root, real]) != root:
                raise HTTPError(404, "%s is outside of the root", self.path)
        if not os.path.exists(real):
            raise HTTPError(404)
        if not os.path.isfile(real):
            raise HTTPError(403, "%s is not a file", self.path)
        return real

    def get_content_size(self) -> int:
        """Return the size of the file in bytes."""
        return self._status.st_size

    def get_modified_time(self) -> datetime.datetime | None:
        """Return when the file was changed, in whole seconds."""
        return datetime.datetime.fromtimestamp(int(self._status.st_mtime), datetime.UTC)

    def get_content_type(self) -> str:
        """Return the content type, by the name's extension."""
        kind, coding = mimetypes.guess_type(self.absolute_path)
        if coding == "gzip":
            return "application/gzip"
        if coding is not None or kind is None:
            return "application/octet-stream"
        return kind

    def compute_etag(self) -> str | None:
        """Return an entity tag of the file's time and size."""
        return f'"{self._status.st_mtime_ns:x}-{self._status.st_size:x}"'

    def set_etag_header(self) -> None:
        """Leave the tag as `set_headers` set it."""

    def set_headers(self) -> None:
        """Set the headers of the file."""
        self.set_header("Accept-Ranges", "bytes")
        etag = self.compute_etag()
        if etag is not None:
            self.set_header("Etag", etag)
        if self.modified is not None:
            self.set_header("Last-Modified", self.modified)
        self.set_header("Content-Type", self.get_content_type())
        seconds = self.get_cache_time(self.path, self.modified, self.get_content_type())
        if seconds > 0:
            self.set_header("Cache-Control", f"max-age={seconds}")
        self.set_extra_headers(self.path)

    def get_cache_time(self, path: str, modified: datetime.datetime | None, mime_type: str) -> int:
        """Return the seconds that a client may keep the file; 0 leaves that to the client."""
        return self.CACHE_MAX_AGE if "v" in self.request.query_arguments else 0

    def set_extra_headers(self, path: str) -> None:
        """Set further headers."""

    def should_return_304(self) -> bool:
        """Say whether the client has the file already (RFC 9110 §13.2.2)."""
        asked = self.request.headers.get("If-None-Match")
        if asked is not None:
            return matches_none(self._headers.get("Etag", ""), asked)
        since = self.request.headers.get("If-Modified-Since")
        if since is None or self.modified is None:
            return False
        try:
            date = parsedate_to_datetime(since)
        except (ValueError, OverflowError):
            return False
        return date.tzinfo is not None and date >= self.modified


def _opened(path: str) -> BinaryIO:
    """Open a file; what is looked at is then what is served, whatever happens to its name.

    Raises:
        HTTPError: 404, when it cannot be opened.
    """

    def open_at_once(name: str, flags: int) -> int:
        # Opening a FIFO would otherwise wait for somebody to write to it.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        return cast(BinaryIO, open(path, "rb", buffering=0, opener=open_at_once))
    except OSError as error:
        raise HTTPError(404, "%s", error.strerror) from None
