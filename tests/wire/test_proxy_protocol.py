"""The PROXY protocol, by the sections of its description (HAProxy's proxy-protocol.txt)."""

import struct
from collections.abc import Iterable

import pytest

from tests.wire.feeding import cuttings
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import NEED_DATA
from toolkit.wire.proxy_protocol import (
    MAX_V1_SIZE,
    MAX_V2_LENGTH,
    SIGNATURE_V2,
    TYPE_ALPN,
    TYPE_AUTHORITY,
    TYPE_CRC32C,
    TYPE_NOOP,
    Endpoint,
    Family,
    Header,
    crc32c,
    parse,
    serialize,
)

#: What the connection itself brings, and looks like a header.
REST = b"PROXY TCP4 9.9.9.9 9.9.9.9 9 9\r\nGET / HTTP/1.1\r\n\r\n"

SOURCE_4, DESTINATION_4 = ("192.0.2.1", 56324), ("198.51.100.255", 443)
SOURCE_6, DESTINATION_6 = ("2001:db8::1", 0), ("::ffff:192.0.2.7", 65535)


def feed(pieces: Iterable[bytes]) -> Header | None:
    """Parse a buffer each time that it has grown; None when it stays incomplete."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        before = bytes(buffer)
        found = parse(buffer)
        assert buffer == before
        if isinstance(found, Header):
            return found
        assert found is NEED_DATA
    return None


def read(raw: bytes) -> Header:
    """Parse a header, cut in every way; its size must be that of all bytes."""
    found = [feed(pieces) for pieces in cuttings(raw)]
    header = found[0]
    assert header is not None
    assert header.size == len(raw)
    assert all(other == header and other.size == header.size for other in found if other)
    assert all(found)
    whole = parse(raw + REST)
    assert whole == header
    assert isinstance(whole, Header)
    assert whole.size == len(raw)
    for end in range(len(raw)):
        assert parse(raw[:end]) is NEED_DATA
    return header


def refused(raw: bytes, message: str) -> None:
    """Have the parser refuse the bytes, cut in every way, with a message that matches."""
    for pieces in cuttings(raw):
        with pytest.raises(RemoteProtocolError, match=message) as caught:
            assert feed(pieces) is None
        assert caught.value.status == 400
        assert len(str(caught.value)) < 250


def v2(
    body: bytes = b"", family: int = 0x11, command: int = 0x21, length: int | None = None
) -> bytes:
    """Build a header of version 2 from its parts, be they right or wrong."""
    size = len(body) if length is None else length
    return SIGNATURE_V2 + struct.pack("!BBH", command, family, size) + body


def tlv(kind: int, value: bytes, length: int | None = None) -> bytes:
    """Build an additional value."""
    return struct.pack("!BH", kind, len(value) if length is None else length) + value


ADDRESSES_4 = bytes([192, 0, 2, 1, 198, 51, 100, 255]) + struct.pack("!HH", 56324, 443)
ADDRESSES_6 = bytes.fromhex(
    "20010db800000000000000000000000100000000000000000000ffffc0000207"
) + struct.pack("!HH", 0, 65535)


def padded(*paths: bytes) -> bytes:
    """Build a pair of paths as version 2 has them."""
    return b"".join(path.ljust(108, b"\0") for path in paths)


# -- version 1 (§2.1) --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "family", "source", "destination"),
    [
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.255 56324 443\r\n",
            "TCP4",
            SOURCE_4,
            DESTINATION_4,
        ),
        (
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            "TCP4",
            ("255.255.255.255", 65535),
            ("255.255.255.255", 65535),
        ),
        (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "TCP4", ("0.0.0.0", 0), ("0.0.0.0", 0)),
        (
            b"PROXY TCP6 2001:DB8:0:0::1 ::ffff:192.0.2.7 0 65535\r\n",
            "TCP6",
            SOURCE_6,
            DESTINATION_6,
        ),
        (
            b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n",
            "TCP6",
            ("ffff:" * 7 + "ffff", 65535),
            ("ffff:" * 7 + "ffff", 65535),
        ),
        (b"PROXY UNKNOWN\r\n", "UNKNOWN", None, None),
        (b"PROXY UNKNOWN \r\n", "UNKNOWN", None, None),
        (b"PROXY UNKNOWN any thing \xff\0\r\n", "UNKNOWN", None, None),
        (b"PROXY UNKNOWN " + b"x" * (MAX_V1_SIZE - 16) + b"\r\n", "UNKNOWN", None, None),
    ],
)
def test_a_line_is_read(
    line: bytes, family: Family, source: Endpoint | None, destination: Endpoint | None
) -> None:
    """Addresses come in their usual form; of an unknown connection there are none."""
    assert read(line) == Header("PROXY", family, source, destination, version=1)


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",  # LF alone
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        b"PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY UNKNOWN\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN a\rb\r\n",
        b"PROXY \r\n",
    ],
)
def test_a_line_of_another_form_is_refused(line: bytes) -> None:
    """Nothing but single spaces and CRLF separates."""
    refused(line, "malformed PROXY line: b'PROXY")


@pytest.mark.parametrize(
    ("family", "address"),
    [
        ("TCP4", "01.2.3.4"),  # might be octal
        ("TCP4", "1.2.3"),
        ("TCP4", "1.2.3.4.5"),
        ("TCP4", "1.2.3.256"),
        ("TCP4", "0x1.2.3.4"),
        ("TCP4", "1.2.3.4/32"),
        ("TCP4", "١.2.3.4"),
        ("TCP4", "::1"),
        ("TCP6", "1.2.3.4"),
        ("TCP6", "::1::"),
        ("TCP6", "1:2:3:4:5:6:7"),
        ("TCP6", "12345::"),
        ("TCP6", "fe80::1%lo"),
        ("TCP6", "[::1]"),
        ("TCP6", "::g"),
        ("TCP6", "::1\r"),
    ],
)
@pytest.mark.parametrize("place", ["source", "destination"])
def test_an_address_that_is_not_of_the_family_is_refused(
    family: str, address: str, place: str
) -> None:
    good = "192.0.2.1" if family == "TCP4" else "2001:db8::1"
    pair = (address, good) if place == "source" else (good, address)
    refused(f"PROXY {family} {pair[0]} {pair[1]} 1 2\r\n".encode(), "in PROXY line b'PROXY")


@pytest.mark.parametrize("port", ["65536", "99999", "100000", "01", "00", "-1", "+1", "1.0", "a"])
@pytest.mark.parametrize("pair", ["{} 1", "1 {}"])
def test_a_port_out_of_range_or_form_is_refused(port: str, pair: str) -> None:
    line = f"PROXY TCP4 192.0.2.1 192.0.2.2 {pair.format(port)}\r\n"
    refused(line.encode(), f"port '{port}'; 0 to 65535 are allowed".replace("+", r"\+"))


@pytest.mark.parametrize(
    "raw",
    [
        b"PROXY TCP4 " + b"1" * MAX_V1_SIZE,
        b"PROXY UNKNOWN " + b"x" * (MAX_V1_SIZE - 15) + b"\r\n",
    ],
)
def test_a_line_too_long_is_refused_at_its_107th_byte(raw: bytes) -> None:
    assert parse(raw[: MAX_V1_SIZE - 1]) is NEED_DATA
    refused(raw, "PROXY line of more than 107 bytes")


# -- version 2 (§2.2) --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "body", "family", "source", "destination"),
    [
        (0x11, ADDRESSES_4, "TCP4", SOURCE_4, DESTINATION_4),
        (0x12, ADDRESSES_4, "UDP4", SOURCE_4, DESTINATION_4),
        (0x21, ADDRESSES_6, "TCP6", SOURCE_6, DESTINATION_6),
        (0x22, ADDRESSES_6, "UDP6", SOURCE_6, DESTINATION_6),
        (0x31, padded(b"/run/a", b"/run/b"), "UNIX_STREAM", b"/run/a", b"/run/b"),
        (0x32, padded(b"\0name", b""), "UNIX_DGRAM", b"\0name", b""),
        (0x31, padded(b"x" * 108, b"y" * 108), "UNIX_STREAM", b"x" * 108, b"y" * 108),
    ],
)
def test_addresses_are_read(
    code: int, body: bytes, family: Family, source: Endpoint, destination: Endpoint
) -> None:
    assert read(v2(body, code)) == Header("PROXY", family, source, destination)


@pytest.mark.parametrize("code", [0x00, 0x01, 0x02, 0x10, 0x20, 0x30])
@pytest.mark.parametrize("body", [b"", b"x", ADDRESSES_6, tlv(TYPE_CRC32C, b"bad")])
def test_what_an_unspecified_family_brings_is_ignored(code: int, body: bytes) -> None:
    assert read(v2(body, code)) == Header()


@pytest.mark.parametrize("code", [0x00, 0x11, 0x21, 0x31, 0xFF])
@pytest.mark.parametrize("body", [b"", b"x", ADDRESSES_6])
def test_what_a_local_connection_brings_is_ignored(code: int, body: bytes) -> None:
    """The family included."""
    assert read(v2(body, code, command=0x20)) == Header("LOCAL")


@pytest.mark.parametrize("byte", [0x00, 0x10, 0x11, 0x22, 0x2F, 0x31, 0xFF])
def test_another_version_or_command_is_refused(byte: int) -> None:
    refused(v2(ADDRESSES_4, command=byte), f"version and command 0x{byte:02x}; 0x20 and 0x21")


@pytest.mark.parametrize("byte", [0x03, 0x13, 0x1F, 0x33, 0x40, 0x41, 0xFF])
def test_an_unknown_family_is_refused(byte: int) -> None:
    refused(v2(ADDRESSES_4, byte), f"unknown family 0x{byte:02x}")


@pytest.mark.parametrize(
    ("code", "needed"), [(0x11, 12), (0x12, 12), (0x21, 36), (0x22, 36), (0x31, 216), (0x32, 216)]
)
def test_less_than_the_addresses_is_refused(code: int, needed: int) -> None:
    refused(v2(bytes(needed - 1), code), f"{needed - 1} further bytes; .* takes {needed}")
    assert isinstance(parse(v2(bytes(needed), code)), Header)


def test_a_length_past_the_limit_is_refused_before_it_is_waited_for() -> None:
    refused(v2(length=MAX_V2_LENGTH + 1), "4097 further bytes; at most 4096 are allowed")
    refused(v2(length=0xFFFF), "65535 further bytes; at most 4096 are allowed")
    value = bytes(MAX_V2_LENGTH - len(ADDRESSES_4) - 3)
    header = parse(v2(ADDRESSES_4 + tlv(0xE0, value)))
    assert isinstance(header, Header)
    assert header.tlvs == ((0xE0, value),)


def test_additional_values_come_in_order_without_padding() -> None:
    values = [
        (TYPE_ALPN, b"h2"),
        (TYPE_NOOP, b"\0\0\0"),
        (TYPE_AUTHORITY, b"example.com"),
        (TYPE_ALPN, b""),
        (0xE0, b"\xff" * 300),
        (TYPE_NOOP, b""),
    ]
    header = read(v2(ADDRESSES_4 + b"".join(tlv(*value) for value in values)))
    assert header.tlvs == tuple(value for value in values if value[0] != TYPE_NOOP)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (b"\x01", "value cut off"),
        (b"\x01\0", "value cut off"),
        (tlv(TYPE_ALPN, b"h2") + b"\0\0", "value cut off"),
        (tlv(TYPE_ALPN, b"h", 2), "type 0x01 has 1 of 2 bytes"),
        (tlv(TYPE_NOOP, b"", 65535), "type 0x04 has 0 of 65535 bytes"),
    ],
)
def test_a_value_cut_off_is_refused(values: bytes, message: str) -> None:
    refused(v2(ADDRESSES_4 + values), message)


# -- checksum (§2.2.3) -------------------------------------------------------------------


def test_the_checksum_is_castagnolis() -> None:
    """With values that its standards give (RFC 3720 appendix B.4)."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("after", [b"", tlv(TYPE_ALPN, b"h2")])
