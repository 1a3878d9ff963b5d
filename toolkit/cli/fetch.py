"""``toolkit fetch``: fetches URLs."""

from toolkit.httpclient.program import main

__all__ = ["main"]
