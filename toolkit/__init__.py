"""An asynchronous networking toolkit: loop, streams, TCP, HTTP and a web framework.

Submodules load when first touched: ``toolkit.web`` costs nothing to a program
that only wants ``toolkit.iostream``.
"""

import importlib
from types import ModuleType

from toolkit._version import __version__

__all__ = ["__version__", "version", "version_info"]

version = __version__
version_info = (*(int(part) for part in __version__.split(".")), 0)


def __getattr__(name: str) -> ModuleType:
    """Import the submodule ``toolkit.<name>`` on its first use as an attribute."""
    try:
        return importlib.import_module(f"toolkit.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"toolkit.{name}":
            raise
        raise AttributeError(f"module 'toolkit' has no attribute {name!r}") from None
