"""`MockTransport`: answers for tests, without any server."""

import json as json_module
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from toolkit.httpclient.content import Body
from toolkit.httpclient.encoding import NOT_GIVEN
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.wire.events import Fields


class UnexpectedRequestError(AssertionError):
    """A request that the test has no answer for."""


@dataclass(slots=True)
class Answer:
    """A response of a test.

    Attributes:
        status: such as 200.
        content: text goes in UTF-8; of several pieces each is read by itself, and an exception
            among them breaks the connection there.
        headers: Content-Length is added for content that is whole.
        json: instead of `content`, with a Content-Type.
    """

    status: int = 200
    content: "bytes | str | Sequence[bytes | Exception]" = b""
    headers: Mapping[str, str] | HTTPHeaders = field(default_factory=dict)
    json: Any = NOT_GIVEN

    def response(self, request: OutgoingRequest) -> StreamedResponse:
        """Return the response to a request."""
        headers = HTTPHeaders(self.headers)
        content = self.content
        if self.json is not NOT_GIVEN:
            content = json_module.dumps(self.json)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(content, str):
            content = content.encode("utf-8")
        if isinstance(content, bytes):
            if self.status not in (204, 304):
                headers.setdefault("Content-Length", str(len(content)))
            content = [content] if content else []
        if request.method == "HEAD":
            content = []
        return StreamedResponse(request, self.status, headers, PiecesSource(content))


class PiecesSource:
    """Content of a response that comes in the pieces that a test wants."""

    def __init__(self, pieces: Sequence[bytes | Exception]) -> None:
        self.trailers: Fields = ()
        self.closed = False
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        """Return the next piece, ``b""`` at the end, or raise what stands in its place."""
        piece = self._pieces.pop(0) if self._pieces and not self.closed else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        """Give no more."""
        self.closed = True


#: What a route answers with: a response, an error to raise, or a function that makes either.
Reply = (
    Answer
    | Exception
    | type[Exception]
    | Callable[
        [OutgoingRequest], "Answer | StreamedResponse | Awaitable[Answer | StreamedResponse]"
    ]
)


@dataclass(slots=True)
class Call:
    """A request that was made.

    Attributes:
        request: as it came to the transport.
        content: all of it; None for none.
        response: None where an error was raised.
    """

    request: OutgoingRequest
    content: bytes | None
    response: StreamedResponse | None = None

    @property
    def json(self) -> Any:
        """The content of the request, read as JSON."""
        return json_module.loads(self.content or b"")


@dataclass(slots=True)
class _Route:
    method: str
    url: str
    pattern: re.Pattern[str]
    replies: list[Reply]

    def matches(self, request: OutgoingRequest) -> bool:
        url = request.url.partition("#")[0]
        if "?" not in self.url:
            url = url.partition("?")[0]
        return self.method in ("*", request.method) and self.pattern.fullmatch(url) is not None


class MockTransport:
    """A transport that answers requests as a test says, and remembers them.

    Example::

        transport = MockTransport()
        transport.on("GET", "https://api.example/users/*", Answer(json={"name": "Ann"}))
        transport.on("POST", "https://api.example/users", Answer(503), Answer(201))
        transport.on("DELETE", "https://api.example/users/7", ConnectionResetError)
        client = AsyncHTTPClient(force_instance=True, transport=transport)
        ...
        assert [call.request.method for call in transport.calls] == ["GET"]

    Attributes:
        calls: the requests, in order.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.closed = False
        self._routes: list[_Route] = []

    def on(self, method: str, url: str, *replies: Reply) -> None:
        """Say what is answered.

        Args:
            method: ``"*"`` for any.
            url: ``*`` stands for any characters; a query counts only if this has a ``?``. Of
                several routes that match, the first one answers.
            replies: for one request after the other; the last one for all after it. Without
                any, an empty 200.
        """
        # A "?" is no wildcard here.
        pattern = re.compile(re.escape(url).replace(r"\*", ".*"), re.DOTALL)
        self._routes.append(_Route(method, url, pattern, list(replies) or [Answer()]))

    async def send(self, request: OutgoingRequest) -> StreamedResponse:
        """Return the response of the first route that matches, or raise its error.

        Raises:
            UnexpectedRequestError: there is none.
        """
        call = Call(request, await read_body(request.content))
        self.calls.append(call)
        route = next((route for route in self._routes if route.matches(request)), None)
        if route is None:
            known = ", ".join(f"{route.method} {route.url}" for route in self._routes)
            raise UnexpectedRequestError(
                f"{request.method} {request.url}; there are answers for: {known or 'nothing'}"
            )
        reply = route.replies.pop(0) if len(route.replies) > 1 else route.replies[0]
        call.response = await _response(reply, request)
        return call.response

    async def aclose(self) -> None:
        """Take note that the client was closed."""
        self.closed = True


async def _response(reply: Reply, request: OutgoingRequest) -> StreamedResponse:
    if isinstance(reply, Exception) or (isinstance(reply, type) and issubclass(reply, Exception)):
        raise reply
    made: Any = reply
    if not isinstance(reply, Answer):
        made = cast(Callable[[OutgoingRequest], Any], reply)(request)
        if isinstance(made, Awaitable):
            made = await made
    return made.response(request) if isinstance(made, Answer) else made


async def read_body(content: Body) -> bytes | None:
    """Return the content of a request, None for none."""
    if content is None or isinstance(content, bytes):
        return content
    pieces: list[bytes] = []

    async def write(data: bytes) -> None:
        pieces.append(data)

    await content.write_to(write)
    return b"".join(pieces)
