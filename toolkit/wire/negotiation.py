"""What a client would rather have: content codings and media types (RFC 9110 §12.5)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from toolkit.wire.grammar import TCHAR

_CODING = re.compile(
    f"([{TCHAR}]+)[ \\t]*(?:;[ \\t]*[Qq]=(0(?:\\.[0-9]{{0,3}})?|1(?:\\.0{{0,3}})?))?"
)
_QUALITY = re.compile(r";[ \t]*q=([0-9.]{1,5})[ \t]*(?:;|$)", re.IGNORECASE)

#: Old names of codings (RFC 9110 §8.4.1.3).
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}

#: Characters of a field that is worth remembering; browsers send some 20.
_REMEMBERED = 200


def accepted_codings(value: str) -> dict[str, float]:
    """Read an Accept-Encoding field: the quality of each coding by its name in lower case.

    Items that are not of the grammar are passed over.

    RFC 9110 §12.5.3
    """
    found: dict[str, float] = {}
    for item in value.split(","):
        match = _CODING.fullmatch(item.strip(" \t"))
        if match is not None:
            name = match[1].lower()
            found[_ALIASES.get(name, name)] = float(match[2] or 1)
    return found


def choose_coding(accept: str | None, offered: Sequence[str]) -> str:
    """Return the coding to send content in.

    Args:
        accept: value of Accept-Encoding; None when there is none, which leaves content as it is.
        offered: the codings that there are, the best first, without ``identity``.
    Returns:
        The one that the client would rather have, the first of those it likes as much, or
        ``identity``. That is the answer too where nothing will do, since it can be read.
    """
    if accept is None:
        return "identity"
    if len(accept) > _REMEMBERED:
        return _choose(accept, tuple(offered))
    return _choose_again(accept, tuple(offered))


def _choose(accept: str, offered: tuple[str, ...]) -> str:
    qualities = accepted_codings(accept)
    others = qualities.get("*", 0.0)
    # What is not named is allowed for content as it is, but named codings come before it.
    best, best_quality = "identity", qualities.get("identity", 0.0)
    for coding in offered:
        quality = qualities.get(coding, others)
        # Of content as it is and a coding that are liked as much, the coding is shorter.
        if quality > best_quality or (quality == best_quality > 0 and best == "identity"):
            best, best_quality = coding, quality
    return best


_choose_again = lru_cache(256)(_choose)


def names_media_type(accept: str | None, media_type: str) -> bool:
    """Say whether an Accept field names a media type itself, as browsers do for a page.

    ``*/*`` does not name it.

    RFC 9110 §12.5.1
    """
    for item in (accept or "").split(","):
        name, semicolon, parameters = item.partition(";")
        if name.strip(" \t").lower() == media_type:
            quality = _QUALITY.search(semicolon + parameters)
            return quality is None or quality[1].strip("0.") != ""
    return False
