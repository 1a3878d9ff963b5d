"""The program that fetches URLs: ``toolkit fetch``, or ``python -m toolkit.httpclient``."""

from toolkit.httpclient.program.fetching import main

__all__ = ["main"]
