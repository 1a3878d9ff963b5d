"""`RequestHandler`: the life of a request, what it may answer, its arguments, its errors."""

import asyncio
import datetime
import hashlib
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.http.client import Serve, Site, get, post
from tests.loops import expect_log
from tests.streams.peers import Counting
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.web import (
    Application,
    Finish,
    HTTPError,
    MissingArgumentError,
    RedirectHandler,
    RequestHandler,
    stream_request_body,
)
from toolkit.wire.errors import RemoteProtocolError

Body = Callable[[RequestHandler], Any]

HOUR = datetime.timedelta(hours=1)


def handler_of(body: Body) -> type[RequestHandler]:
    """Make a handler class whose GET and POST are a function of the handler."""

    class Handler(RequestHandler):
        def get(self) -> Any:
            return body(self)

        post = get

    return Handler


def site_of(serve: Serve, body: Body, **settings: Any) -> Site:
    """Start a site with such a handler at the root."""
    return serve([("/", handler_of(body))], settings)


# -- life --------------------------------------------------------------------------------


@pytest.mark.feature("G15")
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_the_methods_of_a_handler_are_called_in_order(
    serve: Serve, waits: bool, method: str
) -> None:
    """Plain functions and coroutine functions alike; one handler object serves one request."""
    calls: list[str] = []
    objects: list[RequestHandler] = []

    class Handler(RequestHandler):
        def initialize(self, word: str) -> None:
            objects.append(self)
            calls.append(f"initialize {word}")

        def on_finish(self) -> None:
            calls.append("on_finish")

    if waits:

        async def prepare(self: RequestHandler) -> None:
            await asyncio.sleep(0)
            calls.append("prepare")

        async def answer(self: RequestHandler) -> None:
            await asyncio.sleep(0)
            calls.append(self.request.method)
    else:

        def prepare(self: RequestHandler) -> None:  # type: ignore[misc]
            calls.append("prepare")

        def answer(self: RequestHandler) -> None:  # type: ignore[misc]
            calls.append(self.request.method)

    Handler.prepare = prepare  # type: ignore[method-assign]
    setattr(Handler, method.lower(), answer)
    site = serve([("/", Handler, {"word": "given"})])
    client = await site.client()
    for _ in range(2):
        assert (await client.ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())).status == 200
    assert calls == ["initialize given", "prepare", method, "on_finish"] * 2
    assert objects[0] is not objects[1]


async def test_prepare_that_ends_the_answer_spares_the_method(serve: Serve) -> None:
    class Handler(RequestHandler):
        def prepare(self) -> None:
            self.finish("prepared")

        def get(self) -> None:
            raise AssertionError("not reached")

    assert (await serve([("/", Handler)]).get()).text == "prepared"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_prepare_can_answer_for_all_methods(serve: Serve, method: str) -> None:
    """With content or without it, whether or not the class has a method for the request."""

    class Gone(RequestHandler):
        def prepare(self) -> None:
            raise HTTPError(410)

    site = serve([], {"default_handler_class": Gone})
    for content in (b"", b"hello"):
        head = f"{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: {len(content)}\r\n\r\n"
        assert (await site.ask(head.encode() + content)).status == 410


async def test_on_finish_comes_after_an_error_too(serve: Serve) -> None:
    calls: list[int] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(418)

        def on_finish(self) -> None:
            calls.append(self.get_status())

    assert (await serve([("/", Handler)]).get()).status == 418
    assert calls == [418]


async def test_a_handler_may_end_its_answer_before_it_ends_itself(serve: Serve) -> None:
    gate = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        handler.finish("early")
        await gate.wait()

    site = site_of(serve, body)
    client = await site.client()
    assert (await client.get()).text == "early"
    await client.send(get())
    gate.set()
    assert (await client.answer()).text == "early"


async def test_a_streamed_body_is_read_between_prepare_and_the_method(serve: Serve) -> None:
    calls: list[Any] = []

    @stream_request_body
    class Handler(RequestHandler):
        def prepare(self) -> None:
            calls.append("prepare")

        async def data_received(self, chunk: bytes) -> None:
            await asyncio.sleep(0)
            calls.append(chunk)

        def post(self) -> None:
            calls.append("post")
            self.write(self.request.body)

    site = serve([("/", Handler)])
    assert (await site.ask(post("/", b"hello"))).body == b""
    assert (calls[0], b"".join(calls[1:-1]), calls[-1]) == ("prepare", b"hello", "post")
    with pytest.raises(TypeError, match="RequestHandler"):
        stream_request_body(dict)  # type: ignore[type-var]


async def test_settings_and_routes_are_at_hand(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.require_setting("color")
        with pytest.raises(Exception, match=r"'size' setting .* to use sizing"):
            handler.require_setting("size", "sizing")
        handler.write(handler.settings["color"] + handler.reverse_url("main"))

    site = serve([("/", handler_of(body), {}, "main")], {"color": "red"})
    assert (await site.get()).text == "red/"


# -- writing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunk", "content", "kind"),
    [
        ("tëxt", "tëxt".encode(), "text/html; charset=UTF-8"),
        (b"\x00\xff", b"\x00\xff", "text/html; charset=UTF-8"),
        ({"a": [1, None]}, b'{"a": [1, null]}', "application/json; charset=UTF-8"),
        ({"a": "</script>"}, b'{"a": "<\\/script>"}', "application/json; charset=UTF-8"),
        ({}, b"{}", "application/json; charset=UTF-8"),
    ],
)
async def test_text_bytes_and_dicts_can_be_written(
    serve: Serve, chunk: Any, content: bytes, kind: str
) -> None:
    answer = await site_of(serve, lambda handler: handler.write(chunk)).get()
    assert (answer.body, answer.get("content-type")) == (content, kind)
    assert answer.get("content-length") == str(len(content))


