"""Workers: what several processors are worth to an application that computes."""

import shutil
import urllib.request

from benchmarks.load import run_wrk
from benchmarks.peers import Comparison, Peer
from benchmarks.process import ADDRESS, START_TIMEOUT, Server
from benchmarks.report import Layout, Values, number
from benchmarks.scenarios.base import WARM_UP, Cores, Scenario, Sizes, work_values

CONNECTIONS = 32
"""Enough for the system to give each worker some."""

PEERS = tuple(
    Peer(f"workers-{count}", f"toolkit run, {label}", "workers_app", ("--workers", str(count)))
    for count, label in ((1, "one worker"), (2, "two workers"))
)


class Workers(Scenario):
    """Requests that each take about a millisecond of computing, beside which asking costs little.

    The workers have all processors, and the load is on one of them too: wrk needs some
    microseconds for a request, a few hundredths of what it costs the server. What is compared is
    the rate, which others who want the processors take down: "processors used" says how much
    there was to be had, and the requests per CPU second what the workers cost each other.
    """

    name = "workers"
    title = "requests that compute, of one worker and of two"
    layout = Layout(
        peers=PEERS,
        columns=(
            number("req/s", "per_second"),
            number("processors used", "used", 2),
            number("req/CPU-s", "per_cpu_second"),
            number("p50 ms", "p50", 1, 1e3),
            number("p99 ms", "p99", 1, 1e3),
        ),
        figure="per_second",
        unit="requests per second",
        comparisons=(Comparison("one worker", "workers-1"),),
    )

    def missing(self) -> str | None:
        return None if shutil.which("wrk") else "wrk"

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Server(peer, cores.server) as server:
            url = f"http://{ADDRESS}:{server.port}/"
            # The port is there before the workers are; so many connections reach each of them.
            for _ in range(CONNECTIONS):
                urllib.request.urlopen(url, timeout=START_TIMEOUT).read()
            run_wrk(url, WARM_UP, cores.load, connections=CONNECTIONS)
            before = server.cpu_time()
            load = run_wrk(url, sizes.seconds, cores.load, connections=CONNECTIONS)
            cpu = server.cpu_time() - before
        values = work_values(load, cpu)
        return {**values, "used": cpu.total / sizes.seconds}

    def describe(self, sizes: Sizes) -> str:
        load = f"wrk -t1 -c{CONNECTIONS} for {sizes.seconds} s"
        return f"{load}; each request computes for about a millisecond"
