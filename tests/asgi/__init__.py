"""ASGI both ways: applications served by the toolkit, and the toolkit below ASGI servers."""
