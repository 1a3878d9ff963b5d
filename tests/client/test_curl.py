"""The client on libcurl: what it sends, what it makes of answers, and how requests end."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.client import Serve
from tests.http.scripted import Caller, Start
from tests.loops import expect_log
from toolkit.httpclient import AsyncHTTPClient, HTTPClient, HTTPClientError, HTTPRequest
from toolkit.web import RequestHandler

pycurl = pytest.importorskip("pycurl")

from toolkit.curl_httpclient import CurlAsyncHTTPClient, CurlError  # noqa: E402
from toolkit.curl_httpclient import client as module  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def client_of(**options: Any) -> AsyncIterator[CurlAsyncHTTPClient]:
    """Give a client of its own."""
    async with CurlAsyncHTTPClient(force_instance=True, **options) as client:
        yield client


@pytest.fixture
async def client() -> AsyncIterator[CurlAsyncHTTPClient]:
    """Return a client that is closed after the test."""
    async with client_of() as made:
        yield made


class Echo(RequestHandler):
    """Answers with what it got."""

    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PURGE")  # type: ignore[assignment]

    def answer(self) -> None:
        """Say the method, the framing and the content."""
        told = [n for n in ("Content-Length", "Expect") if n in self.request.headers]
        self.set_header("X-Method", str(self.request.method))
        self.write(f"{self.request.method} {','.join(told)}:".encode() + self.request.body)

    get = post = put = delete = patch = options = head = purge = answer  # type: ignore[assignment]


class Moved(RequestHandler):
    """Redirects with a status, to the rest of the path."""

    def get(self, status: str, rest: str) -> None:
        self.redirect(rest, status=int(status))

    post = put = get


def site_of(serve: Serve) -> str:
    """Start a site, and return its URL."""
    host, port = serve([("/", Echo), ("/moved/([0-9]+)(/.*)", Moved)]).address
    return f"http://{host}:{port}"


@pytest.mark.parametrize(
    ("method", "options", "body"),
    [
        ("GET", {}, b"GET :"),
        ("DELETE", {}, b"DELETE :"),
        ("OPTIONS", {}, b"OPTIONS :"),
        ("HEAD", {}, b""),
        ("POST", {"body": b"abc"}, b"POST Content-Length:abc"),
        ("POST", {"body": ""}, b"POST Content-Length:"),
        ("PUT", {"body": b"abc"}, b"PUT Content-Length:abc"),
        ("PATCH", {"body": "\xe9"}, "PATCH Content-Length:\xe9".encode()),
        ("PURGE", {"allow_nonstandard_methods": True}, b"PURGE :"),
        ("DELETE", {"body": b"x", "allow_nonstandard_methods": True}, b"DELETE Content-Length:x"),
        (
            "POST",
            {"body": b"abc", "expect_100_continue": True},
            b"POST Content-Length,Expect:abc",
        ),
    ],
)
async def test_each_method_sends_what_it_should(
    serve: Serve, client: CurlAsyncHTTPClient, method: str, options: Any, body: bytes
) -> None:
    """And a handle that did one thing does the next one as if it were new."""
    url = site_of(serve) + "/"
    for _ in range(2):
        response = await client.fetch(url, method=method, **options)
        assert (response.headers["X-Method"], response.body) == (method, body)
        assert (await client.fetch(url)).body == b"GET :"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"method": "POST"}, "must not be None"),
        ({"method": "GET", "body": b"x"}, "must be None"),
        ({"method": "GET", "body": b"x", "allow_nonstandard_methods": True}, "must be None"),
        ({"method": "PURGE"}, "unknown method"),
        ({"method": "PUT", "body_producer": lambda write: None}, "body_producer"),
        ({"proxy_host": "a"}, "both are needed"),
        ({"proxy_port": 1}, "both are needed"),
        ({"proxy_host": "a", "proxy_port": 1, "proxy_auth_mode": "ntlm"}, "proxy_auth_mode"),
        ({"auth_username": "a", "auth_mode": "ntlm"}, "auth_mode"),
        ({"ssl_options": {}}, "ssl_options"),
        ({"headers": {"X": "\u20ac"}}, "control character"),
    ],
)
async def test_a_request_that_makes_no_sense_is_a_value_error(
    client: CurlAsyncHTTPClient, options: Any, error: str
) -> None:
    """Nothing is sent, and what was set of it is forgotten."""
    with pytest.raises(ValueError, match=error):
        await client.fetch("http://127.0.0.1:1/", **options)


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nX: y", "a\0b", "a\x7fb"])
@pytest.mark.parametrize(
    "options",
    [
        lambda bad: {"url": f"http://127.0.0.1:1/{bad}"},
        lambda bad: {"method": bad, "allow_nonstandard_methods": True},
        lambda bad: {"headers": {"X": bad}},
        lambda bad: {"headers": {bad: "x"}},
        lambda bad: {"user_agent": bad},
    ],
)
async def test_nothing_that_ends_a_line_reaches_the_wire(
    client: CurlAsyncHTTPClient, options: Any, bad: str
) -> None:
    """It is a ValueError, wherever it stands (RFC 9112 §2.2)."""
    arguments = {"url": "http://127.0.0.1:1/", **options(bad)}
    with pytest.raises(ValueError, match=r"allowed|control character"):
        await client.fetch(HTTPRequest(**arguments))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1:1/", "gopher://a/", "x://a"]
)
async def test_nothing_but_http_is_fetched(client: CurlAsyncHTTPClient, url: str) -> None:
    """Though libcurl could."""
    with pytest.raises(CurlError):
        await client.fetch(url)


async def test_a_redirect_leads_to_nothing_but_http(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """Whatever the server wants."""
    server = await start(b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n")
    with pytest.raises(CurlError):
        await client.fetch(server.url())


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (302, "GET", b"GET :"),
        (303, "POST", b"GET :"),
        (307, "POST", b"POST Content-Length:abc"),
        (308, "PUT", b"PUT Content-Length:abc"),
    ],
)
async def test_redirects_are_followed(
    serve: Serve, client: CurlAsyncHTTPClient, status: int, method: str, expected: bytes
) -> None:
    """With the body where the status says so; headers are those of the last answer."""
    url = site_of(serve)
    body = None if method == "GET" else b"abc"
    response = await client.fetch(f"{url}/moved/{status}/", method=method, body=body)
    assert (response.code, response.body, response.effective_url) == (200, expected, f"{url}/")
    assert "Location" not in response.headers


@pytest.mark.parametrize("options", [{"follow_redirects": False}, {"max_redirects": 1}])
async def test_no_more_redirects_are_followed_than_allowed(
    serve: Serve, client: CurlAsyncHTTPClient, options: Any
) -> None:
    """The status of the last one is an error, or libcurl's error is."""
    url = site_of(serve) + "/moved/302/moved/302/"
    with pytest.raises(HTTPClientError) as caught:
        await client.fetch(url, **options)
    assert caught.value.code == (302 if "follow_redirects" in options else 599)


