"""`MainProcess`: what a program has in the process that looks after its workers."""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Literal

from toolkit.httpserver import Lifespan
from toolkit.log import app_log
from toolkit.runner.errors import RunnerError
from toolkit.runner.settings import Settings
from toolkit.runner.targets import load
from toolkit.runner.worker import alive

#: What happens: to a worker, or to all of it.
Happening = Literal[
    "starting", "ready", "ended", "reloading", "reloaded", "not reloaded", "stopping"
]
#: Called with what happens, and the number of the worker that it happens to.
Listener = Callable[[Happening, int | None], object]


class MainProcess:
    """The process that looks after the workers, as a function of the program gets it.

    ``toolkit run --main module:function`` names an async generator function::

        async def main(process):
            process.listen(print)
            with SyncManager() as manager:
                os.environ["SHOP_STATE"] = manager.address
                yield

    It begins before the first worker and ends after the last; the sockets are opened after its
    beginning, so that processes which it forks do not hold them. Workers have the environment
    that there is when they start, and so find what is to be shared.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Have a function called with each thing that happens.

        A worker is ``"starting"``, ``"ready"`` and has ``"ended"``, with its number from 0. With
        None the workers are ``"reloading"``, and then ``"reloaded"`` or, where the new ones could
        not begin, ``"not reloaded"``; the end is ``"stopping"``. What it raises is logged.
        """
        self._listeners.append(listener)

    def tell(self, what: Happening, worker: int | None = None) -> None:
        """Call the listeners."""
        for listener in self._listeners:
            try:
                listener(what, worker)
            except Exception:
                app_log.error("Exception in listener %r", listener, exc_info=True)


def main_function(settings: Settings) -> Callable[[MainProcess], AsyncIterator[object]] | None:
    """Return what is to run in the main process; None for nothing.

    Raises:
        RunnerError: there is no such function.
    """
    if not settings.main:
        return None
    function = load(settings.main, settings.app_dir)
    if not inspect.isasyncgenfunction(function):
        raise RunnerError(
            f"{settings.main!r} is {function!r:.100}; an async generator function is allowed"
        )
    return function  # type: ignore[no-any-return]  # as was seen


@contextlib.asynccontextmanager
async def main_process(settings: Settings) -> AsyncIterator[MainProcess]:
    """Run what the settings have for the main process around a block.

    Raises:
        RunnerError: there is no such function, or it could not begin.
    """
    process = MainProcess()
    function = main_function(settings)
    life = Lifespan()
    if function is not None:
        context = contextlib.asynccontextmanager(function)
        life.add(lambda: context(process))
    async with alive(life, settings.main, settings.debug):
        yield process
