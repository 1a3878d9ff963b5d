"""`ExpectLog`: swallows log records that a test expects."""

import logging
import re
import warnings
from types import TracebackType
from typing import Self


class ExpectLog(logging.Filter):
    """A context in which a record is expected, and does not reach the handlers.

    Example::

        with ExpectLog("toolkit.application", "Uncaught exception"):
            ...

    Args:
        logger: it or its name; "" is the root logger, which sees only its own records.
        regex: what the message begins with.
        required: whether the context fails when there is no such record.
        level: the one that the record has to have. The logger's own is lowered for it.

    Attributes:
        matched: whether the record came.
        logged_stack: whether any record of the logger had a traceback.
    """

    def __init__(
        self,
        logger: logging.Logger | str,
        regex: str,
        required: bool = True,
        level: int | None = None,
    ) -> None:
        super().__init__()
        self.logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.regex = re.compile(regex)
        self.required = required
        self.level = level
        self.matched = False
        self.deprecated_level_matched = 0
        self.logged_stack = False
        self.orig_level: int | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record goes on to the handlers: when it is not the expected one."""
        if record.exc_info:
            self.logged_stack = True
        if self.level is not None and record.levelno != self.level:
            return True
        if not self.regex.match(record.getMessage()):
            return True
        if self.level is None and record.levelno < logging.WARNING:
            self.deprecated_level_matched += 1
        self.matched = True
        return False

    def __enter__(self) -> Self:
        if self.level is not None and self.level < self.logger.getEffectiveLevel():
            self.orig_level = self.logger.level
            self.logger.setLevel(self.level)
        self.logger.addFilter(self)
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self.orig_level is not None:
            self.logger.setLevel(self.orig_level)
            self.orig_level = None
        self.logger.removeFilter(self)
        if typ is not None:
            return
        if self.required and not self.matched:
            raise AssertionError(
                f"no log record of {self.logger.name!r} matched {self.regex.pattern!r}"
            )
        if self.required and self.deprecated_level_matched:
            warnings.warn(
                "ExpectLog matched a record below WARNING; give it the level",
                DeprecationWarning,
                stacklevel=2,
            )
