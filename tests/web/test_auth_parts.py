"""Parts of a login: signatures, proof keys, claims, and where a user may be sent."""

import base64
import json
from typing import Any

import pytest

from tests.web.auth_site import encoded, id_token
from toolkit.auth import (
    AuthError,
    AuthHTTPError,
    OAuth2Client,
    Provider,
    Tokens,
    code_challenge,
    code_verifier,
    local_path,
)
from toolkit.auth.attempts import Attempt
from toolkit.auth.id_token import checked_claims
from toolkit.auth.signing import base_string, escape, signature
from toolkit.auth.tokens import read_tokens
from toolkit.httpclient import HTTPClientError

# -- OAuth 1.0 ---------------------------------------------------------------------------

#: The request of RFC 5849 §1.2 for a photo.
PHOTO = {
    "file": "vacation.jpg",
    "size": "original",
    "oauth_consumer_key": "dpf43f3p2l4k3l03",
    "oauth_token": "nnch734d00sl2jdk",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "137131202",
    "oauth_nonce": "chapoH",
}


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://photos.example.net/photos", PHOTO),
        ("HTTP://Photos.Example.Net:80/photos", PHOTO),
        # A query counts as well, and once.
        ("http://photos.example.net/photos?file=vacation.jpg&size=original", PHOTO),
        (
            "http://photos.example.net/photos?file=vacation.jpg&size=original",
            {name: value for name, value in PHOTO.items() if name.startswith("oauth_")},
        ),
    ],
)
def test_a_signature_is_that_of_the_rfc(url: str, given: dict[str, str]) -> None:
    """RFC 5849 §1.2"""
    signed = signature("get", url, given, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00")
    assert signed == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


def test_a_base_string_is_that_of_the_rfc() -> None:
    """RFC 5849 §3.4.1.1; the values are encoded twice, and sorted by the encoded name."""
    parameters = {
        "c2": "",
        "a3": "2 q",
        "oauth_consumer_key": "9djdj82h48djs9d2",
        "oauth_token": "kkk9d7dh3k39sjv7",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131201",
        "oauth_nonce": "7d8f3e4a",
    }
    url = "http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b"
    # a3 comes twice in the RFC, which a dict cannot say.
    assert base_string("POST", url, parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26b5%3D%253D%25253D"
        "%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a"
        "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201"
        "%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h:443", "https://h/"),
        ("https://h:80/", "https://h:80/"),
        ("http://[::1]:8080/a b", "http://[::1]:8080/a b"),
    ],
)
def test_a_base_string_has_the_port_unless_it_is_the_usual_one(url: str, expected: str) -> None:
    """RFC 5849 §3.4.1.2"""
    assert base_string("GET", url, {}) == f"GET&{escape(expected)}&"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a b+c/~", "a%20b%2Bc%2F~"), ("ü", "%C3%BC"), (b"\xff", "%FF"), (1, "1"), (True, "True")],
)
def test_values_are_encoded_as_the_rfc_says(value: Any, expected: str) -> None:
    """RFC 5849 §3.6"""
    assert escape(value) == expected


def test_secrets_are_encoded_but_for_old_providers() -> None:
    """The key is the same where there is nothing to encode, and another one where there is."""
    plain, odd = ("a", "b"), ("a&", "b%")
    for secrets, same in ((plain, True), (odd, False)):
        new = signature("GET", "http://h/", {}, *secrets)
        assert (new == signature("GET", "http://h/", {}, *secrets, escaped=False)) is same


# -- proof keys --------------------------------------------------------------------------


@pytest.mark.feature("L11")
def test_a_challenge_is_that_of_the_rfc() -> None:
    """RFC 7636 Appendix B"""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_each_verifier_is_new_and_long_enough() -> None:
    """RFC 7636 §4.1: 43 characters at least."""
    made = {code_verifier() for _ in range(100)}
    assert len(made) == 100
    assert {len(verifier) for verifier in made} == {43}


# -- where a user may be sent ------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/", "/"),
        ("/a/b?c=d&e=%20#f", "/a/b?c=d&e=%20#f"),
        ("/a//b", "/a//b"),
        ("/café", "/caf%C3%A9"),
        ("/?next=https://evil.example", "/?next=https://evil.example"),
        ("/" + "a" * 999, "/" + "a" * 999),
        # All of these lead away, or might in some browser.
        ("https://evil.example/", None),
        ("//evil.example", None),
        ("///evil.example", None),
        ("/\\evil.example", None),
        ("\\\\evil.example", None),
        ("/\t/evil.example", None),
        ("/\n/evil.example", None),
        ("/a\\..\\\\evil.example", None),
        (" //evil.example", None),
        ("javascript:alert(1)", None),
        ("evil.example", None),
        ("@evil.example", None),
        ("/a\r\nSet-Cookie: a=b", None),
        ("/a b", None),
        ("/\x7f", None),
        ("/\x00", None),
        ("", None),
        (None, None),
        ("/" + "a" * 1000, None),
        ("/" + "é" * 999, None),
    ],
)
def test_only_a_path_of_the_site_is_gone_on_to(url: str | None, expected: str | None) -> None:
    """No open redirect, whatever a browser makes of tabs, backslashes and missing schemes."""
    assert local_path(url, default="/home") == (expected or "/home")


