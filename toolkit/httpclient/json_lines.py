"""`json_lines`: the values of a response that has one on each line."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, overload

from toolkit.httpclient.transport import StreamedResponse
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.json_lines import MAX_LINE, JSONLine, JSONLinesReader

T = TypeVar("T")


@overload
def json_lines(response: StreamedResponse, *, max_line: int = ...) -> AsyncIterator[Any]: ...
@overload
def json_lines(
    response: StreamedResponse, convert: Callable[[Any], T], *, max_line: int = ...
) -> AsyncIterator[T]: ...
async def json_lines(
    response: StreamedResponse,
    convert: Callable[[Any], Any] = lambda value: value,
    *,
    max_line: int = MAX_LINE,
) -> AsyncIterator[Any]:
    """Iterate over the values as they come in (``application/x-ndjson``).

    Example::

        async with client.stream("GET", url) as response:
            async for point in json_lines(response, lambda value: Point(**value)):
                print(point.x)

    Args:
        convert: makes what is yielded of a value; that itself by default.
        max_line: most bytes of a line.
    Raises:
        ValueError: a line is no JSON, or too long; it says which.
        HTTPClientError, OSError: as reading the response.
    """
    reader = JSONLinesReader(max_line)
    ended = False
    while not ended:
        piece = await response.source.read()
        reader.receive(piece)
        ended = not piece
        while (event := _next(reader)) is not None:
            yield convert(event.value)
    await response.aclose()


def _next(reader: JSONLinesReader) -> JSONLine | None:
    try:
        event = reader.next_event()
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None
    return event if isinstance(event, JSONLine) else None
