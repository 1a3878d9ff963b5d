"""This project's client, by its own methods."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.clients.load import Get
from toolkit.httpclient.options import ConnectOptions
from toolkit.simple_httpclient import SimpleAsyncHTTPClient


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL."""
    async with SimpleAsyncHTTPClient(
        force_instance=True, options=ConnectOptions(ca_certs=ca)
    ) as client:

        async def get() -> bytes:
            return (await client.get(url)).content

        yield get
