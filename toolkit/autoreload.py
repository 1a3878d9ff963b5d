"""Restarting the program when its source has changed, for development.

`start` watches while an event loop runs; an application with ``debug=True`` calls it. A
program that ends, as a test runner does, is watched from outside::

    python -m toolkit.autoreload -m tests.all --quick
    python -m toolkit.autoreload --until-success check.py

The wrapper also waits out what keeps the program from starting at all, such as a syntax error.
"""

import importlib
import importlib.util
import logging
import os
import runpy
import signal
import subprocess
import sys
import traceback
import types
import weakref
from collections.abc import Callable, Iterator

from toolkit import process
from toolkit.ioloop import IOLoop
from toolkit.log import gen_log

__all__ = ["add_reload_hook", "main", "start", "wait", "watch"]

USAGE = """\
Usage: python -m toolkit.autoreload [--until-success] -m module [argument...]
       python -m toolkit.autoreload [--until-success] path [argument...]

Runs a program, and runs it again whenever a source file that it has loaded changes.

  --until-success  end when the program has ended with exit status 0
"""

#: A file's state, which changes with its content: time of modification and size.
_State = tuple[int, int]

# Of the process, since that is what restarts.
_watched: set[str] = set()
_hooks: list[Callable[[], None]] = []
_loops: "weakref.WeakSet[IOLoop]" = weakref.WeakSet()
#: Relative paths on the command line are from here, wherever the program went since.
_started_in = os.getcwd()


def start(check_time: int = 500) -> None:
    """Watch the source files of all loaded modules while the current loop runs.

    Args:
        check_time: milliseconds between two looks.
    Raises:
        RuntimeError: in a worker of `fork_processes`, which cannot restart by itself.
    """
    if check_time <= 0:
        raise ValueError(f"check_time {check_time}; more than 0 milliseconds are allowed")
    if process.task_id() is not None:
        raise RuntimeError("autoreload cannot be used in a worker of fork_processes")
    loop = IOLoop.current()
    if loop in _loops:
        return
    if not all(other.asyncio_loop.is_closed() for other in _loops):
        gen_log.warning("autoreload started more than once in the same process")
    _loops.add(loop)
    files = _Files()

    def look() -> None:
        # First, so that an error on the way is not the end of it.
        loop.call_later(check_time / 1000, look)
        changed = files.changed()
        if changed is not None:
            gen_log.info("%s modified; restarting", changed)
            _reload()

    files.changed()
    loop.call_later(check_time / 1000, look)


def wait() -> None:
    """Wait until a source file changes, then restart the program; for the end of a script."""
    loop = IOLoop()
    loop.add_callback(start)
    loop.start()


def watch(filename: str) -> None:
    """Watch a file that is no module, such as a template or a configuration file."""
    _watched.add(os.path.abspath(filename))


def add_reload_hook(fn: Callable[[], None]) -> None:
    """Have a function called before the program is restarted, to let go of what outlives it.

    Open files and sockets need no hook: Python closes those that it opened itself.
    """
    _hooks.append(fn)


class _Files:
    """What the watched files looked like."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def changed(self) -> str | None:
        """Return the path of a file that differs from the last look; None without one.

        One that is not there is left out until it is back: editors replace files.
        """
        found = None
        for path in [*_source_files(), *_watched]:
            try:
                status = os.stat(path)
            except OSError:
                continue
            state = status.st_mtime_ns, status.st_size
            if self._states.setdefault(path, state) != state:
                self._states[path] = state
                found = path
        return found


def _source_files() -> Iterator[str]:
    for module in list(sys.modules.values()):
        # Some programs put other things there, whose attributes do whatever they like.
        path = getattr(module, "__file__", None) if isinstance(module, types.ModuleType) else None
        if isinstance(path, str):
            yield path.removesuffix("c") if path.endswith(".pyc") else path


def _reload() -> None:
    """Run the hooks and start the program anew in this process."""
    for hook in _hooks:
        try:
            hook()
        except Exception:
            gen_log.error("Exception in reload hook %r", hook, exc_info=True)
    if hasattr(signal, "setitimer"):
        # An alarm would go off in the new program, which knows nothing of it.
        signal.setitimer(signal.ITIMER_REAL, 0)
    for file in (sys.stdout, sys.stderr):
        if file is not None:
            file.flush()
    try:
        os.chdir(_started_in)
    except OSError:
        gen_log.warning("Cannot return to %r, where the program was started", _started_in)
    # All that the interpreter was given, be it a script, `-m`, this wrapper or `-X dev`.
    arguments = [sys.executable, *(sys.orig_argv[1:] or sys.argv)]
    if os.name == "nt":
        # What is called exec there leaves the console to two processes.
        subprocess.Popen(arguments)
    else:
        try:
            os.execv(sys.executable, arguments)
        except OSError as error:
            gen_log.info("Restarting in a new process, for want of exec: %s", error)
            subprocess.Popen(arguments)
    # Without a clean-up, which is for the end of the program and not for its change.
    os._exit(0)


# -- the wrapper -------------------------------------------------------------------------


def main() -> None:
    """Run the program that the command line names, then wait for changes and run it again."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    until_success = arguments[:1] == ["--until-success"]
    if until_success:
        del arguments[0]
    as_module = arguments[:1] == ["-m"]
    if as_module:
        del arguments[0]
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write(USAGE)
        sys.exit(1)
    name = arguments[0]
    sys.argv = arguments
    succeeded = _run(_run_module if as_module else _run_path, name)
    if until_success and succeeded:
        return
    if as_module:
        _watch_module(name)
    else:
        watch(os.path.join(name, "__main__.py") if os.path.isdir(name) else name)
    wait()


def _run(run: Callable[[str], None], name: str) -> bool:
    """Run a program to its end and say whether it succeeded; errors are logged."""
    try:
        run(name)
    except SystemExit as ended:
        _set_up_logging()
        gen_log.info("Script exited with status %s", ended.code or 0)
        return not ended.code
    except Exception as error:
        _set_up_logging()
        gen_log.warning("Script exited with uncaught exception", exc_info=True)
        _watch_error(error)
        return False
    _set_up_logging()
    gen_log.info("Script exited normally")
    return True


def _set_up_logging() -> None:
    """Show the wrapper's own messages, if the program has not set up logging its own way."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(message)s")


def _run_module(name: str) -> None:
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_path(path: str) -> None:
    if not os.path.isdir(path):
        # As the interpreter does; the wrapper's own entry, the current folder, stays too.
        sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    runpy.run_path(path, run_name="__main__")


def _watch_error(error: BaseException) -> None:
    """Watch the files that an error comes from: a module that failed is not among the loaded."""
    for frame in traceback.extract_tb(error.__traceback__):
        watch(frame.filename)
    if isinstance(error, SyntaxError) and error.filename:
        watch(error.filename)


def _watch_module(name: str) -> None:
    """Watch what ``-m`` runs, which is not in `sys.modules` under its name."""
    try:
        # It imports the packages around the module; not the module, which would run again.
        spec = importlib.util.find_spec(name)
    except Exception:
        # Already seen as the error of the program.
        return
    if spec is None:
        return
    if spec.origin is not None:
        watch(spec.origin)
    for folder in spec.submodule_search_locations or ():
        watch(os.path.join(folder, "__main__.py"))


if __name__ == "__main__":
    # The module that the program will import too, and not a copy of it.
    importlib.import_module("toolkit.autoreload").main()
