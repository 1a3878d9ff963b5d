"""The pure parts of the harness: what it reads, how it orders and what it computes."""

import random
import re

import pytest

from benchmarks import report
from benchmarks.load import Load, LoadError, parse
from benchmarks.peers import BASELINE, PEERS, Goal
from benchmarks.process import CPUTime, Process, choose_cores, parse_cpu_list, parse_stat, tree
from benchmarks.run import round_order

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


def run_of(peer: str, position: int, requests: int, round_: int = 0) -> report.Run:
    """Make a run of one CPU second, a quarter of it in the kernel."""
    return report.Run(
        peer, round_, position, Load(requests, requests, 0.001, 0.002), CPUTime(0.75, 0.25)
    )


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


def test_every_server_stands_beside_a_baseline() -> None:
    names = [peer.name for peer in round_order(PEERS, random.Random(1))]
    assert set(names) == {peer.name for peer in PEERS}
    for position, name in enumerate(names):
        if name != BASELINE:
            assert names.count(name) == 1
            assert BASELINE in (names[position - 1], names[position + 1])


def test_a_ratio_is_to_the_nearest_run_of_the_same_round() -> None:
    runs = [
        run_of("tornado", 0, 100),
        run_of("floor", 1, 2000),
        run_of("uvicorn", 2, 800),
        run_of("tornado", 3, 200),
        run_of("tornado", 0, 100, round_=1),
        run_of("floor", 1, 3000, round_=1),
    ]
    by_peer = {summary.peer: summary for summary in report.summarise(runs)}
    assert by_peer["floor"].ratios["tornado"] == report.Ratio(25, 20, 30)
    assert by_peer["uvicorn"].ratios["tornado"] == report.Ratio(4, 4, 4)
    assert by_peer["uvicorn"].ratios["floor"] == report.Ratio(0.4, 0.4, 0.4)


def test_cpu_time_is_told_per_request() -> None:
    (summary,) = report.summarise([run_of("floor", 0, 2000)])
    assert (summary.cpu_per_request, summary.kernel_per_request) == (1 / 2000, 0.25 / 2000)
    assert "| 500.0 | 125.0 (25%) |" in report.table([summary])


def test_without_a_baseline_there_is_no_ratio() -> None:
    (summary,) = report.summarise([run_of("sanic", 0, 100)])
    assert summary.ratios == {}
    assert "| – | – | – | – |" in report.table([summary])


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal("hello", "floor", "tornado", 9.0), "reached, 9 "),
        (Goal("hello", "floor", "tornado", 9.5), "missed, 9 "),
        (Goal("hello", "sanic", "tornado", 1.0), "not measured"),
    ],
)
def test_a_goal_says_what_was_measured(goal: Goal, words: str) -> None:
    summaries = report.summarise([run_of("floor", 0, 900), run_of("tornado", 1, 100)])
    assert words in report.judge([goal], "hello", summaries)[0]
    assert report.judge([goal], "json", summaries) == []
