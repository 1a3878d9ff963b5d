"""Reading a response, and giving it to those who want it."""

import asyncio
import inspect
from collections.abc import Callable
from io import BytesIO
from typing import Any

from toolkit.httpclient.connection import ClientConnection
from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httputil import HTTPHeaders, responses
from toolkit.iostream import UnsatisfiableReadError
from toolkit.log import app_log, gen_log
from toolkit.wire.coding import Decoder, known_coding
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Data, EndOfMessage, Event, ResponseHead


class Reply:
    """The response to one request.

    Attributes:
        head: the final one, None before it was read.
        headers: those of `head`, as the response shows them.
    """

    def __init__(
        self, request: EffectiveRequest, connection: ClientConnection, max_body_size: int
    ) -> None:
        self._request = request
        self._connection = connection
        self._max_body_size = max_body_size
        self.head: ResponseHead | None = None
        self.headers = HTTPHeaders()

    async def read_head(self, proceed: Callable[[], None]) -> ResponseHead:
        """Return the head of the final response.

        Args:
            proceed: is called when the server wants the request's body.
        Raises:
            HTTPStreamClosedError: there is none, or it is malformed.
            UnsatisfiableReadError: it is too large.
        """
        while True:
            head = await self._next_event()
            assert isinstance(head, ResponseHead)
            if head.status == 101:
                raise HTTPStreamClosedError("101 Switching Protocols; fetch reads HTTP alone")
            if head.status >= 200:
                break
            if head.status == 100:
                proceed()
        self.head = head
        self.headers = HTTPHeaders.received(head.fields)
        if head.status == 204 and self.headers.get("Content-Length", "0").strip("0"):
            raise _malformed("Response with code 204 should not have body")
        return head

    async def read_body(self) -> BytesIO:
        """Return the body; an empty one when a `streaming_callback` got it.

        Raises:
            HTTPStreamClosedError: it is malformed or not whole, or a callback failed.
        """
        assert self.head is not None
        gunzip = None
        if self._request.decompress_response and _is_gzip(self.head):
            self.headers["X-Consumed-Content-Encoding"] = self.headers.pop("Content-Encoding")
            gunzip = Decoder("gzip", self._max_body_size)
        await self._tell_head(self.head)
        pieces: list[bytes] = []
        while True:
            event = await self._next_event()
            try:
                if isinstance(event, EndOfMessage):
                    if gunzip is not None:
                        gunzip.end()
                    return BytesIO(b"".join(pieces))
                assert isinstance(event, Data)
                for piece in (event.data,) if gunzip is None else gunzip.feed(event.data):
                    if self._request.streaming_callback is None:
                        pieces.append(piece)
                    else:
                        await self._call(self._request.streaming_callback, piece)
            except RemoteProtocolError as error:
                raise _malformed(str(error)) from None

    async def _next_event(self) -> Event:
        try:
            return await self._connection.next_event()
        except RemoteProtocolError as error:
            message = str(error)
            if error.status == 431:
                gen_log.info("Unsatisfiable read, closing connection: %s", message)
                raise UnsatisfiableReadError(message) from None
            raise _malformed(message) from None

    # -- callbacks -----------------------------------------------------------------------

    async def _tell_head(self, head: ResponseHead) -> None:
        callback = self._request.header_callback
        if callback is None:
            return
        reason = head.reason or responses.get(head.status, "Unknown")
        await self._call(callback, f"{head.version} {head.status} {reason}\r\n")
        for name, value in self.headers.get_all():
            await self._call(callback, f"{name}: {value}\r\n")
        await self._call(callback, "\r\n")

    async def _call(self, callback: Callable[[Any], Any], argument: Any) -> None:
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


def _malformed(message: str) -> HTTPStreamClosedError:
    """Log what is wrong with a response, and return the error for it."""
    # In the words that programs look for in the log; where servers have an address is None.
    gen_log.info("Malformed HTTP message from None: %s", message)
    return HTTPStreamClosedError(message)


def _is_gzip(head: ResponseHead) -> bool:
    """Say whether the content of a response is compressed by gzip and nothing else."""
    values = [value for name, value in head.fields if name == "content-encoding"]
    return head.length != 0 and known_coding(values) in ("gzip", "x-gzip")
