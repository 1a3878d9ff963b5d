"""Each scenario of WebSockets, with small numbers, against the servers whose packages are here."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.peers import WEBSOCKET_PEERS, Peer
from benchmarks.process import ServerError
from benchmarks.scenarios import Cores, Sizes
from benchmarks.scenarios.websocket import (
    EVERYBODY,
    Echoes,
    Everybody,
    IdleWebSockets,
    frame,
    message,
)
from toolkit.wire.websocket import SERVER, Deflate, Machine

SMALL = Sizes(seconds=1, idle=20)
CORES = Cores(min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)))
OURS = WEBSOCKET_PEERS[0]


@pytest.mark.parametrize("size", [64, 4096, 1 << 20])
@pytest.mark.parametrize("deflate", [False, True])
def test_the_frames_of_the_load_are_good(size: int, deflate: bool) -> None:
    machine = Machine(SERVER, deflate=Deflate() if deflate else None)
    machine.receive(frame(message(size), deflate))
    assert machine.next_event() == message(size).decode()
    assert len(message(size)) == size


@pytest.mark.parametrize(
    ("size", "deflate", "connections"), [(64, False, 8), (4096, True, 1), (1 << 20, False, 2)]
)
def test_messages_are_echoed(
    websocket_load: Path, size: int, deflate: bool, connections: int
) -> None:
    scenario = Echoes("x", "x", size, deflate, connections, websocket_load)
    scenario.check(OURS, CORES)
    assert scenario.measure(OURS, CORES, SMALL)["per_second"] > 0


def test_everybody_gets_a_message(websocket_load: Path) -> None:
    scenario = Everybody("x", "x", 64)
    scenario.program, scenario.connections = websocket_load, 10
    scenario.check(OURS, CORES)
    assert scenario.measure(OURS, CORES, SMALL)["per_second"] > 0
    assert str(EVERYBODY) in Everybody("x", "x", 64).describe(SMALL).replace(",", "")


def test_idle_connections_are_held() -> None:
    scenario = IdleWebSockets()
    scenario.check(OURS, CORES)
    assert {"fresh", "used", "proportional"} == set(scenario.measure(OURS, CORES, SMALL))


def test_a_wrong_echo_is_seen() -> None:
    lines = Peer("lines", "echo of lines", "lines_toolkit")
    with pytest.raises(ServerError):
        Echoes("x", "x", 64).check(replace(lines, arguments=("--loop", "asyncio")), CORES)
