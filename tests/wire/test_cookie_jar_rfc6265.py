"""`cookie_jar`: the cookies a client keeps, and with which requests they go (6265bis §5)."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.test_linear import count_calls
from toolkit.wire.cookie_jar import (
    MAX_LIFETIME,
    MAX_PAIR,
    Cookie,
    CookieStore,
    Place,
    cookie_date,
    default_path,
    is_address,
    path_match,
)
from toolkit.wire.cookies import InvalidCookieError

NOW = 1_700_000_000.0


def place(url: str) -> Place:
    """Return the place of a URL without port."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return Place(host, slash + path, scheme == "https")


def sent(
    *fields: str, by: str = "https://a.example/dir/page", to: str | None = None, after: float = 0
) -> str:
    """Return the Cookie field of a request to `to` after `by` was answered with Set-Cookie."""
    store = CookieStore()
    for field in fields:
        store.receive(field, place(by), NOW)
    return store.header(place(to or by), NOW + after)


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("a=b", "a=b"),
        ("  a \t= b c ;x", "a=b c"),
        ("a=b=c==", "a=b=c=="),
        ('a="b"', 'a="b"'),
        ("a=", "a="),
        ("b", "b"),
        ("=b", "b"),
        ("a=caf\xe9", "a=caf\xe9"),
        ("a=x\ty", "a=x\ty"),
        ("", ""),
        ("=", ""),
        (" ; Path=/", ""),
        ("a=\x00", ""),
        ("a=b; Path=\x0a", ""),
        ("a=b\x7f", ""),
        ("a=" + "b" * (MAX_PAIR - 1), "a=" + "b" * (MAX_PAIR - 1)),
        ("a=" + "b" * MAX_PAIR, ""),
        ("a=1; Path=/" + "p" * 1024, "a=1"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_stands_in_a_field_is_sent_back(field: str, expected: str) -> None:
    """The pair as it came, without outer whitespace; control characters spoil all. §5.6"""
    assert sent(field) == expected


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("domain", "host", "asked", "goes"),
    [
        # Without Domain the cookie is of the host alone.
        ("", "a.example", "a.example", True),
        ("", "a.example", "b.a.example", False),
        # With it, of all below as well.
        ("a.example", "a.example", "b.a.example", True),
        (".A.Example", "a.example", "b.a.example", True),
        ("a.example", "b.a.example", "a.example", True),
        ("a.example", "b.a.example", "c.a.example", True),
        ("a.example", "a.example", "ba.example", False),
        ("a.example", "a.example", "example", False),
        # Not for others, and not for those below alone.
        ("b.example", "a.example", "b.example", False),
        ("b.a.example", "a.example", "b.a.example", False),
        ("\xe9.example", "\xe9.example", "\xe9.example", False),
        # CVE-2018-18074 and its like: for all of a top-level domain.
        ("com", "a.com", "b.com", False),
        ("com.", "a.com.", "b.com.", False),
        ("co.uk", "a.co.uk", "b.co.uk", False),
        ("", "localhost", "localhost", True),
        ("localhost", "localhost", "localhost", True),
        ("localhost", "localhost", "a.localhost", False),
        ("co.uk", "co.uk", "co.uk", True),
        # Addresses have no domains above them.
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", True),
        ("0.0.1", "127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", "1.127.0.0.1", False),
        ("::1", "::1", "::1", True),
    ],
)
def test_a_cookie_goes_to_whom_its_server_may_speak_for(
    domain: str, host: str, asked: str, goes: bool
) -> None:
    """§5.1.3, §5.7"""
    store = CookieStore(public_suffix=lambda name: name == "co.uk")
    field = f"a=1; Domain={domain}" if domain else "a=1"
    store.receive(field, Place(host, "/", True), NOW)
    assert store.header(Place(asked, "/", True), NOW) == ("a=1" if goes else "")


