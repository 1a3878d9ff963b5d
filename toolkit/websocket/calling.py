"""`Calling`: the part of a connection that calls its handler."""

import asyncio
import contextvars
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType, MethodType
from typing import Any, Final

from toolkit.concurrent import InPlaceRunner, convert_yielded
from toolkit.websocket.delegate import Delegate
from toolkit.websocket.options import ConnectionOptions
from toolkit.websocket.pinging import Pinging
from toolkit.wire.websocket import Close
from toolkit.wire.websocket.codes import INTERNAL_ERROR

#: A coroutine works on a message, which keeps further ones from being looked at.
BUSY: Final = 2


class Calling(Pinging):
    """What `Connection` has for its handler, whose coroutines are stepped in place.

    Attributes:
        handler: gets what comes.
    """

    __slots__ = ("_context", "_hold", "_runner", "handler")

    _context: contextvars.Context

    def __init__(self, options: ConnectionOptions, handler: Delegate) -> None:
        super().__init__(options)
        self.handler = handler
        self._hold = 0  # bits of what keeps messages from being looked at
        self._runner: InPlaceRunner | None = None

    def fail(self, close: Close) -> None:
        """Close with an error."""
        raise NotImplementedError

    def _release(self, what: int) -> None:
        """Go on, if nothing else is waited for."""
        raise NotImplementedError

    def keep_context(self) -> None:
        """Have the handler called in a copy of the context of the caller."""
        self._context = contextvars.copy_context()

    @property
    def called_task(self) -> "asyncio.Task[None] | None":
        """The task of a coroutine of the handler that is under way."""
        return None if self._runner is None else self._runner.task

    def stop_calling(self) -> None:
        """Let go of what is kept ready for coroutines."""
        if self._runner is not None:
            self._runner.stop()

    def _call(self, method: Callable[[Any], Awaitable[None] | None], argument: object) -> None:
        """Call a method of the delegate; a coroutine is stepped at once."""
        try:
            result = self._context.run(method, argument)
        except (Exception, asyncio.CancelledError):
            self._failed_delegate()
            return
        if result is not None:
            self._step(result if type(result) is CoroutineType else _awaited(result))

    def _call_coroutine_method(self, method: Callable[[Any], Any], argument: object) -> None:
        """Do as `_call` where `is_coroutine_method`: nothing runs before the coroutine is stepped.

        To enter the context for that costs a call through C.
        """
        try:
            coroutine = method(argument)
        except TypeError:  # it takes no argument, or more than that one
            self._failed_delegate()
        else:
            self._step(coroutine)

    def _step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._runner is None:
            self._runner = InPlaceRunner(self._loop, self._handled, self._failed_delegate)
        if not self._runner.run(coroutine, self._context.copy()):
            self._hold |= BUSY

    def _handled(self) -> None:
        self._release(BUSY)

    def _failed_delegate(self) -> None:
        """Log the error at hand and close the connection for it."""
        self.handler.log_exception(*sys.exc_info())
        self.fail(Close(INTERNAL_ERROR))

    def _tell(self, method: Callable[..., None], *args: object) -> None:
        """Call a method of the delegate, from wherever it is."""
        try:
            # A copy, since the context itself may have been entered by whoever calls.
            self._context.copy().run(method, *args)
        except Exception:
            self._failed_delegate()


def is_coroutine_method(method: object) -> bool:
    """Say whether a method was written as ``async def``, so that calling it runs nothing of it."""
    function = method.__func__ if isinstance(method, MethodType) else None
    return inspect.isfunction(function) and bool(function.__code__.co_flags & inspect.CO_COROUTINE)


async def _awaited(result: Awaitable[None]) -> None:
    await convert_yielded(result)
