"""Routers: as what a server serves, within each other, and beside handler classes."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.http.client import Serve, get, post
from tests.loops import expect_log
from toolkit.http1connection import Exchange
from toolkit.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    ResponseStartLine,
)
from toolkit.routing import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    PathMatches,
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
)
from toolkit.web import Application, RequestHandler, stream_request_body
from toolkit.wire.events import ResponseHead
from toolkit.wsgi import WSGIContainer


class Named(RequestHandler):
    """Answers with its name, and what it was given."""

    def initialize(self, name: str = "handler") -> None:
        self.name = name

    def get(self, *args: str, **kwargs: str) -> None:
        self.write(" ".join([self.name, *args, *(f"{k}={v}" for k, v in kwargs.items())]))

    def post(self, *args: str) -> None:
        self.write(f"{self.name} {self.request.body.decode()}")


def say(connection: Any, text: str) -> None:
    """Answer with a text."""
    headers = HTTPHeaders({"Content-Length": str(len(text))})
    connection.write_headers(ResponseStartLine("", 200, "OK"), headers, text.encode())
    connection.finish()


class Said(HTTPMessageDelegate):
    """Answers with a text, and the content of the request."""

    def __init__(self, connection: HTTPConnection | None, text: str) -> None:
        self._connection = connection
        self._text = text

    def data_received(self, chunk: bytes) -> None:
        self._text += f" {chunk.decode()}"

    def finish(self) -> None:
        say(self._connection, self._text)


class ByName(Router):
    """A router of one's own, for the paths that it knows."""

    def __init__(self, *paths: str) -> None:
        self._paths = paths
        self.asked: list[dict[str, Any]] = []

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        self.asked.append(kwargs)
        if request.path in self._paths:
            return Said(request.connection, f"router {request.path}")
        return None


def callback(request: HTTPServerRequest, **kwargs: Any) -> None:
    """Answer by the connection of the request."""
    say(request.connection, f"function {request.path} {request.body.decode()}".strip())


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as a WSGI application."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi ", environ["PATH_INFO"].encode()]


# -- as what a server serves -------------------------------------------------------------


@pytest.mark.parametrize("name", ["router", "delegate", "application", "function", "wsgi", "list"])
async def test_a_rule_leads_to_a_target_of_any_kind(serve: Serve, name: str) -> None:
    """From a `RuleRouter` that the server serves, and from a rule of an application."""

    class Delegate(HTTPServerConnectionDelegate):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Said:
            return Said(request_conn, "delegate")

    targets: dict[str, tuple[Any, str, str]] = {
        "router": (ByName("/x/a"), "router /x/a", "router /x/a body"),
        "delegate": (Delegate(), "delegate", "delegate body"),
        "application": (Application([("/x/.*", Named)]), "handler", "handler body"),
        "function": (callback, "function /x/a", "function /x/a body"),
        "wsgi": (WSGIContainer(wsgi), "wsgi /x/a", "wsgi /x/a"),
        "list": ([("/x/a", callback)], "function /x/a", "function /x/a body"),
    }
    target, text, text_of_post = targets[name]
    log: dict[str, Any] = {"log_function": lambda handler: None}
    for served in (
        RuleRouter([("/x/.*", target)]),
        Application([("/other", Named), ("/x/.*", target)], **log),
    ):
        client = await serve(served).client()
        for _ in range(2):
            assert (await client.get("/x/a")).text == text
            assert (await client.ask(post("/x/a", b"body"))).text == text_of_post
            assert (await client.get("/y")).status == 404
        await client.send(get("/x/a") * 3)
        assert [(await client.answer()).text for _ in range(3)] == [text] * 3


async def test_a_router_of_ones_own_is_served(serve: Serve) -> None:
    """What it returns answers; None is 404, and the connection goes on."""
    client = await serve(ByName("/a")).client()
    assert (await client.get("/a")).text == "router /a"
    answer = await client.get("/b")
    assert (answer.status, answer.keep_alive, answer.get("date") is not None) == (404, True, True)
    assert (await client.ask(post("/b", b"x" * 1000))).status == 404
    assert (await client.ask(post("/a", b"body"))).text == "router /a body"


