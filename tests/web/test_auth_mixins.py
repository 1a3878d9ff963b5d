"""The mixins for login: OpenID 2.0, OAuth 1.0, Twitter, OAuth 2, Google, Facebook."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from tests.http.client import Serve, Site
from tests.web.auth_site import (
    CLIENT_ID,
    COOKIE_SECRET,
    SECRET,
    Browser,
    Idp,
    query_of,
    sent_off,
)
from toolkit.auth import (
    AuthError,
    AuthHTTPError,
    FacebookGraphMixin,
    GoogleOAuth2Mixin,
    OAuth2Mixin,
    OAuthMixin,
    OpenIdMixin,
    TwitterMixin,
    asking,
)
from toolkit.auth.signing import signature
from toolkit.httpclient import AsyncHTTPClient, HTTPClientError
from toolkit.simple_httpclient import HTTPTimeoutError
from toolkit.web import HTTPError, RequestHandler


@pytest.fixture(autouse=True)
async def shared_client() -> AsyncIterator[None]:
    """Close the client that the logins share."""
    client = AsyncHTTPClient()
    yield
    client.close()


class Reporting(RequestHandler):
    """Shows what a login raises."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1]
        self.write({"type": type(error).__name__, "seen": str(error)})

    def log_exception(self, *exc_info: Any) -> None:
        pass


def url_of(site: Site) -> str:
    return f"http://127.0.0.1:{site.address[1]}"


async def error_of(browser: Browser, target: str) -> tuple[str, str]:
    """Return name and message of what a request ends with."""
    answer = await browser.get(target)
    assert answer.status in (400, 500), answer.text
    seen = json.loads(answer.text)
    return seen["type"], seen["seen"]


# -- OpenID 2.0 --------------------------------------------------------------------------

AX = "http://openid.net/srv/ax/1.0"
EMAIL = "http://axschema.org/contact/email"


class OpenIdSite:
    """A page for login by OpenID, and its provider.

    Attributes:
        asked: forms that the provider was asked about.
        verdict: what it says of them.
    """

    def __init__(self, serve: Serve) -> None:
        self.asked: list[dict[str, str]] = []
        self.verdict = b"ns:http://specs.openid.net/auth/2.0\nis_valid:true\n"
        site = self

        class Endpoint(RequestHandler):
            def post(self) -> None:
                site.asked.append(dict(parse_qsl(self.request.body.decode(), strict_parsing=True)))
                self.write(site.verdict)

        provider = serve([("/openid", Endpoint)])

        class Login(Reporting, OpenIdMixin):
            _OPENID_ENDPOINT = f"{url_of(provider)}/openid?v=2"

            async def get(self) -> None:
                if self.get_argument("openid.mode", None):
                    self.write(await self.get_authenticated_user())
                else:
                    self.authenticate_redirect(**json.loads(self.get_argument("with", "{}") or ""))

            post = get

        self.endpoint = Login._OPENID_ENDPOINT
        self.browser = Browser(serve([(".*", Login)]))


@pytest.fixture
def openid(serve: Serve) -> OpenIdSite:
    """Return a page for login by OpenID."""
    return OpenIdSite(serve)


def assertion(path: str = "/login", **more: str) -> str:
    """Return the URL by which a user comes back."""
    fields = {
        "mode": "id_res",
        "return_to": f"http://h{path}",
        "claimed_id": "https://id.example/ada",
        "ns.e": AX,
        "e.type.mail": EMAIL,
        "e.value.mail": "ada@id.example",
        "signed": "return_to,claimed_id,ns.e,e.type.mail,e.value.mail",
        **more,
    }
    query = urlencode({f"openid.{name}": value for name, value in fields.items()})
    return f"{path}{'&' if '?' in path else '?'}{query}"


async def test_openid_sends_the_user_off(openid: OpenIdSite) -> None:
    """OpenID Authentication 2.0 §9.1; the endpoint keeps its own query."""
    answer = await openid.browser.get("/login?a=1")
    location = answer.get("location") or ""
    assert location.startswith(f"{openid.endpoint}&openid.ns=")
    asked = {name[7:]: value for name, value in query_of(location).items() if name != "v"}
    types = {name for name in asked if name.startswith("ax.type.")}
    assert types == {f"ax.type.{name}" for name in asked["ax.required"].split(",")}
    assert asked["ax.required"] == "firstname,fullname,lastname,email,language,username"
    assert {name: asked[name] for name in asked.keys() - types - {"ax.required"}} == {
        "ns": "http://specs.openid.net/auth/2.0",
        "claimed_id": "http://specs.openid.net/auth/2.0/identifier_select",
        "identity": "http://specs.openid.net/auth/2.0/identifier_select",
        "return_to": "http://h/login?a=1",
        "realm": "http://h/",
        "mode": "checkid_setup",
        "ns.ax": AX,
        "ax.mode": "fetch_request",
    }


