"""What every measured server does before it listens: read its arguments, know its loop."""

import argparse
import asyncio
from collections.abc import Sequence

ADDRESS = "127.0.0.1"
"""The only address that the servers listen on: nothing here is meant for a network."""


def arguments(
    description: str | None,
    loops: Sequence[str] = (),
) -> argparse.Namespace:
    """Read the server's command line: `port`, and `loop` where there is a choice of `loops`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True, help=f"port to bind on {ADDRESS}")
    if loops:
        parser.add_argument("--loop", choices=loops, default=loops[0])
    return parser.parse_args()


def require_loop(package: str) -> None:
    """Check that the running event loop comes from `package`, `asyncio` or `uvloop`.

    A library may choose a loop by itself; a figure under the wrong name is worse than none.

    Raises:
        RuntimeError: the running loop is another package's.
    """
    seen = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    if seen != package:
        raise RuntimeError(f"the running event loop is {seen}'s, wanted {package}'s")
