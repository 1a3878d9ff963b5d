"""Measure the servers in interleaved rounds: `python -m benchmarks.run --help`."""

import argparse
import datetime
import os
import random
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import FrameType

from benchmarks import report
from benchmarks.peers import GOALS, Peer
from benchmarks.process import MeasureError, choose_cores, siblings_of
from benchmarks.scenarios import SCENARIOS, Cores, Scenario, Sizes

RESULTS = Path(__file__).resolve().parent / "results"

BASELINE_EVERY = 2
"""Servers between two runs of the baseline: with two, each stands right beside one."""


QUICK = Sizes(
    seconds=1,
    mebibytes=64,
    idle=1000,
    churn=5000,
    churn_peers=2000,
    slow=300,
    soak=20_000,
    large=128,
    crawl=2000,
)
"""What `--quick` measures: enough to see that it works."""


@dataclass(frozen=True)
class Plan:
    """What to measure, how much and where.

    Attributes:
        peers: names of the servers; None for all.
        rounds: of each scenario; None for its own number.
    """

    scenarios: Sequence[Scenario]
    peers: Sequence[str] | None
    rounds: int | None
    sizes: Sizes
    cores: Cores

    def peers_of(self, scenario: Scenario) -> list[Peer]:
        """Return the servers that are measured in a scenario."""
        return [
            peer for peer in scenario.layout.peers if self.peers is None or peer.name in self.peers
        ]

    def rounds_of(self, scenario: Scenario) -> int:
        """Return how often each of them is measured."""
        return self.rounds or scenario.rounds


