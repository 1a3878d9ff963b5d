"""How a server hands over what it reads piece by piece, and takes what is to be written.

A native application gets each request as one object and needs none of these. They are for
programs that want the pieces as they come, and are interfaces: methods that have to be there
raise NotImplementedError here, the others do nothing.
"""

from collections.abc import Awaitable

from toolkit.httputil.headers import HTTPHeaders
from toolkit.httputil.start_lines import RequestStartLine, ResponseStartLine


class HTTPConnection:
    """Where a response is written to, or a request by a client.

    The methods are called in this order: `write_headers` once, `write` any number of times,
    `finish` once.
    """

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Awaitable[None]:
        """Write a head.

        Args:
            chunk: the first piece of the content, to be sent in one go with the head.
        Returns:
            What is done once the peer has room for more; it need not be awaited.
        """
        raise NotImplementedError

    def write(self, chunk: bytes) -> Awaitable[None]:
        """Write a piece of the content; the result is that of `write_headers`."""
        raise NotImplementedError

    def finish(self) -> None:
        """Say that the content is whole."""
        raise NotImplementedError


class HTTPMessageDelegate:
    """Takes one request (in a server) or one response (in a client) as it comes in.

    `headers_received` is called once, `data_received` for each piece of the content, and in
    the end either `finish` or `on_connection_close`.
    """

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Take the head; nothing more is read before an awaitable result is done."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a piece of the content; nothing more is read before an awaitable result is done."""

    def finish(self) -> None:
        """Hear that the message is whole."""

    def on_connection_close(self) -> None:
        """Hear that the connection was lost: the message will never be whole, or nobody
        waits for its answer any more."""


class HTTPServerConnectionDelegate:
    """Takes the requests of a server's connections."""

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Return who takes the request that begins.

        Args:
            server_conn: the connection, which may have carried other requests before.
            request_conn: where to write the answer.
        """
        raise NotImplementedError

    def on_close(self, server_conn: object) -> None:
        """Hear that a connection is closed, after its last request."""
