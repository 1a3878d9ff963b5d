"""Contexts of TLS, from options in a dict."""

import socket as sockets
import ssl
from collections.abc import Mapping
from typing import Any

from toolkit.netutil.certificates import SERVER_CIPHERS, ServerCertificates

#: What a server takes for options of TLS; a client takes the first two.
ServerSSLOptions = Mapping[str, Any] | ssl.SSLContext | ServerCertificates

_KEYS = ("ssl_version", "certfile", "keyfile", "cert_reqs", "ca_certs", "ciphers", "server_side")


def ssl_options_to_context(
    ssl_options: ServerSSLOptions, server_side: bool | None = None
) -> ssl.SSLContext:
    """Return the context that options stand for; a context is returned as it is.

    It speaks TLS 1.2 and newer, unless ``ssl_version`` names one protocol. A client verifies
    the server's certificate and its name, unless ``cert_reqs`` is ``ssl.CERT_NONE``. A server
    never renegotiates (RFC 9325 §3.4), and has `SERVER_CIPHERS` unless ``ciphers`` says otherwise.

    The context is a new one each time, and reading the certificates of the system takes
    milliseconds: to connect often, make one and pass it on.

    Args:
        ssl_options: a context, certificates that know theirs, or a dict of these, each of
            which may be left out:
            ``certfile`` and ``keyfile``, the own certificate and key as files; ``cert_reqs``,
            a ``ssl.CERT_*`` value; ``ca_certs``, a file of the authorities to trust, instead
            of those of the system; ``ciphers``, in OpenSSL's words; ``ssl_version``, a
            ``ssl.PROTOCOL_*`` value; ``server_side``, for when the argument is None.
        server_side: whether it is for a server. None makes a context for either, which
            verifies only what ``cert_reqs`` says, and warns that it is deprecated.
    Raises:
        ValueError: unknown options, or ones that do not go together.
        OSError: a file cannot be read, or holds no certificate or key.
    """
    if isinstance(ssl_options, ssl.SSLContext):
        return ssl_options
    if isinstance(ssl_options, ServerCertificates):
        if server_side is False:
            raise ValueError("ServerCertificates are for servers, and this is a client")
        return ssl_options.context
    if not isinstance(ssl_options, Mapping):
        raise TypeError(
            f"ssl_options {type(ssl_options)!r}; a dict, an ssl.SSLContext or "
            "ServerCertificates are allowed"
        )
    options = {key: value for key, value in ssl_options.items() if value is not None}
    _check(options)
    server_side = _side(options, server_side)
    context = _bare_context(options.get("ssl_version"), server_side)
    _set_verification(context, options, server_side)
    try:
        if "certfile" in options:
            context.load_cert_chain(options["certfile"], options.get("keyfile"))
        if "ca_certs" in options:
            context.load_verify_locations(options["ca_certs"])
        if "ciphers" in options:
            context.set_ciphers(options["ciphers"])
    except OSError as error:
        # OpenSSL names neither the file nor the ciphers.
        error.add_note(f"ssl_options are {options!r}")
        raise
    return context


def _side(ssl_options: ServerSSLOptions, server_side: bool | None) -> bool | None:
    """Return the side as the argument has it, or else the options."""
    if server_side is None and isinstance(ssl_options, Mapping):
        return ssl_options.get("server_side")
    return server_side


def _check(options: Mapping[str, Any]) -> None:
    """Refuse options that nothing would be done with."""
    unknown = [key for key in options if key not in _KEYS]
    if unknown:
        raise ValueError(f"unknown ssl_options {unknown}; {', '.join(_KEYS)} are allowed")
    if "keyfile" in options and "certfile" not in options:
        raise ValueError("ssl_options have a keyfile and no certfile")


def _bare_context(version: int | None, server_side: bool | None) -> ssl.SSLContext:
    """Make a context of the right protocol for a side."""
    if version is not None:
        protocol = version
    elif server_side is None:
        protocol = ssl.PROTOCOL_TLS
    else:
        protocol = ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(protocol)
    if protocol in (ssl.PROTOCOL_TLS, ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if server_side:
            context.set_ciphers(SERVER_CIPHERS)
    if server_side:
        # Newer OpenSSL does without these by default.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _set_verification(
    context: ssl.SSLContext, options: Mapping[str, Any], server_side: bool | None
) -> None:
    """Say whose certificates are asked for, and in whom there is trust."""
    required = options.get("cert_reqs", ssl.CERT_NONE if server_side else None)
    if server_side is False:
        # Also with a protocol that does not bring this along; `CERT_REQUIRED` comes with it.
        context.check_hostname = required != ssl.CERT_NONE
    if required is not None:
        context.verify_mode = required
    if server_side is False and "ca_certs" not in options and required != ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)


def ssl_wrap_socket(
    socket: sockets.socket,
    ssl_options: ServerSSLOptions,
    server_hostname: str | None = None,
    server_side: bool | None = None,
    **kwargs: Any,
) -> ssl.SSLSocket:
    """Return a socket that speaks TLS over another one, which it takes over.

    Args:
        ssl_options: as `ssl_options_to_context` takes them.
        server_side: whether this is the server's end; it is not when nothing says so.
        server_hostname: name that the server's certificate has to bear.
        kwargs: for `ssl.SSLContext.wrap_socket`.
    """
    side = bool(_side(ssl_options, server_side))
    context = ssl_options_to_context(ssl_options, side)
    return context.wrap_socket(socket, side, server_hostname=server_hostname, **kwargs)
