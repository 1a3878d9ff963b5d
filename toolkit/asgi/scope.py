"""The scope of a request: what an application is told of it."""

from typing import Any
from urllib.parse import unquote_to_bytes

from toolkit.asgi.lines import Lines
from toolkit.asgi.tls import tls_extension
from toolkit.http1connection import ConnectionContext, Exchange
from toolkit.iostream import IOStream
from toolkit.wire.events import RequestHead

#: Versions of ASGI: of the whole, and of its HTTP and WebSocket part. From 2.4 on `send` raises
#: an OSError when the client is gone.
VERSIONS = {"version": "3.0", "spec_version": "2.4"}


class Place:
    """What requests of one connection have in common, for one application.

    Attributes:
        owner: the container that keeps it.
        scope: to be copied; it tells of the request of `head`.
        head: the last request: a client that keeps a connection sends the same again and again.
        headers: those of `head`, to be copied too.
        lines: the headers of the last answer, as they were sent; likewise.
        tls: the extension of that name, None without TLS.
    """

    __slots__ = ("head", "headers", "lines", "owner", "scope", "tls")

    def __init__(self, owner: object, context: ConnectionContext, stream: IOStream) -> None:
        self.owner = owner
        self.head: RequestHead | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.lines: Lines | None = None
        secure = context.protocol == "https"
        self.tls = tls_extension(stream)
        self.scope: dict[str, Any] = {
            "type": "http",
            "server": _server(stream, secure),
            "client": _client(context),
            "scheme": context.protocol,
            # A copy has room for these already.
            "asgi": VERSIONS,
            "headers": self.headers,
            "extensions": None,
        }


def http_scope(exchange: Exchange, place: Place, root_path: str) -> dict[str, Any]:
    """Return the scope of a request."""
    head = exchange.head
    if place.head is not head:
        _tell(place, head, root_path)
    # Applications may change all of it.
    scope = place.scope.copy()
    scope["asgi"] = VERSIONS.copy()
    scope["headers"] = place.headers.copy()
    extensions: dict[str, dict[str, Any]] = {
        "http.response.early_hint": {},
        "http.response.pathsend": {},
        "http.response.trailers": {},
    }
    if place.tls is not None:
        extensions["tls"] = place.tls.copy()
    scope["extensions"] = extensions
    return scope


def websocket_scope(
    exchange: Exchange, place: Place, root_path: str, subprotocols: list[str]
) -> dict[str, Any]:
    """Return the scope of a WebSocket."""
    scope = http_scope(exchange, place, root_path)
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if place.scope["scheme"] == "https" else "ws"
    scope["subprotocols"] = subprotocols
    extensions: dict[str, dict[str, Any]] = {"websocket.http.response": {}}
    if place.tls is not None:
        extensions["tls"] = place.tls.copy()
    scope["extensions"] = extensions
    return scope


def _tell(place: Place, head: RequestHead, root_path: str) -> None:
    """Have the scope of a place tell of a request."""
    target, _, query = _origin(head.target).partition("?")
    raw = target.encode("latin-1")
    scope = place.scope
    scope["http_version"] = head.version[5:]
    scope["method"] = head.method
    scope["root_path"] = root_path
    scope["path"] = target if "%" not in target and target.isascii() else _decoded(raw)
    scope["raw_path"] = raw
    scope["query_string"] = query.encode("latin-1")
    place.head, place.headers = head, head.raw_fields


def _origin(target: str) -> str:
    """Return the path and query of a request target."""
    if target[0] == "/" or "://" not in target:
        return target  # a path, an asterisk, or the authority of CONNECT
    rest = target.partition("://")[2]
    _, slash, path = rest.partition("/")
    return slash + path or "/"


def _decoded(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "replace")


def _client(context: ConnectionContext) -> tuple[str, int] | None:
    """Return host and port of the client; the port is 0 where a proxy told only the host."""
    address = context.address
    if isinstance(address, tuple) and str(address[0]) == context.remote_ip:
        return str(address[0]), address[1]
    return (context.remote_ip, 0) if context.remote_ip else None


def _server(stream: IOStream, secure: bool) -> tuple[str, int | None] | None:
    """Return where the server listens: host and port, or the path of a Unix socket and None."""
    try:
        address = stream.socket.getsockname()
    except (AttributeError, OSError):
        return None
    if isinstance(address, tuple):
        return str(address[0]), address[1]
    path = address.decode("utf-8", "replace") if isinstance(address, bytes) else address
    return path, None
