"""`StandIn`: the coroutine of a task, which drives another one."""

import collections.abc
from typing import Any


class StandIn(collections.abc.Coroutine[Any, Any, None]):
    """A coroutine that belongs to a task and stands for another one in `_coroutine`.

    What asyncio shows of the task is that of the other one.
    """

    __slots__ = ()

    _coroutine: Any  # a coroutine; None where it may still have to come

    def __await__(self) -> Any:
        raise TypeError(f"{type(self).__name__} belongs to its own task")

    def close(self) -> None:
        """Close the coroutine."""
        if self._coroutine is not None:
            self._coroutine.close()

    @property
    def cr_frame(self) -> Any:
        """Frame of the coroutine."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        """Code of the coroutine; that of a method of its own while there is none."""
        return getattr(self._coroutine, "cr_code", type(self).close.__code__)

    @property
    def cr_running(self) -> bool:
        """Whether the coroutine is running."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_await(self) -> Any:
        """What the coroutine waits for."""
        return getattr(self._coroutine, "cr_await", None)
