"""`HTTPResponse`."""

from io import BytesIO

from toolkit.httpclient.errors import HTTPClientError
from toolkit.httpclient.request import EffectiveRequest, HTTPRequest
from toolkit.httputil import HTTPHeaders, responses


class HTTPResponse:
    """The response to a request.

    Attributes:
        request: the HTTPRequest that was fetched.
        code: status, such as 200 or 404; 599 where there was no response.
        reason: phrase of the status line.
        headers: HTTPHeaders.
        effective_url: where the response came from, after redirects.
        buffer: the body as a file.
        error: why `rethrow` raises; None for a success.
        request_time: seconds from the start to the end, of the last one where redirects were
            followed, without the time that it waited for its turn.
        start_time: when it started, as of `time.time`; None when it never did.
        time_info: seconds by name. ``"queue"`` is the time that the request waited for its
            turn; ``"connect"``, ``"starttransfer"`` and ``"total"`` count from `start_time`
            on until there was a connection, a head of a response, and all of it.
    """

    error: BaseException | None = None
    request: HTTPRequest

    def __init__(
        self,
        request: HTTPRequest | EffectiveRequest,
        code: int,
        headers: HTTPHeaders | None = None,
        buffer: BytesIO | None = None,
        effective_url: str | None = None,
        error: BaseException | None = None,
        request_time: float | None = None,
        time_info: dict[str, float] | None = None,
        reason: str | None = None,
        start_time: float | None = None,
    ) -> None:
        self.request = request.request if isinstance(request, EffectiveRequest) else request
        self.code = code
        self.reason = reason or responses.get(code, "Unknown")
        self.headers = HTTPHeaders() if headers is None else headers
        self.buffer = buffer
        self.effective_url = self.request.url if effective_url is None else effective_url
        self.request_time = request_time
        self.start_time = start_time
        self.time_info = time_info or {}
        self._body: bytes | None = None
        #: Whether there is a response that `fetch` may return instead of raising `error`.
        self.answered = error is None
        if error is None and not 200 <= code < 300:
            error = HTTPClientError(code, message=self.reason, response=self)
        self.error = error

    @property
    def body(self) -> bytes:
        """The body; empty when there is none, or a `streaming_callback` got it."""
        if self.buffer is None:
            return b""
        if self._body is None:
            self._body = self.buffer.getvalue()
        return self._body

    def rethrow(self) -> None:
        """Raise `error`, if there is one.

        Raises:
            HTTPClientError: a code that is not a success.
            Exception: what else the request failed by.
        """
        if self.error is not None:
            raise self.error

    def __repr__(self) -> str:
        names = ("code", "effective_url", "error", "reason", "request_time", "start_time")
        seen = ",".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"HTTPResponse({seen},headers={dict(self.headers)!r},request={self.request!r})"
