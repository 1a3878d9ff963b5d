"""Options of TLS: the context that they stand for, and what it accepts."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from toolkit.netutil import ssl_options_to_context, ssl_wrap_socket


class Files:
    """A certificate for ``localhost``, its key and who signed it, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.certificate = str(folder / "certificate.pem")
        self.key = str(folder / "key.pem")
        self.both = str(folder / "both.pem")
        self.authority = str(folder / "authority.pem")
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(self.certificate)
        issued.private_key_pem.write_to_path(self.key)
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        authority.cert_pem.write_to_path(self.authority)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make the files once."""
    return Files(tmp_path_factory.mktemp("certificates"))


def shake(
    server: Callable[[socket.socket], ssl.SSLSocket],
    client: Callable[[socket.socket], ssl.SSLSocket],
) -> str | None:
    """Have both ends of a connection do the handshake; return the version agreed upon.

    Raises:
        OSError: what the client says when it fails.
    """
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with contextlib.suppress(OSError), theirs, server(theirs) as secured:
            secured.recv(1)

    ours.settimeout(10)
    theirs.settimeout(10)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, client(ours) as secured:
            return secured.version()
    finally:
        ours.close()
        thread.join()


def talk(
    server: dict[str, Any] | ssl.SSLContext,
    client: dict[str, Any] | ssl.SSLContext,
    hostname: str | None = "localhost",
) -> str | None:
    """Do as `shake`, with options for both."""
    return shake(
        lambda sock: ssl_wrap_socket(sock, server, server_side=True),
        lambda sock: ssl_wrap_socket(sock, client, hostname, server_side=False),
    )


# -- who is trusted ----------------------------------------------------------------------


def test_a_client_trusts_whom_it_is_told_to(files: Files) -> None:
    server = {"certfile": files.certificate, "keyfile": files.key}
    assert talk(server, {"ca_certs": files.authority}) in ("TLSv1.2", "TLSv1.3")


def test_a_key_may_stand_in_the_certificates_file(files: Files) -> None:
    assert talk({"certfile": files.both}, {"ca_certs": files.authority})


@pytest.mark.parametrize(
    "options", [{}, {"cert_reqs": ssl.CERT_REQUIRED}, {"cert_reqs": ssl.CERT_OPTIONAL}]
)
def test_a_client_refuses_a_certificate_that_nobody_vouches_for(
    files: Files, options: dict[str, Any]
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        talk({"certfile": files.both}, options)


def test_a_client_refuses_a_certificate_for_another_name(files: Files) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        talk({"certfile": files.both}, {"ca_certs": files.authority}, "example.com")


def test_a_client_without_a_name_to_verify_is_an_error(files: Files) -> None:
    with pytest.raises(ValueError, match="server_hostname"):
        talk({"certfile": files.both}, {"ca_certs": files.authority}, None)


def test_a_client_trusts_anybody_only_when_told_to(files: Files) -> None:
    assert talk({"certfile": files.both}, {"cert_reqs": ssl.CERT_NONE}, "example.com")
    assert talk({"certfile": files.both}, {"cert_reqs": ssl.CERT_NONE}, None)


def test_a_client_is_verified_even_with_a_protocol_that_does_not_ask_for_it(files: Files) -> None:
    with pytest.warns(DeprecationWarning, match="ssl.PROTOCOL_TLS.* is deprecated"):
        context = ssl_options_to_context({"ssl_version": ssl.PROTOCOL_TLSv1_2}, server_side=False)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(ssl.SSLCertVerificationError):
        talk({"certfile": files.both}, context)


def test_a_server_asks_for_a_certificate_when_told_to(files: Files) -> None:
    server = {
        "certfile": files.both,
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": files.authority,
        "ssl_version": ssl.PROTOCOL_TLS_SERVER,
    }
    client = {"ca_certs": files.authority}
    assert talk(server, {**client, "certfile": files.both})
    context = ssl_options_to_context(client, server_side=False)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the client hears of it in time
    with pytest.raises(OSError):
        talk(server, context)


def test_a_client_trusts_the_systems_authorities_by_default(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that OpenSSL knows, which its environment can change; not beside its own choice."""
    monkeypatch.setenv("SSL_CERT_FILE", files.authority)
    assert talk({"certfile": files.both}, {})
    chosen = ssl_options_to_context({"ca_certs": files.authority}, server_side=False)
    assert chosen.cert_store_stats()["x509_ca"] == 1


def test_a_server_trusts_no_authority_that_it_was_not_told(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files.authority)
    options = {"certfile": files.both, "cert_reqs": ssl.CERT_REQUIRED}
    context = ssl_options_to_context(options, server_side=True)
    assert context.cert_store_stats()["x509_ca"] == 0


