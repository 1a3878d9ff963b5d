"""WSGI applications over real sockets: PEP 3333 row by row, streaming, and how requests end."""

import asyncio
import contextvars
import io
import json
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.http.client import Client, Serve, Site, get, post, turns
from tests.loops import FACTORIES, expect_log
from toolkit.concurrent import dummy_executor
from toolkit.http1connection import Exchange
from toolkit.httputil import HTTPHeaders, HTTPServerRequest
from toolkit.iostream import StreamClosedError
from toolkit.wire.errors import LocalProtocolError
from toolkit.wsgi import ContentError, FileWrapper, WSGIContainer, to_wsgi_str
from toolkit.wsgi.bridge import Bridge

MEBIBYTE = 1024 * 1024
#: More than fits into the buffers between two ends that do not read, and more than they take.
STREAM = 64 * MEBIBYTE
BOUND = 12 * MEBIBYTE

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]

TEXT = [("Content-Type", "text/plain")]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Make an executor, all of whose threads have to end with the test."""
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture(params=["threads", "in place"])
def executor(request: pytest.FixtureRequest, threads: ThreadPoolExecutor) -> Executor | None:
    """Return what a container gets, for both of its ways."""
    return threads if request.param == "threads" else None


async def happened(event: threading.Event) -> None:
    """Wait for what a thread does."""
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, event.wait, 20)


async def settled(site: Site) -> None:
    """Wait until all that a site does for its requests is done, and logged."""
    await site.server.close_all_connections(timeout=5)


def text_app(environ: Environ, start_response: Any) -> list[bytes]:
    """Answer a line of text."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def answering(
    pieces: Iterable[bytes], status: str = "200 OK", headers: Iterable[tuple[str, str]] = ()
) -> App:
    """Return an application that always answers the same."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return pieces

    return app


def streaming(pieces: Iterable[bytes], headers: Iterable[tuple[str, str]] = ()) -> App:
    """Return an application that always answers the same, piece by piece."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return iter(pieces)

    return app


