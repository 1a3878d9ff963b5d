"""How a server treats its connections, and who is at the other end of one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from toolkit.wire.http1 import Limits

#: Received bytes that may wait while nobody reads them; past it the peer has to wait.
HIGH_WATER = 64 * 1024
#: Bytes of an unread body that are thrown away so that the connection can go on.
MAX_DISCARD = 256 * 1024


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server treats its connections; times in seconds.

    Attributes:
        limits: what a client may send at most.
        header_timeout: for a head, from its first byte to its last.
        idle_timeout: between a response and the next request, and before the first.
        body_timeout: for a body to bring more bytes.
        write_timeout: for a client to take more bytes.
        linger_timeout: for a client to stop sending, once its connection is to be closed.
        min_rate: bytes per second that a body has to bring, and a client to take, over each
            `body_timeout` or `write_timeout`; 0 for no such bound.
        drain_grace: between the last response and the end of an idle connection, when the
            server stops: a client's next request may be on its way.
        bare_limit: whether content past the limit of the server is refused as Tornado does it:
            with a bare 400, and as if the client had left. Else the handler gets an error of
            status 413.
        keep_alive: whether a connection may carry more than one request.
        chunk_size: most bytes of a piece of content that a handler gets at once.
    """

    limits: Limits = field(default_factory=lambda: Limits(body=100 * 1024 * 1024))
    header_timeout: float = 10.0
    idle_timeout: float = 60.0
    body_timeout: float = 30.0
    write_timeout: float = 30.0
    linger_timeout: float = 2.0
    min_rate: float = 240.0
    drain_grace: float = 0.25
    bare_limit: bool = False
    keep_alive: bool = True
    chunk_size: int = 64 * 1024

    @property
    def shortest_timeout(self) -> float:
        """The shortest of the times that a sweep looks at."""
        return min(
            self.header_timeout,
            self.idle_timeout,
            self.body_timeout,
            self.write_timeout,
            self.linger_timeout,
        )


@dataclass(slots=True)
class ConnectionContext:
    """Who is at the other end.

    Attributes:
        address: the peer's, as the socket gives it.
        remote_ip: its IP address, or what trusted proxies said that it is; "" for a Unix
            socket.
        protocol: ``"http"`` or ``"https"``, as the client sees it.
        host: authority that a trusted proxy said the client asked for; "" for that of the
            request.
        memo: what the application keeps of the connection from one request to the next.
    """

    address: Any
    remote_ip: str
    protocol: str
    host: str = ""
    memo: Any = None


class Successor(Protocol):
    """What speaks another protocol on the stream of a connection, after an upgrade."""

    def drain(self) -> None:
        """Hear that the server is about to stop; what has not ended in time is aborted."""

    def abort(self) -> "asyncio.Task[None] | None":
        """End at once, and return the task that is still cleaning up, if there is one."""

    def set_end_callback(self, callback: "Callable[[Any], None]") -> None:
        """Have `callback` called with this object once everything is over."""
