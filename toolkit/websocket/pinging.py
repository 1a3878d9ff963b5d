"""`Pinging`: the part of a connection that finds out whether its peer is still there."""

import asyncio
import functools
import logging

from toolkit.log import gen_log
from toolkit.websocket.options import ConnectionOptions
from toolkit.websocket.outgoing import Outgoing

#: Logs a message once, however many connections it is true of.
de_dupe_gen_log = functools.lru_cache(gen_log.log)


class Pinging(Outgoing):
    """What `Connection` has for pings: one timer, and only where there is an interval.

    Attributes:
        pong_seen: whether the last ping was answered.
    """

    __slots__ = ("_ping_timer", "_pinged", "pong_seen")

    def __init__(self, options: ConnectionOptions) -> None:
        super().__init__(options)
        self.pong_seen = False
        self._pinged = 0.0
        self._ping_timer: asyncio.TimerHandle | None = None

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self.stream.io_loop.asyncio_loop

    def looking(self) -> bool:
        """Say whether what comes is looked at as it comes."""
        raise NotImplementedError

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Say that this side is done."""
        raise NotImplementedError

    @property
    def ping_interval(self) -> float:
        """Seconds between pings; 0 for none."""
        return self.options.ping_interval or 0

    @property
    def ping_timeout(self) -> float:
        """Seconds for the answer to a ping; 0 for no limit."""
        timeout, interval = self.options.ping_timeout, self.ping_interval
        if timeout is None:
            return interval
        if interval and timeout > interval:
            de_dupe_gen_log(
                logging.WARNING,
                f"The websocket_ping_timeout ({timeout}) cannot be longer than the "
                f"websocket_ping_interval ({interval}), which is used instead",
            )
            return interval
        return timeout

    def start_pinging(self) -> None:
        """Send pings from now on, if the options ask for it."""
        if self.ping_interval > 0 and self._ping_timer is None:
            self._ping_timer = self._loop.call_later(self.ping_interval, self._ping)

    def _ping(self) -> None:
        self.pong_seen = False
        self._pinged = self._loop.time()
        self.send_ping(b"")
        timeout = self.ping_timeout
        if timeout > 0:
            self._ping_timer = self._loop.call_later(timeout, self._check_pong)
        else:
            self._ping_timer = self._loop.call_later(self.ping_interval, self._ping)

    def _check_pong(self) -> None:
        # Where this side does not look at what has come, the answer may be among it.
        if not self.pong_seen and self.looking():
            self._ping_timer = None
            self.close(reason="ping timed out")
        else:
            seconds = self.ping_sleep_time(
                last_ping_time=self._pinged, interval=self.ping_interval, now=self._loop.time()
            )
            self._ping_timer = self._loop.call_later(seconds, self._ping)

    @staticmethod
    def ping_sleep_time(*, last_ping_time: float, interval: float, now: float) -> float:
        """Return how many seconds there are to the next ping."""
        return max(0, last_ping_time + interval - now)

    def stop_pinging(self) -> None:
        """Send no more pings."""
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None