def test_an_ip_address_is_no_domain() -> None:
    """§5.1.3"""
    assert [is_address(host) for host in ("1.2.3.4", "::1", "fe80::1%eth0", "a.b", "1.2.3")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("field", "asked", "goes"),
    [
        ("a=1", "/dir/page", True),
        ("a=1", "/dir", True),
        ("a=1", "/dir/sub/page?q", True),
        ("a=1", "/directory", False),
        ("a=1", "/", False),
        ("a=1; Path=/", "/anything", True),
        ("a=1; Path=/x/", "/x/y", True),
        ("a=1; Path=/x/", "/x", False),
        ("a=1; Path=/x", "/x?/y", True),
        ("a=1; Path=/x", "/xy", False),
        ("a=1; Path=/x; Path=", "/dir/page", True),
        ("a=1; Path=x", "/dir/page", True),
    ],
)
def test_a_cookie_goes_to_its_path_and_below(field: str, asked: str, goes: bool) -> None:
    """§5.1.4"""
    assert sent(field, to=f"https://a.example{asked}") == ("a=1" if goes else "")


def test_the_path_of_a_cookie_is_that_of_its_page_unless_said() -> None:
    """§5.1.4"""
    paths = ["", "*", "/", "/a", "/a/", "/a/b", "/a/b?c/d", "/?/"]
    assert [default_path(path) for path in paths] == ["/", "/", "/", "/", "/a", "/a", "/a", "/"]
    assert path_match("/a", "/a")


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        ("", None),
        ("Max-Age=10", 10),
        ("max-age=0010", 10),
        ("Max-Age=10; Max-Age=20", 20),
        ("Max-Age=10; Max-Age=x", 10),
        ("Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 10),
        ("Expires=Tue, 14 Nov 2023 22:13:30 GMT", 10),
        ("Expires=Tue, 14 Nov 2023 22:13:30 GMT; Expires=never", 10),
        ("Max-Age=+10", None),
        ("Max-Age=1_0", None),
        ("Max-Age=\xb2", None),
        ("Max-Age=" + "9" * 1000, MAX_LIFETIME),
        ("Max-Age=" + "0" * 900 + "10", 10),
        ("Expires=Fri, 31 Dec 9999 23:59:59 GMT", MAX_LIFETIME),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_cookie_lives_as_long_as_it_says(attributes: str, seconds: float | None) -> None:
    """And 400 days at most; without a word of it, to the end of the session. §5.5, §5.6"""
    assert sent(f"a=1; {attributes}", after=(seconds or 1e9) - 1) == "a=1"
    if seconds is not None:
        assert sent(f"a=1; {attributes}", after=seconds) == ""


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    "attribute",
    ["Max-Age=0", "Max-Age=-5", "Max-Age=-" + "9" * 900, "Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
    ids=lambda text: text[:12],
)
def test_a_cookie_whose_time_has_passed_removes_the_one_before(attribute: str) -> None:
    """That is how servers do it. §5.7"""
    assert sent("a=1", "b=2", f"a=; {attribute}") == "b=2"
    store = CookieStore()
    assert store.receive(f"a=1; {attribute}", place("https://a.example/"), NOW) is None
    assert len(store) == 0


DATES = {
    "Sun, 06 Nov 1994 08:49:37 GMT": 784111777.0,
    "Sun, 06-Nov-1994 08:49:37 GMT": 784111777.0,
    "Sunday, 06-Nov-94 08:49:37 GMT": 784111777.0,
    "Sun Nov  6 08:49:37 1994": 784111777.0,
    "1994 November 6th 8:49:37xyz": 784111777.0,
    "06;nov;94;08:49:37": 784111777.0,
    "1 Jan 69 00:00:00": 3124224000.0,
    "1 Jan 70 00:00:00": 0.0,
    "1 Jan 1600 00:00:00": None,
    "30 Feb 2000 00:00:00": None,
    "1 Jan 2000 24:00:00": None,
    "1 Jan 2000 00:00:60": None,
    "1 Jan 2000": None,
    "Jan 2000 00:00:00": None,
    "1 2000 00:00:00": None,
    "1 Jan 00:00:00": None,
    "001 Jan 02000 00:00:00": None,
    "١ Jan 2000 00:00:00": None,
    "": None,
}


@pytest.mark.parametrize(("text", "expected"), DATES.items())
def test_a_date_is_read_in_any_order(text: str, expected: float | None) -> None:
    """Servers write what they like. §5.1.1"""
    assert cookie_date(text) == expected


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    ("field", "by", "to", "goes"),
    [
        ("a=1; Secure", "https", "https", True),
        ("a=1; Secure", "https", "http", False),
        ("a=1; Secure", "http", "https", False),
        ("a=1", "http", "https", True),
        ("__Secure-a=1; Secure", "https", "https", True),
        ("__Secure-a=1", "https", "https", False),
        ("__SECURE-a=1", "https", "https", False),
        ("__Host-a=1; Secure; Path=/", "https", "https", True),
        ("__Host-a=1; Path=/", "https", "https", False),
        ("__Host-a=1; Secure", "https", "https", False),
        ("__host-a=1; Secure; Path=/dir", "https", "https", False),
        ("__Host-a=1; Secure; Path=/; Domain=a.example", "https", "https", False),
        ("=__Host-a=1; Secure; Path=/", "https", "https", False),
        ("__Secure-a", "https", "https", False),
    ],
)
def test_a_secure_cookie_comes_and_goes_over_tls(field: str, by: str, to: str, goes: bool) -> None:
    """And the prefixes of names hold what they promise. §4.1.3, §5.7"""
    pair = field.partition(";")[0]
    answer = sent(field, by=f"{by}://a.example/", to=f"{to}://a.example/dir")
    assert answer == (pair if goes else "")


