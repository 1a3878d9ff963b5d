"""What programs written for Tornado rely on beyond what its documentation promises.

Each was found in a program that people use: dask.distributed, Bokeh, the Jupyter server, webssh.
`tests/peers/test_programs.py` runs some of them.
"""

import asyncio
import errno
import time
from typing import Any

import pytest

from tests.http.client import Serve, get
from tests.http.conftest import serve as serve
from tests.loops import expect_log
from toolkit import gen, iostream, locks, queues, routing, web
from toolkit.httputil import HTTPMessageDelegate, HTTPServerRequest
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.netutil import bind_sockets
from toolkit.tcpclient import TCPClient
from toolkit.tcpserver import TCPServer
from toolkit.websocket import WebSocketHandler, websocket_connect


class Says(web.RequestHandler):
    """Answers with a text."""

    def initialize(self, text: str = "own") -> None:
        self.text = text

    def get(self, *groups: str) -> None:
        self.write(" ".join([self.text, *groups]))


async def test_sockets_may_be_added_after_the_start() -> None:
    """As Bokeh's server does it, which looks into `_sockets` for its port."""
    async with TCPServer() as server:
        server.start()
        [sock] = bind_sockets(0, "127.0.0.1")
        server.add_sockets([sock])
        assert server._sockets == {sock.fileno(): sock}


class Sends(TCPServer):
    """Sends pieces as dask does, of which `write` is told at the end only."""

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        buffer = stream._write_buffer
        assert buffer is not None
        assert not len(buffer)
        for piece in (b"one ", memoryview(b"two "), bytearray(b"three")):
            buffer.append(piece)
            stream._total_write_index += len(piece)
        await stream.write(b"")
        stream.close()
        assert stream._write_buffer is None


async def test_pieces_may_be_appended_to_what_is_written() -> None:
    async with Sends() as server:
        server.listen(0, "127.0.0.1")
        stream = await TCPClient().connect(*server.addresses[0][:2])
        assert await stream.read_until_close() == b"one two three"
        assert stream._write_buffer is None
        with pytest.raises(StreamClosedError):
            await stream.write(b"")


@pytest.mark.parametrize("seconds", [-1, 0.02])
async def test_a_deadline_may_be_a_time_of_the_day(seconds: float) -> None:
    """Tornado's loops go by that clock."""
    deadline = time.time() + seconds
    waits = [
        locks.Event().wait(deadline),
        locks.Semaphore(0).acquire(deadline),
        queues.Queue[int]().get(deadline),
        gen.with_timeout(deadline, asyncio.get_running_loop().create_future()),
    ]
    async with asyncio.timeout(5):
        results = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(result, TimeoutError) for result in results)


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put", "patch", "delete"])
def test_a_method_that_a_class_has_not_is_known_by_its_value(method: str) -> None:
    """The Jupyter server asks each class so whether its methods need a login."""
    assert getattr(web.RequestHandler, method) is web.RequestHandler._unimplemented_method


class HandsOn(web.RequestHandler):
    """Has a `get` that hands on to the one of the base class."""

    def get(self) -> Any:
        return super().get()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_get_may_hand_on_to_what_a_class_has_not(serve: Serve, method: str) -> None:
    site = serve([("/", HandsOn)])
    client = await site.client()
    await client.send(get().replace(b"GET", method.encode()))
    assert (await client.answer(method)).status == 405


class Elsewhere(web.Application):
    """Asks other applications for what it has no rule for, as dask does."""

    others: tuple[web.Application, ...] = ()

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        found: Any = super().find_handler(request, **kwargs)
        for other in self.others:
            if issubclass(found.handler_class, web.ErrorHandler):
                found = other.find_handler(request, **kwargs)
        return found


async def test_an_application_may_find_handlers_its_own_way(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    application = Elsewhere([("/here", Says)])
    application.others = (web.Application([("/there/(.*)", Says, {"text": "other"})]),)
    site = serve(application)
    assert (await site.get("/here")).text == "own"
    assert (await site.get("/there/1")).text == "other 1"
    assert (await site.get("/nowhere")).status == 404
    expect_log(caplog, "toolkit.access", "404 GET /nowhere")


class Replaces(web.Application):
    """Has one handler for all."""

    def get_handler_delegate(self, request: Any, target_class: Any, *args: Any) -> Any:
        return super().get_handler_delegate(request, Says, {"text": target_class.__name__})


async def test_an_application_may_answer_by_another_class(serve: Serve) -> None:
    site = serve(Replaces([("/here", HandsOn)]))
    assert (await site.get("/here")).text == "HandsOn"
    assert (await site.get("/nowhere")).text == "ErrorHandler"


async def test_what_is_done_around_each_request_may_be_replaced(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Sentry does it."""
    execute, seen = web.RequestHandler._execute, []

    async def wrapped(handler: web.RequestHandler, *args: Any, **kwargs: Any) -> None:
        seen.append(handler.request.path)
        await execute(handler, *args, **kwargs)
        seen.append(handler.get_status())

    site = serve([("/(.*)", Says)])
    assert (await site.get("/a")).text == "own a"
    monkeypatch.setattr(web.RequestHandler, "_execute", wrapped)
    assert (await site.get("/b%20c")).text == "own b c"
    assert seen == ["/b%20c", 200]


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [(r"/a/([0-9]+)/(\w+)", ("/a/%s/%s", 2)), ("/a", ("/a", 0)), ("/a(?:b)?(c)", (None, None))],
)
def test_a_rule_tells_of_its_groups(pattern: str, groups: tuple[Any, Any]) -> None:
    """OpenTelemetry makes names of them."""
    assert routing.PathMatches(pattern)._find_groups() == groups


class Watched(WebSocketHandler):
    """Says what it sees of its connection when a message has come, and at the end."""

    seen: list[tuple[bool, bool]]

    def initialize(self, seen: list[tuple[bool, bool]]) -> None:
        self.seen = seen

    def on_message(self, message: str | bytes) -> None:
        connection = self.ws_connection
        assert connection is not None
        for _ in range(2):
            self.seen.append((connection.client_terminated, connection.server_terminated))
            self.close()


async def test_a_websocket_says_which_side_has_ended(serve: Serve) -> None:
    """The Jupyter server asks before each ping."""
    seen: list[tuple[bool, bool]] = []
    host, port = serve([("/", Watched, {"seen": seen})]).address
    connection = await websocket_connect(f"ws://{host}:{port}/")
    await connection.write_message("?")
    assert await connection.read_message() is None
    assert seen == [(False, False), (False, True)]


def test_a_lost_connection_is_known_by_its_number() -> None:
    """Of the errors that sockets of other libraries raise."""
    assert {errno.ECONNRESET, errno.EPIPE} <= set(iostream._ERRNO_CONNRESET)
    assert errno.EAGAIN not in iostream._ERRNO_CONNRESET
