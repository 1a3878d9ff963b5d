"""The claims of ID tokens (OpenID Connect Core 1.0)."""

import base64
import hmac
import math
import re
from collections.abc import Mapping
from typing import Any

from toolkit.auth.errors import AuthError
from toolkit.escape import json_decode, utf8
from toolkit.wire.errors import excerpt

#: Seconds that the clocks of the provider and of this machine may be apart.
LEEWAY = 60.0
_PART = re.compile(r"[A-Za-z0-9_-]+")


def checked_claims(
    token: object, issuer: str, client_id: str, nonce: str | None, now: float
) -> dict[str, Any]:
    """Return the claims of an ID token that the provider itself has just given, by TLS.

    Such a token needs no check of its signature: TLS has shown whom it is from (§3.1.3.7,
    point 6). One that came in any other way must not be given to this function.

    Args:
        token: as the provider's answer has it.
        nonce: of the login; None where the token may be without it.
        now: as of `time.time`.
    Raises:
        AuthError: it cannot be read, or is not for this client, this login and this time.

    OpenID Connect Core 1.0 §3.1.3.7
    """
    claims = _read(token)
    _expect(claims.get("iss") == issuer, "iss", claims, excerpt(issuer))
    audiences = claims.get("aud")
    audiences = [audiences] if isinstance(audiences, str) else audiences
    good = isinstance(audiences, list) and client_id in audiences
    _expect(good, "aud", claims, excerpt(client_id))
    party = claims.get("azp")
    # One for several has to say for whom it was made.
    alone = party is None and len(audiences or ()) == 1
    _expect(alone or party == client_id, "azp", claims, excerpt(client_id))
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    _expect(now < expires + LEEWAY, "exp", claims, f"a time after {now:.0f}")
    _expect(issued <= now + LEEWAY, "iat", claims, f"a time before {now:.0f}")
    subject = claims.get("sub")
    _expect(isinstance(subject, str) and 0 < len(subject) <= 255, "sub", claims, "a name")
    if nonce is not None:
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(utf8(given), utf8(nonce)):
            raise AuthError("the nonce of the ID token is not that of the login")
    return claims


def check_same_user(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse an ID token of a refresh that is for another user.

    Raises:
        AuthError: it is.

    OpenID Connect Core 1.0 §12.2
    """
    if old and old.get("sub") != new.get("sub"):
        raise AuthError("the ID token of the refresh is for another user")


def _expect(good: bool, name: str, claims: Mapping[str, Any], allowed: str) -> None:
    if not good:
        seen = excerpt(str(claims[name])) if name in claims else "missing"
        raise AuthError(f"{name} of the ID token is {seen}; {allowed} is needed")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    good = isinstance(value, int | float) and not isinstance(value, bool)
    # Beyond this a whole number is no float any more.
    good = good and abs(value) < 2**53 and math.isfinite(value)  # type: ignore[arg-type]
    _expect(good, name, claims, "a time")
    return float(value)  # type: ignore[arg-type]  # it was looked at


def _read(token: object) -> dict[str, Any]:
    """Return the claims as they stand in a signed token.

    Raises:
        AuthError: it is none, or says that it has no signature.
    """
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        raise AuthError(f"the answer has an ID token of {len(parts)} parts; a signed one has three")
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm.lower() == "none" or not parts[2]:
        raise AuthError("the ID token is not signed")
    return claims


def _object(part: str) -> dict[str, Any]:
    try:
        if not _PART.fullmatch(part):
            raise ValueError("not base64url")
        value = json_decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise AuthError("the ID token cannot be read") from None
    if not isinstance(value, dict):
        raise AuthError(f"the ID token holds a {type(value).__name__}; an object is needed")
    return value
