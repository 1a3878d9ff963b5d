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
        outgoing: returns what is to be sent for it.
        send: sends that.
        queue_time: seconds that the request waited.

    Attributes:
        start_time: when its last hop began, as of `time.time`.
    """

    __slots__ = ("_loop", "_outgoing", "_request", "_send", "_started", "queue_time", "start_time")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: EffectiveRequest,
        outgoing: Callable[[EffectiveRequest], OutgoingRequest],
        send: CallNext,
        queue_time: float,
    ) -> None:
        self._loop = loop
        self._request = request
        self._outgoing = outgoing
        self._send = send
        self.queue_time = queue_time
        self._started = time.monotonic()
        self.start_time = time.time()

    @property
    def elapsed(self) -> float:
        """Seconds since `start_time`."""
        return time.monotonic() - self._started

    async def run(self) -> HTTPResponse:
        """Return the response; errors as `AsyncHTTPClient.fetch`."""
        outgoing = self._outgoing(self._request)
        whole = outgoing.timeouts.whole
        deadline = self._loop.time() + whole if whole else None
        with Limit(self._loop, deadline, "Timeout during request"):
            response = await self._send(outgoing)
            try:
                body = await self._read(response)
            except BaseException:
                await response.aclose()
                raise
        times = response.time_info
        redirect = times.get("redirect", 0.0)
        self._started += redirect
        self.start_time += redirect
        times["queue"] = self.queue_time
        times["total"] = elapsed = time.monotonic() - self._started
        return HTTPResponse(
            self._request,
            response.status,
            headers=response.headers,
            buffer=BytesIO(body),
            effective_url=response.url,
            request_time=elapsed,
            time_info=times,
            reason=response.reason,
            start_time=self.start_time,
        )

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
