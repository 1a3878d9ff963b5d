"""`WebSocketHandler`: what it is told, what it can say, and how it ends."""

import asyncio
import contextvars
import socket
from typing import Any

import pytest

from tests.http.client import Serve
from tests.loops import expect_log
from tests.websocket.peers import ASKING, Echo, Noting, Peer, answer_to, asking, masked, until
from toolkit import gen
from toolkit.web import HTTPError
from toolkit.websocket import WebSocketClosedError, WebSocketHandler, connect
from toolkit.wire.websocket import CLOSED, Close, Ping, Pong

# -- the life of a connection ------------------------------------------------------------


@pytest.mark.feature("D01")
@pytest.mark.feature("D10")
async def test_a_handler_hears_of_all_that_happens(serve: Serve) -> None:
    """From the beginning to the code and the reason of the end."""
    seen: list[Any] = []
    site = serve([("/", Noting, {"seen": seen})])
    peer = await Peer.connect(site)
    for event in ("text", b"bytes", Ping(b"1"), Pong(b"2"), Close(4000, "enough")):
        await peer.say(event)
    assert (await peer.event()).payload == b"1"
    await peer.expect_close(4000)
    assert seen == [
        "open",
        "text",
        b"bytes",
        ("ping", b"1"),
        ("pong", b"2"),
        ("close", 4000, "enough"),
    ]
    assert site.statuses == [101]


@pytest.mark.parametrize("ending", ["eof", "reset"])
async def test_a_client_that_vanishes_has_no_code(serve: Serve, ending: str) -> None:
    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Noting, {"seen": seen})]))
    if ending == "eof":
        peer.client.shut()
    else:
        peer.client.reset()
    await until(lambda: ("close", None, None) in seen)
    assert seen == ["open", ("close", None, None)]


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="of some systems alone")
async def test_the_kernel_takes_a_large_message_whole_and_no_more(serve: Serve) -> None:
    """What a client does not read waits in the queue of its connection, which is bounded."""
    bounds: list[int] = []

    class Handler(WebSocketHandler):
        def open(self) -> None:
            assert self.ws_connection is not None
            sock = self.ws_connection.stream.socket
            bounds.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))

    await Peer.connect(serve([("/", Handler)]))
    await until(lambda: bool(bounds))
    assert bounds == [1024 * 1024]


async def test_what_comes_before_the_end_of_the_connection_is_heard(serve: Serve) -> None:
    """Though the end is there already while a coroutine works on the first message."""
    seen: list[Any] = []
    go_on = asyncio.Event()

    class Slow(Noting):
        async def on_message(self, message: Any) -> None:
            await go_on.wait()
            super().on_message(message)

    peer = await Peer.connect(serve([("/", Slow, {"seen": seen})]))
    await peer.say("one")
    await peer.say("two")
    peer.client.close()
    await asyncio.sleep(0.01)
    assert seen == ["open"]
    go_on.set()
    await until(lambda: len(seen) == 4)
    assert seen == ["open", "one", "two", ("close", None, None)]


async def test_messages_wait_until_open_has_ended(serve: Serve) -> None:
    """Also those that came with the request itself."""
    seen: list[Any] = []
    go_on = asyncio.Event()

    class Opening(Noting):
        async def open(self) -> None:  # type: ignore[override]
            await go_on.wait()
            super().open()

    site = serve([("/", Opening, {"seen": seen})])
    peer = await Peer.connect(site, then=masked(0x81, b"early"))
    await peer.say("late")
    await asyncio.sleep(0.01)
    assert seen == []
    go_on.set()
    await until(lambda: len(seen) == 3)
    assert seen == ["open", "early", "late"]


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
async def test_coroutines_work_on_one_message_at_a_time(serve: Serve, kind: str) -> None:
    at_work = 0

    class Native(WebSocketHandler):
        async def on_message(self, message: str) -> None:
            nonlocal at_work
            at_work += 1
            assert at_work == 1
            await asyncio.sleep(0)
            at_work -= 1
            self.write_message(message)

    class Decorated(WebSocketHandler):
        @gen.coroutine
        def on_message(self, message: str) -> Any:
            yield Native.on_message(self, message)  # type: ignore[arg-type]

    handler = Native if kind == "coroutine" else Decorated
    peer = await Peer.connect(serve([("/", handler)]))
    await peer.send(b"".join(masked(0x81, b"%d" % n) for n in range(5)))
    assert [await peer.event() for _ in range(5)] == ["0", "1", "2", "3", "4"]


