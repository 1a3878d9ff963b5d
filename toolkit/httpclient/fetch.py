"""One fetch: a request of Tornado's kind, and its response in the end."""

import asyncio
import inspect
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httpclient.timeouts import Limit
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.log import app_log


class Fetch:
    """Runs one request to its end; made when its turn has come.

    Args:
        request: with the client's defaults.
        queue_time: seconds that the request waited.

    Attributes:
        start_time: when its last hop began, as of `time.time`.
    """

    __slots__ = ("_request", "_started", "queue_time", "start_time")

    def __init__(self, request: EffectiveRequest, queue_time: float) -> None:
        self._request = request
        self.queue_time = queue_time
        self._started = time.monotonic()
        self.start_time = time.time()

    @property
    def elapsed(self) -> float:
        """Seconds since `start_time`."""
        return time.monotonic() - self._started

    async def run(self, outgoing: OutgoingRequest, send: CallNext) -> HTTPResponse:
        """Return the response; errors as `AsyncHTTPClient.fetch`.

        Args:
            outgoing: what is sent for the request; its deadline is obeyed.
            send: sends it.
        """
        loop = asyncio.get_running_loop()
        with Limit(loop, outgoing.deadline, "Timeout during request"):
            response = await send(outgoing)
            try:
                body = await self._read(response)
            except BaseException:
                await response.aclose()
                raise
        redirect = response.time_info.get("redirect", 0.0)
        self._started += redirect
        self.start_time += redirect
        return self.respond(response, body)

    def respond(self, response: StreamedResponse, body: bytes) -> HTTPResponse:
        """Return a response that is over as one of Tornado's kind."""
        times = response.time_info
        times["queue"] = self.queue_time
        times["total"] = elapsed = time.monotonic() - self._started
        return HTTPResponse(
            self._request,
            response.status,
            response.headers,
            BytesIO(body),
            response.url,
            None,
            elapsed,
            times,
            response.reason,
            self.start_time,
        )

    @property
    def told_of_parts(self) -> bool:
        """Whether the request has callbacks for the parts of its response."""
        request = self._request.request
        return request.header_callback is not None or request.streaming_callback is not None

    async def _read(self, response: StreamedResponse) -> bytes:
        """Return the content; none when a `streaming_callback` got it."""
        request = self._request.request
        if request.header_callback is not None:
            await self._tell_head(request.header_callback, response)
        callback = request.streaming_callback
        if callback is None:
            return await response.read()
        async for piece in response:
            await _call(callback, piece)
        return b""

    async def _tell_head(self, callback: Callable[[str], Any], response: StreamedResponse) -> None:
        await _call(callback, f"{response.http_version} {response.status} {response.reason}\r\n")
        for name, value in response.headers.get_all():
            await _call(callback, f"{name}: {value}\r\n")
        await _call(callback, "\r\n")


async def _call(callback: Callable[[Any], Any], argument: Any) -> None:
    """Call a callback and wait for what it returns.

    Raises:
        HTTPStreamClosedError: it failed, which was logged.
    """
    try:
        result = callback(argument)
        if inspect.isawaitable(result):
            await result
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # not the callback was cancelled, but the request
        app_log.error("Uncaught exception in %r", callback, exc_info=True)
        raise HTTPStreamClosedError(f"callback failed: {error!r}") from error