class Pieces:
    """An iterable with a `close`, which tells what becomes of it."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._iterator = iter(source)
        self.count = 0
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self._iterator)
        self.count += 1
        return piece

    def close(self) -> None:
        """Take note."""
        self.closed.set()


# -- environ -----------------------------------------------------------------------------


def dump(environ: Environ, start_response: Any) -> list[bytes]:
    """Answer the environ as JSON."""
    body = json.dumps({k: v for k, v in environ.items() if isinstance(v, (str, bool))}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


@pytest.mark.feature("P04")
@pytest.mark.parametrize(
    ("fields", "expected", "absent"),
    [
        ("X-One: 1\r\n", {"HTTP_X_ONE": "1"}, []),
        ("X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n", {"HTTP_X_A": "1,3", "HTTP_X_B": "2"}, []),
        ("Cookie: a=b\r\nCookie: c=d\r\n", {"HTTP_COOKIE": "a=b; c=d"}, []),
        ("Content-Type: a/b\r\n", {"CONTENT_TYPE": "a/b"}, ["HTTP_CONTENT_TYPE"]),
        ("X-L: caf\xe9\r\n", {"HTTP_X_L": "caf\xe9"}, []),
        ("", {"HTTP_HOST": "h"}, ["CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_LENGTH"]),
        # httpoxy, CVE-2016-5386
        ("Proxy: http://evil\r\npRoXy: x\r\n", {}, ["HTTP_PROXY"]),
        # As gunicorn 22: an underscore would alias the dash.
        ("X_Forwarded_For: 1.2.3.4\r\n", {}, ["HTTP_X_FORWARDED_FOR"]),
        (
            "X-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 2.2.2.2\r\n",
            {"HTTP_X_FORWARDED_FOR": "1.1.1.1"},
            [],
        ),
        ("Content_Length: 5\r\nContent_Type: x/y\r\n", {}, ["CONTENT_LENGTH", "CONTENT_TYPE"]),
    ],
)
async def test_headers_become_variables(
    serve: Serve, executor: Executor | None, fields: str, expected: Environ, absent: list[str]
) -> None:
    """No header passes for another: httpoxy (CVE-2016-5386, CVE-2016-1000111), underscores."""
    site = serve(WSGIContainer(validator(dump), executor))
    environ = json.loads((await site.get("/", fields)).body)
    assert {name: environ[name] for name in expected} == expected
    assert [name for name in absent if name in environ] == []


@pytest.mark.parametrize(
    ("target", "mount", "expected"),
    [
        ("/", "", ("", "/", "")),
        ("/a/b?c=d&e", "", ("", "/a/b", "c=d&e")),
        ("/a%20b%2Fc%3F?q=%20", "", ("", "/a b/c?", "q=%20")),
        ("/%C3%A9/\xe9", "", ("", "/\xc3\xa9/\xe9", "")),
        ("/a+b", "", ("", "/a+b", "")),
        ("http://other:81/x?y", "", ("", "/x", "y")),
        ("/blog", "/blog", ("/blog", "", "")),
        ("/blog/", "/blog", ("/blog", "/", "")),
        ("/bl%6Fg/x?y", "/blog", ("/blog", "/x", "y")),
        ("/bl%C3%B6g/x", "/blög", ("/bl\xc3\xb6g", "/x", "")),
    ],
)
async def test_the_path_is_what_its_bytes_say(
    serve: Serve,
    threads: ThreadPoolExecutor,
    target: str,
    mount: str,
    expected: tuple[str, str, str],
) -> None:
    site = serve(WSGIContainer(validator(dump), threads, mount=mount))
    environ = json.loads((await site.get(target)).body)
    seen = (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"])
    assert seen == expected
    assert environ["REQUEST_URI"] == environ["RAW_URI"]
    assert environ["REQUEST_URI"] == target.removeprefix("http://other:81")


async def test_what_else_an_environ_says(serve: Serve, executor: Executor | None) -> None:
    site = serve(WSGIContainer(validator(dump), executor))
    client = await site.client()
    request = b"PUT / HTTP/1.0\r\nHost: example.com:8080\r\nContent-Length: 2\r\n\r\nab"
    environ = json.loads((await client.ask(request)).body)
    expected = {
        "REQUEST_METHOD": "PUT",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": str(client.sock.getsockname()[1]),
        "CONTENT_LENGTH": "2",
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.multithread": executor is not None,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    assert {name: environ[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("host", "protocol", "expected"),
    [
        ("h", "http", ("h", "80")),
        ("h", "https", ("h", "443")),
        ("h:1", "https", ("h", "1")),
        ("[::1]:8000", "http", ("[::1]", "8000")),
        ("[::1]", "http", ("[::1]", "80")),
    ],
)
def test_the_server_is_the_one_that_was_asked(
    host: str, protocol: str, expected: tuple[str, str]
) -> None:
    request = HTTPServerRequest("GET", "/", host=host)
    request.protocol = protocol
    environ = WSGIContainer(text_app).environ(request)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == expected
    assert environ["wsgi.url_scheme"] == protocol


def test_the_environ_of_a_request_made_by_hand() -> None:
    """It has a body, a path with characters beyond ISO 8859-1, and no connection."""
    request = HTTPServerRequest("POST", "/\u20ac?q", headers=HTTPHeaders({"A": "b"}), body=b"xy")
    environ = WSGIContainer(text_app).environ(request)
    assert environ["wsgi.input"].read() == b"xy"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/\u20ac"
    assert (environ["REMOTE_ADDR"], environ["HTTP_A"]) == ("", "b")
    assert "REMOTE_PORT" not in environ


def test_bytes_become_text_with_a_character_each() -> None:
    assert to_wsgi_str(b"a\xe9\xff") == "a\xe9\xff"
    with pytest.raises(TypeError, match="bytes, not str"):
        to_wsgi_str("a")  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["/", "/blogs", "/blo", "/x/blog", "/blog%00", "/BLOG"])
async def test_what_lies_outside_of_the_mount_is_not_found(
    serve: Serve, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor, target: str
) -> None:
    container = WSGIContainer(text_app, threads, mount="/blog")
    assert (await serve(container).get(target)).status == 404
    expect_log(caplog, "toolkit.access", "404 GET ")
    with pytest.raises(ValueError, match="lies outside"):
        container.environ(HTTPServerRequest("GET", target))


@pytest.mark.parametrize("mount", ["blog", "/", "/blog/"])
def test_a_mount_is_a_path(mount: str) -> None:
    with pytest.raises(ValueError, match="'/blog' is allowed"):
        WSGIContainer(text_app, mount=mount)


async def test_a_target_without_a_path(
    serve: Serve, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    """``*`` has no path; CONNECT is refused, for a 2xx would make a tunnel of the connection."""
    site = serve(WSGIContainer(validator(dump), threads))
    answer = await site.ask(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
    environ = json.loads(answer.body)
    assert (environ["PATH_INFO"], environ["REQUEST_URI"]) == ("", "*")
    answer = await site.ask(b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n")
    assert answer.status == 501
    expect_log(caplog, "toolkit.access", "501 CONNECT")


# -- answers -----------------------------------------------------------------------------


@pytest.mark.feature("P04")
@pytest.mark.parametrize(
    ("method", "app", "status", "length", "body"),
    [
        ("GET", text_app, 200, "5", b"hello"),
        ("HEAD", text_app, 200, "5", b""),
        ("GET", answering([]), 200, "0", b""),
        ("HEAD", answering([]), 200, None, b""),
        ("GET", answering((b"a", b"", b"b")), 200, "2", b"ab"),
        ("GET", answering([b"ab", b"c"], headers=[("Content-Length", "3")]), 200, "3", b"abc"),
        ("HEAD", answering([], headers=[("Content-Length", "7")]), 200, "7", b""),
        ("HEAD", answering([b"x"] * 3, headers=[("Content-Length", "3")]), 200, "3", b""),
        ("GET", answering([b"x" * 50_000] * 3), 200, "150000", b"x" * 150_000),
        ("HEAD", answering([b"x" * 50_000] * 3), 200, "150000", b""),
        ("GET", answering([b"x" * 150_000]), 200, "150000", b"x" * 150_000),
        ("GET", answering([], "204 No Content"), 204, None, b""),
        ("GET", answering([b"x"], "204 Gone", [("Content-Length", "0")]), 204, None, b""),
        ("GET", answering([b"x"], "205 Reset"), 205, "0", b""),
        ("GET", answering([], "304 Not Modified", [("ETag", '"a"')]), 304, None, b""),
        ("GET", answering([b"x"], "304 Same", [("Content-Length", "9")]), 304, "9", b""),
        ("GET", answering([b"x"], "299 H\xf6m"), 299, "1", b"x"),
    ],
)
async def test_answers_that_are_all_there(
    serve: Serve,
    executor: Executor | None,
    method: str,
    app: App,
    status: int,
    length: str | None,
    body: bytes,
) -> None:
    """The connection goes on after each."""
    client = await serve(WSGIContainer(app, executor)).client()
    for _ in range(2):
        answer = await client.ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert (answer.status, answer.get("content-length"), answer.body) == (status, length, body)
        assert answer.keep_alive


@pytest.mark.parametrize(
    ("app", "body"),
    [
        (streaming([b"a", b"", b"b"]), b"ab"),
        (streaming([]), b""),
        (streaming([b""]), b""),
        (streaming([b"ab"], headers=[("Content-Length", "2")]), b"ab"),
        (validator(streaming([b"x" * 70_000] * 9, headers=TEXT)), b"x" * 630_000),
    ],
)
async def test_answers_of_an_iterator(
    serve: Serve, executor: Executor | None, app: App, body: bytes
) -> None:
    for version in ("1.1", "1.0"):
        site = serve(WSGIContainer(app, executor))
        answer = await site.ask(f"GET / HTTP/{version}\r\nHost: h\r\n\r\n".encode())
        assert (answer.status, answer.body) == (200, body)


async def test_the_answer_to_head_ends_an_endless_iterator(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    pieces = Pieces(iter(lambda: b"x" * 1000, b""))
    site = serve(WSGIContainer(answering(pieces), threads))
    answer = await site.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer.status, answer.body, pieces.count) == (200, b"", 1)
    await happened(pieces.closed)


async def test_start_response_may_come_with_the_first_piece(
    serve: Serve, caplog: pytest.LogCaptureFixture, executor: Executor | None
) -> None:
    """Up to the first byte it may also change its mind, with exc_info."""

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("X-Old", "1")])
        yield b""
        try:
            raise LookupError
        except LookupError as error:
            start_response("404 Nothing", TEXT, (LookupError, error, error.__traceback__))
        yield b"nothing"

    site = serve(WSGIContainer(app, executor))
    answer = await site.get()
    await settled(site)
    expect_log(caplog, "toolkit.access", "404 GET")
    assert (answer.status, answer.reason, answer.get("x-old")) == (404, "Nothing", None)
    assert answer.text == "nothing"


@pytest.mark.feature("P04")
async def test_write_sends_what_it_is_given(serve: Serve, executor: Executor | None) -> None:
    def app(environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one ")
        write(b"")
        write(b"two ")
        return [b"three"]

    assert (await serve(WSGIContainer(validator(app), executor)).get()).text == "one two three"


async def test_headers_as_they_arrive(serve: Serve, executor: Executor | None) -> None:
    """Cookies stay apart, what concerns the connection is the server's, and it says its name."""
    headers = [
        ("Set-Cookie", "a=b"),
        ("Set-Cookie", "c=d"),
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "timeout=5"),
        ("Connection", "keep-alive"),
        ("Upgrade", "h2c"),
        ("X-Caf\x21", "caf\xe9"),
    ]
    answer = await serve(WSGIContainer(answering([b"x"], headers=headers), executor)).get()
    assert answer.all("set-cookie") == ["a=b", "c=d"]
    assert (answer.get("x-caf!"), answer.get("content-length")) == ("caf\xe9", "1")
    assert [answer.get(name) for name in ("upgrade", "keep-alive", "transfer-encoding")] == [
        None
    ] * 3
    assert (answer.get("server") or "").startswith("toolkit/")
    assert answer.get("date")


