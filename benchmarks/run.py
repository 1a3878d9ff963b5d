"""Measure the servers in interleaved rounds: `python -m benchmarks.run --help`."""

import argparse
import datetime
import os
import random
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks import report
from benchmarks.load import CONNECTIONS, LoadError, run_wrk, wrk_version
from benchmarks.peers import BASELINE, GOALS, PEERS, SCENARIOS, Peer, Scenario
from benchmarks.process import Server, ServerError, choose_cores, siblings_of

RESULTS = Path(__file__).resolve().parent / "results"

WARM_UP = 1
"""Seconds of load before the measured span: connections, caches and lazy imports."""

BASELINE_EVERY = 2
"""Servers between two runs of the baseline: with two, each stands right beside one."""


@dataclass(frozen=True)
class Plan:
    """What to measure, how long and where."""

    peers: Sequence[Peer]
    scenarios: Sequence[Scenario]
    rounds: int
    seconds: int
    server_core: int
    load_core: int


def positive(text: str) -> int:
    """Read a whole number from 1 up, as wrk wants its seconds."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def named(table: Sequence[Peer] | Sequence[Scenario], text: str) -> list[str]:
    """Read a comma-separated list of names, each of which must be in `table`."""
    known = [row.name for row in table]
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
    return names


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `rounds` and `seconds` are filled in by `--quick`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--only",
        type=lambda text: named(PEERS, text),
        metavar="NAME,NAME",
        help=f"servers to measure, of: {', '.join(peer.name for peer in PEERS)}",
    )
    parser.add_argument(
        "--scenario",
        type=lambda text: named(SCENARIOS, text),
        metavar="NAME,NAME",
        help=f"scenarios to measure, of: {', '.join(scenario.name for scenario in SCENARIOS)}",
    )
    parser.add_argument("--rounds", type=positive, help="rounds per scenario (5)")
    parser.add_argument("--seconds", type=positive, help="measured seconds per run (4)")
    parser.add_argument("--quick", action="store_true", help="smoke run: 2 rounds of 1 second")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 4)
    return options


def round_order(peers: Sequence[Peer], chance: random.Random) -> list[Peer]:
    """Shuffle the peers, with the baseline at both ends and after every few of the others."""
    baseline = [peer for peer in peers if peer.name == BASELINE]
    others = [peer for peer in peers if peer.name != BASELINE]
    chance.shuffle(others)
    order = list(baseline)
    for start in range(0, len(others), BASELINE_EVERY):
        order += others[start : start + BASELINE_EVERY] + baseline
    return order


def check_all(plan: Plan) -> list[str]:
    """Start each server once and look at its answers; return what is wrong."""
    wrong = []
    for peer in plan.peers:
        try:
            with Server(peer, plan.server_core) as server:
                for scenario in plan.scenarios:
                    server.check(scenario)
        except ServerError as error:
            wrong.append(str(error))
    return wrong


def measure(plan: Plan, peer: Peer, scenario: Scenario, round_: int, position: int) -> report.Run:
    """Start a server, check it, warm it up, measure it and end it.

    Raises:
        ServerError: it did not come up, or gave a wrong answer.
        LoadError: it failed under load.
    """
    with Server(peer, plan.server_core) as server:
        server.check(scenario)
        url = server.url(scenario)
        run_wrk(url, WARM_UP, plan.load_core)
        before = server.cpu_time()
        load = run_wrk(url, plan.seconds, plan.load_core)
        cpu = server.cpu_time() - before
    if cpu.total <= 0:
        raise LoadError(f"{load.requests} answers, but no CPU time was counted")
    return report.Run(peer.name, round_, position, load, cpu)


def measure_scenario(
    plan: Plan, scenario: Scenario, chance: random.Random
) -> tuple[list[report.Run], list[str]]:
    """Run all rounds of a scenario; return the runs, and one line for each that gave no figure."""
    runs = []
    problems = []
    for round_ in range(plan.rounds):
        for position, peer in enumerate(round_order(plan.peers, chance)):
            where = f"{scenario.name}, round {round_ + 1} of {plan.rounds}, {peer.name}"
            try:
                run = measure(plan, peer, scenario, round_, position)
            except (ServerError, LoadError) as error:
                problems.append(f"{where}: {error}")
                progress(problems[-1])
            else:
                runs.append(run)
                progress(f"{where}: {run.per_cpu_second:,.0f} requests per CPU second")
    return runs, problems


def progress(line: str) -> None:
    """Say on stderr how far it is; stdout is for the report."""
    print(line, file=sys.stderr, flush=True)


def describe(plan: Plan, arguments: Sequence[str]) -> list[str]:
    """Return the lines of the report that say where and how it was measured."""
    if plan.server_core == plan.load_core:
        cores = f"server and wrk share core {plan.server_core}, the only one: req/s is too low"
    else:
        cores = f"server on core {plan.server_core}, wrk on core {plan.load_core}"
    return [
        *report.describe_machine(datetime.datetime.now(datetime.UTC), wrk_version()),
        f"load: wrk -t1 -c{CONNECTIONS}, {WARM_UP} s to warm up, then {plan.seconds} s",
        f"rounds: {plan.rounds}, in shuffled order, {BASELINE} again after every "
        f"{BASELINE_EVERY} servers",
        f"cores: {cores}",
        f"command: `{shlex.join(['python', '-m', 'benchmarks.run', *arguments])}`",
    ]


def make_plan(options: argparse.Namespace) -> Plan:
    """Turn the command line and the machine's cores into a plan."""
    allowed = os.sched_getaffinity(0)
    server_core, load_core = choose_cores(allowed, siblings_of(min(allowed)))
    return Plan(
        peers=[peer for peer in PEERS if not options.only or peer.name in options.only],
        scenarios=[
            row for row in SCENARIOS if not options.scenario or row.name in options.scenario
        ],
        rounds=options.rounds,
        seconds=options.seconds,
        server_core=server_core,
        load_core=load_core,
    )


def run(plan: Plan, arguments: Sequence[str], keep: bool) -> int:
    """Measure and report all of the plan; return the exit status.

    Args:
        keep: write the report to `results` as well.
    """
    if wrong := check_all(plan):
        progress("\n".join(wrong))
        progress(f"{len(wrong)} of {len(plan.peers)} servers cannot be measured; see above")
        return 1
    goals = []
    failed = 0
    for scenario in plan.scenarios:
        setting = describe(plan, arguments)
        runs, problems = measure_scenario(plan, scenario, random.Random())
        failed += len(problems)
        summaries = report.summarise(runs)
        its_goals = report.judge(GOALS, scenario.name, summaries)
        goals += its_goals
        text = report.page(scenario, summaries, setting, problems, its_goals)
        if keep:
            # Before it is printed: a reader of stdout that has gone away costs no figures.
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{scenario.name}.md").write_text(text, encoding="utf-8")
        print(text, flush=True)
    if goals:
        print("Goals, on requests per CPU second:")
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
    if shutil.which("wrk") is None:
        progress("wrk is missing; benchmarks/setup.sh installs it")
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return run(make_plan(options), arguments, keep=not (options.quick or options.only))
    except KeyboardInterrupt:
        progress("interrupted; all servers have been ended")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
