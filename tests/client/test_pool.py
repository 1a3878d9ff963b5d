"""Connections that are kept: which requests share them, and when they are not used again."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.scripted import Caller, Server, Start
from tests.loops import FACTORIES
from toolkit.httpclient import HTTPRequest
from toolkit.httpclient.network import NetworkTransport
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.pool import PoolLimits
from toolkit.httpclient.target import Origin
from toolkit.httpclient.timeouts import Timeouts
from toolkit.iostream import UnsatisfiableReadError
from toolkit.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Counted:
    """A script that answers all requests of all connections, and counts both.

    Attributes:
        answers: what is said to one request after another, the last of them again and again.
        connections: how many there were.
        ended: how many of them the client has ended, and an event for each time.
        requests: heads, in the order in which they came.
    """

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers) or [OK]
        self.connections = 0
        self.ended = 0
        self.event = asyncio.Event()
        self.requests: list[str] = []

    async def __call__(self, caller: Caller) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await caller.head())
                answer = self.answers[0]
                if len(self.answers) > 1:
                    del self.answers[0]
                await caller.say(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended += 1
            self.event.set()

    async def wait_ended(self, count: int) -> None:
        """Wait until the client has ended that many connections."""
        while self.ended < count:
            self.event.clear()
            await self.event.wait()


@contextlib.asynccontextmanager
async def client_of(**options: Any) -> AsyncIterator[SimpleAsyncHTTPClient]:
    """Give a client of its own."""
    async with SimpleAsyncHTTPClient(force_instance=True, **options) as client:
        yield client


def total(client: SimpleAsyncHTTPClient) -> int:
    """Return how many connections a client has."""
    assert isinstance(client.transport, NetworkTransport)
    return client.transport.pool.total


@pytest.mark.feature("F01")
async def test_requests_one_after_another_share_a_connection(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Whatever their methods are."""
    script = Counted()
    server = await start(script)
    for _ in range(3):
        assert (await client.fetch(server.url())).body == b"ok"
        assert (await client.post(server.url(), content=b"x")).content == b"ok"
    async with client.stream("GET", server.url()) as response:
        assert [piece async for piece in response] == [b"ok"]
    assert script.connections == total(client) == 1


@pytest.mark.parametrize(
    ("limits", "made"),
    [
        (PoolLimits(), 4),
        (PoolLimits(per_host=2), 2),
        (PoolLimits(connections=3), 3),
        (PoolLimits(idle=0), 8),
    ],
)
async def test_no_more_connections_are_made_than_allowed(
    start: Start, limits: PoolLimits, made: int
) -> None:
    """Requests wait for them meanwhile."""
    script = Counted()
    server = await start(script)
    async with client_of(pool=limits) as client:
        for _ in range(2):
            await asyncio.gather(*[client.get(server.url()) for _ in range(4)])
        assert script.connections == made


async def test_a_connection_that_is_idle_makes_room_for_another_host(start: Start) -> None:
    """The one that is idle for the longest time."""
    script, other = Counted(), Counted()
    first, second, third = await start(script), await start(other), await start(Counted())
    async with client_of(pool=PoolLimits(connections=2)) as client:
        for server in (first, second, third):
            await client.get(server.url())
        await script.wait_ended(1)
        assert total(client) == 2
        await client.get(second.url())
    assert other.connections == 1


async def test_who_waits_for_a_connection_gets_that_of_another_host(start: Start) -> None:
    """Which is closed for that, as it is the room that is waited for."""
    release = asyncio.Event()

    async def slow(caller: Caller) -> None:
        await caller.head()
        await release.wait()
        await caller.say(OK)

    busy, other = await start(slow), await start(Counted())
    async with client_of(pool=PoolLimits(connections=1)) as client:
        first = asyncio.create_task(client.get(busy.url()))
        second = asyncio.create_task(client.get(other.url()))
        await asyncio.sleep(0)
        release.set()
        assert [one.status for one in await asyncio.gather(first, second)] == [200, 200]
        assert total(client) == 1