async def test_an_application_has_the_last_word_on_server_date_and_close(
    serve: Serve, executor: Executor | None
) -> None:
    headers = [("Server", "mine"), ("Date", "today"), ("Connection", "close")]
    answer = await serve(WSGIContainer(answering([b"x"], headers=headers), executor)).get()
    assert [answer.get(name) for name in ("server", "date")] == ["mine", "today"]
    assert not answer.keep_alive


@pytest.mark.feature("P04")
async def test_a_file_is_sent_in_blocks_and_closed(serve: Serve, executor: Executor | None) -> None:
    sizes: list[int] = []

    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            sizes.append(size or 0)
            return super().read(size)

    file = File(b"f" * 200_000)

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "200000")])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file, 8192)
        return wrapped

    answer = await serve(WSGIContainer(app, executor)).get()
    assert answer.body == b"f" * 200_000
    while not file.closed:
        await turns(1)  # Its thread may still be about to find the end.
    assert sizes == [65_536] * 5


def test_a_wrapped_file_needs_no_close() -> None:
    class Source:
        def read(self, size: int) -> bytes:
            return b""

    wrapper = FileWrapper(Source())
    assert list(wrapper) == []
    assert not hasattr(wrapper, "close")


# -- errors ------------------------------------------------------------------------------


def raising(environ: Environ, start_response: Any) -> list[bytes]:
    """Fail at once."""
    raise LookupError("broken")


def raising_exit(environ: Environ, start_response: Any) -> list[bytes]:
    """Leave, as a program does."""
    raise SystemExit(1)


