"""Proxies that pass on as much as comes: what a byte costs them, and what they hold back."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.load import LoadError
from benchmarks.peers import PROXY_PEERS, STREAM_COMPARISONS, Peer
from benchmarks.process import ADDRESS, START_TIMEOUT, Server, ServerError, pinned
from benchmarks.report import Layout, Values, number
from benchmarks.scenarios.base import MEBIBYTE, Cores, Scenario, Sizes

CHUNK = MEBIBYTE // 4
"""Bytes of one system call of the source."""

SINK_CHUNK = 4 * MEBIBYTE
"""Bytes of one system call of the sink, at most: all that its socket holds."""

WARM_UP_SHARE = 4
"""The share of the bytes, as a divisor, that goes through before the measured ones."""

SLOW_TOTAL = 1024 * MEBIBYTE
"""Bytes that a source tries to get rid of while the sink reads nothing."""

STALLED = 1.0
"""Seconds without a byte taken after which a proxy is found to hold its source back."""

ALLOWED_GROWTH = 64 * MEBIBYTE
"""Growth of a proxy that holds its source back: many times the buffers of any of them, and a small
part of what it is offered."""


@dataclass(frozen=True)
class Path:
    """A way through a proxy: the end that bytes go into, and the one that they come out of."""

    source: socket.socket
    sink: socket.socket


class Line:
    """A running proxy with a listener behind it; a context manager that ends both."""

    def __init__(self, peer: Peer, cores: Cores) -> None:
        self.listener = socket.create_server((ADDRESS, 0))
        self.listener.settimeout(START_TIMEOUT)
        port = self.listener.getsockname()[1]
        self.server = Server(peer, cores.server, "--to", str(port))

    def __enter__(self) -> "Line":
        try:
            self.server.__enter__()
        except BaseException:
            self.listener.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.listener.close()
        self.server.stop()

    @contextmanager
    def path(self) -> Iterator[Path]:
        """Open a way through the proxy; within the block its errors are a LoadError."""
        name = self.server.peer.name
        try:
            with socket.create_connection((ADDRESS, self.server.port), START_TIMEOUT) as source:
                source.sendall(b"!")
                with self._accept() as sink:
                    sink.settimeout(START_TIMEOUT)
                    if sink.recv(1) != b"!":
                        raise LoadError(f"{name}: the first byte was lost")
                    yield Path(source, sink)
        except OSError as error:
            raise LoadError(f"{name}: {error!r}") from error

    def _accept(self) -> socket.socket:
        """Return the connection that something comes from.

        Others are of those who only looked whether the proxy is up.
        """
        while True:
            sink, _ = self.listener.accept()
            sink.settimeout(START_TIMEOUT)
            if sink.recv(1, socket.MSG_PEEK):
                return sink
            sink.close()


class Bulk(Scenario):
    """Bytes that go through a proxy as fast as it lets them."""

    name = "bulk"
    title = "bytes through a proxy"
    layout = Layout(
        peers=PROXY_PEERS,
        columns=(
            number("MiB/s", "per_second"),
            number("MiB/CPU-s", "per_cpu_second"),
            number("share of its core", "share", 2),
        ),
        figure="per_cpu_second",
        unit="bytes per CPU second",
        comparisons=STREAM_COMPARISONS,
    )

    def check(self, peer: Peer, cores: Cores) -> None:
        data = os.urandom(MEBIBYTE)
        with Line(peer, cores) as line, line.path() as path:
            for source, sink in ((path.source, path.sink), (path.sink, path.source)):
                sender = threading.Thread(target=_send_all, args=(source, data), daemon=True)
                sender.start()
                seen = bytearray()
                while len(seen) < len(data) and (chunk := sink.recv(CHUNK)):
                    seen += chunk
                sender.join()
                if seen != data:
                    raise ServerError(
                        f"{peer.name}: {len(data)} bytes went in, {len(seen)} came out"
                        + (", not the same" if len(seen) == len(data) else "")
                    )
            path.source.shutdown(socket.SHUT_WR)
            if path.sink.recv(1):
                raise ServerError(f"{peer.name}: something came after the end")

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        total = sizes.mebibytes * MEBIBYTE
        with Line(peer, cores) as line, pinned(cores.load):
            with line.path() as path:
                pump(path, total // WARM_UP_SHARE)
            with line.path() as path:
                before = line.server.cpu_clock()
                seconds = pump(path, total)
                cpu = line.server.cpu_clock() - before
        return {
            "per_second": sizes.mebibytes / seconds,
            "per_cpu_second": sizes.mebibytes / cpu,
            "share": cpu / seconds,
        }

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{sizes.mebibytes} MiB on one connection, after 1/{WARM_UP_SHARE} of it on another "
            "one to warm up; read in pieces of up to 64 KiB"
        )


class SlowReader(Scenario):
    """What a proxy takes from its source while the sink reads nothing."""

    name = "slow"
    title = "a proxy whose sink does not read"
    layout = Layout(
        peers=PROXY_PEERS,
        columns=(
            number("growth of RSS, MiB", "growth", 2, 2**-20),
            number("taken from the source, MiB", "taken", 2, 2**-20),
        ),
        figure="growth",
        unit="growth",
        lowest_first=True,
    )
    rounds = 1
    repeated = False

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Line(peer, cores) as line, pinned(cores.load):
            with line.path():
                pass  # What is loaded or made once is no part of the growth; buffers are.
            before = line.server.settled_memory().resident
            line.server.forget_peak()
            with line.path() as path:
                taken = push_until_stalled(path.source, SLOW_TOTAL)
                growth = line.server.peak() - before
                # What was held back is late, not lost.
                _receive(path.sink, taken)
        if growth > ALLOWED_GROWTH:
            raise LoadError(
                f"{peer.name}: grew by {growth / MEBIBYTE:.0f} MiB while the sink did not read, "
                f"{ALLOWED_GROWTH / MEBIBYTE:.0f} are allowed"
            )
        return {"growth": growth, "taken": taken}

    def describe(self, sizes: Sizes) -> str:
        return (
            f"the source offers {SLOW_TOTAL // MEBIBYTE} MiB and stops when nothing is taken for "
            f"{STALLED:g} s; the growth is that of the highest RSS, and past "
            f"{ALLOWED_GROWTH // MEBIBYTE} MiB there is no figure"
        )


def pump(path: Path, total: int) -> float:
    """Send `total` bytes through; return the seconds until the last one came out."""
    sender = threading.Thread(target=_send_zeros, args=(path.source, total), daemon=True)
    start = time.monotonic()
    sender.start()
    _receive(path.sink, total)
    seconds = time.monotonic() - start
    sender.join()
    return seconds


def push_until_stalled(source: socket.socket, total: int) -> int:
    """Send up to `total` bytes; return how many were taken before nothing was for a while."""
    zeros = memoryview(bytes(CHUNK))
    sent = 0
    source.settimeout(STALLED)
    with suppress(TimeoutError):
        while sent < total:
            sent += source.send(zeros[: total - sent])
    return sent


def _send_zeros(source: socket.socket, total: int) -> None:
    zeros = memoryview(bytes(CHUNK))
    for start in range(0, total, CHUNK):
        _send_all(source, zeros[: total - start])


def _send_all(source: socket.socket, data: bytes | memoryview) -> None:
    # The other end finds out that something is missing, and says so.
    with suppress(OSError):
        source.sendall(data)


def _receive(sink: socket.socket, total: int) -> None:
    """Take so many bytes without looking at them.

    Raises:
        LoadError: they did not all come.
    """
    buffer = bytearray(SINK_CHUNK)
    left = total
    while left:
        # MSG_TRUNC: the kernel need not copy them for us.
        size = sink.recv_into(buffer, min(left, SINK_CHUNK), socket.MSG_TRUNC)
        if not size:
            raise LoadError(f"{total - left} of {total} bytes came through before the end")
        left -= size
