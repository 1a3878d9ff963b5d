"""Static files: names, contents in memory, versions in URLs, and what subclasses give."""

import asyncio
import hashlib
import ntpath
import os
import posixpath
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.http.client import Serve, Site, get, turns
from tests.loops import expect_log
from toolkit.web import Application, HTTPError, StaticFileHandler
from toolkit.web.static import handler as static_handler
from toolkit.web.static.files import (
    SMALL,
    FileCache,
    NotAFile,
    OutsideError,
    ServedFile,
    open_file,
)
from toolkit.web.static.names import is_hidden, is_within, means_device
from toolkit.web.static.versions import VersionCache

CONTENT = b"0123456789"
#: Long ago, so that a change shows in a file's times; that of the inode is always new.
OLD = 1_600_000_000


@pytest.fixture(autouse=True)
def _forget() -> None:
    StaticFileHandler.reset()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory with a file."""
    (tmp_path / "a.txt").write_bytes(CONTENT)
    return tmp_path


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flavour", "path", "directory", "expected"),
    [
        (posixpath, "/srv/static", "/srv/static", True),
        (posixpath, "/srv/static/a", "/srv/static", True),
        (posixpath, "/srv/static_private", "/srv/static", False),
        (posixpath, "/srv", "/srv/static", False),
        (posixpath, "/srv/Static/a", "/srv/static", False),
        (posixpath, "/etc/passwd", "/", True),
        (ntpath, "C:\\srv\\static\\a", "c:\\srv\\Static", True),
        (ntpath, "C:/srv/static/a", "c:\\srv\\static", True),
        (ntpath, "C:\\srv\\static_private", "C:\\srv\\static", False),
        (ntpath, "D:\\srv\\static\\a", "C:\\srv\\static", False),
        (ntpath, "\\\\server\\share\\a", "C:\\srv", False),
        (ntpath, "\\\\.\\NUL", "C:\\srv", False),
        (ntpath, "C:\\a", "C:\\", True),
    ],
)
def test_a_name_that_begins_like_the_root_is_not_in_it(
    flavour: ModuleType, path: str, directory: str, expected: bool
) -> None:
    """CVE-2023-29159."""
    assert is_within(path, directory, flavour) is expected


@pytest.mark.parametrize(
    "path",
    [
        *("NUL", "nul", "CON", "a\\con", "a/CON/b", "AUX.txt", "com1", "COM9.log", "LPT1"),
        *("NUL .txt", "PRN ", "COM\xb9", "conin$", "CONOUT$", "CLOCK$", "nul:", "nul.tar.gz"),
        *("C:", "C:a.txt", "C:\\a.txt", "C:/a.txt", "//server/share/a", "\\\\server\\share\\a"),
        *("\\\\?\\C:\\a", "\\\\.\\COM1", "\\a.txt", "a.txt:stream", "a.txt::$DATA", "a/b:c/d"),
        *("a.php.", "a.php ", "a.php. .", "a /b", "a./b"),
    ],
)
def test_windows_is_not_asked_for_what_it_takes_for_something_else(path: str) -> None:
    """CVE-2026-34515, CVE-2026-48818, CVE-2024-49766, CVE-2025-66221, CVE-2026-21860,
    CVE-2023-45283.
    """
    assert means_device(path, ntpath)
    assert not means_device(path, posixpath)


@pytest.mark.parametrize(
    "path",
    [
        "a.txt",
        "sub\\a.txt",
        "sub/a.txt",
        "console.js",
        "com10",
        "com",
        "nulls",
        "a.nul",
        ".env",
        "",
    ],
)
def test_windows_is_asked_for_plain_names(path: str) -> None:
    assert not means_device(path, ntpath)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.txt", False),
        (".env", True),
        ("a/.git/config", True),
        (".well-known/a", False),
        (".well-known/.a", True),
        ("a./b", False),
        ("", False),
    ],
)
def test_names_that_begin_with_a_dot_are_hidden(path: str, expected: bool) -> None:
    assert is_hidden(path, posixpath) is expected
    assert is_hidden(path.replace("/", "\\"), ntpath) is expected
    assert is_hidden(path, ntpath) is expected


async def test_a_name_that_windows_would_misread_is_refused(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The rules of Windows are the handler's, where it runs there."""
    monkeypatch.setattr(static_handler, "means_device", lambda path: means_device(path, ntpath))
    site = start(serve, root)
    assert (await site.get("/a.txt")).body == CONTENT
    for target in ("/NUL", "/a.txt:x", "/a.txt.", "/sub/CON.js"):
        assert (await site.get(target)).status == 403
        expect_log(caplog, "toolkit.general", "is not a file")
    with pytest.raises(HTTPError) as error:
        StaticFileHandler.get_version({"static_path": str(root)}, "a.txt:x")
    assert error.value.status_code == 403


