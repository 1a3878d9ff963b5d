"""Keeping what was freed, for those who make large objects again and again."""

from functools import cache


@cache
def keep_freed(block: int) -> None:
    """Have the C library keep what was freed, up to twice so many bytes, instead of giving it back.

    glibc returns the end of its heap to the kernel when twice the largest block that it ever
    had mapped and unmapped is free there. A message of 1 MiB that is decoded and sent on takes
    about three times its size for a moment, so each one paid for 900 pages that the kernel
    had to clear, more than for all else together. A larger block, which is never touched,
    moves that mark for the whole process (mallopt(3), M_MMAP_THRESHOLD). Elsewhere this does
    nothing.

    Args:
        block: less than 32 MiB, above which glibc learns nothing.
    """
    bytes(block)