def test_a_surrogate_breaks_nothing() -> None:
    """It cannot be encoded."""
    assert local_path("/\ud800") == "/%3F"


# -- URLs of providers -------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example/a?b=c",
        "https://id.example:8443",
        "http://127.0.0.1:1/",
        "http://127.9.9.9/",
        "http://[::1]/",
        "http://localhost/",
    ],
)
def test_https_and_this_machine_can_be_trusted_with_secrets(url: str) -> None:
    """Nothing lies between this machine and itself."""
    assert Provider(authorize_url=url, token_url=url).token_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://10.0.0.1/",
        "ftp://id.example/",
        "https:///path",
        "https://id.example/#fragment",
        "https://user@id.example/",
        "//id.example/",
        "",
    ],
)
@pytest.mark.parametrize("name", ["authorize_url", "token_url", "issuer", "userinfo_url"])
def test_other_urls_are_refused(url: str, name: str) -> None:
    """RFC 6749 §3.1, §3.2: TLS is needed."""
    urls = {"authorize_url": "https://h/", "token_url": "https://h/"}
    with pytest.raises(ValueError, match=name):
        Provider(**{**urls, name: url})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"redirect_uri": "http://site.example/"}, "redirect_uri"),
        ({"scope": ("openid",)}, "needs an issuer"),
        ({"scope": "openid email"}, "a sequence of names"),
    ],
)
def test_a_client_that_cannot_be_safe_is_not_made(changes: dict[str, Any], message: str) -> None:
    """It is said at the start of the program."""
    provider = Provider(authorize_url="https://h/a", token_url="https://h/t")
    options = {"provider": provider, "client_id": "c", "redirect_uri": "https://site.example/"}
    with pytest.raises(ValueError, match=message):
        OAuth2Client(**{**options, **changes})


def test_who_states_its_issuer_has_one() -> None:
    """RFC 9207 could not be obeyed otherwise."""
    with pytest.raises(ValueError, match="states_issuer"):
        Provider(authorize_url="https://h/a", token_url="https://h/t", states_issuer=True)


# -- tokens ------------------------------------------------------------------------------

GOOD = {"access_token": "abc", "token_type": "Bearer"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (None, None, ("a",))),
        ({"expires_in": 60}, (1060.0, None, ("a",))),
        ({"expires_in": "60"}, (1060.0, None, ("a",))),
        ({"expires_in": 0.5, "refresh_token": "r"}, (1000.5, "r", ("a",))),
        ({"scope": "b  c", "refresh_token": ""}, (None, None, ("b", "c"))),
        ({"scope": ""}, (None, None, ())),
        ({"scope": None, "token_type": "BEARER"}, (None, None, ("a",))),
    ],
)
def test_tokens_are_read(more: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """RFC 6749 §5.1"""
    answer = {**GOOD, **more}
    tokens = read_tokens(answer, ("a",), 1000.0)
    assert (tokens.expires_at, tokens.refresh_token, tokens.scope) == expected
    assert (tokens.access_token, tokens.answer) == ("abc", answer)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"access_token": None}, "no access_token"),
        ({"access_token": ""}, "no access_token"),
        ({"access_token": 1}, "no access_token"),
        ({"access_token": "a\r\nX: y"}, "no access_token"),
        ({"access_token": "a b"}, "no access_token"),
        ({"token_type": None}, "token_type 'None'"),
        ({"token_type": "mac"}, "token_type 'mac'"),
        ({"refresh_token": 1}, "refresh_token"),
        ({"expires_in": -1}, "expires_in"),
        ({"expires_in": True}, "expires_in"),
        ({"expires_in": "never"}, "expires_in 'never'"),
        ({"expires_in": "９"}, "expires_in"),
        ({"expires_in": 10**400}, "expires_in"),
        ({"expires_in": float("nan")}, "expires_in"),
        ({"expires_in": []}, "expires_in"),
    ],
)
def test_tokens_that_cannot_be_used_are_refused(more: dict[str, Any], message: str) -> None:
    """What cannot stand in a header stands in none."""
    with pytest.raises(AuthError, match=message):
        read_tokens({**GOOD, **more}, (), 1000.0)


@pytest.mark.parametrize(
    ("expires_at", "now", "expired"),
    [(None, 1e12, False), (100.0, 69.9, False), (100.0, 70.0, True), (100.0, 200.0, True)],
)
def test_tokens_expire_a_little_early(expires_at: float | None, now: float, expired: bool) -> None:
    """So that they last for the request they are meant for."""
    assert Tokens("a", expires_at=expires_at).expired(now) is expired


