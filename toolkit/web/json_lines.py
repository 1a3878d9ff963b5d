"""`send_json_lines`: an answer that has one value of JSON on each line."""

from collections.abc import AsyncIterable, Iterable

from toolkit.web.handler import RequestHandler
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.json_lines import JSON_LINES, encode_json_line


async def send_json_lines(
    handler: RequestHandler, values: AsyncIterable[object] | Iterable[object]
) -> None:
    """Send values as they come, each at once, as fast as the client takes them.

    Example::

        async def get(self):
            await send_json_lines(self, rows())

    Args:
        handler: that has sent nothing yet; its Content-Type becomes ``application/x-ndjson``.
        values: what `json.dumps` takes.
    Raises:
        TypeError: a value that JSON has not; the answer is cut off, so that nobody takes it for
            whole.
        StreamClosedError: the client has left.
    """
    handler.set_header("Content-Type", JSON_LINES)
    if isinstance(values, AsyncIterable):
        async for value in values:
            await _send(handler, value)
    else:
        for value in values:
            await _send(handler, value)


async def _send(handler: RequestHandler, value: object) -> None:
    try:
        line = encode_json_line(value)
    except LocalProtocolError as error:
        raise TypeError(str(error)) from error
    handler.write(line)
    await handler.flush()
