"""The files demo: what is uploaded can be downloaded, in ranges too, and deleted."""

import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.demos.process import TIMEOUT, Demo, serving
from tests.demos.test_showcase import Answer, read_answer

BOUNDARY = "boundary"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the directory that keeps the files."""
    return tmp_path_factory.mktemp("files") / "new"


@pytest.fixture(scope="module")
def demo(directory: Path) -> Iterator[Demo]:
    """Run the demo, which takes 1 MiB at most."""
    with serving("files", f"--directory={directory}", "--max-size=1") as demo:
        yield demo


@pytest.fixture(autouse=True)
def empty(demo: Demo, directory: Path) -> None:
    """Remove what other tests left."""
    for path in directory.iterdir():
        path.unlink()


class Visitor:
    """A browser without scripts: it keeps cookies, and sends the forms of the page."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        page = self.ask("GET", "/")
        self.cookie = page.headers["Set-Cookie"].partition(";")[0]
        found = re.search(r'action="(/upload[^"]+)"', page.text)
        assert found
        self.action = unescape(found[1])
        self.token = self.action.partition("_xsrf=")[2]

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.demo.port, timeout=TIMEOUT)
        with closing(client):
            own = {"Cookie": self.cookie} if hasattr(self, "cookie") else {}
            client.request(method, path, body or None, own | dict(headers or {}))
            return read_answer(client.getresponse())

    def upload(self, name: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send the form with one file."""
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: text/html\r\n\r\n"
        ).encode()
        body += content + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.ask("POST", self.action, body, kind | dict(headers or {}))

    def delete(self, name: str, token: str | None = None) -> Answer:
        """Send the form behind a file's button."""
        body = f"_xsrf={self.token if token is None else token}".encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", f"/delete/{quote(name, safe='')}", body, kind)


def test_a_file_comes_back_as_it_was(demo: Demo) -> None:
    visitor = Visitor(demo)
    content = bytes(range(256)) * 2000
    answer = visitor.upload("some file.bin", content)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    page = visitor.ask("GET", "/").text
    assert "some file.bin" in page
    assert "500.0 KiB" in page
    answer = visitor.ask("GET", "/files/some%20file.bin")
    assert (answer.status, answer.body) == (200, content)
    answer = visitor.ask("GET", "/files/some%20file.bin", headers={"Range": "bytes=5-9"})
    assert (answer.status, answer.body) == (206, content[5:10])
    assert answer.headers["Content-Range"] == "bytes 5-9/512000"


def test_what_is_uploaded_is_never_shown_as_a_page(demo: Demo) -> None:
    visitor = Visitor(demo)
    visitor.upload("page.html", b"<script>alert(1)</script>")
    headers = visitor.ask("GET", "/files/page.html").headers
    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../passwd", "passwd"),
        ("C:\\dir\\a.txt", "a.txt"),
        (".hidden", "hidden"),
        ("<img src=x onerror=1>.txt", "_img src=x onerror=1_.txt"),
        ("a&b'c.txt", "a&b'c.txt"),
        ("wörld.txt", "wörld.txt"),
    ],
)
def test_names_are_made_safe(demo: Demo, directory: Path, sent: str, kept: str) -> None:
    visitor = Visitor(demo)
    assert visitor.upload(sent, b"x").status == 303
    assert [path.name for path in directory.iterdir()] == [kept]
    page = visitor.ask("GET", "/").text
    assert "<img" not in page
    assert visitor.ask("GET", f"/files/{quote(kept)}").body == b"x"


def test_no_file_takes_the_place_of_another(demo: Demo, directory: Path) -> None:
    visitor = Visitor(demo)
    for content in (b"1", b"2", b"3"):
        visitor.upload("a.tar", content)
    kept = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert kept == {"a.tar": b"1", "a (2).tar": b"2", "a (3).tar": b"3"}


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB])
def test_a_file_that_is_too_large_leaves_nothing(demo: Demo, directory: Path, size: int) -> None:
    assert Visitor(demo).upload("big", b"x" * size).status == 413
    assert list(directory.iterdir()) == []


def test_a_script_gets_the_names_or_the_reason(demo: Demo) -> None:
    visitor = Visitor(demo)
    script = {"X-Requested-With": "script"}
    answer = visitor.upload("a.txt", b"x", script)
    assert (answer.status, answer.text) == (200, '{"names": ["a.txt"]}')
    answer = visitor.upload("", b"", script)
    assert (answer.status, answer.text) == (400, "No file was chosen")
    table = visitor.ask("GET", "/", headers=script).text
    assert table.lstrip().startswith("<table>")


def test_a_file_is_deleted(demo: Demo, directory: Path) -> None:
    visitor = Visitor(demo)
    visitor.upload("a b.txt", b"x")
    assert visitor.delete("a b.txt").status == 303
    assert list(directory.iterdir()) == []
    assert visitor.delete("a b.txt").status == 404


@pytest.mark.parametrize("name", ["../secret", "..", ".draft-1", "sub/secret", "none"])
def test_nothing_else_is_deleted_or_had(demo: Demo, directory: Path, name: str) -> None:
    (directory.parent / "secret").write_bytes(b"secret")
    (directory / ".draft-1").write_bytes(b"draft")
    visitor = Visitor(demo)
    assert visitor.delete(name).status == 404
    assert visitor.ask("GET", f"/files/{quote(name, safe='')}").status in (403, 404)
    assert (directory.parent / "secret").exists()
    assert (directory / ".draft-1").exists()


def test_without_the_token_nothing_changes(demo: Demo, directory: Path) -> None:
    visitor = Visitor(demo)
    visitor.upload("a.txt", b"x")
    assert visitor.delete("a.txt", token="2|00|00|0").status == 403
    visitor.action = "/upload"
    assert visitor.upload("b.txt", b"x").status == 403
    assert [path.name for path in directory.iterdir()] == ["a.txt"]


def test_errors_have_a_page(demo: Demo) -> None:
    answer = Visitor(demo).ask("GET", "/nothing")
    assert answer.status == 404
    assert "<h1>404</h1>" in answer.text
