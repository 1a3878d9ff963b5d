"""Tests of asynchronous code: cases with a loop, servers in memory, logs, a virtual clock.

Projects on pytest-asyncio need none of the cases; they find `ExpectLog`, `bind_unused_port`
and `toolkit.testing.clock` of use.
"""

from toolkit.testing.async_case import AsyncTestCase, get_async_test_timeout
from toolkit.testing.expect_log import ExpectLog
from toolkit.testing.gen_test import gen_test
from toolkit.testing.http_case import AsyncHTTPSTestCase, AsyncHTTPTestCase
from toolkit.testing.memory import MemoryServer
from toolkit.testing.ports import bind_unused_port
from toolkit.testing.runner import main, setup_with_context_manager

__all__ = [
    "AsyncHTTPSTestCase",
    "AsyncHTTPTestCase",
    "AsyncTestCase",
    "ExpectLog",
    "MemoryServer",
    "bind_unused_port",
    "gen_test",
    "get_async_test_timeout",
    "main",
    "setup_with_context_manager",
]
