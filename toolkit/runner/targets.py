"""Finding the application that ``module:attribute`` names, and what kind of application it is."""

import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from toolkit.asgi import ASGIContainer
from toolkit.httputil import HTTPServerConnectionDelegate
from toolkit.runner.errors import RunnerError
from toolkit.runner.settings import Settings
from toolkit.wsgi import WSGIContainer

#: Attributes that are looked for where none is named.
USUAL_NAMES = ("app", "application")
INTERFACES = ("toolkit", "asgi", "wsgi")
_TARGET = re.compile(r"([\w.]+)(?::([\w.]+)(\(\))?)?")


def load(target: str, app_dir: str = "", *, factory: bool = False) -> Any:
    """Return the object that a target names.

    Args:
        target: ``module:attribute``, where dots lead to attributes of attributes; ``()`` at its
            end calls it. Without an attribute one of `USUAL_NAMES`.
        app_dir: directory that comes first in `sys.path`; "" for the current one.
        factory: whether to call it without ``()``.
    Raises:
        RunnerError: there is no such thing, or the module or the function raises. The
            traceback of the application's own frames is written to standard error then.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise RunnerError(f"{target!r} is no application; module:attribute names one")
    module_name, path, called = match.groups()
    directory = os.path.abspath(app_dir or ".")
    if sys.path[:1] != [directory]:
        sys.path.insert(0, directory)
    found = _attribute(_module(module_name, directory), path)
    return _made(found, target) if called or factory else found


def _module(name: str, directory: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise RunnerError(f"there is no module {name!r} in {directory}") from error
        raise _failed(error, f"module {name!r} cannot be imported") from error
    except (Exception, SystemExit) as error:
        raise _failed(error, f"module {name!r} cannot be imported") from error


def _attribute(module: Any, path: str | None) -> Any:
    if path is None:
        for name in USUAL_NAMES:
            if hasattr(module, name):
                return getattr(module, name)
        names = " or ".join(repr(name) for name in USUAL_NAMES)
        raise RunnerError(f"module {module.__name__!r} has no attribute {names}")
    found = module
    for name in path.split("."):
        if not hasattr(found, name):
            where = "module" if found is module else "object"
            shown = repr(module.__name__) if found is module else f"{found!r:.100}"
            raise RunnerError(f"{where} {shown} has no attribute {name!r}")
        found = getattr(found, name)
    return found


def _made(factory: Any, target: str) -> Any:
    """Return what a function makes."""
    if not callable(factory):
        raise RunnerError(f"{target!r} is a {type(factory).__name__}, which cannot be called")
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise _failed(error, f"{target!r} raised") from error


def _failed(error: BaseException, what: str) -> RunnerError:
    """Show an error of the application, and return the line that goes with it."""
    frames = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    shown = frames is not None or isinstance(error, SyntaxError)
    if shown:
        lines = traceback.format_exception(type(error), error, frames)
        print("".join(lines), end="", file=sys.stderr)
    return RunnerError(f"{what}: {traceback.format_exception_only(error)[-1].strip()}")


def _is_ours(filename: str) -> bool:
    machinery = os.path.join("importlib", "__init__.py")
    return filename in (__file__,) or filename.startswith("<frozen") or filename.endswith(machinery)


# -- what kind it is ---------------------------------------------------------------------


def application_of(settings: Settings) -> Any:
    """Return what an `HTTPServer` serves for the application that the settings name.

    Raises:
        RunnerError: as `load` and `as_served`.
    """
    return as_served(load(settings.target, settings.app_dir, factory=settings.factory), settings)


def as_served(found: Any, settings: Settings) -> Any:
    """Return what an `HTTPServer` serves for an application of any kind.

    Raises:
        RunnerError: it is none.
    """
    kind = settings.interface
    if kind == "auto":
        if is_factory(found):
            found = _made(found, settings.target)
        kind = interface_of(found, settings.target)
    if kind == "asgi" and callable(found):
        return ASGIContainer(found, lifespan=settings.lifespan)  # type: ignore[arg-type]  # checked there
    if kind == "wsgi" and callable(found):
        return WSGIContainer(found, ThreadPoolExecutor(settings.threads, "wsgi"))
    if kind == "toolkit" and (_is_toolkit(found) or callable(found)):
        return found
    raise RunnerError(f"{settings.target!r} is {found!r:.100}, which is no {kind} application")


def is_factory(found: Any) -> bool:
    """Say whether this is a function, and no application, that needs no arguments."""
    return inspect.isfunction(found) and _takes(found, 0)


def interface_of(found: Any, target: str) -> str:
    """Return which of `INTERFACES` an application has.

    Raises:
        RunnerError: that cannot be told.
    """
    if _is_toolkit(found):
        return "toolkit"
    if callable(found):
        call = found if inspect.isroutine(found) else type(found).__call__
        if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(call):
            return "asgi"
        # Those of ASGI have three, with the scope first; WSGI's are environ and start_response.
        if _takes(found, 3) and not _takes(found, 2):
            return "asgi"
        if _takes(found, 2):
            return "wsgi"
    raise RunnerError(
        f"{target!r} is {found!r:.100}; a web.Application, an ASGI or a WSGI application was "
        "expected, or a function that returns one (--interface says which it is)"
    )


def _is_toolkit(found: Any) -> bool:
    if inspect.isclass(found):
        return False
    return isinstance(found, HTTPServerConnectionDelegate) or hasattr(found, "handle_exchange")


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Say whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True
