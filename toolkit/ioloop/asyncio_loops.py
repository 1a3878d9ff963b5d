"""Which asyncio loop a program gets, and which one a thread has."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable


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


def loop_of_thread() -> asyncio.AbstractEventLoop | None:
    """Return the open loop that is set for this thread, None without one; never make one."""
    if sys.version_info >= (3, 14):
        loop = _asked_for(asyncio.get_event_loop)
    else:
        # Before 3.14 asking asyncio makes a loop, or warns, when there is none.
        policy = asyncio.get_event_loop_policy()
        local = getattr(policy, "_local", None)
        if local is None:
            loop = _asked_for(policy.get_event_loop)  # not one of asyncio's policies
        else:
            loop = getattr(local, "_loop", None)
    return None if loop is None or loop.is_closed() else loop


def _asked_for(
    get: Callable[[], asyncio.AbstractEventLoop],
) -> asyncio.AbstractEventLoop | None:
    try:
        return get()
    except RuntimeError:
        return None


def watches_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Say whether a loop has `add_reader`, which the proactor of Windows does not."""
    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader
