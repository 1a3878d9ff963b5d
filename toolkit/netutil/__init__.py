"""Listening sockets, resolvers of host names, and contexts and certificates of TLS."""

from toolkit.netutil.certificates import SERVER_CIPHERS, ServerCertificate, ServerCertificates
from toolkit.netutil.development import development_certificate
from toolkit.netutil.resolver import (
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
)
from toolkit.netutil.sockets import (
    ACCEPT_PAUSE,
    ACCEPTS_PER_TURN,
    DEFAULT_BACKLOG,
    FREE_PORT_ATTEMPTS,
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    bound_unsent,
    is_valid_ip,
)
from toolkit.netutil.tls import ServerSSLOptions, ssl_options_to_context, ssl_wrap_socket

__all__ = [
    "ACCEPTS_PER_TURN",
    "ACCEPT_PAUSE",
    "DEFAULT_BACKLOG",
    "FREE_PORT_ATTEMPTS",
    "SERVER_CIPHERS",
    "BlockingResolver",
    "DefaultExecutorResolver",
    "DefaultLoopResolver",
    "ExecutorResolver",
    "OverrideResolver",
    "Resolver",
    "ServerCertificate",
    "ServerCertificates",
    "ServerSSLOptions",
    "ThreadedResolver",
    "add_accept_handler",
    "bind_sockets",
    "bind_unix_socket",
    "bound_unsent",
    "development_certificate",
    "is_valid_ip",
    "ssl_options_to_context",
    "ssl_wrap_socket",
]
