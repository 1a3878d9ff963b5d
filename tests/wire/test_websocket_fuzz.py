"""A quick part of `tests.wire.websocket_fuzz`, and that it would see what it looks for."""

import pytest

from tests.wire import websocket_fuzz
from tests.wire.websocket_fuzz import Mutator
from toolkit.wire.http1 import SERVER
from toolkit.wire.websocket import NEED_DATA, Machine, Ping


@pytest.mark.parametrize("seed", range(2))
def test_mutated_frames_give_events_or_an_error_and_nothing_else(seed: int) -> None:
    """Many inputs are taken and many refused, with every code."""
    seen = websocket_fuzz.run(1000, seed)
    assert seen["read"] > 100
    assert min(seen["str"], seen["bytes"], seen["tuple"]) > 20
    assert min(seen[f"code {code}"] for code in (1002, 1007, 1009)) > 5


def test_a_seed_makes_the_same_inputs_again() -> None:
    """So that what was found can be found again."""
    first, second, other = map(Mutator, (1, 1, 2))
    made = [first.make(SERVER) for _ in range(50)]
    assert made == [second.make(SERVER) for _ in range(50)]
    assert made != [other.make(SERVER) for _ in range(50)]


@pytest.mark.parametrize("wrong", [ValueError("x"), Ping(b"x" * 126), "x" * 601, 5], ids=str)
def test_what_a_machine_never_may_say_is_seen(
    wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of another kind, and events that are none."""
    said = iter([wrong])

    def next_event(machine: Machine) -> object:
        event = next(said, NEED_DATA)
        if isinstance(event, Exception):
            raise event
        return event

    monkeypatch.setattr(Machine, "next_event", next_event)
    with pytest.raises(AssertionError):
        websocket_fuzz.run(1, 1)
