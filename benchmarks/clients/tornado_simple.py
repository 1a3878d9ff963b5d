"""Tornado's simple client, which makes a connection for each request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tornado.simple_httpclient import SimpleAsyncHTTPClient

from benchmarks.clients.load import Get


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL."""
    client = SimpleAsyncHTTPClient(
        force_instance=True, max_clients=flight, defaults={"ca_certs": ca} if ca else None
    )

    async def get() -> bytes:
        return (await client.fetch(url)).body

    yield get
    client.close()
