"""Masking of payloads (RFC 6455 §5.3).

It is the one thing about a frame that costs Python for each byte. Machine instructions, with what
Tornado has in C beside it:

========  ==========  =============  ===========
bytes     in Python   websockets' C  Tornado's C
========  ==========  =============  ===========
16        5,200       700            900
64        6,900       700            1,000
256       13,100      800            1,200
4096      150,000     2,700          6,500
1 MiB     28,000,000  394,000        1,312,000
========  ==========  =============  ===========
"""

from collections.abc import Callable
from importlib import import_module
from typing import Final

#: Bytes up to which what a key is multiplied with comes from a table.
_SHORT: Final = 256
#: Bytes that are masked at once: larger numbers leave the caches.
_BLOCK: Final = 8 * 1024
#: What a key is multiplied with to be repeated over a block.
_REPEAT: Final = sum(1 << (32 * word) for word in range(_BLOCK // 4))
#: The same for so many words.
_REPEATS: Final = [_REPEAT & ((1 << (32 * words)) - 1) for words in range(_SHORT // 4 + 1)]

Mask = Callable[[bytes | bytearray | memoryview, bytes | bytearray], bytes]


def mask_in_python(data: bytes | bytearray | memoryview, key: bytes | bytearray) -> bytes:
    """Return `data` XOR the repeated `key` of four bytes; doing it twice gives `data` again.

    They are XORed as numbers, of which a shift takes off what the key has too much.
    """
    size = len(data)
    if size > _SHORT:
        return _mask_long(data, key)
    pattern = int.from_bytes(key) * _REPEATS[(size + 3) >> 2] >> (8 * (-size & 3))
    return (int.from_bytes(data) ^ pattern).to_bytes(size)


def _mask_long(data: bytes | bytearray | memoryview, key: bytes | bytearray) -> bytes:
    """Mask block by block."""
    length = min(_BLOCK, (len(data) + 3) & -4)
    pattern = int.from_bytes(key) * (_REPEAT >> (8 * (_BLOCK - length)))
    blocks = []
    for start in range(0, len(data), length):
        block = data[start : start + length]
        size = len(block)
        if size < length:
            pattern >>= 8 * (length - size)
        blocks.append((int.from_bytes(block) ^ pattern).to_bytes(size))
    return b"".join(blocks)


def find_mask(module: str) -> Mask:
    """Return `apply_mask` of a module in C; where that is not installed, what Python can do."""
    try:
        speedups = import_module(module)
    except ImportError:
        return mask_in_python
    found: Mask = speedups.apply_mask
    return found


#: Returns `data` XOR the repeated `key`: in C where the extra ``fast`` is installed.
mask: Final = find_mask("websockets.speedups")
