"""Forms with files, read part by part while they come in (RFC 7578)."""

import asyncio
import contextlib
import os
import stat
import tempfile
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Client, Serve, Site, turns
from tests.loops import expect_log
from toolkit.http1connection import Exchange
from toolkit.iostream import StreamClosedError
from toolkit.web import HTTPError, RequestHandler, stream_request_body
from toolkit.web.uploads import Part, Parts, SpooledFile, parts_of, safe_filename
from toolkit.wire.errors import TruncatedError
from toolkit.wire.events import ResponseHead
from toolkit.wire.multipart import FormLimits

MEBIBYTE = 1024 * 1024
#: More than fits into the buffers between two ends, and more than they take.
LARGE = 64 * MEBIBYTE
BOUND = 12 * MEBIBYTE
BLOCK = b"x" * 65_536

FORM = "Content-Type: multipart/form-data; boundary=b\r\n"
END = b"--b--\r\n"

Body = Callable[[RequestHandler], Awaitable[None]]


def opening(name: str, filename: str | None = None, kind: str = "") -> bytes:
    """Write what stands before the content of a part."""
    text = f'--b\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        text += f'; filename="{filename}"'
    if kind:
        text += f"\r\nContent-Type: {kind}"
    return text.encode() + b"\r\n\r\n"


def part(name: str, content: bytes, filename: str | None = None, kind: str = "") -> bytes:
    """Write one part."""
    return opening(name, filename, kind) + content + b"\r\n"


def head(size: int, fields: str = FORM) -> bytes:
    """Write the head of an upload of some size."""
    return f"POST / HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {size}\r\n\r\n".encode()


def upload(*parts: bytes, fields: str = FORM) -> bytes:
    """Write a request whose form has these parts."""
    body = b"".join(parts) + END
    return head(len(body), fields) + body


def handler_of(body: Body) -> type[RequestHandler]:
    """Make a handler class whose POST is a coroutine function of the handler."""

    @stream_request_body
    class Upload(RequestHandler):
        async def post(self) -> None:
            await body(self)

    return Upload


def site_of(serve: Serve, body: Body, **options: Any) -> Site:
    """Start a site with such a handler at the root."""
    return serve([("/", handler_of(body))], **options)


async def seen(parts: Parts) -> list[list[Any]]:
    """Read all parts."""
    return [
        [one.name, one.filename, one.content_type, (await one.read()).decode("latin-1")]
        async for one in parts
    ]


async def echo(handler: RequestHandler) -> None:
    """Answer with all that the form has."""
    handler.write({"parts": await seen(handler.parts())})


