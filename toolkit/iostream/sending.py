"""Files that a stream sends, by the kernel alone where that can be."""

import asyncio
import os
from collections.abc import Callable

from toolkit.iostream.base import BaseIOStream
from toolkit.iostream.descriptor import DescriptorTransport
from toolkit.iostream.errors import StreamClosedError

#: Bytes that go in one call, after which others have their turn: 0.3 ms where nothing waits.
_STEP = 1024 * 1024
#: Bytes read at a time where the kernel cannot send; more does not get faster.
_PIECE = 128 * 1024

#: Moves bytes from a file to a socket within the kernel; Windows has none.
_sendfile: Callable[[int, int, int, int], int] | None = getattr(os, "sendfile", None)


class FileSending(BaseIOStream):
    """The part of a stream over a socket that sends files."""

    __slots__ = ()

    _plain = True  # what is written is what the socket sends
    _file_left = 0  # bytes of a file that are still to go

    @property
    def unsent(self) -> int:
        """Bytes written that have not left the program, and those of a file on its way."""
        return super().unsent + self._file_left

    @property
    def in_kernel(self) -> bool:
        """Whether the kernel may put bytes into the socket, and take them out, by itself."""
        # Another kind of transport may change the bytes, or have a program's own way to send.
        other = self._transport is None or isinstance(self._transport, DescriptorTransport)
        return self._plain and not other

    async def send_file(self, file: int, offset: int, count: int) -> int:
        """Send bytes of a file; return how many, fewer only where the file has ended.

        Without TLS the bytes go from file to socket within the kernel, which takes half of the
        time and no memory. Nothing else may be written meanwhile. At the end the last bytes may
        still be on their way, as after `write_nowait`.

        Args:
            file: descriptor of a regular file, whose position is neither used nor changed.
            offset: of the first byte.
            count: bytes to send.
        Raises:
            StreamClosedError: the stream is closed.
            OSError: the file cannot be read.
        """
        self._file_left = count
        try:
            await self.flushed()
            if self.in_kernel and _sendfile is not None:
                return await self._send_in_kernel(file, offset)
            return await self._send_in_pieces(file, offset)
        finally:
            self._file_left = 0

    async def _send_in_pieces(self, file: int, offset: int) -> int:
        place = offset
        while self._file_left:
            piece = os.pread(file, min(_PIECE, self._file_left), place)
            if not piece:
                break
            self._file_left -= len(piece)
            place += len(piece)
            self.write_nowait(piece)
            await self.accepted()
        return place - offset

    async def _send_in_kernel(self, file: int, offset: int) -> int:
        # The loop lets nobody wait for a descriptor that a transport of its own has.
        socket, place = os.dup(self.fileno()), offset
        try:
            while self._file_left:
                if self._closed:
                    raise StreamClosedError(real_error=self.error)
                try:
                    sent = self._move(socket, file, place)
                except BlockingIOError:
                    await self._until_writable(socket)
                    continue
                if not sent:
                    break
                self._file_left -= sent
                place += sent
                if self._file_left:
                    await asyncio.sleep(0)
        finally:
            os.close(socket)
        return place - offset

    def _move(self, socket: int, file: int, place: int) -> int:
        """Send what goes without waiting, and return how much that was; 0 past the file's end."""
        assert _sendfile is not None
        try:
            return _sendfile(socket, file, place, min(_STEP, self._file_left))
        except ConnectionError as error:
            self.close(exc_info=error)
            raise StreamClosedError(real_error=error) from error

    async def _until_writable(self, socket: int) -> None:
        """Wait until the peer takes more, or the stream is closed."""
        future = self._loop.create_future()
        if self._drain_waiters is None:
            self._drain_waiters = []
        self._drain_waiters.append(future)
        self._loop.add_writer(socket, _wake, future)
        try:
            await future
        finally:
            self._loop.remove_writer(socket)
            if self._drain_waiters is not None and future in self._drain_waiters:
                self._drain_waiters.remove(future)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
