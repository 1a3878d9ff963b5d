"""Futures, executors, what coroutines wait for, and coroutines that run in place."""

from toolkit.concurrent.executors import (
    DummyExecutor,
    ReturnValueIgnoredError,
    dummy_executor,
    run_on_executor,
)
from toolkit.concurrent.futures import (
    FUTURES,
    Future,
    chain_future,
    future_add_done_callback,
    future_set_exc_info,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
)
from toolkit.concurrent.handover import Handover, Line, Timeout, Waiter, abandon, deadline_of
from toolkit.concurrent.in_place import InPlaceRunner
from toolkit.concurrent.resumed import Resumable, create_resumed_task
from toolkit.concurrent.yielding import (
    BadYieldError,
    ExceptionTypes,
    Moment,
    convert_yielded,
    moment,
    multi,
)
from toolkit.log import app_log

__all__ = [
    "FUTURES",
    "BadYieldError",
    "DummyExecutor",
    "ExceptionTypes",
    "Future",
    "Handover",
    "InPlaceRunner",
    "Line",
    "Moment",
    "Resumable",
    "ReturnValueIgnoredError",
    "Timeout",
    "Waiter",
    "abandon",
    "app_log",
    "chain_future",
    "convert_yielded",
    "create_resumed_task",
    "deadline_of",
    "dummy_executor",
    "future_add_done_callback",
    "future_set_exc_info",
    "future_set_exception_unless_cancelled",
    "future_set_result_unless_cancelled",
    "is_future",
    "moment",
    "multi",
    "run_on_executor",
]