def open_files() -> int:
    """Count the plain files that the process has open, those without a name too."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("open files cannot be counted here")
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the listing itself
            found += stat.S_ISREG(os.fstat(int(number)).st_mode)
    return found


# -- parts -------------------------------------------------------------------------------


@pytest.mark.feature("N06")
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_the_parts_of_a_form_come_in_order(serve: Serve, size: int) -> None:
    """However the form is cut; no file is made of them."""
    site = site_of(serve, echo)
    client = await site.client()
    request = upload(
        part("title", b"a\r\nb"),
        part("image", b"\x00\xff--b\r\n", "cat.png", "image/png"),
        part("none", b"", ""),
        part("title", b"again"),
    )
    for start in range(0, len(request), size):
        await client.send(request[start : start + size])
        await turns(2)
    answer = await client.answer("POST")
    assert answer.status == 200
    assert answer.text == (
        '{"parts": [["title", null, "", "a\\r\\nb"],'
        ' ["image", "cat.png", "image/png", "\\u0000\\u00ff--b\\r\\n"],'
        ' ["none", "", "", ""], ["title", null, "", "again"]]}'
    )


async def test_content_is_there_before_the_part_is_whole(serve: Serve) -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            async for piece in one:
                pieces.put_nowait(piece)

    client = await site_of(serve, body).client()
    form = part("a", b"one" + b"two", "f") + END
    begin = opening("a", "f") + b"one"
    await client.send(head(len(form)) + begin)
    assert await pieces.get() == b"one"
    await client.send(form[len(begin) :])
    assert (await client.answer("POST")).status == 200
    assert await pieces.get() == b"two"


async def test_a_part_tells_its_headers(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            handler.write(f"{one!r} {one.headers['Content-Type']} {one.headers.get('X')}")
            assert one.head.filename == "../a.txt"
            assert one.headers is one.headers

    answer = await site_of(serve, body).ask(upload(part("a", b"", "../a.txt", "text/css")))
    assert answer.text == "<Part 'a' filename='a.txt'> text/css None"


async def test_text_is_utf_8_unless_something_else_is_said(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            handler.write(await (one.text(encoding="latin-1") if one.name == "l" else one.text()))

    site = site_of(serve, body)
    assert (await site.ask(upload(part("a", "é€".encode()), part("l", b"\xe9")))).text == "é€é"
    assert (await site.ask(upload(part("a", b"ok\xff")))).status == 400
    expect_log(caplog, "toolkit.general", "part 'a' is not utf-8: byte 2")


async def test_what_is_not_read_is_dropped(serve: Serve) -> None:
    """Be it a whole part or the rest of one; the form and the connection go on."""

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            if one.name == "wanted":
                handler.write(await one.text())
            elif one.name == "begun":
                await anext(aiter(one))

    site = site_of(serve, body)
    client = await site.client()
    rubbish = b"r" * 300_000
    request = upload(part("begun", rubbish), part("left", rubbish, "f"), part("wanted", b"yes"))
    for _ in range(2):
        assert (await client.ask(request)).text == "yes"


async def test_a_handler_may_leave_the_form_when_it_has_seen_enough(serve: Serve) -> None:
    """What is left goes the way of all unread content."""

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            handler.write(one.name)
            break

    client = await site_of(serve, body).client()
    for _ in range(2):
        answer = await client.ask(upload(part("a", b"x" * 1000), part("b", b"y")))
        assert (answer.text, answer.keep_alive) == ("a", True)


async def test_a_part_is_read_once(serve: Serve, tmp_path: Path) -> None:
    async def body(handler: RequestHandler) -> None:
        kept: list[Part] = []
        async for one in handler.parts():
            assert await one.read() == b"12"
            assert await one.read() == b""
            assert [piece async for piece in one] == []
            assert await one.save(tmp_path / "empty") == 0
            kept.append(one)
        assert await kept[0].read() == b""
        handler.write("ok")

    assert (await site_of(serve, body).ask(upload(part("a", b"12"), part("b", b"12")))).text == "ok"


async def test_a_part_that_was_passed_over_is_gone(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        parts = handler.parts()
        first = await anext(parts)
        await anext(parts)
        for read in (first.read, first.__anext__, first.text):
            with pytest.raises(RuntimeError, match="a form is read in order"):
                await read()
        handler.write("ok")

    assert (await site_of(serve, body).ask(upload(part("a", b"12"), part("b", b"34")))).text == "ok"


async def test_the_end_of_a_form_stays_the_end(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        parts = handler.parts()
        for _ in range(3):
            with pytest.raises(StopAsyncIteration):
                await anext(parts)
        handler.write("ok")

    assert (await site_of(serve, body).ask(upload())).text == "ok"


async def test_content_that_was_read_already_has_parts_too(serve: Serve) -> None:
    class Whole(RequestHandler):
        async def post(self) -> None:
            self.write({"parts": await seen(self.parts())})

    answer = await serve([("/", Whole)]).ask(upload(part("a", b"1"), part("f", b"2", "n")))
    assert answer.text == '{"parts": [["a", null, "", "1"], ["f", "n", "", "2"]]}'


async def test_parts_are_read_from_an_exchange_without_the_framework(serve: Serve) -> None:
    class Site:
        async def handle_exchange(self, exchange: Exchange) -> None:
            parts = parts_of(exchange, dict(exchange.head.fields)["content-type"])
            found = repr(await seen(parts)).encode()
            exchange.respond(ResponseHead(200, []), found)

    answer = await serve(Site()).ask(upload(part("a", b"1")))
    assert answer.text == "[['a', None, '', '1']]"


async def test_parts_are_read_from_any_pieces() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in part("a", b"12", "f") + END:
            yield bytes([byte])
            yield b""

    parts = parts_of(pieces(), "multipart/form-data; boundary=b")
    assert await seen(parts) == [["a", "f", "", "12"]]


# -- refusals ----------------------------------------------------------------------------


@pytest.mark.feature("N09")
async def test_a_part_is_refused_by_its_headers(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Its content was never sent; since it is large, the connection ends."""

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            if one.content_type != "image/png":
                raise HTTPError(415, "images only, not %s", one.content_type)

    client = await site_of(serve, body).client()
    await client.send(head(50 * MEBIBYTE) + opening("f", "a.exe", "application/x-dosexec"))
    answer = await client.answer("POST")
    assert (answer.status, answer.keep_alive) == (415, False)
    expect_log(caplog, "toolkit.general", "415 POST / .*images only, not application/x-dosexec")


