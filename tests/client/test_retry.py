"""`Retry`: what is sent again, when, and how often."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.client.virtual import now, run
from toolkit.httpclient.content import Body, Pieces
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.retry import Retry, RetryBudget, retry_after
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import Answer, MockTransport, Reply

URL = "https://a.example/"
DATE = "Tue, 14 Nov 2023 22:13:27 GMT"
NOW = 1_700_000_000.0  # seven seconds before


class Trial:
    """One request through a `Retry` to a server that answers so.

    Attributes:
        times: when it was sent.
    """

    def __init__(self, *replies: Reply, **options: Any) -> None:
        self.transport = MockTransport()
        self.transport.on("*", URL, *replies)
        self.retry = Retry(**{"chance": lambda: 1.0, "clock": lambda: NOW} | options)
        self.times: list[float] = []

    async def send(
        self, method: str = "GET", content: Body = None, headers: dict[str, str] | None = None
    ) -> StreamedResponse:
        """Send it."""
        request = OutgoingRequest(method, URL, HTTPHeaders(headers or {}), content)

        async def send(request: OutgoingRequest) -> StreamedResponse:
            self.times.append(now())
            return await self.transport.send(request)

        return await self.retry(request, send)


def times(*replies: Reply, **options: Any) -> list[float]:
    """Return when a GET was sent to a server that answers so."""
    trial = Trial(*replies, **options)

    async def main() -> None:
        await trial.send()

    run(main)
    return trial.times


@pytest.mark.feature("F15")
@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_a_status_that_may_pass_is_tried_again(status: int) -> None:
    """Until there is another one."""
    assert times(Answer(status), Answer(200)) == [0, pytest.approx(0.2)]


@pytest.mark.feature("F15")
@pytest.mark.parametrize("status", [200, 301, 400, 404, 500, 501])
def test_a_status_that_is_the_last_word_is_the_result(status: int) -> None:
    """At once."""
    assert times(Answer(status)) == [0]


@pytest.mark.feature("F15")
@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(), HTTPTimeoutError("late"), HTTPStreamClosedError("gone"), OSError],
)
def test_a_connection_that_failed_is_tried_again(error: Exception) -> None:
    """The next one may not."""
    assert times(error, error, Answer(200)) == pytest.approx([0, 0.2, 0.6])


def test_an_error_of_the_program_is_not() -> None:
    """It would be the same again."""
    trial = Trial(ValueError())

    async def main() -> None:
        with pytest.raises(ValueError):
            await trial.send()

    run(main)
    assert trial.times == [0]


@pytest.mark.feature("F15")
def test_after_the_last_attempt_its_result_counts() -> None:
    """A response is returned, an error raised."""
    trial = Trial(OSError("first"), Answer(503), Answer(504), OSError("last"), attempts=2)

    async def main() -> None:
        response = await trial.send()
        assert response.status == 503
        with pytest.raises(OSError, match="last"):
            await trial.send()

    run(main)
    assert len(trial.times) == 4


@pytest.mark.feature("F15")
def test_waits_double_up_to_a_bound_and_are_random() -> None:
    """Full jitter: from nothing to all of it."""
    chances = iter([1.0, 0.5, 0.25, 0.0, 1.0, 1.0])
    found = times(Answer(503), attempts=7, backoff=1.0, longest=10.0, chance=lambda: next(chances))
    waits = [after - before for before, after in itertools.pairwise(found)]
    assert waits == [1.0, 1.0, 1.0, 0.0, 10.0, 10.0]
    assert Retry(chance=lambda: 1.0).delay(10**6) == 10.0


@pytest.mark.feature("F15")
@pytest.mark.parametrize(
    ("value", "wait"),
    [("3", 3.2), ("0", 0.2), (DATE, 7.2), ("soon", 0.2), ("-3", 0.2), ("\xb2", 0.2)],
    ids=ascii,
)
def test_the_server_says_when(value: str, wait: float) -> None:
    """In seconds or by a date; what is neither says nothing. RFC 9110 §10.2.3"""
    assert times(Answer(503, headers={"Retry-After": value}), Answer(200)) == [
        0,
        pytest.approx(wait),
    ]


def test_a_date_that_has_passed_is_now() -> None:
    """Clocks differ."""
    assert retry_after(DATE, NOW) == 7.0
    assert retry_after(DATE, NOW + 8) == 0.0
    assert retry_after("9" * 5000, NOW) == float("9" * 18)


@pytest.mark.feature("F15")
def test_a_server_that_wants_too_much_patience_gets_none() -> None:
    """The response says for how long, and the program may wait itself."""
    answer = Answer(429, headers={"Retry-After": "31"})
    assert times(answer, Answer(200)) == [0]
    assert times(answer, Answer(200), max_retry_after=31.0) == [0, pytest.approx(31.2)]


@pytest.mark.feature("F15")
@pytest.mark.parametrize(
    ("method", "headers", "options", "attempts"),
    [
        ("GET", {}, {}, 3),
        ("HEAD", {}, {}, 3),
        ("PUT", {}, {}, 3),
        ("DELETE", {}, {}, 3),
        ("POST", {}, {}, 1),
        ("PATCH", {}, {}, 1),
        ("POST", {"Idempotency-Key": "7"}, {}, 3),
        ("POST", {}, {"methods": ["POST"]}, 3),
        ("GET", {}, {"methods": ["POST"]}, 1),
    ],
)
def test_only_what_does_no_harm_is_sent_again(
    method: str, headers: dict[str, str], options: dict[str, Any], attempts: int
) -> None:
    """Or what the program says to be so. RFC 9110 §9.2.2"""
    trial = Trial(OSError(), OSError(), Answer(503), **options)

    async def main() -> None:
        try:
            assert (await trial.send(method, headers=headers)).status == 503
        except OSError:
            pass

    run(main)
    assert len(trial.times) == attempts


@pytest.mark.feature("F15")
def test_content_that_is_used_up_is_not_sent_again() -> None:
    """A generator is, a list is not."""

    async def generated() -> AsyncIterator[bytes]:
        yield b"a"

    async def main() -> None:
        for content, attempts in [(Pieces(generated()), 1), (Pieces([b"a"]), 2), (b"a", 2)]:
            trial = Trial(Answer(503), Answer(200))
            await trial.send("PUT", content)
            assert [call.content for call in trial.transport.calls] == [b"a"] * attempts

    run(main)


@pytest.mark.feature("F15")
def test_where_everything_fails_a_budget_bounds_the_retries() -> None:
    """Ten and one for ten requests: a failing server is not asked three times as often."""
    trial = Trial(Answer(503), attempts=3, budget=RetryBudget(ratio=0.1, reserve=10))

    async def main() -> None:
        for _ in range(100):
            await trial.send()

    run(main)
    assert 118 <= len(trial.times) <= 120


def test_a_budget_is_earned_again_and_no_more_than_may_be_saved() -> None:
    """By requests."""
    budget = RetryBudget(ratio=0.5, reserve=1)
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(10):
        budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retry(attempts=0),
        lambda: RetryBudget(ratio=-1),
        lambda: RetryBudget(reserve=0.5),
    ],
)
def test_numbers_that_make_no_sense_are_errors(make: Any) -> None:
    """Where they are given."""
    with pytest.raises(ValueError):
        make()


def test_the_response_before_is_let_go_of() -> None:
    """Read if it is short, so that its connection can be kept; closed in any case."""
    endless = [b"x"] * 10 + [OSError("read too far")]
    replies = [Answer(503, b"short"), Answer(503, endless), Answer(503, [b"a", OSError("broke")])]
    replies[2].headers = {"Content-Length": "7"}
    trial = Trial(*replies, Answer(200), attempts=4)

    async def main() -> None:
        await trial.send()

    run(main)
    responses = [call.response for call in trial.transport.calls[:3]]
    assert [response and response.source.closed for response in responses] == [True] * 3  # type: ignore[attr-defined]


def test_each_attempt_begins_with_the_request_as_it_was() -> None:
    """What a link has added to one is not in the next."""
    trial = Trial(Answer(503), Answer(200))

    async def main() -> None:
        send = trial.transport.send

        async def adding(request: OutgoingRequest) -> StreamedResponse:
            assert "X-Attempt" not in request.headers
            request.headers["X-Attempt"] = "1"
            return await send(request)

        await trial.retry(OutgoingRequest("GET", URL), adding)

    run(main)
    assert len(trial.transport.calls) == 2
