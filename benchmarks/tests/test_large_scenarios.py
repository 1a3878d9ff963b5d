"""The scenarios of large files, with small ones."""

import importlib.util
import os
import shutil

import pytest

from benchmarks.load import LoadError
from benchmarks.peers import LARGE_PEERS, Peer
from benchmarks.scenarios import Cores, Sizes, large
from benchmarks.scenarios.large import Download, Upload

SMALL = Sizes(large=4)
CORES = Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))


@pytest.mark.parametrize("peer", LARGE_PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("scenario", [Download(), Upload()], ids=lambda scenario: scenario.name)
def test_a_large_file_gives_a_value_for_each_column(
    scenario: Download | Upload, peer: Peer
) -> None:
    package = peer.name.partition("-")[0]
    if peer not in scenario.layout.peers:
        pytest.skip("it has no upload")
    if package == "nginx" and shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    for name in ("tornado", "uvloop"):
        if name in (package, peer.loop) and importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    values = scenario.measure(peer, CORES, SMALL)
    assert all(column.show(values) for column in scenario.layout.columns)
    assert scenario.layout.figure in values
    assert "4 MiB" in scenario.describe(SMALL)


def test_too_much_memory_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "ALLOWED_PEAK", 1000)
    peer = next(peer for peer in LARGE_PEERS if peer.name == "toolkit-asyncio")
    with pytest.raises(LoadError, match="bytes of memory, 1000 are allowed"):
        Upload().measure(peer, CORES, SMALL)
