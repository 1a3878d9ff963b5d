"""`OAuthMixin`: login by OAuth 1.0 and 1.0a (RFC 5849)."""

import base64
import hmac
import secrets
import time
from typing import Any, cast
from urllib.parse import urlencode, urljoin

from toolkit.auth.asking import ask, form_fields, place, with_query
from toolkit.auth.errors import AuthError
from toolkit.auth.signing import signature
from toolkit.escape import utf8
from toolkit.httpclient import AsyncHTTPClient, HTTPResponse
from toolkit.web import RequestHandler

#: Holds the request token while the user is at the provider.
_COOKIE = "_oauth_request_token"


class OAuthMixin:
    """Gives a `RequestHandler` login by OAuth 1.0 or 1.0a.

    A subclass sets the attributes and overrides `_oauth_consumer_token` and
    `_oauth_get_user_future`; `TwitterMixin` is one.

    Attributes:
        _OAUTH_REQUEST_TOKEN_URL, _OAUTH_AUTHORIZE_URL, _OAUTH_ACCESS_TOKEN_URL: the provider's.
        _OAUTH_VERSION: ``"1.0a"`` or ``"1.0"``.
        _OAUTH_NO_CALLBACKS: whether the provider takes no callback but a registered one.
    """

    _OAUTH_REQUEST_TOKEN_URL: str
    _OAUTH_AUTHORIZE_URL: str
    _OAUTH_ACCESS_TOKEN_URL: str
    _OAUTH_VERSION = "1.0a"
    _OAUTH_NO_CALLBACKS = False

    async def authorize_redirect(
        self,
        callback_uri: str | None = None,
        extra_params: dict[str, Any] | None = None,
        http_client: AsyncHTTPClient | None = None,
    ) -> None:
        """Get a request token, and send the user to the provider with it.

        The token waits in the cookie ``_oauth_request_token`` for `get_authenticated_user`.
        The request is finished.

        Args:
            callback_uri: where the user comes back to, relative to the request; None for what
                is registered. With ``"oob"`` the user is not redirected, but shown the URL.
            extra_params: more parameters for the request token.
            http_client: instead of that of `get_auth_http_client`.
        Raises:
            AuthError: the provider gives no token.
            ValueError: a `callback_uri` for a provider that takes none.
        """
        await self._oauth_redirect(
            self._OAUTH_AUTHORIZE_URL, callback_uri, extra_params, callback_uri, http_client
        )

    async def _oauth_redirect(
        self,
        authorize_url: str,
        callback_uri: str | None,
        extra_params: dict[str, Any] | None = None,
        shown_callback: str | None = None,
        http_client: AsyncHTTPClient | None = None,
    ) -> None:
        """Send the user to one of the provider's URLs with a new request token.

        Args:
            shown_callback: the callback as the user carries it, which 1.0 asks for.
        """
        if callback_uri and self._OAUTH_NO_CALLBACKS:
            raise ValueError(
                f"callback_uri {callback_uri!r}: this service does not support oauth_callback"
            )
        client = http_client or self.get_auth_http_client()
        response = await ask(client, self._oauth_request_token_url(callback_uri, extra_params))
        token = _token(response, self._OAUTH_REQUEST_TOKEN_URL)
        handler = cast(RequestHandler, self)
        handler.set_cookie(
            _COOKIE,
            "|".join(base64.b64encode(utf8(token[part])).decode() for part in ("key", "secret")),
            httponly=True,
            samesite="Lax",
            secure=handler.request.protocol == "https",
        )
        args = {"oauth_token": token["key"]}
        if shown_callback == "oob":
            handler.finish(with_query(authorize_url, urlencode(args)))
            return
        if shown_callback:
            args["oauth_callback"] = urljoin(handler.request.full_url(), shown_callback)
        handler.redirect(with_query(authorize_url, urlencode(args)))

    async def get_authenticated_user(
        self, http_client: AsyncHTTPClient | None = None
    ) -> dict[str, Any]:
        """Return the user who comes back from the provider.

        Returns:
            What `_oauth_get_user_future` gives, and the ``access_token`` with ``key``,
            ``secret`` and what else the provider said of it.
        Raises:
            AuthError: the user is not the one who was sent off, or the provider refuses.
        """
        handler = cast(RequestHandler, self)
        key = cast(str, handler.get_argument("oauth_token"))
        cookie = handler.get_cookie(_COOKIE)
        if not cookie:
            raise AuthError("Missing OAuth request token cookie")
        handler.clear_cookie(_COOKIE)
        token = _request_token(cookie)
        if not hmac.compare_digest(utf8(key), utf8(token["key"])):
            raise AuthError("Request token does not match cookie")
        verifier = handler.get_argument("oauth_verifier", None)
        if verifier:
            token["verifier"] = verifier
        client = http_client or self.get_auth_http_client()
        response = await ask(client, self._oauth_access_token_url(token))
        access_token = _token(response, self._OAUTH_ACCESS_TOKEN_URL)
        user = await self._oauth_get_user_future(access_token)
        if not user:
            raise AuthError("Error getting user")
        user["access_token"] = access_token
        return user

    def _oauth_request_token_url(
        self, callback_uri: str | None = None, extra_params: dict[str, Any] | None = None
    ) -> str:
        """Return the URL, signed, that gives a request token."""
        parameters = self._oauth_fields()
        if callback_uri and self._OAUTH_VERSION == "1.0a":
            handler = cast(RequestHandler, self)
            parameters["oauth_callback"] = (
                "oob"
                if callback_uri == "oob"
                else urljoin(handler.request.full_url(), callback_uri)
            )
        parameters.update(extra_params or {})
        return self._oauth_signed_url(self._OAUTH_REQUEST_TOKEN_URL, parameters, "")

    def _oauth_access_token_url(self, request_token: dict[str, Any]) -> str:
        """Return the URL, signed, that gives an access token.

        Args:
            request_token: ``key``, ``secret`` and, if there is one, ``verifier``.
        """
        parameters = {**self._oauth_fields(), "oauth_token": request_token["key"]}
        if "verifier" in request_token:
            parameters["oauth_verifier"] = request_token["verifier"]
        return self._oauth_signed_url(
            self._OAUTH_ACCESS_TOKEN_URL, parameters, request_token["secret"]
        )

    def _oauth_signed_url(self, url: str, parameters: dict[str, Any], token_secret: str) -> str:
        signed = self._oauth_signature("GET", url, parameters, token_secret)
        return with_query(url, urlencode({**parameters, "oauth_signature": signed}))

    def _oauth_signature(
        self, method: str, url: str, parameters: dict[str, Any], token_secret: str
    ) -> str:
        return signature(
            method,
            url,
            parameters,
            self._oauth_consumer_token()["secret"],
            token_secret,
            escaped=self._OAUTH_VERSION == "1.0a",
        )

    def _oauth_fields(self) -> dict[str, Any]:
        """Return the parameters of every request, with a new nonce."""
        return {
            "oauth_consumer_key": self._oauth_consumer_token()["key"],
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(time.time())),
            "oauth_nonce": secrets.token_hex(16),
            "oauth_version": "1.0",
        }

    def _oauth_consumer_token(self) -> dict[str, Any]:
        """Return the application's ``key`` and ``secret``; a subclass overrides it."""
        raise NotImplementedError

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        """Return what is known of the user that a token is for; a subclass overrides it."""
        raise NotImplementedError

    def _oauth_request_parameters(
        self,
        url: str,
        access_token: dict[str, Any],
        parameters: dict[str, Any] | None = None,
        method: str = "GET",
    ) -> dict[str, Any]:
        """Return the parameters, signature included, that a request needs beside its own.

        Args:
            access_token: with ``key`` and ``secret``.
            parameters: all of the query and of the form that will be sent.
        """
        fields = {**self._oauth_fields(), "oauth_token": access_token["key"]}
        fields["oauth_signature"] = self._oauth_signature(
            method, url, {**fields, **(parameters or {})}, access_token["secret"]
        )
        return fields

    def get_auth_http_client(self) -> AsyncHTTPClient:
        """Return the client for requests to the provider; may be overridden."""
        return AsyncHTTPClient()


def _token(response: HTTPResponse, url: str) -> dict[str, Any]:
    """Return a token as ``key``, ``secret`` and the other fields that the provider gave."""
    fields = form_fields(response, url)
    key, secret = fields.pop("oauth_token", ""), fields.pop("oauth_token_secret", None)
    if not key or secret is None:
        # Not even names of fields are shown: of another format they hold all of it.
        raise AuthError(
            f"{place(url)} answered {len(response.body)} bytes without oauth_token and "
            "oauth_token_secret"
        )
    return {**fields, "key": key, "secret": secret}


def _request_token(cookie: str) -> dict[str, Any]:
    """Read the cookie of a request token.

    Raises:
        AuthError: it is not one that `OAuthMixin` has set.
    """
    try:
        key, secret = (base64.b64decode(part, validate=True).decode() for part in cookie.split("|"))
    except ValueError:
        raise AuthError("The OAuth request token cookie cannot be read") from None
    return {"key": key, "secret": secret}
