"""This project's client, by Tornado's `fetch`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.clients.load import Get
from toolkit.httpclient import AsyncHTTPClient


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL."""
    client = AsyncHTTPClient(
        force_instance=True, max_clients=flight, defaults={"ca_certs": ca} if ca else None
    )

    async def get() -> bytes:
        return (await client.fetch(url)).body

    yield get
    client.close()