async def test_a_redirect_to_another_origin_has_no_credentials(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """Neither those of the arguments nor those of the headers."""
    final = await start(OK)
    location = f"Location: {final.url(host='localhost')}\r\n".encode()
    first = await start(b"HTTP/1.0 302 Found\r\n" + location + b"\r\n")
    headers = {"Cookie": "s=1"}
    await client.fetch(first.url(), auth_username="u", auth_password="p", headers=headers)
    await client.fetch(first.url(), headers={"Authorization": "Bearer s", **headers})
    assert ["Authorization" in head for head in first.heads] == [True, True]
    assert not any("Authorization" in head or "Cookie" in head for head in final.heads)


async def test_header_and_streaming_callbacks_get_what_comes_in_its_order(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """The body is not in the response then."""
    seen: list[Any] = []
    server = await start(OK)
    response = await client.fetch(
        server.url(), header_callback=seen.append, streaming_callback=seen.append
    )
    assert seen == ["HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", "\r\n", b"ok"]
    assert response.body == b""


async def test_a_body_is_streamed_as_it_comes(start: Start, client: CurlAsyncHTTPClient) -> None:
    """The server goes on only when the client has got the piece before."""
    proceed = asyncio.Event()
    seen: list[bytes] = []

    async def tell(caller: Caller) -> None:
        await caller.head()
        await caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await proceed.wait()
        await caller.say(b"cd")

    def take(piece: bytes) -> None:
        seen.append(piece)
        proceed.set()

    await client.fetch((await start(tell)).url(), streaming_callback=take)
    assert seen == [b"ab", b"cd"]


async def test_a_large_body_is_streamed_whole(
    start: Start, client: CurlAsyncHTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when libcurl has to wait for the program in between."""
    monkeypatch.setattr(module, "MAX_PENDING", 10_000)
    body = bytes(range(256)) * 4096
    server = await start(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    seen: list[bytes] = []
    await client.fetch(server.url(), streaming_callback=seen.append)
    assert b"".join(seen) == body


async def later(_: bytes) -> None:
    """Take a piece, as a coroutine function that is not allowed."""


async def test_a_streaming_callback_may_not_be_a_coroutine_function(
    client: CurlAsyncHTTPClient,
) -> None:
    """Nobody would await it."""
    with pytest.raises(TypeError, match="coroutine function"):
        await client.fetch("http://127.0.0.1:1/", streaming_callback=later)


async def test_a_streaming_callback_that_fails_is_logged(
    start: Start, client: CurlAsyncHTTPClient, caplog: pytest.LogCaptureFixture
) -> None:
    """And the response comes."""

    def fail(_: bytes) -> None:
        raise KeyError("no")

    server = await start(OK)
    assert (await client.fetch(server.url(), streaming_callback=fail)).code == 200
    expect_log(caplog, "toolkit.application", "Exception in callback")


async def test_a_program_may_set_options_of_libcurl(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """They are gone with the request."""
    server = await start(OK)

    def prepare(curl: Any) -> None:
        curl.setopt(pycurl.HTTPHEADER, ["X-Mine: yes"])

    await client.fetch(server.url(), prepare_curl_callback=prepare)
    await client.fetch(server.url())
    assert ["X-Mine: yes" in head for head in server.heads] == [True, False]


async def test_a_prepare_curl_callback_that_fails_fails_the_fetch(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """Nothing is sent."""

    def prepare(_: Any) -> None:
        raise KeyError("no")

    server = await start(OK)
    with pytest.raises(KeyError):
        await client.fetch(server.url(), prepare_curl_callback=prepare)
    assert (await client.fetch(server.url())).body == b"ok"
    assert len(server.heads) == 1


async def test_nothing_of_one_request_is_there_for_the_next(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """GHSA-pw6j-qg29-8w7f: credentials, proxies and certificates would be."""
    server = await start(OK)
    proxy = await start(OK)
    await client.fetch(
        server.url(),
        auth_username="u",
        auth_password="p",
        user_agent="Me",
        proxy_host="127.0.0.1",
        proxy_port=proxy.port,
        proxy_username="pu",
        proxy_password="pp",
        method="PUT",
        body=b"secret",
    )
    await client.fetch(server.url())
    assert "Proxy-Authorization: Basic cHU6cHA=" in proxy.heads[0]
    assert "Authorization: Basic dTpw" in proxy.heads[0]
    assert proxy.heads[0].startswith(f"PUT {server.url()} HTTP/1.1")
    assert len(proxy.heads) == len(server.heads) == 1
    assert server.heads[0].startswith("GET / HTTP/1.1")
    assert "Authorization" not in server.heads[0]
    assert "Me" not in server.heads[0]


async def test_the_environment_names_no_proxy(
    start: Start, client: CurlAsyncHTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libcurl would ask it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    assert (await client.fetch((await start(OK)).url())).body == b"ok"


async def test_digest_is_answered_once_it_is_asked_for(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """By libcurl itself."""
    heads: list[str] = []

    async def guard(caller: Caller) -> None:
        while True:
            heads.append(await caller.head())
            challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
            no = b"HTTP/1.1 401 No\r\n" + challenge + b"Content-Length: 0\r\n\r\n"
            await caller.say(OK if "Authorization: Digest" in heads[-1] else no)

    url = (await start(guard)).url()
    options = {"auth_username": "u", "auth_password": "p", "auth_mode": "digest"}
    assert (await client.fetch(url, **options)).body == b"ok"
    assert "Authorization" not in heads[0]


async def test_compressed_content_is_decoded_unless_told_otherwise(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """It is not even asked for then."""
    packed = gzip.compress(b"abc", mtime=0)
    server = await start(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed)
    assert (await client.fetch(server.url())).body == b"abc"
    assert (await client.fetch(server.url(), decompress_response=False)).body == packed
    assert ["Accept-Encoding: gzip" in head for head in server.heads] == [True, False]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_past_its_limit_is_refused_also_when_it_was_packed(
    start: Start, streamed: bool
) -> None:
    """CVE-2026-49855: 16 MiB come of 16 KiB."""
    bomb = gzip.compress(bytes(1 << 24), mtime=0)
    server = await start(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb)
    taken = [0]

    def take(piece: bytes) -> None:
        taken[0] += len(piece)

    async with client_of(max_body_size=100_000) as client:
        with pytest.raises(CurlError, match="max_body_size"):
            await client.fetch(server.url(), streaming_callback=take if streamed else None)
    assert taken[0] <= 100_000


async def test_a_head_past_its_limit_is_refused(start: Start, client: CurlAsyncHTTPClient) -> None:
    """By its lines together."""
    server = await start(
        b"HTTP/1.1 200 OK\r\n"
        + b"X: "
        + 900 * b"y"
        + b"\r\n" * 1
        + 80 * (b"X: " + 900 * b"y" + b"\r\n")
        + b"\r\n"
    )
    with pytest.raises(CurlError, match="head of over 65536 bytes"):
        await client.fetch(server.url())


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (b"", "E_GOT_NOTHING"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "E_PARTIAL_FILE"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip", "E_BAD_CONTENT_ENCODING"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz", "E_RECV_ERROR"),
        (b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n", "E_WRITE_ERROR"),
    ],
)
async def test_a_bad_answer_is_an_error_with_libcurls_number(
    start: Start, client: CurlAsyncHTTPClient, answer: bytes, number: str
) -> None:
    """Of code 599; the client is as good as before."""
    server = await start(answer)
    with pytest.raises(CurlError) as caught:
        await client.fetch(server.url())
    assert (caught.value.code, caught.value.errno) == (599, getattr(pycurl, number))
    assert (await client.fetch((await start(OK)).url())).body == b"ok"


async def test_a_refused_connection_is_an_error(client: CurlAsyncHTTPClient) -> None:
    """With libcurl's number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CurlError) as caught:
        await client.fetch(f"http://127.0.0.1:{port}/")
    assert caught.value.errno == pycurl.E_COULDNT_CONNECT


async def never(caller: Caller) -> None:
    """Say nothing."""
    await caller.ended()


async def test_a_request_ends_with_its_time(start: Start, client: CurlAsyncHTTPClient) -> None:
    """However little comes of the answer."""
    server = await start(never)
    with pytest.raises(CurlError) as caught:
        await client.fetch(server.url(), request_timeout=0.05)
    assert caught.value.errno == pycurl.E_OPERATION_TIMEDOUT


async def test_status_and_error_are_raised_or_given(
    start: Start, client: CurlAsyncHTTPClient
) -> None:
    """As by any other client."""
    server = await start(b"HTTP/1.1 404 Not Here\r\nContent-Length: 2\r\n\r\nno")
    with pytest.raises(HTTPClientError, match="HTTP 404: Not Here") as caught:
        await client.fetch(server.url())
    assert caught.value.response is not None
    assert caught.value.response.body == b"no"
    response = await client.fetch(server.url(), raise_error=False)
    assert (response.code, response.reason) == (404, "Not Here")
    assert set(response.time_info) >= {"queue", "namelookup", "connect", "total"}


async def test_no_more_are_under_way_than_allowed(start: Start) -> None:
    """The others wait for their turn, in their order."""
    order: list[str] = []
    release = asyncio.Event()
    full = asyncio.Event()

    async def hold(caller: Caller) -> None:
        order.append((await caller.head()).split()[1])
        if len(order) == 2:
            full.set()
        await release.wait()
        await caller.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    server = await start(hold)
    async with client_of(max_clients=2) as client:
        fetches = [client.fetch(server.url(f"/{number}")) for number in range(4)]
        await full.wait()
        assert set(order) == {"/0", "/1"}
        release.set()
        await asyncio.gather(*fetches)
    assert set(order[2:]) == {"/2", "/3"}


async def test_to_close_a_client_ends_what_it_does(start: Start) -> None:
    """Be it under way or waiting; a second time does nothing."""
    begun = asyncio.Event()

    async def hold(caller: Caller) -> None:
        await caller.head()
        begun.set()
        await caller.ended()

    server = await start(hold)
    client = CurlAsyncHTTPClient(force_instance=True, max_clients=1)
    fetches = [client.fetch(server.url()) for _ in range(2)]
    await begun.wait()
    client.close()
    client.close()
    for error in await asyncio.gather(*fetches, return_exceptions=True):
        assert isinstance(error, CurlError)
        assert "the client was closed" in str(error)
    with pytest.raises(RuntimeError, match="closed"):
        client.fetch(server.url())


async def test_a_fetch_that_is_cancelled_makes_room(start: Start) -> None:
    """Its connection ends; one that waits only leaves the queue."""
    begun = asyncio.Event()
    ended: asyncio.Queue[None] = asyncio.Queue()

    async def hold(caller: Caller) -> None:
        if "/slow" in await caller.head():
            begun.set()
            await caller.ended()
            await ended.put(None)
        await caller.say(OK)

    server = await start(hold)
    async with client_of(max_clients=1) as client:
        first, second, third = (
            asyncio.ensure_future(client.fetch(server.url(path))) for path in ("/slow", "/x", "/y")
        )
        for fetch in (first, second, third):
            fetch.add_done_callback(lambda _: None)
        await begun.wait()
        second.cancel()
        first.cancel()
        assert (await third).body == b"ok"
        await ended.get()


async def test_cookies_of_a_server_are_not_kept(start: Start, client: CurlAsyncHTTPClient) -> None:
    """A handle has a memory of its own."""
    server = await start(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"))
    for _ in range(2):
        await client.fetch(server.url())
    assert not any("Cookie" in head for head in server.heads)


async def test_fields_of_all_kinds_are_sent(start: Start, client: CurlAsyncHTTPClient) -> None:
    """Those that are empty, that have bytes, and those that libcurl would add are as given."""
    server = await start(OK)
    await client.fetch(server.url(), headers={"X-Empty": "", "X-Bytes": b"\xe9", "X": "\xe9"})
    lines = server.heads[0].split("\r\n")
    assert {"X-Empty:", "X-Bytes: \xe9", "X: \xe9"} <= set(lines)
    assert not any(line.startswith(("Expect", "Pragma")) for line in lines)


def test_it_can_be_configured_as_any_other() -> None:
    """By its dotted name, also for scripts that block."""
    AsyncHTTPClient.configure("toolkit.curl_httpclient.CurlAsyncHTTPClient", max_clients=3)
    try:
        with contextlib.closing(HTTPClient()) as client, pytest.raises(CurlError):
            client.fetch("http://127.0.0.1:1/")
    finally:
        AsyncHTTPClient.configure(None)
