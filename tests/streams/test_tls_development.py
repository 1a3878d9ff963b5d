"""The certificate for development: made on demand, kept, and renewed in time."""

import importlib.util
import os
import shutil
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.streams.handshakes import shake, write_pair
from toolkit.netutil import ServerCertificates, development, development_certificate
from toolkit.wire.x509 import CertificateFacts, read_pem

#: What makes certificates.
TOOLS = ["cryptography", "openssl"]


@pytest.fixture(params=TOOLS)
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have one tool there, and not the other."""
    use(request.param, monkeypatch)
    return str(request.param)


def use(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have just this tool from now on."""
    if tool == "openssl" and shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    found = None if tool == "openssl" else object()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: found)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have another home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def facts(path: str) -> CertificateFacts:
    """Return what a certificate says."""
    return read_pem(Path(path).read_bytes())


def mode(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.feature("B25")
def test_a_certificate_for_localhost_is_made_when_it_is_asked_for(tool: str, home: Path) -> None:
    """A client that trusts it gets along with a server that has it, and with no other name."""
    certificate, key = development_certificate()
    context = ServerCertificates(certificate, key).context
    client = ssl.create_default_context(cafile=certificate)
    for name in ("localhost", "127.0.0.1", "::1"):
        shake(context, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(context, client, "example.com")
    folder = home / ".cache" / "toolkit" / "certificates"
    assert [Path(path).parent for path in (certificate, key)] == [folder, folder]
    assert [mode(path) for path in (Path(key), folder)] == [0o600, 0o700]


def test_it_is_for_a_server_and_no_authority(tool: str, home: Path) -> None:
    """Whoever has its key can fool those who trust it with these names alone."""
    certificate, _ = development_certificate()
    authority = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.load_verify_locations(certificate)
    assert authority.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}
    assert timedelta(0) < facts(certificate).not_after - datetime.now(UTC) < timedelta(398)


def test_it_is_kept_for_the_next_time(tool: str, home: Path) -> None:
    paths = development_certificate()
    before = [Path(path).read_bytes() for path in paths]
    assert development_certificate() == paths
    assert [Path(path).read_bytes() for path in paths] == before
    assert {path.name for path in Path(paths[0]).parent.iterdir()} == {
        "localhost.pem",
        "localhost.key",
    }


def test_other_names_have_a_certificate_of_their_own(tool: str, home: Path) -> None:
    certificate, _ = development_certificate("App.test", "*.app.test", "10.0.0.1", "2001:DB8::1")
    names = ("app.test", "*.app.test", "10.0.0.1", "2001:db8::1")
    assert facts(certificate).names == ("localhost", "127.0.0.1", "::1", *names)
    assert development_certificate("app.test") != development_certificate("*.app.test")
    assert development_certificate("localhost") == development_certificate()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "*",
        "a b",
        "a..test",
        "a.*.test",
        "a,DNS:b",
        "a.test\nbasicConstraints=CA:TRUE",
        "../../etc/passwd",
        "bücher.test",
        "-" * 64,
        "x." * 130 + "test",
    ],
)
def test_a_name_that_is_none_is_an_error(home: Path, name: str) -> None:
    with pytest.raises(ValueError, match="host names in ASCII and IP addresses are allowed"):
        development_certificate("good.test", name)


@pytest.mark.parametrize("days", [-1, 6])
def test_one_that_is_about_to_expire_is_renewed(tool: str, tmp_path: Path, days: int) -> None:
    """With the same key, if that can be used."""
    certificate, key = development_certificate(directory=tmp_path)
    names = facts(certificate).names
    soon = datetime.now(UTC) + timedelta(days)
    write_pair(trustme.CA(), Path(certificate), Path(key), names, soon)
    before = Path(key).read_bytes()
    assert development_certificate(directory=tmp_path) == (certificate, key)
    assert facts(certificate).not_after > datetime.now(UTC) + timedelta(30)
    assert Path(key).read_bytes() == before
    ServerCertificates(certificate, key)


@pytest.mark.parametrize("suffix", [".pem", ".key"])
@pytest.mark.parametrize(
    "content", [b"", b"junk", b"\x00" * 2_000_000, None], ids=["empty", "junk", "much", "none"]
)
def test_one_that_cannot_be_used_is_made_anew(
    tool: str, tmp_path: Path, suffix: str, content: bytes | None
) -> None:
    certificate, key = development_certificate(directory=tmp_path)
    path = Path(certificate).with_suffix(suffix)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert development_certificate(directory=tmp_path) == (certificate, key)
    assert facts(certificate).names == ("localhost", "127.0.0.1", "::1")
    ServerCertificates(certificate, key)
    assert mode(Path(key)) == 0o600


