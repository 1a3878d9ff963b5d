"""Lifespans: of ASGI applications, and of applications of handlers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.asgi.apps import Living, answering
from tests.http.client import Client, Serve, get
from tests.loops import FACTORIES, expect_log
from toolkit.asgi import ASGIContainer, LifespanError
from toolkit.httpserver import HTTPServer
from toolkit.netutil import bind_sockets
from toolkit.routing import mount
from toolkit.testing import AsyncHTTPTestCase
from toolkit.web import Application, FallbackHandler, RequestHandler, State


def noting(log: list[str], name: str, fails: str = "") -> Callable[[Any], AsyncIterator[None]]:
    """Return a lifespan that notes its begin and its end.

    Args:
        fails: "begin" or "end": where it raises.
    """

    async def lifespan(application: Any) -> AsyncIterator[None]:
        log.append(f"{name} begins")
        await asyncio.sleep(0)
        if fails == "begin":
            raise OSError("no database")
        yield
        log.append(f"{name} ends")
        if fails == "end":
            raise OSError("lost")

    return lifespan


class Noting(RequestHandler):
    """Notes that a request came."""

    def initialize(self, log: list[str]) -> None:
        self.log = log

    async def get(self) -> None:
        self.log.append("request")
        await asyncio.sleep(0)


@pytest.mark.feature("I04")
@pytest.mark.parametrize("fails", ["", "end"])
async def test_lifespans_begin_before_the_first_request_and_end_in_reverse_after_the_last(
    serve: Serve, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    """Each of them ends, also where the one before it fails."""
    log: list[str] = []
    application = Application([("/", Noting, {"log": log})])
    for name in ("one", "two", "three"):
        application.lifespan(noting(log, name, fails if name == "two" else ""))
    site = serve(application)
    client = await site.client()
    await client.send(get())
    await client.answer()
    await client.send(get())
    await site.server.shutdown(5)
    await client.answer()
    assert log == [
        *("one begins", "two begins", "three begins"),
        *("request", "request"),
        *("three ends", "two ends", "one ends"),
    ]
    if fails:
        expect_log(caplog, "toolkit.application", "Exception at the end of a lifespan")


@pytest.mark.feature("I04")
async def test_what_cannot_begin_keeps_the_server_from_serving(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What has begun before it ends, one line says why, and nobody can connect."""
    log: list[str] = []
    application = Application()
    application.lifespan(noting(log, "one"))
    application.lifespan(noting(log, "two", "begin"))
    application.lifespan(noting(log, "three"))
    server = application.listen(0, "127.0.0.1")
    address = server.addresses[0]
    with pytest.raises(OSError, match="no database"):
        await server.started()
    assert log == ["one begins", "two begins", "one ends"]
    (record,) = expect_log(caplog, "toolkit.application", "could not start: OSError: no database")
    assert "\n" not in record.getMessage()
    assert "test_lifespan.py:" in record.getMessage()
    assert server.sockets == []
    with pytest.raises(OSError):
        await Client.connect(address)
    await server.shutdown()


async def test_two_servers_of_an_application_share_its_lifespan(serve: Serve) -> None:
    log: list[str] = []
    application = Application([("/", Noting, {"log": log})])
    application.lifespan(noting(log, "one"))
    first, second = serve(application), serve(application)
    await asyncio.gather(first.server.started(), second.server.started())
    await first.server.shutdown()
    await second.get()
    assert log == ["one begins", "request"]
    await second.server.shutdown()
    assert log == ["one begins", "request", "one ends"]
    third = serve(application)
    await third.get()
    assert log[3:] == ["one begins", "request"]


async def test_a_server_that_is_stopped_while_it_begins_ends_what_has_begun() -> None:
    log: list[str] = []
    begun = asyncio.Event()

    async def slow(application: Application) -> AsyncIterator[None]:
        begun.set()
        await asyncio.Event().wait()
        yield

    application = Application()
    application.lifespan(noting(log, "one"))
    application.lifespan(slow)
    server = application.listen(0, "127.0.0.1")
    await begun.wait()
    await server.shutdown()
    assert log == ["one begins", "one ends"]


def test_the_end_of_a_program_ends_lifespans_too(loop_name: str) -> None:
    log: list[str] = []

    async def main() -> None:
        application = Application()
        application.lifespan(noting(log, "one"))
        server = application.listen(0, "127.0.0.1")
        await server.started()
        server.stop()

    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
        runner.run(main())
    assert log == ["one begins", "one ends"]


# -- state -------------------------------------------------------------------------------


class Pool:
    """A resource."""

    def __init__(self) -> None:
        self.open = True


@pytest.mark.feature("P06")
@pytest.mark.feature("I04")
async def test_what_lifespans_yield_is_found_by_its_class_and_each_request_has_its_own_copy(
    serve: Serve,
) -> None:
    seen: list[Any] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            pool: Pool = self.state[Pool]  # the type is known by the key
            seen.append((pool.open, self.state["greeting"], "mine" in self.state))
            self.state["mine"] = self

    application = Application([("/", Handler)])

    @application.lifespan
    async def pool(application: Application) -> AsyncIterator[Pool]:
        pool = Pool()
        yield pool
        pool.open = False

    @application.lifespan
    async def greeting(application: Application) -> AsyncIterator[dict[str, str]]:
        assert application.state[Pool].open
        yield {"greeting": "hello"}

    site = serve(application)
    await site.get()
    await site.get()
    assert seen == [(True, "hello", False)] * 2
    await site.server.shutdown()
    assert not application.state[Pool].open


