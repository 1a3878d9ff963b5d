"""URLs as a client reads them: strictly, so that all who look at one see the same host."""

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import unquote_to_bytes

from toolkit.wire.errors import excerpt
from toolkit.wire.grammar import is_host

#: The schemes that can be fetched, with their ports.
DEFAULT_PORTS = {"http": 80, "https": 443}

#: Scheme, authority and the rest of a URL (RFC 3986 Appendix B).
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(?://([^/?#]*))?([^#]*)(?:#.*)?", re.DOTALL)
#: What urllib would drop without a word, and what would end a line or the target of a request.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")
#: Characters of a path or query that have to be percent-encoded and that people still write.
_UNSAFE = re.compile(r"[^\x21\x24-;=\x3f-\x7e]")
#: A URL as nearly all are: a host without brackets, nobody's name, nothing to be encoded.
_PLAIN = re.compile(r"(https?)://([A-Za-z0-9.:\-]+)(/[\x21\x24-;=\x3f-\x7e]*)?")
#: A host that would be read as an IPv4 address (WHATWG URL, "ends in a number").
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")


class Origin(NamedTuple):
    """Whom a request is for; secrets of one origin are none of another's business."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The host with its port, unless that is the usual one: what the Host field says."""
        return _authority(self)

    @property
    def server_name(self) -> str:
        """The name that a certificate has for the host: no zone, no final dot."""
        return self.host.partition("%")[0].removesuffix(".")

    @property
    def host_and_port(self) -> str:
        """The host with its port, whatever that is: what CONNECT asks for."""
        host = self.host.partition("%")[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@lru_cache(1024)
def _authority(origin: Origin) -> str:
    host = origin.host.partition("%")[0]  # a zone means something to our own side only
    host = f"[{host}]" if ":" in host else host
    return host if origin.port == DEFAULT_PORTS[origin.scheme] else f"{host}:{origin.port}"


class Target(NamedTuple):
    """What a URL says.

    Attributes:
        path: path and query, as they stand in a request line.
        credentials: user and password, None without a user.
    """

    origin: Origin
    path: str
    credentials: tuple[str, str] | None

    @classmethod
    def parse(cls, url: str, default_port: int | None = None) -> Self:
        """Read an absolute URL.

        Characters beyond ASCII are percent-encoded as UTF-8; a host has them in IDNA.

        Args:
            default_port: instead of that of the scheme.
        Raises:
            ValueError: not a URL of the scheme http or https, control characters or spaces in
                it, or a host that could be taken for another one.
        """
        plain = _PLAIN.fullmatch(url)
        if plain is not None:
            try:
                return cls(_origin(plain[1], plain[2], default_port), plain[3] or "/", None)
            except ValueError:
                pass  # the long way says what is wrong
        if bad := _FORBIDDEN.search(url):
            raise ValueError(f"URL {excerpt(url)} holds {bad[0]!r}, which has to be encoded")
        match = _URL.fullmatch(url)
        scheme = match[1].lower() if match else ""
        if match is None or scheme not in DEFAULT_PORTS:
            raise ValueError(f"Unsupported url scheme: {excerpt(url)}; http and https are allowed")
        userinfo, at, netloc = (match[2] or "").rpartition("@")
        try:
            origin = _origin(scheme, netloc, default_port)
        except ValueError as error:
            raise ValueError(f"URL {excerpt(url)}; {error}") from None
        path = _UNSAFE.sub(_percent_encoded, match[3])
        if not path.startswith("/"):
            path = "/" + path
        return cls(origin, path, _credentials(userinfo, url) if at else None)


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))


def quote_location(location: str) -> str:
    """Return a Location field as a URL reference, with what browsers forgive percent-encoded.

    Args:
        location: as received: one character is one byte, and these are often UTF-8.
    """
    return re.sub(r'[\x20"<>\x7f-\xff]', lambda m: f"%{ord(m[0]):02X}", location.strip(" \t"))


@lru_cache(1024)
def _origin(scheme: str, netloc: str, default_port: int | None) -> Origin:
    """Return the origin that a scheme and ``host[:port]`` make; requests for one come in numbers.

    Raises:
        ValueError: there is no host in it, or one that could be taken for another.
    """
    host, port = _host_and_port(netloc)
    if port is None:
        port = DEFAULT_PORTS[scheme] if default_port is None else default_port
    return Origin(scheme, host, port)


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    """Read ``host[:port]``, the host without brackets and in lower case."""
    if netloc.startswith("["):
        host, closed, port = netloc[1:].partition("]")
        address = host.replace("%25", "%").partition("%")[0]
        good = bool(closed) and (not port or port[0] == ":") and is_host(f"[{address}]")
        good = good and bool(re.fullmatch(r"[0-9A-Fa-f:.]+(?:%(?:25)?[A-Za-z0-9._~\-]+)?", host))
        host, port = host.replace("%25", "%"), port[1:]
    else:
        host, _, port = netloc.partition(":")
        host = _ascii_host(host)
        good = bool(host) and "%" not in host and is_host(host) and _is_no_false_address(host)
    if not good or not re.fullmatch("[0-9]{0,5}", port) or int(port or 0) > 65535:
        raise ValueError(f"its authority {excerpt(netloc)} is no host[:port]")
    return host.lower(), int(port) if port else None


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"its host is no name: {error}") from None


def _is_no_false_address(host: str) -> bool:
    """Say whether a host is a name, or an IPv4 address in the one form that all know.

    Systems take ``127.1``, ``0x7f.1`` and ``2130706433`` for addresses as well, and filters
    that look at names do not.
    """
    if not _NUMERIC.fullmatch(host):
        return True
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _credentials(userinfo: str, url: str) -> tuple[str, str]:
    """Read ``user[:password]``, percent-encoded as UTF-8."""
    if re.search(r"[@\\\[\]]", userinfo):
        raise ValueError(f"URL {excerpt(url)}; '@', '\\', '[' and ']' have to be encoded in a user")
    user, _, password = userinfo.partition(":")
    return _decoded(user), _decoded(password)


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")
