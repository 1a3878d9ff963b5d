"""Converters: from the text of a parameter in a path to a value, and back."""

import datetime
import math
import re
import uuid
from decimal import Decimal
from typing import Any

_INT = re.compile(r"-?[0-9]+")
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

#: What a template can name a converter.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Converter:
    """Turns the text of a parameter into a value, and a value into text; this one keeps the text.

    Example of one of a user's own::

        class Hexadecimal(Converter):
            def convert(self, text: str) -> int:
                return int(text, 16)

            def to_path(self, value: Any) -> str:
                return format(value, "x")

        register_converter("hex", Hexadecimal())
        rules = [("/colour/{value:hex}", ColourHandler)]

    Attributes:
        spans_segments: whether the parameter takes the whole rest of a path, slashes too.
    """

    spans_segments = False

    def convert(self, text: str) -> Any:
        """Return the value that a handler gets.

        Args:
            text: of the path, percent-encoding resolved; never empty unless it spans segments.
        Raises:
            ValueError: it is no such value; then the template does not match.
        """
        return text

    def to_path(self, value: Any) -> str:
        """Return the text of a value, not percent-encoded.

        Raises:
            ValueError: there is no text that would lead back to the value.
        """
        return value.decode() if isinstance(value, bytes) else str(value)


class IntConverter(Converter):
    """Decimal digits of ASCII, with or without a minus."""

    def convert(self, text: str) -> int:
        return int(_checked(_INT, text))

    def to_path(self, value: Any) -> str:
        return str(self.convert(super().to_path(value)))


class FloatConverter(Converter):
    """A decimal number, with or without a fraction; no exponent, infinity or NaN."""

    def convert(self, text: str) -> float:
        value = float(_checked(_FLOAT, text))
        if math.isinf(value):
            raise ValueError(f"{text[:100]!r} is too great")
        return value

    def to_path(self, value: Any) -> str:
        # The shortest digits that lead back to the value, without the exponent of `repr`.
        return _checked(_FLOAT, format(Decimal(repr(float(value))), "f"))


class UUIDConverter(Converter):
    """A `uuid.UUID` in its usual form of 36 characters."""

    def convert(self, text: str) -> uuid.UUID:
        return uuid.UUID(_checked(_UUID, text))

    def to_path(self, value: Any) -> str:
        return str(self.convert(super().to_path(value)))


class DateConverter(Converter):
    """A `datetime.date`, as ``2026-01-31``."""

    def convert(self, text: str) -> datetime.date:
        return datetime.date.fromisoformat(_checked(_DATE, text))

    def to_path(self, value: Any) -> str:
        return self.convert(super().to_path(value)).isoformat()


class PathConverter(Converter):
    """The rest of a path, which may be empty and may have slashes in it.

    Nothing that would lead out of a directory: no segment ``.`` or ``..``, however it was
    encoded, and no slash at its beginning.
    """

    spans_segments = True

    def convert(self, text: str) -> str:
        if text.startswith("/") or not {".", ".."}.isdisjoint(text.split("/")):
            raise ValueError(f"{text[:100]!r} is no relative path without dot segments")
        return text

    def to_path(self, value: Any) -> str:
        return self.convert(super().to_path(value))


#: The converters that templates can name.
_converters: dict[str, Converter] = {
    "str": Converter(),
    "int": IntConverter(),
    "float": FloatConverter(),
    "uuid": UUIDConverter(),
    "date": DateConverter(),
    "path": PathConverter(),
}

#: Those that are always there, whose answers depend on nothing but the text.
BUILT_IN = frozenset(_converters.values())

#: What ``{name}`` without a converter means.
PLAIN = _converters["str"]

#: What ``{name:path}`` means.
PATH = _converters["path"]


def register_converter(name: str, converter: Converter) -> None:
    """Let templates made from now on name a converter, in the whole program.

    Raises:
        ValueError: the name is no identifier of ASCII, or is another converter's.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"converter named {name[:100]!r}; letters, digits and _ are allowed")
    if _converters.setdefault(name, converter) is not converter:
        raise ValueError(f"converter {name!r} is there already: {_converters[name]!r}")


def find_converter(name: str) -> Converter:
    """Return the converter of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in _converters:
        raise ValueError(f"no converter {name!r}; there are {', '.join(sorted(_converters))}")
    return _converters[name]


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not of the form {pattern.pattern}")
    return text
