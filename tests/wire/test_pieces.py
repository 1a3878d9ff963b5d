"""Content that comes in pieces: what is taken is what came, and what it takes of memory."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.wire.allocation import uninitialized
from toolkit.wire.pieces import LARGE, TRUST, Pieces

SIZE = 8 * LARGE
CONTENT = bytes(range(256)) * (SIZE // 256)


def cut(content: bytes, size: int) -> list[bytes]:
    """Return content in pieces of so many bytes."""
    return [content[at : at + size] for at in range(0, len(content), size)]


@given(
    ends=st.lists(st.integers(0, SIZE), max_size=9),
    expected=st.sampled_from([0, -1, LARGE, SIZE, SIZE + 1, 2 * SIZE, TRUST * SIZE]),
)
def test_what_is_taken_is_what_came(ends: list[int], expected: int) -> None:
    """However it was cut, and whatever was expected; also less than that, or more."""
    pieces = Pieces(expected)
    for _ in range(2):
        at = 0
        for end in [*sorted(ends), SIZE]:
            pieces.append(CONTENT[at:end])
            at = end
        assert pieces.size == SIZE
        assert pieces.take() == CONTENT
        assert (pieces.size, pieces.take()) == (0, b"")


def test_one_piece_is_taken_without_a_copy() -> None:
    pieces = Pieces(SIZE)
    pieces.append(CONTENT)
    assert pieces.take() is CONTENT


@pytest.mark.parametrize(("expected", "most"), [(SIZE, 1.2), (0, 2.1)])
def test_what_is_expected_is_in_memory_once(expected: int, most: float) -> None:
    """Pieces that are kept until all are there are so twice."""
    uninitialized(1)  # the first time takes a block to have it kept
    tracemalloc.start()
    try:
        pieces = Pieces(expected)
        for at in range(0, SIZE, LARGE // 2):
            pieces.append(CONTENT[at : at + LARGE // 2])
        content = pieces.take()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert content == CONTENT
    assert most - 0.2 < peak / SIZE < most


def test_a_promise_takes_no_memory_by_itself() -> None:
    """Who announces much and sends little is not believed."""
    uninitialized(1)
    tracemalloc.start()
    try:
        pieces = Pieces(1000 * SIZE)
        for piece in cut(CONTENT, LARGE):
            pieces.append(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < TRUST * SIZE


def test_room_is_there_for_all_but_the_last_byte() -> None:
    """What is written into it is as if it had been added."""
    pieces = Pieces(SIZE)
    assert pieces.room() is None
    pieces.append(CONTENT[:LARGE])
    room = pieces.room()
    assert room is not None
    assert len(room) == SIZE - LARGE - 1
    room[:10] = CONTENT[LARGE : LARGE + 10]
    room.release()
    pieces.filled(10)
    pieces.append(CONTENT[LARGE + 10 : -10])
    assert pieces.room() is None  # for so little
    pieces.append(CONTENT[-10:])
    assert pieces.take() == CONTENT


def test_what_was_filled_is_taken_though_it_is_not_all() -> None:
    """Also while a transport still holds the room."""
    pieces = Pieces(SIZE)
    pieces.append(CONTENT[:LARGE])
    room = pieces.room()
    assert room is not None
    with room:
        room[:10] = CONTENT[LARGE : LARGE + 10]
        pieces.filled(10)
        assert pieces.take() == CONTENT[: LARGE + 10]