@pytest.mark.parametrize(
    ("given", "return_to", "attributes"),
    [
        ({"callback_uri": "/back", "ax_attrs": ["email"]}, "http://h/back", "email"),
        ({"callback_uri": "https://site.example/b"}, "https://site.example/b", None),
        ({"ax_attrs": []}, "http://h/login", ""),
    ],
)
async def test_openid_asks_for_what_it_is_told_to(
    openid: OpenIdSite, given: dict[str, Any], return_to: str, attributes: str | None
) -> None:
    """The realm is that of the URL where the user comes back to."""
    answer = await openid.browser.get(f"/login?with={quote(json.dumps(given))}")
    asked = query_of(answer.get("location"))
    assert asked["openid.return_to"].partition("?")[0] == return_to
    assert return_to.startswith(asked["openid.realm"])
    if attributes is not None:
        assert asked.get("openid.ax.required", "") == attributes


async def test_openid_knows_its_attributes(openid: OpenIdSite) -> None:
    """Another one is an error that names it."""
    given = quote(json.dumps({"ax_attrs": ["shoe"]}))
    assert "'shoe'" in (await error_of(openid.browser, f"/login?with={given}"))[1]


async def test_openid_comes_back_to_this_site_whatever_the_path(openid: OpenIdSite) -> None:
    """CVE-2026-54282: a path does not become a host."""
    asked = query_of((await openid.browser.get("//evil.example/a")).get("location"))
    assert asked["openid.realm"] == "http://h/"
    assert asked["openid.return_to"] == "http://h//evil.example/a"


@pytest.mark.parametrize("path", ["/login", "/login?a=1&b=", "/"])
async def test_openid_gives_the_user_whom_the_provider_knows(openid: OpenIdSite, path: str) -> None:
    """The provider gets its own words back, and none of the application's."""
    answer = await openid.browser.get(assertion(path))
    assert json.loads(answer.text) == {
        "name": "ada",
        "email": "ada@id.example",
        "claimed_id": "https://id.example/ada",
    }
    [form] = openid.asked
    assert form["openid.mode"] == "check_authentication"
    assert form["openid.return_to"] == f"http://h{path}"
    assert all(name.startswith("openid.") for name in form)


async def test_openid_reads_all_attributes(openid: OpenIdSite) -> None:
    """OpenID Attribute Exchange 1.0 §5.2; a count is understood."""
    names = {
        "a": ("namePerson/first", "Ada"),
        "b": ("namePerson/last", "Lovelace"),
        "c": ("pref/language", "EN"),
        "d": ("namePerson/friendly", "ada"),
    }
    fields = {"ns.e": AX, "e.type.mail": EMAIL, "e.count.mail": "1", "e.value.mail.1": "a@b"}
    for name, (uri, value) in names.items():
        fields[f"e.type.{name}"] = f"http://axschema.org/{uri}"
        fields[f"e.value.{name}"] = value
    user = json.loads((await openid.browser.get(assertion(**fields, signed=",".join(fields)))).text)
    assert user == {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "name": "Ada Lovelace",
        "email": "a@b",
        "locale": "en",
        "username": "ada",
    }


async def test_openid_believes_only_what_is_signed(openid: OpenIdSite) -> None:
    """Attributes could be put into a good answer on its way."""
    seen = await openid.browser.get(assertion(signed="return_to,claimed_id,ns.e,e.type.mail"))
    assert json.loads(seen.text) == {"claimed_id": "https://id.example/ada"}
    seen = await openid.browser.get(assertion(signed="return_to"))
    assert json.loads(seen.text) == {}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"return_to": "https://evil.example/login"}, "evil.example"),
        ({"return_to": "http://h/other"}, "http://h/other"),
        ({"return_to": "http://h/login?a=1"}, "the answer is for"),
        ({"mode": "cancel"}, "openid.mode=cancel"),
        ({"mode": "setup_needed"}, "openid.mode=setup_needed"),
        ({"mode": "error", "error": "no\x1b"}, "openid.mode=error, 'no"),
    ],
)
async def test_openid_refuses_answers_for_others_and_failures(
    openid: OpenIdSite, more: dict[str, str], message: str
) -> None:
    """OpenID Authentication 2.0 §11.1, §5.2.3; the provider is not even asked."""
    name, seen = await error_of(openid.browser, assertion(**more))
    assert (name, message in seen) == ("AuthError", True), seen
    assert openid.asked == []


async def test_openid_leaves_it_to_the_provider_what_an_answer_lacks(openid: OpenIdSite) -> None:
    """It cannot verify one without the list of what is signed, or the URL to return to."""
    query = urlencode({"openid.mode": "id_res", "openid.claimed_id": "ada"})
    answer = await openid.browser.get(f"/login?{query}")
    assert json.loads(answer.text) == {"claimed_id": "ada"}
    assert openid.asked == [{"openid.mode": "check_authentication", "openid.claimed_id": "ada"}]