# -- ID tokens ---------------------------------------------------------------------------

NOW = 1_700_000_000.0
CLAIMS = {
    "iss": "https://id.example",
    "aud": "me",
    "sub": "user-1",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "n",
}


def check(token: Any, nonce: str | None = "n") -> dict[str, Any]:
    return checked_claims(token, "https://id.example", "me", nonce, NOW)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"aud": ["me"]},
        {"aud": ["me"], "azp": "me"},
        {"aud": ["other", "me"], "azp": "me"},
        {"exp": NOW - 59, "iat": NOW + 60},
        {"exp": int(NOW) + 1},
    ],
)
def test_a_good_id_token_gives_its_claims(more: dict[str, Any]) -> None:
    """OpenID Connect Core 1.0 §3.1.3.7"""
    claims = {**CLAIMS, **more}
    assert check(id_token(claims)) == claims


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"iss": "https://id.example/"}, "iss of the ID token is 'https://id.example/'"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": "meme"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": {"me": 1}}, "aud"),
        ({"aud": ["me", "other"]}, "azp of the ID token is missing"),
        ({"aud": ["me", "other"], "azp": "other"}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"exp": NOW - 60}, "exp"),
        ({"exp": str(NOW + 60)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": 10**400}, "exp"),
        ({"iat": NOW + 61}, "iat"),
        ({"iat": None}, "iat"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"sub": "a" * 256}, "sub"),
        ({"nonce": "m"}, "nonce"),
        ({"nonce": "é"}, "nonce"),
        ({"nonce": None}, "nonce"),
    ],
)
def test_an_id_token_for_another_client_login_or_time_is_refused(
    more: dict[str, Any], message: str
) -> None:
    """OpenID Connect Core 1.0 §3.1.3.7; the message tells what was seen."""
    with pytest.raises(AuthError, match=message):
        check(id_token({**CLAIMS, **more}))


@pytest.mark.parametrize("missing", CLAIMS)
def test_an_id_token_lacks_nothing(missing: str) -> None:
    """Each of these claims is required."""
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    with pytest.raises(AuthError, match=missing):
        check(id_token(claims))


def test_an_id_token_of_a_refresh_may_be_without_a_nonce() -> None:
    """OpenID Connect Core 1.0 §12.2"""
    assert check(id_token(CLAIMS), nonce=None) == CLAIMS


@pytest.mark.parametrize(
    "token",
    [
        None,
        1,
        "",
        "a.b",
        "a.b.c.d.e",
        id_token(CLAIMS, signature=""),
        id_token(CLAIMS, header={"alg": "none"}),
        id_token(CLAIMS, header={"alg": "NonE"}),
        id_token(CLAIMS, header={"alg": 1}),
        id_token(CLAIMS, header={"typ": "JWT"}),
        id_token([CLAIMS]),
        id_token(CLAIMS, header=["RS256"]),
        f"{encoded({'alg': 'RS256'})}.{encoded(CLAIMS)}=.c2ln",
        f"{encoded({'alg': 'RS256'})}.A.c2ln",
        f"{encoded({'alg': 'RS256'})}.!!.c2ln",
        f"{encoded({'alg': 'RS256'})}.{base64.b64encode(b'[' * 100_000).decode()}.c2ln",
        f"{encoded({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'/w').decode()[:2]}.c2ln",
    ],
)
def test_what_is_no_signed_token_is_refused(token: Any) -> None:
    """Though the signature is not looked at: whoever sends none is not to be believed."""
    with pytest.raises(AuthError, match="ID token"):
        check(token)


# -- secrets -----------------------------------------------------------------------------


def test_no_repr_shows_a_secret() -> None:
    """Neither of a client, nor of tokens, attempts and errors."""
    provider = Provider(authorize_url="https://h/a", token_url="https://h/t")
    client = OAuth2Client(
        provider=provider, client_id="c", client_secret="hush", redirect_uri="https://s/"
    )
    tokens = read_tokens(
        {**GOOD, "access_token": "hush", "refresh_token": "hush", "id_token": "hush"}, (), 1.0
    )
    attempt = Attempt("a", state="hush", nonce="hush", verifier="hush")
    for value in (client, tokens, attempt):
        assert "hush" not in repr(value)
        assert "hush" not in str(value)
    assert json.dumps(vars(attempt)).count("hush") == 3


def test_an_error_of_http_is_one_of_the_client_too() -> None:
    """Programs that catch either go on working."""
    error = AuthHTTPError("said", 400, "Bad Request", error="invalid_grant", description="old")
    assert isinstance(error, AuthError)
    assert isinstance(error, HTTPClientError)
    assert (str(error), error.code, error.message) == ("said", 400, "Bad Request")
    assert (error.error, error.description, error.response) == ("invalid_grant", "old", None)
    assert repr(error) == "AuthHTTPError('said')"
    assert (AuthError("a").error, AuthError("a").args) == ("", ("a",))
