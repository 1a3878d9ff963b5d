"""httpx."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from benchmarks.clients.load import Get


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL."""
    verify = ssl.create_default_context(cafile=ca) if ca else True
    async with httpx.AsyncClient(verify=verify, trust_env=False) as client:

        async def get() -> bytes:
            return (await client.get(url)).content

        yield get
