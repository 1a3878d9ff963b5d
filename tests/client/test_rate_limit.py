"""`RateLimit`: no more requests in a time than there may be, and in their order."""

import asyncio
from typing import Any

import pytest

from tests.client.virtual import now, run
from toolkit.httpclient.rate_limit import Rate, RateLimit
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse


class Visits:
    """Requests through a `RateLimit`, with when they went on."""

    def __init__(self, rates: dict[str, Rate]) -> None:
        self.limit = RateLimit(rates)
        self.seen: list[tuple[str, float]] = []

    async def visit(self, url: str) -> None:
        """Send one."""

        async def answer(request: OutgoingRequest) -> StreamedResponse:
            self.seen.append((request.url, now()))
            return StreamedResponse(request, 200)

        await self.limit(OutgoingRequest("GET", url), answer)


@pytest.mark.feature("F16")
def test_no_span_has_more_requests_than_its_rate() -> None:
    """Of three in a second; and who comes first goes first."""
    visits = Visits({"http://a/*": Rate(3, per=1.0)})

    async def main() -> None:
        await asyncio.gather(*[visits.visit(f"http://a/{n}") for n in range(7)])

    run(main)
    assert visits.seen == [
        (f"http://a/{n}", pytest.approx(when)) for n, when in enumerate([0, 0, 0, 1, 1, 1, 2])
    ]


def test_a_rate_is_kept_across_the_end_of_a_second() -> None:
    """Requests at its end count for the next one."""
    visits = Visits({"*": Rate(2, per=1.0)})

    async def main() -> None:
        await visits.visit("http://a/")
        await asyncio.sleep(0.75)
        for _ in range(3):
            await visits.visit("http://a/")

    run(main)
    assert [when for _, when in visits.seen] == [0, 0.75, 1.0, 1.75]


@pytest.mark.feature("F16")
def test_the_first_pattern_that_matches_counts() -> None:
    """Without the query; where none matches nobody waits."""
    visits = Visits(
        {"http://a/s?arch*": Rate(1, 10), "http://a/search*": Rate(1, 5), "*/b": Rate(1, 2)}
    )
    urls = ["http://a/search?q=1", "http://a/search/2#x", "http://c/b", "http://d/b?", "http://a/x"]

    async def main() -> None:
        await asyncio.gather(*[visits.visit(url) for url in urls])

    run(main)
    assert dict(visits.seen) == dict(zip(urls, [0, 5, 0, 2, 0], strict=True))


def test_a_rate_can_be_shared_by_patterns() -> None:
    """One object is one rate."""
    rate = Rate(1, per=1.0)
    visits = Visits({"http://a/*": rate, "http://b/*": rate})

    async def main() -> None:
        await asyncio.gather(visits.visit("http://a/"), visits.visit("http://b/"))

    run(main)
    assert [when for _, when in visits.seen] == [0, 1]


def test_who_gives_up_counts_for_nothing() -> None:
    """Those behind go on as if they had not been there."""
    visits = Visits({"*": Rate(1, per=1.0)})

    async def main() -> None:
        await visits.visit("http://a/0")
        tasks = [asyncio.create_task(visits.visit(f"http://a/{n}")) for n in (1, 2, 3)]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main)
    assert visits.seen == [("http://a/0", 0), ("http://a/3", 1)]


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (1, -1)])
def test_a_rate_of_nothing_is_an_error(arguments: Any) -> None:
    """Requests would wait for ever."""
    with pytest.raises(ValueError):
        Rate(*arguments)
