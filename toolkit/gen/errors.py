"""What ends a generator coroutine, and errors of older days."""

from typing import Any


class KeyReuseError(Exception):
    """Kept for programs that name it; nothing raises it."""


class UnknownKeyError(Exception):
    """Kept for programs that name it; nothing raises it."""


class LeakedCallbackError(Exception):
    """Kept for programs that name it; nothing raises it."""


class Return(Exception):
    """Ends a generator coroutine with a value; ``return value`` does the same.

    Attributes:
        value: the value.
    """

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.value = value
