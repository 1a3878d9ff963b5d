"""`TwitterMixin`: version 1.1 of Twitter's API."""

from typing import Any, cast
from urllib.parse import urlencode

from toolkit.auth.asking import fetch, with_query
from toolkit.auth.oauth1 import OAuthMixin
from toolkit.escape import json_decode
from toolkit.web import RequestHandler


class TwitterMixin(OAuthMixin):
    """Gives a `RequestHandler` login by Twitter, with OAuth 1.0a.

    The application's settings have ``twitter_consumer_key`` and ``twitter_consumer_secret``.
    A user has ``username``, ``access_token`` and what Twitter knows. For existing programs:
    Twitter has left this version of its API behind.

    Example::

        class LoginHandler(RequestHandler, TwitterMixin):
            async def get(self):
                if self.get_argument("oauth_token", None):
                    user = await self.get_authenticated_user()
                    self.set_signed_cookie("user", user["username"])
                    self.redirect("/")
                else:
                    await self.authorize_redirect()
    """

    _OAUTH_REQUEST_TOKEN_URL = "https://api.twitter.com/oauth/request_token"
    _OAUTH_ACCESS_TOKEN_URL = "https://api.twitter.com/oauth/access_token"
    _OAUTH_AUTHORIZE_URL = "https://api.twitter.com/oauth/authorize"
    _OAUTH_AUTHENTICATE_URL = "https://api.twitter.com/oauth/authenticate"
    _OAUTH_NO_CALLBACKS = False
    _TWITTER_BASE_URL = "https://api.twitter.com/1.1"

    async def authenticate_redirect(self, callback_uri: str | None = None) -> None:
        """Send the user to Twitter, as `authorize_redirect`.

        One who has allowed it before is sent back at once.
        """
        await self._oauth_redirect(self._OAUTH_AUTHENTICATE_URL, callback_uri)

    async def twitter_request(
        self,
        path: str,
        access_token: dict[str, Any],
        post_args: dict[str, Any] | None = None,
        **args: Any,
    ) -> Any:
        """Return the JSON value of Twitter's answer to a request.

        Args:
            path: such as ``"/statuses/update"``, without ``.json``; or a whole URL.
            access_token: of a user.
            post_args: of a form to be posted; None for GET.
            args: of the query.
        Raises:
            HTTPClientError: an answer that is no success.
        """
        absolute = path.startswith(("http://", "https://"))
        url = path if absolute else f"{self._TWITTER_BASE_URL}{path}.json"
        method = "GET" if post_args is None else "POST"
        args.update(
            self._oauth_request_parameters(
                url, access_token, {**args, **(post_args or {})}, method=method
            )
        )
        client = self.get_auth_http_client()
        url = with_query(url, urlencode(args))
        if post_args is None:
            response = await fetch(client, url)
        else:
            response = await fetch(client, url, method="POST", body=urlencode(post_args))
        return json_decode(response.body)

    def _oauth_consumer_token(self) -> dict[str, Any]:
        handler = cast(RequestHandler, self)
        handler.require_setting("twitter_consumer_key", "Twitter OAuth")
        handler.require_setting("twitter_consumer_secret", "Twitter OAuth")
        return {
            "key": handler.settings["twitter_consumer_key"],
            "secret": handler.settings["twitter_consumer_secret"],
        }

    async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> dict[str, Any]:
        user: dict[str, Any] = await self.twitter_request(
            "/account/verify_credentials", access_token=access_token
        )
        if user:
            user["username"] = user["screen_name"]
        return user
