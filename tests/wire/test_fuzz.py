"""A quick part of `tests.wire.fuzz`, and that it would see what it looks for."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.wire import fuzz
from tests.wire.fuzz import LIMITS, Broken, Mutator, Watched
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Data, EndOfMessage, RequestHead
from toolkit.wire.http1 import Machine


@pytest.mark.parametrize("seed", range(2))
def test_mutated_requests_give_events_or_an_error_and_nothing_else(seed: int) -> None:
    """Many inputs are taken and many refused, with more than one status."""
    seen = fuzz.fuzz(seed, 5000)
    assert seen.total() == 5000
    assert seen[0] > 300
    assert seen[400] > 1000
    assert {413, 431, 505} <= set(seen)


def test_a_seed_makes_the_same_inputs_again() -> None:
    first, second, other = map(Mutator, (1, 1, 2))
    made = [first.make() for _ in range(50)]
    assert made == [second.make() for _ in range(50)]
    assert made != [other.make() for _ in range(50)]


_POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"


def _saying(event: object) -> Callable[[Machine], object]:
    return lambda machine: event


def _raising(error: Exception) -> Callable[[Machine], object]:
    def fail(machine: Machine) -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    "wrong",
    [
        _saying(Data(b"x")),
        _saying(EndOfMessage()),
        _saying(RequestHead("G T", "/", [("host", "h")])),
        _saying(RequestHead("GET", "/", [("Host", "h")])),
        _saying(RequestHead("GET", "/", [("host", "h"), ("x", "a\rb")])),
        _saying(RequestHead("GET", "/", [])),
        _raising(RemoteProtocolError("x", 200)),
    ],
)
def test_what_a_machine_never_may_say_is_seen(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "next_event", wrong)
    with pytest.raises(Broken):
        Watched(False, LIMITS).feed([_POST])


def test_a_machine_that_goes_on_for_ever_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    events = iter([RequestHead("POST", "/", [("host", "h")], length=10**6)])
    monkeypatch.setattr(Machine, "next_event", lambda machine: next(events, Data(b"x")))
    with pytest.raises(Broken, match="more events than bytes"):
        Watched(False, LIMITS).feed([_POST])
