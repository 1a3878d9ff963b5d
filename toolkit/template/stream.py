"""A page in pieces, while it is being rendered."""

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, Self, TypeAlias, TypeVar

from toolkit.template.output import joined

#: Pieces of output after which a stream looks at their size.
_MOST = 64

Pieces: TypeAlias = list[str | bytes]

#: What sends off the output so far, at once or when it is enough.
Flush: TypeAlias = Callable[[bool], Coroutine[Any, Any, None]]

#: Starts to render into a list; the number says how many pieces are worth a call of `Flush`.
Render: TypeAlias = Callable[[Pieces, int, Flush], Coroutine[Any, Any, None]]

_PAUSE = object()

_T = TypeVar("_T")


@types.coroutine
def _pause() -> Generator[object, None, None]:
    """Hand control from the page to its stream."""
    yield _PAUSE


class TemplateStream:
    """The chunks of a page, each as soon as it is rendered: see `Template.stream`.

    Iterate with ``for``, or with ``async for`` if the template waits. Whoever stops in the
    middle calls `close` or `aclose`, so that ``finally`` in the template runs.
    """

    def __init__(self, render: Render, chunk_size: int) -> None:
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be positive: {chunk_size}")
        self._chunk_size = chunk_size
        self._pieces: Pieces = []
        self._chunks: list[bytes] = []
        self._size = 0
        self._page: Coroutine[Any, Any, None] | None = None
        self._render: Render | None = render

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        step = self._step()
        try:
            awaited = step.send(None)
        except StopIteration as end:
            if end.value:
                chunk: bytes = end.value
                return chunk
            raise StopIteration from None
        step.close()
        raise RuntimeError(f"The template waits for {awaited!r}; iterate with 'async for'")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await _Waiting(self._step())
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """End the page where it is.

        Raises:
            RuntimeError: it waits for something in a ``finally``; use `aclose`.
        """
        page, self._page, self._render = self._page, None, None
        if page is not None:
            page.close()

    async def aclose(self) -> None:
        """End the page where it is, and wait for what it waits for in a ``finally``."""
        page, self._page, self._render = self._page, None, None
        if page is not None:
            await _Waiting(_ended(page))

    # -- the page ----------------------------------------------------------------------------

    async def _flush(self, forced: bool) -> None:
        self._gather()
        if self._size and (forced or self._size >= self._chunk_size):
            await _pause()

    def _gather(self) -> None:
        """Make bytes of the pieces, which costs less than to count characters again and again."""
        if self._pieces:
            chunk = joined(self._pieces)
            self._pieces.clear()
            self._chunks.append(chunk)
            self._size += len(chunk)

    def _taken(self) -> bytes:
        """Return what is to be sent."""
        self._gather()
        chunk = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        return chunk

    def _step(self) -> Generator[Any, Any, bytes]:
        """Run the page up to its next flush or its end; pass on what it waits for.

        Returns:
            Output; ``b""`` after the end.
        """
        if self._render is not None:
            render, self._render = self._render, None
            self._page = render(self._pieces, _MOST, self._flush)
        if self._page is None:
            return b""
        page, self._page = self._page, None
        if (yield from _until_pause(page, None)):
            self._page = page
        return self._taken()


def _until_pause(
    page: Coroutine[Any, Any, None], thrown: BaseException | None
) -> Generator[Any, Any, bool]:
    """Run a page, and pass on what it waits for.

    Args:
        thrown: an error to begin with.
    Returns:
        Whether it pauses; otherwise it has ended.
    """
    sent: Any = None
    while True:
        try:
            awaited = page.send(sent) if thrown is None else page.throw(thrown)
        except StopIteration:
            return False
        if awaited is _PAUSE:
            return True
        sent, thrown = None, None
        try:
            sent = yield awaited
        except BaseException as error:
            thrown = error


class _Closed(BaseException):
    """What ends a page; `GeneratorExit` would not let it wait any more."""


def _ended(page: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """End a page, and pass on what it waits for meanwhile."""
    try:
        paused = yield from _until_pause(page, _Closed())
        while paused:
            paused = yield from _until_pause(page, None)
    except _Closed:
        pass


class _Waiting(Generic[_T]):
    """A generator that passes on what it waits for, as what can be awaited."""

    def __init__(self, run: Generator[Any, Any, _T]) -> None:
        self._run = run

    def __await__(self) -> Generator[Any, Any, _T]:
        return self._run
