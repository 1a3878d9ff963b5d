"""Values of a program as text: bounded, without secrets, and without running code of its own."""

import datetime
import decimal
import enum
import fractions
import itertools
import pathlib
import re
import types
import unicodedata
import uuid
import zoneinfo
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

#: Stands for what is kept back.
MASK = "***"

#: Characters of one text, items of one container, containers in one another, things in one
#: value, and characters of one value.
MAX_TEXT, MAX_ITEMS, MAX_DEPTH, MAX_THINGS, MAX_VALUE = 200, 10, 3, 200, 1000

#: Characters of all values of a page.
MAX_ALL = 400_000

_SECRETS = (
    r"passw|passphrase|pwd|token|secret|cookie|authorization|credential|signature|"
    r"(?:api|access|private)(?:[-_]|%5f)?key|session(?:[-_]|%5f)?id|[cx]srf"
)
_SECRET = re.compile(_SECRETS, re.IGNORECASE)

#: A secret within a text: of a header, a form, JSON or a URL, up to where its value must end.
_SECRET_TEXT = re.compile(
    rf"((?:{_SECRETS})[\w-]{{0,30}}(?:\\?[\"'])?(?:[ ]?[=:][ ]?|(?:\r\n){{2}})(?:\\?[\"'])?)"
    r"[^\r\n&\"'\\]+",
    re.IGNORECASE,
)

#: Types whose `repr` is short and does nothing else.
_PLAIN = (
    type(None),
    type(...),
    type(NotImplemented),
    bool,
    float,
    complex,
    range,
    datetime.date,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    re.Pattern,
)

#: Time zones that may stand in a time that is shown.
_ZONES = (type(None), datetime.timezone, zoneinfo.ZoneInfo)

_TIMES = (datetime.time, datetime.datetime)

#: More bits than this make a number that takes long to be written.
_MAX_BITS = 3000

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def is_secret(name: Any) -> bool:
    """Say whether what bears a name, as text or bytes, is not to be shown."""
    if issubclass(type(name), bytes):
        name = bytes.__getitem__(name, slice(0, MAX_TEXT)).decode("latin-1")
    if not issubclass(type(name), str):
        return False
    return _SECRET.search(str.__getitem__(name, slice(0, MAX_TEXT))) is not None


def mask(text: str) -> str:
    """Return a text without the values of secrets that it names, such as ``password=x``."""
    return _SECRET_TEXT.sub(rf"\1{MASK}", text)


def cut(text: str, size: int = MAX_TEXT) -> str:
    """Return a text of at most that many characters that can be sent: no controls but line
    ends and tabs, no surrogates.
    """
    text = text if len(text) <= size else text[:size] + "…"
    if text.isprintable():
        return text
    return "".join([char if _is_seen(char) else ascii(char)[1:-1] for char in text])


def _is_seen(char: str) -> bool:
    return char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs"