@pytest.mark.parametrize(
    "verdict", [b"is_valid:false\n", b"", b"xis_valid:true", b"is_valid:true-ish\n", b"a" * 1000]
)
async def test_openid_believes_nothing_that_the_provider_does_not_know(
    openid: OpenIdSite, verdict: bytes
) -> None:
    """OpenID Authentication 2.0 §11.4.2.2"""
    openid.verdict = verdict
    name, seen = await error_of(openid.browser, assertion())
    assert (name, seen.startswith("Invalid OpenID response")) == ("AuthError", True)
    assert len(seen) < 250


# -- OAuth 1.0 ---------------------------------------------------------------------------

CONSUMER = {"key": "consumer", "secret": "consumer&s3cret"}


class OAuth1Site:
    """A page for login by OAuth 1.0, and its provider, which checks each signature.

    Attributes:
        asked: queries that came to the provider, by path.
        answers: what it gives, by path.
    """

    def __init__(self, serve: Serve, version: str = "1.0a", no_callbacks: bool = False) -> None:
        self.asked: dict[str, dict[str, str]] = {}
        self.answers = {
            "/request": "oauth_token=request+1&oauth_token_secret=r%26s",
            "/access": "oauth_token=access+1&oauth_token_secret=a%25s&screen_name=ada",
        }
        self.user: dict[str, Any] | None = {"name": "Ada"}
        site = self

        class Endpoint(RequestHandler):
            def get(self) -> None:
                query = query_of(self.request.uri)
                site.asked[self.request.path] = dict(query)
                signed = query.pop("oauth_signature")
                expected = signature(
                    "GET",
                    f"{url_of(provider)}{self.request.path}",
                    query,
                    CONSUMER["secret"],
                    "r&s" if "oauth_token" in query else "",
                    escaped=version == "1.0a",
                )
                if signed != expected:
                    raise HTTPError(401)
                self.write(site.answers[self.request.path])

        provider = serve([("/.*", Endpoint)])

        class Login(Reporting, OAuthMixin):
            _OAUTH_REQUEST_TOKEN_URL = f"{url_of(provider)}/request?tenant=1"
            _OAUTH_ACCESS_TOKEN_URL = f"{url_of(provider)}/access"
            _OAUTH_AUTHORIZE_URL = f"{url_of(provider)}/authorize?tenant=1"
            _OAUTH_VERSION = version
            _OAUTH_NO_CALLBACKS = no_callbacks

            def _oauth_consumer_token(self) -> dict[str, Any]:
                return CONSUMER

            async def _oauth_get_user_future(self, access_token: dict[str, Any]) -> Any:
                return site.user

            async def get(self) -> None:
                if self.get_argument("oauth_token", None):
                    self.write(await self.get_authenticated_user())
                else:
                    given = self.get_argument("with", "{}") or ""
                    await self.authorize_redirect(**json.loads(given))

        self.provider = provider
        self.login = Login
        self.browser = Browser(serve([(".*", Login)]))


@pytest.mark.parametrize("version", ["1.0", "1.0a"])
async def test_oauth1_logs_in(serve: Serve, version: str) -> None:
    """Every request is signed as its version wants it, the query of the URL included."""
    site = OAuth1Site(serve, version)
    begun = await site.browser.get("/login")
    location = begun.get("location") or ""
    assert location.endswith("/authorize?tenant=1&oauth_token=request+1")
    assert site.asked["/request"]["tenant"] == "1"
    assert site.asked["/request"]["oauth_signature_method"] == "HMAC-SHA1"
    done = await site.browser.get("/login?oauth_token=request+1&oauth_verifier=v")
    assert json.loads(done.text) == {
        "name": "Ada",
        "access_token": {"key": "access 1", "secret": "a%s", "screen_name": "ada"},
    }
    assert site.asked["/access"]["oauth_token"] == "request 1"
    assert site.asked["/access"]["oauth_verifier"] == "v"
    assert site.browser.cookies == {}


@pytest.mark.parametrize("version", ["1.0", "1.0a"])
@pytest.mark.parametrize("callback", ["/back", "oob", None])
async def test_oauth1_tells_where_to_come_back_to(
    serve: Serve, version: str, callback: str | None
) -> None:
    """RFC 5849 §2.1: 1.0a says it where nobody can change it; ``oob`` shows the URL."""
    site = OAuth1Site(serve, version)
    given = {"callback_uri": callback, "extra_params": {"scope": "a b"}}
    begun = await site.browser.get(f"/login?with={quote(json.dumps(given))}")
    absolute = "http://h/back" if callback == "/back" else callback
    said = site.asked["/request"].get("oauth_callback")
    assert said == (absolute if version == "1.0a" else None)
    assert site.asked["/request"]["scope"] == "a b"
    shown = begun.text if callback == "oob" else begun.get("location")
    assert begun.status == (200 if callback == "oob" else 302)
    carried = query_of(shown).get("oauth_callback")
    assert carried == ("http://h/back" if callback == "/back" else None)


