"""What proxies say of a request: the Forwarded field (RFC 7239) and its X- relatives."""

import ipaddress
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.test_linear import count_calls
from toolkit.wire.forwarded import (
    MAX_HOPS,
    Hop,
    hops,
    last_value,
    only_value,
    read_address,
    read_host,
    read_port,
    read_protocol,
    x_forwarded_for,
)

pytestmark = pytest.mark.feature("B27")


def forwarded(*lines: str) -> list[Hop]:
    """Read lines of Forwarded; the nearest proxy comes first."""
    return list(hops([("host", "h"), *(("forwarded", line) for line in lines), ("x", "y")]))


def listed(*lines: str) -> list[str]:
    """Read lines of X-Forwarded-For; the nearest proxy comes first."""
    return list(x_forwarded_for([("host", "h"), *(("x-forwarded-for", line) for line in lines)]))


# -- Forwarded ---------------------------------------------------------------------------

ELEMENTS = {
    # The examples of RFC 7239 §4 and §6.3.
    'for="_gazonk"': Hop(),
    'For="[2001:db8:cafe::17]:4711"': Hop("2001:db8:cafe::17"),
    "for=192.0.2.60;proto=http;by=203.0.113.43": Hop("192.0.2.60", "http"),
    "for=_hidden": Hop(),
    "for=unknown": Hop(),
    'for="_SEVKISEK:_port"': Hop(),
    'for="192.0.2.43:47011"': Hop("192.0.2.43"),
    # §5.3, §5.4: host and scheme.
    "for=192.0.2.1;host=example.com;proto=https": Hop("192.0.2.1", "https", "example.com"),
    'host="example.com:8080"': Hop(host="example.com:8080"),
    'host="[::1]:80"': Hop(host="[::1]:80"),
    "PROTO=HTTPS;FOR=192.0.2.1": Hop("192.0.2.1", "https"),
    'proto="https"': Hop(protocol="https"),
    "proto=wss": Hop(protocol="https"),
    # §4: extensions, pairs that are left out, quoted strings.
    "for=192.0.2.1;secret=egah2CGj55fSJFs;x-y=z": Hop("192.0.2.1"),
    ";for=192.0.2.1;;proto=http;": Hop("192.0.2.1", "http"),
    r'for="192.0.2\.1"': Hop("192.0.2.1"),
    r'x="a\"b\\";for=192.0.2.1': Hop("192.0.2.1"),
    r'for=192.0.2.1;x="\\\\\"\\"': Hop("192.0.2.1"),
    'for=192.0.2.1;x="a,for=6.6.6.6;b=c"': Hop("192.0.2.1"),
    r'for=192.0.2.1;x="a,for=6.6.6.6;b=\"c"': Hop("192.0.2.1"),
    'for=192.0.2.1;x=""': Hop("192.0.2.1"),
    'for=192.0.2.1;x="caf\xe9"': Hop("192.0.2.1"),
    # Beyond it: whitespace, and quotes that are missing.
    " for=192.0.2.1 ;\tproto=http ": Hop("192.0.2.1", "http"),
    "for=192.0.2.1:4711;host=example.com:80": Hop("192.0.2.1", "", "example.com:80"),
    "for=[2001:db8::1]:4711": Hop("2001:db8::1"),
    # Values that mean nothing are not said.
    'for=example.com;proto=javascript;host="a@b"': Hop(),
    "for=1.2.3.4.5": Hop(),
    'for="2001:db8::1%eth0"': Hop(),
    'host=":80"': Hop(),
    'host=""': Hop(),
}


@pytest.mark.parametrize(("element", "expected"), ELEMENTS.items())
def test_an_element_says_what_one_proxy_knows(element: str, expected: Hop) -> None:
    assert forwarded(element) == [expected]


