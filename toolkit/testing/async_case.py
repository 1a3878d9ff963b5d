"""`AsyncTestCase`: a `unittest` case with an event loop of its own."""

import asyncio
import inspect
import os
import unittest
import warnings
from collections.abc import Callable
from typing import Any

from toolkit.ioloop import IOLoop

#: Seconds that a test may wait where neither it nor the environment says otherwise.
DEFAULT_TIMEOUT = 5.0


def get_async_test_timeout() -> float:
    """Return how many seconds a test may wait: ``ASYNC_TEST_TIMEOUT``, or 5."""
    try:
        return float(os.environ["ASYNC_TEST_TIMEOUT"])
    except (KeyError, ValueError):
        return DEFAULT_TIMEOUT


class AsyncTestCase(unittest.TestCase):
    """A test case whose tests use an event loop, a new one for each.

    Tests that are coroutines need the decorator `gen_test`. Tasks that are pending at the
    end are cancelled, and the loop is closed.

    Example::

        class LookupTest(AsyncTestCase):
            @gen_test
            async def test_localhost(self):
                self.assertTrue(await self.io_loop.asyncio_loop.getaddrinfo("localhost", 80))

    Attributes:
        io_loop: the loop, which is the current one from `setUp` to `tearDown`.
    """

    io_loop: IOLoop

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self._runner: asyncio.Runner | None = None
        self._waiting = False
        self._stopped = False
        self._stop_value: Any = None
        self._expired = False

    def setUp(self) -> None:
        """Make the loop the current one."""
        super().setUp()
        before = IOLoop.current(instance=False)
        self.io_loop = self.get_new_ioloop()
        asyncio.set_event_loop(self.io_loop.asyncio_loop)
        if self.io_loop is not before:
            # A loop that was there before belongs to somebody else, and stays open.
            self._runner = asyncio.Runner(loop_factory=lambda: self.io_loop.asyncio_loop)
            # When a subclass fails to set up there will be no tearDown.
            self.addCleanup(self._close_loop)

    def tearDown(self) -> None:
        """Cancel the tasks that are pending and close the loop."""
        self._close_loop()
        super().tearDown()

    def _close_loop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if not self.io_loop.asyncio_loop.is_closed():
            runner.get_loop()
            with warnings.catch_warnings():
                # A stream that was left open is worth a warning, but uvloop never gets done
                # with closing when that is turned into an error.
                warnings.simplefilter("default", ResourceWarning)
                runner.close()
        asyncio.set_event_loop(None)
        self.io_loop.close()

    def get_new_ioloop(self) -> IOLoop:
        """Return the loop for a test; a subclass may give another one.

        A loop that was the current one before, as ``IOLoop.current()`` gives it, is not
        closed after the test.
        """
        loop: IOLoop = IOLoop(make_current=False)
        return loop

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        """Run the test; a result that nobody looks at is an error."""
        result = method()
        if inspect.isgenerator(result) or inspect.iscoroutine(result):
            result.close()
            raise TypeError(
                "Generator and coroutine test methods should be decorated with "
                "toolkit.testing.gen_test"
            )
        if result is not None:
            raise ValueError(f"Return value from test method ignored: {result!r}")

    def stop(self, _arg: Any = None, **kwargs: Any) -> None:
        """Let the `wait` that runs, or else the next one, return.

        Args:
            _arg: what `wait` returns.
            kwargs: or these, as a dict.
        """
        if _arg is not None and kwargs:
            raise TypeError("stop() takes a value or keyword arguments, not both")
        self._stop_value = kwargs or _arg
        self._stopped = True
        if self._waiting:
            self.io_loop.stop()
            self._waiting = False

    def wait(
        self, condition: Callable[[], bool] | None = None, timeout: float | None = None
    ) -> Any:
        """Run the loop until `stop` is called, and return what that was given.

        Args:
            condition: to be true then, or else the wait goes on to the next `stop`.
            timeout: seconds; `get_async_test_timeout` when None.
        Raises:
            AssertionError: it took longer.
        """
        if timeout is None:
            timeout = get_async_test_timeout()
        if not self._stopped:
            self._expired = False
            timer = self.io_loop.call_later(timeout, self._expire)
            try:
                self._run_until_stopped(condition)
            finally:
                self.io_loop.remove_timeout(timer)
                self._waiting = False
            if self._expired:
                raise self.failureException(f"Async operation timed out after {timeout} seconds")
        self._stopped = False
        value, self._stop_value = self._stop_value, None
        return value

    def _run_until_stopped(self, condition: Callable[[], bool] | None) -> None:
        while True:
            self._waiting = True
            self.io_loop.start()
            if self._expired or condition is None or condition():
                return

    def _expire(self) -> None:
        self._expired = True
        self.io_loop.stop()
