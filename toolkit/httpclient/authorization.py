"""Credentials as fields carry them."""

import base64
import unicodedata


def basic_authorization(user: str | bytes, password: str | bytes) -> str:
    """Return the value of an Authorization field for the scheme Basic.

    Raises:
        ValueError: a colon in the user's name, which would end it, or control characters.

    RFC 7617 §2
    """
    parts = [
        part if isinstance(part, bytes) else unicodedata.normalize("NFC", part).encode("utf-8")
        for part in (user, password)
    ]
    if b":" in parts[0]:
        raise ValueError("the user name holds ':', which basic authentication cannot send")
    if any(byte < 0x20 or byte == 0x7F for part in parts for byte in part):
        raise ValueError("the user name or the password holds a control character")
    return "Basic " + base64.b64encode(b":".join(parts)).decode("ascii")
