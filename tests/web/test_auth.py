"""Login by OAuth 2 and OpenID Connect: `OAuth2Client` with a provider on another port."""

import asyncio
import logging
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
import trustme

from tests.http.client import Serve
from tests.web.auth_site import (
    CLIENT_ID,
    COOKIE_SECRET,
    SECRET,
    Browser,
    Idp,
    id_token,
    logged_in,
    query_of,
    refused,
    sent_off,
    start_app,
)
from toolkit.auth import AuthError, AuthHTTPError, Provider, Tokens, asking, discover
from toolkit.httpclient import AsyncHTTPClient, HTTPClientError
from toolkit.testing import ExpectLog
from toolkit.web import RequestHandler, create_signed_value

COOKIE = "oauth2_login"


@pytest.fixture(autouse=True)
async def shared_client() -> AsyncIterator[None]:
    """Close the client that the logins share."""
    client = AsyncHTTPClient()
    yield
    client.close()


@pytest.fixture
def idp(serve: Serve) -> Idp:
    """Return a provider."""
    return Idp(serve)


# -- the whole login ---------------------------------------------------------------------


@pytest.mark.feature("L11")
@pytest.mark.parametrize("changes", [{}, {"secret_in_body": True}, {"client_secret": None}])
async def test_a_login_gives_tokens_and_goes_on(
    serve: Serve, idp: Idp, changes: dict[str, Any]
) -> None:
    """With a proof key, which the provider checks; the secret goes where it is wanted."""
    browser = start_app(serve, idp.client(**changes))
    seen = await logged_in(browser, idp, "/login?next=/inbox?page=2")
    assert seen["next"] == "/inbox?page=2"
    assert (seen["access_token"], seen["refresh_token"]) == ("access-1", "refresh-1")
    assert seen["scope"] == ["openid", "email"]
    assert seen["claims"]["sub"] == "user-1"
    assert 3500 < seen["expires_at"] - time.time() <= 3600
    [form] = idp.asked
    assert form["redirect_uri"] == "http://localhost/login?from=idp"
    in_form = {name: form.get(name) for name in ("client_id", "client_secret")}
    assert in_form == {
        "client_id": CLIENT_ID if changes else None,
        "client_secret": SECRET if "secret_in_body" in changes else None,
    }


@pytest.mark.feature("L11")
async def test_the_provider_is_told_no_secret_by_the_browser(serve: Serve, idp: Idp) -> None:
    """RFC 7636 §4.3, RFC 6749 §4.1.1"""
    browser = start_app(serve, idp.client())
    begun = await browser.get("/login")
    location = begun.get("location") or ""
    asked = query_of(location)
    assert location.startswith(f"{idp.url}/authorize?tenant=1&")
    assert len({asked.pop(name) for name in ("state", "nonce", "code_challenge")}) == 3
    assert asked == {
        "tenant": "1",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://localhost/login?from=idp",
        "scope": "openid email",
        "code_challenge_method": "S256",
    }
    assert begun.get("cache-control") == "no-store"
    again = query_of((await browser.get("/login")).get("location"))
    first = query_of(location)
    assert not {again[name] for name in ("state", "nonce", "code_challenge")} & set(first.values())


async def test_plain_oauth_needs_no_id_token(serve: Serve, idp: Idp) -> None:
    """One that comes all the same is not looked at, and no nonce is sent."""
    idp.change = lambda answer, claims: answer.update(id_token="junk")
    browser = start_app(serve, idp.client(scope=()))
    begun = query_of((await browser.get("/login")).get("location"))
    assert not begun.keys() & {"nonce", "scope"}
    assert (await logged_in(browser, idp))["claims"] == {}


async def test_further_parameters_go_to_the_provider(serve: Serve, idp: Idp) -> None:
    """But none that the login makes itself."""
    client = idp.client()

    class Begin(RequestHandler):
        def get(self) -> None:
            with pytest.raises(ValueError, match="code_challenge, state"):
                client.begin_login(self, state="mine", code_challenge="mine", prompt="none")
            client.begin_login(self, prompt="consent", login_hint="a@b.c")

    site = serve([("/", Begin)], {"cookie_secret": COOKIE_SECRET})
    asked = query_of((await site.get("/")).get("location"))
    assert (asked["prompt"], asked["login_hint"]) == ("consent", "a@b.c")


