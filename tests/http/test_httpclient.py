"""The HTTP client: what it sends, what it makes of answers, and what it refuses."""

import asyncio
import contextlib
import copy
import gzip
import pickle
import socket
import ssl
import threading
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import brotli
import pytest
import trustme
import zstandard

from tests.http.client import Serve
from tests.http.scripted import Caller, Script, Start
from tests.loops import expect_log
from toolkit.httpclient import (
    AsyncHTTPClient,
    HTTPClient,
    HTTPError,
    HTTPRequest,
    HTTPResponse,
    sending,
)
from toolkit.httpclient.target import Target
from toolkit.httputil import HTTPHeaders, HTTPOutputError
from toolkit.iostream import UnsatisfiableReadError
from toolkit.netutil import Resolver
from toolkit.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)
from toolkit.testing import ExpectLog
from toolkit.web import RequestHandler


def gzipped(data: bytes) -> bytes:
    """Compress, to the same bytes at all times: names of tests are made of them."""
    return gzip.compress(data, mtime=0)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# -- answers -----------------------------------------------------------------------------

CHUNKS = b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "raw", "code", "body"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, 200, b"abc"),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, b""),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + OK, 200, b"ok"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200, b"ok"),
        ("GET", OK + b"HTTP/1.1 200 OK\r\n\r\nnot asked for", 200, b"ok"),
        ("GET", b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", 299, b""),
    ],
)
async def test_an_answer_is_read_to_its_end_however_that_is_told(
    start: Start, client: AsyncHTTPClient, method: str, raw: bytes, code: int, body: bytes
) -> None:
    """RFC 9112 §6.3"""
    server = await start(raw)
    response = await client.fetch(server.url(), method=method, raise_error=False)
    assert (response.code, response.body) == (code, body)
    assert response.effective_url == server.url()
    assert response.request_time is not None
    names = "queue namelookup connect appconnect pretransfer starttransfer total"
    assert set(response.time_info) == set(names.split())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "Connection closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "in the middle of a head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "in the middle of a body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", "middle of a body"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + OK, "more than 10 interim"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "101"),
        (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "204 should not have body"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "folding"),
        (b"ICY 200 OK\r\n\r\n", "version"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "invalid gzip data"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(b"abc")[:-1],
            "invalid gzip data",
        ),
    ],
)
async def test_a_bad_answer_is_an_error_of_code_599(
    start: Start, client: AsyncHTTPClient, raw: bytes, message: str
) -> None:
    """What is cut short, or could be read in two ways, is no response."""
    server = await start(raw)
    with pytest.raises(HTTPStreamClosedError, match=message) as caught:
        await client.fetch(server.url(), raise_error=False)
    assert caught.value.code == 599
    assert caught.value.response is None


async def test_a_switch_of_protocols_is_not_for_fetch(
    start: Start, client: AsyncHTTPClient
) -> None:
    """Even when the request asks for it."""
    server = await start(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    with pytest.raises(HTTPStreamClosedError, match="101 Switching Protocols"):
        await client.fetch(server.url(), headers={"Connection": "Upgrade", "Upgrade": "x"})


async def test_a_broken_connection_is_the_error_of_the_system(
    start: Start, client: AsyncHTTPClient
) -> None:
    """A body up to the end of the connection is not whole after a reset."""

    async def reset(caller: Caller) -> None:
        await caller.head()
        await caller.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await reading.wait()
        caller.writer.transport.abort()

    reading = asyncio.Event()
    server = await start(reset)
    # Bytes that the server has not read make its close a reset.
    body = b"x" * 4_000_000
    with pytest.raises(ConnectionResetError):
        await client.fetch(
            server.url(),
            method="POST",
            body=body,
            streaming_callback=lambda _: reading.set(),
            raise_error=False,
        )


LIMIT = 100
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "Content-Length too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", "chunked body too"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + 101 * b"a", "Body too long"),
        (GZIPPED + gzipped(101 * b"a"), "decompressed body too large"),
    ],
)
async def test_a_body_past_its_limit_is_refused(start: Start, raw: bytes, message: str) -> None:
    """The limit holds however the length is told, and for what comes out of gzip."""
    server = await start(raw)
    taken: list[bytes] = []
    with (
        contextlib.closing(SimpleAsyncHTTPClient(True, max_body_size=LIMIT)) as client,
        pytest.raises(HTTPStreamClosedError, match=message),
    ):
        await client.fetch(server.url(), streaming_callback=taken.append)
    assert sum(map(len, taken)) <= LIMIT


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + 100 * b"a",
        b"HTTP/1.0 200 OK\r\n\r\n" + 100 * b"a",
        GZIPPED + gzipped(100 * b"a"),
    ],
)
async def test_a_body_of_the_limit_itself_is_taken(start: Start, raw: bytes) -> None:
    """The limit is the most that is allowed."""
    server = await start(raw)
    with contextlib.closing(SimpleAsyncHTTPClient(True, max_body_size=LIMIT)) as client:
        assert (await client.fetch(server.url())).body == 100 * b"a"


