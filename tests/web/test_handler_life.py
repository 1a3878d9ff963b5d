"""What a handler may be asked for besides GET and POST, and in which ways it may answer."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Serve, get, post
from tests.loops import expect_log
from tests.web.test_handler import handler_of, site_of
from toolkit import autoreload, gen
from toolkit.httpserver import HTTPServer
from toolkit.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from toolkit.web import (
    Application,
    FallbackHandler,
    Finish,
    HTTPError,
    RedirectHandler,
    RequestHandler,
    run_in_thread,
    stream_request_body,
)
from toolkit.wsgi import WSGIContainer


def asking(method: str, target: str = "/", fields: str = "") -> bytes:
    """Write a request without content."""
    return get(target, fields).replace(b"GET", method.encode(), 1)


# -- methods -----------------------------------------------------------------------------


class Page(RequestHandler):
    """Answers GET."""

    def get(self, word: str = "hello") -> None:
        self.set_header("X-Word", word)
        self.write(word)


@pytest.mark.feature("B32")
@pytest.mark.parametrize("streamed", [False, True])
async def test_head_is_answered_as_get_is(serve: Serve, streamed: bool) -> None:
    """By the same headers, and no content."""

    class Handler(Page):
        async def get(self, word: str = "hello") -> None:  # type: ignore[override]
            super().get(word)
            if streamed:
                await self.flush()
                self.write("more")

    client = await serve([("/(.*)", Handler)]).client()
    found = await client.ask(asking("GET", "/x"))
    head = await client.ask(asking("HEAD", "/x"))
    assert (head.status, head.body, head.get("x-word")) == (200, b"", "x")
    assert [head.get(name) for name in ("etag", "content-length", "content-type")] == [
        found.get(name) for name in ("etag", "content-length", "content-type")
    ]
    assert (await client.get("/y")).status == 200


async def test_a_head_of_its_own_goes_first(serve: Serve) -> None:
    class Handler(Page):
        def head(self) -> None:
            self.set_header("X-Own", "yes")

    answer = await serve([("/", Handler)]).ask(asking("HEAD"))
    assert (answer.get("x-own"), answer.get("x-word")) == ("yes", None)


@pytest.mark.feature("B34")
async def test_options_is_answered_with_the_methods_there_are(serve: Serve) -> None:
    class Handler(Page):
        def post(self) -> None:
            pass

    answer = await serve([("/", Handler)]).ask(asking("OPTIONS"))
    assert (answer.status, answer.get("allow"), answer.body) == (
        204,
        "GET, HEAD, POST, OPTIONS",
        b"",
    )


async def test_options_passes_what_all_requests_have_to_pass(serve: Serve) -> None:
    class Handler(Page):
        def prepare(self) -> None:
            raise HTTPError(401)

    assert (await serve([("/", Handler)]).ask(asking("OPTIONS"))).status == 401


async def test_an_options_of_its_own_goes_first(serve: Serve) -> None:
    class Handler(Page):
        def options(self) -> None:
            self.write("own")

    assert (await serve([("/", Handler)]).ask(asking("OPTIONS"))).text == "own"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_both_can_be_switched_off(serve: Serve, method: str) -> None:
    class Handler(Page):
        automatic_head = False
        automatic_options = False

    answer = await serve([("/", Handler)]).ask(asking(method))
    assert (answer.status, answer.get("allow")) == (405, "GET")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
async def test_a_class_without_methods_answers_none(serve: Serve, method: str) -> None:
    answer = await serve([("/", RequestHandler)]).ask(asking(method))
    assert (answer.status, answer.get("allow")) == (405, "")


@pytest.mark.feature("B35")
async def test_query_is_a_method_like_others(serve: Serve) -> None:
    """It has content, is safe, and is named in Allow; a class asks for it."""

    class Search(RequestHandler):
        SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "QUERY")

        def query(self) -> None:
            self.write(f"found {self.get_body_argument('q')}")

    site = serve([("/", Search)], {"xsrf_cookies": True, "cross_origin_protection": True})
    form = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: cross-site\r\n"
    request = post("/", b"q=birds", form).replace(b"POST", b"QUERY", 1)
    assert (await site.ask(request)).text == "found birds"
    assert (await site.ask(asking("OPTIONS"))).get("allow") == "OPTIONS, QUERY"


async def test_a_function_named_query_is_not_for_clients(serve: Serve) -> None:
    """CVE-2026-48817 of Starlette: names of functions became methods."""

    class Handler(Page):
        def query(self, sql: str = "") -> None:
            raise AssertionError("not reached")

    assert (await serve([("/", Handler)]).ask(asking("QUERY"))).status == 405


# -- answers in pieces -------------------------------------------------------------------


@pytest.mark.feature("N01")
async def test_a_generator_sends_each_piece_as_it_comes(serve: Serve) -> None:
    gate = asyncio.Event()

    class Handler(RequestHandler):
        async def get(self) -> AsyncGenerator[Any, None]:  # type: ignore[override]
            yield "one "
            await gate.wait()
            yield b"two "
            yield {"three": 3}

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    received = b""
    while b"one " not in received:
        received += await client.read()
    gate.set()
    client.rest = received
    assert (await client.answer()).text == 'one two {"three": 3}'
    head = await client.ask(asking("HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert (await client.get()).status == 200


@pytest.mark.feature("N01")
async def test_a_generator_ends_when_its_client_leaves(serve: Serve) -> None:
    """Also while it waits for something else."""
    begun, ended = asyncio.Event(), asyncio.Event()

    class Handler(RequestHandler):
        async def get(self) -> AsyncGenerator[str, None]:  # type: ignore[override]
            try:
                yield "one"
                begun.set()
                await asyncio.Event().wait()
            finally:
                ended.set()

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    await begun.wait()
    client.close()
    await ended.wait()


async def test_a_generator_that_fails_before_its_first_piece_gets_an_error_page(
    serve: Serve,
) -> None:
    class Handler(RequestHandler):
        async def get(self) -> AsyncGenerator[str, None]:  # type: ignore[override]
            if self.request.method == "GET":
                raise HTTPError(410)
            yield ""

    assert (await serve([("/", Handler)]).get()).status == 410


# -- the end -----------------------------------------------------------------------------


@pytest.mark.feature("I07")
@pytest.mark.parametrize("size", [3, 3_000_000])
async def test_on_sent_comes_after_the_last_byte_has_left(serve: Serve, size: int) -> None:
    calls: list[Any] = []
    sent = asyncio.Event()

    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("x" * size)

        def on_finish(self) -> None:
            self.stream = self.request.connection.stream
            calls.append(("finish", self.stream.unsent > 0))

        def on_sent(self) -> None:
            calls.append(("sent", self.stream.unsent > 0))
            sent.set()

    site = serve([("/", Handler)])
    client = await site.client(receive_buffer=4096)
    await client.send(get())
    while not calls:
        await asyncio.sleep(0)
    assert calls[0] == ("finish", size > 1000)
    assert (len(calls) > 1) <= (size < 1000)
    assert len((await client.answer()).body) == size
    await sent.wait()
    assert calls[1:] == [("sent", False)]


@pytest.mark.feature("I07")
async def test_on_sent_comes_after_a_rest_that_is_not_much(serve: Serve) -> None:
    """So little waits that more could be written, and yet it has not left."""
    seen: asyncio.Queue[int] = asyncio.Queue()
    finished = asyncio.Event()

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.stream = self.request.connection.stream
            while not self.stream.unsent:
                self.write(b"x" * 1024)
                self.flush()
                await asyncio.sleep(0)

        def on_finish(self) -> None:
            assert self.stream.unsent > 0
            finished.set()

        def on_sent(self) -> None:
            seen.put_nowait(self.stream.unsent)

    client = await serve([("/", Handler)]).client(receive_buffer=4096)
    await client.send(get())
    await finished.wait()
    assert (await client.answer()).status == 200
    assert await seen.get() == 0


async def test_on_sent_is_not_called_for_who_has_left(serve: Serve) -> None:
    finished = asyncio.Event()
    calls: list[str] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            await gone.wait()
            self.write("x")

        def on_connection_close(self) -> None:
            gone.set()

        def on_finish(self) -> None:
            finished.set()

        def on_sent(self) -> None:
            calls.append("sent")

    gone = asyncio.Event()
    client = await serve([("/", Handler)]).client()
    await client.send(get())
    client.reset()
    await finished.wait()
    await asyncio.sleep(0)
    assert calls == []


async def test_an_error_in_on_sent_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Page):
        def on_sent(self) -> None:
            raise ValueError("as planned")

    client = await serve([("/", Handler)]).client()
    assert (await client.get()).status == 200
    assert (await client.get()).status == 200
    expect_log(caplog, "toolkit.application", "Uncaught exception in on_sent")


@pytest.mark.parametrize("status", [204, 304])
async def test_an_error_that_has_no_content_has_none(serve: Serve, status: int) -> None:
    def body(handler: RequestHandler) -> None:
        raise HTTPError(status, reason="As Planned")

    answer = await site_of(serve, body).get()
    assert (answer.status, answer.reason, answer.body) == (status, "As Planned", b"")


async def test_what_was_cancelled_elsewhere_is_an_error_like_others(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(handler: RequestHandler) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    client = await site_of(serve, body).client()
    assert (await client.get()).status == 500
    assert (await client.get()).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_a_handler_that_is_cancelled_itself_answers_without_a_line(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    assert (await site_of(serve, body).get()).status == 500


# -- error handlers ----------------------------------------------------------------------


class Missing(LookupError):
    """Something is not there."""


def not_found(handler: RequestHandler, error: BaseException) -> None:
    """Answer that something is not there."""
    handler.set_status(404)
    handler.write(f"missing {error}")


async def teapot(handler: RequestHandler, error: BaseException) -> None:
    """Answer after a while."""
    await asyncio.sleep(0)
    handler.write(f"teapot {handler.get_status()}")
    raise Finish


def broken(handler: RequestHandler, error: BaseException) -> None:
    """Fail."""
    handler.write("half")
    raise RuntimeError("broken")


ERRORS: dict[Any, Any] = {LookupError: not_found, 418: teapot, 503: broken}


@pytest.mark.feature("I08")
@pytest.mark.parametrize(
    ("error", "handlers", "status", "text", "logged"),
    [
        (Missing("bird"), ERRORS, 404, "missing bird", None),
        (KeyError("k"), ERRORS, 404, "missing 'k'", None),
        (HTTPError(418), ERRORS, 418, "teapot 418", None),
        (HTTPError(418, "short and stout"), ERRORS, 418, "teapot 418", "short and stout"),
        (HTTPError(503), ERRORS, 500, "500: Internal", "Uncaught exception"),
        (ValueError("v"), ERRORS, 500, "500: Internal", "Uncaught exception"),
        (HTTPError(404), ERRORS, 404, "404: Not Found", None),
        (ValueError("v"), {500: teapot}, 500, "teapot 500", "Uncaught exception"),
        (HTTPError(500), {500: teapot}, 500, "teapot 500", None),
        (HTTPError(404), {HTTPError: teapot}, 404, "teapot 404", None),
        (Missing("m"), {Exception: teapot, Missing: not_found}, 404, "missing m", None),
        (ValueError("v"), {Exception: teapot}, 500, "teapot 500", "Uncaught exception"),
    ],
)
async def test_functions_answer_for_exceptions(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    handlers: dict[Any, Any],
    status: int,
    text: str,
    logged: str | None,
) -> None:
    """By status or by the closest class; a fault of ours is in the log all the same."""

    async def body(handler: RequestHandler) -> None:
        handler.write("before")
        handler.set_header("X-Before", "yes")
        raise error

    answer = await site_of(serve, body, error_handlers=handlers).get()
    assert (answer.status, answer.get("x-before")) == (status, None)
    assert text in answer.text
    assert "before" not in answer.text
    if logged is not None:
        expect_log(caplog, f"toolkit.{'general' if 'stout' in logged else 'application'}", logged)


async def test_a_page_for_what_is_not_there(serve: Serve) -> None:
    site = serve([("/", Page)], {"error_handlers": {404: not_found}})
    answer = await site.get("/other")
    assert (answer.status, answer.text.startswith("missing HTTP 404")) == (404, True)


async def test_no_function_answers_after_the_head_was_sent(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(handler: RequestHandler) -> None:
        handler.write("half")
        await handler.flush()
        raise Missing("late")

    client = await site_of(serve, body, error_handlers=ERRORS).client()
    await client.send(get())
    assert b"missing" not in await client.read_to_end()
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "Cannot send error response")


# -- threads -----------------------------------------------------------------------------

word: contextvars.ContextVar[str] = contextvars.ContextVar("word")


async def test_a_method_may_run_in_a_thread(serve: Serve) -> None:
    """With the context of the request; other requests go on meanwhile."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop, home = asyncio.get_running_loop(), threading.get_ident()

    class Blocking(RequestHandler):
        def prepare(self) -> None:
            word.set("from prepare")

        @run_in_thread
        def get(self, name: str) -> None:
            loop.call_soon_threadsafe(begun.set)
            assert threading.get_ident() != home
            go_on.wait()
            self.set_status(202)
            self.write(f"{name} {word.get()}")

    site = serve([("/slow/(.*)", Blocking), ("/", Page)])
    slow = asyncio.create_task(site.get("/slow/a"))
    await begun.wait()
    assert (await site.get()).text == "hello"
    go_on.set()
    answer = await slow
    assert (answer.status, answer.text) == (202, "a from prepare")