@pytest.mark.parametrize(
    ("uri", "name", "secure"),
    [
        ("https://site.example/login", f"__Host-{COOKIE}", True),
        ("http://localhost/login", COOKIE, False),
    ],
)
async def test_what_the_browser_remembers_is_for_the_site_alone(
    serve: Serve, idp: Idp, uri: str, name: str, secure: bool
) -> None:
    """By HTTPS no other host of the domain can plant the cookie; no script reads it."""
    browser = start_app(serve, idp.client(redirect_uri=uri))
    callback = await sent_off(browser, idp)
    [line] = browser.set_cookies
    pair, *attributes = [part.strip() for part in line.lower().split(";")]
    assert pair.startswith(f"{name.lower()}=")
    assert {"path=/", "httponly", "samesite=lax", "max-age=600"} <= set(attributes)
    assert ("secure" in attributes) is secure
    assert not [part for part in attributes if part.startswith("domain")]
    answer = await browser.get(callback)
    assert answer.status == 200
    # A browser takes the cookie away only by the same prefix rules.
    [line] = browser.set_cookies
    assert line.startswith(f"{name}=")
    assert ("secure" in line.lower().split("; ")) is secure
    assert browser.cookies == {}


async def test_the_url_with_the_code_is_told_to_nobody(serve: Serve, idp: Idp) -> None:
    """RFC 9700 §4.2.4; nor is it kept."""
    browser = start_app(serve, idp.client())
    answer = await browser.get(await sent_off(browser, idp))
    assert answer.get("referrer-policy") == "no-referrer"
    assert answer.get("cache-control") == "no-store"


@pytest.mark.parametrize("url", ["//evil.example", "https://evil.example/", "/\\evil.example"])
async def test_a_login_does_not_lead_away(serve: Serve, idp: Idp, url: str) -> None:
    """No open redirect through ``next``."""
    browser = start_app(serve, idp.client())
    assert (await logged_in(browser, idp, f"/login?next={url}"))["next"] == "/"


async def test_a_login_needs_the_secret_for_cookies(serve: Serve, idp: Idp) -> None:
    """Which is said by its name."""
    client = idp.client()
    errors: list[str] = []

    class Begin(RequestHandler):
        def get(self) -> None:
            with pytest.raises(Exception, match="cookie_secret") as caught:
                client.begin_login(self)
            errors.append(str(caught.value))

    await serve([("/", Begin)]).get("/")
    assert len(errors) == 1


# -- answers that are not to be believed -------------------------------------------------


@pytest.mark.feature("L11")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda query: query.replace("state=", "state=x"), "state"),
        (lambda query: query.replace("state=", "other="), "state"),
        (lambda query: f"{query}&state=x", "2 values of state"),
        (lambda query: f"{query}&code=x", "2 values of code"),
        (lambda query: query.replace("code=", "other="), "neither a code nor an error"),
        (lambda query: f"{query}&iss=https://evil.example", "issuer 'https://evil.example'"),
        (lambda query: f"{query}&iss=a&iss=b", "2 values of iss"),
    ],
)
async def test_an_answer_to_another_login_is_refused(
    serve: Serve, idp: Idp, change: Callable[[str], str], message: str
) -> None:
    """Login CSRF (RFC 6749 §10.12) and mix-up (RFC 9207); the code is not even exchanged."""
    browser = start_app(serve, idp.client())
    path, _, query = (await sent_off(browser, idp)).partition("?")
    assert message in (await refused(browser, f"{path}?{change(query)}"))["seen"]
    assert idp.asked == []


@pytest.mark.feature("L11")
@pytest.mark.parametrize("begun", [False, True])
async def test_the_answer_for_another_browser_is_refused(
    serve: Serve, idp: Idp, begun: bool
) -> None:
    """An attacker has a victim open his own callback, to have him in the attacker's account."""
    attacker = start_app(serve, idp.client())
    victim = Browser(attacker.site)
    if begun:
        await victim.get("/login")
    callback = await sent_off(attacker, idp)
    seen = (await refused(victim, callback))["seen"]
    assert ("state" if begun else "no login was begun") in seen
    assert idp.asked == []
    # The victim's own login is still good.
    assert (await logged_in(victim, idp))["claims"]["sub"] == "user-1"


