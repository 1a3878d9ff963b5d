"""Fixtures for tests of servers."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.http.client import Serve, Site, start_site
from tests.http.scripted import Start, scripted
from toolkit.routing import RuleLike
from toolkit.simple_httpclient import SimpleAsyncHTTPClient


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts sites, which are drained after the test."""
    sites: list[Site] = []

    def start(handlers: Sequence[RuleLike] | Any, *args: Any, **options: Any) -> Site:
        sites.append(start_site(handlers, *args, **options))
        return sites[-1]

    yield start
    for site in sites:
        await site.end()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts servers with a script, or with the bytes to answer."""
    async with scripted() as run:
        yield run


@pytest.fixture
async def client() -> AsyncIterator[SimpleAsyncHTTPClient]:
    """Return a client that is closed after the test."""
    with contextlib.closing(SimpleAsyncHTTPClient(force_instance=True)) as made:
        yield made