async def test_routers_that_do_not_know_a_request_leave_it_to_the_next(serve: Serve) -> None:
    """In order, and however deep."""
    first, second = ByName("/a"), ByName("/a", "/b")
    router = RuleRouter(
        [
            Rule(AnyMatches(), RuleRouter([Rule(AnyMatches(), first)])),
            Rule(AnyMatches(), second),
            Rule(PathMatches("/c"), callback),
        ]
    )
    client = await serve(router).client()
    assert (await client.get("/a")).text == "router /a"
    assert second.asked == []
    assert (await client.get("/b")).text == "router /b"
    assert (await client.get("/c")).text == "function /c"
    assert (await client.get("/d")).status == 404
    assert (len(first.asked), len(second.asked)) == (4, 3)


async def test_an_application_goes_on_behind_a_router_that_returns_none(serve: Serve) -> None:
    """To its further rules, and to its own 404."""
    rules = [
        (r"/(.*)", ByName("/known")),
        (r"/handler/(.*)", Named),
        (r"/last", RuleRouter([(r"/last", callback)])),
    ]
    client = await serve(rules).client()
    assert (await client.get("/known")).text == "router /known"
    assert (await client.get("/handler/x")).text == "handler x"
    assert (await client.get("/last")).text == "function /last"
    answer = await client.get("/nothing")
    assert (answer.status, "404" in answer.text) == (404, True)
    assert (await client.ask(post("/handler/x", b"body"))).text == "handler body"


async def test_the_default_handler_answers_for_routers_too(serve: Serve) -> None:
    settings = {"default_handler_class": Named, "default_handler_args": {"name": "default"}}
    site = serve([("/a", ByName())], settings)
    for path in ("/a", "/b"):
        assert (await site.get(path)).text == "default"


async def test_a_rule_tells_its_router_what_it_found(serve: Serve) -> None:
    """Groups of the path and the arguments of the rule."""
    router = ByName("/x/a%20b", "/y/1", "/z")
    rules = RuleRouter(
        [
            Rule(PathMatches("/x/(.*)"), router),
            Rule(PathMatches("/y/(?P<id>.*)"), router, {"k": "v"}),
            Rule(PathMatches("/z"), router),
        ]
    )
    client = await serve(rules).client()
    for path in ("/x/a%20b", "/y/1", "/z"):
        assert (await client.get(path)).status == 200
    args, kwargs, nothing = router.asked
    assert list(args["path_args"]) == [b"a b"]
    assert kwargs["path_kwargs"] == {"id": b"1"}
    assert kwargs["target_kwargs"] == {"k": "v"}
    assert not nothing.get("path_args")
    assert not nothing.get("target_kwargs")


async def test_a_function_gets_what_its_rule_found(serve: Serve) -> None:
    def show(request: HTTPServerRequest, **kwargs: Any) -> None:
        say(request.connection, str(sorted((name, kwargs[name]) for name in kwargs)))

    client = await serve(RuleRouter([("/x/(.*)", show), ("/y", show)])).client()
    assert (await client.get("/x/1")).text == "[('path_args', [b'1'])]"
    assert (await client.get("/y")).text == "[]"


async def test_hosts_choose_an_application(serve: Serve) -> None:
    """One server for several sites."""
    router = RuleRouter(
        [
            Rule(HostMatches("one.example"), Application([("/", Named, {"name": "one"})])),
            Rule(HostMatches(r".*\.example"), Application([("/", Named, {"name": "other"})])),
        ]
    )
    client = await serve(router).client()

    async def ask(host: str) -> Any:
        return await client.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert (await ask("one.example")).text == "one"
    assert (await ask("two.example:8080")).text == "other"
    assert (await ask("evil")).status == 404


async def test_an_application_within_an_application_has_its_own_settings(serve: Serve) -> None:
    class Setting(RequestHandler):
        def get(self) -> None:
            self.write(self.settings["name"])

    inner = Application([("/in/.*", Setting)], name="inner", log_function=print)
    site = serve([("/in/.*", inner), ("/out", Setting)], {"name": "outer"})
    assert (await site.get("/in/x")).text == "inner"
    assert (await site.get("/out")).text == "outer"
    assert (await site.get("/in")).status == 404


async def test_an_object_with_handle_exchange_is_a_target(serve: Serve) -> None:
    class App:
        async def handle_exchange(self, exchange: Exchange) -> None:
            exchange.respond(ResponseHead(200), b"native " + await exchange.read())

    for served in (RuleRouter([("/x", App())]), Application([("/x", App())])):
        client = await serve(served).client()
        assert (await client.ask(post("/x", b"body"))).text == "native body"


@pytest.mark.parametrize("where", ["router", "delegate", "function"])
async def test_an_exception_of_a_target_ends_its_request_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    class Broken(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
            if where == "router":
                raise RuntimeError("broken on purpose")

            class Delegate(HTTPMessageDelegate):
                def finish(self) -> None:
                    raise RuntimeError("broken on purpose")

            return Delegate()

    def broken(request: HTTPServerRequest) -> None:
        raise RuntimeError("broken on purpose")

    target: Any = broken if where == "function" else Broken()
    for served in (RuleRouter([("/x", target)]), Application([("/x", target)])):
        site = serve(served)
        client = await site.client()
        await client.send(get("/x"))
        raw = await client.read_to_end()
        assert raw == b"" or raw.startswith(b"HTTP/1.1 500 ")
        assert (await site.get("/x")).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")


# -- handlers by delegates ---------------------------------------------------------------


async def test_a_router_may_choose_handler_classes_of_an_application(serve: Serve) -> None:
    """By `get_handler_delegate`, with arguments of the rule and groups of the path."""

    class ByMethod(Router):
        def __init__(self, application: Application) -> None:
            self._application = application

        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
            return self._application.get_handler_delegate(
                request,
                Named,
                target_kwargs={"name": request.method},
                path_args=[request.path.encode()],
            )

    application = Application(log_function=lambda handler: None)
    client = await serve(ByMethod(application)).client()
    assert (await client.get("/a")).text == "GET /a"
    assert (await client.ask(post("/b", b"body"))).text == "POST body"
    assert (await client.ask(b"PUT /c HTTP/1.1\r\nHost: h\r\n\r\n")).status == 405


async def test_a_handler_streams_its_content_behind_any_router(serve: Serve) -> None:
    pieces: list[int] = []

    @stream_request_body
    class Streamed(RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            pieces.append(len(chunk))

        def post(self) -> None:
            self.write(str(sum(pieces)))

    application = Application([("/x", Streamed)], log_function=lambda handler: None)
    site = serve(RuleRouter([("/x", application)]), chunk_size=100)
    assert (await site.ask(post("/x", b"x" * 1000))).text == "1000"
    assert max(pieces) == 100


async def test_a_delegate_that_knows_only_delegates_can_call_an_application(serve: Serve) -> None:
    """One that stands before it and looks at, or changes, what passes through."""

    class Through(HTTPMessageDelegate):
        def __init__(self, inner: HTTPMessageDelegate) -> None:
            self._inner = inner

        def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
            return self._inner.headers_received(start_line, headers)

        def data_received(self, chunk: bytes) -> Any:
            return self._inner.data_received(chunk.upper())

        def finish(self) -> None:
            self._inner.finish()

        def on_connection_close(self) -> None:
            self._inner.on_connection_close()

    class Before(HTTPServerConnectionDelegate):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Any:
            return Through(application.start_request(server_conn, request_conn))

    application = Application([("/(.*)", Named)], log_function=lambda handler: None)
    client = await serve(Before()).client()
    for _ in range(2):
        assert (await client.get("/a")).text == "handler a"
        assert (await client.ask(post("/", b"body"))).text == "handler BODY"


async def test_an_application_can_be_called_with_a_request(serve: Serve) -> None:
    """By a function that a server serves, say; the content was read already."""
    application = Application(
        [("/(.*)", Named, {"name": "called"})], log_function=lambda handler: None
    )

    async def handle(request: HTTPServerRequest) -> None:
        if request.path == "/own":
            say(request.connection, "own")
        else:
            await application(request)

    client = await serve(handle).client()
    for _ in range(2):
        assert (await client.get("/own")).text == "own"
        assert (await client.get("/a")).text == "called a"
        assert (await client.ask(post("/", b"body"))).text == "called body"
        assert (await client.ask(b"PUT /c HTTP/1.1\r\nHost: h\r\n\r\n")).status == 405


# -- what routers are made of ------------------------------------------------------------


async def test_a_subclass_may_know_further_targets(serve: Serve) -> None:
    class Texts(RuleRouter):
        def get_target_delegate(
            self, target: Any, request: HTTPServerRequest, **target_params: Any
        ) -> HTTPMessageDelegate | None:
            if isinstance(target, int):
                return Said(request.connection, f"number {target}")
            return super().get_target_delegate(target, request, **target_params)

    client = await serve(Texts([("/1", 1), ("/2", callback)])).client()
    assert (await client.get("/1")).text == "number 1"
    assert (await client.get("/2")).text == "function /2"


async def test_a_target_that_serves_nothing_is_passed_over(serve: Serve) -> None:
    client = await serve(RuleRouter([("/.*", 42), ("/a", callback)])).client()
    assert (await client.get("/a")).text == "function /a"
    assert (await client.get("/b")).status == 404


def test_routers_have_to_say_how_they_choose() -> None:
    request = HTTPServerRequest(method="GET", uri="/")
    with pytest.raises(NotImplementedError):
        Router().find_handler(request)
    with pytest.raises(NotImplementedError):
        ReversibleRouter().reverse_url("name")


def test_names_are_found_within_applications_and_routers() -> None:
    inner = Application([("/in/(.*)", Named, None, "inner")])
    router = ReversibleRuleRouter(
        [
            Rule(PathMatches("/in/.*"), inner),
            Rule(AnyMatches(), ReversibleRuleRouter([Rule(PathMatches("/deep"), 1, name="deep")])),
            Rule(PathMatches("/out/([0-9]+)"), callback, name="outer"),
        ]
    )
    assert router.reverse_url("outer", 42) == "/out/42"
    assert router.reverse_url("deep") == "/deep"
    assert router.reverse_url("inner", "x") == "/in/x"
    assert router.reverse_url("nothing") is None


@pytest.mark.parametrize(
    ("default", "fields", "matches"),
    [
        ("www.example", {}, True),
        ("other.example", {}, False),
        ("www.example", {"X-Real-Ip": "127.0.0.1"}, False),
    ],
)
def test_the_default_host_matches_what_names_no_other(
    default: str, fields: dict[str, str], matches: bool
) -> None:
    class App:
        default_host = default

    matcher = DefaultHostMatches(App(), re.compile("www.example$"))
    request = HTTPServerRequest(method="GET", uri="/", headers=HTTPHeaders(fields))
    assert (matcher.match(request) is not None) is matches


async def test_an_application_has_a_default_host(serve: Serve) -> None:
    """Requests by another name come to its handlers too, unless a proxy says who asked."""
    application = Application(
        [("/", Named, {"name": "any"})],
        default_host="www.example",
        log_function=lambda handler: None,
    )
    rules = [("/", Named, {"name": "www"}), ("/only", Named, {"name": "only"})]
    application.add_handlers("www.example", rules)
    client = await serve(application).client()

    async def ask(path: str, host: str, fields: str = "") -> str:
        return (
            await client.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())
        ).text

    assert await ask("/", "www.example") == "www"
    assert await ask("/", "10.0.0.1") == "any"
    assert await ask("/only", "10.0.0.1") == "only"
    assert "404" in await ask("/only", "10.0.0.1", "X-Real-Ip: 10.0.0.2\r\n")
