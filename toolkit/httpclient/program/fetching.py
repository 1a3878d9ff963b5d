"""Fetching what the command line asks for."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from toolkit.httpclient.download import download
from toolkit.httpclient.encoding import Reported
from toolkit.httpclient.errors import HTTPClientError
from toolkit.httpclient.program.arguments import (
    UsageError,
    checked,
    method,
    parser,
    request_arguments,
    targets,
)
from toolkit.httpclient.program.exits import (
    INTERRUPTED,
    REDIRECTS,
    STATUS,
    SUCCESS,
    USAGE,
    WriteFileError,
    exit_code,
)
from toolkit.httpclient.program.progress import progress_bar
from toolkit.httpclient.redirects import REDIRECTS as REDIRECTING
from toolkit.httpclient.retry import Retry
from toolkit.httpclient.simple import SimpleAsyncHTTPClient
from toolkit.httpclient.trace import Trace
from toolkit.httpclient.transport import OutgoingRequest, StreamedResponse
from toolkit.ioloop import run

#: Bytes of a response: as many as come, since they are not kept.
NO_LIMIT = 1 << 62
#: What is wrong with a file, and not with the network.
_LOCAL = (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the URLs of a command line, and return the exit code; `exits.MEANINGS` has all.

    Args:
        arguments: those of the process unless given, without the name of the program.
    Raises:
        SystemExit: the command line makes no sense, or asks for help.
    """
    known = parser()
    try:
        given = checked(known.parse_args(arguments))
        jobs = list(targets(given))
        described = request_arguments(given)
    except UsageError as error:
        print(f"toolkit fetch: {error}", file=sys.stderr)
        return USAGE
    except Exception as error:
        return _failed(error, given.silent)
    try:
        return run(_fetch_all(given, jobs, described))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _fetch_all(
    given: argparse.Namespace, jobs: list[tuple[str, Path | None]], described: dict[str, Any]
) -> int:
    """Fetch one after the other; the code of the first that failed is that of all."""
    code = SUCCESS
    client = SimpleAsyncHTTPClient(
        force_instance=True,
        max_body_size=NO_LIMIT,
        max_decoded_ratio=None,
        trust_env=given.proxy is None,
        middleware=[Retry(given.retry + 1)] if given.retry else [],
        traces=[Verbose()] if given.verbose else [],
    )
    async with client:
        for url, path in jobs:
            try:
                found = await _Job(client, given, url, path, described).run()
            except Exception as error:
                found = _failed(error, given.silent)
            code = code or found
    return code


def _failed(error: Exception, silent: bool) -> int:
    """Say what went wrong, and return the exit code."""
    if not silent:
        what = str(error) or type(error).__name__
        print(f"toolkit fetch: {what}", file=sys.stderr)
    return exit_code(error)


class _Job:
    """One URL to be fetched.

    Args:
        path: of the file that it goes to; None for standard output.
        described: arguments of the request.
    """

    def __init__(
        self,
        client: SimpleAsyncHTTPClient,
        given: argparse.Namespace,
        url: str,
        path: Path | None,
        described: dict[str, Any],
    ) -> None:
        self._client = client
        self._given = given
        self._url = url
        self._path = path
        self._described = described

    async def run(self) -> int:
        """Fetch it, and return the exit code."""
        if self._path is not None and not (self._given.include or self._given.head):
            return await self._download(self._path)
        described, content = self._described, self._described["content"]
        large = self._given.form or self._given.upload_file
        with contextlib.ExitStack() as stack:
            if content is not None and large:
                bar = stack.enter_context(progress_bar("upload", self._given.silent))
                described = described | {"content": Reported(content, bar)}
            output = sys.stdout.buffer
            if self._path is not None:
                output = stack.enter_context(_opened(self._path))
            return await self._print(described, output)

    async def _download(self, path: Path) -> int:
        given = self._given
        with progress_bar(path.name, given.silent) as bar:
            try:
                done = await download(
                    self._client,
                    self._url,
                    path,
                    method=method(given),
                    resume=given.continue_at is not None,
                    progress=bar,
                    **self._described,
                )
            except HTTPClientError as error:
                if error.code == 599:
                    raise
                return self._refused(error.code, str(error))
            except _LOCAL as error:
                raise WriteFileError(str(error)) from error
        return self._verdict(done.response)

    def _refused(self, status: int, message: str) -> int:
        """Say that there is no file, since the status is no success."""
        if not self._given.silent:
            print(f"toolkit fetch: {message}; nothing was written", file=sys.stderr)
        return REDIRECTS if self._given.location and status in REDIRECTING else STATUS

    async def _print(self, described: dict[str, Any], output: BinaryIO) -> int:
        given = self._given
        async with self._client.stream(method(given), self._url, **described) as response:
            failed = given.fail and response.status >= 400
            if given.include or given.head:
                for each in (*response.history, response):
                    _write(output, head_text(each).encode("latin-1"))
            if not failed:
                async for piece in response:
                    _write(output, piece)
            return self._verdict(response)

    def _verdict(self, response: StreamedResponse) -> int:
        """Return the exit code for a response."""
        given = self._given
        if given.location and response.status in REDIRECTING and "Location" in response.headers:
            return self._complain(f"more than {given.max_redirs} redirects", REDIRECTS)
        if given.fail and response.status >= 400:
            return self._complain(f"HTTP {response.status}: {response.reason}", STATUS)
        return SUCCESS

    def _complain(self, message: str, code: int) -> int:
        if not self._given.silent:
            print(f"toolkit fetch: {message}", file=sys.stderr)
        return code


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise WriteFileError(str(error)) from error


def _write(output: BinaryIO, data: bytes) -> None:
    """Write to the output, which takes it as fast as it likes: nothing else is to be done."""
    try:
        output.write(data)
        output.flush()
    except OSError as error:
        raise WriteFileError(str(error)) from error


def head_text(response: StreamedResponse) -> str:
    """Return the head of a response, as it stands on the wire."""
    lines = [f"{response.http_version} {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.get_all()]
    return "\r\n".join([*lines, "", ""])


class Verbose(Trace):
    """Says on standard error what happens."""

    def connected(self, request: OutgoingRequest) -> None:
        """A connection was made for the request."""
        self._say(f"* connected to {request.target.origin.authority}")

    def secured(self, request: OutgoingRequest) -> None:
        """TLS was agreed on."""
        self._say("* TLS was agreed on")

    def reused(self, request: OutgoingRequest) -> None:
        """A connection was taken again."""
        self._say(f"* connection to {request.target.origin.authority} is used again")

    def sent(self, request: OutgoingRequest) -> None:
        """The request was sent."""
        self._say(f"> {request.method} {request.target.path} HTTP/1.1")
        for name, value in request.headers.get_all():
            # Whoever sees the screen need not know them.
            secret = name in ("Authorization", "Proxy-Authorization", "Cookie")
            self._say(f"> {name}: {'...' if secret else value}")
        self._say(">")

    def redirected(self, request: OutgoingRequest, response: StreamedResponse) -> None:
        """A response redirects."""
        self._head(response)
        self._say(f"* goes on to {request.url}")

    def ended(
        self,
        request: OutgoingRequest,
        response: StreamedResponse | None,
        error: BaseException | None,
    ) -> None:
        """The head of the response is there, or an error."""
        if response is not None:
            self._head(response)

    def _head(self, response: StreamedResponse) -> None:
        for line in head_text(response).split("\r\n")[:-1]:
            self._say(f"< {line}".rstrip())

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr)
