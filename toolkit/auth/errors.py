"""What a login raises when it fails."""

from toolkit.httpclient import HTTPClientError, HTTPResponse


class AuthError(Exception):
    """A login that failed: the provider refused it, or what came back is not to be believed.

    Attributes:
        error: code that the provider gave, such as ``"access_denied"``; "" without one.
        description: its words for people to read; "" without any. They may come from anybody
            who can make up a URL, so they must be escaped where they are shown.
    """

    def __init__(self, *args: object, error: str = "", description: str = "") -> None:
        super().__init__(*args)
        self.error = error
        self.description = description


class AuthHTTPError(AuthError, HTTPClientError):
    """The provider answered a request of a login with a code that is no success.

    It is an `HTTPClientError` too, with its `code`, `message` and `response`.
    """

    def __init__(
        self,
        text: str,
        code: int = 599,
        message: str | None = None,
        response: HTTPResponse | None = None,
        error: str = "",
        description: str = "",
    ) -> None:
        HTTPClientError.__init__(self, code, message, response)
        # A response knows its request, which holds secrets; arguments are shown in reports.
        self.args = (text,)
        self.error = error
        self.description = description

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        return f"AuthHTTPError({self.args[0]!r})"
