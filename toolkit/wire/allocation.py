"""`uninitialized`: memory for large content, which is written once instead of twice."""

import functools
import sys
from collections.abc import Callable

from toolkit.wire.heap import keep_freed

#: Half of the bytes that the process keeps for the next content once they were in use. What 32
#: responses of 1 MiB at once had left was given back and taken anew, page by page: 26 page faults
#: of 0.7 us for each of 400, a sixth of their time.
KEPT = 31 * 1024 * 1024


def uninitialized(size: int) -> bytes:
    """Return an object of so many bytes for its only owner to fill, before anybody else sees it.

    What it holds until then is what the process had there before. To have it cleared took a
    twentieth of 32 responses of 1 MiB at once. Where the interpreter is another than CPython, or
    was built without `ctypes`, it is cleared nevertheless.
    """
    return _allocator()(size)


@functools.cache
def _allocator() -> Callable[[int], bytes]:
    keep_freed(KEPT)
    if sys.implementation.name == "cpython":
        try:
            import ctypes  # 2 ms, for those alone who have large content
        except ImportError:
            return bytes
        create = ctypes.pythonapi.PyBytes_FromStringAndSize
        create.restype = ctypes.py_object
        create.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t]
        return functools.partial(create, None)
    return bytes
