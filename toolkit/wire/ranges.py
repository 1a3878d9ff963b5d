"""Range requests for bytes (RFC 9110 §14)."""

import re

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*")


def single_range(value: str, size: int) -> tuple[int, int] | None:
    """Read a Range field that asks for one range.

    Args:
        value: of the field.
        size: bytes that there are.
    Returns:
        First byte and the one after the last; None when the field is to be ignored: another
        unit, several ranges, or malformed.
    Raises:
        ValueError: none of the bytes asked for exist; the answer is 416.
    """
    match = _RANGE.fullmatch(value)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), size
        if last:
            if int(last) < start:
                return None
            end = min(size, int(last) + 1)
    if start >= end:
        raise ValueError(f"range {value[:100]!r} of {size} bytes")
    return start, end
