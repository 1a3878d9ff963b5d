"""`Spider`: visits all pages that links lead to, some of them at a time."""

import asyncio
import datetime
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from toolkit.locks import Semaphore
from toolkit.queues import Queue, QueueShutDown


class Page(NamedTuple):
    """HTML, and the URL that it was got from in the end."""

    url: str
    html: str


class FetchError(Exception):
    """A page cannot be had."""


Fetch = Callable[[str], Awaitable[Page]]


class Spider:
    """Crawls a site.

    Each page is fetched once, however many links lead to it, and links to other hosts than
    those of the first page are left alone. A page that cannot be fetched ends nothing.

    Example::

        spider = Spider(fetch)
        await spider.crawl("http://127.0.0.1:8888/")
        print(sorted(spider.pages), spider.failed)

    Args:
        fetch: returns the page of a URL, or raises FetchError.
        depth: how many links pages may be away from the first one.
        workers: how many pages are under way at a time.
        per_host: how many of them are of one host.
        page_timeout: seconds for each page.
        hosts: further hosts whose pages are visited, as URLs have them.

    Attributes:
        pages: the URLs visited, each with the links found there, in the order of arrival.
        failed: the URLs that could not be had in time or at all, each with its error.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        depth: int = 3,
        workers: int = 10,
        per_host: int = 4,
        page_timeout: float = 10.0,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.pages: dict[str, list[str]] = {}
        self.failed: dict[str, Exception] = {}
        self._fetch = fetch
        self._depth = depth
        self._workers = workers
        self._page_timeout = page_timeout
        self._hosts = set(hosts)
        self._permits = defaultdict[str, Semaphore](lambda: Semaphore(per_host))
        self._known: set[str] = set()
        # Without a limit: the workers themselves put links in, and may not wait for room.
        self._queue: Queue[tuple[str, int]] = Queue()

    async def crawl(self, start: str, timeout: float | None = None) -> bool:
        """Visit a page, and what it leads to; return whether that was all of it.

        Args:
            timeout: seconds after which only pages under way are finished.
        """
        self._hosts.add(urlsplit(start).netloc)
        self._add(start, 0)
        limit = None if timeout is None else datetime.timedelta(seconds=timeout)
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._workers):
                workers.create_task(self._work())
            try:
                await self._queue.join(limit)
            except TimeoutError:
                return False
            finally:
                # What still waits is thrown away, and with nothing to get the workers end.
                self._queue.shutdown(immediate=True)
        return True

    def _add(self, url: str, depth: int) -> None:
        """Have a page visited, unless it was seen, or lies elsewhere or too deep."""
        url = urldefrag(url).url
        if depth > self._depth or url in self._known or urlsplit(url).netloc not in self._hosts:
            return
        self._known.add(url)
        with suppress(QueueShutDown):  # the time is over
            self._queue.put_nowait((url, depth))

    async def _work(self) -> None:
        async for url, depth in self._queue:
            try:
                await self._visit(url, depth)
            finally:
                self._queue.task_done()

    async def _visit(self, url: str, depth: int) -> None:
        try:
            async with self._permits[urlsplit(url).netloc], asyncio.timeout(self._page_timeout):
                page = await self._fetch(url)
        except (FetchError, TimeoutError) as error:
            self.failed[url] = error
            return
        self.pages[url] = find_links(page)
        for link in self.pages[url]:
            self._add(link, depth + 1)


def find_links(page: Page) -> list[str]:
    """Return the URLs that a page links to, each once, in order and without fragments."""
    links = _Links()
    links.feed(page.html)
    links.close()
    found = []
    for link in links.found:
        with suppress(ValueError):  # such as a host like "[::"
            found.append(urldefrag(urljoin(page.url, link)).url)
    return list(dict.fromkeys(found))


class _Links(HTMLParser):
    """Collects what stands in the ``href`` of links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)