@pytest.mark.parametrize(
    "lines",
    [
        ["for=192.0.2.43, for=198.51.100.17, for=_x"],
        ["for=192.0.2.43,for=198.51.100.17,for=_x"],
        ["for=192.0.2.43", "for=198.51.100.17", "for=_x"],
        ["for=192.0.2.43, for=198.51.100.17", "for=_x"],
        [", for=192.0.2.43,\t,for=198.51.100.17 ,", "", "for=_x,, "],
    ],
)
def test_elements_and_lines_are_one_list(lines: list[str]) -> None:
    """§4, RFC 9110 §5.3, and §5.6.1 for elements that are empty."""
    assert forwarded(*lines) == [Hop(), Hop("198.51.100.17"), Hop("192.0.2.43")]


@pytest.mark.parametrize("lines", [[], [""], [",;, "]])
def test_nothing_says_nothing(lines: list[str]) -> None:
    assert forwarded(*lines) == []


MALFORMED = [
    "for",
    "for=",
    "=192.0.2.1",
    "for =192.0.2.1",
    "for= 192.0.2.1",
    "for=192.0.2.1 proto=http",
    "for=192.0.2.1;for=192.0.2.2",
    "for=192.0.2.1;FOR=192.0.2.1",
    'for="192.0.2.1',
    'for=192.0.2.1"',
    'for="192.0.2.1"x',
    'for=x"192.0.2.1"',
    r'for="192.0.2.1\"',
    r'for="192.0.2.1\\\"',
    'for="192.0.2.1\x00"',
    'for="192.0.2.1\r\n"',
    'for="192.0.2.1\x7f"',
    "for=192.0.2.1\x00",
    "for=192.0.2.1\n",
    "for=\u0661",
    "for=192.0.2.1;pr\xf6to=http",
    "192.0.2.1",
    '"',
    "\\",
]


@pytest.mark.parametrize("junk", MALFORMED)
def test_what_is_malformed_ends_the_list(junk: str) -> None:
    """What stands to the right of it was read already, and nothing to the left of it is."""
    nearest, beyond = Hop("198.51.100.17", "https"), "for=6.6.6.6"
    assert forwarded(junk) == []
    assert forwarded(f"{beyond}, {junk}, for=198.51.100.17;proto=https") == [nearest]
    assert forwarded(beyond, junk, "for=198.51.100.17;proto=https") == [nearest]


@pytest.mark.parametrize(
    "start", ['for="', 'for="\\', "\\", '"', 'x="', 'for=6.6.6.6;x="', "for=6.6.6.6;", 'a="b";c="']
)
def test_a_client_does_not_change_how_a_proxy_is_understood(start: str) -> None:
    """An opening quote of its own takes nothing from the element that a proxy adds."""
    added = r'for="[2001:db8::1]:4711";host="a\"b,c";proto=https'
    assert forwarded(f"{start}, {added}")[0] == Hop("2001:db8::1", "https")
    assert forwarded(start, added)[0] == Hop("2001:db8::1", "https")


def test_a_list_is_read_up_to_a_bound() -> None:
    assert forwarded(", ".join(["for=192.0.2.1"] * 1000)) == [Hop("192.0.2.1")] * MAX_HOPS
    assert listed(", ".join(["192.0.2.1"] * 1000)) == ["192.0.2.1"] * MAX_HOPS


@pytest.mark.parametrize(
    "unit",
    [",", ";", '"', "\\", '\\"', "a=b;", 'a="', " ", "a", '="\\\\"', 'a="\\\\",', "=a", ", "],
)
def test_a_hostile_list_is_read_in_linear_time(unit: str) -> None:
    """With these sizes anything else would take hours. What the nearest proxy says is there."""
    nearest = next(hops([("forwarded", unit * 300_000), ("forwarded", "for=192.0.2.1")]))
    assert nearest == Hop("192.0.2.1")
    for end in ("", '"', "x", '="'):
        assert len(forwarded(unit * 300_000 + end)) <= MAX_HOPS
    assert len(listed(unit * 300_000)) <= MAX_HOPS


def test_a_reader_that_stops_pays_for_no_more() -> None:
    """However long a list a client sends, it costs nothing once its own address is known."""

    def nearest(count: int) -> int:
        fields = [("forwarded", "for=6.6.6.6, " * count + "for=192.0.2.1")]
        return count_calls(lambda: next(hops(fields)))

    assert nearest(5_000) == nearest(0)


