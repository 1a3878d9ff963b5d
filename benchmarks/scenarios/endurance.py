"""Sites over a long time: connections that wait, what they cost others, a million requests."""

import shutil
import socket
import time
from collections.abc import Sequence

from benchmarks.load import CONNECTIONS, LoadError, run_wrk
from benchmarks.peers import SITE_COMPARISONS, SITE_PEERS, Peer
from benchmarks.process import ADDRESS, Server, settled
from benchmarks.report import Column, Layout, Values, number
from benchmarks.scenarios.base import WARM_UP, Cores, Scenario, Sizes
from benchmarks.scenarios.lines import BATCH, SPARE_DESCRIPTORS, Idle, allow_descriptors, held

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n"
ANSWER = b"Hello, world!"

SOAK_SPAN = 5
"""Seconds of one run of wrk; runs follow each other until there were enough requests."""

ALLOWED_GROWTH = 1.02
"""How many times its size after the first half of `soak` the server may have after the second."""

SHORT_SHARE = 10
"""The share of the requests of `soak`, as a divisor, that each have a connection of their own."""


class IdleHTTP(Idle):
    """Connections that are kept after a request, and nothing more comes."""

    name = "idle_http"
    title = "memory of a kept HTTP connection"
    layout = Layout(
        peers=SITE_PEERS,
        columns=(
            number("KiB, fresh", "fresh", 2, 2**-10),
            number("KiB after a request", "used", 2, 2**-10),
            number("of it proportional", "proportional", 2, 2**-10),
        ),
        figure="used",
        unit="KiB after a request",
        comparisons=SITE_COMPARISONS,
        lowest_first=True,
    )

    def use(self, connections: Sequence[socket.socket]) -> None:
        ask_on(connections)


class BusyIdle(Scenario):
    """Requests on some connections, while half of those of `idle` wait beside them."""

    name = "busy_idle"
    title = "what idle connections cost a busy server"
    layout = Layout(
        peers=SITE_PEERS,
        columns=(
            number("req/s alone", "alone_per_second"),
            number("req/CPU-s alone", "alone"),
            number("req/s beside", "beside_per_second"),
            number("req/CPU-s beside", "beside"),
            number("share kept", "kept", 3),
            number("idle ones alone, CPU ms/s", "idle_cpu", 1, 1e3),
            number("p99 ms alone", "p99_alone", 2, 1e3),
            number("p99 ms beside", "p99_beside", 2, 1e3),
        ),
        figure="beside",
        unit="requests per CPU second beside idle connections",
        comparisons=SITE_COMPARISONS,
    )
    repeated = False

    def missing(self) -> str | None:
        return None if shutil.which("wrk") else "wrk"

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        count = sizes.idle // 2
        allow_descriptors(count + SPARE_DESCRIPTORS + CONNECTIONS)
        with Server(peer, cores.server) as server:
            url = f"http://{ADDRESS}:{server.port}/"
            run_wrk(url, WARM_UP, cores.load)
            before = server.cpu_clock()
            alone = run_wrk(url, sizes.seconds, cores.load)
            cpu_alone = server.cpu_clock() - before
            with held(server, count) as connections:
                ask_on(connections)
                before = server.cpu_clock()
                beside = run_wrk(url, sizes.seconds, cores.load)
                cpu_beside = server.cpu_clock() - before
                before = server.cpu_clock()
                time.sleep(sizes.seconds)
                cpu_idle = server.cpu_clock() - before
                ask_on(connections)
        values = {
            "alone_per_second": alone.per_second,
            "alone": alone.requests / cpu_alone,
            "beside_per_second": beside.per_second,
            "beside": beside.requests / cpu_beside,
            "p99_alone": alone.p99,
            "p99_beside": beside.p99,
            "idle_cpu": cpu_idle / sizes.seconds,
        }
        return {**values, "kept": values["beside"] / values["alone"]}

    def describe(self, sizes: Sizes) -> str:
        return (
            f"wrk -t1 -c{CONNECTIONS} for {sizes.seconds} s, then again beside {sizes.idle // 2:,} "
            "connections that were used once; then those alone, which are used once more at the end"
        )


