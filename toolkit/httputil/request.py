"""`HTTPServerRequest`: one request as a handler sees it."""

import re
import time
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any, Self

from toolkit.httputil.forms import HTTPFile, parse_body_arguments, parse_query
from toolkit.httputil.headers import HTTPHeaders
from toolkit.httputil.start_lines import RequestStartLine
from toolkit.httputil.urls import split_host_and_port
from toolkit.util import lazy
from toolkit.wire.cookies import parse_cookie
from toolkit.wire.events import RequestHead

_new = object.__new__


class HTTPServerRequest:
    """One request as a handler sees it.

    Those that a server makes read what the client sent when it is first asked for; what is
    malformed is an error then.

    Example of one made by hand, for a test of a handler::

        HTTPServerRequest(start_line=RequestStartLine("GET", "/?a=1", "HTTP/1.1"))

    Attributes:
        method, uri, version: from the start line; `uri` is the path with its query also when
            the client sent an absolute URL.
        path, query: the parts of `uri`.
        headers: HTTPHeaders.
        body: the whole content as bytes; empty when it is streamed.
        host, host_name: authority that is asked for, as a trusted proxy says or else the
            client, and the same without port, lower case.
        remote_ip: the client's address as text; "" for a Unix socket, None for a request
            that came over no connection.
        protocol: ``"http"`` or ``"https"``.
        query_arguments, body_arguments, arguments: lists of bytes by name, the last of both.
        files: lists of HTTPFile by name.
        cookies: a Morsel by name, of the cookies whose names `http.cookies` allows.
        connection: the `HTTPConnection` that the answer goes through; a server's own is an
            `Exchange`.
        server_connection: the connection of the server, which may carry other requests too.

    Raises:
        HTTPInputError: the query has more fields than allowed (`ParseUrlEncodedConfig`).
    """

    method: str
    uri: str
    path: str
    query: str

    def __init__(
        self,
        method: str | None = None,
        uri: str | None = None,
        version: str = "HTTP/1.0",
        headers: HTTPHeaders | None = None,
        body: bytes | None = None,
        host: str | None = None,
        files: dict[str, list[HTTPFile]] | None = None,
        connection: Any = None,
        start_line: RequestStartLine | None = None,
        server_connection: object | None = None,
    ) -> None:
        if start_line is not None:
            method, uri, version = start_line
        self.method = method or "GET"
        self.uri = uri or "/"
        self.version = version
        self._headers = headers if headers is not None else HTTPHeaders()
        self.body = body or b""
        context = getattr(connection, "context", None)
        said = host or getattr(context, "host", "")
        self.host = said or self.headers.get("Host") or "127.0.0.1"
        if files is not None:
            self.files = files
        self.connection = connection
        self.server_connection = server_connection
        self.remote_ip = getattr(context, "remote_ip", None)
        self.protocol = getattr(context, "protocol", "http")
        self._start_time = time.time()
        self.path, _, self.query = self.uri.partition("?")
        self.query_arguments = parse_query(self.query)

    @classmethod
    def received(cls, head: RequestHead, connection: Any) -> Self:
        """Make the request of a head that was just read; the rest is made when asked for.

        Args:
            connection: its ``context`` has ``remote_ip``, ``protocol`` and ``host``, which is
                "" unless a trusted proxy said it.
        """
        request = _new(cls)
        request._head = head
        request._headers = request._query_arguments = None
        request.method = head.method
        request.uri = uri = head.target if head.target[0] == "/" else _origin_form(head)
        request.path, _, request.query = uri.partition("?")
        request.body = b""
        request.connection = connection
        request._start_time = time.time()
        return request

    _head: RequestHead
    _headers: HTTPHeaders | None
    _query_arguments: dict[str, list[bytes]] | None

    def has_header(self, name: str) -> bool:
        """Say whether a header was sent, without making `headers` if they are not there yet.

        Args:
            name: in lower case.
        """
        headers = self._headers
        return self._head.has(name) if headers is None else name in headers

    def has_any_header(self, names: frozenset[str]) -> bool:
        """Say whether one of some headers was sent; names as of `has_header`."""
        headers = self._headers
        if headers is None:
            return not self._head.names.isdisjoint(names)
        return any(name in headers for name in names)

    @lazy
    def version(self) -> str:
        return self._head.version

    @property
    def headers(self) -> HTTPHeaders:
        headers = self._headers
        if headers is None:
            self._headers = headers = HTTPHeaders.received(self._head.fields)
        return headers

    @headers.setter
    def headers(self, headers: HTTPHeaders) -> None:
        self._headers = headers

    @lazy
    def host(self) -> str:
        return self.connection.context.host or self._head.host or "127.0.0.1"

    @lazy
    def host_name(self) -> str:
        return split_host_and_port(self.host.lower())[0]

    @lazy
    def remote_ip(self) -> Any:
        return self.connection.context.remote_ip

    @lazy
    def protocol(self) -> str:
        return str(self.connection.context.protocol)

    @lazy
    def server_connection(self) -> object:
        return self.connection

    @lazy
    def cookies(self) -> dict[str, Morsel[str]]:
        found: SimpleCookie = SimpleCookie()
        if self.has_header("cookie"):
            # HTTP/2 may send each cookie in a field of its own (RFC 9113 §8.2.3).
            header = "; ".join(self.headers.get_list("Cookie"))
            for name, value in parse_cookie(header).items():
                try:
                    found[name] = value
                except CookieError:
                    continue  # a name or value that no Morsel can have; the others count
        return found

    @property
    def query_arguments(self) -> dict[str, list[bytes]]:
        found = self._query_arguments
        if found is None:
            self._query_arguments = found = parse_query(self.query)
        return found

    @query_arguments.setter
    def query_arguments(self, arguments: dict[str, list[bytes]]) -> None:
        self._query_arguments = arguments

    @lazy
    def arguments(self) -> dict[str, list[bytes]]:
        merged: dict[str, list[bytes]] = {}
        for name, values in self.query_arguments.items():
            merged[name] = values.copy()
        for name, values in self.body_arguments.items():
            merged.setdefault(name, []).extend(values)
        return merged

    @lazy
    def body_arguments(self) -> dict[str, list[bytes]]:
        return self._form[0]

    @lazy
    def files(self) -> dict[str, list[HTTPFile]]:
        return self._form[1]

    @lazy
    def _form(self) -> tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]:
        """The fields and the files of a body that is a form."""
        arguments: dict[str, list[bytes]] = {}
        files: dict[str, list[HTTPFile]] = {}
        if self.has_header("content-type"):
            content_type = self.headers["Content-Type"]
            parse_body_arguments(content_type, self.body, arguments, files, self.headers)
        return arguments, files

    @property
    def trailers(self) -> HTTPHeaders:
        """Fields that came after the content; none before the content was read whole."""
        return HTTPHeaders.received(getattr(self.connection, "trailers", ()))

    def full_url(self) -> str:
        """Return the URL that was asked for."""
        return f"{self.protocol}://{self.host}{self.uri}"

    def request_time(self) -> float:
        """Return the seconds since the head was read."""
        return time.time() - self._start_time

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return the certificate that the client showed; None without one, or without TLS.

        Args:
            binary_form: whether to return it in DER, rather than as the dict of
                `ssl.SSLSocket.getpeercert`, which is empty unless the certificate was verified.
        """
        stream = getattr(self.connection, "stream", None)
        certificate = getattr(stream, "get_ssl_certificate", None)  # streams over TLS have it
        if certificate is None:
            return None
        found: dict[str, Any] | bytes | None = certificate(binary_form)
        return found

    def __repr__(self) -> str:
        seen = {"protocol": self.protocol, "host": self.host, "method": self.method}
        seen |= {"uri": self.uri, "version": self.version, "remote_ip": self.remote_ip}
        return f"HTTPServerRequest({', '.join(f'{k}={v!r}' for k, v in seen.items())})"


def _origin_form(head: RequestHead) -> str:
    """Return the path and query of an absolute target, other forms as they are."""
    _, scheme_end, rest = head.target.partition("://")
    if not scheme_end or head.method == "CONNECT":
        return head.target
    start = re.search("[/?]", rest)
    path = rest[start.start() :] if start else ""
    return path if path.startswith("/") else "/" + path
