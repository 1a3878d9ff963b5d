"""How much a server takes: of one client, and of all of them together."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.http.client import Serve, get, post, turns
from tests.loops import expect_log
from toolkit.http1connection import ConnectionContext, Exchange
from toolkit.httpserver import HTTPServer
from toolkit.httpserver.access import AccessLog
from toolkit.httpserver.request_ids import RequestIDs
from toolkit.web import Application, RequestHandler, stream_request_body
from toolkit.wire.events import RequestHead

LENGTH = "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n"
CHUNKED = b"POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class Gate:
    """A handler that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.release = asyncio.Event()
        gate = self

        class Waiting(RequestHandler):
            async def get(self) -> None:
                gate.begun.release()
                await gate.release.wait()
                self.write("done")

        self.handler = Waiting


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until a condition holds."""
    while not condition():
        await turns(1)


def length(target: str, size: int, fields: str = "") -> bytes:
    """Write the head of a POST request with content of some size."""
    return LENGTH.format(target, size, fields).encode()


# -- content -----------------------------------------------------------------------------


@pytest.mark.feature("B05")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
async def test_max_body_size_is_refused_with_a_bare_400(
    serve: Serve, streamed: bool, chunked: bool
) -> None:
    """As programs made for Tornado know it; a streaming handler hears of a client that left."""
    events: list[str] = []

    class Whole(RequestHandler):
        def post(self) -> None:
            events.append("post")
            self.write(str(len(self.request.body)))

    @stream_request_body
    class Streamed(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            events.append("data")

        def post(self) -> None:
            events.append("post")

        def on_connection_close(self) -> None:
            events.append("closed")

    site = serve([("/", Streamed if streamed else Whole)], max_body_size=1000)
    assert (await site.ask(post("/", b"x" * 1000))).status == 200
    events.clear()
    client = await site.client()
    if chunked:
        await client.send(CHUNKED % b"/" + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
    else:
        await client.send(length("/", 1001) + b"x" * 1001)
    client.shut()
    assert await client.read_to_end() == b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert "post" not in events
    assert events.count("closed") == (1 if streamed else 0)
    assert (await site.ask(post("/", b"x"))).status == 200


@pytest.mark.parametrize("name", ["max_body_size", "content_limit"])
async def test_a_limit_of_nothing_is_one(serve: Serve, name: str) -> None:
    site = serve([("/", Hello)], **{name: 0})
    assert (await site.get()).text == "hello"
    assert (await site.ask(post("/", b""))).text == "0"
    client = await site.client()
    await client.send(post("/", b"x"))
    status = 400 if name == "max_body_size" else 413
    assert (await client.read_to_end()).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_body_size": 1, "content_limit": 1}, "one of them"),
        ({"protocol": "gopher"}, "'http' and 'https' are allowed"),
        ({"trusted_proxies": ["10.0.0.1"], "xheaders": True}, "one of them"),
        ({"proxy_headers": ["Forwarded"]}, "without trusted_proxies"),
        ({"access_log": "%"}, "in a format"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        HTTPServer(Application(), **options)


async def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        HTTPServer(Application(), no_such_option=1)


# -- connections -------------------------------------------------------------------------


@pytest.mark.feature("B28")
async def test_a_connection_too_many_is_answered_503(serve: Serve) -> None:
    """Others do not notice; once there is room, connections are taken again."""
    gate = Gate()
    site = serve([("/", Hello), ("/wait", gate.handler)], max_connections=2)
    clients = [await site.client() for _ in range(2)]
    for client in clients:
        await client.send(get("/wait"))
        await gate.begun.acquire()
    for _ in range(3):
        late = await site.client()
        answer = await late.get()
        assert (answer.status, answer.get("retry-after")) == (503, "1")
        assert answer.get("connection") == "close"
        late.shut()
        await late.expect_end()
    gate.release.set()
    assert [(await client.answer()).text for client in clients] == ["done"] * 2
    clients[0].close()
    await until(lambda: len(site.server._connections) == 1)
    assert (await site.get()).text == "hello"


@pytest.mark.feature("B28")
async def test_the_longest_idle_connection_makes_room(serve: Serve) -> None:
    """Sooner than a new client is turned away, one goes that nobody needs."""
    gate = Gate()
    rules = [("/", Hello), ("/wait", gate.handler)]
    # The sweep that sees who is idle comes at a quarter of the shortest time-out.
    site = serve(rules, max_connections=3, header_timeout=0.1)
    connections = site.server._connections
    busy, first = await site.client(), await site.client()
    await busy.send(get("/wait"))
    await gate.begun.acquire()
    assert (await first.get()).text == "hello"

    def idle() -> int:
        return sum(one.idle_since is not None for one in connections)

    await until(lambda: idle() == 1)
    second = await site.client()
    assert (await second.get()).text == "hello"
    await until(lambda: idle() == 2)
    third = await site.client()
    assert (await third.get()).text == "hello"
    await first.expect_end()
    for client in (second, third):
        assert (await client.get()).text == "hello"
    gate.release.set()
    assert (await busy.answer()).text == "done"


async def test_a_client_that_was_turned_away_does_not_count(serve: Serve) -> None:
    """It lingers for a while, and room that is free meanwhile is given away."""
    site = serve([("/", Hello)], max_connections=1)
    client = await site.client()
    assert (await client.get()).text == "hello"
    late = await site.client()
    assert (await late.answer()).status == 503
    client.close()
    await until(lambda: len(site.server._connections) <= 1)
    assert (await site.get()).status == 200


# -- requests ----------------------------------------------------------------------------


@pytest.mark.feature("B28")
async def test_a_request_too_many_is_answered_503_and_the_connection_goes_on(
    serve: Serve,
) -> None:
    gate = Gate()
    site = serve([("/", Hello), ("/wait", gate.handler)], max_requests=2)
    clients = [await site.client() for _ in range(2)]
    for client in clients:
        await client.send(get("/wait"))
        await gate.begun.acquire()
    late = await site.client()
    for request in (get(), post("/", b"x" * 1000), get()):
        answer = await late.ask(request)
        assert (answer.status, answer.get("retry-after")) == (503, "1")
        assert answer.keep_alive
        assert answer.get("date") is not None
    gate.release.set()
    assert [(await client.answer()).text for client in clients] == ["done"] * 2
    assert (await late.get()).text == "hello"


@pytest.mark.feature("B07", "B28")
async def test_a_request_too_many_is_refused_without_a_100(serve: Serve) -> None:
    gate = Gate()
    site = serve([("/", Hello), ("/wait", gate.handler)], max_requests=1)
    client, late = await site.client(), await site.client()
    await client.send(get("/wait"))
    await gate.begun.acquire()
    await late.send(length("/", 5, "Expect: 100-continue\r\n"))
    answer = await late.answer("POST", interim=True)
    assert (answer.status, answer.get("connection")) == (503, "close")
    gate.release.set()


async def test_each_way_to_end_gives_the_place_of_a_request_back(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """An error, a client that leaves, a stream that is taken over, a refusal."""
    begun = asyncio.Event()

    class Ways(RequestHandler):
        async def get(self, way: str) -> None:
            if way == "raise":
                raise RuntimeError(way)
            if way == "detach":
                self.detach().close()
            elif way == "leave":
                begun.set()
                await left.wait()
            elif way == "flush":
                await self.flush()
                raise RuntimeError(way)

        def on_connection_close(self) -> None:
            left.set()

        def post(self, way: str) -> None:
            self.write(way)

    left = asyncio.Event()
    site = serve([("/(.*)", Ways)], max_requests=1, content_limit=10)
    assert (await site.get("/raise")).status == 500
    for way in ("/detach", "/flush"):
        client = await site.client()
        await client.send(get(way))
        await client.read_to_end()
    client = await site.client()
    await client.send(get("/leave"))
    await begun.wait()
    assert (await site.get()).status == 503
    client.reset()
    await left.wait()
    assert (await site.ask(length("/", 100))).status == 413
    assert (await site.ask(b"BROKEN / HTTP\r\n\r\n")).status == 400
    assert (await site.ask(post("/", b"x"))).status == 200
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "Cannot send error response")


@pytest.mark.feature("B11")
async def test_a_connection_serves_so_many_requests(serve: Serve) -> None:
    """The last answer says so; what was pipelined behind is not answered."""
    site = serve([("/", Hello)], max_requests_per_connection=3)
    client = await site.client()
    for left in (2, 1, 0):
        answer = await client.get()
        assert (answer.text, answer.get("connection")) == ("hello", None if left else "close")
    await client.expect_end()
    client = await site.client()
    await client.send(get() * 5)
    client.shut()
    answers = [await client.answer() for _ in range(3)]
    assert [answer.keep_alive for answer in answers] == [True, True, False]
    await client.expect_end()


@pytest.mark.feature("B11")
async def test_an_idle_connection_is_closed_without_a_word(serve: Serve) -> None:
    """Before its first request, and between two; one in use is not idle."""
    gate = Gate()
    rules = [("/", Hello), ("/wait", gate.handler)]
    site = serve(rules, idle_connection_timeout=0.2)
    fresh, used, busy = [await site.client() for _ in range(3)]
    await busy.send(get("/wait"))
    await gate.begun.acquire()
    assert (await used.get()).keep_alive
    await fresh.expect_end()
    await used.expect_end()
    gate.release.set()
    assert (await busy.answer()).text == "done"


# -- functions of the site that fail -----------------------------------------------------


def raises(*_args: Any) -> Any:
    """Fail, as a function of the site's own may."""
    raise RuntimeError("broken on purpose")


