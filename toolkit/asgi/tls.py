"""The TLS extension: what was agreed on, and who the client is by its certificate."""

import binascii
from typing import Any

from toolkit.iostream import IOStream, SSLIOStream

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def tls_extension(stream: IOStream) -> dict[str, Any] | None:
    """Return the extension for a connection; None without TLS.

    The server's own certificate is not known here, and of the client's chain the first is.
    """
    if not isinstance(stream, SSLIOStream):
        return None
    certificate = stream.get_ssl_certificate(binary_form=True)
    verified = stream.get_ssl_certificate()
    return {
        "server_cert": None,
        "client_cert_chain": [_pem(certificate)] if isinstance(certificate, bytes) else [],
        "client_cert_name": _name(verified) if isinstance(verified, dict) and verified else None,
        "client_cert_error": "not verified" if certificate and not verified else None,
        "tls_version": _VERSIONS.get(stream.version() or ""),
        "cipher_suite": _cipher_suite(stream),
    }


def _pem(certificate: bytes) -> str:
    """Write a certificate in text (RFC 7468)."""
    text = binascii.b2a_base64(certificate, newline=False).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _name(certificate: dict[str, Any]) -> str:
    """Write the subject of a certificate, the last part first (RFC 4514)."""
    parts = []
    for together in reversed(certificate.get("subject", ())):
        parts.append(
            "+".join(f"{_SHORT.get(key, key)}={_escaped(value)}" for key, value in together)
        )
    return ",".join(parts)


#: The short names of attributes (RFC 4514 §3).
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


def _escaped(value: str) -> str:
    """Escape what has a meaning in a name (RFC 4514 §2.4)."""
    text = "".join(f"\\{char}" if char in '"+,;<>\\' else char for char in value)
    if text[:1] in ("#", " "):
        text = f"\\{text}"
    if text.endswith(" ") and len(value) > 1:
        text = f"{text[:-1]}\\ "
    return text.replace("\0", "\\00")


def _cipher_suite(stream: SSLIOStream) -> int | None:
    """Return the number of the cipher suite (the registry of TLS at IANA)."""
    agreed = stream.cipher()
    context = getattr(stream.socket, "context", None)
    if agreed is None or context is None:
        return None
    for cipher in context.get_ciphers():
        if cipher["name"] == agreed[0]:
            return int(cipher["id"]) & 0xFFFF
    return None
