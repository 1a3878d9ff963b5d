"""Headers of answers as field lines: which go the short way, and which are remembered."""

from typing import Any

import pytest

from tests.asgi.apps import answering
from tests.http.client import Serve
from toolkit.asgi import ASGIContainer
from toolkit.asgi.lines import LONGEST, Lines, lines_of
from toolkit.wire.errors import LocalProtocolError

TEXT = (b"Content-Type", b"text/plain")


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        ((), (b"", -1)),
        ((TEXT, (b"x-own", b"\xe9")), (b"content-type: text/plain\r\nx-own: \xe9\r\n", -1)),
        ((TEXT, (b"Content-Length", b"05")), (b"content-type: text/plain\r\n", 5)),
        (((b"content-length", b"5"), (b"content-length", b"5")), None),
        (((b"content-length", b"-5"),), None),
        (((b"content-length", b"\xb2"),), None),
        (((b"content-length", b"1" * 19),), None),
        (((b"content-length", b""),), None),
        (((b"transfer-encoding", b"chunked"),), None),
        (((b"connection", b"close"),), None),
        (((b"Date", b"today"),), None),
        (((b"server", b"own"),), None),
        (((b"x own", b"1"),), None),
        (((b"x-own", b"1\r\nx-more: 2"),), None),
        (((b"x-own", b"1\0"),), None),
        (([b"x-own", b"1"],), None),
    ],
)
def test_plain_headers_alone_are_taken_as_lines(
    headers: Any, lines: tuple[bytes, int] | None
) -> None:
    for _ in range(2):
        found = lines_of(headers)
        assert (found and (found.raw, found.length)) == lines


@pytest.mark.parametrize(
    ("length", "status", "size", "start"),
    [
        (-1, 200, 5, b"HTTP/1.1 200 OK\r\nx: 1\r\ndate: "),
        (5, 404, 5, b"HTTP/1.1 404 Not Found\r\nx: 1\r\ndate: "),
        (5, 200, 4, None),
        (-1, 204, 0, None),
        (-1, 299, 0, None),
    ],
)
def test_a_usual_head_comes_whole(length: int, status: int, size: int, start: bytes | None) -> None:
    """The same as long as status, length and second are."""
    lines = Lines((), b"x: 1\r\n", length)
    assert lines.head(500, max(length, 0)) is not None
    head = lines.head(status, size)
    assert lines.head(status, size) is head
    if start is None:
        assert head is None
    else:
        assert head is not None
        assert head.startswith(start)
        assert head.endswith(b"\r\nContent-Length: %d\r\n\r\n" % size)


@pytest.mark.parametrize(
    ("header", "remembered"),
    [
        (TEXT, True),
        ((b"x-long", b"x" * LONGEST), False),
        ((b"set-cookie", b"secret=1"), False),
        ((b"ETag", b'"1"'), False),
    ],
)
def test_what_is_one_clients_own_is_not_remembered(
    header: tuple[bytes, bytes], remembered: bool
) -> None:
    assert (lines_of((header,)) is lines_of((header,))) is remembered


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ((b"x-own", b"1\r\nx-more: 2"), LocalProtocolError),
        ((b"x own", b"1"), LocalProtocolError),
        ((b"content-length", b"4"), LocalProtocolError),
        ((b"content-length", b"6"), LocalProtocolError),
        (("x-own", "1"), AttributeError),
    ],
)
async def test_headers_that_may_not_be_sent_are_refused_each_time(
    serve: Serve, header: Any, error: type[Exception]
) -> None:
    """The application is told, and what has not begun is answered by the server."""
    errors = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await answering(b"hello", headers=[header])(scope, receive, send)
        except (LocalProtocolError, AttributeError) as refused:
            errors.append(type(refused))

    site = serve(ASGIContainer(app, lifespan="off"))
    for _ in range(2):
        assert (await site.get("/")).status == 500
    assert errors == [error, error]
