"""What goes through the client: a request, a response as it streams in, and who sees them.

A client is a chain. Each link takes a request and returns a response, and all but the last
may ask the next link, once, several times or not at all::

    time-out of the whole
      middleware of the program, the first of the list outermost
        retries
          redirects, with cookies and authentication for each hop
            decoding of compressed content
              the transport: the network, an application in memory, a mock, a recording

So a middleware of the program sees one request and one response, however many redirects and
retries there were; one that is to see each of them is given as ``hop_middleware``.

Example of a middleware::

    async def stamped(request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        request.headers["X-Request-ID"] = uuid4().hex
        response = await call_next(request)
        print(request.method, request.url, response.status)
        return response
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, Self, TypeVar, overload

from toolkit.httpclient.content import Body
from toolkit.httpclient.errors import HTTPClientError, HTTPTimeoutError
from toolkit.httpclient.json_lines import json_values
from toolkit.httpclient.options import ConnectOptions
from toolkit.httpclient.target import Target
from toolkit.httpclient.timeouts import NO_TIMEOUTS, Limit, Timeouts
from toolkit.httputil import HTTPHeaders, responses
from toolkit.iostream import UnsatisfiableReadError
from toolkit.wire.events import Fields
from toolkit.wire.json_lines import MAX_LINE
from toolkit.wire.parameters import parse_parameters
from toolkit.wire.pieces import Pieces

T = TypeVar("T")


class OutgoingRequest:
    """A request on its way to a server.

    Args:
        url: absolute, of the scheme ``http`` or ``https``; without user and password, which
            `credentials` has.
        headers: those of the user, and what the links of the chain add.
        content: bytes, `Content`, or None.
        timeouts: for its parts; `Timeouts.whole` is for all hops and retries together.
        options: how its connection is made.
        target: what `url` says, if it was read already.

    Attributes:
        credentials: user and password for the origin of `url`; None for none.
        auth_mode: ``"basic"`` or ``"digest"``: how they are sent.
        decompress: whether the content of the response is to be decoded.
        expect_continue: whether the content waits until the server wants it.
        follow_redirects, max_redirects: as of `HTTPRequest`.
        deadline: when all of it has to be over, by the loop's clock; the client sets it.
        begun: the exchange that the transport has begun for it already; None for none.
        extra: what links of the chain want to tell each other, by keys of their own.
    """

    __slots__ = (
        "_target",
        "_url",
        "auth_mode",
        "begun",
        "content",
        "credentials",
        "deadline",
        "decompress",
        "expect_continue",
        "extra",
        "follow_redirects",
        "headers",
        "max_redirects",
        "method",
        "options",
        "timeouts",
    )

    def __init__(
        self,
        method: str,
        url: str,
        headers: HTTPHeaders | None = None,
        content: Body = None,
        timeouts: Timeouts = NO_TIMEOUTS,
        options: ConnectOptions | None = None,
        target: Target | None = None,
    ) -> None:
        self.method = method
        self._url = url
        self._target = target
        self.headers = HTTPHeaders() if headers is None else headers
        self.content = content
        self.timeouts = timeouts
        self.options = ConnectOptions() if options is None else options
        self.credentials: tuple[str, str] | None = None
        self.auth_mode = "basic"
        self.decompress = True
        self.expect_continue = False
        self.follow_redirects = True
        self.max_redirects = 5
        self.deadline: float | None = None
        self.begun: Any = None
        self.extra: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The URL; another one may be set, relative to nothing."""
        return self._url

    @url.setter
    def url(self, url: str) -> None:
        self._url, self._target = url, None

    @property
    def target(self) -> Target:
        """What the URL says: origin, path and query.

        Raises:
            ValueError: it is not one that can be fetched.
        """
        if self._target is None:
            self._target = Target.parse(self._url)
        return self._target

    def copy(self) -> Self:
        """Return a copy whose headers change apart from this one's."""
        copy = type(self).__new__(type(self))
        for name in OutgoingRequest.__slots__:
            setattr(copy, name, getattr(self, name))
        copy.headers = self.headers.copy()
        copy.extra = dict(self.extra)
        copy.begun = None
        return copy

    def __repr__(self) -> str:
        return f"<OutgoingRequest {self.method} {self._url!r}>"


