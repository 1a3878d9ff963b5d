"""`uninitialized`: memory for large content, which is written once instead of twice."""

import functools
import sys
from collections.abc import Callable

#: Bytes of a block that is taken and freed once, so that glibc keeps so much memory for the next
#: block of that kind, and twice as much at the top of its heap (mallopt(3), M_MMAP_THRESHOLD).
#: Before, it gave back what a response of 1 MiB had left and took it anew for the next, page by
#: page: 25 to 50 page faults of 0.7 us for each. The block itself is never touched.
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
    bytes(KEPT)
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
