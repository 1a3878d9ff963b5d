"""The spider visits each page once, near ones first, and not too many of a host at a time."""

import asyncio
import collections
import http.server
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from demos.spider.__main__ import TREE_SIZE
from demos.spider.crawl import FetchError, Page, Spider, find_links
from tests.demos.process import ENVIRONMENT, ROOT, SIGNALS, TIMEOUT, End, check_clean
from toolkit.testing.clock import VirtualClockLoop


class Web:
    """Pages and their links, and what was fetched of them.

    Attributes:
        visited: the URLs in order, with those that were fetched more than once.
        busiest: most pages under way at a time, by host.
    """

    def __init__(self, pages: dict[str, Iterable[str]]) -> None:
        self._pages = pages
        self._under_way: collections.Counter[str] = collections.Counter()
        self.visited: list[str] = []
        self.busiest: collections.Counter[str] = collections.Counter()

    async def fetch(self, url: str) -> Page:
        """Return a page after some turns of the loop."""
        self.visited.append(url)
        host = url.split("/")[2]
        self._under_way[host] += 1
        self.busiest[host] = max(self.busiest[host], self._under_way[host])
        try:
            for _ in range(5):
                await asyncio.sleep(0)
        finally:
            self._under_way[host] -= 1
        if url not in self._pages:
            raise FetchError(f"no {url}")
        return Page(url, "".join(f'<a href="{link}">' for link in self._pages[url]))


async def test_each_page_is_visited_once() -> None:
    """However many links lead to it, by whatever way they are written."""
    web = Web({"http://a/": ["/b", "b#x", "http://a/b", "./b", "/"], "http://a/b": ["/", "#y"]})
    spider = Spider(web.fetch)
    assert await spider.crawl("http://a/")
    assert web.visited == ["http://a/", "http://a/b"]
    assert spider.pages == {
        "http://a/": ["http://a/b", "http://a/"],
        "http://a/b": ["http://a/", "http://a/b"],
    }


@pytest.mark.parametrize(("depth", "count"), [(0, 1), (1, 2), (3, 4), (9, 5)])
async def test_pages_too_many_links_away_are_left(depth: int, count: int) -> None:
    """The first page is no link away."""
    web = Web({f"http://a/{n}": [f"/{n + 1}"] for n in range(4)} | {"http://a/4": []})
    assert await Spider(web.fetch, depth=depth).crawl("http://a/0")
    assert web.visited == [f"http://a/{n}" for n in range(count)]


async def test_other_hosts_are_left_alone_unless_they_are_named() -> None:
    """Ports are a part of them; what is no web page has none."""
    pages = {"http://a/": ["http://b/", "http://c/", "http://a:8/", "mailto:x@a", "http://[::"]}
    web = Web(pages | {"http://b/": []})
    assert await Spider(web.fetch, hosts=frozenset({"b"})).crawl("http://a/")
    assert web.visited == ["http://a/", "http://b/"]


@pytest.mark.parametrize("per_host", [1, 3])
async def test_each_host_serves_a_few_pages_at_a_time(per_host: int) -> None:
    """Of another one there may be as many at the same time."""
    links = [f"http://{host}/{n}" for n in range(20) for host in "ab"]
    web = Web({"http://a/": links} | dict.fromkeys(links, ()))
    spider = Spider(web.fetch, per_host=per_host, workers=10, hosts=frozenset("b"))
    assert await spider.crawl("http://a/")
    assert web.busiest == {"a": per_host, "b": per_host}
    assert len(spider.pages) == 41


async def test_a_page_that_fails_ends_nothing() -> None:
    """It is told with its error."""
    web = Web({"http://a/": ["/missing", "/b"], "http://a/b": []})
    spider = Spider(web.fetch)
    assert await spider.crawl("http://a/")
    assert list(spider.pages) == ["http://a/", "http://a/b"]
    assert {url: str(error) for url, error in spider.failed.items()} == {
        "http://a/missing": "no http://a/missing"
    }


async def test_a_bug_in_fetch_ends_all() -> None:
    """It comes out, and no worker is left."""

    async def fetch(url: str) -> Page:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await Spider(fetch).crawl("http://a/")
    assert caught.group_contains(ZeroDivisionError)


