"""Between the thread that runs an application and the loop that has its client."""

import asyncio
import functools
import io
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from toolkit.concurrent import Future
from toolkit.iostream import StreamClosedError
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wsgi.answer import Head
from toolkit.wsgi.ports import Port

#: Bytes of an answer that may wait for the client; a thread that has more has to wait too.
HIGH_WATER = 64 * 1024
#: Bytes that `wsgi.input` takes over at a time for small reads.
INPUT_BUFFER = 64 * 1024
#: Seconds between two looks of a waiting thread whether its loop is alive, and looks in a row
#: that have to find it stopped before the thread gives up: a loop may stop and run again.
LOOK, PATIENCE = 0.5, 4


class ContentError(OSError):
    """The content of a request is too large, malformed, or came too slowly.

    Attributes:
        status: what the client should be answered.
    """

    def __init__(self, error: RemoteProtocolError) -> None:
        super().__init__(str(error))
        self.status = error.status


class Bridge:
    """Hands content over between a thread and the loop, either way with back-pressure.

    The thread calls `put` and `read`, which may wait; all else belongs to the loop, and never
    waits for the thread. Once `serve` has ended, or the port has failed, the thread's calls
    raise StreamClosedError, those that wait too, and nothing reaches the port any more.

    Attributes:
        error: of the port, or of reading from the client.

    Args:
        content: the request's, which has not been read yet; None for none.
    """

    def __init__(self, port: Port, content: AsyncIterator[bytes] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._port = port
        self._content = content
        self._called = asyncio.Event()  # the thread wants content, or has ended
        self._over = False
        self.error: Exception | None = None
        # What both sides touch, under the lock of the condition:
        self._changed = threading.Condition()
        self._head: Head | None = None
        self._data: list[bytes] = []
        self._end = False
        self._unsent = 0  # bytes put that the client has not made room for
        self._forwarding = False
        self._piece: bytes | None = None  # content on its way to the thread; b"" is the end
        self._content_error: RemoteProtocolError | None = None

    # -- in the thread -------------------------------------------------------------------

    def put(self, head: Head | None, data: bytes, end: bool) -> None:
        """Send the next part of the answer; wait while the client does not take the last."""
        with self._changed:
            self._wait(lambda: not data or self._unsent < HIGH_WATER)
            if head is not None:
                self._head = head
            self._data.append(data)
            self._unsent += len(data)
            self._end = end
            if self._forwarding:
                return
            self._forwarding = True
        self._call(self._forward)

    def read(self) -> bytes:
        """Wait for the next piece of the request's content; ``b""`` is its end.

        Raises:
            ContentError: it cannot be read.
        """
        with self._changed:
            if self._piece is None and self._content_error is None:
                self._call(self._called.set)
                self._wait(lambda: self._piece is not None or self._content_error is not None)
            if self._content_error is not None:
                raise ContentError(self._content_error) from self._content_error
            piece = self._piece
            assert piece is not None
            if piece:
                self._piece = None
            return piece

    def cause(self, error: BaseException) -> OSError | None:
        """Return the error of `put` or `read` that an application's error comes from, if any."""
        found: BaseException | None = error
        while found is not None:
            if isinstance(found, ContentError):
                return found
            if isinstance(found, StreamClosedError) and (self._over or self.error is not None):
                return found
            found = found.__cause__ or found.__context__
        return None

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so, with the lock held."""
        stopped = 0
        while True:
            if self.error is not None or self._over:
                raise StreamClosedError(real_error=self.error)
            if ready():
                return
            if threading.get_ident() == self._loop_thread:
                raise RuntimeError("the executor runs its functions in the thread of the loop")
            if self._changed.wait(LOOK):
                stopped = 0
            elif not self._loop.is_running():
                stopped += 1
                if stopped == PATIENCE or self._loop.is_closed():
                    self._over = True
                    raise StreamClosedError(real_error=RuntimeError("the loop has stopped"))

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError as error:  # the loop is closed
            self._over = True
            raise StreamClosedError(real_error=error) from None

    # -- in the loop ---------------------------------------------------------------------

    async def serve(self, running: "Future[int]") -> int:
        """Give the thread what it asks for until it has ended, and then send what is left.

        Args:
            running: what the thread does.
        Returns:
            Its result; what the thread has put is only sent to the end when that is 0.
        """
        try:
            if self._content is not None:
                running.add_done_callback(lambda _: self._called.set())
                await self._feed(self._content, running)
            fault = await running
            if not fault:
                self._forward()
            return fault
        except asyncio.CancelledError:
            # Nobody waits for the thread, which hears of it when it next wants something, nor
            # is it begun any more.
            running.cancel()
            raise
        finally:
            self._over = True
            self._drop()

    async def _feed(self, content: AsyncIterator[bytes], running: "Future[int]") -> None:
        try:
            while True:
                await self._called.wait()
                self._called.clear()
                if running.done():
                    return
                piece, error = b"", None
                try:
                    piece = await anext(content, b"")
                except RemoteProtocolError as caught:
                    error = caught
                except StreamClosedError as caught:
                    self._fail(caught)
                with self._changed:
                    self._piece, self._content_error = piece, error
                    self._changed.notify_all()
        finally:
            close = getattr(content, "aclose", None)
            if close is not None:
                await close()

    def _fail(self, error: Exception) -> None:
        if self.error is None and not self._over:
            self.error = error
            self._drop()

    def _drop(self) -> None:
        """Forget what would still have been sent, and wake the thread."""
        with self._changed:
            self._head, self._end = None, False
            self._data.clear()
            self._changed.notify_all()

    def _forward(self) -> None:
        """Send what the thread has put."""
        while True:
            with self._changed:
                head, self._head = self._head, None
                data = self._data[0] if len(self._data) == 1 else b"".join(self._data)
                self._data.clear()
                end, self._end = self._end, False
                if self.error is not None or self._over or not (head or data or end):
                    self._forwarding = False
                    return
            try:
                future = self._port.deliver(head, data, end)
            except Exception as error:
                # Where the fault is not the client's, `serve` has it logged by its caller.
                self._fail(error)
                return
            if not future.done():
                future.add_done_callback(functools.partial(self._go_on, len(data)))
                return
            self._delivered(len(data), future)

    def _go_on(self, size: int, future: "Future[None]") -> None:
        self._delivered(size, future)
        self._forward()

    def _delivered(self, size: int, future: "Future[None]") -> None:
        """Take note that there is room for more, or a client no longer."""
        error = None if future.cancelled() else future.exception()
        if isinstance(error, Exception):
            self._fail(error)
            return
        with self._changed:
            self._unsent -= size
            self._changed.notify_all()


class _Content(io.RawIOBase):
    """The content of a request as a file that cannot seek."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for content, and fill the buffer with it as far as it goes; 0 at the end."""
        if not self._rest:
            self._rest = memoryview(self._bridge.read())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def readall(self) -> bytes:
        """Wait for all of the rest."""
        pieces = [bytes(self._rest)]
        self._rest = memoryview(b"")
        while piece := self._bridge.read():
            pieces.append(piece)
        return b"".join(pieces)


def input_of(bridge: Bridge) -> io.BufferedReader:
    """Return a ``wsgi.input`` that reads what a bridge brings."""
    return io.BufferedReader(_Content(bridge), INPUT_BUFFER)
