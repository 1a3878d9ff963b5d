"""Clients that are slow on purpose, and what a healthy one notices of them."""

import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import DRIP_LOAD, LoadError, run_drips, run_wrk
from benchmarks.peers import SITE_PEERS, Peer
from benchmarks.process import ADDRESS, START_TIMEOUT, Server
from benchmarks.report import Layout, Values, number
from benchmarks.scenarios.base import MEBIBYTE, WARM_UP, Cores, Scenario, Sizes
from benchmarks.scenarios.lines import (
    BATCH,
    SOURCES,
    SPARE_DESCRIPTORS,
    allow_descriptors,
)

PATIENCE = 5.0
"""Seconds that the server gives a slow client; the defaults would make the run six times longer."""

SPAN = 8
"""Seconds in which the healthy client is measured: longer than the server's patience."""

OPENING = 1.0
"""Seconds for the server to fill the kernel's buffers with answers that nobody will read."""

DRIP = 0.5
"""Seconds between two bytes of a slow client."""

CUT_TIMEOUT = 20.0
"""Seconds after the start by which all slow clients have to be cut off."""

ALLOWED_RATIO = 2.0
"""How many times that of the quiet server the healthy client's 99th percentile may be."""

NOISE = 0.002
"""Seconds of a percentile below which nothing is compared: the scheduler's own."""

KERNEL = MEBIBYTE // 16
"""Bytes that the kernel may keep for a client that reads nothing."""


@dataclass(frozen=True)
class Kind:
    """A way to be slow.

    Attributes:
        sixths: how many sixths of the slow clients are so.
        start: what they send at first.
        drop: what they send again and again.
    """

    sixths: int
    start: bytes
    drop: bytes


KINDS = (
    Kind(4, b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"y"),
    Kind(1, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    Kind(1, b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n", b""),
)
"""Heads that drip, bodies that drip, and answers that nobody reads."""


class SlowHTTP(Scenario):
    """Slow clients of all kinds at once, and a healthy one beside them."""

    name = "slow_http"
    title = "a healthy client beside slow ones"
    layout = Layout(
        peers=tuple(peer for peer in SITE_PEERS if peer.name.startswith("toolkit")),
        columns=(
            number("slow clients", "slow"),
            number("p99 ms, quiet", "quiet", 2, 1e3),
            number("beside them", "beside", 2, 1e3),
            number("ratio", "ratio", 2),
            number("cut after s", "cut_after", 1),
            number("peak growth, MiB", "peak", 1, 2**-20),
            number("growth after, MiB", "after", 1, 2**-20),
            number("kernel holds, MiB", "orphaned", 1, 2**-20),
        ),
        figure="ratio",
        unit="times the percentile of the quiet server",
        lowest_first=True,
    )
    rounds = 1
    repeated = False

    def __init__(self, program: Path = DRIP_LOAD) -> None:
        self.program = program

    def missing(self) -> str | None:
        if not self.program.exists():
            return "drip-load"
        return None if shutil.which("wrk") else "wrk"

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        allow_descriptors(sizes.slow + SPARE_DESCRIPTORS)
        server = Server(peer, cores.server, "--patience", str(PATIENCE))
        with server, ThreadPoolExecutor(1) as thread:
            url = f"http://{ADDRESS}:{server.port}/"

            def healthy(seconds: int) -> float:
                return run_wrk(url, seconds, cores.load, connections=1).p99

            healthy(WARM_UP)
            quiet = healthy(SPAN)
            empty = server.settled_memory().resident
            opened = server.descriptors()
            server.forget_peak()
            with ExitStack() as stack:
                begun = time.monotonic()
                slow = _open(server.port, sizes.slow, stack)
                time.sleep(OPENING)
                beside = thread.submit(healthy, SPAN)
                run_drips(
                    {each.fileno(): kind.drop for each, kind in slow.items() if kind.drop},
                    cores.load,
                    interval=DRIP,
                    seconds=begun + CUT_TIMEOUT - time.monotonic(),
                    program=self.program,
                )
                _wait_until_cut(server, opened, begun)
                cut_after = time.monotonic() - begun
                p99 = beside.result()
                orphaned = unsent(server.port)
            peak = server.peak()
            after = server.settled_memory().resident
        ratio = p99 / quiet
        if ratio > ALLOWED_RATIO and p99 > NOISE:
            raise LoadError(f"{peer.name}: p99 {p99 * 1e3:.2f} ms, {quiet * 1e3:.2f} ms when quiet")
        return {
            "slow": sizes.slow,
            "quiet": quiet,
            "beside": p99,
            "ratio": ratio,
            "cut_after": cut_after,
            "peak": peak - empty,
            "after": after - empty,
            "orphaned": orphaned,
        }

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{sizes.slow:,} slow clients, four of six dripping heads, one dripping bodies, one "
            f"reading nothing of 8 MiB, a byte each {DRIP} s; the server's time-outs are "
            f"{PATIENCE:.0f} s; the healthy client is wrk -t1 -c1 for {SPAN} s; no figure if its "
            f"p99 is more than {ALLOWED_RATIO:.0f} times that of the quiet server and "
            f"{NOISE * 1e3:.0f} ms, or if a slow one is not cut off within {CUT_TIMEOUT:.0f} s; "
            "what the kernel holds is what it has not sent of answers to those that were cut off"
        )


def _open(port: int, count: int, stack: ExitStack) -> dict[socket.socket, Kind]:
    """Open slow clients of each kind; the first of them are at it already meanwhile."""
    slow: dict[socket.socket, Kind] = {}
    order = [kind for kind in KINDS for _ in range(kind.sixths)]
    for number_ in range(count):
        kind = order[number_ % len(order)]
        connection = stack.enter_context(socket.socket())
        if not kind.drop:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL)
        connection.settimeout(START_TIMEOUT)
        connection.bind((f"127.0.0.{1 + number_ % SOURCES}", 0))
        connection.connect((ADDRESS, port))
        connection.sendall(kind.start)
        connection.setblocking(False)
        slow[connection] = kind
        if number_ % BATCH == 0:
            time.sleep(0.001)  # The queue of the listening socket is emptied meanwhile.
    return slow


def _wait_until_cut(server: Server, opened: int, begun: float) -> None:
    """Wait until the server has no connection but the healthy client's.

    Raises:
        LoadError: it keeps others.
    """
    while (left := server.descriptors() - opened - 1) > 0:
        _check_time(left, begun)
        time.sleep(DRIP)


def _check_time(left: int, begun: float) -> None:
    if time.monotonic() - begun > CUT_TIMEOUT:
        raise LoadError(f"{left} slow clients were not cut off within {CUT_TIMEOUT:.0f} s")


def unsent(port: int) -> int:
    """Count the bytes that the kernel has not sent yet from a port."""
    unsent = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        if int(local.partition(":")[2], 16) == port:
            unsent += int(queues.partition(":")[0], 16)
    return unsent
