"""What every client of the benchmark does: fetch a URL so many times, so many at once.

A client is a coroutine function ``open_client(url, ca)`` that gives an async context manager of
``get() -> bytes``; `main` warms it up, measures it, and prints the figures as JSON.
"""

import argparse
import asyncio
import importlib
import json
import resource
import time
from collections.abc import Awaitable, Callable

Get = Callable[[], Awaitable[bytes]]

WARM_UP = 0.1
"""Share of the requests that go before the measured ones; at least four on each connection, since
a heap takes some answers to become as large as so many at once need it."""


async def fetch_all(get: Get, requests: int, flight: int, size: int) -> None:
    """Fetch so many times, and look at the size of each answer."""
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            body = await get()
            if len(body) != size:
                raise SystemExit(f"{len(body)} bytes came, {size} were expected")

    await asyncio.gather(*[worker() for _ in range(flight)])


async def measure(options: argparse.Namespace) -> dict[str, float]:
    """Return the seconds that the measured requests took, and the CPU time in them."""
    client = importlib.import_module(f"benchmarks.clients.{options.module}")
    requests, flight, size = options.requests, options.flight, options.size
    async with client.open_client(options.url, options.ca, flight) as get:
        await fetch_all(get, max(4 * flight, int(requests * WARM_UP)), flight, size)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        await fetch_all(get, requests, flight, size)
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "requests": requests,
        "seconds": seconds,
        "user": after.ru_utime - before.ru_utime,
        "kernel": after.ru_stime - before.ru_stime,
    }


def main() -> None:
    """Read the command line, and measure on uvloop or on asyncio's own loop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--url", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--flight", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], required=True)
    options = parser.parse_args()
    factory = importlib.import_module("uvloop").new_event_loop if options.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        figures = runner.run(measure(options))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