def test_what_is_not_in_the_state_is_named() -> None:
    state = State({"a": 1})
    with pytest.raises(KeyError, match="Pool is not in the state; there is 'a'"):
        _ = state[Pool]


# -- ASGI --------------------------------------------------------------------------------


@pytest.mark.feature("P06")
@pytest.mark.feature("P02")
async def test_an_asgi_application_has_its_lifespan_with_state(serve: Serve) -> None:
    app = Living()
    site = serve(ASGIContainer(app))
    await site.get()
    await site.get()
    await site.server.shutdown()
    assert app.log == ["app startup", "app request", "app request", "app shutdown"]
    # A copy for each request of what the application has put there at its beginning.
    assert app.states == [{"pool": app, "seen": True}] * 2
    assert app.states[0] is not app.states[1]


@pytest.mark.feature("P03")
@pytest.mark.parametrize("how", ["mount", "rule", "fallback", "inner application"])
async def test_the_lifespan_of_an_application_below_a_path_is_run(serve: Serve, how: str) -> None:
    app = Living()
    container = ASGIContainer(app, mount="" if how == "mount" else "/api")
    fallback = ("/api/.*", FallbackHandler, {"fallback": container})
    rules: dict[str, Any] = {
        "mount": mount("/api", container),
        "rule": ("/api/.*", container),
        "fallback": fallback,
        "inner application": ("/.*", Application([fallback])),
    }
    application = Application([rules[how]])
    application.lifespan(noting(app.log, "ours"))
    site = serve(application)
    assert (await site.get("/api/x")).text == "ok"
    await site.server.shutdown()
    assert app.log == [
        *("ours begins", "app startup", "app request", "app shutdown", "ours ends"),
    ]


async def test_two_mounts_of_a_container_share_a_lifespan(serve: Serve) -> None:
    app = Living()
    container = ASGIContainer(app)
    site = serve(Application([mount("/a", container), mount("/b", container)]))
    await site.get("/a")
    await site.get("/b")
    await site.server.shutdown()
    assert app.log == ["app startup", "app request", "app request", "app shutdown"]


@pytest.mark.feature("P02")
async def test_an_asgi_application_that_cannot_begin_is_not_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = HTTPServer(ASGIContainer(Living(fails="startup")))
    server.add_sockets(bind_sockets(0, "127.0.0.1"))
    with pytest.raises(LifespanError, match="OSError: no database"):
        await server.started()
    expect_log(caplog, "toolkit.application", "could not start: .*LifespanError: OSError: no data")
    assert server.sockets == []


async def test_an_end_that_fails_is_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    site = serve(ASGIContainer(Living(fails="shutdown")))
    await site.get()
    await site.server.shutdown()
    expect_log(caplog, "toolkit.application", "Exception at the end of a lifespan")


class Http(RuntimeError):
    """An application that knows HTTP alone says so."""


async def http_alone(scope: Any, receive: Any, send: Any) -> None:
    """Answer HTTP."""
    if scope["type"] != "http":
        raise Http(scope["type"])
    await answering(str("state" in scope).encode())(scope, receive, send)


async def test_an_application_without_lifespan_is_served_unless_one_is_asked_for(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await serve(ASGIContainer(http_alone)).get()).text == "False"
    assert (await serve(ASGIContainer(http_alone, lifespan="off")).get()).text == "False"
    server = HTTPServer(ASGIContainer(http_alone, lifespan="on"))
    server.add_sockets(bind_sockets(0, "127.0.0.1"))
    with pytest.raises(LifespanError):
        await server.started()
    expect_log(caplog, "toolkit.application", "could not start")
    with pytest.raises(ValueError, match="lifespan 'maybe'"):
        ASGIContainer(http_alone, lifespan="maybe")  # type: ignore[arg-type]


# -- tests of programs -------------------------------------------------------------------


@pytest.mark.feature("Q06")
def test_a_test_case_begins_and_ends_them() -> None:
    log: list[str] = []

    class Case(AsyncHTTPTestCase):
        def get_app(self) -> Application:
            application = Application([("/", Noting, {"log": log})])
            application.lifespan(noting(log, "one"))
            return application

        def runTest(self) -> None:
            assert self.fetch("/").code == 200

    result = Case().run()
    assert result is not None
    assert result.wasSuccessful(), result.errors
    assert log == ["one begins", "request", "one ends"]


async def test_a_client_that_connects_meanwhile_waits(serve: Serve) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    application = Application([("/", Noting, {"log": []})])

    @application.lifespan
    async def slow(application: Application) -> AsyncIterator[None]:
        begun.set()
        await go.wait()
        yield

    site = serve(application)
    client = await site.client()
    await client.send(get())
    await begun.wait()
    with pytest.raises(BlockingIOError):
        client.sock.recv(1, socket.MSG_PEEK)
    go.set()
    assert (await client.answer()).status == 200
