"""Arguments of queries and forms: bytes from the client to text for the handler."""

import re

#: Control characters that text may not carry into a handler; tab and line ends may.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def clean(text: str, strip: bool) -> str:
    """Replace control characters by spaces, and strip whitespace when `strip` is true.

    Bytes, which a `decode_argument` of an application may leave as they are, keep the former.
    """
    if isinstance(text, str) and not text.isprintable():
        text = _CONTROL.sub(" ", text)
    return text.strip() if strip else text
