"""`util`: configurable classes, lazy attributes and imports by name."""

import asyncio
import builtins
import collections
import datetime
import errno
import gzip
import importlib
import os.path
import random
import re
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import util
from toolkit.util import (
    ArgReplacer,
    Configurable,
    GzipDecompressor,
    ObjectDict,
    errno_from_exception,
    exec_in,
    import_object,
    lazy,
    raise_exc_info,
    re_unescape,
    timedelta_to_seconds,
)

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


# -- GzipDecompressor --------------------------------------------------------------------


def fed(data: bytes, size: int, max_length: int) -> bytes:
    """Decompress data that comes in chunks, as the docstring says."""
    decompressor = GzipDecompressor()
    output = b""
    for start in range(0, len(data), size):
        chunk = data[start : start + size]
        while chunk:
            piece = decompressor.decompress(chunk, max_length)
            assert len(piece) <= max_length
            assert piece or len(decompressor.unconsumed_tail) < len(chunk)
            output += piece
            chunk = decompressor.unconsumed_tail
    assert decompressor.flush() == b""
    return output


MEMBERS = [random.Random(1).randbytes(500), b"", b"a" * 3000, b"b"]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
@pytest.mark.parametrize("max_length", [1, 100, 500, 10_000])
def test_gzip_is_decompressed_member_by_member_within_the_limit(size: int, max_length: int) -> None:
    """RFC 1952 §2.2: members stand one after another."""
    assert fed(b"".join(map(gzip.compress, MEMBERS)), size, max_length) == b"".join(MEMBERS)


@settings(derandomize=True, deadline=None)
@given(st.binary(), st.integers(1, 100))
def test_what_is_no_gzip_is_a_zlib_error_and_nothing_else(data: bytes, max_length: int) -> None:
    try:
        assert fed(data, 10, max_length) == b"" == data
    except zlib.error:
        pass


@pytest.mark.parametrize("after", [b"\0", b"\r\n", b"x" * 100, b"\x1f", b"\x1f\x8b"])
@pytest.mark.parametrize("size", [1, 1000])
def test_nothing_but_a_member_may_follow_a_member(after: bytes, size: int) -> None:
    with pytest.raises(zlib.error):
        fed(gzip.compress(b"hello") + after, size, 100)


@pytest.mark.parametrize("data", [zlib.compress(b"hello"), b"<html>", b"\x1f\x8b\0\0"])
def test_a_stream_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(zlib.error):
        fed(data, 1, 100)


@pytest.mark.parametrize("missing", [1, 8, 12])
def test_a_stream_that_ends_within_a_member_is_an_error(missing: int) -> None:
    with pytest.raises(zlib.error, match=r"ends within a member|Error -"):
        fed(gzip.compress(b"hello")[:-missing], 3, 100)


def test_an_empty_stream_is_a_stream_of_no_members() -> None:
    decompressor = GzipDecompressor()
    assert decompressor.decompress(b"", 10) == b""
    assert decompressor.flush() == b""


def test_flush_does_not_decompress_what_is_left() -> None:
    decompressor = GzipDecompressor()
    assert decompressor.decompress(gzip.compress(bytes(1_000_000)), 10) == bytes(10)
    with pytest.raises(ValueError, match=r"unconsumed_tail holds \d+ bytes"):
        decompressor.flush()


def test_no_limit_is_deprecated_and_a_negative_one_refused() -> None:
    decompressor = GzipDecompressor()
    with pytest.warns(DeprecationWarning, match="max_length"):
        assert decompressor.decompress(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"
    assert decompressor.unconsumed_tail == b""
    with pytest.raises(ValueError, match="-1"):
        decompressor.decompress(b"", -1)


# -- code and exceptions -----------------------------------------------------------------


def test_exec_in_runs_text_or_code_in_a_namespace() -> None:
    names: dict[str, Any] = {"a": 1}
    exec_in("b = a + 1", names)
    assert names["b"] == 2
    local: dict[str, Any] = {}
    exec_in(compile("c = b", "<test>", "exec"), names, local)
    assert local == {"c": 2}
    with pytest.raises(SyntaxError):
        exec_in("a b", names)


def test_exec_in_takes_no_future_imports_of_its_caller() -> None:
    names: dict[str, Any] = {"exec_in": exec_in, "inner": "def f(x: int): pass"}
    exec_in("from __future__ import annotations\nexec_in(inner, globals())", names)
    assert names["f"].__annotations__ == {"x": int}


def test_raise_exc_info_raises_the_same_exception_with_its_traceback() -> None:
    error = KeyError("a", "b")
    try:
        raise error
    except KeyError:
        info = sys.exc_info()
    with pytest.raises(KeyError) as caught:
        raise_exc_info(info)
    assert caught.value is error
    assert info[2] in [entry._rawentry for entry in caught.traceback]
    with pytest.raises(TypeError, match="no exception"):
        raise_exc_info((None, None, None))


class WithNumber(Exception):
    """Has an attribute of its own."""

    errno = 7


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EPIPE, "broken"), errno.EPIPE),
        (WithNumber(1), 7),
        (ValueError(3, "x"), 3),
        (ValueError("x"), None),
        (ValueError(), None),
        (OSError(), None),
    ],
)
def test_errno_from_exception(error: BaseException, expected: int | None) -> None:
    assert errno_from_exception(error) == expected


@pytest.mark.parametrize("text", ["", "/favicon.ico", "!$@#%; \n", "é\\", "a_b-c"])
def test_re_unescape_undoes_re_escape(text: str) -> None:
    assert re_unescape(re.escape(text)) == text


@pytest.mark.parametrize("pattern", [r"\d", r"a\b", r"\Z", r"\0", r"\\\w"])
def test_re_unescape_refuses_what_re_escape_does_not_make(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot unescape"):
        re_unescape(pattern)


def test_timedelta_to_seconds() -> None:
    assert timedelta_to_seconds(datetime.timedelta(hours=1, milliseconds=1)) == 3600.001


# -- ArgReplacer -------------------------------------------------------------------------


def called(x: int, y: int, callback: Any = None, *, z: int = 0) -> None:
    """A function to be called."""


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "old", "new_args", "new_kwargs"),
    [
        ("callback", (1, 2), {}, None, [1, 2], {"callback": "new"}),
        ("callback", (1, 2, "old"), {"z": 3}, "old", [1, 2, "new"], {"z": 3}),
        ("callback", (1,), {"y": 2, "callback": "old"}, "old", [1], {"y": 2, "callback": "new"}),
        ("z", (1, 2, 3), {"z": 4}, 4, [1, 2, 3], {"z": "new"}),
        ("unknown", (1, 2, 3), {}, None, [1, 2, 3], {"unknown": "new"}),
        ("x", (1, 2), {}, 1, ["new", 2], {}),
    ],
)
def test_an_argument_is_replaced_where_it_was_passed(
    name: str, args: Any, kwargs: Any, old: Any, new_args: Any, new_kwargs: Any
) -> None:
    replacer = ArgReplacer(called, name)
    assert replacer.get_old_value(args, kwargs) == old
    found, changed_args, changed_kwargs = replacer.replace("new", args, kwargs)
    assert (found, list(changed_args), changed_kwargs) == (old, new_args, new_kwargs)


def test_a_missing_argument_has_the_default() -> None:
    assert ArgReplacer(called, "y").get_old_value((1,), {}, "default") == "default"
    assert ArgReplacer(called, "y").arg_pos == 1
    assert ArgReplacer(called, "z").arg_pos is None
