"""Running tests from the command line, and contexts that last for a test."""

import signal
import sys
import unittest
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from toolkit.options import define, options, parse_command_line

_T = TypeVar("_T")


def setup_with_context_manager(testcase: unittest.TestCase, cm: AbstractContextManager[_T]) -> _T:
    """Enter a context that ends with the test, and return what it gives; for use in ``setUp``."""
    return testcase.enterContext(cm)


def main(**kwargs: Any) -> None:
    """Run the tests that the command line names, and exit.

    Without a name it runs the suite that the function ``all`` of the main module returns, or
    all tests of that module. A name is one of the main module's, or a whole one.

    The options are those of `toolkit.options`, such as ``--logging``, and three more:
    ``--verbose``, ``--quiet`` and ``--exception-on-interrupt``.

    Args:
        kwargs: for `unittest.main`.
    """
    define("verbose", type=bool, default=False, help="name each test")
    define("quiet", type=bool, default=False, help="print little")
    define(
        "exception_on_interrupt",
        type=bool,
        default=True,
        help="whether Ctrl-C ends with a stack trace; without it also stops code that blocks",
    )
    names = parse_command_line()
    if not options.exception_on_interrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if options.verbose:
        kwargs["verbosity"] = 2
    elif options.quiet:
        kwargs["verbosity"] = 0
    if "module" not in kwargs:
        # Without a module unittest takes names from the top, as those on the command line are.
        kwargs["module"] = None
        names = [_whole_name(name) for name in names or [kwargs.pop("defaultTest", "all")]]
    unittest.main(argv=[sys.argv[0], *names], **kwargs)


def _whole_name(name: str) -> str:
    """Return the name of a test from the top; first it is looked for in the main module."""
    if hasattr(sys.modules["__main__"], name.partition(".")[0]):
        return f"__main__.{name}"
    return "__main__" if name == "all" else name
