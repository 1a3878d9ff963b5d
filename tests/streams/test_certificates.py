"""Certificates of servers: what they say of themselves, which one is shown, and reading anew."""

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from tests.loops import expect_log
from tests.streams.handshakes import client_of, der, shake, shown_to, write_pair
from toolkit.netutil import ServerCertificates

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make an authority for certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def stranger() -> trustme.CA:
    """Make an authority that is another one."""
    return trustme.CA()


@pytest.fixture(scope="session")
def client(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a client that takes a certificate of any name."""
    return client_of(authority, check_hostname=False)


def in_days(days: int) -> datetime:
    """Return the time in so many days, to the second."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days)


# -- which certificate is shown ----------------------------------------------------------


@pytest.mark.feature("B24")
def test_a_directory_is_read_as_certbot_and_others_lay_it_out(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path
) -> None:
    """The names are those that the certificates bear; what is no pair of files is passed over."""
    issued = {
        "own.test": write_pair(
            authority, tmp_path / "fullchain.pem", tmp_path / "privkey.pem", ["own.test"]
        ),
        "below.test": write_pair(
            authority,
            tmp_path / "below" / "fullchain.pem",
            tmp_path / "below" / "privkey.pem",
            ["below.test"],
        ),
        "beside.test": write_pair(
            authority, tmp_path / "another.name.pem", tmp_path / "another.name.key", ["beside.test"]
        ),
        "crt.test": write_pair(
            authority, tmp_path / "tls.crt", tmp_path / "tls.key", ["crt.test", "also.test"]
        ),
    }
    write_pair(authority, tmp_path / ".hidden.pem", tmp_path / ".hidden.key", ["hidden.test"])
    write_pair(
        authority,
        tmp_path / ".git" / "fullchain.pem",
        tmp_path / ".git" / "privkey.pem",
        ["hidden.test"],
    )
    (tmp_path / "README").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "chain.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "lonely.key").write_text("no key")
    certificates = ServerCertificates(directory=tmp_path, refuse_unknown=True)
    for name, certificate in issued.items():
        assert shown_to(certificates.context, client, name) == der(certificate)
    assert shown_to(certificates.context, client, "also.test") == der(issued["crt.test"])
    for name in ("hidden.test", "another.name", "below"):
        with pytest.raises(ssl.SSLError):
            shake(certificates.context, client, name)
    assert [found.names for found in certificates.certificates] == [
        ("own.test",),
        ("beside.test",),
        ("below.test",),
        ("crt.test", "also.test"),
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("a.test", "a"),
        ("A.Test", "a"),
        ("x.a.test", "any"),
        ("exact.a.test", "exact"),
        ("y.x.a.test", "default"),
        ("*.a.test", "any"),
        ("test", "default"),
        ("b.test", "default"),
        ("127.0.0.1", "default"),  # which no client may ask for by name, and `ssl` does not
        (None, "default"),
    ],
)
def test_a_certificate_is_chosen_by_the_name_asked_for(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path, asked: str | None, expected: str
) -> None:
    """RFC 9525 §6.3: a wildcard stands for one label, and what is exact is better."""
    issued = {
        file: write_pair(authority, tmp_path / f"{file}.pem", tmp_path / f"{file}.key", names)
        for file, names in {
            "a": ["a.test"],
            "any": ["*.a.test"],
            "default": ["default.test"],
            "exact": ["exact.a.test"],
        }.items()
    }
    certificates = ServerCertificates(directory=tmp_path, default="default.test")
    assert shown_to(certificates.context, client, asked) == der(issued[expected])


@pytest.mark.parametrize("names", [["a.test"], ["127.0.0.1"]])
def test_one_certificate_is_for_everybody(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path, names: list[str]
) -> None:
    issued = write_pair(authority, tmp_path / "one.pem", tmp_path / "one.key", names)
    certificates = ServerCertificates(tmp_path / "one.pem", tmp_path / "one.key")
    for asked in ("a.test", "b.test", None):
        assert shown_to(certificates.context, client, asked) == der(issued)


