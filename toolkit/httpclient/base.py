"""`AsyncHTTPClient`, which is configurable, and `HTTPClient`, which blocks."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Self, Unpack, cast
from weakref import WeakKeyDictionary

from toolkit.concurrent import Future, future_set_exception_unless_cancelled
from toolkit.httpclient.building import ClientSettings, RequestArguments, build_request
from toolkit.httpclient.event_source import EventSource
from toolkit.httpclient.request import DEFAULTS, EffectiveRequest, HTTPRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.ioloop import IOLoop
from toolkit.util import Configurable, import_object

#: The implementation that is used unless another one is configured. By its name, since it is
#: built on what is here.
DEFAULT_CLIENT = "toolkit.httpclient.simple.SimpleAsyncHTTPClient"

#: The clients that constructors share, by loop and class.
_shared: WeakKeyDictionary[IOLoop, dict[type, "AsyncHTTPClient"]] = WeakKeyDictionary()
#: Held while that is looked at: threads have loops of their own, and a collected `HTTPClient`
#: may close its client in any of them.
_shared_lock = threading.RLock()


class FetchFuture(Future[HTTPResponse]):
    """The future of a fetch; to cancel it gives the request up.

    Args:
        client: to be told of that.
        request: with the client's defaults.
        raise_error: as of `AsyncHTTPClient.fetch`.

    Attributes:
        watched: whether somebody waits for it, who is told when it is cancelled.
    """

    watched = False

    def __init__(
        self, client: "AsyncHTTPClient", request: EffectiveRequest, raise_error: bool
    ) -> None:
        super().__init__(loop=client.io_loop.asyncio_loop)
        self._client = client
        self._request = request
        self._raise_error = raise_error

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Have `fn` called when the future is done, as a task does that awaits it."""
        self.watched = True
        super().add_done_callback(fn, context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        """Give the request up; False if there is a response already."""
        cancelled = super().cancel(msg)
        if cancelled:
            self._client.abandon_impl(self._request)
        return cancelled

    def respond(self, response: HTTPResponse) -> None:
        """Take what came of the request."""
        error = response.error
        if error is None or (response.answered and not self._raise_error):
            if not self.cancelled():
                self.set_result(response)
        elif not (self.cancelled() and self.watched):
            future_set_exception_unless_cancelled(self, error)


class AsyncHTTPClient(Configurable):
    """An HTTP client; all code on a loop shares one.

    Example::

        async def title() -> bytes:
            response = await AsyncHTTPClient().fetch("http://www.example.com/")
            return response.body

    The constructor returns the client that the loop has already, unless ``force_instance`` is
    true. It makes the implementation chosen by `configure`, or else a
    `simple_httpclient.SimpleAsyncHTTPClient`, which takes further arguments.

    Args:
        force_instance: whether to make a client of one's own, to be closed by `close`.
        defaults: attributes for requests that have them not, as ``{"user_agent": "Me"}``.
    """

    #: What it has for all of its requests; an implementation sets it.
    settings = ClientSettings()

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return AsyncHTTPClient

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return cast(type[Configurable], import_object(DEFAULT_CLIENT))

    def __new__(cls, force_instance: bool = False, **kwargs: Any) -> "AsyncHTTPClient":
        if force_instance:
            return cast(AsyncHTTPClient, super().__new__(cls, **kwargs))
        clients = _clients_of(IOLoop.current())
        client = clients.get(cls)
        if client is None:
            client = clients[cls] = cast(AsyncHTTPClient, super().__new__(cls, **kwargs))
        return client

    def initialize(self, defaults: Mapping[str, Any] | None = None) -> None:
        """Set the client up; an implementation calls it first of all."""
        self.io_loop = IOLoop.current()
        self.defaults: dict[str, Any] = {**DEFAULTS, **(defaults or {})}
        self._closed = False

    def close(self) -> None:
        """Let go of what the client holds; it cannot be used any more.

        A client that is shared need not be closed.
        """
        self._closed = True
        with _shared_lock:
            clients = _shared.get(self.io_loop, {})
            for kind in [kind for kind, client in clients.items() if client is self]:
                del clients[kind]

    def fetch(
        self, request: str | HTTPRequest, raise_error: bool = True, **kwargs: Any
    ) -> "Future[HTTPResponse]":
        """Send a request; the future's result is the response.

        To cancel the future gives the request up.

        Args:
            request: an `HTTPRequest`, or a URL.
            raise_error: whether a response that is no success is raised as an
                `HTTPClientError`, which has it as its `response`.
            kwargs: for `HTTPRequest`, with a URL.
        Raises:
            HTTPClientError: as `raise_error` says.
            HTTPTimeoutError: it took too long.
            HTTPStreamClosedError: there was no whole response.
            OSError: there was no connection; other errors of streams and of TLS as well.
            ValueError: the request cannot be sent.
            RuntimeError: the client is closed.
        """
        if self._closed:
            raise RuntimeError("fetch() called on closed AsyncHTTPClient")
        if not isinstance(request, HTTPRequest):
            request = HTTPRequest(url=request, **kwargs)
        elif kwargs:
            raise ValueError("kwargs can't be used if request is an HTTPRequest object")
        effective = EffectiveRequest(request, self.defaults)
        future = FetchFuture(self, effective, raise_error)
        self.fetch_impl(effective, future.respond)  # type: ignore[arg-type]  # it looks like one
        return future

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, **arguments: Unpack[RequestArguments]
    ) -> AsyncIterator[StreamedResponse]:
        """Send a request, and return its response as soon as its head is there.

        Any status is a response like others. The content is read from it within the block,
        at whose end the rest of it is given up::

            async with client.stream("GET", url) as response:
                async for piece in response:
                    ...

        Args:
            url: may be relative where the client has a `base_url`.
            arguments: as of `RequestArguments`.
        Raises:
            HTTPTimeoutError, HTTPStreamClosedError, OSError: as `fetch`.
            ValueError: the request cannot be sent.
            RuntimeError: the client is closed.
        """
        response = await self.open_impl(self._build(method, url, arguments))
        try:
            yield response
        finally:
            await response.aclose()

    async def request(
        self, method: str, url: str, **arguments: Unpack[RequestArguments]
    ) -> StreamedResponse:
        """Send a request, and return its response with all of its content, as `content`.

        Arguments and errors are those of `stream`.
        """
        return await self.request_impl(self._build(method, url, arguments))

    async def get(self, url: str, **arguments: Unpack[RequestArguments]) -> StreamedResponse:
        """Do as `request` with GET."""
        return await self.request("GET", url, **arguments)

    async def head(self, url: str, **arguments: Unpack[RequestArguments]) -> StreamedResponse:
        """Do as `request` with HEAD."""
        return await self.request("HEAD", url, **arguments)

    async def post(self, url: str, **arguments: Unpack[RequestArguments]) -> StreamedResponse:
        """Do as `request` with POST."""
        return await self.request("POST", url, **arguments)

    async def put(self, url: str, **arguments: Unpack[RequestArguments]) -> StreamedResponse:
        """Do as `request` with PUT."""
        return await self.request("PUT", url, **arguments)

    async def patch(self, url: str, **arguments: Unpack[RequestArguments]) -> StreamedResponse:
        """Do as `request` with PATCH."""
        return await self.request("PATCH", url, **arguments)

    async def delete(self, url: str, **arguments: Unpack[RequestArguments]) -> StreamedResponse:
        """Do as `request` with DELETE."""
        return await self.request("DELETE", url, **arguments)

    def events(
        self,
        url: str,
        *,
        method: str = "GET",
        last_event_id: str = "",
        retry: float = 3.0,
        longest: float = 60.0,
        attempts: int | None = None,
        **arguments: Unpack[RequestArguments],
    ) -> EventSource:
        """Return what iterates over the server-sent events of a URL, and comes back for more.

        Example::

            async with client.events(url) as events:
                async for event in events:
                    print(event.data)

        Args:
            last_event_id, retry, longest, attempts: as of `EventSource`.
            arguments: as of `stream`.
        """
        return EventSource(
            self.open_impl,
            build_request(self.settings, method, url, arguments),
            last_event_id=last_event_id,
            retry=retry,
            longest=longest,
            attempts=attempts,
        )

    def _build(self, method: str, url: str, arguments: RequestArguments) -> OutgoingRequest:
        if self._closed:
            raise RuntimeError("request on closed AsyncHTTPClient")
        return build_request(self.settings, method, url, arguments)

    async def open_impl(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request and return its response once its head is there.

        An implementation may give it, or else has `fetch` alone.
        """
        raise NotImplementedError(f"{type(self).__name__} has fetch() alone")

    async def request_impl(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request and return its response once all of it is there."""
        response = await self.open_impl(request)
        try:
            await response.read()
        finally:
            await response.aclose()
        return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Do as `close`."""
        self.close()

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        """Send a request, and call `callback` once with what came of it.

        An implementation gives it. What fails the request goes into the response's `error`.

        Args:
            request: with the client's defaults.
        """
        raise NotImplementedError

    def abandon_impl(self, request: EffectiveRequest) -> None:
        """Give a request up, whose response nobody waits for; an implementation may give it.

        Args:
            request: that `fetch_impl` was given; its callback is still to be called.
        """

    @classmethod
    def configure(cls, impl: "str | type[Configurable] | None", **kwargs: Any) -> None:
        """Choose the implementation and its default arguments, for clients made later.

        Args:
            impl: a subclass or its dotted name; None for the default.
        """
        super().configure(impl, **kwargs)


def _clients_of(loop: IOLoop) -> dict[type, AsyncHTTPClient]:
    """Return the clients that are shared on a loop, and forget those of closed ones."""
    with _shared_lock:
        clients = _shared.get(loop)
        if clients is None:
            # A client refers to its loop, and so would keep its own entry.
            for other in [other for other in _shared if other.asyncio_loop.is_closed()]:
                del _shared[other]
            clients = _shared[loop] = {}
        return clients


class HTTPClient:
    """An HTTP client that blocks, for programs and threads without a loop.

    Example::

        with contextlib.closing(HTTPClient()) as client:
            print(client.fetch("http://www.example.com/").body)

    Args:
        async_client_class: to be used instead of the configured one.
        kwargs: for its constructor.
    """

    def __init__(
        self, async_client_class: type[AsyncHTTPClient] | None = None, **kwargs: Any
    ) -> None:
        self._closed = True  # for `__del__`, should the rest fail
        self._io_loop: IOLoop = IOLoop(make_current=False)

        async def make_client() -> AsyncHTTPClient:
            return (async_client_class or AsyncHTTPClient)(**kwargs)

        try:
            self._async_client: AsyncHTTPClient = self._io_loop.run_sync(make_client)
        except BaseException:
            self._io_loop.close()
            raise
        self._closed = False

    def __del__(self) -> None:
        if not sys.is_finalizing():  # else much of what it takes is gone already
            self.close()

    def close(self) -> None:
        """Close the client; it cannot be used any more."""
        if not self._closed:
            self._closed = True
            if asyncio._get_running_loop() is None:
                self._end()
            else:
                # Its own loop cannot run in a thread where another one does.
                thread = threading.Thread(target=self._end)
                thread.start()
                thread.join()

    def _end(self) -> None:
        """Close the client, and give its connections a turn of the loop to end."""

        async def end() -> None:
            await self._async_client.aclose()
            await asyncio.sleep(0)

        try:
            self._io_loop.run_sync(end)
        finally:
            self._io_loop.close()

    def request(
        self, method: str, url: str, **arguments: Unpack[RequestArguments]
    ) -> StreamedResponse:
        """Send a request and return the response with its `content`.

        Arguments and errors are those of `AsyncHTTPClient.request`.
        """

        async def request() -> StreamedResponse:
            return await self._async_client.request(method, url, **arguments)

        return cast(StreamedResponse, self._run(request))

    def fetch(self, request: HTTPRequest | str, **kwargs: Any) -> HTTPResponse:
        """Send a request and return the response.

        Arguments and errors are those of `AsyncHTTPClient.fetch`.
        """

        async def fetch() -> HTTPResponse:
            return await self._async_client.fetch(request, **kwargs)

        return cast(HTTPResponse, self._run(fetch))

    def _run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        if self._closed:
            raise RuntimeError("request on closed HTTPClient")
        return self._io_loop.run_sync(function)
