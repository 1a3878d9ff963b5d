"""`OAuth2Client`: a whole login, from the first redirect to the tokens and their renewal."""

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus, urlencode

from toolkit.auth.asking import FORM, ask, fetch, json_object, place
from toolkit.auth.attempts import (
    Attempt,
    AttemptCookie,
    add_own,
    answered_code,
    audience,
    single_argument,
)
from toolkit.auth.errors import AuthError
from toolkit.auth.id_token import check_same_user, checked_claims
from toolkit.auth.providers import Provider, check_url
from toolkit.auth.redirects import local_path
from toolkit.auth.tokens import Tokens, read_tokens
from toolkit.escape import json_decode, utf8
from toolkit.httpclient import AsyncHTTPClient
from toolkit.httputil import url_concat
from toolkit.web import RequestHandler
from toolkit.wire.errors import excerpt

_JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class Login:
    """A login that has succeeded.

    Attributes:
        tokens: of the user.
        next: the path on this site that the user goes on to.
    """

    tokens: Tokens
    next: str


@dataclass(frozen=True, kw_only=True, eq=False)
class OAuth2Client:
    """An application as a provider knows it; logs users in by OAuth 2 and OpenID Connect.

    Example::

        client = OAuth2Client(
            provider=GOOGLE,
            client_id="...",
            client_secret="...",
            redirect_uri="https://www.example.com/login",
            scope=("openid", "email"),
        )

        class LoginHandler(RequestHandler):
            async def get(self):
                if not self.get_query_argument("state", None):
                    client.begin_login(self, next=self.get_query_argument("next", None))
                    return
                try:
                    login = await client.complete_login(self)
                except AuthError as error:
                    raise HTTPError(403, "%s", error)
                self.set_signed_cookie("user", login.tokens.claims["sub"])
                self.redirect(login.next)

    Each login has a ``state``, a proof key (RFC 7636) and, with ``openid`` in the scope, a
    ``nonce``. They wait in a signed cookie, so the application needs the setting
    ``cookie_secret``. One login at a time can be under way in a browser, for ten minutes.

    Args:
        provider: made by hand, by `discover`, or `GOOGLE`.
        client_id: that the provider gave out.
        client_secret: the same; None for a client that has none.
        redirect_uri: where users come back to, as it is registered; a page of the same host
            as the one that begins the login.
        scope: what to ask for. With ``"openid"`` the provider has to give an ID token.
        secret_in_body: whether the secret goes into the form instead of the header
            Authorization, for providers that want it so.
        http_client: instead of the usual one.
        cookie_name: to be changed where two clients on one host must not be in each other's
            way.
    Raises:
        ValueError: a `redirect_uri` that is not of HTTPS, but for those of this machine;
            ``openid`` without an issuer.
    """

    provider: Provider
    client_id: str
    redirect_uri: str
    client_secret: str | None = field(default=None, repr=False)
    scope: Sequence[str] = ()
    secret_in_body: bool = False
    http_client: AsyncHTTPClient | None = None
    cookie_name: str = "oauth2_login"

    def __post_init__(self) -> None:
        check_url(self.redirect_uri, "redirect_uri")
        if isinstance(self.scope, str):
            raise ValueError(f"scope is {excerpt(self.scope)}; a sequence of names is needed")
        if "openid" in self.scope and self.provider.issuer is None:
            raise ValueError("scope has openid, for which the provider needs an issuer")

    # -- the login -----------------------------------------------------------------------

    def begin_login(
        self, handler: RequestHandler, next: str | None = None, **parameters: str
    ) -> None:
        """Send the user to the provider; the request is finished.

        Args:
            next: the path that the user wants to go on to; without one, and for anything
                that is no path on this site, it is ``/``.
            parameters: more of them for the provider, as ``prompt="consent"``.
        Raises:
            ValueError: a parameter that is made here.
        """
        attempt = Attempt(self._audience, local_path(next))
        ours = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            **attempt.parameters,
        }
        if self.scope:
            ours["scope"] = " ".join(self.scope)
        if "openid" in self.scope:
            ours["nonce"] = attempt.nonce
        add_own(parameters, ours)
        self._cookie(handler).keep(attempt)
        handler.set_header("Cache-Control", "no-store")
        handler.redirect(url_concat(self.provider.authorize_url, parameters))

    async def complete_login(self, handler: RequestHandler) -> Login:
        """Return the login of a user who comes back from the provider.

        What the handler answers then tells no other site the URL with the code in it.

        Raises:
            AuthError: the provider or the user refused, or the login was not begun in this
                browser, or what came back is not to be believed.
        """
        handler.set_header("Referrer-Policy", "no-referrer")
        handler.set_header("Cache-Control", "no-store")
        attempt = self._cookie(handler).take(self._audience)
        self._check_issuer(handler)
        answer = await self._ask_token(
            {
                "grant_type": "authorization_code",
                "code": answered_code(handler),
                "redirect_uri": self.redirect_uri,
                "code_verifier": attempt.verifier,
            }
        )
        now = time.time()
        tokens = read_tokens(answer, tuple(self.scope), now)
        if "openid" in self.scope:
            tokens = replace(tokens, claims=self._claims(answer, attempt.nonce, now))
        return Login(tokens, attempt.next)

    async def refresh(self, tokens: Tokens) -> Tokens:
        """Return new tokens for old ones.

        What the provider does not give anew is kept. Where it gives a new refresh token, the
        old one may be used up.

        Raises:
            AuthError: the provider refuses, as when the user has withdrawn the permission, or
                there is no refresh token.

        RFC 6749 §6
        """
        if tokens.refresh_token is None:
            raise AuthError("the tokens cannot be refreshed: there is no refresh_token")
        answer = await self._ask_token(
            {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        )
        now = time.time()
        new = read_tokens(answer, tokens.scope, now)
        claims = tokens.claims
        if "openid" in self.scope and answer.get("id_token") is not None:
            claims = self._claims(answer, None, now)
            check_same_user(tokens.claims, claims)
        return replace(new, refresh_token=new.refresh_token or tokens.refresh_token, claims=claims)

    # -- with the tokens -----------------------------------------------------------------

    async def userinfo(self, tokens: Tokens) -> dict[str, Any]:
        """Return what the provider tells of the user.

        Raises:
            AuthError: it does not, or tells of another user than the ID token.
            ValueError: the provider has no `userinfo_url`.

        OpenID Connect Core 1.0 §5.3
        """
        url = self.provider.userinfo_url
        if url is None:
            raise ValueError("the provider has no userinfo_url")
        user = json_object(await ask(self._http(), url, headers=_bearer(tokens)), url)
        if tokens.claims and user.get("sub") != tokens.claims["sub"]:
            raise AuthError(f"{place(url)} tells of another user than the ID token")
        return user

    async def fetch_json(
        self, url: str, tokens: Tokens, post_args: Mapping[str, Any] | None = None, **args: Any
    ) -> Any:
        """Return the JSON value of an answer to a request for the user.

        Args:
            url: to which the user's token may be shown; a redirect is not followed.
            post_args: of a form to be posted; None for GET.
            args: of the query.
        Raises:
            HTTPClientError: an answer that is no success.
            ValueError: a URL that is not of HTTPS, but for those of this machine.

        RFC 6750 §2.1
        """
        check_url(url, "url")
        options: dict[str, Any] = {"headers": _bearer(tokens), "follow_redirects": False}
        if post_args is not None:
            options |= {"method": "POST", "body": urlencode(post_args)}
            options["headers"] |= FORM
        response = await fetch(self._http(), url_concat(url, args), **options)
        return json_decode(response.body)

    # -- parts ---------------------------------------------------------------------------

    @property
    def _audience(self) -> str:
        return audience(self.provider.authorize_url, self.client_id)

    def _cookie(self, handler: RequestHandler) -> AttemptCookie:
        return AttemptCookie(handler, self.cookie_name, self.redirect_uri.startswith("https:"))

    def _http(self) -> AsyncHTTPClient:
        return self.http_client or AsyncHTTPClient()

    def _check_issuer(self, handler: RequestHandler) -> None:
        """Refuse the answer of another provider than the one that was asked.

        RFC 9207 §2.4
        """
        seen, expected = single_argument(handler, "iss"), self.provider.issuer
        stated = bool(seen) or self.provider.states_issuer
        if stated and expected is not None and seen != expected:
            raise AuthError(
                f"the answer is of issuer {excerpt(seen)}; {excerpt(expected)} was asked"
            )

    async def _ask_token(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the provider answers to a request for tokens.

        RFC 6749 §2.3.1
        """
        headers = {**FORM, **_JSON}
        if self.client_secret is not None and not self.secret_in_body:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(utf8(pair)).decode("ascii")
        else:
            form["client_id"] = self.client_id
            if self.client_secret is not None:
                form["client_secret"] = self.client_secret
        url = self.provider.token_url
        response = await ask(
            self._http(),
            url,
            method="POST",
            headers=headers,
            body=urlencode(form),
            # An ID token in the answer is believed because of it.
            validate_cert=True,
        )
        return json_object(response, url)

    def _claims(self, answer: Mapping[str, Any], nonce: str | None, now: float) -> dict[str, Any]:
        assert self.provider.issuer is not None  # seen to when the client was made
        return checked_claims(
            answer.get("id_token"), self.provider.issuer, self.client_id, nonce, now
        )


def _bearer(tokens: Tokens) -> dict[str, str]:
    return {**_JSON, "Authorization": f"Bearer {tokens.access_token}"}
