"""`util`: configurable classes, lazy attributes and imports by name."""

import asyncio
import builtins
import collections
import importlib
import os.path
from collections.abc import Iterator
from typing import Any

import pytest

from toolkit import util
from toolkit.util import Configurable, ObjectDict, import_object, lazy

# -- ObjectDict --------------------------------------------------------------------------


def test_the_keys_of_an_object_dict_are_attributes() -> None:
    both = ObjectDict(a=1)
    both.b = 2
    both["c"] = 3
    assert (both.a, both["b"], both.c) == (1, 2, 3)
    assert both == {"a": 1, "b": 2, "c": 3}


def test_a_missing_attribute_of_an_object_dict_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="missing"):
        _ = ObjectDict().missing
    assert not hasattr(ObjectDict(), "missing")
    assert getattr(ObjectDict(), "missing", 1) == 1


# -- lazy --------------------------------------------------------------------------------


class Counting:
    """Counts how often its lazy attribute is made."""

    made = 0

    @lazy
    def value(self) -> int:
        """What is counted."""
        self.made += 1
        return self.made


def test_a_lazy_attribute_is_made_once_for_each_object() -> None:
    first, second = Counting(), Counting()
    assert first.made == 0
    assert first.value == first.value == 1
    assert first.made == 1
    assert second.made == 0


def test_a_lazy_attribute_can_be_set_and_deleted_like_any_other() -> None:
    counting = Counting()
    counting.value = 42
    assert counting.value == 42
    assert counting.made == 0
    del counting.value
    assert counting.value == 1


def test_a_lazy_attribute_of_the_class_has_its_docstring() -> None:
    assert isinstance(Counting.value, lazy)
    assert Counting.value.__doc__ == "What is counted."


def test_an_error_in_making_a_lazy_attribute_is_raised_each_time() -> None:
    class Failing:
        calls = 0

        @lazy
        def value(self) -> int:
            self.calls += 1
            raise KeyError("value")

    failing = Failing()
    for _ in range(2):
        with pytest.raises(KeyError):
            _ = failing.value
    assert failing.calls == 2


# -- import_object -----------------------------------------------------------------------


def test_import_object_finds_modules_and_what_they_hold() -> None:
    assert import_object("collections") is collections
    assert import_object("os.path") is os.path
    assert import_object("collections.abc") is importlib.import_module("collections.abc")
    assert import_object("collections.OrderedDict") is collections.OrderedDict
    # A submodule that nobody has imported yet is no attribute of its package.
    assert import_object("toolkit.wire.ranges").__name__ == "toolkit.wire.ranges"


@pytest.mark.parametrize("name", ["no_such_module", "collections.missing", "no_such_module.x"])
def test_import_object_fails_for_what_is_not_there(name: str) -> None:
    with pytest.raises(ImportError):
        import_object(name)


# -- time-outs ---------------------------------------------------------------------------


def test_every_time_out_is_the_same_class() -> None:
    assert util.TimeoutError is builtins.TimeoutError is asyncio.TimeoutError


# -- Configurable ------------------------------------------------------------------------


class Animal(Configurable):
    """An interface with two implementations."""

    name: str

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return Animal

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return Cat

    def initialize(self, name: str = "nameless", **options: Any) -> None:
        self.name = name
        self.options = options


class Cat(Animal):
    """What one gets unless told otherwise."""


class Dog(Animal):
    """The other one, which adds an argument of its own."""

    def initialize(self, loud: bool = False, **options: Any) -> None:
        super().initialize(**options)
        self.loud = loud


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Forget each test's choice."""
    yield
    Animal.configure(None)


def test_the_constructor_makes_the_default() -> None:
    animal = Animal("Tom", sound="purr")
    assert type(animal) is Cat
    assert animal.name == "Tom"
    assert animal.options == {"sound": "purr"}
    assert Animal.configured_class() is Cat


@pytest.mark.parametrize("choice", [Dog, f"{__name__}.Dog"])
def test_another_implementation_can_be_chosen(choice: Any) -> None:
    Animal.configure(choice)
    assert Animal.configured_class() is Dog
    animal: Any = Animal(loud=True, name="Rex")
    assert type(animal) is Dog
    assert (animal.loud, animal.name) == (True, "Rex")
    Animal.configure(None)
    assert type(Animal()) is Cat


def test_default_arguments_can_be_chosen_and_overruled() -> None:
    Animal.configure(None, name="Tom")
    assert Animal().name == "Tom"
    assert Animal(name="Tim").name == "Tim"
    Animal.configure(Dog, loud=True)
    animal: Any = Animal()
    assert (animal.loud, animal.name) == (True, "nameless")
    Animal.configure(None)
    assert Animal().name == "nameless"


def test_an_implementation_made_by_its_own_name_is_not_configured() -> None:
    Animal.configure(Dog, name="Rex")
    cat = Cat()
    assert type(cat) is Cat
    assert cat.name == "nameless"


def test_a_choice_made_on_an_implementation_holds_for_the_base() -> None:
    Dog.configure(Dog)
    assert type(Animal()) is Dog


@pytest.mark.parametrize("choice", [int, Configurable, 1, f"{__name__}.unconfigured"])
def test_what_is_no_implementation_cannot_be_chosen(choice: Any) -> None:
    with pytest.raises(ValueError, match="Invalid subclass"):
        Animal.configure(choice)
    assert type(Animal()) is Cat


def test_an_implementation_may_be_configurable_in_its_turn() -> None:
    class Bird(Animal):
        @classmethod
        def configurable_base(cls) -> type[Configurable]:
            return Bird

        @classmethod
        def configurable_default(cls) -> type[Configurable]:
            return Robin

    class Robin(Bird):
        pass

    Animal.configure(Bird)
    animal = Animal("Bob")
    assert type(animal) is Robin
    assert animal.name == "Bob"


def test_each_base_has_its_own_choice() -> None:
    class Plant(Configurable):
        @classmethod
        def configurable_base(cls) -> type[Configurable]:
            return Plant

        @classmethod
        def configurable_default(cls) -> type[Configurable]:
            return Tree

    class Tree(Plant):
        pass

    Animal.configure(Dog, loud=True)
    assert type(Plant()) is Tree
    assert type(Animal()) is Dog


def test_an_interface_has_to_name_itself_and_its_default() -> None:
    with pytest.raises(NotImplementedError):
        Configurable()
    with pytest.raises(NotImplementedError):
        Configurable.configurable_default()
