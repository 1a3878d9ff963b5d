"""The PROXY protocol: what a proxy says of a connection before its first byte.

Version 1 is a line of text, version 2 is binary and may carry more than addresses. Both are
described in "The PROXY protocol, versions 1 & 2" (HAProxy's ``proxy-protocol.txt``), whose
sections are named here. Who may send such a header is for the caller to say (§5): a header
that anybody may send lets anybody choose an address.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError, excerpt
from toolkit.wire.events import NEED_DATA, Signal

#: Longest header of version 1, CRLF included (§2.1).
MAX_V1_SIZE = 107
#: Most bytes that may follow the first 16 of version 2. Addresses take 216 at most; what is
#: left holds all that proxies send, of which a TLS certificate's name is the longest, and a
#: peer that announces more can make nobody wait for 64 KiB.
MAX_V2_LENGTH = 4096

SIGNATURE_V1 = b"PROXY "
SIGNATURE_V2 = b"\r\n\r\n\0\r\nQUIT\n"

#: Types of additional values (§2.2).
TYPE_ALPN = 0x01
TYPE_AUTHORITY = 0x02
TYPE_CRC32C = 0x03
TYPE_NOOP = 0x04
TYPE_UNIQUE_ID = 0x05
TYPE_SSL = 0x20
TYPE_NETNS = 0x30

Command = Literal["PROXY", "LOCAL"]
Family = Literal["TCP4", "TCP6", "UDP4", "UDP6", "UNIX_STREAM", "UNIX_DGRAM", "UNKNOWN"]
#: IP address and port, or the path of a Unix socket.
Endpoint = tuple[str, int] | bytes

#: Byte 14 of version 2, by family.
_FAMILY_CODES: dict[Family, int] = {
    "UNKNOWN": 0x00,
    "TCP4": 0x11,
    "UDP4": 0x12,
    "TCP6": 0x21,
    "UDP6": 0x22,
    "UNIX_STREAM": 0x31,
    "UNIX_DGRAM": 0x32,
}
_FAMILIES = {code: family for family, code in _FAMILY_CODES.items()}
# Where the family or the transport alone is unspecified, neither is used (§2.2).
_FAMILIES |= dict.fromkeys([0x01, 0x02, 0x10, 0x20, 0x30], "UNKNOWN")

#: Source and destination in version 2, by the upper half of byte 14.
_ADDRESSES = {
    1: struct.Struct("!4s4sHH"),
    2: struct.Struct("!16s16sHH"),
    3: struct.Struct("108s108s"),
}
_UNIX_SIZE = 108

_HEAD = struct.Struct("!12sBBH")
_TLV_HEAD = struct.Struct("!BH")

_LINE = re.compile(rb"PROXY (TCP4|TCP6) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+)\r\n")
_UNKNOWN_LINE = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Header:
    """What a proxy says of a connection.

    Attributes:
        command: "LOCAL" for a connection of the proxy itself, such as a health check.
        family: of the original connection; "UNKNOWN" where it is not said.
        source: who connected to the proxy; None when the family is "UNKNOWN" or the command
            "LOCAL", and then the addresses of the connection itself are the right ones.
        destination: what the source connected to; None as `source`.
        tlvs: additional values as (type, value) in order, without padding and checksum;
            version 2 only.
        version: 1 or 2.
        size: bytes that the header took of the buffer; what follows is the connection's own.
    """

    command: Command = "PROXY"
    family: Family = "UNKNOWN"
    source: Endpoint | None = None
    destination: Endpoint | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()
    version: int = 2
    size: int = field(default=0, compare=False)


# -- reading -----------------------------------------------------------------------------


def parse(buffer: bytes | bytearray) -> Header | Signal:
    """Read the header at the start of a connection, or say NEED_DATA.

    Args:
        buffer: all bytes received so far; those of the header are not removed. More than
            `MAX_V2_LENGTH` + 16 are never needed.
    Raises:
        RemoteProtocolError: this is no header, or a bad one; the connection is to be dropped.
    """
    if SIGNATURE_V1.startswith(buffer[: len(SIGNATURE_V1)]):
        return _parse_v1(buffer) if len(buffer) >= len(SIGNATURE_V1) else NEED_DATA
    if SIGNATURE_V2.startswith(buffer[: len(SIGNATURE_V2)]):
        return _parse_v2(buffer) if len(buffer) >= _HEAD.size else NEED_DATA
    raise RemoteProtocolError(f"no PROXY protocol header: {excerpt(bytes(buffer[:16]))}")


def _parse_v1(buffer: bytes | bytearray) -> Header | Signal:
    """Read a line (§2.1)."""
    end = buffer.find(b"\n", 0, MAX_V1_SIZE) + 1
    if not end:
        if len(buffer) >= MAX_V1_SIZE:
            raise RemoteProtocolError(
                f"PROXY line of more than {MAX_V1_SIZE} bytes: {excerpt(bytes(buffer))}"
            )
        return NEED_DATA
    line = bytes(buffer[:end])
    if _UNKNOWN_LINE.fullmatch(line):
        return Header(version=1, size=end)
    match = _LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError(f"malformed PROXY line: {excerpt(line)}")
    family: Family = "TCP4" if match[1] == b"TCP4" else "TCP6"
    try:
        # Whatever is not ASCII is refused where addresses and ports are read.
        source, destination, source_port, destination_port = (
            part.decode("latin-1") for part in match.groups()[1:]
        )
        return Header(
            family=family,
            source=(_ip(family, source), _port(source_port)),
            destination=(_ip(family, destination), _port(destination_port)),
            version=1,
            size=end,
        )
    except ValueError as error:
        raise RemoteProtocolError(f"{error} in PROXY line {excerpt(line)}") from None


def _parse_v2(buffer: bytes | bytearray) -> Header | Signal:
    """Read a binary header (§2.2)."""
    _, version_and_command, family_code, length = _HEAD.unpack_from(buffer)
    command: Command | None = {0x20: "LOCAL", 0x21: "PROXY"}.get(version_and_command)  # type: ignore[assignment]  # mypy takes the values for str
    if command is None:
        raise RemoteProtocolError(
            f"PROXY version and command 0x{version_and_command:02x}; 0x20 and 0x21 are allowed"
        )
    if length > MAX_V2_LENGTH:
        raise RemoteProtocolError(
            f"PROXY header of {length} further bytes; at most {MAX_V2_LENGTH} are allowed"
        )
    size = _HEAD.size + length
    family = _FAMILIES.get(family_code)
    if command == "PROXY" and family is None:
        raise RemoteProtocolError(f"unknown family 0x{family_code:02x} in PROXY header")
    if len(buffer) < size:
        return NEED_DATA
    if command == "LOCAL" or family is None or family == "UNKNOWN":
        # What follows is to be ignored, whatever it is.
        return Header(command, size=size)
    header = bytes(buffer[:size])
    form = _ADDRESSES[family_code >> 4]
    if length < form.size:
        raise RemoteProtocolError(
            f"PROXY header of {length} further bytes; {family} takes {form.size}"
        )
    source, destination = _endpoints(family, form.unpack_from(header, _HEAD.size))
    tlvs = tuple(_tlvs(header, _HEAD.size + form.size))
    return Header(command, family, source, destination, tlvs, size=size)


def _endpoints(family: Family, parts: tuple[bytes, bytes, int, int]) -> tuple[Endpoint, Endpoint]:
    """Return source and destination as a `Header` has them."""
    if family.startswith("UNIX"):
        # The rest is padding. A first NUL makes an abstract name, and stays.
        return parts[0].rstrip(b"\0"), parts[1].rstrip(b"\0")
    source, destination, source_port, destination_port = parts
    return (_ip(family, source), source_port), (_ip(family, destination), destination_port)


def _tlvs(header: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Give the additional values from a place on, all but padding and checksum.

    Raises:
        RemoteProtocolError: one is cut off, or the checksum is wrong.
    """
    while at < len(header):
        if len(header) - at < _TLV_HEAD.size:
            raise RemoteProtocolError(f"PROXY value cut off: {excerpt(header[at:])}")
        kind, length = _TLV_HEAD.unpack_from(header, at)
        at += _TLV_HEAD.size
        value = header[at : at + length]
        if len(value) < length:
            raise RemoteProtocolError(
                f"PROXY value of type 0x{kind:02x} has {len(value)} of {length} bytes"
            )
        if kind == TYPE_CRC32C:
            _verify(header, at, value)
        elif kind != TYPE_NOOP:
            yield kind, value
        at += length


