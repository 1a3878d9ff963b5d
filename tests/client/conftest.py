"""Fixtures for tests of the client."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.http.scripted import Start, scripted
from toolkit.simple_httpclient import SimpleAsyncHTTPClient


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
