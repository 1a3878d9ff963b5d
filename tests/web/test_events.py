"""Server-sent events as an answer: streams, heartbeats, resuming, slow readers, the end."""

import asyncio
import socket
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from tests.http.client import Client, Serve, get, turns
from tests.loops import expect_log
from toolkit.netutil import bind_sockets
from toolkit.web import EventChannel, EventStream, RequestHandler, ServerSentEvent
from toolkit.wire.errors import LocalProtocolError

#: What the block of a stream does.
Body = Callable[[EventStream], Any]


def streaming(body: Body, **options: Any) -> type[RequestHandler]:
    """Make a handler that answers with a stream."""

    class Handler(RequestHandler):
        async def get(self) -> None:
            async with self.event_stream(**options) as events:
                await body(events)

    return Handler


def feeding(source: Any, **options: Any) -> type[RequestHandler]:
    """Make a handler that answers with the events of a source."""

    class Handler(RequestHandler):
        async def get(self) -> None:
            await self.stream_events(source() if callable(source) else source, **options)

    return Handler


class Listener:
    """A client that looks into a stream while it comes in."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.received = b""

    async def sees(self, text: bytes) -> bytes:
        """Wait until a text has come, and return all that has."""
        while text not in self.received:
            piece = await self.client.read()
            assert piece, f"ended before {text!r}: {self.received!r}"
            self.received += piece
        return self.received


async def listen(site: Any, fields: str = "", **options: Any) -> Listener:
    """Ask a site for its stream."""
    client = await site.client(**options)
    await client.send(get("/", fields))
    return Listener(client)


def small_buffers() -> list[socket.socket]:
    """Return sockets to listen on, for whose connections the kernel keeps few bytes to send."""
    sockets = bind_sockets(0, "127.0.0.1")
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    return sockets


def after(id: str) -> str:
    """Write the header of a client that comes back."""
    return f"Last-Event-ID: {id}\r\n"


async def _nothing(events: EventStream) -> None:
    """Send no event."""


async def _forever(events: EventStream) -> None:
    await events.send("begun")
    await asyncio.Event().wait()


# -- what is sent ------------------------------------------------------------------------


@pytest.mark.feature("N02")
async def test_a_stream_has_its_head_and_its_events(serve: Serve) -> None:
    async def body(events: EventStream) -> None:
        await events.send("a\nb", event="x", id="1", retry=0.5)
        await events.send({"c": [1]})
        await events.send(ServerSentEvent("d", "y", "2"))
        await events.send(id="3")
        await events.comment("e\nf")

    answer = await serve([("/", streaming(body, retry=2))]).get()
    assert answer.status == 200
    assert answer.get("content-type") == "text/event-stream"
    assert answer.get("cache-control") == "no-store"
    assert answer.get("x-accel-buffering") == "no"
    assert answer.get("content-length") is None
    assert answer.text == (
        "retry: 2000\n\n"
        "event: x\nid: 1\nretry: 500\ndata: a\ndata: b\n\n"
        'data: {"c": [1]}\n\n'
        "event: y\nid: 2\ndata: d\n\n"
        "id: 3\n\n"
        ": e\n: f\n\n"
    )


@pytest.mark.feature("N02")
async def test_a_bad_value_sends_nothing_of_its_event(serve: Serve) -> None:
    async def body(events: EventStream) -> None:
        for field in ("event", "id"):
            with pytest.raises(LocalProtocolError):
                await events.send("a", **{field: "x\ndata: evil"})  # type: ignore[arg-type]  # text
        await events.send("b")

    assert (await serve([("/", streaming(body))]).get()).text == "data: b\n\n"


async def test_the_head_of_a_stream_without_events_comes_at_once(serve: Serve) -> None:
    listener = await listen(serve([("/", streaming(lambda _: asyncio.Event().wait()))]))
    await listener.sees(b"\r\n\r\n")


async def test_head_is_answered_without_the_block(serve: Serve) -> None:
    async def body(events: EventStream) -> None:
        raise AssertionError("not reached")

    client = await serve([("/", streaming(body)), ("/2", streaming(_nothing))]).client()
    answer = await client.ask(get().replace(b"GET", b"HEAD"))
    assert (answer.status, answer.get("content-type"), answer.body) == (
        200,
        "text/event-stream",
        b"",
    )
    assert (await client.get("/2")).text == ""


async def test_a_client_of_http_1_0_has_the_end_of_the_connection_for_the_end(
    serve: Serve,
) -> None:
    client = await serve([("/", streaming(lambda events: events.send("a")))]).client()
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    head, _, body = (await client.read_to_end()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"data: a\n\n"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_stream_holds_no_event_back(serve: Serve, coding: str) -> None:
    more = asyncio.Event()

    async def body(events: EventStream) -> None:
        await events.send("one")
        await more.wait()
        await events.send("two")

    site = serve([("/", streaming(body))], {"compress_response": [coding]})
    client = await site.client()
    await client.send(get("/", f"Accept-Encoding: {coding}\r\n"))
    raw = text = b""
    while b"data: one\n\n" not in text:
        raw += await client.read()
        # The machine reads the answer below; here the content is looked at as it lies there.
        chunks = raw.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2]
        text = zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(b"".join(chunks))
    more.set()
    client.rest = raw
    answer = await client.answer()
    assert answer.get("content-encoding") == coding
    # 32 more than the window takes gzip's format for gzip, and zlib's for deflate.
    assert zlib.decompress(answer.body, 32 + zlib.MAX_WBITS) == b"data: one\n\ndata: two\n\n"


@pytest.mark.parametrize("heartbeat", [0, -1, float("nan")])
async def test_a_heartbeat_without_time_is_an_error(heartbeat: float) -> None:
    with pytest.raises(ValueError, match=r"heartbeat .*; seconds above 0"):
        EventStream(None, heartbeat, None, True)  # type: ignore[arg-type]  # never looked at


# -- heartbeats --------------------------------------------------------------------------


@pytest.mark.feature("N03")
async def test_silence_is_filled_with_comments(serve: Serve) -> None:
    listener = await listen(serve([("/", streaming(_forever, heartbeat=0.01))]))
    await listener.sees(b"data: begun\n\n")
    for count in range(1, 4):
        await listener.sees(b": \n\n" + b"\r\n4\r\n: \n\n" * (count - 1))


async def test_heartbeats_can_be_left_out(serve: Serve) -> None:
    async def body(events: EventStream) -> None:
        await events.send("a")
        await asyncio.sleep(0.02)

    assert (await serve([("/", streaming(body, heartbeat=None))]).get()).text == "data: a\n\n"


async def test_heartbeats_end_with_the_stream(serve: Serve) -> None:
    class Handler(RequestHandler):
        async def get(self) -> None:
            async with self.event_stream(heartbeat=0.005) as events:
                await events.send("a")
            await asyncio.sleep(0.05)

    assert (await serve([("/", Handler)]).get()).text == "data: a\n\n"


async def test_no_heartbeat_is_added_for_who_takes_nothing(serve: Serve) -> None:
    """It would fill the memory."""
    sent = asyncio.Event()
    sizes: list[int] = []

    class Handler(RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            async with self.event_stream(heartbeat=0.005) as events:
                self.write(b": " + b"x" * 1_000_000 + b"\n")
                self.flush()
                for _ in range(5):
                    await asyncio.sleep(0.01)
                    sizes.append(stream.unsent)
                sent.set()
                await events.send("end")

    site = serve([("/", Handler)], sockets=small_buffers())
    listener = await listen(site, receive_buffer=16 * 1024)
    await sent.wait()
    assert min(sizes) > 0
    stream = await listener.sees(b"data: end\n\n")
    assert b": \n\n" not in stream.partition(b"data: end")[0]


# -- sources -----------------------------------------------------------------------------


@pytest.mark.feature("N01")
async def test_a_generator_of_events_is_closed_when_the_client_leaves(serve: Serve) -> None:
    closed = asyncio.Event()

    async def source() -> AsyncGenerator[Any, None]:
        try:
            yield "begun"
            await asyncio.Event().wait()
        finally:
            closed.set()

    listener = await listen(serve([("/", feeding(source))]))
    await listener.sees(b"data: begun\n\n")
    assert not closed.is_set()
    listener.client.close()
    await closed.wait()


async def test_a_source_may_be_any_asynchronous_iterable(serve: Serve) -> None:
    class Source:
        def __init__(self) -> None:
            self.left = [ServerSentEvent("c", id="9"), {"b": 1}, "a"]

        def __aiter__(self) -> AsyncIterator[Any]:
            return self

        async def __anext__(self) -> Any:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    answer = await serve([("/", feeding(Source))]).get()
    assert answer.text == 'data: a\n\ndata: {"b": 1}\n\nid: 9\ndata: c\n\n'


async def test_a_stream_is_not_written_faster_than_it_is_read(serve: Serve) -> None:
    made = 0

    async def source() -> AsyncGenerator[str, None]:
        nonlocal made
        while True:
            made += 1
            yield "x" * 100_000

    site = serve([("/", feeding(source))], sockets=small_buffers())
    listener = await listen(site, receive_buffer=16 * 1024)
    await listener.sees(b"data: xxx")
    await turns(100)
    # Each is 100 kB; the kernel keeps some 50 kB, and 64 KiB wait before a writer does.
    assert made < 10


# -- channels ----------------------------------------------------------------------------


async def heard(channel: EventChannel, after: str = "") -> bytes:
    """Return what a listener is given at once."""
    channel.close()
    return b"".join([text async for text in channel.listen(after)])


def data_of(stream: bytes) -> str:
    """Return the data of events of one line, joined."""
    lines = stream.decode().split("\n")
    return " ".join(line[6:] for line in lines if line.startswith("data: "))


@pytest.mark.feature("N04")
async def test_who_comes_back_gets_what_was_published_meanwhile(serve: Serve) -> None:
    channel = EventChannel()
    site = serve([("/", feeding(channel))])
    listener = await listen(site)
    await listener.sees(b"\r\n\r\n")
    id = channel.publish("one")
    await listener.sees(f"id: {id}\ndata: one\n\n".encode())
    listener.client.close()
    while channel.listeners:
        await asyncio.sleep(0)
    channel.publish("two", event="x")
    channel.publish({"three": 3})
    listener = await listen(site, after(id))
    stream = await listener.sees(b"three")
    assert data_of(stream) == 'two {"three": 3}'
    channel.publish("four")
    await listener.sees(b"data: four\n\n")


GAP = ServerSentEvent("missed", "gap")


@pytest.mark.feature("N04")
@pytest.mark.parametrize(
    ("id", "events"),
    [
        ("", "5"),
        ("{name}-5", ""),
        ("{name}-4", "5"),
        ("{name}-2", "3 4 5"),
        ("{name}-1", "missed 3 4 5"),
        ("{name}-6", "missed 3 4 5"),
        ("{name}--1", "missed 3 4 5"),
        ("{name}-", "missed 3 4 5"),
        ("{name}-²", "missed 3 4 5"),
        ("{name}-" + "9" * 5000, "missed 3 4 5"),
        ("0123456789ab-4", "missed 3 4 5"),
        ("4", "missed 3 4 5"),
        ("é", "missed 3 4 5"),
    ],
    ids=lambda value: value[:20],
)
async def test_what_was_missed_and_is_not_kept_is_told(id: str, events: str) -> None:
    channel = EventChannel(keep=3, recent=1, gap=GAP)
    names = {channel.publish(str(number)).rpartition("-")[0] for number in range(6)}
    assert data_of(await heard(channel, id.format(name=names.pop()))) == events


async def test_without_a_sign_for_a_gap_the_rest_is_all_that_comes() -> None:
    channel = EventChannel(keep=1)
    channel.publish("a")
    channel.publish("b")
    assert data_of(await heard(channel, "x")) == "b"


@pytest.mark.feature("N04")
async def test_ids_and_last_ids_may_be_of_any_letters(serve: Serve) -> None:
    """The field is UTF-8, as no other one is."""
    site = serve([("/", streaming(lambda events: events.send("a", id=events.last_event_id)))])
    client = await site.client()
    await client.send(get("/", after("é€".encode().decode("latin-1"))))
    assert (await client.answer()).text == "id: é€\ndata: a\n\n"


async def test_what_is_kept_is_bounded_in_bytes_too() -> None:
    channel = EventChannel(keep_bytes=250)
    for letter in "abcde":
        channel.publish(letter * 60)
    assert [data[0] for data in data_of(await heard(channel, "x")).split()] == ["d", "e"]
    channel = EventChannel(keep_bytes=10)
    channel.publish("a" * 60)
    assert data_of(await heard(channel, "x")) == "a" * 60


async def test_many_small_events_come_together_and_large_ones_apart() -> None:
    channel = EventChannel(recent=100)
    for size in (1, 1, 1, 40_000, 40_000, 100_000, 1):
        channel.publish("x" * size)
    channel.close()
    sizes = [text.count(b"data:") async for text in channel.listen()]
    assert sizes == [4, 1, 1, 1]


@pytest.mark.parametrize(("slow", "events"), [("skip", "0 missed 8 9"), ("close", "0")])
async def test_who_falls_behind_what_is_kept_is_dealt_with(slow: Any, events: str) -> None:
    channel = EventChannel(keep=2, slow=slow, gap=GAP)
    listener = channel.listen()
    first = asyncio.ensure_future(anext(listener))
    await turns()
    channel.publish("0")
    stream = await first
    for number in range(1, 10):
        channel.publish(str(number))
    channel.close()
    async for text in listener:
        stream += text
    assert data_of(stream) == events


async def test_a_slow_client_costs_no_more_than_what_is_kept(serve: Serve) -> None:
    """And the others do not wait for it."""
    channel = EventChannel(keep=4, gap=GAP)
    site = serve([("/", feeding(channel))], sockets=small_buffers())
    slow, quick = await listen(site, receive_buffer=16 * 1024), await listen(site)
    while channel.listeners < 2:
        await asyncio.sleep(0)
    for number in range(100):
        channel.publish(f"{number:03}" + "x" * 10_000)
        await quick.sees(b"data: %03d" % number)
    channel.publish("last")
    await quick.sees(b"data: last")
    stream = await slow.sees(b"data: last")
    assert b"event: gap" in stream
    assert len(stream) < 500_000


async def test_a_closed_channel_ends_its_streams(serve: Serve) -> None:
    channel = EventChannel()
    listener = await listen(serve([("/", feeding(channel))]))
    while not channel.listeners:
        await asyncio.sleep(0)
    channel.publish("bye")
    channel.close()
    assert (await listener.sees(b"0\r\n\r\n")).count(b"data: bye\n\n") == 1
    assert (channel.closed, channel.listeners) == (True, 0)
    with pytest.raises(RuntimeError, match="after close"):
        channel.publish("x")


async def test_a_bad_event_is_published_to_nobody() -> None:
    channel = EventChannel(recent=9)
    with pytest.raises(LocalProtocolError):
        channel.publish("x", event="a\nb")
    channel.publish("y")
    assert data_of(await heard(channel)) == "y"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slow": "wait"}, "slow 'wait'; 'skip' and 'close'"),
        ({"keep": 0}, "keep 0"),
        ({"keep_bytes": 0}, "keep_bytes 0"),
    ],
    ids=["slow", "keep", "keep_bytes"],
)
async def test_a_channel_that_cannot_be_is_an_error(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EventChannel(**options)


# -- the end -----------------------------------------------------------------------------


async def test_a_handler_is_cancelled_when_its_client_leaves(serve: Serve) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Handler(RequestHandler):
        async def get(self) -> None:
            try:
                async with self.event_stream() as events:
                    await _forever(events)
                    ended.set_result("left")
            except asyncio.CancelledError:
                ended.set_result("cancelled")
                raise

    listener = await listen(serve([("/", Handler)]))
    await listener.sees(b"begun")
    listener.client.close()
    assert await ended == "cancelled"


@pytest.mark.feature("B20")
async def test_a_stream_ends_in_good_order_when_the_server_stops(serve: Serve) -> None:
    """The handler goes on behind the block, and the client can tell the end from a cut."""

    class Handler(RequestHandler):
        async def get(self) -> None:
            async with self.event_stream() as events:
                await _forever(events)
            assert events.drained
            await events.send("bye")

    site = serve([("/", Handler)])
    listeners = [await listen(site) for _ in range(3)]
    for listener in listeners:
        await listener.sees(b"begun")
    site.server.stop()
    await site.server.close_all_connections()
    for listener in listeners:
        assert (await listener.sees(b"0\r\n\r\n")).count(b"data: bye\n\n") == 1


@pytest.mark.feature("B20")
async def test_a_stream_of_a_channel_ends_when_the_server_stops(serve: Serve) -> None:
    channel = EventChannel()
    site = serve([("/", feeding(channel))])
    listener = await listen(site)
    await listener.sees(b"\r\n\r\n")
    site.server.stop()
    await site.server.close_all_connections()
    await listener.sees(b"0\r\n\r\n")
    assert channel.listeners == 0


async def test_a_stream_that_begins_while_the_server_stops_ends_at_its_first_wait(
    serve: Serve,
) -> None:
    told: list[str] = []

    class Handler(RequestHandler):
        def on_drain(self) -> None:
            told.append("drain")

        async def get(self) -> None:
            async with self.event_stream() as events:
                await _forever(events)

    site = serve([("/", Handler), ("/other", streaming(_nothing))], drain_grace=20)
    client = await site.client()
    assert (await client.get("/other")).text == ""
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    assert (await client.get()).text == "data: begun\n\n"
    assert told == ["drain"]
    await closing


async def test_on_drain_is_told_as_well(serve: Serve) -> None:
    """With `end_at_drain` off it alone sees to the end."""

    class Handler(RequestHandler):
        def on_drain(self) -> None:
            self.end.set()

        async def get(self) -> None:
            self.end = asyncio.Event()
            async with self.event_stream(end_at_drain=self.get_argument("end", "") == "") as events:
                await events.send("begun")
                await self.end.wait()
                await events.send("told")
            await events.send("drained" if events.drained else "heeded")

    site = serve([("/", Handler)])
    client = await site.client()
    await client.send(get("/?end=no"))
    both, alone = await listen(site), Listener(client)
    await both.sees(b"begun")
    await alone.sees(b"begun")
    site.server.stop()
    await site.server.close_all_connections()
    assert data_of(await alone.sees(b"0\r\n\r\n")).split() == ["begun", "told", "heeded"]
    assert "drained" in data_of(await both.sees(b"0\r\n\r\n"))


async def test_a_handler_hears_of_a_stop_behind_its_block_too(serve: Serve) -> None:
    class Handler(RequestHandler):
        def on_drain(self) -> None:
            self.end.set()

        async def get(self) -> None:
            self.end = asyncio.Event()
            async with self.event_stream() as events:
                await events.send("begun")
            await self.end.wait()

    site = serve([("/", Handler)])
    listener = await listen(site)
    await listener.sees(b"begun")
    await turns()
    site.server.stop()
    await site.server.close_all_connections()
    await listener.sees(b"0\r\n\r\n")


async def test_a_cancellation_of_others_is_not_taken_for_the_end(serve: Serve) -> None:
    """A block that is cut off at the deadline is not left as if it were done."""
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Handler(RequestHandler):
        async def get(self) -> None:
            try:
                async with self.event_stream() as events:
                    await events.send("begun")
                    try:
                        await asyncio.Event().wait()
                    finally:
                        await asyncio.Event().wait()
                ended.set_result("left")
            except asyncio.CancelledError:
                ended.set_result("cancelled")
                raise

    site = serve([("/", Handler)])
    listener = await listen(site)
    await listener.sees(b"begun")
    site.server.stop()
    await site.server.close_all_connections(timeout=0.05)
    assert await ended == "cancelled"


async def test_an_error_in_the_block_cuts_the_connection(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(events: EventStream) -> None:
        await events.send("a")
        raise ValueError("broken")

    listener = await listen(serve([("/", streaming(body))]))
    assert b"0\r\n\r\n" not in await listener.client.read_to_end()
    expect_log(caplog, "toolkit.application", "Uncaught exception")
    expect_log(caplog, "toolkit.general", "Cannot send error response after headers written")
