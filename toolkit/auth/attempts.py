"""What a browser has to remember between the beginning of a login and its end."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from toolkit.auth.errors import AuthError
from toolkit.auth.pkce import code_challenge, code_verifier
from toolkit.escape import utf8
from toolkit.web import RequestHandler
from toolkit.wire.errors import excerpt

#: Seconds that a user has for the provider's pages.
LIFETIME = 600
_DAYS = LIFETIME / 86400


@dataclass(frozen=True)
class Attempt:
    """A login that was begun in one browser.

    It waits there in a signed cookie. So an answer of the provider that was meant for another
    browser, or which nobody has asked for, does not log anybody in here (RFC 6749 §10.12).

    Attributes:
        audience: whom it was begun with, so that the answer of another provider is not taken
            for it.
        next: the path that the user goes on to.
    """

    audience: str
    next: str = "/"
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=code_verifier, repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        """What the authorization request says of it."""
        return {
            "state": self.state,
            "code_challenge": code_challenge(self.verifier),
            "code_challenge_method": "S256",
        }


def audience(authorize_url: str, client_id: str) -> str:
    """Return a name for a provider and the application as it is known there."""
    return hashlib.sha256(utf8(f"{authorize_url} {client_id}")).hexdigest()


class AttemptCookie:
    """The cookie that an attempt waits in.

    Args:
        handler: its application has the setting ``cookie_secret``.
        name: of the cookie.
        secure: whether the site is reached by HTTPS. Then the cookie is the site's very own:
            no other host of the domain can put one in its place (6265bis §4.1.3.2).
    """

    def __init__(self, handler: RequestHandler, name: str, secure: bool) -> None:
        handler.require_setting("cookie_secret", "login by OAuth 2")
        self._handler = handler
        self._name = f"__Host-{name}" if secure else name
        self._attributes: dict[str, Any] = {
            "path": "/",
            "httponly": True,
            "secure": secure,
            # Not Strict: the user comes back by a link of the provider.
            "samesite": "Lax",
        }

    def keep(self, attempt: Attempt) -> None:
        """Put an attempt into the browser; an earlier one is given up."""
        self._handler.set_signed_cookie(
            self._name,
            json.dumps(vars(attempt)),
            expires_days=None,
            max_age=LIFETIME,
            **self._attributes,
        )

    def take(self, expected: str) -> Attempt:
        """Return the attempt that a request of the provider's answer belongs to; it is over.

        Args:
            expected: the audience.
        Raises:
            AuthError: there is none, it is too old, or the ``state`` is another one.
        """
        value = self._handler.get_signed_cookie(self._name, max_age_days=_DAYS)
        if value is None:
            raise AuthError(
                f"no login was begun in this browser within {LIFETIME} seconds: "
                f"there is no valid cookie {self._name}"
            )
        try:
            attempt = Attempt(**json.loads(value))
        except (TypeError, ValueError):  # of another version of the program
            raise AuthError(f"the cookie {self._name} cannot be read") from None
        if not hmac.compare_digest(utf8(attempt.audience), utf8(expected)):
            raise AuthError("the login was begun with another provider or client")
        state = single_argument(self._handler, "state")
        if not hmac.compare_digest(utf8(state), utf8(attempt.state)):
            raise AuthError(
                "the state of the answer is not that of the login begun in this browser"
            )
        self._handler.clear_cookie(self._name, **self._attributes)
        return attempt


def add_own(parameters: dict[str, Any], own: dict[str, str]) -> None:
    """Add to the parameters of a user those that a login cannot do without.

    Raises:
        ValueError: the user has given one of them.
    """
    if taken := own.keys() & parameters.keys():
        raise ValueError(f"parameters {', '.join(sorted(taken))} are set by the login itself")
    parameters.update(own)


def single_argument(handler: RequestHandler, name: str) -> str:
    """Return an argument of the query, "" without it.

    Raises:
        AuthError: it comes more than once (RFC 6749 §3.1).
    """
    values = handler.get_query_arguments(name, strip=False)
    if len(values) > 1:
        raise AuthError(f"the answer has {len(values)} values of {name}; one is allowed")
    return values[0] if values else ""


def answered_code(handler: RequestHandler) -> str:
    """Return the code that the provider's answer brings.

    Raises:
        AuthError: it brings an error, or no code (RFC 6749 §4.1.2.1).
    """
    error = single_argument(handler, "error")
    description = single_argument(handler, "error_description")
    if error:
        said = f", {excerpt(description)}" if description else ""
        raise AuthError(
            f"the provider refuses the login: {excerpt(error)}{said}",
            error=error,
            description=description,
        )
    code = single_argument(handler, "code")
    if not code:
        raise AuthError("the answer of the provider has neither a code nor an error")
    return code
