"""`Bucket`: counts messages against a `RateLimit`."""

from toolkit.websocket.options import RateLimit


class Bucket:
    """A bucket of tokens, one for each message, that fills up by the time.

    Args:
        limit: how fast, and how full.
        now: by the clock of the loop.
    """

    __slots__ = ("_limit", "_tokens", "_updated")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.messages)
        self._updated = now

    def wait(self, now: float) -> float:
        """Take a token and return 0.0, or return in how many seconds there is one."""
        limit = self._limit
        rate = limit.messages / limit.seconds
        self._tokens = min(self._tokens + (now - self._updated) * rate, float(limit.messages))
        self._updated = now
        # The clock of a loop is coarse: a timer may come a little before its time.
        if self._tokens < 0.999:
            return (1.0 - self._tokens) / rate
        self._tokens -= 1.0
        return 0.0
