"""``toolkit serve``: the files of a directory."""

import signal
from pathlib import Path

import pytest

from tests.cli.program import get, port_of, running
from toolkit.cli import main
from toolkit.cli.serve import files
from toolkit.httpclient import AsyncHTTPClient, HTTPResponse
from toolkit.httpserver import HTTPServer

SERVE = ("-m", "toolkit", "serve")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a directory with a few files."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("text")
    (tmp_path / "index.html").write_text("<p>start")
    return tmp_path


async def fetch(site: Path, path: str, *, spa: bool = False, listing: bool = True) -> HTTPResponse:
    """Ask an application of the directory, as a browser that goes to a page."""
    application = files(str(site), "index.html", spa, listing)
    async with HTTPServer(application, access_log="common") as server:
        server.listen(0, "127.0.0.1")
        client = AsyncHTTPClient(force_instance=True)
        url = f"http://127.0.0.1:{server.addresses[0][1]}{path}"
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        try:
            return await client.fetch(url, headers=headers, raise_error=False)
        finally:
            client.close()


@pytest.mark.feature("R10")
def test_a_directory_is_served_in_one_command(site: Path) -> None:
    """The current one, until a signal."""
    with running(site, "--port=0", program=SERVE) as program:
        port = port_of(program)
        assert get(port, "/docs/a.txt") == (200, "text")
        assert get(port) == (200, "<p>start")
        program.signal(signal.SIGTERM)
        assert program.status() == 0


@pytest.mark.feature("R10")
@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize(
    ("path", "spa", "listing", "status", "content"),
    [
        ("/docs/", False, True, 200, b"a.txt"),
        ("/docs/", False, False, 404, b""),
        ("/users/7", False, True, 404, b""),
        ("/users/7", True, True, 200, b"<p>start"),
        ("/docs/b.txt", True, True, 404, b""),
    ],
)
async def test_what_has_no_file(
    site: Path, path: str, spa: bool, listing: bool, status: int, content: bytes
) -> None:
    """A list, or the page of an application in the browser."""
    answer = await fetch(site, path, spa=spa, listing=listing)
    assert answer.code == status
    assert content in answer.body


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "toolkit: 'nowhere' is no directory\n"),
        (["--spa"], "toolkit: 'index.html', which --spa serves, is not there\n"),
    ],
)
def test_what_cannot_be_served(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is said in one line."""
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *arguments]) == 1
    assert capsys.readouterr().err == said
