"""The crawl, with small numbers, and what gives it no figure."""

import os

import pytest

from benchmarks.load import LoadError
from benchmarks.peers import CRAWL_PEERS
from benchmarks.scenarios import Cores, Sizes, crawl
from benchmarks.scenarios.crawl import Crawl, found_leaks

CORES = Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))
PEER = next(peer for peer in CRAWL_PEERS if peer.name == "toolkit-asyncio")
needs_nginx = pytest.mark.skipif(Crawl().missing() is not None, reason="nginx is not installed")

CLEAN = {
    "resident_before": 100.0,
    "resident_after": 101.0,
    "objects_before": 1000.0,
    "objects_after": 1001.0,
    "tasks_first": 1.0,
    "tasks_last": 1.0,
    "descriptors_first": 7.0,
    "descriptors_last": 7.0,
}


def test_a_crawl_that_leaves_nothing_has_no_leaks() -> None:
    assert found_leaks(CLEAN) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("resident_after", 103.0, "memory 1.0300 times"),
        ("objects_after", 1201.0, "201 objects more"),
        ("tasks_last", 2.0, "tasks 1 to 2"),
        ("descriptors_last", 8.0, "descriptors 7 to 8"),
    ],
)
def test_what_is_left_of_a_crawl_is_a_leak(name: str, value: float, said: str) -> None:
    (leak,) = found_leaks({**CLEAN, name: value})
    assert said in leak


@needs_nginx
def test_a_crawl_gives_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl, "ALLOWED_GROWTH", 2.0)  # so few pages fill no memories
    scenario = Crawl()
    values = scenario.measure(PEER, CORES, Sizes(crawl=300))
    assert all(column.show(values) for column in scenario.layout.columns)
    assert scenario.layout.figure in values
    assert scenario.describe(Sizes())


@needs_nginx
def test_a_crawl_with_a_leak_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl, "ALLOWED_OBJECTS", -1_000_000)
    with pytest.raises(LoadError, match="objects more"):
        Crawl().measure(PEER, CORES, Sizes(crawl=300))