async def test_a_coroutine_has_a_task_and_the_context_of_the_handshake(serve: Serve) -> None:
    """So that time-outs work, and what `prepare` has set is still there."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    class Handler(WebSocketHandler):
        def prepare(self) -> None:
            name.set("set by prepare")

        async def on_message(self, message: str) -> None:
            async with asyncio.timeout(10):
                assert asyncio.current_task() is not None
                await self.write_message(name.get())

    class Plain(Handler):
        def on_message(self, message: str) -> None:  # type: ignore[override]
            self.write_message(name.get())

    site = serve([("/", Handler), ("/plain", Plain)])
    for target in ("/", "/plain"):
        peer = await Peer.connect(site, target)
        await peer.say("x")
        assert await peer.event() == "set by prepare"


async def test_a_coroutine_method_that_takes_no_message_fails_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told as any other error of a handler."""

    class Handler(WebSocketHandler):
        async def on_message(self) -> None:  # type: ignore[override]
            self.write_message("never")

    peer = await Peer.connect(serve([("/", Handler)]))
    await peer.say("x")
    await peer.expect_close(1011)
    expect_log(caplog, "toolkit.application", "Uncaught exception GET /")


async def test_arguments_of_the_route_go_to_open(serve: Serve) -> None:
    class Handler(WebSocketHandler):
        def open(self, number: str, name: str = "") -> None:
            self.write_message({"number": number, "args": list(self.open_args)})

    peer = await Peer.connect(serve([("/([0-9]+)", Handler)]), "/17")
    assert await peer.event() == '{"number": "17", "args": ["17"]}'


async def test_methods_of_http_are_refused_once_it_is_open(serve: Serve) -> None:
    refused = []

    class Handler(WebSocketHandler):
        def open(self) -> None:
            for call in (
                lambda: self.write("x"),
                lambda: self.redirect("/"),
                lambda: self.set_header("a", "b"),
                lambda: self.set_cookie("a", "b"),
                lambda: self.set_status(200),
                lambda: self.flush(),
                lambda: self.finish(),
            ):
                with pytest.raises(RuntimeError, match="not supported for Web Sockets"):
                    call()
                refused.append(call)
            self.close()

    peer = await Peer.connect(serve([("/", Handler)]))
    await peer.say(Close())
    await peer.expect_close(None)
    assert len(refused) == 7


# -- errors ------------------------------------------------------------------------------


class Failing(Noting):
    """Fails where it is told to."""

    async def open(self) -> None:  # type: ignore[override]
        super().open()
        if self.get_argument("in", "") == "open":
            await asyncio.sleep(0)
            raise ZeroDivisionError

    def on_message(self, message: str) -> Any:
        super().on_message(message)
        if message == "at once":
            raise ZeroDivisionError
        if message == "cancelled":
            raise asyncio.CancelledError
        return self.later()

    async def later(self) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError


@pytest.mark.parametrize("message", ["at once", "later", "cancelled"])
async def test_an_error_of_on_message_closes_with_1011(
    serve: Serve, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    """And nothing after it is looked at."""
    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Failing, {"seen": seen})]))
    await peer.say(message)
    await peer.say("never")
    await peer.expect_close(1011)
    await until(lambda: seen[-1] == ("close", 1011, None))
    assert seen[:2] == ["open", message]
    assert "never" not in seen
    expect_log(caplog, "toolkit.application", "Uncaught exception GET /")


