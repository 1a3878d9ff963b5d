"""Turn single measurements into medians, ratios and Markdown."""

import datetime
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import PACKAGES, Comparison, Goal, Peer

Values = Mapping[str, float]
"""What was measured, by name."""


@dataclass(frozen=True)
class Run:
    """One server measured once.

    Attributes:
        peer: its name.
        round: number of the round, from 0.
        position: place within the round, from 0.
        values: what was measured.
    """

    peer: str
    round: int
    position: int
    values: Values


@dataclass(frozen=True)
class Ratio:
    """A ratio of two servers' figures: its median over rounds, and its range."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Summary:
    """One server over all rounds.

    Attributes:
        values: the median of each value.
        ratios: by the name of the server that it is compared with.
    """

    peer: str
    runs: int
    values: Values
    ratios: Mapping[str, Ratio]


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and how it shows a server's values."""

    heading: str
    show: Callable[[Values], str]


@dataclass(frozen=True)
class Layout:
    """What the table of a scenario looks like.

    Attributes:
        peers: the servers that may be in it.
        columns: what it shows of each.
        figure: name of the value that ratios, goals and the order of the rows are about.
        unit: what the figure is, in words.
        comparisons: columns of ratios; the first one comes with its range.
        lowest_first: whether less of the figure is better.
    """

    peers: Sequence[Peer]
    columns: Sequence[Column]
    figure: str
    unit: str
    comparisons: Sequence[Comparison] = ()
    lowest_first: bool = False

    def peer(self, name: str) -> Peer:
        """Return the server of that name."""
        return next(peer for peer in self.peers if peer.name == name)


def number(heading: str, name: str, digits: int = 0, scale: float = 1.0) -> Column:
    """Return a column that shows one value, multiplied by `scale`."""
    return Column(heading, lambda values: f"{values[name] * scale:,.{digits}f}")


def nearest(run: Run, candidates: Iterable[Run]) -> Run | None:
    """Return the candidate closest to `run` within its round, the earlier one of two."""
    same_round = (other for other in candidates if other.round == run.round)
    return min(same_round, key=lambda other: abs(other.position - run.position), default=None)


def ratio(runs: Iterable[Run], against: Iterable[Run], figure: str) -> Ratio | None:
    """Divide each run by the nearest one of `against` in its round; None if there is none."""
    others = list(against)
    values = [
        run.values[figure] / other.values[figure]
        for run in runs
        if (other := nearest(run, others)) is not None
    ]
    return Ratio(statistics.median(values), min(values), max(values)) if values else None


def summarise(runs: Iterable[Run], layout: Layout) -> list[Summary]:
    """Return one summary per server that was measured, the best one first."""
    by_peer: dict[str, list[Run]] = {}
    for run in runs:
        by_peer.setdefault(run.peer, []).append(run)
    summaries = []
    for name, its_runs in by_peer.items():
        others = [comparison.against(layout.peer(name)) for comparison in layout.comparisons]
        ratios = {
            other: found
            for other in others
            if (found := ratio(its_runs, by_peer.get(other, ()), layout.figure)) is not None
        }
        values = {
            value: statistics.median(run.values[value] for run in its_runs)
            for value in its_runs[0].values
        }
        summaries.append(Summary(name, len(its_runs), values, ratios))
    return sorted(
        summaries,
        key=lambda summary: summary.values[layout.figure],
        reverse=not layout.lowest_first,
    )


def table(summaries: Iterable[Summary], layout: Layout) -> str:
    """Lay the summaries out as a Markdown table."""
    headings = [column.heading for column in layout.columns]
    for comparison in layout.comparisons:
        headings.append(f"× {comparison.heading}")
        if comparison is layout.comparisons[0]:
            headings.append("lowest–highest")
    rows = [
        f"| server | {' | '.join(headings)} |",
        "|---|" + "---:|" * len(headings),
    ]
    for summary in summaries:
        peer = layout.peer(summary.peer)
        cells = [peer.label]
        cells += [column.show(summary.values) for column in layout.columns]
        for comparison in layout.comparisons:
            found = summary.ratios.get(comparison.against(peer))
            cells.append(f"{found.median:.2f}" if found else "–")
            if comparison is layout.comparisons[0]:
                cells.append(f"{found.lowest:.2f}–{found.highest:.2f}" if found else "–")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def judge(goals: Iterable[Goal], scenario: str, summaries: Iterable[Summary]) -> list[str]:
    """Return one line of Markdown per goal of the scenario, with what was measured."""
    by_peer = {summary.peer: summary for summary in summaries}
    lines = []
    for goal in goals:
        if goal.scenario != scenario:
            continue
        aim = f"{goal.scenario}: {goal.peer} {goal.bound} × {goal.against}"
        summary = by_peer.get(goal.peer)
        found = summary.ratios.get(goal.against) if summary else None
        if found is None:
            lines.append(f"- {aim}: not measured")
        else:
            verdict = "reached" if goal.reached(found.median) else "missed"
            lines.append(
                f"- {aim}: {verdict}, {found.median:.3g} "
                f"({found.lowest:.3g} to {found.highest:.3g})"
            )
    return lines


def page(
    name: str,
    title: str,
    layout: Layout,
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
    notes = "Medians over rounds."
    if layout.comparisons:
        notes += f" Ratios compare {layout.unit} within a round."
    parts = [f"# `{name}`: {title}", table(summaries, layout), notes]
    if goals:
        parts += ["## Goals", "\n".join(goals)]
    if problems:
        parts += ["## Runs without a figure", "\n".join(f"- {problem}" for problem in problems)]
    parts += ["## Setting", "\n".join(f"- {line}" for line in setting)]
    return "\n\n".join(parts) + "\n"


def describe_machine(now: datetime.datetime) -> list[str]:
    """Return lines about the machine, its software and how busy it was before."""
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return [
        f"date: {now:%Y-%m-%d %H:%M} UTC",
        f"CPU: {cpu_model()}, {os.cpu_count()} cores",
        f"kernel: {platform.system()} {platform.release()}",
        f"Python: {platform.python_implementation()} {platform.python_version()}",
        f"packages: {', '.join(map(package_version, PACKAGES))}",
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
