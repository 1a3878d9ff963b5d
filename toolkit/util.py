"""Small things that several floors need: configurable classes, gzip, imports by name."""

import builtins
import datetime
import importlib
import inspect
import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar, overload

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
        make = self.make
        value = make(instance)
        # By way of `__dict__` all further looks at the instance would take longer (CPython 3.11).
        setattr(instance, self.name, value)
        return value


class GzipDecompressor:
    """Decompresses a gzip stream of one or more members as it comes in.

    Feed each chunk to `decompress`, and what is then in `unconsumed_tail` again, until that is
    empty; call `flush` at the end of the input::

        while chunk:
            output += decompressor.decompress(chunk, max_length)
            chunk = decompressor.unconsumed_tail

    RFC 1952 §2.2
    """

    def __init__(self) -> None:
        # None between two members, and before the first.
        self._member: zlib._Decompress | None = None
        self._tail = b""

    def decompress(self, value: bytes, max_length: int = 0) -> bytes:
        """Return what can be decompressed, at most `max_length` bytes.

        A call returns bytes or consumes some, so that feeding the tail again comes to an end.

        Args:
            value: the tail of the last call, or the next chunk if there is none.
            max_length: positive; 0 sets no limit, which is deprecated because a thousand bytes
                may become a million.
        Raises:
            zlib.error: not gzip.
            ValueError: `max_length` is negative.
        """
        if max_length > 0:
            return self._step(value, max_length)
        if max_length < 0:
            raise ValueError(f"max_length must not be negative: {max_length}")
        warnings.warn("decompress without max_length is deprecated", DeprecationWarning, 2)
        output = []
        while value:
            output.append(self._step(value, 0))
            value = self._tail
        return b"".join(output)

    def _step(self, value: bytes, max_length: int) -> bytes:
        """Decompress up to the limit or the end of the member."""
        self._tail = b""
        if not value:
            return b""
        if self._member is None:
            self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)  # 16: gzip and nothing else
        output = self._member.decompress(value, max_length)
        if self._member.eof:
            self._tail = self._member.unused_data
            self._member = None
        else:
            self._tail = self._member.unconsumed_tail
        return output

    @property
    def unconsumed_tail(self) -> bytes:
        """What the last call left over, to be passed to `decompress` again."""
        return self._tail

    def flush(self) -> bytes:
        """Check that the input ended where a member does; return ``b""``.

        Raises:
            zlib.error: it ended within a member.
            ValueError: `unconsumed_tail` is not empty.
        """
        if self._tail:
            raise ValueError(f"unconsumed_tail holds {len(self._tail)} bytes to be decompressed")
        if self._member is not None:
            raise zlib.error("the gzip stream ends within a member")
        return b""


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


def exec_in(
    code: str | CodeType, glob: dict[str, Any], loc: Mapping[str, Any] | None = None
) -> None:
    """Run code in a namespace; ``from __future__`` imports of the caller do not apply to it."""
    if isinstance(code, str):
        code = compile(code, "<string>", "exec", dont_inherit=True)
    exec(code, glob, loc)


def raise_exc_info(
    exc_info: tuple[type | None, BaseException | None, TracebackType | None],
) -> NoReturn:
    """Raise what `sys.exc_info` returned, with its traceback.

    Raises:
        TypeError: there is no exception in it.
    """
    try:
        if exc_info[1] is None:
            raise TypeError("raise_exc_info called with no exception")
        raise exc_info[1].with_traceback(exc_info[2])
    finally:
        # The traceback holds this frame, and the frame would hold the traceback.
        del exc_info


def errno_from_exception(e: BaseException) -> int | None:
    """Return the error number of an exception: its ``errno``, or else its first argument."""
    number = getattr(e, "errno", None)
    if number is None and e.args:
        number = e.args[0]
    return number if isinstance(number, int) else None


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    char = match[1]
    if char.isascii() and char.isalnum():
        raise ValueError(f"cannot unescape {match[0]!r}: re.escape makes no such thing")
    return char


def re_unescape(s: str) -> str:
    """Return the text that `re.escape` made into `s`.

    Raises:
        ValueError: `re.escape` makes no such thing, as ``\\d``.
    """
    return _ESCAPED.sub(_unescaped, s)


def timedelta_to_seconds(td: datetime.timedelta) -> float:
    """Return the length of a span in seconds."""
    return td.total_seconds()


class ArgReplacer:
    """Finds and replaces one argument of a call, be it passed by position or by name.

    Args:
        func: the function that will be called.
        name: which of its arguments.
    Raises:
        TypeError: the function has no signature that Python can read.
    """

    def __init__(self, func: Callable[..., Any], name: str) -> None:
        self.name = name
        try:
            self.arg_pos: int | None = inspect.getfullargspec(func).args.index(name)
        except ValueError:
            self.arg_pos = None  # by name alone

    def get_old_value(
        self, args: Sequence[Any], kwargs: dict[str, Any], default: Any = None
    ) -> Any:
        """Return the argument as it was passed; the default if it was not."""
        if self.arg_pos is not None and len(args) > self.arg_pos:
            return args[self.arg_pos]
        return kwargs.get(self.name, default)

    def replace(
        self, new_value: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """Return the old value or None, and arguments that have the new value in its place."""
        old_value = self.get_old_value(args, kwargs)
        if self.arg_pos is not None and len(args) > self.arg_pos:
            return old_value, [*args[: self.arg_pos], new_value, *args[self.arg_pos + 1 :]], kwargs
        return old_value, args, {**kwargs, self.name: new_value}


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