# -- opening -----------------------------------------------------------------------------


def test_only_regular_files_are_opened(root: Path) -> None:
    """A FIFO does not block who opens it, and a device is not read."""
    os.mkfifo(root / "fifo")
    for path in (root, root / "fifo", Path("/dev/zero")):
        with pytest.raises(NotAFile):
            open_file(str(path), None)


def test_what_was_opened_counts_and_not_its_path(root: Path, tmp_path_factory: Any) -> None:
    """A path swapped between the check and the opening leads nowhere; CVE-2024-23334."""
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_bytes(b"SECRET")
    (root / "link").symlink_to(outside)
    allowed = (os.path.realpath(root),)
    with pytest.raises(OutsideError):
        open_file(str(root / "link"), allowed)
    assert open_file(str(root / "a.txt"), allowed).read(0, 99) == CONTENT
    assert open_file(str(root / "link"), None).read(0, 99) == b"SECRET"


def test_without_proc_the_path_is_looked_at_again(
    root: Path, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it leads to another file by now, nothing is known of the one that was opened."""
    true_readlink, true_open = os.readlink, os.open

    def readlink(path: str) -> str:
        if path.startswith("/proc"):
            raise FileNotFoundError(path)
        return true_readlink(path)

    def swap(path: str, flags: int) -> int:
        number = true_open(path, flags)
        os.replace(root / "b.txt", path)
        return number

    monkeypatch.setattr(os, "readlink", readlink)
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_bytes(b"SECRET")
    (root / "link").symlink_to(outside)
    (root / "b.txt").write_bytes(b"another")
    allowed = (os.path.realpath(root),)
    assert open_file(str(root / "a.txt"), allowed).read(0, 99) == CONTENT
    with pytest.raises(OutsideError):
        open_file(str(root / "link"), allowed)
    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(OutsideError):
        open_file(str(root / "a.txt"), allowed)


async def test_a_path_swapped_after_its_check_is_refused(
    serve: Serve, root: Path, tmp_path_factory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The race of a check and the opening after it."""
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_bytes(b"SECRET")

    class Swapped(StaticFileHandler):
        def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
            found = super().validate_absolute_path(root, absolute_path)
            os.unlink(absolute_path)
            os.symlink(outside, absolute_path)
            return found

    site = serve([(r"/(.*)", Swapped, {"path": str(root)})])
    answer = await site.get("/a.txt")
    assert (answer.status, b"SECRET" in answer.body) == (403, False)
    expect_log(caplog, "toolkit.general", "is not in root static directory")


def test_a_closed_file_is_closed_once_nobody_reads_it(root: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    file = open_file(str(root / "a.txt"), None)
    assert count() == before + 1
    del file
    assert count() == before


# -- contents in memory ------------------------------------------------------------------


def loaded(path: Path) -> ServedFile:
    file = open_file(str(path), None)
    file.load()
    return file


@pytest.mark.feature("M11")
def test_a_small_file_is_kept_as_long_as_it_stays_as_it_is(root: Path) -> None:
    cache = FileCache(1_000_000)
    later = time.time() + 10
    file = loaded(root / "a.txt")
    cache.add("key", file, later)
    assert cache.find("key") is file
    assert cache.find("other") is None
    (root / "a.txt").write_bytes(CONTENT[::-1])
    assert cache.find("key") is None
    cache.add("key", loaded(root / "a.txt"), later)
    os.replace(root / "a.txt", root / "b.txt")
    assert cache.find("key") is None
    assert len(cache) == 0


@pytest.mark.feature("M11")
def test_a_file_that_changed_just_now_is_not_kept(root: Path) -> None:
    """It may change again within the tick of the file system's clock, and not show it."""
    cache = FileCache(1_000_000)
    cache.add("key", loaded(root / "a.txt"), time.time())
    assert len(cache) == 0


@pytest.mark.feature("M11")
def test_what_is_kept_is_bounded(root: Path) -> None:
    """The oldest go first, and a large file is not kept at all."""
    cache = FileCache(10_000)
    later = time.time() + 10
    for name in range(100):
        (root / str(name)).write_bytes(b"x" * 1000)
        cache.add(name, loaded(root / str(name)), later)
    assert [name for name in range(100) if cache.find(name)] == [96, 97, 98, 99]
    (root / "large").write_bytes(b"x" * (SMALL + 1))
    cache.add("large", loaded(root / "large"), later)
    assert cache.find("large") is None


@pytest.mark.feature("M11")
async def test_an_answer_is_never_older_than_its_file(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is looked at on each request; the head is that of the first answer."""
    monkeypatch.setattr("toolkit.web.static.files.TICK", -1e9)
    site = start(serve, root)
    client = await site.client()
    heads = []
    for _ in range(3):
        answer = await client.get("/a.txt")
        assert answer.body == CONTENT
        heads.append([field for field in answer.fields if field[0] != "date"])
    assert heads[0] == heads[1] == heads[2]
    assert len(static_handler._FILES) == 1
    head = await client.ask(b"HEAD /a.txt HTTP/1.1\r\nHost: h\r\n\r\n")
    assert ([field for field in head.fields if field[0] != "date"], head.body) == (heads[0], b"")
    etag = dict(heads[0])["etag"]
    assert (await client.get("/a.txt", f"If-None-Match: {etag}\r\n")).status == 304
    assert (await client.get("/a.txt", "Range: bytes=2-3\r\n")).body == b"23"
    assert (await client.get("/a.txt", 'If-Match: "x"\r\n')).status == 412
    assert (await client.get("/a.txt?v=1")).get("cache-control")
    (root / "a.txt").write_bytes(b"changed")
    answer = await client.get("/a.txt")
    assert (answer.body, answer.get("etag") == etag) == (b"changed", False)
    (root / "a.txt").unlink()
    assert (await client.get("/a.txt")).status == 404


async def test_routes_with_other_options_do_not_share_what_is_kept(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("toolkit.web.static.files.TICK", -1e9)
    (root / ".env").write_bytes(b"SECRET")
    (root / "sub").mkdir()
    (root / "sub" / "out").symlink_to(root / "a.txt")
    path = {"path": str(root)}
    site = serve(
        [
            (r"/open/(.*)", StaticFileHandler, {**path, "dotfiles": "allow"}),
            (
                r"/wide/(.*)",
                StaticFileHandler,
                {"path": str(root / "sub"), "allowed_symlink_directory": str(root)},
            ),
            (r"/narrow/(.*)", StaticFileHandler, {"path": str(root / "sub")}),
            (r"/(.*)", StaticFileHandler, path),
        ]
    )
    for _ in range(2):
        assert (await site.get("/open/.env")).status == 200
        assert (await site.get("/.env")).status == 404
        assert (await site.get("/wide/out")).body == CONTENT
        assert (await site.get("/narrow/out")).status == 403
    for _ in range(2):
        expect_log(caplog, "toolkit.general", "is not in root static directory")


# -- large files -------------------------------------------------------------------------


async def test_a_large_file_is_hashed_once_and_not_in_the_loop(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hole 99: a thread hashes it, and its version is remembered."""
    monkeypatch.setattr("toolkit.web.static.files.TICK", -1e9)
    content = os.urandom(3 * 1024 * 1024 + 1)
    (root / "large").write_bytes(content)
    reads: list[str] = []
    true_hash = ServedFile.hash

    def hash(self: ServedFile) -> str:
        if self.version is None:
            try:
                asyncio.get_running_loop()
                reads.append("in the loop")
            except RuntimeError:
                reads.append("in a thread")
        return true_hash(self)

    monkeypatch.setattr(ServedFile, "hash", hash)
    site = start(serve, root)
    for _ in range(2):
        answer = await site.get("/large")
        assert answer.body == content
        assert answer.get("etag") == f'"{hashlib.sha512(content).hexdigest()}"'
    assert reads == ["in a thread"]


async def test_a_file_too_large_to_hash_has_a_tag_of_time_and_size(
    serve: Serve, root: Path
) -> None:
    class Small(StaticFileHandler):
        MAX_VERSION_CONTENT_SIZE = 5

    site = serve([(r"/(.*)", Small, {"path": str(root)})])
    etag = (await site.get("/a.txt")).get("etag")
    assert etag is not None
    assert len(etag) < 40
    assert (await site.get("/a.txt", f"If-None-Match: {etag}\r\n")).status == 304
    assert (await site.get("/a.txt", f"If-Range: {etag}\r\nRange: bytes=1-2\r\n")).body == b"12"
    os.utime(root / "a.txt", (OLD, OLD))
    assert (await site.get("/a.txt")).get("etag") != etag


async def test_stalled_readers_take_little_memory(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hole 98: no file is in memory because somebody reads it slowly."""
    monkeypatch.setattr("toolkit.web.static.files.TICK", -1e9)
    (root / "big").touch()
    os.truncate(root / "big", 16 * 1024 * 1024)
    site = start(serve, root)
    clients = [await site.client(receive_buffer=65_536) for _ in range(40)]
    for client in clients:
        await client.send(get("/big"))
    other = await site.client()
    stalled = 0
    while stalled < 40:
        assert (await other.get("/a.txt")).body == CONTENT
        streams = [connection.stream for connection in site.server._connections]
        stalled = sum(stream.unsent > 0 for stream in streams)
        held = [stream.transport.get_write_buffer_size() for stream in streams if stream.transport]
        assert max(held) <= 256 * 1024


async def test_many_who_ask_for_a_new_large_file_have_it_hashed_once(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one who leaves take the hash from the others."""
    monkeypatch.setattr("toolkit.web.static.files.TICK", -1e9)
    content = os.urandom(2 * 1024 * 1024)
    (root / "large").write_bytes(content)
    hashes = []
    true_hash = ServedFile.hash
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hash(self: ServedFile) -> str:
        if self.version is None:
            hashes.append(self)
            loop.call_soon_threadsafe(begun.set)
            assert go.wait(20)
        return true_hash(self)

    monkeypatch.setattr(ServedFile, "hash", hash)
    site = start(serve, root)
    clients = [await site.client() for _ in range(5)]
    for client in clients:
        await client.send(get("/large"))
    await begun.wait()
    clients[0].reset()
    await turns(50)
    go.set()
    for client in clients[1:]:
        assert (await client.answer()).body == content
    assert len(hashes) == 1


async def test_what_is_not_in_memory_is_read_by_a_thread(
    serve: Serve, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that lets wait does not let the loop wait."""
    content = os.urandom(300_000)
    (root / "cold").write_bytes(content)

    def never_ready(*args: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "preadv", never_ready)
    assert (await start(serve, root).get("/cold")).body == content

    def unknown(*args: object) -> int:
        raise OSError("the file system does not know that")

    monkeypatch.setattr(os, "preadv", unknown)
    assert (await start(serve, root).get("/cold")).body == content
    monkeypatch.setattr("toolkit.web.static.files._RWF_NOWAIT", None)
    assert (await start(serve, root).get("/cold")).body == content


# -- versions ----------------------------------------------------------------------------


def start(serve: Serve, root: Path, **settings: Any) -> Site:
    return serve([(r"/(.*)", StaticFileHandler, {"path": str(root)})], settings or None)


@pytest.mark.feature("M07")
def test_the_url_of_a_file_changes_with_its_content(root: Path) -> None:
    settings = {"static_path": str(root), "static_url_prefix": "/s/"}
    version = hashlib.sha512(CONTENT).hexdigest()
    make = StaticFileHandler.make_static_url
    assert make(settings, "a.txt") == f"/s/a.txt?v={version}"
    assert make(settings, "a.txt", include_version=False) == "/s/a.txt"
    assert make({"static_path": str(root)}, "a.txt") == f"/static/a.txt?v={version}"
    (root / "a.txt").write_bytes(b"new")
    assert make(settings, "a.txt") == f"/s/a.txt?v={hashlib.sha512(b'new').hexdigest()}"


@pytest.mark.feature("M07")
async def test_a_url_with_the_true_version_is_kept_for_good(serve: Serve, root: Path) -> None:
    """One with another version may be of another server, whose file is newer."""
    site = start(serve, root)
    url = StaticFileHandler.make_static_url(
        {"static_path": str(root), "static_url_prefix": "/"}, "a.txt"
    )
    for target, expected in {
        url: "max-age=315360000, immutable",
        "/a.txt?v=other": "max-age=315360000",
        "/a.txt": None,
    }.items():
        answer = await site.get(target)
        assert (answer.body, answer.get("cache-control")) == (CONTENT, expected)
        assert (answer.get("expires") is None) is (expected is None)


def test_a_file_that_is_not_there_has_a_url_without_version(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells once, not for each page."""
    settings = {"static_path": str(root)}
    for _ in range(3):
        assert StaticFileHandler.make_static_url(settings, "no.txt") == "/static/no.txt"
    expect_log(caplog, "toolkit.general", "Could not open static file.*No such file")
    assert len(caplog.records) == 1
    (root / "no.txt").write_bytes(b"there now")
    assert "?v=" in StaticFileHandler.make_static_url(settings, "no.txt")


def test_nothing_outside_gets_a_version(
    root: Path, tmp_path_factory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_bytes(b"SECRET")
    (root / "link").symlink_to(outside / "secret")
    settings: dict[str, Any] = {"static_path": str(root)}
    for path in ("../secret", "/etc/passwd", f"../{outside.name}/secret"):
        with pytest.raises(HTTPError) as error:
            StaticFileHandler.get_version(settings, path)
        assert error.value.status_code == 403
    assert StaticFileHandler.get_version(settings, "link") is None
    expect_log(caplog, "toolkit.general", "Could not open static file")
    StaticFileHandler.reset()
    settings["static_handler_args"] = {"allowed_symlink_directory": str(outside)}
    assert StaticFileHandler.get_version(settings, "link")
    assert StaticFileHandler.get_version(settings, "a\0b") is None
    expect_log(caplog, "toolkit.general", "Could not open static file")


def test_the_versions_that_are_remembered_are_bounded(root: Path) -> None:
    """Hole 99: each name costs memory only as long as it is among the last."""
    cache = VersionCache()
    status = os.stat_result((*os.stat(root / "a.txt")[:7], OLD, OLD, OLD))
    for name in range(100_000):
        cache.add(name, None, "v", 100)
    assert len(cache) == 100
    assert cache.find(99_999, None) == "v"
    assert cache.find(0, None) is None
    cache.add("state", status, "v", 100)
    assert cache.find("state", None) is None


# -- subclasses --------------------------------------------------------------------------


class Made(StaticFileHandler):
    """Serves what is no file."""

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        return f"made:{path}"

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        return absolute_path

    @classmethod
    def get_content(cls, abspath: str, start: int | None = None, end: int | None = None) -> Any:
        return CONTENT[start:end]

    def get_content_size(self) -> int:
        return len(CONTENT)

    def get_modified_time(self) -> datetime | None:
        return datetime(2020, 1, 1)  # naive, as some give it


class MadeInPieces(Made):
    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Iterator[bytes]:
        for byte in CONTENT[start:end]:
            yield bytes([byte])


class MadeSlowly(Made):
    def compute_etag(self) -> str | None:
        return '"slowly"'

    @classmethod
    async def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> AsyncIterator[bytes]:
        for byte in CONTENT[start:end]:
            await asyncio.sleep(0)
            yield bytes([byte])


@pytest.mark.parametrize("handler", [Made, MadeInPieces, MadeSlowly])
async def test_a_subclass_may_give_content_of_its_own(
    serve: Serve, handler: type[StaticFileHandler]
) -> None:
    site = serve([(r"/(.*)", handler, {"path": "anywhere"})])
    answer = await site.get("/a.txt")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("content-type") == "text/plain"
    assert answer.get("last-modified") == "Wed, 01 Jan 2020 00:00:00 GMT"
    answer = await site.get("/a.txt", "Range: bytes=2-3\r\n")
    assert (answer.status, answer.body) == (206, b"23")
    answer = await site.get("/a.txt", "Range: bytes=0-0,2-3\r\n")
    assert (answer.status, answer.body.count(b"Content-Range")) == (206, 2)
    etag = answer.get("etag")
    assert (await site.get("/a.txt", f"If-None-Match: {etag}\r\n")).status == 304
    if handler is not MadeSlowly:
        assert etag == f'"{hashlib.sha512(CONTENT).hexdigest()}"'
        assert handler.get_version({"static_path": "x"}, "a") == etag.strip('"')


async def test_a_subclass_that_leaves_options_out_still_serves_safely(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that has its own `initialize` gets the defaults."""

    class Own(StaticFileHandler):
        def initialize(self) -> None:  # type: ignore[override]
            self.root = str(root)

        def set_extra_headers(self, path: str) -> None:
            self.set_header("X-Path", path)

        def get_cache_time(self, path: str, modified: datetime | None, mime_type: str) -> int:
            return 60

    (root / ".env").write_bytes(b"SECRET")
    site = serve([(r"/(.*)", Own)])
    for _ in range(2):
        answer = await site.get("/a.txt")
        assert (answer.body, answer.get("x-path")) == (CONTENT, "a.txt")
        assert answer.get("cache-control") == "max-age=60"
    assert (await site.get("/.env")).status == 404
    assert (await site.get("/../x")).status == 403
    expect_log(caplog, "toolkit.general", "is not in root static directory")


async def test_headers_may_be_set_by_a_subclass_alone(serve: Serve, root: Path) -> None:
    class Bare(StaticFileHandler):
        def set_headers(self) -> None:
            self.set_etag_header()

    class Tagless(StaticFileHandler):
        def set_extra_headers(self, path: str) -> None:
            self.clear_header("Etag")

    for handler, tagged in ((Bare, True), (Tagless, False)):
        site = serve([(r"/(.*)", handler, {"path": str(root)})])
        answer = await site.get("/a.txt")
        assert (answer.body, answer.get("etag") is not None) == (CONTENT, tagged)
        assert (answer.get("last-modified") is None) is tagged


async def test_a_version_of_its_own_is_the_tag_too(serve: Serve, root: Path) -> None:
    class Versioned(StaticFileHandler):
        @classmethod
        def get_content_version(cls, abspath: str) -> str:
            return f"version-of-{os.path.basename(abspath)}"

    site = serve([(r"/(.*)", Versioned, {"path": str(root)})])
    assert (await site.get("/a.txt")).get("etag") == '"version-of-a.txt"'
    answer = await site.get("/a.txt?v=version-of-a.txt")
    assert answer.get("cache-control") == "max-age=315360000, immutable"
    assert Versioned.get_version({"static_path": str(root)}, "a.txt") == "version-of-a.txt"


async def test_the_times_of_a_file_are_told_in_seconds(serve: Serve, root: Path) -> None:
    os.utime(root / "a.txt", ns=(0, OLD * 10**9 + 999_999_999))
    answer = await start(serve, root).get("/a.txt")
    assert answer.get("last-modified") == datetime.fromtimestamp(OLD, UTC).strftime(
        "%a, %d %b %Y %H:%M:%S GMT"
    )


def test_an_application_has_a_static_handler_class_of_its_own() -> None:
    application = Application(static_path="x", static_handler_class=Made)
    assert application.settings["static_handler_class"] is Made