async def test_oauth1_needs_no_callback_where_there_is_none(serve: Serve) -> None:
    """A callback is an error then, before anything is asked."""
    site = OAuth1Site(serve, no_callbacks=True)
    given = quote(json.dumps({"callback_uri": "/back"}))
    assert "oauth_callback" in (await error_of(site.browser, f"/login?with={given}"))[1]
    assert site.asked == {}
    assert (await site.browser.get("/login")).status == 302


@pytest.mark.parametrize("secure", [False, True])
async def test_oauth1_keeps_the_request_token_from_scripts(serve: Serve, secure: bool) -> None:
    """And sends it by HTTPS alone where the site has that."""
    site = OAuth1Site(serve)
    browser = Browser(serve(site.browser.site.application, protocol="https" if secure else None))
    await browser.get("/login")
    [line] = browser.set_cookies
    pair, *attributes = line.split("; ")
    token = "|".join(base64.b64encode(part).decode() for part in (b"request 1", b"r&s"))
    assert pair.replace('"', "") == f"_oauth_request_token={token}"
    attributes = [attribute.lower() for attribute in attributes]
    assert {"httponly", "samesite=lax", "path=/"} <= set(attributes)
    assert ("secure" in attributes) is secure


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        (None, "Missing OAuth request token cookie"),
        ("b3RoZXI=|cyZz", "Request token does not match cookie"),
        ("YQ==", "cannot be read"),
        ("a|b|c", "cannot be read"),
        ("!|YQ==", "cannot be read"),
        ("/w==|YQ==", "cannot be read"),
    ],
)
async def test_oauth1_takes_only_who_was_sent_off(
    serve: Serve, cookie: str | None, message: str
) -> None:
    """RFC 5849 §4.11 and the fixation of sessions: the provider is not even asked."""
    site = OAuth1Site(serve)
    if cookie is not None:
        site.browser.cookies["_oauth_request_token"] = f'"{cookie}"'
    name, seen = await error_of(site.browser, "/login?oauth_token=request+1")
    assert (name, message in seen) == ("AuthError", True), seen
    assert site.asked == {}


@pytest.mark.parametrize("path", ["/request", "/access"])
@pytest.mark.parametrize(
    "body", ["", "oauth_token=hush", "oauth_token=&oauth_token_secret=hush", '{"hush": 1}', "%ff"]
)
async def test_oauth1_refuses_what_is_no_token(serve: Serve, path: str, body: str) -> None:
    """And tells nothing of it that might be secret."""
    site = OAuth1Site(serve)
    site.answers[path] = body
    if path == "/access":
        await site.browser.get("/login")
    target = "/login" if path == "/request" else "/login?oauth_token=request+1"
    name, seen = await error_of(site.browser, target)
    assert (name, f"{path}' answered" in seen, "hush" in seen) == ("AuthError", True, False), seen


async def test_oauth1_gives_an_error_for_no_user_and_for_a_refusal(serve: Serve) -> None:
    """An `AuthError` both times."""
    site = OAuth1Site(serve)
    site.user = None
    await site.browser.get("/login")
    target = "/login?oauth_token=request+1"
    assert await error_of(site.browser, target) == ("AuthError", "Error getting user")
    site.login._oauth_consumer_token = lambda self: {**CONSUMER, "secret": "wrong"}  # type: ignore[method-assign]
    name, seen = await error_of(site.browser, "/login")
    assert (name, "answered HTTP 401" in seen) == ("AuthHTTPError", True)


async def test_oauth1_must_be_told_who_asks(serve: Serve) -> None:
    """By the two methods that a subclass has to override."""
    mixin = OAuthMixin()
    with pytest.raises(NotImplementedError):
        mixin._oauth_consumer_token()
    with pytest.raises(NotImplementedError):
        await mixin._oauth_get_user_future({})
    assert mixin.get_auth_http_client() is AsyncHTTPClient()


def test_oauth1_signs_requests() -> None:
    """For the parameters beside it; nothing is added to those of the caller."""

    class Mixin(OAuthMixin):
        def _oauth_consumer_token(self) -> dict[str, Any]:
            return CONSUMER

    token = {"key": "k", "secret": "s"}
    parameters = {"b": 1, "a": "ü"}
    url = "https://api.example/1"
    fields = Mixin()._oauth_request_parameters(url, token, parameters, "post")
    assert parameters == {"b": 1, "a": "ü"}
    signed = fields.pop("oauth_signature")
    assert signed == signature("POST", url, {**fields, **parameters}, CONSUMER["secret"], "s")
    assert fields["oauth_token"] == "k"
    again = Mixin()._oauth_request_parameters(url, token)
    assert again["oauth_nonce"] != fields["oauth_nonce"]


