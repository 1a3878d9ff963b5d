"""A crawl by this project's client: very many pages, so many at once, and what is left of it.

The first tenth of the pages makes connections and fills memories of bounded size. Printed as JSON
are the time of the others, and counts of what there was before them and after.
"""

import argparse
import asyncio
import gc
import importlib
import json
import os
import resource
import time
from pathlib import Path

from toolkit.httpclient.pool import PoolLimits
from toolkit.simple_httpclient import SimpleAsyncHTTPClient

WARM_UP = 0.1
"""Share of the pages that are fetched before something is counted."""

TURNS = 10
"""Turns of the loop after the client was closed; two are enough for a connection to end."""

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def held() -> dict[str, int]:
    """Return what the process holds, when what can be collected is."""
    gc.collect()
    return {
        "resident": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_SIZE,
        "objects": len(gc.get_objects()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "tasks": len(asyncio.all_tasks()),
    }


async def let_go() -> None:
    """Give the loop the turns that it takes to end what was closed."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def crawl(client: SimpleAsyncHTTPClient, url: str, pages: range, flight: int) -> None:
    """Fetch pages, each of its own URL, by `fetch` and by `get` in turn."""
    numbers = iter(pages)

    async def worker() -> None:
        for number in numbers:
            page = f"{url}?page={number}"
            if number % 2:
                size = len((await client.fetch(page)).body)
            else:
                size = len((await client.get(page)).content)
            if not size:
                raise SystemExit(f"nothing came of {page}")

    await asyncio.gather(*[worker() for _ in range(flight)])


async def measure(url: str, pages: int, flight: int) -> dict[str, float]:
    """Return the figures."""
    async with SimpleAsyncHTTPClient(force_instance=True) as client:
        await client.get(url)  # what the loop opens for itself with its first connection, it keeps
    await let_go()
    first = held()
    pool = PoolLimits(connections=flight, idle=flight)
    client = SimpleAsyncHTTPClient(force_instance=True, max_clients=flight, pool=pool)
    warm = max(flight, int(pages * WARM_UP))
    await crawl(client, url, range(warm), flight)
    before = held()
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await crawl(client, url, range(warm, warm + pages), flight)
    seconds, ended = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    after = held()
    await client.aclose()
    await let_go()
    last = held()
    figures: dict[str, float] = {
        "seconds": seconds,
        "cpu": ended.ru_utime + ended.ru_stime - used.ru_utime - used.ru_stime,
    }
    for moment, counts in (("first", first), ("before", before), ("after", after), ("last", last)):
        figures |= {f"{name}_{moment}": count for name, count in counts.items()}
    return figures


def main() -> None:
    """Read the command line, and crawl on uvloop or on asyncio's own loop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--pages", type=int, required=True)
    parser.add_argument("--flight", type=int, required=True)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], required=True)
    options = parser.parse_args()
    factory = importlib.import_module("uvloop").new_event_loop if options.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        figures = runner.run(measure(options.url, options.pages, options.flight))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
