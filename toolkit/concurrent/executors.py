"""Executors: one that runs at once, and methods that run on the executor of their object."""

import asyncio
import functools
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar, overload

from toolkit.concurrent.futures import Future

_T = TypeVar("_T")


class ReturnValueIgnoredError(Exception):
    """Kept for programs that name it; nothing raises it."""


class DummyExecutor(futures.Executor):
    """An executor that runs each function at once, in the thread that submits it."""

    # Unlike other executors it takes ``fn=`` by name, as it always did in Tornado.
    def submit(  # type: ignore[override]
        self, fn: Callable[..., _T], *args: Any, **kwargs: Any
    ) -> "futures.Future[_T]":
        """Run the function, and return a future that is done."""
        future: futures.Future[_T] = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """Do nothing: no function is ever left to run."""


dummy_executor = DummyExecutor()


@overload
def run_on_executor(fn: Callable[..., _T], /) -> Callable[..., "Future[_T]"]: ...
@overload
def run_on_executor(
    *, executor: str = ...
) -> Callable[[Callable[..., _T]], Callable[..., "Future[_T]"]]: ...
def run_on_executor(*args: Any, **kwargs: Any) -> Any:
    """Make a blocking method one that runs on an executor and returns a future.

    Example::

        class Images:
            def __init__(self):
                self.executor = ThreadPoolExecutor(4)
                self.disk = ThreadPoolExecutor(1)

            @run_on_executor
            def scale(self, image): ...

            @run_on_executor(executor="disk")
            def store(self, image): ...

    Args:
        executor: name of the attribute that holds the executor; "executor" when left out.

    Cancelling the future also keeps the method from running if it has not begun. In new code
    `IOLoop.run_in_executor` does the same in the open.
    """
    if len(args) > 1 or (args and kwargs):
        raise ValueError(f"run_on_executor takes one function or executor=, not {args!r}")
    if kwargs.keys() - {"executor"}:
        raise ValueError(f"run_on_executor takes executor=, not {sorted(kwargs)!r}")
    attribute: str = kwargs.get("executor", "executor")

    def decorate(fn: Callable[..., _T]) -> Callable[..., "Future[_T]"]:
        @functools.wraps(fn)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> "Future[_T]":
            executor: futures.Executor = getattr(self, attribute)
            return asyncio.wrap_future(executor.submit(fn, self, *args, **kwargs))

        return wrapper

    return decorate(args[0]) if args else decorate
