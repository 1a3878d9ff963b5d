"""Sending a request: at once, when the server says so, or as its body is produced."""

import asyncio
import inspect

from toolkit.concurrent import Future
from toolkit.httpclient.connection import ClientConnection
from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.hop import Hop
from toolkit.httputil import HTTPOutputError
from toolkit.iostream import StreamClosedError
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.events import RequestHead

#: Seconds after which the body goes to a server that has not said 100, since some never do
#: (RFC 9110 §10.1.1).
CONTINUE_TIMEOUT = 3.0


class Upload:
    """A request being sent, while its response is read already.

    An error of the body's producer closes the connection, and is what the reader gets.

    Args:
        head: of the request.
        hop: has its body.
    """

    def __init__(self, connection: ClientConnection, head: RequestHead, hop: Hop) -> None:
        self._connection = connection
        self._head = head
        self._hop = hop
        self._task: asyncio.Task[None] | None = None
        self._continued: asyncio.Event | None = None  # set when the body may go
        self._stopped = False

    def start(self) -> None:
        """Send what can be sent now.

        Raises:
            ValueError: the request is malformed; nothing was sent.
        """
        hop, connection = self._hop, self._connection
        waits = hop.has_body and _expects_continue(self._head)
        try:
            if hop.body_producer is None and not waits:
                connection.send(self._head, hop.body or b"")
                return
            if hop.body is not None:
                self._tell_length(hop.body)
            connection.start(self._head)
        except LocalProtocolError as error:
            raise ValueError(str(error)) from None
        except StreamClosedError:
            return  # the reader finds out why
        if waits:
            self._continued = asyncio.Event()
        self._task = asyncio.create_task(self._send_body())

    def _tell_length(self, body: bytes) -> None:
        head = self._head
        if not any(name.lower() == "content-length" for name, _ in head.fields):
            fields = [*head.fields, ("Content-Length", str(len(body)))]
            self._head = RequestHead(head.method, head.target, fields)

    def proceed(self) -> None:
        """Send the body, which the server is waiting for."""
        if self._continued is not None:
            self._continued.set()

    def answered(self) -> None:
        """Take note that the final response has begun: a body not begun is not wanted."""
        if self._continued is not None and not self._continued.is_set():
            self.stop()

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _send_body(self) -> None:
        try:
            await self._await_continue()
            await self._produce()
            self._connection.finish()
        except LocalProtocolError as error:
            self._connection.fail(HTTPOutputError(str(error)))
        except asyncio.CancelledError:
            if self._stopped:
                raise
            self._connection.fail(HTTPStreamClosedError("body_producer was cancelled"))
        except Exception as error:
            # If the server closed the connection, the reader finds out why, and may find a
            # response before.
            self._connection.fail(error)

    async def _await_continue(self) -> None:
        if self._continued is None:
            return
        try:
            async with asyncio.timeout(CONTINUE_TIMEOUT):
                await self._continued.wait()
        except TimeoutError:
            self._continued.set()

    async def _produce(self) -> None:
        hop = self._hop
        if hop.body_producer is None:
            await self._write(hop.body or b"")
            return
        result = hop.body_producer(self._write)
        if inspect.isawaitable(result):
            await result

    def _write(self, data: bytes) -> "Future[None]":
        """Send a piece of the body."""
        try:
            return self._connection.write(data)
        except LocalProtocolError as error:
            raise HTTPOutputError(str(error)) from None


def _expects_continue(head: RequestHead) -> bool:
    return any(
        name.lower() == "expect" and value.lower() == "100-continue" for name, value in head.fields
    )
