"""What every measured server does before it listens: read its arguments, know its loop."""

import argparse
import asyncio
import gc
import importlib
import signal
from collections.abc import Coroutine, Sequence
from typing import Any

ADDRESS = "127.0.0.1"
"""The only address that the servers listen on: nothing here is meant for a network."""

LOOPS = ("uvloop", "asyncio")
"""Where there is a choice of loops; the first one is the default."""

BACKLOG = 1024
"""Connections that may wait to be accepted; the default of a library is not what is compared."""

PIECE, PIECES = b"x" * 65_536, 128
"""A piece of a large content and the number of them: more than the buffers of two kernels take."""

PATIENCE = 30.0
"""Seconds that a server gives a slow client unless it is told otherwise."""

COLLECT = signal.SIGUSR1
"""Sent before memory is read, so that garbage not yet collected is no part of the figure."""


def arguments(
    description: str | None,
    loops: Sequence[str] = (),
    proxy: bool = False,
    patience: bool = False,
    directory: bool = False,
    routes: bool = False,
    workers: bool = False,
) -> argparse.Namespace:
    """Read the server's command line.

    Args:
        loops: what `--loop` may be; without any there is no such option.
        proxy: whether there is `--to`, the port that a proxy connects to.
        patience: whether there is `--patience`, the seconds that a slow client is given.
        directory: whether there is `--directory`, of the files that are served.
        routes: whether there is `--routes`, the number of routes besides the usual ones.
        workers: whether there is `--workers`, the number of processes.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True, help=f"port to bind on {ADDRESS}")
    if loops:
        parser.add_argument("--loop", choices=loops, default=loops[0])
    if proxy:
        parser.add_argument("--to", type=int, required=True, help=f"port to reach on {ADDRESS}")
    if patience:
        parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds")
    if directory:
        parser.add_argument("--directory", required=True, help="directory of files")
    if routes:
        parser.add_argument("--routes", type=int, default=0, help="routes `/sectionN/ITEM` too")
    if workers:
        parser.add_argument("--workers", type=int, default=1)
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


def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    """Run a server of streams on a loop of the package `loop` until the process is ended."""
    factory = importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.get_loop().add_signal_handler(COLLECT, gc.collect)
        runner.run(_serve(main, loop))


async def _serve(main: Coroutine[Any, Any, None], loop: str) -> None:
    require_loop(loop)
    await main
    await asyncio.Event().wait()
