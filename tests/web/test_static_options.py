"""`StaticFileHandler`: what its options do."""

import gzip
import hashlib
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Serve, Site
from toolkit.web import StaticFileHandler
from toolkit.web.static.handler import _SIBLINGS

PAGE = b"<p>the application</p>"
SCRIPT = b"let a = 1;" * 1000
BROWSER = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"


@pytest.fixture(autouse=True)
def _forget() -> None:
    StaticFileHandler.reset()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory as a build of a browser's application leaves it."""
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_bytes(PAGE)
    (root / "app.js").write_bytes(SCRIPT)
    (root / ".env").write_bytes(b"SECRET")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(b"SECRET")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "security.txt").write_bytes(b"Contact: a")
    return root


def start(serve: Serve, root: Path, **options: Any) -> Site:
    """Serve a directory at ``/``, behind a path that is none of it."""
    return serve(
        [
            (r"/api/(.*)", StaticFileHandler, {"path": str(root / "nothing")}),
            (r"/(.*)", StaticFileHandler, {"path": str(root), **options}),
        ]
    )


def claim(caplog: pytest.LogCaptureFixture) -> None:
    """Claim what the refusals log."""
    for record in caplog.records:
        if record.name == "toolkit.general":
            record.claimed = True


# -- fallback ----------------------------------------------------------------------------


@pytest.mark.feature("M08")
@pytest.mark.parametrize(
    ("target", "fields", "expected"),
    [
        ("/", BROWSER, PAGE),
        ("/users", BROWSER, PAGE),
        ("/users/1/edit", BROWSER, PAGE),
        ("/users/", BROWSER, PAGE),
        ("/assets", BROWSER, PAGE),
        ("/users?next=a.png", BROWSER, PAGE),
        ("/app.js", BROWSER, SCRIPT),
        ("/index.html", "", PAGE),
        # What is no page of a browser is not there.
        ("/users", "", None),
        ("/users", "Accept: */*\r\n", None),
        ("/users", "Accept: application/json\r\n", None),
        ("/users", "Accept: text/html;q=0\r\n", None),
        ("/missing.js", BROWSER, None),
        ("/assets/missing.css", BROWSER, None),
        ("/api/users", BROWSER, None),
    ],
)
async def test_pages_fall_back_to_the_application_and_nothing_else_does(
    serve: Serve, root: Path, target: str, fields: str, expected: bytes | None
) -> None:
    site = start(serve, root, fallback="index.html")
    for _ in range(2):
        answer = await site.get(target, fields)
        if expected is None:
            assert answer.status == 404
        else:
            assert (answer.status, answer.body) == (200, expected)


async def test_an_answer_that_fell_back_depends_on_accept(serve: Serve, root: Path) -> None:
    """A cache must not give a page to a program that asks for the same URL."""
    site = start(serve, root, fallback="index.html")
    for _ in range(2):
        assert (await site.get("/users", BROWSER)).get("vary") == "Accept"
        assert (await site.get("/index.html", BROWSER)).get("vary") is None


async def test_nothing_outside_is_had_by_falling_back(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = start(serve, root, fallback="index.html")
    assert (await site.get("/../../etc/passwd", BROWSER)).status == 403
    claim(caplog)


# -- hidden names ------------------------------------------------------------------------


@pytest.mark.feature("M10")
@pytest.mark.parametrize(
    ("option", "status"), [({}, 404), ({"dotfiles": "ignore"}, 404), ({"dotfiles": "deny"}, 403)]
)
async def test_hidden_files_are_not_served(
    serve: Serve, root: Path, option: dict[str, str], status: int
) -> None:
    site = start(serve, root, **option)
    for target in ("/.env", "/.git/config", "/.git", "/.git/", "/%2eenv", "/assets/../.env"):
        answer = await site.get(target)
        assert (answer.status, b"SECRET" in answer.body) == (status, False), target
    assert (await site.get("/.well-known/security.txt")).body == b"Contact: a"


async def test_hidden_files_are_served_where_that_is_allowed(serve: Serve, root: Path) -> None:
    site = start(serve, root, dotfiles="allow")
    assert (await site.get("/.env")).body == b"SECRET"


async def test_a_root_with_a_hidden_name_is_served(serve: Serve, tmp_path: Path) -> None:
    """Only what the client writes counts."""
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.txt").write_bytes(b"a")
    assert (await start(serve, tmp_path / ".cache").get("/a.txt")).body == b"a"


@pytest.mark.parametrize("options", [{"dotfiles": "hide"}, {"precompressed": ["lzma"]}])
async def test_options_that_are_none_are_an_error(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    site = start(serve, root, **options)
    assert (await site.get("/app.js")).status == 500
    for record in caplog.records:
        assert "are allowed" in caplog.text or "are known" in caplog.text
        record.claimed = True


# -- compressed siblings -----------------------------------------------------------------


@pytest.fixture
def siblings(root: Path) -> dict[str, bytes]:
    """Put compressed siblings beside the script; what they hold does not matter to a server."""
    contents = {"br": b"as brotli", "zstd": b"as zstandard", "gzip": gzip.compress(SCRIPT)}
    for suffix, content in zip((".br", ".zst", ".gz"), contents.values(), strict=True):
        (root / f"app.js{suffix}").write_bytes(content)
    return contents


@pytest.mark.feature("M05")
@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0, *", "zstd"),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("deflate", None),
        ("gzip;q=0", None),
        ("", None),
        (None, None),
    ],
)
async def test_the_sibling_that_the_client_likes_most_is_sent(
    serve: Serve, root: Path, siblings: dict[str, bytes], accept: str | None, coding: str | None
) -> None:
    site = start(serve, root, precompressed=True)
    fields = "" if accept is None else f"Accept-Encoding: {accept}\r\n"
    expected = SCRIPT if coding is None else siblings[coding]
    for _ in range(2):
        answer = await site.get("/app.js", fields)
        assert (answer.status, answer.body) == (200, expected)
        assert answer.get("content-encoding") == coding
        assert answer.get("content-type") == "text/javascript"
        assert answer.get("vary") == "Accept-Encoding"
        assert answer.get("etag") == f'"{hashlib.sha512(expected).hexdigest()}"'
        assert answer.get("content-length") == str(len(expected))


