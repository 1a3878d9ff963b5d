"""niquests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import niquests

from benchmarks.clients.load import Get


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL, by HTTP/1.1 as the others."""
    async with niquests.AsyncSession(
        disable_http2=True, disable_http3=True, pool_maxsize=flight
    ) as session:
        session.trust_env = False

        async def get() -> bytes:
            response = await session.get(url, verify=ca or True)
            return response.content or b""

        yield get