class Source(Protocol):
    """Where the content of a response comes from."""

    @property
    def trailers(self) -> Fields:
        """Fields after the content, names in lower case; empty before its end."""
        ...

    async def read(self) -> bytes:
        """Return the next piece, ``b""`` at the end.

        Raises:
            HTTPClientError, OSError: it is not whole, malformed, or too large.
        """
        ...

    def close(self) -> None:
        """Let go of it, whether it was read to its end or not."""
        ...


class BytesSource:
    """Content that is here already.

    Args:
        data: all of it.
    """

    def __init__(self, data: bytes = b"") -> None:
        self.trailers: Fields = ()
        self._data = data

    async def read(self) -> bytes:
        """Return all that was not read yet."""
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        """Forget what was not read."""
        self._data = b""


class StreamedResponse:
    """A response whose content comes in while it is read.

    Example::

        async with client.stream("GET", "http://www.example.com/") as response:
            print(response.status, response.headers["Content-Type"])
            async for piece in response:
                print(len(piece))

    Attributes:
        request: what it answers, as it was sent.
        status: such as 200.
        reason: phrase of the status line.
        headers: HTTPHeaders.
        url: where it came from.
        http_version: ``"HTTP/1.1"`` or ``"HTTP/1.0"``.
        history: the responses that redirected here, oldest first; their content is gone.
        time_info: seconds by name, as of `HTTPResponse`.
        source: where the content comes from; a link of the chain may put one around it.

    Args:
        content: all of it, where it was read from `source` already.
    """

    __slots__ = (
        "_closed",
        "_whole",
        "headers",
        "history",
        "http_version",
        "reason",
        "request",
        "source",
        "status",
        "time_info",
        "url",
    )

    def __init__(
        self,
        request: OutgoingRequest,
        status: int,
        headers: HTTPHeaders | None = None,
        source: Source | None = None,
        reason: str | None = None,
        http_version: str = "HTTP/1.1",
        content: bytes | None = None,
    ) -> None:
        self.request = request
        self.status = status
        self.reason = responses.get(status, "Unknown") if reason is None else reason
        self.headers = HTTPHeaders() if headers is None else headers
        self.url = request.url
        self.http_version = http_version
        self.source: Source = BytesSource() if source is None else source
        self.history: tuple[StreamedResponse, ...] = ()
        self.time_info: dict[str, float] = {}
        self._whole = content
        self._closed = content is not None

    @property
    def ok(self) -> bool:
        """Whether the status is a success, from 200 to 299."""
        return 200 <= self.status < 300

    @property
    def trailers(self) -> HTTPHeaders:
        """Fields that came after the content; empty before it was read."""
        return HTTPHeaders.received(self.source.trailers)

    def raise_for_status(self) -> Self:
        """Return the response itself.

        Raises:
            HTTPClientError: the status is 400 or above.
        """
        if self.status >= 400:
            raise HTTPClientError(self.status, self.reason)
        return self

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over pieces of the content, however large they come."""
        if self._whole is not None:
            if self._whole:
                yield self._whole
            return
        while piece := await self._read_piece():
            yield piece
        self._close()

    async def read(self, limit: int | None = None) -> bytes:
        """Return all of the content; again, once it was read.

        Args:
            limit: most bytes that it may have.
        Raises:
            UnsatisfiableReadError: it has more; the response is closed.
        """
        if self._whole is None:
            self._whole = await self._read_all(limit)
            self._close()
        return self._whole

    async def _read_all(self, limit: int | None) -> bytes:
        pieces = Pieces()
        while piece := await self._read_piece():
            pieces.append(piece)
            if limit is not None and pieces.size > limit:
                self._close()
                raise UnsatisfiableReadError(f"content of over {limit} bytes, which are allowed")
        return pieces.take()

    async def _read_piece(self) -> bytes:
        """Return the next piece, in the time that the request allows."""
        request = self.request
        patience = request.timeouts.read
        if patience is None and request.deadline is None:
            return await self.source.read()
        loop = asyncio.get_running_loop()
        if patience is None:
            limit = Limit(loop, request.deadline, "Timeout during request")
        else:
            deadline = loop.time() + patience
            if request.deadline is not None and request.deadline < deadline:
                limit = Limit(loop, request.deadline, "Timeout during request")
            else:
                limit = Limit(loop, deadline, "Timeout while reading the response")
        try:
            with limit:
                return await self.source.read()
        except HTTPTimeoutError:
            self._close()
            raise

    @property
    def charset(self) -> str:
        """What Content-Type says of the encoding of text, else ``"utf-8"``."""
        try:
            _, parameters = parse_parameters(self.headers.get("Content-Type", ""))
        except ValueError:
            return "utf-8"
        return parameters.get("charset", "utf-8")

    @property
    def content(self) -> bytes:
        """All of the content, once it was read.

        Raises:
            RuntimeError: it was not; ``await response.read()`` does.
        """
        if self._whole is None:
            raise RuntimeError("the content was not read; await response.read() first")
        return self._whole

    async def text(self, limit: int | None = None) -> str:
        """Return all of the content as text; what cannot be decoded is replaced."""
        data = await self.read(limit)
        try:
            return data.decode(self.charset, "replace")
        except LookupError:  # of an encoding that Python does not know
            return data.decode("utf-8", "replace")

    async def json(self, limit: int | None = None) -> Any:
        """Return what the content says in JSON.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(await self.read(limit))

    @overload
    def json_lines(self, *, max_line: int = ...) -> AsyncIterator[Any]: ...
    @overload
    def json_lines(
        self, convert: Callable[[Any], T], *, max_line: int = ...
    ) -> AsyncIterator[T]: ...
    def json_lines(
        self, convert: Callable[[Any], Any] = lambda value: value, *, max_line: int = MAX_LINE
    ) -> AsyncIterator[Any]:
        """Iterate over values of JSON, one on each line, as they come in.

        Example::

            async for point in response.json_lines(lambda value: Point(**value)):
                print(point.x)

        Args:
            convert: makes what is yielded of a value; that itself by default.
            max_line: most bytes of a line.
        Raises:
            ValueError: a line is no JSON, or too long; it says which.
        """
        return json_values(self, convert, max_line)

    async def aclose(self) -> None:
        """Let go of the response; what was not read of it is lost."""
        self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self.source.close()

    def __repr__(self) -> str:
        return f"<StreamedResponse {self.status} {self.url!r}>"


class Transport(Protocol):
    """The last link of the chain: it brings a request to a server."""

    async def send(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request as it is and return the response once its head is there.

        It follows no redirect and decodes nothing. Of the time-outs it obeys all but `read`
        and `whole`, which are kept for it.

        Raises:
            HTTPTimeoutError: a part of the request took too long.
            HTTPStreamClosedError: there was no response, or a malformed one.
            OSError: there was no connection, or it broke.
            ValueError: the request cannot be sent.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what the transport holds."""
        ...


#: The rest of the chain.
CallNext = Callable[[OutgoingRequest], Awaitable[StreamedResponse]]
#: A link of the chain.
Middleware = Callable[[OutgoingRequest, CallNext], Awaitable[StreamedResponse]]


def chain(middleware: "list[Middleware] | tuple[Middleware, ...]", last: CallNext) -> CallNext:
    """Return the links as one, the first of them outermost."""
    for link in reversed(middleware):
        last = _linked(link, last)
    return last


def _linked(link: Middleware, call_next: CallNext) -> CallNext:
    def call(request: OutgoingRequest) -> Awaitable[StreamedResponse]:
        return link(request, call_next)

    return call
