"""Proxies: how they are asked, which one is chosen, and who gets to know what."""

import asyncio
import contextlib
import hashlib
import random
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trustme

from tests.client.test_pool import Counted
from tests.http.scripted import Caller, Start
from tests.loops import expect_log
from toolkit.httpclient.connector import FingerprintError
from toolkit.httpclient.environment import no_proxy_for, proxy_from
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.target import Origin
from toolkit.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, up to its end."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def join(caller: Caller, port: int) -> None:
    """Connect a caller with a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.TaskGroup() as group:
        group.create_task(pump(caller.reader, writer))
        group.create_task(pump(reader, caller.writer))


class ConnectProxy:
    """An HTTP proxy that knows CONNECT alone, and keeps the heads that it got."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 Yes\r\n\r\n") -> None:
        self.heads: list[str] = []
        self._port = port
        self._answer = answer

    async def __call__(self, caller: Caller) -> None:
        self.heads.append(await caller.head())
        await caller.say(self._answer)
        if b" 200 " in self._answer:
            await join(caller, self._port)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority that makes certificates."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA) -> ssl.SSLContext:
    """Return a client's context that trusts it alone."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def context_of(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return a server's context with a certificate for names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.feature("F11")
async def test_a_proxy_for_plain_http_is_asked_by_the_whole_url(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """One connection to it serves all hosts (RFC 9112 §3.2.2)."""
    heads: list[str] = []

    async def proxy(caller: Caller) -> None:
        while True:
            heads.append(await caller.head())
            await caller.say(OK)

    server = await start(proxy)
    url = f"http://me:s%40cret@127.0.0.1:{server.port}"
    for host in ("a.example", "b.example:81"):
        assert (await client.get(f"http://u:p@{host}/x?y", proxy=url)).content == b"ok"
    await client.fetch(
        "http://c.example/", proxy_host="127.0.0.1", proxy_port=server.port, proxy_username="me"
    )
    lines = [head.split("\r\n") for head in heads]
    assert [one[0] for one in lines] == [
        "GET http://a.example/x?y HTTP/1.1",
        "GET http://b.example:81/x?y HTTP/1.1",
        "GET http://c.example/ HTTP/1.1",
    ]
    assert lines[1][1] == "Host: b.example:81"
    assert "Proxy-Authorization: Basic bWU6c0BjcmV0" in lines[0]
    assert "Proxy-Authorization: Basic bWU6" in lines[2]


async def test_a_proxy_for_tls_passes_bytes_on(
    start: Start, client: SimpleAsyncHTTPClient, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    """It gets to know the host and nothing else; the host nothing of the proxy."""
    server = await start(OK, context_of(authority, "a.example"))
    script = ConnectProxy(server.port)
    proxy = await start(script)
    response = await client.get(
        "https://a.example/secret",
        proxy=f"http://me:pass@127.0.0.1:{proxy.port}",
        options=ConnectOptions(ssl_options=trusted),
    )
    assert response.content == b"ok"
    assert script.heads == [
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n"
        "Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n"
    ]
    assert "Proxy-Authorization" not in server.heads[0]


async def test_tls_may_be_spoken_within_tls(
    start: Start, client: SimpleAsyncHTTPClient, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    """To the proxy, and through it to the host."""
    server = await start(OK, context_of(authority, "a.example"))
    proxy = await start(ConnectProxy(server.port), context_of(authority, "127.0.0.1"))
    response = await client.get(
        "https://a.example/",
        proxy=f"https://127.0.0.1:{proxy.port}",
        options=ConnectOptions(ssl_options=trusted),
    )
    assert response.content == b"ok"


async def test_large_content_comes_whole_through_tls_within_tls(
    start: Start, client: SimpleAsyncHTTPClient, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    """Each of the two holds a part of a record back, of which the socket knows nothing."""
    content = random.Random(1).randbytes(1 << 20)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
    server = await start(Counted(OK, head + content), context_of(authority, "a.example"))
    proxy = await start(ConnectProxy(server.port), context_of(authority, "127.0.0.1"))
    for expected in (b"ok", content, content):
        response = await client.get(
            "https://a.example/",
            proxy=f"https://127.0.0.1:{proxy.port}",
            options=ConnectOptions(ssl_options=trusted),
        )
        assert response.content == expected


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
        (b"SSH-2.0-x\r\n\r\n", "proxy"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_refuses_is_an_error_that_says_so(
    start: Start, client: SimpleAsyncHTTPClient, answer: bytes, message: str
) -> None:
    """What it answers is none of the host's."""
    proxy = await start(ConnectProxy(0, answer))
    with pytest.raises(HTTPStreamClosedError, match=message):
        await client.get("https://a.example/", proxy=f"127.0.0.1:{proxy.port}")


