"""`HTTPClient`, for programs and threads without a loop."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import Iterator

import pytest

from tests.http.scripted import Caller, Server
from toolkit.httpclient import AsyncHTTPClient, HTTPClient, HTTPError, HTTPRequest
from toolkit.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

pytestmark = pytest.mark.feature("F24")


class Site:
    """A server in a thread of its own, which answers by the path.

    Attributes:
        heads: of the requests.
        connections: how many there were.
    """

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._main(),))

    def __enter__(self) -> "Site":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return self._server.url(path)

    async def _main(self) -> None:
        self._loop, self._end, self._server = asyncio.get_running_loop(), asyncio.Event(), Server()
        await self._server.start(self._serve)
        self._ready.set()
        await self._end.wait()
        await self._server.stop()

    async def _serve(self, caller: Caller) -> None:
        self.connections += 1
        while True:
            head = await caller.head()
            self.heads.append(head)
            path = head.split()[1]
            if path == "/never":
                await caller.ended()
                return
            status = "404 No" if path == "/missing" else "200 OK"
            body = path.encode()
            text = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
            await caller.say(text.encode() + (b"" if head.startswith("HEAD") else body))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Return a server for all tests."""
    with Site() as running:
        yield running


def test_requests_of_a_script_share_a_connection(site: Site) -> None:
    """As those of a program with a loop do."""
    with contextlib.closing(HTTPClient()) as client:
        before = site.connections
        assert client.fetch(site.url("/a")).body == b"/a"
        assert client.fetch(HTTPRequest(site.url("/b"), headers={"X": "y"})).body == b"/b"
        assert client.request("GET", site.url("/c"), params={"q": 1}).content == b"/c?q=1"
        assert client.fetch(site.url("/d"), method="HEAD").body == b""
        assert site.connections == before + 1
    assert "X: y\r\n" in site.heads[-3]


def test_errors_are_raised_where_the_script_asks(site: Site) -> None:
    """And the client is as good as before."""
    with contextlib.closing(HTTPClient()) as client:
        with pytest.raises(HTTPError) as caught:
            client.fetch(site.url("/missing"))
        assert caught.value.code == 404
        assert client.fetch(site.url("/missing"), raise_error=False).code == 404
        assert client.request("GET", site.url("/missing")).status == 404
        with pytest.raises(ValueError, match="Unsupported url scheme"):
            client.fetch("ftp://127.0.0.1/")
        with pytest.raises(HTTPTimeoutError):
            client.fetch(site.url("/never"), request_timeout=0.02)
        with pytest.raises(TypeError):
            client.request("GET", site.url("/"), colour="red")  # type: ignore[call-arg]
        assert client.fetch(site.url("/a")).body == b"/a"


def test_arguments_go_to_the_client_within(site: Site) -> None:
    """Whose class may be named."""

    class Mine(SimpleAsyncHTTPClient):
        pass

    with contextlib.closing(
        HTTPClient(Mine, base_url=site.url("/api/"), defaults={"user_agent": "Me"})
    ) as client:
        assert isinstance(client._async_client, Mine)
        assert client.fetch("x").body == b"/api/x"
        assert "User-Agent: Me\r\n" in site.heads[-1]


def test_an_argument_that_there_is_not_leaves_no_loop_open() -> None:
    """What was left open would warn."""
    with pytest.raises(TypeError):
        HTTPClient(colour="red")
    gc.collect()


def test_a_client_may_be_closed_twice_and_be_forgotten(site: Site) -> None:
    """A script need not be careful."""
    client = HTTPClient()
    client.fetch(site.url("/"))
    client.close()
    client.close()
    with pytest.raises(RuntimeError):
        client.fetch(site.url("/"))
    client = HTTPClient()
    client.fetch(site.url("/"))
    del client
    gc.collect()


def test_each_thread_may_have_one(site: Site) -> None:
    """They share nothing."""
    found: list[bytes] = []

    def work(number: int) -> None:
        with contextlib.closing(HTTPClient()) as client:
            found.append(client.fetch(site.url(f"/{number}")).body)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [b"/0", b"/1", b"/2", b"/3"]


async def test_a_client_is_not_for_a_thread_with_a_running_loop(site: Site) -> None:
    """To wait there would stop all else; the error says so, and closing is fine."""

    def make() -> HTTPClient:
        return HTTPClient()

    client = await asyncio.to_thread(make)
    with pytest.raises(RuntimeError):
        client.fetch(site.url("/"))
    client.close()
    assert (await AsyncHTTPClient(force_instance=False).fetch(site.url("/z"))).body == b"/z"
