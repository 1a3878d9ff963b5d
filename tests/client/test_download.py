"""`download`: files whole or not at all, and gone on with where they were cut off."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from toolkit.httpclient import AsyncHTTPClient
from toolkit.httpclient.download import download, strong_validator
from toolkit.httpclient.errors import HTTPClientError, HTTPStreamClosedError
from toolkit.httpclient.transport import OutgoingRequest
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import Answer, MockTransport

pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.feature("F28"),
]

URL = "http://a.example/film"
DATA = bytes(range(200))


def content(path: Path) -> bytes:
    """Return what is in a file."""
    return path.read_bytes()


def put(path: Path, data: bytes) -> None:
    """Make a file."""
    path.write_bytes(data)


class Server:
    """A server with one file, which it can cut off.

    Attributes:
        cut: bytes after which it breaks off; None for none.
        ranges: whether it knows them.
        asked: the Range and If-Range of each request.
    """

    def __init__(self, data: bytes = DATA, etag: str = '"1"') -> None:
        self.data = data
        self.etag = etag
        self.cut: int | None = None
        self.ranges = True
        self.status = 200
        self.odd: dict[str, str] = {}
        self.asked: list[tuple[str | None, str | None]] = []
        transport = MockTransport()
        transport.on("GET", URL, self.answer)
        self.client = AsyncHTTPClient(force_instance=True, transport=transport)

    def answer(self, request: OutgoingRequest) -> Answer:
        """Answer as RFC 9110 §14.2 and §13.1.5 say."""
        headers = request.headers
        assert headers["Accept-Encoding"] == "identity"
        self.asked.append((headers.get("Range"), headers.get("If-Range")))
        start, status, fields = 0, self.status, {"ETag": self.etag} if self.etag else {}
        same = headers.get("If-Range", self.etag) == self.etag
        if "Range" in headers and self.ranges and same:
            start, size = int(headers["Range"][6:-1]), len(self.data)
            if start >= size:
                return Answer(416, headers={"Content-Range": f"bytes */{size}"})
            status = 206
            fields["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        rest = self.data[start:]
        fields["Content-Length"] = str(len(rest))
        pieces: list[bytes | Exception] = [rest[at : at + 64] for at in range(0, len(rest), 64)]
        if self.cut is not None:
            pieces = [rest[: self.cut], HTTPStreamClosedError("cut off")]
        return Answer(status, pieces, fields | self.odd)

    async def fetch(self, path: Path, resume: bool = True, **options: Any) -> int:
        """Download it; return where that began."""
        done = await download(self.client, URL, path, resume=resume, **options)
        assert (done.path, done.size) == (path, len(content(path)))
        assert os.listdir(path.parent) == [path.name]
        return done.resumed_at

    async def fail(self, path: Path, cut: int = 100) -> None:
        """Download it up to where it is cut off."""
        self.cut = cut
        with pytest.raises(HTTPStreamClosedError):
            await download(self.client, URL, path, resume=True)
        self.cut = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file goes."""
    return tmp_path / "film"


async def test_a_file_is_there_when_it_is_whole(path: Path) -> None:
    """It takes the place of an older one, and progress is told."""
    put(path, b"old")
    seen: list[tuple[int, int | None]] = []
    server = Server()
    assert await server.fetch(path, False, progress=lambda *at: seen.append(at)) == 0
    assert content(path) == DATA
    assert seen == [(64, 200), (128, 200), (192, 200), (200, 200)]
    assert server.asked == [(None, None)]


async def test_a_download_goes_on_where_it_was_cut_off(path: Path) -> None:
    """Again and again; the file before is there until then."""
    put(path, b"old")
    server = Server()
    await server.fail(path, 100)
    await server.fail(path, 30)
    assert content(path) == b"old"
    seen: list[tuple[int, int | None]] = []
    assert await server.fetch(path, progress=lambda *at: seen.append(at)) == 130
    assert content(path) == DATA
    assert seen == [(194, 200), (200, 200)]
    assert server.asked[2:] == [("bytes=100-", '"1"'), ("bytes=130-", '"1"')]


async def test_content_that_has_changed_comes_anew(path: Path) -> None:
    """The server sees it by If-Range, and says 200."""
    server = Server()
    await server.fail(path)
    server.data, server.etag = DATA[::-1] * 2, '"2"'
    assert await server.fetch(path) == 0
    assert content(path) == DATA[::-1] * 2