async def test_a_file_without_siblings_does_not_vary(serve: Serve, root: Path) -> None:
    site = start(serve, root, precompressed=True)
    answer = await site.get("/app.js", "Accept-Encoding: gzip\r\n")
    assert (answer.body, answer.get("vary")) == (SCRIPT, None)


async def test_siblings_are_served_where_they_are_asked_for_alone(
    serve: Serve, root: Path, siblings: dict[str, bytes]
) -> None:
    site = start(serve, root)
    answer = await site.get("/app.js", "Accept-Encoding: gzip\r\n")
    assert (answer.body, answer.get("vary")) == (SCRIPT, None)
    site = start(serve, root, precompressed=["gzip"])
    answer = await site.get("/app.js", "Accept-Encoding: br, gzip\r\n")
    assert answer.body == siblings["gzip"]


async def test_a_client_that_has_the_sibling_is_told_so(
    serve: Serve, root: Path, siblings: dict[str, bytes]
) -> None:
    site = start(serve, root, precompressed=True)
    etag = f'"{hashlib.sha512(siblings["gzip"]).hexdigest()}"'
    answer = await site.get("/app.js", f"Accept-Encoding: gzip\r\nIf-None-Match: {etag}\r\n")
    assert (answer.status, answer.get("etag")) == (304, etag)
    assert answer.get("vary") == "Accept-Encoding"
    answer = await site.get("/app.js", f"If-None-Match: {etag}\r\n")
    assert (answer.status, answer.body) == (200, SCRIPT)


async def test_a_range_counts_the_bytes_of_the_file_or_of_the_sibling_it_continues(
    serve: Serve, root: Path, siblings: dict[str, bytes]
) -> None:
    site = start(serve, root, precompressed=True)
    tags = {
        coding: f'"{hashlib.sha512(content).hexdigest()}"'
        for coding, content in {**siblings, "": SCRIPT}.items()
    }
    both = "Accept-Encoding: gzip, br\r\nRange: bytes=2-5\r\n"
    answer = await site.get("/app.js", both)
    assert (answer.status, answer.body) == (206, SCRIPT[2:6])
    assert answer.get("content-encoding") is None
    for coding, content in {**siblings, "": SCRIPT}.items():
        answer = await site.get("/app.js", f"{both}If-Range: {tags[coding]}\r\n")
        assert (answer.status, answer.body) == (206, content[2:6])
        assert answer.get("content-encoding") == (coding or None)
    answer = await site.get("/app.js", f'{both}If-Range: "old"\r\n')
    assert (answer.status, answer.body) == (200, SCRIPT)


