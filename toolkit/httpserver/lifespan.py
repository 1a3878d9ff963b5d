"""`Lifespan`: what has to be there from before the first request until after the last."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from toolkit.concurrent import Future
from toolkit.log import app_log

#: What makes a context each time it is to be entered.
Context = Callable[[], AbstractAsyncContextManager[object]]


class Lifespan:
    """Keeps contexts open while anybody serves an application.

    They are entered in order and left in reverse order, each of them as if all had gone well
    and also where another one fails, in one task that does nothing else. Several servers may
    hold the lifespan of one application: the first enters the contexts, the last leaves them.
    """

    def __init__(self) -> None:
        self._contexts: list[Context] = []
        self._included: list[Lifespan] = []
        self._holders = 0
        self._entered: Future[None]  # with the task, which belongs to a loop
        self._end: asyncio.Event
        self._task: asyncio.Task[None] | None = None

    def add(self, context: Context) -> None:
        """Add a context, to be entered after those that are there already."""
        self._contexts.append(context)

    def include(self, other: "Lifespan") -> None:
        """Hold another lifespan too, after all contexts are entered."""
        if other not in self._included:
            self._included.append(other)

    @property
    def needed(self) -> bool:
        """Whether there is anything to enter."""
        return bool(self._contexts) or any(other.needed for other in self._included)

    async def hold(self) -> None:
        """Wait until all contexts are entered, for the first time or already.

        Raises:
            Exception: what kept one from being entered; those before it were left again.
            RuntimeError: another running loop holds the lifespan.
        """
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop().is_closed():
            self._holders, self._entered, self._end = 0, Future(loop=loop), asyncio.Event()
            self._task = task = loop.create_task(self._run())
        elif task.get_loop() is not loop:
            raise RuntimeError("the application is being served on another loop")
        self._holders += 1
        try:
            await asyncio.shield(self._entered)
        except asyncio.CancelledError:
            await self.release()
            raise

    async def release(self) -> None:
        """Let go of the contexts; whoever does so last waits until they are left."""
        task = self._task
        self._holders -= 1
        if self._holders or task is None:
            return
        self._end.set()
        if not self._entered.done():
            task.cancel()
        await asyncio.wait([task])

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold it for the time of an ``async with``."""
        await self.hold()
        try:
            yield
        finally:
            await self.release()

    async def _run(self) -> None:
        """Enter all contexts, wait for the end, and leave them."""
        entered: list[AbstractAsyncContextManager[object]] = []
        try:
            for make in (*self._contexts, *(other.held for other in self._included)):
                context = make()
                await context.__aenter__()
                entered.append(context)
        except BaseException as error:
            await _leave(entered)
            self._fail(error)
            return
        self._entered.set_result(None)
        try:
            await self._end.wait()
        except asyncio.CancelledError:
            # The loop is about to be closed; what is open can still be left in good order.
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        await _leave(entered)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._entered.cancel()
        elif isinstance(error, Exception):
            self._entered.set_exception(error)
            self._entered.exception()  # whoever holds it is told; there may be nobody any more
        else:
            self._entered.cancel()
            raise error


async def _leave(entered: list[AbstractAsyncContextManager[object]]) -> None:
    """Leave contexts in reverse order; what one raises is logged, and does not stop the rest."""
    cancelled: asyncio.CancelledError | None = None
    for context in reversed(entered):
        try:
            await context.__aexit__(None, None, None)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:
            app_log.error("Exception at the end of a lifespan", exc_info=True)
    if cancelled is not None:
        raise cancelled


def lifespan_of(target: object) -> Lifespan | None:
    """Return the lifespan of an application; None for one that needs nothing of the kind.

    It is an attribute ``life``.
    """
    life = getattr(target, "life", None)
    return life if isinstance(life, Lifespan) else None


def in_one_line(error: BaseException) -> str:
    """Say what an exception is, and where it or its cause comes from."""
    text = " ".join(traceback.format_exception_only(error)[-1].split())
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