def test_a_key_may_stand_in_the_file_of_the_certificate(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    issued = authority.issue_cert("a.test")
    both.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    assert shown_to(ServerCertificates(str(both)).context, client, None) == der(issued)


def test_the_certificate_given_goes_before_the_first_of_the_directory(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path
) -> None:
    """By default; any other can be the default by its name."""
    more = tmp_path / "more"
    one = write_pair(authority, tmp_path / "one.pem", tmp_path / "one.key", ["one.test"])
    a = write_pair(authority, more / "a.pem", more / "a.key", ["a.test"])
    b = write_pair(authority, more / "b.pem", more / "b.key", ["*.b.test"])
    both = {"certfile": tmp_path / "one.pem", "keyfile": tmp_path / "one.key", "directory": more}
    for options, expected in (
        (both, one),
        ({"directory": more}, a),
        ({**both, "default": "x.b.test"}, b),
    ):
        context = ServerCertificates(**options).context
        assert shown_to(context, client, None) == der(expected)
        assert shown_to(context, client, "a.test") == der(a)


def test_of_two_certificates_for_a_name_the_one_that_is_valid_longer_is_shown(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path
) -> None:
    """certbot leaves the old one of a name in a directory of its own now and then."""
    for file, days in (("a", 10), ("b", 90), ("c", 20)):
        issued = write_pair(
            authority, tmp_path / f"{file}.pem", tmp_path / f"{file}.key", ["a.test"], in_days(days)
        )
        if file == "b":
            best = issued
    context = ServerCertificates(directory=tmp_path).context
    assert shown_to(context, client, "a.test") == der(best)


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize(
    ("asked", "alert"),
    [
        ("b.test", "UNRECOGNIZED_NAME"),
        (None, "missing.extension|handshake.failure"),  # as TLS 1.2 has no such alert
    ],
)
def test_unknown_names_are_refused_by_an_alert(
    authority: trustme.CA,
    tmp_path: Path,
    version: ssl.TLSVersion,
    asked: str | None,
    alert: str,
) -> None:
    """RFC 6066 §3, RFC 8446 §9.2."""
    write_pair(authority, tmp_path / "a.pem", tmp_path / "a.key", ["a.test"])
    context = ServerCertificates(directory=tmp_path, refuse_unknown=True).context
    client = client_of(authority, version=version, check_hostname=False)
    with pytest.raises(ssl.SSLError, match=f"(?i){alert}"):
        shake(context, client, asked)
    shake(context, client, "a.test")


# -- options -----------------------------------------------------------------------------


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> dict[str, Any]:
    """Write a certificate for a.test."""
    certfile, keyfile = tmp_path / "a.pem", tmp_path / "a.key"
    write_pair(authority, certfile, keyfile, ["a.test"])
    return {"certfile": certfile, "keyfile": keyfile}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, ["http/1.1"], "http/1.1"),
        (None, ["h2", "http/1.1"], "http/1.1"),
        (None, ["h2"], None),
        (None, [], None),
        (["h2", "http/1.1"], ["http/1.1", "h2"], "h2"),
        ([], ["http/1.1"], None),
    ],
)
def test_the_protocol_is_the_servers_best_that_both_speak(
    pair: dict[str, Any],
    authority: trustme.CA,
    ours: list[str] | None,
    theirs: list[str],
    expected: str | None,
) -> None:
    """RFC 7301. With none the connection goes on as if neither had said anything."""
    options = pair if ours is None else {**pair, "alpn_protocols": ours}
    for version in (TLS12, TLS13):
        client = client_of(authority, version=version, alpn=theirs)
        for side in shake(ServerCertificates(**options).context, client, "a.test"):
            assert side.selected_alpn_protocol() == expected


