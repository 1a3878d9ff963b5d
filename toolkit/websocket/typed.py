"""Messages as values of a type: JSON that is checked against a dataclass or another type."""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

from toolkit.websocket.errors import WebSocketClosedError

#: Types of JSON's own values, with what they are called there; a float may be written as 1.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a string"),
    int: ((int,), "an integer"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
    type(None): ((type(None),), "null"),
}

Decode = Callable[[str | bytes], Any]


def decoder(kind: Any) -> Decode:
    """Return a function that turns a message in JSON into a value of a type.

    It raises ValueError, with what was seen and what is allowed, for anything else.

    Args:
        kind: a dataclass, `str`, `int`, `float`, `bool`, None, a list, dict, Literal or union of
            these, or Any; or a function that takes the value of the JSON, such as the
            ``model_validate`` of a pydantic model, and raises ValueError or TypeError.
    Raises:
        TypeError: a type of another kind.
    """
    if callable(kind) and not isinstance(kind, type) and typing.get_origin(kind) is None:
        return functools.partial(_decode_by, kind)
    _check(kind, set())
    return functools.partial(_decode, kind)


def load(message: str | bytes | None) -> Any:
    """Return the value of a message in JSON.

    Raises:
        WebSocketClosedError: there is none, since the connection was closed.
        ValueError: it is no JSON.
    """
    if message is None:
        raise WebSocketClosedError("the connection was closed")
    try:
        return json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None


def _decode(kind: Any, message: str | bytes) -> Any:
    return _read(kind, load(message), "message")


def _decode_by(function: Callable[[Any], Any], message: str | bytes) -> Any:
    try:
        return function(load(message))
    except TypeError as error:
        raise ValueError(str(error)) from error


def encode(value: Any) -> str:
    """Return a value as JSON; dataclasses in it are objects."""
    return json.dumps(value, default=_as_dict)


def _as_dict(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError(f"{type(value)!r} has no form in JSON")


# -- reading -----------------------------------------------------------------------------


def _check(kind: Any, seen: set[Any]) -> None:
    """Refuse a type that could never be read."""
    if kind is None or kind is Any or kind in _PLAIN or kind in seen:
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        seen.add(kind)
        for hint in _hints(kind).values():  # type: ignore[arg-type]  # a class has a hash
            _check(hint, seen)
    elif origin in (list, Union, types.UnionType):
        for argument in arguments:
            _check(argument, seen)
    elif origin is dict and arguments[0] is str:
        _check(arguments[1], seen)
    elif origin is not Literal and kind not in (list, dict):
        raise TypeError(
            f"type {kind!r} of a message; dataclasses, types of JSON's values, list, dict of str, "
            "Literal and unions are allowed"
        )


@functools.cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, value: Any, where: str) -> Any:
    """Return a value of JSON as one of a type.

    Raises:
        ValueError: it is none.
    """
    if kind is Any:
        return value
    kind = type(None) if kind is None else kind
    if kind in _PLAIN:
        classes, name = _PLAIN[kind]
        # True is an int to Python, and not to JSON.
        if not isinstance(value, classes) or (isinstance(value, bool) and kind is not bool):
            raise _unfit(where, value, name)
        return float(typing.cast(float, value)) if kind is float else value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        for choice in arguments:
            if value == choice and type(value) is type(choice):
                return value
        raise _unfit(where, value, " or ".join(map(repr, arguments)))
    if kind is list or origin is list:
        if not isinstance(value, list):
            raise _unfit(where, value, "an array")
        item = arguments[0] if arguments else Any
        return [_read(item, each, f"{where}[{i}]") for i, each in enumerate(value)]
    if kind is dict or origin is dict:
        if not isinstance(value, dict):
            raise _unfit(where, value, "an object")
        item = arguments[1] if arguments else Any
        return {name: _read(item, each, f"{where}.{name}"[:60]) for name, each in value.items()}
    return _read_union(arguments, value, where)


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    faults = []
    for kind in kinds:
        try:
            return _read(kind, value, where)
        except ValueError as error:
            faults.append(str(error))
    raise ValueError("; ".join(faults))


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unfit(where, value, "an object")
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name in value:
        if name not in fields:
            raise ValueError(f"{where}: {name[:40]!r} is not known")
    given = {}
    for name, field in fields.items():
        if name in value:
            given[name] = _read(hints[name], value[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where}: {name!r} is missing")
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _unfit(where: str, value: Any, allowed: str) -> ValueError:
    return ValueError(f"{where}: {json.dumps(value)[:40]}; {allowed} is allowed")
