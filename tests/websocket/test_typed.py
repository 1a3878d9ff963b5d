"""Messages as values of a type."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from tests.http.client import Serve
from tests.websocket.peers import Peer
from toolkit.testing import MemoryServer
from toolkit.web import Application
from toolkit.websocket import WebSocketHandler
from toolkit.websocket.typed import decoder, encode


@dataclass
class Point:
    """Part of a message."""

    x: float
    y: float = 0.0


@dataclass
class Move:
    """A message."""

    kind: Literal["move"]
    to: Point | None
    tags: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    more: Any = None


@dataclass
class Say:
    """Another one."""

    text: str
    loud: bool = False


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Move, {"kind": "move", "to": None}, Move("move", None)),
        (
            Move,
            {"kind": "move", "to": {"x": 1}, "tags": ["a"], "counts": {"b": 2}, "more": [{}]},
            Move("move", Point(1.0), ["a"], {"b": 2}, [{}]),
        ),
        (Say | Point, {"x": 1, "y": 2.5}, Point(1.0, 2.5)),
        (list[int], [1, 2], [1, 2]),
        (dict, {"a": 1}, {"a": 1}),
        (list, [1, "a"], [1, "a"]),
        (None, None, None),
        (Any, [1], [1]),
        (sorted, [2, 1], [1, 2]),
    ],
)
def test_json_becomes_a_value_of_the_type(kind: Any, value: Any, expected: Any) -> None:
    assert decoder(kind)(json.dumps(value)) == expected


@pytest.mark.parametrize(
    ("kind", "message", "fault"),
    [
        (Move, "[]", r"message: \[\]; an object is allowed"),
        (Move, '{"kind": "move"}', "'to' is missing"),
        (Move, '{"kind": "other", "to": null}', "message.kind: \"other\"; 'move' is allowed"),
        (Move, '{"kind": "move", "to": {"x": "1"}}', 'message.to.x: "1"; a number is allowed'),
        (Say, '{"text": "a", "loud": 1}', "message.loud: 1; true or false is allowed"),
        (Say, '{"text": "a", "color": 1}', "'color' is not known"),
        (list[int], "[1, true]", r"message\[1\]: true; an integer is allowed"),
        (list[int], "{}", "an array is allowed"),
        (dict[str, int], '{"a": "b"}', 'message.a: "b"; an integer is allowed'),
        (dict[str, int], "[]", "an object is allowed"),
        (str | int, "1.5", "a string is allowed; message: 1.5; an integer is allowed"),
        (Say, "{", "no JSON"),
        (Say, b"\xff", "no JSON"),
        (Say, "[" * 100_000, "no JSON"),
        (sorted, "1", "not iterable"),
    ],
)
def test_what_is_no_such_value_is_refused(kind: Any, message: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        decoder(kind)(message)


def test_a_dataclass_may_refuse_itself() -> None:
    @dataclass
    class Even:
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise ValueError(f"{self.number} is odd")

    assert decoder(Even)('{"number": 2}') == Even(2)
    with pytest.raises(ValueError, match="3 is odd"):
        decoder(Even)('{"number": 3}')


@pytest.mark.parametrize("kind", [set[int], bytes, dict[int, str], complex])
def test_a_type_that_json_has_not_is_an_error(kind: Any) -> None:
    with pytest.raises(TypeError, match="are allowed"):
        decoder(kind)


def test_dataclasses_are_written_as_objects() -> None:
    written = encode([Move("move", Point(1, 2)), {"a": None}])
    assert json.loads(written)[0]["to"] == {"x": 1, "y": 2}
    with pytest.raises(TypeError, match="has no form"):
        encode({1, 2})


class Typed(WebSocketHandler):
    """Takes one type of message."""

    message_type = Say

    async def on_message(self, message: Say) -> None:
        await self.write_json(Say(message.text.upper(), True))


@pytest.mark.feature("D11")
async def test_a_handler_gets_values_and_others_are_closed(serve: Serve) -> None:
    peer = await Peer.connect(serve([("/", Typed)]))
    await peer.say('{"text": "a"}')
    assert await peer.event() == '{"text": "A", "loud": true}'
    await peer.say('{"text": 1}')
    await peer.expect_close(1008, "message.text: 1; a string is allowed")


@pytest.mark.feature("Q04")
@pytest.mark.feature("E07")
async def test_a_client_in_memory_gets_values_too() -> None:
    async with (
        MemoryServer(Application([("/", Typed)], log_function=lambda _: None)) as server,
        server.websocket(message_type=Say) as connection,
    ):
        await connection.write_json(Say("a"))
        assert [await anext(connection)] == [Say("A", True)]
