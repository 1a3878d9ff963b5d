"""Turn single measurements into medians, ratios and Markdown."""

import datetime
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Load
from benchmarks.peers import BASELINE, COMPARED, PACKAGES, PEERS, Goal, Scenario
from benchmarks.process import CPUTime

LABELS = {peer.name: peer.label for peer in PEERS}


@dataclass(frozen=True)
class Run:
    """One server measured once.

    Attributes:
        peer: its name.
        round: number of the round, from 0.
        position: place within the round, from 0.
        load: what the load generator saw.
        cpu: what the server spent on it.
    """

    peer: str
    round: int
    position: int
    load: Load
    cpu: CPUTime

    @property
    def per_cpu_second(self) -> float:
        """Return the requests answered per second of the server's CPU time."""
        return self.load.requests / self.cpu.total


@dataclass(frozen=True)
class Ratio:
    """A ratio of two servers' requests per CPU second: its median over rounds, and its range."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Summary:
    """The medians of one server over all rounds; times in seconds.

    Attributes:
        ratios: by the name of the server that it is compared with.
    """

    peer: str
    runs: int
    per_second: float
    per_cpu_second: float
    cpu_per_request: float
    kernel_per_request: float
    p50: float
    p99: float
    ratios: Mapping[str, Ratio]


def nearest(run: Run, candidates: Iterable[Run]) -> Run | None:
    """Return the candidate closest to `run` within its round, the earlier one of two."""
    same_round = (other for other in candidates if other.round == run.round)
    return min(same_round, key=lambda other: abs(other.position - run.position), default=None)


def ratio(runs: Iterable[Run], against: Iterable[Run]) -> Ratio | None:
    """Divide each run by the nearest one of `against` in its round; None if there is none."""
    others = list(against)
    values = [
        run.per_cpu_second / other.per_cpu_second
        for run in runs
        if (other := nearest(run, others)) is not None
    ]
    return Ratio(statistics.median(values), min(values), max(values)) if values else None


def summarise(runs: Sequence[Run]) -> list[Summary]:
    """Return one summary per server that was measured, the cheapest server first."""
    by_peer: dict[str, list[Run]] = {}
    for run in runs:
        by_peer.setdefault(run.peer, []).append(run)

    def median(peer: str, figure: Callable[[Run], float]) -> float:
        return statistics.median(figure(run) for run in by_peer[peer])

    summaries = [
        Summary(
            peer=peer,
            runs=len(its_runs),
            per_second=median(peer, lambda run: run.load.per_second),
            per_cpu_second=median(peer, lambda run: run.per_cpu_second),
            cpu_per_request=median(peer, lambda run: run.cpu.total / run.load.requests),
            kernel_per_request=median(peer, lambda run: run.cpu.kernel / run.load.requests),
            p50=median(peer, lambda run: run.load.p50),
            p99=median(peer, lambda run: run.load.p99),
            ratios={
                name: found
                for name in COMPARED
                if (found := ratio(its_runs, by_peer.get(name, ()))) is not None
            },
        )
        for peer, its_runs in by_peer.items()
    ]
    return sorted(summaries, key=lambda summary: summary.per_cpu_second, reverse=True)


def table(summaries: Iterable[Summary]) -> str:
    """Lay the summaries out as a Markdown table."""
    rows = [
        "| server | req/s | req/CPU-s | CPU µs/req | of it kernel | p50 ms | p99 ms "
        "| × Tornado | lowest–highest | × uvicorn | × floor |",
        "|---|" + "---:|" * 10,
    ]
    for summary in summaries:
        baseline = summary.ratios.get(BASELINE)
        spread = f"{baseline.lowest:.2f}–{baseline.highest:.2f}" if baseline else "–"
        kernel_share = summary.kernel_per_request / summary.cpu_per_request
        to_baseline, to_uvicorn, to_floor = (
            f"{found.median:.2f}" if (found := summary.ratios.get(name)) else "–"
            for name in COMPARED
        )
        rows.append(
            f"| {LABELS[summary.peer]} "
            f"| {summary.per_second:,.0f} "
            f"| {summary.per_cpu_second:,.0f} "
            f"| {summary.cpu_per_request * 1e6:.1f} "
            f"| {summary.kernel_per_request * 1e6:.1f} ({kernel_share:.0%}) "
            f"| {summary.p50 * 1e3:.2f} "
            f"| {summary.p99 * 1e3:.2f} "
            f"| {to_baseline} | {spread} | {to_uvicorn} | {to_floor} |"
        )
    return "\n".join(rows)


def judge(goals: Iterable[Goal], scenario: str, summaries: Iterable[Summary]) -> list[str]:
    """Return one line of Markdown per goal of the scenario, with what was measured."""
    by_peer = {summary.peer: summary for summary in summaries}
    lines = []
    for goal in goals:
        if goal.scenario != scenario:
            continue
        aim = f"{goal.scenario}: {goal.peer} at least {goal.at_least:g} × {goal.against}"
        summary = by_peer.get(goal.peer)
        found = summary.ratios.get(goal.against) if summary else None
        if found is None:
            lines.append(f"- {aim}: not measured")
        else:
            verdict = "reached" if found.median >= goal.at_least else "missed"
            lines.append(
                f"- {aim}: {verdict}, {found.median:.3g} "
                f"({found.lowest:.3g} to {found.highest:.3g})"
            )
    return lines


def page(
    scenario: Scenario,
    summaries: Sequence[Summary],
    setting: Iterable[str],
    problems: Sequence[str],
    goals: Sequence[str],
) -> str:
    """Put a scenario's whole report together.

    Args:
        setting: lines that say where and how it was measured.
        problems: lines that say which runs gave no figure, and why.
        goals: lines that say what was aimed at.
    """
    parts = [
        f"# `{scenario.name}`: {scenario.title} (GET {scenario.path})",
        table(summaries),
        "Medians over rounds. Ratios compare requests per CPU second within a round.",
    ]
    if goals:
        parts += ["## Goals", "\n".join(goals)]
    if problems:
        parts += ["## Runs without a figure", "\n".join(f"- {problem}" for problem in problems)]
    parts += ["## Setting", "\n".join(f"- {line}" for line in setting)]
    return "\n\n".join(parts) + "\n"


def describe_machine(now: datetime.datetime, wrk: str) -> list[str]:
    """Return lines about the machine, its software and how busy it was before."""
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return [
        f"date: {now:%Y-%m-%d %H:%M} UTC",
        f"CPU: {cpu_model()}, {os.cpu_count()} cores",
        f"kernel: {platform.system()} {platform.release()}",
        f"Python: {platform.python_implementation()} {platform.python_version()}",
        f"packages: {', '.join(map(package_version, PACKAGES))}",
        f"wrk: {wrk}",
        f"load average before: {load}",
    ]


def cpu_model() -> str:
    """Return what the kernel calls the processor, or its architecture where it has no name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def package_version(name: str) -> str:
    """Return the name with the version that is installed."""
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{name} not installed"
