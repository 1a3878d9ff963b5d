"""The program openssl gets along with a server over TLS, and gets nothing that is weak."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.loops import expect_log
from tests.streams.handshakes import write_pair
from tests.system.programs import Done, run
from toolkit.iostream import IOStream
from toolkit.netutil import ServerCertificates
from toolkit.tcpserver import TCPServer

pytestmark = pytest.mark.system


class Greeter(TCPServer):
    """Says a word and closes."""

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Say it."""
        async with stream:
            await stream.write(b"hello\n")


@pytest.fixture
def authority() -> trustme.CA:
    """Make an authority for certificates."""
    return trustme.CA()


@pytest.fixture
async def port(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[int]:
    """Serve certificates for a.test and b.test, and give the port."""
    for name in ("a.test", "b.test"):
        write_pair(authority, tmp_path / f"{name}.pem", tmp_path / f"{name}.key", [name])
    certificates = ServerCertificates(directory=tmp_path, refuse_unknown=True)
    async with Greeter(certificates) as server:
        server.listen(0, "127.0.0.1")
        yield server.addresses[0][1]


@pytest.fixture
def client(authority: trustme.CA, tmp_path: Path, port: int) -> Any:
    """Give a function that runs ``openssl s_client`` with options."""
    root = tmp_path / "root.ca"
    root.write_bytes(authority.cert_pem.bytes())
    common = ["-connect", f"127.0.0.1:{port}", "-CAfile", str(root), "-verify_return_error"]

    async def client(name: str, *options: str) -> Done:
        named = ["-servername", name, "-verify_hostname", name]
        # Without an input it would end before it has heard anything.
        arguments = ["s_client", *common, *named, "-ign_eof", *options]
        return await asyncio.to_thread(run, "openssl", *arguments)

    return client


@pytest.mark.parametrize("name", ["a.test", "b.test"])
@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
async def test_it_gets_the_certificate_of_each_name(client: Any, name: str, version: str) -> None:
    """With the protocol of HTTP by ALPN, and without compression."""
    done = await client(name, f"-{version}", "-alpn", "h2,http/1.1", "-comp")
    assert done.status == 0, done.stderr
    assert "hello\n" in done.text
    assert "Verify return code: 0 (ok)" in done.text
    assert "ALPN protocol: http/1.1" in done.text
    assert "Compression: NONE" in done.text
    assert re.search("Server Temp Key: (X25519|ECDH|.*MLKEM)", done.text)


@pytest.mark.parametrize(
    ("name", "options", "alert"),
    [
        ("c.test", [], 112),
        ("a.test", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], 70),
        ("a.test", ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], 70),
        ("a.test", ["-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"], 40),
        ("a.test", ["-tls1_2", "-cipher", "ECDHE+SHA1:ECDHE+SHA256:@SECLEVEL=0"], 40),
        ("a.test", ["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"], 40),
    ],
)
async def test_it_gets_nothing_that_is_weak_or_unknown(
    client: Any, caplog: pytest.LogCaptureFixture, name: str, options: list[str], alert: int
) -> None:
    """Alerts: unrecognized_name, protocol_version and handshake_failure."""
    done = await client(name, *options)
    assert done.status != 0
    assert f"SSL alert number {alert}\n" in done.stderr
    assert "hello" not in done.text
    expect_log(caplog, "toolkit.general", "^SSL Error on ")