@pytest.mark.parametrize("way", ["finish", "redirect", "flush", "error", "raise", "send_error"])
async def test_a_thread_may_end_the_answer(serve: Serve, way: str) -> None:
    home = threading.get_ident()
    ends: list[bool] = []

    class Handler(RequestHandler):
        @run_in_thread
        def get(self) -> None:
            if way == "finish":
                self.finish("whole")
            elif way == "redirect":
                self.redirect("/there")
            elif way == "flush":
                self.write("first")
                self.flush()
                self.write(" second")
            elif way == "send_error":
                self.send_error(410)
            elif way == "raise":
                raise HTTPError(410)
            else:
                raise Finish("early")

        def on_finish(self) -> None:
            ends.append(threading.get_ident() == home)

    answer = await serve([("/", Handler)]).get()
    expected = {
        "finish": (200, "whole"),
        "redirect": (302, ""),
        "flush": (200, "first second"),
        "error": (200, "early"),
    }
    assert (answer.status, answer.text) == expected.get(way, (410, answer.text))
    assert ends == [True]


@pytest.mark.feature("A07")
async def test_plain_methods_run_in_threads_by_themselves_where_the_application_says_so(
    serve: Serve,
) -> None:
    home = threading.get_ident()

    def where() -> str:
        return "loop" if threading.get_ident() == home else "thread"

    class Mixed(RequestHandler):
        def get(self) -> None:
            self.write(where())

        async def post(self) -> None:
            self.write(where())

        @gen.coroutine
        def put(self) -> Generator[Any, Any, None]:
            yield gen.moment
            self.write(where())

        def patch(self) -> Awaitable[None]:
            self.write(where())
            return self.post()

        def delete(self) -> None:
            raise HTTPError(418, reason=where())

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.finish(f"{status_code} {self._reason}")

    rules = [("/mixed", Mixed), ("/there", RedirectHandler, {"url": "/mixed"})]
    site = serve(rules, {"plain_methods_in_threads": True})
    answers = {
        method: (await site.ask(post("/mixed").replace(b"POST", method.encode(), 1))).text
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    }
    assert answers == {
        "GET": "thread",
        "POST": "loop",
        "PUT": "loop",
        "PATCH": "threadloop",
        "DELETE": "418 thread",
    }
    assert (await site.get("/there")).status == 301
    assert (await serve(rules).get("/mixed")).text == "loop"