# -- the context -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server_side", "protocol", "verify", "hostname"),
    [
        (False, ssl.PROTOCOL_TLS_CLIENT, ssl.CERT_REQUIRED, True),
        (True, ssl.PROTOCOL_TLS_SERVER, ssl.CERT_NONE, False),
    ],
)
@pytest.mark.parametrize("where", ["argument", "option", "both"])
def test_each_side_has_its_safe_defaults(
    server_side: bool, protocol: int, verify: int, hostname: bool, where: str
) -> None:
    options = {} if where == "argument" else {"server_side": server_side}
    context = ssl_options_to_context(options, None if where == "option" else server_side)
    assert context.protocol == protocol
    assert context.verify_mode == verify
    assert context.check_hostname is hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_argument_counts_more_than_the_option() -> None:
    context = ssl_options_to_context({"server_side": True}, server_side=False)
    assert context.protocol == ssl.PROTOCOL_TLS_CLIENT


def test_without_a_side_there_is_a_warning_and_a_context_for_both() -> None:
    with pytest.warns(DeprecationWarning, match="ssl.PROTOCOL_TLS.* is deprecated"):
        context = ssl_options_to_context({})
    assert context.protocol == ssl.PROTOCOL_TLS
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    with pytest.warns(DeprecationWarning, match="ssl.PROTOCOL_TLS.* is deprecated"):
        context = ssl_options_to_context({"cert_reqs": ssl.CERT_REQUIRED})
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_an_old_protocol_is_not_spoken(files: Files) -> None:
    """Whichever side would like to."""
    with pytest.warns(DeprecationWarning, match="ssl.PROTOCOL_TLS.* is deprecated"):
        old = ssl.SSLContext(ssl.PROTOCOL_TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError):
        talk({"certfile": files.both, "ciphers": "ALL:@SECLEVEL=0"}, old)


def test_ciphers_can_be_chosen() -> None:
    name = "ECDHE-RSA-AES256-GCM-SHA384"
    context = ssl_options_to_context({"ciphers": name}, server_side=True)
    old = [item["name"] for item in context.get_ciphers() if item["protocol"] != "TLSv1.3"]
    assert old == [name]


def test_a_context_is_returned_as_it_is() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert ssl_options_to_context(context) is context
    assert ssl_options_to_context(context, server_side=True) is context


def test_an_option_that_is_none_is_not_there(files: Files) -> None:
    options = {"certfile": None, "keyfile": None, "ca_certs": None, "cert_reqs": None}
    context = ssl_options_to_context(options, server_side=False)
    assert context.verify_mode == ssl.CERT_REQUIRED


# -- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cert": "x"}, ValueError, r"unknown ssl_options \['cert'\]; ssl_version, certfile"),
        ({"keyfile": "x"}, ValueError, "a keyfile and no certfile"),
        ({"ciphers": "NO SUCH"}, ssl.SSLError, "cipher"),
        ({"certfile": "/no/such.pem"}, FileNotFoundError, "No such file"),
        ({"ca_certs": "/no/such.pem"}, FileNotFoundError, "No such file"),
        ({"ca_certs": __file__}, ssl.SSLError, "(?i)no.certificate"),
        ([("certfile", "x")], TypeError, "a dict, an ssl.SSLContext or ServerCertificates are"),
        (None, TypeError, "NoneType"),
    ],
)
@pytest.mark.parametrize("server_side", [True, False])
def test_options_that_make_no_context_are_an_error(
    options: Any, error: type[Exception], message: str, server_side: bool
) -> None:
    """One that says which options it was about."""
    with pytest.raises(error, match=message) as caught:
        ssl_options_to_context(options, server_side)
    if isinstance(caught.value, OSError):
        assert str(options) in caught.value.__notes__[0]


# -- sockets -----------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("options", "argument", "expected"),
    [
        ({}, None, False),
        ({}, False, False),
        ({"server_side": True}, None, True),
        ({}, True, True),
    ],
)
def test_a_wrapped_socket_is_a_clients_unless_something_says_otherwise(
    pair: tuple[socket.socket, socket.socket],
    options: dict[str, Any],
    argument: bool | None,
    expected: bool,
) -> None:
    with ssl_wrap_socket(
        pair[0],
        options,
        None if expected else "localhost",
        server_side=argument,
        do_handshake_on_connect=False,
    ) as wrapped:
        assert wrapped.server_side is expected
        assert wrapped.context.check_hostname is not expected


# -- what a server does not do -----------------------------------------------------------


def test_a_server_does_not_renegotiate_or_compress_and_has_good_ciphers(files: Files) -> None:
    """RFC 9325 §3.3, §3.4, §4.2; the attack called CRIME, and renegotiation floods."""
    context = ssl_options_to_context({"certfile": files.both}, server_side=True)
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    old = [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert old
    assert all(cipher["aead"] and "ecdhe" in cipher["kea"] for cipher in old)
