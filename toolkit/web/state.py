"""`State`: what handlers share, by its class or by a name."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, overload

_T = TypeVar("_T")


class State:
    """Values by their class, whose type a checker knows so, or by a name.

    Example::

        state[Database] = database
        state["greeting"] = "hello"
        state[Database].user(7)
    """

    __slots__ = ("_values",)

    def __init__(self, values: "Mapping[type[Any] | str, Any] | None" = None) -> None:
        self._values: dict[type[Any] | str, Any] = dict(values or {})

    @overload
    def __getitem__(self, key: type[_T]) -> _T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: type[Any] | str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            known = ", ".join(sorted(_name(name) for name in self._values)) or "nothing"
            raise KeyError(f"{_name(key)} is not in the state; there is {known}") from None

    @overload
    def __setitem__(self, key: type[_T], value: _T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: type[Any] | str, value: Any) -> None:
        self._values[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[type[Any] | str]:
        return iter(self._values)

    def add(self, value: object) -> None:
        """Take what a lifespan yields: None, a mapping of values, or a value for its class."""
        if isinstance(value, Mapping):
            self._values.update(value)
        elif value is not None:
            self._values[type(value)] = value

    def copy(self) -> "State":
        """Return another one with the same values."""
        return State(self._values)


def _name(key: type[Any] | str) -> str:
    return repr(key) if isinstance(key, str) else key.__qualname__