async def test_a_code_stolen_from_another_browser_is_worth_nothing(serve: Serve, idp: Idp) -> None:
    """RFC 7636 §1: the proof key of the thief's login is another one."""
    victim = start_app(serve, idp.client())
    thief = Browser(victim.site)
    code = query_of(await sent_off(victim, idp))["code"]
    own = query_of(await sent_off(thief, idp))
    seen = await refused(thief, f"/login?state={own['state']}&code={code}")
    assert seen["error"] == "invalid_grant"


async def test_an_answer_is_good_once(serve: Serve, idp: Idp) -> None:
    """The attempt is over with it."""
    browser = start_app(serve, idp.client())
    callback = await sent_off(browser, idp)
    assert (await browser.get(callback)).status == 200
    assert "no login was begun" in (await refused(browser, callback))["seen"]
    assert len(idp.asked) == 1


@pytest.mark.parametrize("age", [599, 601])
async def test_a_login_takes_ten_minutes_at_most(serve: Serve, idp: Idp, age: int) -> None:
    """Also if the browser keeps its cookie longer; nobody can make one up."""
    browser = start_app(serve, idp.client())
    callback = await sent_off(browser, idp)
    signed = browser.cookies[COOKIE].strip('"')

    class Show(RequestHandler):
        def get(self) -> None:
            self.write(self.get_signed_cookie(COOKIE) or b"")

    site = serve([("/", Show)], {"cookie_secret": COOKIE_SECRET})
    value = (await site.get("/", f"Cookie: {COOKIE}={signed}\r\n")).body
    for secret, good in (("another secret", False), (COOKIE_SECRET, age < 600)):
        made = create_signed_value(secret, COOKIE, value, clock=lambda: time.time() - age)
        browser.cookies[COOKIE] = made.decode()
        assert (await browser.get(callback)).status == (200 if good else 403)


async def test_a_cookie_of_another_version_is_refused(serve: Serve, idp: Idp) -> None:
    """A login that was under way while the program was replaced has to begin again."""
    browser = start_app(serve, idp.client())
    for value in ("[]", '{"audience": "a", "more": 1}', "{}", "junk"):
        browser.cookies[COOKIE] = create_signed_value(COOKIE_SECRET, COOKIE, value).decode()
        assert "cannot be read" in (await refused(browser, "/login?state=a&code=b"))["seen"]


async def test_the_answer_of_another_provider_is_refused(serve: Serve, idp: Idp) -> None:
    """Mix-up (RFC 9700 §4.4): two clients of one site, one of them with a bad provider."""
    other = Idp(serve)
    app = start_app(serve, idp.client())
    elsewhere = start_app(serve, other.client())
    callback = await sent_off(app, idp)
    elsewhere.cookies = app.cookies
    assert "another provider" in (await refused(elsewhere, callback))["seen"]
    assert idp.asked == other.asked == []


@pytest.mark.parametrize("states", [False, True])
async def test_an_issuer_is_demanded_of_those_who_say_they_state_it(
    serve: Serve, idp: Idp, states: bool
) -> None:
    """RFC 9207 §2.4"""
    idp.states_issuer = states
    idp.description = {"authorization_response_iss_parameter_supported": True}
    browser = start_app(serve, idp.client(provider=await discover(idp.issuer)))
    callback = await sent_off(browser, idp)
    if states:
        assert (await browser.get(callback)).status == 200
    else:
        assert "issuer ''" in (await refused(browser, callback))["seen"]


async def test_the_refusal_of_a_provider_is_told(serve: Serve, idp: Idp) -> None:
    """With its words, which are cut and quoted in the message (RFC 6749 §4.1.2.1)."""
    browser = start_app(serve, idp.client())
    state = query_of(await sent_off(browser, idp))["state"]
    said = "no" * 500
    query = f"state={state}&error=access_denied&error_description=%1b[2J{said}"
    seen = await refused(browser, f"/login?{query}")
    assert (seen["error"], seen["said"]) == ("access_denied", f" [2J{said}")
    assert "'access_denied'" in seen["seen"]
    assert len(seen["seen"]) < 250


# -- bad answers of the token endpoint ---------------------------------------------------


def says(body: str, status: int = 200, **headers: str) -> Callable[[RequestHandler], None]:
    """Return an answer of the token endpoint."""

    def answer(handler: RequestHandler) -> None:
        handler.set_status(status)
        for name, value in headers.items():
            handler.set_header(name, value)
        handler.write(body)

    return answer


