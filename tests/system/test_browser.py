"""A browser shows the pages of the showcase and runs their script."""

import struct
from pathlib import Path

import pytest

from tests.demos.process import Demo
from tests.system.programs import Done, run

pytestmark = pytest.mark.system

#: No window, no sandbox (which root has none of), and nothing that asks the network by itself.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--enable-logging=stderr",
]


def browse(profile: Path, url: str, *flags: str) -> Done:
    """Load a page in a browser that knows nothing yet; what its scripts complain of fails."""
    done = run("chromium", *FLAGS, f"--user-data-dir={profile}", *flags, url)
    assert done.status == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not complaints
    return done


def test_the_home_page(showcase: Demo, tmp_path: Path) -> None:
    """Its cards are there, and its script has run to the end."""
    dom = browse(tmp_path, showcase.url, "--dump-dom").text
    assert dom.count("<section>") == 4
    # The page comes with another port, which the last line of the script puts right.
    assert f'<span id="origin">{showcase.url.rstrip("/")}</span>' in dom


def test_a_greeting(showcase: Demo, tmp_path: Path) -> None:
    """A name beyond ASCII is shown as it is."""
    dom = browse(tmp_path, f"{showcase.url}hello/w%C3%B6rld", "--dump-dom").text
    assert "<title>Hello, wörld</title>" in dom
    assert "<h1>Hello, wörld</h1>" in dom


def test_a_name_that_is_markup(showcase: Demo, tmp_path: Path) -> None:
    """It does nothing to the page."""
    name = "%3Cscript%3Edocument.title=1%3C%2Fscript%3E"
    dom = browse(tmp_path, f"{showcase.url}hello/{name}", "--dump-dom").text
    assert "<h1>Hello, &lt;script&gt;document.title=1&lt;/script&gt;</h1>" in dom
    assert "<script" not in dom


def test_an_answer_in_pieces(showcase: Demo, tmp_path: Path) -> None:
    """The browser puts the chunks together."""
    dom = browse(tmp_path, f"{showcase.url}count?to=3", "--dump-dom").text
    assert ">1\n2\n3\n</pre>" in dom


def test_a_picture_of_the_home_page(showcase: Demo, tmp_path: Path) -> None:
    """It has the size of the window, and more on it than an empty page."""
    path = tmp_path / "home.png"
    browse(tmp_path / "profile", showcase.url, "--window-size=1200,800", f"--screenshot={path}")
    picture = path.read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    # The first chunk is IHDR, which begins with width and height.
    assert struct.unpack(">II", picture[16:24]) == (1200, 800)
    # An empty page of this size compresses to about 5 kB, this one to 60.
    assert len(picture) > 20_000
