"""Who a request is said to come from, and whose word is taken for it."""

import json
import socket
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Client, Serve
from toolkit.http1connection import ConnectionContext
from toolkit.httpserver import HTTPServer
from toolkit.httpserver.forwarding import KNOWN_HEADERS, Policy, TrustedProxies, XHeaders
from toolkit.netutil import bind_unix_socket
from toolkit.web import RequestHandler
from toolkit.wire.events import RequestHead

pytestmark = pytest.mark.feature("B27")

PEER = "10.0.0.1"
Fields = list[tuple[str, str]]


def asked(policy: Policy, fields: Fields, peer: Any = (PEER, 4711), **more: str) -> Any:
    """Return address, protocol and host that a policy believes."""
    ip = peer[0] if isinstance(peer, tuple) else ""
    context = ConnectionContext(peer, ip, **{"protocol": "http", **more})
    before = astuple(context)
    lowered = [("host", "h"), *((name.lower(), value) for name, value in fields)]
    believed = policy(RequestHead("GET", "/", lowered, host="h"), context)
    assert astuple(context) == before
    assert believed.address == peer
    return believed.remote_ip, believed.protocol, believed.host


# -- Tornado's xheaders ------------------------------------------------------------------

X_HEADERS: list[tuple[Fields, str, str]] = [
    ([], PEER, "http"),
    ([("X-Real-Ip", "4.4.4.4")], "4.4.4.4", "http"),
    ([("X-Real-Ip", "2620:0:1CFE:face:b00c::3")], "2620:0:1cfe:face:b00c::3", "http"),
    ([("X-Real-Ip", "4.4.4.4"), ("X-Forwarded-For", "6.6.6.6")], "4.4.4.4", "http"),
    ([("X-Forwarded-For", "6.6.6.6"), ("X-Real-Ip", "4.4.4.4")], "4.4.4.4", "http"),
    ([("X-Real-Ip", "5.5.5.5")], "5.5.5.5", "http"),
    ([("X-Real-Ip", "junk"), ("X-Forwarded-For", "6.6.6.6")], PEER, "http"),
    ([("X-Real-Ip", "4.4.4.4"), ("X-Real-Ip", "6.6.6.6")], PEER, "http"),
    ([("X-Real-Ip", "4.4.4.4, 6.6.6.6")], PEER, "http"),
    ([("X-Forwarded-For", "127.0.0.1, 4.4.4.4")], "4.4.4.4", "http"),
    ([("X-Forwarded-For", "127.0.0.1, 4.4.4.4, 5.5.5.5")], "4.4.4.4", "http"),
    ([("X-Forwarded-For", "4.4.4.4, 5.5.5.5"), ("X-Forwarded-For", "5.6.7.8")], "4.4.4.4", "http"),
    ([("X-Forwarded-For", "5.5.5.5, 5.6.7.8")], "5.5.5.5", "http"),
    ([("X-Forwarded-For", "4.4.4.4, 5.5.5.5<script>")], PEER, "http"),
    ([("X-Forwarded-For", "4.4.4.4, junk, 5.5.5.5")], "5.5.5.5", "http"),
    ([("X-Forwarded-For", "www.example.com")], PEER, "http"),
    ([("X-Forwarded-For", "fe80::1%eth0")], PEER, "http"),
    ([("X-Forwarded-For", "4.4.4.4, " * 1000 + "x" * 1000)], PEER, "http"),
    ([("X-Scheme", "https")], PEER, "https"),
    ([("X-Forwarded-Proto", "https")], PEER, "https"),
    ([("X-Forwarded-Proto", "https , http")], PEER, "http"),
    ([("X-Forwarded-Proto", "http,https")], PEER, "https"),
    ([("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "https")], PEER, "https"),
    ([("X-Scheme", "https"), ("X-Forwarded-Proto", "http")], PEER, "https"),
    ([("X-Scheme", "javascript"), ("X-Forwarded-Proto", "https")], PEER, "http"),
    ([("X-Forwarded-Host", "evil"), ("Forwarded", "for=6.6.6.6;proto=https")], PEER, "http"),
]


@pytest.mark.parametrize(("fields", "address", "protocol"), X_HEADERS, ids=range(len(X_HEADERS)))
def test_xheaders_are_believed_whoever_connects(
    fields: Fields, address: str, protocol: str
) -> None:
    policy = XHeaders(["5.5.5.5", "5.6.0.0/16"])
    assert asked(policy, fields) == (address, protocol, "")
    assert asked(policy, fields, "/a/socket") == (
        "" if address == PEER else address,
        protocol,
        "",
    )


def test_without_trusted_downstream_the_last_address_is_the_client_s() -> None:
    fields = [("X-Forwarded-For", "4.4.4.4, 5.5.5.5")]
    assert asked(XHeaders(), fields)[0] == asked(XHeaders(None), fields)[0] == "5.5.5.5"


def test_a_scheme_that_is_none_leaves_that_of_the_connection() -> None:
    for value in ("unknown", "", "ftp"):
        assert asked(XHeaders(), [("X-Scheme", value)], protocol="https")[1] == "https"
    assert asked(XHeaders(), [("X-Scheme", "http")], protocol="https")[1] == "http"


# -- trusted proxies ---------------------------------------------------------------------

#: What an attacker would like to be.
FORGED: Fields = [
    ("Forwarded", 'for=6.6.6.6;proto=https;host="evil"'),
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil"),
    ("X-Forwarded-Port", "666"),
    ("X-Real-Ip", "6.6.6.6"),
    ("X-Scheme", "https"),
]
ALL = TrustedProxies(["10.0.0.0/8", "fd00::/8", "unix"], KNOWN_HEADERS)


@pytest.mark.parametrize("peer", ["11.0.0.1", "127.0.0.1", "::1", "2001:db8::1", "::ffff:11.0.0.1"])
def test_a_peer_that_is_not_trusted_is_not_believed(peer: str) -> None:
    """Forwarding headers of uvicorn 0.48 and of werkzeug's ProxyFix, taken from anybody."""
    assert asked(ALL, FORGED, (peer, 1)) == (peer, "http", "")


def test_a_unix_socket_is_not_trusted_unless_named() -> None:
    addresses = TrustedProxies(["0.0.0.0/0", "::/0"], KNOWN_HEADERS)
    assert asked(addresses, FORGED, "") == ("", "http", "")
    assert asked(TrustedProxies(["unix"], KNOWN_HEADERS), FORGED, (PEER, 1)) == (PEER, "http", "")


@pytest.mark.parametrize(
    "peer",
    [(PEER, 1), ("::ffff:10.0.0.1", 1, 0, 0), ("fd00::1%eth0", 1, 0, 3), "", "/a/socket", None],
)
def test_a_peer_that_is_trusted_is_believed(peer: Any) -> None:
    assert asked(ALL, [("X-Forwarded-For", "4.4.4.4")], peer)[0] == "4.4.4.4"


@pytest.mark.parametrize("name", [name for name, _ in FORGED])
def test_a_header_that_the_proxies_do_not_write_is_the_client_s(name: str) -> None:
    """A proxy hands on what it does not know, such as a Forwarded of the client's own."""
    others = [header for header in KNOWN_HEADERS if header != name]
    policy = TrustedProxies([PEER], others)
    forged = [(key, value) for key, value in FORGED if key == name]
    assert asked(policy, forged) == (PEER, "http", "")
    # Beside one that they do write, too.
    written = [("X-Forwarded-For", PEER), ("X-Forwarded-Proto", "http")]
    of_protocol = name in ("X-Forwarded-Proto", "X-Scheme")
    fields = [*forged, written[0 if of_protocol else 1]]
    assert asked(policy, fields) == (PEER, "http", "")


def test_by_default_address_and_protocol_are_believed() -> None:
    fields = [("X-Forwarded-For", "4.4.4.4"), ("X-Forwarded-Proto", "https")]
    unusual = [pair for pair in FORGED if pair[0] not in dict(fields)]
    assert asked(TrustedProxies([PEER]), fields + unusual) == ("4.4.4.4", "https", "")


CHAINS = {
    "": PEER,
    "4.4.4.4": "4.4.4.4",
    "6.6.6.6, 4.4.4.4": "4.4.4.4",
    "6.6.6.6, 4.4.4.4, 10.0.0.2": "4.4.4.4",
    "6.6.6.6, 4.4.4.4, fd00::1, 10.0.0.2": "4.4.4.4",
    "10.6.6.6, 4.4.4.4": "4.4.4.4",
    "10.0.0.3, 10.0.0.2": "10.0.0.3",
    "10.0.0.3": "10.0.0.3",
    "unknown": PEER,
    "4.4.4.4, unknown": PEER,
    "4.4.4.4, unknown, 10.0.0.2": "10.0.0.2",
    "6.6.6.6, 10.0.0.2%eth0": PEER,
    "4.4.4.4:4711, [fd00::1]:80": "4.4.4.4",
    "::ffff:4.4.4.4, ::ffff:10.0.0.2": "4.4.4.4",
    "6.6.6.6, " * 10_000 + "4.4.4.4": "4.4.4.4",
    "6.6.6.6" + ", 10.0.0.2" * 10_000: "10.0.0.2",
    "x" * 100_000: PEER,
}


@pytest.mark.parametrize(("chain", "client"), CHAINS.items(), ids=range(len(CHAINS)))
def test_the_chain_is_walked_as_long_as_it_is_trusted(chain: str, client: str) -> None:
    """Both kinds of list tell the same, and so does one of several lines."""
    hops = [hop for hop in chain.split(", ") if hop]
    forwarded = ", ".join(f'for="{hop}"' if ":" not in hop else node(hop) for hop in hops)
    for policy in (ALL, TrustedProxies(["10.0.0.0/8", "fd00::/8"])):
        assert asked(policy, [("X-Forwarded-For", chain)])[0] == client
        assert asked(policy, [("X-Forwarded-For", hop) for hop in hops])[0] == client
    assert asked(ALL, [("Forwarded", forwarded)])[0] == client


def node(hop: str) -> str:
    """Write an IPv6 address, or one with a port, as Forwarded has it."""
    return f'for="{hop}"' if "." in hop or hop.startswith("[") else f'for="[{hop}]"'


def test_forwarded_wins() -> None:
    """Where it is believed and there; even when it says nothing of the client."""
    assert asked(ALL, FORGED) == ("6.6.6.6", "https", "evil")
    assert asked(ALL, [("Forwarded", "for=4.4.4.4"), *FORGED[1:]]) == ("4.4.4.4", "http", "")
    assert asked(ALL, [("Forwarded", "junk"), *FORGED[1:]]) == (PEER, "http", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=4.4.4.4;proto=https;host=a, for=10.0.0.2;proto=http;host=b", "4.4.4.4 https a"),
        ("for=4.4.4.4;proto=https, for=10.0.0.2;proto=http;host=b", "4.4.4.4 https b"),
        ("for=4.4.4.4, for=10.0.0.2;proto=https", "4.4.4.4 https "),
        ("for=6.6.6.6;proto=https;host=evil, for=4.4.4.4", "4.4.4.4 http "),
        ("for=6.6.6.6;proto=https;host=evil, for=_x;host=b", f"{PEER} http b"),
        ("for=_x;proto=https;host=a, for=10.0.0.2", "10.0.0.2 https a"),
        ("for=6.6.6.6, proto=https;host=a", f"{PEER} https a"),
        ('for=4.4.4.4;proto=javascript;host="a@b"', "4.4.4.4 http "),
        ('for=6.6.6.6;x=", for=4.4.4.4;host="a,b"', "4.4.4.4 http a,b"),
    ],
)
def test_protocol_and_host_are_those_of_the_farthest_trusted_proxy(
    value: str, expected: str
) -> None:
    assert " ".join(asked(ALL, [("Forwarded", value)])) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("X_Forwarded_For", "6.6.6.6"), ("X_Real_Ip", "6.6.6.6")], f"{PEER} http "),
        ([("X-Real-Ip", "4.4.4.4")], "4.4.4.4 http "),
        ([("X-Real-Ip", "4.4.4.4"), ("X-Real-Ip", "6.6.6.6")], f"{PEER} http "),
        ([("X-Real-Ip", "6.6.6.6"), ("X-Forwarded-For", "4.4.4.4")], "4.4.4.4 http "),
        ([("X-Real-Ip", "6.6.6.6"), ("X-Forwarded-For", "junk")], f"{PEER} http "),
        ([("X-Scheme", "https")], f"{PEER} https "),
        ([("X-Scheme", "https"), ("X-Forwarded-Proto", "http")], f"{PEER} http "),
        ([("X-Forwarded-Proto", "https, javascript")], f"{PEER} http "),
        ([("X-Forwarded-Proto", "http, wss")], f"{PEER} https "),
        ([("X-Forwarded-Host", "evil, a.example:8080")], f"{PEER} http a.example:8080"),
        ([("X-Forwarded-Host", "a.example"), ("X-Forwarded-Host", "b")], f"{PEER} http b"),
        ([("X-Forwarded-Host", "a.example/")], f"{PEER} http "),
        ([("X-Forwarded-Host", "a"), ("X-Forwarded-Port", "8080")], f"{PEER} http a:8080"),
        ([("X-Forwarded-Host", "a:1"), ("X-Forwarded-Port", "8080")], f"{PEER} http a:1"),
        ([("X-Forwarded-Host", "[::1]"), ("X-Forwarded-Port", "1")], f"{PEER} http [::1]:1"),
        ([("X-Forwarded-Host", "[::1]:2"), ("X-Forwarded-Port", "1")], f"{PEER} http [::1]:2"),
        ([("X-Forwarded-Host", "a"), ("X-Forwarded-Port", "80")], f"{PEER} http a"),
        ([("X-Forwarded-Host", "a"), ("X-Forwarded-Port", "666 ")], f"{PEER} http a:666"),
        ([("X-Forwarded-Host", "a"), ("X-Forwarded-Port", "junk")], f"{PEER} http a"),
        ([("X-Forwarded-Port", "8080")], f"{PEER} http h:8080"),
        ([("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")], f"{PEER} https "),
        ([("X-Forwarded-Port", "80"), ("X-Forwarded-Proto", "https")], f"{PEER} https h:80"),
    ],
)
def test_the_older_headers_say_one_thing_each(fields: Fields, expected: str) -> None:
    assert " ".join(asked(ALL, fields)) == expected


