"""Content codings of answers (RFC 9110 §8.4, §12.5.3)."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from tests.http.client import Answer, Serve, Site
from toolkit.httputil import HTTPHeaders, HTTPServerRequest
from toolkit.web import Application, RequestHandler, StaticFileHandler
from toolkit.web import transforms as module
from toolkit.web.transforms import (
    CompressResponse,
    GZipContentEncoding,
    OutputTransform,
    available_codings,
    compressing,
)

LONG = b"hello world " * 500
ALL = ["zstd", "br", "gzip", "deflate"]

#: What undoes each coding.
DECODE: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


class Pieces(RequestHandler):
    """Writes what its arguments say, in pieces when there are several."""

    def prepare(self) -> None:
        for name in ("Content-Type", "Content-Encoding", "Cache-Control", "Vary"):
            value = self.get_query_argument(name, None)
            if value is not None:
                self.set_header(name, value)
        if self.get_query_argument("status", None):
            self.set_status(int(self.get_query_argument("status")))

    async def get(self) -> None:
        pieces = int(self.get_query_argument("pieces", "1"))
        for number in range(pieces):
            self.write(LONG)
            if number < pieces - 1:
                await self.flush()

    head = get


class Short(RequestHandler):
    def get(self) -> None:
        self.write("short")


def start(serve: Serve, compress: Any = True, **settings: Any) -> Site:
    settings["compress_response"] = compress
    return serve([(r"/", Pieces), (r"/short", Short)], settings)


def decoded(answer: Answer) -> bytes:
    return DECODE[answer.get("content-encoding")](answer.body)


# -- negotiation -------------------------------------------------------------------------


@pytest.mark.feature("B14")
@pytest.mark.parametrize("setting", ["compress_response", "gzip"])
async def test_an_answer_is_compressed_by_gzip(serve: Serve, setting: str) -> None:
    site = serve([(r"/", Pieces)], {setting: True})
    answer = await site.get("/", "Accept-Encoding: br, gzip\r\n")
    assert answer.get("content-encoding") == "gzip"
    assert answer.get("vary") == "Accept-Encoding"
    assert answer.get("content-length") == str(len(answer.body))
    assert (answer.get("etag") or "").startswith('W/"')
    assert len(answer.body) < len(LONG) / 10
    assert decoded(answer) == LONG


async def test_answers_stay_as_they_are_unless_that_is_asked_for(serve: Serve) -> None:
    site = serve([(r"/", Pieces)])
    answer = await site.get("/", "Accept-Encoding: gzip\r\n")
    assert (answer.body, answer.get("vary")) == (LONG, None)
    for none in (False, None, []):
        answer = await start(serve, none).get("/", "Accept-Encoding: gzip\r\n")
        assert (answer.body, answer.get("vary")) == (LONG, None)


@pytest.mark.feature("B15")
@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("br;q=0.1, gzip;q=0.2", "gzip"),
        ("zstd;q=0, *", "br"),
        ("identity;q=0", None),
        ("identity, br;q=0.5", None),
        ("snappy", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("pieces", [1, 3])
async def test_the_coding_that_the_client_likes_most_is_used(
    serve: Serve, accept: str | None, coding: str | None, pieces: int
) -> None:
    site = start(serve, ALL)
    fields = "" if accept is None else f"Accept-Encoding: {accept}\r\n"
    answer = await site.get(f"/?pieces={pieces}", fields)
    assert answer.get("content-encoding") == coding
    assert answer.get("vary") == "Accept-Encoding"
    assert decoded(answer) == LONG * pieces


@pytest.mark.feature("B15")
async def test_of_codings_liked_as_much_the_first_of_the_setting_is_used(serve: Serve) -> None:
    for order in (["gzip", "br"], ["br", "gzip"]):
        answer = await start(serve, order).get("/", "Accept-Encoding: br, zstd, gzip\r\n")
        assert answer.get("content-encoding") == order[0]


# -- what is compressed ------------------------------------------------------------------


@pytest.mark.feature("B14")
@pytest.mark.parametrize(
    ("query", "coded"),
    [
        ("Content-Type=text/plain", True),
        ("Content-Type=TEXT/CSS;charset=utf-8", True),
        ("Content-Type=application/json", True),
        ("Content-Type=image/svg%2Bxml", True),
        ("Content-Type=image/png", False),
        ("Content-Type=application/octet-stream", False),
        ("Content-Encoding=br", False),
        ("Cache-Control=no-transform", False),
        ("Cache-Control=max-age=1,no-store", True),
        ("status=404", True),
        ("status=206", False),
    ],
)
@pytest.mark.parametrize("setting", [True, ["gzip"]])
async def test_what_would_not_get_less_or_may_not_change_stays_as_it_is(
    serve: Serve, setting: Any, query: str, coded: bool
) -> None:
    answer = await start(serve, setting).get(f"/?{query}", "Accept-Encoding: gzip\r\n")
    assert (answer.get("content-encoding") == "gzip") is coded
    assert (answer.get("vary") == "Accept-Encoding") is coded
    assert (gzip.decompress(answer.body) if coded else answer.body) == LONG


@pytest.mark.parametrize("setting", [True, ["gzip"]])
async def test_a_short_answer_stays_as_it_is(serve: Serve, setting: Any) -> None:
    answer = await start(serve, setting).get("/short", "Accept-Encoding: gzip\r\n")
    assert (answer.body, answer.get("content-encoding"), answer.get("vary")) == (
        b"short",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, "Accept-Encoding"),
        ("Cookie", "Cookie, Accept-Encoding"),
        ("accept-encoding", "accept-encoding"),
        ("*", "*"),
    ],
)
async def test_vary_keeps_what_it_names_already(
    serve: Serve, known: str | None, expected: str
) -> None:
    query = f"?Vary={known}" if known else ""
    answer = await start(serve).get(f"/{query}", "Accept-Encoding: gzip\r\n")
    assert answer.get("vary") == expected


async def test_a_client_that_has_the_compressed_answer_is_told_so(serve: Serve) -> None:
    """The 304 has the tag and the Vary of the answer that the client has (RFC 9110 §15.4.5)."""
    site = start(serve)
    etag = (await site.get("/", "Accept-Encoding: gzip\r\n")).get("etag")
    answer = await site.get("/", f"Accept-Encoding: gzip\r\nIf-None-Match: {etag}\r\n")
    assert (answer.status, answer.body, answer.get("etag")) == (304, b"", etag)
    assert answer.get("vary") == "Accept-Encoding"
    assert answer.get("content-encoding") is None
    plain = (etag or "").removeprefix("W/")
    answer = await site.get("/", f"If-None-Match: {plain}\r\n")
    assert (answer.status, answer.get("etag")) == (304, plain)


@pytest.mark.parametrize("pieces", [1, 3])
async def test_head_has_the_head_of_get(serve: Serve, pieces: int) -> None:
    client = await start(serve, ALL).client()
    fields = "Accept-Encoding: br\r\n"
    target = f"/?pieces={pieces}"
    head = await client.ask(f"HEAD {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode())
    whole = await client.get(target, fields)
    assert head.body == b""
    names = ("content-encoding", "vary", "etag", "content-length")
    assert [head.get(name) for name in names] == [whole.get(name) for name in names]


# -- streams -----------------------------------------------------------------------------


@pytest.mark.feature("B14")
@pytest.mark.parametrize("coding", ALL)
async def test_what_is_flushed_can_be_read_at_once(serve: Serve, coding: str) -> None:
    """A client of a stream waits for no later piece."""
    go = asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            await self.flush()
            self.write(b"first " * 10)
            await self.flush()
            await go.wait()
            self.write(b"second")

    site = serve([(r"/", Slow)], {"compress_response": ALL})
    client = await site.client()
    await client.send(f"GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
    decoder: Any = {
        "gzip": lambda: zlib.decompressobj(31),
        "deflate": zlib.decompressobj,
        "br": brotli.Decompressor,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    }[coding]()
    decompress = getattr(decoder, "decompress", None) or decoder.process
    raw = b""
    while b"\r\n\r\n" not in raw or raw.endswith(b"\r\n\r\n"):
        raw += await client.read()
    chunks = raw.partition(b"\r\n\r\n")[2]
    size, _, data = chunks.partition(b"\r\n")
    while len(data) < int(size, 16):
        data += await client.read()
    assert decompress(data[: int(size, 16)]) == b"first " * 10
    go.set()


async def test_a_stream_of_known_length_has_it_no_more(serve: Serve) -> None:
    class Told(RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Length", 2 * len(LONG))
            self.write(LONG)
            await self.flush()
            self.write(LONG)

    site = serve([(r"/", Told)], {"compress_response": True})
    answer = await site.get("/", "Accept-Encoding: gzip\r\n")
    assert answer.get("content-length") is None
    assert decoded(answer) == LONG * 2
    answer = await site.get("/")
    assert answer.get("content-length") == str(2 * len(LONG))


# -- static files ------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "long.txt").write_bytes(LONG * 100)
    (tmp_path / "short.txt").write_bytes(b"short")
    (tmp_path / "ready.txt").write_bytes(LONG)
    (tmp_path / "ready.txt.gz").write_bytes(gzip.compress(LONG, 9))
    yield tmp_path
    StaticFileHandler.reset()


async def test_static_files_are_compressed_too(serve: Serve, root: Path) -> None:
    site = serve(
        [(r"/(.*)", StaticFileHandler, {"path": str(root), "precompressed": True})],
        {"compress_response": ["gzip"]},
    )
    fields = "Accept-Encoding: gzip\r\n"
    for _ in range(2):
        answer = await site.get("/long.txt", fields)
        assert decoded(answer) == LONG * 100
        assert answer.get("accept-ranges") is None
        etag = answer.get("etag") or ""
        assert etag.startswith('W/"')
        answer = await site.get("/short.txt", fields)
        assert (answer.body, answer.get("content-encoding")) == (b"short", None)
        answer = await site.get("/ready.txt", fields)
        assert answer.body == (root / "ready.txt.gz").read_bytes()
        assert not (answer.get("etag") or "").startswith("W/")
        answer = await site.get("/long.txt", f"{fields}If-None-Match: {etag}\r\n")
        assert (answer.status, answer.get("etag")) == (304, etag)
        # A part of what was compressed on the way cannot be continued.
        answer = await site.get("/long.txt", f"{fields}Range: bytes=0-9\r\nIf-Range: {etag}\r\n")
        assert (answer.status, decoded(answer)) == (200, LONG * 100)
        answer = await site.get("/long.txt", f"{fields}Range: bytes=0-9\r\n")
        assert (answer.status, answer.body) == (206, LONG[:10])
        assert answer.get("content-encoding") is None
        answer = await site.get("/long.txt", f"{fields}Range: bytes=999999999-\r\n")
        assert answer.status == 416
        head = await site.ask(
            b"HEAD /long.txt HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        assert (head.get("content-encoding"), head.get("content-length")) == ("gzip", None)


# -- classes and settings ----------------------------------------------------------------


class Upper(OutputTransform):
    """Shouts."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers["X-Upper"] = "yes"
        return super().transform_first_chunk(status_code, headers, chunk.upper(), finishing)

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        return super().transform_chunk(chunk.upper(), finishing)


