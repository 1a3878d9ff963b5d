"""`gen_test`: runs a coroutine as a test."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, overload

from toolkit.concurrent import convert_yielded
from toolkit.testing.async_case import AsyncTestCase, get_async_test_timeout

_Test = Callable[..., Any]


@overload
def gen_test(*, timeout: float | None = None) -> Callable[[_Test], Callable[..., Any]]: ...
@overload
def gen_test(func: _Test, timeout: float | None = None) -> Callable[..., Any]: ...
def gen_test(
    func: _Test | None = None, timeout: float | None = None
) -> Callable[..., Any] | Callable[[_Test], Callable[..., Any]]:
    """Make a coroutine, or a generator that yields awaitables, a test of an `AsyncTestCase`.

    Example::

        class SleepTest(AsyncTestCase):
            @gen_test(timeout=1)
            async def test_sleep(self):
                await asyncio.sleep(0.1)

    Args:
        timeout: seconds after which the test fails with TimeoutError; when None, what
            `get_async_test_timeout` says as the test begins.
    """
    if func is None:
        return functools.partial(gen_test, timeout=timeout)
    test = func

    @functools.wraps(test)
    def run(self: AsyncTestCase, *args: Any, **kwargs: Any) -> Any:
        seconds = get_async_test_timeout() if timeout is None else timeout
        return self.io_loop.run_sync(lambda: _bounded(lambda: test(self, *args, **kwargs), seconds))

    return run


async def _bounded(test: Callable[[], Any], seconds: float) -> Any:
    """Call a test and await what it returns.

    Raises:
        TimeoutError: it took longer; the cause shows where the test waited.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            result = test()
            if inspect.isgenerator(result):
                return await _drive(result)
            return await result if inspect.isawaitable(result) else result
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(f"Operation timed out after {seconds} seconds") from error.__cause__


async def _drive(generator: Generator[Any, Any, Any]) -> Any:
    """Await all that a generator yields, and return its result.

    It is done here and not by `gen.coroutine` for the sake of the time-out, which is to come
    out of the very line that waits.
    """
    step: Callable[[], Any] = functools.partial(generator.send, None)
    while True:
        try:
            yielded = step()
        except StopIteration as stop:
            return stop.value
        try:
            value = await convert_yielded(yielded)
        except BaseException as error:
            step = functools.partial(generator.throw, error)
        else:
            step = functools.partial(generator.send, value)
