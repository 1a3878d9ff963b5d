"""Work that is done once an answer has left."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from toolkit.concurrent import Future
from toolkit.http1connection import Exchange
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.log import app_log, gen_log

Call = Callable[[], Any]


class AfterResponse:
    """Calls functions one after another once the answer of an exchange is over."""

    def __init__(self, exchange: Exchange) -> None:
        self._calls: list[Call] = []
        self._task = exchange.create_task(self._run(exchange.answered(), exchange.stream))

    def add(self, call: Call) -> None:
        """Have a function, or a coroutine function, called behind those before.

        Raises:
            RuntimeError: all have been called.
        """
        if self._task.done():
            raise RuntimeError("after_response() after what follows the response has ended")
        self._calls.append(call)

    async def _run(self, answered: "Future[None]", stream: IOStream) -> None:
        calls = self._calls
        try:
            # The future is for others too, who would be cancelled with it.
            await asyncio.shield(answered)
            with suppress(StreamClosedError):
                await stream.flushed()
            while calls:
                await _run(calls.pop(0))
        except asyncio.CancelledError:
            if calls:
                gen_log.warning("Stopped before %r, to be called after a response", calls)
            raise


async def _run(call: Call) -> None:
    try:
        result = call()
        if result is not None:
            await result
    except Exception:
        app_log.error("Uncaught exception in %r after a response", call, exc_info=True)
