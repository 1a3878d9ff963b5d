"""The pure parts of the harness: what it reads, how it orders and what it computes."""

import random
import re
from collections.abc import Sequence

import pytest

from benchmarks import report
from benchmarks.load import Load, LoadError, parse
from benchmarks.peers import (
    HTTP_COMPARISONS,
    HTTP_PEERS,
    LINE_PEERS,
    STREAM_COMPARISONS,
    Comparison,
    Goal,
    Peer,
)
from benchmarks.process import CPUTime, Process, choose_cores, parse_cpu_list, parse_stat, tree
from benchmarks.run import make_plan, parse_arguments, round_order
from benchmarks.scenarios import SCENARIOS, Sizes
from benchmarks.scenarios.base import work_columns, work_values

WRK = """\
Running 4s test @ http://127.0.0.1:8001/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.91ms  331.01us  11.39ms   96.10%
    Req/Sec    33.74k     1.50k   35.21k    90.00%
  Latency Distribution
     50%  850.00us
     75%    1.96ms
     90%    2.05ms
     99%    1.02s
  134280 requests in 4.00s, 18.44MB read
{errors}Requests/sec:  33558.12
Transfer/sec:      4.61MB
"""


def layout(
    peers: Sequence[Peer] = HTTP_PEERS,
    comparisons: Sequence[Comparison] = HTTP_COMPARISONS,
    lowest_first: bool = False,
) -> report.Layout:
    """Make the layout of a scenario that counts requests."""
    return report.Layout(
        peers, work_columns("req"), "per_cpu_second", "requests", comparisons, lowest_first
    )


def run_of(peer: str, position: int, requests: int, round_: int = 0) -> report.Run:
    """Make a run of one CPU second, a quarter of it in the kernel."""
    values = work_values(Load(requests, requests, 0.001, 0.002), CPUTime(0.75, 0.25))
    return report.Run(peer, round_, position, values)


def test_figures_are_read_in_requests_and_seconds() -> None:
    assert parse(WRK.format(errors="")) == Load(134280, 33558.12, 0.00085, 1.02)


@pytest.mark.parametrize(
    "line",
    [
        "Socket errors: connect 0, read 3, write 0, timeout 0",
        "Non-2xx or 3xx responses: 17",
    ],
)
def test_errors_give_no_figure(line: str) -> None:
    with pytest.raises(LoadError, match=re.escape(line)):
        parse(WRK.format(errors=f"  {line}\n"))


def test_another_text_gives_no_figure() -> None:
    with pytest.raises(LoadError, match="no figures"):
        parse("unable to connect\n")


def test_stat_is_read_after_a_name_with_parentheses() -> None:
    line = "42 (a) b (c) S 7 40 41 0 -1 4194304 9 9 9 9 100 50 20 5 20 0 4 0 1 2 3"
    assert parse_stat(line) == Process(42, "S", 7, 41, 120, 55)


def test_a_tree_holds_descendants_and_the_session() -> None:
    parents_and_sessions = {1: (0, 1), 10: (1, 10), 11: (10, 10), 12: (11, 12), 13: (1, 10)}
    everyone = [
        Process(pid, "S", parent, session, 0, 0)
        for pid, (parent, session) in parents_and_sessions.items()
    ]
    assert {process.pid for process in tree(10, everyone)} == {10, 11, 12, 13}


@pytest.mark.parametrize(
    ("allowed", "siblings", "chosen"),
    [
        ({0, 1}, {0}, (0, 1)),
        ({0, 1, 2, 3}, {0, 1}, (0, 2)),
        ({0, 1}, {0, 1}, (0, 1)),
        ({3}, {3}, (3, 3)),
    ],
)
def test_load_keeps_off_the_servers_core(
    allowed: set[int], siblings: set[int], chosen: tuple[int, int]
) -> None:
    assert choose_cores(allowed, siblings) == chosen


def test_a_cpu_list_has_ranges() -> None:
    assert parse_cpu_list("0-2,8\n") == {0, 1, 2, 8}


@pytest.mark.parametrize(
    ("peers", "comparisons"), [(HTTP_PEERS, HTTP_COMPARISONS), (LINE_PEERS, STREAM_COMPARISONS)]
)
def test_every_server_stands_beside_its_baseline(
    peers: Sequence[Peer], comparisons: Sequence[Comparison]
) -> None:
    order = round_order(layout(peers, comparisons), peers, random.Random(1))
    assert set(order) == set(peers)
    for position, peer in enumerate(order):
        baseline = comparisons[0].against(peer)
        if peer.name != baseline:
            assert order.count(peer) == 1
            beside = {other.name for other in order[max(0, position - 1) : position + 2]}
            assert baseline in beside