@pytest.mark.parametrize(
    ("answer", "message", "error"),
    [
        (
            says('{"error": "invalid_grant", "error_description": "too\\nold"}', 400),
            "answered HTTP 400: Bad Request, 'invalid_grant', 'too\\nold'",
            "invalid_grant",
        ),
        (says('{"error": "bad_verification_code"}'), "'bad_verification_code'", None),
        (says('{"error": {"type": "OAuthException", "message": "m"}}', 400), "Exception'", None),
        (says('{"error": 190}', 400), "'190'", None),
        (says('{"error": {"type": [[]]}}', 400), "answered HTTP 400: Bad Request", ""),
        (says("[]", 400), "answered HTTP 400: Bad Request", ""),
        (says("<html>", 502), "answered HTTP 502: Bad Gateway", ""),
        (says("[" * 100_000, 400), "answered HTTP 400", ""),
        (says("[" * 100_000), "not JSON", ""),
        (says("access_token=a"), "not JSON", ""),
        (says("\xff"), "not JSON", ""),
        (says("[]"), "answered a list", ""),
        (says("{}"), "no access_token", ""),
        (says('{"access_token": "a", "token_type": "bearer"}'), "ID token", ""),
        (says('{"a": "' + "a" * 1024 * 1024 + '"}'), "1048576 are allowed", ""),
    ],
)
async def test_a_bad_answer_is_an_error_that_tells_of_it(
    serve: Serve, idp: Idp, answer: Any, message: str, error: str | None
) -> None:
    """RFC 6749 §5.2; the URL of the token endpoint is in the message."""
    idp.answer = answer
    browser = start_app(serve, idp.client())
    seen = await refused(browser, await sent_off(browser, idp))
    assert message in seen["seen"]
    assert error is None or seen["error"] == error
    assert len(idp.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_secrets_do_not_follow_redirects(serve: Serve, idp: Idp, status: int) -> None:
    """They are for the URL that was configured (compare CVE-2018-18074)."""
    elsewhere = Idp(serve)
    idp.answer = says("", status, Location=f"{elsewhere.url}/token")
    browser = start_app(serve, idp.client())
    seen = await refused(browser, await sent_off(browser, idp))
    assert f"answered HTTP {status}" in seen["seen"]
    assert elsewhere.site.statuses == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answer, claims: claims.update(nonce="of another login"), "nonce"),
        (lambda answer, claims: claims.update(aud="another client"), "aud"),
        (lambda answer, claims: claims.update(exp=time.time() - 3600), "exp"),
        (lambda answer, claims: answer.update(id_token="a.b.c"), "ID token"),
        (lambda answer, claims: answer.update(id_token=id_token({})), "iss"),
    ],
)
async def test_a_bad_id_token_is_refused(serve: Serve, idp: Idp, change: Any, message: str) -> None:
    """OpenID Connect Core 1.0 §3.1.3.7"""
    idp.change = change
    browser = start_app(serve, idp.client())
    assert message in (await refused(browser, await sent_off(browser, idp)))["seen"]


async def test_a_provider_that_is_not_there_is_an_error(serve: Serve, idp: Idp) -> None:
    """As an `AuthError`, like all that is the provider's fault."""
    idp.site.server.stop()
    with pytest.raises(AuthError, match="was not reached") as caught:
        await idp.client().refresh(Tokens("a", refresh_token="refresh-0"))
    assert "/token" in str(caught.value)


