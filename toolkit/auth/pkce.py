"""Proof keys for code exchange (RFC 7636): a stolen code alone gives no tokens."""

import base64
import hashlib
import secrets


def code_verifier() -> str:
    """Return a new secret of 256 bits, which stays here until the code is exchanged."""
    return secrets.token_urlsafe(32)


def code_challenge(verifier: str) -> str:
    """Return what of a verifier is told at the beginning, by the method S256.

    RFC 7636 §4.2
    """
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