def test_old_versions_weak_ciphers_compression_and_renegotiation_are_off(
    pair: dict[str, Any], authority: trustme.CA
) -> None:
    """RFC 9325; the attacks called CRIME and BEAST, and renegotiation floods."""
    context = ServerCertificates(**pair).context
    assert context.minimum_version == TLS12
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    old = [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert old
    assert all(cipher["aead"] and "ecdhe" in cipher["kea"] for cipher in old)
    client = client_of(authority, version=TLS12)
    client.set_ciphers("ECDHE+AES128+SHA256:AES128-GCM-SHA256:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        shake(context, client, "a.test")


def test_version_and_ciphers_can_be_chosen(pair: dict[str, Any], authority: trustme.CA) -> None:
    options = {**pair, "ciphers": "ECDHE+CHACHA20"}
    client = client_of(authority, version=TLS12)
    ours, _ = shake(ServerCertificates(**options).context, client, "a.test")
    assert "CHACHA20" in str(ours.cipher())
    strict = ServerCertificates(**pair, minimum_version=TLS13).context
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        shake(strict, client, "a.test")


@pytest.mark.parametrize("password", ["sesame", b"sesame", lambda: "sesame"])
def test_an_encrypted_key_needs_its_password(
    authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path, password: Any
) -> None:
    """Without one it is an error at once; OpenSSL would ask the terminal."""
    certfile, keyfile = tmp_path / "a.pem", tmp_path / "a.key"
    issued = write_pair(authority, certfile, keyfile, ["a.test"])
    key = serialization.load_pem_private_key(keyfile.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"sesame")
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    keyfile.write_bytes(key.private_bytes(encoding, form, secret))
    certificates = ServerCertificates(certfile, keyfile, password=password)
    assert shown_to(certificates.context, client, "a.test") == der(issued)
    with pytest.raises(ValueError, match="no password was given") as caught:
        ServerCertificates(certfile, keyfile)
    assert str(keyfile) in caught.value.__notes__[0]
    with pytest.raises(OSError):
        ServerCertificates(certfile, keyfile, password="open")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "a certfile or a directory"),
        ({"keyfile": "a.key"}, ValueError, "'a.key' without a certfile"),
        ({"certfile": "none.pem"}, FileNotFoundError, "No such file"),
        ({"certfile": "a.pem", "keyfile": "none.key"}, FileNotFoundError, "No such file"),
        ({"certfile": "a.pem", "keyfile": "b.key"}, ssl.SSLError, "(?i)mismatch"),
        ({"certfile": "a.pem"}, ssl.SSLError, r"\[SSL"),
        ({"certfile": "a.key"}, ssl.SSLError, r"\[SSL"),
        ({"directory": "none"}, FileNotFoundError, "No such file"),
        ({"directory": "empty"}, ValueError, "no certificate in"),
        ({"directory": "half"}, FileNotFoundError, "No such file"),
        ({"directory": ".", "default": "b.test"}, ValueError, "default name 'b.test'"),
        ({"directory": ".", "default": "a", "refuse_unknown": True}, ValueError, "default 'a'"),
        ({"directory": ".", "client_certificates": "required"}, ValueError, "go together"),
        ({"directory": ".", "client_ca": "a.pem"}, ValueError, "go together"),
        (
            {"directory": ".", "client_certificates": "maybe", "client_ca": "a.pem"},
            ValueError,
            "'maybe'; none, optional, required are allowed",
        ),
        (
            {"directory": ".", "client_certificates": "required", "client_ca": "none.pem"},
            FileNotFoundError,
            "none.pem",
        ),
        (
            {"directory": ".", "client_certificates": "required", "client_ca": "a.key"},
            ssl.SSLError,
            "client_ca a.key",
        ),
        ({"directory": ".", "ciphers": "NO SUCH"}, ssl.SSLError, "(?i)no cipher"),
    ],
)
def test_what_cannot_be_served_is_an_error_at_once(
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pair(authority, Path("a.pem"), Path("a.key"), ["a.test"])
    write_pair(authority, Path("half/fullchain.pem"), Path("b.key"), ["b.test"])
    Path("empty").mkdir()
    if options.get("directory") == ".":
        Path("half/fullchain.pem").unlink()
    with pytest.raises(error, match=message):
        ServerCertificates(**options)


def test_an_expired_certificate_is_served_with_a_warning(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Some clients do not care, and a server that does not start helps nobody."""
    certfile = tmp_path / "a.pem"
    write_pair(authority, certfile, tmp_path / "a.key", ["a.test"], in_days(-1))
    ServerCertificates(directory=tmp_path)
    expect_log(caplog, "toolkit.application", f"{certfile} expired on")


# -- certificates of clients -------------------------------------------------------------


@pytest.fixture
def client_ca(authority: trustme.CA, tmp_path: Path) -> Path:
    """Write the file of the authority that clients come from."""
    path = tmp_path / "clients.ca"
    path.write_text("# Zertifikate für Gäste\n", "utf-8")
    with path.open("ab") as file:
        file.write(authority.cert_pem.bytes())
    return path


@pytest.mark.feature("B23")
@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize(
    ("asked_for", "shown", "served"),
    [
        ("none", "good", True),
        ("none", None, True),
        ("optional", "good", True),
        ("optional", None, True),
        ("optional", "bad", False),
        ("required", "good", True),
        ("required", None, False),
        ("required", "bad", False),
    ],
)
def test_clients_are_asked_for_their_certificate(
    pair: dict[str, Any],
    client_ca: Path,
    authority: trustme.CA,
    stranger: trustme.CA,
    version: ssl.TLSVersion,
    asked_for: Any,
    shown: str | None,
    served: bool,
) -> None:
    issued = {
        "good": authority.issue_cert("somebody@example.org"),
        "bad": stranger.issue_cert("somebody@example.org"),
        None: None,
    }
    if asked_for != "none":
        pair |= {"client_certificates": asked_for, "client_ca": client_ca}
    context = ServerCertificates(**pair).context
    client = client_of(authority, issued[shown], version)
    if not served:
        with pytest.raises(ssl.SSLError):
            shake(context, client, "a.test")
        return
    ours, _ = shake(context, client, "a.test")
    if asked_for == "none" or shown is None:
        assert not ours.getpeercert()
    else:
        certificate = ours.getpeercert()
        assert certificate is not None
        assert certificate["subjectAltName"] == (("email", "somebody@example.org"),)


def test_no_session_is_resumed_past_other_authorities(
    pair: dict[str, Any],
    client_ca: Path,
    authority: trustme.CA,
    stranger: trustme.CA,
) -> None:
    """CVE-2025-68121 (Go), CVE-2025-23419 (nginx): who resumes is not verified again."""
    certificates = ServerCertificates(**pair, client_certificates="required", client_ca=client_ca)
    identity = authority.issue_cert("somebody@example.org")
    sessions = {}
    alive = []  # a server forgets the session of a connection that ends without a word
    for version in (TLS12, TLS13):
        client = client_of(authority, identity, version)
        first, theirs = shake(certificates.context, client, "a.test")
        sessions[version] = client, theirs.session
        ours, _ = shake(certificates.context, client, "a.test", theirs.session)
        alive += [first, ours]
        assert ours.session_reused == (version == TLS12)
        assert ours.getpeercert()
    assert certificates.reload()
    client, session = sessions[TLS12]
    ours, _ = shake(certificates.context, client, "a.test", session)
    assert ours.session_reused  # as the authorities are the same
    client_ca.write_bytes(stranger.cert_pem.bytes())
    assert certificates.reload()
    for client, session in sessions.values():
        with pytest.raises(ssl.SSLError):
            shake(certificates.context, client, "a.test", session)
        with pytest.raises(ssl.SSLError):
            shake(certificates.context, client, "a.test")
    trusted = client_of(authority, stranger.issue_cert("other@example.org"), TLS12)
    shake(certificates.context, trusted, "a.test")


# -- reading anew ------------------------------------------------------------------------


@pytest.mark.feature("B26")
def test_reload_shows_new_certificates_to_new_handshakes(
    pair: dict[str, Any], authority: trustme.CA, client: ssl.SSLContext
) -> None:
    """By the same context; what was agreed upon goes on, and may be resumed."""
    certificates = ServerCertificates(**pair)
    context = certificates.context
    ours, theirs = shake(context, client, "a.test")
    issued = write_pair(authority, pair["certfile"], pair["keyfile"], ["b.test"])
    assert theirs.getpeercert(True) != der(issued)
    assert certificates.reload()
    assert certificates.context is context
    assert [found.names for found in certificates.certificates] == [("b.test",)]
    assert shown_to(context, client, None) == der(issued)
    with pytest.raises(ssl.SSLWantReadError):
        ours.read(1)
    ours, _ = shake(context, client, "a.test", theirs.session)
    assert ours.session_reused


def test_reload_takes_files_that_came_and_drops_those_that_went(
    pair: dict[str, Any], authority: trustme.CA, client: ssl.SSLContext, tmp_path: Path
) -> None:
    certificates = ServerCertificates(directory=tmp_path, refuse_unknown=True)
    issued = write_pair(authority, tmp_path / "b.pem", tmp_path / "b.key", ["b.test"])
    pair["certfile"].unlink()
    assert certificates.reload()
    assert shown_to(certificates.context, client, "b.test") == der(issued)
    with pytest.raises(ssl.SSLError):
        shake(certificates.context, client, "a.test")


def test_what_cannot_be_reloaded_keeps_its_old_certificate(
    authority: trustme.CA,
    client: ssl.SSLContext,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And does not hold up the others; it is logged."""
    a_pem, b_pem = tmp_path / "a.pem", tmp_path / "b.pem"
    old = write_pair(authority, a_pem, tmp_path / "a.key", ["a.test"])
    write_pair(authority, b_pem, tmp_path / "b.key", ["b.test"])
    certificates = ServerCertificates(directory=tmp_path, refuse_unknown=True)
    a_pem.write_text("half of a certifi")
    new = write_pair(authority, b_pem, tmp_path / "b.key", ["b.test"])
    write_pair(authority, tmp_path / "c.pem", tmp_path / "b.key.other", ["c.test"])
    (tmp_path / "c.key").write_text("no key")
    assert not certificates.reload()
    for file in ("a.pem", "c.pem"):
        expect_log(caplog, "toolkit.application", f"{file} was not reloaded: ")
    assert shown_to(certificates.context, client, "a.test") == der(old)
    assert shown_to(certificates.context, client, "b.test") == der(new)
    (tmp_path / "c.key").unlink()
    new = write_pair(authority, a_pem, tmp_path / "a.key", ["a.test"])
    assert certificates.reload()
    assert shown_to(certificates.context, client, "a.test") == der(new)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "certs" / "a.pem").unlink(), "no certificate in"),
        (lambda folder: (folder / "certs").rename(folder / "moved"), "No such file"),
        (lambda folder: (folder / "ca").unlink(), "No such file"),
        # The old certificate goes with the old authorities.
        (
            lambda folder: [
                (folder / "ca").write_bytes(trustme.CA().cert_pem.bytes()),
                (folder / "certs" / "a.pem").write_text("nothing"),
            ],
            "; certificate .*a.pem, key .*a.key",
        ),
    ],
    ids=["empty", "gone", "authorities gone", "other authorities"],
)
def test_all_stays_as_it_is_where_nothing_else_is_safe(
    authority: trustme.CA,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
    reason: str,
) -> None:
    issued = write_pair(
        authority, tmp_path / "certs" / "a.pem", tmp_path / "certs" / "a.key", ["a.test"]
    )
    (tmp_path / "ca").write_bytes(authority.cert_pem.bytes())
    certificates = ServerCertificates(
        directory=tmp_path / "certs", client_certificates="required", client_ca=tmp_path / "ca"
    )
    spoil(tmp_path)
    assert not certificates.reload()
    expect_log(caplog, "toolkit.application", f"No certificate was reloaded: .*{reason}")
    client = client_of(authority, authority.issue_cert("somebody@example.org"))
    assert shown_to(certificates.context, client, "a.test") == der(issued)


