"""A certificate for the development of a TLS server, made when it is asked for."""

import hashlib
import importlib.util
import ipaddress
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from toolkit.wire.x509 import read_pem

#: Names of this machine, which each certificate is for.
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
#: How long a certificate is valid; browsers take none that is valid for more than 398 days.
VALID = timedelta(days=90)
#: How long before its end another one is made, so that none ends while a server runs.
RENEWED = timedelta(days=7)
#: For clocks that differ.
BACKDATED = timedelta(hours=1)
#: Bytes of the file of a key. OpenSSL takes minutes to find out that 2 MB are none.
MAX_KEY_SIZE = 64 * 1024
#: Seconds for the program `openssl`, which takes a fraction of one.
PROGRAM_TIMEOUT = 60.0

_HOST_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)

#: For `openssl req`, which would make a certificate of an authority of it without this.
_OPENSSL_CONFIG = """\
[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = localhost
[extensions]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


def development_certificate(
    *names: str, directory: str | os.PathLike[str] | None = None
) -> tuple[str, str]:
    """Return the paths of a self-signed certificate and of its key, valid for localhost.

    They are made when they are missing or about to expire, by the library ``cryptography`` or
    the program ``openssl``, and kept for the next time. A client has to be told to trust the
    certificate; certificates that are trusted without are not what this is for.

    Example::

        certificate, key = development_certificate("app.test", "*.app.test")
        server = EchoServer({"certfile": certificate, "keyfile": key})

    Args:
        names: host names and IP addresses that it is for as well.
        directory: where to keep the files; None for one of toolkit in the user's directory for
            caches, which nobody else can read.
    Raises:
        ValueError: a name is none.
        RuntimeError: there is nothing that makes certificates, or it failed.
        OSError: the files cannot be written, or the directory for them is another user's.
    """
    wanted = tuple(dict.fromkeys((*LOCAL_NAMES, *map(_checked, names))))
    folder = _cache_folder() if directory is None else _made(Path(directory))
    certificate = folder / f"{_stem(wanted)}.pem"
    key = certificate.with_suffix(".key")
    if not _is_good(certificate, key, wanted, datetime.now(UTC)):
        _make(certificate, key, wanted)
    return str(certificate), str(key)


# -- names and places --------------------------------------------------------------------


def _checked(name: str) -> str:
    """Return a name as certificates have it."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        lower = name.lower()
    if len(lower) > 253 or not _HOST_NAME.fullmatch(lower):
        raise ValueError(f"name {name[:100]!r}; host names in ASCII and IP addresses are allowed")
    return lower


def _stem(names: Sequence[str]) -> str:
    """Return a name for the files, another one for other names."""
    if tuple(names) == LOCAL_NAMES:
        return "localhost"
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    first = re.sub("[^a-z0-9.-]", "_", names[len(LOCAL_NAMES)])[:63]
    return f"{first}-{digest}"


def _cache_folder() -> Path:
    """Return the directory for the files, which the user alone can look into.

    Raises:
        PermissionError: it is another user's, who would have the key.
    """
    folder = _made(_caches() / "toolkit" / "certificates")
    if hasattr(os, "getuid"):
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to user {status.st_uid}")
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    return folder


def _caches() -> Path:
    """Return the user's directory for caches, as the system has it."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # https://specifications.freedesktop.org/basedir-spec/: a relative path is to be ignored.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"


def _made(folder: Path) -> Path:
    """Return a directory, which is made if it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


# -- the files ---------------------------------------------------------------------------


def _is_good(certificate: Path, key: Path, names: Sequence[str], now: datetime) -> bool:
    """Say whether a certificate and its key can be used for some time."""
    try:
        facts = read_pem(certificate.read_bytes())
        # The password keeps OpenSSL from asking for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=b"")
    except (OSError, ValueError):
        return False
    valid = facts.not_before <= now < facts.not_after - RENEWED
    return valid and set(names) <= set(facts.names)


def _make(certificate: Path, key: Path, names: Sequence[str]) -> None:
    """Make a certificate, for the key that there is if it is good.

    Other processes may do so at the same time. All use the key that came first, so that each of
    their certificates goes with it.
    """
    new_key, sign = _tools()
    if not key.exists():
        try:
            _write(key, new_key(), os.link)
        except FileExistsError:
            pass  # it has just come
    try:
        if key.stat().st_size > MAX_KEY_SIZE:
            raise ValueError(f"{key} is too large; {MAX_KEY_SIZE} bytes are allowed")
        signed = sign(key, names)
    except (RuntimeError, TypeError, ValueError):
        _write(key, new_key(), os.replace)
        signed = sign(key, names)
    _write(certificate, signed, os.replace)


def _write(path: Path, data: bytes, put: Callable[[str, Path], object]) -> None:
    """Write a file at once, so that nobody sees half of it, and for the user alone."""
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        put(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


# -- what makes keys and certificates ----------------------------------------------------

NewKey = Callable[[], bytes]
#: From the file of a key and the names to a certificate, in PEM.
Sign = Callable[[Path, Sequence[str]], bytes]


def _tools() -> tuple[NewKey, Sign]:
    """Return what makes keys and certificates here."""
    if importlib.util.find_spec("cryptography") is not None:
        return _new_key_by_cryptography, _sign_by_cryptography
    program = shutil.which("openssl")
    if program is None:
        raise RuntimeError(
            "no way to make a certificate: install trustme or the program openssl, or give the "
            "files of a certificate and its key"
        )
    return (
        lambda: _new_key_by_openssl(program),
        lambda key, names: _sign_by_openssl(program, key, names),
    )


def _new_key_by_cryptography() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _sign_by_cryptography(key: Path, names: Sequence[str]) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError(f"a key of {type(private).__name__}; one of an elliptic curve is allowed")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    found: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if _is_ip(name) else x509.DNSName(name)
        for name in names
    ]
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(found), critical=False)
    )
    signed = builder.sign(private, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _new_key_by_openssl(program: str) -> bytes:
    return _run(program, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def _sign_by_openssl(program: str, key: Path, names: Sequence[str]) -> bytes:
    found = ",".join(f"{'IP' if _is_ip(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "openssl.cnf"
        config.write_text(_OPENSSL_CONFIG.format(names=found))
        arguments = ["-config", str(config), "-key", str(key), "-passin", "pass:"]
        days = str(VALID.days)
        return _run(program, "req", "-x509", "-new", "-sha256", "-days", days, *arguments)


def _run(program: str, *arguments: str) -> bytes:
    """Return what the program writes; it can ask nothing."""
    command = [program, *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROGRAM_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"{program} {arguments[0]} made nothing within {PROGRAM_TIMEOUT} seconds"
        ) from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise RuntimeError(f"{program} {arguments[0]} made nothing: {reason[:1000]}")
    return done.stdout


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
