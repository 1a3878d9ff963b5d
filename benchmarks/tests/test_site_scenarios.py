"""Each scenario of the sites, with small numbers, against the project's."""

import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from benchmarks.load import LoadError
from benchmarks.peers import SITE_PEERS, Peer
from benchmarks.process import ADDRESS, Server
from benchmarks.scenarios import Cores, Scenario, Sizes, endurance, slow
from benchmarks.scenarios.endurance import BusyIdle, IdleHTTP, Soak, ask_on
from benchmarks.scenarios.slow import SlowHTTP

SMALL = Sizes(seconds=1, idle=20, slow=12, soak=200)
CORES = Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")


def project(loop: str) -> Peer:
    """Return the project's site on a loop, or skip the test."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    return next(peer for peer in SITE_PEERS if peer.name == f"toolkit-{loop}")


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the scenarios wait for less than a figure needs."""
    monkeypatch.setattr(endurance, "SOAK_SPAN", 1)
    monkeypatch.setattr(endurance, "ALLOWED_GROWTH", 10.0)
    monkeypatch.setattr(slow, "SPAN", 1)
    monkeypatch.setattr(slow, "PATIENCE", 0.5)
    monkeypatch.setattr(slow, "DRIP", 0.1)
    monkeypatch.setattr(slow, "ALLOWED_RATIO", 1000.0)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    ("scenario", "loop"),
    [
        (IdleHTTP(), "asyncio"),
        (IdleHTTP(), "uvloop"),
        pytest.param(BusyIdle(), "asyncio", marks=needs_wrk),
        pytest.param(Soak(), "uvloop", marks=needs_wrk),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_scenario_gives_a_value_for_each_column(scenario: Scenario, loop: str) -> None:
    check_columns(scenario, loop)


@needs_wrk
@pytest.mark.usefixtures("hurry")
def test_slow_clients_give_a_value_for_each_column(drip_load: Path) -> None:
    check_columns(SlowHTTP(drip_load), "uvloop")


def check_columns(scenario: Scenario, loop: str) -> None:
    """Measure the project's site, and look that the report has all of what was seen."""
    values = scenario.measure(project(loop), CORES, SMALL)
    assert all(column.show(values) for column in scenario.layout.columns)
    assert scenario.layout.figure in values
    assert scenario.describe(SMALL)


@needs_wrk
def test_slow_clients_that_are_not_cut_off_give_no_figure(
    hurry: None, monkeypatch: pytest.MonkeyPatch, drip_load: Path
) -> None:
    monkeypatch.setattr(slow, "PATIENCE", 60.0)
    monkeypatch.setattr(slow, "CUT_TIMEOUT", 2.0)
    with pytest.raises(LoadError, match="10 slow clients were not cut off within"):
        SlowHTTP(drip_load).measure(project("asyncio"), CORES, SMALL)


@needs_wrk
def test_growth_beyond_what_is_allowed_gives_no_figure(
    hurry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endurance, "ALLOWED_GROWTH", 0.5)
    with pytest.raises(LoadError, match="times that after the first half"):
        Soak().measure(project("asyncio"), CORES, SMALL)


def test_an_answer_that_is_wrong_is_found_out() -> None:
    """A server of another content, on the path that the scenario asks for."""
    with socket.create_server((ADDRESS, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 500 No\r\n\r\nHello, world!")

        server = threading.Thread(target=serve)
        server.start()
        with (
            socket.create_connection(listener.getsockname()) as connection,
            pytest.raises(LoadError, match="answered with"),
        ):
            ask_on([connection])
        server.join()


def test_what_the_kernel_has_not_sent_is_counted() -> None:
    """The large content of a client that reads nothing is more than the kernels take."""
    with (
        Server(project("asyncio"), CORES.server) as server,
        socket.create_connection((ADDRESS, server.port)) as connection,
    ):
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        while not slow.unsent(server.port):
            pass
