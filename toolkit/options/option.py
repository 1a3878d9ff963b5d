"""One option: its value, and what it may be."""

import textwrap
from collections.abc import Callable
from typing import Any

from toolkit.options.values import ValueType, parse_value

#: Most values that one range such as ``1:65535`` may stand for; more is a slip of the finger.
_MAX_RANGE = 1_000_000

#: Columns of the help text: where the help of an option begins, and where a line ends.
_HELP_COLUMN = 35
_HELP_END = 79


class Error(Exception):
    """An option is unknown, is defined twice, or has a value that it cannot have."""


class Option:
    """One option, and its value."""

    def __init__(
        self,
        name: str,
        default: Any,
        type: ValueType,
        help: str,
        metavar: str | None,
        multiple: bool,
        group: str,
        callback: Callable[[Any], None] | None,
    ) -> None:
        self.name = name
        self.value = self.default = default
        self.type = type
        self.help = help
        self.metavar = metavar
        self.multiple = multiple
        self.group = group
        self.callback = callback

    def parse(self, text: str) -> None:
        """Set the value from a string.

        Raises:
            Error: it is none of this type.
        """
        value = self._values(text) if self.multiple else self._value(text)
        self._store(value)

    def _value(self, text: str) -> Any:
        """Make one value.

        Raises:
            Error: it is none of this type.
        """
        try:
            return parse_value(self.type, text)
        except (ValueError, TypeError, OverflowError) as error:
            detail = f": {error}"[:200] if str(error) else ""
            expected = _type_name(self.type)
            raise Error(
                f"Option {self.name!r} is of type {expected}, not {text[:100]!r}{detail}"
            ) from error

    def _values(self, text: str) -> list[Any]:
        """Make the values of a list such as ``a,b`` or ``1,3:5``."""
        values: list[Any] = []
        for part in text.split(","):
            first, colon, last = part.partition(":")
            if self.type is int and colon:
                low = self._value(first)
                high = self._value(last) if last else low
                if high - low >= _MAX_RANGE:
                    raise Error(f"Option {self.name!r}: {part[:100]!r} is over {_MAX_RANGE} values")
                values.extend(range(low, high + 1))
            else:
                values.append(self._value(part))
        return values

    def set(self, value: Any) -> None:
        """Set the value.

        Raises:
            Error: it is of another type.
        """
        if not self.multiple:
            self._check(value)
        elif not isinstance(value, list):
            raise self._wrong_type(value)
        else:
            for item in value:
                self._check(item)
        self._store(value)

    def _check(self, value: Any) -> None:
        """Refuse a value of another type; None is of each."""
        # Some types are plain functions, which say nothing of what they make.
        if isinstance(self.type, type) and not isinstance(value, (self.type, type(None))):
            raise self._wrong_type(value)

    def _wrong_type(self, value: Any) -> Error:
        expected = ("list of " if self.multiple else "") + _type_name(self.type)
        return Error(
            f"Option {self.name!r} is required to be {expected} ({_type_name(type(value))} given)"
        )

    def _store(self, value: Any) -> None:
        self.value = value
        if self.callback is not None:
            self.callback(value)

    def help_text(self) -> str:
        """Return the lines that say what the option is for."""
        head = f"  --{normalized(self.name)}" + (f"={self.metavar}" if self.metavar else "")
        default = self.default
        if isinstance(default, (list, tuple)):
            default = ",".join(map(str, default))
        said = [self.help] if self.help else []
        if default not in (None, ""):
            said.append(f"(default {default})")
        lines = textwrap.wrap(" ".join(said), _HELP_END - _HELP_COLUMN)
        if len(head) >= _HELP_COLUMN - 1 or not lines:
            lines.insert(0, "")
        first = head.ljust(_HELP_COLUMN) + lines[0]
        return "\n".join([first.rstrip(), *(" " * _HELP_COLUMN + line for line in lines[1:])])


def normalized(name: str) -> str:
    """Return the name with ``-`` alone, which is how options are looked up."""
    return name.replace("_", "-")


def _type_name(type: Any) -> str:
    return getattr(type, "__name__", None) or repr(type)
