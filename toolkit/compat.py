"""Run programs that were written for Tornado, and their libraries, without a change.

Example::

    from toolkit import compat

    compat.alias_tornado()

    from jupyter_server.serverapp import main  # it imports tornado.web, which is toolkit.web now

A ``sitecustomize.py`` on ``PYTHONPATH`` that calls `alias_tornado` does it for each Python program
that is started, also for those that a program starts.
"""

import importlib
import importlib.abc
import importlib.util
import logging
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

__all__ = ["alias_tornado"]

_NAME = "tornado"


def alias_tornado() -> None:
    """Have ``tornado`` and each ``tornado.x`` be ``toolkit`` and ``toolkit.x`` in this process.

    They are the same modules by another name. A module that only Tornado has is not found, be
    Tornado installed or not. The loggers have Tornado's names then, by which programs set them up.

    Raises:
        RuntimeError: Tornado was imported before.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if _NAME in sys.modules:
        raise RuntimeError("tornado was imported already; alias_tornado() has to come first")
    sys.meta_path.insert(0, _Finder())
    for kind in ("access", "application", "general"):
        logger = logging.getLogger(f"toolkit.{kind}")
        logger.name = f"{_NAME}.{kind}"
        logger.parent = logging.getLogger(_NAME)
        logging.Logger.manager.loggerDict[logger.name] = logger


class _Finder(importlib.abc.MetaPathFinder):
    """Finds our modules by Tornado's names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != _NAME:
            return None
        name = "toolkit" + fullname.removeprefix(_NAME)
        ours = importlib.util.find_spec(name)
        if ours is None:
            raise ModuleNotFoundError(
                f"no module {fullname!r}: there is no {name!r}", name=fullname
            )
        is_package = ours.submodule_search_locations is not None
        spec = ModuleSpec(fullname, _Loader(name), origin=ours.origin, is_package=is_package)
        spec.has_location = ours.has_location
        return spec


class _Loader(importlib.abc.InspectLoader):
    """Gives a module by another name of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # which the import system has just replaced

    # For ``python -m tornado.autoreload`` and tracebacks.

    def get_source(self, fullname: str) -> str | None:
        return _source_loader(self._name).get_source(self._name)

    def get_code(self, fullname: str) -> CodeType | None:
        return _source_loader(self._name).get_code(self._name)

    def is_package(self, fullname: str) -> bool:
        return _source_loader(self._name).is_package(self._name)


def _source_loader(name: str) -> importlib.abc.InspectLoader:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert isinstance(spec.loader, importlib.abc.InspectLoader)
    return spec.loader
