"""`EventSource`: events over as many connections as it takes (WHATWG HTML §9.2)."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.client.virtual import now, run
from toolkit.httpclient.content import Pieces
from toolkit.httpclient.errors import HTTPClientError, HTTPTimeoutError
from toolkit.httpclient.event_source import EventSource, EventStreamError
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpclient.transport import OutgoingRequest
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import Answer, MockTransport, Reply

URL = "https://a.example/news"
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def stream(*pieces: bytes | Exception) -> Answer:
    """Return an answer with a stream of events."""
    return Answer(200, list(pieces), STREAM)


class Trial:
    """A source of events from a server that answers so.

    Attributes:
        seen: data of the events, with when they came.
        times: when the server was asked.
        ids: what it was told in Last-Event-ID.
    """

    def __init__(self, *replies: Reply, **options: Any) -> None:
        self.transport = MockTransport()
        self.transport.on("GET", URL, *replies)
        self.options = {"chance": lambda: 0.0} | options
        self.seen: list[tuple[str, float]] = []
        self.times: list[float] = []
        self.error: Exception | None = None

    async def read(self) -> None:
        """Read events up to the end, or to an error."""
        request = OutgoingRequest("GET", URL, timeouts=Timeouts(whole=20.0))
        async with EventSource(self._send, request, **self.options) as events:
            try:
                async for event in events:
                    self.seen.append((event.data, now()))
            except Exception as error:
                self.error = error
            with pytest.raises(StopAsyncIteration):
                await anext(events)

    async def _send(self, request: OutgoingRequest) -> Any:
        self.times.append(now())
        return await self.transport.send(request)

    @property
    def ids(self) -> list[str | None]:
        return [call.request.headers.get("Last-Event-ID") for call in self.transport.calls]


def read(*replies: Reply, **options: Any) -> Trial:
    """Return what came of a source that reads to its end."""
    trial = Trial(*replies, **options)
    run(trial.read)
    return trial


@pytest.mark.feature("F21")
def test_a_lost_stream_goes_on_where_it_was() -> None:
    """The server is told the last event, after as long a wait as it wants."""
    trial = read(
        stream(b"id: 1\ndata: a\n\nid: 2\nretry: 500\nda", b"ta: b\n\n"),
        stream(b"data: c\n\n", OSError("broke")),
        stream(b"id\ndata: d\n\n"),
        Answer(204),
    )
    assert trial.seen == [("a", 0), ("b", 0), ("c", 0.5), ("d", 1.0)]
    assert trial.ids == [None, "2", "2", None]
    assert trial.times == [0, 0.5, 1.0, 1.5]
    assert trial.error is None
    headers = trial.transport.calls[0].request.headers
    assert (headers["Accept"], headers["Cache-Control"]) == ("text/event-stream", "no-store")


@pytest.mark.feature("F21")
def test_a_server_that_says_204_has_no_more() -> None:
    """And is not asked again."""
    trial = read(Answer(204))
    assert (trial.seen, trial.times, trial.error) == ([], [0], None)


@pytest.mark.feature("F21")
def test_waits_double_while_nothing_comes_and_begin_again_with_a_stream() -> None:
    """Three seconds, unless the server says otherwise, and no more than a minute."""
    failures: list[Reply] = [OSError("refused"), HTTPTimeoutError("late"), Answer(503)] * 2
    trial = read(*failures, stream(), OSError("refused"), Answer(204))
    waits = [after - before for before, after in itertools.pairwise(trial.times)]
    assert waits == [3, 6, 12, 24, 48, 60, 3, 6]


@pytest.mark.feature("F21")
def test_chance_keeps_clients_from_coming_all_at_once() -> None:
    """Up to half as long more."""
    assert read(OSError(), Answer(204), chance=lambda: 1.0).times == [0, 4.5]


def test_a_server_that_wants_patience_gets_it() -> None:
    """Retry-After is no less than the wait."""
    busy = Answer(503, headers={"Retry-After": "20"})
    assert read(busy, Answer(204)).times == [0, 20]
    assert read(busy, Answer(204), retry=30.0).times == [0, 30]
    assert read(OSError(), Answer(204), retry=90.0).times == [0, 90]


@pytest.mark.feature("F21")
@pytest.mark.parametrize(
    ("answer", "kind", "what"),
    [
        (Answer(404), HTTPClientError, "404"),
        (Answer(301), HTTPClientError, "301"),
        (Answer(200, b"<html>", {"Content-Type": "text/html"}), EventStreamError, "text/html"),
        (Answer(200, b"data: a\n\n"), EventStreamError, "Content-Type"),
        (Answer(200, b"", {"Content-Type": "a; b=c; b=d"}), EventStreamError, "Content-Type"),
        (stream(b"data: " + b"x" * 101), EventStreamError, "100 bytes in a line"),
        (stream(b"data: xxxxx\n" * 10), EventStreamError, "50 bytes of data"),
    ],
    ids=["404", "301", "html", "no type", "odd type", "long line", "long data"],
)
def test_what_is_no_stream_is_an_error(answer: Answer, kind: type[Exception], what: str) -> None:
    """And is not asked again."""
    trial = read(answer, max_line=100, max_data=50)
    assert type(trial.error) is kind
    assert what in str(trial.error)
    assert trial.times == [0]


def test_attempts_can_be_limited() -> None:
    """To those in a row; the last one's error is raised."""
    trial = read(OSError("a"), OSError("b"), stream(), OSError("c"), OSError("d"), attempts=3)
    assert str(trial.error) == "d"
    assert len(trial.times) == 5
    trial = read(Answer(503), attempts=2)
    assert str(trial.error) == "HTTP 503: Service Unavailable"