async def test_a_provider_that_does_not_answer_is_given_up(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a client that would wait for ever."""
    monkeypatch.setattr(asking, "REQUEST_TIMEOUT", 0.05)
    ended = asyncio.Event()
    idp.answer = lambda handler: ended.wait()
    patient = AsyncHTTPClient(
        force_instance=True, defaults={"request_timeout": 0, "connect_timeout": 0}
    )
    client = idp.client(http_client=patient)
    try:
        with pytest.raises(AuthHTTPError, match=r"no answer in 0\.05 seconds") as caught:
            await client.refresh(Tokens("a", refresh_token="refresh-0"))
        assert caught.value.code == 599
    finally:
        ended.set()
        patient.close()


async def test_a_login_that_is_cancelled_is_over(idp: Idp) -> None:
    """The request to the provider is given up with it."""
    arrived, ended = asyncio.Event(), asyncio.Event()

    def answer(handler: RequestHandler) -> Any:
        arrived.set()
        return ended.wait()

    idp.answer = answer
    task = asyncio.ensure_future(idp.client().refresh(Tokens("a", refresh_token="refresh-0")))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended.set()


# -- refreshing --------------------------------------------------------------------------


@pytest.mark.parametrize("rotates", [False, True])
async def test_tokens_are_refreshed(idp: Idp, rotates: bool) -> None:
    """What does not come anew is kept (RFC 6749 §6)."""
    if not rotates:
        idp.change = lambda answer, claims: answer.update(refresh_token=None)
    old = Tokens("a", refresh_token="refresh-0", scope=("email",), claims={"sub": "user-1"})
    new = await idp.client().refresh(old)
    assert idp.asked == [{"grant_type": "refresh_token", "refresh_token": "refresh-0"}]
    assert (new.access_token, new.scope) == ("access-1", ("email",))
    assert new.refresh_token == ("refresh-1" if rotates else "refresh-0")
    assert new.claims["aud"] == CLIENT_ID
    assert not new.expired(time.time())


async def test_a_refresh_without_an_id_token_keeps_the_claims(idp: Idp) -> None:
    """It need not bring one (OpenID Connect Core 1.0 §12.2)."""
    idp.answer = says('{"access_token": "a", "token_type": "bearer"}')
    old = Tokens("a", refresh_token="refresh-0", claims={"sub": "user-1"})
    assert (await idp.client().refresh(old)).claims == {"sub": "user-1"}


async def test_a_refresh_does_not_change_the_user(idp: Idp) -> None:
    """OpenID Connect Core 1.0 §12.2"""
    old = Tokens("a", refresh_token="refresh-0", claims={"sub": "user-2"})
    with pytest.raises(AuthError, match="another user"):
        await idp.client().refresh(old)


async def test_a_refresh_that_is_refused_tells_why(idp: Idp) -> None:
    """So the program knows that the user has to log in again."""
    idp.answer = says('{"error": "invalid_grant"}', 400)
    with pytest.raises(AuthHTTPError) as caught:
        await idp.client().refresh(Tokens("a", refresh_token="refresh-0"))
    assert (caught.value.error, caught.value.code) == ("invalid_grant", 400)
    with pytest.raises(AuthError, match="no refresh_token"):
        await idp.client().refresh(Tokens("a"))


# -- with the tokens ---------------------------------------------------------------------


async def test_a_provider_tells_of_the_user(idp: Idp) -> None:
    """By the token, which goes into a header and not into the URL (RFC 6750 §2.1, §2.3)."""
    user = await idp.client().userinfo(Tokens("access-1", claims={"sub": "user-1"}))
    assert user == {"sub": "user-1", "name": "Ada", "asked": {}}


async def test_only_the_user_of_the_id_token_is_told_of(idp: Idp) -> None:
    """OpenID Connect Core 1.0 §5.3.2"""
    with pytest.raises(AuthError, match="another user"):
        await idp.client().userinfo(Tokens("access-1", claims={"sub": "user-2"}))
    with pytest.raises(AuthHTTPError, match="HTTP 401"):
        await idp.client().userinfo(Tokens("bad"))
    provider = Provider(authorize_url=idp.url, token_url=idp.url)
    with pytest.raises(ValueError, match="userinfo_url"):
        await idp.client(provider=provider, scope=()).userinfo(Tokens("access-1"))


async def test_an_api_is_asked_for_the_user(idp: Idp) -> None:
    """By GET or POST; what it refuses is an error of HTTP, and nothing goes in the clear."""
    client, url = idp.client(), f"{idp.url}/userinfo?a=1"
    tokens = Tokens("access-1")
    assert (await client.fetch_json(url, tokens, b=2))["asked"] == {"a": "1", "b": "2"}
    posted = await client.fetch_json(url, tokens, post_args={"c": "d e"})
    assert posted == {"form": {"c": "d e"}}
    with pytest.raises(HTTPClientError) as caught:
        await client.fetch_json(url, Tokens("bad"))
    assert (caught.value.code, isinstance(caught.value, AuthError)) == (401, False)
    with pytest.raises(ValueError, match="https"):
        await client.fetch_json("http://site.example/", tokens)


async def test_the_token_of_a_user_does_not_follow_redirects(serve: Serve, idp: Idp) -> None:
    """Not even to the same host, where it might be shown to somebody else's page."""

    class Away(RequestHandler):
        def get(self) -> None:
            self.redirect(f"{idp.url}/userinfo")

    site = serve([("/", Away)])
    url = f"http://127.0.0.1:{site.address[1]}/"
    with pytest.raises(HTTPClientError) as caught:
        await idp.client().fetch_json(url, Tokens("access-1"))
    assert caught.value.code == 302
    assert idp.site.statuses == []


# -- discovery ---------------------------------------------------------------------------


async def test_a_provider_is_discovered(serve: Serve, idp: Idp) -> None:
    """OpenID Connect Discovery 1.0 §4; a login with what it says succeeds."""
    provider = await discover(idp.issuer)
    assert provider == Provider(
        issuer=idp.issuer,
        authorize_url=f"{idp.url}/authorize",
        token_url=f"{idp.url}/token",
        userinfo_url=f"{idp.url}/userinfo",
    )
    browser = start_app(serve, idp.client(provider=provider))
    assert (await logged_in(browser, idp))["claims"]["iss"] == idp.issuer
    idp.description = {"userinfo_endpoint": None}
    assert (await discover(idp.issuer)).userinfo_url is None


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"issuer": "https://evil.example"}, "describes issuer 'https://evil.example'"),
        ({"issuer": None}, "describes issuer a NoneType"),
        ({"token_endpoint": None}, "token_endpoint is a NoneType"),
        ({"authorization_endpoint": 1}, "authorization_endpoint is a int"),
        ({"token_endpoint": "http://evil.example/"}, "token_url is 'http://evil.example/'"),
        ({"userinfo_endpoint": "ftp://h/"}, "userinfo_url"),
        ({"error": "unknown_tenant"}, "unknown_tenant"),
    ],
)
async def test_a_bad_description_is_refused(
    idp: Idp, description: dict[str, Any], message: str
) -> None:
    """OpenID Connect Discovery 1.0 §4.3: one issuer does not describe another."""
    idp.description = description
    with pytest.raises(AuthError, match=message):
        await discover(idp.issuer)


