"""What one GET costs: Python calls, and nothing left for the cycle collector."""

import asyncio
import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from toolkit.httpserver import HTTPServer
from toolkit.web import Application, RequestHandler

#: Calls of functions of the package for one GET. Tornado makes 236 of its own, aiohttp 49 with
#: a parser in C.
CALL_BUDGET = 48

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n"


class Plain(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("Hello, world!")


class Waiting(RequestHandler):
    """Answers after a turn of the loop."""

    async def get(self) -> None:
        await asyncio.sleep(0)
        self.write("Hello, world!")


class Failing(RequestHandler):
    """Fails."""

    def get(self) -> None:
        raise ValueError("as planned")

    def log_exception(self, *args: Any) -> None:
        """Keep the test's log clean."""


class Streaming(RequestHandler):
    """Answers in pieces."""

    async def get(self) -> None:
        for _ in range(3):
            self.write("piece")
            await self.flush()


class Posting(RequestHandler):
    """Reads a form."""

    def post(self) -> None:
        self.write(self.get_body_argument("a") or "")


HANDLERS = {"/": Plain, "/wait": Waiting, "/fail": Failing, "/stream": Streaming, "/post": Posting}


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Send a request and read its answer's head and first bytes."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        return head + await reader.readuntil(b"0\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def make_server() -> HTTPServer:
    """Serve the handlers on a free port, without an access log."""
    application = Application(list(HANDLERS.items()), log_function=lambda handler: None)
    return application.listen(0, "127.0.0.1")


async def connect(server: HTTPServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to the server."""
    return await asyncio.open_connection("127.0.0.1", server.addresses[0][1])


async def test_a_get_stays_within_its_budget_of_calls() -> None:
    """The way of a request is short, whatever the machine's speed."""
    server = make_server()
    reader, writer = await connect(server)
    await ask(reader, writer, REQUEST)
    calls: list[str] = []

    def count(frame: FrameType, event: str, _argument: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("toolkit"):
            calls.append(f"{module}.{frame.f_code.co_qualname}")

    sys.setprofile(count)
    try:
        answer = await ask(reader, writer, REQUEST)
    finally:
        sys.setprofile(None)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert 10 < len(calls) <= CALL_BUDGET, "\n".join(calls)
    writer.close()
    server.stop()
    await server.close_all_connections()


def _request(path: str) -> bytes:
    if path == "/post":
        return (
            b"POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\na=b"
        )
    return REQUEST.replace(b"GET /", b"GET " + path.encode())


@pytest.mark.parametrize("path", HANDLERS)
async def test_a_request_leaves_no_reference_cycle(path: str) -> None:
    """Memory of a request is free as soon as its answer went, without the cycle collector."""
    server = make_server()
    reader, writer = await connect(server)
    request = _request(path)
    await ask(reader, writer, request)
    await asyncio.sleep(0)
    with collected() as garbage:
        for _ in range(3):
            await ask(reader, writer, request)
        await asyncio.sleep(0)
    assert [repr(item) for item in garbage() if is_ours(item)] == []
    writer.close()
    server.stop()
    await server.close_all_connections()


async def test_a_connection_leaves_no_reference_cycle() -> None:
    """A closed connection's memory is free at once as well."""
    server = make_server()
    with collected() as garbage:
        reader, writer = await connect(server)
        await ask(reader, writer, REQUEST)
        await ask(reader, writer, _request("/wait"))
        writer.close()
        await writer.wait_closed()
        server.stop()
        await server.close_all_connections()
        # The loop still has to forget the closed transport and its last callbacks.
        for _ in range(5):
            await asyncio.sleep(0)
        del reader, writer
    assert [repr(item) for item in garbage() if is_ours(item)] == []


def is_ours(item: object) -> bool:
    """Say whether an object is an instance of a class of the package, or of a handler here."""
    return type(item).__module__.startswith(("toolkit", __name__))


class collected:
    """Keeps what only the cycle collector could have freed within the block."""

    def __enter__(self) -> Callable[[], list[object]]:
        gc.collect()
        gc.disable()
        self.garbage: list[object] = []
        return lambda: self.garbage

    def __exit__(self, *error: object) -> None:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        gc.enable()
        self.garbage = list(gc.garbage)
        gc.garbage.clear()
