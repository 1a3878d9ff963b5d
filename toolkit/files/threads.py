"""The threads that wait for disks."""

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, Literal, ParamSpec, TypeVar

#: Stands for the default executor of the running loop, in place of the threads of this module.
LOOP_EXECUTOR: Final = "loop"

#: None for the threads of this module.
WhichExecutor = Executor | Literal["loop"] | None

#: Disks serve few requests at a time; more threads than this would only wait in a longer line.
THREADS = min(32, (os.cpu_count() or 1) + 4)

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: The threads of this process, which do not live on in one that is forked off.
_own: dict[int, ThreadPoolExecutor] = {}


def in_thread(
    executor: WhichExecutor, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> "asyncio.Future[_T]":
    """Run a function in a thread, and return the future of its result."""
    call = functools.partial(function, *args, **kwargs)
    loop = asyncio.get_running_loop()
    if executor == LOOP_EXECUTOR:
        return loop.run_in_executor(None, call)
    return loop.run_in_executor(_own_executor() if executor is None else executor, call)


def _own_executor() -> ThreadPoolExecutor:
    process = os.getpid()
    executor = _own.get(process)
    if executor is None:
        _own.clear()
        _own[process] = executor = ThreadPoolExecutor(THREADS, "toolkit.files")
    return executor
