"""The answer of a WSGI application: `start_response`, `write` and the iterable (PEP 3333)."""

import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from toolkit._version import __version__
from toolkit.httputil import HTTPHeaders, date_now
from toolkit.wire.errors import excerpt
from toolkit.wire.grammar import CONTENT_LENGTH, is_field_value, list_items

#: Answers in a list that are small enough to be copied into one piece.
JOINED_SIZE = 64 * 1024

_SERVER = f"toolkit/{__version__}"
#: A final status: an application has no way to go on after an interim one.
_STATUS = re.compile("([2-9][0-9]{2})(?: (.*))?", re.DOTALL)
#: Statuses without content, and those of them which may not even tell of a length.
_BODYLESS = frozenset((204, 205, 304))
_LENGTHLESS = frozenset((204, 205))
#: What only concerns the connection, which is the server's business. Frameworks that pass on
#: what they got from elsewhere set these, so that they are left out rather than refused.
_OF_THE_CONNECTION = frozenset(
    (
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Te",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    )
)

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Head(NamedTuple):
    """Status and headers of an answer, which hold nothing that may not be sent."""

    status: int
    reason: str
    headers: HTTPHeaders


class Output(Protocol):
    """Where an answer goes."""

    def put(self, head: Head | None, data: bytes, end: bool) -> None:
        """Take the next part of the answer.

        Args:
            head: with the first part.
            data: content; may be empty.
            end: whether that was all.
        """


class Answer:
    """Runs an application for one request, and gives what it answers to an output.

    Args:
        method: of the request.

    Attributes:
        complete: whether the output has all of it.
    """

    def __init__(self, method: str, output: Output) -> None:
        self._output = output
        self._is_head = method == "HEAD"
        self._head: Head | None = None
        self._bodyless = False
        self._left: int | None = None  # bytes that Content-Length still allows
        self._started = False
        self.complete = False

    def run(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        """Call the application and pass its answer on, up to the end.

        Raises:
            Exception: whatever the application or its iterable raises.
            RuntimeError, TypeError, ValueError: the application breaks a rule.
        """
        result = application(environ, self.start_response)
        try:
            if type(result) in (list, tuple) and not self._started:
                self._send_known(result)
            else:
                self._send(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(
        self,
        status: str,
        response_headers: Iterable[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Set status and headers; return `write`.

        Raises:
            RuntimeError: they were set before, and there is no `exc_info`.
            TypeError, ValueError, HTTPInputError: they cannot be sent.
            BaseException: that of `exc_info`, when the head has been sent.
        """
        if exc_info is not None:
            try:
                if self._started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this very frame
        elif self._head is not None:
            raise RuntimeError("start_response was called before, and now without exc_info")
        code, reason = _status(status)
        headers = checked_headers(response_headers)
        self._bodyless = self._is_head or code in _BODYLESS
        if code in _LENGTHLESS:
            headers.pop("Content-Length", None)
        self._left = None if self._bodyless else _content_length(headers)
        self._head = Head(code, reason, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """Send a piece of the content, and the head before the first."""
        if not isinstance(data, bytes):
            raise TypeError(f"the application answers {type(data).__name__}; bytes are allowed")
        if self.complete:
            raise RuntimeError("the application writes after the end of its answer")
        if not data:
            return  # the head may still change
        head = self._checked_head()
        if self._left is not None:
            if len(data) > self._left:
                raise RuntimeError(
                    f"the application answers {len(data) - self._left} bytes more than its "
                    f"Content-Length {head.headers['Content-Length']}"
                )
            self._left -= len(data)
        if self._bodyless:
            data = b""
        if not self._started:
            self._started = True
            self._output.put(head, data, False)
        elif data:
            self._output.put(None, data, False)

    def _send(self, pieces: Iterable[bytes]) -> None:
        for data in pieces:
            self.write(data)
            if self._bodyless and self._started:
                break  # whatever follows is for nobody
        self._end()

    def _send_known(self, pieces: Iterable[bytes]) -> None:
        """Send an answer that is all there, and tell its length."""
        pieces = list(pieces)
        head = self._checked_head()
        size = sum(len(piece) for piece in pieces)
        if self._left is not None and size != self._left:
            raise RuntimeError(f"the application answers {size} bytes, told as {self._left}")
        told = "Content-Length" in head.headers
        # An empty answer to HEAD says nothing of what GET would give.
        if not told and head.status not in _BODYLESS and (size or not self._is_head):
            head.headers.put("Content-Length", str(size))
        if size <= JOINED_SIZE or len(pieces) == 1:
            body = b"".join(pieces)
            self._started = True
            self._output.put(head, b"" if self._bodyless else body, True)
            self.complete = True
        else:
            self._send(pieces)

    def _end(self) -> None:
        head = self._checked_head()
        if self._left:
            raise RuntimeError(
                f"the application answers {self._left} bytes less than its Content-Length "
                f"{head.headers['Content-Length']}"
            )
        started, self._started = self._started, True
        self._output.put(None if started else head, b"", True)
        self.complete = True

    def _checked_head(self) -> Head:
        if self._head is None:
            raise RuntimeError("the application answers before it has called start_response")
        return self._head


def _status(status: str) -> tuple[int, str]:
    """Read ``"200 OK"``."""
    if not isinstance(status, str):
        raise TypeError(f"status {status!r:.100}; a str such as '200 OK' is allowed")
    match = _STATUS.fullmatch(status)
    if match is None or not is_field_value(status):
        raise ValueError(f"status {excerpt(status)}; one such as '200 OK', from 200, is allowed")
    return int(match[1]), match[2] or ""


def checked_headers(given: Iterable[tuple[str, str]]) -> HTTPHeaders:
    """Return headers without those of the connection, and with Date and Server.

    Raises:
        TypeError, HTTPInputError: they cannot be sent.
    """
    headers = HTTPHeaders()
    for name, value in given:
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"header {name!r:.50}: {value!r:.50}; both have to be str")
        headers.add(name, value)
    close = "close" in list_items(headers.get("Connection", ""))
    for name in _OF_THE_CONNECTION:
        headers.pop(name, None)
    if close:
        headers.put("Connection", "close")
    if "Date" not in headers:
        headers.put("Date", date_now())
    if "Server" not in headers:
        headers.put("Server", _SERVER)
    return headers


def _content_length(headers: HTTPHeaders) -> int | None:
    """Return the length that an application tells, None when it tells none."""
    value = headers.get("Content-Length")
    if value is None:
        return None
    if not CONTENT_LENGTH.fullmatch(value):
        raise ValueError(f"Content-Length {excerpt(value)}; one number is allowed")
    return int(value)
