"""Time-outs of connections: whoever keeps a server waiting is let go, and nobody else is.

The servers here have one short time-out each. What is waited for is the server's deed, so
that a slow machine makes a test longer and never changes its result.
"""

import asyncio

import pytest

from tests.http.client import Client, Serve, Site, get, post, turns
from toolkit.http1connection import ServerConnection, ServerOptions
from toolkit.httpserver import HTTPServer
from toolkit.iostream import StreamClosedError, base
from toolkit.web import Application, RequestHandler, stream_request_body

MEBIBYTE = 1024 * 1024
CHUNK = b"x" * 65_536
SHORT = 0.2


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


async def trickle(client: Client, site: Site, byte: bytes) -> bytes:
    """Send byte after byte until the server ends the connection; return what it sent.

    Between two bytes another client asks and is answered, which paces the trickle and shows
    that others are not disturbed.
    """
    ended = asyncio.create_task(client.read_to_end())
    other = await site.client()
    while not ended.done():
        assert (await other.get()).text == "hello"
        try:
            await client.send(byte)
        except ConnectionError:
            break
    raw = await ended
    assert (await other.get()).text == "hello"
    return raw


def test_times_have_sane_defaults() -> None:
    """No server waits without a bound unless it is told to; a head has a minute at most."""
    options = ServerOptions()
    assert 0 < options.header_timeout <= 60
    assert 0 < options.body_timeout <= 60
    assert 0 < options.idle_timeout <= 75
    assert 0 < options.write_timeout <= 60


@pytest.mark.parametrize("name", ["header", "body", "write", "idle_connection"])
def test_each_time_out_can_be_set(name: str) -> None:
    server = HTTPServer(Application(), **{f"{name}_timeout": 0.125})  # type: ignore[arg-type]
    options = server._options
    times = [options.header_timeout, options.body_timeout, options.write_timeout]
    times.append(options.idle_timeout)
    assert times.count(0.125) == 1


# -- heads -------------------------------------------------------------------------------


@pytest.mark.feature("B08")
@pytest.mark.parametrize(
    "start",
    [b"G", b"GET /", b"GET / HTTP/1.1\r\nHost: h\r\n", b"GET / HTTP/1.1\r\nHost: h\r\nX: "],
)
async def test_a_head_that_trickles_in_is_cut_off(serve: Serve, start: bytes) -> None:
    """By 408, or without a word; and within a minute when no time is set."""
    assert ServerOptions().header_timeout <= 60
    site = serve([("/", Hello)], header_timeout=SHORT)
    client = await site.client()
    await client.send(start)
    raw = await trickle(client, site, b"a")
    assert raw == b"" or raw.startswith(b"HTTP/1.1 408 ")


async def test_a_head_without_an_end_is_cut_off(serve: Serve) -> None:
    """The client sends nothing more at all, first or after a good request."""
    site = serve([("/", Hello)], header_timeout=SHORT)
    for earlier in (False, True):
        client = await site.client()
        if earlier:
            assert (await client.get()).text == "hello"
        await client.send(b"GET / HTTP/1.1\r\n")
        raw = await client.read_to_end()
        assert raw == b"" or raw.startswith(b"HTTP/1.1 408 ")


async def test_empty_lines_are_no_way_to_stay(serve: Serve) -> None:
    site = serve([("/", Hello)], header_timeout=SHORT, idle_connection_timeout=SHORT)
    client = await site.client()
    await client.send(b"\r\n")
    raw = await client.read_to_end()
    assert raw == b"" or raw.startswith(b"HTTP/1.1 408 ")


async def test_one_that_is_late_does_not_take_the_sweep_from_others(serve: Serve) -> None:
    """Each of several slow clients is cut off, also those that came later."""
    site = serve([("/", Hello)], header_timeout=SHORT)
    for _ in range(2):
        clients = [await site.client() for _ in range(3)]
        for client in clients:
            await client.send(b"GET / HTTP/1.1\r\n")
        for client in clients:
            raw = await client.read_to_end()
            assert raw == b"" or raw.startswith(b"HTTP/1.1 408 ")


# -- idle connections --------------------------------------------------------------------


async def test_a_head_on_an_idle_connection_has_its_own_time(serve: Serve) -> None:
    """It counts from its first bytes, however long the connection was idle and may be so."""
    site = serve([("/", Hello)])
    client = await site.client()
    assert (await client.get()).text == "hello"
    (connection,) = site.server._connections
    options = connection.options
    assert options.header_timeout < options.idle_timeout
    begun = asyncio.get_running_loop().time()
    assert not connection.sweep(begun)
    for line in (b"GET / HTTP/1.1\r\n", b"Host: h\r\n", b"X: y\r\n"):
        received = connection.machine.unread
        await client.send(line[:-1])
        while connection.machine.unread == received:
            await turns(1)
        assert not connection.sweep(begun + 1)
        await client.send(line[-1:])
    assert not connection.sweep(begun + options.header_timeout)
    assert connection.sweep(begun + 1 + options.header_timeout)
    assert (await client.answer()).status == 408


