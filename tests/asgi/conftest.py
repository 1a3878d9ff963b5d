"""Fixtures for tests of ASGI."""

import logging
from collections.abc import Iterator

import pytest

from tests.http.conftest import serve

__all__ = ["serve"]


@pytest.fixture(autouse=True)
def quiet_access_log() -> Iterator[None]:
    """Have errors that are answered on purpose not fill the log."""
    logger = logging.getLogger("toolkit.access")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)
