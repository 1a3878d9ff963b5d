"""An asynchronous networking toolkit: loop, streams, TCP, HTTP and a web framework.

Submodules load when first touched: ``toolkit.web`` costs nothing to a program
that only wants ``toolkit.iostream``.
"""

import importlib
from collections.abc import Awaitable, Callable, Coroutine
from types import ModuleType
from typing import Any, TypeVar

from toolkit._version import __version__ as __version__

#: The submodules, as ``from toolkit import *`` gives them.
__all__ = [
    "autoreload",
    "cli",
    "compat",
    "concurrent",
    "datagram",
    "escape",
    "files",
    "gen",
    "http1connection",
    "httpclient",
    "httpserver",
    "httputil",
    "ioloop",
    "iostream",
    "locale",
    "locks",
    "log",
    "netutil",
    "options",
    "platform",
    "process",
    "queues",
    "routing",
    "runner",
    "simple_httpclient",
    "tcpclient",
    "tcpserver",
    "testing",
    "util",
    "web",
    "websocket",
    "wire",
    "wsgi",
]

#: Of Tornado's API, as programs ask it before they use what newer versions brought.
version = "6.6.1"
version_info = (6, 6, 1, 0)

_T = TypeVar("_T")


def run(
    main: Callable[[], Awaitable[_T]] | Coroutine[Any, Any, _T],
    *,
    uvloop: bool | None = None,
    debug: bool = False,
) -> _T:
    """Run a program, and return what its main coroutine returns; see `toolkit.ioloop.run`.

    Example::

        async def main():
            ...

        toolkit.run(main)

    Args:
        main: a coroutine function without arguments, or a coroutine.
        uvloop: True for uvloop's loop, False for asyncio's, None for uvloop's when installed.
        debug: asyncio's debug mode, and a watchdog that names what blocks the loop.
    """
    result: _T = importlib.import_module("toolkit.ioloop").run(main, uvloop=uvloop, debug=debug)
    return result


def __getattr__(name: str) -> ModuleType:
    """Import the submodule ``toolkit.<name>`` on its first use as an attribute."""
    try:
        return importlib.import_module(f"toolkit.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"toolkit.{name}":
            raise
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}") from None
