"""The dashboard: its page, its figures as events, who comes back, and the end."""

import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.demos.process import SIGNALS, TIMEOUT, Demo, check_clean, running
from toolkit.wire.event_stream import EventStreamReader, ServerSentEvent


@pytest.fixture(scope="module")
def dashboard() -> Iterator[Demo]:
    """Run the dashboard for the tests of the module."""
    with running("dashboard", "--period=0.05") as demo:
        yield demo
        demo.signal(signal.SIGINT)
        check_clean(demo.ended())


def ask(demo: Demo, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Send one request and return status and content of its answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", demo.port, timeout=TIMEOUT)) as client:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read()


@contextmanager
def events(demo: Demo, last: str = "") -> Iterator[Iterator[ServerSentEvent]]:
    """Listen to the stream, from an event on."""
    with closing(http.client.HTTPConnection("127.0.0.1", demo.port, timeout=TIMEOUT)) as client:
        client.request("GET", "/events", headers={"Last-Event-ID": last} if last else {})
        answer = client.getresponse()
        assert answer.getheader("Content-Type") == "text/event-stream"
        yield _read(answer)
        # What is left of an endless answer would be waited for.
        answer.close()


def _read(answer: http.client.HTTPResponse) -> Iterator[ServerSentEvent]:
    reader = EventStreamReader()
    while data := answer.read1():
        reader.receive(data)
        while isinstance(event := reader.next_event(), ServerSentEvent):
            yield event


def sample(stream: Iterator[ServerSentEvent], **least: float) -> Any:
    """Return the next sample in which some figures are no less than given."""
    for event in stream:
        figures = json.loads(event.data) if event.event == "sample" else {}
        if figures and all(figures[name] >= value for name, value in least.items()):
            return figures
    raise AssertionError(f"the stream ended without {least}")


def test_the_page_needs_nothing_from_elsewhere(dashboard: Demo) -> None:
    status, page = ask(dashboard, "GET", "/")
    assert (status, page.count(b"EventSource")) == (200, 1)
    assert b"https://" not in page
    assert b"src=" not in page


def test_all_who_listen_see_the_same_figures(dashboard: Demo) -> None:
    with events(dashboard) as one, events(dashboard) as other:
        figures = sample(one, listeners=2)
        assert sample(other, time=figures["time"]) == figures
        assert len(figures["walks"]) == 3
        assert all(0 <= value <= 100 for value in figures["walks"])


def test_requests_are_counted(dashboard: Demo) -> None:
    with events(dashboard) as stream:
        sample(stream, listeners=1)
        assert ask(dashboard, "GET", "/ping")[0] == 200
        assert sample(stream, requests=1)


def test_who_comes_back_misses_nothing(dashboard: Demo) -> None:
    with events(dashboard) as stream:
        first, second, third = next(stream), next(stream), next(stream)
    assert first.id is not None
    with events(dashboard, first.id) as stream:
        assert [next(stream), next(stream)] == [second, third]


def test_a_loop_that_is_held_up_shows(dashboard: Demo) -> None:
    with events(dashboard) as stream:
        sample(stream, listeners=1)
        assert ask(dashboard, "POST", "/block")[0] == 202
        note = next(event for event in stream if event.event == "note")
        assert "held up" in json.loads(note.data)["text"]
        assert sample(stream, lag=200)


def test_pages_of_others_cannot_hold_the_loop_up(dashboard: Demo) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert ask(dashboard, "POST", "/block", **headers)[0] == 403


@pytest.mark.parametrize("number", SIGNALS)
def test_it_ends_while_pages_are_open(number: signal.Signals) -> None:
    """Their streams end as whole answers."""
    with running("dashboard") as demo, events(demo) as stream:
        next(stream)
        demo.signal(number)
        for _ in stream:
            pass
        check_clean(demo.ended())
