"""What was read before and will come again: dictionaries that cannot grow.

Peers fill them, so each is bounded in the number and the length of what it keeps, and
starts over when it is full: who floods it makes others pay for reading once more what they
send, and no more than that. They belong to the process, since a client is rarely the only
one of its kind. What tells clients from each other (cookies, credentials, addresses) does
not come into them.
"""

from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: Most entries of one memory, which so holds less than 1 MB with `LONGEST`.
MOST: Final = 1024
#: Longest line kept, in characters: all that usual browsers send but cookies.
LONGEST: Final = 256


class Memory(dict[K, V]):
    """A dictionary that starts over when it is full."""

    __slots__ = ()

    def keep(self, key: K, value: V) -> None:
        """Take an entry, whose length the caller has checked."""
        if len(self) >= MOST:
            self.clear()
        self[key] = value