def late(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Fail before the first byte."""
    start_response("200 OK", [])
    yield b""
    raise LookupError("broken")


def twice(environ: Environ, start_response: Any) -> list[bytes]:
    """Start twice."""
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def silent(environ: Environ, start_response: Any) -> list[bytes]:
    """Answer without a start."""
    return [b"x"]


def silent_iterator(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Answer without a start, and without a byte."""
    yield b""


def nothing(environ: Environ, start_response: Any) -> None:
    """Return no iterable."""
    start_response("200 OK", [])


BROKEN: list[tuple[Any, str]] = [
    (raising, "LookupError: broken"),
    (late, "LookupError: broken"),
    (twice, "called before, and now without exc_info"),
    (silent, "before it has called start_response"),
    (silent_iterator, "before it has called start_response"),
    (nothing, "TypeError"),
    (answering([], 200), "str such as '200 OK'"),  # type: ignore[arg-type]
    (answering([], "OK"), "from 200, is allowed"),
    (answering([], "101 Switching"), "from 200, is allowed"),
    (answering([], "1000 Much"), "from 200, is allowed"),
    (answering([], "200 OK\r\nX: y"), "from 200, is allowed"),
    (answering([], "200 \u20ac"), "from 200, is allowed"),
    (answering([], headers=[("A", 1)]), "both have to be str"),  # type: ignore[list-item]
    (answering([], headers=[(b"A", "b")]), "both have to be str"),  # type: ignore[list-item]
    (answering([], headers=[("A", "b\r\nC: d")]), "control character"),
    (answering([], headers=[("A\nB", "c")]), "a token is allowed"),
    (answering([], headers=[("A", "\u20ac")]), "header value"),
    (answering([], headers=[("Content-Length", "+5")]), "one number is allowed"),
    (answering([b"x"] * 2, headers=[("Content-Length", "1")] * 2), "one number is allowed"),
    (answering([b"xy"], headers=[("Content-Length", "1")]), "answers 2 bytes, told as 1"),
    (answering([b"xy"], headers=[("Content-Length", "3")]), "answers 2 bytes, told as 3"),
    (streaming([b"xy"], headers=[("Content-Length", "1")]), "1 bytes more"),
    (streaming([], headers=[("Content-Length", "1")]), "1 bytes less"),
    (answering(["text"]), "TypeError"),  # type: ignore[list-item]
    (streaming(["text"]), "answers str; bytes are allowed"),  # type: ignore[arg-type]
]


@pytest.mark.feature("P04")
@pytest.mark.parametrize(("app", "pattern"), BROKEN)
async def test_a_broken_application_is_answered_500_and_logged_once(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    executor: Executor | None,
    app: Any,
    pattern: str,
) -> None:
    """The connection goes on: nothing of a broken answer has left."""
    client = await serve(WSGIContainer(app, executor)).client()
    answer = await client.get("/path")
    assert (answer.status, answer.keep_alive) == (500, True)
    assert "broken" not in answer.text
    (record,) = expect_log(caplog, "toolkit.application", r"Uncaught exception in GET /path \(127")
    assert record.exc_info
    assert pattern in caplog.text
    expect_log(caplog, "toolkit.access", "500 GET /path")


async def test_an_application_that_leaves_does_not_end_the_server(
    serve: Serve, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    client = await serve(WSGIContainer(raising_exit, threads)).client()
    assert [(await client.get()).status for _ in range(2)] == [500, 500]
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")
    expect_log(caplog, "toolkit.access", "500 GET")


def broken_late(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Fail in the middle."""
    start_response("200 OK", [])
    yield b"begun"
    raise LookupError("broken")


def short(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Answer less than was told."""
    start_response("200 OK", [("Content-Length", "9")])
    yield b"begun"


def long(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Answer more than was told."""
    start_response("200 OK", [("Content-Length", "5")])
    yield b"begun"
    yield b"x"


def restarting(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Want another head after the first byte, which raises what is the matter."""
    start_response("200 OK", [])
    yield b"begun"
    try:
        raise LookupError("the reason")
    except LookupError as error:
        start_response("500 Broken", [], (LookupError, error, error.__traceback__))
    raise AssertionError("not reached")


@pytest.mark.parametrize(
    ("app", "pattern"),
    [
        (broken_late, "LookupError: broken"),
        (short, "4 bytes less"),
        (long, "1 bytes more"),
        (restarting, "LookupError: the reason"),
    ],
)
async def test_an_answer_that_breaks_is_cut_off(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    threads: ThreadPoolExecutor,
    app: App,
    pattern: str,
) -> None:
    """The client sees that it is not whole, unless it has had all that was told."""
    client = await serve(WSGIContainer(app, threads)).client()
    await client.send(get())
    raw = await client.read_to_end()
    assert raw.endswith(b"begun" if b"Content-Length" in raw else b"begun\r\n") or raw == b""
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")
    assert pattern in caplog.text


async def test_an_answer_gathered_before_it_breaks_is_not_sent(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await serve(WSGIContainer(broken_late)).get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")
    expect_log(caplog, "toolkit.access", "500 GET")


@pytest.mark.feature("P04")
@pytest.mark.parametrize(
    "source", [[b"x"], [], [b"", b"x" * 100_000], [b"x", "no bytes"], [b"", "no bytes"]]
)
async def test_what_an_application_returns_is_always_closed(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    executor: Executor | None,
    source: list[Any],
) -> None:
    pieces = Pieces(source)
    site = serve(WSGIContainer(answering(pieces), executor))
    client = await site.client()
    await client.send(get("/", "Connection: close\r\n"))
    await client.read_to_end()
    await happened(pieces.closed)
    await settled(site)
    if "no bytes" in source:
        expect_log(caplog, "toolkit.application", "Uncaught exception in GET")
        if source[0] == b"" or executor is None:
            expect_log(caplog, "toolkit.access", "500 GET")


async def test_an_answer_is_whole_although_its_close_fails(
    serve: Serve, caplog: pytest.LogCaptureFixture, executor: Executor | None
) -> None:
    class Pieces(list[bytes]):
        def close(self) -> None:
            raise LookupError("broken")

    site = serve(WSGIContainer(answering(Pieces([b"x"])), executor))
    client = await site.client()
    assert [(await client.get()).text for _ in range(2)] == ["x", "x"]
    await settled(site)
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")


@pytest.mark.feature("P04")
async def test_wsgi_errors_is_the_log_of_the_application(
    serve: Serve, caplog: pytest.LogCaptureFixture, executor: Executor | None
) -> None:
    """Line by line; what has no end is logged with the request."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        errors = environ["wsgi.errors"]
        errors.write("one ")
        errors.writelines(["line\n", "two"])
        errors.flush()
        errors.write("\n\nthree")
        return text_app(environ, start_response)

    site = serve(WSGIContainer(validator(app), executor))
    await site.get()
    await settled(site)
    records = expect_log(caplog, "toolkit.application", "")
    assert [record.getMessage() for record in records] == ["one line", "two", "three"]


async def test_nothing_is_written_behind_the_end(
    serve: Serve, caplog: pytest.LogCaptureFixture, executor: Executor | None
) -> None:
    """The client does not notice: its answer is whole."""

    class Late(list[bytes]):
        write: Callable[[bytes], None]

        def close(self) -> None:
            self.write(b"more")

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        pieces = Late([b"whole"])
        pieces.write = start_response("200 OK", [])
        return pieces

    site = serve(WSGIContainer(app, executor))
    client = await site.client()
    assert [(await client.get()).text for _ in range(2)] == ["whole"] * 2
    await settled(site)
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")
    assert "after the end of its answer" in caplog.text


async def test_a_server_with_an_access_log_writes_the_only_line(
    serve: Serve, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    caplog.set_level("INFO")
    site = serve(WSGIContainer(answering([], "404 No"), threads), access_log="json")
    assert (await site.get("/one")).status == 404
    await settled(site)
    lines = [record for record in caplog.records if "/one" in record.getMessage()]
    for record in lines:
        record.claimed = True
    assert len(lines) == 1


async def test_an_executor_that_was_shut_down(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    assert (await serve(WSGIContainer(text_app, executor)).get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception serving GET /")
    expect_log(caplog, "toolkit.access", "500 GET")


# -- the request's content ---------------------------------------------------------------

LINES = [b"one\n", b"two\n", b"x" * 100_000 + b"\n", b"end"]
CONTENT = b"".join(LINES)


def chunked(content: bytes, size: int = 30_000, fields: str = "") -> bytes:
    """Write a POST request with its content in chunks."""
    head = f"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{fields}\r\n"
    raw = head.encode()
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        raw += b"%x\r\n%b\r\n" % (len(piece), piece)
    return raw + b"0\r\n\r\n"


def pieces_of(read: Callable[[], bytes]) -> list[bytes]:
    """Call until there is no more."""
    return list(iter(read, b""))


WAYS: dict[str, Callable[[Any], list[bytes]]] = {
    "read": lambda source: [source.read()],
    "read -1": lambda source: [source.read(-1)],
    "read all": lambda source: [source.read(1_000_000), source.read(1), source.read()],
    "read some": lambda source: pieces_of(lambda: source.read(1000)),
    "read1": lambda source: pieces_of(lambda: source.read1(4096)),
    "readline": lambda source: pieces_of(source.readline),
    "readline some": lambda source: pieces_of(lambda: source.readline(10)),
    "readlines": lambda source: source.readlines(),
    "iterate": lambda source: list(source),
    "line, then rest": lambda source: [source.readline(), source.read()],
    "piece, then rest": lambda source: [source.read(10), source.read(), source.read()],
    "hint": lambda source: [*source.readlines(5), *source.readlines(1), *source],
}


@pytest.mark.feature("P04")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("request_of", [lambda c: post("/", c), chunked], ids=["length", "chunks"])
@pytest.mark.parametrize("content", [CONTENT, b"short\nlines", b""], ids=["long", "short", "none"])
async def test_the_content_is_read_as_a_file(
    serve: Serve,
    executor: Executor | None,
    way: str,
    request_of: Callable[[bytes], bytes],
    content: bytes,
) -> None:
    seen: list[bytes] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        seen[:] = WAYS[way](environ["wsgi.input"])
        return text_app(environ, start_response)

    client = await serve(WSGIContainer(app, executor)).client()
    for _ in range(2):
        assert (await client.ask(request_of(content))).text == "hello"
        assert b"".join(seen) == content
        if way in ("readline", "readlines", "iterate"):
            assert seen == content.splitlines(keepends=True)


async def test_a_validated_application_reads_and_answers(
    serve: Serve, executor: Executor | None
) -> None:
    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        source = environ["wsgi.input"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield source.read(10)
        yield source.readline()
        yield from source

    site = serve(WSGIContainer(validator(app), executor))
    answer = await site.ask(post("/", CONTENT, "Content-Type: text/plain\r\n"))
    assert answer.body == CONTENT


@pytest.mark.feature("P04")
async def test_content_and_answer_stream_by_turns(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    """Each piece is answered before the client has sent the next."""

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"ready"
        while piece := environ["wsgi.input"].read1(100):
            yield piece.upper()

    client = await serve(WSGIContainer(app, threads)).client()
    await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    received = b""
    for sent, expected in [(b"", b"ready"), (b"abc", b"ABC"), (b"def", b"DEF")]:
        if sent:
            await client.send(b"%x\r\n%b\r\n" % (len(sent), sent))
        while expected not in received:
            received += await client.read()
    await client.send(b"0\r\n\r\n")
    while not received.endswith(b"\r\n0\r\n\r\n"):
        received += await client.read()


async def test_content_that_nobody_reads_stays_with_its_sender(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    """The client waits until the application reads, and the answer comes all the same."""
    release = threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        assert release.wait(20)
        size = sum(len(piece) for piece in iter(lambda: environ["wsgi.input"].read(65_536), b""))
        start_response("200 OK", [])
        return [str(size).encode()]

    container = WSGIContainer(app, threads)
    client = await serve(container, receive_buffer=64 * 1024).client()
    await client.send(f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {STREAM}\r\n\r\n".encode())
    sent = 0

    async def upload() -> None:
        nonlocal sent
        while sent < STREAM:
            await client.send(b"x" * 65_536)
            sent += 65_536

    task = asyncio.create_task(upload())
    before = -1
    while before != sent:
        before = sent
        await turns(200)
    assert sent < BOUND
    release.set()
    await task
    assert (await client.answer("POST")).text == str(STREAM)


async def test_a_client_that_sends_slowly_keeps_no_thread(serve: Serve) -> None:
    """Content that is short is there before a thread is taken."""
    begun = threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            begun.set()
            environ["wsgi.input"].read()
        return text_app(environ, start_response)

    with ThreadPoolExecutor(1) as executor:
        site = serve(WSGIContainer(app, executor))
        slow = await site.client()
        await slow.send(post("/", b"0123456789")[:-1])
        await turns()
        assert (await site.get()).text == "hello"
        assert not begun.is_set()
        await slow.send(b"9")
        assert (await slow.answer("POST")).text == "hello"


@pytest.mark.parametrize("size", [5, 100_000])
async def test_a_100_is_sent_when_the_application_reads(
    serve: Serve, threads: ThreadPoolExecutor, size: int
) -> None:
    """And not to one that answers without reading."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/read":
            return [str(len(environ["wsgi.input"].read())).encode()]
        return [b"refused"]

    site = serve(WSGIContainer(app, threads))
    fields = "Expect: 100-continue\r\n"
    client = await site.client()
    await client.send(post("/read", b"x" * size, fields)[:-size])
    assert (await client.answer("POST", interim=True)).status == 100
    await client.send(b"x" * size)
    assert (await client.answer("POST")).text == str(size)
    client = await site.client()
    await client.send(post("/", b"x" * size, fields)[:-size])
    answer = await client.answer("POST", interim=True)
    assert (answer.status, answer.text, answer.keep_alive) == (200, "refused", False)


LARGE = b"x" * 100_000


@pytest.mark.feature("P04")
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (post("/", LARGE), 413),
        (chunked(LARGE), 413),
        (post("/", LARGE[:50_000]), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ],
)
@pytest.mark.parametrize("kind", ["passes", "answers"])
async def test_content_that_cannot_be_read(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    executor: Executor | None,
    raw: bytes,
    status: int,
    kind: str,
) -> None:
    """The application gets an OSError; if it lets it pass, the client is told the reason."""
    errors: list[OSError] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        source = environ["wsgi.input"]
        for _ in range(2):
            with pytest.raises(ContentError) as caught:
                list(iter(lambda: source.read(1000), b""))
            errors.append(caught.value)
        if kind == "passes":
            source.read()
        start_response("422 No", [])
        return [b"no"]

    container = WSGIContainer(app, executor)

    class Limited:
        def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
            exchange.set_max_body(40_000)
            return container.handle_exchange(exchange)

    site = serve(Limited())
    answer = await site.ask(raw)
    await settled(site)
    streamed = executor is not None and not (status == 413 and b"50000" in raw[:100])
    if not streamed or kind == "passes":
        assert answer.status == status
        expect_log(caplog, "toolkit.access", f"{status} POST")
    else:
        assert (answer.status, answer.text) == (422, "no")
        assert [getattr(error, "status", 0) for error in errors] == [status] * 2
        expect_log(caplog, "toolkit.access", "422 POST")
    assert not answer.keep_alive


async def test_content_that_does_not_come(
    serve: Serve, caplog: pytest.LogCaptureFixture, executor: Executor | None
) -> None:
    """The time-out of the server ends the waiting."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        raise AssertionError("not reached")

    site = serve(WSGIContainer(app, executor), body_timeout=0.05)
    client = await site.client()
    await client.send(post("/", LARGE)[:1000])
    assert (await client.answer("POST")).status == 408
    expect_log(caplog, "toolkit.access", "408 POST")


# -- how a request ends early ------------------------------------------------------------


class Reader:
    """An application that reads to the end of the content, and what comes of that."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.errors: list[BaseException] = []

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read(10)
            self.begun.set()
            environ["wsgi.input"].read()
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            self.ended.set()
        start_response("200 OK", [])
        return [b"read"]


class Writer:
    """An application that answers without end, and what comes of that."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.errors: list[BaseException] = []
        self.sent = 0

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        try:
            while True:
                write(b"x" * 65_536)
                self.sent += 65_536
                if self.sent > 131_072:
                    self.begun.set()
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            self.ended.set()


async def start_reading(client: Client, app: Reader) -> None:
    """Have a thread wait for content."""
    await client.send(post("/", LARGE)[:1000])
    await happened(app.begun)


async def start_writing(client: Client, app: Writer) -> None:
    """Have a thread wait for its client to take something."""
    await client.send(get())
    await happened(app.begun)
    before = -1
    while before != app.sent:
        before = app.sent
        await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 0.02)
    assert app.sent < BOUND


@pytest.mark.feature("P04")
@pytest.mark.parametrize("leave", [Client.shut, Client.reset])
async def test_a_client_that_leaves_ends_the_reading(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    threads: ThreadPoolExecutor,
    leave: Callable[[Client], None],
) -> None:
    """The application gets an OSError, which is not logged when it comes out again.

    One that has only closed its way out is told what is missing.
    """
    app = Reader()
    site = serve(WSGIContainer(app, threads))
    client = await site.client()
    await start_reading(client, app)
    leave(client)
    await happened(app.ended)
    assert isinstance(app.errors[0], OSError)
    if leave is Client.shut:
        assert (await client.answer("POST")).status == 400
        await settled(site)
        expect_log(caplog, "toolkit.access", "400 POST")


@pytest.mark.feature("P04")
async def test_a_client_that_takes_nothing_stops_the_thread(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    """Until it leaves, which the application learns from an OSError."""
    app = Writer()
    client = await serve(WSGIContainer(app, threads)).client(receive_buffer=65_536)
    await start_writing(client, app)
    client.reset()
    await happened(app.ended)
    assert isinstance(app.errors[0], OSError)


async def test_an_iterable_is_closed_when_the_client_leaves(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    pieces = Pieces(iter(lambda: b"x" * 65_536, b""))
    client = await serve(WSGIContainer(answering(pieces), threads)).client()
    await client.send(get())
    await client.read()
    client.reset()
    await happened(pieces.closed)


async def test_all_of_a_slow_stream_arrives(serve: Serve, threads: ThreadPoolExecutor) -> None:
    pieces = Pieces(bytes([number % 251]) * 65_536 for number in range(300))
    client = await serve(WSGIContainer(answering(pieces), threads)).client(65_536)
    answer = await client.get()
    assert answer.body == b"".join(bytes([number % 251]) * 65_536 for number in range(300))


async def test_a_client_that_leaves_before_a_thread_was_taken(
    serve: Serve, executor: Executor | None
) -> None:
    """Nothing is run for it, and nothing logged."""
    calls: list[Environ] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        calls.append(environ)
        return text_app(environ, start_response)

    site = serve(WSGIContainer(app, executor))
    client = await site.client()
    await client.send(post("/", b"0123456789")[:-1])
    await turns()
    client.reset()
    await settled(site)
    assert calls == []


async def test_a_client_that_has_closed_its_way_out_is_answered(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    release = threading.Event()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one "
        assert release.wait(20)
        yield b"two"

    client = await serve(WSGIContainer(app, threads)).client()
    await client.send(get())
    client.shut()
    await turns()
    release.set()
    assert (await client.answer()).text == "one two"


@pytest.mark.feature("P04")
@pytest.mark.parametrize("app_class", [Reader, Writer])
async def test_a_server_that_stops_ends_the_waiting_of_threads(
    serve: Serve, threads: ThreadPoolExecutor, app_class: type[Any]
) -> None:
    """At its deadline the handlers are cancelled; no thread is waited for."""
    app = app_class()
    site = serve(WSGIContainer(app, threads))
    client = await site.client(receive_buffer=65_536)
    await (start_reading if app_class is Reader else start_writing)(client, app)
    await site.server.close_all_connections(timeout=0.01)
    await happened(app.ended)
    assert isinstance(app.errors[0], OSError)


@pytest.mark.feature("P04")
async def test_a_deadline_of_the_server_ends_the_waiting_of_a_thread(
    serve: Serve, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    """The client is told 503 instead of an answer."""
    app = Reader()
    site = serve(WSGIContainer(app, threads), response_timeout=0.2)
    client = await site.client()
    await start_reading(client, app)
    assert (await client.answer("POST")).status == 503
    await happened(app.ended)
    assert isinstance(app.errors[0], OSError)
    expect_log(caplog, "toolkit.general", "No answer in time")


async def test_a_thread_that_goes_on_does_not_hold_the_server(
    serve: Serve, caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    """What it raises of its own is logged, however late."""
    begun, release = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        begun.set()
        release.wait(20)
        raise LookupError("late")

    site = serve(WSGIContainer(app, threads))
    client = await site.client()
    await client.send(get())
    await happened(begun)
    await site.server.close_all_connections(timeout=0.01)
    assert not release.is_set()
    release.set()
    await asyncio.get_running_loop().run_in_executor(None, threads.shutdown)
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")


async def test_a_request_that_waits_for_a_thread_is_not_begun_once_cancelled(
    serve: Serve,
) -> None:
    begun, release = threading.Event(), threading.Event()
    calls: list[str] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        calls.append(environ["PATH_INFO"])
        begun.set()
        release.wait(20)
        return text_app(environ, start_response)

    with ThreadPoolExecutor(1) as executor:
        site = serve(WSGIContainer(app, executor))
        for target in ("/one", "/two"):
            client = await site.client()
            await client.send(get(target))
            await happened(begun)
        await turns()
        await site.server.close_all_connections(timeout=0.01)
        release.set()
    assert calls == ["/one"]


@pytest.mark.parametrize("ends", ["stops", "closes"])
def test_a_loop_that_is_gone_lets_its_threads_go(loop_name: str, ends: str) -> None:
    """Nobody has cancelled anything, as when a program just ends."""
    app = Reader()

    class Content:
        """An exchange's content that never comes."""

        def __aiter__(self) -> "Content":
            return self

        async def __anext__(self) -> bytes:
            if not app.begun.is_set():
                return b"x" * 10
            await asyncio.Event().wait()
            raise AssertionError("not reached")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        request = HTTPServerRequest("POST", "/", connection=Recorder())
        container = WSGIContainer(app, threads)
        port: Any = type("Nowhere", (), {"status": 0})()
        task = loop.create_task(container._serve(request, port, Content()))
        kept.append(task)
        while not app.begun.is_set():
            await asyncio.sleep(0)
        await turns()

    kept: list[Any] = []
    loop = FACTORIES[loop_name]()
    with ThreadPoolExecutor(1) as threads:
        loop.run_until_complete(main())
        assert not app.ended.is_set()
        if ends == "closes":
            loop.close()
        assert app.ended.wait(20)
    assert isinstance(app.errors[0], OSError)
    if ends == "stops":
        kept[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(kept[0])
        loop.close()
    else:
        # Nothing will ever run it to its end.
        kept[0]._log_destroy_pending = False


def test_a_loop_that_was_closed_takes_nothing_more(loop_name: str) -> None:
    """A thread that comes to it later gets an OSError as well."""

    async def main() -> Bridge:
        port: Any = type("Nowhere", (), {"status": 0})()
        return Bridge(port, None)

    loop = FACTORIES[loop_name]()
    bridge = loop.run_until_complete(main())
    loop.close()
    for _ in range(2):
        with pytest.raises(OSError):
            bridge.put(None, b"x", False)
        with pytest.raises(OSError):
            bridge.read()


async def test_an_executor_of_the_same_thread_is_no_dead_lock(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """What would have to wait for the loop is refused; the rest works."""

    class Here(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
            return dummy_executor.submit(fn, *args, **kwargs)

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        return text_app(environ, start_response)

    client = await serve(WSGIContainer(app, Here())).client()
    assert (await client.get()).text == "hello"
    answer = await client.ask(chunked(b"abc"))
    assert answer.status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception in POST")
    expect_log(caplog, "toolkit.access", "500 POST")
    assert "in the thread of the loop" in caplog.text


async def test_content_kept_beyond_its_request_cannot_be_read(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    kept: list[Any] = []

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        return text_app(environ, start_response)

    client = await serve(WSGIContainer(app, threads)).client()
    await client.ask(post("/", LARGE))
    await client.get()
    with pytest.raises(OSError, match="Stream is closed"):
        await asyncio.get_running_loop().run_in_executor(threads, kept[0].read)


# -- threads -----------------------------------------------------------------------------


@pytest.mark.feature("P04")
async def test_two_hundred_requests_on_four_threads(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    """Each gets its own answer, in as many threads as there are and no more."""
    names: set[str] = set()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        names.add(threading.current_thread().name)
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield environ["PATH_INFO"].encode()
        yield b" " + environ["wsgi.input"].read()

    site = serve(WSGIContainer(app, threads))

    async def one(number: int) -> None:
        content = str(number).encode() * (30_000 if number % 3 else 1)
        request = chunked(content) if number % 2 else post("/", content)
        path = b"/%d" % number
        answer = await site.ask(request.replace(b"POST / ", b"POST %b " % path))
        assert answer.body == path + b" " + content

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(one(number))
    assert 1 <= len(names) <= 4


async def test_other_requests_are_served_while_an_application_waits(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    barrier = threading.Barrier(3, timeout=20)

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"%d" % (barrier.wait() >= 0)

    site = serve(WSGIContainer(app, threads))
    answers = await asyncio.gather(*[site.get() for _ in range(3)])
    assert [answer.text for answer in answers] == ["1"] * 3


async def test_all_of_a_request_runs_in_one_thread_and_one_context(
    serve: Serve, threads: ThreadPoolExecutor
) -> None:
    """Frameworks keep things in both from the call to the `close`."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[tuple[int, str]] = []

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(5):
                seen.append((threading.get_ident(), variable.get()))
                yield b"x" * 20_000

        def close(self) -> None:
            seen.append((threading.get_ident(), variable.get()))

    def app(environ: Environ, start_response: Any) -> Answer:
        assert variable.get() == "unset"
        variable.set(environ["PATH_INFO"])
        start_response("200 OK", [])
        return Answer()

    site = serve(WSGIContainer(app, threads))
    for target in ("/a", "/b"):
        seen.clear()
        await site.get(target)
        assert len(set(seen)) == 1
        assert seen[0][1] == target


# -- by the connection of a request ------------------------------------------------------


class Recorder:
    """A connection as `httputil.HTTPConnection` has it, which keeps what is sent."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.ended = asyncio.Event()

    def _done(self) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def write_headers(
        self, start_line: Any, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> "asyncio.Future[None]":
        """Keep a head."""
        self.calls.append((start_line.code, start_line.reason, headers, chunk))
        return self._done()

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        """Keep content."""
        self.calls.append((chunk,))
        return self._done()

    def finish(self) -> None:
        """Take note of the end."""
        self.calls.append(("finish",))
        self.ended.set()

    def close(self) -> None:
        """Take note of an early end."""
        self.calls.append(("close",))
        self.ended.set()


async def test_a_request_is_answered_by_its_connection(executor: Executor | None) -> None:
    """`handle_request`, and the container as a function, which answers later."""
    container = WSGIContainer(validator(text_app), executor)
    for call in (True, False):
        connection = Recorder()
        request = HTTPServerRequest("GET", "/x", connection=connection)
        if call:
            assert container(request) is None  # type: ignore[func-returns-value]
            assert connection.calls == []
        else:
            await container.handle_request(request)
        await connection.ended.wait()
        status, reason, headers, first = connection.calls[0]
        assert (status, reason, headers["Content-Type"]) == (200, "OK", "text/plain")
        chunks = [call[0] for call in connection.calls[1:-1]]
        assert b"".join([first or b"", *chunks]) == b"hello"
        assert connection.calls[-1] == ("finish",)


@pytest.mark.parametrize("error", [StreamClosedError(), LocalProtocolError("unfit")])
async def test_an_answer_by_a_connection_is_streamed(
    caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor, error: Exception
) -> None:
    """The thread waits for the future of what was written; an error of it ends the answer."""
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pieces = Pieces(iter(lambda: b"x" * 65_536, b""))

    class Slow(Recorder):
        def write_headers(self, *args: Any) -> "asyncio.Future[None]":
            super().write_headers(*args)
            return gate

    connection = Slow()
    request = HTTPServerRequest("GET", "/", connection=connection)
    task = asyncio.create_task(WSGIContainer(answering(pieces), threads).handle_request(request))
    while not connection.calls:
        await asyncio.sleep(0)
    await turns(100)
    assert len(connection.calls) == 1
    assert pieces.count <= 3
    gate.set_exception(error)
    await task
    await happened(pieces.closed)
    if isinstance(error, StreamClosedError):
        assert len(connection.calls) == 1
    else:
        assert connection.calls[1:] == [("close",)]
        expect_log(caplog, "toolkit.application", "Cannot send the answer to GET /")


CALLED = {
    "whole": (text_app, b"hello"),
    "pieces": (streaming([b"a", b"b" * 100_000, b"c"]), b"a" + b"b" * 100_000 + b"c"),
    "told": (streaming([b"abc"], headers=[("Content-Length", "3")]), b"abc"),
    "nothing": (streaming([]), b""),
    "no content": (answering([], "204 None"), b""),
}


@pytest.mark.feature("P04")
@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_container_as_a_function_of_the_request(
    serve: Serve, executor: Executor | None, name: str, method: str
) -> None:
    """The connection goes on after each answer."""
    app, body = CALLED[name]
    container = WSGIContainer(app, executor)
    client = await serve(lambda request: container(request)).client()
    for _ in range(2):
        answer = await client.ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert answer.body == (body if method == "GET" else b"")
        assert answer.keep_alive


@pytest.mark.parametrize(
    ("app", "status"), [(raising, 500), (short, 0), (broken_late, 0), (text_app, 404)]
)
async def test_a_container_as_a_function_that_fails(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    threads: ThreadPoolExecutor,
    app: App,
    status: int,
) -> None:
    container = WSGIContainer(app, threads, mount="/x" if status == 404 else "")
    client = await serve(lambda request: container(request)).client()
    await client.send(get("/", "Connection: close\r\n"))
    raw = await client.read_to_end()
    if status:
        assert raw.startswith(b"HTTP/1.1 %d " % status)
        expect_log(caplog, "toolkit.access", f"{status} GET")
    else:
        assert not raw.endswith((b"0\r\n\r\n", b"begunbegun"))
    if app is not text_app:
        expect_log(caplog, "toolkit.application", "Uncaught exception in GET")


async def test_an_answer_by_a_connection_that_breaks_is_closed(
    caplog: pytest.LogCaptureFixture, threads: ThreadPoolExecutor
) -> None:
    connection = Recorder()
    request = HTTPServerRequest("GET", "/", connection=connection)
    await WSGIContainer(broken_late, threads).handle_request(request)
    assert connection.calls[-1] == ("close",)
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")


async def test_content_of_a_request_is_read_from_its_body(executor: Executor | None) -> None:
    connection = Recorder()
    request = HTTPServerRequest("POST", "/", body=b"content", connection=connection)

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    await WSGIContainer(app, executor).handle_request(request)
    assert connection.calls[0][3] == b"content"
