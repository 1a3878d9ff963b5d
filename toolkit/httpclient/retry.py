"""`Retry`: sends a request again that has failed, if that can help and does no harm."""

import asyncio
import random
import time
from collections.abc import Callable, Collection

from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.repeating import discard, repeatable
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse
from toolkit.log import gen_log
from toolkit.wire.dates import http_date

#: Methods that do the same however often they are sent (RFC 9110 §9.2.2).
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
#: What says that the server could not, rather than would not: too slow a request, too early,
#: too many, and what gateways and overloaded servers say.
STATUSES = frozenset((408, 425, 429, 502, 503, 504))
#: What connections fail with.
ERRORS: tuple[type[Exception], ...] = (OSError, HTTPTimeoutError, HTTPStreamClosedError)


class RetryBudget:
    """How many retries there may be for so many requests, so that they cannot make it worse.

    Where everything fails, each request would else be sent several times to servers that have
    too much to do.

    Args:
        ratio: retries that each request earns.
        reserve: that can be saved up, and are there at first.
    """

    def __init__(self, ratio: float = 0.1, reserve: float = 10.0) -> None:
        if ratio < 0 or reserve < 1:
            raise ValueError(f"ratio {ratio}, reserve {reserve}; from 0 and from 1 are allowed")
        self._ratio = ratio
        self._reserve = reserve
        self.left = reserve

    def earn(self) -> None:
        """Take note of a request."""
        self.left = min(self.left + self._ratio, self._reserve)

    def spend(self) -> bool:
        """Take a retry off what is left; False when there is none."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Retry:
    """A middleware that tries again after a while.

    Example::

        client = AsyncHTTPClient(force_instance=True, middleware=[Retry(attempts=5)])

    It waits a random time of up to `backoff` seconds, twice that the next time, and so on up to
    `longest`; or as long as ``Retry-After`` says. A response that asks for more patience than
    `max_retry_after`, or comes when `budget` is used up, is the result; and so is the response,
    or the error, of the last attempt. All that is within the time-out of the whole request.

    Content that cannot be sent twice is not. A request of another method is if it has an
    ``Idempotency-Key``.

    Args:
        attempts: times that a request is sent at most.
        methods: that may be sent again.
        statuses: of responses that are not the last word.
        errors: that are not.
        backoff, longest, max_retry_after: seconds.
        budget: may be shared by several; None makes one of its own.
        chance: a number from 0 up to 1.
        clock: seconds since the epoch, for a ``Retry-After`` that is a date.
    """

    def __init__(
        self,
        attempts: int = 3,
        *,
        methods: Collection[str] = IDEMPOTENT,
        statuses: Collection[int] = STATUSES,
        errors: tuple[type[Exception], ...] = ERRORS,
        backoff: float = 0.2,
        longest: float = 10.0,
        max_retry_after: float = 30.0,
        budget: RetryBudget | None = None,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if attempts < 1:
            raise ValueError(f"{attempts} attempts; 1 and more are allowed")
        self.attempts = attempts
        self.budget = budget if budget is not None else RetryBudget()
        self._methods = frozenset(methods)
        self._statuses = frozenset(statuses)
        self._errors = errors
        self._backoff = backoff
        self._longest = longest
        self._max_retry_after = max_retry_after
        self._chance = chance
        self._clock = clock

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Send a request until it succeeds, or nothing more is to be tried."""
        self.budget.earn()
        attempt = 1
        while True:
            after = None
            try:
                response = await call_next(request.copy())
            except self._errors as error:
                if not self._again(request, attempt, None):
                    raise
                reason = str(error)
            else:
                if response.status not in self._statuses:
                    return response
                after = retry_after(response.headers.get("Retry-After", ""), self._clock())
                if not self._again(request, attempt, after):
                    return response
                reason = f"status {response.status}"
                await discard(response)
            delay = self.delay(attempt, after)
            gen_log.debug(
                "%s %s failed (%s); again in %.2f s", request.method, request.url, reason, delay
            )
            await asyncio.sleep(delay)
            attempt += 1

    def delay(self, attempt: int, after: float | None = None) -> float:
        """Return how many seconds to wait after an attempt, of which the first is 1.

        Args:
            after: seconds that the server asked for.
        """
        if after is not None:
            # A little more, since all who were told the same time would come at once.
            return after + self._chance() * self._backoff
        # More than these many doublings are beyond any `longest`.
        doublings = min(attempt - 1, 64)
        return self._chance() * min(self._longest, self._backoff * 2.0**doublings)

    def _again(self, request: OutgoingRequest, attempt: int, after: float | None) -> bool:
        return (
            attempt < self.attempts
            and (request.method in self._methods or "Idempotency-Key" in request.headers)
            and repeatable(request)
            and (after is None or after <= self._max_retry_after)
            and self.budget.spend()
        )


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a Retry-After field says, None for none.

    Args:
        value: a number of seconds, or a date.
        now: seconds since the epoch.

    RFC 9110 §10.2.3
    """
    value = value.strip(" \t")
    if value.isascii() and value.isdigit():
        return float(value[:18])
    date = http_date(value, now)
    return None if date is None else max(date - now, 0.0)
