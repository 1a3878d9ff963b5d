"""`json_values`: the values of content that has one on each line."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.json_lines import MAX_LINE, JSONLine, JSONLinesReader


async def json_values(
    pieces: AsyncIterable[bytes],
    convert: Callable[[Any], Any] = lambda value: value,
    max_line: int = MAX_LINE,
) -> AsyncIterator[Any]:
    """Iterate over values as they come in (``application/x-ndjson``).

    Args:
        pieces: of the content, such as a response.
        convert: makes what is yielded of a value; that itself by default.
        max_line: most bytes of a line.
    Raises:
        ValueError: a line is no JSON, or too long; it says which.
    """
    reader = JSONLinesReader(max_line)
    async for piece in pieces:
        if piece:
            reader.receive(piece)
            while (line := _next(reader)) is not None:
                yield convert(line.value)
    reader.receive(b"")
    while (line := _next(reader)) is not None:
        yield convert(line.value)


def _next(reader: JSONLinesReader) -> JSONLine | None:
    try:
        event = reader.next_event()
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None
    return event if isinstance(event, JSONLine) else None
