"""HTTP clients that ask nginx for the same page again and again."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import LoadError
from benchmarks.peers import CLIENT_COMPARISONS, CLIENT_PEERS, Peer
from benchmarks.process import ADDRESS, POLL, ROOT, START_TIMEOUT, ServerError, pinned
from benchmarks.report import Column, Layout, Values, number
from benchmarks.scenarios.base import MEBIBYTE, Cores, Scenario, Sizes

KIBIBYTE = 1024

TIMEOUT = 300.0
"""Seconds for one run of one client; the slowest takes a tenth of that."""

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  types {{ }}
  default_type application/octet-stream;
  client_body_temp_path {folder}/temp;
  proxy_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp;
  scgi_temp_path {folder}/temp;
  server {{
    listen {address}:{port}{tls};
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    root {folder};
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        url: of the page.
        ca: file of the certificate to trust; None without TLS.
    """

    url: str
    ca: str | None


@contextmanager
def nginx(core: int, size: int, tls: bool) -> Iterator[Nginx]:
    """Run nginx on a core, with a page of so many bytes.

    Raises:
        ServerError: it did not come up.
    """
    with tempfile.TemporaryDirectory() as name, socket.create_server((ADDRESS, 0)) as listener:
        folder, port = Path(name), listener.getsockname()[1]
        folder.chmod(0o755)  # its worker is another user
        (folder / "page").write_bytes(b"x" * size)
        _make_certificate(folder)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder, address=ADDRESS, port=port, tls=" ssl" if tls else ""
            )
        )
        listener.close()  # so that nginx can have the port
        with pinned(core):
            process = subprocess.Popen(["nginx", "-c", str(configuration), "-p", name])
        try:
            _await_port(process, port)
            yield Nginx(
                f"http{'s' if tls else ''}://{ADDRESS}:{port}/page",
                str(folder / "certificate.pem") if tls else None,
            )
        finally:
            process.terminate()
            process.wait()


def _make_certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subprocess.run(
        [
            *command.split(),
            *("-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{ADDRESS}"),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )


def _await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((ADDRESS, port), POLL).close()
            return
        except OSError:
            time.sleep(POLL)
    raise ServerError("nginx did not come up")


class Client(Scenario):
    """One page that is asked for again and again, so many requests at once.

    Args:
        size: bytes of the page.
        flight: requests at once.
    """

    rounds = 3
    layout = Layout(
        peers=CLIENT_PEERS,
        columns=(
            number("req/s", "per_second"),
            number("req/CPU-s", "per_cpu_second"),
            number("CPU µs/req", "cpu", 1, 1e6),
            Column(
                "of it kernel",
                lambda v: f"{v['kernel'] * 1e6:.1f} ({v['kernel'] / v['cpu']:.0%})",
            ),
        ),
        figure="per_cpu_second",
        unit="requests per CPU second of the client",
        comparisons=CLIENT_COMPARISONS,
    )

    def __init__(self, size: int, flight: int, tls: bool) -> None:
        self.size, self.flight, self.tls = size, flight, tls
        length = "1m" if size == MEBIBYTE else "1k"
        self.name = f"client-{length}-{flight}{'-tls' if tls else ''}"
        self.title = (
            f"{'1 MiB' if size == MEBIBYTE else '1 KiB'} from nginx, {flight} at once"
            f"{', with TLS' if tls else ''}"
        )

    def missing(self) -> str | None:
        return next((name for name in ("nginx", "openssl") if shutil.which(name) is None), None)

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        requests = self._requests(sizes)
        with nginx(cores.server, self.size, self.tls) as server:
            command = [sys.executable, "-m", "benchmarks.clients.load", peer.module]
            command += ["--url", server.url, *(["--ca", server.ca] if server.ca else [])]
            command += ["--requests", str(requests), "--flight", str(self.flight)]
            command += ["--size", str(self.size), *peer.arguments]
            with pinned(cores.load):
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT
                )
        if done.returncode:
            raise LoadError(f"{peer.name}: {done.stderr.strip()[-500:]}")
        figures = json.loads(done.stdout)
        cpu = figures["user"] + figures["kernel"]
        return {
            "per_second": requests / figures["seconds"],
            "per_cpu_second": requests / cpu,
            "cpu": cpu / requests,
            "kernel": figures["kernel"] / requests,
        }

    def _requests(self, sizes: Sizes) -> int:
        return sizes.seconds * (100 if self.size == MEBIBYTE else 1500)

    def describe(self, sizes: Sizes) -> str:
        return f"{self._requests(sizes)} requests after a tenth of them to warm up"


CLIENT = tuple(
    Client(size, flight, tls)
    for size in (KIBIBYTE, MEBIBYTE)
    for flight in (1, 32)
    for tls in (False, True)
)