# -- Twitter -----------------------------------------------------------------------------


class Twitter(Reporting, TwitterMixin):
    async def get(self) -> None:
        method = getattr(self, self.get_argument("do") or "")
        given = self.get_argument("with", "{}") or ""
        result = await method(**json.loads(given))
        if result is not None:
            self.write(result)


@pytest.fixture
def twitter(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """Return a browser on a page that uses an imitation of Twitter."""

    class Endpoint(RequestHandler):
        def get(self) -> None:
            if self.request.path == "/oauth/request_token":
                self.write("oauth_token=t&oauth_token_secret=s")
                return
            query = query_of(self.request.uri)
            form = dict(parse_qsl(self.request.body.decode()))
            signed = query.pop("oauth_signature")
            url = f"{base}{self.request.path}"
            method = self.request.method or ""
            if signed != signature(method, url, {**query, **form}, "secret", "s"):
                raise HTTPError(401)
            own = {name: value for name, value in query.items() if not name.startswith("oauth_")}
            self.write({"screen_name": "ada", "path": self.request.path, "asked": {**own, **form}})

        post = get

    base = url_of(serve([(".*", Endpoint)]))
    monkeypatch.setattr(TwitterMixin, "_OAUTH_REQUEST_TOKEN_URL", f"{base}/oauth/request_token")
    monkeypatch.setattr(TwitterMixin, "_TWITTER_BASE_URL", f"{base}/1.1")
    settings = {"twitter_consumer_key": "key", "twitter_consumer_secret": "secret"}
    return Browser(serve([("/", Twitter)], settings))


def doing(method: str, **given: Any) -> str:
    """Return the URL that calls a method of a handler."""
    return f"/?do={method}&with={quote(json.dumps(given))}"


TOKEN = {"key": "k", "secret": "s"}


@pytest.mark.parametrize(
    ("given", "path", "asked"),
    [
        ({"path": "/users/show", "q": "a b"}, "/1.1/users/show.json", {"q": "a b"}),
        (
            {"path": "/a", "post_args": {"b": "c&d"}, "q": "1"},
            "/1.1/a.json",
            {"b": "c&d", "q": "1"},
        ),
        ({"path": "BASE/2/whole"}, "/2/whole", {}),
    ],
)
async def test_twitter_is_asked_with_a_signature(
    twitter: Browser, given: dict[str, Any], path: str, asked: dict[str, str]
) -> None:
    """By GET or POST, the form included."""
    base = TwitterMixin._TWITTER_BASE_URL.removesuffix("/1.1")
    given = {**given, "path": given["path"].replace("BASE", base)}
    seen = await twitter.get(doing("twitter_request", access_token=TOKEN, **given))
    assert json.loads(seen.text) == {"screen_name": "ada", "path": path, "asked": asked}


async def test_twitter_tells_of_the_user(twitter: Browser) -> None:
    """Who has the name by which he is known there."""
    user = json.loads((await twitter.get(doing("_oauth_get_user_future", access_token=TOKEN))).text)
    assert user["path"] == "/1.1/account/verify_credentials.json"
    assert user["username"] == "ada"


async def test_twitter_may_know_nobody() -> None:
    """Which `get_authenticated_user` makes an error of."""

    class Nobody(TwitterMixin):
        async def twitter_request(self, *args: Any, **kwargs: Any) -> Any:
            return None

    assert await Nobody()._oauth_get_user_future(TOKEN) is None


async def test_twitter_sends_off_to_one_of_two_pages(twitter: Browser) -> None:
    """The one asks for permission each time, the other once."""
    for method, page in (("authorize", "authorize"), ("authenticate", "authenticate")):
        begun = await twitter.get(doing(f"{method}_redirect"))
        assert begun.get("location") == f"https://api.twitter.com/oauth/{page}?oauth_token=t"


async def test_twitter_refuses_by_an_error_of_http(twitter: Browser) -> None:
    """A request for a user is no login, so it is no `AuthError`."""
    bad = {"key": "k", "secret": "wrong"}
    name, seen = await error_of(twitter, doing("twitter_request", path="/a", access_token=bad))
    assert (name, seen) == ("HTTPClientError", "HTTP 401: Unauthorized")


async def test_twitter_needs_its_settings(serve: Serve) -> None:
    """Each is asked for by name."""
    for settings in ({}, {"twitter_consumer_key": "k"}):
        browser = Browser(serve([("/", Twitter)], settings))
        missing = "twitter_consumer_secret" if settings else "twitter_consumer_key"
        assert missing in (await error_of(browser, doing("authorize_redirect")))[1]


# -- OAuth 2, Google ---------------------------------------------------------------------

URI = "http://localhost/login"


def google_site(
    serve: Serve, idp: Idp, uri: str = URI, pkce: bool = True, **settings: Any
) -> Browser:
    """Start a page for login by an imitation of Google."""

    class Login(Reporting, GoogleOAuth2Mixin):
        _OAUTH_AUTHORIZE_URL = f"{idp.url}/authorize"
        _OAUTH_ACCESS_TOKEN_URL = f"{idp.url}/token"
        _OAUTH_PKCE = pkce

        async def get(self) -> None:
            code = self.get_argument("code", None)
            if code is not None:
                self.write(await self.get_authenticated_user(uri, code))
            else:
                key = self.get_google_oauth_settings()["key"]
                extra = {name: self.get_argument(name) for name in self.request.arguments}
                self.authorize_redirect(uri, key, scope=["profile", "email"], extra_params=extra)

    google = {"key": CLIENT_ID, "secret": SECRET}
    options = {"google_oauth": google, "cookie_secret": COOKIE_SECRET, **settings}
    return Browser(serve([("/login", Login)], options))


@pytest.mark.feature("L11")
@pytest.mark.parametrize("pkce", [False, True])
async def test_google_logs_in(serve: Serve, pkce: bool) -> None:
    """With a state and a proof key, if a class says so."""
    idp = Idp(serve)
    browser = google_site(serve, idp, pkce=pkce)
    begun = query_of((await browser.get("/login?prompt=consent")).get("location"))
    made = {name: begun.pop(name, None) for name in ("state", "code_challenge")}
    assert [value is not None for value in made.values()] == [pkce, pkce]
    assert begun == {
        "response_type": "code",
        "redirect_uri": URI,
        "client_id": CLIENT_ID,
        "prompt": "consent",
        "scope": "profile email",
        **({"code_challenge_method": "S256"} if pkce else {}),
    }
    done = await browser.get(await sent_off(browser, idp))
    assert json.loads(done.text)["access_token"] == "access-1"
    [form] = idp.asked
    assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, SECRET)
    assert ("code_verifier" in form) is pkce
    assert browser.cookies == {}