class BrokenIDs(RequestIDs):
    """Makes no ids."""

    def __call__(self, head: RequestHead, context: ConnectionContext) -> str:
        raise RuntimeError("broken on purpose")


class BrokenLog(AccessLog):
    """Writes no line."""

    def log(self, exchange: Any, now: float) -> None:
        raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("broken", ["forwarding", "request_ids"])
async def test_what_fails_before_a_request_is_served_gives_500(
    serve: Serve, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """The server lives, and counts right: no place of a request is lost."""
    site = serve(
        [("/", Hello)],
        max_requests=2,
        **{"request_ids": BrokenIDs()} if broken == "request_ids" else {},
    )
    attendant = site.server._attendant
    if broken == "forwarding":
        attendant.forwarding = raises
    for _ in range(4):
        answer = await site.get()
        assert answer.status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    attendant.forwarding = attendant.request_ids = None
    assert (await site.get()).status == 200
    assert attendant.active == 0


async def test_an_access_log_that_fails_harms_no_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the one that it is about, and not the next on its connection."""

    class Later(RequestHandler):
        async def get(self) -> None:
            await asyncio.sleep(0)
            self.write("later")

    site = serve([("/", Hello), ("/later", Later)], access_log=BrokenLog(), max_requests=3)
    client = await site.client()
    for target, text in [("/", "hello"), ("/later", "later")] * 3:
        answer = await client.get(target)
        assert (answer.status, answer.text, answer.keep_alive) == (200, text, True)
    await client.send(get("/later") + get("/") + get("/later"))
    assert [(await client.answer()).text for _ in range(3)] == ["later", "hello", "later"]
    expect_log(caplog, "toolkit.application", "Uncaught exception|access log")


async def test_an_application_that_fails_before_it_waits_gives_500(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that raises instead of returning a coroutine."""

    class Broken:
        def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
            raise RuntimeError("broken on purpose")

    site = serve(Broken(), max_requests=1)
    for _ in range(3):
        assert (await site.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")