# -- watching ----------------------------------------------------------------------------

#: Seconds between two looks in tests.
SOON = 0.001


@contextlib.asynccontextmanager
async def watching(certificates: ServerCertificates) -> Any:
    """Have the files watched for some time."""
    task = asyncio.create_task(certificates.watch(SOON))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until_names(certificates: ServerCertificates, names: set[str]) -> None:
    """Wait until there are certificates for just these names."""
    while {name for found in certificates.certificates for name in found.names} != names:
        await asyncio.sleep(SOON)


@pytest.mark.feature("B26")
async def test_watch_reloads_what_has_changed(
    pair: dict[str, Any], authority: trustme.CA, tmp_path: Path
) -> None:
    """Files written over, replaced, added and removed, and links that point elsewhere."""
    certificates = ServerCertificates(directory=tmp_path)
    async with watching(certificates):
        write_pair(authority, tmp_path / "n" / "fullchain.pem", tmp_path / "n" / "privkey.pem", "b")
        await until_names(certificates, {"a.test", "b"})
        write_pair(authority, tmp_path / "other", tmp_path / "n" / "privkey.pem", ["c.test"])
        os.replace(tmp_path / "other", tmp_path / "n" / "fullchain.pem")
        await until_names(certificates, {"a.test", "c.test"})
        write_pair(authority, tmp_path / "d.crt", tmp_path / "d.secret", ["d.test"])
        (tmp_path / "d.key").symlink_to("d.secret")
        await until_names(certificates, {"a.test", "c.test", "d.test"})
        pair["keyfile"].unlink()
        await until_names(certificates, {"c.test", "d.test"})


