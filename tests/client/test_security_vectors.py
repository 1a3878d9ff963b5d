"""What hostile servers, and hostile values in requests, must not get a client to do."""

import asyncio
import contextlib
import datetime
import gzip
import os
import ssl
import warnings
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from tests.client.test_pool import Counted, client_of
from tests.http.scripted import Caller, Start
from toolkit.httpclient.cookies import CookieJar
from toolkit.httpclient.decoding import Decoded
from toolkit.httpclient.encoding import Part
from toolkit.httpclient.environment import no_proxy_for
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.retry import Retry
from toolkit.httpclient.target import Origin, Target
from toolkit.httpclient.timeouts import Timeouts
from toolkit.iostream import UnsatisfiableReadError
from toolkit.netutil import Resolver
from toolkit.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)
from toolkit.testing import ExpectLog
from toolkit.testing.mock_transport import Answer, MockTransport
from toolkit.websocket import websocket_connect
from toolkit.wire.challenges import parse_authentication_info, parse_challenges

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO_ANSWER = (HTTPStreamClosedError, UnsatisfiableReadError)


# -- redirects ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "data:,x",
        "javascript:1",
        "ftp://a/",
        "http://a@b@c/",
        "http://2130706433/",
    ],
)
async def test_a_redirect_leads_nowhere_but_to_http(
    start: Start, client: SimpleAsyncHTTPClient, location: str
) -> None:
    """The connection of the redirect is not left behind."""
    script = Counted(f"HTTP/1.1 302 F\r\nLocation: {location}\r\n\r\n".encode())
    server = await start(script)
    with pytest.raises(ValueError):
        await client.get(server.url())
    await script.wait_ended(1)


