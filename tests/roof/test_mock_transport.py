"""`MockTransport`: what a test says is what is answered."""

from typing import Any

import pytest

from toolkit.httpclient.content import Pieces
from toolkit.httpclient.encoding import json_content
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.testing.mock_transport import Answer, MockTransport, UnexpectedRequestError

pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.feature("F25"),
]


async def get(transport: MockTransport, url: str, method: str = "GET") -> tuple[int, bytes]:
    """Return status and content of a response."""
    response = await transport.send(OutgoingRequest(method, url))
    return response.status, await response.read()


async def test_the_first_route_that_matches_answers() -> None:
    """By method and URL; a query counts where a route has one."""
    transport = MockTransport()
    transport.on("GET", "http://a/x?q=1", Answer(201))
    transport.on("GET", "http://a/x", Answer(202))
    transport.on("*", "http://a/*", Answer(203))
    transport.on("PUT", "http://a/x", Answer(204))
    urls = ["http://a/x?q=1", "http://a/x?q=2", "http://a/x#frag", "http://a/y/z"]
    assert [(await get(transport, url))[0] for url in urls] == [201, 202, 202, 203]
    assert (await get(transport, "http://a/x", "PUT"))[0] == 203


async def test_a_request_without_an_answer_is_an_error_of_the_test() -> None:
    """Which no program takes for one of the network."""
    transport = MockTransport()
    with pytest.raises(UnexpectedRequestError, match=r"GET http://a/; there are .* nothing"):
        await get(transport, "http://a/")
    transport.on("POST", "http://b/*")
    with pytest.raises(AssertionError, match=r"POST http://b/\*"):
        await get(transport, "http://a/")


async def test_answers_come_one_after_the_other() -> None:
    """The last one for ever; errors in their place."""
    transport = MockTransport()
    transport.on("GET", "*", Answer(503), ConnectionResetError, OSError("x"), Answer(json=[1]))
    assert await get(transport, "http://a/") == (503, b"")
    with pytest.raises(ConnectionResetError):
        await get(transport, "http://a/")
    with pytest.raises(OSError, match="x"):
        await get(transport, "http://a/")
    assert [await get(transport, "http://a/") for _ in range(2)] == [(200, b"[1]")] * 2


async def test_a_function_answers_what_it_likes() -> None:
    """One that waits as well."""

    def plain(request: OutgoingRequest) -> Answer:
        return Answer(200, request.url)

    async def waiting(request: OutgoingRequest) -> StreamedResponse:
        return StreamedResponse(request, 418)

    transport = MockTransport()
    transport.on("GET", "*", plain, waiting)
    assert await get(transport, "http://a/") == (200, b"http://a/")
    assert await get(transport, "http://a/") == (418, b"")


@pytest.mark.parametrize(
    ("answer", "method", "headers", "content"),
    [
        (Answer(), "GET", {"Content-Length": "0"}, b""),
        (Answer(200, "caf\xe9"), "GET", {"Content-Length": "5"}, "caf\xe9".encode()),
        (Answer(200, b"abc"), "HEAD", {"Content-Length": "3"}, b""),
        (Answer(204), "GET", {}, b""),
        (Answer(200, [b"a", b"b"]), "GET", {}, b"ab"),
        (
            Answer(json={"a": 1}, headers={"Content-Type": "x/y"}),
            "GET",
            {"Content-Type": "x/y", "Content-Length": "8"},
            b'{"a": 1}',
        ),
        (
            Answer(json=None),
            "GET",
            {"Content-Type": "application/json", "Content-Length": "4"},
            b"null",
        ),
    ],
    ids=range(7),
)
async def test_a_response_has_the_usual_fields(
    answer: Answer, method: str, headers: dict[str, str], content: bytes
) -> None:
    """As a server would send them."""
    transport = MockTransport()
    transport.on("*", "*", answer)
    response = await transport.send(OutgoingRequest(method, "http://a/"))
    assert dict(response.headers) == headers
    assert await response.read() == content


async def test_content_can_break_off() -> None:
    """Where a test says so."""
    transport = MockTransport()
    transport.on("*", "*", Answer(200, [b"a", OSError("broke")]))
    response = await transport.send(OutgoingRequest("GET", "http://a/"))
    assert await response.source.read() == b"a"
    with pytest.raises(OSError, match="broke"):
        await response.source.read()
    assert await response.source.read() == b""


async def test_calls_are_remembered() -> None:
    """With all of their content."""
    transport = MockTransport()
    transport.on("*", "*")
    contents: list[Any] = [None, b"a", Pieces([b"a", b"b"]), json_content({"a": 1})]
    for content in contents:
        await transport.send(OutgoingRequest("POST", "http://a/", content=content))
    assert [call.content for call in transport.calls] == [None, b"a", b"ab", b'{"a":1}']
    assert transport.calls[-1].json == {"a": 1}
    assert transport.calls[-1].request.method == "POST"
    assert transport.calls[-1].response is not None
    await transport.aclose()
    assert transport.closed
