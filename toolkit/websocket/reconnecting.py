"""`connect`: a WebSocket that comes back."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

from toolkit import gen
from toolkit.httpclient import HTTPClientError, HTTPRequest
from toolkit.log import gen_log
from toolkit.websocket.client import WebSocketClientConnection, as_request
from toolkit.websocket.errors import WebSocketError

#: Answers of a server that may be others the next time (RFC 9110 §15.5.9, RFC 8470, RFC 6585).
TEMPORARY = frozenset((408, 421, 425, 429))


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt to connect; times in seconds.

    Each wait is taken by chance from 0 up to a limit, so that the clients of a server that
    comes back do not all come at once. The limit grows with each attempt.

    Attributes:
        first: the limit before the second attempt.
        factor: by which it grows.
        longest: and what it grows to.
        attempts: that may fail in a row before the error is raised; None for no limit.
        stable: how long a connection has to last for its end to be the first failure again.
        chance: returns a number from 0.0 to 1.0.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    attempts: int | None = None
    stable: float = 5.0
    chance: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.first < 0 or not 1 <= self.factor <= 1000 or self.longest < self.first:
            raise ValueError(f"{self!r}; times that grow, by a factor of 1 to 1000, are allowed")

    def delay(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row, of which there is one."""
        limit = self.first * self.factor ** min(failures - 1, 64)  # as a float can hold
        return min(limit, self.longest) * self.chance()


class connect:
    """A WebSocket to a server, for once or for as long as it takes.

    Once::

        async with connect("wss://example.com/feed") as connection:
            async for message in connection:
                print(message)

    and again whenever it ends, until the loop is left::

        async for connection in connect("wss://example.com/feed", resume=subscribe):
            async for message in connection:
                print(message)

    Awaited, it returns the `WebSocketClientConnection`.

    Args:
        url: as of `websocket_connect`.
        connect_timeout: seconds; 20 by default.
        backoff: between attempts.
        resume: called with each connection after the first one before it is handed out; what
            it sends there tells the server where to go on. What it returns is awaited.
        options: those of `WebSocketClientConnection`.

    An iteration goes on after errors of the network, time-outs, answers of 5xx and some others
    (408, 421, 425, 429); it waits as Retry-After says where that is longer. Other answers are
    raised, as the next attempt would come to the same. It ends once the program itself has
    closed a connection by `close`.
    """

    def __init__(
        self,
        url: str | HTTPRequest,
        *,
        connect_timeout: float | None = None,
        backoff: Backoff | None = None,
        resume: Callable[[WebSocketClientConnection], Awaitable[None] | None] | None = None,
        **options: Any,
    ) -> None:
        self._request = as_request(url, connect_timeout)
        self._backoff = Backoff() if backoff is None else backoff
        self._resume = resume
        self._options = options
        self._connection: WebSocketClientConnection | None = None

    def _open(self) -> WebSocketClientConnection:
        return WebSocketClientConnection(self._request, **self._options)

    def __await__(self) -> Generator[Any, None, WebSocketClientConnection]:
        return self._open().connect_future.__await__()

    async def __aenter__(self) -> WebSocketClientConnection:
        self._connection = self._open()
        return await self._connection.connect_future

    async def __aexit__(self, *error: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.__aexit__(*error)

    async def __aiter__(self) -> AsyncIterator[WebSocketClientConnection]:
        failures = 0
        first = True
        while True:
            wait = 0.0
            try:
                connection = await self._open().connect_future
            except (HTTPClientError, WebSocketError, OSError) as error:
                wait = _patience(error)
                failures += 1
                if self._backoff.attempts is not None and failures >= self._backoff.attempts:
                    raise
                gen_log.info("No WebSocket to %s: %s", self._request.url, error)
            else:
                opened_at = connection.io_loop.time()
                try:
                    if not first and self._resume is not None:
                        result = self._resume(connection)
                        if result is not None:
                            await result
                    first = False
                    yield connection
                    if connection.closed_by_program:
                        return
                finally:
                    connection.close(1000)
                    await connection.wait_closed()
                lasted = connection.io_loop.time() - opened_at
                failures = 1 if lasted >= self._backoff.stable else failures + 1
            await gen.sleep(max(wait, self._backoff.delay(failures)))


def _patience(error: Exception) -> float:
    """Return how many seconds a server asks to be left alone after an error.

    Raises:
        Exception: the error itself, where another attempt has no use.
    """
    if isinstance(error, WebSocketError):
        raise error
    if not isinstance(error, HTTPClientError) or error.code == 599:
        return 0.0
    if error.code < 500 and error.code not in TEMPORARY:
        raise error
    after = "" if error.response is None else error.response.headers.get("Retry-After", "")
    # A date, the other form of it, is not worth a clock that may differ from the server's.
    return float(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0.0
