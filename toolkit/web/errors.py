"""What handlers raise to end a request."""

from collections.abc import Callable, Mapping
from typing import Any

from toolkit.httputil import responses


class HTTPError(Exception):
    """Ends the request with an error response.

    Args:
        status_code: of the response.
        log_message: for the log alone; ``%`` fields take `args`.
        reason: phrase of the status line; the usual one when None.
    """

    def __init__(
        self, status_code: int = 500, log_message: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(status_code, log_message, *args)
        self.status_code = status_code
        self._log_message = log_message
        self.args = args
        self.reason: str | None = kwargs.get("reason")

    @property
    def log_message(self) -> str | None:
        """The message as it was given; None when there is none."""
        return self._log_message

    def get_message(self, translate: Callable[[str], str] = str) -> str | None:
        """Return the message with its arguments filled in; None when there is none.

        Args:
            translate: applied to the message before, such as ``self.locale.translate`` where
                a page shows the user what was wrong with a form.
        """
        if self._log_message is None:
            return None
        message = translate(self._log_message)
        return message % self.args if self.args else message

    def __str__(self) -> str:
        reason = self.reason or responses.get(self.status_code, "Unknown")
        text = f"HTTP {self.status_code}: {reason}"
        message = self.get_message()
        return f"{text} ({message})" if message else text


class Finish(Exception):
    """Ends the request with what was written so far; an argument is written before."""


class MissingArgumentError(HTTPError):
    """A required argument is missing: status 400.

    Attributes:
        arg_name: of the argument.
    """

    def __init__(self, arg_name: str) -> None:
        super().__init__(400, f"Missing argument {arg_name}")
        self.arg_name = arg_name

    def get_message(self, translate: Callable[[str], str] = str) -> str:
        """Return ``Missing argument %s`` with the name filled in."""
        return translate("Missing argument %s") % self.arg_name


def find_error_handler(
    handlers: Mapping[type[BaseException] | int, Callable[..., Any]], error: BaseException
) -> Callable[..., Any] | None:
    """Return the function that answers for an error, None without one.

    Args:
        handlers: the setting ``error_handlers``: functions by class of exceptions or by status.

    The status of an `HTTPError` goes first, then the class closest to the error's own; an
    error that is no HTTPError has the status 500.
    """
    if isinstance(error, HTTPError) and error.status_code in handlers:
        return handlers[error.status_code]
    for kind in type(error).__mro__:
        if kind in handlers:
            return handlers[kind]
    return None if isinstance(error, HTTPError) else handlers.get(500)