def positive(text: str) -> int:
    """Read a whole number from 1 up, as wrk wants its seconds."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return what reads a comma-separated list of names, each of which must be known."""

    def read(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return names

    return read


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what it does not say about sizes is left None."""
    # A dict keeps the order of the tables and each name once.
    peers = list(dict.fromkeys(peer.name for row in SCENARIOS for peer in row.layout.peers))
    scenarios = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    for option, known, what in (
        ("--only", peers, "servers"),
        ("--scenario", scenarios, "scenarios"),
    ):
        parser.add_argument(
            option,
            type=names_of(known),
            metavar="NAME,NAME",
            help=f"{what} to measure, of: {', '.join(known)}",
        )
    usual = Sizes()
    for option, what in (
        ("--rounds", "rounds per scenario (5; 1 where only memory is measured)"),
        ("--seconds", f"measured seconds per run ({usual.seconds})"),
        ("--mebibytes", f"through a proxy per run of `bulk` ({usual.mebibytes})"),
        ("--idle", f"connections held by `idle` ({usual.idle})"),
        ("--churn", f"connections of `churn`, for the project ({usual.churn})"),
        ("--churn-peers", f"the same, for the others ({usual.churn_peers})"),
        ("--slow", f"clients of `slow_http` ({usual.slow})"),
        ("--soak", f"requests of `soak` ({usual.soak})"),
        ("--large", f"mebibytes of `large` and `large_upload` ({usual.large})"),
        ("--crawl", f"pages of `crawl` ({usual.crawl})"),
    ):
        parser.add_argument(option, type=positive, metavar="N", help=what)
    parser.add_argument("--quick", action="store_true", help="smoke run: 2 rounds, small sizes")
    return parser.parse_args(arguments)


def round_order(layout: report.Layout, peers: Sequence[Peer], chance: random.Random) -> list[Peer]:
    """Shuffle the peers, those with the same baseline together.

    The baseline, which the first ratios are to, stands at both ends of its group and after
    every few of the others.
    """
    groups: dict[str, list[Peer]] = {}
    for peer in peers:
        groups.setdefault(layout.comparisons[0].against(peer), []).append(peer)
    order = []
    for name, group in chance.sample(list(groups.items()), len(groups)):
        baseline = [peer for peer in group if peer.name == name]
        others = [peer for peer in group if peer.name != name]
        chance.shuffle(others)
        order += baseline
        for start in range(0, len(others), BASELINE_EVERY):
            order += others[start : start + BASELINE_EVERY] + baseline
    return order


def check_all(plan: Plan) -> list[str]:
    """Look at the answers of each server once; return what is wrong."""
    wrong = []
    for scenario in plan.scenarios:
        if missing := scenario.missing():
            wrong.append(f"{scenario.name}: {missing} is missing; benchmarks/setup.sh gets it")
            continue
        for peer in plan.peers_of(scenario):
            try:
                scenario.check(peer, plan.cores)
            except MeasureError as error:
                wrong.append(f"{scenario.name}: {error}")
    return wrong


def measure_scenario(
    plan: Plan, scenario: Scenario, chance: random.Random
) -> tuple[list[report.Run], list[str]]:
    """Run all rounds of a scenario; return the runs, and one line for each that gave no figure."""
    runs = []
    problems = []
    layout = scenario.layout
    peers = plan.peers_of(scenario)
    rounds = plan.rounds_of(scenario)
    for round_ in range(rounds):
        order = round_order(layout, peers, chance) if scenario.repeated else peers
        for position, peer in enumerate(order):
            where = f"{scenario.name}, round {round_ + 1} of {rounds}, {peer.name}"
            try:
                values = scenario.measure(peer, plan.cores, plan.sizes)
            except MeasureError as error:
                problems.append(f"{where}: {error}")
                progress(problems[-1])
            else:
                runs.append(report.Run(peer.name, round_, position, values))
                shown = (f"{column.heading} {column.show(values)}" for column in layout.columns)
                progress(f"{where}: {', '.join(shown)}")
    return runs, problems


def progress(line: str) -> None:
    """Say on stderr how far it is; stdout is for the report."""
    print(line, file=sys.stderr, flush=True)


def describe(plan: Plan, scenario: Scenario, arguments: Sequence[str]) -> list[str]:
    """Return the lines of the report that say where and how it was measured."""
    cores = plan.cores
    if cores.server == cores.load:
        where = f"server and load share core {cores.server}, the only one: the rates are too low"
    else:
        where = f"server on core {cores.server}, load on core {cores.load}"
    rounds = str(plan.rounds_of(scenario))
    if scenario.repeated:
        rounds += (
            f", in shuffled order, {scenario.layout.comparisons[0].heading} again after every "
            f"{BASELINE_EVERY} servers"
        )
    return [
        *report.describe_machine(datetime.datetime.now(datetime.UTC)),
        f"load: {scenario.describe(plan.sizes)}",
        f"rounds: {rounds}",
        f"cores: {where}",
        f"command: `{shlex.join(['python', '-m', 'benchmarks.run', *arguments])}`",
    ]


def make_plan(options: argparse.Namespace) -> Plan:
    """Turn the command line and the machine's cores into a plan."""
    allowed = os.sched_getaffinity(0)
    sizes = QUICK if options.quick else Sizes()
    given = {
        field.name: size
        for field in fields(Sizes)
        if (size := getattr(options, field.name)) is not None
    }
    return Plan(
        scenarios=[
            row for row in SCENARIOS if not options.scenario or row.name in options.scenario
        ],
        peers=options.only,
        rounds=options.rounds or (2 if options.quick else None),
        sizes=replace(sizes, **given),
        cores=Cores(*choose_cores(allowed, siblings_of(min(allowed)))),
    )


def run(plan: Plan, arguments: Sequence[str], keep: bool) -> int:
    """Measure and report all of the plan; return the exit status.

    Args:
        keep: write the report to `results` as well.
    """
    if wrong := check_all(plan):
        progress("\n".join(wrong))
        progress("not all servers can be measured; see above")
        return 1
    goals = []
    failed = 0
    for scenario in plan.scenarios:
        if not plan.peers_of(scenario):
            continue
        setting = describe(plan, scenario, arguments)
        runs, problems = measure_scenario(plan, scenario, random.Random())
        failed += len(problems)
        layout = scenario.layout
        summaries = report.summarise(runs, layout)
        its_goals = report.judge(GOALS, scenario.name, summaries)
        goals += its_goals
        text = report.page(
            scenario.name, scenario.title, layout, summaries, setting, problems, its_goals
        )
        if keep:
            # Before it is printed: a reader of stdout that has gone away costs no figures.
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{scenario.name}.md").write_text(text, encoding="utf-8")
        print(text, flush=True)
    if goals:
        print("Goals, ratios of the figures per CPU second or per connection:")
        print("\n".join(goals))
    if not keep:
        progress("A part or a smoke run: the report was not written to benchmarks/results.")
    if failed:
        progress(f"{failed} runs gave no figure; the reports name them")
    return 1 if failed else 0


def interrupt(number: int, frame: FrameType | None) -> None:
    """Turn a signal into what Ctrl-C does, so that every `with` ends its server."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark for a command line; return the exit status."""
    options = parse_arguments(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return run(make_plan(options), arguments, keep=not (options.quick or options.only))
    except KeyboardInterrupt:
        progress("interrupted; all servers have been ended")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
