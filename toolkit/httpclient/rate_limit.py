"""`RateLimit`: has requests wait so that there are not too many in a time."""

import asyncio
import re
from collections import deque
from collections.abc import Mapping

from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse


class Rate:
    """At most so many requests in any span of so many seconds.

    Args:
        count: of requests.
        per: seconds.
    """

    def __init__(self, count: int, per: float = 1.0) -> None:
        if count < 1 or per <= 0:
            raise ValueError(f"{count} requests in {per} s; 1 and more in over 0 s are allowed")
        self.count = count
        self.per = per
        self._starts: deque[float] = deque(maxlen=count)
        self._turn = asyncio.Lock()  # who comes first waits first

    async def wait(self) -> None:
        """Return when one more request may begin."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            if len(self._starts) == self.count:
                wait = self._starts[0] + self.per - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
            self._starts.append(loop.time())

    def __repr__(self) -> str:
        return f"Rate({self.count}, {self.per})"


class RateLimit:
    """A middleware by which requests wait for their turn.

    Example::

        limit = RateLimit({
            "https://api.example/search*": Rate(1, per=2),
            "https://api.example/*": Rate(10),
        })
        client = AsyncHTTPClient(force_instance=True, hop_middleware=[limit])

    As ``hop_middleware`` it counts retries and redirects as well. Who waits is within the
    time-out of its request; who gives up counts for nothing.

    Args:
        rates: by patterns of URLs without their query, in which ``*`` stands for any characters.
            The first that matches counts; where none does, nobody waits. A `Rate` that stands for
            several patterns is shared by them.
    """

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._rates = [
            (re.compile(re.escape(pattern).replace(r"\*", ".*"), re.DOTALL), rate)
            for pattern, rate in rates.items()
        ]

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Send a request when it is its turn."""
        url = re.split("[?#]", request.url, maxsplit=1)[0]
        for pattern, rate in self._rates:
            if pattern.fullmatch(url):
                await rate.wait()
                break
        return await call_next(request)
