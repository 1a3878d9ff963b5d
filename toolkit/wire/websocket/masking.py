"""Masking of payloads (RFC 6455 §5.3).

It is the one thing about a frame that costs Python for each byte. In microseconds on one core of
an EPYC, with what Tornado has in C beside it:

========  =======  ======  =============  ===========
bytes     numbers  blocks  websockets' C  Tornado's C
========  =======  ======  =============  ===========
64        0.7      1.1     0.16           0.21
4096      16       10      0.25           0.53
1 MiB     4350     1800    44             96
========  =======  ======  =============  ===========
"""

from collections.abc import Callable
from importlib import import_module
from typing import Final

#: Bytes up to which the key is repeated as bytes; else it is by a multiplication, whose cost is
#: less for each byte.
_SHORT: Final = 256
#: Bytes that are masked at once: larger numbers leave the caches.
_BLOCK: Final = 8 * 1024
#: What a key is multiplied with to be repeated over a block.
_REPEAT: Final = sum(1 << (32 * word) for word in range(_BLOCK // 4))


def mask_by_numbers(data: bytes | bytearray, key: bytes) -> bytes:
    """Mask as XOR of two numbers; for short payloads."""
    size = len(data)
    # The key may reach beyond the data by three bytes, which are cut off.
    number = int.from_bytes(data, "little") ^ int.from_bytes(key * ((size + 3) >> 2), "little")
    return number.to_bytes(size + 3, "little")[:size]


def mask_by_blocks(data: bytes | bytearray, key: bytes) -> bytes:
    """Mask block by block, with the key repeated by a multiplication; for long payloads."""
    number = int.from_bytes(key, "little")
    blocks = []
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        words = (len(block) + 3) >> 2
        pattern = number * (_REPEAT >> (32 * (_BLOCK // 4 - words)))
        masked = int.from_bytes(block, "little") ^ pattern
        blocks.append(masked.to_bytes(4 * words, "little"))
    return b"".join(blocks)[: len(data)]


def mask_in_python(data: bytes | bytearray, key: bytes) -> bytes:
    """Return `data` XOR the repeated `key` of four bytes; doing it twice gives `data` again."""
    return (mask_by_numbers if len(data) <= _SHORT else mask_by_blocks)(data, key)


def find_mask(module: str) -> Callable[[bytes | bytearray, bytes], bytes]:
    """Return `apply_mask` of a module in C; where that is not installed, what Python can do."""
    try:
        speedups = import_module(module)
    except ImportError:
        return mask_in_python
    found: Callable[[bytes | bytearray, bytes], bytes] = speedups.apply_mask
    return found


#: Returns `data` XOR the repeated `key`: in C where the extra ``fast`` is installed.
mask: Final = find_mask("websockets.speedups")
