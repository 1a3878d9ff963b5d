"""Fixtures for tests of ASGI."""

from tests.http.conftest import serve

__all__ = ["serve"]