@pytest.mark.parametrize(
    "location", [10_000_000 * b"a", b"/a\rb", b"/a\nb", b"/a\0b"], ids=["long", "CR", "LF", "NUL"]
)
async def test_a_redirect_that_is_no_head_is_no_answer(
    start: Start, client: SimpleAsyncHTTPClient, location: bytes
) -> None:
    """Nothing of it is asked for."""
    script = Counted(b"HTTP/1.1 302 F\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
    server = await start(script)
    with pytest.raises(NO_ANSWER):
        await client.get(server.url())
    assert len(script.requests) == 1


@pytest.mark.parametrize("most", [0, 1, 7])
async def test_a_loop_of_redirects_ends_where_the_request_says(
    start: Start, client: SimpleAsyncHTTPClient, most: int
) -> None:
    """CVE-2025-50181: 0 means none."""
    script = Counted(b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    server = await start(script)
    assert (await client.get(server.url(), max_redirects=most)).status == 302
    assert len(script.requests) == most + 1


# -- compressed content ------------------------------------------------------------------

BOMB = gzip.compress(bytes(1 << 24), mtime=0)


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 302 F\r\nLocation: /x\r\n",
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n',
    ],
)
async def test_content_that_nobody_wants_is_hardly_decoded(
    start: Start, client: SimpleAsyncHTTPClient, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2026-21441, CVE-2026-44432: a bomb on a redirect or on a challenge goes off nowhere."""
    length = f"Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode()
    server = await start(Counted(first + length + BOMB, OK))
    decoded = [0]
    read = Decoded.read

    async def counting(source: Decoded) -> bytes:
        piece = await read(source)
        decoded[0] += len(piece)
        return piece

    monkeypatch.setattr(Decoded, "read", counting)
    response = await client.get(server.url(), auth=("u", "p"), auth_mode="digest")
    assert response.content == b"ok"
    assert decoded[0] < 1 << 20


async def test_content_in_a_hundred_codings_is_refused(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """CVE-2025-66418: each would be a decoder over the other."""
    codings = b", ".join([b"gzip"] * 100)
    server = await start(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + codings + b"\r\n\r\nx")
    with pytest.raises(HTTPStreamClosedError, match="100 codings"):
        await client.get(server.url())


# -- heads -------------------------------------------------------------------------------


async def test_interim_answers_have_an_end(start: Start, client: SimpleAsyncHTTPClient) -> None:
    """CVE-2021-3737"""
    script = Counted(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000)
    server = await start(script)
    with pytest.raises(NO_ANSWER):
        await client.get(server.url())
    await script.wait_ended(1)


BAD_HEADS = [
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 \r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 +200 OK\r\n\r\n",
    b"HTTP/1.1 2 00 OK\r\n\r\n",
    b"HTTP/1.1 000 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n",
    b"\0HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 a\0b\r\n\r\n",
    b"HTTP/1.1 200 a\rb\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\rZ: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    b"HTTP/1.1 200 " + 10_000_000 * b"a" + b"\r\n\r\n",
]


@pytest.mark.parametrize("head", BAD_HEADS, ids=range(len(BAD_HEADS)))
async def test_a_bad_head_is_no_answer(
    start: Start, client: SimpleAsyncHTTPClient, head: bytes
) -> None:
    """CVE-2026-34520 and others; the connection ends, and the error is short."""
    script = Counted(head + OK)
    server = await start(script)
    with pytest.raises(NO_ANSWER) as caught:
        await client.get(server.url())
    assert len(str(caught.value)) < 500
    await script.wait_ended(1)


# -- who shares a connection -------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"validate_cert": False},
        {"system_certs": True},
        {"ca_certs": "a"},
        {"client_cert": "a"},
        {"client_key": "a"},
        {"ssl_options": {"a": 1}},
        {"server_hostname": "a"},
        {"fingerprint": bytes(32)},
        {"network_interface": "127.0.0.2"},
        {"allow_ipv6": False},
        {"unix_socket": "/a"},
        {"proxy": Proxy("http", "a", 1)},
        {"proxy": Proxy("http", "a", 1, "u", "p")},
        {"proxy": Proxy("http", "a", 1, "u", "q")},
    ],
)
def test_each_option_of_a_connection_is_in_its_key(options: dict[str, Any]) -> None:
    """CVE-2024-35195, GHSA-pw6j-qg29-8w7f"""
    origin = Origin("https", "a", 443)
    assert ConnectOptions(**options).key(origin) != ConnectOptions().key(origin)
    assert ConnectOptions(**options).key(origin) == ConnectOptions(**options).key(origin)


# -- URLs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    """
    http://a@b@c/ http://a\\@b/ http://a:b:c/ http://[::1]@b/ http://2130706433/ http://127.1/
    http://017700000001/ http://0x7f000001/ http://127.0.0.1.:x/ http://\u2488.0.0.1/
    http://\uff11\uff12\uff17.1/ http://a\uff0fb/ http://a\uff20b/ http://a\u2100b/ http://a\uff1ab/
    """.split(),
)
def test_a_host_that_two_could_read_in_two_ways_is_refused(url: str) -> None:
    """CVE-2024-47081 and its like; characters that IDNA turns into others count as these."""
    with pytest.raises(ValueError):
        Target.parse(url)


def test_a_name_in_other_digits_is_the_address_that_it_becomes() -> None:
    """Which every filter then sees."""
    assert Target.parse("http://\uff11\uff12\uff17.0.0.1/").origin.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://xn--example-.com/", "xn--example-.com"),
        ("http://b\xfccher.example/", "xn--bcher-kva.example"),
        ("http://\uff25xample.com/", "example.com"),
        ("http://EXAMPLE.com./", "example.com."),
    ],
)
async def test_the_host_that_was_checked_is_the_one_that_is_looked_up(url: str, host: str) -> None:
    """CVE-2026-39821: nothing is made of a name later on; the Host field says the same."""
    looked_up = []

    class Watched(Resolver):
        """Finds nothing."""

        async def resolve(self, host: str, *_: Any) -> Any:
            looked_up.append(host)
            raise OSError(f"{host} is not known")

    assert Target.parse(url).origin.host == host
    assert Target.parse(url).origin.authority == host
    async with SimpleAsyncHTTPClient(force_instance=True, resolver=Watched()) as client:
        with pytest.raises(OSError, match="not known"):
            await client.get(url)
    assert looked_up == [host]


@pytest.mark.parametrize(
    ("url", "host", "credentials"),
    [
        ("http://example.com:@evil.example/", "evil.example", ("example.com", "")),
        ("http://example.com:80@evil.example/", "evil.example", ("example.com", "80")),
        ("http://a#@b/", "a", None),
        ("http://a?@b/", "a", None),
        ("http://a/@b/", "a", None),
    ],
)
def test_a_user_is_no_host(url: str, host: str, credentials: tuple[str, str] | None) -> None:
    """CVE-2024-47081"""
    target = Target.parse(url)
    assert (target.origin.host, target.credentials) == (host, credentials)


async def test_nothing_is_looked_up_for_a_host_unasked(
    start: Start,
    client: SimpleAsyncHTTPClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the passwords of ``.netrc``, nor the proxies of the environment."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    for name, value in {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = await start(OK)
    assert (await client.get(server.url())).content == b"ok"
    assert "Authorization" not in server.heads[0]


@pytest.mark.parametrize("rules", ["*.example.com", ".example.com", "example.com", "::2"])
def test_the_zone_of_an_address_is_no_name_for_no_proxy(rules: str) -> None:
    """CVE-2025-22870"""
    origin = Target.parse("http://[::1%25.example.com]/").origin
    assert not no_proxy_for(origin.host, origin.port, rules)
    assert no_proxy_for(origin.host, origin.port, "::1")


# -- parsers -----------------------------------------------------------------------------

#: What comes again and again where a parser may begin anew at each place.
BYTES = [" ", ",", '"', "\\", "=", ";", "a", "\xa0", "\t", "a=", '"\\', "%"]


@pytest.mark.parametrize("byte", BYTES)
@pytest.mark.parametrize("prefix", ["", "Digest ", 'Digest a="', "Basic "])
async def test_a_long_challenge_is_read_or_refused_at_once(prefix: str, byte: str) -> None:
    """CVE-2021-21240: with time to the square of its length the test would not end."""
    value = prefix + byte * (60_000 // len(byte))
    for parse in (lambda text: parse_challenges([text]), parse_authentication_info):
        with contextlib.suppress(ValueError):
            parse(value)
    transport = MockTransport()
    with contextlib.suppress(ValueError):  # not all can be sent
        transport.on("*", "*", Answer(401, headers={"WWW-Authenticate": value}))
        async with SimpleAsyncHTTPClient(force_instance=True, transport=transport) as client:
            await client.get("http://a.example/", auth=("u", "p"), auth_mode="digest")


# -- what requests say -------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nX: y", "a\0b"])
@pytest.mark.parametrize(
    "arguments",
    [
        lambda bad: {"method": bad},
        lambda bad: {"method": "GET", "headers": {"X": bad}},
        lambda bad: {"method": "GET", "headers": {bad: "x"}},
        lambda bad: {"method": "GET", "headers": [("X", bad)]},
        lambda bad: {"method": "GET", "auth": (bad, "p")},
        lambda bad: {"method": "GET", "auth": ("u", bad)},
        lambda bad: {"method": "GET", "proxy": f"http://{bad}/"},
        lambda bad: {"method": "GET", "url": f"http://a/{bad}"},
        lambda bad: {"method": "GET", "url": f"http://{bad}/"},
        lambda bad: {"method": "GET", "url": f"http://a/?{bad}"},
    ],
)
async def test_what_ends_a_line_is_refused_in_each_argument(
    start: Start, client: SimpleAsyncHTTPClient, arguments: Any, bad: str
) -> None:
    """CVE-2019-9740, CVE-2020-26116, CVE-2023-49081 and their like."""
    server = await start(OK)
    with pytest.raises(ValueError):
        await client.request(**{"url": server.url(), **arguments(bad)})
    assert server.heads == []


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nX: y", "a\0b"])
@pytest.mark.parametrize(
    "arguments",
    [
        lambda bad: {"auth_username": bad, "auth_password": "p"},
        lambda bad: {"auth_username": "u", "auth_password": bad},
        lambda bad: {"user_agent": bad},
        lambda bad: {"method": bad, "allow_nonstandard_methods": True},
        lambda bad: {"headers": {"X": bad}},
        lambda bad: {"headers": {"Host": bad}},
        lambda bad: {"headers": {"Cookie": bad}},
        lambda bad: {"userinfo": quote(bad) + ":p"},
        lambda bad: {"userinfo": "u:" + quote(bad)},
        lambda bad: {"proxy_host": bad, "proxy_port": 1},
        lambda bad: {"proxy_username": bad, "proxy_password": "p"},
        lambda bad: {"proxy_username": "u", "proxy_password": bad},
    ],
)
async def test_what_ends_a_line_is_refused_by_fetch(
    start: Start, client: SimpleAsyncHTTPClient, arguments: Any, bad: str
) -> None:
    """GHSA-w235-7p84-xx57 and its like; percent-encoded too, where it is decoded."""
    script = Counted()
    server = await start(script)
    url = server.url()
    await client.fetch(url)
    options = arguments(bad)
    if "userinfo" in options:
        url = server.url(host=options.pop("userinfo") + "@127.0.0.1")
    if "proxy_username" in options:
        options |= {"proxy_host": "127.0.0.1", "proxy_port": server.port}
    with pytest.raises((ValueError, OSError)):
        await client.fetch(url, **options)
    assert len(script.requests) == 1


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nX: y", "a\0b", "a b"])
async def test_what_ends_a_line_is_no_subprotocol(start: Start, bad: str) -> None:
    """Nor is a space in one."""
    server = await start(OK)
    with pytest.raises(ValueError):
        await websocket_connect(server.url(scheme="ws"), subprotocols=["good", bad])
    assert server.heads == []


async def test_what_ends_a_line_is_encoded_in_names_of_files(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """And of the fields that they are in (WHATWG HTML, multipart form data)."""
    bodies = []

    async def listen(caller: Caller) -> None:
        head = await caller.head()
        length = head.partition("Content-Length: ")[2].partition("\r\n")[0]
        bodies.append(await caller.reader.readexactly(int(length)))
        await caller.say(OK)

    server = await start(listen)
    await client.post(server.url(), files={'a\r\nb"': Part(b"content", filename='c\r\nd"')})
    assert b'name="a%0D%0Ab%22"; filename="c%0D%0Ad%22"' in bodies[0]


@pytest.mark.parametrize("where", ["params", "form"])
async def test_what_ends_a_line_is_encoded_in_values(
    start: Start, client: SimpleAsyncHTTPClient, where: str
) -> None:
    """Names and values of queries and forms may hold any character."""
    bodies = []

    async def listen(caller: Caller) -> None:
        head = await caller.head()
        length = head.partition("Content-Length: ")[2].partition("\r\n")[0]
        bodies.append(head.encode() + await caller.reader.readexactly(int(length)))
        await caller.say(OK)

    server = await start(listen)
    options: Any = {where: {"a\r\nb": "c\r\nd\0"}}
    await client.post(server.url(), **{"content": b"", **options} if where == "params" else options)
    assert b"a%0D%0Ab=c%0D%0Ad%00" in bodies[0]


# -- TLS ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "good"),
    [
        (["127.0.0.1"], True),
        (["localhost"], False),
        (["*.0.0.1"], False),
        (["127.0.0.2", "other.example"], False),
    ],
)
async def test_a_certificate_has_to_be_for_the_address(
    start: Start, client: SimpleAsyncHTTPClient, tmp_path: Path, names: list[str], good: bool
) -> None:
    """An address is not a name, and no wildcard stands for a part of one (RFC 9110 §4.3.4)."""
    await check(start, client, tmp_path, good, names=names)


async def test_a_certificate_that_has_expired_is_refused(
    start: Start, client: SimpleAsyncHTTPClient, tmp_path: Path
) -> None:
    """Whoever has signed it."""
    past = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    await check(start, client, tmp_path, False, names=["127.0.0.1"], not_after=past)


async def test_a_certificate_that_nobody_has_signed_is_refused(
    start: Start, client: SimpleAsyncHTTPClient, tmp_path: Path
) -> None:
    """Nor one of an authority that is not trusted; both unless the request says otherwise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = await start(OK, context)
    url = server.url(scheme="https")
    with ExpectLog("toolkit.general", "SSL Error"):
        for ask in (client.get, client.fetch):
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(url)
    assert server.heads == []
    assert (await client.fetch(url, validate_cert=False)).body == b"ok"
    with ExpectLog("toolkit.general", "SSL Error"), pytest.raises(ssl.SSLCertVerificationError):
        await client.fetch(url)


async def test_a_server_of_an_old_tls_is_refused(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """TLS 1.1 is not spoken (RFC 8996), even where no certificate is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = await start(OK, context)
    with (
        ExpectLog("toolkit.general", "SSL Error", required=False),
        pytest.raises((ssl.SSLError, OSError)),
    ):
        await client.fetch(server.url(scheme="https"), validate_cert=False)
    assert server.heads == []


async def check(
    start: Start,
    client: SimpleAsyncHTTPClient,
    tmp_path: Path,
    good: bool,
    *,
    names: list[str],
    not_after: datetime.datetime | None = None,
) -> None:
    """Ask a server that has a certificate of an authority that is trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=not_after).configure_cert(context)
    server = await start(OK, context)
    options = ConnectOptions(ca_certs=str(tmp_path / "ca.pem"))
    if good:
        assert (await client.get(server.url(scheme="https"), options=options)).content == b"ok"
    else:
        with (
            ExpectLog("toolkit.general", "SSL Error"),
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            await client.get(server.url(scheme="https"), options=options)
    assert len(server.heads) == good


# -- time --------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"])
async def test_a_server_that_drips_ends_with_the_time_for_everything(
    start: Start, client: SimpleAsyncHTTPClient, begin: bytes
) -> None:
    """However often something comes."""

    async def drip(caller: Caller) -> None:
        await caller.head()
        await caller.say(begin)
        for byte in b"HTTP/1.1 200 " + 100_000 * b"a":
            await caller.say(bytes([byte]))
            await asyncio.sleep(0.001)

    server = await start(drip)
    with pytest.raises(HTTPTimeoutError):
        await client.get(server.url(), timeout=0.1)


async def test_a_name_that_is_never_found_ends_with_the_time_to_connect() -> None:
    """Looking a host up is a part of connecting."""

    class Never(Resolver):
        """Finds nothing, ever."""

        async def resolve(self, *_: Any) -> Any:
            await asyncio.Event().wait()

    async with SimpleAsyncHTTPClient(force_instance=True, resolver=Never()) as client:
        with pytest.raises(HTTPTimeoutError):
            await client.get("http://name.example/", timeout=Timeouts(connect=0.05))
        with pytest.raises(HTTPTimeoutError):
            await client.fetch("http://name.example/", connect_timeout=0.05)


@pytest.mark.parametrize("timeout", [0.05, Timeouts(first_byte=0.05, read=0.05, write=0.05)])
async def test_the_time_of_a_request_means_nothing_to_the_next(
    start: Start, client: SimpleAsyncHTTPClient, timeout: Any
) -> None:
    """A connection that waited for longer than the last request might take is as good as ever."""
    script = Counted()
    server = await start(script)
    for _ in range(3):
        assert (await client.get(server.url(), timeout=timeout)).content == b"ok"
        await asyncio.sleep(0.1)
    assert script.connections == 1


# -- what is left open -------------------------------------------------------------------


async def test_an_upload_that_is_cut_off_leaves_no_file_open(
    start: Start, client: SimpleAsyncHTTPClient, tmp_path: Path
) -> None:
    """CVE-2026-54273 and others: by a server that has heard enough, and by who asked."""
    path = tmp_path / "large"
    path.write_bytes(bytes(1 << 22))

    async def deaf(caller: Caller) -> None:
        await caller.head()

    async def asleep(caller: Caller) -> None:
        await caller.head()
        await asyncio.Event().wait()

    def opened() -> list[str]:
        """Return the files that the process has open."""
        found = []
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/self/fd/{number}"))
        return found

    cut, sleeping = await start(deaf), await start(asleep)
    for server, error in ((cut, (HTTPStreamClosedError, OSError)), (sleeping, HTTPTimeoutError)):
        with pytest.raises(error):
            await client.post(server.url(), files={"file": path}, timeout=1)
        while str(path) in opened():  # a thread may be reading it
            await asyncio.sleep(0)


async def test_a_bomb_that_is_given_up_in_the_middle_is_not_gone_on_with(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Who takes it slowly holds one piece, and who leaves nothing; the connection ends."""
    script = Counted(
        f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode()
        + BOMB[:-8]
    )
    server = await start(script)
    async with client.stream("GET", server.url()) as response:
        pieces = aiter(response)
        for _ in range(3):
            assert len(await anext(pieces)) <= 1 << 20
            await asyncio.sleep(0)
    await script.wait_ended(1)


def compressed(coding: str) -> bytes:
    """Return 16 MiB of zeros in a coding."""
    if coding == "br":
        return bytes(pytest.importorskip("brotli").compress(bytes(1 << 24)))
    if coding == "zstd":
        return bytes(pytest.importorskip("zstandard").compress(bytes(1 << 24)))
    return BOMB if coding == "gzip" else zlib.compress(bytes(1 << 24))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_bomb_goes_off_nowhere(start: Start, coding: str) -> None:
    """CVE-2025-66471, CVE-2025-69223: in each coding that is known here."""
    content = compressed(coding)
    assert len(content) < 20_000
    length = f"Content-Encoding: {coding}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    server = await start(Counted(OK, b"HTTP/1.1 200 OK\r\n" + length + content))
    async with client_of(max_body_size=1 << 20) as client:
        await client.get(server.url())
        with pytest.raises(HTTPStreamClosedError):
            await client.get(server.url())
        with pytest.raises(HTTPStreamClosedError):
            await client.fetch(server.url())


# -- what is read in an answer -----------------------------------------------------------


@pytest.mark.parametrize("byte", BYTES)
@pytest.mark.parametrize(
    "name",
    """
    Keep-Alive Content-Type Set-Cookie Location Retry-After Content-Encoding Connection
    Transfer-Encoding Content-Disposition Link
    """.split(),
)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_long_field_is_read_or_refused_at_once(start: Start, name: str, byte: str) -> None:
    """With time to the square of its length the test would not end."""
    value = byte * (60_000 // len(byte))
    status = {"Location": "302 Found", "Retry-After": "503 No"}.get(name, "200 OK")
    head = f"HTTP/1.1 {status}\r\n{name}: {value}\r\n"
    length = "" if name == "Transfer-Encoding" else "Content-Length: 2\r\n"
    server = await start(Counted(f"{head}{length}\r\nok".encode("latin-1")))
    options = {"cookie_jar": CookieJar(), "middleware": [Retry(attempts=1)]}
    async with client_of(**options) as client:
        with contextlib.suppress(ValueError, OSError, *NO_ANSWER):
            response = await client.get(server.url())
            assert response.charset
            await response.text()


async def test_a_protocol_that_nobody_asked_for_is_not_spoken(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """A 101 is no answer, and the connection ends."""
    script = Counted(OK, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    server = await start(script)
    await client.get(server.url())
    with pytest.raises(HTTPStreamClosedError, match="101"):
        await client.get(server.url())
    await script.wait_ended(1)


async def test_the_fields_of_an_interim_answer_are_none_of_the_final_one(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Neither a length, nor a redirect, nor a cookie."""
    early = b"HTTP/1.1 103 Early Hints\r\nLocation: /x\r\nSet-Cookie: a=b\r\nX: y\r\n\r\n"
    server = await start(Counted(early + OK))
    for _ in range(2):
        response = await client.get(server.url())
        assert (response.status, response.content) == (200, b"ok")
        assert list(response.headers) == ["Content-Length"]


async def test_a_status_that_nobody_knows_is_one_all_the_same(
    start: Start, client: SimpleAsyncHTTPClient
) -> None:
    """Up to 999 (RFC 9110 §15)."""
    server = await start(Counted(b"HTTP/1.1 999 \r\nContent-Length: 2\r\n\r\nok"))
    for _ in range(2):
        assert (await client.get(server.url())).status == 999


@pytest.mark.parametrize("method", ["HEAD", "POST"])
async def test_a_connection_whose_end_is_in_doubt_serves_nobody(
    start: Start, client: SimpleAsyncHTTPClient, method: str
) -> None:
    """CVE-2026-6733: content after the answer to HEAD, or an answer before all was sent."""
    script = Counted(OK.replace(b"ok", b"no"), OK)
    server = await start(script)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    content = endless() if method == "POST" else None
    await client.request(method, server.url(), content=content)
    assert (await client.get(server.url())).content == b"ok"
    assert script.connections == 2
