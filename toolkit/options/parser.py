"""The set of options that is parsed."""

import difflib
import os.path
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from toolkit.options.option import Error, Option, normalized
from toolkit.options.values import ValueType
from toolkit.util import exec_in

#: Frames of functions from this folder are none of the one who defines an option.
_HERE = os.path.dirname(__file__)


class OptionParser:
    """A set of options, which are attributes as well as items.

    `options` is the one of the program; a subcommand may have another.

    >>> parser = OptionParser()
    >>> parser.define("port", default=8888, help="port to listen on")
    >>> parser.parse_command_line(["program", "--port=80", "file"])
    ['file']
    >>> parser.port
    80
    """

    def __init__(self) -> None:
        # Attributes are options; these two are not.
        self.__dict__["_options"] = {}
        self.__dict__["_parse_callbacks"] = []
        self.define(
            "help", type=bool, help="show this text", callback=self._help_callback, group=""
        )

    def _find(self, name: str) -> "Option":
        """Return an option.

        Raises:
            AttributeError: there is none of this name.
        """
        # By way of __dict__: a copy that is still being made has no attributes.
        found: Option | None = self.__dict__.get("_options", {}).get(normalized(name))
        if found is None:
            raise AttributeError(f"Unrecognized option {name!r}")
        return found

    def __getattr__(self, name: str) -> Any:
        return self._find(name).value

    def __setattr__(self, name: str, value: Any) -> None:
        self._find(name).set(value)

    def __getitem__(self, name: str) -> Any:
        return self._find(name).value

    def __setitem__(self, name: str, value: Any) -> None:
        self._find(name).set(value)

    def __contains__(self, name: str) -> bool:
        return normalized(name) in self._options

    def __iter__(self) -> Iterator[str]:
        return (option.name for option in self._options.values())

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the name and value of each option, names as they were defined."""
        return [(option.name, option.value) for option in self._options.values()]

    def groups(self) -> set[str]:
        """Return the names of all groups."""
        return {option.group for option in self._options.values()}

    def group_dict(self, group: str) -> dict[str, Any]:
        """Return the values of a group by name, those of all options for ``""``.

        >>> parser = OptionParser()
        >>> parser.define("template_path", default="templates", group="application")
        >>> parser.group_dict("application")
        {'template_path': 'templates'}
        """
        return {
            option.name: option.value
            for option in self._options.values()
            if not group or option.group == group
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the values of all options by name."""
        return dict(self.items())

    def define(
        self,
        name: str,
        default: Any = None,
        type: ValueType | None = None,
        help: str | None = None,
        metavar: str | None = None,
        multiple: bool = False,
        group: str | None = None,
        callback: Callable[[Any], None] | None = None,
    ) -> None:
        """Add an option.

        Args:
            name: unique; ``-`` and ``_`` are the same.
            default: the value until another is set; not checked.
            type: ``str``, ``int``, ``float``, ``bool``, `datetime.datetime`,
                `datetime.timedelta`, or whatever makes a value from a string; by default the type
                of the default, or else ``str``.
            help: what the option is for.
            metavar: what stands for the value in the help text.
            multiple: whether the value is a list, as ``a,b,c``; for ``int`` also ``1:5``, which
                is 1 to 5.
            group: where the help text shows it; by default the file that defines it.
            callback: called with each new value. One that parses a file makes an option that
                names a file of options::

                    define("config", type=str,
                           callback=lambda path: parse_config_file(path, final=False))
        Raises:
            Error: the name is taken.
        """
        key = normalized(name)
        if key in self._options:
            where = self._options[key].group or "the parser itself"
            raise Error(f"Option {name!r} already defined in {where}")
        if type is None:
            one_value = default is not None and not isinstance(default, (list, tuple))
            type = default.__class__ if one_value else str
        self._options[key] = Option(
            name=name,
            default=[] if default is None and multiple else default,
            type=type,
            help=help or "",
            metavar=metavar,
            multiple=multiple,
            group=_defining_file() if group is None else group,
            callback=callback,
        )

    def parse_command_line(self, args: list[str] | None = None, final: bool = True) -> list[str]:
        """Set options from ``--name=value``; return the arguments that come after them.

        Args:
            args: the first one is the name of the program; `sys.argv` by default.
            final: whether to run the parse callbacks.
        Raises:
            Error: an option is unknown, or cannot have its value.

        ``--name`` alone sets a ``bool``. Options end before an argument without ``-``, before
        ``-`` alone, and after ``--``.
        """
        if args is None:
            args = sys.argv
        remaining = args[1:]
        while remaining and remaining[0].startswith("-") and remaining[0] != "-":
            argument = remaining.pop(0)
            if argument == "--":
                break
            self._parse_argument(argument)
        if final:
            self.run_parse_callbacks()
        return remaining

    def _parse_argument(self, argument: str) -> None:
        """Set one option."""
        name, equals, value = argument.lstrip("-").partition("=")
        option = self._options.get(normalized(name))
        if option is None:
            self.print_help()
            raise Error(f"Unrecognized command line option: {name!r}{self._suggestion(name)}")
        if not equals:
            if option.type is not bool:
                raise Error(f"Option {name!r} requires a value")
            value = "true"
        option.parse(value)

    def _suggestion(self, name: str) -> str:
        """Return the name that was perhaps meant, for the end of a message."""
        close = difflib.get_close_matches(normalized(name)[:100], self._options, 1)
        return f"; is it {close[0]!r}?" if close else ""

    def parse_config_file(self, path: str, final: bool = True) -> None:
        """Set options from a file of Python, which is run: it has to be one that you trust.

        Args:
            path: the file, in UTF-8. Each of its variables that has the name of an option, with
                ``_``, sets it: to a value of its type, or to a string that is then parsed as on
                the command line. ``__file__`` is its absolute path.
            final: whether to run the parse callbacks.
        Raises:
            OSError: the file cannot be read.
            Error: an option cannot have its value.

        ::

            port = 80
            db_replicas = ["a.example.com", "b.example.com"]
            session_time = "1h 30m"
        """
        with open(path, encoding="utf-8-sig") as file:
            source = file.read()
        found: dict[str, Any] = {"__file__": os.path.abspath(path)}
        exec_in(compile(source, path, "exec", dont_inherit=True), found)
        for name, value in found.items():
            option = self._options.get(normalized(name))
            if option is None:
                continue
            if isinstance(value, str) and (option.multiple or option.type is not str):
                option.parse(value)
            else:
                option.set(value)
        if final:
            self.run_parse_callbacks()

    def print_help(self, file: TextIO | None = None) -> None:
        """Write what each option is for, by groups; to standard error by default."""
        if file is None:
            file = sys.stderr
        groups: dict[str, list[Option]] = {}
        for option in self._options.values():
            groups.setdefault(option.group, []).append(option)
        print(f"Usage: {sys.argv[0]} [OPTIONS]\n\nOptions:", file=file)
        for group, options in sorted(groups.items()):
            if group:
                print(f"\n{os.path.normpath(group)} options:", file=file)
            print(file=file)
            for option in sorted(options, key=lambda option: option.name):
                print(option.help_text(), file=file)
        print(file=file)

    def _help_callback(self, value: bool) -> None:
        if value:
            self.print_help()
            sys.exit(0)

    def add_parse_callback(self, callback: Callable[[], None]) -> None:
        """Have something called each time that a final parsing ends."""
        self._parse_callbacks.append(callback)

    def run_parse_callbacks(self) -> None:
        """Call what `add_parse_callback` added, in that order."""
        for callback in self._parse_callbacks:
            callback()

    def mockable(self) -> "_Mockable":
        """Return a stand-in whose attributes `unittest.mock` can replace, for one of them::

        with mock.patch.object(options.mockable(), "port", 80):
            assert options.port == 80
        """
        return _Mockable(self)


class _Mockable:
    """Has the attributes of a parser; one that is deleted takes its value from before.

    `unittest.mock` deletes what it has set, as it does not find it in ``__dict__``.
    """

    def __init__(self, options: OptionParser) -> None:
        self.__dict__["_parser"] = options
        self.__dict__["_originals"] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._originals:
            raise RuntimeError(f"{name!r} is replaced already; ask for another mockable()")
        original = getattr(self._parser, name)
        setattr(self._parser, name, value)
        self._originals[name] = original

    def __delattr__(self, name: str) -> None:
        if name not in self._originals:
            raise AttributeError(f"{name!r} is not replaced")
        setattr(self._parser, name, self._originals.pop(name))


def _defining_file() -> str:
    """Return the file of the first caller outside of this folder."""
    frame = sys._getframe()
    while os.path.dirname(frame.f_code.co_filename) == _HERE and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename
