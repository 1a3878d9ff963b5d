"""Requests of ASGI applications over real sockets, rule by rule of the specification."""

import asyncio
import logging
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.asgi.apps import Recorder, Waiting, answering, content, echo
from tests.http.client import Serve, TLSClient, get, post
from tests.loops import expect_log
from toolkit.asgi import ASGIContainer, ClientDisconnected
from toolkit.routing import mount
from toolkit.web import Application, FallbackHandler, RequestHandler
from toolkit.wire.errors import RemoteProtocolError

MEBIBYTE = 1024 * 1024


def http_only(app: Any, **options: Any) -> ASGIContainer:
    """Return a container of an application that knows HTTP alone."""
    return ASGIContainer(app, lifespan="off", **options)


@pytest.mark.feature("P02")
@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/", "/", b"/", b""),
        ("/a%20b?x=1&y=%20", "/a b", b"/a%20b", b"x=1&y=%20"),
        ("/caf%C3%A9", "/caf\xe9", b"/caf%C3%A9", b""),
        ("/%ff", "/\ufffd", b"/%ff", b""),
        ("/a%2Fb?", "/a/b", b"/a%2Fb", b""),
        ("http://h/abs?q", "/abs", b"/abs", b"q"),
        ("http://h", "/", b"/", b""),
    ],
    ids=["root", "query", "utf-8", "no utf-8", "slash", "absolute", "absolute root"],
)
async def test_the_scope_says_what_was_asked_for(
    serve: Serve, target: str, path: str, raw_path: bytes, query: bytes
) -> None:
    app = Recorder()
    site = serve(http_only(app))
    client = await site.client()
    await client.get(target, "X-One: 1\r\nX-Two: \xe9\r\nX-One: 2\r\n")
    (scope,) = app.scopes
    assert scope.pop("client") == client.sock.getsockname()
    assert scope.pop("server") == site.address
    assert scope.pop("extensions").keys() == {
        "http.response.early_hint",
        "http.response.pathsend",
        "http.response.trailers",
    }
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"h"), (b"x-one", b"1"), (b"x-two", b"\xe9"), (b"x-one", b"2")],
    }


async def test_what_an_application_does_to_its_scope_stays_there(serve: Serve) -> None:
    """Heads that repeat are one object to the server."""
    app = Recorder()
    client = await serve(http_only(app)).client()
    for _ in range(2):
        await client.get("/")
        scope = app.scopes[-1]
        assert scope["headers"] == [(b"host", b"h")]
        assert "mine" not in scope["extensions"]
        scope["headers"].append((b"mine", b"1"))
        scope["extensions"]["mine"] = {}
        scope["asgi"]["version"] = "mine"
    assert app.scopes[0]["asgi"] is not app.scopes[1]["asgi"]


@pytest.mark.feature("P02")
@pytest.mark.parametrize(
    ("pieces", "headers", "expected"),
    [
        ([b"hello"], [], {"content-length": "5"}),
        ([b""], [], {"content-length": "0"}),
        ([b"he", b"llo"], [], {"transfer-encoding": "chunked"}),
        ([b"he", b"llo"], [(b"content-length", b"5")], {"content-length": "5"}),
        ([b"hello"], [(b"Transfer-Encoding", b"chunked")], {"content-length": "5"}),
        ([b"hello"], [(b"Date", b"today"), (b"server", b"me")], {"date": "today", "server": "me"}),
        ([b"hello"], [(b"connection", b"close")], {"connection": "close"}),
        ([b"hello"], [(b"connection", b"keep-alive")], {"connection": None}),
    ],
    ids=["whole", "empty", "pieces", "length", "coding", "date", "close", "keep-alive"],
)
async def test_an_answer_is_framed(
    serve: Serve, pieces: list[bytes], headers: list[Any], expected: dict[str, str | None]
) -> None:
    site = serve(http_only(answering(*pieces, headers=headers)))
    answer = await site.get()
    assert (answer.status, answer.body) == (200, b"".join(pieces))
    for name, value in expected.items():
        assert answer.get(name) == value
    assert answer.get("date")
    assert answer.get("server")


@pytest.mark.parametrize("pieces", [[b"hello"], [b"hel", b"lo"]], ids=["whole", "pieces"])
@pytest.mark.parametrize(
    ("method", "status", "length"), [("HEAD", 200, "5"), ("GET", 204, None), ("GET", 304, "5")]
)
async def test_no_content_is_sent_where_none_may_be(
    serve: Serve, pieces: list[bytes], method: str, status: int, length: str | None
) -> None:
    app = answering(*pieces, status=status, headers=[(b"content-length", b"5")])
    client = await serve(http_only(app)).client()
    for _ in range(2):
        answer = await client.ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert (answer.status, answer.body, answer.get("content-length")) == (status, b"", length)


async def test_content_comes_in_pieces_and_whole_where_it_is_there(serve: Serve) -> None:
    messages = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            messages.append(await receive())
            if not messages[-1]["more_body"]:
                break
        await answering(b"ok")(scope, receive, send)

    client = await serve(http_only(app)).client()
    await client.ask(post(body=b"hello"))
    assert messages == [{"type": "http.request", "body": b"hello", "more_body": False}]
    messages.clear()
    await client.ask(get())
    assert messages == [{"type": "http.request", "body": b"", "more_body": False}]
    messages.clear()
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    await client.ask(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert b"".join(message["body"] for message in messages) == b"abc"
    big = bytes(3 * MEBIBYTE)
    messages.clear()
    await client.ask(post(body=big))
    assert b"".join(message["body"] for message in messages) == big
    assert max(len(message["body"]) for message in messages) <= 64 * 1024


async def test_a_client_that_waits_is_told_to_go_on_once_its_content_is_wanted(
    serve: Serve,
) -> None:
    client = await serve(http_only(echo)).client()
    await client.send(post(body=b"", fields="").replace(b"Length: 0", b"Length: 2")[:-2])
    await client.send(b"Expect: 100-continue\r\n\r\n")
    assert (await client.answer("POST", interim=True)).status == 100
    await client.send(b"hi")
    assert (await client.answer("POST")).body == b"hi"


async def test_after_the_answer_and_when_the_client_leaves_a_disconnect_is_received(
    serve: Serve,
) -> None:
    seen = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await content(receive)
        listener = asyncio.create_task(receive())
        await answering(b"a", b"b")(scope, receive, send)
        assert await listener == await receive() == {"type": "http.disconnect"}
        seen.set()

    site = serve(http_only(app))
    await site.get()
    await seen.wait()


@pytest.mark.parametrize("leave", ["close", "reset"])
async def test_sending_to_a_client_that_has_left_is_an_error_that_nobody_logs(
    serve: Serve, leave: str
) -> None:
    app = Waiting()
    client = await serve(http_only(app)).client()
    await client.send(get())
    await app.received.wait()
    getattr(client, leave)()
    await app.ended.wait()
    assert app.message == {"type": "http.disconnect"}
    assert isinstance(app.error, ClientDisconnected)
    assert isinstance(app.error, OSError)


async def test_who_never_listens_learns_from_sending_that_the_client_has_left(serve: Serve) -> None:
    """Also with a whole answer of a kind that goes out at once."""
    begun, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    errors: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go.wait()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
            await send({"type": "http.response.body", "body": b"whole"})
        except Exception as error:
            errors.append(error)
        ended.set()

    site = serve(http_only(app))
    client = await site.client()
    await client.send(get())
    await begun.wait()
    client.reset()
    while site.server._connections:
        await asyncio.sleep(0)
    go.set()
    await ended.wait()
    assert [type(error) for error in errors] == [ClientDisconnected]


async def test_a_client_that_does_not_read_holds_the_application_up(serve: Serve) -> None:
    sent = 0
    stalled = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1024):
            task = asyncio.ensure_future(
                send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            )
            await asyncio.sleep(0)
            if not task.done():
                stalled.set()
            await task
            sent += 65536
        await send({"type": "http.response.body"})

    site = serve(http_only(app))
    client = await site.client(receive_buffer=4096)
    await client.send(get())
    await stalled.wait()
    assert sent < 32 * MEBIBYTE
    assert len((await client.answer()).body) == 64 * MEBIBYTE


@pytest.mark.parametrize("begun", [False, True], ids=["before", "after"])
async def test_an_application_that_fails(
    serve: Serve, caplog: pytest.LogCaptureFixture, begun: bool
) -> None:
    """Before its answer has begun it is answered for, afterwards the connection is cut."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise LookupError("broken")

    site = serve(http_only(app))
    if begun:
        with pytest.raises(RemoteProtocolError):
            await site.get()
    else:
        answer = await site.get()
        assert (answer.status, answer.body) == (500, b"Internal Server Error")
    (record,) = expect_log(caplog, "toolkit.application", "Uncaught exception in GET /")
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


async def test_an_application_that_answers_nothing_is_answered_for(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    assert (await serve(http_only(app)).get()).status == 500


START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body"}


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([BODY], "'http.response.body'.*http.response.start is allowed"),
        ([START, START], "http.response.body is allowed"),
        ([START, BODY, BODY], "nothing more is allowed"),
        ([{**START, "status": 99}], "status 99"),
        ([{**START, "headers": [(b"x", b"a\r\nb: c")]}, BODY], "not allowed in a head"),
        ([{**START, "headers": [(b"x y", b"a")]}, BODY], "a token is allowed"),
        ([{**START, "headers": [(b"content-length", b"5")]}, BODY], "5 bytes less"),
        ([{**START, "trailers": True}, BODY, BODY], "http.response.trailers is allowed"),
        ([{"type": "websocket.accept"}], "http.response.start is allowed"),
    ],
    ids=["body", "two starts", "two ends", "status", "value", "name", "length", "trailers", "kind"],
)
async def test_what_may_not_be_sent_is_an_error_of_the_application(
    serve: Serve, caplog: pytest.LogCaptureFixture, messages: list[Any], error: str
) -> None:
    errors = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send(message)
        except Exception as caught:
            errors.append(caught)
            raise

    client = await serve(http_only(app)).client()
    await client.send(get())
    await client.read()
    client.close()
    assert len(errors) == 1
    assert re.search(error, str(errors[0])), errors
    expect_log(caplog, "toolkit.application", "Uncaught exception in GET")


async def test_content_beyond_the_limit_is_refused_for_the_application(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    received = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.append(await receive())
        await answering(b"never")(scope, receive, send)

    answer = await serve(http_only(app), content_limit=10).ask(post(body=bytes(11)))
    assert answer.status == 413
    assert received == [{"type": "http.disconnect"}]


# -- extensions --------------------------------------------------------------------------


@pytest.mark.feature("P02")
async def test_trailers_follow_the_content(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"trailer", b"x-sum")], "trailers": True})
        await send({**BODY, "body": b"hello"})
        trailers = {"type": "http.response.trailers"}
        await send({**trailers, "headers": [(b"x-sum", b"5")], "more_trailers": True})
        await send({**trailers, "headers": [(b"x-end", b"1")]})

    answer = await serve(http_only(app)).get(fields="TE: trailers\r\n")
    assert (answer.body, answer.trailers) == (b"hello", [("x-sum", "5"), ("x-end", "1")])


@pytest.mark.feature("P02")
async def test_early_hints_come_before_the_answer(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        links = [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]
        await send({"type": "http.response.early_hint", "links": links})
        await answering(b"hello")(scope, receive, send)

    client = await serve(http_only(app)).client()
    await client.send(get())
    hint = await client.answer(interim=True)
    assert (hint.status, len(hint.all("link"))) == (103, 2)
    assert (await client.answer()).body == b"hello"
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await client.answer()).status == 200


@pytest.mark.feature("P02")
@pytest.mark.parametrize("size", [0, 5, 200_000])
async def test_a_file_is_sent_by_its_path(serve: Serve, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256))[:5] * (size // 5))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.pathsend", "path": str(path)})

    client = await serve(http_only(app)).client()
    assert (await client.get()).body == path.read_bytes()
    head = await client.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert head.get("content-length") == str(size)


@pytest.mark.feature("P02")
@pytest.mark.parametrize("known", [False, True], ids=["stranger", "known"])
async def test_the_tls_extension_says_who_the_client_is(serve: Serve, known: bool) -> None:
    authority = trustme.CA()
    server, client = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(server)
    authority.configure_trust(client)
    server.verify_mode = ssl.CERT_OPTIONAL
    if known:
        identity = authority.issue_cert("me@example.com", common_name="me, myself")
        identity.configure_cert(client)
    app = Recorder()
    site = serve(http_only(app), ssl_options=server)
    connection = await TLSClient.connect_tls(site.address, client, "localhost")
    site.own(connection)
    assert (await connection.get()).text == "ok"
    (scope,) = app.scopes
    tls = scope["extensions"]["tls"]
    assert (scope["scheme"], tls["tls_version"]) == ("https", 0x0304)
    assert tls["cipher_suite"] in (0x1301, 0x1302, 0x1303)
    assert (tls["server_cert"], tls["client_cert_error"]) == (None, None)
    if known:
        (pem,) = tls["client_cert_chain"]
        assert pem == identity.cert_chain_pems[0].bytes().decode()
        assert "CN=me\\, myself" in tls["client_cert_name"]
    else:
        assert (tls["client_cert_chain"], tls["client_cert_name"]) == ([], None)


# -- below a path ------------------------------------------------------------------------


class Ours(RequestHandler):
    """A handler beside."""

    def get(self) -> None:
        self.write("ours")


def mounted(app: Recorder, how: str) -> Application:
    """Return an application that has another one below a path."""
    rules: dict[str, Any] = {
        "mount": mount("/api/v1", http_only(app)),
        "argument": ("/api/v1/.*", http_only(app, mount="/api/v1")),
        "fallback": (
            "/api/v1/(.*)",
            FallbackHandler,
            {"fallback": http_only(app, mount="/api/v1")},
        ),
        "nested": mount("/api", [mount("/v1", http_only(app, mount="/api/v1"))]),
    }
    return Application([("/api/ours", Ours), rules[how], ("/.*", Ours)])


@pytest.mark.feature("P03")
@pytest.mark.parametrize("how", ["mount", "argument", "fallback", "nested"])
async def test_below_a_path_the_scope_tells_the_root_and_the_whole_path(
    serve: Serve, how: str
) -> None:
    app = Recorder()
    site = serve(mounted(app, how))
    assert (await site.get("/api/ours")).text == "ours"
    assert (await site.get("/api/v1x")).text == "ours"
    assert (await site.get("/api/v1/users/7?a=b")).text == "ok"
    (scope,) = app.scopes
    assert (scope["root_path"], scope["path"]) == ("/api/v1", "/api/v1/users/7")
    assert scope["raw_path"] == b"/api/v1/users/7"


@pytest.mark.parametrize("mount_at", ["api", "/api/", "/{id}"])
def test_a_root_that_is_none_is_refused(mount_at: str) -> None:
    with pytest.raises(ValueError, match="mount"):
        http_only(echo, mount=mount_at)


async def test_an_application_of_asgi_2_is_served_too(serve: Serve) -> None:
    class Old:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            await answering(self.scope["path"].encode())(self.scope, receive, send)

    assert (await serve(http_only(Old)).get("/old")).text == "/old"


@pytest.mark.feature("I11")
async def test_middleware_goes_around_an_application_inside(serve: Serve) -> None:
    def middleware(inner: Any) -> Any:
        async def outer(scope: Any, receive: Any, send: Any) -> None:
            async def marking(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-seen", b"yes")]
                await send(message)

            await inner(scope, receive, marking)

        return outer

    answer = await serve(http_only(middleware(answering(b"hello")))).get()
    assert (answer.text, answer.get("x-seen")) == ("hello", "yes")


async def test_each_request_has_a_line_in_the_access_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless the server writes lines of its own."""
    site = serve(http_only(answering(b"", status=404)))
    with caplog.at_level(logging.INFO, "toolkit.access"):
        await site.get("/there")
        expect_log(caplog, "toolkit.access", r"404 GET /there \(127.0.0.1\) [0-9.]+ms")
        caplog.clear()
        await serve(http_only(answering(b"")), access_log="common").get("/there")
        (record,) = caplog.records
        assert '"GET /there HTTP/1.1" 200 -' in record.getMessage()