def _verify(header: bytes, at: int, value: bytes) -> None:
    """Check the checksum, found at a place in the header that it is made of (§2.2.3)."""
    if len(value) != 4:
        raise RemoteProtocolError(f"PROXY checksum of {len(value)} bytes; 4 are allowed")
    computed = crc32c(header[:at] + bytes(4) + header[at + 4 :])
    if computed != int.from_bytes(value):
        raise RemoteProtocolError(
            f"PROXY checksum 0x{value.hex()}; that of the header is 0x{computed:08x}"
        )


# -- writing -----------------------------------------------------------------------------


def serialize(header: Header, checksum: bool = False) -> bytes:
    """Return a header as it is sent.

    Args:
        checksum: whether to add one; version 2 only.
    Raises:
        LocalProtocolError: the version cannot say that, or a value is out of range.
    """
    try:
        if header.version == 1:
            return _serialize_v1(header, checksum)
        if header.version == 2:
            return _serialize_v2(header, checksum)
        raise ValueError(f"version {header.version!r}; 1 and 2 are allowed")
    except ValueError as error:
        raise LocalProtocolError(f"PROXY header: {error}") from None


def _serialize_v1(header: Header, checksum: bool) -> bytes:
    if header.command != "PROXY" or header.tlvs or checksum:
        raise ValueError("version 1 has addresses alone: no LOCAL, no values, no checksum")
    if header.family == "UNKNOWN":
        return b"PROXY UNKNOWN\r\n"
    if header.family not in ("TCP4", "TCP6"):
        raise ValueError(f"family {header.family!r}; TCP4, TCP6 and UNKNOWN are allowed")
    (source, source_port), (destination, destination_port) = _ip_endpoints(header)
    family = header.family
    return (
        f"PROXY {family} {_ip(family, source)} {_ip(family, destination)}"
        f" {source_port} {destination_port}\r\n"
    ).encode("ascii")


