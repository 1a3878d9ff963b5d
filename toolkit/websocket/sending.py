"""`Backlog`: messages for a peer that does not keep up."""

from collections import deque
from collections.abc import Callable

from toolkit.concurrent import Future
from toolkit.websocket.errors import WebSocketClosedError
from toolkit.websocket.options import SendQueue
from toolkit.wire.websocket import Prepared

#: What is sent: text, binary, or a message that was framed for several peers.
Outgoing = str | bytes | Prepared


class Backlog:
    """Messages that wait for the transport, oldest first.

    They wait as they are, neither framed nor compressed, so that any of them may be dropped.
    """

    __slots__ = ("_items", "_size")

    def __init__(self) -> None:
        self._items: deque[tuple[Outgoing, int, Future[None] | None]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(
        self, message: Outgoing, queue: SendQueue, make_future: Callable[[], "Future[None]"]
    ) -> "Future[None] | None":
        """Take a message as the policy says.

        Returns:
            A future of the time when it has left the queue, None where nobody is to wait.
        Raises:
            OverflowError: the connection has to be aborted.
        """
        size = _size_of(message)
        policy = queue.policy
        while self._items and (
            len(self._items) >= queue.messages or self._size + size > queue.size
        ):
            if policy == "drop_new":
                return None
            if policy != "drop_old":
                raise OverflowError(
                    f"{len(self._items)} messages of {self._size} bytes wait for the peer"
                )
            self._done(self.take()[1])
        future = make_future() if policy == "wait" else None
        self._items.append((message, size, future))
        self._size += size
        return future

    def take(self) -> "tuple[Outgoing, Future[None] | None]":
        """Return the oldest message, and the future of whoever waits for it to leave."""
        message, size, future = self._items.popleft()
        self._size -= size
        return message, future

    @staticmethod
    def _done(future: "Future[None] | None") -> None:
        if future is not None and not future.done():
            future.set_result(None)

    def fail(self) -> None:
        """Drop everything, and tell those who wait that the connection is closed."""
        while self._items:
            _, future = self.take()
            if future is not None and not future.done():
                future.set_exception(WebSocketClosedError("the connection was closed"))
                future.exception()  # nobody is told off for not looking


def _size_of(message: Outgoing) -> int:
    return len(message.payload if isinstance(message, Prepared) else message)
