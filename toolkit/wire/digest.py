"""Digest authentication: what a client answers to a challenge (RFC 7616)."""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

from toolkit.wire.challenges import Challenge

#: How each algorithm hashes. Those of a session hash the same way.
_HASHES: dict[str, Callable[[bytes], str]] = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_SESSION = "-sess"
#: Kinds of protection, the preferred one first: few servers know the other, and it needs the
#: whole content beforehand.
_QOPS = ("auth", "auth-int")


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """A challenge of the scheme Digest that can be answered.

    Attributes:
        algorithm: as the server wrote it, "" for MD5 that was not named.
        qop: ``auth``, ``auth-int``, or "" where the server knows none (RFC 2069).
        stale: whether only the nonce was too old, and not the password wrong.
        userhash: whether the name of the user is to be hidden.
        utf8: whether the server said that it takes names in UTF-8.
    """

    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str | None
    stale: bool
    userhash: bool
    utf8: bool

    @classmethod
    def chosen(cls, challenges: Iterable[Challenge]) -> "DigestChallenge | None":
        """Return the first challenge that can be answered (§3.7), None without any."""
        for challenge in challenges:
            read = cls._read(challenge.parameters) if challenge.scheme == "digest" else None
            if read is not None:
                return read
        return None

    @classmethod
    def _read(cls, parameters: dict[str, str]) -> "DigestChallenge | None":
        algorithm = parameters.get("algorithm", "")
        offered = [qop.strip(" \t").lower() for qop in parameters.get("qop", "").split(",")]
        qop = next((qop for qop in _QOPS if qop in offered), None if any(offered) else "")
        known = (algorithm or "md5").lower().removesuffix(_SESSION) in _HASHES
        if qop is None or not known or "realm" not in parameters or not parameters.get("nonce"):
            return None
        return cls(
            parameters["realm"],
            parameters["nonce"],
            algorithm,
            qop,
            parameters.get("opaque"),
            parameters.get("stale", "").lower() == "true",
            parameters.get("userhash", "").lower() == "true",
            parameters.get("charset", "").lower() == "utf-8",
        )

    @property
    def of_session(self) -> bool:
        """Whether the password goes into a hash with the first nonces alone (``-sess``)."""
        return self.algorithm.lower().endswith(_SESSION)

    def hash(self, *parts: bytes | str) -> str:
        """Return the hash, in hexadecimal, of parts with colons in between."""
        algorithm = (self.algorithm or "md5").lower().removesuffix(_SESSION)
        raw = [part.encode("latin-1") if isinstance(part, str) else part for part in parts]
        return _HASHES[algorithm](b":".join(raw))


def digest_authorization(
    challenge: DigestChallenge,
    user: str,
    password: str,
    *,
    method: str,
    target: str,
    content: bytes = b"",
    client_nonce: str,
    count: int,
) -> str:
    """Return the value of an Authorization field that answers a challenge.

    Args:
        method: of the request, and so `target`, as it stands in the request line, and
            `content`, which counts for ``auth-int``.
        client_nonce: hexadecimal digits that nobody can guess.
        count: how often the challenge's nonce was used, this time included.

    RFC 7616 §3.4
    """
    name, secret = (_normal(text).encode("utf-8") for text in (user, password))
    inner = challenge.hash(name, challenge.realm, secret)
    if challenge.of_session:
        inner = challenge.hash(inner, challenge.nonce, client_nonce)
    parts = [method, target]
    if challenge.qop == "auth-int":
        parts.append(challenge.hash(content))
    request = challenge.hash(*parts)
    use = [f"{count:08x}", client_nonce, challenge.qop] if challenge.qop else []
    response = challenge.hash(inner, challenge.nonce, *use, request)

    fields = [
        _user_field(challenge, name),
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(target)}",
        f'response="{response}"',
    ]
    if challenge.algorithm:
        fields.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    if challenge.qop:
        fields.append(f'qop={challenge.qop}, nc={count:08x}, cnonce="{client_nonce}"')
    elif challenge.of_session:
        fields.append(f'cnonce="{client_nonce}"')
    if challenge.userhash:
        fields.append("userhash=true")
    return f"Digest {', '.join(fields)}"


def _user_field(challenge: DigestChallenge, name: bytes) -> str:
    if challenge.userhash:
        return f'username="{challenge.hash(name, challenge.realm)}"'
    if challenge.utf8 and not name.isascii():
        return f"username*=UTF-8''{quote(name, safe='')}"
    return f"username={_quoted(name.decode('latin-1'))}"


def _normal(text: str) -> str:
    """Return a name or password as all who type it mean it (§4)."""
    return unicodedata.normalize("NFC", text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
