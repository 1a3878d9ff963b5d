"""Compressed siblings of files: ``app.js.br`` beside ``app.js``."""

import os
from collections.abc import Callable, Iterator, Sequence

from toolkit.wire.negotiation import choose_coding

#: What the name of a sibling ends in, by its content coding; the best coding first.
SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}

#: Seconds before the file system is asked again whether a file has siblings.
LOOK_AGAIN = 1.0
#: Files whose siblings are remembered.
_MAX_FILES = 10_000


class Siblings:
    """Remembers for a moment which siblings files have."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[str, ...]], tuple[float, tuple[str, ...]]] = {}

    def find(self, path: str, codings: tuple[str, ...], now: float) -> tuple[str, ...]:
        """Return those of some codings that a file has a sibling in.

        Args:
            now: of a clock that does not jump.
        """
        known = self._known.get((path, codings))
        if known is not None and now - known[0] < LOOK_AGAIN:
            return known[1]
        found = tuple(coding for coding in codings if os.path.isfile(path + SUFFIXES[coding]))
        if len(self._known) >= _MAX_FILES:
            self._known.clear()
        self._known[(path, codings)] = (now, found)
        return found

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


def wanted_codings(
    fields: Callable[[str], str | None], codings: Sequence[str]
) -> Iterator[tuple[str, str | None]]:
    """Yield the codings to send a file in, and the entity tag that it must have then.

    Whoever asks for a range counts the bytes of the file itself, unless If-Range names a
    sibling: then it has a part of that.

    Args:
        fields: of the request.
        codings: that there are, the best first.
    """
    if fields("Range") is None:
        coding = choose_coding(fields("Accept-Encoding"), codings)
        if coding != "identity":
            yield coding, None
        return
    condition = fields("If-Range")
    if condition is not None:
        for coding in codings:
            yield coding, condition
