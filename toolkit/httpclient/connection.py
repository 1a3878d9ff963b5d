"""A client's side of an HTTP/1 connection."""

from toolkit.concurrent import Future
from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.wire.events import CLOSED, NEED_DATA, Event, Fields, RequestHead
from toolkit.wire.http1 import CLIENT, Limits, Machine

#: Bytes to take from the stream at once.
CHUNK = 64 * 1024


class ClientConnection:
    """Sends a request on a stream and reads what the server answers.

    Args:
        stream: connected; the connection owns it.
        limits: what the server may send at most.
    """

    def __init__(self, stream: IOStream, limits: Limits) -> None:
        self.stream = stream
        self._machine = Machine(CLIENT, limits)
        # The one request closes the connection, until connections are kept for the next.
        self._machine.close_after()

    # -- the request ---------------------------------------------------------------------

    def start(self, head: RequestHead) -> None:
        """Send the head of a request; `write` and `finish` send the rest.

        Raises:
            LocalProtocolError: it cannot be sent, and was not.
            StreamClosedError: the connection is closed.
        """
        self.stream.write_nowait(self._machine.send_head(head))

    def send(self, head: RequestHead, body: bytes) -> None:
        """Send a whole request; errors as `start`."""
        self.stream.write_nowait(self._machine.send_head(head, body, True))

    def write(self, data: bytes) -> "Future[None]":
        """Send a piece of the body; the future is done when more should be written.

        Raises:
            LocalProtocolError: more than Content-Length says.
            StreamClosedError: the connection is closed.
        """
        return self.stream.write(self._machine.send_data(data))

    def finish(self, trailers: Fields = ()) -> None:
        """End the body.

        Raises:
            LocalProtocolError: less was sent than Content-Length says.
            StreamClosedError: the connection is closed.
        """
        rest = self._machine.send_end(trailers)
        if rest:
            self.stream.write_nowait(rest)

    # -- the response --------------------------------------------------------------------

    async def next_event(self) -> Event:
        """Wait for the next thing that the server says.

        Raises:
            RemoteProtocolError: it broke the protocol or passed a limit.
            HTTPStreamClosedError: it has closed the connection.
            OSError: the connection broke.
        """
        machine = self._machine
        while True:
            event = machine.next_event()
            if event is NEED_DATA:
                machine.receive(await self._read())
            elif event is CLOSED:
                raise HTTPStreamClosedError("Connection closed")
            else:
                return event  # type: ignore[return-value]  # a client that asked is not PAUSED

    async def _read(self) -> bytes:
        """Return what has come, ``b""`` at the end."""
        try:
            return await self.stream.read_bytes(CHUNK, partial=True)
        except StreamClosedError as error:
            if error.real_error is None:
                return b""
            raise error.real_error from None

    # -- the end -------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Close the connection, unless it is closed; the reader gets the error."""
        self.stream.close(exc_info=error)

    def close(self) -> None:
        """Close the connection, in good order if nothing is under way."""
        if self._machine.finished:
            self.stream.close()
        else:
            self.stream.abort()
