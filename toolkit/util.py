"""Small things that several floors need: configurable classes, lazy attributes, imports by name."""

import builtins
import importlib
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

bytes_type = bytes
unicode_type = str
basestring_type = str

#: The error of every time-out in the toolkit; the same class as the built-in one.
TimeoutError = builtins.TimeoutError

_T = TypeVar("_T")


class ObjectDict(dict[str, Any]):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class lazy(Generic[_T]):
    """An attribute that is made on first use and then stays, or is set like any other.

    Unlike `functools.cached_property` it takes no lock, which on Python 3.11 costs more
    than most of what is cached per request.
    """

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Any, owner: type) -> _T: ...
    def __get__(self, instance: Any, owner: type) -> Self | _T:
        if instance is None:
            return self
        value = self.make(instance)
        instance.__dict__[self.name] = value
        return value


def import_object(name: str) -> Any:
    """Import ``"package.module.attribute"`` or a module by its dotted name.

    Raises:
        ImportError: no such module or attribute.
    """
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        return importlib.import_module(name)
    module = importlib.import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        pass
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ImportError(f"No module named {attribute!r} in {module_name!r}") from None


def _initialize(self: "Configurable") -> None:
    """Stand for the initializer that a subclass gives."""


class Configurable:
    """An interface whose constructor makes an instance of a chosen implementation.

    A subclass names itself in `configurable_base` and its usual implementation in
    `configurable_default`; a program chooses another, or default keyword arguments, with
    `configure`. Arguments go to ``initialize`` instead of ``__init__``.
    """

    initialize: Callable[..., None] = _initialize

    # Kept on the base alone: the chosen class and keyword arguments.
    __impl_class: type["Configurable"] | None = None
    __impl_kwargs: dict[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        base = cls.configurable_base()
        impl = cls
        if cls is base:
            impl = cls.configured_class()
            kwargs = {**(base.__impl_kwargs or {}), **kwargs}
        if impl.configurable_base() is not base:
            # The implementation is configurable in its own turn.
            return impl(*args, **kwargs)
        instance = super().__new__(impl)
        instance.initialize(*args, **kwargs)
        return instance

    @classmethod
    def configurable_base(cls) -> type["Configurable"]:
        """Return the class at the root of the choice."""
        raise NotImplementedError

    @classmethod
    def configurable_default(cls) -> type["Configurable"]:
        """Return the implementation when none was chosen."""
        raise NotImplementedError

    @classmethod
    def configure(cls, impl: "str | type[Configurable] | None", **kwargs: Any) -> None:
        """Choose the implementation and its default keyword arguments.

        Args:
            impl: a subclass, its dotted name, or None for the default.
        Raises:
            ValueError: not a subclass.
        """
        base = cls.configurable_base()
        if isinstance(impl, str):
            impl = import_object(impl)
        if impl is not None and not (isinstance(impl, type) and issubclass(impl, cls)):
            raise ValueError(f"Invalid subclass of {cls}: {impl!r}")
        base.__impl_class = impl
        base.__impl_kwargs = kwargs

    @classmethod
    def configured_class(cls) -> type["Configurable"]:
        """Return the implementation that the constructor will use."""
        base = cls.configurable_base()
        if base.__dict__.get("_Configurable__impl_class") is None:
            base.__impl_class = cls.configurable_default()
        assert base.__impl_class is not None
        return base.__impl_class