def test_a_page_may_take_so_long_and_no_longer() -> None:
    """The others go on, and its place is free."""
    web = Web({"http://a/": ["/slow", "/b"], "http://a/b": [], "http://a/slow": []})

    async def fetch(url: str) -> Page:
        await asyncio.sleep(11 if url == "http://a/slow" else 9)
        return await web.fetch(url)

    spider = Spider(fetch, page_timeout=10, per_host=1)
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        assert runner.run(spider.crawl("http://a/"))
    assert isinstance(spider.failed["http://a/slow"], TimeoutError)
    assert list(spider.pages) == ["http://a/", "http://a/b"]


def test_when_the_time_is_over_pages_under_way_are_finished() -> None:
    """What waits in the queue is not begun, and links found now are not followed."""
    web = Web({"http://a/": ["/b", "/c"], "http://a/b": ["/d"], "http://a/c": [], "http://a/d": []})

    async def fetch(url: str) -> Page:
        await asyncio.sleep(2)
        return await web.fetch(url)

    spider = Spider(fetch, workers=1)
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        assert not runner.run(spider.crawl("http://a/", timeout=3))
    assert web.visited == list(spider.pages) == ["http://a/", "http://a/b"]


async def test_cancellation_ends_the_workers() -> None:
    """None of them is left behind."""
    begun = asyncio.Event()

    async def fetch(url: str) -> Page:
        begun.set()
        return await asyncio.get_running_loop().create_future()

    crawl = asyncio.create_task(Spider(fetch).crawl("http://a/"))
    await begun.wait()
    crawl.cancel()
    with pytest.raises(asyncio.CancelledError):
        await crawl


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<a href="b">', ["http://a/x/b"]),
        ("<A HREF=/b?c=1&amp;d#e>", ["http://a/b?c=1&d"]),
        ('<a href><a name="x"><link href="y"><p href="z">', []),
        ('<!-- <a href="b"> --><script>"<a href=c>"</script>', []),
        ('<a href="b', []),
    ],
)
def test_links_are_found(html: str, links: list[str]) -> None:
    """In elements that are links, and as a browser resolves them."""
    assert find_links(Page("http://a/x/y", html)) == links


# -- the program -------------------------------------------------------------------------


def run(*options: str) -> list[str]:
    """Run the demo to its end and return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "demos.spider", *options],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_the_tree_is_visited() -> None:
    """All pages of it, and each once."""
    site, *visited, end = run("--port=0")
    url = site.removeprefix("site on ")
    assert sorted(visited) == sorted([url, *(f"{url}{n}" for n in range(2, TREE_SIZE + 1))])
    assert end == f"{TREE_SIZE} pages, 0 failed"


def test_the_files_of_a_directory_are_visited(tmp_path: Path) -> None:
    """What is no HTML has no links, and a link that leads nowhere is told."""
    (tmp_path / "index.html").write_text('<a href="sub/page.html"><a href="no.html"><a href=a.txt>')
    (tmp_path / "a.txt").write_text("<a href=b.txt>")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/page.html").write_text('<a href="../index.html">')
    site, *lines = run(f"--directory={tmp_path}")
    url = site.removeprefix("site on ")
    names = ["", "sub/page.html", "a.txt", "index.html"]
    assert sorted(lines[:4]) == sorted(url + name for name in names)
    assert lines[4:] == [f"{url}no.html: HTTP 404: Not Found", "4 pages, 1 failed"]


def test_a_site_of_others_is_visited() -> None:
    """Here one that redirects: links are resolved where it led to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/" else 200)
            self.send_header("Location", "/sub/")
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<a href=page>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert run(f"{url}/") == [f"{url}/", f"{url}/sub/page", "2 pages, 0 failed"]
        server.shutdown()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_with_what_there_is(number: signal.Signals) -> None:
    """It is a clean end, in the middle of a page."""
    with socket.create_server(("127.0.0.1", 0)) as site:
        site.settimeout(TIMEOUT)
        url = f"http://127.0.0.1:{site.getsockname()[1]}/"
        with (
            subprocess.Popen(
                [sys.executable, "-m", "demos.spider", url],
                cwd=ROOT,
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
            site.accept()[0] as connection,
        ):
            assert connection.recv(5) == b"GET /"
            process.send_signal(number)
            output, errors = process.communicate(timeout=TIMEOUT)
    check_clean(End(process.returncode, errors))
    assert output == "0 pages, 0 failed, and not all of them\n"
