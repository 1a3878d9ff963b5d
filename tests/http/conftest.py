"""Fixtures for tests of servers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.http.client import Serve, Site, start_site
from toolkit.routing import RuleLike


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
