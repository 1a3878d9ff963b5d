"""Queues for coroutines of one event loop, like those of `queue`, but nothing blocks.

`put` and `get` take effect when they are called, not when their future is awaited, and serve those
who wait in the order in which they came. A time-out is a deadline on the clock of the loop, as a
float, or a span from now, as a timedelta.

A task that is cancelled while it waits leaves at once. If its `get` was served in the same turn of
the loop, the item goes to the next one or back to its place. If its `put` was, the item stays in
the queue.

Example::

    queue = queues.Queue(maxsize=10)

    async def consumer():
        async for item in queue:
            await work(item)
            queue.task_done()

    async def producer():
        for item in range(100):
            await queue.put(item)
        await queue.join()
        queue.shutdown()
"""

import heapq
from collections import deque
from typing import Any, Generic, TypeVar

from toolkit.concurrent import Future, Line, Timeout
from toolkit.locks import Event

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull", "QueueShutDown"]

_T = TypeVar("_T")


class QueueEmpty(Exception):
    """`Queue.get_nowait` found no item."""


class QueueFull(Exception):
    """`Queue.put_nowait` found no room."""


class QueueShutDown(Exception):
    """The queue was shut down: it takes no more items, or has none left."""


class _QueueIterator(Generic[_T]):
    def __init__(self, queue: "Queue[_T]") -> None:
        self._queue = queue

    def __aiter__(self) -> "_QueueIterator[_T]":
        return self

    async def __anext__(self) -> _T:
        try:
            return await self._queue.get()
        except QueueShutDown:
            raise StopAsyncIteration from None