class Values:
    """Shows values, up to a bound for all of them together.

    No method of a value is called, not even its `repr`, which could take any time, fail, or
    change something: an object is shown by its attributes.
    """

    def __init__(self, size: int = MAX_ALL) -> None:
        self._left = size
        self._things = 0

    def show(self, name: object, value: object) -> str:
        """Return the value of a variable as text; `MASK` for one that is secret by its name."""
        if is_secret(name):
            return MASK
        if self._left <= 0:
            return "(left out, since there is much to show)"
        self._things = MAX_THINGS
        try:
            text = self._text(value, MAX_DEPTH)
        except (RuntimeError, ValueError) as error:  # a thread changes it; a number is too long
            text = f"({type(error).__name__} while it was looked at)"
        text = cut(text, MAX_VALUE)
        self._left -= len(text)
        return text

    def _text(self, value: Any, depth: int) -> str:
        self._things -= 1
        kind = type(value)
        if kind in _PLAIN or (kind in _TIMES and type(value.tzinfo) in _ZONES):
            return cut(repr(value))
        # Not `isinstance`, which asks an object for its `__class__`.
        for base, show in _SHOWN.items():
            if issubclass(kind, base):
                return show(value)
        if issubclass(kind, dict):
            return self._dict(value, depth)
        for base in _BRACKETS:
            if issubclass(kind, base):
                return self._items(value, base, depth)
        return self._object(value, depth)

    def _items(self, value: Any, base: type, depth: int) -> str:
        begin, end = _BRACKETS[base]
        if type(value) is not base:
            begin, end = f"{type_name(type(value))}{begin}", end
        if base is tuple and tuple.__len__(value) == 2 and is_secret(tuple.__getitem__(value, 0)):
            # Such as a header among others.
            return f"{begin}{self._text(tuple.__getitem__(value, 0), 0)}, {MASK}{end}"
        items = base.__iter__(value)  # type: ignore[attr-defined]
        texts = (self._text(item, depth - 1) for item in items)
        return begin + self._joined(texts, depth, base.__len__(value)) + end  # type: ignore[attr-defined]

    def _dict(self, value: dict[Any, Any], depth: int) -> str:
        begin = "{" if type(value) is dict else type_name(type(value)) + "({"
        texts = (
            f"{self._text(key, 0)}: {MASK if is_secret(key) else self._text(item, depth - 1)}"
            for key, item in dict.items(value)
        )
        end = "}" if type(value) is dict else "})"
        return begin + self._joined(texts, depth, dict.__len__(value)) + end

    def _joined(self, texts: Iterator[str], depth: int, size: int) -> str:
        """Join what is shown of `size` items."""
        if not size:
            return ""
        if depth <= 0:
            return f"… {size} items"
        shown: list[str] = []
        while self._things > 0 and len(shown) < MAX_ITEMS:
            text = next(texts, None)
            if text is None:
                return ", ".join(shown)
            shown.append(text)
        more = f"… {size - len(shown)} more" if size > len(shown) else ""
        return ", ".join([*shown, more] if more else shown)

    def _object(self, value: object, depth: int) -> str:
        name = type_name(type(value))
        if issubclass(type(value), BaseException):
            arguments: Any = BaseException.args.__get__(value)  # type: ignore[attr-defined]
            return name + self._items(arguments, tuple, depth)
        if depth <= 0 or self._things <= 0:
            return f"<{name}>"
        shown = [
            f"{cut(key)}={MASK if is_secret(key) else self._text(item, depth - 2)}"
            for key, item in itertools.islice(_attributes(value), MAX_ITEMS)
        ]
        return f"<{' '.join([name, *shown])}>"


def _string(value: Any) -> str:
    base: Any = next(kind for kind in (str, bytes, bytearray) if issubclass(type(value), kind))
    begin = base.__getitem__(value, slice(0, MAX_TEXT))
    size = base.__len__(value)
    # Some secrets stand behind line ends, which `repr` changes.
    if base is str:
        text = repr(mask(begin))
    else:
        text = repr(base(mask(begin.decode("latin-1")).encode("latin-1")))
    return text if size <= MAX_TEXT else f"{text}… ({size} in all)"


def _number(value: int) -> str:
    bits = int.bit_length(value)
    return int.__repr__(value) if bits <= _MAX_BITS else f"<int of {bits} bits>"


def _member(value: object) -> str:
    return f"<{type_name(type(value))}.{object.__getattribute__(value, '_name_')}>"


#: How values of some types are shown, subclasses too; the first that fits counts.
_SHOWN: dict[type, Callable[[Any], str]] = {
    enum.Enum: _member,
    str: _string,
    bytes: _string,
    bytearray: _string,
    int: _number,
    type: lambda value: f"<class {type_name(value)}>",
    types.FunctionType: lambda value: f"<function {value.__qualname__}>",
    types.BuiltinFunctionType: lambda value: f"<function {value.__qualname__}>",
    types.MethodType: lambda value: f"<method of {type_name(type(value.__self__))}>",
    types.ModuleType: lambda value: f"<module {object.__getattribute__(value, '__name__')}>",
}


def type_name(kind: type) -> str:
    """Return the name of a class, whatever its metaclass does."""
    name: str = type.__getattribute__(kind, "__qualname__")
    module = type.__getattribute__(kind, "__module__")
    if type(module) is not str or module == "builtins":
        return cut(name)
    return cut(f"{module}.{name}")


def _attributes(value: object) -> Iterable[tuple[str, object]]:
    """Yield the attributes that an object holds, from its `__dict__` and its slots."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    if type(own) is dict:
        yield from ((key, item) for key, item in own.items() if type(key) is str)
    for kind in type.__getattribute__(type(value), "__mro__"):
        for key, member in type.__getattribute__(kind, "__dict__").items():
            if type(member) is types.MemberDescriptorType:
                try:
                    yield key, member.__get__(value)
                except AttributeError:  # not set
                    continue