def test_a_checksum_is_verified_wherever_it_stands(after: bytes) -> None:
    before = ADDRESSES_4 + tlv(TYPE_AUTHORITY, b"example.com")
    blank = v2(before + tlv(TYPE_CRC32C, bytes(4)) + after)
    right = blank.replace(tlv(TYPE_CRC32C, bytes(4)), tlv(TYPE_CRC32C, crc32c(blank).to_bytes(4)))
    header = read(right)
    assert header.source == SOURCE_4
    assert TYPE_CRC32C not in dict(header.tlvs)
    place = right.index(b"example")
    refused(right[:place] + b"E" + right[place + 1 :], "PROXY checksum 0x[0-9a-f]{8}; that of")


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_checksum_of_another_size_is_refused(size: int) -> None:
    refused(v2(ADDRESSES_4 + tlv(TYPE_CRC32C, bytes(size))), f"checksum of {size} bytes; 4 are")


# -- neither -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXIED",
        b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b" PROXY UNKNOWN\r\n",
        b"P\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        SIGNATURE_V2[:-1] + b"\r",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
)
def test_what_is_no_header_is_refused(raw: bytes) -> None:
    """At the first byte that none can have there, so that nobody waits for more."""
    refused(raw, "no PROXY protocol header: b")
    wrong = next(end for end in range(1, len(raw) + 1) if is_refused(raw[:end]))
    assert parse(raw[: wrong - 1]) is NEED_DATA
    expected = (b"PROXY ", SIGNATURE_V2)
    assert not any(start.startswith(raw[:wrong]) for start in expected)


