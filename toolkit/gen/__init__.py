"""Coroutines as generators, and futures put together: `multi`, `with_timeout`, `WaitIterator`.

New code is better written with ``async def``; both kinds may wait for each other.

Example::

    @gen.coroutine
    def fetch_both(client):
        first, second = yield [client.fetch(one), client.fetch(other)]
        return first.body + second.body
"""

from toolkit.concurrent import (
    BadYieldError,
    Future,
    ReturnValueIgnoredError,
    chain_future,
    convert_yielded,
    future_add_done_callback,
    future_set_exc_info,
    future_set_result_unless_cancelled,
    is_future,
    moment,
    multi,
)
from toolkit.gen.errors import KeyReuseError, LeakedCallbackError, Return, UnknownKeyError
from toolkit.gen.runner import Runner, coroutine, is_coroutine_function
from toolkit.gen.waiting import WaitIterator, maybe_future, sleep, with_timeout
from toolkit.ioloop import IOLoop
from toolkit.log import app_log
from toolkit.util import TimeoutError

Multi = multi
multi_future = multi

__all__ = [
    "BadYieldError",
    "Future",
    "IOLoop",
    "KeyReuseError",
    "LeakedCallbackError",
    "Multi",
    "Return",
    "ReturnValueIgnoredError",
    "Runner",
    "TimeoutError",
    "UnknownKeyError",
    "WaitIterator",
    "app_log",
    "chain_future",
    "convert_yielded",
    "coroutine",
    "future_add_done_callback",
    "future_set_exc_info",
    "future_set_result_unless_cancelled",
    "is_coroutine_function",
    "is_future",
    "maybe_future",
    "moment",
    "multi",
    "multi_future",
    "sleep",
    "with_timeout",
]