@pytest.mark.parametrize(
    ("field", "host", "kept"),
    [
        ("a=2", "a.example", "a=1"),
        ("a=2; Path=/login/x", "a.example", "a=1"),
        ("a=2; Domain=a.example", "b.a.example", "a=1"),
        ("a=2; Path=/login", "b.a.example", "a=1"),
        ("a=2; Path=/", "a.example", "a=1; a=2"),
        ("b=2; Path=/login", "a.example", "a=1; b=2"),
    ],
)
def test_plain_http_cannot_hide_a_secure_cookie(field: str, host: str, kept: str) -> None:
    """Whoever sits in between could else put theirs before it. §5.7"""
    store = CookieStore()
    store.receive("a=1; Secure; Domain=a.example; Path=/login", place("https://a.example/"), NOW)
    store.receive(field, place(f"http://{host}/login/page"), NOW)
    assert store.header(place("https://a.example/login"), NOW) == kept


def test_a_cookie_replaces_the_one_of_its_name_domain_and_path() -> None:
    """It keeps the place of that in the field. §5.7"""
    store = CookieStore()
    here = place("https://a.example/")
    for at, field in enumerate(("a=1", "b=2", "a=3", "a=4; Path=/x", "a=5; Domain=a.example")):
        store.receive(field, here, NOW + at)
    assert store.header(place("https://a.example/x"), NOW) == "a=4; a=3; b=2; a=5"
    assert len(store) == 4


def test_longer_paths_go_first() -> None:
    """§5.8.3"""
    assert sent("a=1; Path=/", "b=2; Path=/dir", "c=3; Path=/") == "b=2; a=1; c=3"


@pytest.mark.feature("F04")
def test_what_a_cookie_says_of_sites_and_scripts_is_kept() -> None:
    """§5.6.6, §5.6.7"""
    store = CookieStore()
    here = place("https://a.example/")
    fields = [
        "a=1; SameSite=LAX; HttpOnly",
        "b=2; SameSite=Strict; samesite=x",
        "c=3;SameSite=none",
    ]
    kept = [store.receive(field, here, NOW) for field in fields]
    assert [(c.same_site, c.http_only) for c in kept if c] == [
        ("lax", True),
        ("", False),
        ("none", False),
    ]


