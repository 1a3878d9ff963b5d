"""Large files: how fast they go out and come in, and what the server holds meanwhile."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import LoadError
from benchmarks.peers import LARGE_COMPARISONS, LARGE_PEERS, Peer
from benchmarks.process import ADDRESS, Server, pinned
from benchmarks.report import Layout, Values, number
from benchmarks.scenarios.base import MEBIBYTE, Cores, Scenario, Sizes

TIMEOUT = 120.0
"""Seconds in which a byte has to move."""

ALLOWED_PEAK = 64 * MEBIBYTE
"""How much memory the project's server may ever hold."""

COLUMNS = (
    number("MiB/s", "per_second", 0, 2**-20),
    number("MiB/CPU-s", "per_cpu_second", 0, 2**-20),
    number("peak of memory, MiB", "peak", 1, 2**-20),
    number("of it meanwhile", "growth", 1, 2**-20),
)

HEAD_END = b"\r\n\r\n"
BOUNDARY = b"----large"
FORM = (
    b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="f"' + HEAD_END
)
FORM_END = b"\r\n--" + BOUNDARY + b"--\r\n"


class Download(Scenario):
    """One client fetches a file; nothing of it is looked at."""

    name = "large"
    title = "a large static file"
    layout = Layout(
        peers=LARGE_PEERS,
        columns=COLUMNS,
        figure="per_cpu_second",
        unit="bytes per CPU second",
        comparisons=LARGE_COMPARISONS,
    )

    def missing(self) -> str | None:
        return None if shutil.which("nginx") else "nginx"

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        size = sizes.large * MEBIBYTE
        with directory() as path, pinned(cores.load):
            with open(path / "file", "wb") as file:
                file.truncate(size)
            with Server(peer, cores.server, "--directory", str(path)) as server:
                fetch(server.port, size)  # so that the kernel has the file in memory
                return measured(server, size, lambda: fetch(server.port, size))

    def describe(self, sizes: Sizes) -> str:
        return (
            f"GET of {sizes.large} MiB over the loopback interface, after one that is not counted"
        )


class Upload(Scenario):
    """One client sends a file by a form, and the server saves it."""

    name = "large_upload"
    title = "a large upload"
    layout = Layout(
        peers=tuple(peer for peer in LARGE_PEERS if peer.name.startswith("toolkit")),
        columns=COLUMNS,
        figure="per_cpu_second",
        unit="bytes per CPU second",
    )
    repeated = False

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        size = sizes.large * MEBIBYTE
        with (
            directory() as path,
            pinned(cores.load),
            Server(peer, cores.server, "--directory", str(path)) as server,
        ):
            send(server.port, MEBIBYTE)
            values = measured(server, size, lambda: send(server.port, size))
            if (seen := (path / "uploaded").stat().st_size) != size:
                raise LoadError(f"{peer.name}: {seen} bytes on the disk, {size} were sent")
            return values

    def describe(self, sizes: Sizes) -> str:
        return f"POST of a form with a file of {sizes.large} MiB, which is saved"


@contextmanager
def directory() -> Iterator[Path]:
    """Make a directory for a while, whose files anybody may read."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)  # nginx as root reads as somebody else
        yield Path(name)


def measured(server: Server, size: int, move: Callable[[], None]) -> Values:
    """Return the values of `COLUMNS` for moving some bytes.

    Raises:
        LoadError: the project's server held too much.
    """
    before = server.memory().resident
    server.forget_peak()
    cpu, begin = server.cpu_clock(), time.perf_counter()
    move()
    seconds, used = time.perf_counter() - begin, server.cpu_clock() - cpu
    peak = server.peak()
    if peak > ALLOWED_PEAK and server.peer.name.startswith("toolkit"):
        raise LoadError(f"{server.peer.name}: {peak} bytes of memory, {ALLOWED_PEAK} are allowed")
    return {
        "per_second": size / seconds,
        "per_cpu_second": size / used,
        "peak": peak,
        "growth": peak - before,
    }


def fetch(port: int, size: int) -> None:
    """Fetch the file, and drop it.

    Raises:
        LoadError: something else came.
    """
    with socket.create_connection((ADDRESS, port), TIMEOUT) as client:
        client.sendall(b"GET /file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = read_head(client)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise LoadError(f"a request was answered with {head[:100]!r}")
        left = size - len(head.partition(HEAD_END)[2])
        # Nobody needs the bytes; with MSG_TRUNC the kernel does not copy them.
        buffer = bytearray(MEBIBYTE)
        while left and (received := client.recv_into(buffer, 0, socket.MSG_TRUNC)):
            left -= received
        if left:
            raise LoadError(f"{left} of {size} bytes are missing")


def send(port: int, size: int) -> None:
    """Send a form with a file of so many bytes.

    Raises:
        LoadError: it was not taken whole.
    """
    length = len(FORM) + size + len(FORM_END)
    head = (
        b"POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n"
    ) % (BOUNDARY, length)
    block = bytes(MEBIBYTE)
    with socket.create_connection((ADDRESS, port), TIMEOUT) as client:
        client.sendall(head + FORM)
        for _ in range(size // MEBIBYTE):
            client.sendall(block)
        client.sendall(FORM_END)
        answer = b""
        while data := client.recv(4096):
            answer += data
    if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(HEAD_END + b"%d" % size):
        raise LoadError(f"an upload was answered with {answer[:100]!r}")


def read_head(client: socket.socket) -> bytes:
    """Read up to the end of a head at least."""
    head = b""
    while HEAD_END not in head and (data := client.recv(4096)):
        head += data
    return head
