"""What HTTP servers and clients share: headers, the request object, dates and form bodies."""

import calendar
import re
import time
from collections.abc import Collection, Iterable, Iterator, MutableMapping
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any, NamedTuple, Self

from toolkit.escape import parse_qs_bytes
from toolkit.util import ObjectDict, lazy
from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import Fields, RequestHead
from toolkit.wire.grammar import is_field_value, is_token
from toolkit.wire.http1 import LOWER_NAMES, REASONS
from toolkit.wire.multipart import parse_multipart
from toolkit.wire.parameters import parse_parameters

#: Reason phrases by status.
responses = REASONS


class HTTPInputError(Exception):
    """What a peer sent is not well-formed HTTP."""


class HTTPOutputError(Exception):
    """What our own side wants to send is not well-formed HTTP."""


class HTTPFile(ObjectDict):
    """An uploaded file: ``filename``, ``body`` (bytes) and ``content_type``."""

    filename: str
    body: bytes
    content_type: str


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


@lru_cache(1000)
def normalize_name(name: str) -> str:
    """Return a field name as ``Http-Header-Case``."""
    return "-".join(word.capitalize() for word in name.split("-"))


class HTTPHeaders(MutableMapping[str, str]):
    """Header fields: a mapping that ignores case and can hold several values of a name.

    Several values read as one, joined by commas; `get_list` has them apart. Names are kept
    as ``Http-Header-Case``.

    Example::

        headers = HTTPHeaders({"content-type": "text/html"})
        headers.add("Set-Cookie", "a=b")
        headers.add("Set-Cookie", "c=d")
        headers["Content-Type"]            # "text/html"
        headers.get_list("set-cookie")     # ["a=b", "c=d"]

    Raises:
        HTTPInputError: a name is not a token, or a value holds a control character.
    """

    __slots__ = ("_several", "_values")

    def __init__(self, *args: Any, **kwargs: str) -> None:
        self._values: dict[str, str | list[str]] = {}
        self._several = False  # whether any name has a list of values
        if len(args) == 1 and not kwargs and isinstance(args[0], HTTPHeaders):
            copy = args[0].copy()
            self._values, self._several = copy._values, copy._several
        else:
            self.update(*args, **kwargs)

    @classmethod
    def trusted(cls, values: dict[str, str]) -> Self:
        """Take normalized names and values that were checked before."""
        headers = cls.__new__(cls)
        headers._values = values  # type: ignore[assignment]  # str is one of its value types
        headers._several = False
        return headers

    @classmethod
    def received(cls, fields: Fields) -> Self:
        """Take fields that a protocol machine read, which has checked them."""
        headers = cls.__new__(cls)
        headers._values = {}
        headers._several = False
        for name, value in fields:
            headers._append(normalize_name(name), value)
        return headers

    def fields(self) -> Collection[tuple[str, str]]:
        """Return a pair for each value, in the order that names were first set."""
        if not self._several:
            return self._values.items()  # type: ignore[return-value]  # no lists are there
        found: list[tuple[str, str]] = []
        for name, value in self._values.items():
            if isinstance(value, str):
                found.append((name, value))
            else:
                found.extend([(name, item) for item in value])
        return found

    def put(self, name: str, value: str) -> None:
        """Set a normalized name to a value that needs no check."""
        self._values[name] = value

    def add(self, name: str, value: str) -> None:
        """Add a value to those that the name has."""
        _check_field(name, value)
        self._append(normalize_name(name), value)

    def _append(self, name: str, value: str) -> None:
        known = self._values.get(name)
        if known is None:
            self._values[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            self._values[name] = [known, value]
            self._several = True

    def get_list(self, name: str) -> list[str]:
        """Return all values of a name, [] for none."""
        known = self._values.get(normalize_name(name))
        if known is None:
            return []
        return [known] if isinstance(known, str) else list(known)

    def get_all(self) -> Iterable[tuple[str, str]]:
        """Return a pair for each value of each name."""
        return iter(self.fields())

    def copy(self) -> "HTTPHeaders":
        """Return a copy that changes apart from this one."""
        values = {k: v if isinstance(v, str) else list(v) for k, v in self._values.items()}
        copy = HTTPHeaders.__new__(HTTPHeaders)
        copy._values = values
        copy._several = self._several
        return copy

    __copy__ = copy

    def __setitem__(self, name: str, value: str) -> None:
        # The shortcut spares the full check of plain text under a usual name.
        if not (value.isascii() and value.isprintable() and name in LOWER_NAMES):
            _check_field(name, value)
        self._values[normalize_name(name)] = value

    def __getitem__(self, name: str) -> str:
        value = self._values[normalize_name(name)]
        return value if isinstance(value, str) else ",".join(value)

    def __delitem__(self, name: str) -> None:
        del self._values[normalize_name(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and normalize_name(name) in self._values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\n" for name, value in self.fields())

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self.fields())!r})"

    @classmethod
    def parse(cls, headers: str) -> "HTTPHeaders":
        """Read lines ``Name: value``, ended by LF or CRLF.

        Raises:
            HTTPInputError: a line without a colon, or what `add` refuses.
        """
        found = cls()
        for line in headers.split("\n"):
            found.parse_line(line)
        return found

    def parse_line(self, line: str) -> None:
        """Read one line; an empty one is passed over."""
        line = line.removesuffix("\n").removesuffix("\r")
        if not line:
            return
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError(f"no colon in header line {excerpt(line)}")
        self.add(name, value.strip(" \t"))


