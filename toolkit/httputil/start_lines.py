"""The first lines of requests and responses."""

import re
from typing import NamedTuple

from toolkit.httputil.errors import HTTPInputError
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.grammar import is_field_value
from toolkit.wire.http1 import REASONS
from toolkit.wire.http1.parser import parse_request_line

#: Reason phrases by status.
responses = REASONS

_STATUS_LINE = re.compile(r"(HTTP/1\.[0-9]) ([0-9]{3}) (.*)")


class RequestStartLine(NamedTuple):
    """Method, target and version of a request."""

    method: str
    path: str
    version: str


class ResponseStartLine(NamedTuple):
    """Version, status code and reason of a response."""

    version: str
    code: int
    reason: str


def parse_request_start_line(line: str) -> RequestStartLine:
    """Read a request line, without its CRLF.

    >>> parse_request_start_line("GET /foo HTTP/1.1")
    RequestStartLine(method='GET', path='/foo', version='HTTP/1.1')

    Raises:
        HTTPInputError: not a method, a target and a version 1.x with one space between.

    RFC 9112 §3
    """
    _refuse_controls(line)
    try:
        method, target, _ = parse_request_line(line)
    except RemoteProtocolError as error:
        raise HTTPInputError(str(error)) from None
    if not target or "\t" in target:
        raise HTTPInputError(f"target {excerpt(target)} in request line {excerpt(line)}")
    # As it was sent: the machine that serves it speaks 1.1 to all minor versions to come.
    return RequestStartLine(method, target, line.rpartition(" ")[2])


def parse_response_start_line(line: str) -> ResponseStartLine:
    """Read a status line, without its CRLF; the reason may be empty.

    >>> parse_response_start_line("HTTP/1.1 200 OK")
    ResponseStartLine(version='HTTP/1.1', code=200, reason='OK')

    Raises:
        HTTPInputError: not a version 1.x, three digits and a reason with one space between.

    RFC 9112 §4
    """
    _refuse_controls(line)
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise HTTPInputError(f"status line {excerpt(line)}; 'HTTP/1.1 200 OK' is allowed")
    return ResponseStartLine(match[1], int(match[2]), match[3])


def _refuse_controls(line: str) -> None:
    if not is_field_value(line):
        raise HTTPInputError(f"start line {excerpt(line)} holds a control character")
