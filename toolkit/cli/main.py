"""Choosing the subcommand of the program ``toolkit``."""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from toolkit._version import __version__
from toolkit.util import import_object

#: What ends a program that was called in a wrong way, as with `argparse`.
USAGE_ERROR = 2


class Command(NamedTuple):
    """A subcommand.

    Attributes:
        function: dotted name of what runs it: ``main(arguments: Sequence[str]) -> int``, which
            returns the exit code. It is imported when the command is called.
        summary: one line for ``toolkit --help``.
    """

    function: str
    summary: str


#: The subcommands by name, in the order of the help.
COMMANDS: dict[str, Command] = {
    "fetch": Command("toolkit.cli.fetch.main", "fetch URLs, as curl does"),
    "run": Command("toolkit.cli.run.main", "serve an application, with workers or without"),
    "serve": Command("toolkit.cli.serve.main", "serve the files of a directory"),
    "routes": Command("toolkit.cli.routes.main", "list the rules of an application"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names, and return the exit code.

    Args:
        arguments: those of the process unless given, without the name of the program.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        print(f"toolkit {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"toolkit: unknown command {name!r}\n\n{usage()}", file=sys.stderr)
        return USAGE_ERROR
    return cast(Callable[[Sequence[str]], int], import_object(COMMANDS[name].function))(rest)


def usage() -> str:
    """Return the help of the program."""
    width = max(map(len, COMMANDS), default=0)
    commands = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: toolkit COMMAND [ARGUMENTS...]",
            "       toolkit --version",
            "",
            "commands, each with a --help of its own:",
            *commands,
        ]
    )