async def test_a_part_that_was_whole_is_the_file(path: Path) -> None:
    """The connection broke after the last byte: 416 says that there is no more."""
    server = Server()
    await server.fail(path, 200)
    assert await server.fetch(path) == 200
    assert content(path) == DATA


async def test_a_part_that_is_too_long_is_thrown_away(path: Path) -> None:
    """416 with another length: it is of something else."""
    server = Server()
    await server.fail(path, 200)
    server.data = DATA[:150]
    assert await server.fetch(path) == 0
    assert content(path) == DATA[:150]


async def test_a_file_that_is_whole_is_not_fetched_again(path: Path) -> None:
    """If it is as long as that of the server."""
    server = Server()
    await server.fetch(path)
    assert await server.fetch(path) == 200
    put(path, DATA[:50])  # who knows of what
    assert await server.fetch(path) == 0
    assert content(path) == DATA
    assert server.asked[1:] == [("bytes=200-", None), ("bytes=50-", None), (None, None)]


@pytest.mark.parametrize(
    "note", [None, "", "[]", '{"url": "http://b.example/", "validator": "1"}'], ids=range(4)
)
async def test_a_part_of_which_nothing_is_known_is_not_gone_on_with(
    path: Path, note: str | None
) -> None:
    """Nobody can tell whether it is of the same content."""
    path.with_name("film.part").write_bytes(b"x" * 100)
    if note is not None:
        path.with_name("film.part.json").write_text(note)
    server = Server()
    assert await server.fetch(path) == 0
    assert content(path) == DATA


async def test_without_a_validator_nothing_is_kept(path: Path) -> None:
    """As it could not be gone on with."""
    server = Server(etag="")
    await server.fail(path)
    assert os.listdir(path.parent) == []
    assert await server.fetch(path) == 0


@pytest.mark.parametrize(
    "odd",
    [{"Content-Range": "bytes 99-199/200"}, {"Content-Range": "x"}, {"ETag": '"2"'}],
    ids=range(3),
)
async def test_another_part_than_was_asked_for_is_not_taken(
    path: Path, odd: dict[str, str]
) -> None:
    """The whole is fetched instead."""
    server = Server()
    await server.fail(path)
    server.odd = odd
    answer = server.answer

    def without_oddities(request: OutgoingRequest) -> Answer:
        server.odd = odd if "Range" in request.headers else {}
        return answer(request)

    transport = MockTransport()
    transport.on("GET", URL, without_oddities)
    server.client = AsyncHTTPClient(force_instance=True, transport=transport)
    assert await server.fetch(path) == 0
    assert content(path) == DATA


async def test_a_server_without_ranges_sends_all(path: Path) -> None:
    """What was there is written over, and cut to the new length."""
    server = Server()
    await server.fail(path, 150)
    server.ranges, server.data = False, b"short"
    assert await server.fetch(path) == 0
    assert content(path) == b"short"


async def test_no_success_is_no_file(path: Path) -> None:
    """And what is there stays."""
    server = Server()
    await server.fail(path)
    server.status, server.ranges = 503, False
    with pytest.raises(HTTPClientError, match="503"):
        await download(server.client, URL, path, resume=True)
    assert sorted(os.listdir(path.parent)) == ["film.part", "film.part.json"]
    note = json.loads(path.with_name("film.part.json").read_text())
    assert note == {"url": URL, "validator": '"1"'}


async def test_fewer_bytes_than_announced_are_no_file(path: Path) -> None:
    """Even if whoever brought them did not notice."""
    server = Server()
    server.odd = {"Content-Length": "201"}
    with pytest.raises(HTTPStreamClosedError, match="200 bytes came of 201"):
        await download(server.client, URL, path)


MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
SAME = {"Last-Modified": MODIFIED, "Date": MODIFIED}
LATER = {"Last-Modified": MODIFIED, "Date": "Tue, 14 Nov 2023 22:13:21 GMT"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ""),
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'} | LATER, ""),
        (LATER, MODIFIED),
        (SAME, ""),
        ({"Last-Modified": MODIFIED}, ""),
        ({"Last-Modified": "x", "Date": MODIFIED}, ""),
    ],
    ids=range(7),
)
async def test_only_what_tells_versions_apart_for_sure_is_a_validator(
    headers: dict[str, str], expected: str
) -> None:
    """RFC 9110 §8.8.2.2, §13.1.5"""
    assert strong_validator(HTTPHeaders(headers)) == expected