@pytest.mark.parametrize("names", [["localhost", "127.0.0.1", "::1"], ["a.test"]])
@pytest.mark.parametrize("keyfile", ["localhost.key", "other.key"])
def test_one_for_another_key_or_other_names_is_made_anew(
    tool: str, tmp_path: Path, names: list[str], keyfile: str
) -> None:
    certificate, key = development_certificate(directory=tmp_path)
    write_pair(trustme.CA(), Path(certificate), tmp_path / keyfile, names)
    assert development_certificate(directory=tmp_path) == (certificate, key)
    assert facts(certificate).names == ("localhost", "127.0.0.1", "::1")
    ServerCertificates(certificate, key)


def test_an_encrypted_key_asks_nobody(tool: str, tmp_path: Path) -> None:
    """OpenSSL would ask the terminal for the password."""
    _, key = development_certificate(directory=tmp_path)
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    os.system(f"openssl ec -aes128 -passout pass:x -in {key} -out {key}.new 2>/dev/null")
    os.replace(f"{key}.new", key)
    ServerCertificates(*development_certificate(directory=tmp_path))


def test_a_key_of_another_kind_is_replaced_or_used(tool: str, tmp_path: Path) -> None:
    _, key = development_certificate(directory=tmp_path)
    Path(key).write_bytes(
        trustme.CA(key_type=trustme.KeyType.RSA)
        .issue_cert("a.test", key_type=trustme.KeyType.RSA)
        .private_key_pem.bytes()
    )
    ServerCertificates(*development_certificate(directory=tmp_path))


def test_what_one_tool_has_made_the_other_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key too."""
    for tool in TOOLS * 2:
        use(tool, monkeypatch)
        certificate, key = development_certificate(directory=tmp_path)
        ServerCertificates(certificate, key)
        kept = Path(key).read_bytes()
        Path(certificate).unlink()
        development_certificate(directory=tmp_path)
        assert Path(key).read_bytes() == kept


def test_many_at_once_end_with_a_pair_that_belongs_together(tool: str, tmp_path: Path) -> None:
    """As with several processes of a server that all start."""

    def make(_: int) -> tuple[str, str]:
        paths = development_certificate(directory=tmp_path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths)
        return paths

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(16)))) == 1


def test_the_directory_for_caches_is_the_systems(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative XDG_CACHE_HOME does not count."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "x"))
    assert Path(development_certificate()[0]).is_relative_to(home / "x" / "toolkit")
    monkeypatch.setenv("XDG_CACHE_HOME", "x")
    assert Path(development_certificate()[0]).is_relative_to(home / ".cache")
    monkeypatch.setattr("sys.platform", "darwin")
    assert Path(development_certificate()[0]).is_relative_to(home / "Library" / "Caches")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(home / "Local"))
    assert Path(development_certificate()[0]).is_relative_to(home / "Local" / "toolkit")


def test_a_cache_that_others_can_look_into_is_closed_to_them(home: Path) -> None:
    folder = home / ".cache" / "toolkit" / "certificates"
    folder.mkdir(parents=True, mode=0o755)
    development_certificate()
    assert mode(folder) == 0o700


def test_the_cache_of_somebody_else_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He may have put a certificate there whose key he has."""
    development_certificate()
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    with pytest.raises(PermissionError, match="belongs to user"):
        development_certificate()


def test_without_anything_that_makes_certificates_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before can still be used."""
    paths = development_certificate(directory=tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert development_certificate(directory=tmp_path) == paths
    with pytest.raises(RuntimeError, match="install trustme or the program openssl"):
        development_certificate("other.test", directory=tmp_path)


def test_what_openssl_says_is_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    program = tmp_path / "openssl"
    program.write_text("#!/bin/sh\necho no luck today >&2\nexit 3\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="genpkey made nothing: no luck today"):
        development_certificate(directory=tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    program.write_text("#!/bin/sh\nread forever < /dev/zero\n")
    monkeypatch.setattr(development, "PROGRAM_TIMEOUT", 0.05)
    with pytest.raises(RuntimeError, match=r"made nothing within 0\.05 seconds"):
        development_certificate(directory=tmp_path / "new")