@pytest.mark.feature("L11")
async def test_a_mixin_refuses_a_login_begun_elsewhere(serve: Serve) -> None:
    """RFC 6749 §10.12, once a class asks for it; the code is not exchanged."""
    idp = Idp(serve)
    attacker = google_site(serve, idp)
    victim = Browser(attacker.site)
    callback = await sent_off(attacker, idp)
    assert "no login was begun" in (await error_of(victim, callback))[1]
    await victim.get("/login")
    assert "the state" in (await error_of(victim, callback))[1]
    assert idp.asked == []


@pytest.mark.parametrize(
    ("uri", "protocol", "secure"),
    [
        ("https://site.example/login", "http", True),
        ("http://localhost/login", "https", False),
        (None, "https", True),
        (None, "http", False),
    ],
)
async def test_a_mixin_knows_whether_the_site_has_https(
    serve: Serve, uri: str | None, protocol: str, secure: bool
) -> None:
    """By the URI, since TLS may end in front of the server; else by the request."""

    class Login(Reporting, OAuth2Mixin):
        _OAUTH_AUTHORIZE_URL = "https://id.example/authorize"
        _OAUTH_PKCE = True

        def get(self) -> None:
            self.authorize_redirect(uri)

    settings = {"cookie_secret": COOKIE_SECRET}
    browser = Browser(serve([("/", Login)], settings, protocol=protocol))
    await browser.get("/")
    [name] = browser.cookies
    assert name.startswith("__Host-") is secure
    assert ("secure" in browser.set_cookies[0].lower().split("; ")) is secure


async def test_a_mixin_with_a_state_takes_no_other(serve: Serve) -> None:
    """One of the application would not be checked."""
    idp = Idp(serve)
    seen = (await error_of(google_site(serve, idp), "/login?state=mine"))[1]
    assert seen == "parameters state are set by the login itself"
    begun = await google_site(serve, idp, pkce=False).get("/login?state=mine")
    assert query_of(begun.get("location"))["state"] == "mine"


async def test_google_needs_its_setting_or_is_told(serve: Serve) -> None:
    """What is given wins over the setting."""
    idp = Idp(serve)
    idp.answer = lambda handler: handler.write({"access_token": 1})
    with_none = google_site(serve, idp, google_oauth=None)
    assert "google_oauth" in (await error_of(with_none, "/login"))[1]

    class Login(Reporting, GoogleOAuth2Mixin):
        _OAUTH_ACCESS_TOKEN_URL = f"{idp.url}/token"

        async def get(self) -> None:
            for given in ({}, {"client_id": "a"}, {"client_secret": "b"}):
                await self.get_authenticated_user(URI, "c", **given)
            await self.get_authenticated_user(URI, "c", "a", "b")

    site = serve([("/", Login)], {"google_oauth": {"key": "k", "secret": "s"}})
    assert (await site.get("/")).status == 200
    seen = [(form["client_id"], form["client_secret"]) for form in idp.asked]
    assert seen == [("k", "s"), ("a", "s"), ("k", "b"), ("a", "b")]


