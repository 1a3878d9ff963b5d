"""Many clients that are slow on purpose: all are cut off, and a healthy one never notices."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from tests.http.client import Client, Serve, Site, get, turns
from toolkit.http1connection import ServerConnection
from toolkit.httpserver.server import END_TURNS
from toolkit.iostream import StreamClosedError
from toolkit.web import RequestHandler, stream_request_body

#: Seconds of the time-outs under test.
SHORT = 0.2
#: Clients of one kind.
MANY = 50

MEBIBYTE = 1024 * 1024
#: More than the buffers of both kernels take for all the clients that do not read.
LARGE = b"x" * (8 * MEBIBYTE)


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


@stream_request_body
class Upload(RequestHandler):
    """Takes content as it comes."""

    def prepare(self) -> None:
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        self.write(str(self.size))


class Large(RequestHandler):
    """Answers with much at once."""

    def get(self) -> None:
        self.write(LARGE)


class Endless(RequestHandler):
    """Answers for ever, as fast as the client takes it."""

    async def get(self) -> None:
        with contextlib.suppress(StreamClosedError):
            while True:
                self.write(LARGE[:MEBIBYTE])
                await self.flush()


RULES = [("/", Hello), ("/upload", Upload), ("/large", Large), ("/endless", Endless)]

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n"
LENGTH = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

#: Sends or takes a little; called again and again until the server closes the connection.
Drip = Callable[[Client], Awaitable[None]]


def sending(piece: bytes) -> Drip:
    """Return what sends a few bytes."""
    return lambda client: client.send(piece)


async def reading(client: Client) -> None:
    """Take a few bytes."""
    with contextlib.suppress(BlockingIOError):
        client.sock.recv(10)
    await turns(1)


async def silent(client: Client) -> None:
    """Do nothing at all."""


async def closed(client: Client) -> bool:
    """Say whether the server has ended the connection, as far as it can be seen at once."""
    await turns(1)
    try:
        with contextlib.suppress(BlockingIOError):
            while data := client.sock.recv(65_536):
                client.rest += data
            return True
    except ConnectionError:
        return True
    return False


async def torment(site: Site, start: bytes, drip: Drip, reads: bool) -> list[bytes]:
    """Have many clients drip until all are cut off; a healthy one is served all the while.

    Args:
        start: what each sends at first.
        reads: whether they look for answers, by which they see the end; else the server's
            own count of connections tells it.
    Returns:
        What each of them got.
    """
    good = await site.client()
    clients = [await site.client(receive_buffer=None if reads else 4096) for _ in range(MANY)]
    for client in clients:
        await client.send(start)
    left = list(clients)
    while left:
        assert (await good.get()).text == "hello"
        for client in list(left):
            try:
                await drip(client)
            except OSError:
                left.remove(client)
                continue
            if reads and await closed(client):
                left.remove(client)
        if not reads and len(site.server._connections) == 1:
            break
    assert (await good.get()).text == "hello"
    return [client.rest for client in clients]


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (HEAD, sending(b"X: y\r\n")),
        (HEAD + b"X: ", sending(b"y")),
        (b"GET /", sending(b"y")),
        (HEAD, silent),
        (get() + HEAD, sending(b"X")),
    ],
    ids=["fields", "a value", "a target", "nothing", "a second head"],
)
async def test_heads_that_drip_get_408(serve: Serve, start: bytes, drip: Drip) -> None:
    """The time for a head counts from its first byte, however many come after it."""
    site = serve(RULES, header_timeout=SHORT)
    for got in await torment(site, start, drip, reads=True):
        assert got == b"" or b"HTTP/1.1 408 " in got or b"HTTP/1.1 431 " in got, got


@pytest.mark.parametrize(
    ("start", "drip"),
    [(LENGTH, sending(b"x")), (CHUNKED, sending(b"1\r\nx\r\n")), (LENGTH, silent)],
    ids=["of a length", "in chunks", "not at all"],
)
async def test_bodies_that_drip_get_408(
    serve: Serve, caplog: pytest.LogCaptureFixture, start: bytes, drip: Drip
) -> None:
    """Bytes that come keep a body alive only at some rate."""
    site = serve(RULES, body_timeout=SHORT, min_rate=1e6)
    for got in await torment(site, start, drip, reads=True):
        assert got == b"" or got.startswith(b"HTTP/1.1 408 "), got
    for record in caplog.records:
        if record.name == "toolkit.general" and "408 POST" in record.getMessage():
            record.claimed = True


@pytest.mark.parametrize("target", ["/large", "/endless"])
@pytest.mark.parametrize("drip", [silent, reading], ids=["never", "slowly"])
async def test_answers_that_are_not_taken_are_dropped(
    serve: Serve, target: str, drip: Drip
) -> None:
    """Who reads nothing, or next to nothing, is cut off with what was written for him."""
    site = serve(RULES, write_timeout=SHORT, min_rate=1e9)
    await torment(site, get(target), drip, reads=False)
    assert len(site.server._connections) == 1


async def test_ends_leave_turns_to_others(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are served meanwhile would wait for one end, but not for one after another."""
    site = serve([("/", Hello)])
    clients = [await site.client() for _ in range(3)]
    for client in clients:
        assert (await client.get()).text == "hello"
    turn = 0
    ended_in: list[int] = []

    def expire(connection: ServerConnection, now: float) -> bool:
        ended_in.append(turn)
        return True

    monkeypatch.setattr(ServerConnection, "sweep", expire)
    site.server._sweep(asyncio.get_running_loop())
    while len(ended_in) < 3:
        turn += 1
        await asyncio.sleep(0)
    assert all(later - earlier > END_TURNS for earlier, later in pairwise(ended_in))


