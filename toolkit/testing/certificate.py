"""A certificate for test servers, made once per process."""

import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile

#: What the certificate is for.
NAMES = ("localhost", "127.0.0.1", "::1")
#: Days it is valid where `openssl` makes it; no test runs for longer.
DAYS = 2


@functools.cache
def self_signed() -> tuple[str, str]:
    """Return the paths of a certificate and its key, valid for localhost.

    ``trustme`` makes it when it is installed, else the program ``openssl``. The files go
    with the process.

    Raises:
        RuntimeError: there is neither.
    """
    folder = tempfile.TemporaryDirectory(prefix="toolkit-testing-")
    _FOLDERS.append(folder)
    certificate = os.path.join(folder.name, "certificate.pem")
    key = os.path.join(folder.name, "key.pem")
    if importlib.util.find_spec("trustme") is not None:
        _make_with_trustme(certificate, key)
    elif (program := shutil.which("openssl")) is not None:
        _make_with_openssl(program, certificate, key)
    else:
        raise RuntimeError(
            "no way to make a test certificate: install trustme or the program openssl, or "
            "override get_ssl_options"
        )
    return certificate, key


#: Keeps the folder until the interpreter ends.
_FOLDERS: list["tempfile.TemporaryDirectory[str]"] = []


def _make_with_trustme(certificate: str, key: str) -> None:
    import trustme

    issued = trustme.CA().issue_cert(*NAMES)
    issued.private_key_pem.write_to_path(key)
    for position, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(certificate, append=position > 0)


def _make_with_openssl(program: str, certificate: str, key: str) -> None:
    names = ",".join(f"{'DNS' if name == 'localhost' else 'IP'}:{name}" for name in NAMES)
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(DAYS)]
    command += ["-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", key, "-out", certificate]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl could not make a test certificate: {done.stderr.strip()}")