async def test_flush_in_a_thread_waits_for_the_client(serve: Serve) -> None:
    sent: list[int] = []

    class Handler(RequestHandler):
        @run_in_thread
        def get(self) -> None:
            for number in range(64):
                self.write(b"x" * 65536)
                self.flush()
                sent.append(number)

    client = await serve([("/", Handler)]).client(receive_buffer=4096)
    await client.send(get())
    while not sent:
        await asyncio.sleep(0)
    assert len(sent) < 64
    assert len((await client.answer()).body) == 64 * 65536


async def test_a_thread_hears_that_its_client_left(serve: Serve) -> None:
    errors: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    class Handler(RequestHandler):
        @run_in_thread
        def get(self) -> None:
            try:
                while True:
                    self.write(b"x" * 65536)
                    self.flush()
            except Exception as error:
                loop.call_soon_threadsafe(errors.put_nowait, type(error).__name__)
                raise

    client = await serve([("/", Handler)]).client(receive_buffer=4096)
    await client.send(get())
    await client.read()
    client.reset()
    assert await errors.get() == "StreamClosedError"


async def test_a_handler_ends_with_its_thread_though_it_is_cancelled(serve: Serve) -> None:
    begun, go_on, order = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    class Handler(RequestHandler):
        cancel_on_close = True

        @run_in_thread
        def get(self) -> None:
            loop.call_soon_threadsafe(begun.set)
            go_on.wait()
            order.append("thread")
            raise ValueError("nobody hears of it")

        def on_connection_close(self) -> None:
            order.append("left")
            go_on.set()

        def on_finish(self) -> None:
            order.append("finish")
            ended.set()

    client = await serve([("/", Handler)]).client()
    await client.send(get())
    await begun.wait()
    client.close()
    await ended.wait()
    assert order == ["left", "thread", "finish"]


