"""How a client comes to a stream to its server: directly or through a proxy, by TLS or not."""

from collections.abc import Awaitable, Callable

from toolkit.httpclient.building import ClientSettings
from toolkit.httpclient.connector import Connector
from toolkit.httpclient.conversion import Converter
from toolkit.httpclient.errors import HTTPStreamClosedError
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.target import Origin
from toolkit.httpclient.timeouts import NO_TIMEOUTS
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.iostream.incoming import DEFAULT_MAX_BUFFER_SIZE
from toolkit.tcpclient import TCPClient
from toolkit.wire.events import CLOSED, NEED_DATA, Event, RequestHead, ResponseHead
from toolkit.wire.http1 import CLIENT, Limits, Machine

#: Returns a stream to an origin, over TLS where that says so; time-outs are the caller's.
Dial = Callable[[Origin, EffectiveRequest], Awaitable[IOStream]]

#: What a server or a proxy may answer in place of a WebSocket.
LIMITS = Limits(body=1024 * 1024)
#: Bytes to take from the stream at once.
CHUNK = 64 * 1024

_converter = Converter(ClientSettings())


class Asking:
    """One request on a stream, and what is answered.

    Args:
        stream: connected.
    """

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream
        self._machine = Machine(CLIENT, LIMITS)

    def ask(self, head: RequestHead) -> None:
        """Send a request without content."""
        self._stream.write_nowait(self._machine.send_head(head, b"", True))

    async def next_event(self) -> Event:
        """Wait for what comes next.

        Raises:
            RemoteProtocolError: it is no HTTP, or passes a limit.
            HTTPStreamClosedError: the connection has ended before.
            OSError: it broke.
        """
        machine = self._machine
        while (event := machine.next_event()) is NEED_DATA:
            machine.receive(await self._read())
        if event is CLOSED:
            raise HTTPStreamClosedError("the connection was closed during the handshake")
        return event  # type: ignore[return-value]  # a client that asked is not PAUSED

    async def _read(self) -> bytes:
        """Return what has come; ``b""`` at the end."""
        try:
            return await self._stream.read_bytes(CHUNK, partial=True)
        except StreamClosedError as error:
            if error.real_error is None:
                return b""
            raise error.real_error from None

    async def head(self) -> ResponseHead:
        """Wait for the final answer, or 101; errors as `next_event`."""
        while True:
            event = await self.next_event()
            assert isinstance(event, ResponseHead)
            if event.status == 101 or event.status >= 200:
                return event

    def give_back(self) -> None:
        """Have what was read too far be read again from the stream."""
        self._stream.unread(self._machine.take_rest())


async def dial(client: TCPClient, origin: Origin, request: EffectiveRequest) -> IOStream:
    """Connect as a request says; a proxy is asked for a tunnel (RFC 6455 §4.1).

    Raises:
        HTTPClientError: a proxy refuses.
        ValueError: the request says what cannot be done.
        OSError: there is no connection.
    """
    options = _converter.options_of(request)
    connector = Connector(client, DEFAULT_MAX_BUFFER_SIZE)
    return await connector.connect(options, origin, NO_TIMEOUTS, _ignore, tunnel=True)


def _ignore(_progress: str) -> None:
    pass
