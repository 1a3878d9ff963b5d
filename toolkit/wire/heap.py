"""Keeping what was freed, for those who make large objects again and again."""

from functools import cache
from typing import Final

#: Bytes of the block by which the allocator learns; twice as much is kept.
_BLOCK: Final = 4 * 1024 * 1024


@cache
def keep_freed() -> None:
    """Have the C library keep up to 8 MiB that were freed, instead of giving them back at once.

    glibc returns the end of its heap to the kernel when twice the largest block that it ever
    had mapped and unmapped is free there. A message of 1 MiB that is decoded and sent on takes
    about three times its size for a moment, so each one paid for 900 pages that the kernel
    had to clear, more than for all else together. A larger block, which is never touched,
    moves that mark for the whole process. Elsewhere this does nothing.
    """
    bytes(_BLOCK)