def test_only_plain_methods_run_in_threads() -> None:
    async def coroutine(handler: RequestHandler) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        run_in_thread(coroutine)  # type: ignore[arg-type]


# -- other applications ------------------------------------------------------------------


def wsgi_application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the content of the request."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["wsgi.input"].read()]


def function_of_a_request(request: HTTPServerRequest) -> None:
    """Answer a while later."""

    def answer() -> None:
        content = f"{request.method} ".encode() + request.body
        headers = HTTPHeaders({"Content-Length": str(len(content))})
        request.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, content)
        request.connection.finish()

    asyncio.get_running_loop().call_soon(answer)


class Echo(RequestHandler):
    """Answers with the content of the request."""

    def get(self) -> None:
        self.write(f"{self.request.method} ".encode() + self.request.body)

    post = get


@pytest.mark.feature("G12")
@pytest.mark.parametrize(
    "fallback",
    [
        WSGIContainer(wsgi_application),
        function_of_a_request,
        Application([("/.*", Echo)], log_function=lambda handler: None),
    ],
)
async def test_another_application_answers_what_is_left(serve: Serve, fallback: Any) -> None:
    ended: list[str] = []

    class Fallback(FallbackHandler):
        def on_finish(self) -> None:
            ended.append("ended")

    site = serve([("/ours", Page), ("/.*", Fallback, {"fallback": fallback})])
    client = await site.client()
    assert (await client.get("/ours")).text == "hello"
    assert (await client.get("/theirs")).text == "GET "
    assert (await client.ask(post("/theirs", b"content"))).text == "POST content"
    expecting = post("/", b"", "Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 2")
    assert (await client.ask(expecting + b"ok")).text == "POST ok"
    assert ended == ["ended"] * 3