def test_an_error_of_the_program_ends_it() -> None:
    """It would be the same again."""
    trial = read(ValueError("bad"))
    assert str(trial.error) == "bad"
    assert trial.times == [0]


@pytest.mark.parametrize("identifier", ["caf\xe9 \u20ac", "a\x01b", ""])
def test_the_id_of_an_event_goes_in_utf_8_if_it_can(identifier: str) -> None:
    """What cannot stand in a field is not sent. RFC 9110 §5.5"""
    trial = read(stream(f"id: {identifier}\ndata: a\n\n".encode()), Answer(204))
    usable = identifier.encode().decode("latin-1") if "\xe9" in identifier else None
    assert trial.ids == [None, usable]


def test_a_stream_has_no_end_but_has_to_begin() -> None:
    """The time-out of the whole counts for the first byte."""
    trial = read(Answer(204), last_event_id="7")
    timeouts = trial.transport.calls[0].request.timeouts
    assert (timeouts.whole, timeouts.first_byte) == (None, 20.0)
    assert trial.ids == ["7"]


def test_who_gives_up_waiting_may_wait_again() -> None:
    """A time-out around one event loses none."""

    async def main() -> None:
        gate = asyncio.Event()

        class Slow:
            trailers = ()

            async def read(self) -> bytes:
                await gate.wait()
                return b"data: a\n\n"

            def close(self) -> None:
                gate.set()

        async def answer(request: OutgoingRequest) -> Any:
            response = stream().response(request)
            response.source = Slow()
            return response

        transport = MockTransport()
        transport.on("GET", URL, answer)
        events = EventSource(transport.send, OutgoingRequest("GET", URL))
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await anext(events)
        gate.set()
        assert (await anext(events)).data == "a"
        await events.aclose()
        await events.aclose()
        assert len(transport.calls) == 1

    run(main)


def test_what_makes_no_sense_is_an_error() -> None:
    """Where it is given."""

    async def generated() -> AsyncIterator[bytes]:
        yield b""

    transport = MockTransport()
    once = OutgoingRequest("POST", URL, HTTPHeaders(), Pieces(generated()))
    with pytest.raises(ValueError, match="once"):
        EventSource(transport.send, once)
    with pytest.raises(ValueError, match="attempts"):
        EventSource(transport.send, OutgoingRequest("GET", URL), attempts=0)
