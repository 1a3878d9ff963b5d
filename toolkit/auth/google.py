"""`GoogleOAuth2Mixin`, and Google as a `Provider`."""

from typing import Any, cast
from urllib.parse import urlencode

from toolkit.auth.asking import FORM, ask, json_object
from toolkit.auth.oauth2 import OAuth2Mixin
from toolkit.auth.providers import Provider
from toolkit.web import RequestHandler

#: For `OAuth2Client`; as Google's discovery document has it.
GOOGLE = Provider(
    issuer="https://accounts.google.com",
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",
    userinfo_url="https://openidconnect.googleapis.com/v1/userinfo",
)


class GoogleOAuth2Mixin(OAuth2Mixin):
    """Gives a `RequestHandler` login by Google.

    The application's settings have ``google_oauth``, a dict with the client's ID as ``key`` and
    its ``secret``, which Google gives out with the registration of the redirect URI.

    Example::

        class LoginHandler(RequestHandler, GoogleOAuth2Mixin):
            _OAUTH_PKCE = True

            async def get(self):
                uri = "https://www.example.com/login"
                if self.get_argument("code", None):
                    access = await self.get_authenticated_user(uri, self.get_argument("code"))
                    user = await self.oauth2_request(
                        self._OAUTH_USERINFO_URL, access_token=access["access_token"]
                    )
                    self.set_signed_cookie("user", user["id"])
                    self.redirect("/")
                else:
                    self.authorize_redirect(
                        uri, self.get_google_oauth_settings()["key"], scope=["profile", "email"]
                    )
    """

    _OAUTH_AUTHORIZE_URL = "https://accounts.google.com/o/oauth2/v2/auth"
    _OAUTH_ACCESS_TOKEN_URL = "https://www.googleapis.com/oauth2/v4/token"
    _OAUTH_USERINFO_URL = "https://www.googleapis.com/oauth2/v1/userinfo"
    _OAUTH_NO_CALLBACKS = False
    _OAUTH_SETTINGS_KEY = "google_oauth"

    def get_google_oauth_settings(self) -> dict[str, str]:
        """Return the client's ``key`` and ``secret``; may be overridden."""
        handler = cast(RequestHandler, self)
        handler.require_setting(self._OAUTH_SETTINGS_KEY, "Google OAuth")
        return cast(dict[str, str], handler.settings[self._OAUTH_SETTINGS_KEY])

    async def get_authenticated_user(
        self,
        redirect_uri: str,
        code: str,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> dict[str, Any]:
        """Return what Google gives for a code: ``access_token`` and more, none of it the user's.

        Args:
            redirect_uri: as it was given to `authorize_redirect`.
            code: that the user brought back.
            client_id, client_secret: instead of those in the settings.
        Raises:
            AuthError: Google refuses, or the login was not begun in this browser.
        """
        if client_id is None or client_secret is None:
            settings = self.get_google_oauth_settings()
            client_id = settings["key"] if client_id is None else client_id
            client_secret = settings["secret"] if client_secret is None else client_secret
        form = {
            "redirect_uri": redirect_uri,
            "code": code,
            "client_id": client_id,
            "client_secret": client_secret,
            "grant_type": "authorization_code",
            **self._oauth_proof(redirect_uri, client_id),
        }
        url = self._OAUTH_ACCESS_TOKEN_URL
        client = self.get_auth_http_client()
        response = await ask(client, url, method="POST", headers=FORM, body=urlencode(form))
        return json_object(response, url)
