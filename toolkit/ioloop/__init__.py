"""The event loop: `IOLoop` over an asyncio loop, uvloop's when it is installed."""

from toolkit.concurrent import (
    Future,
    chain_future,
    future_add_done_callback,
    future_set_exc_info,
    is_future,
)
from toolkit.ioloop.any_thread import any_thread_event_loop_policy
from toolkit.ioloop.asyncio_loops import new_event_loop
from toolkit.ioloop.loop import AsyncIOLoop, AsyncIOMainLoop, BaseAsyncIOLoop, IOLoop
from toolkit.ioloop.periodic import PeriodicCallback
from toolkit.ioloop.run import run
from toolkit.ioloop.selector_thread import AddThreadSelectorEventLoop, SelectorThread
from toolkit.ioloop.watchdog import Blocking, Watchdog
from toolkit.log import app_log
from toolkit.util import Configurable, TimeoutError, import_object

__all__ = [
    "AddThreadSelectorEventLoop",
    "AsyncIOLoop",
    "AsyncIOMainLoop",
    "BaseAsyncIOLoop",
    "Blocking",
    "Configurable",
    "Future",
    "IOLoop",
    "PeriodicCallback",
    "SelectorThread",
    "TimeoutError",
    "Watchdog",
    "any_thread_event_loop_policy",
    "app_log",
    "chain_future",
    "future_add_done_callback",
    "future_set_exc_info",
    "import_object",
    "is_future",
    "new_event_loop",
    "run",
]
