"""The event loop: `IOLoop` over an asyncio loop, uvloop's when it is installed."""

from toolkit.ioloop.asyncio_loops import new_event_loop
from toolkit.ioloop.loop import IOLoop
from toolkit.util import TimeoutError

__all__ = ["IOLoop", "TimeoutError", "new_event_loop"]
