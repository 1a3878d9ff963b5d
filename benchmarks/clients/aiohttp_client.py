"""aiohttp's client, with its parser in C."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import http

from benchmarks.clients.load import Get


@asynccontextmanager
async def open_client(url: str, ca: str | None, flight: int) -> AsyncIterator[Get]:
    """Give a function that fetches the URL."""
    if http.HttpResponseParser.__module__ != "aiohttp._http_parser":
        raise SystemExit("aiohttp runs without its parser in C")
    context = ssl.create_default_context(cafile=ca) if ca else True
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def get() -> bytes:
            async with session.get(url) as response:
                return await response.read()

        yield get
