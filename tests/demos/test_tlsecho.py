"""The echo over TLS is what its certificate says, from the beginning or when it is asked for."""

import contextlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demos.tlsecho.__main__ import MAX_LINE
from tests.demos.process import (
    ENVIRONMENT,
    ROOT,
    SIGNALS,
    TIMEOUT,
    Demo,
    check_clean,
    running,
    serving,
)


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name a file for the authority."""
    return tmp_path_factory.mktemp("tlsecho") / "ca.pem"


@pytest.fixture(scope="module")
def demo(ca_file: Path) -> Iterator[Demo]:
    """Run the demo for all tests of this module that do not end it."""
    with serving("tlsecho", f"--ca-file={ca_file}") as demo:
        yield demo


@contextlib.contextmanager
def secured(sock: socket.socket, ca_file: Path, name: str) -> Iterator[ssl.SSLSocket]:
    """Shake hands with a server whose certificate has to be good for a name."""
    context = ssl.create_default_context(cafile=str(ca_file))
    with context.wrap_socket(sock, server_hostname=name) as secure:
        yield secure


def echo(sock: socket.socket, line: bytes) -> bytes:
    """Send a line and return the one that comes back."""
    sock.sendall(line)
    with sock.makefile("rb") as stream:
        return stream.readline()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_verifies_the_server_gets_his_lines_back(demo: Demo, ca_file: Path, name: str) -> None:
    """The certificate is good for the names of this machine, and TLS is not an old one."""
    with secured(demo.connect(), ca_file, name) as sock:
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        assert echo(sock, b"hello\n") == b"hello\n"
        assert echo(sock, b"x" * (MAX_LINE - 1) + b"\n") == b"x" * (MAX_LINE - 1) + b"\n"
        sock.sendall(b"x" * (MAX_LINE + 1))
        assert sock.recv(1) == b""


def test_the_certificate_is_for_no_other_name(demo: Demo, ca_file: Path) -> None:
    """A client that expects somebody else goes away."""
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
        secured(demo.connect(), ca_file, "example.com"),
    ):
        pass


def test_who_does_not_know_the_authority_does_not_trust_it(demo: Demo) -> None:
    """It is nobody's but the demo's own."""
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        ssl.create_default_context().wrap_socket(demo.connect(), server_hostname="localhost"),
    ):
        pass


def test_plain_bytes_are_no_handshake(demo: Demo) -> None:
    """They end the connection, and the demo goes on."""
    with demo.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(b"hello\n" * 10)
        with contextlib.suppress(ConnectionError):
            assert b"hello" not in stream.read()


def test_the_client_asks_for_tls(ca_file: Path) -> None:
    """Before that nothing comes back; behind it the certificate is verified as ever."""
    with running("tlsecho", f"--ca-file={ca_file}", "--starttls") as demo:
        with demo.connect() as sock:
            with sock.makefile("rb") as stream:
                assert stream.readline() == b"+OK say STLS\r\n"
                sock.sendall(b"secret\r\n")
                assert stream.readline() == b"-ERR not in the clear; say STLS\r\n"
                sock.sendall(b"stls\r\n")
                assert stream.readline() == b"+OK\r\n"
            with secured(sock, ca_file, "localhost") as secure:
                assert echo(secure, b"hello\n") == b"hello\n"
        demo.signal(signal.SIGINT)
        check_clean(demo.ended())


def test_what_is_slipped_in_before_the_handshake_is_not_echoed(ca_file: Path) -> None:
    """It cannot be a line of the connection over TLS; the demo goes on and says why."""
    with running("tlsecho", f"--ca-file={ca_file}", "--starttls") as demo:
        with demo.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(b"STLS\r\nslipped in\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"slipped in" not in stream.read()
        with demo.connect() as sock, sock.makefile("rb") as stream:
            assert stream.readline() == b"+OK say STLS\r\n"
        demo.signal(signal.SIGINT)
        end = demo.ended()
    assert end.status == 0
    assert "No TLS with ('127.0.0.1'," in end.stderr
    assert "Traceback" not in end.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
@pytest.mark.parametrize(
    ("mode", "asking"), [([], []), (["--starttls"], ["-starttls", "pop3"])], ids=["tls", "starttls"]
)
def test_openssl_speaks_to_it(ca_file: Path, mode: list[str], asking: list[str]) -> None:
    """As the demo's help tells."""
    with running("tlsecho", f"--ca-file={ca_file}", *mode) as demo:
        command = ["openssl", "s_client", "-connect", f"localhost:{demo.port}", *asking]
        command += ["-CAfile", str(ca_file), "-verify_return_error", "-quiet"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(b"hello\n")
            client.stdin.flush()
            lines = iter(client.stdout.readline, b"")
            assert any(line.endswith(b"hello\n") for line in lines)
            client.kill()


@pytest.mark.parametrize("mode", [[], ["--starttls"]])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it(ca_file: Path, number: signal.Signals, mode: list[str]) -> None:
    """Whether a client has got his TLS, or does not shake hands at all."""
    with (
        running("tlsecho", f"--ca-file={ca_file}", *mode) as demo,
        demo.connect() as silent,
        demo.connect() as sock,
        contextlib.ExitStack() as stack,
    ):
        if mode:
            assert sock.recv(100) == b"+OK say STLS\r\n"
            sock.sendall(b"STLS\r\n")
            assert sock.recv(100) == b"+OK\r\n"
            assert silent.recv(100) == b"+OK say STLS\r\n"
        secure = stack.enter_context(secured(sock, ca_file, "localhost"))
        assert echo(secure, b"hello\n") == b"hello\n"
        demo.signal(number)
        assert secure.recv(1) == b""
        assert silent.recv(1) == b""
        check_clean(demo.ended())


def test_without_anything_that_makes_certificates_it_says_so(tmp_path: Path) -> None:
    """It does not start, and no traceback is shown."""
    code = (
        "import runpy, sys; sys.modules['trustme'] = None; sys.argv = ['tlsecho', '--port=0'];"
        "runpy.run_module('demos.tlsecho', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=ENVIRONMENT | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("tlsecho: nothing here makes certificates: install")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
def test_openssl_makes_as_good_a_certificate(tmp_path: Path) -> None:
    """Where trustme is missing."""
    code = (
        "import sys; sys.modules['trustme'] = None; from pathlib import Path;"
        "from demos.tlsecho.certificate import make_certificate;"
        "print(*make_certificate(Path(sys.argv[1]), ['localhost', '127.0.0.1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    certificate, key, authority = done.stdout.split()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=authority)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.getpeercert()
