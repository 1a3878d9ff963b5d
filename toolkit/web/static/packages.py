"""Files that a Python package brings along, as a directory."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


@cache
def package_directory(package: str, path: str) -> str:
    """Return the directory with the files of a package.

    What lies in a zip archive is unpacked once, for as long as the program runs.

    Args:
        package: name of the package.
        path: of the directory within it, with ``/`` between names; empty for all of it.
    Raises:
        ModuleNotFoundError: there is no such package.
    """
    found: Traversable = files(package)
    for name in filter(None, path.split("/")):
        found = found / name
    if isinstance(found, Path):
        return os.path.abspath(found)
    directory = tempfile.mkdtemp(prefix="toolkit-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    _unpack(found, Path(directory))
    return directory


def _unpack(source: Traversable, target: Path) -> None:
    for item in source.iterdir():
        if item.is_dir():
            (target / item.name).mkdir()
            _unpack(item, target / item.name)
        else:
            (target / item.name).write_bytes(item.read_bytes())
