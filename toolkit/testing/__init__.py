"""Tests of asynchronous code: cases with a loop, servers in memory, logs, a virtual clock.

Projects on pytest-asyncio need none of the cases; they find `ExpectLog`, `bind_unused_port`
and `toolkit.testing.clock` of use.

An HTTP client is tested by its `transport`: `MockTransport` answers as a test says,
`ReplayTransport` as a server once did, and `ApplicationTransport` leads to an application in
memory, over connections that can have `Faults`.
"""

from toolkit.testing.application_transport import ApplicationTransport
from toolkit.testing.async_case import AsyncTestCase, get_async_test_timeout
from toolkit.testing.expect_log import ExpectLog
from toolkit.testing.gen_test import gen_test
from toolkit.testing.http_case import AsyncHTTPSTestCase, AsyncHTTPTestCase
from toolkit.testing.memory_server import MemoryServer
from toolkit.testing.memory_streams import Faults, memory_streams
from toolkit.testing.mock_transport import Answer, MockTransport, UnexpectedRequestError
from toolkit.testing.ports import bind_unused_port
from toolkit.testing.recording import Recorder, ReplayTransport
from toolkit.testing.redaction import Redaction
from toolkit.testing.runner import main, setup_with_context_manager

__all__ = [
    "Answer",
    "ApplicationTransport",
    "AsyncHTTPSTestCase",
    "AsyncHTTPTestCase",
    "AsyncTestCase",
    "ExpectLog",
    "Faults",
    "MemoryServer",
    "MockTransport",
    "Recorder",
    "Redaction",
    "ReplayTransport",
    "UnexpectedRequestError",
    "bind_unused_port",
    "gen_test",
    "get_async_test_timeout",
    "main",
    "memory_streams",
    "setup_with_context_manager",
]