async def test_an_issuer_is_itself_to_the_letter(idp: Idp) -> None:
    """A slash more is another one; one without HTTPS is none."""
    with pytest.raises(AuthError, match="describes issuer"):
        await discover(f"{idp.issuer}/")
    with pytest.raises(AuthHTTPError, match="HTTP 404"):
        await discover(idp.url)
    with pytest.raises(ValueError, match="issuer"):
        await discover("http://id.example")


@pytest.mark.parametrize("trusted", [False, True])
async def test_a_provider_has_to_show_its_certificate(
    serve: Serve, trusted: bool, tmp_path: Any
) -> None:
    """All rests on it, so a client that checks none does check it here."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    defaults: dict[str, Any] = {"validate_cert": False}
    if trusted:
        defaults["ca_certs"] = str(tmp_path / "ca.pem")
    http_client = AsyncHTTPClient(force_instance=True, defaults=defaults)
    idp = Idp(serve, ssl_options=context)
    tokens = Tokens("a", refresh_token="refresh-0")
    try:
        client = idp.client(http_client=http_client)
        if trusted:
            assert (await discover(idp.issuer, http_client)).issuer == idp.issuer
            assert (await client.refresh(tokens)).access_token == "access-1"
        else:
            with ExpectLog("toolkit.general", "SSL Error"):
                with pytest.raises(AuthError, match="CERTIFICATE_VERIFY_FAILED"):
                    await discover(idp.issuer, http_client)
                with pytest.raises(AuthError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.refresh(tokens)
                await idp.site.end()  # the server has its say of it too
    finally:
        http_client.close()


# -- secrets -----------------------------------------------------------------------------


async def test_no_log_and_no_error_tells_a_secret(
    serve: Serve, idp: Idp, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the application, the tokens and the proof key; a whole login, then a failure."""
    caplog.set_level(logging.DEBUG)
    browser = start_app(serve, idp.client(secret_in_body=True))
    seen = await logged_in(browser, idp)
    verifier = idp.asked[0]["code_verifier"]
    secrets = {SECRET, seen["access_token"], seen["refresh_token"], verifier}
    idp.answer = says('{"error": "invalid_grant"}', 400)
    tokens = Tokens(seen["access_token"], refresh_token=seen["refresh_token"])
    with pytest.raises(AuthHTTPError) as caught:
        await idp.client(secret_in_body=True).refresh(tokens)
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error.args) + repr(error)
    assert secrets <= {value for form in idp.asked for value in form.values()} | {
        seen["access_token"]
    }
    for secret in secrets | {quote_plus(SECRET)}:
        assert secret not in caplog.text
        assert secret not in told