async def test_a_proxy_that_says_nothing_ends_with_the_time_to_connect(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """As it is part of that."""
    proxy = await start(Caller.ended)
    with pytest.raises(HTTPTimeoutError, match="asking the proxy"):
        await client.fetch(
            "https://a.example/",
            proxy_host="127.0.0.1",
            proxy_port=proxy.port,
            connect_timeout=0.1,
        )


def socks(port: int, asked: list[bytes]) -> Callable[[Caller], Awaitable[None]]:
    """Return a SOCKS proxy that wants a user, and connects everything with one port."""

    async def serve(caller: Caller) -> None:
        assert await caller.reader.readexactly(4) == b"\x05\x02\x00\x02"
        await caller.say(b"\x05\x02")
        asked.append(await caller.reader.readexactly(1 + 3 + 5))
        await caller.say(b"\x01\x00")
        head = await caller.reader.readexactly(5)
        size = head[4] if head[3] == 3 else 3
        asked.append(head + await caller.reader.readexactly(size + 2))
        await caller.say(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await join(caller, port)

    return serve


@pytest.mark.parametrize(
    ("scheme", "host", "address"),
    [
        ("socks5h", "a.example", b"\x03\x09a.example"),
        ("socks5", "127.0.0.1", b"\x01\x7f\x00\x00\x01"),
        ("socks5h", "127.0.0.1", b"\x01\x7f\x00\x00\x01"),
    ],
)
@pytest.mark.feature("F12")
async def test_a_socks_proxy_connects(
    start: Start, client: SimpleAsyncHTTPClient, scheme: str, host: str, address: bytes
) -> None:
    """And looks the host up, if it is told to."""
    asked: list[bytes] = []
    server = await start(OK)
    proxy = await start(socks(server.port, asked))
    url = f"{scheme}://me:pass@127.0.0.1:{proxy.port}"
    assert (await client.get(f"http://{host}:81/", proxy=url)).content == b"ok"
    assert asked == [b"\x01\x02me\x04pass", b"\x05\x01\x00" + address + b"\x00\x51"]


async def test_a_socks_proxy_that_refuses_is_an_error(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """In its own words."""

    async def refuse(caller: Caller) -> None:
        await caller.say(b"\x05\x00\x05\x05")
        await caller.ended()

    proxy = await start(refuse)
    with pytest.raises(HTTPStreamClosedError, match="connection refused"):
        await client.get("http://a/", proxy=f"socks5h://127.0.0.1:{proxy.port}")
    with pytest.raises(ValueError, match="SOCKS"):
        await client.get(
            "http://a/", proxy=Proxy("socks5h", "127.0.0.1", proxy.port, "u" * 300, "p")
        )


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("proxy", Proxy("http", "proxy", 80)),
        ("http://proxy:3128/", Proxy("http", "proxy", 3128)),
        ("HTTPS://u:p%40@proxy", Proxy("https", "proxy", 443, "u", "p@")),
        ("socks5h://[::1]", Proxy("socks5h", "::1", 1080)),
    ],
)
def test_the_url_of_a_proxy_is_read_as_others_are(url: str, proxy: Proxy) -> None:
    """Its password is not shown."""
    assert Proxy.parse(url) == proxy
    assert "p@" not in repr(proxy)


@pytest.mark.parametrize("url", ["ftp://a", "socks4://a", "http://", "http://a:b", "a b"])
def test_what_is_no_proxy_is_refused(url: str) -> None:
    """Rather than left out."""
    with pytest.raises(ValueError):
        Proxy.parse(url)


@pytest.mark.parametrize(
    ("rules", "host", "port", "excepted"),
    [
        ("*", "a", 80, True),
        ("a.example", "a.example", 80, True),
        ("A.Example", "b.a.example", 80, True),
        (".a.example", "a.example", 80, True),
        ("a.example", "ba.example", 80, False),
        ("x, a.example:81", "a.example", 81, True),
        ("a.example:81", "a.example", 80, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:81", "::1", 80, False),
        ("fe80::1", "fe80::1%eth0", 80, True),
        ("1", "127.0.0.1", 80, False),
        ("0.1", "127.0.0.1", 80, False),
        ("", "a", 80, False),
        (", ,.", "a", 80, False),
    ],
)
def test_no_proxy_excepts_names_addresses_and_networks(
    rules: str, host: str, port: int, excepted: bool
) -> None:
    """A rule is a suffix of whole labels, never of an address."""
    assert no_proxy_for(host, port, rules) is excepted


@pytest.mark.parametrize(
    ("environment", "scheme", "proxy"),
    [
        ({}, "http", None),
        ({"http_proxy": "p:1"}, "http", "p"),
        ({"http_proxy": "p:1"}, "https", None),
        ({"HTTPS_PROXY": "p:1"}, "https", "p"),
        ({"all_proxy": "socks5h://p"}, "https", "p"),
        ({"HTTP_PROXY": "p:1"}, "http", "p"),
        ({"HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"}, "http", None),
        ({"http_proxy": "p:1", "NO_PROXY": "a"}, "http", None),
    ],
)
def test_the_environment_names_proxies(
    environment: dict[str, str], scheme: str, proxy: str | None
) -> None:
    """But a header of a CGI program's client does not."""
    found = proxy_from(environment, Origin(scheme, "a", 80))
    assert (found and found.host) == proxy


async def test_the_environment_is_looked_at_when_asked_for_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that does not know of it goes its own way."""
    heads: list[str] = []

    async def listen(caller: Caller) -> None:
        heads.append(await caller.head())
        await caller.say(OK)

    server, proxy = await start(listen), await start(listen)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    for trust_env, target in ((False, "/"), (True, server.url())):
        async with SimpleAsyncHTTPClient(force_instance=True, trust_env=trust_env) as client:
            await client.get(server.url())
        assert heads.pop().startswith(f"GET {target} ")


@pytest.mark.feature("F20")
async def test_a_unix_socket_is_connected_to(
    client: SimpleAsyncHTTPClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the URL's host is, which the server is told."""
    path = str(tmp_path_factory.mktemp("u") / "s")
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    response = await client.get("http://docker/version", options=ConnectOptions(unix_socket=path))
    assert response.content == b"ok"
    assert b"GET /version HTTP/1.1\r\nHost: docker\r\n" in heads[0]
    server.close()
    with pytest.raises(ValueError, match="both"):
        ConnectOptions(unix_socket=path, proxy=Proxy("http", "a", 1))


@pytest.mark.feature("F22")
async def test_a_certificate_that_was_pinned_is_the_only_one(
    start: Start, client: SimpleAsyncHTTPClient, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    """Even where an authority says that another one is as good."""
    context = context_of(authority, "127.0.0.1")
    server = await start(OK, context)
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        der = await asyncio.to_thread(_certificate_of, plain, trusted)
    pin = hashlib.sha256(der).digest()
    url = server.url(scheme="https")
    good = ConnectOptions(ssl_options=trusted, fingerprint=pin)
    assert (await client.get(url, options=good)).content == b"ok"
    with pytest.raises(FingerprintError, match=pin.hex()):
        await client.get(url, options=ConnectOptions(ssl_options=trusted, fingerprint=bytes(32)))
    with pytest.raises(ValueError, match="32"):
        ConnectOptions(fingerprint=b"short")


def _certificate_of(plain: socket.socket, context: ssl.SSLContext) -> bytes:
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        der = secured.getpeercert(binary_form=True)
    assert der is not None
    return der


async def test_the_name_of_a_certificate_may_be_told(
    start: Start,
    client: SimpleAsyncHTTPClient,
    authority: trustme.CA,
    trusted: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And another one is not taken."""
    server = await start(OK, context_of(authority, "a.example"))
    url = server.url(scheme="https")
    named = ConnectOptions(ssl_options=trusted, server_hostname="a.example")
    assert (await client.get(url, options=named)).content == b"ok"
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.get(url, options=ConnectOptions(ssl_options=trusted))
    expect_log(caplog, "toolkit.general", "SSL Error")
