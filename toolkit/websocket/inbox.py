"""`Inbox`: messages that have come, for those who read them one by one."""

import asyncio
from collections import deque
from typing import Any

from toolkit.concurrent import Future, Resumable

#: Bytes of messages that may wait; one message always may.
MAX_WAITING = 64 * 1024


class MessageFuture(Resumable[Any]):
    """The future of the next message; one that nobody took is read next.

    Attributes:
        inbox: where it is from.
        iterating: whether the end is told by StopAsyncIteration, else it is None.
    """

    __slots__ = ("inbox", "iterating")

    inbox: "Inbox"
    iterating: bool

    def give_back(self) -> None:
        """Give the message back, if there is one."""
        if self.done() and not self.cancelled() and self.exception() is None:
            self.inbox.give_back(self.result())

    def end(self) -> None:
        """Tell that no more messages come."""
        if not self.iterating:
            self.set_result(None)
        else:
            self.set_exception(StopAsyncIteration())
            self.exception()  # nobody is told off for not looking


class Inbox:
    """Messages in the order in which they came, and those who wait for them.

    Args:
        loop: of the futures.
        limit: how many messages may wait.
    """

    __slots__ = ("_ended", "_limit", "_loop", "_messages", "_readers", "_size")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._messages: deque[tuple[Any, int]] = deque()
        self._size = 0
        self._readers: deque[MessageFuture] = deque()
        self._ended = False

    @property
    def full(self) -> bool:
        """Whether no more should come before somebody reads."""
        return len(self._messages) >= self._limit or self._size >= MAX_WAITING

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a message."""
        readers = self._readers
        while readers and readers[0].done():
            readers.popleft()  # cancelled
        return bool(readers)

    def put(self, message: Any, size: int) -> None:
        """Take a message that has come in so many bytes; whoever waits for it goes on at once."""
        if self.awaited:
            self._readers.popleft().set_result(message)
        else:
            self._messages.append((message, size))
            self._size += size

    def get(self, iterating: bool) -> MessageFuture:
        """Return a future of the next message."""
        future = MessageFuture(loop=self._loop)
        future.driver, future.inbox, future.iterating = None, self, iterating
        if self._messages:
            message, size = self._messages.popleft()
            self._size -= size
            Future.set_result(future, message)
        elif self._ended:
            future.end()
        else:
            self._readers.append(future)
        return future

    def give_back(self, message: Any) -> None:
        """Have a message read next that was handed out in vain."""
        if message is not None:
            self._messages.appendleft((message, 0))

    def end(self) -> None:
        """Tell those who wait that no more comes; what has come can still be read."""
        self._ended = True
        while self.awaited:
            self._readers.popleft().end()