VALUES = st.text(alphabet=[*map(chr, range(0x20, 0x7F)), "\t", "\xe9"], max_size=20)
NAMES = st.lists(st.sampled_from(["for", "By", "x", "host", "PROTO"]), unique=True, max_size=4)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(
        NAMES.flatmap(lambda names: st.tuples(*[st.tuples(st.just(n), VALUES) for n in names]))
    )
)
def test_what_is_written_by_the_rules_is_read_back(elements: list[list[tuple[str, str]]]) -> None:
    """From the right as from the left, whatever is quoted."""
    written = [";".join(f'{name}="{quoted(value)}"' for name, value in one) for one in elements]
    expected = [
        Hop(
            read_address(pairs.get("for", "")),
            read_protocol(pairs.get("proto", "")),
            read_host(pairs.get("host", "")),
        )
        for one in elements
        if (pairs := {name.lower(): value for name, value in one})
    ]
    assert forwarded(", ".join(written)) == expected[::-1]


def quoted(value: str) -> str:
    """Escape what a quoted string cannot hold."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='fx=;," \\\t\xe9\x001', max_size=40))
def test_any_text_is_read_as_something(text: str) -> None:
    """And what comes to the right of it is read as if it were not there."""
    nearest, *further = forwarded(f"{text}, for=192.0.2.1")
    assert nearest == Hop("192.0.2.1")
    assert further == forwarded(text)


# -- X-Forwarded-For and the others ------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        ([""], []),
        ([",, ,\t"], []),
        (["192.0.2.1"], ["192.0.2.1"]),
        (["192.0.2.1, 2001:db8::1"], ["2001:db8::1", "192.0.2.1"]),
        (["192.0.2.1 ,\t2001:DB8:0::1,"], ["2001:db8::1", "192.0.2.1"]),
        (["192.0.2.1", "192.0.2.2"], ["192.0.2.2", "192.0.2.1"]),
        (["192.0.2.1, 192.0.2.2", "", "192.0.2.3"], ["192.0.2.3", "192.0.2.2", "192.0.2.1"]),
        (["192.0.2.1, junk, 192.0.2.3"], ["192.0.2.3", "", "192.0.2.1"]),
        (["192.0.2.1:4711, [2001:db8::1]:80"], ["2001:db8::1", "192.0.2.1"]),
        (["unknown"], [""]),
        (['"192.0.2.1"'], [""]),
    ],
)
def test_x_forwarded_for_is_a_list_of_addresses(lines: list[str], expected: list[str]) -> None:
    assert listed(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        ([""], ""),
        ([" , "], ""),
        (["https"], "https"),
        (["https , http"], "http"),
        (["http,https, "], "https"),
        (["https", "http"], "http"),
        (["https", "", "\t"], "https"),
        (["a b"], "a b"),
    ],
)
def test_the_last_entry_of_a_list_is_that_of_the_nearest_proxy(
    lines: list[str], expected: str
) -> None:
    fields = [("x", "y"), *(("x-forwarded-proto", line) for line in lines)]
    assert last_value(fields, "x-forwarded-proto") == expected


@pytest.mark.parametrize(
    ("lines", "expected"), [([], ""), (["a"], "a"), (["a, b"], "a, b"), (["a", "a"], "")]
)
def test_a_field_that_is_no_list_comes_once(lines: list[str], expected: str) -> None:
    assert only_value([("x-real-ip", line) for line in lines], "x-real-ip") == expected


ADDRESSES = {
    "192.0.2.1": "192.0.2.1",
    "192.0.2.1:0": "192.0.2.1",
    "192.0.2.1:65535": "192.0.2.1",
    "192.0.2.1:_a-b._": "192.0.2.1",
    "2001:DB8:0:0::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:4711": "2001:db8::1",
    "2001:db8::1:4711": "2001:db8::1:4711",
    "::1": "::1",
    "::ffff:192.0.2.1": "192.0.2.1",
    "[::ffff:c000:201]:80": "192.0.2.1",
    "0000:0000:0000:0000:0000:ffff:192.168.100.100": "192.168.100.100",
}

NO_ADDRESSES = [
    "",
    " 192.0.2.1",
    "192.0.2.1 ",
    "192.0.2.1\r\n",
    "192.0.2.1\n",
    "192.0.2.1\x00",
    "192.0.2.1<script>",
    "192.0.2.256",
    "192.0.2.01",
    "192.0.2",
    "192.0.2.1.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "192.0.2.1:",
    "192.0.2.1:65536",
    "192.0.2.1:123456",
    "192.0.2.1:-1",
    "192.0.2.1:_",
    "192.0.2.1:80:80",
    "192.0.2.0/24",
    "[192.0.2.1]",
    "[2001:db8::1",
    "2001:db8::1]",
    "[2001:db8::1]80",
    "[]",
    "::1%eth0",
    "[fe80::1%25eth0]:80",
    "fe80::1%lo",
    ":::",
    "1::2::3",
    "12345::",
    "\u0661.1.1.1",
    "192.0.2.1\u2028",
    "localhost",
    "unknown",
    "_hidden",
    "192.0.2.1:_" + "a" * 100,
    "1" * 10_000,
    "1." * 1_000_000,
    ":" * 1_000_000,
]


@pytest.mark.parametrize(("text", "expected"), ADDRESSES.items())
def test_an_address_is_read_in_its_usual_form(text: str, expected: str) -> None:
    """§6: one client has one spelling, and its port does not matter."""
    assert read_address(text) == expected
    assert read_address(expected) == expected


@pytest.mark.parametrize("text", NO_ADDRESSES, ids=itertools.count())
def test_what_is_no_address_is_read_as_none(text: str) -> None:
    """Forwarding headers of uvicorn and of werkzeug's ProxyFix: zones, ports, control
    characters and long values were taken as they came."""
    assert read_address(text) == ""


@settings(derandomize=True, deadline=None)
@given(st.ip_addresses())
def test_every_address_is_read_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    found = ipaddress.ip_address(read_address(str(address)))
    assert found == (getattr(address, "ipv4_mapped", None) or address)
    host = f"[{address}]" if address.version == 6 else str(address)
    assert forwarded(f'for="{host}:1"') == [Hop(str(found))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http", "http"),
        ("HTTPS", "https"),
        ("ws", "http"),
        ("wss", "https"),
        ("", ""),
        ("javascript", ""),
        ("https ", ""),
        ("https\n", ""),
        ("http\u017f", ""),
        ("x" * 100_000, ""),
    ],
    ids=itertools.count(),
)
def test_a_protocol_is_http_or_https(text: str, expected: str) -> None:
    """`X-Scheme: javascript` becomes no part of a URL (uvicorn, werkzeug)."""
    assert read_protocol(text) == expected


@pytest.mark.parametrize(
    "text", ["example.com", "example.com:8080", "192.0.2.1", "[2001:db8::1]:80", "a_b", "caf%C3%A9"]
)
def test_a_host_is_read(text: str) -> None:
    assert read_host(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a b",
        "a/b",
        "a\\b",
        "a@b",
        "a?b",
        "a#b",
        "a:b",
        "a:65536",
        "a:80:80",
        "[::1",
        "[::1%eth0]",
        "a\r\n",
        "a\x00",
        '"a"',
        "caf\xe9",
    ],
)
def test_what_is_no_host_is_read_as_none(text: str) -> None:
    assert read_host(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1"),
        ("8443", "8443"),
        ("65535", "65535"),
        ("", ""),
        ("0", ""),
        ("080", ""),
        ("65536", ""),
        ("123456", ""),
        ("80 ", ""),
        ("80\n", ""),
        ("-1", ""),
        ("\u0661", ""),
        ("9" * 100_000, ""),
    ],
    ids=itertools.count(),
)
def test_a_port_is_a_number_in_its_range(text: str, expected: str) -> None:
    assert read_port(text) == expected