@pytest.mark.feature("N08")
@pytest.mark.parametrize(
    ("limits", "form", "status", "message"),
    [
        ({"parts": 2}, [part("a", b"")] * 3, 400, "too many parts; 2 are allowed"),
        ({"parts": 2}, [part("a", b"")] * 4000, 400, "too many parts; 2 are allowed"),
        ({"name": 3}, [part("long", b"")], 400, "name of a part of 4 characters; 3 are allowed"),
        ({"part_head": 60}, [part("a" * 60, b"")], 400, "60 bytes and 16 fields are allowed"),
        ({}, [part("a", b"").replace(b"form", b"x" * 200_000)], 400, "part header too large"),
        ({}, [part("a", b"", "f", "t" + "\r\nX: y" * 30_000)], 400, "16 fie"),
        ({"field": 9}, [part("a", b"x" * 10)], 413, "in a part; 9 bytes"),
        ({}, [part("a", b"x" * (MEBIBYTE + 1))], 413, "in a part; 1048576 bytes"),
        ({"file": 9}, [part("a", b"x" * 10, "f")], 413, "in a field and 9 in a file"),
        ({"content": 9}, [part("a", b"x" * 5, "f")] * 2, 413, "in a form; 9 bytes are allowed"),
        ({"outside": 9}, [b"x" * 10 + b"\r\n" + part("a", b"")], 400, "before the first .*; 9 by"),
        ({"outside": 9}, [part("a", b"") + END + b"x" * 10], 400, "behind the last .*; 9 bytes"),
        ({}, [b"x\r\n" * 70_000 + part("a", b"")], 400, "before the first boundary"),
        ({}, [part("a", b"") + END + b"x\r\n" * 70_000], 400, "behind the last boundary"),
    ],
)
async def test_a_form_has_limits(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    limits: dict[str, Any],
    form: list[bytes],
    status: int,
    message: str,
) -> None:
    """Whether parts are read or not; the log has one line. No form is so large that the server
    would close the connection in the face of a client that still sends.

    CVE-2023-25577 (Werkzeug), CVE-2023-30798 and CVE-2024-47874 (Starlette), CVE-2022-41725
    (Go), CVE-2025-47287 (Tornado), CVE-2024-53981 and CVE-2026-40347 (python-multipart).
    """
    bounds = FormLimits(**{"field": MEBIBYTE, "outside": 64 * 1024, **limits})
    reads = True

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts(bounds) if limits else handler.parts():
            if reads:
                await one.read(10 * MEBIBYTE)

    site = site_of(serve, body)
    for reads in (True, False):  # noqa: B007  # `body` uses it
        caplog.clear()
        assert (await site.ask(upload(*form))).status == status
        assert len(expect_log(caplog, "toolkit.general", message)) == 1


