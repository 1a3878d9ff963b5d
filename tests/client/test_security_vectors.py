"""What hostile servers, and hostile values in requests, must not get a client to do."""

import asyncio
import contextlib
import datetime
import gzip
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.client.test_pool import Counted
from tests.http.scripted import Caller, Start
from toolkit.httpclient.decoding import Decoded
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.target import Origin, Target
from toolkit.iostream import UnsatisfiableReadError
from toolkit.simple_httpclient import (
    HTTPStreamClosedError,
    HTTPTimeoutError,
    SimpleAsyncHTTPClient,
)
from toolkit.testing import ExpectLog
from toolkit.testing.mock_transport import Answer, MockTransport
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


# -- parsers -----------------------------------------------------------------------------


@pytest.mark.parametrize("byte", [" ", ",", '"', "\\", "=", ";", "a", "\xa0", "\t", "a=", '"\\'])
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
