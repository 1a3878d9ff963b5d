"""A spider that visits all pages of a site: `python -m demos.spider URL`.

Without a URL it visits a site that it serves itself: the files of a directory, or pages whose
links make a tree.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial

import toolkit
from demos.spider.crawl import FetchError, Page, Spider
from toolkit.httpclient import AsyncHTTPClient, HTTPClientError
from toolkit.web import Application, RequestHandler, StaticFileHandler

#: Pages of the tree.
TREE_SIZE = 63


class TreeHandler(RequestHandler):
    """Page n has links to 2n and 2n + 1, and to the one above."""

    def get(self, number: str) -> None:
        page = int(number or 1)
        for link in (page // 2, 2 * page, 2 * page + 1):
            if 0 < link <= TREE_SIZE:
                self.write(f'<p><a href="/{"" if link == 1 else link}#top">page {link}</a>')


def make_site(directory: str | None) -> Application:
    """Return the site to crawl: files below a directory, or the tree."""
    if directory is None:
        return Application([("/([0-9]{0,9})", TreeHandler)])
    files = {"path": directory, "default_filename": "index.html"}
    return Application([("/(.*)", StaticFileHandler, files)])


@asynccontextmanager
async def served(site: Application, port: int, address: str) -> AsyncIterator[str]:
    """Serve a site, and give its URL."""
    server = site.listen(port, address)
    try:
        host = f"[{address}]" if ":" in address else address
        yield f"http://{host}:{server.addresses[0][1]}/"
    finally:
        server.stop()
        await server.close_all_connections(timeout=1.0)


async def fetch(client: AsyncHTTPClient, url: str) -> Page:
    """Return the page of a URL; what is no HTML is an empty one."""
    try:
        response = await client.fetch(url)
    except (HTTPClientError, OSError, ValueError) as error:
        raise FetchError(str(error)) from error
    print(url, flush=True)
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    return Page(response.effective_url, response.body.decode(errors="replace") if is_html else "")


async def crawl(url: str, depth: int, timeout: float) -> None:
    """Visit a site, and print what was visited."""
    with closing(AsyncHTTPClient(force_instance=True)) as client:
        spider = Spider(partial(fetch, client), depth=depth)
        complete = False
        # SIGINT and SIGTERM cancel this; what was visited until then is of use all the same.
        with suppress(asyncio.CancelledError):
            complete = await spider.crawl(url, timeout)
    for failed, error in spider.failed.items():
        print(f"{failed}: {str(error) or 'too slow'}")
    end = "" if complete else ", and not all of them"
    print(f"{len(spider.pages)} pages, {len(spider.failed)} failed{end}", flush=True)


async def main(arguments: argparse.Namespace) -> None:
    """Crawl what was asked for, or a site of our own."""
    if arguments.url is not None:
        await crawl(arguments.url, arguments.depth, arguments.timeout)
        return
    site = make_site(arguments.directory)
    async with served(site, arguments.port, arguments.address) as url:
        print(f"site on {url}", flush=True)
        await crawl(url, arguments.depth, arguments.timeout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", metavar="URL")
    parser.add_argument("--depth", type=int, default=10, help="links to follow from the start on")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for all of it")
    parser.add_argument("--directory", help="of the files to serve; without it there is a tree")
    parser.add_argument("--port", type=int, default=0, help="to serve them on")
    parser.add_argument("--address", default="127.0.0.1", help="address to serve them on")
    toolkit.run(main(parser.parse_args()))
