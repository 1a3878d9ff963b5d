"""One fetch: a request, its redirects, and the response in the end."""

import asyncio
import time

from toolkit.httpclient.connection import ClientConnection
from toolkit.httpclient.connector import Connector
from toolkit.httpclient.errors import HTTPTimeoutError
from toolkit.httpclient.hop import Hop
from toolkit.httpclient.reply import Reply
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httpclient.upload import Upload

#: What only the client built on curl can do.
UNSUPPORTED = (
    "proxy_host",
    "proxy_port",
    "proxy_username",
    "proxy_password",
    "proxy_auth_mode",
)


class Fetch:
    """Runs one request to its end; made when its turn has come.

    Args:
        request: with the client's defaults.
        connector: makes its connections.
        max_body_size: bytes that a response may have, also when decompressed.
        queue_time: seconds that the request waited.

    Attributes:
        start_time: when its last hop began, as of `time.time`.
    """

    def __init__(
        self,
        request: EffectiveRequest,
        connector: Connector,
        max_body_size: int,
        queue_time: float,
    ) -> None:
        self._request = request
        self._connector = connector
        self._max_body_size = max_body_size
        self._loop = asyncio.get_running_loop()
        self._times = {"queue": queue_time}
        self._mark_start()
        timeout = request.request_timeout
        self._deadline: float | None = self._started + timeout if timeout else None

    def _mark_start(self) -> None:
        self._started = self._loop.time()
        self.start_time = time.time()

    @property
    def elapsed(self) -> float:
        """Seconds since `start_time`."""
        return self._loop.time() - self._started

    async def run(self) -> HTTPResponse:
        """Return the response; errors as `AsyncHTTPClient.fetch`."""
        request = self._request
        for name in UNSUPPORTED:
            if getattr(request, name):
                raise NotImplementedError(f"{name} not supported")
        hop = Hop.first(request)
        redirects = request.max_redirects if request.follow_redirects else 0
        while True:
            result = await self._visit(hop, follow=redirects > 0)
            if isinstance(result, HTTPResponse):
                return result
            hop = result
            redirects -= 1
            self._mark_start()

    async def _visit(self, hop: Hop, follow: bool) -> HTTPResponse | Hop:
        """Return the response of one server, or where it redirects to."""
        connection = await self._connector.connect(
            self._request, hop.target.origin, self._connect_timeout()
        )
        self._times["connect"] = self.elapsed
        try:
            async with asyncio.timeout_at(self._deadline) as scope:
                return await self._exchange(hop, connection, follow)
        except TimeoutError:
            if scope.expired():
                raise HTTPTimeoutError("Timeout during request") from None
            raise
        finally:
            connection.close()

    def _connect_timeout(self) -> float | None:
        """Return how many seconds it may take to connect."""
        limits: list[float] = []
        if self._request.connect_timeout:
            limits.append(self._request.connect_timeout)
        if self._deadline is not None:
            limits.append(self._deadline - self._loop.time())
        return min(limits, default=None)

    async def _exchange(
        self, hop: Hop, connection: ClientConnection, follow: bool
    ) -> HTTPResponse | Hop:
        """Send a request and read the response at the same time, since it may come early."""
        upload = Upload(connection, hop.head(self._request), hop)
        reply = Reply(self._request, connection, self._max_body_size)
        try:
            upload.start()
            head = await reply.read_head(upload.proceed)
            upload.answered()
            self._times["starttransfer"] = self.elapsed
            # The body of a redirect is nobody's, be it short or endless.
            if follow and (next_hop := hop.after(head)) is not None:
                return next_hop
            buffer = await reply.read_body()
        finally:
            upload.stop()
        self._times["total"] = elapsed = self.elapsed
        return HTTPResponse(
            self._request,
            head.status,
            headers=reply.headers,
            buffer=buffer,
            effective_url=hop.url,
            request_time=elapsed,
            time_info=self._times,
            reason=head.reason,
            start_time=self.start_time,
        )
