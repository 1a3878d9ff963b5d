"""Sending a request: at once, when the server says so, or as its content is made."""

import asyncio
from typing import Self

from toolkit.concurrent import Future
from toolkit.httpclient.connection import Exchange
from toolkit.httpclient.content import Content
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httputil import HTTPOutputError
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.events import RequestHead

#: Seconds after which the content goes to a server that has not said 100, since some never do
#: (RFC 9110 §10.1.1).
CONTINUE_TIMEOUT = 3.0
#: Bytes of content that are sent at once where sending has a time-out.
PIECE = 64 * 1024


def send(exchange: Exchange, head: RequestHead, content: bytes | None) -> None:
    """Send a whole request.

    Raises:
        ValueError: the request is malformed; nothing was sent.
    """
    try:
        exchange.send_head(head, content or b"", True)
    except LocalProtocolError as error:
        raise ValueError(str(error)) from None


class Sending:
    """Content being sent piece by piece, while its response is read already.

    An error of what makes the content closes the connection, and is what the reader gets.

    Args:
        waits: whether to send nothing until the server says that it wants the content.
        timeouts: `write` is for each piece, and `first_byte` begins after the last one.
    """

    def __init__(
        self, exchange: Exchange, content: bytes | Content, waits: bool, timeouts: Timeouts
    ) -> None:
        self._exchange = exchange
        self._content = content
        self._timeouts = timeouts
        self._continued = asyncio.Event() if waits else None  # set when the content may go
        self._stopped = False
        exchange.stop_sending = self.stop
        exchange.proceed = self.proceed
        self._task = asyncio.create_task(self._run())

    @classmethod
    def start(
        cls,
        exchange: Exchange,
        head: RequestHead,
        content: bytes | Content,
        waits: bool,
        timeouts: Timeouts,
    ) -> Self:
        """Send a head and then the content; arguments and errors as of the class and `send`."""
        try:
            exchange.send_head(head)
        except LocalProtocolError as error:
            raise ValueError(str(error)) from None
        return cls(exchange, content, waits, timeouts)

    def proceed(self) -> None:
        """Send the content, which the server is waiting for."""
        if self._continued is not None:
            self._continued.set()

    def answered(self) -> None:
        """Take note that the final response has begun: content not begun is not wanted."""
        if self._continued is not None and not self._continued.is_set():
            self.stop()

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        self._exchange.stop_sending = None
        self._exchange.proceed = None
        if self._task is not asyncio.current_task():
            self._task.cancel()

    async def _run(self) -> None:
        exchange = self._exchange
        try:
            await self._await_continue()
            if isinstance(self._content, Content):
                await self._content.write_to(self._write)
            else:
                for start in range(0, len(self._content), PIECE):
                    await self._write(self._content[start : start + PIECE])
            if self._stopped:
                return
            exchange.finish()
            exchange.stop_sending = None
            if self._timeouts.first_byte:
                exchange.await_first_byte(self._timeouts.first_byte)
        except LocalProtocolError as error:
            exchange.fail(HTTPOutputError(str(error)))
        except asyncio.CancelledError:
            if self._stopped:
                raise
            exchange.fail(HTTPStreamClosedError("body_producer was cancelled"))
        except Exception as error:
            # If the server closed the connection, the reader finds out why, and may find a
            # response before.
            exchange.fail(error)

    async def _await_continue(self) -> None:
        if self._continued is None:
            return
        try:
            async with asyncio.timeout(CONTINUE_TIMEOUT):
                await self._continued.wait()
        except TimeoutError:
            self._continued.set()

    def _write(self, data: bytes) -> "Future[None]":
        """Send a piece of the content."""
        try:
            future = self._exchange.send(data)
        except LocalProtocolError as error:
            raise HTTPOutputError(str(error)) from None
        patience = self._timeouts.write
        if patience and not future.done():
            timer = asyncio.get_running_loop().call_later(
                patience, self._exchange.fail, HTTPTimeoutError("Timeout while sending")
            )
            future.add_done_callback(lambda _: timer.cancel())
        return future