@pytest.mark.parametrize("way", ["read", "text", "save", "spool"])
@pytest.mark.parametrize("filename", [None, "f"])
async def test_each_way_to_take_a_part_has_a_limit(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    way: str,
    filename: str | None,
) -> None:
    taken: list[object] = []

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            if way == "save":
                taken.append(await one.save(tmp_path / "saved", max_size=200_000))
            elif way == "spool":
                async with await one.spool(1000, max_size=200_000) as file:
                    taken.append(file.size)
            else:
                taken.append(len(await getattr(one, way)(max_size=200_000)))

    site = site_of(serve, body)
    assert (await site.ask(upload(part("a", b"x" * 200_000, filename)))).status == 200
    assert taken == [200_000]
    (tmp_path / "saved").unlink(missing_ok=True)
    assert (await site.ask(upload(part("a", b"x" * 200_001, filename)))).status == 413
    expect_log(caplog, "toolkit.general", "part 'a' is too large; 200000 bytes are allowed")
    assert taken == [200_000]
    assert os.listdir(tmp_path) == []


async def test_content_past_the_limit_of_the_server_is_refused(serve: Serve) -> None:
    """CVE-2025-69228 (aiohttp): a field was read into memory before it was measured."""
    site = site_of(serve, echo, content_limit=1000)
    assert (await site.ask(upload(part("a", b"x" * 500)))).status == 200
    client = await site.client()
    await client.send(head(100 * MEBIBYTE) + opening("a"))
    assert (await client.answer("POST")).status == 413
    chunked = FORM + "Transfer-Encoding: chunked\r\n"
    client = await site.client()
    await client.send(f"POST / HTTP/1.1\r\nHost: h\r\n{chunked}\r\n".encode())
    body = part("a", b"x" * 2000)
    await client.send(b"%x\r\n%b\r\n" % (len(body), body))
    assert (await client.answer("POST")).status == 413


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "without its closing boundary"),
        (b"x", "without its closing boundary"),
        (part("a", b"x"), "without its closing boundary"),
        (opening("a")[:-2], "without its closing boundary"),
        (part("a", b"x") + b"--b-", "without its closing boundary"),
        (b"--b\r\nX: y\r\n\r\nx\r\n" + END, "without Content-Disposition"),
        (part('a"; name="b', b"") + END, "name"),
        (part("a\rX: y", b"") + END, "in a line"),
        (b"--bx\r\n" + END, "after a boundary"),
    ],
)
async def test_a_malformed_form_is_400(
    serve: Serve, caplog: pytest.LogCaptureFixture, body: bytes, message: str
) -> None:
    """CVE-2024-30251 (aiohttp): one without an end was read for ever; Tornado 6.5.5 let CR
    stand in the headers of a part.
    """
    assert (await site_of(serve, echo).ask(head(len(body)) + body)).status == 400
    assert len(expect_log(caplog, "toolkit.general", f"400 POST / .*{message}")) == 1


async def test_an_error_of_a_form_comes_again(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(handler: RequestHandler) -> None:
        parts = handler.parts()
        one = await anext(parts)
        for again in (one.read, one.read, parts.__anext__, parts.__anext__):
            with pytest.raises(HTTPError, match="closing boundary"):
                await again()

    form = part("a", b"x" * 10)
    assert (await site_of(serve, body).ask(head(len(form)) + form)).status == 200


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ("", 415, "multipart/form-data allowed"),
        ("Content-Type: application/json\r\n", 415, "application/json"),
        ("Content-Type: multipart/form-data\r\n", 400, "no boundary"),
        ("Content-Type: multipart/form-data; boundary=\r\n", 400, "no boundary"),
        (f"Content-Type: multipart/form-data; boundary={'b' * 71}\r\n", 400, "of 71 bytes"),
        ('Content-Type: multipart/form-data; !="' + "\\" * 15_000 + "\r\n", 400, "Content-Type"),
        (FORM + "Content-Encoding: gzip\r\n", 415, "Content-Encoding 'gzip'; none is allowed"),
    ],
)
async def test_what_is_no_form_is_refused(
    serve: Serve, caplog: pytest.LogCaptureFixture, fields: str, status: int, message: str
) -> None:
    """CVE-2024-24762 (python-multipart): options of a Content-Type took for ever."""
    assert (await site_of(serve, echo).ask(upload(part("a", b""), fields=fields))).status == status
    expect_log(caplog, "toolkit.general", message)


