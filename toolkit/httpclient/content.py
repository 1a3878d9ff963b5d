"""What a request carries: bytes, or pieces that are made while they are sent."""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)

#: Sends a piece of content; what it returns is done when more should be sent.
Write = Callable[[bytes], Awaitable[None]]


class Content:
    """Content that is made piece by piece; a subclass gives `__aiter__` or `write_to`.

    Attributes:
        length: bytes of all pieces; None when that is not known, which sends it in chunks.
        replayable: whether it can be sent again, as after a redirect or for another try.
        content_type: for the Content-Type field, unless the request has one; None for none.
    """

    length: int | None = None
    replayable: bool = True
    content_type: str | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces, from the first one on each time."""
        raise NotImplementedError

    async def write_to(self, write: Write) -> None:
        """Send the pieces by `write`; a generator is closed even if they are not all wanted."""
        pieces = aiter(self)
        try:
            async for piece in pieces:
                await write(piece)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()


class Pieces(Content):
    """Content from an iterable of pieces.

    Args:
        source: of bytes. One that is its own iterator cannot be sent twice.
        length: as of `Content`.
    """

    def __init__(
        self, source: AsyncIterable[bytes] | Iterable[bytes], length: int | None = None
    ) -> None:
        self.length = length
        self._source = source
        if isinstance(source, AsyncIterable):
            self.replayable = not isinstance(source, AsyncIterator)
        else:
            self.replayable = iter(source) is not source

    def __aiter__(self) -> AsyncIterator[bytes]:
        source = self._source
        return aiter(source) if isinstance(source, AsyncIterable) else _stepwise(source)


async def _stepwise(source: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in source:
        yield piece


class Produced(Content):
    """Content that a function writes, as the `body_producer` of an `HTTPRequest` does.

    Args:
        producer: is called with `write`; what it returns is awaited.
    """

    replayable = False

    def __init__(self, producer: Callable[[Write], Awaitable[None] | None]) -> None:
        self._producer = producer

    async def write_to(self, write: Write) -> None:
        result = self._producer(write)
        if inspect.isawaitable(result):
            await result


#: Content of a request; None is no content, which is not the same as an empty one.
Body = bytes | Content | None


def as_body(
    value: "str | bytes | bytearray | memoryview | Content | "
    "AsyncIterable[bytes] | Iterable[bytes] | None",
) -> Body:
    """Return content in any of its forms as `Body`; text is sent in UTF-8.

    Raises:
        TypeError: it is none of them; the message says which there are.
    """
    if value is None or isinstance(value, bytes | Content):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    # The keys of a dict would be sent, which nobody means.
    if isinstance(value, AsyncIterable) or (
        isinstance(value, Iterable) and not isinstance(value, dict)
    ):
        return Pieces(value)
    raise TypeError(
        f"content of type {type(value).__name__}; text, bytes, Content and iterables of bytes "
        "are allowed"
    )
