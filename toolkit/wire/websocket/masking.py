"""Masking of payloads (RFC 6455 §5.3)."""

from collections.abc import Callable
from importlib import import_module
from typing import Final

#: Bytes up to which one large number is cheaper than four tables.
_NUMBERS: Final = 600
#: For each byte of a key, what becomes of every byte.
_TABLES: Final = [bytes(byte ^ key for byte in range(256)) for key in range(256)]


def mask_by_numbers(data: bytes | bytearray, key: bytes) -> bytes:
    """Mask as XOR of two numbers; for short payloads."""
    size = len(data)
    # The key may reach beyond the data by three bytes, which are cut off.
    number = int.from_bytes(data, "little") ^ int.from_bytes(key * ((size + 3) >> 2), "little")
    return number.to_bytes(size + 3, "little")[:size]


def mask_by_tables(data: bytes | bytearray, key: bytes) -> bytes:
    """Mask every fourth byte by one table; a third of the cost of numbers for long payloads."""
    masked = bytearray(len(data))
    for place, byte in enumerate(key):
        masked[place::4] = data[place::4].translate(_TABLES[byte])
    return bytes(masked)


def mask_in_python(data: bytes | bytearray, key: bytes) -> bytes:
    """Return `data` XOR the repeated `key` of four bytes; doing it twice gives `data` again."""
    return (mask_by_numbers if len(data) <= _NUMBERS else mask_by_tables)(data, key)


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