@pytest.mark.parametrize("peers", [[], "10.0.0.0/8", ["example.com"], ["10.0.0.1/8"], [""]])
def test_proxies_are_addresses_and_networks(peers: Any) -> None:
    with pytest.raises(ValueError):
        TrustedProxies(peers)


@pytest.mark.parametrize("headers", [[], ["X-Forwarded-Fro"], ["Host"], "x"])
def test_headers_are_those_that_are_known(headers: Any) -> None:
    with pytest.raises(ValueError, match=r"X-Forwarded-For, .* are allowed"):
        TrustedProxies([PEER], headers)


def test_headers_may_be_written_in_any_case() -> None:
    assert asked(TrustedProxies(iter([PEER]), "forwarded"), FORGED)[0] == "6.6.6.6"


# -- on sockets --------------------------------------------------------------------------


class Who(RequestHandler):
    """Answers with who asked."""

    def get(self) -> None:
        request = self.request
        seen = {"ip": request.remote_ip, "protocol": request.protocol, "host": request.host}
        self.write({**seen, "url": request.full_url()})


def lines(fields: Fields) -> str:
    """Write header lines."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields)


async def seen(client: Client, fields: Fields) -> list[str]:
    """Return who asked, as the handler saw it."""
    answer = await client.get("/", lines(fields))
    assert answer.status == 200
    found = json.loads(answer.text)
    return [found["ip"], found["protocol"], found["host"]]


async def test_nothing_is_believed_by_default(serve: Serve) -> None:
    client = await serve([("/", Who)]).client()
    assert await seen(client, FORGED) == ["127.0.0.1", "http", "h"]


async def test_a_server_may_believe_xheaders(serve: Serve) -> None:
    site = serve([("/", Who)], xheaders=True, trusted_downstream=["5.5.5.5"])
    client = await site.client()
    fields = [("X-Forwarded-For", "4.4.4.4, 5.5.5.5"), ("X-Scheme", "https")]
    assert await seen(client, fields) == ["4.4.4.4", "https", "h"]
    # What one request says is not said of the next.
    assert await seen(client, []) == ["127.0.0.1", "http", "h"]


async def test_a_server_may_know_its_proxies(serve: Serve) -> None:
    site = serve([("/", Who)], trusted_proxies=["127.0.0.0/8"])
    client = await site.client()
    fields = [("X-Forwarded-For", "6.6.6.6, 4.4.4.4"), ("X-Forwarded-Proto", "https")]
    assert await seen(client, fields) == ["4.4.4.4", "https", "h"]
    assert await seen(client, []) == ["127.0.0.1", "http", "h"]
    others = [("Forwarded", "for=6.6.6.6;host=evil"), ("X-Forwarded-Host", "evil")]
    assert await seen(client, others) == ["127.0.0.1", "http", "h"]


async def test_a_server_may_know_the_headers_of_its_proxies(serve: Serve) -> None:
    """The host that was asked for is that of the handler, and of its URLs."""
    site = serve([("/", Who)], trusted_proxies=["127.0.0.1"], proxy_headers=["Forwarded"])
    client = await site.client()
    value = 'for="[2001:db8::1]:4711";proto=https;host="a.example:8443"'
    answer = await client.get("/", lines([("Forwarded", value)]))
    assert json.loads(answer.text) == {
        "ip": "2001:db8::1",
        "protocol": "https",
        "host": "a.example:8443",
        "url": "https://a.example:8443/",
    }
    assert await seen(client, FORGED[1:]) == ["127.0.0.1", "http", "h"]


async def test_a_stranger_is_not_believed(serve: Serve) -> None:
    """Forwarding headers that anybody may send let anybody choose an address (uvicorn)."""
    site = serve([("/", Who)], trusted_proxies=["10.0.0.0/8"], proxy_headers=KNOWN_HEADERS)
    assert await seen(await site.client(), FORGED) == ["127.0.0.1", "http", "h"]


async def test_a_proxy_may_connect_to_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    sock: socket.socket = bind_unix_socket(str(tmp_path / "s"))
    site = serve([("/", Who)], sockets=[sock], trusted_proxies=["unix"])
    client = await site.client()
    assert (await seen(client, [("X-Forwarded-For", "4.4.4.4")]))[0] == "4.4.4.4"


JUNK = [
    "1.2.3.4\t\x0b",
    "1.2.3.4\xff",
    "::1%eth0",
    "1.2.3.4:99999",
    "1.2.3.4, " * 1000 + "x/",
    '"' * 1000,
    "javascript:",
    ",",
    "",
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
@pytest.mark.parametrize("options", [{"xheaders": True}, {"trusted_proxies": ["127.0.0.1"]}])
async def test_junk_of_a_proxy_breaks_nothing(
    serve: Serve, junk: str, options: dict[str, Any]
) -> None:
    """The request is answered as if it were not there, or refused for what no header may hold."""
    if "trusted_proxies" in options:
        options = {**options, "proxy_headers": KNOWN_HEADERS}
    site = serve([("/", Who)], **options)
    for name in KNOWN_HEADERS:
        answer = await (await site.client()).get("/", lines([(name, junk), (name, junk)]))
        if "\x0b" in junk:
            assert answer.status == 400
        else:
            found = json.loads(answer.text)
            assert [found["ip"], found["protocol"], found["host"]] == ["127.0.0.1", "http", "h"]


@pytest.mark.parametrize("protocol", ["http", "https"])
async def test_the_protocol_may_be_said_once_for_all(serve: Serve, protocol: str) -> None:
    """For a proxy that ends TLS and says nothing of it; one that does is believed first."""
    site = serve([("/", Who)], protocol=protocol, trusted_proxies=["127.0.0.1"])
    client = await site.client()
    assert (await seen(client, []))[1] == protocol
    assert (await seen(client, [("X-Forwarded-Proto", "http")]))[1] == "http"


@pytest.mark.parametrize(
    "options",
    [
        {"protocol": "ftp"},
        {"trusted_proxies": "127.0.0.1"},
        {"trusted_proxies": ["localhost"]},
        {"trusted_proxies": ["127.0.0.1"], "proxy_headers": ["Via"]},
        {"trusted_proxies": ["127.0.0.1"], "xheaders": True},
        {"proxy_headers": ["Forwarded"]},
        {"xheaders": True, "trusted_downstream": ["localhost"]},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        HTTPServer(lambda request: None, **options)
