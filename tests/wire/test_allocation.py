"""Memory that is given before anything is in it."""

import builtins
import sys
from typing import Any

import pytest

from toolkit.wire import allocation

SIZE = 300_000


@pytest.fixture(autouse=True)
def _afresh() -> Any:
    """Choose anew how memory is got, before and after."""
    allocation._allocator.cache_clear()
    yield
    allocation._allocator.cache_clear()


def test_it_is_an_object_of_its_own_of_that_size() -> None:
    """Nobody else has it: neither for small sizes, of which the interpreter keeps some."""
    for size in (2, 1000, SIZE):
        first, second = allocation.uninitialized(size), allocation.uninitialized(size)
        assert len(first) == len(second) == size
        assert first is not second
        assert sys.getrefcount(first) == 2


def test_it_is_cleared_where_the_interpreter_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "name", "another")
    assert allocation.uninitialized(SIZE) == bytes(SIZE)


def test_it_is_cleared_where_ctypes_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "ctypes":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    assert allocation.uninitialized(SIZE) == bytes(SIZE)
