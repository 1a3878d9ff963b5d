"""What a certificate says of itself: its names and dates (RFC 5280).

The standard library reads certificates of peers that it has verified, and no others. This is the
little of DER (X.690) that it takes to know the own ones; OpenSSL decides whether they are any good.
"""

import binascii
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime

#: Bytes of a file of certificates; a chain has a few thousand.
MAX_FILE_SIZE = 1024 * 1024

# Tags of DER, with the bits for "constructed" and "specific to the context".
_BOOLEAN, _OCTET_STRING, _OID = 0x01, 0x04, 0x06
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_SEQUENCE = 0x30
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87

#: 2.5.29.17, the extension subjectAltName (RFC 5280 §4.2.1.6).
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"

#: The labels are those that OpenSSL takes. What follows the certificate proper in a "trusted"
#: one is not looked at.
_PEM = re.compile(
    rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----([A-Za-z0-9+/=\s]+)-----END \1-----"
)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself.

    Attributes:
        names: host names and IP addresses of subjectAltName, in lower case; ``*.`` begins
            those that stand for all names of a domain.
        not_before: since when it is valid.
        not_after: until when it is valid.
    """

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def read_pem(data: bytes) -> CertificateFacts:
    """Return what the first certificate of a PEM file says, which is the server's own.

    Raises:
        ValueError: there is none, or it is not well-formed.
    """
    if len(data) > MAX_FILE_SIZE:
        raise ValueError(f"{len(data)} bytes; {MAX_FILE_SIZE} are allowed")
    found = _PEM.search(data)
    if found is None:
        raise ValueError("no certificate in PEM")
    return read_der(binascii.a2b_base64(found[2]))


def read_der(data: bytes) -> CertificateFacts:
    """Return what a certificate says; what is not asked for here is not checked.

    Raises:
        ValueError: it is not well-formed.
    """
    certificate = _Items(data).take(_SEQUENCE)
    signed = _Items(_Items(certificate).take(_SEQUENCE))
    signed.skip(_VERSION)
    for _ in ("serialNumber", "signature", "issuer"):
        signed.take()
    validity = _Items(signed.take(_SEQUENCE))
    not_before, not_after = _time(*validity.next()), _time(*validity.next())
    names: tuple[str, ...] = ()
    while signed:
        tag, content = signed.next()
        if tag == _EXTENSIONS:
            names = _names(_Items(content).take(_SEQUENCE))
    return CertificateFacts(names, not_before, not_after)


def _names(extensions: bytes) -> tuple[str, ...]:
    """Return the names of subjectAltName, if it is among the extensions."""
    items = _Items(extensions)
    while items:
        extension = _Items(items.take(_SEQUENCE))
        identifier = extension.take(_OID)
        extension.skip(_BOOLEAN)
        if identifier == _SUBJECT_ALT_NAME:
            return _general_names(_Items(extension.take(_OCTET_STRING)).take(_SEQUENCE))
    return ()


def _general_names(data: bytes) -> tuple[str, ...]:
    """Return host names and IP addresses; a server is not found by others, such as for e-mail."""
    items, names = _Items(data), []
    while items:
        tag, content = items.next()
        if tag == _DNS_NAME:
            names.append(content.decode("ascii").lower())
        elif tag == _IP_ADDRESS:
            names.append(str(ipaddress.ip_address(content)))
    return tuple(names)


def _time(tag: int, content: bytes) -> datetime:
    """Return a time, which DER has in UTC and to the second (RFC 5280 §4.1.2.5)."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        # Two digits for the year: 50 to 99 are of the last century.
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"tag {tag:#x} for a time")
    if not re.fullmatch("[0-9]{14}Z", text):
        raise ValueError(f"time {text[:100]!r}")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


class _Items:
    """The items of a DER value, one after the other; true as long as there are more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def next(self) -> tuple[int, bytes]:
        """Return tag and content of the next item.

        Raises:
            ValueError: there is none, or it is cut off.
        """
        start = self._position
        header = self._data[start : start + 2]
        if len(header) < 2:
            raise ValueError(f"DER ends at byte {start}, where an item was to follow")
        tag, size = header
        start += 2
        if size & 0x80:  # then it says how many bytes the size has
            more = size & 0x7F
            size = int.from_bytes(self._data[start : start + more])
            start += more
        self._position = start + size
        if self._position > len(self._data):
            raise ValueError(f"DER item of {size} bytes; {len(self._data) - start} follow")
        return tag, self._data[start : self._position]

    def take(self, tag: int | None = None) -> bytes:
        """Return the content of the next item, which has to have a tag if one is given."""
        found, content = self.next()
        if tag is not None and found != tag:
            raise ValueError(f"DER tag {found:#x}; {tag:#x} is allowed")
        return content

    def skip(self, tag: int) -> None:
        """Pass over the next item if it has that tag."""
        if self._data[self._position : self._position + 1] == bytes([tag]):
            self.next()