def test_a_ratio_is_to_the_nearest_run_of_the_same_round() -> None:
    runs = [
        run_of("tornado", 0, 100),
        run_of("floor", 1, 2000),
        run_of("uvicorn", 2, 800),
        run_of("tornado", 3, 200),
        run_of("tornado", 0, 100, round_=1),
        run_of("floor", 1, 3000, round_=1),
    ]
    by_peer = {summary.peer: summary for summary in report.summarise(runs, layout())}
    assert by_peer["floor"].ratios["tornado"] == report.Ratio(25, 20, 30)
    assert by_peer["uvicorn"].ratios["tornado"] == report.Ratio(4, 4, 4)
    assert by_peer["uvicorn"].ratios["floor"] == report.Ratio(0.4, 0.4, 0.4)


def test_streams_are_compared_on_their_own_loop() -> None:
    runs = [
        run_of("toolkit-uvloop", 0, 400),
        run_of("tornado-uvloop", 1, 100),
        run_of("toolkit-asyncio", 2, 300),
        run_of("tornado-asyncio", 3, 150),
    ]
    summaries = report.summarise(runs, layout(LINE_PEERS, STREAM_COMPARISONS))
    medians = {
        (summary.peer, against): ratio.median
        for summary in summaries
        for against, ratio in summary.ratios.items()
    }
    assert medians == {
        ("toolkit-uvloop", "tornado-uvloop"): 4,
        ("tornado-uvloop", "tornado-uvloop"): 1,
        ("toolkit-asyncio", "tornado-asyncio"): 2,
        ("tornado-asyncio", "tornado-asyncio"): 1,
    }


@pytest.mark.parametrize(("lowest_first", "first"), [(False, "floor"), (True, "sanic")])
def test_the_best_server_comes_first(lowest_first: bool, first: str) -> None:
    runs = [run_of("sanic", 0, 100), run_of("floor", 1, 200)]
    assert report.summarise(runs, layout(lowest_first=lowest_first))[0].peer == first


def test_cpu_time_is_told_per_request() -> None:
    (summary,) = report.summarise([run_of("floor", 0, 2000)], layout())
    assert (summary.values["cpu"], summary.values["kernel"]) == (1 / 2000, 0.25 / 2000)
    assert "| 500.0 | 125.0 (25%) |" in report.table([summary], layout())


def test_answers_without_cpu_time_give_no_figure() -> None:
    with pytest.raises(LoadError, match="5 answers, but no CPU time"):
        work_values(Load(5, 5, 0.001, 0.002), CPUTime(0, 0))


def test_without_a_baseline_there_is_no_ratio() -> None:
    (summary,) = report.summarise([run_of("sanic", 0, 100)], layout())
    assert summary.ratios == {}
    assert "| – | – | – | – |" in report.table([summary], layout())


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal("hello", "floor", "tornado", 9.0), "at least 9 × tornado: reached, 9 "),
        (Goal("hello", "floor", "tornado", 9.5), "missed, 9 "),
        (Goal("hello", "floor", "tornado", at_most=9.0), "at most 9 × tornado: reached, 9 "),
        (Goal("hello", "floor", "tornado", at_most=8.5), "missed, 9 "),
        (Goal("hello", "sanic", "tornado", 1.0), "not measured"),
    ],
)
def test_a_goal_says_what_was_measured(goal: Goal, words: str) -> None:
    summaries = report.summarise([run_of("floor", 0, 900), run_of("tornado", 1, 100)], layout())
    assert words in report.judge([goal], "hello", summaries)[0]
    assert report.judge([goal], "json", summaries) == []


@pytest.mark.parametrize(
    ("words", "sizes", "rounds"),
    [
        ("", Sizes(), None),
        ("--mebibytes 1024 --churn-peers 7", Sizes(mebibytes=1024, churn_peers=7), None),
        ("--quick --idle 10000", Sizes(1, 64, 10_000, 5000, 2000, 300, 20_000, 128, 2000), 2),
    ],
)
def test_the_command_line_says_how_much(words: str, sizes: Sizes, rounds: int | None) -> None:
    plan = make_plan(parse_arguments(words.split()))
    assert (plan.sizes, plan.rounds) == (sizes, rounds)


def test_only_known_servers_of_a_scenario_are_measured() -> None:
    plan = make_plan(parse_arguments(["--only", "toolkit-uvloop,tornado", "--scenario", "lines"]))
    assert [scenario.name for scenario in plan.scenarios] == ["lines"]
    assert [peer.name for peer in plan.peers_of(plan.scenarios[0])] == ["toolkit-uvloop"]
    with pytest.raises(SystemExit):
        parse_arguments(["--only", "nobody"])


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
