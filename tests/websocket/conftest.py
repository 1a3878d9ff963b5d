"""Fixtures for tests of WebSockets."""

from tests.http.conftest import serve

__all__ = ["serve"]
