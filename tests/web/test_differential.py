"""Where servers differ: each request is answered as the RFCs ask, and the connection goes on."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.http.client import Serve
from toolkit.web import RequestHandler, StaticFileHandler

CONTENT = bytes(range(65, 90)) * 4
OLD = 1_000_000_000
DATE = "Sun, 09 Sep 2001 01:46:40 GMT"
LARGE = "word " * 1000


class Page(RequestHandler):
    """Has GET alone."""

    def get(self) -> None:
        self.write("page")


class Text(RequestHandler):
    """Answers with what gets smaller by compression."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(LARGE)


class Form(RequestHandler):
    """Has POST alone, which reads all of the content."""

    def post(self) -> None:
        self.write(str(len(self.request.body)))


@dataclass(frozen=True)
class Case:
    """A request, and what its answer has to be.

    Attributes:
        request: method, target and fields; Host goes without saying unless `bare`.
        fields: that the answer has to have; None for one that may not be there.
        body: the content; None for any.
        goes_on: whether the connection is kept.
    """

    name: str
    request: str
    status: int
    fields: tuple[tuple[str, str | None], ...] = ()
    body: bytes | None = None
    goes_on: bool = True
    bare: bool = False


CASES = (
    # RFC 9110 §9.3.2
    Case("HEAD of a file", "HEAD /f/file", 200, (("Content-Length", "100"), ("Etag", "TAG")), b""),
    Case("HEAD", "HEAD /page", 200, (("Content-Length", "4"),), b""),
    # RFC 9110 §15.5.6
    Case("405", "POST /page", 405, (("Allow", "GET, HEAD, OPTIONS"),)),
    Case("405 of a file", "POST /f/file", 405, (("Allow", "GET, HEAD, OPTIONS"),)),
    Case("405 of GET", "GET /form", 405, (("Allow", "OPTIONS, POST"),)),
    # RFC 9110 §9.3.7
    Case("OPTIONS of a file", "OPTIONS /f/file", 204, (("Allow", "GET, HEAD, OPTIONS"),), b""),
    Case("OPTIONS", "OPTIONS /page", 204, (("Allow", "GET, HEAD, OPTIONS"),), b""),
    # RFC 9110 §9.1
    Case("unknown method", "BREW /page", 405, (("Allow", "GET, HEAD, OPTIONS"),)),
    # RFC 9110 §13.1.2, §13.1.3, §15.4.5
    Case("If-None-Match", "GET /f/file\nIf-None-Match: TAG", 304, (("Etag", "TAG"),), b""),
    Case("weak If-None-Match", 'GET /f/file\nIf-None-Match: "x", W/TAG', 304, (), b""),
    Case("If-None-Match: *", "HEAD /f/file\nIf-None-Match: *", 304, (), b""),
    Case("If-None-Match of another", 'GET /f/file\nIf-None-Match: "x"', 200, (), CONTENT),
    Case("If-Modified-Since", f"GET /f/file\nIf-Modified-Since: {DATE}", 304, (), b""),
    Case(
        "If-Modified-Since before",
        "GET /f/file\nIf-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT",
        200,
        (("Last-Modified", DATE),),
        CONTENT,
    ),
    Case(
        "If-None-Match counts alone",
        f'GET /f/file\nIf-None-Match: "x"\nIf-Modified-Since: {DATE}',
        200,
        (),
        CONTENT,
    ),
    Case("If-Match of another", 'GET /f/file\nIf-Match: "x"', 412),
    Case(
        "If-Unmodified-Since",
        "GET /f/file\nIf-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT",
        412,
    ),
    # RFC 9110 §14
    Case("whole", "GET /f/file", 200, (("Accept-Ranges", "bytes"), ("Etag", "TAG")), CONTENT),
    Case(
        "one range",
        "GET /f/file\nRange: bytes=0-4",
        206,
        (("Content-Range", "bytes 0-4/100"), ("Content-Length", "5"), ("Etag", "TAG")),
        CONTENT[:5],
    ),
    Case("a suffix", "GET /f/file\nRange: bytes=-3", 206, (), CONTENT[-3:]),
    Case("a suffix of more than all", "GET /f/file\nRange: bytes=-300", 200, (), CONTENT),
    Case(
        "a range past the end",
        "GET /f/file\nRange: bytes=98-200",
        206,
        (("Content-Range", "bytes 98-99/100"),),
        CONTENT[98:],
    ),
    Case(
        "a range beyond the end",
        "GET /f/file\nRange: bytes=500-600",
        416,
        (("Content-Range", "bytes */100"), ("Content-Length", "0")),
        b"",
    ),
    Case("another unit", "GET /f/file\nRange: lines=0-1", 200, (), CONTENT),
    Case("If-Range", "GET /f/file\nIf-Range: TAG\nRange: bytes=0-4", 206, (), CONTENT[:5]),
    Case("If-Range of another", 'GET /f/file\nIf-Range: "x"\nRange: bytes=0-4', 200, (), CONTENT),
    Case(
        "a condition before a range",
        "GET /f/file\nIf-None-Match: TAG\nRange: bytes=0-4",
        304,
        (),
        b"",
    ),
    # RFC 9112 §3.2
    Case("no Host", "GET /page", 400, (("Connection", "close"),), None, False, True),
    Case(
        "two Hosts",
        "GET /page\nHost: a\nHost: a",
        400,
        (("Connection", "close"),),
        None,
        False,
        True,
    ),
    Case("a Host that is none", "GET /page\nHost: a/b", 400, (), None, False, True),
    # RFC 9110 §10.1.1, §15.5.14: the content is not asked for, so nothing can follow it.
    Case(
        "Expect and too much",
        "POST /form\nExpect: 100-continue\nContent-Length: 1000000000",
        413,
        (("Connection", "close"),),
        None,
        False,
    ),
    Case(
        "too much",
        "POST /form\nContent-Length: 1000000000",
        413,
        (("Connection", "close"),),
        None,
        False,
    ),
    # RFC 9110 §12.5.5, §8.8.3
    Case(
        "compressed",
        "GET /text\nAccept-Encoding: gzip",
        200,
        (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")),
    ),
    Case(
        "not compressed",
        "GET /text",
        200,
        (("Content-Encoding", None), ("Vary", "Accept-Encoding")),
        LARGE.encode(),
    ),
    Case("compression refused", "GET /text\nAccept-Encoding: gzip;q=0", 200, (), LARGE.encode()),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_answer_is_what_the_rfcs_ask_for(
    serve: Serve, tmp_path: Path, case: Case
) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    os.utime(tmp_path / "file", (OLD, OLD))
    files = (r"/f/(.*)", StaticFileHandler, {"path": str(tmp_path)})
    rules = [("/page", Page), ("/text", Text), ("/form", Form), files]
    site = serve(rules, {"compress_response": True})
    client = await site.client()
    tag = (await client.get("/f/file")).get("etag") or ""
    assert re.fullmatch('"[!#-~]+"', tag)  # a strong one, in quotes: RFC 9110 §8.8.3
    line, *fields = case.request.replace("TAG", tag).split("\n")
    if not case.bare:
        fields = ["Host: h", *fields]
    await client.send("\r\n".join([f"{line} HTTP/1.1", *fields, "", ""]).encode())

    answer = await client.answer(line.partition(" ")[0], interim=True)

    assert answer.status == case.status
    for name, value in case.fields:
        seen = answer.get(name)
        if name == "Allow":
            seen = ", ".join(sorted((seen or "").split(", ")))
        assert seen == (value and value.replace("TAG", tag)), name
    if case.body is not None:
        assert answer.body == case.body
    assert answer.get("date")
    assert answer.keep_alive == case.goes_on
    if case.goes_on:
        assert (await client.get("/page")).body == b"page"
    else:
        assert await client.read_to_end() == b""


async def test_several_ranges_are_parts_of_one_answer(serve: Serve, tmp_path: Path) -> None:
    """RFC 9110 §14.6, §15.3.7.2"""
    (tmp_path / "file").write_bytes(CONTENT)
    site = serve([(r"/(.*)", StaticFileHandler, {"path": str(tmp_path)})])
    answer = await site.get("/file", "Range: bytes=0-1,5-6\r\n")
    kind, _, boundary = (answer.get("content-type") or "").partition("; boundary=")
    assert (answer.status, kind) == (206, "multipart/byteranges")
    assert answer.get("content-range") is None
    before, first, second, end = answer.body.split(b"--" + boundary.encode())
    assert (before.strip(), end.strip()) == (b"", b"--")
    for part, span, content in (
        (first, b"bytes 0-1/100", CONTENT[:2]),
        (second, b"bytes 5-6/100", CONTENT[5:7]),
    ):
        head, _, body = part.partition(b"\r\n\r\n")
        assert b"content-range: " + span in head.lower()
        assert body == content + b"\r\n"


async def test_content_that_is_wanted_is_asked_for(serve: Serve) -> None:
    """RFC 9110 §10.1.1"""
    client = await serve([("/form", Form)]).client()
    await client.send(
        b"POST /form HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    )
    interim = await client.answer("POST", interim=True)
    assert (interim.status, interim.reason, interim.fields) == (100, "Continue", [])
    await client.send(b"abc")
    assert (await client.answer("POST")).text == "3"
