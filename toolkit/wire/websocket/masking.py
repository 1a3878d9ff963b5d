"""Masking of payloads (RFC 6455 §5.3)."""


def mask(data: bytes | bytearray, key: bytes) -> bytes:
    """Return `data` XOR the repeated `key` of four bytes; doing it twice gives `data` again."""
    size = len(data)
    pattern = (key * ((size >> 2) + 1))[:size]
    number = int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")
    return number.to_bytes(size, "little")
