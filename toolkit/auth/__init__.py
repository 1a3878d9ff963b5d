"""Login by others: OAuth 2 and OpenID Connect, OAuth 1.0, OpenID 2.0.

`OAuth2Client` does a whole login with a provider of OAuth 2 or OpenID Connect. The mixins are
for a `web.RequestHandler`, and have the shape that Tornado gave them.
"""

from toolkit.auth.errors import AuthError, AuthHTTPError
from toolkit.auth.facebook import FacebookGraphMixin
from toolkit.auth.google import GOOGLE, GoogleOAuth2Mixin
from toolkit.auth.login import Login, OAuth2Client
from toolkit.auth.oauth1 import OAuthMixin
from toolkit.auth.oauth2 import OAuth2Mixin
from toolkit.auth.openid import OpenIdMixin
from toolkit.auth.pkce import code_challenge, code_verifier
from toolkit.auth.providers import Provider, discover
from toolkit.auth.redirects import local_path
from toolkit.auth.tokens import Tokens
from toolkit.auth.twitter import TwitterMixin

__all__ = [
    "GOOGLE",
    "AuthError",
    "AuthHTTPError",
    "FacebookGraphMixin",
    "GoogleOAuth2Mixin",
    "Login",
    "OAuth2Client",
    "OAuth2Mixin",
    "OAuthMixin",
    "OpenIdMixin",
    "Provider",
    "Tokens",
    "TwitterMixin",
    "code_challenge",
    "code_verifier",
    "discover",
    "local_path",
]
