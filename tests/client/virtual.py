"""Time that jumps, for policies that wait."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.testing.clock import START, VirtualClockLoop

#: The rest of a chain.
Link = Callable[[OutgoingRequest], Coroutine[Any, Any, StreamedResponse]]


def now() -> float:
    """Return the seconds that have passed since the loop was made."""
    return asyncio.get_running_loop().time() - START


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test on a virtual clock; for ever to wait is an error."""
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(detect_deadlock=True)) as runner:
        runner.run(main())
