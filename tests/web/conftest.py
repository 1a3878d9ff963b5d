"""Fixtures for tests of the web framework."""

from tests.http.conftest import serve

__all__ = ["serve"]