def is_refused(raw: bytes) -> bool:
    """Say whether the parser refuses the bytes."""
    try:
        parse(raw)
    except RemoteProtocolError:
        return True
    return False


def test_nothing_yet_needs_data() -> None:
    assert parse(b"") is NEED_DATA


# -- writing -----------------------------------------------------------------------------

HEADERS = [
    Header(version=1),
    Header(family="TCP4", source=SOURCE_4, destination=DESTINATION_4, version=1),
    Header(family="TCP6", source=SOURCE_6, destination=DESTINATION_6, version=1),
    Header(),
    Header("LOCAL"),
    Header(family="TCP4", source=SOURCE_4, destination=DESTINATION_4),
    Header(family="UDP6", source=SOURCE_6, destination=DESTINATION_6),
    Header(family="UNIX_STREAM", source=b"/run/a", destination=b"\0name"),
    Header(
        family="TCP6",
        source=SOURCE_6,
        destination=DESTINATION_6,
        tlvs=((TYPE_ALPN, b"h2"), (0xE0, b"")),
    ),
]


@pytest.mark.parametrize("header", HEADERS)
def test_what_is_written_is_read_again(header: Header) -> None:
    assert read(serialize(header)) == header


@pytest.mark.parametrize("header", [header for header in HEADERS if header.version == 2])
def test_a_checksum_is_written(header: Header) -> None:
    raw = serialize(header, checksum=True)
    assert read(raw) == header
    assert raw[-7:-4] == tlv(TYPE_CRC32C, bytes(4))[:3]
    assert raw[-4:] == crc32c(raw[:-4] + bytes(4)).to_bytes(4)


