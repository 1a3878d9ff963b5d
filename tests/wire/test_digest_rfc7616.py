"""`challenges` and `digest`: who is asked to authenticate, and what a client answers."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.test_linear import count_calls
from toolkit.wire.challenges import MAX_ITEMS, parse_authentication_info, parse_challenges
from toolkit.wire.digest import DigestChallenge, digest_authorization

Parsed = list[tuple[str, dict[str, str] | str]]

CHALLENGES: dict[str, Parsed] = {
    "": [],
    " ,, ": [],
    "Basic": [("basic", {})],
    'Basic realm="simple"': [("basic", {"realm": "simple"})],
    "Negotiate, Basic realm=a": [("negotiate", {}), ("basic", {"realm": "a"})],
    "NTLM TlRMTVNTUAAB==, Bearer": [("ntlm", "TlRMTVNTUAAB=="), ("bearer", {})],
    # RFC 9110 §11.6.1
    'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"': [
        ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
        ("basic", {"realm": "simple"}),
    ],
    'Digest realm = "a, b=c" ,\tNonce="x" ,, qop="auth,auth-int"': [
        ("digest", {"realm": "a, b=c", "nonce": "x", "qop": "auth,auth-int"})
    ],
    'Basic realm="caf\xe9"': [("basic", {"realm": "caf\xe9"})],
    "Basic realm=a,": [("basic", {"realm": "a"})],
    "A  x=y": [("a", {"x": "y"})],
}


@pytest.mark.feature("F10")
@pytest.mark.parametrize(("value", "expected"), CHALLENGES.items())
def test_challenges_are_read(value: str, expected: Parsed) -> None:
    """Commas separate challenges as well as their parameters. RFC 9110 §11.6.1"""
    found = parse_challenges([value])
    assert [(c.scheme, c.token or c.parameters) for c in found] == expected
    assert parse_challenges([value, "Last"])[:-1] == found


@pytest.mark.parametrize(
    "value",
    [
        "realm=a",
        "NTLM abc=, realm=a",
        "Basic realm=a, realm=b",
        "Basic realm=a, Realm=b",
        'Basic realm="a',
        'Basic realm="a" x',
        "Basic realm=a b",
        "Basic\x00",
        "Basic realm=\x7f",
        "Basic, \xe9",
        "(Basic)",
        "a," * (MAX_ITEMS + 1),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_malformed_challenges_are_errors(value: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError):
        parse_challenges([value])


@settings(max_examples=200)
@given(st.text(st.sampled_from('Basic digest="\\,; \t=+/\x00\xe9'), max_size=60))
def test_whatever_a_server_sends_reading_ends(value: str) -> None:
    """With challenges, or with a ValueError."""
    try:
        found = parse_challenges([value])
    except ValueError:
        return
    for challenge in found:
        assert challenge.scheme == challenge.scheme.lower()
        assert not (challenge.token and challenge.parameters)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: "Basic realm=" + '"' + "\\" * size,
        lambda size: "a" * size,
        lambda size: "a " * size,
        lambda size: "," * size,
        lambda size: "a=" * size,
        lambda size: "A x" + " " * size + "=",
    ],
    ids=["open quote", "token", "words", "commas", "equals", "spaces"],
)
def test_hostile_challenges_cost_few_steps(make: Any) -> None:
    """The patterns do the work, and they never try twice."""

    def read(size: int) -> None:
        try:
            parse_challenges([make(size)])
        except ValueError:
            pass

    assert count_calls(lambda: read(50_000)) <= count_calls(lambda: read(5_000)) + 10


def test_authentication_info_is_a_list_of_parameters() -> None:
    """RFC 7616 §3.5"""
    assert parse_authentication_info('nextnonce="a", qop=auth') == {"nextnonce": "a", "qop": "auth"}
    assert parse_authentication_info("") == {}


# -- digests -----------------------------------------------------------------------------

RFC_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC_COOKIE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def challenge(**parameters: str) -> DigestChallenge:
    """Return a challenge with these parameters."""
    given = {"realm": "r", "nonce": "n"} | parameters
    text = ", ".join(f'{name}="{value}"' for name, value in given.items())
    found = DigestChallenge.chosen(parse_challenges([f"Digest {text}"]))
    assert found is not None
    return found


def answer(to: DigestChallenge, **options: Any) -> dict[str, str]:
    """Return the parameters of the answer to a challenge."""
    usual: dict[str, Any] = {
        "user": "Mufasa",
        "password": "Circle of Life",
        "method": "GET",
        "target": "/dir/index.html",
        "client_nonce": RFC_COOKIE,
        "count": 1,
    }
    given = usual | options
    value = digest_authorization(to, given.pop("user"), given.pop("password"), **given)
    (read,) = parse_challenges([value.replace("username*", "username-ext")])
    return read.parameters


@pytest.mark.feature("F10")
@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_rfc(algorithm: str, response: str) -> None:
    """RFC 7616 §3.9.1"""
    found = answer(
        challenge(
            realm="http-auth@example.org",
            qop="auth, auth-int",
            algorithm=algorithm,
            nonce=RFC_NONCE,
            opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        )
    )
    assert found == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": RFC_NONCE,
        "nc": "00000001",
        "cnonce": RFC_COOKIE,
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


def test_the_example_of_the_old_rfc() -> None:
    """RFC 2617 §3.5"""
    found = answer(
        challenge(
            realm="testrealm@host.com", qop="auth", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"
        ),
        password="Circle Of Life",
        client_nonce="0a4f113b",
    )
    assert found["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in found


def md5(text: str) -> str:
    """Return a hash as the formulas have it."""
    return hashlib.md5(text.encode()).hexdigest()


def test_a_server_that_knows_no_protection_gets_the_oldest_form() -> None:
    """RFC 2069, RFC 2617 §3.2.2.1"""
    found = answer(challenge(), user="u", password="p")
    assert found["response"] == md5(f"{md5('u:r:p')}:n:{md5('GET:/dir/index.html')}")
    assert not {"qop", "nc", "cnonce", "opaque"} & set(found)


@pytest.mark.feature("F10")
def test_the_password_of_a_session_is_hashed_with_the_nonces() -> None:
    """RFC 7616 §3.4.2"""
    found = answer(challenge(algorithm="MD5-sess", qop="auth"), user="u", password="p", count=10)
    inner = md5(f"{md5('u:r:p')}:n:{RFC_COOKIE}")
    request = md5("GET:/dir/index.html")
    assert found["response"] == md5(f"{inner}:n:0000000a:{RFC_COOKIE}:auth:{request}")
    assert found["algorithm"] == "MD5-sess"
    assert found["nc"] == "0000000a"
    assert answer(challenge(algorithm="md5-SESS"))["cnonce"] == RFC_COOKIE
    long = answer(challenge(algorithm="SHA-256-sess", qop="auth"))["response"]
    assert len(long) == 64


@pytest.mark.feature("F10")
def test_the_content_is_protected_where_the_server_wants_it() -> None:
    """RFC 7616 §3.4.3"""
    found = answer(
        challenge(qop="auth-int"), user="u", password="p", method="POST", content=b"data"
    )
    request = md5(f"POST:/dir/index.html:{md5('data')}")
    inner = f"{md5('u:r:p')}:n:00000001:{RFC_COOKIE}:auth-int"
    assert found["response"] == md5(f"{inner}:{request}")
    assert found["qop"] == "auth-int"


@pytest.mark.feature("F10")
def test_a_user_can_be_hidden() -> None:
    """RFC 7616 §3.4.4"""
    found = answer(challenge(userhash="true", charset="UTF-8"), user="J\xe4s\xf8n Doe")
    assert found["username"] == md5("J\xe4s\xf8n Doe:r")
    assert found["userhash"] == "true"


@pytest.mark.feature("F10")
def test_names_go_in_utf_8_and_composed() -> None:
    """RFC 7616 §3.4, §4"""
    composed, decomposed = ("j\xe4", "ja\u0308")
    at_ease = challenge(charset="utf-8")
    assert answer(at_ease, user=composed) == answer(at_ease, user=decomposed)
    assert answer(at_ease, user=composed)["username-ext"] == "UTF-8''j%C3%A4"
    assert answer(challenge(), user=composed)["username"] == "j\xc3\xa4"
    assert answer(at_ease, user='a"b\\c')["username"] == 'a"b\\c'


def test_what_the_server_said_is_said_back_quoted() -> None:
    """A realm cannot end its quotes."""
    odd = challenge(realm='a\\"b\\\\', nonce="x\\y", opaque="")
    assert (odd.realm, odd.nonce, odd.opaque) == ('a"b\\', "xy", "")
    found = answer(odd)
    assert (found["realm"], found["nonce"], found["opaque"]) == ('a"b\\', "xy", "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic realm=r",
        "Digest",
        "Digest realm=r",
        'Digest realm=r, nonce=""',
        "Digest nonce=n",
        "Digest realm=r, nonce=n, algorithm=SHA-512-256",
        "Digest realm=r, nonce=n, algorithm=-sess",
        "Digest realm=r, nonce=n, qop=token",
    ],
)
def test_what_is_not_known_is_not_answered(value: str) -> None:
    """RFC 7616 §3.3"""
    assert DigestChallenge.chosen(parse_challenges([value])) is None


def test_the_first_challenge_that_is_known_is_answered() -> None:
    """RFC 7616 §3.7"""
    found = DigestChallenge.chosen(
        parse_challenges(
            [
                "Basic realm=b, Digest realm=a, nonce=n, algorithm=SHA-512-256",
                "Digest realm=b, nonce=n, algorithm=SHA-256, stale=TRUE",
                "Digest realm=c, nonce=n, algorithm=MD5",
            ]
        )
    )
    assert found is not None
    assert (found.realm, found.stale) == ("b", True)