# -- files -------------------------------------------------------------------------------


@pytest.mark.feature("N06", "N13")
async def test_a_part_is_saved_whole_or_not_at_all(serve: Serve, tmp_path: Path) -> None:
    """Until it is whole the old file stays, whatever others do meanwhile."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    begun = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            begun.set()
            handler.write(str(await one.save(path)))

    client = await site_of(serve, body).client()
    content = os.urandom(300_000)
    request = upload(part("f", content, "name"))
    await client.send(request[:200_000])
    await begun.wait()
    while len(os.listdir(tmp_path)) < 2:
        await turns(1)
    assert path.read_bytes() == b"old"
    await client.send(request[200_000:])
    assert (await client.answer("POST")).text == "300000"
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.feature("N07")
@pytest.mark.parametrize(("size", "rolled"), [(0, False), (100_000, False), (100_001, True)])
async def test_a_part_is_spooled_to_disk_past_a_threshold(
    serve: Serve, size: int, rolled: bool
) -> None:
    content = os.urandom(size)

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            async with await one.spool(max_memory=100_000) as file:
                assert (file.size, file.rolled) == (size, rolled)
                assert await file.read() == content
                with pytest.raises((ValueError, OSError)):
                    await file.seek(-1)
                assert await file.seek(2) == 2
                assert await file.read(3) == content[2:5]
                await file.seek(0)
                assert b"".join([line async for line in file]) == content
                await file.seek(0)
                assert b"".join([piece async for piece in file.chunks(999)]) == content
                await file.seek(0)
                # As a library does it, in a thread.
                assert await asyncio.to_thread(file.file.read) == content
            assert file.closed
            with pytest.raises(ValueError, match="closed"):
                await file.read()
        handler.write("ok")

    assert (await site_of(serve, body).ask(upload(part("f", content, "n")))).text == "ok"


async def test_the_disk_is_touched_in_threads_alone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CVE-2025-54121 (Starlette): the loop waited while a file was rolled over to disk."""
    threads: set[str] = set()
    make = tempfile.TemporaryFile

    def temporary(*args: Any, **kwargs: Any) -> Any:
        assert kwargs["dir"] == tmp_path
        threads.add(threading.current_thread().name)
        file = make(*args, **kwargs)
        write = file.write

        class Watched:
            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def write(self, data: bytes) -> int:
                threads.add(threading.current_thread().name)
                return int(write(data))

        return Watched()

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            async with await one.spool(10, directory=tmp_path) as file:
                assert len(await file.read()) == 5 * MEBIBYTE

    request = upload(part("f", b"x" * 5 * MEBIBYTE, "n"))
    assert (await site_of(serve, body).ask(request)).status == 200
    assert threads
    assert all(name.startswith("toolkit.files") for name in threads)


async def test_a_spooled_file_may_outlive_its_request(serve: Serve) -> None:
    files: list[SpooledFile] = []

    async def body(handler: RequestHandler) -> None:
        files.extend([await one.spool(10) async for one in handler.parts()])

    site = site_of(serve, body)
    before = open_files()
    assert (await site.ask(upload(part("f", b"x" * 1000, "n"), part("g", b"y")))).status == 200
    assert [(await file.read(2), file.rolled) for file in files] == [(b"xx", True), (b"y", False)]
    assert open_files() == before + 1
    files.clear()
    assert open_files() == before


@pytest.mark.parametrize("way", ["save", "spool"])
async def test_content_given_to_a_file_in_vain_is_gone(
    serve: Serve, tmp_path: Path, way: str
) -> None:
    """Nobody takes the rest of it for all; the form goes on."""

    async def body(handler: RequestHandler) -> None:
        parts = handler.parts()
        first = await anext(parts)
        taking = first.save(tmp_path / "f", 10) if way == "save" else first.spool(max_size=10)
        with pytest.raises(HTTPError, match="10 bytes are allowed"):
            await taking
        for read in (first.read, first.__anext__):
            with pytest.raises(RuntimeError, match="is gone"):
                await read()
        handler.write(await (await anext(parts)).text())

    request = upload(part("a", b"x" * 100_000, "f"), part("b", b"next"))
    assert (await site_of(serve, body).ask(request)).text == "next"