@pytest.mark.parametrize("pieces", [1, 3])
async def test_an_application_may_have_transforms_of_its_own(serve: Serve, pieces: int) -> None:
    """Each sees what the one before has made of the answer."""
    application = Application([(r"/", Pieces)], transforms=[Upper], compress_response=True)
    application.add_transform(compressing(["gzip"]))
    site = serve(application)
    answer = await site.get(f"/?pieces={pieces}", "Accept-Encoding: gzip\r\n")
    assert answer.get("x-upper") == "yes"
    assert decoded(answer) == LONG.upper() * pieces


def test_the_setting_chooses_the_transform() -> None:
    assert compressing(True) is GZipContentEncoding
    assert compressing(["br", "gzip"]).CODINGS == ("br", "gzip")
    assert issubclass(compressing(("gzip",)), CompressResponse)
    assert issubclass(GZipContentEncoding, OutputTransform)
    assert GZipContentEncoding.MIN_LENGTH == 1024
    assert GZipContentEncoding.GZIP_LEVEL == 6


@pytest.mark.parametrize("codings", [["lzma"], ["gzip", "identity"], "gzip", [], False])
def test_another_setting_is_an_error(codings: Any) -> None:
    with pytest.raises(ValueError, match=r"zstd.*allowed|allowed"):
        compressing(codings)


