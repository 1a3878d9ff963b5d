"""SOCKS 5 as a client speaks it: a way to a host through a proxy (RFC 1928, RFC 1929)."""

import ipaddress
from typing import Final

from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt

_VERSION: Final = 5
_NO_AUTHENTICATION: Final = 0
_PASSWORD: Final = 2
_NONE_ACCEPTABLE: Final = 0xFF
_CONNECT: Final = 1
_IPV4: Final = 1
_NAME: Final = 3
_IPV6: Final = 4

#: What the replies of a proxy mean (RFC 1928 §6).
REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class SocksClient:
    """Asks a SOCKS 5 proxy for a connection.

    Example::

        machine = SocksClient("example.com", 443)
        while not machine.connected:
            send(machine.to_send())
            machine.receive(await receive())
        first_bytes_of_the_host = machine.take_rest()

    Args:
        host: an address, or a name that the proxy is to look up, in ASCII.
        port: of the host.
        username, password: for the proxy; None for no user.

    Attributes:
        connected: whether what follows comes from the host.

    Raises:
        LocalProtocolError: a name, user or password that cannot be sent.
    """

    def __init__(
        self, host: str, port: int, username: str | None = None, password: str = ""
    ) -> None:
        self.connected = False
        self._buffer = b""
        self._request = bytes([_VERSION, _CONNECT, 0]) + _address(host) + port.to_bytes(2, "big")
        self._login = None
        methods = [_NO_AUTHENTICATION]
        if username is not None:
            self._login = b"\x01" + _text(username, "user") + _text(password, "password", least=0)
            methods.append(_PASSWORD)
        self._out = bytes([_VERSION, len(methods), *methods])
        self._read = self._read_method

    def to_send(self) -> bytes:
        """Return and forget what is to be sent now."""
        out, self._out = self._out, b""
        return out

    def take_rest(self) -> bytes:
        """Return and forget the bytes that came after the proxy's last word."""
        rest, self._buffer = self._buffer, b""
        return rest

    def receive(self, data: bytes) -> None:
        """Take bytes from the proxy; ``b""`` says that it sends no more.

        Raises:
            RemoteProtocolError: it refuses, left, or does not speak SOCKS 5.
        """
        if not data:
            raise RemoteProtocolError("closed the connection before it had made one")
        self._buffer += data
        while not self.connected and self._read():
            pass

    def _take(self, size: int) -> bytes:
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _read_method(self) -> bool:
        """Read which method of authentication it wants; False when more has to come."""
        if self._buffer[0] != _VERSION:
            raise RemoteProtocolError(f"{excerpt(self._buffer)} is not SOCKS 5")
        if len(self._buffer) < 2:
            return False
        method = self._take(2)[1]
        if method == _NO_AUTHENTICATION:
            self._out = self._request
            self._read = self._read_reply
        elif method == _PASSWORD and self._login is not None:
            self._out = self._login
            self._read = self._read_login
        elif method == _NONE_ACCEPTABLE:
            known = "a user and password" if self._login is not None else "no authentication"
            raise RemoteProtocolError(f"does not accept {known}")
        else:
            raise RemoteProtocolError(f"chose authentication method {method}, not offered")
        return bool(self._buffer)

    def _read_login(self) -> bool:
        """Read whether the user is known (RFC 1929 §2)."""
        if len(self._buffer) < 2:
            return False
        if self._take(2)[1] != 0:
            raise RemoteProtocolError("refused the user or the password")
        self._out = self._request
        self._read = self._read_reply
        return bool(self._buffer)

    def _read_reply(self) -> bool:
        """Read what came of the request (RFC 1928 §6); the address in it means nothing here."""
        buffer = self._buffer
        if buffer[0] != _VERSION:
            raise RemoteProtocolError(f"{excerpt(buffer)} is not SOCKS 5")
        if len(buffer) < 2:
            return False
        if buffer[1] != 0:
            code = buffer[1]
            raise RemoteProtocolError(f"reply {code}: {REPLIES.get(code, 'unknown')}")
        if len(buffer) < 5:
            return False
        kind = buffer[3]
        sizes = {_IPV4: 4, _IPV6: 16, _NAME: 1 + buffer[4]}
        if kind not in sizes:
            raise RemoteProtocolError(f"address type {kind}; 1, 3 and 4 are known")
        size = 4 + sizes[kind] + 2
        if len(buffer) < size:
            return False
        self._take(size)
        self.connected = True
        return True


def _address(host: str) -> bytes:
    """Write a host: an address as such, and a name for the proxy to look up."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bytes([_NAME]) + _text(host, "host")
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


def _text(text: str, what: str, least: int = 1) -> bytes:
    """Write a text behind its length of one byte."""
    data = text.encode("utf-8")
    if not least <= len(data) <= 255:
        raise LocalProtocolError(f"{what} of {len(data)} bytes; {least} to 255 are allowed")
    return bytes([len(data)]) + data
