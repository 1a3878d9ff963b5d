"""Which asyncio loop a program gets when it brings none."""

import asyncio
import importlib.util


def uvloop_installed() -> bool:
    """Say whether uvloop can be imported."""
    return importlib.util.find_spec("uvloop") is not None


def new_event_loop(uvloop: bool | None = None) -> asyncio.AbstractEventLoop:
    """Make an asyncio loop.

    Args:
        uvloop: True for uvloop's, False for asyncio's own, None for uvloop's when installed.
    Raises:
        ImportError: uvloop is asked for and not installed.
    """
    if uvloop is None:
        uvloop = uvloop_installed()
    if not uvloop:
        return asyncio.new_event_loop()
    import uvloop as implementation

    return implementation.new_event_loop()