def test_codings_whose_package_is_not_installed_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert set(available_codings()) == set(ALL)
    monkeypatch.setattr(module, "_LIBRARIES", {"br": None, "zstd": None})
    assert available_codings() == ["gzip", "deflate"]
    assert compressing(["zstd", "br", "gzip"]).CODINGS == ("gzip",)
    with pytest.raises(ValueError, match="none of zstd, br is installed"):
        compressing(["zstd", "br"])


def test_a_package_that_is_missing_is_none() -> None:
    assert module._installed("no_such_package_at_all") is None


def test_a_level_may_be_chosen_by_a_subclass() -> None:
    class Fast(GZipContentEncoding):
        GZIP_LEVEL = 1

    class Best(CompressResponse):
        LEVELS = {"gzip": 9}  # noqa: RUF012
        MIN_LENGTH = 1

    def size(transform: type[OutputTransform]) -> int:
        request = HTTPServerRequest("GET", "/", headers=HTTPHeaders({"Accept-Encoding": "gzip"}))
        headers = HTTPHeaders({"Content-Type": "text/plain"})
        content = bytes(range(256)) * 40 + LONG
        made = transform(request).transform_first_chunk(200, headers, content, True)[2]
        assert gzip.decompress(made) == content
        return len(made)

    assert size(Best) < size(Fast)