async def test_a_connection_ends_when_nobody_wants_it_for_long(start: Start) -> None:
    """Each server may want it to end earlier (Keep-Alive: timeout)."""
    patient = Counted()
    hasty = Counted(OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: max=9, timeout=1\r\n\r\n"))
    servers = [await start(patient), await start(hasty)]
    async with client_of(pool=PoolLimits(idle_timeout=0.05)) as client:
        for server in servers:
            await client.get(server.url())
        await asyncio.gather(patient.wait_ended(1), hasty.wait_ended(1))
        assert total(client) == 0


def test_the_end_of_the_loop_ends_idle_connections(loop_name: str) -> None:
    """So that programs need not close the client that all share."""

    async def main() -> None:
        server = Server()
        await server.start(Counted())
        await SimpleAsyncHTTPClient().get(server.url())
        await server.stop()

    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
        runner.run(main())
    gc.collect()  # what was left open would warn


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"junk",
        OK + OK,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\nnot empty",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_is_not_used_again_where_its_end_is_in_doubt(
    start: Start, client: SimpleAsyncHTTPClient, answer: bytes
) -> None:
    """Else what is left over would be the answer to somebody else's question."""
    script = Counted(answer, OK)
    server = await start(script)
    await client.get(server.url())
    assert (await client.get(server.url())).content == b"ok"
    assert script.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 +200 OK\r\n\r\n",
        b"HTTP/1.1 2 00 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + 70_000 * b"a" + b"\r\n\r\n",
    ],
)
async def test_a_connection_ends_with_an_answer_that_could_be_read_in_two_ways(
    start: Start, client: SimpleAsyncHTTPClient, answer: bytes
) -> None:
    """And the answer is none."""
    script = Counted(answer)
    server = await start(script)
    with pytest.raises((HTTPStreamClosedError, UnsatisfiableReadError)):
        await client.get(server.url())
    await script.wait_ended(1)
    assert total(client) == 0