class Queue(Generic[_T]):
    """Items go out in the order in which they came in.

    A subclass for another order defines ``_init``, ``_put`` and ``_get``, and ``_put_back`` if an
    item that comes back is not to be the next one.

    Args:
        maxsize: how many items there is room for; 0 sets no limit.
    Raises:
        TypeError: `maxsize` is None.
        ValueError: `maxsize` is negative.
    """

    # Somebody waits in `get` only while there is no item, and in `put` only while there is no room.

    _queue: Any

    def __init__(self, maxsize: int = 0) -> None:
        if maxsize is None:
            raise TypeError("maxsize can't be None; 0 sets no limit")
        if maxsize < 0:
            raise ValueError(f"maxsize can't be negative: {maxsize!r}")
        self._maxsize = maxsize
        self._init()
        self._getters = Line(late="no item came in time")
        self._putters = Line(late="the queue had no room in time")
        self._unfinished = 0
        self._finished = Event()
        self._finished.set()
        self._shut_down = False
        self._drained = False

    # -- order, for subclasses -----------------------------------------------------------

    def _init(self) -> None:
        self._queue = deque()

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        item: _T = self._queue.popleft()
        return item

    def _put_back(self, item: _T) -> None:
        """Put an item back that `_get` returned last."""
        if isinstance(self._queue, deque):
            self._queue.appendleft(item)
        else:
            self._put(item)

    # -- state ---------------------------------------------------------------------------

    @property
    def maxsize(self) -> int:
        """How many items there is room for; 0 for no limit."""
        return self._maxsize

    def qsize(self) -> int:
        """Return how many items there are."""
        return len(self._queue)

    def empty(self) -> bool:
        """Say whether there is no item."""
        return not self._queue

    def full(self) -> bool:
        """Say whether there is no room for another item."""
        return self._maxsize != 0 and self.qsize() >= self._maxsize

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._describe()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._describe()}>"

    def _describe(self) -> str:
        parts = [f"maxsize={self._maxsize!r}"]
        if self._queue:
            parts.append(f"queue={self._queue!r}")
        if self._getters:
            parts.append(f"getters[{len(self._getters)}]")
        if self._putters:
            parts.append(f"putters[{len(self._putters)}]")
        if self._unfinished:
            parts.append(f"tasks={self._unfinished}")
        if self._shut_down:
            parts.append("shutdown")
        return " ".join(parts)

    # -- in ------------------------------------------------------------------------------

    def put(self, item: _T, timeout: Timeout = None) -> "Future[None]":
        """Return a future that is done when the item is in the queue, at once if there is room.

        After the time-out it has a `TimeoutError`, after `shutdown` a `QueueShutDown`, and the
        item is not in the queue.
        """
        if not self._shut_down and self.full():
            return self._putters.join(timeout, brings=item)
        future: Future[None] = Future()
        try:
            self.put_nowait(item)
        except QueueShutDown as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def put_nowait(self, item: _T) -> None:
        """Put an item in.

        Raises:
            QueueFull: there is no room.
            QueueShutDown: after `shutdown`.
        """
        if self._shut_down:
            raise QueueShutDown("the queue was shut down and takes no more items")
        if self.full():
            raise QueueFull(f"the queue holds {self.qsize()} items, of at most {self._maxsize}")
        self._accept(item)
        if self._getters:
            self._serve()

    def _accept(self, item: _T) -> None:
        self._put(item)
        self._unfinished += 1
        self._finished.clear()

    def _serve(self) -> None:
        """Hand the next item to the first one who waits for one."""
        getter, _ = self._getters.first()
        getter.hand(self._get(), self._given_back)

    # -- out -----------------------------------------------------------------------------

    def get(self, timeout: Timeout = None) -> "Future[_T]":
        """Return a future of the next item, done at once if there is one.

        After the time-out it has a `TimeoutError`, after `shutdown` and the last item a
        `QueueShutDown`.
        """
        if not self._shut_down and self.empty():
            return self._getters.join(timeout)
        future: Future[_T] = Future()
        try:
            future.set_result(self.get_nowait())
        except QueueShutDown as error:
            future.set_exception(error)
        return future

    def get_nowait(self) -> _T:
        """Return the next item.

        Raises:
            QueueEmpty: there is none.
            QueueShutDown: there is none, and after `shutdown` there will be none.
        """
        if self.empty():
            if self._shut_down:
                raise QueueShutDown("the queue was shut down and has no items left")
            raise QueueEmpty("the queue has no items")
        # Even without one of them it is full if an item came back meanwhile.
        if self._putters and self.qsize() - 1 < self._maxsize:
            putter, item = self._putters.first()
            self._accept(item)
            putter.hand(None)
        return self._get()

    def _given_back(self, item: _T) -> None:
        """Take an item back from one who was cancelled before he could take it."""
        if self._drained:
            self.task_done()
            return
        self._put_back(item)
        if self._getters:
            self._serve()

    def __aiter__(self) -> _QueueIterator[_T]:
        return _QueueIterator(self)

    # -- the end -------------------------------------------------------------------------

    def task_done(self) -> None:
        """Say that an item that `get` returned is done with.

        Raises:
            ValueError: called more often than items were put in.
        """
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        if self._unfinished == 0:
            self._finished.set()

    def join(self, timeout: Timeout = None) -> "Future[None]":
        """Return a future that is done when `task_done` was called for each item put in.

        After the time-out it has a `TimeoutError`.
        """
        return self._finished.wait(timeout)

    def shutdown(self, immediate: bool = False) -> None:
        """Take no more items: `put` has a `QueueShutDown`, and so has `get` after the last item.

        Those who wait in `put` or `get` get it too, and an ``async for`` ends.

        Args:
            immediate: throw the items away that are in the queue, as if they were done with.
        """
        self._shut_down = True
        if immediate:
            self._drained = True
            while not self.empty():
                self._get()
                self.task_done()
        for line in (self._getters, self._putters):
            while line:
                waiter, _ = line.first()
                waiter.refuse(QueueShutDown("the queue was shut down"))


class PriorityQueue(Queue[_T]):
    """The least item goes out first; use tuples ``(priority, item)``."""

    def _init(self) -> None:
        self._queue: list[_T] = []

    def _put(self, item: _T) -> None:
        heapq.heappush(self._queue, item)  # type: ignore[type-var]  # items that compare

    def _get(self) -> _T:
        return heapq.heappop(self._queue)  # type: ignore[type-var]  # items that compare

    _put_back = _put


class LifoQueue(Queue[_T]):
    """The item that came in last goes out first."""

    def _init(self) -> None:
        self._queue: list[_T] = []

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        return self._queue.pop()

    _put_back = _put
