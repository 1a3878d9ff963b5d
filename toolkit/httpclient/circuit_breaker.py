"""`CircuitBreaker`: leaves servers alone that fail, and does not let one take up everything."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import Enum

from toolkit.httpclient.errors import HTTPClientError
from toolkit.httpclient.target import Origin, Target
from toolkit.httpclient.transport import CallNext, OutgoingRequest, Source, StreamedResponse
from toolkit.wire.events import Fields

#: Origins whose circuits are remembered, those of the latest requests.
MAX_ORIGINS = 1000


class CircuitOpenError(HTTPClientError):
    """A request that was not sent, since its server has failed too often; code 599.

    Attributes:
        retry_in: seconds after which one more is tried.
    """

    def __init__(self, origin: Origin, retry_in: float) -> None:
        super().__init__(599, f"{origin.scheme}://{origin.authority} has failed too often")
        self.retry_in = retry_in


class TooManyRequestsError(HTTPClientError):
    """A request that was not sent, since its server has as many as it may have; code 599."""

    def __init__(self, origin: Origin, limit: int) -> None:
        super().__init__(
            599, f"{limit} requests to {origin.scheme}://{origin.authority} are under way"
        )


class State(Enum):
    """What a circuit is.

    CLOSED lets requests through, OPEN none; HALF_OPEN as many as it takes to find out.
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


def is_failure(response: StreamedResponse) -> bool:
    """Say whether a response shows that its server is not well: 500 and above."""
    return response.status >= 500


class CircuitBreaker:
    """A middleware that sends nothing for a while to an origin that fails.

    Example::

        breaker = CircuitBreaker(open_for=10, max_in_flight=50)
        client = AsyncHTTPClient(force_instance=True, hop_middleware=[breaker])

    A circuit opens when of its last `window` requests, `minimum` at least, the part `ratio` has
    failed. After `open_for` seconds `probes` requests at a time are let through: if `probes` of
    them have succeeded it closes, and if one fails it is open again.

    Args:
        window: last requests that count.
        minimum: requests below which nothing is said.
        ratio: from 0 to 1.
        open_for: seconds.
        probes: requests that decide after that.
        max_in_flight: requests to one origin at a time, from its beginning until the response
            is read or closed; None for no limit.
        failure: says which responses are failures. Errors other than a cancellation always are.
    """

    def __init__(
        self,
        *,
        window: int = 20,
        minimum: int = 5,
        ratio: float = 0.5,
        open_for: float = 30.0,
        probes: int = 1,
        max_in_flight: int | None = None,
        failure: Callable[[StreamedResponse], bool] = is_failure,
    ) -> None:
        if not 1 <= minimum <= window:
            raise ValueError(f"minimum {minimum} of window {window}; 1 to {window} are allowed")
        if not 0 < ratio <= 1:
            raise ValueError(f"ratio {ratio}; over 0 to 1 are allowed")
        self.window = window
        self.minimum = minimum
        self.ratio = ratio
        self.open_for = open_for
        self.probes = probes
        self.max_in_flight = max_in_flight
        self._failure = failure
        self._circuits: OrderedDict[Origin, _Circuit] = OrderedDict()

    def state(self, url: str) -> State:
        """Return the state of the circuit of a URL's origin."""
        circuit = self._circuits.get(Target.parse(url).origin)
        return State.CLOSED if circuit is None else circuit.state(self._now())

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Send a request, or refuse to.

        Raises:
            CircuitOpenError: its server has failed too often.
            TooManyRequestsError: it has too many already.
        """
        circuit = self._circuit(request.target.origin)
        turn = circuit.begin(self._now())
        try:
            response = await call_next(request)
        except asyncio.CancelledError:
            circuit.end(turn)
            raise
        except BaseException:
            circuit.note(turn, False, self._now())
            circuit.end(turn)
            raise
        circuit.note(turn, not self._failure(response), self._now())
        if self.max_in_flight is None:
            circuit.end(turn)
        else:
            response.source = _Watched(response.source, lambda: circuit.end(turn))
        return response

    def _circuit(self, origin: Origin) -> "_Circuit":
        circuit = self._circuits.get(origin)
        if circuit is None:
            circuit = self._circuits[origin] = _Circuit(self, origin)
            if len(self._circuits) > MAX_ORIGINS:
                self._circuits.popitem(last=False)
        self._circuits.move_to_end(origin)
        return circuit

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class _Circuit:
    """What is known of one origin.

    What began before the circuit changed its state says nothing of what came after: each
    request belongs to the turn in which it began.
    """

    def __init__(self, breaker: CircuitBreaker, origin: Origin) -> None:
        self._breaker = breaker
        self._origin = origin
        self._in_flight = 0
        self._turn = 0
        self._opened: float | None = None  # when, None while closed
        self._results: deque[bool] = deque(maxlen=breaker.window)
        self._probing = 0  # requests under way in this turn, while half-open

    def state(self, now: float) -> State:
        if self._opened is None:
            return State.CLOSED
        return State.OPEN if now < self._opened + self._breaker.open_for else State.HALF_OPEN

    def begin(self, now: float) -> int:
        """Take note of a request and return its turn; errors as of `CircuitBreaker`."""
        breaker = self._breaker
        state = self.state(now)
        if state is State.OPEN or (state is State.HALF_OPEN and self._probing >= breaker.probes):
            assert self._opened is not None
            raise CircuitOpenError(self._origin, max(self._opened + breaker.open_for - now, 0.0))
        limit = breaker.max_in_flight
        if limit is not None and self._in_flight >= limit:
            raise TooManyRequestsError(self._origin, limit)
        self._in_flight += 1
        self._probing += 1
        return self._turn

    def note(self, turn: int, success: bool, now: float) -> None:
        """Take note of how a request went."""
        if turn != self._turn:
            return
        breaker, results = self._breaker, self._results
        results.append(success)
        if self._opened is not None:
            if not success:
                self._change(now)
            elif len(results) >= breaker.probes:
                self._change(None)
            return
        failures = results.count(False)
        if len(results) >= breaker.minimum and failures >= breaker.ratio * len(results):
            self._change(now)

    def end(self, turn: int) -> None:
        """Take note that a request is over."""
        self._in_flight -= 1
        if turn == self._turn:
            self._probing -= 1

    def _change(self, opened: float | None) -> None:
        self._opened = opened
        self._turn += 1
        self._probing = 0
        self._results.clear()


class _Watched:
    """Content of a response that tells when it is closed, once."""

    def __init__(self, source: Source, closed: Callable[[], None]) -> None:
        self.trailers: Fields = ()
        self._source = source
        self._closed: Callable[[], None] | None = closed

    async def read(self) -> bytes:
        """Return the next piece."""
        piece = await self._source.read()
        if not piece:
            self.trailers = self._source.trailers
        return piece

    def close(self) -> None:
        """Let go of it."""
        self._source.close()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()
