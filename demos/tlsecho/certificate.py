"""A certificate for a server on this machine, made on the spot."""

import importlib.util
import ipaddress
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

#: Days that it is valid for where `openssl` makes it.
DAYS = 7


def make_certificate(folder: Path, names: Sequence[str]) -> tuple[Path, Path, Path]:
    """Make a certificate with ``trustme`` or with the program ``openssl``.

    Args:
        folder: where its files are written.
        names: host names and IP addresses that it is for.
    Returns:
        Paths of the certificate, of its key, and of the authority that clients have to trust.
    Raises:
        RuntimeError: there is neither, or `openssl` failed.
    """
    certificate, key, authority = folder / "server.pem", folder / "key.pem", folder / "ca.pem"
    if importlib.util.find_spec("trustme") is not None:
        _make_with_trustme(names, certificate, key, authority)
    elif (program := shutil.which("openssl")) is not None:
        _make_with_openssl(program, names, certificate, key)
        shutil.copy(certificate, authority)  # who signed himself is his own authority
    else:
        raise RuntimeError(
            "nothing here makes certificates: install the program openssl, or `pip install trustme`"
        )
    return certificate, key, authority


def _make_with_trustme(names: Sequence[str], certificate: Path, key: Path, authority: Path) -> None:
    import trustme

    ca = trustme.CA()
    issued = ca.issue_cert(*names)
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    ca.cert_pem.write_to_path(authority)


def _make_with_openssl(program: str, names: Sequence[str], certificate: Path, key: Path) -> None:
    alternatives = ",".join(f"{'IP' if _is_ip(name) else 'DNS'}:{name}" for name in names)
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(DAYS)]
    command += ["-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl made no certificate: {done.stderr.strip()}")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
