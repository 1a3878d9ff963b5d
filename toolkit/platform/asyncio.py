"""A door to `toolkit.ioloop`, under the name where Tornado has its bridge to asyncio.

All of it works; a new program needs none of it. `IOLoop.current()` wraps the loop that runs,
and futures and coroutines are asyncio's own.
"""

import asyncio
from typing import Any

from toolkit.concurrent import convert_yielded
from toolkit.ioloop import (
    AddThreadSelectorEventLoop,
    AsyncIOLoop,
    AsyncIOMainLoop,
    BaseAsyncIOLoop,
    IOLoop,
    SelectorThread,
    any_thread_event_loop_policy,
)

__all__ = [
    "AddThreadSelectorEventLoop",
    "AnyThreadEventLoopPolicy",  # noqa: F822  # made by `__getattr__`
    "AsyncIOLoop",
    "AsyncIOMainLoop",
    "BaseAsyncIOLoop",
    "IOLoop",
    "SelectorThread",
    "convert_yielded",
    "to_asyncio_future",
    "to_tornado_future",
]


def __getattr__(name: str) -> Any:
    """Make `AnyThreadEventLoopPolicy` on first use: Python 3.14 warns of its base."""
    if name == "AnyThreadEventLoopPolicy":
        return any_thread_event_loop_policy()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def to_tornado_future(asyncio_future: "asyncio.Future[Any]") -> "asyncio.Future[Any]":
    """Return the future itself; deprecated, since they are the same."""
    return asyncio_future


def to_asyncio_future(tornado_future: Any) -> "asyncio.Future[Any]":
    """Return the future of whatever a coroutine may yield; deprecated, see `convert_yielded`."""
    return convert_yielded(tornado_future)