def test_too_many_cookies_of_a_domain_push_out_their_own() -> None:
    """Expired ones first, then those not secure, then the one unused for longest. §5.7"""
    store = CookieStore(per_domain=3)
    here = place("https://a.example/")
    store.receive("other=1", place("https://b.example/"), NOW)
    for at, field in enumerate(("a=1; Secure", "b=2; Path=/x", "c=3; Max-Age=10")):
        store.receive(field, here, NOW + at)
    store.receive("d=4; Path=/y", here, NOW + 60)  # c has expired
    assert {cookie.name for cookie in store} == {"a", "b", "d", "other"}
    store.header(place("https://a.example/x"), NOW + 61)
    store.receive("e=5; Secure", here, NOW + 62)
    assert {cookie.name for cookie in store} == {"a", "b", "e", "other"}
    store.receive("f=6; Secure", here, NOW + 63)
    store.receive("g=7; Secure", here, NOW + 64)
    assert {cookie.name for cookie in store} == {"e", "f", "g", "other"}


def test_too_many_cookies_in_all_push_out_the_longest_unused() -> None:
    """Whosever it is."""
    store = CookieStore(total=2)
    for at in range(3):
        store.receive("a=1", place(f"https://{at}.example/"), NOW + at)
    assert [cookie.domain for cookie in store] == ["1.example", "2.example"]


def test_cookies_can_be_thrown_away() -> None:
    """All of them, some, and the expired ones."""
    store = CookieStore()
    for field in ("a=1", "b=2; Max-Age=10", "c=3"):
        store.receive(field, place("https://a.example/"), NOW)
    store.expire(NOW + 10)
    assert [cookie.name for cookie in store] == ["a", "c"]
    store.clear(lambda cookie: cookie.name == "a")
    assert [cookie.name for cookie in store] == ["c"]
    store.clear()
    assert len(store) == 0


@pytest.mark.feature("F04")
@pytest.mark.parametrize(
    "parts",
    [
        {"value": "b; admin=1"},
        {"value": "b\r\nX: y"},
        {"value": "\x00"},
        {"value": "\u20ac"},
        {"name": "a=b"},
        {"name": "", "value": ""},
        {"name": "a\n"},
        {"domain": "a;b"},
        {"path": "/\x7f"},
    ],
)
def test_a_cookie_that_would_be_two_is_refused(parts: dict[str, str]) -> None:
    """CVE-2026-43969 (cowlib): a value in a Cookie field cannot end it."""
    with pytest.raises(InvalidCookieError):
        Cookie(**{"name": "a", "value": "b", "domain": "a.example"} | parts)


TEXT = st.text(st.sampled_from(string.printable + "\x00\xe9\u20ac=;"), max_size=40)
HOSTS = st.sampled_from(["a.example", "b.a.example", "example", "1.2.3.4", "com"])


@settings(max_examples=100)
@given(st.lists(st.tuples(TEXT, HOSTS, st.booleans()), max_size=8), HOSTS)
def test_whatever_comes_no_cookie_leaves_its_domain(
    fields: list[tuple[str, str, bool]], asked: str
) -> None:
    """Nothing raises, and a Cookie field has no more cookies than were set by those in charge."""
    store = CookieStore()
    for text, host, domain in fields:
        text = text.encode("utf-8").decode("latin-1")
        suffix = "; Domain=a.example" if domain else ""
        store.receive(text + suffix, Place(host, "/", False), NOW)
    for cookie in store:
        related = [host for _, host, _ in fields if host.endswith(cookie.domain)]
        assert related
    field = store.header(Place(asked, "/", False), NOW)
    assert not set(field) & set("\r\n\x00")
    assert field.count(";") <= len(fields)


def test_reading_takes_time_linear_in_the_field() -> None:
    """Twice as long a field costs twice the calls."""
    here = place("https://a.example/")

    def cost(size: int) -> int:
        field = "a=1" + "; x=y" * size + "; Expires=" + "1 " * (size // 2)
        return count_calls(lambda: CookieStore().receive(field, here, NOW))

    assert cost(400) <= cost(200) * 2.1
