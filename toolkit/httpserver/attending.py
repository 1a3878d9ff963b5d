"""What a server does around each exchange; a server that does none of it pays nothing."""

import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from toolkit.http1connection import Application, Exchange, decode_content
from toolkit.httpserver.access import AccessLog
from toolkit.httpserver.forwarding import Policy
from toolkit.httpserver.request_ids import RequestIDs
from toolkit.httputil import date_now
from toolkit.log import app_log, request_id
from toolkit.wire.events import ResponseHead

#: Seconds after which a client that was turned away may try again.
RETRY_AFTER = 1
#: The answer to a client that was turned away.
OVERLOADED = b"The server is overloaded; try again soon.\n"


@dataclass(slots=True)
class Attendant:
    """Serves exchanges by an application, with what the server's options ask for around it.

    Attributes:
        application: serves them in the end.
        forwarding: says who the client is, by what proxies tell.
        request_ids: finds or makes the id of a request.
        access_log: gets a line for each exchange.
        decompress: whether content with a coding is decoded, up to `max_body` bytes.
        response_timeout: seconds in which an answer has to begin; None for no bound.
        max_requests: how many may be under way; the rest is answered 503.
        max_requests_per_connection: after which a connection ends.
        active: how many are under way.
    """

    application: Application
    forwarding: Policy | None = None
    request_ids: RequestIDs | None = None
    access_log: AccessLog | None = None
    decompress: bool = False
    max_body: int | None = None
    response_timeout: float | None = None
    max_requests: int | None = None
    max_requests_per_connection: int | None = None
    active: int = 0

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return bool(
            self.forwarding
            or self.request_ids
            or self.access_log
            or self.decompress
            or self.response_timeout is not None
            or self.max_requests is not None
            or self.max_requests_per_connection is not None
        )

    def handle_exchange(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        """Return the coroutine that answers one request."""
        if self.forwarding is not None:
            exchange.context = self.forwarding(exchange.head, exchange.context)
        if self.access_log is not None:
            exchange.logged = True
            exchange.received_at = time.monotonic()
        exchange.set_end_callback(self._ended)
        self.active += 1
        if exchange.number == self.max_requests_per_connection:
            exchange.close_after()
        if self.decompress:
            decode_content(exchange, self.max_body)
        application = self.application
        if self.max_requests is not None and self.active > self.max_requests:
            application = turn_away
        elif self.response_timeout is not None:
            exchange.set_deadline(self.response_timeout)
        if self.request_ids is None:
            return application(exchange)
        exchange.request_id = self.request_ids(exchange.head, exchange.context)
        exchange.extra_fields = [(self.request_ids.header, exchange.request_id)]
        return _identified(application, exchange)

    def _ended(self, exchange: Exchange) -> None:
        self.active -= 1
        if self.access_log is None:
            return
        try:
            self.access_log.log(exchange, time.monotonic())
        except Exception:
            app_log.error("Uncaught exception in the access log", exc_info=True)


async def turn_away(exchange: Exchange) -> None:
    """Answer 503 and ask to try again later (RFC 9110 §15.6.4)."""
    fields = [
        ("Date", date_now()),
        ("Retry-After", str(RETRY_AFTER)),
        ("Content-Type", "text/plain; charset=utf-8"),
    ]
    exchange.respond(ResponseHead(503, fields), OVERLOADED)


async def _identified(application: Application, exchange: Exchange) -> None:
    """Serve an exchange so that log records made meanwhile can bear its id."""
    request_id.set(exchange.request_id)
    await application(exchange)