@pytest.mark.parametrize("line", [b"X-Long: " + 1000 * b"a", b"X: y\r\n" * 200])
async def test_a_head_past_its_limit_is_refused(start: Start, line: bytes) -> None:
    """Be it by one line or by many."""
    server = await start(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n")
    with (
        contextlib.closing(SimpleAsyncHTTPClient(True, max_header_size=900)) as client,
        pytest.raises(UnsatisfiableReadError),
    ):
        await client.fetch(server.url())


@pytest.mark.parametrize(
    ("options", "fields", "body", "content"),
    [
        ({}, "Content-Encoding: gzip", gzipped(b"abc"), b"abc"),
        ({}, "Content-Encoding: x-gzip", gzipped(b"ab") + gzipped(b"c"), b"abc"),
        ({}, "Content-Encoding: gzip", b"", b""),
        ({}, "Content-Encoding: gzip, x-gzip", gzipped(gzipped(b"abc")), b"abc"),
        ({}, "Content-Encoding: br", brotli.compress(b"abc"), b"abc"),
        ({}, "Content-Encoding: zstd", zstandard.compress(b"abc"), b"abc"),
        ({}, "Content-Encoding: deflate, br", brotli.compress(zlib.compress(b"a")), b"a"),
        ({}, "Content-Encoding: gzip, compress", b"as it is", b"as it is"),
        ({"decompress_response": False}, "Content-Encoding: gzip", b"as it is", b"as it is"),
    ],
)
@pytest.mark.feature("F08")
async def test_compressed_content_is_asked_for_and_decoded(
    start: Start,
    client: AsyncHTTPClient,
    options: dict[str, Any],
    fields: str,
    body: bytes,
    content: bytes,
) -> None:
    """Unless the request says otherwise; any other coding is the program's own business."""
    server = await start(f"HTTP/1.0 200 OK\r\n{fields}\r\n\r\n".encode() + body)
    response = await client.fetch(server.url(), **options)
    assert response.body == content
    assert ("Accept-Encoding: gzip, deflate, br, zstd" in server.heads[0]) == (not options)
    decoded = content != body or not body
    assert ("X-Consumed-Content-Encoding" in response.headers) == decoded
    assert ("Content-Encoding" in response.headers) != decoded


async def test_header_callback_gets_the_final_head_line_by_line(
    start: Start, client: AsyncHTTPClient
) -> None:
    """Before the body, and with the line ends."""
    seen: list[Any] = []
    server = await start(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + OK)
    await client.fetch(server.url(), header_callback=seen.append, streaming_callback=seen.append)
    assert seen == ["HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", "\r\n", b"ok"]


@pytest.mark.feature("F05")
async def test_no_more_is_read_than_the_streaming_callback_takes(
    start: Start, client: AsyncHTTPClient
) -> None:
    """While its awaitable is pending, a sender without an end has to wait."""
    sent = 0

    async def pour(caller: Caller) -> None:
        nonlocal sent
        await caller.head()
        await caller.say(b"HTTP/1.0 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                await caller.say(b"x" * 65536)
                sent += 65536

    async def take(_: bytes) -> None:
        # As long as the server gets bytes off, they go to buffers, and those have an end.
        before = -1
        while before != sent:
            before = sent
            for _turn in range(200):
                await asyncio.sleep(0)
        stalled.set()
        await asyncio.Event().wait()

    stalled = asyncio.Event()
    server = await start(pour)
    fetching = asyncio.create_task(wait_for(client.fetch(server.url(), streaming_callback=take)))
    await stalled.wait()
    assert sent < 32 * 1024 * 1024
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching


def fail(_: object) -> None:
    """Fail, as a callback."""
    raise ValueError("no")


async def fail_later(_: object) -> None:
    """Fail, as a coroutine."""
    await asyncio.sleep(0)
    raise ValueError("no")


async def be_cancelled(_: object) -> None:
    """Wait for what is cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    "options",
    [
        {"streaming_callback": fail},
        {"streaming_callback": fail_later},
        {"streaming_callback": be_cancelled},
        {"header_callback": fail},
    ],
)
async def test_a_callback_that_fails_is_logged_and_fails_the_fetch(
    start: Start,
    client: AsyncHTTPClient,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
) -> None:
    """Once, with its stack."""
    server = await start(OK)
    with pytest.raises(HTTPStreamClosedError, match="callback failed"):
        await client.fetch(server.url(), **options)
    (record,) = expect_log(caplog, "toolkit.application", "Uncaught exception")
    assert record.exc_info


async def test_what_a_streaming_callback_returns_may_be_nothing_to_wait_for(
    start: Start, client: AsyncHTTPClient
) -> None:
    """The method ``write`` of a file returns a number."""
    server = await start(OK)
    response = await client.fetch(server.url(), streaming_callback=len)
    assert response.body == b""


# -- requests ----------------------------------------------------------------------------


async def sent(start: Start, client: AsyncHTTPClient, **options: Any) -> dict[str, str]:
    """Fetch, and return the fields that were sent, with the start line by ""."""
    server = await start(OK)
    await client.fetch(server.url(options.pop("path", "/")), **options)
    first, *lines = server.heads[0].removesuffix("\r\n\r\n").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    assert fields.pop("Host") == f"127.0.0.1:{server.port}"
    assert "Connection" not in fields  # it goes on, as it does unless somebody says otherwise
    return {"": first, **fields}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"": "GET / HTTP/1.1", "User-Agent": "toolkit/0.1.0"}),
        ({"path": "/a?b=c#d"}, {"": "GET /a?b=c HTTP/1.1"}),
        ({"path": "?b"}, {"": "GET /?b HTTP/1.1"}),
        ({"path": "/\u00e9"}, {"": "GET /%C3%A9 HTTP/1.1"}),
        ({"path": '/"<>%20\\'}, {"": "GET /%22%3C%3E%20\\ HTTP/1.1"}),
        ({"user_agent": "Me"}, {"User-Agent": "Me"}),
        ({"headers": {"user-agent": "Me"}}, {"User-Agent": "Me"}),
        ({"headers": {"X": b"bytes"}}, {"X": "bytes"}),
        ({"headers": HTTPHeaders({"X": "b\xe4r"})}, {"X": "b\xe4r"}),
        ({"auth_username": "Aladdin", "auth_password": "open sesame"}, {}),
        (
            {"method": "POST", "body": "\u00e9"},
            {"Content-Length": "2", "Content-Type": "application/x-www-form-urlencoded"},
        ),
        ({"method": "PUT", "body": b""}, {"Content-Length": "0"}),
        (
            {"method": "POST", "body": b"", "headers": {"content-type": "a/b"}},
            {"Content-Type": "a/b"},
        ),
        ({"method": "GET", "body": b"x", "allow_nonstandard_methods": True}, {}),
        ({"method": "PURGE", "allow_nonstandard_methods": True}, {"": "PURGE / HTTP/1.1"}),
        ({"if_modified_since": 0}, {}),
        ({"if_modified_since": 1}, {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:01 GMT"}),
    ],
)
async def test_a_request_says_what_it_was_told_to(
    start: Start, client: AsyncHTTPClient, options: dict[str, Any], expected: dict[str, str]
) -> None:
    """And adds what a server needs."""
    fields = await sent(start, client, **options)
    assert expected.items() <= fields.items()
    if "auth_username" in options:
        assert fields["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    if options.get("method") == "GET":
        assert fields["Content-Length"] == "1"


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nb", "a\0b", "a\x7fb", "a\u560ab"])
@pytest.mark.parametrize(
    "options",
    [
        lambda bad: {"headers": {"X": bad}},
        lambda bad: {"headers": {bad: "x"}},
        lambda bad: {"headers": {"Host": bad}},
        lambda bad: {"headers": {"Connection": bad}},
        lambda bad: {"user_agent": bad},
        lambda bad: {"method": bad, "allow_nonstandard_methods": True},
    ],
)
async def test_nothing_that_ends_a_line_reaches_the_wire(
    client: AsyncHTTPClient,
    start: Start,
    options: Callable[[str], dict[str, Any]],
    bad: str,
) -> None:
    """It is a ValueError, wherever it stands (RFC 9112 §2.2)."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(caller: Caller) -> None:
        await received.put(await caller.ended())

    server = await start(listen)
    with pytest.raises(ValueError, match=r"allowed|control character"):
        await client.fetch(server.url(), **options(bad))
    await server.stop()
    assert received.empty() or received.get_nowait() == b""  # it may not even have connected


@pytest.mark.parametrize(
    "options",
    [
        {"auth_username": "a:b", "auth_password": "c"},
        {"auth_username": "a", "auth_password": "b\r\nc"},
        {"auth_username": "a", "auth_mode": "ntlm"},
        {"proxy_host": "a"},
        {"proxy_port": 1},
        {"proxy_host": "a", "proxy_port": 1, "proxy_auth_mode": "digest"},
        {"method": "POST"},
        {"method": "GET", "body": b"x"},
        {"method": "PURGE"},
        {"method": "POST", "body": b"x", "body_producer": fail},
        {"method": "POST", "body": b"x", "headers": {"Content-Length": "2"}},
        {"method": "CONNECT", "allow_nonstandard_methods": True},
        {"network_interface": "eth0"},
        {"headers": {"Host": "a b"}},
    ],
)
async def test_a_request_that_makes_no_sense_is_a_value_error(
    start: Start, client: AsyncHTTPClient, options: dict[str, Any]
) -> None:
    """It comes by the future, as all errors do."""
    server = await start(OK)
    future = client.fetch(server.url(), **options)
    with pytest.raises(ValueError):
        await future


@pytest.mark.parametrize(
    ("url", "origin", "path", "credentials"),
    [
        ("http://a.example", ("http", "a.example", 80), "/", None),
        ("HTTPS://A.Example:8443/x?y#z", ("https", "a.example", 8443), "/x?y", None),
        ("http://a:/", ("http", "a", 80), "/", None),
        ("http://[::1]:81/", ("http", "::1", 81), "/", None),
        ("http://[fe80::1%25eth0]/", ("http", "fe80::1%eth0", 80), "/", None),
        ("http://127.0.0.1/", ("http", "127.0.0.1", 80), "/", None),
        ("http://b\u00fccher.example/", ("http", "xn--bcher-kva.example", 80), "/", None),
        ("http://u:p@a/", ("http", "a", 80), "/", ("u", "p")),
        ("http://u%40b:p%3A@a/", ("http", "a", 80), "/", ("u@b", "p:")),
        ("http://u@a/", ("http", "a", 80), "/", ("u", "")),
        ("http://a#@b/", ("http", "a", 80), "/", None),
        ("http://a?@b/", ("http", "a", 80), "/?@b/", None),
    ],
)
def test_a_url_is_read_as_all_others_read_it(
    url: str, origin: tuple[str, str, int], path: str, credentials: object
) -> None:
    """RFC 3986 §3"""
    target = Target.parse(url)
    found = (target.origin.scheme, target.origin.host, target.origin.port)
    assert (found, target.path, target.credentials) == (origin, path, credentials)


MISREAD = """
    ftp://a/ file:///etc/passwd data:,x javascript:1 //a/ /path a h:5 http: http:/a http:///a
    http://u@/ http://:80/ http://a:65536/ http://a:x/ http://a:-1/ http://[::1 http://[]/
    http://[a]/ http://[1.2.3.4]/ http://[::1]x/ http://[::1]@b/ http://a@b@c/ http://a\\@b/
    http://a\\b/ http://a%2eb/ http://2130706433/ http://127.1/ http://017700000001/
    http://0x7f.1/ http://1.2.3.4.5/ http://a.1/ http://127.1./
"""
LONG = f"http://{64 * chr(0xE9)}/"
SPACED = ["http://a/\r\nX:y", "http://a/ b", "http://a\t/", "http://a/\0", " http://a/", ""]


@pytest.mark.parametrize("url", [*MISREAD.split(), *SPACED, LONG])
def test_a_url_that_could_be_misread_is_refused(url: str) -> None:
    """Also for numbers that some systems take for addresses, and filters do not."""
    with pytest.raises(ValueError):
        Target.parse(url)


# -- bodies ------------------------------------------------------------------------------


class Echo(RequestHandler):
    """Answers with what it got."""

    async def post(self) -> None:
        framing = ("Content-Length", "Transfer-Encoding")
        told = [name for name in framing if name in self.request.headers]
        self.write(",".join(told).encode() + b":" + self.request.body)


def at_once(write: Callable[[bytes], Awaitable[None]]) -> None:
    """Produce a body without waiting."""
    write(b"1234")
    write(b"5678")


async def by_and_by(write: Callable[[bytes], Awaitable[None]]) -> None:
    """Produce a body piece by piece."""
    await write(b"1234")
    await write(b"")
    await write(b"5678")


@pytest.mark.parametrize("producer", [at_once, by_and_by])
@pytest.mark.parametrize(
    ("headers", "framing"),
    [({}, b"Transfer-Encoding"), ({"Content-Length": "8"}, b"Content-Length")],
)
@pytest.mark.parametrize("expect", [False, True])
async def test_a_body_is_produced(
    serve: Serve,
    client: AsyncHTTPClient,
    producer: Any,
    headers: dict[str, str],
    framing: bytes,
    expect: bool,
) -> None:
    """In chunks unless its length is known, and also after a 100."""
    host, port = serve([("/", Echo)]).address
    response = await client.fetch(
        f"http://{host}:{port}/",
        method="POST",
        headers=headers,
        body_producer=producer,
        expect_100_continue=expect,
    )
    assert response.body == framing + b":12345678"


@pytest.mark.parametrize("length", ["7", "9"])
async def test_a_body_has_to_have_the_length_that_was_told(
    start: Start, client: AsyncHTTPClient, length: str
) -> None:
    """Neither more nor less is sent without a word."""

    async def listen(caller: Caller) -> None:
        await caller.ended()

    server = await start(listen)
    with pytest.raises(HTTPOutputError, match="Content-Length"):
        await client.fetch(
            server.url(),
            method="PUT",
            headers={"Content-Length": length},
            body_producer=by_and_by,
        )


@pytest.mark.parametrize("producer", [fail, fail_later])
async def test_an_error_of_the_producer_is_the_error_of_the_fetch(
    start: Start, client: AsyncHTTPClient, producer: Any
) -> None:
    """And the server sees that the request is not whole."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(caller: Caller) -> None:
        await received.put(await caller.ended())

    server = await start(listen)
    with pytest.raises(ValueError, match="no"):
        await client.fetch(server.url(), method="PUT", body_producer=producer)
    assert not (await received.get()).endswith(b"0\r\n\r\n")


async def test_a_producer_that_is_cancelled_fails_the_fetch(
    start: Start, client: AsyncHTTPClient
) -> None:
    """Nobody waits for the rest of its body."""

    async def listen(caller: Caller) -> None:
        await caller.ended()

    server = await start(listen)
    with pytest.raises(HTTPStreamClosedError, match="body_producer was cancelled"):
        await client.fetch(server.url(), method="PUT", body_producer=be_cancelled)


async def test_an_answer_that_comes_early_is_taken(start: Start, client: AsyncHTTPClient) -> None:
    """A server need not wait for the end of a body that it does not want."""
    stopped = asyncio.Event()

    async def endless(write: Callable[[bytes], Awaitable[None]]) -> None:
        try:
            while True:
                await write(b"x" * 65536)
        finally:
            stopped.set()

    async def refuse(caller: Caller) -> None:
        await caller.head()
        await caller.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await caller.ended()

    server = await start(refuse)
    response = await client.fetch(
        server.url(), method="PUT", body_producer=endless, raise_error=False
    )
    assert (response.code, response.body) == (413, b"no")
    await stopped.wait()


async def test_a_refused_expectation_spares_the_body(start: Start, client: AsyncHTTPClient) -> None:
    """RFC 9110 §10.1.1"""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def refuse(caller: Caller) -> None:
        head = await caller.head()
        assert "Expect: 100-continue\r\n" in head
        assert "Content-Length: 4\r\n" in head
        await caller.say(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        await received.put(await caller.ended())

    server = await start(refuse)
    response = await client.fetch(
        server.url(), method="POST", body=b"body", expect_100_continue=True, raise_error=False
    )
    assert response.code == 403
    assert await received.get() == b""


async def test_a_body_goes_to_a_server_that_never_says_100(
    start: Start, client: AsyncHTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while: a client must not wait for ever (RFC 9110 §10.1.1)."""
    monkeypatch.setattr(sending, "CONTINUE_TIMEOUT", 0.01)

    async def old(caller: Caller) -> None:
        await caller.head()
        assert await caller.reader.readexactly(4) == b"body"
        await caller.say(OK)

    server = await start(old)
    response = await client.fetch(
        server.url(), method="POST", body=b"body", expect_100_continue=True
    )
    assert response.body == b"ok"


# -- redirects ---------------------------------------------------------------------------


class Countdown(RequestHandler):
    """Redirects so many times."""

    def get(self, count: str) -> None:
        if int(count):
            self.redirect(f"/{int(count) - 1}")
        else:
            self.write("zero")


@pytest.mark.parametrize(
    ("options", "code", "end"),
    [
        ({}, 200, "/0"),
        ({"max_redirects": 3}, 200, "/0"),
        ({"max_redirects": 2}, 302, "/1"),
        ({"max_redirects": 0}, 302, "/3"),
        ({"follow_redirects": False}, 302, "/3"),
    ],
)
@pytest.mark.feature("F03")
async def test_redirects_are_followed_up_to_a_limit(
    serve: Serve, client: AsyncHTTPClient, options: dict[str, Any], code: int, end: str
) -> None:
    """The last one is the response; the request stays the one that was made."""
    host, port = serve([(r"/([0-9]+)", Countdown)]).address
    url = f"http://{host}:{port}/3"
    response = await client.fetch(url, raise_error=False, **options)
    assert (response.code, response.effective_url) == (code, url.replace("/3", end))
    assert response.request.url == url


async def test_the_body_of_a_redirect_is_not_waited_for(
    start: Start, client: AsyncHTTPClient
) -> None:
    """Be it endless, and nobody is told of it."""
    seen: list[Any] = []

    async def site(caller: Caller) -> None:
        if "GET /there " in await caller.head():
            await caller.say(OK)
        else:
            await caller.say(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\nbody")
            await caller.ended()

    server = await start(site)
    response = await client.fetch(
        server.url(), header_callback=seen.append, streaming_callback=seen.append
    )
    assert response.effective_url == server.url("/there")
    assert seen[0] == "HTTP/1.1 200 OK\r\n"
    assert seen[-1] == b"ok"


# -- time, turns and the end -------------------------------------------------------------


class Forever(Resolver):
    """A resolver that never finds anything."""

    async def resolve(self, *_: object) -> Any:
        await asyncio.Event().wait()


async def never(caller: Caller) -> None:
    """Take a request and answer nothing."""
    await caller.ended()


async def drip(caller: Caller) -> None:
    """Answer without an end, so that there always is some progress."""
    await caller.head()
    await caller.say(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        await caller.say(b".")
        await asyncio.sleep(0)


async def round_and_round(caller: Caller) -> None:
    """Redirect without an end."""
    await caller.head()
    await caller.say(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("script", [never, drip, round_and_round])
async def test_a_request_ends_with_its_time(
    start: Start, client: AsyncHTTPClient, script: Script
) -> None:
    """Whatever the server does, redirects included."""
    server = await start(script)
    with pytest.raises(HTTPTimeoutError, match=r"^Timeout ") as caught:
        await client.fetch(server.url(), request_timeout=0.1, max_redirects=1_000_000)
    assert caught.value.code == 599


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connect_timeout": 0.05}, "resolving name"),
        ({"request_timeout": 0.05}, "during request"),
    ],
)
async def test_connecting_ends_with_its_time(options: dict[str, Any], message: str) -> None:
    """And the error says what took so long."""
    client = SimpleAsyncHTTPClient(force_instance=True, resolver=Forever())
    with contextlib.closing(client), pytest.raises(HTTPTimeoutError, match=message):
        await client.fetch("http://name/", **options)


async def test_zero_is_no_time_limit(start: Start, client: AsyncHTTPClient) -> None:
    """As it always was."""
    server = await start(OK)
    response = await client.fetch(server.url(), connect_timeout=0, request_timeout=0)
    assert response.body == b"ok"


async def test_requests_past_max_clients_keep_their_order(start: Start) -> None:
    """One that ends, be it badly, makes room for the next."""
    order: list[str] = []

    async def serve(caller: Caller) -> None:
        order.append((await caller.head()).split()[1])
        await caller.say(b"" if order[-1] == "/1" else OK)

    server = await start(serve)
    with contextlib.closing(SimpleAsyncHTTPClient(True, max_clients=1)) as client:
        fetches = [client.fetch(server.url(f"/{number}")) for number in range(4)]
        assert (len(client.active), len(client.waiting), len(client.queue)) == (1, 3, 3)
        results = await asyncio.gather(*fetches, return_exceptions=True)
        assert (len(client.active), len(client.waiting), len(client.queue)) == (0, 0, 0)
    assert order == ["/0", "/1", "/2", "/3"]
    assert [type(result) is HTTPResponse for result in results] == [True, False, True, True]


async def test_max_clients_are_under_way_at_once(start: Start) -> None:
    """And not one after another."""
    together = asyncio.Barrier(2)

    async def serve(caller: Caller) -> None:
        await caller.head()
        await together.wait()
        await caller.say(OK)

    server = await start(serve)
    with contextlib.closing(SimpleAsyncHTTPClient(True, max_clients=2)) as client:
        await asyncio.gather(*(client.fetch(server.url()) for _ in range(4)))


async def test_a_request_waits_for_its_turn_no_longer_than_it_may(start: Start) -> None:
    """Then it is gone from the queue."""
    server = await start(never)
    with contextlib.closing(SimpleAsyncHTTPClient(True, max_clients=1)) as client:
        first = asyncio.ensure_future(client.fetch(server.url()))
        with pytest.raises(HTTPTimeoutError, match=r"^Timeout in request queue$"):
            await client.fetch(server.url(), connect_timeout=0.01)
        assert not client.waiting
    with pytest.raises(HTTPStreamClosedError):
        await first


async def test_a_cancelled_fetch_closes_its_connection_and_makes_room(start: Start) -> None:
    """Without a word in the log: whoever cancelled it knows."""
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def first_never(caller: Caller) -> None:
        if "/never" in await caller.head():
            begun.set()
            await caller.ended()
            ended.set()
        else:
            await caller.say(OK)

    server = await start(first_never)
    with contextlib.closing(SimpleAsyncHTTPClient(True, max_clients=1)) as client:
        fetching = asyncio.create_task(wait_for(client.fetch(server.url("/never"))))
        waiting = asyncio.create_task(wait_for(client.fetch(server.url("/queued"))))
        await begun.wait()
        waiting.cancel()
        fetching.cancel()
        await ended.wait()
        assert (await client.fetch(server.url("/next"))).body == b"ok"
        for task in (fetching, waiting):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (len(client.active), len(client.waiting)) == (0, 0)


async def wait_for(future: Awaitable[HTTPResponse]) -> HTTPResponse:
    """Wait for a response."""
    return await future


async def test_an_error_that_nobody_waits_for_is_logged(
    client: AsyncHTTPClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A future that was cancelled by hand cannot raise it."""
    with ExpectLog("toolkit.application", "Exception after Future was cancelled") as expected:
        assert client.fetch("http://127.0.0.1/").cancel()
        while not expected.matched:
            await asyncio.sleep(0)


async def test_to_close_a_client_ends_what_it_does(start: Start) -> None:
    """Its connections as well."""
    begun = asyncio.Event()
    ended = asyncio.Event()

    async def wait(caller: Caller) -> None:
        begun.set()
        await caller.ended()
        ended.set()

    server = await start(wait)
    client = SimpleAsyncHTTPClient(force_instance=True, max_clients=1)
    fetches = [asyncio.ensure_future(client.fetch(server.url())) for _ in range(2)]
    await begun.wait()
    client.close()
    client.close()
    for fetch in fetches:
        with pytest.raises(HTTPStreamClosedError, match="client was closed"):
            await fetch
    await ended.wait()
    with pytest.raises(RuntimeError, match="closed"):
        client.fetch(server.url())


# -- TLS ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Any) -> str:
    """Return the path of its certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return the context of a server with a certificate for names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("name", ["127.0.0.1", "other.example"])
@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("validate", [None, False])
async def test_a_certificate_is_checked_unless_the_request_says_no(
    start: Start,
    client: AsyncHTTPClient,
    authority: trustme.CA,
    authority_file: str,
    name: str,
    trusted: bool,
    validate: bool | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its authority, which is one of certifi's or of `ca_certs`, and its name."""
    server = await start(OK, server_context(authority, name))
    options: dict[str, Any] = {
        "ca_certs": authority_file if trusted else None,
        "validate_cert": validate,
    }
    with contextlib.ExitStack() as stack:
        good = validate is False or (trusted and name == "127.0.0.1")
        if not good:
            stack.enter_context(pytest.raises(ssl.SSLCertVerificationError))
            stack.enter_context(ExpectLog("toolkit.general", "SSL Error"))
        response = await client.fetch(server.url(scheme="https"), **options)
        assert response.body == b"ok"


async def test_a_client_certificate_is_shown(
    start: Start, client: AsyncHTTPClient, authority: trustme.CA, authority_file: str, tmp_path: Any
) -> None:
    """By `client_cert` and `client_key`, or in a context."""
    context = server_context(authority, "127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    names: list[Any] = []

    async def answer(caller: Caller) -> None:
        await caller.head()
        names.append(caller.writer.get_extra_info("peercert")["subjectAltName"])
        await caller.say(OK)

    server = await start(answer, context)
    issued = authority.issue_cert("me@example.com")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own = ssl.create_default_context(cafile=authority_file)
    issued.configure_cert(own)
    for options in (
        {
            "ca_certs": authority_file,
            "client_cert": str(tmp_path / "cert.pem"),
            "client_key": str(tmp_path / "key.pem"),
        },
        {"ssl_options": own},
    ):
        assert (await client.fetch(server.url(scheme="https"), **options)).body == b"ok"
    assert names == [(("email", "me@example.com"),)] * 2


# -- connections -------------------------------------------------------------------------


async def test_a_refused_connection_is_the_error_of_the_system(
    start: Start, client: AsyncHTTPClient
) -> None:
    """With what was tried."""
    server = await start(OK)
    await server.stop()
    with pytest.raises(ConnectionRefusedError, match=r"Connection refused.*127\.0\.0\.1"):
        await client.fetch(server.url())


async def test_hostname_mapping_connects_elsewhere(start: Start) -> None:
    """And the server hears the name."""
    server = await start(OK)
    mapping = {("name", 8000): ("127.0.0.1", server.port), "other": "127.0.0.1"}
    with contextlib.closing(SimpleAsyncHTTPClient(True, hostname_mapping=mapping)) as client:
        await client.fetch("http://name:8000/")
        await client.fetch(server.url(host="other"))
    assert "Host: name:8000\r\n" in server.heads[0]
    assert f"Host: other:{server.port}\r\n" in server.heads[1]


async def test_network_interface_is_connected_from(start: Start, client: AsyncHTTPClient) -> None:
    """It is an own address."""
    peers: list[Any] = []

    async def answer(caller: Caller) -> None:
        peers.append(caller.writer.get_extra_info("peername")[0])
        await caller.say(OK)

    server = await start(answer)
    await client.fetch(server.url(), network_interface="127.0.0.1")
    assert peers == ["127.0.0.1"]


async def test_allow_ipv6_can_be_denied(client: AsyncHTTPClient) -> None:
    """An address of IPv6 cannot be reached then."""
    with pytest.raises(OSError, match="resolve"):
        await client.fetch("http://[::1]:1/", allow_ipv6=False)


# -- clients -----------------------------------------------------------------------------


async def test_all_code_on_a_loop_shares_a_client() -> None:
    """Unless it asks for one of its own; a closed one is shared no longer."""
    client = AsyncHTTPClient()
    assert client is AsyncHTTPClient()
    assert type(client) is SimpleAsyncHTTPClient
    assert client is not SimpleAsyncHTTPClient()
    own = AsyncHTTPClient(force_instance=True)
    assert own is not client
    own.close()
    assert client is AsyncHTTPClient()
    client.close()
    assert client is not AsyncHTTPClient()
    AsyncHTTPClient().close()
    SimpleAsyncHTTPClient().close()


class Fixed(AsyncHTTPClient):
    """A client that answers everything itself."""

    code: int

    def initialize(self, code: int = 200, **kwargs: Any) -> None:  # type: ignore[override]
        super().initialize(**kwargs)
        self.code = code

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        """Answer."""
        callback(HTTPResponse(request, self.code, reason=request.user_agent))


async def test_another_implementation_can_be_configured() -> None:
    """With arguments; the defaults are filled in for it."""
    AsyncHTTPClient.configure(Fixed, code=204, defaults={"user_agent": "Me"})
    try:
        with contextlib.closing(AsyncHTTPClient(force_instance=True)) as client:
            response = await client.fetch("http://a/")
            assert (type(client), response.code, response.reason) == (Fixed, 204, "Me")
            assert (await client.fetch("http://a/", user_agent="You")).reason == "You"
    finally:
        AsyncHTTPClient.configure(None)


@pytest.mark.parametrize("code", [199, 304, 404, 500])
async def test_a_code_that_is_no_success_is_raised_unless_told_otherwise(code: int) -> None:
    """With the response."""
    with contextlib.closing(Fixed(force_instance=True, code=code)) as client:
        with pytest.raises(HTTPError) as caught:
            await client.fetch("http://a/")
        response = await client.fetch("http://a/", raise_error=False)
    assert caught.value.code == code
    assert caught.value.response is not None
    with pytest.raises(HTTPError):
        response.rethrow()


async def test_arguments_for_a_request_that_is_there_are_refused(
    client: AsyncHTTPClient,
) -> None:
    """Nobody would look at them."""
    with pytest.raises(ValueError, match="kwargs"):
        client.fetch(HTTPRequest("http://a/"), method="HEAD")


async def test_a_request_can_be_fetched_again(start: Start, client: AsyncHTTPClient) -> None:
    """A fetch changes neither it nor its headers."""
    server = await start(OK)
    headers = HTTPHeaders({"X": "y"})
    request = HTTPRequest(server.url(), headers=headers, auth_username="u", auth_password="p")
    before = copy.copy(vars(request))
    for _ in range(2):
        assert (await client.fetch(request)).request is request
    assert vars(request) == before
    assert list(headers.get_all()) == [("X", "y")]


async def test_a_request_may_be_given_to_an_implementation_itself(start: Start) -> None:
    """The callback is called once; what it raises is logged, and the client goes on."""
    server = await start(OK)
    done: list[HTTPResponse] = []

    def callback(response: HTTPResponse) -> None:
        done.append(response)
        raise ValueError("no")

    with (
        contextlib.closing(SimpleAsyncHTTPClient(force_instance=True)) as client,
        ExpectLog("toolkit.application", "Exception in callback"),
    ):
        client.fetch_impl(HTTPRequest(server.url()), callback)
        while not done:
            await asyncio.sleep(0)
        assert (await client.fetch(server.url())).body == b"ok"
    assert [(response.code, response.body) for response in done] == [(200, b"ok")]


def test_a_response_without_a_buffer_has_an_empty_body() -> None:
    """And shows what it is."""
    response = HTTPResponse(HTTPRequest("http://a/"), 204)
    assert response.body == b""
    assert repr(response).startswith("HTTPResponse(code=204,effective_url='http://a/',")
    response.rethrow()


def test_if_modified_since_leaves_the_headers_of_the_caller_alone() -> None:
    """They may be used for other requests."""
    headers = {"X": "y"}
    request = HTTPRequest("http://a/", headers=headers, if_modified_since=1)
    assert headers == {"X": "y"}
    assert request.headers["If-Modified-Since"] == "Thu, 01 Jan 1970 00:00:01 GMT"


@pytest.mark.parametrize(
    "error", [HTTPError(403), HTTPTimeoutError("late"), HTTPStreamClosedError("gone")]
)
def test_errors_can_be_copied(error: HTTPError) -> None:
    """Also between processes."""
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), other.code, str(other)) == (type(error), error.code, str(error))


@pytest.mark.feature("F24")
def test_a_script_can_block(loop_name: str) -> None:
    """On a loop of its own, in any thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(OK.replace(b"200", b"404") if _ else OK)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with contextlib.closing(HTTPClient()) as client:
            assert client.fetch(url).body == b"ok"
            with pytest.raises(HTTPError) as caught:
                client.fetch(url)
        thread.join()
    assert caught.value.code == 404
    client.close()
