"""HTTP/1 on a stream: the server's side of a connection, and the exchanges on it."""

from toolkit.http1connection.delegated import (
    CR_OR_LF_RE,
    DIGITS,
    HEXDIGITS,
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
    is_transfer_encoding_chunked,
    parse_hex_int,
    parse_int,
)
from toolkit.http1connection.delegates import (
    ExchangeDelegate,
    delegate_application,
    refuse,
    serve_callable,
    serve_delegate,
)
from toolkit.http1connection.exchange import Application, Exchange, decode_content
from toolkit.http1connection.options import (
    HIGH_WATER,
    MAX_DISCARD,
    ConnectionContext,
    ServerOptions,
    Successor,
)
from toolkit.http1connection.serving import ServerConnection

__all__ = [
    "CR_OR_LF_RE",
    "DIGITS",
    "HEXDIGITS",
    "HIGH_WATER",
    "MAX_DISCARD",
    "Application",
    "ConnectionContext",
    "Exchange",
    "ExchangeDelegate",
    "HTTP1Connection",
    "HTTP1ConnectionParameters",
    "HTTP1ServerConnection",
    "ServerConnection",
    "ServerOptions",
    "Successor",
    "decode_content",
    "delegate_application",
    "is_transfer_encoding_chunked",
    "parse_hex_int",
    "parse_int",
    "refuse",
    "serve_callable",
    "serve_delegate",
]
