"""Requests on connections that wait for them: sent at once, and like others in all that shows."""

import asyncio
import contextvars
import gc
import gzip
import random
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

from tests.client.test_pool import OK, Counted, total
from tests.http.scripted import Caller, Start
from toolkit.httpclient.connection import ClientConnection
from toolkit.httpclient.timeouts import Deadlines, Timeouts
from toolkit.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)
from toolkit.testing import ExpectLog
from toolkit.wire.more_codings import make_decoder

Ask = Callable[..., Awaitable[Any]]


async def fetch(client: SimpleAsyncHTTPClient, url: str, **options: Any) -> tuple[int, bytes, str]:
    """Ask by `fetch`."""
    response = await client.fetch(url, raise_error=False, **options)
    return response.code, response.body, response.effective_url


async def get(client: SimpleAsyncHTTPClient, url: str, **options: Any) -> tuple[int, bytes, str]:
    """Ask by `get`."""
    if "request_timeout" in options:
        options["timeout"] = options.pop("request_timeout")
    response = await client.get(url, **options)
    return response.status, response.content, response.url


both = pytest.mark.parametrize("ask", [fetch, get])


def answer(content: bytes, fields: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """Write a response."""
    length = b"Content-Length: %d\r\n" % len(content)
    return b"HTTP/1.1 " + status + b"\r\n" + fields + length + b"\r\n" + content


#: Bytes that no coding makes small.
LARGE = random.Random(1).randbytes(600_000)

ANSWERS = [
    (answer(b"hello"), 200, b"hello"),
    (answer(b""), 200, b""),
    (answer(b"x" * 600_000), 200, b"x" * 600_000),
    (answer(gzip.compress(LARGE), b"Content-Encoding: gzip\r\n"), 200, LARGE),
    (answer(b"gone", status=b"404 No"), 404, b"gone"),
    (answer(b"no", status=b"401 No"), 401, b"no"),
    (answer(gzip.compress(b"small"), b"Content-Encoding: gzip\r\n"), 200, b"small"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, b"ab"),
    (b"HTTP/1.1 103 E\r\n\r\n" + answer(b"late"), 200, b"late"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b""),
]


@both
@pytest.mark.parametrize(("raw", "status", "content"), ANSWERS, ids=range(len(ANSWERS)))
async def test_an_answer_is_the_same_on_a_connection_that_waited(
    start: Start,
    client: SimpleAsyncHTTPClient,
    ask: Ask,
    raw: bytes,
    status: int,
    content: bytes,
) -> None:
    """However it comes, and whatever its content is in."""
    script = Counted(OK, raw)
    server = await start(script)
    await ask(client, server.url())
    for _ in range(2):
        assert await ask(client, server.url("/a")) == (status, content, server.url("/a"))
    assert script.connections == total(client) == 1


@both
async def test_a_redirect_is_followed_from_a_connection_that_waited(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask
) -> None:
    """Or is the answer, where the request says so."""
    away = answer(b"", b"Location: /b\r\n", b"302 Found")
    script = Counted(OK, away, OK, away)
    server = await start(script)
    await ask(client, server.url())
    assert await ask(client, server.url("/a")) == (200, b"ok", server.url("/b"))
    found = await ask(client, server.url("/a"), follow_redirects=False)
    assert found == (302, b"", server.url("/a"))


@both
async def test_what_is_wrong_with_an_answer_is_told_alike(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask
) -> None:
    """It is not asked for again, and the connection ends."""
    script = Counted(OK, b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n")
    server = await start(script)
    await ask(client, server.url())
    with (
        ExpectLog("toolkit.general", "Malformed HTTP message", required=False),
        pytest.raises(HTTPStreamClosedError),
    ):
        await ask(client, server.url())
    await script.wait_ended(1)
    assert total(client) == 0
    assert len(script.requests) == 2


@both
@pytest.mark.parametrize("size", [1000, 500_000, 599_999])
async def test_content_that_ends_early_is_told_alike(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask, size: int
) -> None:
    """However much of it has come."""

    async def script(caller: Caller) -> None:
        await caller.head()
        await caller.say(OK)
        await caller.head()
        await caller.say(answer(LARGE)[: size - len(LARGE)])

    server = await start(script)
    await ask(client, server.url())
    with pytest.raises(HTTPStreamClosedError):
        await ask(client, server.url())
    assert total(client) == 0


@both
async def test_bytes_behind_large_content_end_the_connection(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask
) -> None:
    """As those behind any: the next request has another one."""
    script = Counted(OK, answer(LARGE) + b"more", OK)
    server = await start(script)
    for content in (b"ok", LARGE, b"ok"):
        assert (await ask(client, server.url()))[1] == content
    assert script.connections == 2


async def test_large_content_is_written_right_to_where_it_is_wanted(
    start: Start, client: SimpleAsyncHTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pieces of it tell how much room there has to be; the rest comes past the stream."""
    server = await start(Counted(OK, answer(LARGE)))
    seen: list[int] = []
    receive = ClientConnection._receive

    def count(connection: ClientConnection, data: bytes) -> None:
        seen.append(len(data))
        receive(connection, data)

    monkeypatch.setattr(ClientConnection, "_receive", count)
    await client.get(server.url())
    seen.clear()
    assert (await client.get(server.url())).content == LARGE
    assert sum(seen) < len(LARGE)


@both
async def test_a_request_that_cannot_be_sent_is_told_alike(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask
) -> None:
    """Before any of it is sent."""
    script = Counted()
    server = await start(script)
    await ask(client, server.url())
    with pytest.raises(ValueError, match="Host 'a b'"):
        await ask(client, server.url(), headers={"Host": "a b"})
    assert len(script.requests) == 1


@both
async def test_credentials_go_with_a_request(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask
) -> None:
    """Those of a URL, by Basic."""
    script = Counted()
    server = await start(script)
    for _ in range(2):
        await ask(client, server.url(host="me:secret@127.0.0.1"))
    assert all("Authorization: Basic bWU6c2VjcmV0" in head for head in script.requests)
    assert script.connections == 1


class Silent:
    """Answers the first request of each connection, and is silent at the next."""

    def __init__(self, begin: bytes = b"") -> None:
        self.begin = begin
        self.asked = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, caller: Caller) -> None:
        await caller.head()
        await caller.say(OK)
        await caller.head()
        self.asked.set()
        await caller.say(self.begin)
        await caller.ended()
        self.ended.set()


#: The last one is so large that its content is written right to where it is wanted.
BEGINNINGS = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    answer(b"x" * 600_000)[:-100_000],
]


@both
@pytest.mark.parametrize("begin", BEGINNINGS, ids=["silent", "begun", "large"])
async def test_an_answer_that_takes_too_long_ends_its_connection(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask, begin: bytes
) -> None:
    """Whatever there is of it."""
    script = Silent(begin)
    server = await start(script)
    await ask(client, server.url())
    with pytest.raises(HTTPTimeoutError, match="Timeout during request"):
        await ask(client, server.url(), request_timeout=0.05)
    await script.ended.wait()
    assert total(client) == 0
    assert client.active == {}


@both
@pytest.mark.parametrize("begin", BEGINNINGS, ids=["silent", "begun", "large"])
async def test_a_request_that_is_cancelled_ends_its_connection(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask, begin: bytes
) -> None:
    """And nothing is under way any more."""
    script = Silent(begin)
    server = await start(script)
    await ask(client, server.url())
    task = asyncio.ensure_future(ask(client, server.url()))
    await script.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await script.ended.wait()
    assert total(client) == 0
    assert client.active == {}


async def test_a_client_that_is_closed_gives_up_what_is_under_way(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """And begins with none that waits for it."""
    script = Silent()
    server = await start(script)
    client.max_clients = 1
    await client.fetch(server.url())
    first, second = client.fetch(server.url()), client.fetch(server.url("/b"))
    await script.asked.wait()
    client.close()
    for future in (first, second):
        with pytest.raises(HTTPStreamClosedError, match="the client was closed"):
            await future
    await script.ended.wait()


@pytest.mark.parametrize("streaming", [True, False])
async def test_parts_are_told_of_on_a_connection_that_waited(
    start: Start, client: SimpleAsyncHTTPClient, streaming: bool
) -> None:
    """To the callbacks of a request."""
    server = await start(Counted())
    await client.fetch(server.url())
    told: list[Any] = []
    name = "streaming_callback" if streaming else "header_callback"
    await client.fetch(server.url(), **{name: told.append})
    assert told == ([b"ok"] if streaming else told)
    assert len(told) == (1 if streaming else 3)


async def test_other_times_than_that_of_the_whole_are_kept(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """As that until the first byte."""
    script = Silent()
    server = await start(script)
    await client.get(server.url())
    with pytest.raises(HTTPTimeoutError, match="waiting for the response"):
        await client.get(server.url(), timeout=Timeouts(first_byte=0.05))
    await script.ended.wait()


async def test_what_goes_on_by_the_chain_has_the_context_of_who_asked(
    start: Start, client: SimpleAsyncHTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is the loop that brings it there."""
    variable = contextvars.ContextVar("variable", default=0)
    seen = []

    def watched(*arguments: Any) -> Any:
        seen.append(variable.get())
        return make_decoder(*arguments)

    monkeypatch.setattr("toolkit.httpclient.decoding.make_decoder", watched)
    script = Counted(OK, answer(gzip.compress(b"x"), b"Content-Encoding: gzip\r\n"))
    server = await start(script)
    await client.fetch(server.url())
    variable.set(1)
    await client.fetch(server.url())
    assert seen == [1]


async def test_times_are_told(start: Start, client: SimpleAsyncHTTPClient) -> None:
    """By curl's names; a connection that was there took none."""
    server = await start(Counted())
    await client.get(server.url())
    response = await client.fetch(server.url())
    times = response.time_info
    assert [times[name] for name in ("namelookup", "connect", "appconnect")] == [0.0] * 3
    assert 0 <= times["pretransfer"] <= times["starttransfer"] <= times["total"]
    assert "starttransfer" in (await client.get(server.url())).time_info


@both
async def test_a_request_leaves_nothing_to_the_cycle_collector(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask
) -> None:
    """What it took is free when it is over."""
    server = await start(Counted())
    for _ in range(5):
        await ask(client, server.url())
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            await ask(client, server.url())
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(("ask", "budget"), [(fetch, 95), (get, 70)])
async def test_a_request_takes_few_calls(
    start: Start, client: SimpleAsyncHTTPClient, ask: Ask, budget: int
) -> None:
    """Of functions of the package."""
    server = await start(Counted())
    for _ in range(3):
        await ask(client, server.url())
    calls = 0

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and "/toolkit/" in frame.f_code.co_filename

    sys.setprofile(count)
    try:
        await ask(client, server.url())
    finally:
        sys.setprofile(None)
    assert calls <= budget


# -- deadlines ---------------------------------------------------------------------------


class Clock:
    """Stands for a loop whose time is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Clock.Timer] = []
        self.made = 0

    class Timer:
        """What `call_at` returns."""

        def __init__(self, clock: "Clock", when: float, call: Callable[[], None]) -> None:
            self.clock, self.when, self.call = clock, when, call

        def cancel(self) -> None:
            """Take the timer back."""
            self.clock.timers.remove(self)

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Start a timer."""
        self.made += 1
        self.timers.append(self.Timer(self, when, call))
        return self.timers[-1]

    def advance(self, now: float) -> None:
        """Let it be later."""
        self.now = now
        for timer in [timer for timer in self.timers if timer.when <= now]:
            self.timers.remove(timer)
            timer.call()


def test_deadlines_need_one_timer() -> None:
    """For as long as none is earlier than those before; what is done in time hears nothing."""
    clock, late = Clock(), list[int]()
    deadlines: Deadlines[int] = Deadlines(clock, late.append)  # type: ignore[arg-type]
    for number in range(100):
        deadlines.add(number, number + 20)
        if number != 50:
            deadlines.discard(number)
    assert (clock.made, len(clock.timers)) == (1, 1)
    clock.advance(20)
    assert (late, clock.timers[0].when) == ([], 70)
    deadlines.add(200, 30)
    assert [timer.when for timer in clock.timers] == [30]
    clock.advance(30)
    clock.advance(70)
    assert late == [200, 50]
    assert clock.timers == []


def test_a_deadline_may_be_taken_back_while_others_end() -> None:
    """Then it is not told, and none is told any more once they are closed."""
    clock, late = Clock(), list[int]()

    def expired(number: int) -> None:
        late.append(number)
        deadlines.discard(3 - number)

    deadlines: Deadlines[int] = Deadlines(clock, expired)  # type: ignore[arg-type]
    deadlines.add(1, 5)
    deadlines.add(2, 5)
    deadlines.discard(9)
    clock.advance(5)
    assert late == [1]
    deadlines.add(3, 6)
    deadlines.close()
    assert clock.timers == []
