"""Requests that another site made a browser send: told by a token, or by what browsers say.

A form of ours carries a token that the browser has in a cookie as well; another site can make
the browser send the cookie, but not read it. What is sent is the token under a mask that is new
each time: in a compressed page a secret that stays the same can be guessed byte by byte (BREACH).
"""

import binascii
import hmac
import re
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from toolkit.log import gen_log

#: Methods that change nothing (RFC 9110 §9.2.1, and QUERY), so that nobody has to prove anything.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY"})

#: The version that a token names; one without is of version 1.
_VERSION = re.compile(r"([1-9][0-9]{0,2})\|")
_MASKED = re.compile(r"2\|([0-9a-f]{8})\|((?:[0-9a-f]{2})+)\|([0-9]{1,18})", re.ASCII)


class Token(NamedTuple):
    """A token of a browser.

    Attributes:
        version: as it was written; None for a new one.
        secret: the token itself.
        made: when, in seconds since the epoch.
    """

    version: int | None
    secret: bytes
    made: int


def new_token() -> Token:
    """Return a token that no browser has."""
    return Token(None, secrets.token_bytes(16), int(time.time()))


def read_token(text: str) -> Token | None:
    """Return the token that was sent; None for what is none."""
    masked = _MASKED.fullmatch(text)
    if masked is not None:
        mask, secret, made = masked.groups()
        return Token(2, _xor(bytes.fromhex(mask), bytes.fromhex(secret)), int(made))
    if not text or _VERSION.match(text):
        gen_log.debug("unknown XSRF token %r", text[:100])
        return None
    try:
        secret_bytes = binascii.a2b_hex(text)
    except ValueError:
        # Whatever somebody else has put into the cookie will do, as long as it matches.
        secret_bytes = text.encode("utf-8")
    return Token(1, secret_bytes, int(time.time()))


def write_token(token: Token, version: int) -> bytes:
    """Return a token as it is sent; of version 2 it is another text each time.

    Raises:
        ValueError: another version than 1 or 2.
    """
    if version == 1:
        return binascii.b2a_hex(token.secret)
    if version != 2:
        raise ValueError(f"XSRF cookie version {version!r}; 1 and 2 are allowed")
    mask = secrets.token_bytes(4)
    masked = _xor(mask, token.secret)
    return f"2|{mask.hex()}|{masked.hex()}|{token.made}".encode()


def is_same(one: Token, other: Token) -> bool:
    """Say whether two tokens are the same under their masks, in a time that tells nothing."""
    return hmac.compare_digest(one.secret, other.secret)


def _xor(mask: bytes, data: bytes) -> bytes:
    """Mask data by four bytes again and again, or take that mask off."""
    size = len(data)
    stretched = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")


def origin_fault(
    fetch_site: str | None,
    origin: str | None,
    host: str,
    protocol: str,
    is_trusted: Callable[[str], bool],
) -> str | None:
    """Say what is wrong with where a request comes from; None when it may be served.

    Args:
        fetch_site, origin: the fields Sec-Fetch-Site and Origin.
        host, protocol: what the request asks for.
        is_trusted: decides about origins other than our own.

    Browsers send Sec-Fetch-Site over TLS and to the machine itself, Origin with each request
    that may change something. A request with neither comes from no browser of this decade.
    """
    if fetch_site is not None:
        if fetch_site in ("same-origin", "none") or (origin is not None and is_trusted(origin)):
            return None
        said = ascii(fetch_site[:100])[1:-1]
        return f"Sec-Fetch-Site {said} from origin {_shown(origin)} not allowed"
    if origin is None or is_own(origin, host, protocol) or is_trusted(origin):
        return None
    return f"Origin {_shown(origin)} not allowed"


def is_own(origin: str, host: str, protocol: str) -> bool:
    """Say whether an origin is that of the request.

    Behind a proxy that ends TLS `protocol` may be ``http`` for an origin of ``https``; the other
    way round it is a page that anybody on the way may have written.
    """
    scheme, _, rest = origin.lower().partition("://")
    if scheme not in ("http", "https") or (scheme == "http" and protocol == "https"):
        return False
    return rest.partition("/")[0] == host.lower()


def _shown(origin: str | None) -> str:
    return ascii(origin if origin is None else origin[:100])
