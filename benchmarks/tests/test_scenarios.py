"""Each scenario of streams, with small numbers, against the servers whose packages are here."""

import importlib.util
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.load import LoadError, run_lines
from benchmarks.peers import LINE_PEERS, PROXY_PEERS, Peer
from benchmarks.process import ADDRESS, ServerError
from benchmarks.scenarios import Cores, Scenario, Sizes
from benchmarks.scenarios.bulk import Bulk, Line, SlowReader, push_until_stalled
from benchmarks.scenarios.lines import Churn, Idle, Lines, allow_descriptors, check_pieces

SMALL = Sizes(seconds=1, mebibytes=4, idle=20, churn=200, churn_peers=100)
CORES = Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))


def installed(peer: Peer) -> Peer:
    """Return the peer, or skip the test when a package that it needs is not here."""
    for package in (peer.name.partition("-")[0], peer.loop):
        if package in ("tornado", "uvloop") and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return peer


def named(peers: Sequence[Peer], name: str) -> Peer:
    """Return the peer of that name."""
    return next(peer for peer in peers if peer.name == name)


def each(peer: Peer) -> str:
    """Return what pytest calls a test of the peer."""
    return peer.name


@pytest.mark.parametrize("peer", LINE_PEERS, ids=each)
def test_lines_come_back_however_they_are_cut(peer: Peer) -> None:
    Lines().check(installed(peer), CORES)


@pytest.mark.parametrize("peer", PROXY_PEERS, ids=each)
def test_a_proxy_passes_on_every_byte_both_ways_and_the_end(peer: Peer) -> None:
    Bulk().check(installed(peer), CORES)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("scenario", "peers"), [(Bulk(), PROXY_PEERS), (Idle(), LINE_PEERS)], ids=["bulk", "idle"]
)
def test_a_scenario_gives_a_value_for_each_column(
    scenario: Scenario, peers: Sequence[Peer], loop: str
) -> None:
    values = scenario.measure(installed(named(peers, f"toolkit-{loop}")), CORES, SMALL)
    assert all(column.show(values) for column in scenario.layout.columns)
    assert scenario.layout.figure in values


@pytest.mark.parametrize("kind", [Lines, Churn])
def test_a_scenario_with_line_load_gives_a_value_for_each_column(
    kind: type[Lines], line_load: Path
) -> None:
    scenario = kind(line_load)
    values = scenario.measure(named(LINE_PEERS, "toolkit-asyncio"), CORES, SMALL)
    assert all(column.show(values) for column in scenario.layout.columns)
    assert values[scenario.layout.figure] > 0


def test_churn_closes_what_it_opens_and_counts_it(line_load: Path) -> None:
    values = Churn(line_load).measure(named(LINE_PEERS, "toolkit-asyncio"), CORES, SMALL)
    assert values["connections"] == SMALL.churn
    assert values["opened_after"] == values["opened_before"]


def test_a_proxy_holds_back_a_source_whose_sink_does_not_read() -> None:
    values = SlowReader().measure(named(PROXY_PEERS, "toolkit-asyncio"), CORES, SMALL)
    assert 0 < values["taken"] < 256 * 1024 * 1024


def test_a_source_that_is_not_held_back_gets_rid_of_all() -> None:
    total = 1024
    with Line(named(PROXY_PEERS, "protocol-asyncio"), CORES) as line, line.path() as path:
        assert push_until_stalled(path.source, total) == total


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Listen within the block, send `answer` to the first connection and close it."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(answer)

    with socket.create_server((ADDRESS, 0)) as listener:
        listener.settimeout(10)
        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        server.join()


@pytest.mark.parametrize("answer", [b"", b"y" * 64, b"x" * 64])
def test_a_wrong_echo_gives_no_figure(line_load: Path, answer: bytes) -> None:
    with (
        answering(answer) as port,
        pytest.raises(LoadError, match=r"line-load ended with 1: .*0 echoes"),
    ):
        run_lines(port, CORES.load, echoes=1, connections=1, program=line_load)


def test_a_server_that_does_not_echo_is_found_out() -> None:
    with answering(b"x" * 200) as port, pytest.raises(ServerError, match=r"somebody: .*echo"):
        check_pieces("somebody", port)


def test_too_many_connections_for_the_machine_are_refused() -> None:
    with pytest.raises(LoadError, match="open files are allowed, 1000000000000 are needed"):
        allow_descriptors(10**12)