async def test_an_idle_connection_is_passed_by_at_a_glance(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be thousands: what one waits for is not asked again while nothing comes."""
    site = serve([("/", Hello)])
    client = await site.client()
    looks: list[ServerConnection] = []
    look = ServerConnection._waits_for

    def waits_for(connection: ServerConnection) -> tuple[str, int, float | None]:
        looks.append(connection)
        return look(connection)

    monkeypatch.setattr(ServerConnection, "_waits_for", waits_for)
    for _ in range(3):
        assert (await client.get()).text == "hello"
        (connection,) = site.server._connections
        now = asyncio.get_running_loop().time()
        looks.clear()
        for later in range(9):
            assert not connection.sweep(now + later)
        assert looks == [connection]


async def test_a_sweep_ends_one_connection_a_turn(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are late at once, others get their turn in between."""
    site = serve([("/", Hello)], header_timeout=SHORT)
    clients = [await site.client() for _ in range(20)]
    for client in clients:
        await client.send(b"GET / HTTP/1.1\r\n")
    loop, turn, ends = asyncio.get_running_loop(), 0, []
    sweep = ServerConnection.sweep

    def noting(connection: ServerConnection, now: float) -> bool:
        ended = sweep(connection, now)
        if ended:
            ends.append(turn)
        return ended

    def count() -> None:
        nonlocal turn
        turn += 1
        if len(ends) < len(clients):
            loop.call_soon(count)

    monkeypatch.setattr(ServerConnection, "sweep", noting)
    count()
    for client in clients:
        assert (await client.answer()).status == 408
    assert len(ends) == len(clients)
    assert len(set(ends)) == len(ends)


async def test_an_idle_connection_is_closed(serve: Serve) -> None:
    """Before the first request and after an answer, without a word in both cases."""
    site = serve([("/", Hello)], idle_connection_timeout=SHORT)
    fresh, used = await site.client(), await site.client()
    assert (await used.get()).text == "hello"
    await fresh.expect_end()
    await used.expect_end()
    assert (await site.get()).text == "hello"


async def test_a_connection_in_use_is_not_idle(serve: Serve) -> None:
    """A handler may take longer than the time for idle connections."""
    release = asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            await release.wait()
            self.write("slow")

    site = serve([("/", Hello), ("/slow", Slow)], idle_connection_timeout=SHORT)
    busy, idle = await site.client(), await site.client()
    await busy.send(get("/slow"))
    await idle.expect_end()
    idle = await site.client()
    await idle.expect_end()
    release.set()
    assert (await busy.answer()).text == "slow"
    await busy.expect_end()


async def test_time_outs_go_on_after_the_server_was_empty(serve: Serve) -> None:
    site = serve([("/", Hello)], idle_connection_timeout=SHORT)
    for _ in range(3):
        client = await site.client()
        await client.expect_end()
        assert (await site.get()).text == "hello"


# -- content -----------------------------------------------------------------------------

HALF = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello"


@pytest.mark.parametrize("start", [HALF, HALF[:-5]])
async def test_content_that_does_not_come_gets_408(serve: Serve, start: bytes) -> None:
    site = serve([("/", Hello)], body_timeout=SHORT)
    client = await site.client()
    await client.send(start)
    answer = await client.answer("POST")
    assert (answer.status, answer.get("connection")) == (408, "close")
    await client.expect_end()
    assert (await site.get()).text == "hello"


async def test_a_streaming_handler_gets_the_time_out_too(serve: Serve) -> None:
    taken: list[bytes] = []

    @stream_request_body
    class Upload(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            taken.append(chunk)

        def post(self) -> None:
            raise AssertionError("not reached")

    client = await serve([("/", Upload)], body_timeout=SHORT).client()
    await client.send(HALF)
    assert (await client.answer("POST")).status == 408
    assert taken == [b"hello"]


async def test_unread_content_that_does_not_come_ends_the_connection(serve: Serve) -> None:
    """The answer is there already; nobody waits for the rest for ever."""

    @stream_request_body
    class Early(RequestHandler):
        def prepare(self) -> None:
            self.finish("early")

    client = await serve([("/", Early)], header_timeout=SHORT, body_timeout=SHORT).client()
    await client.send(HALF)
    assert (await client.answer("POST")).text == "early"
    await client.expect_end()


async def test_a_client_that_never_closes_is_closed_at_last(serve: Serve) -> None:
    """A refused client that keeps its connection open gets the linger time, no more."""
    site = serve([("/", Hello)])
    client = await site.client()
    await client.send(b"bad\r\n\r\n")
    assert (await client.answer()).status == 400
    await client.expect_end()
    connections = site.server._connections
    assert len(connections) == 1
    loop = asyncio.get_running_loop()
    for connection in list(connections):
        connection.sweep(loop.time())
        connection.sweep(loop.time() + ServerOptions().linger_timeout)
    await turns()
    assert not connections


@pytest.mark.parametrize(("size", "sent"), [(100_000, 0), (1_000_000, 200_000)])
async def test_slow_but_steady_content_is_taken(serve: Serve, size: int, sent: int) -> None:
    """The time counts from the last byte that came, not from the first.

    Of large content the rest is written right to its place, which counts as well.
    """
    site = serve([("/", Hello)], body_timeout=0.5)
    client, other = await site.client(), await site.client()
    seconds = 0.7
    await client.send(post("/", b"x" * size)[: sent - size])
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while (elapsed := loop.time() - begin) < seconds:
        # At most nine tenths of the content are sent in this time.
        if sent < 0.9 * size * elapsed / seconds:
            await client.send(b"x" * 10)
            sent += 10
        assert (await other.get()).text == "hello"
    await client.send(b"x" * (size - sent))
    answer = await client.answer("POST")
    assert (answer.status, answer.text) == (200, str(size))


# -- answers -----------------------------------------------------------------------------


async def test_a_client_that_never_reads_is_cut_off(serve: Serve) -> None:
    """The handler hears of it, and has not produced more than buffers take meanwhile."""
    produced = 0
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    class Streamed(RequestHandler):
        async def get(self) -> None:
            nonlocal produced
            try:
                while True:
                    self.write(CHUNK)
                    produced += len(CHUNK)
                    await self.flush()
            except BaseException as error:
                ended.set_result(error)
                raise

    site = serve([("/", Hello), ("/stream", Streamed)], write_timeout=SHORT)
    client, other = await site.client(receive_buffer=65_536), await site.client()
    await client.send(get("/stream"))
    while not ended.done():
        assert (await other.get()).text == "hello"
        assert produced < 12 * MEBIBYTE
    assert isinstance(ended.result(), (asyncio.CancelledError, StreamClosedError))
    received = len(await client.read_to_end())
    assert produced - 12 * MEBIBYTE < received <= produced + MEBIBYTE


async def test_a_finished_answer_that_nobody_reads_does_not_stay(serve: Serve) -> None:
    """The handler is done; what it left is dropped with its connection."""

    class Large(RequestHandler):
        def get(self) -> None:
            self.write(b"z" * 16 * MEBIBYTE)

    site = serve([("/", Hello), ("/large", Large)], write_timeout=SHORT)
    client, other = await site.client(receive_buffer=65_536), await site.client()
    await client.send(get("/large"))
    while len(site.server._connections) < 2 or len(site.statuses) < 2:
        await other.get()
    while len(site.server._connections) > 1:
        assert (await other.get()).text == "hello"
    assert len(await client.read_to_end()) < 16 * MEBIBYTE


async def read_steadily(client: Client, other: Client, size: int, seconds: float) -> None:
    """Read for some time, half of `size` bytes at most; `answer` then has them."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    pieces: list[bytes] = []
    while (elapsed := loop.time() - begin) < seconds:
        if sum(map(len, pieces)) < size / 2 * elapsed / seconds:
            pieces.append(await client.read())
        else:
            await other.get()
    client.rest = b"".join(pieces)
    assert len(client.rest) < size


@pytest.mark.parametrize("fields", ["", "Connection: close\r\n"], ids=["keep-alive", "close"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_slow_but_steady_reader_gets_all(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, fields: str, streamed: bool
) -> None:
    """The time counts from the last byte that the client took, in a last answer too."""
    monkeypatch.setattr(base, "CLOSE_TIMEOUT", 0.5)
    size = 48 * MEBIBYTE

    class Large(RequestHandler):
        async def get(self) -> None:
            if not streamed:
                self.write(CHUNK * (size // len(CHUNK)))
                return
            for _ in range(size // len(CHUNK)):
                self.write(CHUNK)
                await self.flush()

    site = serve([("/", Hello), ("/large", Large)], write_timeout=0.5)
    client, other = await site.client(receive_buffer=65_536), await site.client()
    await client.send(get("/large", fields))
    await read_steadily(client, other, size, seconds=0.8)
    assert len((await client.answer()).body) == size