def test_a_line_is_written_as_the_description_has_it() -> None:
    header = Header(
        family="TCP4", source=("192.168.0.1", 56324), destination=("192.168.0.11", 443), version=1
    )
    assert serialize(header) == b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 3}, "version 3; 1 and 2 are allowed"),
        ({"version": 1, "command": "LOCAL"}, "addresses alone"),
        ({"version": 1, "tlvs": ((1, b"h2"),)}, "addresses alone"),
        ({"version": 1, "family": "UNIX_STREAM"}, "'UNIX_STREAM'; TCP4, TCP6 and UNKNOWN"),
        ({"version": 1, "source": None}, r"endpoint None; \(address, port\) is allowed"),
        ({"version": 1, "source": ("::1", 1)}, "'::1'"),
        ({"version": 1, "source": ("1.2.3.4", 65536)}, "port '65536'; 0 to 65535"),
        ({"command": "OTHER"}, "command 'OTHER'; LOCAL and PROXY are allowed"),
        ({"family": "IPX"}, "family 'IPX'; UNKNOWN, TCP4"),
        ({"source": b"/run/a"}, r"endpoint b'/run/a'; \(address, port\)"),
        ({"destination": ("1.2.3.4", -1)}, "port '-1'; 0 to 65535"),
        ({"family": "TCP6"}, "192.0.2.1"),
        ({"family": "UNIX_DGRAM"}, r"path \('192.0.2.1', 56324\); at most 108 bytes"),
        (
            {"family": "UNIX_DGRAM", "source": b"x" * 109, "destination": b""},
            "path b'x+'; at most 108 bytes",
        ),
        ({"tlvs": ((256, b""),)}, "type 256 and 0 bytes; 255 and 65535"),
        ({"tlvs": ((1, bytes(65536)),)}, "type 1 and 65536 bytes; 255 and 65535"),
        ({"tlvs": ((1, bytes(4082)),)}, "4097 bytes after the first 16; at most 4096"),
    ],
)
def test_what_cannot_be_said_is_not_written(options: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"family": "TCP4", "source": SOURCE_4, "destination": DESTINATION_4}
    serialize(Header(**good))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match=message):
        serialize(Header(**{**good, **options}))  # type: ignore[arg-type]


def test_version_1_has_no_checksum() -> None:
    with pytest.raises(LocalProtocolError, match="no checksum"):
        serialize(Header(version=1), checksum=True)
