"""JSON lines, ``application/x-ndjson``: one value of JSON on each line, both ways."""

import json
from dataclasses import dataclass
from typing import Any

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import CLOSED, NEED_DATA, Signal

#: The media type.
JSON_LINES = "application/x-ndjson"
#: Most bytes of a line that a reader takes.
MAX_LINE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JSONLine:
    """What a line says.

    Attributes:
        value: as `json.loads` has it.
    """

    value: Any


def encode_json_line(value: object) -> bytes:
    """Write one value as a line, with its end.

    Raises:
        LocalProtocolError: JSON has no such value, or UTF-8 no such text.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"no line of JSON: {error}") from error


class JSONLinesReader:
    """Reads values as they come in.

    Example::

        reader = JSONLinesReader()
        reader.receive(b'{"a": 1}\\n[2')
        reader.next_event()         # JSONLine(value={'a': 1})
        reader.next_event()         # NEED_DATA

    Empty lines are none. The last one needs no end.

    Args:
        max_line: most bytes of a line.
    """

    __slots__ = ("_buffer", "_ended", "_error", "_max_line", "_number")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._buffer = Buffer()
        self._ended = False
        self._error = ""
        self._number = 0  # of the line that is read

    def receive(self, data: bytes) -> None:
        """Take bytes; ``b""`` says that there are no more."""
        if not data:
            self._ended = True
        elif not self._error:
            self._buffer.append(data)

    def next_event(self) -> JSONLine | Signal:
        """Return the next value, NEED_DATA, or CLOSED behind the last one.

        Raises:
            RemoteProtocolError: a line that is no JSON, or too long. Every later call raises it
                again.
        """
        if self._error:
            raise RemoteProtocolError(self._error)
        try:
            while (line := self._line()) is not None:
                self._number += 1
                if line.strip(b" \t\r"):
                    return JSONLine(self._value(line))
        except RemoteProtocolError as error:
            self._error = str(error)
            self._buffer = Buffer()
            raise
        return CLOSED if self._ended else NEED_DATA

    def _line(self) -> bytes | None:
        """Take a line without its end; None while it is not whole."""
        buffer = self._buffer
        data, pos = buffer.data, buffer.pos
        end = data.find(b"\n", max(pos, buffer.scanned))
        size = (len(data) if end < 0 else end) - pos
        if size > self._max_line:
            raise RemoteProtocolError(
                f"line {self._number + 1} of JSON has more than {self._max_line} bytes"
            )
        if end < 0 and not (self._ended and size):
            buffer.scanned = len(data)
            return None
        line = bytes(data[pos : pos + size])
        buffer.skip_to(min(pos + size + 1, len(data)))
        return line

    def _value(self, line: bytes) -> Any:
        try:
            return json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise RemoteProtocolError(
                f"line {self._number} is no JSON: {excerpt(line)} ({error})"
            ) from None