async def test_writes_are_joined(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.write("a")
        handler.write(b"b")
        handler.finish("c")

    answer = await site_of(serve, body).get()
    assert (answer.text, answer.get("content-length")) == ("abc", "3")


@pytest.mark.parametrize("chunk", [["list"], 1, None, object(), ("a",)])
async def test_other_types_cannot_be_written(serve: Serve, chunk: Any) -> None:
    """A list is refused with the reason, since JSON arrays could be read across sites."""

    def body(handler: RequestHandler) -> None:
        with pytest.raises(TypeError) as error:
            handler.write(chunk)
        assert ("security" in str(error.value)) is isinstance(chunk, list)
        handler.write("refused")

    assert (await site_of(serve, body).get()).text == "refused"


async def test_an_answer_ends_once(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.finish("once")
        with pytest.raises(RuntimeError, match="after finish"):
            handler.write("more")
        with pytest.raises(RuntimeError, match="called twice"):
            handler.finish()
        with pytest.raises(RuntimeError, match="after headers"):
            handler.redirect("/")

    client = await site_of(serve, body).client()
    for _ in range(2):
        assert (await client.get()).text == "once"


async def test_flush_sends_what_there_is(serve: Serve) -> None:
    """The client has the first piece while the handler still waits."""
    gate = asyncio.Event()

    async def body(handler: RequestHandler) -> None:
        handler.set_header("X-Early", "yes")
        handler.write("one ")
        await handler.flush()
        handler.set_header("X-Late", "ignored")
        await gate.wait()
        await handler.flush()
        handler.write("two")

    client = await site_of(serve, body).client()
    await client.send(get())
    raw = b""
    while b"one " not in raw:
        raw += await client.read()
    gate.set()
    client.rest = raw
    answer = await client.answer()
    assert answer.text == "one two"
    assert (answer.get("x-early"), answer.get("x-late")) == ("yes", None)
    assert (answer.get("transfer-encoding"), answer.get("content-length")) == ("chunked", None)
    assert (await client.get()).text == "one two"


async def test_pieces_that_are_flushed_in_one_turn_leave_as_one(serve: Serve) -> None:
    """Up to 64 KiB: a system call for each would take longer than all else."""
    counting: list[Counting] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            counting.append(self.count())
            for _ in range(100):
                self.write(b"x" * 100)
                await self.flush()

        def count(self) -> Counting:
            stream = self.request.connection.stream
            stream._transport = counted = Counting(stream.transport)
            return counted

    answer = await serve([("/", Handler)]).get()
    assert answer.body == b"x" * 10_000
    # The head with the first piece, then all others with the end.
    assert len(counting[0].writes) == 2


async def test_flush_of_nothing_sends_the_head(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        await handler.flush()
        await handler.flush()

    client = await site_of(serve, body).client()
    for _ in range(2):
        answer = await client.get()
        assert (answer.status, answer.body) == (200, b"")


async def test_finish_can_be_awaited(serve: Serve) -> None:
    after: list[str] = []

    async def body(handler: RequestHandler) -> None:
        await handler.finish("all")
        after.append("sent")

    client = await site_of(serve, body).client()
    assert (await client.get()).text == "all"
    assert (await client.get()).text == "all"
    assert after == ["sent", "sent"]


async def test_flush_to_a_client_that_left_raises(serve: Serve) -> None:
    begun, told = asyncio.Event(), asyncio.Event()
    errors: asyncio.Queue[Exception] = asyncio.Queue()

    class Handler(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await told.wait()
            self.write("late")
            for call in (self.flush, self.finish):
                try:
                    await call()
                except StreamClosedError as error:
                    errors.put_nowait(error)

        def on_connection_close(self) -> None:
            told.set()

    site = serve([("/", Handler)])
    client = await site.client()
    await client.send(get())
    await begun.wait()
    client.reset()
    for _ in range(2):
        assert isinstance(await errors.get(), StreamClosedError)


# -- status and headers ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((201,), "201 Created"),
        ((404, "Gone fishing"), "404 Gone fishing"),
        ((299,), "299 Unknown"),
        ((299, ""), "299 "),
        ((200, "tab\tand é"), "200 tab\tand é"),
    ],
)
async def test_the_status_line_is_as_set(
    serve: Serve, arguments: tuple[Any, ...], line: str
) -> None:
    answer = await site_of(serve, lambda handler: handler.set_status(*arguments)).get()
    assert f"{answer.status} {answer.reason}" == line


#: What may not stand in a head, at the wire or as text.
UNSAFE = ["a\r\nX-Evil: y", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\x1bb", "\u010a", "嘊", "日本"]


def refusals(calls: list[Callable[[], Any]]) -> list[str]:
    """Name the exception that each call raises, "" for none."""
    names = []
    for call in calls:
        try:
            call()
        except Exception as error:
            names.append(type(error).__name__)
        else:
            names.append("")
    return names


@pytest.mark.parametrize("value", UNSAFE)
async def test_unsafe_text_is_refused_where_it_is_set(serve: Serve, value: str) -> None:
    """Nothing of it reaches the wire; the handler goes on."""
    refused: list[str] = []

    def body(handler: RequestHandler) -> None:
        refused.extend(
            refusals(
                [
                    lambda: handler.set_header("X-Test", value),
                    lambda: handler.add_header("X-Test", value),
                    lambda: handler.set_status(200, reason=value),
                    lambda: handler.set_header(value, "x"),
                    lambda: handler.add_header(value, "x"),
                ]
            )
        )
        if value.isascii():
            # Other text is percent-encoded in a URL, and its bytes may stand in a header.
            refused.extend(
                refusals(
                    [
                        lambda: handler.set_header("X-Test", value.encode()),
                        lambda: handler.redirect("/" + value),
                    ]
                )
            )
            handler.set_status(200)

    client = await site_of(serve, body).client()
    await client.send(get("/", "Connection: close\r\n"))
    raw = await client.read_to_end()
    assert all(refused), refused
    assert set(refused) <= {"ValueError", "HTTPInputError", "HTTPOutputError"}
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    head = raw.partition(b"\r\n\r\n")[0].lower()
    assert b"x-test" not in head
    assert b"evil" not in head
    assert all(byte >= 0x20 for line in head.split(b"\r\n") for byte in line)


@pytest.mark.parametrize("value", UNSAFE)
async def test_an_unsafe_value_is_a_value_error(serve: Serve, value: str) -> None:
    """As the documentation of `set_header`, `add_header` and `redirect` says."""
    refused: list[str] = []

    def body(handler: RequestHandler) -> None:
        refused.extend(
            refusals(
                [
                    lambda: handler.add_header("X-Test", value),
                    lambda: handler.set_header("X-Test", value),
                ]
            )
        )
        if value.isascii():
            refused.extend(refusals([lambda: handler.redirect("/" + value)]))

    await site_of(serve, body).get()
    assert set(refused) == {"ValueError"}, refused


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é", "a\t", " a", "a(b)", "日"])
async def test_names_of_headers_are_tokens(serve: Serve, name: str) -> None:
    refused: list[str] = []

    def body(handler: RequestHandler) -> None:
        calls = [handler.add_header, handler.set_header]
        refused.extend(refusals([partial(call, name, "x") for call in calls]))

    answer = await site_of(serve, body).get()
    assert all(refused), refused
    assert answer.status == 200
    names = {name for name, _ in answer.fields}
    assert names == {"server", "content-type", "date", "content-length", "etag"}


async def test_an_unsafe_redirect_is_the_fault_of_the_server(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is not told that its request was bad, and the log has the traceback."""
    client = await site_of(serve, lambda handler: handler.redirect("/\r\nX-Evil: y")).client()
    answer = await client.get()
    for record in caplog.records:
        record.claimed = True
    assert (answer.get("location"), answer.get("x-evil")) == (None, None)
    assert answer.status == 500
    assert [record.name for record in caplog.records] == ["toolkit.application"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (b"bytes", "bytes"),
        (7, "7"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5), "Thu, 02 Jan 2020 03:04:05 GMT"),
        (
            datetime.datetime(
                2020, 1, 2, 3, 4, tzinfo=datetime.timezone(datetime.timedelta(0, 3600))
            ),
            "Thu, 02 Jan 2020 02:04:00 GMT",
        ),
        ("é", "é"),
        ("", ""),
    ],
)
async def test_header_values_have_several_types(serve: Serve, value: Any, text: str) -> None:
    def body(handler: RequestHandler) -> None:
        handler.set_header("X-Set", value)
        handler.add_header("X-Added", value)

    answer = await site_of(serve, body).get()
    assert (answer.get("x-set"), answer.get("x-added")) == (text, text)


@pytest.mark.parametrize("value", [None, 1.5, [], object()])
async def test_other_types_of_header_values_are_refused(serve: Serve, value: Any) -> None:
    def body(handler: RequestHandler) -> None:
        for call in (handler.set_header, handler.add_header):
            with pytest.raises(TypeError):
                call("X-Test", value)

    assert (await site_of(serve, body).get()).get("x-test") is None


async def test_headers_are_set_added_and_cleared(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.set_header("X-Set", "1")
        handler.set_header("x-set", "2")
        handler.add_header("X-Added", "1")
        handler.add_header("X-Added", "2")
        handler.clear_header("Server")
        handler.clear_header("X-Never-Set")

    answer = await site_of(serve, body).get()
    assert answer.all("x-set") == ["2"]
    assert answer.all("x-added") == ["1", "2"]
    assert answer.all("server") == []


async def test_default_headers_are_in_errors_too(serve: Serve) -> None:
    class Handler(RequestHandler):
        def set_default_headers(self) -> None:
            self.set_header("X-Default", "yes")
            self.set_header("Server", "mine")

        def get(self) -> None:
            self.set_header("X-Own", "lost with the error")
            raise HTTPError(404)

    answer = await serve([("/", Handler)]).get()
    assert (answer.get("x-default"), answer.get("server")) == ("yes", "mine")
    assert answer.get("x-own") is None


async def test_clear_forgets_all_that_was_set(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.set_status(404)
        handler.set_header("X-Test", "1")
        handler.write("old")
        handler.clear()
        handler.write("new")

    answer = await site_of(serve, body).get()
    assert (answer.status, answer.text, answer.get("x-test")) == (200, "new", None)


# -- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("where", ["prepare", "get"])
async def test_http_errors_become_answers(serve: Serve, where: str, waits: bool) -> None:
    class Handler(RequestHandler):
        async def prepare(self) -> None:
            await self.fail("prepare")

        async def get(self) -> None:
            await self.fail("get")

        async def fail(self, place: str) -> None:
            if waits:
                await asyncio.sleep(0)
            if place == where:
                self.write("half")
                raise HTTPError(404)

    client = await serve([("/", Handler)]).client()
    for _ in range(2):
        answer = await client.get()
        assert (answer.status, answer.keep_alive) == (404, True)
        assert "404: Not Found" in answer.text
        assert "half" not in answer.text


async def test_reasons_of_errors_are_escaped_in_the_page(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        if handler.get_argument("raised", None):
            raise HTTPError(400, reason="<script>alert(1)</script>")
        handler.set_status(400, "<b>")
        handler.write_error(400)

    site = site_of(serve, body)
    answer = await site.get()
    assert (answer.reason, "<b>" in answer.text, "&lt;b&gt;" in answer.text) == ("<b>", False, True)
    answer = await site.get("/?raised=1")
    assert (answer.reason, "script" in answer.text) == ("Unknown", False)


async def test_an_unsafe_reason_of_an_error_never_reaches_the_wire(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def body(handler: RequestHandler) -> None:
        raise HTTPError(400, reason="x\r\nX-Evil: y")

    client = await site_of(serve, body).client()
    await client.send(get())
    client.shut()
    raw = await client.read_to_end()
    assert raw.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 500 "))
    assert b"\r\nX-Evil" not in raw
    for record in caplog.records:
        record.claimed = True


async def test_a_log_message_stays_out_of_the_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes to the general log, with its arguments; an HTTPError without one is silent."""

    def body(handler: RequestHandler) -> None:
        raise HTTPError(403, "user %s is not %d", "u%s", 7)

    answer = await site_of(serve, body).get()
    assert (answer.status, "u%s" in answer.text) == (403, False)
    (record,) = expect_log(caplog, "toolkit.general", "user u%s is not 7")
    assert record.getMessage().startswith("403 GET / (127.0.0.1): ")


def test_http_errors_say_what_they_are() -> None:
    assert str(HTTPError(404)) == "HTTP 404: Not Found"
    assert str(HTTPError(404, "no %s", "x")) == "HTTP 404: Not Found (no x)"
    assert str(HTTPError(404, "100%")) == "HTTP 404: Not Found (100%)"
    assert str(HTTPError(299, reason="Odd")) == "HTTP 299: Odd"
    assert (HTTPError().status_code, HTTPError().log_message) == (500, None)
    assert MissingArgumentError("a").arg_name == "a"
    assert isinstance(MissingArgumentError("a"), HTTPError)


async def test_other_exceptions_are_500_and_logged_with_their_traceback(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def body(handler: RequestHandler) -> None:
        raise ValueError("a secret")

    client = await site_of(serve, body).client()
    answer = await client.get()
    assert (answer.status, answer.keep_alive) == (500, True)
    assert "secret" not in answer.text
    (record,) = expect_log(caplog, "toolkit.application", "Uncaught exception GET /")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


async def test_serve_traceback_shows_the_traceback(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def body(handler: RequestHandler) -> None:
        raise ValueError("<shown>")

    answer = await site_of(serve, body, serve_traceback=True, debug_hosts=["h"]).get()
    assert (answer.status, answer.get("content-type")) == (500, "text/plain")
    assert "ValueError: <shown>" in answer.text
    debug = await site_of(serve, body, debug=True, debug_hosts=["h"]).get()
    assert "ValueError: <shown>" in debug.text
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_finish_ends_the_request_with_what_was_written(serve: Serve) -> None:
    async def body(handler: RequestHandler) -> None:
        handler.set_status(202)
        handler.write("so far")
        await asyncio.sleep(0)
        raise Finish

    answer = await site_of(serve, body).get()
    assert (answer.status, answer.text) == (202, "so far")


async def test_finish_takes_a_last_piece(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        raise Finish({"last": 1})

    assert (await site_of(serve, body).get()).text == '{"last": 1}'


async def test_finish_after_the_end_changes_nothing(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.finish("over")
        raise Finish

    assert (await site_of(serve, body).get()).text == "over"


async def test_write_error_can_be_overridden(serve: Serve) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(404, reason="Lost")

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            error = kwargs["exc_info"][1]
            self.finish({"status": status_code, "error": type(error).__name__})

    answer = await serve([("/", Handler)]).get()
    assert (answer.status, answer.reason) == (404, "Lost")
    assert json.loads(answer.text) == {"status": 404, "error": "HTTPError"}


@pytest.mark.parametrize("finishes", [False, True])
async def test_write_error_that_fails_still_gives_an_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture, finishes: bool
) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            raise HTTPError(404)

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            if finishes:
                self.finish("page")
            raise ValueError("error page")

    client = await serve([("/", Handler)]).client()
    assert (await client.get()).status == 404
    assert (await client.get()).text == ("page" if finishes else "")
    expect_log(caplog, "toolkit.application", "Uncaught exception in write_error")


async def test_log_exception_can_be_overridden(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            raise ValueError("seen")

        def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
            seen.append((typ, str(value), tb is not None))
            if self.get_argument("fail", None):
                raise KeyError("logger")

    site = serve([("/", Handler)])
    assert (await site.get()).status == 500
    assert (await site.get("/?fail=1")).status == 500
    assert seen == [(ValueError, "seen", True)] * 2
    expect_log(caplog, "toolkit.application", "Error in exception logger")


async def test_send_error_gives_an_error_page(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        handler.write("dropped")
        handler.send_error(409, reason="Busy")

    answer = await site_of(serve, body).get()
    assert (answer.status, answer.reason) == (409, "Busy")
    assert "dropped" not in answer.text


async def test_an_error_after_the_head_cuts_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Half an answer must not look like a whole one (RFC 9112 §8)."""
    finished: list[str] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            self.write("half")
            await self.flush()
            self.send_error(500)

        def on_finish(self) -> None:
            finished.append("once")

    client = await serve([("/", Handler)]).client()
    await client.send(get() + get())
    with pytest.raises(RemoteProtocolError):
        await client.answer()
    assert finished == ["once"]
    expect_log(caplog, "toolkit.general", "Cannot send error response after headers written")


async def test_an_exception_after_the_end_is_logged_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer was whole, so the connection goes on."""

    def body(handler: RequestHandler) -> None:
        handler.finish("whole")
        raise ValueError("late")

    client = await site_of(serve, body).client()
    assert (await client.get()).text == "whole"
    assert (await client.get()).text == "whole"
    expect_log(caplog, "toolkit.application", "Uncaught exception")


async def test_an_error_in_on_finish_harms_no_answer(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write("whole")

        def on_finish(self) -> None:
            raise ValueError("on_finish")

    client = await serve([("/", Handler)]).client()
    assert (await client.get()).text == "whole"
    assert (await client.get()).text == "whole"
    expect_log(caplog, "toolkit.application", "Uncaught exception")


# -- redirects ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "location"),
    [
        ({"url": "/a"}, 302, "/a"),
        ({"url": "/a", "permanent": True}, 301, "/a"),
        ({"url": "/a", "status": 307}, 307, "/a"),
        ({"url": "https://h.example/a?b=c#d"}, 302, "https://h.example/a?b=c#d"),
        ({"url": "/é?q=日"}, 302, "/%C3%A9?q=%E6%97%A5"),
        ({"url": "/%C3%A9é"}, 302, "/%C3%A9%C3%A9"),
        ({"url": "a b"}, 302, "a b"),
    ],
)
async def test_redirects_have_status_and_location(
    serve: Serve, arguments: dict[str, Any], status: int, location: str
) -> None:
    answer = await site_of(serve, lambda handler: handler.redirect(**arguments)).get()
    assert (answer.status, answer.get("location"), answer.body) == (status, location, b"")


@pytest.mark.parametrize("status", [200, 299, 400, 0])
async def test_redirects_have_a_status_of_redirects(serve: Serve, status: int) -> None:
    def body(handler: RequestHandler) -> None:
        with pytest.raises(ValueError, match="300 to 399"):
            handler.redirect("/", status=status)

    assert (await site_of(serve, body).get()).status == 200


@pytest.mark.parametrize(
    ("target", "status", "location"),
    [
        ("/old/a", 301, "/new/a"),
        ("/old/a?b=c", 301, "/new/a?b=c"),
        ("/named/a", 302, "/x/a?y=1"),
        ("/named/a?b=c", 302, "/x/a?y=1&b=c"),
        ("/bare/page", 301, "/page"),
        ("/bare//evil.example", 400, None),
        ("/bare/%2Fevil.example", 400, None),
        ("/bare/%5Cevil.example", 400, None),
        ("/bare/%09/evil.example", 400, None),
        ("/old/%0D%0AX-Evil:%20y", 400, None),
        ("/old/a%20b%3Fc%23d%25", 301, "/new/a%20b%3Fc%23d%25"),
        ("/old/%C3%A9", 301, "/new/\u00c3\u00a9"),
        ("/fragment/a?b=c", 301, "/new/a?b=c#part"),
        ("/moved/a", 301, "https://h.example/a"),
        ("/moved.evil.example", 400, None),
        ("/moved@evil.example", 400, None),
        ("/moved:81", 400, None),
        ("/host/evil.example", 400, None),
        ("/scheme/evil.example", 400, None),
        ("/any/a/b", 301, "a/b"),
        ("/any/javascript:alert(1)", 400, None),
        ("/any/%5C%5Cevil.example", 400, None),
        ("/any/https:evil.example", 400, None),
    ],
)
async def test_the_redirect_handler_keeps_the_host(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    target: str,
    status: int,
    location: str | None,
) -> None:
    """A group of the path becomes neither a scheme nor a host nor a part of one.

    CVE-2023-28370 of Tornado, CVE-2021-21330 of aiohttp, CVE-2020-28724 of Werkzeug.
    """
    site = serve(
        [
            (r"/old/(.*)", RedirectHandler, {"url": "/new/{0}"}),
            (r"/named/(?P<n>.*)", RedirectHandler, {"url": "/x/{n}?y=1", "permanent": False}),
            (r"/bare/(.*)", RedirectHandler, {"url": "/{0}"}),
            (r"/fragment/(.*)", RedirectHandler, {"url": "/new/{0}#part"}),
            (r"/moved(.*)", RedirectHandler, {"url": "https://h.example{0}"}),
            (r"/host/(.*)", RedirectHandler, {"url": "https://{0}"}),
            (r"/scheme/(.*)", RedirectHandler, {"url": "https:{0}"}),
            (r"/any/(.*)", RedirectHandler, {"url": "{0}"}),
        ]
    )
    answer = await site.get(target)
    assert answer.status == status
    if location is not None:
        assert (answer.get("location") or "").lower() == location.lower()
    assert answer.get("x-evil") is None
    if status == 400:
        expect_log(caplog, "toolkit.general", "Redirect URL (cannot change|contains invalid)")


# -- arguments ---------------------------------------------------------------------------


def seen_arguments(handler: RequestHandler) -> None:
    """Answer with all arguments by all ways."""
    handler.write(
        {
            "query": handler.get_query_arguments("a"),
            "body": handler.get_body_arguments("a"),
            "all": handler.get_arguments("a"),
            "last": handler.get_argument("a", "default"),
            "unstripped": handler.get_argument("a", "default", strip=False),
        }
    )


@pytest.mark.parametrize(
    ("query", "values", "unstripped"),
    [
        ("a=1", ["1"], "1"),
        ("a=1&b=2&a=3", ["1", "3"], "3"),
        ("a=", [""], ""),
        ("a", [""], ""),
        ("b=1", [], "default"),
        ("a=%20x%20", ["x"], " x "),
        ("a=+x+y+", ["x y"], " x y "),
        ("a=%C3%A9", ["é"], "é"),
        ("a=\xc3\xa9", ["é"], "é"),
        ("a=1;2", ["1;2"], "1;2"),
        ("a=x%00y", ["x y"], "x y"),
        ("a=x%1By", ["x y"], "x y"),
        ("a=x%0Ay", ["x\ny"], "x\ny"),
        ("%61=1", ["1"], "1"),
    ],
)
async def test_arguments_of_the_query(
    serve: Serve, query: str, values: list[str], unstripped: str
) -> None:
    """Decoded, stripped, and without control characters."""
    site = site_of(serve, seen_arguments)
    seen = json.loads((await site.get(f"/?{query}")).text)
    assert seen["query"] == seen["all"] == values
    assert seen["body"] == []
    assert seen["last"] == (values[-1] if values else "default")
    assert seen["unstripped"] == unstripped


FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


async def test_arguments_of_a_form_come_after_those_of_the_query(serve: Serve) -> None:
    site = site_of(serve, seen_arguments)
    seen = json.loads((await site.ask(post("/?a=q", b"a=f&a=%C3%A9+", FORM))).text)
    assert (seen["query"], seen["body"], seen["all"]) == (["q"], ["f", "é"], ["q", "f", "é"])
    assert seen["last"] == "é"


async def test_a_body_of_another_type_has_no_arguments(serve: Serve) -> None:
    site = site_of(serve, seen_arguments)
    for fields in ("", "Content-Type: text/plain\r\n"):
        assert json.loads((await site.ask(post("/", b"a=f", fields))).text)["all"] == []


def multipart(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    """Write a multipart form of parts, each with its fields."""
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


MULTIPART = 'Content-Type: multipart/form-data; boundary="x"\r\n'
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'


async def test_arguments_and_files_of_a_multipart_form(serve: Serve) -> None:
    def body(handler: RequestHandler) -> None:
        (file,) = handler.request.files["f"]
        handler.write(
            {
                "arguments": handler.get_body_arguments("a"),
                "file": [file.filename, file["content_type"], file.body.decode("latin-1")],
            }
        )

    upload = (
        b'Content-Disposition: form-data; name="f"; filename="n\xc3\xa9.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\none\r\n--y\r\ntwo\xff"
    )
    form = multipart(FIELD + b"1", FIELD + b" \xc3\xa9 ", upload)
    answer = await site_of(serve, body).ask(post("/", form, MULTIPART))
    assert json.loads(answer.text) == {
        "arguments": ["1", "é"],
        "file": ["né.txt", "text/plain", "one\r\n--y\r\ntwo\xff"],
    }


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        (MULTIPART, b""),
        (MULTIPART, b"no boundary"),
        (MULTIPART, multipart(FIELD + b"1", end=b"")),
        (MULTIPART, multipart(FIELD + b"1", end=b"--x-")),
        (MULTIPART, multipart(b"no blank line")),
        (MULTIPART, multipart(b'Content-Disposition: form-data; name="a\r\n\r\n1')),
        (MULTIPART, multipart(b"Content-Disposition: form-data\r\n\r\n1")),
        (MULTIPART, multipart(b'Content-Disposition: attachment; name="a"\r\n\r\n1')),
        (MULTIPART, multipart(*[FIELD] * 1001)),
        (MULTIPART, multipart(b"X: y\r\n" * 1000 + FIELD)),
        (MULTIPART, multipart(b"X: " + b"y" * 100_000 + b"\r\n" + FIELD)),
        ("Content-Type: multipart/form-data\r\n", multipart(FIELD + b"1")),
        ('Content-Type: multipart/form-data; boundary=""\r\n', multipart(FIELD + b"1")),
        (f"Content-Type: multipart/form-data; boundary={'x' * 71}\r\n", multipart(FIELD)),
        ('Content-Type: multipart/form-data; boundary="x\r\n', multipart(FIELD + b"1")),
        (FORM, b"a&" * 400_000),
        (FORM, b"a=%FF"),
        (FORM, b"a=\xff"),
    ],
)
async def test_malformed_forms_get_400(
    serve: Serve, caplog: pytest.LogCaptureFixture, fields: str, content: bytes
) -> None:
    """With one line in the log, and the connection goes on."""
    client = await site_of(serve, seen_arguments).client()
    answer = await client.ask(post("/", content, fields))
    assert (answer.status, answer.keep_alive) == (400, True)
    assert (await client.get()).status == 200
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    (record,) = expect_log(caplog, "toolkit.general", "^400 POST /")
    assert records == [record]
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 500


@pytest.mark.parametrize("value", ["%FF", "\xff", "%C3", "%ED%A0%80", "a%C0%AF"])
@pytest.mark.parametrize("where", ["/?a={}", "/path/{}"])
async def test_arguments_that_are_not_utf_8_get_400(
    serve: Serve, caplog: pytest.LogCaptureFixture, where: str, value: str
) -> None:
    class Path(RequestHandler):
        def get(self, path: str) -> None:
            raise AssertionError("not reached")

    site = serve([("/", handler_of(seen_arguments)), (r"/path/(.*)", Path)])
    assert (await site.get(where.format(value))).status == 400
    (record,) = expect_log(caplog, "toolkit.general", "Invalid unicode")
    assert record.getMessage().isascii() or "\xff" in record.getMessage()


async def test_a_missing_argument_gets_400(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def body(handler: RequestHandler) -> None:
        assert handler.get_argument("x", None) is None
        assert handler.get_query_argument("x", "d") == "d"
        assert handler.get_body_argument("x", "d") == "d"
        with pytest.raises(MissingArgumentError):
            handler.get_query_argument("x")
        with pytest.raises(MissingArgumentError):
            handler.get_body_argument("x")
        handler.get_argument("needed")

    answer = await site_of(serve, body).get()
    assert answer.status == 400
    expect_log(caplog, "toolkit.general", "Missing argument needed")


async def test_decode_argument_can_be_overridden(serve: Serve) -> None:
    class Handler(RequestHandler):
        def decode_argument(self, value: bytes, name: str | None = None) -> str:
            return f"{name}:{value!r}"

        def get(self, path: str) -> None:
            self.write(f"{path} {self.get_argument('a')}")

    answer = await serve([(r"/(.*)", Handler)]).get("/%FF?a=%FE")
    assert answer.text == r"None:b'\xff' a:b'\xfe'"


# -- groups of the path ------------------------------------------------------------------


class Path(RequestHandler):
    """Answers with the groups of its path."""

    def get(self, *args: Any, **kwargs: Any) -> None:
        assert self.path_args == list(args)
        assert self.path_kwargs == kwargs
        self.write({"args": args, "kwargs": kwargs})


@pytest.mark.parametrize(
    ("target", "args", "kwargs"),
    [
        ("/two/a/b", ["a", "b"], {}),
        ("/two/a%2Fb/c", ["a/b", "c"], {}),
        ("/two/a+b/%2B", ["a+b", "+"], {}),
        ("/two/%C3%A9/\xc3\xa9", ["é", "é"], {}),
        ("/two/%252F/%25", ["%2F", "%"], {}),
        ("/two/%zz/%", ["%zz", "%"], {}),
        ("/two//", ["", ""], {}),
        ("/two/a%00b/c", ["a\0b", "c"], {}),
        ("/named/a/b", [], {"first": "a", "second": "b"}),
        ("/named/%20/%0A", [], {"first": " ", "second": "\n"}),
        ("/optional", [None], {}),
        ("/optional/a", ["a"], {}),
        ("/optional-named", [], {"name": None}),
        ("/none", [], {}),
    ],
)
async def test_groups_of_the_path_become_arguments(
    serve: Serve, target: str, args: list[str | None], kwargs: dict[str, str | None]
) -> None:
    """Percent-decoded after the match, so that an encoded slash divides nothing."""
    site = serve(
        [
            (r"/two/([^/]*)/([^/]*)", Path),
            (r"/named/(?P<first>[^/]*)/(?P<second>[^/]*)", Path),
            (r"/optional(?:/(.+))?", Path),
            (r"/optional-named(?:/(?P<name>.+))?", Path),
            (r"/none", Path),
        ]
    )
    client = await site.client()
    for _ in range(2):
        assert json.loads((await client.get(target)).text) == {"args": args, "kwargs": kwargs}


# -- conditional requests ----------------------------------------------------------------


async def test_a_whole_answer_has_an_etag_that_saves_its_content(serve: Serve) -> None:
    client = await site_of(serve, lambda handler: handler.write("content")).client()
    first = await client.get()
    etag = first.get("etag")
    assert etag is not None
    assert (await client.get()).get("etag") == etag
    for condition in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = await client.get("/", f"If-None-Match: {condition}\r\n")
        assert (answer.status, answer.body, answer.get("etag")) == (304, b"", etag)
        assert answer.get("content-type") is None
        assert answer.get("content-length") is None
    for condition in ('"other"', etag.strip('"'), "", '"', etag[:-1]):
        answer = await client.get("/", f"If-None-Match: {condition}\r\n")
        assert (answer.status, answer.text) == (200, "content"), condition


async def test_an_etag_is_the_hash_of_the_content(serve: Serve) -> None:
    """Of a short one too, whose tag is remembered."""
    client = await site_of(serve, lambda handler: handler.write(handler.request.query)).client()
    for content in ("a", "b", "a", "c" * 256, "c" * 257, "c" * 256):
        answer = await client.get(f"/?{content}")
        assert answer.get("etag") == f'"{hashlib.sha1(content.encode()).hexdigest()}"'


async def test_other_answers_have_no_etag(serve: Serve) -> None:
    async def streamed(handler: RequestHandler) -> None:
        handler.write("a")
        await handler.flush()

    def created(handler: RequestHandler) -> None:
        handler.set_status(201)

    class Without(RequestHandler):
        def get(self) -> None:
            self.write("a")

        def compute_etag(self) -> None:
            return None

    rules = [("/s", handler_of(streamed)), ("/c", handler_of(created)), ("/w", Without)]
    site = serve([*rules, ("/", handler_of(lambda handler: handler.write("a")))])
    for target in ("/s", "/c", "/w"):
        answer = await site.get(target, "If-None-Match: *\r\n")
        assert (answer.status in (200, 201), answer.get("etag")) == (True, None)
    answer = await site.ask(post("/", b"", "If-None-Match: *\r\n"))
    assert (answer.status, answer.get("etag")) == (200, None)


# -- detach ------------------------------------------------------------------------------


async def test_a_handler_can_take_the_stream_over(serve: Serve) -> None:
    """What came behind the request is the first that the stream reads."""
    streams: asyncio.Queue[IOStream] = asyncio.Queue()

    async def body(handler: RequestHandler) -> None:
        streams.put_nowait(handler.detach())

    site = site_of(serve, body)
    client = await site.client()
    await client.send(get() + b"early ")
    stream = await streams.get()
    await client.send(b"late\n")
    assert await stream.read_until(b"\n", max_bytes=100) == b"early late\n"
    await stream.write(b"raw")
    stream.close()
    assert await client.read_to_end() == b"raw"
    await site.server.close_all_connections(timeout=1)


# -- methods -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        *("FINISH", "WRITE", "FLUSH", "REDIRECT", "__INIT__", "__CLASS__", "PREPARE", "CLEAR"),
        *("prepare", "finish", "write", "get", "Get", "post", "on_finish", "initialize"),
        *("_execute", "DETACH", "data_received", "SEND_ERROR", "BREW", "TRACE", "SETTINGS"),
    ],
)
async def test_names_of_other_functions_are_no_http_methods(serve: Serve, method: str) -> None:
    """They get 405, nothing of the handler is called by them, and the connection goes on."""
    calls: list[str] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            calls.append("get")

        def post(self) -> None:
            calls.append("post")

        def prepare(self) -> None:
            calls.append("prepare")

        def brew(self) -> None:
            calls.append("brew")

        trace = brew

    client = await serve([("/", Handler)]).client()
    answer = await client.ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert answer.status in (405, 501)
    assert set(calls) <= {"prepare"}
    assert (await client.get()).status == 200


@pytest.mark.feature("B33")
async def test_405_names_the_methods_that_are_allowed(serve: Serve) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            pass

        async def post(self) -> None:
            pass

    class More(Handler):
        SUPPORTED_METHODS = (*Handler.SUPPORTED_METHODS, "BREW")

        def brew(self) -> None:
            self.write("brewed")

    site = serve([("/", Handler), ("/more", More)])
    allowed = "GET, HEAD, POST, OPTIONS"
    for method in ("PUT", "BREW", "TRACE", "QUERY"):
        answer = await (await site.client()).ask(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert (answer.status, answer.get("allow")) == (405, allowed)
    answer = await site.ask(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
    assert (answer.status, answer.get("allow")) == (405, allowed)
    assert (await site.ask(b"BREW /more HTTP/1.1\r\nHost: h\r\n\r\n")).text == "brewed"
    answer = await site.ask(b"PUT /more HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.get("allow") == "GET, HEAD, POST, OPTIONS, BREW"


# -- the access log ----------------------------------------------------------------------


class Counted(RequestHandler):
    """Counts how often somebody asked for the text of its access line."""

    summaries = 0

    def get(self, status: str) -> None:
        self.set_status(int(status))

    def _request_summary(self) -> str:
        type(self).summaries += 1
        return super()._request_summary()


async def test_the_access_log_has_a_line_for_each_request(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Its level depends on the status; it is 5xx that are errors."""
    caplog.set_level(logging.INFO, "toolkit.access")
    client = await serve(Application([(r"/([0-9]+)", Counted)])).client()
    for status in (200, 302, 404, 500):
        await client.get(f"/{status}")
    records = expect_log(caplog, "toolkit.access", r"^[0-9]{3} GET /[0-9]{3} \(127\.0\.0\.1\) ")
    assert [(record.levelname, record.getMessage()[:3]) for record in records] == [
        ("INFO", "200"),
        ("INFO", "302"),
        ("WARNING", "404"),
        ("ERROR", "500"),
    ]
    assert all(record.getMessage().endswith("ms") for record in records)


async def test_an_access_log_that_is_off_costs_no_text(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve(Application([(r"/([0-9]+)", Counted)]))
    Counted.summaries = 0
    caplog.set_level(logging.WARNING, "toolkit.access")
    for _ in range(3):
        await site.get("/200")
    assert Counted.summaries == 0
    caplog.set_level(logging.INFO, "toolkit.access")
    await site.get("/200")
    assert Counted.summaries == 1


async def test_a_log_function_takes_the_place_of_the_access_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "toolkit.access")
    lines: list[tuple[str, int]] = []

    def log(handler: RequestHandler) -> None:
        lines.append((handler.request.path, handler.get_status()))

    site = serve([("/", handler_of(lambda handler: None))], {"log_function": log})
    await site.get()
    await site.get("/nowhere")
    assert lines == [("/", 200), ("/nowhere", 404)]
    assert not [record for record in caplog.records if record.name == "toolkit.access"]


async def test_no_raw_control_character_reaches_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "toolkit.access")
    site = serve(Application([("/", Counted)]))
    await site.get("/%1b[31m%0aFAKE", "Referer: \x80\x9b31m\r\n")
    await site.get("/\x9b31m\x85")
    records = expect_log(caplog, "toolkit.access", "404 GET")
    for record in records:
        assert record.getMessage().isprintable()