async def test_a_fallback_has_the_protection_of_its_application(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [("/.*", FallbackHandler, {"fallback": WSGIContainer(wsgi_application)})]
    site = serve(rules, {"xsrf_cookies": True})
    assert (await site.ask(post("/", b"content"))).status == 403
    expect_log(caplog, "toolkit.general", "argument missing")


# -- the content -------------------------------------------------------------------------


async def test_a_streaming_class_may_read_its_content_itself(serve: Serve) -> None:
    @stream_request_body
    class Handler(RequestHandler):
        async def post(self) -> None:
            self.write(b"-".join([chunk async for chunk in self.request.connection]))

    client = await serve([("/", Handler)], chunk_size=2).client()
    assert (await client.ask(post("/", b"abcde"))).text == "ab-cd-e"
    assert (await client.ask(post("/", b"abcde").replace(b"POST", b"PUT", 1))).status == 405


# -- the application ---------------------------------------------------------------------


def test_debug_sets_what_development_needs() -> None:
    settings = Application([], debug=True, autoreload=False, static_hash_cache=True).settings
    assert settings == {
        "debug": True,
        "autoreload": False,
        "compiled_template_cache": False,
        "static_hash_cache": True,
        "serve_traceback": True,
    }
    assert Application([]).settings == {}


@pytest.mark.parametrize("inside", [False, True])
def test_sources_are_watched_from_the_time_that_there_is_a_loop(
    monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """An application made before its loop runs waits for `listen`."""
    started: list[str] = []
    monkeypatch.setattr(autoreload, "start", lambda: started.append("started"))

    async def main(application: Application | None) -> None:
        if application is None:
            Application([], autoreload=True)
            assert started == ["started"]
            return
        assert started == []
        server: HTTPServer = application.listen(0, "127.0.0.1")
        assert started == ["started"]
        server.stop()
        await server.close_all_connections()

    asyncio.run(main(None if inside else Application([], debug=True)))


async def test_without_the_hash_cache_versions_are_made_anew(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    settings = {"static_path": str(tmp_path), "static_hash_cache": False}
    site = site_of(serve, lambda handler: handler.write(handler.static_url("a.txt")), **settings)
    first = (await site.get()).text
    file.write_text("two")
    second = (await site.get()).text
    assert first.startswith("/static/a.txt?v=")
    assert first != second


@pytest.mark.parametrize("given", [True, None, False])
@pytest.mark.parametrize("attribute", [True, None, False])
async def test_static_urls_may_name_the_host(
    serve: Serve, tmp_path: Path, given: bool | None, attribute: bool | None
) -> None:
    """The argument decides, else the handler."""

    class Handler(RequestHandler):
        def get(self) -> None:
            if attribute is not None:
                self.include_host = attribute
            url = self.static_url("a.txt", include_host=given, include_version=False)
            self.write(url)

    expected = "http://h" if (attribute if given is None else given) else ""
    site = serve([("/", Handler)], {"static_path": str(tmp_path)})
    assert (await site.get()).text == expected + "/static/a.txt"


def test_the_static_url_needs_a_path() -> None:
    handler = handler_of(lambda h: None)(Application([]), HTTPServerRequest("GET", "/"))
    with pytest.raises(
        Exception, match="'static_path' setting in your application to use static_url"
    ):
        handler.static_url("a.txt")
