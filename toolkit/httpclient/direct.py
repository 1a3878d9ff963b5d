"""The direct way of a request: sent at once on a connection that is idle, answered without a task.

Most requests find a connection that waits for them, and get what they asked for: no redirect, and
content as it is. Such a one needs no task, no coroutine and no timer of its own. What turns out
otherwise goes the way of the chain from there on, whose transport finds that it was sent already.
"""

import asyncio
from collections.abc import Callable

from toolkit.httpclient.authorization import basic_authorization
from toolkit.httpclient.connection import Exchange
from toolkit.httpclient.content import Content
from toolkit.httpclient.errors import HTTPTimeoutError
from toolkit.httpclient.network import NetworkTransport
from toolkit.httpclient.redirects import REDIRECTS
from toolkit.httpclient.timeouts import Deadlines
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.httputil import HTTPHeaders


class DirectAnswer:
    """A request that was sent, and what becomes of it.

    Attributes:
        request: as it was sent.
        exchange: under way.
        headers: of the response, once its head is there.
        whole: whether the response is here, with all of its content; otherwise the request
            has to go on by the chain.
    """

    __slots__ = ("_deadlines", "_done", "exchange", "headers", "request", "whole")

    def __init__(
        self,
        request: OutgoingRequest,
        exchange: Exchange,
        done: "Callable[[DirectAnswer], None]",
        deadlines: "Deadlines[DirectAnswer]",
    ) -> None:
        self.request = request
        self.exchange = exchange
        self.headers: HTTPHeaders | None = None
        self.whole = False
        self._done: Callable[[DirectAnswer], None] | None = done
        self._deadlines = deadlines
        exchange.listener = self._advance

    def response(self) -> StreamedResponse:
        """Return the response, when it is whole."""
        exchange = self.exchange
        head = exchange.head
        assert head is not None
        response = StreamedResponse(
            self.request,
            head.status,
            self.headers,
            exchange,
            head.reason,
            head.version,
            exchange.take(),
        )
        self.request.begun = None
        began = exchange.begun_time
        response.time_info = {
            "namelookup": 0.0,
            "connect": 0.0,
            "appconnect": 0.0,
            "pretransfer": exchange.sent_time - began,
            "starttransfer": exchange.first_byte_time - began,
        }
        return response

    def close(self) -> None:
        """Give the request up, and its connection; nobody is told."""
        self._leave()
        self.exchange.close()

    def expire(self) -> None:
        """End it, since it took too long."""
        self.exchange.fail(HTTPTimeoutError("Timeout during request"))

    def _advance(self) -> None:
        """Look at what has come."""
        exchange = self.exchange
        head = exchange.head
        if exchange.error is None:
            if head is None:
                return
            if self.headers is None:
                self.headers = HTTPHeaders.received(head.fields)
            usual = self._is_usual(head.status, self.headers)
            if usual and not exchange.ended:
                return
            self.whole = usual
        self._leave()
        done, self._done = self._done, None
        if done is not None:
            done(self)

    def _is_usual(self, status: int, headers: HTTPHeaders) -> bool:
        """Say whether no link of the chain has anything to do with a response."""
        request = self.request
        if status in REDIRECTS and request.follow_redirects:
            return False
        return not (request.decompress and "Content-Encoding" in headers)

    def _leave(self) -> None:
        self.exchange.listener = None
        self._deadlines.discard(self)


class DirectWay:
    """Sends requests on connections that are idle.

    Args:
        transport: has the connections.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: NetworkTransport) -> None:
        self._transport = transport
        self._deadlines: Deadlines[DirectAnswer] = Deadlines(loop, DirectAnswer.expire)

    def start(
        self, request: OutgoingRequest, done: Callable[[DirectAnswer], None]
    ) -> DirectAnswer | None:
        """Send a request; None where it has to go the way of the chain.

        Args:
            done: called once, with what came of it; not in this call.
        Raises:
            ValueError: the request is malformed; nothing was sent.
        """
        timeouts = request.timeouts
        if (
            request.expect_continue
            or isinstance(request.content, Content)
            or not (timeouts.first_byte is timeouts.read is timeouts.write is None)
        ):
            return None
        credentials = request.credentials
        if credentials is not None:
            if request.auth_mode != "basic":
                return None
            request.headers["Authorization"] = basic_authorization(*credentials)
        exchange = self._transport.begin(request)
        if exchange is None:
            return None
        answer = DirectAnswer(request, exchange, done, self._deadlines)
        if request.deadline is not None:
            self._deadlines.add(answer, request.deadline)
        return answer

    def close(self) -> None:
        """Let go of the timer."""
        self._deadlines.close()