async def test_what_comes_unasked_ends_a_connection(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """It would be taken for the answer to the next request."""
    speak, ended = asyncio.Event(), asyncio.Event()

    async def talkative(caller: Caller) -> None:
        await caller.head()
        await caller.say(OK)
        await speak.wait()
        await caller.say(OK.replace(b"ok", b"no"))
        await caller.ended()
        ended.set()

    server = await start(talkative)
    await client.get(server.url())
    speak.set()
    await ended.wait()
    assert total(client) == 0


class Leaving:
    """Answers one request of each connection; ends the first when the next has come, unread."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    async def __call__(self, caller: Caller) -> None:
        first = not self.methods
        self.methods.append((await caller.head()).split()[0])
        if not first:
            await caller.say(OK)
            await caller.ended()
            return
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads
        await caller.say(OK)
        descriptor = os.dup(caller.writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as sock:
            while not (head := peek(sock)):
                await asyncio.sleep(0.001)
        self.methods.append(head.split()[0].decode())


def peek(sock: socket.socket) -> bytes:
    """Return what waits to be read, of a client that has not left."""
    with contextlib.suppress(BlockingIOError):
        data = sock.recv(1000, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        if not data:
            raise ConnectionError("the client has left")
        return data
    return b""


@pytest.mark.parametrize(
    ("method", "content", "again"),
    [
        ("GET", None, True),
        ("PUT", b"x", True),
        ("DELETE", None, True),
        ("PUT", [b"x"], True),
        ("POST", b"x", False),
        ("PATCH", b"x", False),
        ("PUT", "iterator", False),
    ],
)
async def test_a_request_is_sent_again_where_twice_is_as_good_as_once(
    start: Start, client: SimpleAsyncHTTPClient, method: str, content: Any, again: bool
) -> None:
    """When the server has ended the connection meanwhile (RFC 9110 §9.2.2)."""
    script = Leaving()
    server = await start(script)
    await client.get(server.url())
    if content == "iterator":
        content = iter([b"x"])
    if again:
        assert (await client.request(method, server.url(), content=content)).content == b"ok"
        assert script.methods == ["GET", method, method]
    else:
        with pytest.raises((HTTPStreamClosedError, OSError)):
            await client.request(method, server.url(), content=content)
        assert script.methods == ["GET", method]


async def test_a_request_is_sent_again_once(start: Start, client: SimpleAsyncHTTPClient) -> None:
    """By a new connection; what that says is final."""
    script = Leaving()
    count = 0

    async def once(caller: Caller) -> None:
        nonlocal count
        count += 1
        if count == 1:
            await script(caller)
        else:
            await caller.head()

    server = await start(once)
    await client.get(server.url())
    with pytest.raises(HTTPStreamClosedError):
        await client.get(server.url())
    assert count == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a peer has taken")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_request_that_was_read_is_not_sent_again(
    start: Start, client: SimpleAsyncHTTPClient, secure: bool
) -> None:
    """It may be what ended the server, and would end the next one."""
    methods: list[str] = []
    context = None
    if secure:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def deadly(caller: Caller) -> None:
        for answer in (OK, b""):
            methods.append((await caller.head()).split()[0])
            await caller.say(answer)

    url = (await start(deadly, context)).url(scheme="https" if secure else "http")
    await client.fetch(url, validate_cert=False)
    with pytest.raises(HTTPStreamClosedError):
        await client.fetch(url, validate_cert=False)
    assert methods == ["GET", "GET"]


DIFFERENT: list[Callable[[Origin, ConnectOptions], tuple[Origin, ConnectOptions]]] = [
    lambda origin, _: (origin, ConnectOptions(validate_cert=False)),
    lambda origin, _: (origin, ConnectOptions(system_certs=True)),
    lambda origin, _: (origin, ConnectOptions(ca_certs="a")),
    lambda origin, _: (origin, ConnectOptions(client_cert="a")),
    lambda origin, _: (origin, ConnectOptions(client_key="a")),
    lambda origin, _: (origin, ConnectOptions(ssl_options={"ciphers": "a"})),
    lambda origin, _: (origin, ConnectOptions(server_hostname="a")),
    lambda origin, _: (origin, ConnectOptions(fingerprint=bytes(32))),
    lambda origin, _: (origin, ConnectOptions(network_interface="127.0.0.1")),
    lambda origin, _: (origin, ConnectOptions(allow_ipv6=False)),
    lambda origin, _: (origin, ConnectOptions(unix_socket="a")),
    lambda origin, _: (origin, ConnectOptions(proxy=Proxy("http", "a", 1))),
    lambda origin, _: (origin, ConnectOptions(proxy=Proxy("http", "a", 1, "me", "secret"))),
    lambda origin, options: (origin._replace(port=444), options),
    lambda origin, options: (origin._replace(scheme="http"), options),
    lambda origin, options: (origin._replace(host="b"), options),
]


def test_requests_that_want_other_connections_share_none() -> None:
    """One that was made without a look at the certificate serves nobody who wants one."""
    origin, options = Origin("https", "a", 443), ConnectOptions()
    keys = [options.key(origin)]
    keys += [two.key(one) for one, two in (change(origin, options) for change in DIFFERENT)]
    assert len(set(keys)) == len(DIFFERENT) + 1
    assert ConnectOptions().key(origin) == keys[0]
    shared = ConnectOptions(proxy=Proxy("http", "a", 1))
    assert shared.key(Origin("http", "a", 80)) == shared.key(Origin("http", "b", 80))
    options_of = {"ciphers": "a"}
    assert ConnectOptions(ssl_options=options_of) == ConnectOptions(ssl_options=dict(options_of))


@pytest.mark.parametrize(
    ("timeouts", "message"),
    [
        (Timeouts(first_byte=0.05), "waiting for the response"),
        (Timeouts(whole=0.05), "during request"),
    ],
)
@pytest.mark.feature("F02")
async def test_a_server_that_says_nothing_ends_with_its_time(
    start: Start, client: SimpleAsyncHTTPClient, timeouts: Timeouts, message: str
) -> None:
    """And so does its connection."""
    server = await start(Caller.ended)
    with pytest.raises(HTTPTimeoutError, match=message):
        await client.get(server.url(), timeout=timeouts)
    assert total(client) == 0


@pytest.mark.parametrize(
    ("timeouts", "message", "pause"),
    [
        (Timeouts(read=0.05), "reading the response", 10.0),
        (Timeouts(whole=0.2, read=10), "during request", 0.02),
        (Timeouts(whole=0.2), "during request", 0.02),
    ],
)
async def test_a_response_that_drips_ends_with_its_time(
    start: Start, client: SimpleAsyncHTTPClient, timeouts: Timeouts, message: str, pause: float
) -> None:
    """A piece now and then keeps off the time-out between pieces, and not that of the whole."""

    async def drip(caller: Caller) -> None:
        await caller.head()
        await caller.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await caller.say(b"x")
            await asyncio.sleep(pause)

    server = await start(drip)
    with pytest.raises(HTTPTimeoutError, match=message):
        await client.get(server.url(), timeout=timeouts)
    assert total(client) == 0


async def test_waiting_for_a_connection_has_a_time_of_its_own(start: Start) -> None:
    """Which says that not the server is slow."""
    server = await start(Caller.ended)
    async with client_of(pool=PoolLimits(connections=1)) as client:
        first = asyncio.create_task(client.get(server.url()))
        await asyncio.sleep(0)
        with pytest.raises(HTTPTimeoutError, match="waiting for a connection"):
            await client.get(server.url(), timeout=Timeouts(pool=0.02))
        first.cancel()
        await asyncio.wait([first])
        assert total(client) == 0


async def test_content_that_nobody_takes_ends_with_its_time(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Each piece has its own."""
    stop = asyncio.Event()

    async def deaf(caller: Caller) -> None:
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stop.wait()

    server = await start(deaf)
    with pytest.raises(HTTPTimeoutError, match="sending"):
        await client.put(server.url(), content=bytes(32_000_000), timeout=Timeouts(write=0.1))
    stop.set()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cancellations=st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 40)), min_size=1, max_size=12
    ),
    per_host=st.integers(1, 4),
    kind=st.sampled_from(["stream", "fetch", "get"]),
)
def test_a_cancellation_at_any_moment_leaves_the_pool_right(
    cancellations: list[tuple[int, int]], per_host: int, kind: str
) -> None:
    """What is left is idle, counted, and serves the next requests.

    Each asks twice: connections are made for the first requests, and there for the second.
    """

    async def main() -> None:
        server = Server()
        await server.start(Counted())
        async with client_of(pool=PoolLimits(per_host=per_host)) as client:
            url = server.url()

            async def one() -> None:
                for _ in range(2):
                    if kind == "stream":
                        async with client.stream("GET", url) as response:
                            await anext(aiter(response))
                    elif kind == "fetch":
                        await client.fetch(HTTPRequest(url))
                    else:
                        await client.get(url)

            tasks = [asyncio.create_task(one()) for _ in range(12)]
            turns: dict[int, list[int]] = {}
            for number, turn in cancellations:
                turns.setdefault(turn, []).append(number)
            for turn in range(41):
                for number in turns.get(turn, []):
                    tasks[number].cancel()
                await asyncio.sleep(0)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(one is None or type(one) is asyncio.CancelledError for one in results)
            for _ in range(3):
                await asyncio.gather(*[client.get(url) for _ in range(per_host)])
            assert isinstance(client.transport, NetworkTransport)
            assert client.transport.pool.idle_count == total(client) <= per_host
        await server.stop()

    asyncio.run(main())


async def test_a_crawl_leaves_nothing_behind(start: Start) -> None:
    """A thousand pages, 200 at a time: no socket, no task, no future of a wait."""
    body = b"x" * 500
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + body
    script = Counted(page)
    server = await start(script)
    before = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    limits = PoolLimits(connections=50)
    async with client_of(pool=limits, max_clients=200) as client:
        pages = iter(range(1000))

        async def worker() -> None:
            for number in pages:
                response = await client.fetch(server.url(f"/{number}"))
                assert response.body == body

        await asyncio.gather(*[worker() for _ in range(200)])
        assert script.connections == 50
        assert total(client) == 50
        assert [client.active, client.waiting, list(client.queue)] == [{}, {}, []]
    await script.wait_ended(50)
    await server.stop()
    assert len(os.listdir("/proc/self/fd")) < before[0]  # nor does the server listen any more
    assert len(asyncio.all_tasks()) == before[1]
