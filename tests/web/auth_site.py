"""A provider of OAuth 2 and OpenID Connect, and browsers that log in by it."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from tests.http.client import Answer, Serve, Site
from toolkit.auth import AuthError, OAuth2Client, Provider
from toolkit.web import HTTPError, RequestHandler

CLIENT_ID = "client:1 %"
SECRET = "s3cret/of the application"
COOKIE_SECRET = "a secret for the cookies of tests"


def query_of(url: str | None) -> dict[str, str]:
    """Return the arguments of a URL, each of which is there once."""
    pairs = parse_qsl(urlsplit(url or "").query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), url
    return dict(pairs)


def path_of(url: str | None) -> str:
    """Return what of a URL goes into a request line."""
    parts = urlsplit(url or "")
    return f"{parts.path}?{parts.query}"


class Browser:
    """Asks one site, and keeps its cookies.

    Attributes:
        set_cookies: lines of the last answer.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    async def get(self, target: str) -> Answer:
        """Ask for a target of the site."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.site.get(target, f"Cookie: {cookies}\r\n" if cookies else "")
        self.set_cookies = answer.all("set-cookie")
        for line in self.set_cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if value in ("", '""'):
                del self.cookies[name]
        return answer


class Idp:
    """A provider that does what the RFCs ask of one; a test may have it do something else.

    Attributes:
        site: where it is.
        asked: forms that came to its token endpoint, all that reached it.
        change: is given each answer with tokens, and the ID token's claims, before it goes.
        answer: instead of all that, what the token endpoint does.
        states_issuer: whether its answers to browsers bring the issuer.
        user: what it tells of the user.
    """

    def __init__(self, serve: Serve, **options: Any) -> None:
        self.asked: list[dict[str, str]] = []
        self.change: Callable[[dict[str, Any], dict[str, Any]], None] = lambda answer, claims: None
        self.answer: Callable[[RequestHandler], Any] | None = None
        self.description: dict[str, Any] = {}
        self.states_issuer = False
        self.user: dict[str, Any] = {"sub": "user-1", "name": "Ada"}
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            ("/authorize", AuthorizeHandler, {"idp": self}),
            ("/token", TokenHandler, {"idp": self}),
            ("/userinfo", UserHandler, {"idp": self}),
            ("/tenant/.well-known/openid-configuration", DescriptionHandler, {"idp": self}),
        ]
        self.site = serve(routes, **options)
        scheme = "https" if "ssl_options" in options else "http"
        self.url = f"{scheme}://127.0.0.1:{self.site.address[1]}"
        self.issuer = f"{self.url}/tenant"

    @property
    def provider(self) -> Provider:
        """The provider as its clients know it."""
        return Provider(
            issuer=self.issuer,
            authorize_url=f"{self.url}/authorize?tenant=1",
            token_url=f"{self.url}/token",
            userinfo_url=f"{self.url}/userinfo",
        )

    def client(self, **changes: Any) -> OAuth2Client:
        """Return an application that is registered here."""
        options: dict[str, Any] = {
            "provider": self.provider,
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "redirect_uri": "http://localhost/login?from=idp",
            "scope": ("openid", "email"),
        }
        return OAuth2Client(**{**options, **changes})

    def code_for(self, request: dict[str, str]) -> str:
        """Return a code for an authorization request that a user has granted."""
        code = f"code-{len(self._codes)}"
        self._codes[code] = request
        return code

    def redeem(self, form: dict[str, str]) -> dict[str, str] | None:
        """Return the request that a code is for, which is good once, and for whoever began it."""
        request = self._codes.pop(form["code"])
        assert form["redirect_uri"] == request["redirect_uri"]
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return request if challenge == request.get("code_challenge", challenge) else None


class IdpHandler(RequestHandler):
    def initialize(self, idp: Idp) -> None:
        self.idp = idp


class AuthorizeHandler(IdpHandler):
    """The user grants all that is asked for."""

    def get(self) -> None:
        request = query_of(self.request.uri)
        assert request["response_type"] == "code"
        assert request.get("code_challenge_method", "S256") == "S256"
        answer = {"code": self.idp.code_for(request)}
        if "state" in request:
            answer["state"] = request["state"]
        if self.idp.states_issuer:
            answer["iss"] = self.idp.issuer
        uri = request["redirect_uri"]
        self.redirect(f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}")


class TokenHandler(IdpHandler):
    async def post(self) -> None:
        form = dict(parse_qsl(self.request.body.decode(), strict_parsing=True))
        self.idp.asked.append(form)
        if self.idp.answer is not None:
            waits = self.idp.answer(self)
            if waits is not None:
                await waits
            return
        header = self.request.headers.get("Authorization")
        if header is None:
            assert form["client_id"] == CLIENT_ID
        else:
            pair = base64.b64decode(header.removeprefix("Basic ")).decode()
            assert pair == f"{quote_plus(CLIENT_ID)}:{quote_plus(SECRET)}"
            assert not form.keys() & {"client_id", "client_secret"}
        nonce = None
        if form["grant_type"] == "authorization_code":
            request = self.idp.redeem(form)
            if request is None:
                self.set_status(400)
                self.write({"error": "invalid_grant"})
                return
            nonce = request.get("nonce")
        else:
            assert form["refresh_token"].startswith("refresh-")
        number = len(self.idp.asked)
        answer: dict[str, Any] = {
            "access_token": f"access-{number}",
            "token_type": "bearer",
            "expires_in": 3600,
            "refresh_token": f"refresh-{number}",
        }
        claims = {
            "iss": self.idp.issuer,
            "aud": CLIENT_ID,
            "sub": self.idp.user["sub"],
            "iat": time.time(),
            "exp": time.time() + 300,
            **({"nonce": nonce} if nonce else {}),
        }
        answer["id_token"] = None
        self.idp.change(answer, claims)
        if answer["id_token"] is None:
            answer["id_token"] = id_token(claims)
        self.write({name: value for name, value in answer.items() if value is not None})


class UserHandler(IdpHandler):
    def get(self) -> None:
        token = self.request.headers.get("Authorization", "")
        if not token.startswith("Bearer access-"):
            raise HTTPError(401)
        self.write({**self.idp.user, "asked": query_of(self.request.uri)})

    def post(self) -> None:
        self.write({"form": dict(parse_qsl(self.request.body.decode()))})


class DescriptionHandler(IdpHandler):
    def get(self) -> None:
        description = {
            "issuer": self.idp.issuer,
            "authorization_endpoint": f"{self.idp.url}/authorize",
            "token_endpoint": f"{self.idp.url}/token",
            "userinfo_endpoint": f"{self.idp.url}/userinfo",
            **self.idp.description,
        }
        self.write({name: value for name, value in description.items() if value is not None})


def encoded(value: Any) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def id_token(claims: Any, header: Any = None, signature: str = "c2ln") -> str:
    """Return an ID token with a signature that nobody will look at."""
    return f"{encoded(header or {'alg': 'RS256'})}.{encoded(claims)}.{signature}"


def login_handler(client: OAuth2Client) -> type[RequestHandler]:
    """Return a login page that shows what came of a login."""

    class LoginHandler(RequestHandler):
        async def get(self) -> None:
            if not self.request.query_arguments.keys() & {"state", "code"}:
                client.begin_login(self, next=self.get_query_argument("next", None))
                return
            try:
                login = await client.complete_login(self)
            except AuthError as error:
                self.set_status(403)
                self.write({"seen": str(error), "error": error.error, "said": error.description})
            else:
                tokens = login.tokens
                self.write(
                    {
                        "next": login.next,
                        "access_token": tokens.access_token,
                        "refresh_token": tokens.refresh_token,
                        "scope": tokens.scope,
                        "claims": dict(tokens.claims),
                        "expires_at": tokens.expires_at,
                    }
                )

    return LoginHandler


def start_app(serve: Serve, client: OAuth2Client, **settings: Any) -> Browser:
    """Start an application with a login page, and return a browser that has not been there."""
    options = {"cookie_secret": COOKIE_SECRET, **settings}
    return Browser(serve([("/login", login_handler(client))], options))


async def sent_off(browser: Browser, idp: Idp, target: str = "/login") -> str:
    """Begin a login; return where the provider sends the user back to."""
    begun = await browser.get(target)
    assert begun.status == 302, begun.text
    granted = await idp.site.get(path_of(begun.get("location")))
    assert granted.status == 302, granted.text
    return path_of(granted.get("location"))


async def logged_in(browser: Browser, idp: Idp, target: str = "/login") -> Any:
    """Log in; return what the application knows then."""
    answer = await browser.get(await sent_off(browser, idp, target))
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


async def refused(browser: Browser, target: str) -> Any:
    """Come back to the login page, which refuses; return why."""
    answer = await browser.get(target)
    assert answer.status == 403, answer.text
    return json.loads(answer.text)
