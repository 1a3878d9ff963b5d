"""Values that only we can have made: signed, with a time and the name that they are for.

Two versions are read; ``|`` separates their parts::

    value|time|signature                                        1: HMAC-SHA1
    2|1:0|10:1300000000|3:key|8:dmFsdWU=|signature              2: HMAC-SHA256

Version 2 says the length of each field, so that no byte can be moved from one to the next: the
version of the key, the time, the name, and the value in base64. Version 1 cannot tell a name from
the value behind it, and is only written when asked for.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from toolkit.escape import utf8
from toolkit.log import gen_log

MIN_SUPPORTED_SIGNED_VALUE_VERSION = 1
MAX_SUPPORTED_SIGNED_VALUE_VERSION = 2
#: The version that is written, and the oldest that is read, unless somebody says otherwise.
DEFAULT_SIGNED_VALUE_VERSION = 2
DEFAULT_SIGNED_VALUE_MIN_VERSION = 1

#: A key, or several by their version.
Secret = str | bytes | Mapping[int, str] | Mapping[int, bytes] | Mapping[int, str | bytes]

_DAY = 86400
#: Days that the clock of another of our machines may be ahead.
_MAX_AHEAD = 31

#: The version that a value names; one without is of version 1. Base64 is never that short.
_VERSION = re.compile(rb"([1-9][0-9]{0,2})\|")
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,6}):")
# No sign, no leading zero: each number is written in one way.
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,17}")


class SignedFields(NamedTuple):
    """The parts of a value of version 2; nothing says yet that they are ours."""

    key_version: int
    timestamp: bytes
    name: bytes
    value: bytes
    signed: bytes
    signature: bytes


def create_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes,
    version: int | None = None,
    clock: Callable[[], float] | None = None,
    key_version: int | None = None,
) -> bytes:
    """Return a value that `decode_signed_value` takes for the name alone.

    Args:
        secret: a key; or keys by their version, of which `key_version` names one.
        version: of the format; 2 when None.
        clock: seconds since the epoch; `time.time` when None.
    Raises:
        ValueError: another version, or keys without a key version of theirs.
    """
    if version is None:
        version = DEFAULT_SIGNED_VALUE_VERSION
    timestamp = str(int((clock or time.time)())).encode()
    encoded = base64.b64encode(utf8(value))
    if version == 1:
        signature = signature_v1(_only_key(secret), name, encoded, timestamp)
        return b"|".join([encoded, timestamp, signature])
    if version != 2:
        raise ValueError(f"signed value version {version!r}; 1 and 2 are allowed")
    key = _key(secret, key_version or 0)
    if key is None or (key_version is None and isinstance(secret, Mapping)):
        raise ValueError(f"key version {key_version!r}; one of the secrets has to have it")
    fields = [str(key_version or 0).encode(), timestamp, utf8(name), encoded]
    signed = b"|".join([b"2", *(b"%d:%b" % (len(field), field) for field in fields), b""])
    return signed + signature_v2(key, signed)


def decode_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes | None,
    max_age_days: float = 31,
    clock: Callable[[], float] | None = None,
    min_version: int | None = None,
) -> bytes | None:
    """Return what was signed; None unless it is ours, for this name, and not too old.

    Args:
        secret: the key, or all keys by their version.
        clock: seconds since the epoch; `time.time` when None.
        min_version: the oldest format to take; 1 when None.
    Raises:
        ValueError: a `min_version` that nothing can have.
    """
    if min_version is None:
        min_version = DEFAULT_SIGNED_VALUE_MIN_VERSION
    if min_version > MAX_SUPPORTED_SIGNED_VALUE_VERSION:
        raise ValueError(f"signed value version {min_version!r}; 1 and 2 are allowed")
    if not value:
        return None
    raw = utf8(value)
    version = version_of(raw)
    if version < min_version:
        return None
    now = (clock or time.time)()
    if version == 1:
        return _decode_v1(secret, name, raw, max_age_days, now)
    if version == 2:
        return _decode_v2(secret, name, raw, max_age_days, now)
    return None


def get_signature_key_version(value: str | bytes) -> int | None:
    """Return the version of the key that a value says it is signed by; None without one."""
    raw = utf8(value)
    fields = _split_v2(raw) if version_of(raw) == 2 else None
    return fields.key_version if fields else None


def version_of(value: bytes) -> int:
    """Return the version of the format that a value has, which may be one that is not known."""
    match = _VERSION.match(value)
    return int(match[1]) if match else 1


def signature_v1(secret: str | bytes, *parts: str | bytes) -> bytes:
    """Return the signature of version 1 over its parts, as hexadecimal digits."""
    digest = hmac.new(utf8(secret), digestmod=hashlib.sha1)
    for part in parts:
        digest.update(utf8(part))
    return digest.hexdigest().encode()


def signature_v2(secret: str | bytes, signed: bytes) -> bytes:
    """Return the signature of version 2, as hexadecimal digits."""
    return hmac.new(utf8(secret), utf8(signed), hashlib.sha256).hexdigest().encode()


def _only_key(secret: Secret) -> str | bytes:
    if isinstance(secret, Mapping):
        raise ValueError("signed values of version 1 have no key version, and so need one secret")
    return secret


def _key(secret: Secret, key_version: int) -> str | bytes | None:
    return secret.get(key_version) if isinstance(secret, Mapping) else secret


def _decode_v1(
    secret: Secret, name: str, value: bytes, max_age_days: float, now: float
) -> bytes | None:
    parts = value.split(b"|")
    if len(parts) != 3 or isinstance(secret, Mapping):
        return None
    encoded, timestamp, signature = parts
    if not hmac.compare_digest(signature, signature_v1(secret, name, encoded, timestamp)):
        gen_log.warning("Invalid cookie signature %r", value[:100])
        return None
    return _decoded(encoded) if _is_current(timestamp, value, max_age_days, now) else None


def _decode_v2(
    secret: Secret, name: str, value: bytes, max_age_days: float, now: float
) -> bytes | None:
    fields = _split_v2(value)
    key = _key(secret, fields.key_version) if fields else None
    if fields is None or key is None:
        return None
    if not hmac.compare_digest(fields.signature, signature_v2(key, fields.signed)):
        return None
    if fields.name != utf8(name):
        return None
    if not _is_current(fields.timestamp, value, max_age_days, now):
        return None
    return _decoded(fields.value)


def _split_v2(value: bytes) -> SignedFields | None:
    """Split a value of version 2; None when a length is not that of its field."""
    position = 2
    fields: list[bytes] = []
    for _ in range(4):
        length = _LENGTH.match(value, position)
        if length is None:
            return None
        end = length.end() + int(length[1])
        if value[end : end + 1] != b"|":
            return None
        fields.append(value[length.end() : end])
        position = end + 1
    key_version, timestamp, name, encoded = fields
    if not _NUMBER.fullmatch(key_version):
        return None
    signed, signature = value[:position], value[position:]
    return SignedFields(int(key_version), timestamp, name, encoded, signed, signature)


def _is_current(timestamp: bytes, value: bytes, max_age_days: float, now: float) -> bool:
    """Say whether a time is neither too long ago nor to come.

    One to come is what digits moved from the value into the time make of version 1.
    """
    if not _NUMBER.fullmatch(timestamp):
        return False
    made = int(timestamp)
    if made > now + _MAX_AHEAD * _DAY:
        gen_log.warning("Cookie timestamp in future; possible tampering %r", value[:100])
        return False
    return made >= now - max_age_days * _DAY


def _decoded(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
