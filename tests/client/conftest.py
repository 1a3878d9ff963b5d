"""Fixtures for tests of the client: those of the tests of HTTP."""

from tests.http.conftest import client, serve, start

__all__ = ["client", "serve", "start"]