async def test_a_sibling_that_leads_out_or_is_no_file_is_not_sent(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2024-42367: the file is sent as it is."""
    (root.parent / "secret").write_bytes(b"SECRET")
    (root / "app.js.gz").symlink_to(root.parent / "secret")
    (root / "app.js.br").mkdir()
    os.mkfifo(root / "app.js.zst")
    site = start(serve, root, precompressed=True)
    for _ in range(2):
        answer = await site.get("/app.js", "Accept-Encoding: gzip\r\n")
        assert (answer.status, answer.body) == (200, SCRIPT)
        assert answer.get("content-encoding") is None


async def test_a_sibling_that_goes_or_comes_is_noticed(
    serve: Serve, root: Path, siblings: dict[str, bytes]
) -> None:
    site = start(serve, root, precompressed=True)
    fields = "Accept-Encoding: gzip\r\n"
    assert (await site.get("/app.js", fields)).body == siblings["gzip"]
    (root / "app.js.gz").unlink()
    assert (await site.get("/app.js", fields)).body == SCRIPT
    (root / "app.js.gz").write_bytes(b"another")
    _SIBLINGS.clear()  # what a second does
    assert (await site.get("/app.js", fields)).body == b"another"


# -- listings ----------------------------------------------------------------------------


@pytest.mark.feature("M09")
async def test_a_directory_is_listed_by_names_that_are_escaped(serve: Serve, root: Path) -> None:
    """CVE-2024-27306: a name is neither markup nor a URL of its own."""
    names = ['<img src=x onerror="1">.txt', 'a" onclick="b.txt', "javascript:alert(1)", "é #?%.txt"]
    for name in names:
        (root / "assets" / name).write_bytes(name.encode())
    site = start(serve, root, listing=True)
    page = (await site.get("/assets/")).body.decode()
    assert "<img" not in page
    assert 'onclick="' not in page
    assert 'href="javascript:' not in page
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert links[0] == "../"
    assert len(links) == len(names) + 1
    contents = {(await site.get(f"/assets/{link}")).body.decode() for link in links[1:]}
    assert contents == set(names)


async def test_a_listing_shows_what_is_served_and_nothing_else(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "in.js").symlink_to("app.js")
    (root / "dangling").symlink_to("nothing")
    os.mkfifo(root / "fifo")
    os.mknod(os.fsencode(root) + b"/\xff.txt")
    site = start(serve, root, listing=True)
    answer = await site.get("/")
    assert answer.get("content-type") == "text/html; charset=UTF-8"
    links = [part.partition('"')[0] for part in answer.body.decode().split('href="')[1:]]
    assert links == ["assets/", "app.js", "in.js", "index.html"]
    page = (await start(serve, root, listing=True, dotfiles="allow").get("/")).body
    assert b'href=".git/"' in page


async def test_a_listing_takes_the_place_of_a_missing_default_file_alone(
    serve: Serve, root: Path
) -> None:
    site = start(serve, root, listing=True, default_filename="index.html")
    assert (await site.get("/")).body == PAGE
    assert b"<h1>/assets/</h1>" in (await site.get("/assets/")).body
    answer = await site.get("/assets")
    assert (answer.status, answer.get("location")) == (301, "/assets/")
    head = await site.ask(b"HEAD /assets/ HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (head.status, head.body) == (200, b"")


async def test_no_directory_is_listed_unless_that_is_asked_for(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await start(serve, root).get("/assets/")).status == 403
    assert (await start(serve, root, listing=True).get("/nothing/")).status == 404
    assert (await start(serve, root, listing=True).get("/../")).status == 403
    assert (await start(serve, root, listing=True).get("/.git/")).status == 404
    claim(caplog)


# -- links, packages ---------------------------------------------------------------------


@pytest.mark.feature("M10")
async def test_links_may_lead_into_the_directories_that_are_allowed(
    serve: Serve, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = root.parent / "other"
    other.mkdir()
    (other / "a.txt").write_bytes(b"of another directory")
    (root / "a.txt").symlink_to(other / "a.txt")
    for allowed in (str(root.parent), [str(root), str(other)]):
        site = start(serve, root, allowed_symlink_directory=allowed)
        for _ in range(2):
            assert (await site.get("/a.txt")).body == b"of another directory"
        assert (await site.get("/app.js")).body == SCRIPT
    for refused in (None, str(root), []):
        site = start(serve, root, allowed_symlink_directory=refused)
        assert (await site.get("/a.txt")).status == 403
    claim(caplog)


@pytest.mark.feature("M12")
async def test_files_of_a_package_are_served(serve: Serve, tmp_path: Path) -> None:
    site = serve([(r"/(.*)", StaticFileHandler, {"package": "tests.wire", "path": "corpus"})])
    name = min(path.name for path in (Path(__file__).parents[1] / "wire" / "corpus").iterdir())
    assert (await site.get(f"/{name}")).status == 200
    site = serve([(r"/(.*)", StaticFileHandler, {"package": "tests.wire"})])
    assert b"Range" in (await site.get("/test_ranges.py")).body


@pytest.mark.feature("M12")
async def test_files_of_a_package_in_an_archive_are_served(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("zipped_shop/__init__.py", "")
        archive.writestr("zipped_shop/dist/sub/a.txt", "zipped")
    monkeypatch.syspath_prepend(str(tmp_path / "shop.zip"))
    site = serve([(r"/(.*)", StaticFileHandler, {"package": "zipped_shop", "path": "dist"})])
    for _ in range(2):
        assert (await site.get("/sub/a.txt")).body == b"zipped"
    sys.modules.pop("zipped_shop", None)
