"""Certificates as files, and handshakes of TLS in memory."""

import ssl
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import trustme

#: Trips that no handshake needs.
TRIPS = 12


def write_pair(
    authority: trustme.CA,
    certfile: Path,
    keyfile: Path,
    names: Sequence[str],
    not_after: datetime | None = None,
) -> trustme.LeafCert:
    """Write a new certificate with its chain, and its key, and return it."""
    issued = authority.issue_cert(*names, not_after=not_after)
    certfile.parent.mkdir(exist_ok=True)
    certfile.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    keyfile.write_bytes(issued.private_key_pem.bytes())
    return issued


def client_of(
    authority: trustme.CA,
    identity: trustme.LeafCert | None = None,
    version: ssl.TLSVersion | None = None,
    alpn: Sequence[str] = (),
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """Return the context of a client that trusts the authority.

    Args:
        identity: its own certificate.
        version: of TLS, the only one; None for any.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.check_hostname = check_hostname
    if identity is not None:
        identity.configure_cert(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def shake(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    name: str | None,
    session: Any = None,
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Have both ends do the handshake, and say a word each; return the server's and the client's.

    Raises:
        ssl.SSLError: what the client says when it fails, or the server when it alone does.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    failed: ssl.SSLError | None = None
    for _ in range(TRIPS):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                if side is theirs:
                    raise
                failed = error
                break
    try:
        if failed is None:
            ours.write(b"x")
        theirs.read(1)  # here a client hears of it that its certificate is refused
    except ssl.SSLWantReadError:
        assert failed is not None
        raise failed from None
    return ours, theirs


def shown_to(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> bytes:
    """Return the certificate that a client gets which asks for a name, in DER."""
    _, theirs = shake(server, client, name)
    found = theirs.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(issued: trustme.LeafCert) -> bytes:
    """Return a certificate in DER."""
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
