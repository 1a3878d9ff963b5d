"""`FacebookGraphMixin`."""

import hashlib
import hmac
from typing import Any

from toolkit.auth.asking import ask, json_object, place
from toolkit.auth.errors import AuthError
from toolkit.auth.oauth2 import OAuth2Mixin
from toolkit.escape import utf8

_FIELDS = ("id", "name", "first_name", "last_name", "locale", "picture", "link")


class FacebookGraphMixin(OAuth2Mixin):
    """Gives a `RequestHandler` login by Facebook.

    Example::

        class LoginHandler(RequestHandler, FacebookGraphMixin):
            _OAUTH_PKCE = True

            async def get(self):
                uri = "https://www.example.com/login"
                key = self.settings["facebook_api_key"]
                if self.get_argument("code", None):
                    secret = self.settings["facebook_secret"]
                    code = self.get_argument("code")
                    user = await self.get_authenticated_user(uri, key, secret, code)
                    self.set_signed_cookie("user", user["id"])
                    self.redirect("/")
                else:
                    self.authorize_redirect(uri, key, extra_params={"scope": "email"})
    """

    _OAUTH_ACCESS_TOKEN_URL = "https://graph.facebook.com/oauth/access_token?"
    _OAUTH_AUTHORIZE_URL = "https://www.facebook.com/dialog/oauth?"
    _OAUTH_NO_CALLBACKS = False
    _FACEBOOK_BASE_URL = "https://graph.facebook.com"

    async def get_authenticated_user(
        self,
        redirect_uri: str,
        client_id: str,
        client_secret: str,
        code: str,
        extra_fields: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Return the user who comes back from Facebook.

        Args:
            redirect_uri, client_id: as they were given to `authorize_redirect`.
            client_secret: of the application.
            code: that the user brought back.
            extra_fields: names of more fields, in any collection.
        Returns:
            ``id``, ``name``, ``first_name``, ``last_name``, ``locale``, ``picture``, ``link``
            and the extra fields, each None if Facebook does not tell it, the ``access_token``,
            and ``session_expires``: seconds as text, None if they are not told. None for no
            user at all.
        Raises:
            AuthError: Facebook refuses, or the login was not begun in this browser.
            HTTPClientError: the token is good, but the user is not told.
        """
        proof = self._oauth_proof(redirect_uri, client_id)
        url = self._oauth_request_token_url(redirect_uri, client_id, client_secret, code, proof)
        session = json_object(await ask(self.get_auth_http_client(), url), url)
        token = session.get("access_token")
        if not isinstance(token, str):
            raise AuthError(
                f"{place(url)} answered without an access_token; "
                f"its fields: {', '.join(session)[:100] or 'none'}"
            )
        fields = [*_FIELDS, *(name for name in extra_fields or () if name not in _FIELDS)]
        user = await self.facebook_request(
            "/me",
            access_token=token,
            # Shows Facebook that the token has not been stolen from here.
            appsecret_proof=hmac.digest(utf8(client_secret), utf8(token), hashlib.sha256).hex(),
            fields=",".join(fields),
        )
        if user is None:
            return None
        expires = session.get("expires_in")
        return {
            **{name: user.get(name) for name in fields},
            "access_token": token,
            "session_expires": None if expires is None else str(expires),
        }

    async def facebook_request(
        self,
        path: str,
        access_token: str | None = None,
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """Return the JSON value of Facebook's answer to a request.

        Args:
            path: such as ``"/me/feed"``.

        The others, and errors, are those of `oauth2_request`.
        """
        url = self._FACEBOOK_BASE_URL + path
        return await self.oauth2_request(url, access_token, post_args, **args)
