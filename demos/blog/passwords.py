"""Passwords, kept as hashes that cost memory and time to guess (scrypt, RFC 7914)."""

import asyncio
import hashlib
import hmac
import os

#: 16 MiB and some 50 ms for one guess.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
_MEMORY = 64 * 1024 * 1024
_SALT = 16


async def hash_password(password: str) -> bytes:
    """Return the salt and the hash of a password; a thread finds it out."""
    return await asyncio.to_thread(_hash, password, os.urandom(_SALT))


async def is_password(password: str, stored: bytes | None) -> bool:
    """Say whether a password is the one of which `hash_password` made this.

    None is no user's: it takes as long, so that nobody learns by time which users there are.
    """
    seen = await asyncio.to_thread(_hash, password, (stored or b"")[:_SALT] or bytes(_SALT))
    return hmac.compare_digest(seen, stored or b"")


def _hash(password: str, salt: bytes) -> bytes:
    return salt + hashlib.scrypt(
        password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY
    )