async def test_google_refuses_by_an_auth_error(serve: Serve) -> None:
    """With what it said, and neither code nor secret."""
    idp = Idp(serve)

    def refuse(handler: RequestHandler) -> None:
        handler.set_status(400)
        handler.write({"error": "invalid_grant", "error_description": "Bad Request"})

    idp.answer = refuse
    browser = google_site(serve, idp)
    callback = await sent_off(browser, idp)
    name, seen = await error_of(browser, callback)
    assert name == "AuthHTTPError"
    assert seen.endswith("/token' answered HTTP 400: Bad Request, 'invalid_grant', 'Bad Request'")


class Plain(OAuth2Mixin):
    _OAUTH_ACCESS_TOKEN_URL = "https://id.example/token?v=1"


def test_the_url_for_a_token_has_what_was_given() -> None:
    """And nothing for what was not."""
    plain = Plain()
    assert plain._oauth_request_token_url() == "https://id.example/token?v=1"
    url = plain._oauth_request_token_url(URI, "c", "s", "k", {"more": "1"})
    assert query_of(url) == {
        "v": "1",
        "redirect_uri": URI,
        "code": "k",
        "client_id": "c",
        "client_secret": "s",
        "more": "1",
    }


async def test_a_secret_is_not_sent_with_the_browser(serve: Serve) -> None:
    """It is taken for Tornado's sake, with a warning."""

    class Login(RequestHandler, OAuth2Mixin):
        _OAUTH_AUTHORIZE_URL = "https://id.example/authorize"

        def get(self) -> None:
            with pytest.warns(DeprecationWarning, match="client_secret"):
                self.authorize_redirect(client_secret="hush")

    begun = await serve([("/", Login)]).get("/")
    assert begun.get("location") == "https://id.example/authorize?response_type=code"


async def test_oauth2_asks_an_api(serve: Serve) -> None:
    """By GET or POST; a refusal is an error of HTTP."""

    class Api(RequestHandler):
        def get(self) -> None:
            if self.get_argument("access_token", None) == "bad":
                raise HTTPError(403)
            form = dict(parse_qsl(self.request.body.decode()))
            answer = [self.request.method, query_of(self.request.uri), form]
            self.write(json.dumps(answer))

        post = get

    site = serve([("/api", Api)])
    url, plain = f"{url_of(site)}/api", Plain()
    assert await plain.oauth2_request(url) == ["GET", {}, {}]
    assert await plain.oauth2_request(f"{url}?a=1", "t", b="c d") == [
        "GET",
        {"a": "1", "access_token": "t", "b": "c d"},
        {},
    ]
    posted = await plain.oauth2_request(url, access_token="t", post_args={"m": "n&"}, q=1)
    assert posted == ["POST", {"access_token": "t", "q": "1"}, {"m": "n&"}]
    assert (await plain.oauth2_request(url, post_args={}))[0] == "POST"
    with pytest.raises(HTTPClientError) as caught:
        await plain.oauth2_request(url, "bad")
    assert (caught.value.code, isinstance(caught.value, AuthError)) == (403, False)


async def test_an_api_that_does_not_answer_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out of the client's kind, whatever the client would have waited."""
    monkeypatch.setattr(asking, "REQUEST_TIMEOUT", 0.05)
    ended = asyncio.Event()

    class Api(RequestHandler):
        async def get(self) -> None:
            await ended.wait()

    patient = AsyncHTTPClient(force_instance=True, defaults={"request_timeout": 0})
    plain = Plain()
    plain.get_auth_http_client = lambda: patient  # type: ignore[method-assign]
    with pytest.raises(HTTPTimeoutError, match="no answer in"):
        await plain.oauth2_request(f"{url_of(serve([('/', Api)]))}/", "t")
    ended.set()
    patient.close()


async def test_a_time_out_of_the_system_is_handed_on() -> None:
    """As any other error of a connection: an `AuthError` for a login, else as it is."""

    class Unreachable(AsyncHTTPClient):
        def fetch(self, *args: Any, **kwargs: Any) -> Any:
            raise TimeoutError(110, "Connection timed out")

    plain, google = Plain(), GoogleOAuth2Mixin()
    client = Unreachable(force_instance=True)
    plain.get_auth_http_client = google.get_auth_http_client = lambda: client  # type: ignore[method-assign]
    with pytest.raises(TimeoutError, match="Connection timed out"):
        await plain.oauth2_request("https://id.example/")
    with pytest.raises(AuthError, match="was not reached: TimeoutError"):
        await google.get_authenticated_user(URI, "c", "i", "s")
    client.close()


