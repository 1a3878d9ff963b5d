"""The options of the program, and functions that work on them."""

from collections.abc import Callable
from typing import Any, TextIO

from toolkit.log import define_logging_options
from toolkit.options.parser import OptionParser
from toolkit.options.values import ValueType

#: The options of the program, which the functions of this module work on.
options = OptionParser()


def define(
    name: str,
    default: Any = None,
    type: ValueType | None = None,
    help: str | None = None,
    metavar: str | None = None,
    multiple: bool = False,
    group: str | None = None,
    callback: Callable[[Any], None] | None = None,
) -> None:
    """Add an option of the program; see `OptionParser.define`."""
    options.define(name, default, type, help, metavar, multiple, group, callback)


def parse_command_line(args: list[str] | None = None, final: bool = True) -> list[str]:
    """Set the program's options; see `OptionParser.parse_command_line`."""
    return options.parse_command_line(args, final)


def parse_config_file(path: str, final: bool = True) -> None:
    """Set the program's options from a file; see `OptionParser.parse_config_file`."""
    options.parse_config_file(path, final)


def print_help(file: TextIO | None = None) -> None:
    """Write what each option of the program is for; see `OptionParser.print_help`."""
    options.print_help(file)


def add_parse_callback(callback: Callable[[], None]) -> None:
    """Have something called when parsing ends; see `OptionParser.add_parse_callback`."""
    options.add_parse_callback(callback)


define_logging_options(options)
