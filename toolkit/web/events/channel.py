"""`EventChannel`: events for all who listen, and for those who come back."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Literal

from toolkit.escape import json_encode
from toolkit.wire.event_stream import ServerSentEvent, encode_event

#: Bytes that a listener is given at once, unless one event is longer: as many as a stream takes
#: before it has its writer wait.
_BATCH = 64 * 1024


class EventChannel:
    """Hands events to all who listen, and keeps the last ones for those who come back.

    An event is written once, however many listen. Nothing is kept for a single listener but
    the place up to which it has read, so that slow ones cost no memory: one that has fallen
    behind what is kept has missed events, as has one that comes back too late.

    Example::

        news = EventChannel(keep=1000)

        class NewsHandler(RequestHandler):
            async def get(self):
                await self.stream_events(news)

        news.publish({"title": "..."}, event="story")

    It belongs to the event loop: `publish` from another thread by `IOLoop.add_callback`.

    Args:
        keep: events that are kept.
        keep_bytes: bytes of them; the newest one is kept in any case.
        recent: how many of them a listener gets that comes for the first time.
        slow: what becomes of a listener that has fallen behind: its stream goes on with what
            is kept (``"skip"``), or ends (``"close"``), and a browser comes back by itself.
        gap: is sent to who has missed events, before those that are kept, so that it can ask
            for the whole state; None for nothing.
    Raises:
        ValueError: another `slow`, or nothing is to be kept.

    Attributes:
        listeners: how many there are.
        closed: whether it has ended.
    """

    def __init__(
        self,
        keep: int = 256,
        keep_bytes: int = 1024 * 1024,
        *,
        recent: int = 0,
        slow: Literal["skip", "close"] = "skip",
        gap: ServerSentEvent | None = None,
    ) -> None:
        if slow not in ("skip", "close"):
            raise ValueError(f"slow {slow!r}; 'skip' and 'close' are allowed")
        if keep < 1 or keep_bytes < 1:
            raise ValueError(f"keep {keep!r}, keep_bytes {keep_bytes!r}; 1 or more is allowed")
        self.listeners = 0
        self.closed = False
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._recent = recent
        self._closes_slow = slow == "close"
        self._gap = b"" if gap is None else encode_event(gap.data, event=gap.event, id=gap.id)
        # Ids of another run of the program, or of another process, are known to be foreign.
        self._name = secrets.token_hex(6)
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._end = 0  # number of the next event
        self._news = asyncio.Event()  # of the next event, or the end

    def publish(self, data: Any, *, event: str = "message") -> str:
        """Hand an event to all who listen.

        Args:
            data: text, or anything else that is sent as JSON.
            event: type.
        Returns:
            Its id.
        Raises:
            LocalProtocolError: a line end or NUL in `event`; nobody is sent anything.
            RuntimeError: the channel is closed.
        """
        if self.closed:
            raise RuntimeError("publish() after close()")
        id = f"{self._name}-{self._end}"
        text = encode_event(event_text(data), event=event, id=id)
        self._kept.append(text)
        self._size += len(text)
        self._end += 1
        while len(self._kept) > self._keep or (
            self._size > self._keep_bytes and len(self._kept) > 1
        ):
            self._size -= len(self._kept.popleft())
        self._tell()
        return id

    def close(self) -> None:
        """End the streams of all who listen, once they have what was published."""
        self.closed = True
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def listen(self, after: str = "") -> AsyncGenerator[bytes, None]:
        """Yield events from now on, as text of a stream: one or several at a time.

        Args:
            after: id of the last event that the listener has; those behind it come first.
        """
        place, missed = self._place(after)
        self.listeners += 1
        try:
            while True:
                first = self._end - len(self._kept)
                if place < first:
                    if self._closes_slow:
                        return
                    place, missed = first, True
                if missed:
                    missed = False
                    if self._gap:
                        yield self._gap
                        continue
                if place < self._end:
                    batch = self._batch(place)
                    place += len(batch)
                    yield b"".join(batch)
                elif self.closed:
                    return
                else:
                    await self._news.wait()
        finally:
            self.listeners -= 1

    def _place(self, after: str) -> tuple[int, bool]:
        """Return the number of the event to begin with, and whether some before are missed."""
        first = self._end - len(self._kept)
        if not after:
            return max(first, self._end - self._recent), False
        name, _, number = after.rpartition("-")
        # No number of this channel has more digits, and none of them has other ones.
        known = name == self._name and number.isascii() and number.isdecimal()
        if known and len(number) < 20 and int(number) < self._end:
            return int(number) + 1, False
        return first, True

    def _batch(self, place: int) -> list[bytes]:
        """Return events from a place on, which is kept: at least one."""
        batch: list[bytes] = []
        size = 0
        for back in range(self._end - place, 0, -1):
            text = self._kept[-back]
            size += len(text)
            if batch and size > _BATCH:
                break
            batch.append(text)
        return batch


def event_text(data: Any) -> str:
    """Return the text of an event's data: text as it is, anything else as JSON."""
    return data if isinstance(data, str) else json_encode(data)
