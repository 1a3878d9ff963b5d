"""Connections that wait for their next request, and requests that wait for a connection."""

import asyncio
import contextlib
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Hashable
from dataclasses import dataclass

from toolkit.concurrent import Future
from toolkit.httpclient.connection import ClientConnection


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections a client may have.

    Attributes:
        connections: all together.
        per_host: those that may serve the same requests; None for no limit of their own.
        idle: those that wait for a request; 0 closes each after its request.
        idle_timeout: seconds that one may wait; a server that says less in a Keep-Alive
            field is believed.
    """

    connections: int = 100
    per_host: int | None = None
    idle: int = 100
    idle_timeout: float = 15.0


class Pool:
    """The connections of a client.

    Each has a key, and serves requests of that key alone. The one that was used last is used
    first, so that those beyond what is needed grow old and end.

    Attributes:
        total: connections that there are, those in the making included.
        idle_count: those that wait for a request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: PoolLimits) -> None:
        self.limits = limits
        self.total = 0
        self._loop = loop
        self._closed = False
        self._open: dict[Hashable, int] = {}
        self._idle: dict[Hashable, list[ClientConnection]] = {}
        self.idle_count = 0
        self._waiting: dict[Hashable, deque[Future[ClientConnection | None]]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._guard: AsyncGenerator[None, None] | None = None

    # -- taking --------------------------------------------------------------------------

    def take_idle(self, key: Hashable) -> ClientConnection | None:
        """Return the connection of a key that became idle last; None when there is none."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            self.idle_count -= 1
            if not idle:
                del self._idle[key]
            if not connection.closed:
                return connection
        return None

    async def acquire(self, key: Hashable) -> ClientConnection | None:
        """Return an idle connection, or None with the right to make a new one.

        Who gets None has to call `add` or `abandon` in the end.
        """
        connection = self.take_idle(key)
        if connection is not None:
            return connection
        if key not in self._waiting and self.reserve(key):
            return None
        future: Future[ClientConnection | None] = self._loop.create_future()
        line = self._waiting.setdefault(key, deque())
        line.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._leave(key, future)
            elif (got := future.result()) is None:
                self.abandon(key)
            else:
                self.release(got)
            raise

    def _leave(self, key: Hashable, future: "Future[ClientConnection | None]") -> None:
        line = self._waiting.get(key)
        if line is not None:
            with contextlib.suppress(ValueError):
                line.remove(future)
            if not line:
                del self._waiting[key]

    def reserve(self, key: Hashable) -> bool:
        """Count a connection to be made, if there may be one more of the key."""
        if self._closed:
            raise RuntimeError("the client is closed")
        opened = self._open.get(key, 0)
        if self.limits.per_host is not None and opened >= self.limits.per_host:
            return False
        if self.total >= self.limits.connections and not self._evict():
            return False
        self._open[key] = self._open.get(key, 0) + 1
        self.total += 1
        return True

    def _evict(self) -> bool:
        """Close the connection that is idle for the longest time, to make room for another."""
        if not self.idle_count:
            return False
        oldest = min((line[0] for line in self._idle.values()), key=lambda one: one.idle_since)
        self._forget_idle(oldest)
        self._uncount(oldest.key)  # whose room is for the caller, and for nobody who waits
        oldest.close(tell=False)
        return True

    def _forget_idle(self, connection: ClientConnection) -> None:
        idle = self._idle.get(connection.key)
        if idle and connection in idle:
            idle.remove(connection)
            self.idle_count -= 1
            if not idle:
                del self._idle[connection.key]

    def _uncount(self, key: Hashable) -> None:
        self.total -= 1
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]

    async def guard(self) -> None:
        """Have idle connections closed before the loop is, where nobody closes the client."""
        if self._guard is None:
            self._guard = _guarding(weakref.ref(self))
            await anext(self._guard)

    # -- giving back ---------------------------------------------------------------------

    def abandon(self, key: Hashable) -> None:
        """Take note that a connection that was reserved is not, or no longer."""
        self._uncount(key)
        self._serve_waiting()

    def lost(self, connection: ClientConnection) -> None:
        """Take note that a connection is closed."""
        self._forget_idle(connection)
        self.abandon(connection.key)

    def release(self, connection: ClientConnection) -> None:
        """Give a connection to who waits for it, or keep it for the next."""
        if connection.closed:
            return
        line = self._waiting.get(connection.key)
        while line:
            future = line.popleft()
            if not line:
                del self._waiting[connection.key]
            if not future.done():
                future.set_result(connection)
                return
        limits = self.limits
        wanted = self._waiting and self.total >= limits.connections
        if self._closed or wanted or self.idle_count >= limits.idle:
            connection.close()  # when others wait, for the room that it takes
            return
        self._idle.setdefault(connection.key, []).append(connection)
        self.idle_count += 1
        if self._sweep is None:
            self._sweep = self._loop.call_later(limits.idle_timeout, self._close_old)

    def _serve_waiting(self) -> None:
        """Let those go on for whose connections there is room now, the first of each key first."""
        while self._waiting and not self._closed:
            key = next((key for key in self._waiting if self.reserve(key)), None)
            if key is None:
                return
            line = self._waiting[key]
            future = line.popleft()
            if not line:
                del self._waiting[key]
            if future.done():
                self._uncount(key)
            else:
                future.set_result(None)

    # -- the end -------------------------------------------------------------------------

    def _close_old(self) -> None:
        """Close what was idle for too long, and look again when the next one will have been."""
        self._sweep = None
        now, nearest = self._loop.time(), None
        for connection in [one for line in self._idle.values() for one in line]:
            timeout = self.limits.idle_timeout
            if connection.idle_timeout is not None:
                timeout = min(timeout, connection.idle_timeout)
            left = connection.idle_since + timeout - now
            if left <= 0:
                connection.close()
            elif nearest is None or left < nearest:
                nearest = left
        if nearest is not None:
            self._sweep = self._loop.call_later(nearest, self._close_old)

    def close_idle(self, key: Hashable = None) -> None:
        """Close the connections that wait for a request; with a key, those of it alone."""
        lines = self._idle.values() if key is None else [self._idle.get(key, [])]
        for connection in [one for line in lines for one in line]:
            connection.close()

    def close(self) -> None:
        """Close what is idle, and refuse who waits."""
        self._closed = True
        self.close_idle()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        waiting, self._waiting = self._waiting, {}
        for line in waiting.values():
            for future in line:
                if not future.done():
                    future.set_exception(RuntimeError("the client was closed"))
        guard, self._guard = self._guard, None
        if guard is not None:
            with contextlib.suppress(StopIteration):
                guard.aclose().send(None)  # it waits for nothing


async def _guarding(pool: "weakref.ref[Pool]") -> AsyncGenerator[None, None]:
    """Be closed when the loop is, as it closes all generators before it ends."""
    try:
        yield
    finally:
        found = pool()
        if found is not None:
            found.close_idle()