async def test_a_file_that_cannot_be_written_is_the_handlers_error(
    serve: Serve, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async def body(handler: RequestHandler) -> None:
        missing = tmp_path / "missing"
        async for one in handler.parts():
            with pytest.raises(FileNotFoundError):
                await one.spool(10, directory=missing)
            await one.save(missing / "file")

    site = site_of(serve, body)
    before = open_files()
    answer = await site.ask(upload(part("a", b"x" * 100_000, "f"), part("b", b"")))
    assert answer.status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    caplog.clear()
    assert open_files() == before


# -- back-pressure and memory --------------------------------------------------------------


async def send_file(client: Client, size: int, sent: list[int]) -> None:
    """Upload a file of some blocks, and count its bytes."""
    begin, end = opening("f", "n"), b"\r\n" + END
    await client.send(head(len(begin) + size + len(end)) + begin)
    for _ in range(size // len(BLOCK)):
        await client.send(BLOCK)
        sent[0] += len(BLOCK)
    await client.send(end)


@pytest.mark.feature("N06")
async def test_a_handler_that_takes_its_time_stalls_the_sender(serve: Serve) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    taken = 0

    async def body(handler: RequestHandler) -> None:
        nonlocal taken
        async for one in handler.parts():
            async for piece in one:
                begun.set()
                await release.wait()
                taken += len(piece)
        handler.write(str(taken))

    site = site_of(serve, body, receive_buffer=65_536)
    client = await site.client()
    sent = [0]
    sending = asyncio.create_task(send_file(client, LARGE, sent))
    await begun.wait()
    for _ in range(50):
        assert (await site.get()).status == 405
        assert sent[0] < BOUND
    assert not sending.done()
    release.set()
    answer = await client.answer("POST")
    await sending
    assert (answer.text, taken) == (str(LARGE), LARGE)


@pytest.mark.parametrize("way", ["drop", "save", "spool", "pieces"])
async def test_a_large_upload_takes_little_memory(serve: Serve, tmp_path: Path, way: str) -> None:
    """CVE-2026-34517 (aiohttp), CVE-2024-47874 (Starlette): all of it was held."""
    size = 24 * MEBIBYTE

    async def body(handler: RequestHandler) -> None:
        async for one in handler.parts():
            if way == "save":
                assert await one.save(tmp_path / "f", durable=False) == size
            elif way == "spool":
                async with await one.spool() as file:
                    assert (file.size, file.rolled) == (size, True)
            elif way == "pieces":
                assert sum([len(piece) async for piece in one]) == size
        handler.write("ok")

    site = site_of(serve, body)
    client = await site.client()
    tracemalloc.start()
    try:
        sending = asyncio.create_task(send_file(client, size, [0]))
        answer = await client.answer("POST")
        await sending
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.text, answer.keep_alive) == ("ok", True)
    assert peak < 4 * MEBIBYTE


async def test_tiny_pieces_make_no_small_writes(serve: Serve, tmp_path: Path) -> None:
    """CVE-2025-69229 (aiohttp): each tiny chunk had a price of its own."""
    blocks: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield opening("f", "n")
        for _ in range(100_000):
            yield b"x" * 32
        yield b"\r\n" + END

    async for one in parts_of(pieces(), "multipart/form-data; boundary=b"):
        write = one._pour  # type: ignore[attr-defined]

        async def watched(pieces: list[bytes]) -> None:
            blocks.extend(map(len, pieces))

        assert await write(watched, None) == 3_200_000
    assert blocks == [MEBIBYTE, MEBIBYTE, MEBIBYTE, 3_200_000 - 3 * MEBIBYTE]


# -- clients that leave, and cancellation ----------------------------------------------------


@pytest.mark.feature("N11")
@pytest.mark.parametrize("way", ["read", "save", "spool", "next"])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_leaves_is_an_error_and_leaves_nothing(
    serve: Serve, tmp_path: Path, way: str, reset: bool
) -> None:
    """Werkzeug 3.2, Starlette: files of failed forms stayed open."""
    begun = asyncio.Event()
    errors: asyncio.Queue[type[BaseException]] = asyncio.Queue()

    async def body(handler: RequestHandler) -> None:
        try:
            async for one in handler.parts():
                begun.set()
                if way == "save":
                    await one.save(tmp_path / "f")
                elif way == "spool":
                    await one.spool(10)
                elif way == "read":
                    await one.read(2 * MEBIBYTE)
        except BaseException as error:
            errors.put_nowait(type(error))
            raise

    site = site_of(serve, body)
    before = open_files()
    client = await site.client()
    await client.send(head(MEBIBYTE) + opening("f", "n") + b"x" * 500_000)
    await begun.wait()
    client.reset() if reset else client.close()
    # One that closed in good order may still listen, as far as can be known.
    assert await errors.get() in ([StreamClosedError] if reset else [TruncatedError])
    assert os.listdir(tmp_path) == []
    while open_files() > before:
        await turns(1)


@pytest.mark.parametrize("way", ["save", "spool"])
async def test_a_handler_that_is_cancelled_leaves_nothing(
    serve: Serve, tmp_path: Path, way: str
) -> None:
    begun = asyncio.Event()
    ended = asyncio.Event()

    @stream_request_body
    class Upload(RequestHandler):
        cancel_on_close = True

        async def post(self) -> None:
            try:
                async for one in self.parts():
                    begun.set()
                    if way == "save":
                        await one.save(tmp_path / "f")
                    else:
                        await one.spool(10)
            finally:
                ended.set()

    site = serve([("/", Upload)])
    before = open_files()
    for size in (0, 10, 70_000, 500_000):
        begun.clear()
        ended.clear()
        client = await site.client()
        await client.send(head(MEBIBYTE) + opening("f", "n") + b"x" * size)
        await begun.wait()
        client.close()
        await ended.wait()
        while open_files() > before or os.listdir(tmp_path):
            await turns(1)


@pytest.mark.parametrize("delay", range(12))
async def test_a_cancellation_while_files_are_made_leaks_none(delay: int) -> None:
    """Whatever the thread is at."""
    before = open_files()

    async def pieces() -> AsyncIterator[bytes]:
        yield opening("f", "n")
        for _ in range(20):
            yield b"x" * 65_536
        yield b"\r\n" + END

    async def spool() -> None:
        async for one in parts_of(pieces(), "multipart/form-data; boundary=b"):
            async with await one.spool(10):
                pass

    task = asyncio.create_task(spool())
    await turns(delay)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    while open_files() > before:
        await turns(1)


async def test_a_thousand_failed_uploads_leave_no_file_open(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Forms that turn out to be bad once a part of them lies on disk, as in Werkzeug 3.2."""
    files = 0

    async def body(handler: RequestHandler) -> None:
        nonlocal files
        kept: list[SpooledFile] = []
        async for one in handler.parts():
            kept.append(await one.spool(10))
            files += kept[-1].rolled

    site = site_of(serve, body)
    form = part("a", b"x" * 1000, "f") + part("b", b"y" * 1000, "g") + b"--b\r\nX: y\r\n\r\n"
    request = head(len(form)) + form
    client = await site.client()
    await client.send(request)
    assert (await client.answer("POST")).status == 400
    before = open_files()
    for _ in range(1000):
        assert (await client.ask(request)).status == 400
    assert files == 2002
    assert open_files() == before
    assert len(expect_log(caplog, "toolkit.general", "400 POST")) == 1001


async def test_a_wait_that_is_cancelled_loses_nothing(serve: Serve) -> None:
    """Neither content that was gathered, nor the place in the form."""
    waiting, cancelled = asyncio.Event(), asyncio.Event()

    async def give_up(reading: "asyncio.Task[Any]") -> None:
        waiting.set()
        await cancelled.wait()
        cancelled.clear()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    async def body(handler: RequestHandler) -> None:
        parts = handler.parts()
        await give_up(asyncio.create_task(parts.__anext__()))
        one = await anext(parts)
        await give_up(asyncio.create_task(one.read()))
        await give_up(asyncio.create_task(one.read()))
        handler.write(await one.read())
        assert [other async for other in parts] == []

    client = await site_of(serve, body).client()
    form = part("a", b"123456") + END
    await client.send(head(len(form)) + form[:10])
    for piece in (form[10:-13], form[-13:-12], form[-12:]):
        await waiting.wait()
        waiting.clear()
        await turns(20)
        cancelled.set()
        await client.send(piece)
    answer = await client.answer("POST")
    assert (answer.status, answer.text) == (200, "123456")


async def test_a_part_that_is_being_dropped_is_gone(serve: Serve) -> None:
    """What is left of it after a cancellation is not all of it."""
    waiting = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        parts = handler.parts()
        first = await anext(parts)
        going_on = asyncio.create_task(parts.__anext__())
        await turns(2)
        going_on.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going_on
        waiting.set()
        with pytest.raises(RuntimeError, match="is gone"):
            await first.read()
        handler.write(await (await anext(parts)).text())

    client = await site_of(serve, body).client()
    form = part("a", b"123456") + part("b", b"next") + END
    await client.send(head(len(form)) + form[:60])
    await waiting.wait()
    await client.send(form[60:])
    assert (await client.answer("POST")).text == "next"


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("photo.JPG", "photo.JPG"),
        ("Übung 1 (neu).txt", "Übung 1 (neu).txt"),
        ("", ""),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\x", "x"),
        ("\\\\server\\share\\x.txt", "x.txt"),
        ("a/..", "_"),
        ("a/", "_"),
        (".", "_"),
        ("..", "_"),
        (". .", "_"),
        ("/", "_"),
        (".htaccess", "htaccess"),
        ("a.php.", "a.php"),
        ("a.php .", "a.php"),
        ("a\0.php", "a.php"),
        ("\0", "_"),
        ("a\r\nb\x1b[31m", "ab[31m"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("a\ud800b", "ab"),
        ("a.txt:stream", "a.txt_stream"),
        ("C:x", "C_x"),
        ('<>"|?*', "______"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("LPT\xb2.a.b", "_LPT\xb2.a.b"),
        ("console", "console"),
        ("e\u0301", "\xe9"),
        ("x" * 300, "x" * 255),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
        ("x" * 300 + "." + "y" * 100, "x" * 255),
        ("é" * 200 + ".png", "é" * 125 + ".png"),
        ("x" * 249 + "." + "y" * 10 + ".jpeg", "x" * 249 + ".jpeg"),
    ],
)
def test_a_filename_is_made_safe(sent: str, safe: str) -> None:
    """CVE-2026-24486 (python-multipart): the client's name was used as a path."""
    assert safe_filename(sent) == safe
    assert len(safe.encode("utf-8", "replace")) <= 255
    assert safe_filename(safe) == safe


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        ('filename="../x.txt"', "x.txt"),
        ("filename*=utf-8''..%2fx.txt", None),
        ("filename=\"x.txt\"; filename*=utf-8''..%2fevil.txt", "x.txt"),
    ],
)
async def test_an_extended_filename_replaces_no_other(
    serve: Serve, parameters: str, filename: str | None
) -> None:
    """GHSA-vffw-93wf-4j4q (python-multipart). RFC 7578 §4.2"""
    names: list[str | None] = []

    async def body(handler: RequestHandler) -> None:
        names.extend([one.filename async for one in handler.parts()])

    form = part("a", b"").replace(b'name="a"', f'name="a"; {parameters}'.encode())
    assert (await site_of(serve, body).ask(upload(form))).status == 200
    assert names == [filename]
