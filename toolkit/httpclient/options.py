"""How connections are made, as requests say it and pools tell them apart."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from toolkit.httpclient.target import Origin, Target
from toolkit.iostream.tcp import SSLOptions
from toolkit.wire.errors import excerpt


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy to connect through.

    Attributes:
        scheme: ``"http"``; ``"https"`` for TLS to the proxy itself; ``"socks5"``, where this
            side looks the host up, or ``"socks5h"``, where the proxy does.
        host, port: where it listens.
        username, password: for it; None for none.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> "Proxy":
        """Read ``scheme://user:password@host:port``; without a scheme it is ``http``.

        Raises:
            ValueError: another scheme, or no host.
        """
        scheme, separator, rest = url.partition("://")
        if not separator:
            scheme, rest = "http", url
        scheme = scheme.lower()
        if scheme not in PROXY_PORTS:
            raise ValueError(
                f"proxy {excerpt(url)}; its scheme may be one of {', '.join(PROXY_PORTS)}"
            )
        # A SOCKS proxy is written as an HTTP server is; only the usual port differs.
        target = Target.parse(f"http://{rest}", default_port=PROXY_PORTS[scheme])
        user, password = target.credentials or (None, None)
        return cls(scheme, target.origin.host, target.origin.port, user, password)


#: The schemes of proxies, with their usual ports.
PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How the connection for a request is made; two that differ never share one.

    Attributes:
        validate_cert: whether the certificate of an HTTPS server is checked.
        system_certs: whether to trust the authorities of the system instead of certifi's.
        ca_certs: file of the authorities to trust instead.
        client_cert, client_key: files for a client certificate.
        ssl_options: a context, or a dict as of `netutil.ssl_options_to_context`; the ones
            above mean nothing then.
        server_hostname: what the certificate is verified for, and the server told, instead of
            the URL's host.
        fingerprint: SHA-256 of the one certificate that the server may have, in DER; it is
            checked besides everything else.
        network_interface: own address to connect from.
        allow_ipv6: whether to connect by IPv6 as well.
        unix_socket: path of a Unix socket to connect to, whatever the URL's host is.
        proxy: to connect through.
        identity: all that as a key of dictionaries.
    """

    validate_cert: bool = True
    system_certs: bool = False
    ca_certs: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    ssl_options: SSLOptions | None = None
    server_hostname: str | None = None
    fingerprint: bytes | None = None
    network_interface: str | None = None
    allow_ipv6: bool = True
    unix_socket: str | None = None
    proxy: Proxy | None = None
    identity: Hashable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pin = self.fingerprint
        if pin is not None and len(pin) != 32:
            raise ValueError(f"fingerprint of {len(pin)} bytes; the 32 of a SHA-256 are allowed")
        if self.unix_socket is not None and self.proxy is not None:
            raise ValueError("a Unix socket and a proxy are both given; one is allowed")
        values = [getattr(self, name) for name in self.__slots__ if name != "identity"]
        values[self.__slots__.index("ssl_options")] = _hashable(self.ssl_options)
        object.__setattr__(self, "identity", tuple(values))

    def key(self, origin: Origin) -> Hashable:
        """Return what connections have in common that may serve requests to an origin.

        A proxy for plain HTTP serves all origins by one connection.
        """
        proxy = self.proxy
        if proxy is not None and origin.scheme == "http" and proxy.scheme in ("http", "https"):
            return self.identity
        return origin, self.identity


def _hashable(options: SSLOptions | None) -> object:
    """Return options as a key: a context by what it is, a dict by what it says."""
    if options is None:
        return None
    try:
        items: object = tuple(sorted(options.items()))  # type: ignore[union-attr]
        hash(items)
    except (AttributeError, TypeError):
        return options if options.__hash__ is not None else id(options)
    return items
