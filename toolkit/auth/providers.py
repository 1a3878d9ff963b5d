"""`Provider`, and how to find out about one (OpenID Connect Discovery 1.0)."""

import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from toolkit.auth.asking import ask, json_object, place
from toolkit.auth.errors import AuthError
from toolkit.httpclient import AsyncHTTPClient
from toolkit.wire.errors import excerpt


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Somebody who knows users, by OAuth 2 or OpenID Connect.

    Attributes:
        authorize_url: the users are sent there.
        token_url: gives tokens for codes.
        issuer: its name in OpenID Connect, a URL; None where it has only OAuth 2.
        userinfo_url: tells of the user that a token is for; None without one.
        states_issuer: whether its answers always bring the issuer (RFC 9207).
    Raises:
        ValueError: a URL that is not of HTTPS, but for those of this machine, or that has a
            fragment or a user; `states_issuer` without an issuer.
    """

    authorize_url: str
    token_url: str
    issuer: str | None = None
    userinfo_url: str | None = None
    states_issuer: bool = False

    def __post_init__(self) -> None:
        check_url(self.authorize_url, "authorize_url")
        check_url(self.token_url, "token_url")
        if self.issuer is not None:
            check_url(self.issuer, "issuer")
        elif self.states_issuer:
            raise ValueError("states_issuer without an issuer")
        if self.userinfo_url is not None:
            check_url(self.userinfo_url, "userinfo_url")


def check_url(url: str, name: str) -> None:
    """Refuse a URL that secrets must not go to.

    Raises:
        ValueError: as for `Provider`.
    """
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))
    if not safe or not parts.hostname or parts.fragment or parts.username is not None:
        raise ValueError(
            f"{name} is {place(url)}; it has to be https://host..., without a user or fragment"
        )


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


async def discover(issuer: str, http_client: AsyncHTTPClient | None = None) -> Provider:
    """Return a provider as it describes itself; to be called once, when the program starts.

    Args:
        issuer: as ``"https://accounts.google.com"``.
        http_client: instead of the usual one.
    Raises:
        AuthError: the description cannot be had, or is that of another issuer.
        ValueError: an issuer that is not of HTTPS.

    OpenID Connect Discovery 1.0 §4
    """
    check_url(issuer, "issuer")
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    client = http_client or AsyncHTTPClient()
    headers = {"Accept": "application/json"}
    description = json_object(await ask(client, url, headers=headers, validate_cert=True), url)
    if description.get("issuer") != issuer:
        raise AuthError(
            f"{place(url)} describes issuer {_shown(description.get('issuer'))}, "
            f"not {excerpt(issuer)}"
        )
    try:
        return Provider(
            issuer=issuer,
            authorize_url=_url_of(description, "authorization_endpoint"),
            token_url=_url_of(description, "token_endpoint"),
            userinfo_url=(
                _url_of(description, "userinfo_endpoint")
                if description.get("userinfo_endpoint") is not None
                else None
            ),
            states_issuer=description.get("authorization_response_iss_parameter_supported") is True,
        )
    except ValueError as error:
        raise AuthError(f"{place(url)} is no good: {error}") from None


def _url_of(description: dict[str, Any], name: str) -> str:
    value = description.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_shown(value)}; a URL is needed")
    return value


def _shown(value: object) -> str:
    return excerpt(value) if isinstance(value, str) else f"a {type(value).__name__}"
