"""`HTTPHeaders`: header fields as a mapping."""

from collections.abc import Collection, Iterable, Iterator, MutableMapping
from functools import lru_cache
from typing import Any, Self

from toolkit.httputil.errors import HTTPInputError
from toolkit.wire.errors import excerpt
from toolkit.wire.events import Fields
from toolkit.wire.grammar import FIELD_TEXT, is_token
from toolkit.wire.http1 import LOWER_NAMES

#: All that may surround the value of a field; Python's own `str.strip` takes more.
HTTP_WHITESPACE = " \t"


@lru_cache(1000)
def normalize_name(name: str) -> str:
    """Return a field name as ``Http-Header-Case``."""
    return "-".join(word.capitalize() for word in name.split("-"))


#: Names that come often, by themselves in lower case.
_new = object.__new__
_USUAL_NAMES = {name: normalize_name(name) for name in LOWER_NAMES.values()}


class HTTPHeaders(MutableMapping[str, str]):
    """Header fields: a mapping that ignores case and can hold several values of a name.

    Several values read as one, joined by commas; `get_list` has them apart. Names are kept
    as ``Http-Header-Case``.

    Example::

        headers = HTTPHeaders({"content-type": "text/html"})
        headers.add("Set-Cookie", "a=b")
        headers.add("Set-Cookie", "c=d")
        headers["Content-Type"]            # "text/html"
        headers.get_list("set-cookie")     # ["a=b", "c=d"]

    Raises:
        HTTPInputError: a name is not a token, or a value holds a control character.
        TypeError: a value is neither text nor bytes, which stand for one character each.
    """

    __slots__ = ("_several", "_values")

    def __init__(self, *args: Any, **kwargs: str) -> None:
        self._values: dict[str, str | list[str]] = {}
        self._several = False  # whether any name has a list of values
        if len(args) == 1 and not kwargs and isinstance(args[0], HTTPHeaders):
            copy = args[0].copy()
            self._values, self._several = copy._values, copy._several
        else:
            self.update(*args, **kwargs)

    @classmethod
    def trusted(cls, values: dict[str, str]) -> Self:
        """Take normalized names and values that were checked before."""
        headers = _new(cls)
        headers._values = values  # type: ignore[assignment]  # str is one of its value types
        headers._several = False
        return headers

    @classmethod
    def received(cls, fields: Fields) -> Self:
        """Take fields that a protocol machine read, which has checked them."""
        headers = _new(cls)
        headers._values = values = {}
        headers._several = False
        for lower, value in fields:
            name = _USUAL_NAMES.get(lower) or normalize_name(lower)
            if name in values:
                headers._append(name, value)
            else:
                values[name] = value
        return headers

    def fields(self) -> Collection[tuple[str, str]]:
        """Return a pair for each value, in the order that names were first set."""
        if not self._several:
            return self._values.items()  # type: ignore[return-value]  # no lists are there
        found: list[tuple[str, str]] = []
        for name, value in self._values.items():
            if isinstance(value, str):
                found.append((name, value))
            else:
                found.extend([(name, item) for item in value])
        return found

    def put(self, name: str, value: str) -> None:
        """Set a normalized name to a value that needs no check."""
        self._values[name] = value

    def put_default(self, name: str, value: str) -> None:
        """Do as `put`, unless the name has a value already."""
        self._values.setdefault(name, value)

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """Add a value to those that the name has.

        Args:
            _chars_are_bytes: whether each character stands for a byte, as in all that HTTP
                itself sends; False allows characters beyond U+00FF, as the headers of a
                part of a body may hold in UTF-8.
        """
        value = _checked(name, value, _chars_are_bytes)
        self._append(normalize_name(name), value)

    def _append(self, name: str, value: str) -> None:
        known = self._values.get(name)
        if known is None:
            self._values[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            self._values[name] = [known, value]
            self._several = True

    def get_list(self, name: str) -> list[str]:
        """Return all values of a name, [] for none."""
        known = self._values.get(normalize_name(name))
        if known is None:
            return []
        return [known] if isinstance(known, str) else list(known)

    def get_all(self) -> Iterable[tuple[str, str]]:
        """Return a pair for each value of each name."""
        return iter(self.fields())

    def copy(self) -> "HTTPHeaders":
        """Return a copy that changes apart from this one."""
        values = self._values.copy()
        if self._several:
            values = {k: v if isinstance(v, str) else list(v) for k, v in values.items()}
        copy = HTTPHeaders.__new__(HTTPHeaders)
        copy._values = values
        copy._several = self._several
        return copy

    __copy__ = copy

    def __setitem__(self, name: str, value: str | list[str]) -> None:
        """Set a name to one value, or to each of a list of values."""
        # The shortcut spares the full check of plain text under a usual name.
        plain = type(value) is str and value.isascii() and value.isprintable()
        if not plain or name not in LOWER_NAMES:
            if isinstance(value, list):
                self._set_several(name, value)
                return
            value = _checked(name, value)
        self._values[normalize_name(name)] = value

    def _set_several(self, name: str, values: list[str]) -> None:
        values = [_checked(name, value) for value in values]
        self._values.pop(normalize_name(name), None)
        for value in values:
            self._append(normalize_name(name), value)

    def __getitem__(self, name: str) -> str:
        value = self._values[normalize_name(name)]
        return value if isinstance(value, str) else ",".join(value)

    def __delitem__(self, name: str) -> None:
        del self._values[normalize_name(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and normalize_name(name) in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __str__(self) -> str:
        return "".join([f"{name}: {value}\n" for name, value in self.fields()])

    __unicode__ = __str__

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self.fields())!r})"

    @classmethod
    def parse(cls, headers: str, *, _chars_are_bytes: bool = True) -> "HTTPHeaders":
        """Read lines ``Name: value``, ended by LF or CRLF.

        Args:
            _chars_are_bytes: as in `add`.
        Raises:
            HTTPInputError: a line without a colon, a folded one, or what `add` refuses.
        """
        found = cls()
        for line in headers.split("\n"):
            found.parse_line(line, _chars_are_bytes=_chars_are_bytes)
        return found

    def parse_line(self, line: str, *, _chars_are_bytes: bool = True) -> None:
        """Read one line; an empty one is passed over.

        Args and errors are those of `parse`, which is to be preferred.
        """
        line = line.removesuffix("\n").removesuffix("\r")
        if not line:
            return
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError(f"no colon in header line {excerpt(line)}")
        self.add(name, value.strip(HTTP_WHITESPACE), _chars_are_bytes=_chars_are_bytes)


def _checked(name: str, value: str | bytes, chars_are_bytes: bool = True) -> str:
    """Return the value of a field as text."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not (isinstance(name, str) and isinstance(value, str)):
        raise TypeError(f"header {excerpt(repr(name))}: {excerpt(repr(value))}; str is needed")
    if not is_token(name):
        raise HTTPInputError(f"header name {excerpt(name)}; a token is allowed")
    forbidden = value.translate(FIELD_TEXT)
    if forbidden and (chars_are_bytes or min(forbidden) < "\u0100"):
        raise HTTPInputError(f"header value {excerpt(value)} holds a control character")
    return value
