"""The environ of a request (PEP 3333), and the objects that it brings along."""

import io
import urllib.parse
from collections.abc import Iterator
from typing import Any

from toolkit.httputil import HTTPServerRequest, split_host_and_port
from toolkit.log import app_log

#: Least bytes of a file that are read at a time, whatever block size an application suggests:
#: frameworks still suggest 8 KiB, which would cost a system call and a chunk each.
FILE_BLOCK = 64 * 1024

#: Headers that have a variable without the prefix.
_PLAIN = {"Content-Type": "CONTENT_TYPE", "Content-Length": "CONTENT_LENGTH"}


def to_wsgi_str(s: bytes) -> str:
    """Return bytes as PEP 3333 has them: text with one character for each byte.

    Raises:
        TypeError: no bytes.
    """
    if not isinstance(s, bytes):
        raise TypeError(f"to_wsgi_str takes bytes, not {type(s).__name__}")
    return s.decode("latin-1")


def unquoted_path(path: str) -> bytes:
    """Return the bytes that a percent-encoded path stands for."""
    try:
        raw = path.encode("latin-1")  # as it came: one character for each byte
    except UnicodeEncodeError:
        raw = path.encode()  # that of a request which the program has made itself
    return urllib.parse.unquote_to_bytes(raw)


def split_mount(path: bytes, mount: bytes) -> tuple[bytes, bytes] | None:
    """Split a path into that of the application and the rest; None when it lies outside.

    Args:
        path: percent-decoded.
        mount: without a slash at its end; empty for the root.
    """
    if not path.startswith(b"/"):  # "*" and the authority of CONNECT name no path
        return (mount, b"") if not mount else None
    if not path.startswith(mount) or path[len(mount) : len(mount) + 1] not in (b"", b"/"):
        return None
    return mount, path[len(mount) :]


def make_environ(request: HTTPServerRequest, mount: bytes, multithread: bool) -> dict[str, Any]:
    """Make the environ of a request, whose ``wsgi.input`` is the body that it has.

    Raises:
        ValueError: the path of the request lies outside of `mount`.
    """
    places = split_mount(unquoted_path(request.path), mount)
    if places is None:
        raise ValueError(f"path {request.path!r:.100} lies outside of {mount!r}")
    host, port = split_host_and_port(request.host)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": to_wsgi_str(places[0]),
        "PATH_INFO": to_wsgi_str(places[1]),
        "QUERY_STRING": request.query,
        # As it came, for applications that tell "%2F" from "/"; others know the one or the
        # other name.
        "REQUEST_URI": request.uri,
        "RAW_URI": request.uri,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or (443 if request.protocol == "https" else 80)),
        "SERVER_PROTOCOL": request.version,
        "REMOTE_ADDR": request.remote_ip or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.protocol,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": ErrorStream(),
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    remote_port = _remote_port(request)
    if remote_port:
        environ["REMOTE_PORT"] = remote_port
    _add_headers(environ, request)
    return environ


def _remote_port(request: HTTPServerRequest) -> str:
    """Return the client's port, "" where the address is not that of the client itself."""
    context = getattr(request.connection, "context", None)
    address = getattr(context, "address", None)
    if isinstance(address, tuple) and len(address) >= 2 and address[0] == request.remote_ip:
        return str(address[1])
    return ""


def _add_headers(environ: dict[str, Any], request: HTTPServerRequest) -> None:
    headers = request.headers
    for name in headers:
        # A variable tells no dash from an underscore, so that "X_Forwarded_For" would pass for
        # the header that a proxy guards; and HTTP_PROXY has a meaning for HTTP clients.
        if "_" in name or name == "Proxy":
            continue
        values = headers.get_list(name)
        joined = ("; " if name == "Cookie" else ",").join(values)
        environ[_PLAIN.get(name) or "HTTP_" + name.upper().replace("-", "_")] = joined


class ErrorStream(io.TextIOBase):
    """``wsgi.errors``: each line goes to the log of the application, as an error."""

    def __init__(self) -> None:
        self._begun = ""  # a line that has not ended

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Log the lines that end in `text`; the rest waits for its end or for `flush`."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            _log_line(line)
        return len(text)

    def flush(self) -> None:
        """Log the line that has begun."""
        line, self._begun = self._begun, ""
        _log_line(line)


def _log_line(line: str) -> None:
    if line.strip():
        app_log.error("%s", line.rstrip())


class FileWrapper:
    """``wsgi.file_wrapper``: the blocks of a file, which is closed with it.

    Args:
        filelike: has ``read(size)``, and perhaps ``close()``.
        block_size: a suggestion; blocks have at least `FILE_BLOCK` bytes.
    """

    def __init__(self, filelike: Any, block_size: int = FILE_BLOCK) -> None:
        self.filelike = filelike
        self.block_size = max(block_size, FILE_BLOCK)
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block
