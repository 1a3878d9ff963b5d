"""Range requests for bytes (RFC 9110 §14)."""

import re

#: Ranges that one request may ask for. A viewer of documents asks for a dozen at a time; each
#: costs a part of its own.
MAX_RANGES = 64
#: 18 digits are more than any size has.
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{0,18}))?|-([0-9]{1,18})")
_WHITESPACE = " \t"

#: First byte, and the one after the last.
Span = tuple[int, int]


class RangeNotSatisfiable(ValueError):
    """None of the bytes asked for exist; the answer is 416."""


def byte_ranges(value: str, size: int) -> list[Span] | None:
    """Read a Range field.

    >>> byte_ranges("bytes=0-9, 90-", 100)
    [(0, 10), (90, 100)]

    Args:
        value: of the field.
        size: bytes that there are.
    Returns:
        The ranges to send, in the order asked for. Those that overlap or touch have become
        one. None when the field is to be ignored: another unit, more than `MAX_RANGES`, or
        not of the grammar.
    Raises:
        RangeNotSatisfiable: there is nothing to send. A range whose end comes before its start,
            or a number without a hyphen, asks for nothing.

    RFC 9110 §14.1 and §14.2
    """
    unit, equals, listed = value.partition("=")
    if not equals or unit.lower() != "bytes" or listed.count(",") >= MAX_RANGES:
        return None
    pieces = [piece for item in listed.split(",") if (piece := item.strip(_WHITESPACE))]
    matches = [_RANGE.fullmatch(piece) for piece in pieces]
    if not matches or None in matches:
        return None
    spans = [_span(*match.groups(), size=size) for match in matches if match is not None]
    wanted = [span for span in spans if span[0] < span[1]]
    if not wanted:
        raise RangeNotSatisfiable(f"range {value[:100]!r} of {size} bytes")
    return _coalesced(wanted)


def _span(first: str | None, last: str | None, suffix: str | None, *, size: int) -> Span:
    """Return the bytes that one range asks for; (0, 0) for none."""
    if suffix is not None:
        return max(0, size - int(suffix)), size
    if first is None or last is None:
        return 0, 0
    return int(first), min(size, int(last) + 1) if last else size


def _coalesced(spans: list[Span]) -> list[Span]:
    """Join spans that overlap or touch; each stays where the first of it was."""
    merged: list[tuple[int, int, int]] = []  # start, end, place
    for start, end, place in sorted((*span, place) for place, span in enumerate(spans)):
        if merged and start <= merged[-1][1]:
            before = merged[-1]
            merged[-1] = (before[0], max(before[1], end), min(before[2], place))
        else:
            merged.append((start, end, place))
    merged.sort(key=lambda item: item[2])
    return [(start, end) for start, end, _ in merged]


def content_range(span: Span | None, size: int) -> str:
    """Write the value of Content-Range; None for an answer of 416 (RFC 9110 §14.4)."""
    return f"bytes */{size}" if span is None else f"bytes {span[0]}-{span[1] - 1}/{size}"


def part_head(boundary: str, content_type: str, span: Span, size: int) -> bytes:
    """Write what comes before one part of multipart/byteranges (RFC 9110 §14.6)."""
    return (
        f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
        f"Content-Range: {content_range(span, size)}\r\n\r\n"
    ).encode("latin-1")


def parts_end(boundary: str) -> bytes:
    """Write what comes after the last part of multipart/byteranges."""
    return f"\r\n--{boundary}--\r\n".encode("latin-1")
