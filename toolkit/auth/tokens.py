"""`Tokens`, and how they are read from the answer of a provider."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.auth.errors import AuthError

#: What may stand in a header (RFC 6750 §2.1 and, for what providers do, RFC 6749 §A.12).
_TOKEN = re.compile(r"[\x21-\x7e]+")
_SECONDS = re.compile(r"[0-9]{1,10}")
#: A lifetime of three hundred years is for ever.
_MAX_SECONDS = 10**10


@dataclass(frozen=True)
class Tokens:
    """What a provider gives for a login.

    Attributes:
        access_token: lets its bearer act for the user.
        expires_at: when that ends, as of `time.time`; None if the provider does not tell.
        refresh_token: for `OAuth2Client.refresh`; None if there is none.
        scope: what is allowed.
        claims: what the ID token of OpenID Connect says, checked; empty without one. The
            user's lasting name is ``claims["sub"]``.
        answer: all that the provider said.
    """

    access_token: str = field(repr=False)
    expires_at: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    scope: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def expired(self, now: float, leeway: float = 30.0) -> bool:
        """Say whether the access token is over, or will be in `leeway` seconds.

        Args:
            now: as of `time.time`.
        """
        return self.expires_at is not None and now + leeway >= self.expires_at


def read_tokens(answer: Mapping[str, Any], asked: tuple[str, ...], now: float) -> Tokens:
    """Return the tokens in an answer, without a look at the ID token.

    Args:
        asked: the scope that was asked for, which holds if the answer has none.
        now: as of `time.time`.
    Raises:
        AuthError: something is missing, or cannot be used.

    RFC 6749 §5.1
    """
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise AuthError(
            "the answer has no access_token that can stand in a header; "
            f"its fields: {', '.join(answer)[:100] or 'none'}"
        )
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise AuthError(f"the answer has token_type {str(kind)[:100]!r}; 'Bearer' is known")
    refresh_token = answer.get("refresh_token")
    if not isinstance(refresh_token, str | None):
        raise AuthError(f"the answer has a {type(refresh_token).__name__} as refresh_token")
    scope = answer.get("scope")
    seconds = _seconds(answer.get("expires_in"))
    return Tokens(
        access_token=token,
        expires_at=None if seconds is None else now + seconds,
        refresh_token=refresh_token or None,
        scope=tuple(scope.split()) if isinstance(scope, str) else asked,
        answer=answer,
    )


def _seconds(value: object) -> float | None:
    """Return a lifetime; some providers give it as text."""
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AuthError(f"the answer has expires_in {str(value)[:100]!r}; seconds are needed")
    if not 0 <= value <= _MAX_SECONDS:
        raise AuthError(f"the answer has an expires_in that is not 0 to {_MAX_SECONDS}")
    return float(value)
