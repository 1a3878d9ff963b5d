"""A browser shows the blog and the files, and runs their scripts."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demos.process import Demo, serving
from tests.demos.test_blog import Visitor
from tests.system.test_browser import browse

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def blog() -> Iterator[Demo]:
    """Run a blog that has a post."""
    with serving("blog") as demo:
        visitor = Visitor(demo)
        visitor.register("ada")
        visitor.write("A <b>title</b>", "# Head\n\n<script>document.title = 1</script> *text*")
        yield demo


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run a store that has a file."""
    directory = tmp_path_factory.mktemp("files")
    (directory / "a & b.txt").write_bytes(b"x" * 2048)
    with serving("files", f"--directory={directory}") as demo:
        yield demo


def check_picture(path: Path, width: int, height: int) -> None:
    """Check that a picture has that size, and more on it than an empty page."""
    picture = path.read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (width, height)
    assert len(picture) > 12_000


def test_a_post_is_shown_and_does_nothing(blog: Demo, tmp_path: Path) -> None:
    dom = browse(tmp_path, f"{blog.url}post/1", "--dump-dom").text
    assert "<title>A &lt;b&gt;title&lt;/b&gt; – Field notes</title>" in dom
    assert "<h2>Head</h2>" in dom
    assert "<em>text</em>" in dom
    assert "<script" not in dom


def test_the_script_of_the_files_has_run(files: Demo, tmp_path: Path) -> None:
    dom = browse(tmp_path, files.url, "--dump-dom").text
    assert '<html lang="en" class="scripted">' in dom
    assert "a &amp; b.txt" in dom
    assert "2.0 KiB" in dom


@pytest.mark.parametrize("name", ["blog", "files"])
@pytest.mark.parametrize("width", [1000, 500])
def test_a_picture_of_the_first_page(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, width: int
) -> None:
    demo: Demo = request.getfixturevalue(name)
    path = tmp_path / "page.png"
    browse(tmp_path / "profile", demo.url, f"--window-size={width},700", f"--screenshot={path}")
    check_picture(path, width, 700)
