"""What the HTTP client raises."""

from typing import TYPE_CHECKING

from toolkit.httputil import responses

if TYPE_CHECKING:
    from toolkit.httpclient.response import HTTPResponse


class HTTPClientError(Exception):
    """A request that failed, or was answered with a code that is not a success.

    Attributes:
        code: of the response; 599 where there was none.
        message: the reason.
        response: the HTTPResponse, None where there was none.
    """

    def __init__(
        self,
        code: int,
        message: str | None = None,
        response: "HTTPResponse | None" = None,
    ) -> None:
        self.code = code
        self.message = message or responses.get(code, "Unknown")
        self.response = response
        super().__init__(code, message, response)

    def __str__(self) -> str:
        return f"HTTP {self.code}: {self.message}"

    # An error shows its arguments, the last of which is a response that has the error in it.
    __repr__ = __str__


HTTPError = HTTPClientError


class HTTPTimeoutError(HTTPClientError):
    """A request that took too long; code 599."""

    def __init__(self, message: str) -> None:
        super().__init__(599, message=message)
        self.args = (message,)  # what a copy is made from

    def __str__(self) -> str:
        return self.message or "Timeout"


class HTTPStreamClosedError(HTTPClientError):
    """A request whose connection ended before the response; code 599."""

    def __init__(self, message: str) -> None:
        super().__init__(599, message=message)
        self.args = (message,)  # what a copy is made from

    def __str__(self) -> str:
        return self.message or "Stream closed"