def _check_field(name: str, value: str) -> None:
    if not is_token(name):
        raise HTTPInputError(f"header name {excerpt(name)}; a token is allowed")
    if not is_field_value(value):
        raise HTTPInputError(f"header value {excerpt(value)} holds a control character")


class HTTPServerRequest:
    """One request as a handler sees it.

    Attributes:
        method, uri, version: from the start line; `uri` is the path with its query also when
            the client sent an absolute URL.
        path, query: the parts of `uri`.
        headers: HTTPHeaders.
        body: the whole content as bytes; empty when it is streamed.
        host, host_name: authority that is asked for, and the same without port, lower case.
        remote_ip: the client's address as text; "" for a Unix socket, None for a request
            that came over no connection.
        protocol: ``"http"`` or ``"https"``.
        query_arguments, body_arguments, arguments: lists of bytes by name, the last of both.
        files: lists of HTTPFile by name.
        connection: the `Exchange` that the answer goes through.
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
        self.headers = headers if headers is not None else HTTPHeaders()
        self.body = body or b""
        self.host = host or self.headers.get("Host") or "127.0.0.1"
        if files is not None:
            self.files = files
        self.connection = connection
        self.server_connection = server_connection
        context = getattr(connection, "context", None)
        self.remote_ip = getattr(context, "remote_ip", None)
        self.protocol = getattr(context, "protocol", "http")
        self._start_time = time.time()
        self.path, _, self.query = self.uri.partition("?")

    @classmethod
    def received(cls, head: RequestHead, connection: Any) -> Self:
        """Make the request of a head that was just read; the rest is made when asked for.

        Args:
            connection: its ``context`` has ``remote_ip`` and ``protocol``.
        """
        request = cls.__new__(cls)
        request._head = head
        request.method = head.method
        request.uri = uri = head.target if head.target[0] == "/" else _origin_form(head)
        request.path, _, request.query = uri.partition("?")
        request.body = b""
        request.connection = connection
        request._start_time = time.time()
        return request

    _head: RequestHead

    def has_header(self, name: str) -> bool:
        """Say whether a header was sent, without making `headers` if they are not there yet.

        Args:
            name: in lower case.
        """
        if "headers" in self.__dict__:
            return name in self.headers
        return name in self._head.names

    @lazy
    def version(self) -> str:
        return self._head.version

    @lazy
    def headers(self) -> HTTPHeaders:
        return HTTPHeaders.received(self._head.fields)

    @lazy
    def host(self) -> str:
        return self._head.host or "127.0.0.1"

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
    def query_arguments(self) -> dict[str, list[bytes]]:
        return parse_qs_bytes(self.query, keep_blank_values=True)

    @lazy
    def arguments(self) -> dict[str, list[bytes]]:
        merged = {name: list(values) for name, values in self.query_arguments.items()}
        for name, values in self.body_arguments.items():
            merged.setdefault(name, []).extend(values)
        return merged

    @lazy
    def body_arguments(self) -> dict[str, list[bytes]]:
        return self._form()[0]

    @lazy
    def files(self) -> dict[str, list[HTTPFile]]:
        return self._form()[1]

    def _form(self) -> tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]:
        """Read the body as a form, once for both of its parts."""
        arguments: dict[str, list[bytes]] = {}
        files: dict[str, list[HTTPFile]] = {}
        if self.has_header("content-type"):
            content_type = self.headers["Content-Type"]
            parse_body_arguments(content_type, self.body, arguments, files, self.headers)
        self.__dict__.setdefault("body_arguments", arguments)
        self.__dict__.setdefault("files", files)
        return arguments, files

    def full_url(self) -> str:
        """Return the URL that was asked for."""
        return f"{self.protocol}://{self.host}{self.uri}"

    def request_time(self) -> float:
        """Return the seconds since the head was read."""
        return time.time() - self._start_time

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


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """Split ``"host:port"``; the port is None when there is none, brackets of IPv6 stay."""
    match = re.fullmatch(r"(.+):([0-9]+)", netloc)
    return (match[1], int(match[2])) if match else (netloc, None)


#: Most fields of a urlencoded form.
MAX_ARGUMENTS = 1000


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    headers: HTTPHeaders | None = None,
) -> None:
    """Add the fields of a form to `arguments` and its files to `files`.

    A body of another content type, or with a content coding, adds nothing.

    Raises:
        HTTPInputError: malformed, or more than the allowed number of fields.
    """
    if headers is not None and "Content-Encoding" in headers:
        return
    kind = content_type.partition(";")[0].strip(" \t").lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            found = parse_qs_bytes(body, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
            for name, values in found.items():
                arguments.setdefault(name, []).extend(values)
        elif kind == "multipart/form-data":
            boundary = parse_parameters(content_type)[1].get("boundary", "")
            parse_multipart_form_data(boundary.encode("latin-1"), body, arguments, files)
    except ValueError as error:
        raise HTTPInputError(f"Invalid {kind} body: {error}") from None


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
) -> None:
    """Add the parts of a multipart form to `arguments` and `files`.

    Raises:
        HTTPInputError: malformed; nothing was added.
    """
    try:
        parts = parse_multipart(boundary, data)
    except RemoteProtocolError as error:
        raise HTTPInputError(f"Invalid multipart/form-data: {error}") from None
    for part in parts:
        if part.filename is None:
            arguments.setdefault(part.name, []).append(part.data)
        else:
            file = HTTPFile(filename=part.filename, body=part.data, content_type=part.content_type)
            files.setdefault(part.name, []).append(file)


def format_timestamp(
    ts: int | float | tuple[int, ...] | time.struct_time | datetime,
) -> str:
    """Return a time as HTTP writes it (RFC 9110 §5.6.7).

    Args:
        ts: seconds since the epoch, a UTC time tuple, or a datetime (UTC when naive).
    Raises:
        TypeError: another type.
    """
    if isinstance(ts, (int, float)):
        seconds = float(ts)
    elif isinstance(ts, (tuple, time.struct_time)):
        seconds = calendar.timegm(tuple(ts))
    elif isinstance(ts, datetime):
        seconds = (ts if ts.tzinfo else ts.replace(tzinfo=UTC)).timestamp()
    else:
        raise TypeError(f"unknown timestamp type: {ts!r}")
    return formatdate(seconds, usegmt=True)


_date = (0, "")


def date_now() -> str:
    """Return the current time as HTTP writes it; made once a second."""
    global _date
    second = int(time.time())
    known = _date
    if known[0] != second:
        _date = known = (second, formatdate(second, usegmt=True))
    return known[1]