async def test_a_steady_client_is_not_cut_off(serve: Serve) -> None:
    """Faster than the least rate, content may take longer than any time-out."""
    site = serve(RULES, body_timeout=SHORT, header_timeout=SHORT, min_rate=1000)
    loop = asyncio.get_running_loop()
    client, good = await site.client(), await site.client()
    size = 2_000_000
    await client.send(CHUNKED)
    begin, sent = loop.time(), 0
    while (elapsed := loop.time() - begin) < 5 * SHORT:
        if sent < elapsed / (5 * SHORT) * size:
            await client.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            sent += 1000
        assert (await good.get()).text == "hello"
    await client.send(b"0\r\n\r\n")
    assert (await client.answer("POST")).text == str(sent)


class Gate:
    """A handler class that waits until it is let go."""

    def __init__(self) -> None:
        self.release = release = asyncio.Event()

        class Waiting(RequestHandler):
            async def get(self) -> None:
                await release.wait()
                self.write("waited")

        self.rule = ("/wait", Waiting)


def held(site: Site) -> int:
    """Count the bytes that the server has read and not used."""
    return sum(connection.machine.unread for connection in site.server._connections)


async def test_pipelined_requests_wait_at_the_client(serve: Serve) -> None:
    """GHSA-4fvr-rgm6-gqmc: a slow handler makes no requests pile up in the server."""
    gate = Gate()
    site = serve([*RULES, gate.rule], receive_buffer=65_536)
    client, good = await site.client(), await site.client()
    request, number = get("/", ("X: " + "y" * 10_000 + "\r\n") * 3), 500
    sending = asyncio.ensure_future(client.send(get("/wait") + request * number))
    for _ in range(200):
        assert (await good.get()).text == "hello"
    assert 65_536 < held(site) < 10 * 65_536
    assert not sending.done()
    gate.release.set()
    assert (await client.answer()).text == "waited"
    for _ in range(number):
        assert (await client.answer()).text == "hello"
    await sending


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop sends at the end of a turn
async def test_requests_of_a_client_that_has_left_are_not_served(serve: Serve) -> None:
    """Once an answer could not be sent, those that wait behind it cost neither work nor log."""
    gate = Gate()
    site = serve([*RULES, gate.rule])
    client, good = await site.client(), await site.client()
    await client.send(get("/wait") + get() * 4000)
    while not held(site):
        await good.get()
    client.close()
    served = len(site.statuses)
    gate.release.set()
    while len(site.server._connections) > 1:
        await good.get()
        served += 1
    assert len(site.statuses) - served < 100


async def test_two_mebibytes_in_chunks_of_one_byte_hold_nobody_up(serve: Serve) -> None:
    """CVE-2025-69229: others are served meanwhile, and the handler gets the chunks joined."""
    pieces = 0

    @stream_request_body
    class Counting(Upload):
        def data_received(self, chunk: bytes) -> None:
            nonlocal pieces
            pieces += 1
            super().data_received(chunk)

    site = serve([("/", Hello), ("/upload", Counting)], receive_buffer=65_536)
    client, good = await site.client(), await site.client()
    body = b"1\r\nx\r\n" * 400_000
    upload = asyncio.ensure_future(client.ask(CHUNKED + body + b"0\r\n\r\n"))
    served = 0
    while not upload.done():
        assert (await good.get()).text == "hello"
        served += 1
    assert upload.result().text == "400000"
    assert served >= 5
    assert pieces < 200


async def test_the_kernel_holds_little_for_a_client_that_does_not_read(serve: Serve) -> None:
    """That may send 8 MiB, and would take a good part of it for each."""
    streams = []

    class Kept(RequestHandler):
        """Answers with much at once."""

        def get(self) -> None:
            streams.append(self.request.connection.stream)
            self.write(LARGE)

    site = serve([("/", Kept)])
    client = await site.client(receive_buffer=4096)
    await client.send(HEAD + b"\r\n")
    while not streams or not streams[0].unsent:
        await turns(1)
    await turns(20)
    assert streams[0].unsent > len(LARGE) - MEBIBYTE