async def test_a_request_that_cannot_be_sent_shows_no_secret(serve: Serve) -> None:
    """The URL of Facebook's token has the secret in it."""

    class Broken(FacebookGraphMixin):
        _OAUTH_ACCESS_TOKEN_URL = "htps://h/?"

    with pytest.raises(ValueError, match="htps://h/") as caught:
        await Broken().get_authenticated_user("u", "c", "hush", "k")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


# -- Facebook ----------------------------------------------------------------------------


class FacebookSite:
    """A page for login by an imitation of Facebook.

    Attributes:
        asked: queries that came there, by path.
        session: what it gives for a code.
        user: what it tells then.
    """

    def __init__(self, serve: Serve, pkce: bool) -> None:
        self.asked: dict[str, dict[str, str]] = {}
        self.session: dict[str, Any] = {"access_token": "tok", "expires_in": 3600}
        self.user: Any = {"id": "1", "name": "Ada", "email": "a@b", "other": 1}
        site = self

        class Endpoint(RequestHandler):
            def get(self) -> None:
                site.asked[self.request.path] = query_of(self.request.uri)
                known = {"/token": site.session, "/graph/me": site.user}
                self.write(json.dumps(known[self.request.path]))

        base = url_of(serve([(".*", Endpoint)]))

        class Login(Reporting, FacebookGraphMixin):
            _OAUTH_AUTHORIZE_URL = f"{base}/authorize?"
            _OAUTH_ACCESS_TOKEN_URL = f"{base}/token?"
            _FACEBOOK_BASE_URL = f"{base}/graph"
            _OAUTH_PKCE = pkce

            async def get(self) -> None:
                code = self.get_argument("code", None)
                if code is None:
                    self.authorize_redirect(URI, CLIENT_ID, extra_params={"scope": "email"})
                    return
                extra: Any = self.get_arguments("extra")
                user = await self.get_authenticated_user(URI, CLIENT_ID, SECRET, code, extra)
                self.write(json.dumps(user))

        self.browser = Browser(serve([("/login", Login)], {"cookie_secret": COOKIE_SECRET}))

    async def back(self, more: str = "") -> str:
        """Begin a login; return the URL of the way back."""
        begun = query_of((await self.browser.get("/login")).get("location"))
        state = f"&state={begun['state']}" if "state" in begun else ""
        return f"/login?code=c{state}{more}"


@pytest.mark.parametrize("pkce", [False, True])
async def test_facebook_logs_in(serve: Serve, pkce: bool) -> None:
    """And shows that it is the application that asks, not somebody with its token."""
    site = FacebookSite(serve, pkce)
    user = json.loads((await site.browser.get(await site.back("&extra=email&extra=id"))).text)
    assert user == {
        **dict.fromkeys(["first_name", "last_name", "locale", "picture", "link"]),
        "id": "1",
        "name": "Ada",
        "email": "a@b",
        "access_token": "tok",
        "session_expires": "3600",
    }
    assert ("code_verifier" in site.asked["/token"]) is pkce
    me = site.asked["/graph/me"]
    assert me["appsecret_proof"] == hmac.digest(SECRET.encode(), b"tok", hashlib.sha256).hex()
    assert me["fields"] == "id,name,first_name,last_name,locale,picture,link,email"


async def test_facebook_may_tell_less(serve: Serve) -> None:
    """No lifetime, no user."""
    site = FacebookSite(serve, False)
    site.session = {"access_token": "tok"}
    user = json.loads((await site.browser.get(await site.back())).text)
    assert user["session_expires"] is None
    site.user = None
    assert json.loads((await site.browser.get(await site.back())).text) is None


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ({"error": {"type": "OAuthException", "message": "used"}}, "'OAuthException', 'used'"),
        ({"expires_in": 1}, "its fields: expires_in"),
        ({"access_token": None}, "its fields: access_token"),
        ([], "a list"),
    ],
)
async def test_facebook_refuses_by_an_auth_error(serve: Serve, session: Any, message: str) -> None:
    """The URL in the message ends before the query with the secret."""
    site = FacebookSite(serve, True)
    site.session = session
    name, seen = await error_of(site.browser, await site.back())
    assert (name, message in seen) == ("AuthError", True), seen
    assert "/token' answered" in seen


async def test_an_auth_error_is_caught_as_one_of_http_too(serve: Serve) -> None:
    """As programs for Tornado do it."""

    class Gone(FacebookGraphMixin):
        _OAUTH_ACCESS_TOKEN_URL = f"{url_of(serve([]))}/token"

    with pytest.raises(HTTPClientError) as caught:
        await Gone().get_authenticated_user("u", "c", "s", "k")
    assert isinstance(caught.value, AuthHTTPError)
    assert caught.value.response is not None
    assert caught.value.code == 404
