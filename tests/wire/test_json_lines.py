"""`json_lines`: values on lines, however they are cut."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.feeding import cuttings
from tests.wire.test_linear import count_calls
from toolkit.wire.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.events import CLOSED, NEED_DATA
from toolkit.wire.json_lines import JSONLine, JSONLinesReader, encode_json_line


def read(pieces: list[bytes], max_line: int = 1000) -> list[Any]:
    """Return the values of pieces and the end; the words of an error in the place of a value."""
    reader = JSONLinesReader(max_line)
    found: list[Any] = []
    try:
        for piece in [*pieces, b""]:
            reader.receive(piece)
            while isinstance(event := reader.next_event(), JSONLine):
                found.append(event.value)
            assert event is (NEED_DATA if piece else CLOSED)
    except RemoteProtocolError as error:
        reader.receive(b"1\n")
        with pytest.raises(RemoteProtocolError):
            reader.next_event()
        found.append(str(error))
    return found


CASES: list[tuple[bytes, list[Any]]] = [
    (b"", []),
    (b"\n \r\n\t\n", []),
    (b'{"a": 1}\n[2]\r\n"3"\n', [{"a": 1}, [2], "3"]),
    (b"1\n2", [1, 2]),
    (b"1\n2\n\n", [1, 2]),
    (b"null\n", [None]),
    ('"\u20ac"\n'.encode(), ["\u20ac"]),
]


@pytest.mark.feature("N05")
@pytest.mark.parametrize(("text", "expected"), CASES, ids=range(len(CASES)))
def test_each_line_is_a_value(text: bytes, expected: list[Any]) -> None:
    """However the bytes are cut."""
    for pieces in cuttings(text):
        assert read(pieces) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"1\n{\n2\n", "line 2 is no JSON"),
        (b"\n\xff\n", "line 2 is no JSON"),
        (b"1 2\n", "line 1 is no JSON"),
        (b"1\n" + b"[" * 900 + b"\n", "line 2 is no JSON"),
        (b"1\n" + b" " * 1001 + b"\n", "line 2 of JSON has more than 1000 bytes"),
        (b"1\n" + b" " * 1001, "line 2 of JSON has more than 1000 bytes"),
    ],
    ids=range(6),
)
def test_a_line_that_is_none_ends_the_reading(text: bytes, what: str) -> None:
    """It says which, and what came before is good."""
    for size in (1, 3, len(text)):
        *values, error = read([text[at : at + size] for at in range(0, len(text), size)])
        assert what in error
        assert values == ([1] if text.startswith(b"1\n") else [])


def test_deep_nesting_is_an_error_as_others() -> None:
    """And not one of the interpreter."""
    deep = b"[" * 100_000 + b"\n"
    (error,) = read([deep], max_line=200_000)
    assert "no JSON" in error


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.feature("N05")
@settings(max_examples=50)
@given(st.lists(VALUES, max_size=4), st.integers(1, 40))
def test_what_is_written_is_read(values: list[Any], size: int) -> None:
    """One line for each."""
    text = b"".join(map(encode_json_line, values))
    assert text.count(b"\n") == len(values)
    assert read([text[at : at + size] for at in range(0, len(text), size)]) == values
    assert [json.loads(line) for line in text.splitlines()] == values


def loop_within_itself() -> list[Any]:
    """Return a value that has no end."""
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [object(), float("inf"), {1, 2}, "\ud800", loop_within_itself()], ids=range(5)
)
def test_what_json_has_not_is_not_written(value: object) -> None:
    """Nothing is sent then."""
    with pytest.raises(LocalProtocolError):
        encode_json_line(value)


def test_a_line_that_comes_byte_by_byte_is_looked_at_once() -> None:
    """Work grows with the bytes."""

    def cost(size: int) -> int:
        text = b'"' + b"x" * size + b'"\n'
        pieces = [text[at : at + 1] for at in range(len(text))]
        return count_calls(lambda: read(pieces, 10**6))

    assert cost(4000) <= 2.1 * cost(2000)
