"""Middleware: who sees what, in which order, and what they may do."""

from collections.abc import Awaitable, Callable

import pytest

from toolkit.httpclient import AsyncHTTPClient, CallNext, OutgoingRequest, StreamedResponse
from toolkit.testing import Answer, MockTransport

pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.feature("F17"),
]

URL = "http://a.example/"


def noting(
    seen: list[str], name: str
) -> Callable[[OutgoingRequest, CallNext], Awaitable[StreamedResponse]]:
    """Return a middleware that notes what passes."""

    async def middleware(request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        seen.append(f"{name} {request.target.path}")
        response = await call_next(request)
        seen.append(f"{name} {response.status}")
        return response

    return middleware


def redirecting() -> MockTransport:
    """Return a transport whose first answer redirects."""
    transport = MockTransport()
    transport.on("GET", URL, Answer(302, headers={"Location": "/x"}))
    transport.on("GET", f"{URL}x", Answer(200, b"found"))
    return transport


async def test_the_first_of_the_list_is_outermost_and_hops_are_seen_within() -> None:
    """One request for a middleware, two for one of hops; fetch goes the same way."""
    seen: list[str] = []
    async with AsyncHTTPClient(
        force_instance=True,
        transport=redirecting(),
        middleware=[noting(seen, "a"), noting(seen, "b")],
        hop_middleware=[noting(seen, "hop")],
    ) as client:
        await client.get(URL)
        expected = ["a /", "b /", "hop /", "hop 302", "hop /x", "hop 200", "b 200", "a 200"]
        assert seen == expected
        assert (await client.fetch(URL)).body == b"found"
        assert seen == expected * 2


async def test_a_middleware_may_answer_itself_or_ask_again() -> None:
    """Nothing is sent then, or the same twice."""

    async def cached(request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        if request.method == "HEAD":
            return StreamedResponse(request, 204)
        await (await call_next(request.copy())).aclose()
        return await call_next(request.copy())

    transport = redirecting()
    async with AsyncHTTPClient(
        force_instance=True, transport=transport, middleware=[cached]
    ) as client:
        assert (await client.head(URL)).status == 204
        assert transport.calls == []
        assert (await client.get(f"{URL}x")).content == b"found"
        assert len(transport.calls) == 2


async def test_what_a_middleware_adds_stays_within_its_origin() -> None:
    """A token for one server goes to no other, wherever it redirects."""

    async def with_token(request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        request.headers["Authorization"] = "Bearer s3cret"
        return await call_next(request)

    transport = MockTransport()
    transport.on("GET", URL, Answer(302, headers={"Location": "http://b.example/"}))
    transport.on("GET", "http://b.example/")
    async with AsyncHTTPClient(
        force_instance=True, transport=transport, middleware=[with_token]
    ) as client:
        await client.get(URL)
    sent = [call.request.headers.get("Authorization") for call in transport.calls]
    assert sent == ["Bearer s3cret", None]


async def test_an_error_passes_through_all_of_them() -> None:
    """Each may see to it."""

    async def healing(request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        try:
            return await call_next(request)
        except ConnectionResetError:
            return StreamedResponse(request, 503)

    transport = MockTransport()
    transport.on("GET", URL, ConnectionResetError)
    seen: list[str] = []
    async with AsyncHTTPClient(
        force_instance=True, transport=transport, middleware=[healing, noting(seen, "inner")]
    ) as client:
        assert (await client.get(URL)).status == 503
    assert seen == ["inner /"]
