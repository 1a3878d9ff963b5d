"""`CircuitBreaker`: servers that fail are left alone, and none takes up everything."""

import asyncio
from typing import Any

import pytest

from tests.client.virtual import now, run
from toolkit.httpclient.circuit_breaker import (
    MAX_ORIGINS,
    CircuitBreaker,
    CircuitOpenError,
    State,
    TooManyRequestsError,
)
from toolkit.httpclient.transport import BytesSource, OutgoingRequest, StreamedResponse

URL = "http://a.example/"


class Server:
    """A server behind a breaker, whose next answers are told to it: a status or an error.

    Attributes:
        asked: how many requests have reached it.
    """

    def __init__(self, **options: Any) -> None:
        self.breaker = CircuitBreaker(**{"minimum": 4, "window": 8, "open_for": 10.0} | options)
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def ask(self, outcome: int | Exception = 200, url: str = URL) -> StreamedResponse:
        """Send one request."""

        async def answer(request: OutgoingRequest) -> StreamedResponse:
            self.asked += 1
            await self.gate.wait()
            if isinstance(outcome, Exception):
                raise outcome
            return StreamedResponse(request, outcome, source=BytesSource(b"data"))

        return await self.breaker(OutgoingRequest("GET", url), answer)

    async def fail(self, times: int) -> None:
        """Send requests that fail."""
        for number in range(times):
            if number % 2:
                await self.ask(500)
            else:
                with pytest.raises(OSError):
                    await self.ask(OSError())

    @property
    def state(self) -> State:
        """Return the state of its circuit."""
        return self.breaker.state(URL)


@pytest.mark.feature("F27")
def test_a_circuit_opens_closes_and_opens_again() -> None:
    """Failures open it, time half opens it, and one probe decides."""

    async def main() -> None:
        server = Server()
        await server.fail(3)
        assert server.state is State.CLOSED
        await server.fail(1)
        assert server.state is State.OPEN
        await asyncio.sleep(4)
        with pytest.raises(CircuitOpenError) as caught:
            await server.ask()
        assert caught.value.code == 599
        assert caught.value.retry_in == 6
        assert "http://a.example" in str(caught.value)
        assert server.asked == 4
        await asyncio.sleep(6)
        assert server.state is State.HALF_OPEN
        await server.ask(503)
        assert server.state is State.OPEN
        await asyncio.sleep(10)
        await server.ask()
        assert server.state is State.CLOSED
        await server.fail(3)
        assert server.state is State.CLOSED  # what was before is forgotten

    run(main)


@pytest.mark.feature("F27")
@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([500, 500, 500], State.CLOSED),
        ([200, 200, 500, 500], State.OPEN),
        ([200, 200, 200, 500, 500], State.CLOSED),
        ([404, 301, 499, 429], State.CLOSED),
        ([200] * 20 + [500] * 3, State.CLOSED),
        ([200] * 20 + [500] * 4, State.OPEN),
        ([500] + [200] * 8 + [500] * 3, State.CLOSED),
    ],
    ids=range(7),
)
def test_the_last_requests_count(outcomes: list[int], state: State) -> None:
    """Half of the last eight, and of four at least."""

    async def main() -> None:
        server = Server()
        for outcome in outcomes:
            await server.ask(outcome)
        assert server.state is state

    run(main)


@pytest.mark.feature("F27")
def test_half_open_lets_no_more_through_than_it_takes() -> None:
    """The others are refused until the probes are back, all of which have to succeed."""

    async def main() -> None:
        server = Server(probes=2)
        await server.fail(4)
        await asyncio.sleep(10)
        server.gate.clear()
        probes = [asyncio.create_task(server.ask()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpenError) as caught:
            await server.ask()
        assert caught.value.retry_in == 0
        server.gate.set()
        await probes[0]
        await probes[1]
        assert server.state is State.CLOSED
        assert server.asked == 6

    run(main)


def test_a_probe_that_is_given_up_says_nothing() -> None:
    """And another takes its place."""

    async def main() -> None:
        server = Server()
        await server.fail(4)
        await asyncio.sleep(10)
        server.gate.clear()
        probe = asyncio.create_task(server.ask())
        await asyncio.sleep(0)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert server.state is State.HALF_OPEN
        server.gate.set()
        await server.ask()
        assert server.state is State.CLOSED

    run(main)


def test_what_began_before_a_change_says_nothing_of_what_came_after() -> None:
    """A slow failure of the old days does not open a circuit that has closed since."""

    async def main() -> None:
        server = Server()
        server.gate.clear()
        old = [asyncio.create_task(server.ask(500)) for _ in range(8)]
        await asyncio.sleep(0)
        gate, server.gate = server.gate, asyncio.Event()
        server.gate.set()
        await server.fail(4)
        await asyncio.sleep(10)
        await server.ask()
        assert server.state is State.CLOSED
        gate.set()
        await asyncio.gather(*old)
        assert server.state is State.CLOSED

    run(main)


@pytest.mark.feature("F27")
def test_each_origin_has_a_circuit_of_its_own() -> None:
    """Scheme, host and port; those unused for longest are forgotten."""

    async def main() -> None:
        server = Server()
        await server.fail(4)
        await server.ask(url="https://a.example/")
        await server.ask(url="http://a.example:8080/")
        assert server.state is State.OPEN
        for number in range(MAX_ORIGINS):
            await server.ask(url=f"http://{number}.example/")
        assert server.state is State.CLOSED

    run(main)


@pytest.mark.feature("F27")
def test_one_origin_has_no_more_requests_under_way_than_it_may() -> None:
    """Until their responses are read or closed, or have failed."""

    async def main() -> None:
        server = Server(max_in_flight=2)
        one, other = await server.ask(), await server.ask()
        with pytest.raises(TooManyRequestsError, match="2 requests to"):
            await server.ask()
        await server.ask(url="http://b.example/")
        assert await one.read() == b"data"
        third = await server.ask()
        await other.aclose()
        await other.aclose()
        with pytest.raises(OSError):
            await server.ask(OSError())
        await third.aclose()
        last = [await server.ask(), await server.ask()]
        with pytest.raises(TooManyRequestsError):
            await server.ask()
        for response in last:
            await response.aclose()
        assert server.state is State.CLOSED

    run(main)


@pytest.mark.parametrize(
    "options", [{"minimum": 0}, {"minimum": 9, "window": 8}, {"ratio": 0}, {"ratio": 1.1}]
)
def test_numbers_that_make_no_sense_are_errors(options: Any) -> None:
    """Where they are given."""
    with pytest.raises(ValueError):
        CircuitBreaker(**options)


def test_what_a_failure_is_can_be_said() -> None:
    """429 is one for some."""

    async def main() -> None:
        server = Server(failure=lambda response: response.status == 429)
        for _ in range(4):
            await server.ask(500)
        assert server.state is State.CLOSED
        for _ in range(4):
            await server.ask(429)
        assert server.state is State.OPEN
        assert now() == 0

    run(main)