def _serialize_v2(header: Header, checksum: bool) -> bytes:
    if header.command not in ("LOCAL", "PROXY"):
        raise ValueError(f"command {header.command!r}; LOCAL and PROXY are allowed")
    if header.family not in _FAMILY_CODES:
        raise ValueError(f"family {header.family!r}; {', '.join(_FAMILY_CODES)} are allowed")
    body = b"".join([_pack_addresses(header), *map(_pack_tlv, header.tlvs)])
    if checksum:
        body += _pack_tlv((TYPE_CRC32C, bytes(4)))
    if len(body) > MAX_V2_LENGTH:
        raise ValueError(f"{len(body)} bytes after the first 16; at most {MAX_V2_LENGTH}")
    head = _HEAD.pack(
        SIGNATURE_V2,
        0x20 | (header.command == "PROXY"),
        _FAMILY_CODES[header.family],
        len(body),
    )
    whole = head + body
    return whole[:-4] + crc32c(whole).to_bytes(4) if checksum else whole


def _pack_addresses(header: Header) -> bytes:
    family = header.family
    if family == "UNKNOWN":
        return b""
    form = _ADDRESSES[_FAMILY_CODES[family] >> 4]
    if not family.startswith("UNIX"):
        (source, source_port), (destination, destination_port) = _ip_endpoints(header)
        kind = IPv4Address if family.endswith("4") else IPv6Address
        return form.pack(
            kind(source).packed, kind(destination).packed, source_port, destination_port
        )
    paths = (header.source, header.destination)
    for path in paths:
        if not isinstance(path, bytes) or len(path) > _UNIX_SIZE:
            raise ValueError(f"path {path!r}; at most {_UNIX_SIZE} bytes are allowed")
    return form.pack(*paths)


def _pack_tlv(tlv: tuple[int, bytes]) -> bytes:
    kind, value = tlv
    try:
        return _TLV_HEAD.pack(kind, len(value)) + value
    except struct.error:
        raise ValueError(
            f"value of type {kind!r} and {len(value)} bytes; 255 and 65535 are allowed"
        ) from None


def _ip_endpoints(header: Header) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return source and destination, checked to be an address and a port each."""
    checked = []
    for endpoint in (header.source, header.destination):
        if not isinstance(endpoint, tuple) or len(endpoint) != 2:
            raise ValueError(f"endpoint {endpoint!r}; (address, port) is allowed")
        address, port = endpoint
        checked.append((_ip(header.family, address), _port(str(port))))
    return checked[0], checked[1]


# -- addresses and checksums -------------------------------------------------------------


def _ip(family: Family, address: str | bytes) -> str:
    """Return an address in its usual form.

    Args:
        family: one that ends in 4 or 6.
    Raises:
        ValueError: it is not written as an address of the family is.
    """
    if family.endswith("4"):
        return str(IPv4Address(address))
    if isinstance(address, str) and "%" in address:
        raise ValueError(f"zone in address {address!r}")
    found = IPv6Address(address)
    # As the system writes them; `str` does so on Python 3.13 and later only.
    mapped = found.ipv4_mapped
    return str(found) if mapped is None else f"::ffff:{mapped}"


def _port(text: str) -> int:
    """Read a port.

    Raises:
        ValueError: not 0 to 65535 without leading zeros.
    """
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError(f"port {text!r}; 0 to 65535 are allowed")
    return int(text)


def _crc_table() -> Iterator[int]:
    """Give the remainder that each byte leaves."""
    for byte in range(256):
        for _ in range(8):
            # Castagnoli's polynomial, with its bits reversed (RFC 9260 appendix A).
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


_CRC_TABLE = tuple(_crc_table())


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes (RFC 9260 appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
