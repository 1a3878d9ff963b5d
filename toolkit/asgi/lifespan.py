"""The lifespan protocol: an application is told when it begins to be served, and when that ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from toolkit.asgi.messages import ASGIApplication, Message, unexpected
from toolkit.concurrent import Future
from toolkit.log import gen_log

#: Seconds that an application gets to end, once it has said that it is done.
GRACE = 5.0


class LifespanError(RuntimeError):
    """An application has said that it cannot begin."""


@asynccontextmanager
async def lifespan(
    application: ASGIApplication, state: dict[str, Any], required: bool
) -> AsyncIterator[None]:
    """Tell an application of the beginning, and of the end.

    Args:
        state: filled by the application.
        required: whether it is an error that the application knows nothing of lifespans.
    Raises:
        LifespanError: it has said that it cannot begin, or knows nothing of lifespans and has to.
    """
    state.clear()
    cycle = _LifespanCycle()
    scope = {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": "2.0"},
        "state": state,
    }
    task = asyncio.get_running_loop().create_task(application(scope, cycle.receive, cycle.send))
    try:
        supported = await cycle.start(task, required)
        yield
        if supported:
            await cycle.stop(task)
    finally:
        task.cancel()
        await asyncio.wait([task])
        _error_of(task)  # it was told already


class _LifespanCycle:
    """What an application receives and sends of its lifespan."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._asked = False  # whether the application wanted to know
        self._started: Future[None] = Future()
        self._stopped: Future[None] = Future()

    async def receive(self) -> Message:
        self._asked = True
        return await self._messages.get()

    async def send(self, message: Message) -> None:
        kind, _, result = message["type"].rpartition(".")
        answer = {"lifespan.startup": self._started, "lifespan.shutdown": self._stopped}.get(kind)
        if answer is None or answer.done() or result not in ("complete", "failed"):
            raise unexpected(message, "the answer to a message of the lifespan")
        if result == "complete":
            answer.set_result(None)
        else:
            # It may be a whole traceback, whose last line says what happened.
            lines = str(message.get("message", "")).strip().splitlines()
            answer.set_exception(LifespanError(lines[-1] if lines else f"{kind} has failed"))
            answer.exception()

    async def start(self, task: "asyncio.Task[None]", required: bool) -> bool:
        """Tell the application to begin; False when it knows nothing of lifespans."""
        self._messages.put_nowait({"type": "lifespan.startup"})
        await asyncio.wait([self._started, task], return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            failure = self._started.exception()
            if failure is not None:
                await asyncio.wait([task], timeout=GRACE)
                raise failure from _error_of(task)
            return True
        error = _error_of(task)
        if required:
            raise LifespanError("the application has no lifespan") from error
        # The specification has the server go on; most who raise do so at the sight of the scope.
        log = gen_log.warning if self._asked and error is not None else gen_log.debug
        log("The application is served without a lifespan: %r", error)
        return False

    async def stop(self, task: "asyncio.Task[None]") -> None:
        """Tell the application of the end."""
        if not task.done():
            self._messages.put_nowait({"type": "lifespan.shutdown"})
            await asyncio.wait([self._stopped, task], return_when=asyncio.FIRST_COMPLETED)
        if self._stopped.done():
            await asyncio.wait([task], timeout=GRACE)
            self._stopped.result()
        error = _error_of(task)
        if error is not None:
            raise error


def _error_of(task: "asyncio.Task[None]") -> BaseException | None:
    """Return what a task has raised so far."""
    return None if not task.done() or task.cancelled() else task.exception()
