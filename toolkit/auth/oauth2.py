"""`OAuth2Mixin`: login by OAuth 2 (RFC 6749) as the mixins for single providers use it."""

import warnings
from typing import Any, cast
from urllib.parse import urlencode

from toolkit.auth.asking import fetch, with_query
from toolkit.auth.attempts import Attempt, AttemptCookie, add_own, audience
from toolkit.escape import json_decode
from toolkit.httpclient import AsyncHTTPClient
from toolkit.httputil import url_concat
from toolkit.web import RequestHandler

_COOKIE = "oauth2_mixin"


class OAuth2Mixin:
    """Gives a `RequestHandler` login by OAuth 2.

    `GoogleOAuth2Mixin` and `FacebookGraphMixin` are ready to use. Where there is no such
    mixin, `OAuth2Client` needs no subclass, and does more.

    Attributes:
        _OAUTH_AUTHORIZE_URL, _OAUTH_ACCESS_TOKEN_URL: the provider's.
        _OAUTH_PKCE: whether logins have a ``state``, which is checked when the user comes
            back, and a proof key (RFC 7636). They should; it is off by default since programs
            written for Tornado may have a state of their own. It takes the setting
            ``cookie_secret``.
    """

    _OAUTH_AUTHORIZE_URL: str
    _OAUTH_ACCESS_TOKEN_URL: str
    _OAUTH_PKCE = False

    def authorize_redirect(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        extra_params: dict[str, Any] | None = None,
        scope: list[str] | None = None,
        response_type: str = "code",
    ) -> None:
        """Send the user to the provider; the request is finished.

        Args:
            redirect_uri: where the user comes back to; None for what is registered.
            client_id: of the application.
            client_secret: has no effect, and is not sent.
            extra_params: more parameters of the provider's URL.
            scope: what the application wants to be allowed.
            response_type: ``"code"`` where ``get_authenticated_user`` goes on.
        Raises:
            ValueError: with `_OAUTH_PKCE`, an extra parameter that is made here.
        """
        if client_secret is not None:
            warnings.warn(
                "client_secret has no effect in authorize_redirect", DeprecationWarning, 2
            )
        args: dict[str, Any] = {"response_type": response_type}
        if redirect_uri is not None:
            args["redirect_uri"] = redirect_uri
        if client_id is not None:
            args["client_id"] = client_id
        args.update(extra_params or {})
        if scope:
            args["scope"] = " ".join(scope)
        if self._OAUTH_PKCE:
            attempt = Attempt(audience(self._OAUTH_AUTHORIZE_URL, client_id or ""))
            add_own(args, attempt.parameters)
            self._oauth_cookie(redirect_uri).keep(attempt)
        handler = cast(RequestHandler, self)
        handler.redirect(url_concat(self._OAUTH_AUTHORIZE_URL, args))

    def _oauth_cookie(self, redirect_uri: str | None) -> AttemptCookie:
        handler = cast(RequestHandler, self)
        # The server may not know of the TLS in front of it; the URI tells.
        secure = (
            handler.request.protocol == "https"
            if redirect_uri is None
            else redirect_uri.startswith("https:")
        )
        return AttemptCookie(handler, _COOKIE, secure)

    def _oauth_proof(self, redirect_uri: str | None, client_id: str | None) -> dict[str, str]:
        """Return what proves to the provider that the login was begun here.

        For ``get_authenticated_user`` of a subclass, to add to the request for the token.
        Without `_OAUTH_PKCE` it is empty.

        Args:
            redirect_uri, client_id: as they were given to `authorize_redirect`.
        Raises:
            AuthError: it was not begun in this browser.
        """
        if not self._OAUTH_PKCE:
            return {}
        expected = audience(self._OAUTH_AUTHORIZE_URL, client_id or "")
        attempt = self._oauth_cookie(redirect_uri).take(expected)
        return {"code_verifier": attempt.verifier}

    def _oauth_request_token_url(
        self,
        redirect_uri: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        code: str | None = None,
        extra_params: dict[str, Any] | None = None,
    ) -> str:
        """Return the URL that gives an access token to a provider's client that asks by GET."""
        args: dict[str, Any] = {
            "redirect_uri": redirect_uri,
            "code": code,
            "client_id": client_id,
            "client_secret": client_secret,
            **(extra_params or {}),
        }
        given = {name: value for name, value in args.items() if value is not None}
        return url_concat(self._OAUTH_ACCESS_TOKEN_URL, given)

    async def oauth2_request(
        self,
        url: str,
        access_token: str | None = None,
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """Return the JSON value of the provider's answer to a request.

        Args:
            access_token: goes into the query.
            post_args: of a form to be posted; None for GET.
            args: of the query.
        Raises:
            HTTPClientError: an answer that is no success.
        """
        if access_token:
            args = {"access_token": access_token, **args}
        client = self.get_auth_http_client()
        url = with_query(url, urlencode(args))
        if post_args is None:
            response = await fetch(client, url)
        else:
            response = await fetch(client, url, method="POST", body=urlencode(post_args))
        return json_decode(response.body)

    def get_auth_http_client(self) -> AsyncHTTPClient:
        """Return the client for requests to the provider; may be overridden."""
        return AsyncHTTPClient()
