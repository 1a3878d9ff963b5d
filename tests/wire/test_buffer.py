"""The buffer of the machines: lines and pieces come out as they went in."""

import pytest

from toolkit.wire.buffer import Buffer
from toolkit.wire.errors import RemoteProtocolError


def filled(*chunks: bytes) -> Buffer:
    """Return a buffer that holds some chunks."""
    buffer = Buffer()
    for chunk in chunks:
        buffer.append(chunk)
    return buffer


@pytest.mark.parametrize("chunks", [[b"hello"], [b"he", b"llo"], [b"h", b"e", b"l", b"l", b"o"]])
def test_pieces_come_out_in_order(chunks: list[bytes]) -> None:
    """As many bytes as asked for, or as there are, always as `bytes`."""
    buffer = filled(*chunks)
    assert len(buffer) == 5
    assert buffer.take(2) == b"he"
    buffer.append(b"!")
    pieces = [buffer.take(3), buffer.take(9), buffer.take(1)]
    assert pieces == [b"llo", b"!", b""]
    assert {type(piece) for piece in pieces} == {bytes}
    assert not buffer


def test_a_chunk_is_taken_without_a_copy() -> None:
    """One that is taken whole is the object that went in."""
    chunk = b"hello"
    assert filled(chunk).take(5) is chunk
    assert filled(chunk).take(99) is chunk


def test_a_line_comes_out_without_its_end() -> None:
    """However many pieces it came in; CR and LF may come apart."""
    buffer = filled(b"a", b"b\r")
    assert buffer.line(9, 400) is None
    buffer.append(b"\n\r\nc\xe9\r\n")
    assert [buffer.line(9, 400) for _ in range(4)] == ["ab", "", "c\xe9", None]


@pytest.mark.parametrize("chunks", [[b"abcd\r\n"], [b"abc", b"d\r\n"], [b"abcd"], [b"abc", b"d"]])
def test_a_line_over_the_limit_is_refused_as_soon_as_it_is(chunks: list[bytes]) -> None:
    """One as long as the limit is not."""
    with pytest.raises(RemoteProtocolError) as error:
        filled(*chunks).line(3, 431)
    assert error.value.status == 431
    assert filled(b"abc\r\n").line(3, 431) == "abc"
    assert filled(b"abc\r").line(3, 431) is None


@pytest.mark.parametrize("line", [b"a\0", b"a\n", b"a\rb", b"\r\r\n", b"\x7f\r\n", b"a\r\0"])
def test_a_control_character_is_refused_as_soon_as_it_comes(line: bytes) -> None:
    """A line need not be whole for it."""
    with pytest.raises(RemoteProtocolError) as error:
        filled(line).line(9, 431)
    assert error.value.status == 400


def test_a_line_that_has_begun_is_continued() -> None:
    """Bytes that end no line are taken at once, up to the limit, and are of the line then."""
    buffer = filled(b"a", b"b")
    assert buffer.line(5, 431) is None
    assert buffer.continue_line(b"c")
    assert buffer.continue_line(b"de")
    assert not buffer.continue_line(b"f")
    buffer.append(b"\r\n")
    assert buffer.line(5, 431) == "abcde"


@pytest.mark.parametrize("chunk", [b"\r", b"\n", b"b\r\n", b"\0"])
def test_what_may_end_a_line_does_not_continue_it(chunk: bytes) -> None:
    """Nor does a byte that is not allowed in it: `line` has to see them."""
    buffer = filled(b"a", b"a")
    assert buffer.line(9, 431) is None
    assert not buffer.continue_line(chunk)
    assert len(buffer) == 2


@pytest.mark.parametrize("held", [b"", b"a", b"a\r"])
def test_only_what_was_looked_at_is_continued(held: bytes) -> None:
    """Nothing, a line that nobody has asked for yet, and one whose end may have begun."""
    buffer = filled(held[:1], held[1:])
    if held[1:]:
        assert buffer.line(9, 431) is None
    assert not buffer.continue_line(b"b")