async def test_watch_sees_a_file_written_over_whose_time_is_set_back(
    pair: dict[str, Any], authority: trustme.CA, tmp_path: Path
) -> None:
    """As programs that keep the times of what they copy do."""
    both = tmp_path / "both.pem"
    size = 10_000
    issued = authority.issue_cert("a.test")
    both.write_bytes(issued.private_key_and_cert_chain_pem.bytes().ljust(size))
    seen = both.stat()
    certificates = ServerCertificates(both)
    issued = authority.issue_cert("b.test")
    both.write_bytes(issued.private_key_and_cert_chain_pem.bytes().ljust(size))
    os.utime(both, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    async with watching(certificates):
        await until_names(certificates, {"b.test"})


async def test_watch_tells_once_of_what_cannot_be_read(
    pair: dict[str, Any], authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And takes it as soon as it can be."""
    certificates = ServerCertificates(directory=tmp_path)
    async with watching(certificates):
        pair["keyfile"].write_text("half of a k")
        write_pair(authority, tmp_path / "b.pem", tmp_path / "b.key", ["b.test"])
        await until_names(certificates, {"a.test", "b.test"})
        for number in range(5):
            # Others come and go meanwhile.
            (tmp_path / "b.key").unlink()
            await until_names(certificates, {"a.test"})
            name = f"{number}.test"
            write_pair(authority, tmp_path / "b.pem", tmp_path / "b.key", [name])
            await until_names(certificates, {"a.test", name})
        write_pair(authority, pair["certfile"], pair["keyfile"], ["new.test"])
        await until_names(certificates, {"new.test", name})
    expect_log(caplog, "toolkit.application", "a.pem was not reloaded")


@pytest.mark.parametrize("all_gone", [False, True])
async def test_watch_does_not_tell_of_the_same_files_again(
    pair: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, all_gone: bool
) -> None:
    certificates = ServerCertificates(directory=tmp_path)
    async with watching(certificates):
        if all_gone:
            pair["certfile"].unlink()
        else:
            pair["certfile"].write_text("nothing")
        while not caplog.records:
            await asyncio.sleep(SOON)
        for _ in range(20):
            await asyncio.sleep(SOON)
    assert len(expect_log(caplog, "toolkit.application", "was not reloaded|was reloaded")) == 1


async def test_a_reload_amid_a_look_is_not_undone_by_it(
    pair: dict[str, Any], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the thread has read is older by then."""
    certificates = ServerCertificates(**pair)
    read, seen, go_on = Path.read_bytes, threading.Event(), threading.Event()

    def slowly(path: Path) -> bytes:
        data = read(path)
        if threading.current_thread() is not threading.main_thread():
            seen.set()
            go_on.wait(10)
        return data

    monkeypatch.setattr(Path, "read_bytes", slowly)
    async with watching(certificates):
        write_pair(authority, pair["certfile"], pair["keyfile"], ["b.test"])
        await asyncio.to_thread(seen.wait, 10)
        write_pair(authority, pair["certfile"], pair["keyfile"], ["c.test"])
        assert certificates.reload()
        state = certificates.certificates
        go_on.set()
        for _ in range(20):
            assert certificates.certificates[0].names == ("c.test",)
            await asyncio.sleep(SOON)
    assert certificates.certificates == state


@pytest.mark.parametrize("interval", [0, -1.0])
async def test_watch_has_to_pause(pair: dict[str, Any], interval: float) -> None:
    with pytest.raises(ValueError, match="more than 0 are allowed"):
        await ServerCertificates(**pair).watch(interval)