async def test_a_client_that_goes_on_after_an_error_is_heard_out(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has sent already is thrown away, so that its end is seen, however much it is."""
    monkeypatch.setattr("toolkit.websocket.connection.LINGER_TIMEOUT", 60.0)
    connections = []

    class Handler(Failing):
        async def open(self) -> None:  # type: ignore[override]
            connections.append(self.ws_connection)
            await super().open()

    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Handler, {"seen": seen})]))
    await until(lambda: seen == ["open"])
    # As one chunk, which the kernel does not promise.
    frames = masked(0x81, b"at once") + 100 * masked(0x82, bytes(2000))
    assert connections[0] is not None
    stream = connections[0].stream
    stream.data_received(frames)
    event = await peer.event()
    assert event.code == 1011
    peer.client.shut()
    await until(lambda: stream.transport is None)
    assert seen == ["open", "at once", ("close", 1011, None)]
    expect_log(caplog, "toolkit.application", "Uncaught exception GET /")


async def test_an_error_of_open_closes_with_1011(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    peer = await Peer.connect(serve([("/", Failing, {"seen": seen})]), "/?in=open")
    await peer.expect_close(1011)
    await until(lambda: len(seen) == 2)
    assert seen == ["open", ("close", 1011, None)]
    expect_log(caplog, "toolkit.application", "Uncaught exception GET /")


async def test_an_error_of_on_close_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Echo):
        def on_close(self) -> None:
            raise ZeroDivisionError

    site = serve([("/", Handler)])
    peer = await Peer.connect(site)
    await peer.say(Close(1000))
    await peer.expect_close(1000)
    await site.server.close_all_connections()
    expect_log(caplog, "toolkit.application", "Uncaught exception GET /")


async def test_nothing_can_be_sent_after_the_close(serve: Serve) -> None:
    raised = []

    class Handler(WebSocketHandler):
        def open(self) -> None:
            self.close(4001, "bye")
            for call in (lambda: self.write_message("x"), lambda: self.ping(b"x")):
                with pytest.raises(WebSocketClosedError):
                    call()
                raised.append(call)
            self.close(4002)  # once is enough

    peer = await Peer.connect(serve([("/", Handler)]))
    assert isinstance(close := await peer.event(), Close)
    assert (close.code, close.reason) == (4001, "bye")
    await peer.say(Close(4001))
    assert await peer.event() is CLOSED
    assert len(raised) == 2


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda handler: handler.close(1005), ValueError),
        (lambda handler: handler.close(1000, "x" * 124), ValueError),
        (lambda handler: handler.ping(b"x" * 126), ValueError),
        (lambda handler: handler.write_message(b"\xff"), ValueError),
        (lambda handler: handler.write_message("\ud800"), ValueError),
        (lambda handler: handler.write_message(7), TypeError),
        (lambda handler: handler.write_message(None), TypeError),
    ],
    ids=["code", "reason", "ping", "not text", "surrogate", "number", "none"],
)
async def test_what_cannot_be_sent_is_refused_and_the_connection_goes_on(
    serve: Serve, call: Any, error: type[Exception]
) -> None:
    class Handler(WebSocketHandler):
        def on_message(self, message: str) -> None:
            with pytest.raises(error):
                call(self)
            self.write_message("still here")

    peer = await Peer.connect(serve([("/", Handler)]))
    await peer.say("x")
    assert await peer.event() == "still here"


# -- the handshake -----------------------------------------------------------------------


@pytest.mark.feature("D08")
async def test_a_handshake_is_refused_with_any_status_and_content(serve: Serve) -> None:
    class Handler(Echo):
        async def prepare(self) -> None:
            await asyncio.sleep(0)
            how = self.get_argument("how")
            if how == "error":
                raise HTTPError(401)
            if how == "page":
                self.set_status(429)
                self.set_header("Retry-After", "7")
                self.finish({"why": "too many"})
            if how == "redirect":
                self.redirect("/elsewhere")

        def select_subprotocol(self, subprotocols: list[str]) -> str | None:
            raise HTTPError(418)

    site = serve([("/", Handler)])
    for how, status in (("error", 401), ("page", 429), ("redirect", 302), ("late", 418)):
        answer = await site.ask(asking(f"/?how={how}"))
        assert answer.status == status
    answer = await site.ask(asking("/?how=page"))
    assert (answer.get("retry-after"), answer.body) == ("7", b'{"why": "too many"}')


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asking(handshake=""), 400),
        (asking(handshake=ASKING.replace("Upgrade: websocket", "Upgrade: notwebsocket")), 400),
        (asking(handshake=ASKING.replace("Connection: Upgrade", "Connection: notupgrade")), 400),
        (asking(handshake=ASKING.replace("ZQ==", "")), 400),
        (asking(handshake=ASKING.replace("Sec-WebSocket-Key", "X")), 400),
        (asking(handshake=ASKING.replace("13", "8")), 426),
        (asking(handshake=ASKING.replace("13", "12")), 426),
        (asking().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (
            asking()
            .replace(b"GET", b"POST")
            .replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
            405,
        ),
        (asking(fields="Sec-WebSocket-Protocol: " + " ," * 5000 + "@\r\n"), 400),
    ],
    ids="plain upgrade connection key no-key 8 12 http1.0 post subprotocol".split(),
)
async def test_what_is_no_handshake_is_refused(serve: Serve, request_: bytes, status: int) -> None:
    """By a status that says why, in time that grows with the request alone."""
    site = serve([("/", Echo)])
    answer = await site.ask(request_)
    assert answer.status == status
    if status == 426:
        assert answer.get("sec-websocket-version") == "13"


async def test_what_follows_a_refused_handshake_is_no_request(serve: Serve) -> None:
    """Content of it is read over, and not taken for the next request (CVE-2026-69243)."""
    site = serve([("/", Echo)])
    client = await site.client()
    canary = b"GET /canary HTTP/1.1\r\nHost: h\r\n\r\n"
    await client.send(asking(fields=f"Content-Length: {len(canary)}\r\n") + canary)
    assert (await client.answer()).status == 400
    client.shut()
    await client.expect_end()


@pytest.mark.feature("D06")
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("", 101),
        ("Origin: http://h\r\n", 101),
        ("Origin: https://h\r\n", 101),  # before a proxy that ends TLS
        ("Origin: http://H\r\n", 101),
        ("Origin: http://trusted.example\r\n", 101),
        ("Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n", 101),
        ("Origin: http://trusted.example\r\nSec-Fetch-Site: cross-site\r\n", 101),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: http://h\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: http://sub.h\r\nSec-Fetch-Site: same-site\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://h:81\r\n", 403),
        ("Origin: https://h.evil\r\n", 403),
        ("Origin: http://evilh\r\n", 403),
        ("Origin: ftp://h\r\n", 403),
        ("Origin: h\r\n", 403),
        ("Origin: http://h@evil.example\r\n", 403),
        ("Origin: http://h/\r\nOrigin: http://evil.example\r\n", 403),
        ("Origin: http://h, http://evil.example\r\n", 403),
    ],
)
async def test_pages_of_other_sites_may_not_connect(serve: Serve, fields: str, status: int) -> None:
    """Unless the application says so; clients that are no browsers send no Origin."""
    site = serve([("/", Echo)], {"trusted_origins": ["http://trusted.example"]})
    client = await site.client()
    await client.send(asking(fields=fields))
    assert (await answer_to(client)).status == status


async def test_a_page_without_tls_may_not_connect_to_a_site_with_it(serve: Serve) -> None:
    site = serve([("/", Echo)], protocol="https")
    assert (await site.ask(asking(fields="Origin: http://h\r\n"))).status == 403


@pytest.mark.feature("D07")
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("chat, superchat", "superchat"), ("chat", None), ("", None), ("Superchat", None)],
)
async def test_a_handler_chooses_a_subprotocol(
    serve: Serve, offered: str, chosen: str | None
) -> None:
    class Handler(WebSocketHandler):
        def select_subprotocol(self, subprotocols: list[str]) -> str | None:
            return "superchat" if "superchat" in subprotocols else None

        def open(self) -> None:
            self.write_message(str(self.selected_subprotocol))

    fields = f"Sec-WebSocket-Protocol: {offered}\r\n" if offered else ""
    peer = await Peer.connect(serve([("/", Handler)]), fields=fields)
    assert peer.answer.get("sec-websocket-protocol") == chosen
    assert await peer.event() == str(chosen)


async def test_headers_and_cookies_of_prepare_are_in_the_answer(serve: Serve) -> None:
    class Handler(Echo):
        def prepare(self) -> None:
            self.set_cookie("a", "b")
            self.set_header("X-Mine", "c")

    peer = await Peer.connect(serve([("/", Handler)]))
    assert peer.answer.get("set-cookie") == "a=b; Path=/"
    assert peer.answer.get("x-mine") == "c"
    assert peer.answer.get("content-type") is None


@pytest.mark.feature("D03")
@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            "permessage-deflate; server_max_window_bits=10; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        ),
        ("permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=08", None),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
        ("x-other", None),
    ],
)
async def test_compression_is_negotiated(serve: Serve, offered: str, answered: str | None) -> None:
    class Handler(Echo):
        def get_compression_options(self) -> dict[str, Any]:
            return {"compression_level": 9, "mem_level": 5}

    site = serve([("/", Handler), ("/without", Echo)])
    fields = f"Sec-WebSocket-Extensions: {offered}\r\n"
    peer = await Peer.connect(site, fields=fields)
    assert peer.answer.get("sec-websocket-extensions") == answered
    await peer.say("still understood")
    if answered is None:
        assert await peer.event() == "still understood"
    without = await Peer.connect(site, "/without", fields=fields)
    assert without.answer.get("sec-websocket-extensions") is None


async def test_unknown_compression_options_are_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Echo):
        def get_compression_options(self) -> dict[str, Any]:
            return {"level_of_compression": 9}

    assert (await serve([("/", Handler)]).ask(asking())).status == 500
    expect_log(caplog, "toolkit.application", "Uncaught exception")


@pytest.mark.feature("D05")
async def test_limits_of_the_settings_hold(serve: Serve) -> None:
    site = serve([("/", Echo)], {"websocket_max_message_size": 10})
    peer = await Peer.connect(site)
    await peer.send(masked(0x01, b"12345") + masked(0x80, b"67890"))
    assert await peer.event() == "1234567890"
    await peer.send(masked(0x01, b"123456") + masked(0x80, b"78901"))
    await peer.expect_close(1009, "message too big")
    peer = await Peer.connect(site)
    await peer.send(masked(0x81, b"\xff"))
    close = await peer.event()
    assert close.code == 1007


async def test_large_and_small_messages_stay_in_order(serve: Serve) -> None:
    """Small ones are put together, and large ones written by themselves, also to a slow peer."""
    messages = ["a", "é" * 100_000, b"b", b"c" * 65_536, "d", bytes(1_000_000), "e"]
    peer = await Peer.connect(serve([("/", Echo)]))
    for message in messages:
        await peer.say(message)
    assert [await peer.event() for _ in messages] == messages


# -- messages one by one -----------------------------------------------------------------


@pytest.mark.feature("D02")
async def test_messages_are_iterated_over(serve: Serve) -> None:
    """Up to the end of the connection, whose code is known then."""
    ended = []

    class Handler(WebSocketHandler):
        async def open(self) -> None:
            async for message in self:
                await self.write_message(message)
            ended.append("iteration")

        def on_close(self) -> None:
            ended.append(self.close_code)

    peer = await Peer.connect(serve([("/", Handler)]), then=masked(0x81, b"early"))
    assert await peer.event() == "early"
    for number in range(3):
        await peer.say(str(number))
        assert await peer.event() == str(number)
    await peer.say(Close(4444))
    await peer.expect_close(4444)
    await until(lambda: len(ended) == 2)
    assert ended == ["iteration", 4444]


async def test_the_end_of_who_reads_messages_closes_the_connection(serve: Serve) -> None:
    class Handler(WebSocketHandler):
        async def open(self) -> None:
            assert await self.read_json() == {"a": 1}
            await self.write_json([await self.read_message(), 2])

    peer = await Peer.connect(serve([("/", Handler)]))
    await peer.say('{"a": 1}')
    await peer.say("x")
    assert await peer.event() == '["x", 2]'
    await peer.say(Close(1000))
    await peer.expect_close(1000)


async def test_a_task_of_its_own_may_read(serve: Serve) -> None:
    """With a time-out that loses no message."""
    tasks = []

    class Handler(WebSocketHandler):
        def open(self) -> None:
            tasks.append(asyncio.create_task(self.work()))

        async def work(self) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(self.read_message(), 0.001)
            await self.write_message("ready")
            await self.write_message(await self.read_message() or "")
            assert await self.read_message() is None
            with pytest.raises(WebSocketClosedError):
                await self.read_json()

    peer = await Peer.connect(serve([("/", Handler)]))
    assert await peer.event() == "ready"
    await peer.say("not lost")
    assert await peer.event() == "not lost"
    await peer.say(Close(1000))
    await peer.expect_close(1000)
    await tasks[0]


@pytest.mark.feature("D09")
async def test_a_handler_that_does_not_read_holds_the_client_up(serve: Serve) -> None:
    """After 16 messages and what the kernel takes."""
    go_on = asyncio.Event()
    seen = []

    class Handler(WebSocketHandler):
        async def open(self) -> None:
            await self.read_message()
            await go_on.wait()
            async for message in self:
                seen.append(len(message))

    site = serve([("/", Handler)], receive_buffer=65536)
    peer = await Peer.connect(site)
    frame = masked(0x82, bytes(32768))
    sending = asyncio.ensure_future(peer.send(frame * 1024))
    _, pending = await asyncio.wait([sending], timeout=0.3)
    assert pending, "32 MiB were taken, though nobody reads"
    go_on.set()
    await sending
    await until(lambda: len(seen) == 1023)


# -- the server stops ----------------------------------------------------------------------


@pytest.mark.feature("D16")
@pytest.mark.feature("B20")
async def test_clients_are_told_1001_when_the_server_stops(serve: Serve) -> None:
    """It waits for them to answer; handlers hear of it."""
    seen: list[Any] = []
    site = serve([("/", Noting, {"seen": seen})])
    peers = [await Peer.connect(site) for _ in range(3)]
    site.server.stop()
    closing = asyncio.ensure_future(site.server.close_all_connections())
    for peer in peers:
        close = await peer.event()
        assert (close.code, close.reason) == (1001, "the server is stopping")
    assert not closing.done()
    for peer in peers:
        await peer.say(Close(1001))
    await closing
    assert seen == ["open"] * 3 + [("close", 1001, None)] * 3


async def test_a_handler_may_end_in_its_own_way(serve: Serve) -> None:
    class Handler(Echo):
        def on_drain(self) -> None:
            self.write_message("last words")
            self.close(4001)

    site = serve([("/", Handler)])
    async with connect(f"ws://127.0.0.1:{site.address[1]}/") as connection:
        closing = asyncio.ensure_future(site.server.close_all_connections())
        assert [message async for message in connection] == ["last words"]
        assert connection.close_code == 4001
        await closing


async def test_what_does_not_end_in_time_is_aborted(serve: Serve) -> None:
    """And its coroutine cancelled, which the server waits for."""
    ended = []

    class Handler(WebSocketHandler):
        async def on_message(self, message: str) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(message)

        def on_close(self) -> None:
            ended.append("closed")

        def on_drain(self) -> None:
            pass

    site = serve([("/", Handler)])
    peer = await Peer.connect(site)
    await peer.say("x")
    await asyncio.sleep(0.01)
    await site.server.close_all_connections(0.01)
    assert ended == ["x", "closed"]
    assert await peer.client.read() == b""


async def test_open_connections_count_for_the_server(serve: Serve) -> None:
    """A limit on connections holds for those that were upgraded too."""
    site = serve([("/", Echo)], max_connections=2)
    peers = [await Peer.connect(site) for _ in range(2)]
    assert (await site.get("/")).status == 503
    await peers[0].say(Close())
    await peers[0].expect_close(None)
    assert (await site.get("/")).status == 400


async def test_a_handler_is_cancelled_when_its_client_leaves_if_it_asks_so(serve: Serve) -> None:
    ended = []

    class Handler(WebSocketHandler):
        cancel_on_close = True

        async def open(self) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append("open")

        def on_close(self) -> None:
            ended.append("close")

    peer = await Peer.connect(serve([("/", Handler)]))
    await asyncio.sleep(0.01)
    peer.client.reset()
    await until(lambda: len(ended) == 2)
    assert ended == ["open", "close"]


async def test_nodelay_can_be_set(serve: Serve) -> None:
    class Handler(Echo):
        def open(self) -> None:
            self.set_nodelay(True)

    peer = await Peer.connect(serve([("/", Handler)]))
    await peer.say("x")
    assert await peer.event() == "x"
