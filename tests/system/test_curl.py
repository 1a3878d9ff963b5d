"""curl gets along with the showcase."""

import re
from pathlib import Path

import pytest

from tests.demos.process import Demo
from tests.system.programs import run

pytestmark = pytest.mark.system

MIB = 1024 * 1024


def curl(*args: str) -> str:
    """Return what curl wrote; neither a configuration file nor a proxy has a say in it."""
    # -q has to be the first option.
    done = run("curl", "-q", "--noproxy", "*", "--max-time", "60", "-sS", *args)
    assert done.status == 0, done.stderr
    assert done.stderr == ""
    return done.text


def status_of(*args: str) -> int:
    """Return the status of the one answer that curl got."""
    return int(curl("-o", "/dev/null", "-w", "%{http_code}", *args))


def make_file(directory: Path, name: str, size: int) -> str:
    """Make a file of some size and return its path."""
    path = directory / name
    path.write_bytes(bytes(range(256)) * (size // 256))
    return str(path)


def test_a_page_with_its_head(showcase: Demo) -> None:
    """``curl -i`` shows status, fields and content."""
    head, _, body = curl("-i", showcase.url).partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    size = re.search(r"(?im)^content-length: ([0-9]+)\r?$", head)
    assert size is not None
    assert len(body.encode()) == int(size[1])
    assert body.startswith("<!DOCTYPE html>")


def test_http_1_0(showcase: Demo) -> None:
    """An old client's page and its answer in pieces are whole."""
    assert curl("--http1.0", showcase.url).endswith("</html>\n")
    assert curl("--http1.0", f"{showcase.url}count?to=3") == "1\n2\n3\n"


def test_an_answer_in_pieces(showcase: Demo) -> None:
    """``curl -N`` takes the chunks apart."""
    assert curl("-N", f"{showcase.url}count?to=3") == "1\n2\n3\n"


CHUNKED = ("-H", "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        pytest.param(0, (), id="nothing by length"),
        # There is no empty one in chunks: curl 7.88 then never sends the last chunk.
        pytest.param(256, CHUNKED, id="a little in chunks"),
        pytest.param(3 * MIB, (), id="3 MiB by length"),
        pytest.param(3 * MIB, CHUNKED, id="3 MiB in chunks"),
        pytest.param(30 * MIB, (), id="30 MiB by length"),
        pytest.param(30 * MIB, CHUNKED, id="30 MiB in chunks"),
    ],
)
def test_a_file_is_put(showcase: Demo, tmp_path: Path, size: int, fields: tuple[str, ...]) -> None:
    """``curl -T`` sends all of it, which asks with Expect: 100-continue when it is large."""
    path = make_file(tmp_path, "big", size)
    assert curl("-T", path, *fields, f"{showcase.url}put/") == f"big: {size} bytes\n"


def test_a_large_file_is_asked_for(showcase: Demo, tmp_path: Path) -> None:
    """curl is told to continue, and need not wait a second to do so by its own decision."""
    path = make_file(tmp_path, "big", 3 * MIB)
    done = run("curl", "-q", "--noproxy", "*", "-sv", "-T", path, f"{showcase.url}put/")
    assert done.text == f"big: {3 * MIB} bytes\n"
    assert "> Expect: 100-continue" in done.stderr
    assert "< HTTP/1.1 100 Continue" in done.stderr


def test_a_form_with_files(showcase: Demo, tmp_path: Path) -> None:
    """``curl -F`` sends names and sizes."""
    page = curl(
        *("-F", f"files=@{make_file(tmp_path, 'grüße.bin', 3 * MIB)}"),
        *("-F", f"files=@{make_file(tmp_path, 'b.txt', 256)};type=text/x-test"),
        *("-F", "note=no file"),
        f"{showcase.url}upload",
    )
    assert "<h1>2 received</h1>" in page
    assert f"<td>grüße.bin</td><td>application/octet-stream</td><td>{3 * MIB:,}</td>" in page
    assert "<td>b.txt</td><td>text/x-test</td><td>256</td>" in page


def test_head_requests(showcase: Demo) -> None:
    """``curl -I`` of a file has its size, and a page answers as to a GET."""
    head = curl("-I", f"{showcase.url}static/style.css")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    size = len(curl(f"{showcase.url}static/style.css").encode())
    assert re.search(rf"(?im)^content-length: {size}\r?$", head)
    assert curl("-I", showcase.url).startswith("HTTP/1.1 200 OK\r\n")


def test_a_connection_is_used_again(showcase: Demo) -> None:
    """Four URLs in one call, an upload and an error among them, need one connection."""
    output = ("-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n")
    lines = curl(
        *(*output, showcase.url, "--next", "-sS", "--noproxy", "*"),
        *(*output, f"{showcase.url}else", "--next", "-sS", "--noproxy", "*"),
        *(*output, "-F", "files=@-;filename=x", f"{showcase.url}upload"),
        *("--next", "-sS", "--noproxy", "*", *output, f"{showcase.url}count?to=2"),
    ).splitlines()
    assert lines == ["200 1", "404 0", "200 0", "200 0"]


@pytest.mark.parametrize(
    "path", ["static/../__main__.py", "static/%2e%2e/__main__.py", "static//etc/passwd"]
)
def test_no_path_leads_out(showcase: Demo, path: str) -> None:
    """``curl --path-as-is`` sends what other clients would tidy up."""
    assert status_of("--path-as-is", showcase.url + path) in (403, 404)


def test_a_file_is_fetched_once(showcase: Demo, tmp_path: Path) -> None:
    """``--etag-save`` and ``--etag-compare`` spare the second transfer."""
    url, tag = f"{showcase.url}static/style.css", str(tmp_path / "tag")
    assert status_of("--etag-save", tag, url) == 200
    assert status_of("--etag-compare", tag, url) == 304