class Soak(Scenario):
    """Very many requests, on kept connections and on short ones: nothing may grow."""

    name = "soak"
    title = "memory and descriptors over many requests"
    layout = Layout(
        peers=tuple(peer for peer in SITE_PEERS if peer.name.startswith("toolkit")),
        columns=(
            number("requests kept", "kept"),
            number("req/s", "kept_per_second"),
            number("requests short", "short"),
            number("req/s", "short_per_second"),
            number("RSS after half, MiB", "half", 1, 2**-20),
            number("after all, MiB", "all", 1, 2**-20),
            number("growth", "growth", 4),
            Column(
                "descriptors before–after",
                lambda values: f"{values['opened_before']:.0f}–{values['opened_after']:.0f}",
            ),
        ),
        figure="growth",
        unit="growth of memory in the second half",
        lowest_first=True,
    )
    rounds = 1
    repeated = False

    def missing(self) -> str | None:
        return None if shutil.which("wrk") else "wrk"

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Server(peer, cores.server) as server:
            run_wrk(f"http://{ADDRESS}:{server.port}/", WARM_UP, cores.load)
            opened_before = settled(server.descriptors)
            values = self._half(server, cores, sizes)
            half = server.settled_memory().resident
            for name, value in self._half(server, cores, sizes).items():
                values[name] += value
            whole = server.settled_memory().resident
            opened_after = settled(server.descriptors)
        growth = whole / half
        if growth > ALLOWED_GROWTH or opened_after != opened_before:
            raise LoadError(
                f"{peer.name}: memory {growth:.4f} times that after the first half "
                f"({ALLOWED_GROWTH} is allowed), descriptors {opened_before} to {opened_after}"
            )
        return {
            "kept": values["kept"],
            "kept_per_second": values["kept"] / values["kept_seconds"],
            "short": values["short"],
            "short_per_second": values["short"] / values["short_seconds"],
            "half": half,
            "all": whole,
            "growth": growth,
            "opened_before": opened_before,
            "opened_after": opened_after,
        }

    def _half(self, server: Server, cores: Cores, sizes: Sizes) -> dict[str, float]:
        """Return the requests of each kind, and the seconds that they took."""
        kept, kept_seconds = self._ask(server, cores, sizes.soak // 2, ())
        count = sizes.soak // SHORT_SHARE // 2
        short, short_seconds = self._ask(server, cores, count, ("Connection: close",))
        return {
            "kept": kept,
            "kept_seconds": kept_seconds,
            "short": short,
            "short_seconds": short_seconds,
        }

    def _ask(
        self, server: Server, cores: Cores, count: int, headers: Sequence[str]
    ) -> tuple[int, float]:
        requests, seconds = 0, 0.0
        while requests < count:
            url = f"http://{ADDRESS}:{server.port}/"
            load = run_wrk(url, SOAK_SPAN, cores.load, headers=headers)
            requests += load.requests
            seconds += load.requests / load.per_second
        return requests, seconds

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{sizes.soak:,} requests or more on {CONNECTIONS} kept connections, "
            f"{sizes.soak // SHORT_SHARE:,} or more on connections of their own, in two halves; "
            f"growth beyond {ALLOWED_GROWTH}, or another number of descriptors, is no figure"
        )


def ask_on(connections: Sequence[socket.socket]) -> None:
    """Have one request answered on each connection.

    Raises:
        LoadError: something else came.
    """
    for start in range(0, len(connections), BATCH):
        batch = connections[start : start + BATCH]
        for connection in batch:
            connection.sendall(REQUEST)
        for connection in batch:
            seen = b""
            while not seen.endswith(ANSWER) and (rest := connection.recv(4096)):
                seen += rest
            if not (seen.startswith(b"HTTP/1.1 200 ") and seen.endswith(b"\r\n\r\n" + ANSWER)):
                raise LoadError(f"a request was answered with {seen[:100]!r}")
