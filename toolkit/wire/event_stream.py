"""Streams of server-sent events, ``text/event-stream``, both ways (WHATWG HTML §9.2).

A stream is text in UTF-8. Its lines are fields, ``name: value``, or comments, which begin with a
colon; an empty line ends an event. `encode_event` and `encode_comment` write what an
`EventStreamReader` reads.
"""

import re
from dataclasses import dataclass

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import CLOSED, NEED_DATA, Signal

#: The media type of a stream.
EVENT_STREAM = "text/event-stream"

#: Most bytes of one line, and of the data of one event, that a reader takes: a picture as
#: base64 has room in one, and a peer that never ends a line cannot fill the memory.
MAX_LINE = MAX_DATA = 1024 * 1024

#: Most digits of a time until the next attempt, which is 31 years in milliseconds. A reader
#: takes a longer one for none.
_MAX_DIGITS = 12

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"[\r\n]")
_TEXT_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: its text; lines end by LF.
        event: its type.
        id: what a client tells in ``Last-Event-ID`` when it comes back. Of an event to be
            sent, None leaves that of the events before; of one that was received it is the
            last one of the stream, "" as long as there was none.
    """

    data: str
    event: str = "message"
    id: str | None = None


# -- out ---------------------------------------------------------------------------------


def encode_event(
    data: str | None, *, event: str = "message", id: str | None = None, retry: float | None = None
) -> bytes:
    """Write one event.

    Args:
        data: text of any number of lines. With None no event comes of it, but the client
            takes note of `id` and `retry`.
        event: type; a script listens for ``message`` unless it says otherwise.
        id: what the client tells when it comes back; "" has it tell nothing.
        retry: seconds until a client that lost the stream tries again.
    Raises:
        LocalProtocolError: a line end or NUL in `event` or `id`, a time below 0 or above 31
            years, or half a surrogate pair.
    """
    lines = []
    if event != "message":
        lines.append(f"event: {_one_line('event', event)}\n")
    if id is not None:
        lines.append(f"id: {_one_line('id', id)}\n")
    if retry is not None:
        lines.append(f"retry: {_milliseconds(retry)}\n")
    if data is not None:
        lines += [f"data: {line}\n" for line in _lines_of(data)]
    return _bytes("".join(lines) + "\n")


def encode_comment(text: str = "") -> bytes:
    """Write a comment, of which no event comes; it shows that the stream is alive.

    Args:
        text: of any number of lines.
    Raises:
        LocalProtocolError: half a surrogate pair.
    """
    return _bytes("".join([f": {line}\n" for line in _lines_of(text)]) + "\n")


def _lines_of(text: str) -> list[str]:
    # All of CR, LF and CRLF end a line where the stream is read, and nothing else does.
    return _TEXT_LINE_END.split(text) if "\n" in text or "\r" in text else [text]


def _one_line(name: str, value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        raise LocalProtocolError(f"{name} {excerpt(value)}; no line end and no NUL are allowed")
    return value


def _milliseconds(seconds: float) -> int:
    most = 10**_MAX_DIGITS // 1000
    if not 0 <= seconds < most:
        raise LocalProtocolError(f"retry {seconds!r}; 0 to {most} seconds are allowed")
    return int(seconds * 1000)


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"text that UTF-8 cannot write: {error}") from None


# -- in ----------------------------------------------------------------------------------


class EventStreamReader:
    """Reads a stream of events as it comes in.

    Example::

        reader = EventStreamReader()
        reader.receive(b"id: 7\\ndata: one\\ndata: two\\n")
        reader.next_event()         # NEED_DATA
        reader.receive(b"\\n")
        reader.next_event()         # ServerSentEvent(data='one\\ntwo', event='message', id='7')

    Args:
        last_event_id: of a stream before, which this one goes on with.
        max_line: most bytes of one line.
        max_data: most bytes of the data of one event.

    Attributes:
        last_event_id: of the last event that was read; what to send in ``Last-Event-ID``.
        retry: seconds to wait before the next attempt, None as long as the stream did not say.
    """

    __slots__ = (
        "_after_cr",
        "_at_start",
        "_buffer",
        "_data",
        "_ended",
        "_error",
        "_id",
        "_max_data",
        "_max_line",
        "_type",
        "last_event_id",
        "retry",
    )

    def __init__(
        self, last_event_id: str = "", max_line: int = MAX_LINE, max_data: int = MAX_DATA
    ) -> None:
        self.last_event_id = last_event_id
        self.retry: float | None = None
        self._max_line = max_line
        self._max_data = max_data
        self._buffer = Buffer()
        self._at_start = True
        self._after_cr = False  # an LF that comes next belongs to the line before
        self._ended = False
        self._error = ""
        # Of the event that is being read.
        self._id = last_event_id
        self._type = ""
        self._data = bytearray()  # each line of it with an LF

    def receive(self, data: bytes) -> None:
        """Take bytes of the stream; ``b""`` says that there are no more."""
        if not data:
            self._ended = True
        elif not self._error:
            self._buffer.append(data)

    def next_event(self) -> ServerSentEvent | Signal:
        """Return the next event, NEED_DATA, or CLOSED behind the end of the stream.

        An event that the end has cut off is none.

        Raises:
            RemoteProtocolError: a limit was passed. Every later call raises it again.
        """
        if self._error:
            raise RemoteProtocolError(self._error)
        try:
            while (line := self._line()) is not None:
                if line:
                    self._take(line)
                elif (event := self._dispatch()) is not None:
                    return event
        except RemoteProtocolError as error:
            self._error = str(error)
            self._buffer = Buffer()
            raise
        return CLOSED if self._ended else NEED_DATA

    def _line(self) -> bytes | None:
        """Take one line without its end; None while it is not whole."""
        buffer = self._buffer
        if self._at_start and not self._begin():
            return None
        data = buffer.data
        if self._after_cr and len(buffer):
            self._after_cr = False
            if data[buffer.pos] == 0x0A:
                buffer.skip_to(buffer.pos + 1)
                data = buffer.data
        pos = buffer.pos
        found = _LINE_END.search(data, max(pos, buffer.scanned))
        end = len(data) if found is None else found.start()
        if end - pos > self._max_line:
            raise RemoteProtocolError(
                f"more than {self._max_line} bytes in a line of an event stream"
            )
        if found is None:
            buffer.scanned = end
            return None
        self._after_cr = data[end] == 0x0D
        line = bytes(data[pos:end])
        buffer.skip_to(end + 1)
        return line

    def _begin(self) -> bool:
        """Pass over a byte order mark; False while it is not known whether there is one."""
        start = self._buffer.data[: len(_BOM)]
        if start == _BOM:
            self._buffer.skip_to(len(_BOM))
        elif _BOM.startswith(start):
            return False
        self._at_start = False
        return True

    def _take(self, line: bytes) -> None:
        """Take a field of an event; what is unknown, or a comment, means nothing."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data += value + b"\n"
            if len(self._data) - 1 > self._max_data:
                raise RemoteProtocolError(
                    f"more than {self._max_data} bytes of data in an event of a stream"
                )
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _MAX_DIGITS:
            self.retry = int(value) / 1000

    def _dispatch(self) -> ServerSentEvent | None:
        """Return the event that has ended; None when it has no data."""
        self.last_event_id = self._id
        kind, self._type = self._type or "message", ""
        if not self._data:
            return None
        text = self._data[:-1].decode("utf-8", "replace")
        self._data = bytearray()
        return ServerSentEvent(text, kind, self._id)
