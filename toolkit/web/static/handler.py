"""`StaticFileHandler`."""

import asyncio
import mimetypes
import os
import secrets
import stat
import time
from collections.abc import AsyncIterable, Generator, Hashable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from toolkit.httputil import format_timestamp
from toolkit.web.errors import HTTPError
from toolkit.web.handler import RequestHandler
from toolkit.web.static.files import (
    BLOCK,
    DIRECT,
    PIECE,
    FileCache,
    NotAFile,
    OutsideError,
    ServedFile,
    content_hash,
    open_file,
)
from toolkit.web.static.listing import entries, page
from toolkit.web.static.names import inside_of, is_hidden, is_within, means_device
from toolkit.web.static.packages import package_directory
from toolkit.web.static.siblings import SUFFIXES, Siblings, wanted_codings
from toolkit.web.static.versions import VersionCache, file_version, hash_without_blocking
from toolkit.web.transforms import add_vary
from toolkit.wire.conditional import if_range_holds, is_refused, is_unchanged
from toolkit.wire.negotiation import names_media_type
from toolkit.wire.ranges import (
    RangeNotSatisfiable,
    Span,
    byte_ranges,
    content_range,
    part_head,
    parts_end,
)

# What is remembered, by all handlers. 16 MiB of small files are those of a large site.
_FILES = FileCache(16 * 1024 * 1024)
_VERSIONS = VersionCache()
_SIBLINGS = Siblings()

#: Headers that depend on the file alone.
_FIELDS = ("Accept-Ranges", "Etag", "Last-Modified", "Content-Type", "Content-Length")
#: Requests with these are not all answered alike.
_CONDITIONS = frozenset(
    ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
)
#: Methods that decide on an answer, besides those that find and read the file.
_ANSWERING = (
    "set_headers",
    "set_extra_headers",
    "should_return_304",
    "compute_etag",
    "get_cache_time",
    "get_content_size",
    "get_content_type",
    "get_modified_time",
)

#: The status of an answer for a hidden name, by the value of the option.
_DOTFILES = {"allow": 200, "deny": 403, "ignore": 404}


