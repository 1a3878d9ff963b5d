"""`Recorder` and `ReplayTransport`: what servers once said, said again in tests."""

import base64
import json
import os
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from toolkit.httpclient.content import Content
from toolkit.httpclient.encoding import BytesContent
from toolkit.httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError
from toolkit.httpclient.transport import CallNext, OutgoingRequest, Source, StreamedResponse
from toolkit.httputil import HTTPHeaders
from toolkit.testing.mock_transport import PiecesSource, UnexpectedRequestError, read_body
from toolkit.testing.redaction import Redaction
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Fields
from toolkit.wire.multipart import form_boundary

#: Errors that are recorded, by their names.
ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        ConnectionRefusedError,
        ConnectionResetError,
        BrokenPipeError,
        HTTPStreamClosedError,
        HTTPTimeoutError,
        OSError,
    )
}


class Recorder:
    """A middleware that writes down requests and what is answered.

    Example::

        client = AsyncHTTPClient(force_instance=True, hop_middleware=[Recorder("github.jsonl")])

    Each line of the file is a request with its response, as JSON; it is written when the content
    was read or given up. As ``hop_middleware`` it sees each hop of a redirect, content decoded, and
    no credentials that the client adds. Secrets that `redaction` knows are not written: look
    before you share the file, as it cannot know all.

    Args:
        path: of the file, which begins anew.
        redaction: takes secrets out.
    """

    def __init__(self, path: str | os.PathLike[str], redaction: Redaction | None = None) -> None:
        self._path = Path(path)
        self._redaction = redaction or Redaction()
        self._path.write_text("")

    async def __call__(self, request: OutgoingRequest, call_next: CallNext) -> StreamedResponse:
        """Send a request; errors are recorded too."""
        content = await read_body(request.content)
        entry = {"request": _request_entry(request, content, self._redaction)}
        if isinstance(request.content, Content):
            # It may be one that can be read once.
            kind = request.content.content_type
            request = request.copy()
            request.content = BytesContent(content or b"", kind)
        try:
            response = await call_next(request)
        except tuple(ERRORS.values()) as error:
            name = type(error).__name__
            known = name if name in ERRORS else "OSError"
            self._write(entry | {"error": {"type": known, "message": str(error)}})
            raise
        response.source = _Recorded(response, entry, self)
        return response

    def _write(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def record(
        self, entry: dict[str, Any], response: StreamedResponse, content: bytes, whole: bool
    ) -> None:
        """Write down a response whose content is here; for its source."""
        kind = response.headers.get("Content-Type", "")
        clean = self._redaction.content(content, kind)
        headers = response.headers.copy()
        if whole and content and "Content-Length" in headers:
            # It may have been decoded, or lost its secrets.
            headers["Content-Length"] = str(len(clean))
        self._write(
            entry
            | {
                "response": {
                    "status": response.status,
                    "reason": response.reason,
                    "headers": self._redaction.fields(headers.get_all()),
                    "whole": whole,
                    **_content_entry(clean),
                }
            }
        )


class _Recorded:
    """Content that is written down when it ends."""

    def __init__(
        self, response: StreamedResponse, entry: dict[str, Any], recorder: Recorder
    ) -> None:
        self.trailers: Fields = ()
        self._source: Source = response.source
        self._response = response
        self._entry = entry
        self._recorder = recorder
        self._pieces: list[bytes] = []
        self._done = False

    async def read(self) -> bytes:
        """Return the next piece."""
        piece = await self._source.read()
        if piece:
            self._pieces.append(piece)
        else:
            self.trailers = self._source.trailers
            self._finish(True)
        return piece

    def close(self) -> None:
        """Let go of it."""
        self._source.close()
        self._finish(False)

    def _finish(self, whole: bool) -> None:
        if not self._done:
            self._done = True
            self._recorder.record(self._entry, self._response, b"".join(self._pieces), whole)


class ReplayTransport:
    """A transport that answers from a file that a `Recorder` has written.

    Example::

        transport = ReplayTransport("github.jsonl")
        client = AsyncHTTPClient(force_instance=True, transport=transport)
        ...
        transport.assert_all_used()

    Requests are alike when their method, URL and content are, without secrets. Of several alike
    that were recorded each is used once, in their order.

    Args:
        path: of the file.
        strict: whether requests have to come in the order in which they were recorded. Otherwise
            they may come in any, and the last of those alike may come again.
        redaction: that the recording was made with.
    Raises:
        OSError: the file cannot be read.
        ValueError: it is no recording.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        strict: bool = True,
        redaction: Redaction | None = None,
    ) -> None:
        self._strict = strict
        self._redaction = redaction or Redaction()
        self._order: deque[_Key] = deque()
        self._entries: defaultdict[_Key, deque[tuple[int, dict[str, Any]]]] = defaultdict(deque)
        self._unused: set[int] = set()  # by their lines
        for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
            try:
                entry = json.loads(line)
                key = _key(entry["request"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"line {number} of {os.fspath(path)} is no record") from error
            self._order.append(key)
            self._entries[key].append((number, entry))
            self._unused.add(number)

    async def send(self, request: OutgoingRequest) -> StreamedResponse:
        """Return the response that was recorded, or raise the error that was.

        Raises:
            UnexpectedRequestError: there is none, or it is not the next one.
        """
        content = await read_body(request.content)
        key = _key(_request_entry(request, content, self._redaction))
        if self._strict:
            expected = self._order.popleft() if self._order else None
            if key != expected:
                raise UnexpectedRequestError(
                    f"{_words(key)}; what comes next is {_words(expected)}"
                )
        entries = self._entries.get(key)
        if not entries:
            raise UnexpectedRequestError(f"{_words(key)} was not recorded")
        number, entry = entries[0]
        if self._strict or len(entries) > 1:
            entries.popleft()
        self._unused.discard(number)
        return _replayed(entry, request)

    def assert_all_used(self) -> None:
        """Say that all that was recorded has been asked for.

        Raises:
            AssertionError: it has not.
        """
        if self._unused:
            lines = ", ".join(map(str, sorted(self._unused)))
            raise AssertionError(f"recorded requests that were not made: lines {lines}")

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""


#: What makes requests alike: method, URL, and content as text or base64.
_Key = tuple[str, str, str | None, str | None]


def _key(request: dict[str, Any]) -> _Key:
    return request["method"], request["url"], request.get("text"), request.get("base64")


def _words(key: _Key | None) -> str:
    return "nothing" if key is None else f"{key[0]} {key[1]} with content {key[2] or key[3]!r}"


def _request_entry(
    request: OutgoingRequest, content: bytes | None, redaction: Redaction
) -> dict[str, Any]:
    clean = None
    if content is not None:
        kind = _content_type(request)
        clean = redaction.content(_with_fixed_boundary(content, kind), kind)
    return {
        "method": request.method,
        "url": redaction.url(request.url),
        "headers": redaction.fields(request.headers.get_all()),
        **_content_entry(clean),
    }


def _content_type(request: OutgoingRequest) -> str:
    content = request.content
    usual = content.content_type if isinstance(content, Content) else None
    return request.headers.get("Content-Type", usual or "")


def _with_fixed_boundary(content: bytes, content_type: str) -> bytes:
    """Return a form whose boundary, which is made by chance, is always the same."""
    try:
        return content.replace(form_boundary(content_type), b"boundary")
    except RemoteProtocolError:
        return content  # it is none


def _content_entry(content: bytes | None) -> dict[str, str]:
    if content is None:
        return {}
    try:
        return {"text": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def _replayed(entry: dict[str, Any], request: OutgoingRequest) -> StreamedResponse:
    error = entry.get("error")
    if error is not None:
        raise ERRORS[error["type"]](error["message"])
    found = entry["response"]
    headers = HTTPHeaders()
    for name, value in found["headers"]:
        headers.add(name, value)
    text = found.get("text")
    content = base64.b64decode(found.get("base64", "")) if text is None else text.encode("utf-8")
    pieces: list[bytes | Exception] = [content] if content else []
    if not found["whole"]:
        pieces.append(HTTPStreamClosedError("the recorded response was read up to here"))
    return StreamedResponse(
        request, found["status"], headers, PiecesSource(pieces), found["reason"]
    )
