"""What a scenario is, and what those that count work per CPU second have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from benchmarks.load import Load, LoadError
from benchmarks.peers import Peer
from benchmarks.process import CPUTime
from benchmarks.report import Column, Layout, Values, number

WARM_UP = 1
"""Seconds of load before the measured span: connections, caches and lazy imports."""

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Cores:
    """Where the server runs, and where its load comes from."""

    server: int
    load: int


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        seconds: of load in one run, where a run has no other end.
        mebibytes: sent through a proxy in one run.
        idle: connections that are held open.
        churn: connections opened and closed against the project's server.
        churn_peers: the same, against each of the others.
        slow: clients that are slow on purpose.
        soak: requests over connections that are kept; a tenth of it over short ones.
        large: mebibytes of a large file.
        crawl: pages of a crawl.
    """

    seconds: int = 2
    mebibytes: int = 256
    idle: int = 10_000
    churn: int = 100_000
    churn_peers: int = 20_000
    slow: int = 3000
    soak: int = 1_000_000
    large: int = 2048
    crawl: int = 10_000


class Scenario(ABC):
    """Something that is measured of several servers.

    Attributes:
        name: what `--scenario` calls it.
        title: what it is, in a few words.
        layout: its servers and its table.
        rounds: how often each server is measured, unless the command line says it.
        repeated: whether the server that the first ratios are to is measured again and again
            within a round.
    """

    name: str
    title: str
    layout: Layout
    rounds = 5
    repeated = True

    def missing(self) -> str | None:
        """Return what it needs and is not there; None when nothing is missing."""
        return None

    def check(self, peer: Peer, cores: Cores) -> None:
        """Start the server and look at its answers, where `measure` does not look at them all.

        Raises:
            ServerError: one is wrong, or the server did not come up.
        """
        return

    @abstractmethod
    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        """Start the server, measure it and end it.

        Raises:
            MeasureError: it did not come up, or failed.
        """

    @abstractmethod
    def describe(self, sizes: Sizes) -> str:
        """Return the line of the report that says what was done to each server."""


def work_values(load: Load, cpu: CPUTime) -> Values:
    """Return the values of `work_columns`.

    Raises:
        LoadError: no CPU time was counted.
    """
    if cpu.total <= 0:
        raise LoadError(f"{load.requests} answers, but no CPU time was counted")
    return {
        "per_second": load.per_second,
        "per_cpu_second": load.requests / cpu.total,
        "cpu": cpu.total / load.requests,
        "kernel": cpu.kernel / load.requests,
        "p50": load.p50,
        "p99": load.p99,
    }


def work_columns(unit: str) -> tuple[Column, ...]:
    """Return the columns of a table about work that comes in pieces called `unit`."""
    return (
        number(f"{unit}/s", "per_second"),
        number(f"{unit}/CPU-s", "per_cpu_second"),
        number(f"CPU µs/{unit}", "cpu", 1, 1e6),
        Column(
            "of it kernel",
            lambda values: f"{values['kernel'] * 1e6:.1f} ({values['kernel'] / values['cpu']:.0%})",
        ),
        number("p50 ms", "p50", 2, 1e3),
        number("p99 ms", "p99", 2, 1e3),
    )