class StaticFileHandler(RequestHandler):
    """Serves the files below a directory; the route's one group is the path.

    It answers conditional and range requests, and names the content by a strong entity tag.
    Links that lead out of the directory are not followed. Small files are kept in memory; each
    request looks whether they have changed.

    Args:
        path: of the directory; with `package`, of one within that package.
        default_filename: served for a directory, such as ``index.html``.
        allowed_symlink_directory: the directory, or several, that links may lead into, in place
            of the one that is served.
        package: name of a Python package that brings the files along.
        fallback: path of the file that is served in place of one that is not there, to a
            browser that goes to a page, and not for a name with an extension; for applications
            whose routes the browser knows.
        dotfiles: what becomes of names that begin with a dot, other than ``.well-known``:
            ``"ignore"`` answers 404, ``"deny"`` 403, ``"allow"`` serves them.
        precompressed: whether ``name.br``, ``name.zst`` and ``name.gz`` are sent in place of
            ``name`` to clients that take them; or which of ``"br"``, ``"zstd"`` and ``"gzip"``
            to look for, the best first.
        listing: whether a directory without its default file is answered with a list of it.

    A subclass may override the methods from `parse_url_path` on, be it to serve what is no
    file at all. It then gives the content by `get_content`, and what the system would know of
    a file by `get_content_size` and `get_modified_time`.

    Example::

        (r"/files/(.*)", StaticFileHandler, {"path": "/srv/files"})
        (r"/(.*)", StaticFileHandler, {"package": "shop", "path": "dist", "fallback": "index.html"})

    Attributes:
        root: the directory.
        path: what was asked for, in the file system's words.
        absolute_path: of the file.
        modified: when it was changed.
    """

    #: Seconds that a client may keep a file whose URL names its version.
    CACHE_MAX_AGE = 86400 * 365 * 10
    #: Bytes of the largest content that is hashed for its version.
    MAX_VERSION_CONTENT_SIZE = 64 * 1024 * 1024
    #: Versions that are remembered, of all files.
    MAX_CACHED_VERSIONS = 10_000

    modified: datetime | None = None
    default_filename: str | None = None
    allowed_symlink_directory: str | list[str] | None = None
    fallback: str | None = None
    dotfiles = "ignore"
    precompressed: tuple[str, ...] = ()
    listing = False

    # Which methods a subclass leaves as they are: those that read, find and hash files, and
    # all that decide on an answer.
    _reads_files = _finds_files = _hashes_files = _answers_plainly = True

    _file: ServedFile | None = None  # what is sent
    _original: ServedFile | None = None  # the file that it is the compressed sibling of
    _allowed: tuple[str, ...] | None = None  # the directories that it has to lie in
    _has_headers = False  # those of the content
    _directory: tuple[str, bool] | None = None  # to list, and whether it has one above it

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._reads_files = cls._keeps("get_content")
        cls._finds_files = cls._reads_files and cls._keeps(
            "parse_url_path", "get_absolute_path", "validate_absolute_path"
        )
        cls._hashes_files = cls._reads_files and cls._keeps("get_content_version")
        cls._answers_plainly = cls._finds_files and cls._hashes_files and cls._keeps(*_ANSWERING)

    @classmethod
    def _keeps(cls, *names: str) -> bool:
        """Say whether a subclass has methods as they stand here."""
        methods = [(getattr(cls, name), getattr(StaticFileHandler, name)) for name in names]
        return all(
            getattr(own, "__func__", own) is getattr(here, "__func__", here)
            for own, here in methods
        )

    def initialize(
        self,
        path: str = "",
        default_filename: str | None = None,
        allowed_symlink_directory: str | list[str] | None = None,
        *,
        package: str | None = None,
        fallback: str | None = None,
        dotfiles: str = "ignore",
        precompressed: bool | Sequence[str] = False,
        listing: bool = False,
    ) -> None:
        self.root = path if package is None else package_directory(package, path)
        self.default_filename = default_filename
        if allowed_symlink_directory is not None:
            self.allowed_symlink_directory = allowed_symlink_directory
        self.fallback = fallback
        if dotfiles not in _DOTFILES:
            raise ValueError(f"dotfiles {dotfiles!r}; {', '.join(_DOTFILES)} are allowed")
        self.dotfiles = dotfiles
        if precompressed:
            codings = SUFFIXES if precompressed is True else precompressed
            self.precompressed = tuple(codings)
            if not SUFFIXES.keys() >= set(self.precompressed):
                raise ValueError(
                    f"precompressed {precompressed!r}; {', '.join(SUFFIXES)} are known"
                )
        self.listing = listing

    @classmethod
    def reset(cls) -> None:
        """Forget all contents and versions that are remembered, of every class."""
        _FILES.clear()
        _VERSIONS.clear()
        _SIBLINGS.clear()

    # -- the answer ----------------------------------------------------------------------

    def head(self, path: str) -> Any:
        return self.get(path, include_body=False)

    async def get(self, path: str, include_body: bool = True) -> None:
        if not await self._find(path):
            return
        file = self._file
        if file is None or not self._answers_again(file, include_body):
            await self._answer(include_body)
        if self._transforms and self._status_code in (200, 206):
            # Whatever changes the content is told that it comes in pieces.
            await self.flush()

    async def _answer(self, include_body: bool) -> None:
        """Answer with what was found, as the conditions and ranges of the request have it."""
        for file in (self._file, self._original):
            if file is not None:
                await self._find_version(file)
        self.modified = self.get_modified_time()
        self.set_headers()
        self._has_headers = True
        if is_refused(self.request.headers.get, *self._validators()):
            raise HTTPError(412)
        if self.should_return_304():
            self.set_status(304)
            return
        size = self.get_content_size()
        try:
            spans = self._spans(size)
        except RangeNotSatisfiable:
            self._refuse_range(size)
            return
        if spans is None:
            self.set_header("Content-Length", size)
            self._remember_fields()
            if include_body:
                await self._send(None, None)
        elif len(spans) == 1:
            start, end = spans[0]
            self.set_status(206)
            self.set_header("Content-Range", content_range(spans[0], size))
            self.set_header("Content-Length", end - start)
            if include_body:
                await self._send(start, end)
        else:
            await self._send_parts(spans, size, include_body)

    def _answers_again(self, file: ServedFile, include_body: bool) -> bool:
        """Answer with a small file as it was done before; False when the request is another.

        A file of 4 KB costs 6 µs more than a handler that writes as much; by the whole way 33.
        """
        request = self.request
        if file.fields is None or request.query or request.has_any_header(_CONDITIONS):
            return False
        for name, value in file.fields:
            self._headers.put(name, value)
        self._has_headers = True
        if include_body:
            self.write(file.read(0, file.size))
        return True

    def _remember_fields(self) -> None:
        """Keep the headers of an answer with the file, where nobody else has a say in them."""
        file = self._file
        plain = self._answers_plainly and not self.request.query
        if plain and file is not None and file.content is not None:
            file.fields = [(name, self._headers[name]) for name in _FIELDS]

    def _spans(self, size: int) -> list[Span] | None:
        """Return the ranges to send; None for all of the content, in an answer of 200.

        Raises:
            RangeNotSatisfiable: nothing of what was asked for is there.
        """
        headers = self.request.headers
        asked = headers.get("Range")
        if asked is None or not if_range_holds(headers.get, *self._validators()):
            return None
        spans = byte_ranges(asked, size)
        return None if spans == [(0, size)] else spans

    def _refuse_range(self, size: int) -> None:
        self.set_status(416)
        for name in ("Cache-Control", "Expires", "Content-Encoding"):
            self.clear_header(name)
        self.set_header("Content-Type", "text/plain")
        self.set_header("Content-Range", content_range(None, size))
        self.set_header("Content-Length", 0)

    def _validators(self) -> tuple[str | None, int | None, float]:
        """Return what conditions are compared with: tag, seconds of the change, time."""
        modified = self.modified
        if modified is not None and modified.tzinfo is None:
            modified = modified.replace(tzinfo=UTC)
        seconds = None if modified is None else int(modified.timestamp())
        return self._headers.get("Etag"), seconds, time.time()

    async def _send_parts(self, spans: list[Span], size: int, include_body: bool) -> None:
        """Send several ranges (RFC 9110 §14.6)."""
        boundary = secrets.token_hex(16)
        kind = self._headers["Content-Type"]
        heads = [part_head(boundary, kind, span, size) for span in spans]
        ending = parts_end(boundary)
        length = sum(end - start for start, end in spans) + sum(map(len, heads)) + len(ending)
        self.set_status(206)
        self.set_header("Content-Type", f"multipart/byteranges; boundary={boundary}")
        self.set_header("Content-Length", length)
        if include_body:
            for head, span in zip(heads, spans, strict=True):
                self.write(head)
                await self._send(*span)
            self.write(ending)

    async def _send(self, start: int | None, end: int | None) -> None:
        """Send the content from `start` to before `end`; None for all of it."""
        file = self._file
        if file is None:
            await self._send_given(start, end)
            return
        place, last = start or 0, file.size if end is None else end
        if last - place >= DIRECT and not self._transforms:
            await self._send_blocks(file, place, last)
            return
        while place < last:
            piece = await file.piece(place, min(PIECE, last - place))
            if not piece:
                raise self._too_short()
            place += len(piece)
            self.write(piece)
            if place < last:
                await self.flush()

    async def _send_blocks(self, file: ServedFile, place: int, last: int) -> None:
        """Have the kernel send a large content, which then takes no memory here."""
        await self.flush()
        while place < last:
            size = min(BLOCK, last - place)
            number = await file.descriptor(place, size)
            if await self._exchange.send_file(number, place, size) < size:
                raise self._too_short()
            place += size

    def _too_short(self) -> HTTPError:
        return HTTPError(500, "%s became shorter while it was sent", self.path)

    async def _send_given(self, start: int | None, end: int | None) -> None:
        """Send what a subclass gives by `get_content`."""
        content: Any = self.get_content(self.absolute_path, start, end)
        if isinstance(content, bytes):
            self.write(content)
        elif isinstance(content, AsyncIterable):
            async for chunk in content:
                self.write(chunk)
                await self.flush()
        else:
            for chunk in content:
                self.write(chunk)
                await self.flush()

    # -- finding the file ----------------------------------------------------------------

    async def _find(self, path: str) -> bool:
        """Open the file that a path means; False after an answer of another kind.

        Raises:
            HTTPError: 403 or 404.
        """
        try:
            found = self._locate(path)
        except HTTPError as error:
            if self.fallback is None or error.status_code != 404 or not self._asks_for_page():
                raise
            found = self._locate(self.fallback)
            add_vary(self._headers, "Accept")
        if found and self.precompressed and self._file is not None:
            await self._choose_sibling(self._file)
        elif self._directory is not None:
            await self._list(*self._directory)
        return found

    def _locate(self, path: str) -> bool:
        """Find and open the file of a path; False when there is none to send.

        Raises:
            HTTPError: 403 or 404.
        """
        self.path = self.parse_url_path(path)
        key = self._cache_key(path) if self._finds_files else None
        file = None if key is None else _FILES.find(key)
        if file is None:
            absolute = self.get_absolute_path(self.root, self.path)
            found = self.validate_absolute_path(self.root, absolute)
            if found is None:
                return False
            self.absolute_path = found
            if not self._reads_files:
                return True
            file = self._open(found, self._allowed, key)
        self.absolute_path = file.path
        self._file = file
        return True

    def _cache_key(self, path: str) -> Hashable:
        """Return all that decides on the file that a path means."""
        allowed = self.allowed_symlink_directory
        return (
            type(self),
            self.root,
            tuple(allowed) if isinstance(allowed, list) else allowed,
            self.default_filename,
            self.dotfiles,
            self.request.path[-1:] == "/",
            path,
        )

    def _open(self, path: str, allowed: tuple[str, ...] | None, key: Hashable | None) -> ServedFile:
        """Open a file, and keep it if it is small.

        Raises:
            HTTPError: 403 or 404.
        """
        try:
            file = open_file(path, allowed)
            file.load()
        except NotAFile:
            raise HTTPError(403, "%s is not a file", self.path) from None
        except OutsideError:
            raise HTTPError(403, "%s is not in root static directory", self.path) from None
        except (OSError, ValueError):
            raise HTTPError(404) from None
        if key is not None:
            _FILES.add(key, file, time.time())
        return file

    def _asks_for_page(self) -> bool:
        """Say whether the client is a browser that goes to a page."""
        name = self.path.rpartition(os.sep)[2]
        return "." not in name and names_media_type(self.request.headers.get("Accept"), "text/html")

    async def _choose_sibling(self, file: ServedFile) -> None:
        """Have a compressed sibling sent in place of the file, where the client likes that."""
        codings = _SIBLINGS.find(file.path, self.precompressed, time.monotonic())
        if not codings:
            return
        add_vary(self._headers)
        for coding, etag in wanted_codings(self.request.headers.get, codings):
            key = (type(self), file.allowed, file.path, coding)
            sibling = _FILES.find(key)
            if sibling is None:
                try:
                    sibling = self._open(file.path + SUFFIXES[coding], file.allowed, key)
                except HTTPError:
                    continue
            await self._find_version(sibling)
            if etag is None or etag == f'"{self._version(sibling)}"':
                self._file, self._original = sibling, file
                self.set_header("Content-Encoding", coding)
                return

    async def _list(self, directory: str, has_parent: bool) -> None:
        """Answer with the list of a directory."""
        loop = asyncio.get_running_loop()
        hidden = self.dotfiles == "allow"
        allowed = self._allowed or ()
        try:
            found = await loop.run_in_executor(None, entries, directory, allowed, hidden)
        except OSError:
            raise HTTPError(404) from None
        self.set_header("Content-Security-Policy", "default-src 'none'")
        self._has_headers = True
        self.write(page(self.request.path, found, has_parent))

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
            HTTPError: 403 for what lies outside of the root, links followed, whether it is
                there or not; for what is no file, and for a hidden name where that is denied.
                404 for what is not there.
        """
        root = os.path.abspath(root)
        self._check_name(root, absolute_path)
        self._allowed = self._directories(root, self.allowed_symlink_directory)
        kind = self._kind(absolute_path)
        if kind == stat.S_IFDIR and (self.listing or self.default_filename is not None):
            if not self.request.path.endswith("/"):
                self._add_slash()
                return None
            directory = absolute_path
            if self.default_filename is not None:
                absolute_path = os.path.join(directory, self.default_filename)
                kind = self._kind(absolute_path)
            if self.listing and kind != stat.S_IFREG:
                self._directory = directory, directory != root
                return None
        if kind is None or (kind == stat.S_IFDIR and self.fallback is not None):
            raise HTTPError(404)
        if kind != stat.S_IFREG:
            raise HTTPError(403, "%s is not a file", self.path)
        return absolute_path

    def _check_name(self, root: str, absolute_path: str) -> None:
        """Check what can be told from a path alone.

        Raises:
            HTTPError: it may not be served.
        """
        if not is_within(absolute_path, root):
            raise HTTPError(403, "%s is not in root static directory", self.path)
        name = absolute_path[len(root) :]
        if means_device(name.lstrip(os.sep)):
            raise HTTPError(403, "%s is not a file", self.path)
        if self.dotfiles != "allow" and is_hidden(name):
            raise HTTPError(_DOTFILES[self.dotfiles])

    def _kind(self, path: str) -> int | None:
        """Return the format bits of what a path leads to; None when nothing is there.

        Raises:
            HTTPError: 403, it leads out of the directories that are allowed.
        """
        try:
            inside = inside_of(os.path.realpath(path), self._allowed or ())
            kind = stat.S_IFMT(os.stat(path).st_mode) if inside else None
        except (OSError, ValueError):
            return None
        if not inside:
            raise HTTPError(403, "%s is not in root static directory", self.path)
        return kind

    @classmethod
    def _directories(cls, root: str, allowed: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the directories that a file has to lie in, links resolved."""
        if allowed is None:
            allowed = root
        names = [allowed] if isinstance(allowed, str) else allowed
        return tuple(os.path.realpath(name) for name in names)

    def _add_slash(self) -> None:
        """Send the client to a directory's own URL, so that its relative links work."""
        path = self.request.path
        if path[1:2] in ("/", "\\"):
            # A browser would take what follows for a host.
            raise HTTPError(403, "cannot redirect path with two initial slashes")
        self.redirect(path + "/", permanent=True)

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Generator[bytes, None, None]:
        """Yield the content of a file from `start` to before `end`; None for all of it.

        One that overrides it may also return bytes, or be an asynchronous generator.
        """
        yield from open_file(abspath, None).pieces(start or 0, end)

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Return what stands for the content: its hash, which tells every change."""
        content: Any = cls.get_content(abspath)
        return content_hash([content] if isinstance(content, bytes) else content)

    def get_content_size(self) -> int:
        """Return how many bytes the content has."""
        return self._content_status().st_size

    def get_modified_time(self) -> datetime | None:
        """Return when the content was changed, in whole seconds; None when nobody knows."""
        return datetime.fromtimestamp(self._content_status().st_mtime_ns // 10**9, UTC)

    def _content_status(self) -> os.stat_result:
        return os.stat(self.absolute_path) if self._file is None else self._file.status

    def get_content_type(self) -> str:
        """Return the content type, by the name's extension."""
        return _content_type(self.absolute_path)

    def compute_etag(self) -> str | None:
        """Return a strong entity tag: the version, or time and size of a file too large for it."""
        version = self._version(self._file)
        return None if version is None else f'"{version}"'

    def set_etag_header(self) -> None:
        """Set the Etag header; what `set_headers` has made of it stays."""
        if not self._has_headers:
            super().set_etag_header()

    def _version(self, file: ServedFile | None) -> str | None:
        """Return the version of a file that is open, or of `absolute_path`."""
        if file is None or not self._hashes_files:
            path = self.absolute_path if file is None else file.path
            return self._cached_version(path, None if file is None else file.allowed)
        if file.size > self.MAX_VERSION_CONTENT_SIZE:
            return f"{file.status.st_mtime_ns:x}-{file.size:x}"
        return file.hash()

    async def _find_version(self, file: ServedFile) -> None:
        """Have the version of an open file known, without blocking the loop for long."""
        if (
            file.version is None
            and self._hashes_files
            and file.size <= self.MAX_VERSION_CONTENT_SIZE
        ):
            key = (self.get_content_version, file.path)
            file.version = _VERSIONS.find(key, file.identity)
            if file.version is None:
                version = await hash_without_blocking(file)
                _VERSIONS.add(key, file.status, version, self.MAX_CACHED_VERSIONS)

    def set_headers(self) -> None:
        """Set the headers of the content."""
        self.set_header("Accept-Ranges", "bytes")
        self.set_etag_header()
        if self.modified is not None:
            self.set_header("Last-Modified", _http_date(self.modified))
        content_type = self.get_content_type()
        if content_type:
            self.set_header("Content-Type", content_type)
        seconds = self.get_cache_time(self.path, self.modified, content_type)
        if seconds > 0:
            self.set_header("Expires", datetime.now(UTC) + timedelta(seconds=seconds))
            forever = ", immutable" if self._names_version() else ""
            self.set_header("Cache-Control", f"max-age={seconds}{forever}")
        self.set_extra_headers(self.path)

    def _names_version(self) -> bool:
        """Say whether the URL names the version that the content really has."""
        asked = self.request.query_arguments.get("v")
        if not asked:
            return False
        version = self._version(self._original or self._file)
        return version is not None and asked[-1] == version.encode()

    def get_cache_time(self, path: str, modified: datetime | None, mime_type: str) -> int:
        """Return the seconds that a client may keep the content; 0 leaves that to the client."""
        return self.CACHE_MAX_AGE if "v" in self.request.query_arguments else 0

    def set_extra_headers(self, path: str) -> None:
        """Set further headers."""

    def should_return_304(self) -> bool:
        """Say whether the client has the content already."""
        return is_unchanged(self.request.headers.get, *self._validators())

    # -- URLs with versions --------------------------------------------------------------

    @classmethod
    def make_static_url(
        cls, settings: dict[str, Any], path: str, include_version: bool = True
    ) -> str:
        """Return the URL of a static file; for `RequestHandler.static_url`.

        Args:
            settings: of the application.
            path: of the file, below the setting ``static_path``.
            include_version: whether the URL changes with the content.
        """
        url = str(settings.get("static_url_prefix", "/static/")) + path
        version = cls.get_version(settings, path) if include_version else None
        return f"{url}?v={version}" if version else url

    @classmethod
    def get_version(cls, settings: dict[str, Any], path: str) -> str | None:
        """Return the version of a static file, None where it cannot be had.

        Args as `make_static_url`.

        Raises:
            HTTPError: 403, when the path leads out of ``static_path``.
        """
        root = settings["static_path"]
        absolute_path = cls.get_absolute_path(root, path)
        if not cls._finds_files:
            return cls._cached_version(absolute_path, None)
        root = os.path.abspath(root)
        if not is_within(absolute_path, root):
            raise HTTPError(403, "%s is not in root static directory", path)
        if means_device(absolute_path[len(root) :].lstrip(os.sep)):
            raise HTTPError(403, "%s is not a file", path)
        arguments = settings.get("static_handler_args") or {}
        allowed = arguments.get("allowed_symlink_directory", cls.allowed_symlink_directory)
        return cls._cached_version(absolute_path, cls._directories(root, allowed))

    @classmethod
    def _cached_version(cls, path: str, allowed: tuple[str, ...] | None) -> str | None:
        """Return the version of a path, as it is remembered or found now."""
        return file_version(
            _VERSIONS,
            path,
            cls.get_content_version,
            is_file=cls._reads_files,
            allowed=allowed,
            max_size=cls.MAX_VERSION_CONTENT_SIZE,
            limit=cls.MAX_CACHED_VERSIONS,
        )


@lru_cache(1000)
def _content_type(path: str) -> str:
    """Return the content type of a name."""
    kind, coding = mimetypes.guess_type(path)
    if coding == "gzip":
        return "application/gzip"
    if coding is not None or kind is None:
        return "application/octet-stream"
    return kind


_http_date = lru_cache(1000)(format_timestamp)
